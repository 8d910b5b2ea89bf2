"""An event that is kept and read back is the same event, and says nobody's name outside the columns for that."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from shopchimp.domain.customer_events.beacon import Beacon, read_beacon
from shopchimp.domain.customer_events.keeping import KeptEvent, put_together, taken_apart
from shopchimp.domain.customer_events.names import StoreEvent

BASE = {
    "version": 1,
    "accountID": "shop_1",
    "id": "sh-12345678",
    "timestamp": "2026-11-22T10:00:00Z",
    "clientId": "visitor-1234",
    "consent": {"analytics": True, "marketing": True, "preferences": False, "saleOfData": True},
    "page": {"url": "https://shop.example.com/products/mug?utm_medium=sms&utm_campaign=x", "title": "A mug"},
}
PRODUCT = {
    "id": "7", "title": "Mug", "url": "https://shop.example.com/products/mug", "variantId": "8",
    "variantTitle": "Blue", "price": 12.5, "currency": "EUR",
}  # fmt: skip
CHECKOUT = {
    "token": "tok_12345678", "email": "Ann@Example.com", "total": 25, "currency": "EUR", "itemCount": 2,
    "items": [{"id": "7", "title": "Mug", "quantity": 2}], "orderId": "99",
}  # fmt: skip
SAID = [
    ("page_viewed", {}),
    ("product_viewed", {"product": PRODUCT}),
    ("product_added_to_cart", {"product": PRODUCT, "quantity": 2, "total": 25.0}),
    ("collection_viewed", {"collection": {"id": "5", "title": "Mugs"}}),
    ("search_submitted", {"query": "blue mug"}),
    ("checkout_started", {"checkout": {"token": "tok_12345678"}}),
    ("payment_info_submitted", {"checkout": CHECKOUT}),
    ("checkout_completed", {"checkout": CHECKOUT}),
]


def _beacon(name: str, data: dict[str, object], **more: object) -> Beacon:
    read = read_beacon(json.dumps({**BASE, "name": name, "data": data, **more}).encode())
    assert isinstance(read, Beacon), read
    return replace(read, account="")


def _row(stored: KeptEvent) -> dict[str, Any]:
    return {field.name: getattr(stored, field.name) for field in fields(stored)}


@pytest.mark.parametrize(("name", "data"), SAID)
def test_an_event_is_read_back_as_it_was(name: str, data: dict[str, object]) -> None:
    beacon = _beacon(name, data, customerId="123")
    again = put_together(**orjson.loads(orjson.dumps(_row(taken_apart(beacon)))) | {"happened_at": beacon.happened_at})
    email = beacon.details.checkout.email if beacon.details.checkout else None
    if email is not None:  # comes back in its normal spelling
        assert beacon.details.checkout is not None
        checkout = replace(beacon.details.checkout, email=email.lower())
        beacon = replace(beacon, details=replace(beacon.details, checkout=checkout))
    assert again == beacon


def test_the_address_and_the_token_stand_in_their_columns_alone() -> None:
    stored = taken_apart(_beacon("checkout_completed", {"checkout": CHECKOUT}))
    assert (stored.email, stored.checkout) == ("ann@example.com", "tok_12345678")
    assert "xample.com" not in json.dumps(stored.body).replace("shop.example.com", "")
    assert "tok_12345678" not in json.dumps(stored.body)


def test_what_is_not_there_takes_no_room() -> None:
    stored = taken_apart(_beacon("page_viewed", {}, page=None))
    assert stored == KeptEvent(
        "sh-12345678", StoreEvent.PAGE_VIEWED, "visitor-1234", datetime(2026, 11, 22, 10, tzinfo=UTC), None, None, None,
        {"analytics": True, "marketing": True, "preferences": False, "sale_of_data": True}, {},
    )  # fmt: skip
