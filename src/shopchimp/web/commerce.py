"""Orders and products: the sums of every kind, and the objects behind each number."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.jobs.wake import wake
from shopchimp.services.commerce import books
from shopchimp.services.commerce.words import KINDS
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor

router = APIRouter(include_in_schema=False, prefix="/commerce")
RESULTS = ("synced", "skipped", "failed")


@router.get("")
def show(request: Request, visitor: PageVisitor) -> Response:
    """What was read of each kind, and what became of it."""
    found = books.of_shop(deps.database(request), visitor.shop_id)
    return render.page(request, visitor, "commerce.html", section="overview", commerce=found)


@router.get("/{kind}")
def objects(
    request: Request,
    visitor: PageVisitor,
    kind: str,
    *,
    result: str = "",
    reason: Annotated[str, Query(max_length=64)] = "",
    cursor: Annotated[str, Query(max_length=64)] = "",
    retried: Annotated[int | None, Query(ge=0, le=10**6)] = None,
) -> Response:
    """The objects of one kind, with the reasons."""
    if kind not in KINDS:
        raise HTTPException(404)
    database, result = deps.database(request), result if result in RESULTS else ""
    page = books.entries(database, visitor.shop_id, kind, result=result, reason=reason, cursor=cursor)
    values: dict[str, Any] = {"kind": kind, "title": KINDS[kind], "page": page, "retried": retried}
    values["asked"] = {"result": result, "reason": reason, "cursor": cursor}
    values["can_retry"] = kind in books.LOOKABLE and result == "failed" and bool(page.rows)
    return render.page(request, visitor, "commerce_rows.html", section="overview", **values)


@router.post("/{kind}/retry")
def retry(request: Request, visitor: PageVisitor, kind: str, reason: Annotated[str, Form()] = "") -> Response:
    """Look at the failed ones again."""
    if kind not in books.LOOKABLE:
        raise HTTPException(404)
    count = books.retry(deps.database(request), visitor.shop_id, kind, reason=reason)
    wake()
    return RedirectResponse(f"/commerce/{kind}?result=failed&retried={count}", 303)
