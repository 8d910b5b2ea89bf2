"""Customer events: both directions at a glance, what waits, what has no source, and the switch (S39 to S59)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.jobs.wake import wake
from shopchimp.services import settings
from shopchimp.services.customer_events import pixel, polling, report
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor

router = APIRouter(include_in_schema=False)
PERIODS = {"day": 1, "week": 7, "month": 30}


@router.get("/customer-events")
def show(request: Request, visitor: PageVisitor, period: str = "week", again: str = "", asked: str = "") -> Response:
    """What came of them lately, by name and by day."""
    period = period if period in PERIODS else "week"
    found = report.report(deps.database(request), visitor.shop_id, days=PERIODS[period])
    values: dict[str, Any] = {"report": found, "period": period, "again": again == "1", "asked": asked == "1"}
    return render.page(request, visitor, "customer_events.html", section="overview", **values)


@router.post("/customer-events/pixel")
def turn_on_again(request: Request, visitor: PageVisitor) -> Response:
    """Nothing arrives, or Shopify said no: have the pixel looked at now, and its settings sent once more."""
    pixel.turn_on_again(deps.database(request), visitor.shop_id)
    wake()
    return RedirectResponse("/customer-events?again=1", 303)


@router.post("/customer-events/campaigns")
def ask_now(request: Request, visitor: PageVisitor) -> Response:
    """A campaign went out, and the merchant doesn't want to wait five minutes."""
    polling.ask_now(deps.database(request), visitor.shop_id)
    wake()
    return RedirectResponse("/customer-events?asked=1", 303)


@router.post("/settings/customer-events")
def switch(request: Request, visitor: PageVisitor, active: Annotated[str, Form()] = "") -> Response:
    """Activate or Deactivate "Customer Event Syncing", both directions at once (S41)."""
    settings.change(deps.database(request), visitor.shop_id, {"customer_events": active == "yes"}, by=visitor.user)
    wake()
    return RedirectResponse("/settings?saved=1#events", 303)
