"""The commerce part of a first sync: its phases, in the order in which one needs the other."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from shopchimp.domain.commerce.results import Kind

HISTORY_DAYS: Final = 60  # how far back Shopify shows orders without the scope read_all_orders


class Phase(StrEnum):
    """A part of the first sync that comes after contacts and consent. The names are those of a run's phases."""

    PRODUCTS = "products"
    CUSTOMERS = "customers"
    ORDERS = "orders"
    CARTS = "carts"
    PROMO_CODES = "promo_codes"

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What is written in it."""
        return _KINDS[self]

    @property
    def reads(self) -> str:
        """What it reads from Shopify, as the scopes are looked up by (`shopify.commerce.NEEDS`)."""
        return "promo_rules" if self is Phase.PROMO_CODES else self.value

    @property
    def next(self) -> Phase | None:
        """The phase that comes after it."""
        later = list(Phase)[list(Phase).index(self) + 1 :]
        return later[0] if later else None


_KINDS: Final = {
    Phase.PRODUCTS: (Kind.PRODUCT,),
    Phase.CUSTOMERS: (Kind.CUSTOMER,),
    Phase.ORDERS: (Kind.ORDER,),
    Phase.CARTS: (Kind.CART,),
    Phase.PROMO_CODES: (Kind.PROMO_RULE, Kind.PROMO_CODE),
}


def is_wanted(readable: frozenset[str]) -> bool:
    """Whether there is commerce to sync at all: with customers alone there is no store at Mailchimp."""
    return bool(readable - {Phase.CUSTOMERS.value})
