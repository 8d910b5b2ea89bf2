"""What the page of live sync reads beside the heartbeats: its regular jobs, and queues that are closed for now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class ChoreState:
    """A regular job as it stands. `running`: it is being done right now."""

    due_at: datetime
    running: bool
    last_ok_at: datetime | None
    trouble: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class LaneState:
    """A queue whose work waits: throttled or failing."""

    open_until: datetime | None
    trouble: str | None


def chore(tx: Connection, shop_id: int, name: str) -> ChoreState | None:
    """A job of the shop by its name."""
    query = text(
        """
        select due_at, token is not null and due_at > now() as running, last_ok_at, trouble
        from chores where shop_id = :shop and name = :name
        """
    )
    row = tx.execute(query, {"shop": shop_id, "name": name}).one_or_none()
    return ChoreState(**row._mapping) if row is not None else None


def cursor(tx: Connection, shop_id: int, name: str) -> dict[str, Any]:
    """What a job of the shop has found so far; nothing where there is no such job."""
    query = text("select cursor from chores where shop_id = :shop and name = :name")
    return dict(tx.execute(query, {"shop": shop_id, "name": name}).scalar_one_or_none() or {})


def closed_lane(tx: Connection, shop_id: int) -> LaneState | None:
    """A live queue that is closed for now or whose last work failed; that of the contacts goes first."""
    query = text(
        """
        select open_until, trouble from lanes where shop_id = :shop and lane in ('contacts', 'commerce')
            and (open_until > now() or (trouble is not null and failures > 0))
        order by lane desc limit 1
        """
    )
    row = tx.execute(query, {"shop": shop_id}).one_or_none()
    return LaneState(**row._mapping) if row is not None else None
