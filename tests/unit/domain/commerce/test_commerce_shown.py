"""What pages show of orders, carts, products and codes is kept as plain JSON, without personal data."""

from __future__ import annotations

import json
from typing import Any

from commerce_nodes import STORE, checkout, line, money, order, product

from shopchimp.domain.commerce.shown import shown_cart, shown_code, shown_order, shown_product, shown_rule, told


def test_an_orders_row_and_details_survive_json() -> None:
    """S99, S100."""
    kept = json.loads(json.dumps(shown_order(order(), STORE)))
    assert {name: kept[name] for name in ("number", "total", "currency", "at", "codes", "discount")} == {
        "number": "#1042",
        "total": "77.00",
        "currency": "EUR",
        "at": "2026-11-03T08:29:58+00:00",
        "codes": ["LAMP10"],
        "discount": "8.00",
    }
    assert kept["link"] == "https://admin.shopify.com/store/pinewood-lamps/orders/5600000000401"
    assert kept["products"] == [
        {
            "id": "9100000000201",
            "name": "Brass desk lamp - Large",
            "category": "",
            "sku": "BDL-L",
            "quantity": 2,
            "price": "40.00",
            "image": "https://cdn.example.com/brass-desk-lamp.jpg?v=1",
        }
    ]


def test_what_an_order_adds_to_its_buyers_totals() -> None:
    """S98: revenue less refunds, orders, products bought; nothing of a cancelled one."""
    kept = shown_order(order(totalRefundedSet=money("7.05")), STORE)
    assert (kept["revenue"], kept["orders"], kept["bought"]) == ("69.95", 1, 2)
    cancelled = shown_order(order(cancelledAt="2026-11-05T00:00:00Z"), STORE)
    assert (cancelled["revenue"], cancelled["orders"], cancelled["bought"]) == ("0", 0, 0)
    assert (cancelled["money"], cancelled["cancelled"]) == ("cancelled", True)


def test_a_line_whose_product_is_gone_names_none() -> None:
    assert shown_order(order(lines=[line(product=None, variant=None)]), STORE)["products"][0]["id"] == ""


def test_a_cart_is_kept_alike() -> None:
    kept = shown_cart(checkout(), STORE)
    assert kept["link"].startswith("https://admin.shopify.com/store/pinewood-lamps/checkouts/")
    assert kept["products"]
    assert "revenue" not in kept


def test_a_products_category_and_picture() -> None:
    """S105.7, S105.15."""
    kept = shown_product(product(productType="Lamps"), STORE)
    assert (kept["category"], kept["image"]) == ("Lamps", "https://cdn.example.com/3800000001610.jpg?v=1")


def test_a_discount_and_one_of_its_codes() -> None:
    """S64."""
    discount = {
        "__typename": "DiscountCodeBasic",
        "title": "Welcome",
        "summary": "10% off entire order",
        "status": "ACTIVE",
        "startsAt": "2026-01-01T00:00:00Z",
        "codesCount": {"count": 500},
    }
    kept = shown_rule({"id": "gid://shopify/DiscountCodeNode/77", "discount": discount}, STORE)
    assert (kept["title"], kept["summary"], kept["codes"], kept["ends"]) == (
        "Welcome",
        "10% off entire order",
        500,
        None,
    )
    assert kept["link"] == "https://admin.shopify.com/store/pinewood-lamps/discounts/77"
    assert shown_code({"id": "gid://shopify/DiscountRedeemCode/5", "code": " WELCOME10 ", "asyncUsageCount": 3}) == {
        "code": "WELCOME10",
        "used": 3,
    }


def test_nothing_personal_is_kept() -> None:
    """Erasing a person needs no search through what is shown: names and addresses are nowhere in it."""
    everything: list[dict[str, Any]] = [shown_order(order(), STORE), shown_cart(checkout(), STORE)]
    for kept in everything:
        said = json.dumps(kept)
        assert not any(word in said for word in ("Rosa", "Lindqvist", "@", "+46", "Lampgatan", "authenticate"))


def test_what_the_log_says_of_an_object() -> None:
    """S101."""
    said = told("5600000000401", shown_order(order(), STORE), "create")
    assert said == {"id": "5600000000401", "action": "create", "number": "#1042", "total": "77.00", "currency": "EUR"}
    assert told("9", None, "delete") == {"id": "9", "action": "delete"}
