"""Held changes: what the circuit breaker asks (M9) or tells (M5), and the merchant's answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.jobs.wake import wake
from shopchimp.services import failed_items, held
from shopchimp.services.breaker import NothingHeld
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor

router = APIRouter(include_in_schema=False, prefix="/held")
SHOWN = 5


@router.get("")
def questions(request: Request, visitor: PageVisitor, decided: str = "", count: int = 0) -> Response:
    """Everything that waits for an answer."""
    return _questions(request, visitor, decided=decided, count=count)


@router.get("/{cause}")
def people(request: Request, visitor: PageVisitor, cause: str, after: str = "") -> Response:
    """The people who are held for one cause."""
    database = deps.database(request)
    question = held.question(database, visitor.shop_id, cause)
    if question is None or not question.asks:
        raise HTTPException(404)
    page = failed_items.page(database, visitor.shop_id, state="held", cause=cause, after=after)
    return render.page(request, visitor, "held_people.html", section="overview", question=question, page=page)


@router.post("/{cause}")
def decide(request: Request, visitor: PageVisitor, cause: str, decision: Annotated[str, Form()] = "") -> Response:
    """Let them go, drop them, or take note."""
    try:
        count = held.decide(deps.database(request), visitor.shop_id, cause, decision, by=visitor.user)
    except NothingHeld:
        return _questions(request, visitor, error=True, status=409)
    wake()
    return RedirectResponse(f"/held?decided={decision}&count={count}", 303)


def _questions(
    request: Request, visitor: Visitor, *, decided: str = "", count: int = 0, error: bool = False, status: int = 200
) -> Response:
    database = deps.database(request)
    asked = held.questions(database, visitor.shop_id)
    some = {
        each.cause: failed_items.page(database, visitor.shop_id, state="held", cause=each.cause, limit=SHOWN)
        for each in asked
        if each.asks
    }
    values: dict[str, Any] = {"questions": asked, "some": some, "decided": decided, "count": count, "error": error}
    return render.page(request, visitor, "held.html", status=status, section="overview", **values)
