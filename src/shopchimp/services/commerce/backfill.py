"""The store's history in a first sync: products, customers, orders, carts, promo codes, with the automations held.

Each phase can be left and gone on with anywhere: everything reached is in the run's row. A phase that the merchant
didn't give the permission for is skipped and says so; a store that somebody deletes meanwhile is made and filled anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from shopchimp.db import commerce_items, promo_runs, shops, sync_runs
from shopchimp.db.session import Database
from shopchimp.db.sync_runs import Run
from shopchimp.domain.commerce.phases import Phase, is_wanted
from shopchimp.domain.commerce.results import Kind
from shopchimp.domain.errors import PlatformError, StoreGone, Unauthorized
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services.commerce import leftovers, promo, staging, store
from shopchimp.services.commerce.flights import Doors
from shopchimp.services.commerce.paces import Paces
from shopchimp.services.commerce.slices import Books, Preparing
from shopchimp.services.commerce.sources import source_of
from shopchimp.services.commerce.staging import place
from shopchimp.services.commerce.writing import Writing
from shopchimp.services.gateways import Gateways
from shopchimp.shopify import commerce
from shopchimp.shopify.client import ShopifyClient

log = structlog.get_logger()

NO_SCOPE = "sh_scope_missing"
PHASES = tuple(phase.value for phase in Phase)
_COMPLETE = {Kind.PRODUCT: Phase.PRODUCTS, Kind.ORDER: Phase.ORDERS}


@dataclass(frozen=True, slots=True)
class Backfill:
    """One claim of a run in one of these phases."""

    gateways: Gateways
    run: Run
    token: UUID
    mailchimp: MailchimpClient
    shopify: ShopifyClient
    until: float
    stopped: Callable[[], bool]

    @property
    def database(self) -> Database:
        """Where everything is stored."""
        return self.gateways.database

    def advance(self) -> float | None:
        """Take the run's phase further: in how many seconds to look again, or None where the phase is complete."""
        phase, readable = Phase(self.run.phase), readable_of(self.run)
        if not is_wanted(readable) or phase.reads not in readable:
            _skip(self.run, phase)
            return None
        there = store.ensure(self.gateways, self.run.shop_id)
        if place(self.run).setdefault("store", there.store_id) != there.store_id:
            raise sync_runs.LeaseLost  # another audience, whose own run begins anew
        if self._is_forgotten():
            return self._fill_anew()
        try:
            return self._work(phase, there, readable)
        except StoreGone:
            return self._fill_anew()
        except Unauthorized as error:
            if error.code != NO_SCOPE or not self._lost_scope(phase):
                raise
            _skip(self.run, phase)
            return None

    def _work(self, phase: Phase, there: store.Store, readable: frozenset[str]) -> float | None:
        if phase is Phase.PROMO_CODES:
            return self._promo_codes()
        if (wait := self._read(phase)) is not None:
            return wait
        doors = Doors(
            mailchimp=self.mailchimp,
            shopify=self.shopify,
            store_id=there.store_id,
            storefront=there.storefront,
            connections=self.gateways.connections,
            reads_products=Phase.PRODUCTS.reads in readable,
            stopped=self.stopped,
        )
        written = Writing(
            gateways=self.gateways,
            run=self.run,
            token=self.token,
            phase=phase,
            preparing=Preparing(
                shop_id=self.run.shop_id,
                run_id=self.run.id,
                phase=phase,
                source=source_of(phase, self.run.shop_id, self.run.id, there.storefront),
                only_contacts=not self.run.options.get("sync_non_subscribed", True),
                vault=self.gateways.vault,
            ),
            doors=doors,
            until=self.until,
            stopped=self.stopped,
            paces=Paces.of(self.run),
        ).write()
        if written is not None:
            return written
        self._empty_books(phase)
        return None if phase is not Phase.CARTS else self._sweep(doors, readable)

    def _read(self, phase: Phase) -> float | None:
        """Have everything of a phase in our own tables before the first of it is written."""
        if phase in staging.DOCUMENTS:
            return staging.read_in_bulk(
                self.database,
                self.run,
                self.token,
                self.shopify,
                phase,
                allowed_hosts=self.gateways.download_hosts,
            )
        if phase is Phase.CARTS:
            staging.walk_checkouts(self.database, self.run, self.token, self.shopify)
        return None

    def _sweep(self, doors: Doors, readable: frozenset[str]) -> float | None:
        """The last thing before the promo codes: what no reading found goes."""
        read: dict[Kind, datetime] = {}
        for kind, phase in _COMPLETE.items():
            if (began := staging.began(self.run, phase)) is not None and phase.reads in readable:
                read[kind] = began
        if began_at := self.run.cursor.get("contacts_since"):
            read[Kind.CUSTOMER] = datetime.fromisoformat(began_at)
        all_orders = commerce.sees_all_orders(str(place(self.run).get("scopes", "")))
        done = leftovers.sweep(
            self.database, self.run, self.token, doors, read, all_orders=all_orders, until=self.until
        )
        return None if done else 0.0

    def _promo_codes(self) -> float | None:
        here = place(self.run)
        if "promos_since" not in here:
            with self.database.transaction() as tx:
                here["promos_since"] = promo_runs.now(tx).isoformat()
            self._keep()
        done = promo.first(
            self.gateways,
            self.run.shop_id,
            since=datetime.fromisoformat(here["promos_since"]),
            seconds=max(self.until - time.monotonic(), 1.0),
            stopped=self.stopped,
        )
        if not done:
            return 0.0
        with self.database.transaction() as tx:
            sums = commerce_items.sums(tx, self.run.shop_id)
        for kind in Phase.PROMO_CODES.kinds:
            found = sums.get(kind.value, commerce_items.Sum())
            books = {"read": found.read, "synced": found.synced, "skipped": found.skipped, "failed": found.failed}
            self.run.counts.setdefault("commerce", {})[kind.value] = books
        self._keep()
        return None

    def _is_forgotten(self) -> bool:
        """Whether nothing is remembered of what this run has written: the store was made anew since."""
        written = [phase for phase in Phase if phase.value in place(self.run).get("written", {})]
        if not written:
            return False
        with self.database.transaction() as tx:
            return not commerce_items.any_seen(tx, self.run.shop_id, written[0].kinds[0].value, self.run.id)

    def _fill_anew(self) -> float:
        """Somebody deleted the store: it is made again, and everything is written again from what was read."""
        log.warning("store_gone", run=str(self.run.id))
        here = place(self.run)
        for name in ("written", "flights", "stuck", "swept", "promos_since"):
            here.pop(name, None)
        self.run.counts.pop("commerce", None)
        self.run.phase = Phase.PRODUCTS.value
        with self.database.transaction() as tx:
            sync_runs.save(
                tx, self.run.id, self.token, phase=self.run.phase, cursor=self.run.cursor, counts=self.run.counts
            )
        return 0.0

    def _lost_scope(self, phase: Phase) -> bool:
        """Whether the merchant took the permission back since the run began: then nothing else is wrong."""
        with self.database.transaction() as tx:
            shop = shops.get(tx, self.run.shop_id)
        return shop is None or phase.reads not in commerce.readable(shop.scopes)

    def _empty_books(self, phase: Phase) -> None:
        """A phase that found nothing has books, too."""
        for kind in phase.kinds:
            self.run.counts.setdefault("commerce", {}).setdefault(kind.value, _no_books())

    def _keep(self) -> None:
        with self.database.transaction() as tx:
            sync_runs.save(tx, self.run.id, self.token, cursor=self.run.cursor, counts=self.run.counts)


def begin(database: Database, run: Run, token: UUID, shopify: ShopifyClient) -> None:
    """The run begins to write: note what it may read, and let Shopify work on it while contacts are written."""
    here = place(run)
    if "scopes" not in here:
        with database.transaction() as tx:
            shop = shops.get(tx, run.shop_id)
            here["scopes"] = shop.scopes if shop is not None else ""
            sync_runs.save(tx, run.id, token, cursor=run.cursor)
    readable = readable_of(run)
    staging.ask_early(database, run, token, shopify, frozenset(phase for phase in Phase if phase.reads in readable))


def readable_of(run: Run) -> frozenset[str]:
    """What the run may read of the store, by the permissions it began with."""
    return commerce.readable(str(place(run).get("scopes", "")))


def first_phase() -> str:
    """Where the commerce part begins."""
    return Phase.PRODUCTS.value


def next_phase(run: Run) -> str:
    """What comes after the run's phase: the next of commerce, or the end."""
    following = Phase(run.phase).next
    return following.value if following is not None else "live"


def close_books(run: Run) -> None:
    """Every object read is accounted for, of every kind."""
    for kind, books in run.counts.get("commerce", {}).items():
        if not Books(**books).closes:
            raise AssertionError(f"the sums of {kind} don't close")


def expect(client: ShopifyClient, run: Run, scopes: str) -> None:
    """Count cheaply what there is, for the preview. That it can't be counted stops nobody."""
    kinds = [kind for kind in ("products", "orders", "carts") if kind in commerce.readable(scopes)]
    if not kinds:
        return
    try:
        found = commerce.counts(client, kinds)
    except PlatformError as error:
        log.warning("commerce_not_counted", code=error.code)
        return
    run.counts["commerce_found"] = {kind: {"count": each.count, "exact": each.exact} for kind, each in found.items()}


def _skip(run: Run, phase: Phase) -> None:
    run.counts.setdefault("commerce_skipped", {})[phase.value] = NO_SCOPE


def _no_books() -> dict[str, Any]:
    return {"read": 0, "synced": 0, "skipped": {}, "failed": {}}
