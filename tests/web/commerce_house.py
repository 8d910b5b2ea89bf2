"""Orders, carts, products and promo codes as the sync leaves them, for the web and browser tests; all invented."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from shopchimp.db import commerce_items
from shopchimp.db.commerce_items import Item
from shopchimp.db.session import Database
from shopchimp.domain.commerce.shown import shown_cart, shown_code, shown_order, shown_product, shown_rule
from shopchimp.domain.commerce.store import Storefront

STORE = Storefront("EUR", "https://demo.example.com", "demo-store.myshopify.com")
ANNA = {"key": "anna.berg@example.com", "customer_id": 101}
LAMP = "https://cdn.shopify.com/s/files/1/0001/lamp.jpg"


def money(amount: str, currency: str = "EUR") -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": currency}}


def line(product: int | None = 9001, **changes: Any) -> dict[str, Any]:
    quantity = changes.get("quantity", 2)
    return {
        "id": "gid://shopify/LineItem/1",
        "title": "Brass desk lamp",
        "variantTitle": "Large",
        "sku": "BDL-L",
        "quantity": quantity,
        "originalUnitPriceSet": money("27.00"),
        "product": {"id": f"gid://shopify/Product/{product}"} if product else None,
        **changes,
    }


def order_node(number: int, total: str, at: str, currency: str = "EUR", **changes: Any) -> dict[str, Any]:
    return {
        "id": f"gid://shopify/Order/{5000 + number}",
        "name": f"#{number}",
        "processedAt": at,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "FULFILLED",
        "totalPriceSet": money(total, currency),
        "currentTotalPriceSet": money(total, currency),
        "totalRefundedSet": money("0", currency),
        "lineItems": [line()],
        **changes,
    }


def add_order(database: Database, shop_id: int, node: dict[str, Any], **values: Any) -> Item:
    """An order of Anna's, in Mailchimp."""
    shown = shown_order(node, STORE)
    at = datetime.fromisoformat(shown["at"])
    row = {"state": "synced", "shown": shown, "occurred_at": at, "written_at": at, **ANNA}
    return add_item(database, shop_id, "order", node["id"].rpartition("/")[2], **{**row, **values})


def add_cart(database: Database, shop_id: int, token: str, at: str, **values: Any) -> Item:
    """A cart that Anna left."""
    node = {
        "id": f"gid://shopify/AbandonedCheckout/{len(token)}77",
        "name": "#C77",
        "token": token,
        "updatedAt": at,
        "totalPriceSet": money("39.00"),
        "lineItems": [line(quantity=1)],
    }
    shown = shown_cart(node, STORE)
    row = {"state": "synced", "shown": shown, "occurred_at": datetime.fromisoformat(shown["at"]), **ANNA}
    return add_item(database, shop_id, "cart", token, **{**row, **values})


def add_lamp(database: Database, shop_id: int, **values: Any) -> Item:
    """The product of the lines, which knows its category and its picture."""
    media = {"preview": {"image": {"url": LAMP}}}
    node = {"id": "gid://shopify/Product/9001", "title": "Brass desk lamp", "productType": "Lamps"}
    shown = shown_product({**node, "featuredMedia": media}, STORE)
    return add_item(database, shop_id, "product", "9001", **{"state": "synced", "shown": shown, **values})


def add_discount(database: Database, shop_id: int, number: int, *, codes: int = 1, **values: Any) -> Item:
    """A discount of 10 % with so many codes."""
    discount = {
        "__typename": "DiscountCodeBasic",
        "title": f"Welcome {number}",
        "summary": "10% off entire order",
        "status": "ACTIVE",
        "startsAt": "2026-01-01T00:00:00Z",
        "codesCount": {"count": codes},
    }
    shown = shown_rule({"id": f"gid://shopify/DiscountCodeNode/{number}", "discount": discount}, STORE)
    item = add_item(database, shop_id, "promo_rule", str(number), **{"state": "synced", "shown": shown, **values})
    with database.transaction() as tx:
        rows = [
            Item(
                "promo_code",
                f"{number}{n:06d}",
                item.state,
                item.reason,
                parent=str(number),
                shown=shown_code({"id": "x", "code": f"WELCOME{number}-{n:06d}", "asyncUsageCount": n}),
            )
            for n in range(codes)
        ]
        commerce_items.put(tx, shop_id, rows)
    return item


def open_commerce(database: Database, shop_id: int) -> None:
    """The first sync is complete with its orders: the store is at Mailchimp, and live."""
    with database.transaction() as tx:
        query = """
            update connections set live_since = now(), commerce_since = now(), store_id = 'demo-store-aud1'
            where shop_id = :shop
        """
        tx.execute(text(query), {"shop": shop_id})


def add_item(database: Database, shop_id: int, kind: str, item_id: str, **values: Any) -> Item:
    item = Item(kind, item_id, **{"written_at": datetime.now(UTC), **values})
    with database.transaction() as tx:
        commerce_items.put(tx, shop_id, [item])
    return item


def add_purchases(database: Database, shop_id: int) -> None:
    """Anna's: two orders in euros, one of them partly refunded, one in yen, one cancelled, and a cart."""
    add_lamp(database, shop_id)
    changes = {"discountCodes": ["LAMP10"], "totalDiscountsSet": money("6.00")}
    add_order(database, shop_id, order_node(1042, "54.00", "2026-11-20T15:04:00Z", **changes))
    refunded = {"totalRefundedSet": money("20.00"), "displayFinancialStatus": "PARTIALLY_REFUNDED"}
    add_order(database, shop_id, order_node(1041, "1050.50", "2026-03-08T06:30:00Z", **refunded))
    yen = {"lineItems": [line(None, title="Silk scarf", variantTitle=None, sku="", quantity=1)]}
    add_order(database, shop_id, order_node(1040, "4800", "2025-12-31T23:30:00Z", "JPY", **yen))
    gone = {"cancelledAt": "2025-06-02T00:00:00Z"}
    add_order(database, shop_id, order_node(1039, "10.00", "2025-06-01T12:00:00Z", **gone))
    add_cart(database, shop_id, "tok3n", "2026-11-21T10:00:00Z")
