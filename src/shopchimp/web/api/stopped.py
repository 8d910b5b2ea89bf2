"""Failed items and held changes by API."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError

from shopchimp.db.stops import Group, Item
from shopchimp.domain.causes import cause as words_of
from shopchimp.jobs.wake import wake
from shopchimp.services import failed_items, held
from shopchimp.services.failed_items import Items
from shopchimp.web import deps
from shopchimp.web.api import live_models as models
from shopchimp.web.deps import ApiVisitor

router = APIRouter(prefix="/api/v1", tags=["failed and held"])
After = Annotated[str, Query(pattern="^[0-9a-f]{0,32}$")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cause = Annotated[str | None, Query(max_length=64)]


@router.get("/failed-items", operation_id="listFailedItems")
def groups(request: Request, visitor: ApiVisitor) -> models.FailedItems:
    """What stopped because a platform refused it, by cause; and what has trouble that passes."""
    failed, retrying = failed_items.groups(deps.database(request), visitor.shop_id)
    return models.FailedItems(failed=[_group(each) for each in failed], retrying=[_group(each) for each in retrying])


@router.get("/failed-items/people", operation_id="listFailedPeople")
def people(
    request: Request,
    visitor: ApiVisitor,
    *,
    cause: Cause = None,
    state: Literal["parked", "waiting"] = "parked",
    cursor: After = "",
    limit: Limit = 100,
) -> models.ChangeItems:
    """The people behind these numbers."""
    found = failed_items.page(
        deps.database(request), visitor.shop_id, state=state, cause=cause, after=cursor, limit=limit
    )
    return _items(found)


@router.post("/failed-items/retry", operation_id="retryFailedItems", status_code=202)
def retry(request: Request, visitor: ApiVisitor, asked: models.Retry) -> models.Retried:
    """Look at some of them again, at all of one cause, or at all."""
    if (asked.items is not None) + (asked.cause is not None) + asked.all != 1:
        raise RequestValidationError([{"loc": ("body",), "msg": "Give items, cause or all", "type": "value_error"}])
    count = failed_items.retry(deps.database(request), visitor.shop_id, items=asked.items, cause=asked.cause)
    wake()
    return models.Retried(count=count)


@router.get("/held", operation_id="listHeldChanges")
def questions(request: Request, visitor: ApiVisitor) -> models.HeldQuestions:
    """What the circuit breaker asks (M9), and many opt-outs at once (M5)."""
    found = held.questions(deps.database(request), visitor.shop_id)
    return models.HeldQuestions(questions=[models.HeldQuestion.model_validate(each) for each in found])


@router.get("/held/{cause}/people", operation_id="listHeldPeople")
def held_people(
    request: Request, visitor: ApiVisitor, cause: str, cursor: After = "", limit: Limit = 100
) -> models.ChangeItems:
    """The people whose opt-in is held."""
    database = deps.database(request)
    if held.question(database, visitor.shop_id, cause) is None:
        raise HTTPException(404)
    found = failed_items.page(database, visitor.shop_id, state="held", cause=cause, after=cursor, limit=limit)
    return _items(found)


@router.post("/held/{cause}/decision", operation_id="decideHeldChanges")
def decide(request: Request, visitor: ApiVisitor, cause: str, asked: models.Decide) -> models.Decided:
    """Let the held opt-ins go, drop them, or take note. 409 `nothing_held` where this isn't asked."""
    count = held.decide(deps.database(request), visitor.shop_id, cause, asked.decision, by=visitor.user)
    wake()
    return models.Decided(count=count)


def _group(group: Group) -> models.FailedGroup:
    said = words_of(group.cause)
    return models.FailedGroup(
        cause=group.cause,
        title=said.title,
        explanation=said.explanation,
        words=group.words,
        count=group.count,
        since=group.since,
        next_at=group.next_at if group.state == "waiting" else None,
    )


def _items(found: Items) -> models.ChangeItems:
    return models.ChangeItems(items=[_item(each) for each in found.items], next_cursor=found.next_cursor)


def _item(item: Item) -> models.ChangeItem:
    return models.ChangeItem(
        id=item.item,
        cause=item.cause,
        words=item.detail if item.state != "held" else None,
        attempts=item.attempts,
        since=item.marked_at,
        person_id=item.person_id,
        customer_id=item.customer_id,
        customer_state=item.customer_state,
        contact_status=item.contact_status,
        about=item.about,
    )
