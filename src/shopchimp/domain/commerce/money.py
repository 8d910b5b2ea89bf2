"""Amounts of money: exact decimals inside, and the JSON numbers that Mailchimp takes at the very end.

Of Shopify's two currencies an order's amounts are taken in the shop's, since an order has one currency in Mailchimp.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

ZERO = Decimal(0)

# Currencies whose smallest coin is not a hundredth (ISO 4217).
_NO_DECIMALS = frozenset(
    {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    }
)
_THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def amount(value: Any) -> Decimal | None:
    """An amount as Shopify spells it: a money bag (in the shop's currency), a money object, or the bare number."""
    if value is None or value == "":
        return None
    if isinstance(value, (dict, Mapping)):  # a dict is told soonest, and nearly all are
        return amount(value["shopMoney"] if "shopMoney" in value else value.get("amount"))
    exact = Decimal(value if isinstance(value, str) else str(value))
    if not exact.is_finite():
        raise ValueError(f"{value!r} is no amount of money")
    return exact


def first_amount(node: Mapping[str, Any], *names: str) -> Decimal:
    """The first of these amounts that the node has: not every query asks for all of them."""
    for name in names:
        if (found := amount(node.get(name))) is not None:
            return found
    return ZERO


def currency_of(value: Any) -> str | None:
    """The currency of a money bag, in which `amount` reads it, or of a money object."""
    if not isinstance(value, (dict, Mapping)):
        return None
    inner = value.get("shopMoney", value)
    return inner.get("currencyCode") if isinstance(inner, (dict, Mapping)) else None


def smallest(currency: str) -> Decimal:
    """The currency's smallest coin."""
    if currency in _NO_DECIMALS:
        return Decimal(1)
    return Decimal("0.001") if currency in _THREE_DECIMALS else Decimal("0.01")


def share(whole: Decimal, part: int, parts: int, currency: str) -> Decimal:
    """So many parts of an amount, to the coin; all of them are exactly the amount."""
    if part >= parts:
        return whole
    return (whole * part / parts).quantize(smallest(currency), ROUND_HALF_UP)


def number(value: Decimal) -> float:
    """The amount as a JSON number that reads the same: 40.10 is 40.1, never 40.099999."""
    return float(value) if value else 0.0
