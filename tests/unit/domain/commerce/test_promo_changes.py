"""What a promo run does for a rule or a code, and when it reads a discount's codes: decided without any platform."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from commerce_nodes import STORE, discount

from shopchimp.domain.commerce.promo_changes import PAGE_END, Act, act, digest, is_complete, reading
from shopchimp.domain.commerce.promos import promo_rule
from shopchimp.domain.commerce.results import CommerceReason, Result, Skip, Unsupported, Write

BODY = {"id": "1", "code": "A", "usage_count": 0}
NONE = Unsupported(CommerceReason.BUY_X_GET_Y)


@pytest.mark.parametrize(
    ("result", "known", "wanted"),
    [
        (Write(BODY), None, Act.ADD),
        (Write(BODY), digest(BODY), Act.NONE),
        (Write(BODY), digest({**BODY, "usage_count": 1}), Act.CHANGE),
        (NONE, None, Act.NONE),
        (NONE, digest(BODY), Act.REMOVE),
        (Skip(CommerceReason.AUTOMATIC_DISCOUNT), digest(BODY), Act.REMOVE),
    ],
)
def test_what_is_to_be_done(result: Result, known: bytes | None, wanted: Act) -> None:
    assert act(result, known) is wanted


def test_a_digest_is_of_the_content_not_of_its_order() -> None:
    assert digest(BODY) == digest(dict(reversed(BODY.items())))
    assert digest(BODY) != digest({**BODY, "code": "B"})


def fingerprint(**changes: Any) -> str:
    node = discount("DiscountCodeBasic", **changes)
    return reading(node, promo_rule(node, STORE), STORE)


@pytest.mark.parametrize(
    "change",
    [{"updatedAt": "2026-11-22T00:00:00Z"}, {"codesCount": {"count": 9}}, {"asyncUsageCount": 77}],
)
def test_a_discount_is_read_again_when_one_of_its_facts_has_changed(change: dict[str, Any]) -> None:
    assert fingerprint(**change) != fingerprint()


def test_that_a_discount_is_over_makes_no_code_worth_reading() -> None:
    assert fingerprint(status="EXPIRED") == fingerprint()


def test_codes_are_read_again_for_another_address_of_the_store_and_for_another_kind_of_rule() -> None:
    node = discount("DiscountCodeBasic")
    rule = promo_rule(node, STORE)
    assert reading(node, rule, replace(STORE, url="https://elsewhere.example")) != reading(node, rule, STORE)
    assert reading(node, NONE, STORE) != reading(node, rule, STORE)


def test_a_walk_that_ends_where_paging_ends_is_not_complete_unless_the_number_says_so() -> None:
    assert is_complete(PAGE_END - 1, None)
    assert is_complete(3, 5)  # two were removed meanwhile
    assert not is_complete(PAGE_END, None)
    assert not is_complete(PAGE_END, PAGE_END + 1)
    assert is_complete(PAGE_END, PAGE_END)
