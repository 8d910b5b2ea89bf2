"""Promo codes by API: sync them now, and what became of every code and discount."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request

from shopchimp.jobs.wake import wake
from shopchimp.services.commerce import promo, promo_report
from shopchimp.web import deps
from shopchimp.web.api import commerce_models as models
from shopchimp.web.deps import ApiVisitor

router = APIRouter(prefix="/api/v1/promo-codes", tags=["promo codes"])
Cursor = Annotated[str, Query(max_length=64)]
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("", operation_id="listPromoCodes")
def codes(
    request: Request,
    visitor: ApiVisitor,
    *,
    result: models.ItemState | None = None,
    search: Annotated[str, Query(max_length=255, description="The beginning of a code")] = "",
    cursor: Cursor = "",
    limit: Limit = 100,
) -> models.PromoCodeList:
    """The codes and what became of each."""
    database = deps.database(request)
    found = promo_report.codes(
        database, visitor.shop_id, result=result or "", search=search, cursor=cursor, limit=limit
    )
    rows = [models.PromoCode.model_validate(each) for each in found.rows]
    return models.PromoCodeList(promo_codes=rows, next_cursor=found.next_cursor)


@router.get("/status", operation_id="getPromoCodesStatus")
def status(request: Request, visitor: ApiVisitor) -> models.PromoCodesStatus:
    """The run under way, the last one and the next one."""
    database = deps.database(request)
    found = promo_report.status(database, visitor.shop_id)
    return models.PromoCodesStatus(
        every_hours=found.every_hours,
        running=models.PromoRun.model_validate(found.running) if found.running else None,
        last_run=models.PromoRun.model_validate(found.last_run) if found.last_run else None,
        next_run_at=found.next_run_at,
        codes=promo_report.counts(database, visitor.shop_id),
    )


@router.post("/sync", operation_id="syncPromoCodes", status_code=202)
def sync(request: Request, visitor: ApiVisitor) -> models.PromoRun:
    """Sync the promo codes now. A run that is under way is given back instead: there are never two."""
    database = deps.database(request)
    run = promo.request(database, visitor.shop_id)
    wake()
    return models.PromoRun.model_validate(promo_report.told(run))


@router.get("/runs", operation_id="listPromoRuns")
def runs(request: Request, visitor: ApiVisitor) -> models.PromoRuns:
    """The newest runs."""
    found = promo_report.runs(deps.database(request), visitor.shop_id)
    return models.PromoRuns(runs=[models.PromoRun.model_validate(each) for each in found])


@router.get("/runs/{run_id}", operation_id="getPromoRun")
def run(request: Request, visitor: ApiVisitor, run_id: UUID) -> models.PromoRun:
    """One run, to follow it to its end. The newest fifty are kept."""
    found = promo_report.run(deps.database(request), visitor.shop_id, run_id)
    if found is None:
        raise HTTPException(404)
    return models.PromoRun.model_validate(found)


@router.get("/discounts", operation_id="listDiscounts")
def discounts(
    request: Request,
    visitor: ApiVisitor,
    *,
    result: models.ItemState | None = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> models.DiscountList:
    """Every discount with codes; what Mailchimp has nothing for is skipped with the reason."""
    database = deps.database(request)
    found = promo_report.discounts(database, visitor.shop_id, result=result or "", cursor=cursor, limit=limit)
    rows = [models.Discount.model_validate(each) for each in found.rows]
    return models.DiscountList(discounts=rows, next_cursor=found.next_cursor)
