"""Orders and products for pages and API: the books of every kind, the objects behind each number, trying them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shopchimp.db import commerce_items, connections, marking
from shopchimp.db.commerce_items import Item, State
from shopchimp.db.marking import Mark
from shopchimp.db.session import Database
from shopchimp.services.commerce import completeness
from shopchimp.services.commerce.completeness import Books, Completeness
from shopchimp.services.commerce.words import KINDS

PAGE = 50
MARK_KEYS = {"order": "order", "product": "product", "cart": "checkout"}
RETRY_AT_ONCE = 1000
LOOKABLE = frozenset(MARK_KEYS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One object behind a number. `detail` is Mailchimp's own words about it."""

    id: str
    name: str
    link: str | None
    at: datetime | None
    result: str
    reason: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Entries:
    """A page of them and where the next one starts, or None at the end."""

    rows: tuple[Entry, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Commerce:
    """All kinds at once. `since` is when orders and products went live; `store_id` our store at Mailchimp."""

    completeness: Completeness
    store_id: str | None
    since: datetime | None

    @property
    def kinds(self) -> tuple[Books, ...]:
        """The books of each kind that there is anything of."""
        return tuple(each for each in self.completeness.kinds if each.kind in KINDS)

    @property
    def alarm(self) -> datetime | None:
        """Since when the books don't close with what Shopify counts; None while they do."""
        return self.completeness.open_since

    def synced(self, kind: str) -> int:
        """How many of a kind Mailchimp has."""
        return next((each.synced for each in self.kinds if each.kind == kind), 0)

    def missing(self) -> dict[str, int]:
        """Of which kinds Shopify has how many that we haven't seen, or we that it no longer has."""
        return {each.kind: each.missing + each.extra for each in self.kinds if not each.closes}


def of_shop(database: Database, shop_id: int) -> Commerce:
    """From our own tables alone."""
    with database.transaction() as tx:
        connection = connections.get(tx, shop_id)
    return Commerce(
        completeness.of_shop(database, shop_id),
        store_id=connection.store_id if connection else None,
        since=connection.commerce_since if connection else None,
    )


def entries(
    database: Database,
    shop_id: int,
    kind: str,
    *,
    result: str = "",
    reason: str = "",
    cursor: str = "",
    limit: int = PAGE,
) -> Entries:
    """A page of the objects of one kind, in the order of their ids."""
    state, why = result or None, reason or None
    with database.transaction() as tx:
        found = commerce_items.page(tx, shop_id, kind, state=state, reason=why, after=cursor, limit=limit + 1)
    rows = tuple(_entry(each) for each in found[:limit])
    return Entries(rows, rows[-1].id if len(found) > limit else None)


def retry(database: Database, shop_id: int, kind: str, *, ids: Sequence[str] | None = None, reason: str = "") -> int:
    """Look at failed objects again: these, or up to a thousand of them. Gives back how many; wake a worker then."""
    with database.transaction() as tx:
        connection = connections.get(tx, shop_id)
        if connection is None or connection.commerce_since is None or kind not in MARK_KEYS:
            return 0
        if ids is None:
            found = commerce_items.page(
                tx, shop_id, kind, state=State.FAILED, reason=reason or None, limit=RETRY_AT_ONCE
            )
        else:
            known = commerce_items.get(tx, shop_id, kind, ids)
            found = [each for each in known.values() if each.state == State.FAILED]
        marks = [Mark(f"{MARK_KEYS[kind]}:{each.id}", "merchant", lane=marking.COMMERCE) for each in found]
        marking.mark(tx, shop_id, marks)
    return len(marks)


def _entry(item: Item) -> Entry:
    shown: dict[str, Any] = item.shown or {}
    named = (shown.get(name) for name in ("number", "title", "code"))
    return Entry(
        id=item.id,
        name=str(next((each for each in named if each), item.id)),
        link=shown.get("link"),
        at=item.occurred_at,
        result=item.state,
        reason=item.reason,
        detail=item.detail,
    )
