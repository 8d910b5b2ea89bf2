"""Promo codes: the manual button, the last and the next run, and what became of every code and discount (S64, S65)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.jobs.wake import wake
from shopchimp.services.commerce import promo, promo_report
from shopchimp.services.sync_runs import StartRefused
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor

router = APIRouter(include_in_schema=False, prefix="/promo-codes")
Cursor = Annotated[str, Query(max_length=64)]


@router.get("")
def show(
    request: Request,
    visitor: PageVisitor,
    *,
    result: str = "",
    q: Annotated[str, Query(max_length=255)] = "",
    cursor: Cursor = "",
) -> Response:
    """A page of the codes. While a run is under way the page polls itself, or reloads itself without script."""
    result = result if result in promo_report.STATES else ""
    return _page(request, visitor, result=result, search=q.strip(), cursor=cursor)


@router.post("/sync")
def sync(request: Request, visitor: PageVisitor) -> Response:
    """Sync them now. Pressed twice, the run under way is shown: there are never two."""
    try:
        promo.request(deps.database(request), visitor.shop_id)
    except StartRefused as refused:
        return _page(request, visitor, error=refused.message, status=409)
    wake()
    return RedirectResponse("/promo-codes", 303)


@router.get("/discounts")
def discounts(request: Request, visitor: PageVisitor, result: str = "", cursor: Cursor = "") -> Response:
    """Every discount that has codes, those that Mailchimp has nothing for with the reason."""
    result = result if result in promo_report.STATES else ""
    page = promo_report.discounts(deps.database(request), visitor.shop_id, result=result, cursor=cursor)
    values: dict[str, Any] = {"page": page, "result": result, "cursor": cursor}
    return render.page(request, visitor, "promo_discounts.html", section="promo", **values)


def _page(
    request: Request,
    visitor: Visitor,
    *,
    result: str = "",
    search: str = "",
    cursor: str = "",
    error: str = "",
    status: int = 200,
) -> Response:
    database = deps.database(request)
    values: dict[str, Any] = {
        "promo": promo_report.status(database, visitor.shop_id),
        "counts": promo_report.counts(database, visitor.shop_id),
        "page": promo_report.codes(database, visitor.shop_id, result=result, search=search, cursor=cursor),
        "asked": {"result": result, "q": search, "cursor": cursor},
        "error": error,
    }
    return render.page(request, visitor, "promo_codes.html", status=status, section="promo", **values)
