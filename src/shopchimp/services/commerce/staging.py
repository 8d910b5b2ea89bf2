"""Reading the store for a first sync: bulk operations into `commerce_nodes`, abandoned checkouts into `checkouts`.

The bulk operations are asked for as soon as the run begins to write contacts, so that Shopify works meanwhile. Every
block is stored together with the place reached; a successor goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Connection as Tx

from shopchimp.db import checkouts, commerce_nodes, run_tables, sync_runs
from shopchimp.db.checkouts import Checkout
from shopchimp.db.session import Database
from shopchimp.db.sync_runs import Run
from shopchimp.domain.commerce.carts import cart_id
from shopchimp.domain.commerce.phases import Phase
from shopchimp.domain.errors import PlatformError, Unavailable
from shopchimp.shopify import bulk, commerce
from shopchimp.shopify import commerce_documents as documents
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.customers import parse_time

BLOCK = 500  # objects stored at once, with all that is inside them
DOCUMENTS = {Phase.PRODUCTS: documents.PRODUCTS_IN_BULK, Phase.ORDERS: documents.ORDERS_IN_BULK}


def place(run: Run) -> dict[str, Any]:
    """Where the commerce part of a run is: in its cursor, stored with whatever was done."""
    found: dict[str, Any] = run.cursor.setdefault("commerce", {})
    return found


def _bulk(run: Run, phase: Phase) -> dict[str, Any]:
    found: dict[str, Any] = place(run).setdefault("bulk", {}).setdefault(phase.value, {})
    return found


def ask_early(database: Database, run: Run, token: UUID, client: ShopifyClient, phases: frozenset[Phase]) -> None:
    """Ask Shopify for everything that is read in bulk. What it doesn't take now is asked for when it is its turn."""
    for phase in sorted(phases & DOCUMENTS.keys()):
        with suppress(PlatformError):
            _ask(database, run, token, client, phase)


def _ask(database: Database, run: Run, token: UUID, client: ShopifyClient, phase: Phase) -> None:
    if _bulk(run, phase).get("id"):
        return
    began = datetime.now(UTC)
    operation = bulk.start(client, DOCUMENTS[phase], grouped=True)
    _bulk(run, phase).update(id=operation, nodes=0, looks=0, began=began.isoformat())
    _keep(database, run, token)


def began(run: Run, phase: Phase) -> datetime | None:
    """When the reading of a phase began."""
    text = _bulk(run, phase).get("began") if phase in DOCUMENTS else place(run).get("walk_began")
    return datetime.fromisoformat(text) if text else None


def read_in_bulk(
    database: Database,
    run: Run,
    token: UUID,
    client: ShopifyClient,
    phase: Phase,
    *,
    allowed_hosts: frozenset[str],
) -> float | None:
    """Look at the bulk operation; stream its result when it is ready.

    Gives back how many seconds to wait before looking again, or None when all of it is stored.
    """
    here = _bulk(run, phase)
    if here.get("done"):
        return None
    _ask(database, run, token, client, phase)
    operation = bulk.look(client, here["id"])
    if operation is not None and operation.is_running:
        here["looks"] = int(here["looks"]) + 1
        _keep(database, run, token)
        return bulk.pause(here["looks"])
    if operation is None or operation.status != "COMPLETED":
        _start_over(database, run, token, phase)
        raise Unavailable("shopify", "sh_bulk_failed", bulk.why_not(operation))
    if operation.url:
        read = _Counted(bulk.lines(client, operation.url, allowed_hosts=allowed_hosts))
        try:
            _store(database, run, token, phase, islice(bulk.assemble(read), int(here["nodes"]), None))
        except bulk.Ungrouped as error:
            _start_over(database, run, token, phase)
            raise Unavailable("shopify", "sh_bulk_failed", str(error)) from error
        if read.lines < operation.objects:
            _start_over(database, run, token, phase)
            raise Unavailable("shopify", "sh_bulk_failed", "the result has fewer lines than objects")
    here["done"] = True
    note_total(run, phase, int(here["nodes"]))
    _keep(database, run, token)
    return None


class _Counted:
    """Lines, counted as they pass: a result that was cut off at the end of a line looks whole otherwise."""

    def __init__(self, lines: Iterator[dict[str, Any]]) -> None:
        self._lines = lines
        self.lines = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in self._lines:
            self.lines += 1
            yield line


def _start_over(database: Database, run: Run, token: UUID, phase: Phase) -> None:
    place(run)["bulk"].pop(phase.value, None)
    with database.transaction() as tx:
        commerce_nodes.forget(tx, run.id, phase.value)
        sync_runs.save(tx, run.id, token, cursor=run.cursor)


def _store(database: Database, run: Run, token: UUID, phase: Phase, nodes: Iterator[dict[str, Any]]) -> None:
    here = _bulk(run, phase)
    while block := list(islice(nodes, BLOCK)):
        with database.raw() as connection:
            start = int(here["nodes"]) + 1
            here["nodes"] = commerce_nodes.copy_in(connection, run.id, phase.value, block, start=start) - 1
            run.keep(connection, token)


def note_total(run: Run, phase: Phase, total: int) -> None:
    """How many objects a phase is going to look at, for the progress page."""
    run.counts.setdefault("commerce_totals", {})[phase.value] = total


def walk_checkouts(database: Database, run: Run, token: UUID, client: ShopifyClient) -> None:
    """Page the abandoned checkouts: they can't be read in bulk for certain (shopify.md section 5)."""
    here = place(run)
    here.setdefault("walk_began", datetime.now(UTC).isoformat())
    while not here.get("walked"):
        page = commerce.checkouts_changed(client, after=here.get("walk_after"))
        found = [checkout for node in page.nodes if (checkout := _checkout(node)) is not None]
        here["walk_after"], here["walked"] = page.after, page.after is None
        with database.transaction() as tx:
            checkouts.upsert(tx, run.shop_id, found)
            sync_runs.save(tx, run.id, token, cursor=run.cursor)


def _checkout(node: dict[str, Any]) -> Checkout | None:
    updated_at = parse_time(node.get("updatedAt")) or parse_time(node.get("createdAt"))
    if updated_at is None:
        return None
    return Checkout(cart_id(node), None, updated_at, node)


def _keep(database: Database, run: Run, token: UUID) -> None:
    with database.transaction() as tx:
        sync_runs.save(tx, run.id, token, cursor=run.cursor, counts=run.counts)


def forget_ended(tx: Tx, shop_id: int) -> None:
    """Delete what runs read that have ended: it is personal data, and nobody goes on with it."""
    ended = ("done", "cancelled", "failed", "expired")
    if all(run.state in ended for run in sync_runs.latest(tx, shop_id)):
        commerce_nodes.forget_all(tx, shop_id)
        run_tables.forget_customers(tx, shop_id)
