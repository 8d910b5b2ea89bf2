"""Money: decimals in, numbers out that read the same; no cent is lost or made."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from commerce_nodes import money
from hypothesis import given, settings
from hypothesis import strategies as st

from shopchimp.domain.commerce.money import ZERO, amount, currency_of, first_amount, number, share, smallest

AMOUNTS = st.decimals(min_value=0, max_value=Decimal("9999999999.99"), places=2)
CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD", "VND", "TND"])


@given(AMOUNTS)
@settings(deadline=None)
def test_a_number_reads_as_the_amount_it_was(value: Decimal) -> None:
    assert Decimal(json.dumps(number(value))) == value
    assert amount(str(value)) == value


@given(st.decimals(min_value=0, max_value=Decimal("999999999.999"), places=3))
@settings(deadline=None)
def test_thousandths_too(value: Decimal) -> None:
    assert Decimal(json.dumps(number(value))) == value


@given(st.lists(AMOUNTS, max_size=60))
@settings(deadline=None)
def test_sums_are_exact_where_floats_would_not_be(values: list[Decimal]) -> None:
    total = sum((amount(money(str(value))) or ZERO for value in values), ZERO)
    assert Decimal(json.dumps(number(total))) == total


@given(AMOUNTS, st.integers(1, 50), CURRENCIES)
@settings(deadline=None)
def test_all_parts_are_the_whole_and_fewer_are_never_more(whole: Decimal, parts: int, currency: str) -> None:
    assert share(whole, parts, parts, currency) == whole
    shares = [share(whole, part, parts, currency) for part in range(parts)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    coin = smallest(currency)
    for part, each in enumerate(shares):
        assert each % coin == 0
        assert abs(each - whole * part / parts) <= coin / 2


def test_amounts_as_shopify_spells_them() -> None:
    assert amount(money("94.50")) == Decimal("94.50")
    assert amount({"amount": "2", "currencyCode": "EUR"}) == 2
    assert amount("19.9") == Decimal("19.9")
    assert amount(22.5) == Decimal("22.5")
    assert amount(0.1) == Decimal("0.1")
    assert amount(None) is amount("") is amount({"shopMoney": None}) is None
    with pytest.raises(ValueError, match="no amount"):
        amount("NaN")


def test_zero_is_never_minus_zero() -> None:
    assert json.dumps(number(Decimal("-0.00"))) == "0.0"


def test_the_first_amount_that_is_there() -> None:
    assert first_amount({"b": money("2"), "c": money("3")}, "a", "b", "c") == 2
    assert first_amount({"a": money("0.00"), "b": money("2")}, "a", "b") == 0
    assert first_amount({}, "a") == ZERO


def test_the_currency_is_the_shops() -> None:
    assert currency_of(money("1", "EUR")) == "EUR"
    assert currency_of({"amount": "1", "currencyCode": "JPY"}) == "JPY"
    assert currency_of(None) is None
    assert [smallest(code) for code in ("JPY", "EUR", "KWD")] == [1, Decimal("0.01"), Decimal("0.001")]
