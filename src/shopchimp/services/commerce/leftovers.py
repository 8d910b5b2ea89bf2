"""What a complete reading no longer found: deleted in Shopify, so it goes at Mailchimp and from our memory.

Each is asked for by its id before: a deletion can't be taken back. Orders that Shopify doesn't show us any more for
their age alone stay as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from shopchimp.db import commerce_items, sync_runs
from shopchimp.db.session import Database
from shopchimp.db.sync_runs import Run
from shopchimp.domain.commerce.phases import HISTORY_DAYS
from shopchimp.domain.commerce.results import Kind
from shopchimp.domain.errors import Rejected
from shopchimp.mailchimp.ecommerce import deletion_of
from shopchimp.services.commerce.flights import Doors
from shopchimp.services.commerce.staging import place
from shopchimp.shopify import commerce, customers
from shopchimp.shopify.client import ShopifyClient

AT_ONCE = 100

Ask = Callable[[ShopifyClient, Sequence[str]], set[str]]


def _orders(client: ShopifyClient, ids: Sequence[str]) -> set[str]:
    return set(commerce.orders_by_ids(client, ids))


def _products(client: ShopifyClient, ids: Sequence[str]) -> set[str]:
    return set(commerce.products_by_ids(client, ids))


def _customers(client: ShopifyClient, ids: Sequence[str]) -> set[str]:
    found = customers.by_ids(client, [int(each) for each in ids if each.isdecimal()])
    return {str(each.id) for each in found if each is not None}


# in an order in which nothing goes before what names it
_ASK: dict[Kind, Ask] = {Kind.ORDER: _orders, Kind.CUSTOMER: _customers, Kind.PRODUCT: _products}


def sweep(
    database: Database,
    run: Run,
    token: UUID,
    doors: Doors,
    read: dict[Kind, datetime],
    *,
    all_orders: bool,
    until: float,
) -> bool:
    """Take away what is gone, of the kinds that were read completely since then. False where the time is up."""
    here, begun = place(run).setdefault("swept", {}), False
    for kind, ask in _ASK.items():
        if kind not in read:
            continue
        since = None
        if kind is Kind.ORDER and not all_orders:
            since = read[kind] - timedelta(days=HISTORY_DAYS - 1)
        while here.get(kind.value) != "done":
            if (begun and time.monotonic() > until) or doors.stopped():
                return False
            begun = True  # a part at least in each claim
            with database.transaction() as tx:
                sync_runs.fence_write(tx, run.id, token)
                after = str(here.get(kind.value) or "")
                ids = commerce_items.unseen(
                    tx, run.shop_id, kind.value, run.id, before=read[kind], since=since, after=after, limit=AT_ONCE
                )
                kept = _with_orders(tx, run.shop_id, ids) if kind is Kind.CUSTOMER else set()
            gone = sorted(set(ids) - kept - (ask(doors.shopify, sorted(set(ids) - kept)) if ids else set()))
            answers = doors.direct().send([deletion_of(doors.store_id, kind, each) for each in gone])
            done = [each for each in gone if not isinstance(answers.get(f"{kind.value}:{each}", _UNKNOWN), Rejected)]
            if len(answers) < len(gone):
                return False
            here[kind.value] = ids[-1] if len(ids) == AT_ONCE else "done"
            with database.transaction() as tx:
                commerce_items.forget(tx, run.shop_id, kind.value, done)
                sync_runs.save(tx, run.id, token, cursor=run.cursor)
    return True


_UNKNOWN = Rejected("mailchimp", "internal")


def _with_orders(tx: Connection, shop_id: int, ids: Sequence[str]) -> set[str]:
    """The customers whose orders we know: those keep their buyer."""
    numbers = [int(each) for each in ids if each.isdecimal()]
    return {str(each) for each in commerce_items.customers_with(tx, shop_id, Kind.ORDER.value, numbers)}
