"""What a mapping answers: a body to write, or the reason why there is none; and what must be written before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

Body: TypeAlias = dict[str, Any]


class CommerceReason(StrEnum):
    """Why something of the store is not in Mailchimp. Each is a code of the catalogue of causes."""

    NO_EMAIL = "no_email"  # the buyer gave none, or it was erased
    BAD_EMAIL = "bad_email"  # Mailchimp would refuse it
    MARKETPLACE_EMAIL = "marketplace_email"  # a marketplace's address for one order, not the buyer's own
    TEST_ORDER = "test_order"  # paid with a test gateway
    CART_EMPTY = "cart_empty"  # a checkout without lines
    CART_COMPLETED = "cart_completed"  # it has become an order
    AUTOMATIC_DISCOUNT = "automatic_discount"  # needs no code, so there is none to put into a mail
    BUY_X_GET_Y = "buy_x_get_y"  # Mailchimp has no such type of promo rule
    APP_DISCOUNT = "app_discount"  # worth what another app computes
    DISCOUNT_VALUE = "discount_value"  # not a share between 0 and 100 %, or not an amount
    DISCOUNT_CURRENCY = "discount_currency"  # an amount in another currency than the store's
    UNKNOWN_DISCOUNT = "unknown_discount"  # a type that Shopify has made since
    CODE_TOO_LONG = "code_too_long"  # more than 50 characters


class Kind(StrEnum):
    """What a step writes."""

    PRODUCT = "product"
    VARIANT = "variant"
    CUSTOMER = "customer"
    ORDER = "order"
    CART = "cart"
    PROMO_RULE = "promo_rule"
    PROMO_CODE = "promo_code"


@dataclass(frozen=True, slots=True)
class Step:
    """One upsert. `parent` is the product of a variant; `if_missing`: what is there already is better, leave it."""

    kind: Kind
    body: Body
    parent: str | None = None
    if_missing: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """A body to write, and what it names that must be there before, in this order."""

    body: Body
    needs: tuple[Step, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Skip:
    """It does not belong into Mailchimp."""

    reason: CommerceReason


@dataclass(frozen=True, slots=True)
class Unsupported:
    """It would belong there, but Mailchimp has nothing that means the same."""

    reason: CommerceReason


Result: TypeAlias = Write | Skip | Unsupported


class IncompleteNode(ValueError):
    """A list of the node has more pages: mapped as it is, the rest would be missing in Mailchimp."""


def once(steps: Iterable[Step]) -> tuple[Step, ...]:
    """The steps without repetitions of the same thing."""
    first: dict[tuple[Kind, str | None, str], Step] = {}
    for step in steps:
        first.setdefault((step.kind, step.parent, step.body["id"]), step)
    return tuple(first.values())
