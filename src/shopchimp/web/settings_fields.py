"""The field map: one row a merge field, with a customer's value and what is wrong at the row (S75)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.domain.causes import cause
from shopchimp.domain.errors import PlatformError
from shopchimp.domain.fields import FieldMap, Source
from shopchimp.jobs.wake import wake
from shopchimp.services import field_map, settings
from shopchimp.services.connection import ConnectRefused
from shopchimp.services.settings import InvalidSettings
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor
from shopchimp.web.settings import chosen

router = APIRouter(include_in_schema=False, prefix="/settings/fields")


@router.get("")
def show(request: Request, visitor: PageVisitor, saved: str = "") -> Response:
    """The map as both platforms stand now; where one isn't answering, as it is stored."""
    return _page(request, visitor, saved=saved == "1")


@router.post("")
def save(
    request: Request,
    visitor: PageVisitor,
    *,
    tag: Annotated[list[str] | None, Form()] = None,
    source: Annotated[list[str] | None, Form()] = None,
    two_way: Annotated[list[str] | None, Form()] = None,
    new_tag: Annotated[str, Form()] = "",
    new_source: Annotated[str, Form()] = "",
) -> Response:
    """Save the whole map. `tag` and `source` belong together in their order."""
    typed = [(name.strip().upper(), what) for name, what in zip(tag or [], source or [], strict=False)]
    new = new_tag.strip().upper()
    if new:
        typed.append((new, new_source))
    form = {"map": dict(typed), "two_way": two_way or [], "new_tag": new_tag, "new_source": new_source}
    try:
        _check(typed, new, new_source)
        changes = {"field_map": {name: what for name, what in typed if what}, "two_way": two_way or []}
        settings.change(deps.database(request), visitor.shop_id, changes, by=visitor.user)
    except InvalidSettings as invalid:
        return _page(request, visitor, form=form, errors=invalid.errors, status=422)
    wake()
    return RedirectResponse("/settings/fields?saved=1", 303)


def _check(typed: list[tuple[str, str]], new: str, new_source: str) -> None:
    if len({name for name, _ in typed}) < len(typed):
        raise InvalidSettings({"field_map": f"{new or 'A field'} is in the list already."})
    if new and not new_source:
        raise InvalidSettings({"field_map": f"Choose what goes into {new}."})


def _page(
    request: Request,
    visitor: Visitor,
    *,
    form: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    saved: bool = False,
    status: int = 200,
) -> Response:
    trouble = None
    try:
        rows = field_map.rows(deps.gateways(request), visitor.shop_id)
    except (PlatformError, ConnectRefused) as error:
        trouble = cause(error.code) if isinstance(error, PlatformError) else None
        rows = field_map.of({}, stored(request, visitor), [])
    values = {
        "rows": rows,
        "there": trouble is None,
        "trouble": trouble,
        "form": form or {"map": {}, "two_way": None, "new_tag": "", "new_source": ""},
        "errors": errors or {},
        "saved": saved,
        "sources": tuple(Source),
    }
    return render.page(request, visitor, "settings_fields.html", status=status, section="settings", **values)


def stored(request: Request, visitor: Visitor) -> FieldMap:
    """The map as it is stored."""
    return chosen(request, visitor).field_map
