"""What a look at people needs of the database: what is remembered, what is about to be written, what came of it.

Everything is set-based: one statement for all people of a slice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from shopchimp.db.session import dumps
from shopchimp.domain import identity

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Remembered:
    """A person's row as a look needs it."""

    id: int
    key: str
    customer_id: int | None
    contact_id: str | None
    customer_state: str
    contact_status: str
    contact_opted_at: datetime | None
    contact_changed_at: datetime | None
    customer_at: datetime | None
    reason: str | None
    seen_at: datetime
    deleted: bool
    refused_at: datetime | None
    opted_out_at: datetime | None
    our_opt_out_at: datetime | None
    came_back_at: datetime | None
    dropped: Any
    intent: Any
    fields: Any
    tags: Any
    sms: Any


_COLUMNS = ", ".join(Remembered.__slots__)


def load(tx: Connection, shop_id: int, keys: Sequence[str]) -> dict[str, Remembered]:
    """These people by key; who was never seen is missing."""
    query = text(f"select {_COLUMNS} from people where shop_id = :shop and key = any(:keys)")
    rows = tx.execute(query, {"shop": shop_id, "keys": list(keys)})
    return {row.key: Remembered(**row._mapping) for row in rows}


def owners(tx: Connection, shop_id: int, customer_ids: Iterable[int]) -> dict[int, str]:
    """The key under which each of these customers is kept; duplicates of an address are not kept by it."""
    query = text(
        """
        select customer_id, min(key) as key from people
        where shop_id = :shop and customer_id = any(:ids) and key not like 'customer:%' group by customer_id
        """
    )
    return {row.customer_id: row.key for row in tx.execute(query, {"shop": shop_id, "ids": list(customer_ids)})}


def intend(
    tx: Connection, shop_id: int, intents: Mapping[str, Row], came_back: Mapping[str, datetime] | None = None
) -> None:
    """Store what is about to be written, by key; somebody new gets a row that says nothing is known.

    `came_back`: opt-ins surely made in Mailchimp, seen by looks whose writes will hide whose they are. Facts that stay.
    """
    query = text(
        """
        insert into people as p (shop_id, key, email, name, customer_state, contact_status, rule, result, intent,
            came_back_at)
        select :shop, r.key, r.key, '', 'absent', 'absent', '', 'skipped', r.intent, r.came_back_at
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(key text, intent jsonb, came_back_at timestamptz)
        order by r.key
        on conflict (shop_id, key) do update set intent = excluded.intent,
            came_back_at = greatest(p.came_back_at, excluded.came_back_at)
        """
    )
    since = came_back or {}
    rows = [{"key": key, "intent": intent, "came_back_at": since.get(key)} for key, intent in intents.items()]
    tx.execute(query, {"shop": shop_id, "rows": dumps(rows)})


_STORED = (
    "email text, name text, customer_id bigint, contact_id text, customer_state text, customer_at timestamptz,"
    " contact_status text, contact_opted_at timestamptz, contact_changed_at timestamptz, rule text, result text,"
    " reason text, seen_at timestamptz, deleted boolean, refused_at timestamptz, opted_out_at timestamptz,"
    " our_opt_out_at timestamptz,"
    " dropped jsonb, fields jsonb, tags jsonb, sms jsonb"
)
_NAMES = [column.split()[0] for column in _STORED.split(", ")]
_KEPT = {
    "name": "coalesce(nullif(excluded.name, ''), p.name)",
    **{name: f"coalesce(excluded.{name}, p.{name})" for name in ("email", "customer_at", "contact_changed_at")},
    # facts: a row that was moved here while we looked may know of a later one
    **{name: f"greatest(p.{name}, excluded.{name})" for name in ("opted_out_at", "our_opt_out_at")},
}


def store(tx: Connection, shop_id: int, rows: Sequence[Row]) -> dict[str, int]:
    """Store how both sides are now and clear the intents. Gives back the people's ids by key."""
    changed = ", ".join(f"{name} = {_KEPT.get(name, f'excluded.{name}')}" for name in _NAMES)
    query = text(
        f"""
        insert into people as p (shop_id, key, {", ".join(_NAMES)}, intent, synced_at)
        select :shop, r.key, {", ".join(f"r.{name}" for name in _NAMES)}, null, now()
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(key text, {_STORED})
        order by r.key
        on conflict (shop_id, key) do update set {changed}, intent = null, synced_at = now()
        returning id, key
        """
    )
    return {row.key: row.id for row in tx.execute(query, {"shop": shop_id, "rows": dumps(list(rows))})}


def move(tx: Connection, shop_id: int, old: str, new: str) -> None:
    """A person's row gets the new address; what was kept under it meanwhile becomes part of this person.

    A told opt-out goes along and stays: consent belongs to the address (M6), and somebody else may get that one.
    """
    values = {"shop": shop_id, "old": old, "new": new}
    query = text(
        """
        select id, opted_out_at, our_opt_out_at, came_back_at from people where shop_id = :shop and key = :old
        for update
        """
    )
    there = tx.execute(query, values).one_or_none()
    if there is None:
        return
    found = text("delete from people where shop_id = :shop and key = :new returning id, opted_out_at")
    twin = tx.execute(found, values).one_or_none()
    if twin is not None:
        moved = {"id": there.id, "twin": twin.id}
        tx.execute(text("update activities set person_id = :id where person_id = :twin"), moved)
    query = text(
        """
        update people set key = :new, email = :new, intent = null,
            opted_out_at = greatest(opted_out_at, cast(:out as timestamptz))
        where shop_id = :shop and key = :old
        """
    )
    tx.execute(query, {**values, "out": twin.opted_out_at if twin is not None else None})
    if there.opted_out_at is not None:
        query = text(
            """
            insert into people (shop_id, key, email, name, customer_state, contact_status, rule, result,
                opted_out_at, our_opt_out_at, came_back_at)
            values (:shop, :old, :old, '', 'absent', 'absent', :rule, 'skipped', :opted_out_at, :our_opt_out_at,
                :came_back_at)
            """
        )
        tx.execute(query, {**values, **there._mapping, "rule": identity.RULE})


def forget_audience(tx: Connection, shop_id: int) -> None:
    """Another audience was chosen: what is remembered of the contacts of the one before is not true of its own.

    Who opted out stays known, of mails and of texts: that was the person's word.
    """
    query = text(
        """
        update people set intent = null, fields = null, tags = null, deleted = false, refused_at = null, dropped = null,
            came_back_at = null,
            sms = sms - array['contact', 'contact_phone', 'refused_at', 'refused_why', 'carried_out_at', 'held']
        where shop_id = :shop
        """
    )
    tx.execute(query, {"shop": shop_id})


def log(tx: Connection, shop_id: int, lines: Sequence[Row]) -> None:
    """Append lines to the activity log: person_id, kind, direction, result, rule, cause, detail."""
    if not lines:
        return
    query = text(
        """
        insert into activities (shop_id, person_id, kind, direction, result, rule, cause, detail)
        select :shop, r.person_id, r.kind, r.direction, r.result, r.rule, r.cause, r.detail
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(person_id bigint, kind text, direction text, result text,
            rule text, cause text, detail jsonb)
        """
    )
    tx.execute(query, {"shop": shop_id, "rows": dumps(list(lines))})
