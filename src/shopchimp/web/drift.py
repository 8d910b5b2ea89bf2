"""The drift audit: both sides compared completely, on demand and daily."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.jobs.wake import wake
from shopchimp.services import audit, drift_report
from shopchimp.services.sync_runs import StartRefused
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor

router = APIRouter(include_in_schema=False, prefix="/drift")


@router.get("")
def show(request: Request, visitor: PageVisitor) -> Response:
    """The newest audit and those before it. While one runs the page polls itself, or reloads itself without script."""
    return _page(request, visitor)


@router.post("")
def check(request: Request, visitor: PageVisitor) -> Response:
    """Check now."""
    try:
        audit.start(deps.database(request), visitor.shop_id)
    except StartRefused as refused:
        return _page(request, visitor, error=refused.message, status=409)
    wake()
    return RedirectResponse("/drift", 303)


@router.get("/{audit_id}")
def differences(
    request: Request,
    visitor: PageVisitor,
    *,
    audit_id: UUID,
    kind: str = "",
    cause: str = "",
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> Response:
    """Who is behind a number of an audit."""
    database = deps.database(request)
    report = drift_report.report(database, visitor.shop_id, audit_id)
    if report is None:
        raise HTTPException(404)
    kind = kind if kind in drift_report.KINDS else ""
    page = drift_report.differences(database, visitor.shop_id, audit_id, kind=kind, cause=cause, after=after)
    values: dict[str, Any] = {"report": report, "page": page, "kind": kind, "cause": cause}
    values["title"] = drift_report.title(kind, cause) if kind and cause else "All differences"
    return render.page(request, visitor, "drift_rows.html", section="overview", **values)


def _page(request: Request, visitor: Visitor, *, error: str = "", status: int = 200) -> Response:
    reports = drift_report.reports(deps.database(request), visitor.shop_id)
    running = next((each for each in reports if each.running), None)
    finished = [each for each in reports if not each.running and each.state == "done"]
    values: dict[str, Any] = {
        "running": running,
        "last": next(iter(finished), None),
        "earlier": finished[1:],
        "error": error,
    }
    return render.page(request, visitor, "drift.html", status=status, section="overview", **values)
