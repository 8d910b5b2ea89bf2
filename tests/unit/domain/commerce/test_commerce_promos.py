"""S64, S65, S76: code discounts of every type as promo rules and codes; what Mailchimp can't say is unsupported."""

from __future__ import annotations

from typing import Any

import pytest
from commerce_nodes import STORE, code, discount, fixed, gets

from shopchimp.domain.commerce.promos import NO_END, promo_code, promo_rule
from shopchimp.domain.commerce.results import CommerceReason, Skip, Unsupported, Write

PRODUCT = {"id": "gid://shopify/Product/1", "title": "Lamp"}


def rule(kind: str = "DiscountCodeBasic", **changes: Any) -> dict[str, Any]:
    result = promo_rule(discount(kind, **changes), STORE)
    assert isinstance(result, Write)
    return result.body


def worth(value: dict[str, Any], *products: dict[str, Any]) -> tuple[float, str, str]:
    made = rule(customerGets=gets(value, *products))
    return made["amount"], made["type"], made["target"]


def percent(part: float) -> dict[str, Any]:
    return {"__typename": "DiscountPercentage", "percentage": part}


def test_s64_a_rule_whole() -> None:
    assert rule() == {
        "id": "1450000001801",
        "title": "LAMP10",
        "description": "10% off the entire order",
        "amount": 0.1,
        "type": "percentage",
        "target": "total",
        "enabled": True,
        "starts_at": "2026-11-01T00:00:00+00:00",
        "ends_at": "2026-12-31T23:59:59+00:00",
        "created_at_foreign": "2026-10-25T00:00:00+00:00",
        "updated_at_foreign": "2026-10-26T00:00:00+00:00",
    }


@pytest.mark.parametrize("part", [0.01, 0.075, 0.15, 0.33, 1, 1.0])
def test_a_percentage_is_a_share_of_one(part: float) -> None:
    assert worth(percent(part)) == (part, "percentage", "total")
    assert worth(percent(part), PRODUCT) == (part, "percentage", "per_item")


def test_a_fixed_amount_off_the_order_or_off_each_item() -> None:
    assert worth(fixed("5.50")) == (5.5, "fixed", "total")
    assert worth(fixed("5.50"), PRODUCT) == (5.5, "fixed", "total")  # once, whatever it is for
    assert worth(fixed("5.50", each=True), PRODUCT) == (5.5, "fixed", "per_item")


def test_free_shipping_is_nothing_off_the_shipping() -> None:
    made = rule("DiscountCodeFreeShipping", summary="Free shipping on all products")
    assert (made["amount"], made["type"], made["target"]) == (0.0, "fixed", "shipping")
    assert made["description"] == "Free shipping on all products"


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (discount("DiscountCodeBxgy"), CommerceReason.BUY_X_GET_Y),
        (discount("DiscountCodeApp"), CommerceReason.APP_DISCOUNT),
        (discount("DiscountCodeOfNextYear"), CommerceReason.UNKNOWN_DISCOUNT),
        ({"id": "gid://shopify/DiscountCodeNode/1", "discount": None}, CommerceReason.UNKNOWN_DISCOUNT),
        (
            discount(customerGets=gets({"__typename": "DiscountOnQuantity", "quantity": {"quantity": "1"}})),
            CommerceReason.BUY_X_GET_Y,
        ),
        (discount(customerGets=gets(percent(0))), CommerceReason.DISCOUNT_VALUE),
        (discount(customerGets=gets(percent(10.0))), CommerceReason.DISCOUNT_VALUE),
        (discount(customerGets=gets(fixed("0.00"))), CommerceReason.DISCOUNT_VALUE),
        (discount(customerGets=None), CommerceReason.DISCOUNT_VALUE),
        (discount(customerGets=gets(fixed("5.00", "USD"))), CommerceReason.DISCOUNT_CURRENCY),
    ],
)
def test_what_mailchimp_has_no_type_for_is_unsupported_with_the_reason(
    node: dict[str, Any], reason: CommerceReason
) -> None:
    result = promo_rule(node, STORE)
    assert result == Unsupported(reason)
    assert promo_code(code(), result, STORE) == Unsupported(reason)


def test_automatic_discounts_have_no_code_to_send() -> None:
    automatic = {"id": "gid://shopify/DiscountAutomaticNode/9", "discount": None}
    assert promo_rule(automatic, STORE) == Skip(CommerceReason.AUTOMATIC_DISCOUNT)
    assert promo_rule(discount("DiscountAutomaticBasic"), STORE) == Skip(CommerceReason.AUTOMATIC_DISCOUNT)


@pytest.mark.parametrize(
    ("changes", "enabled"),
    [
        ({"status": "ACTIVE"}, True),
        ({"status": "SCHEDULED"}, True),
        ({"status": "EXPIRED"}, False),
        ({"usageLimit": 14}, False),
        ({"usageLimit": 15}, True),
    ],
)
def test_a_rule_is_enabled_while_its_codes_can_be_used(changes: dict[str, Any], enabled: bool) -> None:
    assert rule(**changes)["enabled"] is enabled


def test_an_end_is_after_the_start_or_not_sent() -> None:
    assert "ends_at" not in rule(endsAt=None)
    assert "ends_at" not in rule(endsAt="2026-11-01T00:00:00Z")
    assert "starts_at" not in rule(startsAt=None)


def test_an_end_that_was_taken_away_moves_far_off() -> None:
    endless = promo_rule(discount(endsAt=None), STORE, had_end=True)
    assert isinstance(endless, Write)
    assert endless.body["ends_at"] == NO_END
    still = promo_rule(discount(), STORE, had_end=True)
    assert isinstance(still, Write)
    assert still.body["ends_at"] == "2026-12-31T23:59:59+00:00"


def test_texts_within_their_limits() -> None:
    made = rule(title="ö" * 90, summary="ö" * 300)
    assert made["title"] == "ö" * 50
    assert len(made["description"].encode()) <= 255
    assert rule(summary=None)["description"] == "LAMP10"
    assert rule(summary=None, title="")["description"] == "Discount"


# ------------------------------------------------------------------ codes


def made_code(**changes: Any) -> dict[str, Any]:
    result = promo_code(code(**changes), promo_rule(discount(), STORE), STORE)
    assert isinstance(result, Write)
    return result.body


def test_s64_a_code_whole() -> None:
    assert made_code() == {
        "id": "2200000001901",
        "code": "LAMP10",
        "redemption_url": "https://lamps.example.com/discount/LAMP10",
        "usage_count": 14,
        "enabled": True,
    }


def test_the_link_of_a_code_leads_there_whatever_is_in_it() -> None:
    assert made_code(word="10% ÖL/a&b?#")["redemption_url"].endswith("/discount/10%25%20%C3%96L%2Fa%26b%3F%23")
    assert made_code(word=" SPACED ")["code"] == "SPACED"


def test_a_code_that_is_too_long_is_unsupported_never_cut() -> None:
    good = promo_rule(discount(), STORE)
    assert isinstance(promo_code(code("x" * 50), good, STORE), Write)
    for word in ("x" * 51, "  "):
        assert promo_code(code(word), good, STORE) == Unsupported(CommerceReason.CODE_TOO_LONG)


def test_s65_a_change_of_the_discount_changes_none_of_its_codes() -> None:
    before = promo_code(code(), promo_rule(discount(), STORE), STORE)
    changed = discount(title="New", status="EXPIRED", updatedAt="2027-01-01T00:00:00Z", endsAt=None)
    assert promo_code(code(), promo_rule(changed, STORE), STORE) == before


def test_a_code_never_used_counts_nothing() -> None:
    assert made_code(asyncUsageCount=None)["usage_count"] == 0
