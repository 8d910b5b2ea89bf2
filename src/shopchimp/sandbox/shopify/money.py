"""Cents, the strings Shopify shows for them, and the getters the field tables are made of."""

from operator import attrgetter
from typing import Any, NamedTuple

from shopchimp.sandbox.shopify.fields import Getter
from shopchimp.sandbox.shopify.sales import RATES


class Bag(NamedTuple):
    """Cents of the shop and the currency the buyer pays in."""

    cents: int
    currency: str


def amount(cents: int) -> str:
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{cents // 100}.{cents % 100:02}"


def presented(bag: Bag) -> str:
    return amount(round(bag.cents * RATES[bag.currency]))


def constant(value: Any) -> Getter:
    return lambda _: value


def bag(name: str, *, of: str = "") -> Getter:
    """A sum of an order, or of a line whose order says the currency."""
    cents = attrgetter(name)
    currency = attrgetter(f"{of}currency")
    return lambda each: Bag(cents(each), currency(each))


def plain(name: str) -> Getter:
    cents = attrgetter(name)
    return lambda each: amount(cents(each))


def counted(number: int) -> dict[str, Any]:
    return {"count": number, "precision": "EXACT"}
