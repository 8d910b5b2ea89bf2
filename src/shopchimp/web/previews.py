"""The preview: made, looked at, exported, its one question answered. Nothing is written before Start."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from shopchimp.domain.consent import Policy
from shopchimp.jobs.wake import wake
from shopchimp.services import connection, overview, preview, progress, settings, sync_runs
from shopchimp.services.commerce import reach
from shopchimp.services.preview import Preview
from shopchimp.services.sync_runs import StartRefused
from shopchimp.web import deps, downloads, render
from shopchimp.web.deps import PageVisitor, Visitor

router = APIRouter(include_in_schema=False, prefix="/setup/preview")


@router.get("")
def newest(request: Request, visitor: PageVisitor) -> Response:
    """The step before its button is pressed, or the preview there is."""
    found = overview.overview(deps.database(request), visitor.shop_id)
    if found.preview is not None:
        return RedirectResponse(f"/setup/preview/{found.preview.id}", 303)
    if found.connection is None or found.connection.audience_id is None:
        return RedirectResponse("/setup", 303)
    return render.page(request, visitor, "preview_new.html", section="setup", connection=found.connection)


@router.post("")
def make(request: Request, visitor: PageVisitor) -> Response:
    """Begin a preview: both sides are read and compared in the background."""
    run_id = sync_runs.make_preview(deps.database(request), visitor.shop_id)
    wake()
    return RedirectResponse(f"/setup/preview/{run_id}", 303)


@router.get("/{run_id}")
def show(request: Request, visitor: PageVisitor, run_id: UUID, policy: str = "") -> Response:
    """The preview as it stands: being made, ready, or out of date."""
    return preview_page(request, visitor, run_id, policy=policy)


@router.get("/{run_id}/progress")
def making(request: Request, visitor: PageVisitor, run_id: UUID) -> Response:
    """The polled part while it is being made."""
    measured = progress.progress(deps.database(request), visitor.shop_id, run_id)
    if measured is None:
        raise HTTPException(404)
    return render.page(request, visitor, "preview_making.html", section="setup", progress=measured)


@router.get("/{run_id}/rows")
def rows(
    request: Request,
    visitor: PageVisitor,
    run_id: UUID,
    *,
    kind: str = "",
    rule: str = "",
    conflicts: bool = False,
    cursor: int = -1,
) -> Response:
    """Who is behind a number of the preview, a page at a time."""
    found = _preview(request, visitor, run_id)
    wanted = {"kind": kind, "rule": rule, "conflicts": conflicts}
    page = preview.rows(deps.database(request), visitor.shop_id, run_id, **wanted, cursor=cursor)  # type: ignore[arg-type]
    return render.page(request, visitor, "preview_rows.html", section="setup", preview=found, page=page, wanted=wanted)


@router.post("/{run_id}/policy")
def choose_policy(
    request: Request, visitor: PageVisitor, run_id: UUID, policy: Annotated[str, Form()] = ""
) -> Response:
    """Show the preview under another answer to the question about conflicting choices (D1)."""
    answer = parse_policy(policy)
    if answer is None:
        return preview_page(request, visitor, run_id, status=422, error="Choose one of the two answers first.")
    sync_runs.choose_policy(deps.database(request), visitor.shop_id, run_id, answer)
    return RedirectResponse(f"/setup/preview/{run_id}?policy={answer}", 303)


@router.post("/{run_id}/export")
def export(request: Request, visitor: PageVisitor, run_id: UUID) -> Response:
    """A link to the CSV that holds for a minute: a download can't carry the session token (ux.md 1.3)."""
    _preview(request, visitor, run_id)
    return downloads.offer(request, visitor.shop_id, "preview", run_id)


@downloads.kind("preview")
def download(request: Request, shop_id: int, run_id: str) -> Response:
    """The CSV itself."""
    return csv_response(request, shop_id, UUID(run_id))


def csv_response(request: Request, shop_id: int, run_id: UUID) -> Response:
    """The whole plan as CSV, streamed."""
    text = preview.as_csv(deps.database(request), shop_id, run_id)
    headers = {"Content-Disposition": f'attachment; filename="shopchimp-preview-{run_id}.csv"'}
    return StreamingResponse(text, media_type="text/csv; charset=utf-8", headers=headers)


def preview_page(
    request: Request,
    visitor: Visitor,
    run_id: UUID,
    *,
    status: int = 200,
    error: str = "",
    code: str = "",
    policy: str = "",
) -> Response:
    """The preview with an error on top where Start was refused."""
    found, database = _preview(request, visitor, run_id), deps.database(request)
    if found.run.started_at is not None:
        return RedirectResponse(f"/syncs/{run_id}", 303)
    current = connection.status(database, visitor.shop_id)
    if found.run.state in {"preparing", "needs_you", "failed"}:
        measured = progress.progress(database, visitor.shop_id, run_id)
        return render.page(request, visitor, "preview_making.html", section="setup", progress=measured)
    with database.transaction() as tx:
        chosen = settings.get(tx, visitor.shop_id).conflict_policy
    values: dict[str, Any] = {"preview": found, "connection": current, "error": error, "code": code}
    answer = policy if policy == found.run.policy else chosen or ""
    values["reach"] = reach.of_shop(database, visitor.shop_id)
    return render.page(request, visitor, "preview.html", status=status, section="setup", answer=answer, **values)


def refused_page(request: Request, visitor: Visitor, run_id: UUID, refused: StartRefused, policy: str) -> Response:
    """Start was refused: the same preview, with the reason."""
    return preview_page(request, visitor, run_id, status=409, error=refused.message, code=refused.code, policy=policy)


def parse_policy(value: str) -> Policy | None:
    """The merchant's answer, if it is one."""
    return Policy(value) if value in set(Policy) else None


def _preview(request: Request, visitor: Visitor, run_id: UUID) -> Preview:
    found = preview.preview(deps.database(request), visitor.shop_id, run_id)
    if found is None:
        raise HTTPException(404)
    return found
