"""Beacons as the pixel sends them, and as they are once read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from shopchimp.domain.customer_events.addresses import page_address
from shopchimp.domain.customer_events.beacon import Beacon, VisitorConsent, read_beacon
from shopchimp.domain.customer_events.details import Checkout, Details, ViewedProduct
from shopchimp.domain.customer_events.names import StoreEvent

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
AGREED = VisitorConsent(analytics=True, marketing=True, preferences=True, sale_of_data=True)
VISITOR = "9d4f7b1c-2a60-4f3e-8b21-6a0c5d1e7f90"
PAGE = "https://pinewood.example.com/products/blue-mug"

PRODUCT = {
    "id": "8123456789",
    "title": "Blue mug",
    "url": f"{PAGE}?variant=44100000000301",
    "variantId": "gid://shopify/ProductVariant/44100000000301",
    "variantTitle": "Blue",
    "price": 18.5,
    "currency": "USD",
}
CHECKOUT = {
    "token": "c1f2a3b4c5d6e7f8",
    "email": "Ana.Reyes@example.com",
    "total": 42,
    "currency": "USD",
    "itemCount": 2,
    "items": [{"id": "8123456789", "title": "Blue mug", "quantity": 2}],
    "orderId": "6100000000001",
}
DATA: dict[str, dict[str, Any] | None] = {
    "page_viewed": None,
    "product_viewed": {"product": PRODUCT},
    "collection_viewed": {"collection": {"id": "5500000001", "title": "Mugs"}},
    "search_submitted": {"query": "blue mug"},
    "product_added_to_cart": {"product": PRODUCT, "quantity": 2, "total": 37},
    "checkout_started": {"checkout": {name: value for name, value in CHECKOUT.items() if name != "orderId"}},
    "payment_info_submitted": {"checkout": {name: value for name, value in CHECKOUT.items() if name != "orderId"}},
    "checkout_completed": {"checkout": CHECKOUT},
}


def said(name: str = "product_viewed", **changes: Any) -> dict[str, Any]:
    """A body before it becomes JSON; a change to None takes the field away."""
    body = {
        "version": 1,
        "accountID": "acc_5f3a9c1e",
        "id": "sh-00000001-0000-4000-8000-000000000000",
        "name": name,
        "timestamp": "2026-11-22T13:59:58.123Z",
        "clientId": VISITOR,
        "customerId": "7300000000101",
        "consent": {"analytics": True, "marketing": True, "preferences": True, "saleOfData": True},
        "page": {"url": PAGE, "title": "Blue mug"},
        "data": DATA.get(name),
        **changes,
    }
    return {field: value for field, value in body.items() if value is not None}


def body(name: str = "product_viewed", **changes: Any) -> bytes:
    return json.dumps(said(name, **changes)).encode()


def read(name: str = "product_viewed", **changes: Any) -> Beacon:
    beacon = read_beacon(body(name, **changes))
    assert isinstance(beacon, Beacon), beacon
    return beacon


def view(
    number: int = 1,
    after: float = 0,
    *,
    name: str = "page_viewed",
    visitor: str = "visitor-1",
    path: str = "/",
    about: Any = 1,
) -> Beacon:
    """An event so many seconds after a round hour."""
    details = {
        "page_viewed": Details(),
        "product_viewed": Details(product=ViewedProduct(id=about)),
        "collection_viewed": Details(collection_id=about),
        "search_submitted": Details(query=str(about)),
        "product_added_to_cart": Details(product=ViewedProduct(id=about), quantity=1),
    }.get(name, Details(checkout=Checkout(token=f"token-{about}-long")))
    return Beacon(
        account="acc_5f3a9c1e",
        event_id=f"event-{number:06}",
        name=StoreEvent(name),
        happened_at=NOW + timedelta(seconds=after),
        visitor=visitor,
        consent=AGREED,
        page=page_address(f"https://pinewood.example.com{path}"),
        details=details,
    )
