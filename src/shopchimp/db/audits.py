"""Audits: one complete comparison each, its place under the lease of the shop's chore `audit`, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Connection, text

from shopchimp.db.session import dumps

CHORE = "audit"
WITH_ROWS = 5  # audits whose differences are kept; of the others only the counts


class LeaseLost(Exception):
    """Somebody else works on this shop's audit now: write nothing more."""


@dataclass(slots=True)
class Audit:
    """An audit as stored; a worker carries it along and saves what it reached."""

    id: UUID
    shop_id: int
    state: str
    started_at: datetime
    finished_at: datetime | None
    counts: dict[str, Any]
    cursor: dict[str, Any]

    @property
    def audience_id(self) -> str:
        """The audience that is read."""
        return str(self.cursor["audience"])

    @property
    def whole(self) -> bool:
        """Everything is compared, so everything is read."""
        return True

    def keep(self, connection: psycopg.Connection[Any], token: UUID) -> None:
        """Store state, counts and place in this transaction, under the chore's lease."""
        with connection.cursor() as cursor:
            cursor.execute(
                "update chores set attempts = 0 where shop_id = %s and name = %s and token = %s",
                (self.shop_id, CHORE, token),
            )
            if cursor.rowcount != 1:
                raise LeaseLost
            cursor.execute(
                "update audits set state = %s, counts = %s, cursor = %s, finished_at = %s where id = %s",
                (self.state, dumps(self.counts), dumps(self.cursor), self.finished_at, self.id),
            )


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A difference that an audit found. `kind`: explained or unexplained."""

    n: int
    key: str
    kind: str
    cause: str
    customer_state: str
    contact_status: str
    repaired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """A change that waits, or that stopped for the merchant."""

    state: str
    cause: str | None


_COLUMNS = ", ".join(field.name for field in fields(Audit))
_ROW = ", ".join(field.name for field in fields(AuditRow))


def start(tx: Connection, shop_id: int, audit_id: UUID, *, audience_id: str) -> None:
    """Store a new audit, about to read both sides."""
    query = text(
        "insert into audits (id, shop_id, state, cursor) values (:id, :shop, 'reading', cast(:cursor as jsonb))"
    )
    tx.execute(query, {"id": audit_id, "shop": shop_id, "cursor": dumps({"audience": audience_id})})


def unfinished(tx: Connection, shop_id: int) -> Audit | None:
    """The shop's audit that is under way."""
    query = text(
        f"select {_COLUMNS} from audits where shop_id = :shop and finished_at is null order by started_at limit 1"
    )
    row = tx.execute(query, {"shop": shop_id}).one_or_none()
    return Audit(**row._mapping) if row is not None else None


def latest(tx: Connection, shop_id: int, *, limit: int = 1) -> list[Audit]:
    """The shop's audits, newest first."""
    query = text(f"select {_COLUMNS} from audits where shop_id = :shop order by started_at desc limit :limit")
    return [Audit(**row._mapping) for row in tx.execute(query, {"shop": shop_id, "limit": limit})]


def rows(
    tx: Connection,
    shop_id: int,
    audit_id: UUID,
    *,
    kind: str = "",
    cause: str = "",
    left: bool = False,
    after: int = 0,
    limit: int = 50,
) -> list[AuditRow]:
    """A page of what this shop's audit found, from just after row `after`. `left`: only what isn't repaired."""
    wanted = "".join(
        (
            " and kind = :kind" if kind else "",
            " and cause = :cause" if cause else "",
            " and repaired_at is null" if left else "",
        )
    )
    query = text(
        f"""
        select {_ROW} from audit_rows where audit_id = :id and n > :after {wanted}
            and exists (select 1 from audits where id = :id and shop_id = :shop)
        order by n limit :limit
        """
    )
    values = {"shop": shop_id, "id": audit_id, "kind": kind, "cause": cause, "after": after, "limit": limit}
    return [AuditRow(**row._mapping) for row in tx.execute(query, values)]


def add_rows(tx: Connection, audit_id: UUID, found: Sequence[AuditRow]) -> None:
    """Store what a block of the comparison found."""
    if not found:
        return
    query = text(
        """
        insert into audit_rows (audit_id, n, key, kind, cause, customer_state, contact_status)
        select :id, * from unnest(cast(:n as bigint[]), cast(:key as text[]), cast(:kind as text[]),
            cast(:cause as text[]), cast(:customer_state as text[]), cast(:contact_status as text[]))
        """
    )
    names = ("n", "key", "kind", "cause", "customer_state", "contact_status")
    tx.execute(query, {"id": audit_id, **{name: [getattr(row, name) for row in found] for name in names}})


def repaired(tx: Connection, audit_id: UUID, numbers: Sequence[int]) -> None:
    """These differences are gone."""
    query = text("update audit_rows set repaired_at = now() where audit_id = :id and n = any(:numbers)")
    tx.execute(query, {"id": audit_id, "numbers": list(numbers)})


def count_left(tx: Connection, audit_id: UUID) -> int:
    """How many unexplained differences are not known to be gone."""
    query = text(
        "select count(*) from audit_rows where audit_id = :id and kind = 'unexplained' and repaired_at is null"
    )
    return int(tx.execute(query, {"id": audit_id}).scalar_one())


def waiting(tx: Connection, shop_id: int, audit_id: UUID) -> int:
    """How many of its unexplained differences live sync hasn't looked at yet."""
    query = text(
        """
        select count(*) from audit_rows r
        join changes c on c.shop_id = :shop and c.kind = 'person' and c.key = r.key and c.state = 'waiting'
        where r.audit_id = :id and r.kind = 'unexplained' and r.repaired_at is null
        """
    )
    return int(tx.execute(query, {"shop": shop_id, "id": audit_id}).scalar_one())


def marked(tx: Connection, shop_id: int, keys: Sequence[str]) -> dict[str, Marked]:
    """Which of these people have a change, and how it stands."""
    query = text("select key, state, cause from changes where shop_id = :shop and kind = 'person' and key = any(:keys)")
    found = tx.execute(query, {"shop": shop_id, "keys": list(keys)})
    return {row.key: Marked(row.state, row.cause) for row in found}


def keys_between(tx: Connection, shop_id: int, after: str, until: str | None) -> list[str]:
    """The people we keep with keys after one and up to another, or to the end, in order."""
    end = "and key <= :until" if until is not None else ""
    query = text(f"select key from people where shop_id = :shop and key > :after {end} order by key")
    return list(tx.execute(query, {"shop": shop_id, "after": after, "until": until}).scalars())


def customers_read(tx: Connection, audit_id: UUID, customer_ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """These customers as the audit read them: the columns of `run_tables.customers_by_key`."""
    query = text(
        """
        select customer_id, key, email, state, opt_in_level, consent_at, fields::text from run_customers
        where run_id = :id and customer_id = any(:ids)
        """
    )
    return [tuple(row) for row in tx.execute(query, {"id": audit_id, "ids": list(customer_ids)})]


def contacts_read(tx: Connection, audit_id: UUID, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """These contacts as the audit has read them: the columns of `run_tables.contacts_by_key`."""
    query = text(
        """
        select key, email, contact_id, status, opted_in_at, changed_at, merge_fields::text from run_contacts
        where run_id = :id and key = any(:keys)
        """
    )
    return [tuple(row) for row in tx.execute(query, {"id": audit_id, "keys": list(keys)})]


def forget_renamed(tx: Connection, audit_id: UUID) -> None:
    """A contact that was read again under another address isn't at the old one any more."""
    query = text(
        """
        with twice as (  -- grouped first: nothing is known of a table that was filled a moment ago, and a join of it
            select contact_id, max(changed_at) as newest from run_contacts  -- with itself may take the square of it
            where run_id = :id and contact_id <> '' group by contact_id having count(*) > 1
        )
        delete from run_contacts old using twice
        where old.run_id = :id and old.contact_id = twice.contact_id and old.changed_at < twice.newest
        """
    )
    tx.execute(query, {"id": audit_id})


def forget_agreed(tx: Connection, shop_id: int, keys: Sequence[str]) -> None:
    """These contacts are gone, so what was agreed on with them is void: live sync asks for each instead of trusting
    that whoever is not among the changed contacts is as remembered."""
    query = text("update people set fields = null where shop_id = :shop and key = any(:keys)")
    tx.execute(query, {"shop": shop_id, "keys": list(keys)})


def newest_contact(tx: Connection, audit_id: UUID) -> datetime | None:
    """The latest change of a contact that the audit read, by Mailchimp's clock."""
    query = text("select max(changed_at) from run_contacts where run_id = :id")
    found: datetime | None = tx.execute(query, {"id": audit_id}).scalar_one()
    return found


def totals_read(tx: Connection, audit_id: UUID) -> dict[str, int]:
    """How many customers and contacts were read."""
    query = text(
        """
        select (select count(*) from run_customers where run_id = :id) as customers_read,
            (select count(*) from run_contacts where run_id = :id) as contacts_read
        """
    )
    return dict(tx.execute(query, {"id": audit_id}).one()._mapping)


def forget_readings(tx: Connection, shop_id: int) -> None:
    """Delete what the shop's audits read, and the differences of all but the last few of them."""
    ids = "select id from audits where shop_id = :shop"
    for table in ("run_customers", "run_contacts"):
        tx.execute(text(f"delete from {table} where run_id in ({ids})"), {"shop": shop_id})
    old = f"{ids} order by started_at desc offset {WITH_ROWS}"
    tx.execute(text(f"delete from audit_rows where audit_id in ({old})"), {"shop": shop_id})


def stop_all(tx: Connection, shop_id: int) -> None:
    """End what is under way, in the transaction that disconnects the shop or changes its audience."""
    query = text(
        "update audits set state = 'stopped', finished_at = now() where shop_id = :shop and finished_at is null"
    )
    tx.execute(query, {"shop": shop_id})
    forget_readings(tx, shop_id)
