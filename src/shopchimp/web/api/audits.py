"""The drift audit by API."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request

from shopchimp.jobs.wake import wake
from shopchimp.services import audit, drift_report
from shopchimp.services.drift_report import Report
from shopchimp.web import deps
from shopchimp.web.api import live_models as models
from shopchimp.web.deps import ApiVisitor

router = APIRouter(prefix="/api/v1/audits", tags=["drift audit"])


@router.get("", operation_id="listAudits")
def audits(request: Request, visitor: ApiVisitor) -> models.Audits:
    """The newest complete comparisons of both sides, the one under way first."""
    found = drift_report.reports(deps.database(request), visitor.shop_id)
    return models.Audits(audits=[models.AuditReport.model_validate(each) for each in found])


@router.post("", operation_id="startAudit", status_code=202)
def start(request: Request, visitor: ApiVisitor) -> models.AuditReport:
    """Compare both sides now. One that is under way is given back instead."""
    audit_id = audit.start(deps.database(request), visitor.shop_id)
    wake()
    return show(request, visitor, audit_id)


@router.get("/{audit_id}", operation_id="getAudit")
def show(request: Request, visitor: ApiVisitor, audit_id: UUID) -> models.AuditReport:
    """One audit."""
    return models.AuditReport.model_validate(_report(request, visitor.shop_id, audit_id))


@router.get("/{audit_id}/differences", operation_id="listDifferences")
def differences(
    request: Request,
    visitor: ApiVisitor,
    audit_id: UUID,
    *,
    kind: Literal["unexplained", "explained"] | None = None,
    cause: Annotated[str, Query(max_length=64)] = "",
    cursor: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> models.Differences:
    """Who differed, and whether it is repaired. Kept of the last few audits."""
    _report(request, visitor.shop_id, audit_id)
    found = drift_report.differences(
        deps.database(request),
        visitor.shop_id,
        audit_id,
        kind=kind or "",
        cause=cause,
        after=cursor,
        limit=limit,
    )
    rows = [
        models.Difference(
            n=each.row.n,
            person_id=each.person.id if each.person else None,
            kind=each.row.kind,
            cause=each.row.cause,
            title=each.title,
            customer_state=each.row.customer_state,
            contact_status=each.row.contact_status,
            repaired_at=each.row.repaired_at,
        )
        for each in found.rows
    ]
    return models.Differences(rows=rows, next_cursor=found.next_cursor)


def _report(request: Request, shop_id: int, audit_id: UUID) -> Report:
    found = drift_report.report(deps.database(request), shop_id, audit_id)
    if found is None:
        raise HTTPException(404)
    return found
