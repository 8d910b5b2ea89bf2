"""Contacts: everybody who was synced, one person's page, and why they are subscribed or not."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.db.activities import Filter
from shopchimp.services import activity, people, words
from shopchimp.services.commerce import panel
from shopchimp.services.commerce.words import DEALS
from shopchimp.services.customer_events import report
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor

router = APIRouter(include_in_schema=False, prefix="/contacts")


@router.get("")
def everybody(request: Request, visitor: PageVisitor, result: str = "", cursor: int = 0) -> Response:
    """A page of everybody."""
    return _everybody(request, visitor, result=result if result in words.RESULTS else "", cursor=cursor)


@router.post("/search")
def search(request: Request, visitor: PageVisitor, q: Annotated[str, Form()] = "") -> Response:
    """Find one person by the whole address or the customer's number."""
    found = people.search(deps.database(request), visitor.shop_id, q)
    if found is None:
        error = "No customer has this email address or number. Type it in full."
        return _everybody(request, visitor, error=error, status=422)
    return RedirectResponse(f"/contacts/{found.id}", 303)


@router.get("/{person_id}")
def person(
    request: Request, visitor: PageVisitor, person_id: int, *, state: str = "", store: str = "", cursor: int = 0
) -> Response:
    """One person: both sides, what they bought, the chain of evidence, the history."""
    database = deps.database(request)
    found = people.why(database, visitor.shop_id, person_id)
    if found is None:
        raise HTTPException(404)
    history = activity.log(database, visitor.shop_id, Filter(person_id=person_id), limit=20)
    state = state if state in DEALS else ""
    bought = panel.panel(database, visitor.shop_id, person_id, state=state, store=store, cursor=max(cursor, 0))
    asked = {"state": state, "store": store, "cursor": max(cursor, 0)}
    done = report.of_person(database, visitor.shop_id, person_id)
    values: dict[str, Any] = {"why": found, "history": history, "bought": bought, "asked": asked, "done": done}
    return render.page(request, visitor, "person.html", section="contacts", **values)


def _everybody(
    request: Request, visitor: Visitor, *, result: str = "", cursor: int = 0, error: str = "", status: int = 200
) -> Response:
    page = people.page(deps.database(request), visitor.shop_id, result=result, cursor=cursor)
    values = {"page": page, "result": result, "error": error}
    return render.page(request, visitor, "contacts.html", status=status, section="contacts", **values)
