"""Completeness of the store's data: per kind, what Shopify has is synced, skipped or failed with a reason, or waits.

The items keep the books; once a day, and after a first sync, they are held against Shopify's own counts. Where these
differ, Shopify's ids are read: what we never heard of is looked at, what is no longer there as well, and the merchant
is told until the sums close.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from shopchimp.db import buyers, chores, commerce_books, commerce_items, connections, live_reads, marking, notes, shops
from shopchimp.db.chores import Chore
from shopchimp.db.commerce_books import Gap
from shopchimp.db.commerce_items import Sum
from shopchimp.db.marking import Mark
from shopchimp.db.session import Database
from shopchimp.domain.commerce.results import Kind
from shopchimp.domain.outcomes import Reason
from shopchimp.services import settings
from shopchimp.services.commerce.drafts import NO_CONTACT
from shopchimp.services.gateways import Gateways
from shopchimp.shopify import commerce
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.commerce_pages import Page

CHORE = "completeness"
CAUSE = "sums_open"
DAY = 86_400.0
SOON = 300.0  # seconds until it is looked whether what was missing has come
SETTLES = timedelta(minutes=10)  # word of a change may be on its way for so long
VISIBLE = timedelta(days=59)  # older orders can't be seen without read_all_orders
EVER = datetime(2000, 1, 1, tzinfo=UTC)
AT_ONCE = 5000

_READ: Mapping[Kind, tuple[str, Callable[[ShopifyClient, datetime, str | None], Page]]] = {
    Kind.PRODUCT: ("products", commerce.products_changed),
    Kind.CUSTOMER: ("customers", commerce.customers_changed),
    Kind.ORDER: ("orders", commerce.orders_changed),
}
_KEYS = {Kind.CUSTOMER: "buyer"}  # of the changes that look at them, where that is not the kind itself


@dataclass(frozen=True, slots=True)
class Books:
    """One kind. `source` is Shopify's own count at the last look, None where it wasn't asked for."""

    kind: str
    read: int
    synced: int
    skipped: Mapping[str, int]
    failed: Mapping[str, int]
    waiting: int
    source: int | None = None
    missing: int = 0
    extra: int = 0

    @property
    def closes(self) -> bool:
        """Whether Shopify has nothing that we don't know of, and we nothing that Shopify hasn't."""
        return not self.missing and not self.extra


@dataclass(frozen=True, slots=True)
class Completeness:
    """A shop's books, and when they were last held against Shopify's counts. `open_since`: they don't close."""

    kinds: tuple[Books, ...]
    checked_at: datetime | None = None
    open_since: datetime | None = None

    @property
    def closes(self) -> bool:
        """Whether all books close."""
        return all(each.closes for each in self.kinds)


def of_shop(database: Database, shop_id: int) -> Completeness:
    """The books of a shop as they are now, from our own tables alone."""
    with database.transaction() as tx:
        sums, unknown = commerce_items.sums(tx, shop_id), commerce_books.unknown(tx, shop_id)
        found = live_reads.cursor(tx, shop_id, CHORE)
    kinds = [kind.value for kind in Kind if kind.value in sums.keys() | unknown.keys() | found.get("kinds", {}).keys()]
    books = []
    for kind in kinds:
        held, beside = sums.get(kind, Sum()), unknown.get(kind, commerce_books.Open())
        failed = {**held.failed}
        for cause, n in beside.failed.items():
            failed[cause] = failed.get(cause, 0) + n
        read = held.read + beside.waiting + sum(beside.failed.values())
        asked = found.get("kinds", {}).get(kind, {})
        counts = {name: asked.get(name, 0) for name in ("missing", "extra")}
        books.append(
            Books(kind, read, held.synced, held.skipped, failed, beside.waiting, asked.get("source"), **counts)
        )
    return Completeness(tuple(books), _time(found.get("checked_at")), _time(found.get("open_since")))


def _time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


# ------------------------------------------------------------------ the chore


@dataclass(slots=True)
class _Check:
    """One look at a shop: what was asked, and what is to be looked at for it."""

    gateways: Gateways
    shop_id: int
    scopes: str
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether the sums don't close."""
        return any(each["missing"] or each["extra"] for each in self.kinds.values())

    def look(self, kind: Kind) -> None:
        """Hold one kind against Shopify's count, and against its ids where the counts say too little."""
        name, read = _READ[kind]
        client, started = self.gateways.shopify(self.shop_id), self.gateways.clock()
        unseen = kind is Kind.ORDER and not commerce.sees_all_orders(self.scopes)
        since = started - VISIBLE if unseen else None
        counted = commerce.counts(client, [name])[name]
        with self.gateways.database.transaction() as tx:
            ours = commerce_books.count(tx, self.shop_id, kind.value)
        gap = Gap((), ())
        if unseen or not counted.exact or counted.count != ours:
            pages = commerce.each_page(lambda after: read(client, EVER, after))
            there = {each.id: each.updated_at for page in pages for each in map(commerce.changed, page.nodes)}
            until = started - SETTLES
            with self.gateways.database.transaction() as tx:
                gap = commerce_books.gap(tx, self.shop_id, kind.value, there, until=until, since=since)
        self.kinds[kind.value] = {"source": counted.count, "missing": len(gap.missing), "extra": len(gap.extra)}
        name = _KEYS.get(kind, kind.value)
        self.marks += [Mark(f"{name}:{each}", "audit") for each in (*gap.missing, *gap.extra)]


def check(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """The chore. Gives back the seconds until the next look: soon, while the sums are open."""
    with gateways.database.transaction() as tx:
        shop, connection = shops.get(tx, shop_id), connections.get(tx, shop_id)
        if shop is None or connection is None or connection.commerce_since is None:
            return DAY
    readable, found = commerce.readable(shop.scopes), _Check(gateways, shop_id, shop.scopes)
    for kind, (name, _) in _READ.items():
        if name in readable:
            found.look(kind)
    with gateways.database.transaction() as tx:
        reconsider(tx, shop_id)
        for start in range(0, len(found.marks), AT_ONCE):
            marking.mark(tx, shop_id, found.marks[start : start + AT_ONCE])
        _tell(tx, shop_id, chore, found, gateways.clock())
        chores.save(tx, chore)
    return SOON if found.open else DAY


def _tell(tx: Connection, shop_id: int, chore: Chore, found: _Check, now: datetime) -> None:
    """What was found, for the pages; and in the log when the sums open and when they close again."""
    open_since = chore.cursor.get("open_since")
    if found.open and not open_since:
        notes.add(tx, shop_id, kind=CHORE, cause=CAUSE, detail={"open": True, "kinds": found.kinds})
    elif open_since and not found.open:
        notes.add(tx, shop_id, kind=CHORE, detail={"open": False, "kinds": found.kinds})
    since = (open_since or now.isoformat()) if found.open else None
    chore.cursor.update(kinds=found.kinds, checked_at=now.isoformat(), open_since=since)


def reconsider(tx: Connection, shop_id: int) -> None:
    """Look again at the orders of those who were no contacts and are some now, or needn't be any more."""
    orders = buyers.now_contacts(tx, shop_id, [NO_CONTACT, *Reason])
    if settings.get(tx, shop_id).sync_non_subscribed:
        for reason in (NO_CONTACT, Reason.NON_SUBSCRIBED_OFF):
            orders += commerce_books.by_reason(tx, shop_id, Kind.ORDER.value, reason, limit=AT_ONCE)
    marking.mark(tx, shop_id, [Mark(f"order:{each}", "audit") for each in orders])
