"""Visitors: whose browser it was last, and when they were last told of what (so that views are put together)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from shopchimp.db.session import dumps


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser. `customer_id` or `key` (an address) is whom it was last found to belong to; both None: nobody yet.

    `sent`: what a call was about (a subject, spelt as a text) -> the time of the last event that was sent of it.
    """

    visitor: str
    customer_id: int | None = None
    key: str | None = None
    linked_at: datetime | None = None
    sent: dict[str, Any] = field(default_factory=dict)


_COLUMNS = ", ".join(each.name for each in fields(Visitor))


def get(tx: Connection, shop_id: int, visitors: Sequence[str]) -> dict[str, Visitor]:
    """What is known of these."""
    query = text(f"select {_COLUMNS} from visitors where shop_id = :shop and visitor = any(:visitors)")
    rows = tx.execute(query, {"shop": shop_id, "visitors": list(visitors)})
    return {row.visitor: Visitor(**row._mapping) for row in rows}


def save(tx: Connection, shop_id: int, seen: Sequence[Visitor]) -> None:
    """Remember these as they are now, seen just now. Whoever holds a visitor's change is the only one to write it."""
    rows = sorted({each.visitor: each for each in seen}.values(), key=lambda each: each.visitor)
    if not rows:
        return
    query = text(
        """
        insert into visitors (shop_id, visitor, customer_id, key, linked_at, sent, seen_at)
        select :shop, v.*, now() from unnest(
            cast(:visitors as text[]), cast(:customers as bigint[]), cast(:keys as text[]),
            cast(:linked as timestamptz[]), cast(:sent as jsonb[])) as v (visitor, customer_id, key, linked_at, sent)
        on conflict (shop_id, visitor) do update set customer_id = excluded.customer_id, key = excluded.key,
            linked_at = excluded.linked_at, sent = excluded.sent, seen_at = excluded.seen_at
        """
    )
    values: Mapping[str, Any] = {
        "visitors": [row.visitor for row in rows],
        "customers": [row.customer_id for row in rows],
        "keys": [row.key for row in rows],
        "linked": [row.linked_at for row in rows],
        "sent": [dumps(row.sent) for row in rows],
    }
    tx.execute(query, {"shop": shop_id, **values})


def forget_all(tx: Connection, shop_id: int) -> None:
    """Whose browsers they are is nobody's business any more."""
    tx.execute(text("delete from visitors where shop_id = :shop"), {"shop": shop_id})
