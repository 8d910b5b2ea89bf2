"""Live sync by API: how it stands, how long changes take, its webhooks."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request

from shopchimp.jobs.wake import wake
from shopchimp.services import checking, live_status
from shopchimp.web import deps
from shopchimp.web.api import live_models as models
from shopchimp.web.deps import ApiVisitor

router = APIRouter(prefix="/api/v1/live", tags=["live sync"])


@router.get("", operation_id="getLiveSync")
def show(request: Request, visitor: ApiVisitor) -> models.Live:
    """How live sync stands: signs of life in both directions, what waits, what stopped."""
    return models.Live.model_validate(live_status.live(deps.database(request), visitor.shop_id))


@router.get("/times", operation_id="getTimeToSync")
def times(request: Request, visitor: ApiVisitor, period: Literal["day", "week"] = "day") -> models.SyncTimes:
    """How long a change took from its own time to the confirmed write, per direction and kind."""
    found = live_status.times(deps.database(request), visitor.shop_id, period)
    return models.SyncTimes(period=period, times=[models.Percentiles.model_validate(each) for each in found])


@router.post("/webhooks/check", operation_id="checkWebhooks", status_code=202)
def check_webhooks(request: Request, visitor: ApiVisitor) -> models.Live:
    """Have the webhooks of both platforms looked at, and mended where needed, as soon as a worker is free."""
    checking.check_webhooks(deps.database(request), visitor.shop_id)
    wake()
    return show(request, visitor)
