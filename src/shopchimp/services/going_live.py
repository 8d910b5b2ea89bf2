"""When live sync begins and ends for a shop: its lanes, its regular chores, its webhooks."""

from __future__ import annotations

from sqlalchemy import Connection

from shopchimp.db import (
    audits,
    breakers,
    campaigns,
    changes,
    chores,
    connections,
    customer_events,
    engagements,
    lanes,
    marking,
    pixels,
    visitors,
)
from shopchimp.services import backfills
from shopchimp.services.customer_events import PIXEL, POLL_CAMPAIGNS

HOOKS, AUDIENCE, AUDIT, RETENTION = "hooks", "audience", "audit", "retention"
POLL_CUSTOMERS, POLL_CONTACTS = "poll_customers", "poll_contacts"
POLLS_OF_COMMERCE = ("poll_orders", "poll_products", "poll_checkouts")
COMPLETENESS, PROMO_CODES = "completeness", "promo_codes"
SOON = 60.0
DAY = 86_400.0


def prepare(tx: Connection, shop_id: int) -> None:
    """The first sync begins to write: webhooks are registered, so that what changes meanwhile waits for its end."""
    chores.ensure(tx, shop_id, HOOKS)


def open_lanes(tx: Connection, shop_id: int, *, contacts: int) -> None:
    """The first sync is complete: what waited is worked on, and both sides are asked for what no webhook told."""
    connections.go_live(tx, shop_id, contacts=contacts)
    pixels.ensure(tx, shop_id)
    for name in (HOOKS, AUDIENCE, POLL_CUSTOMERS, POLL_CONTACTS, POLL_CAMPAIGNS, PIXEL):
        chores.ensure(tx, shop_id, name)
    for name in (AUDIT, RETENTION):
        chores.ensure(tx, shop_id, name, due_in=DAY)
    backfills.start_tags(tx, shop_id)


def open_commerce(tx: Connection, shop_id: int) -> None:
    """The store's history is written: what waited of orders and products is worked on, and the regular looks begin."""
    connections.open_commerce(tx, shop_id)
    lanes.reopen(tx, shop_id, marking.COMMERCE)  # if the store had been gone: it is there again
    marking.ready(tx, shop_id, marking.COMMERCE)
    for name in (*POLLS_OF_COMMERCE, PROMO_CODES):
        chores.ensure(tx, shop_id, name)
    chores.ensure(tx, shop_id, COMPLETENESS, SOON)
    chores.hurry(tx, shop_id, COMPLETENESS)  # after every first sync


def close_lanes(tx: Connection, shop_id: int) -> None:
    """Another audience or account, or none: what was noted about the old one is void."""
    connections.stop_live(tx, shop_id)
    audits.stop_all(tx, shop_id)
    chores.forget_all(tx, shop_id)
    engagements.doubt_waiting(tx, shop_id)
    campaigns.leave(tx, shop_id)
    changes.forget_all(tx, shop_id)
    customer_events.drop_all(tx, shop_id, customer_events.DISCONNECTED, calls=True)
    visitors.forget_all(tx, shop_id)  # nobody is left who would forget them in time
    breakers.forget_all(tx, shop_id)
