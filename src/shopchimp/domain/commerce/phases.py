"""The commerce part of a first sync: its phases in the order in which one needs the other, and what each may read."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """A part of the first sync that comes after contacts and consent. The names are those of a run's phases."""

    PRODUCTS = "products"
    CUSTOMERS = "customers"
    ORDERS = "orders"
    CARTS = "carts"
    PROMO_CODES = "promo_codes"

    @property
    def scope(self) -> str:
        """Shopify's permission without which there is nothing to read; empty where no other is needed."""
        return _SCOPES[self]

    @property
    def next(self) -> Phase | None:
        """The phase that comes after it."""
        later = list(Phase)[list(Phase).index(self) + 1 :]
        return later[0] if later else None


_SCOPES: Final = {
    Phase.PRODUCTS: "read_products",
    Phase.CUSTOMERS: "",
    Phase.ORDERS: "read_orders",
    Phase.CARTS: "read_orders",
    Phase.PROMO_CODES: "read_discounts",
}
ALL_ORDERS: Final = "read_all_orders"
HISTORY_DAYS: Final = 60  # how far back Shopify shows orders without it


def granted(scopes: str) -> frozenset[str]:
    """The permissions in a list as Shopify spells it. `write_x` lets one read x as well."""
    named = {scope.strip() for scope in scopes.split(",")} - {""}
    return frozenset(named | {f"read_{scope.removeprefix('write_')}" for scope in named if scope.startswith("write_")})


def is_wanted(scopes: str) -> bool:
    """Whether the merchant granted any permission of commerce: without one there is no store at Mailchimp."""
    return any(phase.scope in granted(scopes) for phase in Phase)


def is_allowed(phase: Phase, scopes: str) -> bool:
    """Whether the phase has something it may read."""
    return is_wanted(scopes) and (not phase.scope or phase.scope in granted(scopes))
