"""Chores: what is done regularly for a shop (polls, checks, audits, backfills), one row each, worked on under a lease.

As with runs, `due_at` is the lease too: whoever dies leaves a chore that falls due again by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, text


@dataclass(slots=True)
class Chore:
    """A claimed chore. Who does it may change `cursor`: it is stored with the end, or by `save` on the way."""

    shop_id: int
    name: str
    token: UUID
    attempts: int
    cursor: dict[str, Any]
    last_ok_at: datetime | None


def ensure(
    tx: Connection, shop_id: int, name: str, due_in: float = 0.0, *, cursor: Mapping[str, Any] | None = None
) -> None:
    """The shop has this chore from now on, first due in so many seconds. One it has already is left as it is."""
    query = text(
        """
        insert into chores (shop_id, name, due_at, cursor)
        values (:shop, :name, now() + make_interval(secs => :due_in), cast(:cursor as jsonb)) on conflict do nothing
        """
    )
    words = orjson.dumps(dict(cursor or {})).decode()
    tx.execute(query, {"shop": shop_id, "name": name, "due_in": due_in, "cursor": words})


def hurry(tx: Connection, shop_id: int, name: str) -> bool:
    """Let it be due now (the merchant asked for it), and say whether there is such a chore.

    One that is being done right now is left alone.
    """
    query = text(
        """
        update chores set due_at = case when token is null then now() else due_at end
        where shop_id = :shop and name = :name
        """
    )
    return tx.execute(query, {"shop": shop_id, "name": name}).rowcount > 0


def again(tx: Connection, shop_id: int, name: str) -> bool:
    """Let it be done anew from now on, for what it does has changed: whoever is at it has lost the lease.

    Gives back whether there is such a chore.
    """
    query = text("update chores set token = null, due_at = now() where shop_id = :shop and name = :name")
    return tx.execute(query, {"shop": shop_id, "name": name}).rowcount > 0


def claim(tx: Connection, *, names: Iterable[str], token: UUID, lease: float) -> Chore | None:
    """Take the chore of these names that has been due longest, of a shop that may be worked for."""
    query = text(
        f"""
        with next as (
            select h.shop_id, h.name from chores h
            join connections c on c.shop_id = h.shop_id join shops s on s.id = h.shop_id
            where h.due_at <= now() and h.name = any(:names) and c.state = 'connected'
                and (c.live_since is not null or h.name in ('hooks', 'store_quiet'))
                and s.uninstalled_at is null and s.access_token is not null
            order by h.due_at limit 1 for update of h skip locked
        )
        update chores h set token = :token, due_at = now() + make_interval(secs => :lease), attempts = attempts + 1
        from next where h.shop_id = next.shop_id and h.name = next.name
        returning {", ".join(f"h.{field.name}" for field in fields(Chore))}
        """
    )
    row = tx.execute(query, {"names": list(names), "token": token, "lease": lease}).one_or_none()
    return Chore(**row._mapping) if row is not None else None


def renew(tx: Connection, chore: Chore, *, lease: float) -> bool:
    """Keep the lease for another `lease` seconds; whether it was still ours."""
    query = text(
        """
        update chores set due_at = now() + make_interval(secs => :lease)
        where shop_id = :shop and name = :name and token = :token
        """
    )
    return tx.execute(query, {**_identity(chore), "lease": lease}).rowcount == 1


def save(tx: Connection, chore: Chore) -> bool:
    """Store the place reached, in the transaction of what was done up to there; False when the lease was lost."""
    query = text(
        """
        update chores set cursor = cast(:cursor as jsonb), attempts = 0
        where shop_id = :shop and name = :name and token = :token
        """
    )
    cursor = orjson.dumps(chore.cursor).decode()
    return tx.execute(query, {**_identity(chore), "cursor": cursor}).rowcount == 1


def done(tx: Connection, chore: Chore, next_in: float) -> bool:
    """It went well: due again in `next_in` seconds, from its cursor. False when the lease was lost."""
    query = text(
        """
        update chores set token = null, attempts = 0, trouble = null, last_ok_at = now(),
            cursor = cast(:cursor as jsonb), due_at = now() + make_interval(secs => :next_in)
        where shop_id = :shop and name = :name and token = :token
        """
    )
    values = {**_identity(chore), "next_in": next_in, "cursor": orjson.dumps(chore.cursor).decode()}
    return tx.execute(query, values).rowcount == 1


def failed(tx: Connection, chore: Chore, wait: float, trouble: Mapping[str, Any], *, count: bool) -> None:
    """It did not go: again in `wait` seconds from the place that was stored. Not `count`: this was no attempt."""
    query = text(
        """
        update chores set token = null, trouble = cast(:trouble as jsonb),
            attempts = case when :count then attempts else greatest(attempts - 1, 0) end,
            due_at = now() + make_interval(secs => :wait)
        where shop_id = :shop and name = :name and token = :token
        """
    )
    words = orjson.dumps(dict(trouble)).decode()
    tx.execute(query, {**_identity(chore), "wait": wait, "count": count, "trouble": words})


def _identity(chore: Chore) -> dict[str, Any]:
    return {"shop": chore.shop_id, "name": chore.name, "token": chore.token}


def forget_all(tx: Connection, shop_id: int) -> None:
    """Delete all chores of a shop: it was disconnected, or has another audience."""
    tx.execute(text("delete from chores where shop_id = :shop"), {"shop": shop_id})
