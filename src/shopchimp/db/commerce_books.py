"""The books of commerce: what waits beside the items, and which of Shopify's objects have no row, or rows no object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

_NAME = "split_part(c.key, ':', 1)"
_KEYS = f"""
    select c.state, c.cause, split_part(c.key, ':', 2) as id,
        case {_NAME} when 'checkout' then 'cart' when 'buyer' then 'customer' else {_NAME} end as kind
    from changes c where c.shop_id = :shop and c.kind = 'commerce'
        and {_NAME} in ('order', 'product', 'buyer', 'checkout')
"""


@dataclass(slots=True)
class Open:
    """Of one kind: objects we heard of and haven't looked at, and those whose look failed before we knew more."""

    waiting: int = 0
    failed: dict[str, int] = field(default_factory=dict)


def unknown(tx: Connection, shop_id: int) -> dict[str, Open]:
    """What waits or was refused without being remembered as an item, by kind."""
    query = text(
        f"""
        select k.kind, k.state, coalesce(k.cause, 'internal') as cause, count(*) as n
        from ({_KEYS}) k where not exists (
            select 1 from commerce_items i where i.shop_id = :shop and i.kind = k.kind and i.id = k.id)
        group by 1, 2, 3
        """
    )
    found: dict[str, Open] = {}
    for kind, state, cause, n in tx.execute(query, {"shop": shop_id}):
        books = found.setdefault(kind, Open())
        if state == "waiting":
            books.waiting += int(n)
        else:
            books.failed[cause] = books.failed.get(cause, 0) + int(n)
    return found


def count(tx: Connection, shop_id: int, kind: str) -> int:
    """How many items of a kind there are."""
    query = text("select count(*) from commerce_items where shop_id = :shop and kind = :kind")
    return int(tx.execute(query, {"shop": shop_id, "kind": kind}).scalar_one())


@dataclass(frozen=True, slots=True)
class Gap:
    """Ids that Shopify has and we don't, and the other way round."""

    missing: tuple[str, ...]
    extra: tuple[str, ...]


def gap(
    tx: Connection, shop_id: int, kind: str, there: Mapping[str, datetime | None], *, until: datetime,
    since: datetime | None,
) -> Gap:  # fmt: skip
    """Compare Shopify's ids (with the time of their last change) with ours.

    What waits to be looked at is no gap, nor what changed after `until`: word of it may be on its way. Without a row
    in Shopify's list are only those items that happened since `since`, if older ones can't be seen.
    """
    lost = text(
        f"""
        select t.id from unnest(cast(:ids as text[]), cast(:times as timestamptz[])) as t (id, at)
        where (t.at is null or t.at < :until)
            and not exists (select 1 from commerce_items i where i.shop_id = :shop and i.kind = :kind and i.id = t.id)
            and not exists (select 1 from ({_KEYS}) k where k.kind = :kind and k.id = t.id)
        order by t.id
        """
    )
    left = text(
        f"""
        select i.id from commerce_items i where i.shop_id = :shop and i.kind = :kind and i.seen_at < :until
            and (cast(:since as timestamptz) is null or i.occurred_at >= :since)
            and not exists (select 1 from unnest(cast(:ids as text[])) as t (id) where t.id = i.id)
            and not exists (select 1 from ({_KEYS}) k where k.kind = :kind and k.id = i.id)
        order by i.id
        """
    )
    values = {"shop": shop_id, "kind": kind, "ids": list(there), "times": list(there.values())}
    values |= {"until": until, "since": since}
    missing = tuple(tx.execute(lost, values).scalars())
    return Gap(missing, tuple(tx.execute(left, values).scalars()))


def by_reason(tx: Connection, shop_id: int, kind: str, reason: str, *, limit: int) -> list[str]:
    """The objects of a kind that were skipped for a reason, and don't wait to be looked at already."""
    query = text(
        """
        select i.id from commerce_items i
        where i.shop_id = :shop and i.kind = :kind and i.state = 'skipped' and i.reason = :reason
            and not exists (select 1 from changes c
                where c.shop_id = :shop and c.kind = 'commerce' and c.key = i.kind || ':' || i.id)
        order by i.id limit :limit
        """
    )
    return list(tx.execute(query, {"shop": shop_id, "kind": kind, "reason": reason, "limit": limit}).scalars())
