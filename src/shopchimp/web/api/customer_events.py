"""Customer events by API: how they stand, both directions. The switch is the setting `customer_events`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request

from shopchimp.db.event_reads import CampaignRow
from shopchimp.domain.causes import cause
from shopchimp.jobs.wake import wake
from shopchimp.services.customer_events import pixel, polling, report
from shopchimp.services.customer_events.report import Written
from shopchimp.services.customer_events.status import PixelStatus
from shopchimp.web import deps
from shopchimp.web.api import event_models as models
from shopchimp.web.api.models import Trouble
from shopchimp.web.deps import ApiVisitor

router = APIRouter(prefix="/api/v1", tags=["customer events"])


@router.get("/customer-events", operation_id="getCustomerEvents")
def show(
    request: Request, visitor: ApiVisitor, days: Annotated[int, Query(ge=1, le=90)] = report.DAYS
) -> models.CustomerEvents:
    """What came of store events and of what contacts did, today and the days before."""
    found = report.report(deps.database(request), visitor.shop_id, days=days)
    return models.CustomerEvents(
        active=found.pixel.on,
        pixel=_pixel(found.pixel),
        days=found.days,
        store_events=[
            models.StoreEvents.model_validate(
                {
                    "name": name,
                    "received": each.received,
                    "sent": each.sent,
                    "combined": each.combined,
                    "not_sent": dict(each.not_sent),
                    "waiting": each.waiting,
                }
            )
            for name, each in found.store.items()
        ],
        contact_actions=_actions(found.contacts),
        campaigns=[_campaign(each) for each in found.campaigns],
        missing_permissions=[part for part in ("customers", "marketing") if part in found.missing],
        counts=[models.EventCount.model_validate(each) for each in found.counts],
    )


@router.post("/customer-events/pixel/check", operation_id="checkPixel", status_code=202)
def check(request: Request, visitor: ApiVisitor) -> models.PixelCheck:
    """Have the web pixel looked at now, and its settings given to Shopify once more. 409 before live sync."""
    pixel.turn_on_again(deps.database(request), visitor.shop_id)
    wake()
    return models.PixelCheck(queued=True)


@router.post("/customer-events/campaigns/check", operation_id="checkCampaigns", status_code=202)
def check_campaigns(request: Request, visitor: ApiVisitor) -> models.CampaignsCheck:
    """Have Mailchimp asked now what contacts did, not within five minutes. 409 before live sync, and while off."""
    polling.ask_now(deps.database(request), visitor.shop_id)
    wake()
    return models.CampaignsCheck(queued=True)


@router.get("/people/{person_id}/events", operation_id="getPersonEvents")
def person(
    request: Request, visitor: ApiVisitor, person_id: Annotated[int, Path(ge=1, le=2**53)]
) -> models.PersonEvents:
    """What one person did with emails and texts. Their store events are lines of the activity log, of kind `event`."""
    found = report.of_person(deps.database(request), visitor.shop_id, person_id)
    if found is None:
        raise HTTPException(404)
    return models.PersonEvents.model_validate(found)


def _pixel(found: PixelStatus) -> models.Pixel:
    return models.Pixel.model_validate(
        {
            "state": found.state,
            "trouble": _trouble(found.trouble),
            "detail": found.detail,
            "activated_at": found.activated_at,
            "checked_at": found.checked_at,
            "last_event_at": found.last_event_at,
        }
    )


def _actions(found: Written) -> models.ContactActions:
    return models.ContactActions(
        read=dict(found.read),
        customers_written=found.sent,
        failed=found.refused,
        off=found.off,
        waiting=found.waiting,
        read_at=found.read_at,
        trouble=_trouble(found.trouble),
        undefined=list(found.undefined),
    )


def _campaign(found: CampaignRow) -> models.Campaign:
    totals = found.totals
    return models.Campaign.model_validate(
        {
            "id": found.id,
            "channel": found.channel,
            "title": found.title,
            "sent_at": found.sent_at,
            "url": found.url,
            "recipients": totals.get("sent") or 0,
            "unique_opens": totals.get("unique_opens"),
            "unique_clicks": totals.get("unique_clicks"),
        }
    )


def _trouble(code: str | None) -> Trouble | None:
    if code is None:
        return None
    return Trouble(code=code, title=cause(code).title, explanation=cause(code).explanation)
