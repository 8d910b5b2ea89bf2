"""Activity Logs: what happened to whom and why, filtered in the address, searched without one."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.db.activities import Filter
from shopchimp.services import activity, people, words
from shopchimp.services.commerce import panel
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor

router = APIRouter(include_in_schema=False, prefix="/activity")


@router.get("")
def logs(
    request: Request,
    visitor: PageVisitor,
    *,
    kind: str = "",
    direction: str = "",
    result: str = "",
    first: str = "",
    last: str = "",
    contact: int | None = None,
    run: UUID | None = None,
    order: Annotated[str, Query(max_length=20, pattern="^[0-9]*$")] = "",
    cursor: int | None = None,
) -> Response:
    """The log. All filters live in the address; a person is named there by number only."""
    asked = Filter(
        kind=kind if kind in words.ACTIVITY_KINDS else "",
        direction=direction if direction in words.DIRECTIONS else "",
        result=result if result in words.RESULTS else "",
        person_id=contact,
        run_id=run,
        order_id=order,
    )
    return _logs(request, visitor, asked, days=(_day(first), _day(last)), cursor=cursor)


@router.post("/search")
def search(request: Request, visitor: PageVisitor, q: Annotated[str, Form()] = "") -> Response:
    """Turn an address into the number of a person, so that no address is ever in an address bar or a log.

    An order is found by its number. Where several have the same one, the newest is shown.
    """
    database = deps.database(request)
    found = people.search(database, visitor.shop_id, q)
    if found is not None:
        return RedirectResponse(f"/activity?contact={found.id}", 303)
    if orders := panel.orders_numbered(database, visitor.shop_id, q):
        return RedirectResponse(f"/activity?order={orders[0]}", 303)
    error = "No customer has this email address or number, and no order this number. Type it in full."
    return _logs(request, visitor, Filter(), error=error, status=422)


@router.get("/{activity_id}")
def item(request: Request, visitor: PageVisitor, activity_id: int) -> Response:
    """One line with all that is stored of it."""
    found = activity.line(deps.database(request), visitor.shop_id, activity_id)
    if found is None:
        raise HTTPException(404)
    return render.page(request, visitor, "activity_item.html", section="activity", line=found)


def _logs(
    request: Request,
    visitor: Visitor,
    asked: Filter,
    *,
    days: tuple[date | None, date | None] = (None, None),
    cursor: int | None = None,
    error: str = "",
    status: int = 200,
) -> Response:
    database, (first, last) = deps.database(request), days
    wanted = activity.on_days(database, visitor.shop_id, asked, first=first, last=last)
    log = activity.log(database, visitor.shop_id, wanted, cursor=cursor)
    person = people.person(database, visitor.shop_id, asked.person_id) if asked.person_id else None
    if asked.person_id and person is None:
        raise HTTPException(404)
    order = panel.order(database, visitor.shop_id, asked.order_id) if asked.order_id else None
    if asked.order_id and order is None:
        raise HTTPException(404)
    query = {
        "kind": asked.kind,
        "direction": asked.direction,
        "result": asked.result,
        "first": first.isoformat() if first else "",
        "last": last.isoformat() if last else "",
        "contact": asked.person_id or "",
        "run": str(asked.run_id or ""),
        "order": asked.order_id,
    }
    values = {
        "log": log,
        "asked": asked,
        "days": query,
        "person": person,
        "order": order,
        "filtered": any(query.values()),
        "older": urlencode({name: value for name, value in {**query, "cursor": log.next_cursor}.items() if value}),
        "cursor": cursor,
        "error": error,
    }
    return render.page(request, visitor, "activity.html", status=status, section="activity", **values)


def _day(value: str) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None
