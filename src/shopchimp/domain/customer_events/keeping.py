"""How an event is kept while it waits: what names a person apart from the rest, and the whole made of both again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from shopchimp.domain.addresses import normalise
from shopchimp.domain.customer_events.addresses import PageAddress
from shopchimp.domain.customer_events.beacon import Beacon, VisitorConsent
from shopchimp.domain.customer_events.details import Checkout, CheckoutItem, Details, ViewedProduct
from shopchimp.domain.customer_events.names import Priority, StoreEvent, priority


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
        body["page"] = asdict(beacon.page)
    if beacon.title is not None:
        body["title"] = beacon.title
    details = asdict(beacon.details)
    if checkout is not None:
        details["checkout"] = asdict(replace(checkout, token=None, email=None))
    if said := _said(details):
        body["details"] = said
    return KeptEvent(
        id=beacon.event_id,
        name=beacon.name,
        visitor=beacon.visitor,
        happened_at=beacon.happened_at,
        customer_id=beacon.customer_id,
        email=normalise(email) if email else None,
        checkout=checkout.token if checkout else None,
        consent=asdict(beacon.consent),
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


def _said(value: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was not said."""
    kept: dict[str, Any] = {}
    for name, part in value.items():
        if isinstance(part, dict):
            inner: Any = _said(part)
        elif isinstance(part, (list, tuple)):
            inner = [_said(each) for each in part]
        else:
            inner = part
        if inner not in (None, {}, []):
            kept[name] = inner
    return kept
