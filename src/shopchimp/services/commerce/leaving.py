"""Leaving Mailchimp: whether the store's data stays there or goes, while we still may say so (S86, S89).

What is kept stays as it is, with its automations let go; what is deleted takes the revenue reports along. Contacts
stay either way (S87), and Shopify isn't touched (S88).
"""

from __future__ import annotations

import time
from enum import StrEnum

import structlog
from sqlalchemy import Connection

from shopchimp.db import checkouts, commerce_items, commerce_nodes, connections, promo_runs, sync_runs
from shopchimp.db.crypto import VaultError
from shopchimp.domain.errors import Gone, PlatformError, RateLimited, StoreGone, Unauthorized, Unavailable
from shopchimp.mailchimp import ecommerce
from shopchimp.services.commerce import store
from shopchimp.services.gateways import Gateways

log = structlog.get_logger()

PATIENCE = 15.0  # seconds that a worker gets for what it has in hand; a slice takes two
LOOK = 0.2


class Left(StrEnum):
    """What became of the store at Mailchimp."""

    NONE = "none"  # there was none
    KEPT = "kept"
    DELETED = "deleted"
    UNREACHED = "unreached"  # Mailchimp takes our word no more


def leave(gateways: Gateways, shop_id: int, *, delete: bool) -> Left:
    """Delete the store, or let it stay as it is. Call it while the token is there and every run was told to end.

    History that is still on its way comes before the automations are let go: else it would mail old buyers. Raises
    Unavailable or RateLimited where trying again would help: afterwards nobody can.
    """
    with gateways.database.transaction() as tx:
        connection = connections.get(tx, shop_id)
    if connection is None or not connection.store_id:
        return Left.NONE
    if not delete and not connection.store_syncing:
        return Left.KEPT
    try:
        client = gateways.mailchimp(shop_id)
        if delete:
            ecommerce.delete_store(client, connection.store_id)
        else:
            _await_last_writes(gateways, shop_id)
            store.drop_batches(gateways, shop_id)
            ecommerce.change_store(client, connection.store_id, is_syncing=False)
    except StoreGone:
        return Left.NONE
    except (Unauthorized, Gone, VaultError):  # a token that can't be opened any more must not keep anybody here
        return Left.UNREACHED
    with gateways.database.transaction() as tx:
        connections.set_store(tx, shop_id, None if delete else connection.store_id, syncing=False)
    return Left.DELETED if delete else Left.KEPT


def _await_last_writes(gateways: Gateways, shop_id: int) -> None:
    """Wait until no worker holds a run any more; one that died holds it for ever, so not for long."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with gateways.database.transaction() as tx:
            runs = sync_runs.latest(tx, shop_id)
        if all(run.token is None for run in runs if run.started_at is not None):
            return
        time.sleep(LOOK)


def let_go(gateways: Gateways, shop_id: int) -> None:
    """Let the kept store's automations go as far as Mailchimp can be reached: for an end that waits for nobody."""
    try:
        leave(gateways, shop_id, delete=False)
    except (Unavailable, RateLimited) as error:
        log.warning("store_left_syncing", code=error.code)
    except PlatformError as error:
        log.warning("store_not_left", code=error.code)


def forget(tx: Connection, shop_id: int) -> None:
    """What we remembered of the store's contents says nothing about another store or account."""
    commerce_items.forget_all(tx, shop_id)
    checkouts.forget_all(tx, shop_id)
    commerce_nodes.forget_all(tx, shop_id)
    promo_runs.forget_all(tx, shop_id)
