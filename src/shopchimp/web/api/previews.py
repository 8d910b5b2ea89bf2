"""Previews by API: made, read, exported, and the one question answered."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request, Response

from shopchimp.db.sync_runs import Run
from shopchimp.domain.causes import cause
from shopchimp.domain.consent import Policy
from shopchimp.jobs.wake import wake
from shopchimp.services import preview, sync_runs
from shopchimp.services.preview import Preview
from shopchimp.web import deps
from shopchimp.web.api import models
from shopchimp.web.deps import ApiVisitor
from shopchimp.web.previews import csv_response

router = APIRouter(prefix="/api/v1/previews", tags=["previews"])
COUNTS = (
    "people", "contacts_read", "contacts_without_customer", "consent_changes", "by_kind", "by_rule", "skip",
    "conflicts", "contact_writes", "consent_writes",
)  # fmt: skip


@router.post("", status_code=202, operation_id="makePreview")
def make(request: Request, response: Response, visitor: ApiVisitor) -> models.Preview:
    """Read both sides and plan the first sync. Nothing is written."""
    run_id = sync_runs.make_preview(deps.database(request), visitor.shop_id)
    wake()
    response.headers["Location"] = f"/api/v1/previews/{run_id}"
    return _answer(_preview(request, visitor, run_id))


@router.get("/{preview_id}", operation_id="getPreview")
def show(request: Request, visitor: ApiVisitor, preview_id: UUID) -> models.Preview:
    """What the sync would do: counts by kind, direction and rule. Complete once `state` is `ready`."""
    return _answer(_preview(request, visitor, preview_id))


@router.get("/{preview_id}/rows", operation_id="listPreviewRows")
def rows(
    request: Request,
    visitor: ApiVisitor,
    preview_id: UUID,
    *,
    kind: str = "",
    rule: str = "",
    conflicts: bool = False,
    cursor: Annotated[int, Query(ge=-1, le=2**53)] = -1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> models.PreviewRows:
    """The people behind the counts, in the order of the plan."""
    _preview(request, visitor, preview_id)
    database = deps.database(request)
    found = preview.rows(
        database, visitor.shop_id, preview_id, kind=kind, rule=rule, conflicts=conflicts, cursor=cursor, limit=limit
    )
    lines = [
        models.PreviewRow(**asdict(line), why=preview.why(line), direction=preview.direction(line))
        for line in found.rows
    ]
    return models.PreviewRows(rows=lines, next_cursor=found.next_cursor)


@router.get(
    "/{preview_id}/export",
    operation_id="exportPreview",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The whole plan"}},
)
def export(request: Request, visitor: ApiVisitor, preview_id: UUID) -> Response:
    """The whole plan as CSV."""
    _preview(request, visitor, preview_id)
    return csv_response(request, visitor.shop_id, preview_id)


@router.put("/{preview_id}/policy", operation_id="choosePreviewPolicy")
def choose_policy(
    request: Request, visitor: ApiVisitor, preview_id: UUID, asked: models.ChoosePolicy
) -> models.Preview:
    """Show the preview under this answer to the question about conflicting choices."""
    sync_runs.choose_policy(deps.database(request), visitor.shop_id, preview_id, Policy(asked.policy))
    return _answer(_preview(request, visitor, preview_id))


def trouble(run: Run) -> models.Trouble | None:
    """What a run stands still for, in the catalogue's words."""
    if not run.trouble:
        return None
    code = str(run.trouble.get("code") or "internal")
    return models.Trouble(code=code, title=cause(code).title, explanation=cause(code).explanation)


def _preview(request: Request, visitor: ApiVisitor, preview_id: UUID) -> Preview:
    found = preview.preview(deps.database(request), visitor.shop_id, preview_id)
    if found is None:
        raise HTTPException(404)
    return found


def _answer(found: Preview) -> models.Preview:
    run = found.run
    state = "expired" if run.state == "ready" and found.is_expired() else run.state
    return models.Preview.model_validate(
        {
            **{name: getattr(found, name) for name in COUNTS},
            "id": run.id,
            "state": state,
            "created_at": run.created_at,
            "expires_at": run.expires_at,
            "policy": run.policy,
            "missing_fields": run.counts.get("missing_fields") or [],
            "trouble": trouble(run),
        }
    )
