"""The facts behind the heartbeat of one direction, in one statement; each is found by an index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

RECENT = 5_000  # lines of the log in which the last write of a direction is looked for


@dataclass(frozen=True, slots=True)
class Beats:
    """What is known of one direction. `poll_marked_at` is when a poll last found somebody no webhook told us of."""

    last_delivery_at: datetime | None
    last_poll_at: datetime | None
    poll_trouble: str | None
    poll_marked_at: datetime | None
    last_write_at: datetime | None
    hooks_checked_at: datetime | None
    hooks: int
    lane_trouble: str | None


def of(tx: Connection, shop_id: int, *, direction: str, source: str, poll: str) -> Beats:
    """What is known of the direction whose changes come from `source`, and are polled by the chore `poll`."""
    query = text(
        """
        select
            (select received_at from deliveries where shop_id = :shop and source = :source
                order by received_at desc limit 1) as last_delivery_at,
            c.last_ok_at as last_poll_at,
            c.trouble->>'code' as poll_trouble,
            cast(c.cursor->>'marked_at' as timestamptz) as poll_marked_at,
            (select at from (select at, direction, result from activities where shop_id = :shop
                order by id desc limit :recent) lines
                where direction = :direction and result = 'synced' limit 1) as last_write_at,
            h.checked_at as hooks_checked_at,
            coalesce(h.n, 0) as hooks,
            (select trouble from lanes where shop_id = :shop and lane = 'contacts' and open_until > now())
                as lane_trouble
        from (select 1) one
        left join chores c on c.shop_id = :shop and c.name = :poll
        left join (select min(checked_at) as checked_at, count(*) as n from hooks
            where shop_id = :shop and source = :source and retired_at is null) h on true
        """
    )
    values = {"shop": shop_id, "direction": direction, "source": source, "poll": poll, "recent": RECENT}
    return Beats(**tx.execute(query, values).one()._mapping)
