"""Commerce items: one row for each product, customer, order, cart, promo rule and promo code that we know from Shopify.

The rows are the memory of what Mailchimp has (an equal digest needs no call), what the pages show, and the books of
completeness: every object of the source is synced, skipped with a reason, or failed with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shopchimp.db.session import dumps


class State(StrEnum):
    """What became of an object."""

    SYNCED = "synced"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Item:
    """A row of `commerce_items`. `key` is the normalised address of the person it belongs to."""

    kind: str
    id: str
    state: str
    reason: str | None = None
    detail: str | None = None
    digest: bytes | None = None
    parent: str | None = None
    key: str | None = None
    customer_id: int | None = None
    shown: dict[str, Any] | None = None
    occurred_at: datetime | None = None
    source_updated_at: datetime | None = None
    written_at: datetime | None = None
    seen_run: UUID | None = None


@dataclass(slots=True)
class Sum:
    """The books of one kind: `read` is what we know of, and closes as synced + skipped + failed."""

    synced: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    @property
    def read(self) -> int:
        """How many objects there are in all."""
        return self.synced + sum(self.skipped.values()) + sum(self.failed.values())


_NAMES = tuple(each.name for each in fields(Item))
_COLUMNS = ", ".join(_NAMES)
_STAYS = ("written_at", "seen_run")  # what a later row doesn't say stays known
_PUT = f"""
    on conflict (shop_id, kind, id) do update set seen_at = now(), {
    ", ".join(
        f"{name} = coalesce(excluded.{name}, c.{name})" if name in _STAYS else f"{name} = excluded.{name}"
        for name in _NAMES[2:]
    )
}
"""
_TYPES = {"digest": "bytea", "customer_id": "bigint", "shown": "jsonb", "seen_run": "uuid"}
_TYPES |= dict.fromkeys(("occurred_at", "source_updated_at", "written_at"), "timestamptz")


def get(tx: Connection, shop_id: int, kind: str, ids: Iterable[str]) -> dict[str, Item]:
    """Those of these objects that we know, by id."""
    query = text(f"select {_COLUMNS} from commerce_items where shop_id = :shop and kind = :kind and id = any(:ids)")
    rows = tx.execute(query, {"shop": shop_id, "kind": kind, "ids": list(ids)})
    return {row.id: Item(**row._mapping) for row in rows}


def put(tx: Connection, shop_id: int, items: Sequence[Item]) -> None:
    """Store these rows, new or anew; a later one of the same object stands.

    Every column is replaced, but `written_at` and `seen_run` stay where the row says none.
    """
    rows = _last_of_each(items)
    if not rows:
        return
    query = text(
        f"""
        insert into commerce_items as c (shop_id, {_COLUMNS})
        select :shop, {", ".join(f"m.{name}" for name in _NAMES)}
        from json_to_recordset(cast(:rows as json)) as m ({", ".join(f"{name} {_type(name)}" for name in _NAMES)})
        {_PUT}
        """
    )
    # as one text: psycopg would spell out arrays element by element, which takes longer than all the rest
    values = [{name: _value(getattr(row, name)) for name in _NAMES} for row in rows]
    tx.execute(query, {"shop": shop_id, "rows": dumps(values)})


def _last_of_each(items: Sequence[Item]) -> list[Item]:
    """One row an object, in the order in which all hold several rows at once."""
    last = {(item.kind, item.id): item for item in items}
    return [last[key] for key in sorted(last)]


def _value(value: Any) -> Any:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else value


def _type(name: str) -> str:
    return _TYPES.get(name, "text")


def seen(tx: Connection, shop_id: int, kind: str, ids: Iterable[str], run_id: UUID) -> None:
    """A run has read these again, and there is nothing new about them."""
    query = text(
        """
        with held as (
            select id from commerce_items where shop_id = :shop and kind = :kind and id = any(:ids)
            order by id for no key update
        )
        update commerce_items c set seen_run = :run, seen_at = now() from held
        where c.shop_id = :shop and c.kind = :kind and c.id = held.id
        """
    )
    tx.execute(query, {"shop": shop_id, "kind": kind, "ids": list(ids), "run": run_id})


def doubt(tx: Connection, shop_id: int, objects: Iterable[tuple[str, str]]) -> None:
    """Mailchimp may have something else of these (kind, id) than we wrote last: no digest saves the next write."""
    wanted = sorted(set(objects))
    if not wanted:
        return
    query = text(
        """
        update commerce_items c set digest = null
        from unnest(cast(:kinds as text[]), cast(:ids as text[])) as d (kind, id)
        where c.shop_id = :shop and c.kind = d.kind and c.id = d.id and c.digest is not null
        """
    )
    tx.execute(query, {"shop": shop_id, "kinds": [each[0] for each in wanted], "ids": [each[1] for each in wanted]})


def any_seen(tx: Connection, shop_id: int, kind: str, run_id: UUID) -> bool:
    """Whether anything is left of what a run has read of this kind."""
    query = text(
        """
        select exists (select 1 from commerce_items where shop_id = :shop and kind = :kind and seen_run = :run)
        """
    )
    return bool(tx.execute(query, {"shop": shop_id, "kind": kind, "run": run_id}).scalar_one())


def forget(tx: Connection, shop_id: int, kind: str, ids: Iterable[str]) -> None:
    """These objects are gone."""
    query = text("delete from commerce_items where shop_id = :shop and kind = :kind and id = any(:ids)")
    tx.execute(query, {"shop": shop_id, "kind": kind, "ids": list(ids)})


def unseen(
    tx: Connection,
    shop_id: int,
    kind: str,
    run_id: UUID,
    *,
    before: datetime,
    since: datetime | None = None,
    after: str = "",
    limit: int = 250,
) -> list[str]:
    """Ids, from just after one, of objects that a run did not find; `since`: only those that are no older.

    `before` is when it began to read: what live sync has touched since then may be newer than the reading.
    """
    young = "and occurred_at >= :since" if since is not None else ""
    query = text(
        f"""
        select id from commerce_items where shop_id = :shop and kind = :kind
            and seen_run is distinct from :run and seen_at < :before and id > :after {young}
        order by id limit :limit
        """
    )
    values = {"shop": shop_id, "kind": kind, "run": run_id, "before": before, "since": since}
    return list(tx.execute(query, {**values, "after": after, "limit": limit}).scalars())


def customers_with(tx: Connection, shop_id: int, kind: str, customer_ids: Sequence[int]) -> set[int]:
    """Which of these customers have anything of this kind."""
    query = text(
        """
        select distinct customer_id from commerce_items
        where shop_id = :shop and kind = :kind and customer_id = any(:customers)
        """
    )
    found = tx.execute(query, {"shop": shop_id, "kind": kind, "customers": list(customer_ids)})
    return set(found.scalars())


def sums(tx: Connection, shop_id: int) -> dict[str, Sum]:
    """The books of this shop by kind; a kind without any object is not there."""
    query = text(
        """
        select kind, state, coalesce(reason, '') as reason, count(*) as n
        from commerce_items where shop_id = :shop group by 1, 2, 3
        """
    )
    found: dict[str, Sum] = {}
    for kind, state, reason, n in tx.execute(query, {"shop": shop_id}):
        books = found.setdefault(kind, Sum())
        if state == State.SYNCED:
            books.synced += int(n)
        else:
            reasons = books.skipped if state == State.SKIPPED else books.failed
            reasons[reason] = reasons.get(reason, 0) + int(n)
    return found


# two looks into two indexes: with an `or` Postgres may read all objects of the shop
OF_PERSON = f"""
    select {_COLUMNS} from commerce_items where shop_id = :shop and kind = any(:kinds) and key = :key
    union all
    select {_COLUMNS} from commerce_items where shop_id = :shop and kind = any(:kinds) and customer_id = :customer
        and key is distinct from :key
    order by occurred_at desc nulls last, id desc limit :limit
"""


def of_person(
    tx: Connection, shop_id: int, key: str | None, customer_id: int | None, kinds: Sequence[str], *, limit: int = 1000
) -> list[Item]:
    """What belongs to a person, by address or as this customer, newest first."""
    values = {"shop": shop_id, "key": key, "customer": customer_id, "kinds": list(kinds), "limit": limit}
    return [Item(**row._mapping) for row in tx.execute(text(OF_PERSON), values)]


def page(
    tx: Connection,
    shop_id: int,
    kind: str,
    *,
    state: str | None = None,
    reason: str | None = None,
    after: str = "",
    limit: int = 50,
) -> list[Item]:
    """Objects of one kind in the order of their ids, from just after one."""
    wanted = (" and state = :state" if state else "") + (" and reason = :reason" if reason else "")
    query = text(
        f"""
        select {_COLUMNS} from commerce_items
        where shop_id = :shop and kind = :kind and id > :after {wanted} order by id limit :limit
        """
    )
    values = {"shop": shop_id, "kind": kind, "state": state, "reason": reason, "after": after, "limit": limit}
    return [Item(**row._mapping) for row in tx.execute(query, values)]


def forget_all(tx: Connection, shop_id: int) -> None:
    """Delete all rows of a shop: another audience or account, or the app left for good."""
    tx.execute(text("delete from commerce_items where shop_id = :shop"), {"shop": shop_id})


def erase_person(tx: Connection, shop_id: int, keys: Sequence[str], customer_ids: Sequence[int]) -> int:
    """Remove whatever tells of these people; gives back of how many rows.

    Orders and carts stay counted, without whose they are and what was in them; the rows of customers and guests go.
    """
    values = {"shop": shop_id, "keys": list(keys), "customers": list(customer_ids)}
    theirs = "shop_id = :shop and (key = any(:keys) or customer_id = any(:customers))"
    customers = text(f"delete from commerce_items where kind in ('customer', 'guest') and {theirs}")
    others = text(
        f"""
        update commerce_items set key = null, customer_id = null, shown = null, digest = null, detail = null
        where {theirs}
        """
    )
    return tx.execute(customers, values).rowcount + tx.execute(others, values).rowcount
