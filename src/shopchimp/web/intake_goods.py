"""What is stored of a webhook about the shop's goods: one statement, chosen by what the body says."""

from __future__ import annotations

from datetime import datetime

from shopchimp.db import intake_commerce
from shopchimp.db.intake import Arrival, Stored
from shopchimp.domain.addresses import normalise
from shopchimp.shopify import commerce_webhooks
from shopchimp.shopify.commerce_webhooks import CartTold, CheckoutGone, CheckoutTold, Irrelevant, Named
from shopchimp.shopify.webhooks import AHEAD, enum_name
from shopchimp.web.intake import Intake

EARLIEST = 2000  # a year before which no time of theirs can be


async def store(intake: Intake, arrival: Arrival, body: bytes) -> Stored:
    """Store a genuine delivery about an order, a product, a checkout, a cart or a discount."""
    pool = intake.pool
    match commerce_webhooks.notice(enum_name(arrival.topic), body):
        case Named(key, deleted):
            return await intake_commerce.named(pool, arrival, key, deleted=deleted)
        case CheckoutTold() as told:
            address = normalise(told.email) if told.email else None
            customers = (told.customer_id,) if told.customer_id is not None else ()
            return await intake_commerce.checkout_told(
                pool,
                arrival,
                token=told.token,
                cart_token=told.cart_token,
                updated_at=_sane(told.updated_at, arrival.fired_at, intake.clock()),
                node=told.node,
                graves=intake.graves(customers, address),
            )
        case CheckoutGone(token, cart_token, gid):
            return await intake_commerce.checkout_gone(pool, arrival, token=token, cart_token=cart_token, gid=gid)
        case CartTold(token):
            return await intake_commerce.cart_told(pool, arrival, token)
        case Irrelevant():
            return await pool.noted(arrival)
        case None:
            return await intake_commerce.unreadable(pool, arrival)


def _sane(said: datetime | None, fired: datetime | None, now: datetime) -> datetime:
    """When the checkout stood so: a time far in the future would win over all later ones."""
    if said is None or said.year < EARLIEST:
        said = fired or now
    return min(said, now + AHEAD)
