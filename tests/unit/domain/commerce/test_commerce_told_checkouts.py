"""A checkout told by a webhook shows on the person's page what one read from the API shows (S95 to S97, S100)."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shopchimp.domain.commerce.carts import cart_id, checkout_node
from shopchimp.domain.commerce.details import cart_details
from shopchimp.domain.commerce.store import Storefront

STORE = Storefront("EUR", "https://pinewood.example.com", "pinewood-lamps.myshopify.com")


@pytest.fixture
def told(shared: Callable[[str], Path]) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(shared("contracts/shopify/webhooks/checkouts_update.json").read_text())
    codes = [{"code": "LAMP10", "amount": "8.00", "type": "percentage"}]
    return {**said, "discount_codes": codes, "total_discounts": "8.00"}


def test_its_row_and_its_discount(told: dict[str, Any]) -> None:
    row = cart_details(checkout_node(told), STORE)
    assert (row.discount_codes, row.discount, row.total) == (("LAMP10",), Decimal("8.00"), Decimal("80.00"))
    assert (row.at, row.number) == ("2026-11-03T08:26:40+00:00", "#39000000001501")
    assert [(each.name, each.quantity) for each in row.products] == [("Brass desk lamp - Large", 2)]


def test_the_link_leads_to_its_number_which_is_in_its_name(told: dict[str, Any]) -> None:
    """S101. The cart's own id stays the token, which is all that its order names."""
    node = checkout_node(told)
    assert cart_details(node, STORE).link.endswith("/store/pinewood-lamps/checkouts/39000000001501")
    assert cart_id(node) == "3d1f0b8c5a7e49e2b6c4d8f1a2b3c4d5"


@pytest.mark.parametrize("name", [None, "", "Order 7", "#12", "#39000000001501x"])
def test_a_name_that_is_no_number_makes_no_id(told: dict[str, Any], name: str | None) -> None:
    node = checkout_node({**told, "name": name})
    assert "id" not in node
    assert cart_details(node, STORE).link.endswith("/checkouts/3d1f0b8c5a7e49e2b6c4d8f1a2b3c4d5")
