"""The shop's store at Mailchimp: made or adopted, and its automations held while history is written (S76).

`is_syncing` is never stuck on: what was switched on is noted before it is, and the chore `store_quiet` switches it off
whenever no run needs it, however that run ended.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from shopchimp.db import chores, commerce_items, connections, live_reads, promo_runs, shops, sync_runs
from shopchimp.db.chores import Chore
from shopchimp.db.connections import ConnectionRow
from shopchimp.db.shops import ShopRow
from shopchimp.db.sync_runs import LeaseLost, Run
from shopchimp.domain.commerce.store import Storefront
from shopchimp.domain.errors import Rejected, StoreGone
from shopchimp.mailchimp import ecommerce, operations
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services.commerce import staging
from shopchimp.services.gateways import Gateways

log = structlog.get_logger()

QUIET: Final = "store_quiet"
LATE: Final = "late_orders"  # the chore that holds them for orders which come late (`commerce.late`)
LOOK_AGAIN = 30.0  # seconds
LAST_WRITES = timedelta(minutes=3)  # after which the calls of a worker that died are over at Mailchimp, too
DAY = 86_400.0
PLATFORM_NAME = "Shopify"
LONGEST_ID = 50


@dataclass(frozen=True, slots=True)
class Store:
    """The store as services use it. `since` is when live sync of commerce opened, None before."""

    store_id: str
    audience_id: str
    storefront: Storefront
    since: datetime | None
    syncing: bool


def load(tx: Connection, shop_id: int) -> Store | None:
    """The shop's store, if it has one."""
    shop, connection = shops.get(tx, shop_id), connections.get(tx, shop_id)
    if shop is None or connection is None or not connection.store_id or not connection.audience_id:
        return None
    return Store(
        store_id=connection.store_id,
        audience_id=connection.audience_id,
        storefront=storefront(shop),
        since=connection.commerce_since,
        syncing=connection.store_syncing,
    )


def storefront(shop: ShopRow) -> Storefront:
    """What the mappings know about the shop."""
    return Storefront(currency=shop.currency, url=shop.storefront_url or f"https://{shop.domain}", domain=shop.domain)


def id_of(domain: str, audience_id: str) -> str:
    """The store's id: one for each shop and audience, for ever (a store can't move to another audience).

    The handle of a shop may be too long for Mailchimp's fifty characters: what is cut off makes no two shops, nor two
    audiences, the same.
    """
    handle, room = domain.partition(".")[0], LONGEST_ID - len(audience_id) - 1
    if len(handle) > room:
        handle = f"{handle[: room - 9]}-{hashlib.blake2b(handle.encode(), digest_size=4).hexdigest()}"
    return f"{handle}-{audience_id}"


def ensure(gateways: Gateways, shop_id: int) -> Store:
    """The store as it must be while history is written: there, and with its automations held.

    Where Mailchimp had no such store, or we remember another one, nothing that was remembered of its contents counts.
    """
    with gateways.database.transaction() as tx:
        shop, connection = _of(tx, shop_id)
    audience_id = str(connection.audience_id)
    store_id, client = id_of(shop.domain, audience_id), gateways.mailchimp(shop_id)
    there = ecommerce.get_store(client, store_id)
    with gateways.database.transaction() as tx:
        _still(tx, shop_id, audience_id)
        if there is None or connection.store_id != store_id:
            commerce_items.forget_all(tx, shop_id)
            promo_runs.forget_all(tx, shop_id)
            connections.set_store(tx, shop_id, None, syncing=False)
        if there is not None:
            connections.set_store(tx, shop_id, store_id, syncing=True)
        chores.ensure(tx, shop_id, QUIET, LOOK_AGAIN)
    if there is None:
        _make(client, shop, store_id, audience_id)
    elif not there.is_syncing:
        ecommerce.change_store(client, store_id, is_syncing=True)
    with gateways.database.transaction() as tx:
        _still(tx, shop_id, audience_id)
        connections.set_store(tx, shop_id, store_id, syncing=True)
        store = load(tx, shop_id)
    assert store is not None  # noqa: S101 - it was just stored
    return store


def _make(client: MailchimpClient, shop: ShopRow, store_id: str, audience_id: str) -> None:
    about = {"name": shop.name or shop.domain, "currency_code": shop.currency, "platform": PLATFORM_NAME}
    try:
        try:
            ecommerce.make_store(client, store_id, audience_id, domain=shop.domain, timezone=shop.timezone, **about)
        except Rejected as error:
            if error.code != "mc_store_domain_taken":  # by the store of another audience, or of another app
                raise
            ecommerce.make_store(client, store_id, audience_id, timezone=shop.timezone, **about)
    except Rejected as error:
        if error.code != ecommerce.EXISTS:  # our own call, whose answer was lost
            raise
        ecommerce.change_store(client, store_id, is_syncing=True)


def set_syncing(gateways: Gateways, shop_id: int, *, on: bool) -> None:
    """Hold the store's automations, or let them go. A store that is gone holds none."""
    with gateways.database.transaction() as tx:
        store = load(tx, shop_id)
        if store is None:
            return
        if on:
            connections.set_store(tx, shop_id, store.store_id, syncing=True)
            chores.ensure(tx, shop_id, QUIET, LOOK_AGAIN)
    try:
        ecommerce.change_store(gateways.mailchimp(shop_id), store.store_id, is_syncing=on)
    except StoreGone:
        if on:
            raise
    if not on:
        with gateways.database.transaction() as tx:
            now = load(tx, shop_id)
            if now is not None and now.store_id == store.store_id:
                connections.set_store(tx, shop_id, store.store_id, syncing=False)


def needs_quiet(run: Run) -> bool:
    """Whether this run's history is still being written, or will be when the merchant lets it go on."""
    return run.started_at is not None and run.state in ("running", "paused", "needs_you")


def hurry_quiet(tx: Connection, shop_id: int) -> None:
    """A run ended by itself or was ended: look soon whether the automations are still held, and forget what it read."""
    chores.ensure(tx, shop_id, QUIET)
    chores.hurry(tx, shop_id, QUIET)


def quiet(gateways: Gateways, shop_id: int, chore: Chore) -> float:  # noqa: ARG001 - the form of a chore
    """The chore: let the automations go once no run needs them held and nothing of an ended one is on its way."""
    with gateways.database.transaction() as tx:
        store, runs = load(tx, shop_id), sync_runs.latest(tx, shop_id)
        others = live_reads.cursor(tx, shop_id, LATE)
    if any(needs_quiet(run) for run in runs) or others.get("since"):
        return LOOK_AGAIN
    now = datetime.now(UTC)
    ended = [run for run in runs if run.started_at is not None]
    if any(run.token is not None and now - (run.finished_at or now) < LAST_WRITES for run in ended):
        return 1.0  # a worker is just storing the end of what it had in hand
    if store is not None and store.syncing:
        drop_batches(gateways, shop_id)
        set_syncing(gateways, shop_id, on=False)
        log.info("store_quiet_ended", shop_id=shop_id)
    with gateways.database.transaction() as tx:
        staging.forget_ended(tx, shop_id)
    return DAY


def drop_batches(gateways: Gateways, shop_id: int) -> None:
    """What an ended run had handed over and Mailchimp hasn't begun would otherwise come when nothing is held."""
    with gateways.database.transaction() as tx:
        runs = sync_runs.latest(tx, shop_id)
    client = gateways.mailchimp(shop_id)
    for run in runs:
        for flight in staging.place(run).get("flights", ()):
            if batch_id := flight["ticket"]["batch_id"]:
                operations.stop(client, batch_id)


def _of(tx: Connection, shop_id: int) -> tuple[ShopRow, ConnectionRow]:
    shop, connection = shops.get(tx, shop_id), connections.get(tx, shop_id)
    if shop is None or connection is None or connection.audience_id is None:
        raise LeaseLost  # disconnected this very moment, which ends every run
    return shop, connection


def _still(tx: Connection, shop_id: int, audience_id: str) -> None:
    """It is still this audience: the shop's row is held so that it stays so until the transaction ends."""
    shops.lock(tx, shop_id)
    if _of(tx, shop_id)[1].audience_id != audience_id:
        raise LeaseLost
