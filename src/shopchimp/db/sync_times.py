"""Times to sync, counted: a histogram an hour, so that a year of changes costs no more than a day of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, text

Slot = tuple[str, str, int]
"""Direction, kind and bucket."""


def add(tx: Connection, shop_id: int, counts: Mapping[Slot, int]) -> None:
    """Add to this hour's counts, in one statement. In order, so that two workers never wait for each other."""
    if not counts:
        return
    query = text(
        """
        insert into sync_times as old (shop_id, hour, direction, kind, bucket, n)
        select :shop, date_trunc('hour', now()), direction, kind, bucket, n
        from unnest(cast(:directions as text[]), cast(:kinds as text[]), cast(:buckets as bigint[]),
            cast(:counts as bigint[])) as new (direction, kind, bucket, n)
        on conflict (shop_id, hour, direction, kind, bucket) do update set n = old.n + excluded.n
        """
    )
    slots = sorted(counts)
    values = {
        "directions": [slot[0] for slot in slots],
        "kinds": [slot[1] for slot in slots],
        "buckets": [slot[2] for slot in slots],
        "counts": [counts[slot] for slot in slots],
    }
    tx.execute(query, {"shop": shop_id, **values})


def since(tx: Connection, shop_id: int, moment: datetime) -> dict[tuple[str, str], dict[int, int]]:
    """The counts of every hour that ended after this moment, by direction and kind."""
    query = text(
        """
        select direction, kind, bucket, sum(n)::bigint as n from sync_times
        where shop_id = :shop and hour > :moment - interval '1 hour' group by 1, 2, 3
        """
    )
    found: dict[tuple[str, str], dict[int, int]] = {}
    for row in tx.execute(query, {"shop": shop_id, "moment": moment}):
        found.setdefault((row.direction, row.kind), {})[int(row.bucket)] = int(row.n)
    return found
