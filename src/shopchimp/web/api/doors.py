"""Settings with a door of their own, by API: SMS, the field map as it stands, privacy requests."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request

from shopchimp.jobs.wake import wake
from shopchimp.services import field_map, privacy, sms
from shopchimp.services.sms import SmsStatus
from shopchimp.web import deps
from shopchimp.web import privacy as pages
from shopchimp.web.api import live_models as models
from shopchimp.web.api.models import Trouble
from shopchimp.web.deps import ApiVisitor

router = APIRouter(prefix="/api/v1", tags=["settings"])
RequestId = Annotated[int, Path(ge=1, le=2**53)]


@router.get("/settings/sms", operation_id="getSmsSettings")
def show_sms(request: Request, visitor: ApiVisitor) -> models.Sms:
    """SMS sync, and whether it can be switched on; asks Mailchimp for its SMS programme."""
    return _sms(sms.status(deps.gateways(request), visitor.shop_id))


@router.get("/settings/sms/count", operation_id="countSmsPeople")
def count_sms(request: Request, visitor: ApiVisitor, start_date: date) -> models.SmsCounts:
    """How many people a start date takes in, before it is saved."""
    with deps.database(request).transaction() as tx:
        return models.SmsCounts(start_date=start_date, **asdict(sms.count(tx, visitor.shop_id, start_date)))


@router.put("/settings/sms", operation_id="activateSms")
def activate_sms(request: Request, visitor: ApiVisitor, asked: models.ActivateSms) -> models.Sms:
    """Switch SMS sync on, or move its start date. 409 with the cause where something is missing."""
    gateways = deps.gateways(request)
    sms.activate(gateways, visitor.shop_id, start_date=asked.start_date, two_way=asked.two_way, by=visitor.user)
    wake()
    return show_sms(request, visitor)


@router.delete("/settings/sms", operation_id="deactivateSms")
def deactivate_sms(request: Request, visitor: ApiVisitor) -> models.Sms:
    """Switch it off. What was sent stays in Mailchimp."""
    sms.deactivate(deps.gateways(request), visitor.shop_id, by=visitor.user)
    return show_sms(request, visitor)


@router.get("/settings/fields", operation_id="listFields")
def fields(request: Request, visitor: ApiVisitor) -> models.FieldRows:
    """The field map with a customer's values and what is wrong; asks both platforms. Change it by the settings."""
    rows = field_map.rows(deps.gateways(request), visitor.shop_id)
    return models.FieldRows(fields=[models.FieldRow.model_validate(row) for row in rows])


@router.get("/privacy-requests", operation_id="listPrivacyRequests")
def requests(request: Request, visitor: ApiVisitor) -> models.PrivacyRequests:
    """Data to hand on to customers who asked for it, and erasures whose contact waits for your word."""
    found = pages.open_requests(request, visitor.shop_id)
    answers = [
        models.PrivacyRequest(
            id=each.id,
            kind="data_request" if each.topic == privacy.DATA_REQUEST else "erasure",
            received_at=each.received_at,
        )
        for each in found
    ]
    return models.PrivacyRequests(requests=answers)


@router.get("/privacy-requests/{request_id}/data", operation_id="getPrivacyData")
def data(request: Request, visitor: ApiVisitor, request_id: RequestId) -> dict[str, Any]:
    """What is stored of the person of a data request."""
    found = pages.data(request, visitor.shop_id, request_id)
    if found is None:
        raise HTTPException(404)
    return found


@router.post("/privacy-requests/{request_id}/erase", operation_id="eraseContact")
def erase(request: Request, visitor: ApiVisitor, request_id: RequestId) -> models.Erased:
    """Delete the contact of an erasure in Mailchimp for good. It can't be taken back."""
    if not privacy.erase_contact(deps.gateways(request), visitor.shop_id, request_id):
        raise HTTPException(404)
    return models.Erased(erased=True)


def _sms(found: SmsStatus) -> models.Sms:
    trouble = None
    if found.code and found.why:
        trouble = Trouble(code=found.code, title=found.why.title, explanation=found.why.explanation)
    chosen = found.chosen
    return models.Sms(
        active=chosen.active,
        start_date=chosen.start_date,
        two_way=chosen.two_way,
        available=found.available,
        trouble=trouble,
        hint=found.hint,
    )
