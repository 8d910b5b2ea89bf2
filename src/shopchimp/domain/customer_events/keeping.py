"""An event as it is kept while it waits: what the store's page said of it as JSON (`body`), and read back.

Who it is about stands in columns of its own (visitor, customer, the checkout's address and token), so that it can be
found for erasure, and is not said twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from shopchimp.domain.addresses import normalise
from shopchimp.domain.customer_events.addresses import PageAddress
from shopchimp.domain.customer_events.beacon import Beacon, VisitorConsent
from shopchimp.domain.customer_events.details import Checkout, CheckoutItem, Details, ViewedProduct
from shopchimp.domain.customer_events.names import StoreEvent


@dataclass(frozen=True, slots=True)
class Kept:
    """An event by columns, as intake stores it. `email` is the checkout's address in its normal spelling."""

    id: str
    name: str
    visitor: str
    customer_id: int | None
    email: str | None
    checkout: str | None
    happened_at: datetime
    consent: dict[str, bool]
    body: dict[str, Any]


def kept(beacon: Beacon) -> Kept:
    """An event that was admitted, as it is stored."""
    checkout = beacon.details.checkout
    details = _some(asdict(beacon.details))
    if checkout is not None:
        details["checkout"] = _some(asdict(replace(checkout, token=None, email=None)))
    page = None if beacon.page is None else {"url": beacon.page.url, "private": beacon.page.private}
    return Kept(
        id=beacon.event_id,
        name=beacon.name.value,
        visitor=beacon.visitor,
        customer_id=beacon.customer_id,
        email=normalise(checkout.email) if checkout is not None and checkout.email else None,
        checkout=checkout.token if checkout is not None else None,
        happened_at=beacon.happened_at,
        consent=asdict(beacon.consent),
        body=_some({"page": page, "title": beacon.title, "details": details}),
    )


def read_kept(row: Kept) -> Beacon:
    """The event that was stored."""
    page = row.body.get("page")
    return Beacon(
        account="",
        event_id=row.id,
        name=StoreEvent(row.name),
        happened_at=row.happened_at,
        visitor=row.visitor,
        consent=VisitorConsent(**row.consent),
        customer_id=row.customer_id,
        page=PageAddress(**page) if page else None,
        title=row.body.get("title"),
        details=_details(row.body.get("details") or {}, row),
    )


def _details(said: Mapping[str, Any], row: Kept) -> Details:
    product, checkout = said.get("product"), said.get("checkout")
    simple = {name: said.get(name) for name in ("quantity", "total", "collection_id", "collection_title", "query")}
    return Details(
        **simple,
        product=ViewedProduct(**product) if product is not None else None,
        checkout=_checkout(checkout, row) if checkout is not None else None,
    )


def _checkout(said: Mapping[str, Any], row: Kept) -> Checkout:
    items = tuple(CheckoutItem(**item) for item in said.get("items") or ())
    return Checkout(**{**said, "items": items}, token=row.checkout, email=row.email)


def _some(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what isn't there."""
    return {
        name: _some(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if value is not None and value != ()
    }
