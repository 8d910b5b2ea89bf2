"""The activity log by API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request

from shopchimp.db.activities import Activity, Filter
from shopchimp.services import activity, words
from shopchimp.web import deps
from shopchimp.web.api import models
from shopchimp.web.deps import ApiVisitor

router = APIRouter(prefix="/api/v1/activity", tags=["activity"])
Kind = Literal[
    "contact",
    "consent",
    "customer",
    "tags",
    "sms",
    "identity",
    "order",
    "cart",
    "product",
    "promo",
    "event",
    "engagement",
    "completeness",
    "breaker",
    "privacy",
    "run",
    "settings",
    "connection",
]
Direction = Literal["to_mailchimp", "to_shopify", "none"]
Result = Literal["synced", "skipped", "failed", "held", "info"]


@router.get("", operation_id="listActivity")
def log(
    request: Request,
    visitor: ApiVisitor,
    *,
    kind: Kind | None = None,
    direction: Direction | None = None,
    result: Result | None = None,
    person_id: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    run_id: UUID | None = None,
    order_id: Annotated[str, Query(max_length=20, pattern="^[0-9]*$", description="Shopify's number of an order")] = "",
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> models.ActivityLog:
    """The newest lines that pass the filters. People are named by id; find one with `POST /people/search`."""
    wanted = Filter(
        kind=kind or "",
        direction=direction or "",
        result=result or "",
        person_id=person_id,
        run_id=run_id,
        order_id=order_id,
        since=since,
        until=until,
    )
    found = activity.log(deps.database(request), visitor.shop_id, wanted, cursor=cursor, limit=limit)
    return models.ActivityLog(activities=[answer(line) for line in found.lines], next_cursor=found.next_cursor)


@router.get("/{activity_id}", operation_id="getActivity")
def show(request: Request, visitor: ApiVisitor, activity_id: int) -> models.ActivityLine:
    """One line of the log."""
    found = activity.line(deps.database(request), visitor.shop_id, activity_id)
    if found is None:
        raise HTTPException(404)
    return answer(found)


def answer(line: Activity) -> models.ActivityLine:
    """A line as the API shows it."""
    reason = activity.reason(line)
    return models.ActivityLine(
        id=line.id,
        at=line.at,
        person_id=line.person_id,
        run_id=line.run_id,
        kind=line.kind,
        direction=line.direction,
        result=line.result,
        rule=line.rule,
        rule_text=words.rule_text(line.rule) if line.rule else None,
        cause=line.cause,
        cause_title=reason.title if reason else None,
        what=activity.what(line),
        detail=line.detail,
    )
