"""Settings: the connection, what is synced and how, when to stop and ask, and the way out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from shopchimp.domain.causes import Cause, cause
from shopchimp.domain.errors import PlatformError
from shopchimp.services import connection, settings
from shopchimp.services.connection import ConnectRefused
from shopchimp.services.customer_events import status as pixel_status
from shopchimp.services.settings import InvalidSettings, ShopSettings
from shopchimp.web import deps, render
from shopchimp.web.deps import PageVisitor, Visitor

router = APIRouter(include_in_schema=False, prefix="/settings")


@router.get("")
def show(request: Request, visitor: PageVisitor, saved: str = "") -> Response:
    """The settings as they are."""
    return _page(request, visitor, _form_of(chosen(request, visitor)), saved=saved == "1")


@router.post("")
def save(
    request: Request,
    visitor: PageVisitor,
    *,
    customers: Annotated[str, Form()] = "all",
    conflict_policy: Annotated[str, Form()] = "",
    cleaned: Annotated[str, Form()] = "",
    erase: Annotated[str, Form()] = "",
    breaker: Annotated[str, Form()] = "",
    share: Annotated[str, Form()] = "2",
    least: Annotated[str, Form()] = "50",
    promo_hours: Annotated[str, Form()] = "3",
) -> Response:
    """Save all of the form or nothing of it."""
    form = {
        "customers": customers,
        "conflict_policy": conflict_policy,
        "cleaned": cleaned == "yes",
        "erase": erase == "yes",
        "breaker": breaker == "yes",
        "share": share,
        "least": least,
        "promo_hours": promo_hours,
    }
    try:
        changes = {
            "sync_non_subscribed": customers != "subscribed",
            "conflict_policy": conflict_policy or None,
            "cleaned_to_customer": form["cleaned"],
            "erase_contacts": form["erase"],
            "breaker": {"on": form["breaker"], "share": _percent(share), "least": _people(least)},
            "promo_hours": _hours(promo_hours),
        }
        settings.change(deps.database(request), visitor.shop_id, changes, by=visitor.user)
    except InvalidSettings as invalid:
        return _page(request, visitor, form, errors=invalid.errors, status=422)
    return RedirectResponse("/settings?saved=1", 303)


@router.post("/create-customers")
def create_customers(request: Request, visitor: PageVisitor, active: Annotated[str, Form()] = "") -> Response:
    """Activate or Deactivate "Create New Customers" (S60, S61)."""
    settings.change(deps.database(request), visitor.shop_id, {"create_customers": active == "yes"}, by=visitor.user)
    return RedirectResponse("/settings?saved=1#create", 303)


@router.get("/disconnect")
def ask_disconnect(request: Request, visitor: PageVisitor) -> Response:
    """What stops, what stays, what is deleted; and the name to type."""
    return _disconnect(request, visitor)


@router.post("/disconnect")
def disconnect(
    request: Request,
    visitor: PageVisitor,
    confirm_name: Annotated[str, Form()] = "",
    store_data: Annotated[str, Form()] = "keep",
) -> Response:
    """Disconnect, once the audience's name was typed; the store's data in Mailchimp stays or goes, as chosen (S86)."""
    typed = {"confirm_name": confirm_name, "store_data": store_data}
    delete = store_data == "delete"
    try:
        removed = connection.disconnect(
            deps.gateways(request), visitor.shop_id, confirm_name=confirm_name, delete_store=delete
        )
    except ConnectRefused as refused:
        status = 422 if refused.code == "not_confirmed" else 409
        return _disconnect(request, visitor, error=refused.message, typed=typed, status=status)
    except PlatformError as away:
        return _disconnect(request, visitor, away=cause(away.code), typed=typed, status=503)
    return render.page(request, visitor, "disconnected.html", section="settings", removed=removed, kept=not delete)


def chosen(request: Request, visitor: Visitor) -> ShopSettings:
    """The shop's settings now."""
    with deps.database(request).transaction() as tx:
        return settings.get(tx, visitor.shop_id)


def _disconnect(
    request: Request,
    visitor: Visitor,
    *,
    error: str = "",
    away: Cause | None = None,
    typed: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    current = connection.status(deps.database(request), visitor.shop_id)
    if current is None:
        return RedirectResponse("/settings", 303)
    typed = typed or {"confirm_name": "", "store_data": "keep"}
    values: dict[str, Any] = {"connection": current, "error": error, "away": away, "typed": typed}
    return render.page(request, visitor, "disconnect.html", status=status, section="settings", **values)


def _percent(typed: str) -> float:
    try:
        return float(typed.replace(",", ".").removesuffix("%")) / 100
    except ValueError:
        raise InvalidSettings({"share": "Type a percentage, for example 2."}) from None


def _people(typed: str) -> int:
    if not (typed.strip().isascii() and typed.strip().isdigit()):
        raise InvalidSettings({"least": "Type a number of people, for example 50."})
    return int(typed)


def _hours(typed: str) -> int:
    if not (typed.strip().isascii() and typed.strip().isdigit() and 1 <= int(typed) <= 24):
        raise InvalidSettings({"promo_hours": "Type a number of hours from 1 to 24."})
    return int(typed)


def _form_of(chosen: ShopSettings) -> dict[str, Any]:
    return {
        "customers": "all" if chosen.sync_non_subscribed else "subscribed",
        "conflict_policy": chosen.conflict_policy or "",
        "cleaned": chosen.cleaned_to_customer,
        "erase": chosen.erase_contacts,
        "breaker": chosen.breaker.on,
        "share": f"{chosen.breaker.share * 100:g}",
        "least": str(chosen.breaker.least),
        "promo_hours": str(chosen.promo_hours),
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
    values = {
        "connection": connection.status(deps.database(request), visitor.shop_id),
        "settings": chosen(request, visitor),
        "pixel": pixel_status.status(deps.database(request), visitor.shop_id),
        "form": form,
        "errors": errors or {},
        "saved": saved,
    }
    return render.page(request, visitor, "settings.html", status=status, section="settings", **values)
