"""A webhook about the shop's goods, read only as far as needed: which order, product, checkout, cart or discount.

Orders, products and discounts are read again by their number, so the number is all. Checkouts can't be read by their
token: what `domain.commerce.carts` needs of them is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import orjson

from shopchimp.domain.commerce.carts import checkout_node
from shopchimp.shopify.customers import parse_time

TOPICS = re.compile(
    r"ORDERS_(CREATE|UPDATED|PAID|CANCELLED|FULFILLED|PARTIALLY_FULFILLED|EDITED|DELETE)|REFUNDS_CREATE"
    r"|PRODUCTS_(CREATE|UPDATE|DELETE)|CHECKOUTS_(CREATE|UPDATE|DELETE)|CARTS_(CREATE|UPDATE)"
    r"|DISCOUNTS_(CREATE|UPDATE|DELETE|REDEEMCODE_ADDED|REDEEMCODE_REMOVED)"
)

# As keys and in array literals: no quotes, no spaces, and no @, which only the keys of people hold.
_TOKEN = re.compile(r"[A-Za-z0-9._~?=&%+/:-]{1,200}")
_GID = re.compile(r"gid://shopify/([A-Za-z]+)/([0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class Named:
    """Something to look at again: `order:5600000000401`. `deleted`: Shopify says that it is gone for good."""

    key: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class CheckoutTold:
    """How a checkout stands: its node in the words of the API, and whose it is, as far as they said."""

    token: str
    cart_token: str | None
    updated_at: datetime | None
    node: dict[str, Any]
    email: str | None = None
    customer_id: int | None = None


@dataclass(frozen=True, slots=True)
class CheckoutGone:
    """A checkout was deleted; Shopify names the cart it came from and its number, and no token."""

    token: str | None
    cart_token: str | None
    gid: str | None = None


@dataclass(frozen=True, slots=True)
class CartTold:
    """A cart of the storefront was filled or emptied: nobody's yet, of use only if a checkout came of it."""

    token: str


@dataclass(frozen=True, slots=True)
class Irrelevant:
    """Nothing of ours: an automatic discount has no code."""


Notice: TypeAlias = Named | CheckoutTold | CheckoutGone | CartTold | Irrelevant


def notice(topic: str, body: bytes) -> Notice | None:
    """What a genuine body of this topic (as `WebhookSubscriptionTopic` spells it) is about.

    Never raises: None where it can't be read, and the polls have to find out.
    """
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(said, dict):
        return None
    family, _, act = topic.partition("_")
    match family:
        case "ORDERS":
            return _order(said, act)
        case "REFUNDS":
            return _named("order", said.get("order_id"))
        case "PRODUCTS":
            return _named("product", said.get("id"), deleted=_is_deletion(said, act))
        case "CHECKOUTS" if act == "DELETE":
            return _gone(said)
        case "CHECKOUTS":
            return _told(said)
        case "CARTS":
            token = _token(said.get("token")) or _token(said.get("id"))
            return CartTold(token) if token else None
        case "DISCOUNTS":
            return _discount(said, act)
    return None


def _order(said: Mapping[str, Any], act: str) -> Named | None:
    if act == "EDITED":
        edit = said.get("order_edit")
        return _named("order", edit.get("order_id")) if isinstance(edit, dict) else None
    return _named("order", said.get("id"), deleted=_is_deletion(said, act))


def _is_deletion(said: Mapping[str, Any], act: str) -> bool:
    """The topic isn't signed, the body is: what tells a change is no deletion, whatever stands above it."""
    return act == "DELETE" and "updated_at" not in said


def _discount(said: Mapping[str, Any], act: str) -> Named | Irrelevant | None:
    gid = said.get("admin_graphql_api_id")
    found = _GID.fullmatch(gid) if isinstance(gid, str) else None
    if found is None:
        return None
    if found[1].startswith("DiscountAutomatic"):
        return Irrelevant()
    return _named("discount", int(found[2]), deleted=_is_deletion(said, act))


def _told(said: Mapping[str, Any]) -> CheckoutTold | None:
    token = _token(said.get("token"))
    if token is None:
        return None
    try:
        node = checkout_node(said)
    except (AttributeError, KeyError, TypeError, ValueError):  # not of the form that Shopify promises
        return None
    customer = said.get("customer") or {}
    email = said.get("email") or customer.get("email")
    return CheckoutTold(
        token=token,
        cart_token=_token(said.get("cart_token")),
        updated_at=parse_time(said.get("updated_at")),
        node=node,
        email=email if isinstance(email, str) and "@" in email else None,
        customer_id=_number(customer.get("id")),
    )


def _gone(said: Mapping[str, Any]) -> CheckoutGone | None:
    token, cart = _token(said.get("token")), _token(said.get("cart_token"))
    number = _number(said.get("id"))
    gid = f"gid://shopify/AbandonedCheckout/{number}" if number is not None else None
    return CheckoutGone(token, cart, gid) if token or cart else None


def _named(kind: str, value: object, *, deleted: bool = False) -> Named | None:
    number = _number(value)
    return Named(f"{kind}:{number}", deleted) if number is not None else None


def _number(value: object) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63
    return value if is_number else None  # type: ignore[return-value]


def _token(value: object) -> str | None:
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else None
