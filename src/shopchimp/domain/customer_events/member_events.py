"""A customer's event as Mailchimp's member event: name, properties, time, and whether automations may hear it.

`POST /lists/{id}/members/{hash}/events` takes a name of 2 to 30 characters and properties that are all texts. Their
names and values are kept within a thousand bytes in all: what matters most is put in first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from shopchimp.domain.commerce.spelling import short_id, text
from shopchimp.domain.customer_events.beacon import Beacon
from shopchimp.domain.customer_events.coalescing import Group
from shopchimp.domain.customer_events.details import Checkout, Details, ViewedProduct
from shopchimp.domain.customer_events.names import StoreEvent

PROPERTIES_BYTES = 1_000
QUIET_AFTER = timedelta(hours=1)
"""An event older than this is history: it is recorded, and starts no automation."""

Pair = tuple[str, str | None]


def member_event(group: Group, now: datetime) -> dict[str, Any]:
    """The body of the call for these events. Its time is that of the first one."""
    first = group.first
    return {
        "name": first.name.value,
        "properties": _within(_properties(group)),
        "is_syncing": first.happened_at < now - QUIET_AFTER,
        "occurred_at": first.happened_at.astimezone(UTC).isoformat(timespec="seconds"),
    }


def _properties(group: Group) -> Iterator[Pair]:
    first, details = group.first, group.first.details
    yield "event_id", first.event_id  # tells whether a call that died was heard
    yield from _about(details)
    if first.page is not None:
        yield "page_url", first.page.url
    yield "page_title", first.title
    if len(group.events) > 1:
        yield "times", str(len(group.events))
        if first.name is StoreEvent.PAGE_VIEWED:
            yield "pages", _paths(group.events)


def _about(details: Details) -> Iterator[Pair]:
    if details.product is not None:
        yield from _product(details.product)
    yield "quantity", _whole(details.quantity)
    yield "total", _money(details.total)
    yield "collection_id", _whole(details.collection_id)
    yield "collection_title", details.collection_title
    yield "search_query", details.query
    if details.checkout is not None:
        yield from _checkout(details.checkout)


def _product(product: ViewedProduct) -> Iterator[Pair]:
    yield "product_id", _whole(product.id)
    yield "product_title", product.title
    yield "price", _money(product.price)
    yield "currency", product.currency
    yield "variant_id", _whole(product.variant_id)
    yield "product_url", product.url
    yield "variant_title", product.variant_title


def _checkout(checkout: Checkout) -> Iterator[Pair]:
    yield "order_id", _whole(checkout.order_id)
    yield "cart_id", short_id(checkout.token) if checkout.token else None  # as the cart is called in Mailchimp
    yield "total", _money(checkout.total)
    yield "currency", checkout.currency
    yield "item_count", _whole(checkout.item_count)
    yield "product_ids", ",".join(str(item.id) for item in checkout.items if item.id is not None)
    yield "product_titles", ", ".join(item.title for item in checkout.items if item.title)


def _paths(events: Iterable[Beacon]) -> str:
    """The pages that were seen, each once, in their order; as many as fit whole."""
    paths = dict.fromkeys(urlsplit(each.page.url).path for each in events if each.page is not None)
    return _joined(paths, " ", 500)


def _joined(parts: Iterable[str], between: str, limit: int) -> str:
    made = ""
    for part in parts:
        longer = f"{made}{between}{part}" if made else part
        if len(longer.encode()) > limit:
            break
        made = longer
    return made


def _within(pairs: Iterable[Pair]) -> dict[str, str]:
    """The properties that there are, until they are full: what doesn't fit whole is left out."""
    made: dict[str, str] = {}
    room = PROPERTIES_BYTES
    for name, value in pairs:
        if not value:
            continue
        spelt = value if name in ("page_url", "product_url", "pages") else text(value)  # half an address is none
        size = len(name) + len(spelt.encode())
        if spelt and size <= room:
            made[name] = spelt
            room -= size
    return made


def _whole(value: int | None) -> str | None:
    return None if value is None else str(value)


def _money(value: float | None) -> str | None:
    """An amount with two decimals, or with the three that some currencies have."""
    if value is None:
        return None
    spelt = f"{value:.3f}"
    return spelt.removesuffix("0")
