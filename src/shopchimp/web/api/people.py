"""People by API: found by address (never in the URL), shown, explained."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request

from shopchimp.db.activities import Filter
from shopchimp.db.people import Person
from shopchimp.services import activity, people, words
from shopchimp.services.commerce import panel
from shopchimp.web import deps
from shopchimp.web.api import commerce_models, models
from shopchimp.web.api.activity import answer as line_answer
from shopchimp.web.deps import ApiVisitor

router = APIRouter(prefix="/api/v1/people", tags=["people"])
PersonId = Annotated[int, Path(ge=1, le=2**53)]


@router.post("/search", operation_id="searchPeople")
def search(request: Request, visitor: ApiVisitor, asked: models.SearchPeople) -> models.PeopleFound:
    """The person with this address, however it is written, or with this Shopify customer number."""
    found = people.search(deps.database(request), visitor.shop_id, asked.email)
    return models.PeopleFound(people=[_answer(found)] if found else [])


@router.get("/{person_id}", operation_id="getPerson")
def show(request: Request, visitor: ApiVisitor, person_id: PersonId) -> models.Person:
    """One person as both sides last said."""
    found = people.person(deps.database(request), visitor.shop_id, person_id)
    if found is None:
        raise HTTPException(404)
    return _answer(found)


@router.get("/{person_id}/why", operation_id="explainPerson")
def why(request: Request, visitor: ApiVisitor, person_id: PersonId) -> models.Why:
    """Why this person is subscribed or not: the chain of evidence from stored facts."""
    found = people.why(deps.database(request), visitor.shop_id, person_id)
    if found is None:
        raise HTTPException(404)
    return models.Why(
        person_id=found.person.id,
        verdict=found.verdict,
        rule=found.rule,
        rule_text=found.rule_text,
        rule_source=found.rule_source,
        steps=[models.Step.model_validate(step) for step in found.steps],
    )


@router.get("/{person_id}/history", operation_id="listPersonHistory")
def history(
    request: Request,
    visitor: ApiVisitor,
    person_id: PersonId,
    cursor: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> models.ActivityLog:
    """What was done about this person, newest first."""
    database = deps.database(request)
    if people.person(database, visitor.shop_id, person_id) is None:
        raise HTTPException(404)
    found = activity.log(database, visitor.shop_id, Filter(person_id=person_id), cursor=cursor, limit=limit)
    return models.ActivityLog(activities=[line_answer(line) for line in found.lines], next_cursor=found.next_cursor)


@router.get("/{person_id}/commerce", operation_id="getPersonCommerce")
def commerce(
    request: Request,
    visitor: ApiVisitor,
    person_id: PersonId,
    *,
    state: commerce_models.DealState | None = None,
    store: Annotated[str, Query(max_length=255, description="The domain of a store")] = "",
    cursor: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> commerce_models.Commerce:
    """What this person bought and left in carts, newest first, with the totals per currency."""
    database = deps.database(request)
    found = panel.panel(
        database, visitor.shop_id, person_id, state=state or "", store=store, cursor=cursor, limit=limit
    )
    if found is None:
        raise HTTPException(404)
    return commerce_models.Commerce.model_validate(found)


def _answer(found: Person) -> models.Person:
    return models.Person(**asdict(found), rule_text=words.rule_text(found.rule))
