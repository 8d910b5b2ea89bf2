"""Sync runs by API: started from a preview, watched, paused, resumed, cancelled."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, Response

from shopchimp.domain.consent import Policy
from shopchimp.jobs.wake import wake
from shopchimp.services import overview, progress, sync_runs
from shopchimp.web import deps
from shopchimp.web.api import models
from shopchimp.web.api.previews import trouble
from shopchimp.web.deps import ApiVisitor

router = APIRouter(prefix="/api/v1/sync-runs", tags=["sync runs"])


@router.post("", status_code=202, operation_id="startSync")
def start(request: Request, response: Response, visitor: ApiVisitor, asked: models.StartSync) -> models.SyncRun:
    """Start what the preview shows. 409 with `code` policy_needed or consent_unconfirmed asks for an answer."""
    sync_runs.start(
        deps.database(request),
        visitor.shop_id,
        asked.preview_id,
        policy=Policy(asked.policy) if asked.policy else None,
        confirmed=asked.confirm_consent_changes,
    )
    wake()
    response.headers["Location"] = f"/api/v1/sync-runs/{asked.preview_id}"
    return _answer(request, visitor, asked.preview_id)


@router.get("", operation_id="listSyncRuns")
def listed(request: Request, visitor: ApiVisitor) -> models.SyncRuns:
    """The shop's runs that were started, newest first."""
    runs = overview.started_runs(deps.database(request), visitor.shop_id)
    return models.SyncRuns(sync_runs=[models.RunSummary.model_validate(run) for run in runs])


@router.get("/{run_id}", operation_id="getSyncRun")
def show(request: Request, visitor: ApiVisitor, run_id: UUID) -> models.SyncRun:
    """A run: phases, totals that close, time taken and left, calls made."""
    return _answer(request, visitor, run_id)


@router.post("/{run_id}/pause", operation_id="pauseSyncRun")
def pause(request: Request, visitor: ApiVisitor, run_id: UUID) -> models.SyncRun:
    """Stop after what is in flight; nothing done is lost."""
    _answer(request, visitor, run_id)
    sync_runs.pause(deps.database(request), visitor.shop_id, run_id)
    return _answer(request, visitor, run_id)


@router.post("/{run_id}/resume", operation_id="resumeSyncRun")
def resume(request: Request, visitor: ApiVisitor, run_id: UUID) -> models.SyncRun:
    """Go on where it was."""
    _answer(request, visitor, run_id)
    sync_runs.resume(deps.database(request), visitor.shop_id, run_id)
    wake()
    return _answer(request, visitor, run_id)


@router.post("/{run_id}/cancel", operation_id="cancelSyncRun")
def cancel(request: Request, visitor: ApiVisitor, run_id: UUID) -> models.SyncRun:
    """Stop for good; what was sent stays where it is."""
    _answer(request, visitor, run_id)
    sync_runs.cancel(deps.database(request), visitor.shop_id, run_id)
    return _answer(request, visitor, run_id)


def _answer(request: Request, visitor: ApiVisitor, run_id: UUID) -> models.SyncRun:
    database = deps.database(request)
    measured = progress.progress(database, visitor.shop_id, run_id)
    if measured is None:
        raise HTTPException(404)
    run = measured.run
    return models.SyncRun(
        **models.RunSummary.model_validate(run).model_dump(),
        phases=[models.Phase.model_validate(phase) for phase in measured.phases],
        done=measured.done,
        total=measured.total,
        percent=measured.percent,
        rate=measured.rate,
        time_left=measured.seconds_left,
        seconds=measured.seconds,
        timings=run.timings,
        calls=run.calls,
        counts=run.counts,
        people=models.People.model_validate(progress.people(database, visitor.shop_id, measured)),
        trouble=trouble(run),
    )
