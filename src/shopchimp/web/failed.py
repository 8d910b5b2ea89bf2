"""Failed items: grouped by cause, tried again one, a group or all."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.domain.causes import CAUSES
from shopchimp.jobs.wake import wake
from shopchimp.services import failed_items
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor

router = APIRouter(include_in_schema=False, prefix="/failed")


@router.get("")
def groups(request: Request, visitor: PageVisitor, retried: int | None = None) -> Response:
    """What stopped, by cause, and what passes by itself."""
    stopped, passing = failed_items.groups(deps.database(request), visitor.shop_id)
    values: dict[str, Any] = {"stopped": stopped, "passing": passing, "retried": retried}
    return render.page(request, visitor, "failed.html", section="activity", **values)


@router.get("/{cause}")
def people(request: Request, visitor: PageVisitor, cause: str, state: str = "parked", after: str = "") -> Response:
    """The people of one cause."""
    if cause not in CAUSES:
        raise HTTPException(404)
    state = state if state in {"parked", "waiting"} else "parked"
    page = failed_items.page(deps.database(request), visitor.shop_id, state=state, cause=cause, after=after)
    values: dict[str, Any] = {"page": page, "cause_code": cause, "state": state}
    return render.page(request, visitor, "failed_people.html", section="activity", **values)


@router.post("/retry")
def retry(
    request: Request,
    visitor: PageVisitor,
    *,
    item: Annotated[str, Form()] = "",
    cause: Annotated[str, Form()] = "",
    everything: Annotated[str, Form()] = "",
) -> Response:
    """Try one again, all of one cause, or all."""
    if not (item or cause or everything == "yes"):
        raise HTTPException(422)
    database, items = deps.database(request), [item] if item else None
    count = failed_items.retry(database, visitor.shop_id, items=items, cause=cause or None)
    wake()
    return RedirectResponse(f"/failed?retried={count}", 303)
