"""How many customer events came to what, by day: every event that came in is in the counts, whatever became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date

from sqlalchemy import Connection, text

TO_MAILCHIMP, TO_SHOPIFY = "to_mailchimp", "to_shopify"
RECEIVED = "received"

Outcome = tuple[str, str]
"""The name of an event, and what became of it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """So many events of a name came to this on that day (of UTC)."""

    day: date
    direction: str
    name: str
    outcome: str
    n: int


def add(tx: Connection, shop_id: int, direction: str, counts: Mapping[Outcome, int]) -> None:
    """Add to today's counts. Do it last in a transaction, after the changes: so nobody waits in a circle."""
    some = sorted(what for what, n in counts.items() if n)
    if not some:
        return
    query = text(
        """
        insert into event_counts as old (shop_id, day, direction, name, outcome, n)
        select :shop, current_date, :direction, name, outcome, n
        from unnest(cast(:names as text[]), cast(:outcomes as text[]), cast(:numbers as bigint[]))
            as new (name, outcome, n)
        on conflict (shop_id, day, direction, name, outcome) do update set n = old.n + excluded.n
        """
    )
    values = {
        "names": [name for name, _ in some],
        "outcomes": [outcome for _, outcome in some],
        "numbers": [counts[what] for what in some],
    }
    tx.execute(query, {"shop": shop_id, "direction": direction, **values})


def of_last_days(tx: Connection, shop_id: int, days: int) -> list[Counted]:
    """The counts of so many days, today's with them, the newest first."""
    query = text(
        f"""
        select {", ".join(field.name for field in fields(Counted))} from event_counts
        where shop_id = :shop and day > current_date - cast(:days as integer)
        order by day desc, direction, name, outcome
        """
    )
    return [Counted(**row._mapping) for row in tx.execute(query, {"shop": shop_id, "days": days})]
