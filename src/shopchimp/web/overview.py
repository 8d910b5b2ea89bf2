"""The first page: how the shop stands, or where its setup goes on."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.services import live_status, overview, progress
from shopchimp.services.commerce import books, promo_report
from shopchimp.services.customer_events import status as pixel_status
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor

router = APIRouter(include_in_schema=False)


@router.get("/")
def home(request: Request, visitor: PageVisitor) -> Response:
    """The overview; before the first start, the first unfinished step of the setup."""
    database = deps.database(request)
    found = overview.overview(database, visitor.shop_id)
    if found.step != "done" or found.run is None:
        return RedirectResponse(setup_address(found), 303)
    measured = progress.progress(database, visitor.shop_id, found.run.id)
    live = live_status.live(database, visitor.shop_id)
    values: dict[str, Any] = {"found": found, "progress": measured, "live": live}
    values |= {
        "commerce": books.of_shop(database, visitor.shop_id),
        "promo": promo_report.status(database, visitor.shop_id),
        "pixel": pixel_status.status(database, visitor.shop_id),
    }
    return render.page(request, visitor, "overview.html", section="overview", **values)


def setup_address(found: overview.Overview) -> str:
    """Where the setup goes on."""
    if found.step == "preview" and found.preview is not None:
        return f"/setup/preview/{found.preview.id}"
    return "/" if found.step == "done" else f"/setup/{found.step}"
