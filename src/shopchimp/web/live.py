"""Live sync: its signs of life, how long a change takes, what waits, and the webhooks behind it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.jobs.wake import wake
from shopchimp.services import checking, live_status
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor

router = APIRouter(include_in_schema=False, prefix="/live")


@router.get("")
def show(request: Request, visitor: PageVisitor, period: str = "day") -> Response:
    """How live sync stands."""
    database = deps.database(request)
    period = period if period in live_status.PERIODS else "day"
    live = live_status.live(database, visitor.shop_id)
    times = live_status.times(database, visitor.shop_id, period)
    values: dict[str, Any] = {"live": live, "times": times, "period": period}
    return render.page(request, visitor, "live.html", section="overview", **values)


@router.post("/webhooks")
def check_webhooks(request: Request, visitor: PageVisitor) -> Response:
    """Look at the webhooks of both platforms now."""
    checking.check_webhooks(deps.database(request), visitor.shop_id)
    wake()
    return RedirectResponse("/live", 303)
