"""S76, S92, S96, S111: carts of abandoned checkouts, from the API and from webhooks alike; none outlives its order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commerce_nodes import RECOVERY, STORE, checkout, checkout_line, order

from shopchimp.domain.commerce.carts import cart_id, cart_of, cart_write, checkout_node
from shopchimp.domain.commerce.results import CommerceReason, Kind, Skip, Write

TOKEN = "3d1f0b8c5a7e49e2b6c4d8f1a2b3c4d5"


def body(**changes: Any) -> dict[str, Any]:
    written = cart_write(checkout(**changes), STORE)
    assert isinstance(written, Write)
    return written.body


@pytest.fixture
def webhook(shared: Callable[[str], Path]) -> Callable[[str], dict[str, Any]]:
    def read(name: str) -> dict[str, Any]:
        return json.loads(shared(f"contracts/shopify/webhooks/{name}.json").read_text())

    return read


def test_s111_a_cart_whole() -> None:
    assert body() == {
        "id": TOKEN,
        "customer": {"id": "7300000000101"},
        "checkout_url": RECOVERY,
        "currency_code": "EUR",
        "order_total": 80.0,
        "tax_total": 16.0,
        "lines": [
            {
                "id": "4700000000301",
                "product_id": "9100000000201",
                "product_variant_id": "4700000000301",
                "quantity": 2,
                "price": 40.0,
            }
        ],
    }


def test_s92_the_buyer_is_written_before_their_cart_without_consent() -> None:
    written = cart_write(checkout(customer=None, email="guest@example.com"), STORE)
    assert isinstance(written, Write)
    [step] = written.needs
    assert (step.kind, step.body["opt_in_status"]) == (Kind.CUSTOMER, False)
    assert written.body["customer"] == {"id": step.body["id"]}


def test_s96_a_completed_checkout_has_no_cart() -> None:
    gone = Skip(CommerceReason.CART_COMPLETED)
    assert cart_write(checkout(completedAt="2026-11-03T08:30:00Z"), STORE) == gone


def test_s96_a_late_word_about_a_checkout_does_not_reopen_it() -> None:
    assert cart_write(checkout(), STORE, ordered=True) == Skip(CommerceReason.CART_COMPLETED)


def test_an_order_names_its_cart() -> None:
    assert cart_of(order()) == body()["id"] == TOKEN
    assert cart_of(order(checkoutToken=None)) is None


@pytest.mark.parametrize("lines", [[], [checkout_line(quantity=0)]])
def test_an_empty_checkout_has_no_cart(lines: list[dict[str, Any]]) -> None:
    assert cart_write(checkout(lines=lines), STORE) == Skip(CommerceReason.CART_EMPTY)


def test_a_checkout_before_the_buyer_gave_an_address_has_no_cart() -> None:
    for email in (None, ""):
        assert cart_write(checkout(customer=None, email=email), STORE) == Skip(CommerceReason.NO_EMAIL)


@pytest.mark.parametrize(
    ("url", "made"),
    [
        (f"https://x.example.com/1/checkouts/{TOKEN}/recover?key=a", TOKEN),
        (f"https://x.example.com/1/checkouts/ac/{TOKEN}/recover", TOKEN),
        (f"https://x.example.com/checkouts/cn/{TOKEN}/recover?locale=sv", TOKEN),
        ("https://x.example.com/somewhere/else", "checkout-39000000001501"),
        (None, "checkout-39000000001501"),
    ],
)
def test_the_token_is_cut_out_of_the_recovery_url(url: str | None, made: str) -> None:
    assert cart_id(checkout(abandonedCheckoutUrl=url)) == made


def test_a_token_that_is_too_long_is_shortened_alike_on_both_sides() -> None:
    long = "Z2NwLXVzLWNlbnRyYWwxOjAxSE5YWkQ3SzZFMFFBWVNGM1ZQOEJYWUFB"
    url = f"https://x.example.com/checkouts/cn/{long}/recover"
    assert cart_id(checkout(abandonedCheckoutUrl=url)) == cart_of(order(checkoutToken=long))
    assert len(cart_of(order(checkoutToken=long)) or "") <= 50


def test_the_same_variant_twice_is_two_lines() -> None:
    made = body(lines=[checkout_line(), checkout_line(quantity=1)])["lines"]
    assert [(each["id"], each["quantity"]) for each in made] == [("4700000000301", 2), ("4700000000301-2", 1)]


def test_a_cart_with_a_deleted_product_gets_its_stand_in() -> None:
    written = cart_write(checkout(lines=[checkout_line(product=None, variant=None)]), STORE)
    assert isinstance(written, Write)
    assert [step.kind for step in written.needs] == [Kind.PRODUCT, Kind.CUSTOMER]
    assert written.body["lines"][0]["product_id"] == written.needs[0].body["id"]


def test_a_bad_recovery_url_is_left_out() -> None:
    assert "checkout_url" not in body(abandonedCheckoutUrl="soon")


# ------------------------------------------------------------------ webhooks


def test_a_webhook_makes_the_same_cart_as_the_api(webhook: Callable[[str], dict[str, Any]]) -> None:
    told = cart_write(checkout_node(webhook("checkouts_update")), STORE)
    assert isinstance(told, Write)
    assert told.body == body()
    assert told.needs[0].body["email_address"] == "rosa.lindqvist@example.com"
    assert told.needs[0].body["first_name"] == "Rosa"


def test_a_webhook_before_the_buyer_gave_an_address(webhook: Callable[[str], dict[str, Any]]) -> None:
    payload = webhook("checkouts_create")
    for early in (payload, {**payload, "email": None}, {**payload, "customer": None, "billing_address": None}):
        assert cart_write(checkout_node(early), STORE) == Skip(CommerceReason.NO_EMAIL)


def test_s92_a_webhook_of_a_guest(webhook: Callable[[str], dict[str, Any]]) -> None:
    told = cart_write(checkout_node({**webhook("checkouts_update"), "customer": None}), STORE)
    assert isinstance(told, Write)
    who = told.needs[0].body
    assert (who["email_address"], who["address"]["city"], who["last_name"]) == (
        "rosa.lindqvist@example.com",
        "Uppsala",
        "Lindqvist",
    )


def test_a_webhook_about_a_completed_checkout(webhook: Callable[[str], dict[str, Any]]) -> None:
    payload = {**webhook("checkouts_update"), "completed_at": "2026-11-03T09:30:00+01:00"}
    assert cart_write(checkout_node(payload), STORE) == Skip(CommerceReason.CART_COMPLETED)


def test_a_webhook_with_a_custom_line_or_none(webhook: Callable[[str], dict[str, Any]]) -> None:
    payload = webhook("checkouts_update")
    custom = {**payload["line_items"][0], "product_id": None, "variant_id": None}
    told = cart_write(checkout_node({**payload, "line_items": [custom]}), STORE)
    assert isinstance(told, Write)
    assert told.body["lines"][0]["product_id"].startswith("gone-")
    assert cart_write(checkout_node({**payload, "line_items": None}), STORE) == Skip(CommerceReason.CART_EMPTY)
