"""How an event is kept while it waits: what names a person apart from the rest, and the whole made of both again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shopchimp.domain.addresses import normalise
from shopchimp.domain.customer_events.addresses import PageAddress
from shopchimp.domain.customer_events.beacon import Beacon, VisitorConsent
from shopchimp.domain.customer_events.details import Checkout, CheckoutItem, Details, ViewedProduct
from shopchimp.domain.customer_events.names import Priority, StoreEvent, priority

_PARTS = (ViewedProduct, Checkout)
_COLUMNS = ("token", "email")  # of a checkout


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """One event in the parts in which it is kept. `email` is the checkout's, in its normal spelling."""

    id: str
    name: StoreEvent
    visitor: str
    happened_at: datetime
    customer_id: int | None
    email: str | None
    checkout: str | None
    consent: dict[str, bool]
    body: dict[str, Any]

    @property
    def urgent(self) -> bool:
        """Whether it is of a cart or a checkout, which go before all views."""
        return priority(self.name) <= Priority.CART


def taken_apart(beacon: Beacon) -> KeptEvent:
    """An admitted event as it is kept."""
    checkout = beacon.details.checkout
    email = checkout.email if checkout else None
    body: dict[str, Any] = {}
    if beacon.page is not None:
        body["page"] = {"url": beacon.page.url, "private": beacon.page.private}
    if beacon.title is not None:
        body["title"] = beacon.title
    if said := _said(beacon.details):
        body["details"] = said
    return KeptEvent(
        id=beacon.event_id,
        name=beacon.name,
        visitor=beacon.visitor,
        happened_at=beacon.happened_at,
        customer_id=beacon.customer_id,
        email=normalise(email) if email else None,
        checkout=checkout.token if checkout else None,
        consent={name: getattr(beacon.consent, name) for name in beacon.consent.__slots__},
        body=body,
    )


def put_together(
    *,
    id: str,  # noqa: A002 - as the column is called
    name: str,
    visitor: str,
    happened_at: datetime,
    customer_id: int | None,
    email: str | None,
    checkout: str | None,
    consent: Mapping[str, bool],
    body: Mapping[str, Any],
) -> Beacon:
    """The event again, but for the shop's public id, which nobody needs any more."""
    page = body.get("page")
    return Beacon(
        account="",
        event_id=id,
        name=StoreEvent(name),
        happened_at=happened_at,
        visitor=visitor,
        consent=VisitorConsent(**consent),
        customer_id=customer_id,
        page=PageAddress(**page) if page else None,
        title=body.get("title"),
        details=_details(body.get("details") or {}, email=email, checkout=checkout),
    )


def _details(said: Mapping[str, Any], *, email: str | None, checkout: str | None) -> Details:
    parts = dict(said)
    if product := parts.pop("product", None):
        parts["product"] = ViewedProduct(**product)
    of = parts.pop("checkout", None)
    if of is not None or checkout or email:
        rest = dict(of or {})
        items = tuple(CheckoutItem(**each) for each in rest.pop("items", ()))
        parts["checkout"] = Checkout(token=checkout, email=email, items=items, **rest)
    return Details(**parts)


def _said(part: Details | ViewedProduct | Checkout | CheckoutItem) -> dict[str, Any]:
    """What was said of it, but for what has a column of its own. (`asdict` takes ten times as long.)"""
    kept: dict[str, Any] = {}
    for name in part.__slots__:
        value = getattr(part, name)
        if value is None or (name in _COLUMNS and isinstance(part, Checkout)):
            continue
        if isinstance(value, tuple):
            value = [_said(each) for each in value]
        elif isinstance(value, _PARTS):
            value = _said(value)
        if value not in ({}, []):
            kept[name] = value
    return kept
