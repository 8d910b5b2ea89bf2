"""SMS sync (S28 to S34): why it can't be switched on, its start date with a count of people before saving, off."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.jobs.wake import wake
from shopchimp.services import sms, words
from shopchimp.services.sms import SmsRefused
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor

router = APIRouter(include_in_schema=False, prefix="/settings/sms")
WRONG_DAY = "Use a day like 2026-11-22."


@router.get("")
def show(request: Request, visitor: PageVisitor, start: str = "", saved: str = "") -> Response:
    """How SMS sync stands. With a start date: how many people it takes in, and the button that saves it."""
    day = parse_day(start)
    error = WRONG_DAY if start and day is None else ""
    return _page(request, visitor, day=day, typed=start, saved=saved == "1", error=error, status=422 if error else 200)


@router.get("/people")
def people(
    request: Request,
    visitor: PageVisitor,
    start: str = "",
    group: str = "",
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> Response:
    """The people behind one of the numbers."""
    day = parse_day(start)
    if day is None or group not in words.SMS_GROUPS:
        return RedirectResponse("/settings/sms", 303)
    with deps.database(request).transaction() as tx:
        found = sms.people(tx, visitor.shop_id, day, group=group, after=after)
    values: dict[str, Any] = {
        "people": found,
        "group": group,
        "day": day,
        "next_cursor": found[-1].id if len(found) == 50 else None,
    }
    return render.page(request, visitor, "settings_sms_people.html", section="settings", **values)


@router.post("")
def save(
    request: Request,
    visitor: PageVisitor,
    *,
    start: Annotated[str, Form()] = "",
    two_way: Annotated[str, Form()] = "",
    active: Annotated[str, Form()] = "yes",
) -> Response:
    """Activate, change or deactivate."""
    gateways, day = deps.gateways(request), parse_day(start)
    if active == "no":
        sms.deactivate(gateways, visitor.shop_id, by=visitor.user)
        return RedirectResponse("/settings/sms?saved=1", 303)
    if day is None:
        return _page(request, visitor, typed=start, error=WRONG_DAY, status=422)
    try:
        sms.activate(gateways, visitor.shop_id, start_date=day, two_way=two_way == "yes", by=visitor.user)
    except SmsRefused as refused:
        return _page(request, visitor, day=day, typed=start, error=refused.message, status=409)
    wake()
    return RedirectResponse("/settings/sms?saved=1", 303)


def parse_day(value: str) -> date | None:
    """A day as a date field sends it."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _page(
    request: Request,
    visitor: Visitor,
    *,
    day: date | None = None,
    typed: str = "",
    saved: bool = False,
    error: str = "",
    status: int = 200,
) -> Response:
    found = sms.status(deps.gateways(request), visitor.shop_id)
    counts = None
    if day is not None:
        with deps.database(request).transaction() as tx:
            counts = sms.count(tx, visitor.shop_id, day)
    shown = typed or (found.chosen.start_date.isoformat() if found.chosen.start_date else "")
    values: dict[str, Any] = {
        "sms": found,
        "day": day,
        "typed": shown,
        "counts": counts,
        "saved": saved,
        "error": error,
    }
    return render.page(request, visitor, "settings_sms.html", status=status, section="settings", **values)
