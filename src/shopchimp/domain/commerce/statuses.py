"""Shopify's two states of an order in Mailchimp's words, and the way of a new order through those that send mails.

Both are free text in Mailchimp; `pending`, `paid`, `refunded`, `cancelled` and `shipped` send the buyer a mail where
the merchant switched order notifications on (mailchimp.md 8).
"""

from __future__ import annotations

from typing import Final

from shopchimp.domain.commerce.store import Node, nodes_of

PENDING: Final = "pending"
PAID: Final = "paid"
PARTIALLY_PAID: Final = "partially_paid"
REFUNDED: Final = "refunded"
CANCELLED: Final = "cancelled"
SHIPPED: Final = "shipped"
NOTHING_YET: Final = ""

_FINANCIAL = {
    "AUTHORIZED": PENDING,  # reserved on the card: the order stands, the money comes with the goods
    "PENDING": PENDING,
    "PARTIALLY_PAID": PARTIALLY_PAID,
    "PAID": PAID,
    "PARTIALLY_REFUNDED": "partially_refunded",
    "REFUNDED": REFUNDED,
    "VOIDED": "voided",
    "EXPIRED": "expired",
}
_FULFILMENT = {
    "UNFULFILLED": NOTHING_YET,
    "OPEN": NOTHING_YET,
    "FULFILLED": "fulfilled",
    "PARTIALLY_FULFILLED": "partially_shipped",
}


def financial(order: Node) -> str:
    """What became of the money. A cancelled order is that, whatever was paid back."""
    if order.get("cancelledAt"):
        return CANCELLED
    return _word(_FINANCIAL, order.get("displayFinancialStatus"))


def fulfilment(order: Node) -> str:
    """What became of the goods: `shipped` only where something was sent somewhere, not over the counter."""
    word = _word(_FULFILMENT, order.get("displayFulfillmentStatus"))
    return SHIPPED if word == "fulfilled" and _is_sent(order) else word


def passes_through(final: str) -> tuple[str, ...]:
    """The statuses of money a new order is written with, one after the other, so that each sends its mail.

    A paid order confirms first. What was refunded or cancelled before we saw it says that alone.
    """
    return (PENDING, final) if final in (PAID, PARTIALLY_PAID) else (final,)


def _word(words: dict[str, str], state: str | None) -> str:
    if not state:
        return NOTHING_YET
    return words.get(state, state.lower())


def _is_sent(order: Node) -> bool:
    if not order.get("shippingAddress"):
        return False
    return any(line.get("requiresShipping", True) for line in nodes_of(order, "lineItems"))
