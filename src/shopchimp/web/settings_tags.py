"""Tags: the app's own on contacts we make, and which of a customer's tags the contact gets (S80, S102)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.jobs.wake import wake
from shopchimp.services import settings
from shopchimp.services.settings import InvalidSettings
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor
from shopchimp.web.settings import chosen

router = APIRouter(include_in_schema=False, prefix="/settings/tags")


@router.get("")
def show(request: Request, visitor: PageVisitor, saved: str = "") -> Response:
    """The settings for tags as they are."""
    now = chosen(request, visitor)
    form = {"tag": now.tag, "tags": now.tags.value, "chosen_tags": ", ".join(now.chosen_tags)}
    return _page(request, visitor, form, saved=saved == "1")


@router.post("")
def save(
    request: Request,
    visitor: PageVisitor,
    *,
    tag: Annotated[str, Form()] = "",
    tags: Annotated[str, Form()] = "",
    chosen_tags: Annotated[str, Form()] = "",
) -> Response:
    """Save all three or none."""
    form = {"tag": tag, "tags": tags, "chosen_tags": chosen_tags}
    changes: dict[str, Any] = {**form, "chosen_tags": [one.strip() for one in chosen_tags.split(",") if one.strip()]}
    try:
        settings.change(deps.database(request), visitor.shop_id, changes, by=visitor.user)
    except InvalidSettings as invalid:
        return _page(request, visitor, form, errors=invalid.errors, status=422)
    wake()
    return RedirectResponse("/settings/tags?saved=1", 303)


def _page(
    request: Request,
    visitor: Visitor,
    form: dict[str, Any],
    *,
    errors: dict[str, str] | None = None,
    saved: bool = False,
    status: int = 200,
) -> Response:
    values = {"form": form, "errors": errors or {}, "saved": saved}
    return render.page(request, visitor, "settings_tags.html", status=status, section="settings", **values)
