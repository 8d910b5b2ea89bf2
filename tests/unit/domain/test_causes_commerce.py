"""Every reason why an object of the store isn't in Mailchimp has words, and the log names orders and codes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shopchimp.db.activities import Activity
from shopchimp.domain.causes import CAUSES, cause
from shopchimp.domain.commerce.results import CommerceReason
from shopchimp.services import activity, words
from shopchimp.services.commerce import words as commerce_words

OTHERS = ("no_contact", "mc_store_gone", "mc_product_missing", "mc_customer_missing", "sums_open")


@pytest.mark.parametrize("code", [*(reason.value for reason in CommerceReason), *OTHERS])
def test_every_reason_has_a_title_an_explanation_and_a_tone(code: str) -> None:
    """ux.md criterion 19; criterion 24: unsupported discounts are named with a reason."""
    said = CAUSES[code]
    assert said is not cause("internal")
    assert said.title
    assert said.explanation.endswith(".")
    assert said.tone in {"neutral", "warning", "critical"}


def test_what_mailchimp_has_no_type_for_is_not_supported_rather_than_skipped() -> None:
    """S64."""
    assert commerce_words.item_word("skipped", "buy_x_get_y") == ("Not supported", "neutral")
    assert commerce_words.item_word("skipped", "test_order") == ("Skipped", "neutral")
    assert commerce_words.item_word("failed", "buy_x_get_y") == ("Failed", "critical")
    assert set(CommerceReason) >= commerce_words.UNSUPPORTED


def line(kind: str, **detail: Any) -> Activity:
    return Activity(
        id=1,
        at=datetime(2026, 11, 22, tzinfo=UTC),
        person_id=None,
        run_id=None,
        kind=kind,
        direction="to_mailchimp",
        result="synced",
        rule=None,
        cause=None,
        detail=detail,
        name=None,
        email=None,
    )


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (line("order", id="5", number="#1042", action="create"), "Order #1042"),
        (line("order", id="5", number="#1042", action="update", cancelled=True), "Order #1042 cancelled"),
        (line("cart", id="t", number="#C7", action="delete"), "Abandoned cart #C7 removed"),
        (line("cart", id="t", action="create"), "Abandoned cart"),
        (line("product", id="9", title="Brass desk lamp", action="update"), "Product Brass desk lamp"),
        (line("product", id="9", action="delete"), "Product taken off sale"),
        (line("promo", id="9", code="WELCOME10", action="create"), "Promo code WELCOME10"),
        (line("promo", counts={"added": 3}), "Promo codes synced"),
        (replace(line("promo", counts={}), cause="sh_scope_missing"), "Promo codes weren't synced"),
        (line("completeness", open=True), "The sums of orders and products don't close"),
        (line("completeness", open=False), "The sums close again"),
    ],
)
def test_the_log_names_orders_carts_products_and_codes(told: Activity, said: str) -> None:
    """S101."""
    assert activity.what(told) == said
    assert told.kind in words.ACTIVITY_KINDS
