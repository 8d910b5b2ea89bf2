"""A sync run: started, watched, paused, resumed, stopped."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.jobs.wake import wake
from shopchimp.services import connection, progress, sync_runs
from shopchimp.services.sync_runs import StartRefused
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor
from shopchimp.web.previews import parse_policy, refused_page

router = APIRouter(include_in_schema=False, prefix="/syncs")


@router.post("")
def start(
    request: Request,
    visitor: PageVisitor,
    preview_id: Annotated[UUID, Form()],
    policy: Annotated[str, Form()] = "",
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Press Start."""
    try:
        sync_runs.start(
            deps.database(request),
            visitor.shop_id,
            preview_id,
            policy=parse_policy(policy),
            confirmed=confirmed == "yes",
        )
    except StartRefused as refused:
        if refused.code == "not_found":
            raise
        return refused_page(request, visitor, preview_id, refused, policy)
    wake()
    return RedirectResponse(f"/syncs/{preview_id}", 303)


@router.get("/{run_id}")
def watch(request: Request, visitor: PageVisitor, run_id: UUID) -> Response:
    """The run as it stands. The page polls itself by our script, or reloads itself without."""
    return _page(request, visitor, run_id)


@router.get("/{run_id}/progress")
def poll(request: Request, visitor: PageVisitor, run_id: UUID, left: float | None = None) -> Response:
    """The polled part. `left` is the time left that is on the screen, so that it rises only with a reason."""
    return _page(request, visitor, run_id, shown=left)


@router.post("/{run_id}/pause")
def pause(request: Request, visitor: PageVisitor, run_id: UUID) -> Response:
    """Stop after what is in flight."""
    _progress(request, visitor, run_id)
    sync_runs.pause(deps.database(request), visitor.shop_id, run_id)
    return RedirectResponse(f"/syncs/{run_id}", 303)


@router.post("/{run_id}/resume")
def resume(request: Request, visitor: PageVisitor, run_id: UUID) -> Response:
    """Go on where it was."""
    _progress(request, visitor, run_id)
    sync_runs.resume(deps.database(request), visitor.shop_id, run_id)
    wake()
    return RedirectResponse(f"/syncs/{run_id}", 303)


@router.get("/{run_id}/cancel")
def ask_cancel(request: Request, visitor: PageVisitor, run_id: UUID) -> Response:
    """Ask before stopping for good."""
    measured = _progress(request, visitor, run_id)
    return render.page(request, visitor, "sync_cancel.html", section="overview", progress=measured)


@router.post("/{run_id}/cancel")
def cancel(request: Request, visitor: PageVisitor, run_id: UUID) -> Response:
    """Stop for good. What was sent stays where it is."""
    _progress(request, visitor, run_id)
    sync_runs.cancel(deps.database(request), visitor.shop_id, run_id)
    return RedirectResponse(f"/syncs/{run_id}", 303)


def _page(request: Request, visitor: Visitor, run_id: UUID, *, shown: float | None = None) -> Response:
    measured = _progress(request, visitor, run_id)
    if measured.run.started_at is None and measured.run.state != "cancelled":
        return RedirectResponse(f"/setup/preview/{run_id}", 303)
    database = deps.database(request)
    left, slower = progress.steadied(measured.seconds_left, shown)
    ended = measured.run.state in sync_runs.ENDED
    people = progress.people(database, visitor.shop_id, measured) if ended else None
    values: dict[str, Any] = {"progress": measured, "left": left, "slower": slower, "people": people, "ended": ended}
    current = connection.status(database, visitor.shop_id)
    return render.page(request, visitor, "sync.html", section="overview", connection=current, **values)


def _progress(request: Request, visitor: Visitor, run_id: UUID) -> progress.Progress:
    found = progress.progress(deps.database(request), visitor.shop_id, run_id)
    if found is None:
        raise HTTPException(404)
    return found
