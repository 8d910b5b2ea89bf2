"""The books of commerce by API: the sums of every kind, the objects behind each number, and trying them again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from shopchimp.jobs.wake import wake
from shopchimp.services.commerce import books
from shopchimp.web import deps
from shopchimp.web.api import commerce_models as models
from shopchimp.web.api.live_models import Retried
from shopchimp.web.deps import ApiVisitor

router = APIRouter(prefix="/api/v1/commerce", tags=["commerce"])


@router.get("", operation_id="getCommerce")
def show(request: Request, visitor: ApiVisitor) -> models.CommerceBooks:
    """What was read of each kind, and what became of it: read = synced + skipped + failed + waiting."""
    found = books.of_shop(deps.database(request), visitor.shop_id)
    return models.CommerceBooks(
        kinds=[models.Books.model_validate(each) for each in found.kinds],
        closes=found.completeness.closes,
        checked_at=found.completeness.checked_at,
        open_since=found.completeness.open_since,
        store_id=found.store_id,
        since=found.since,
    )


@router.get("/{kind}", operation_id="listCommerceObjects")
def objects(
    request: Request,
    visitor: ApiVisitor,
    kind: models.Kind,
    *,
    result: models.ItemState | None = None,
    reason: Annotated[str, Query(max_length=64)] = "",
    cursor: Annotated[str, Query(max_length=64)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> models.CommerceObjects:
    """The objects of one kind, with the reasons."""
    found = books.entries(
        deps.database(request),
        visitor.shop_id,
        kind,
        result=result or "",
        reason=reason,
        cursor=cursor,
        limit=limit,
    )
    rows = [models.CommerceObject.model_validate(each) for each in found.rows]
    return models.CommerceObjects(objects=rows, next_cursor=found.next_cursor)


@router.post("/{kind}/retry", operation_id="retryCommerceObjects", status_code=202)
def retry(request: Request, visitor: ApiVisitor, kind: models.LookableKind, asked: models.RetryObjects) -> Retried:
    """Look at failed objects again: those named, or up to a thousand of them."""
    database = deps.database(request)
    count = books.retry(database, visitor.shop_id, kind, ids=asked.ids, reason=asked.reason)
    wake()
    return Retried(count=count)
