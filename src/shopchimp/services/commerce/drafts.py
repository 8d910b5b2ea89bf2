"""A node of Shopify as what is to be written of it and what we shall remember: the same for first sync and live.

Pure but for the fingerprint's spelling. A draft is compared by its digest with the item that is remembered: where both
are equal there is nothing to write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from shopchimp.domain.addresses import normalise
from shopchimp.domain.commerce.carts import cart_id, cart_of, cart_write
from shopchimp.domain.commerce.customers import buyer, customer_write
from shopchimp.domain.commerce.orders import order_write
from shopchimp.domain.commerce.products import product_write
from shopchimp.domain.commerce.results import Kind, Skip, Step, Write
from shopchimp.domain.commerce.shown import Shown, shown_cart, shown_order, shown_product
from shopchimp.domain.commerce.spelling import short_id
from shopchimp.domain.commerce.store import Node, Storefront

# what Mailchimp says of an address, which no second try changes: the object is skipped, and says why
ABOUT_THE_BUYER = frozenset(
    {"mc_forgotten", "mc_email_refused", "mc_compliance_state", "mc_too_many_signups", "mc_not_in_audience"}
)

NO_CONTACT = "no_contact"  # the buyer is none in the audience, and the shop's settings make none of them


@dataclass(frozen=True, slots=True)
class Draft:
    """One object as Shopify has it now: the write or the reason for none, and whom it belongs to.

    `cart` is the cart that became this order.
    """

    kind: Kind
    id: str
    result: Write | Skip
    key: str | None = None
    customer_id: int | None = None
    shown: Shown | None = None
    occurred_at: datetime | None = None
    source_updated_at: datetime | None = None
    cart: str | None = None

    @property
    def reason(self) -> str | None:
        """Why there is nothing to write."""
        return self.result.reason.value if isinstance(self.result, Skip) else None

    @property
    def step(self) -> Step:
        """The object's own write."""
        assert isinstance(self.result, Write)  # noqa: S101 - the caller looked at `reason`
        return Step(self.kind, self.result.body)

    @property
    def needs(self) -> tuple[Step, ...]:
        """What must be there before it."""
        return self.result.needs if isinstance(self.result, Write) else ()

    @property
    def digest(self) -> bytes | None:
        """The fingerprint of the body; None where there is none."""
        return digest_of(self.result.body) if isinstance(self.result, Write) else None


def digest_of(body: Mapping[str, Any]) -> bytes:
    """The fingerprint of a body, whatever the order of its fields."""
    return hashlib.blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def draft_product(node: Node, store: Storefront) -> Draft:
    """A product with its variants."""
    return Draft(
        Kind.PRODUCT,
        short_id(node["id"]),
        product_write(node),
        shown=shown_product(node, store),
        occurred_at=_time(node.get("createdAt")),
        source_updated_at=_time(node.get("updatedAt")),
    )


def customer_node(
    customer_id: int, email: str | None, fields: Mapping[str, Any], updated_at: datetime | None = None
) -> Node:
    """A customer as the contacts know them, as a node: of them there is no other reading."""
    return {
        "id": f"gid://shopify/Customer/{customer_id}",
        "defaultEmailAddress": {"emailAddress": email},
        "firstName": fields.get("first_name"),
        "lastName": fields.get("last_name"),
        "defaultAddress": fields.get("default_address"),
        "updatedAt": updated_at.isoformat() if updated_at else None,
    }


def draft_customer(node: Node) -> Draft:
    """A customer of the store."""
    address = (node.get("defaultEmailAddress") or {}).get("emailAddress") or node.get("email")
    return Draft(
        Kind.CUSTOMER,
        short_id(node["id"]),
        customer_write(node),
        key=normalise(address) if address else None,
        customer_id=_number(node["id"]),
        occurred_at=_time(node.get("createdAt")),
        source_updated_at=_time(node.get("updatedAt")),
    )


def draft_order(node: Node, store: Storefront) -> Draft:
    """An order in its final state."""
    shown = shown_order(node, store)
    return Draft(
        Kind.ORDER,
        short_id(node["id"]),
        order_write(node, store),
        shown=shown,
        occurred_at=_time(shown["at"]),
        source_updated_at=_time(node.get("updatedAt")),
        cart=cart_of(node),
        **_buyer_of(node),
    )


def draft_cart(node: Node, store: Storefront, *, ordered: bool = False) -> Draft:
    """The cart of a checkout. `ordered`: we know its order."""
    shown = shown_cart(node, store)
    return Draft(
        Kind.CART,
        cart_id(node),
        cart_write(node, store, ordered=ordered),
        shown=shown,
        occurred_at=_time(shown["at"]),
        source_updated_at=_time(node.get("updatedAt")),
        **_buyer_of(node),
    )


def _buyer_of(node: Node) -> dict[str, Any]:
    """Whom an order or a checkout belongs to, also where it is skipped."""
    customer = node.get("customer") or {}
    who = buyer(node)
    address = who.body["email_address"] if isinstance(who, Write) else node.get("email")
    return {
        "key": normalise(address) if address else None,
        "customer_id": _number(customer["id"]) if customer.get("id") else None,
    }


def _number(gid: object) -> int | None:
    number = short_id(gid)
    return int(number) if number.isdecimal() else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None
