"""Settings: the connection, what is synced and how, and the way out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.domain.fields import Source
from shopchimp.services import connection, settings
from shopchimp.services.connection import ConnectRefused
from shopchimp.services.settings import InvalidSettings, ShopSettings
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor

router = APIRouter(include_in_schema=False, prefix="/settings")


@router.get("")
def show(request: Request, visitor: PageVisitor, saved: str = "") -> Response:
    """The settings as they are."""
    with deps.database(request).transaction() as tx:
        chosen = settings.get(tx, visitor.shop_id)
    return _page(request, visitor, _form_of(chosen), saved=saved == "1")


@router.post("")
def save(
    request: Request,
    visitor: PageVisitor,
    *,
    customers: Annotated[str, Form()] = "all",
    conflict_policy: Annotated[str, Form()] = "",
    tag: Annotated[str, Form()] = "",
    field: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Save all of the form or nothing of it. `field` holds a merge tag for each source, in the order of `Source`."""
    tags = dict(zip(Source, field or [], strict=False))
    form = {"customers": customers, "conflict_policy": conflict_policy, "tag": tag, "tags": tags}
    try:
        changes = {
            "sync_non_subscribed": customers != "subscribed",
            "conflict_policy": conflict_policy or None,
            "tag": tag,
            "field_map": _field_map(tags),
        }
        settings.change(deps.database(request), visitor.shop_id, changes, by=visitor.user)
    except InvalidSettings as invalid:
        return _page(request, visitor, form, errors=invalid.errors, status=422)
    return RedirectResponse("/settings?saved=1", 303)


@router.get("/disconnect")
def ask_disconnect(request: Request, visitor: PageVisitor) -> Response:
    """What stops, what stays, what is deleted; and the name to type."""
    return _disconnect(request, visitor)


@router.post("/disconnect")
def disconnect(request: Request, visitor: PageVisitor, confirm_name: Annotated[str, Form()] = "") -> Response:
    """Disconnect, once the audience's name was typed."""
    try:
        removed = connection.disconnect(deps.gateways(request), visitor.shop_id, confirm_name=confirm_name)
    except ConnectRefused as refused:
        status = 422 if refused.code == "not_confirmed" else 409
        return _disconnect(request, visitor, error=refused.message, typed=confirm_name, status=status)
    return render.page(request, visitor, "disconnected.html", section="settings", removed=removed)


def _disconnect(request: Request, visitor: Visitor, *, error: str = "", typed: str = "", status: int = 200) -> Response:
    current = connection.status(deps.database(request), visitor.shop_id)
    if current is None:
        return RedirectResponse("/settings", 303)
    values = {"connection": current, "error": error, "typed": typed}
    return render.page(request, visitor, "disconnect.html", status=status, section="settings", **values)


def _field_map(typed: dict[Source, str]) -> dict[str, str]:
    """The form's merge tags as a map: none where a field isn't sent, several with commas between them."""
    chosen = [(tag.strip().upper(), source.value) for source, tags in typed.items() for tag in tags.split(",")]
    chosen = [(tag, source) for tag, source in chosen if tag]
    if len({tag for tag, _ in chosen}) < len(chosen):
        raise InvalidSettings({"field_map": "Two customer fields can't go into the same merge field."})
    return dict(chosen)


def _form_of(chosen: ShopSettings) -> dict[str, Any]:
    tags: dict[str, list[str]] = {}
    for tag, source in chosen.field_map.to_json().items():
        tags.setdefault(source, []).append(tag)
    return {
        "customers": "all" if chosen.sync_non_subscribed else "subscribed",
        "conflict_policy": chosen.conflict_policy or "",
        "tag": chosen.tag,
        "tags": {source: ", ".join(tags.get(source.value, ())) for source in Source},
    }


def _page(
    request: Request,
    visitor: Visitor,
    form: dict[str, Any],
    *,
    errors: dict[str, str] | None = None,
    saved: bool = False,
    status: int = 200,
) -> Response:
    current = connection.status(deps.database(request), visitor.shop_id)
    values = {"connection": current, "form": form, "errors": errors or {}, "saved": saved, "sources": tuple(Source)}
    return render.page(request, visitor, "settings.html", status=status, section="settings", **values)
