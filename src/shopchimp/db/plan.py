"""The plan while it is made and worked off: its chunks, its totals, and the rows of one chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, text

from shopchimp.db.models import PlanRow
from shopchimp.domain.planning import Planned

_TABLE = PlanRow.__table__


@dataclass(frozen=True, slots=True)
class Conflict:
    """A person of decision D1, in the shape of the run's own readings."""

    n: int
    customer: tuple[Any, ...]
    contact: tuple[Any, ...]
    body: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Redecided:
    """What is written for a person of decision D1 after the merchant's answer."""

    n: int
    planned: Planned
    body: dict[str, Any] | None
    action: str | None
    contact_chunk: int | None
    customer_chunk: int | None


@dataclass(frozen=True, slots=True)
class ContactWrite:
    """One contact of a chunk: what it was, what it is to be; `body` is the member as JSON, ready to send.

    `opt_in_sent` is the `timestamp_opt` in it.
    """

    n: int
    key: str
    customer_id: int
    customer_state: str
    customer_at: datetime | None
    contact_status: str
    contact_opted_at: datetime | None
    to_contact: str | None
    opt_in_sent: str | None
    body: str


@dataclass(frozen=True, slots=True)
class ConsentWrite:
    """One customer of a chunk. `to_customer_at` None means: the time of the merchant's decision."""

    n: int
    key: str
    contact_status: str
    contact_opted_at: datetime | None
    customer_id: int
    customer_state: str
    customer_at: datetime | None
    to_customer: str
    to_customer_at: datetime | None
    to_customer_level: str


def leave_to_live(tx: Connection, run_id: UUID, shop_id: int) -> None:
    """In a shop that has live sync: don't opt anybody in whose opt-in the merchant dropped, or is still asked about."""
    query = text(
        """
        with left_alone as (
            select key, coalesce(cause, 'many_changes') as why from changes where shop_id = :shop and state = 'held'
            union all
            select key, 'dropped' from people where shop_id = :shop and dropped is not null
        )
        update plan p set kind = 'skip', skip = l.why, conflict = false, contact_action = null, to_contact = null,
            contact_body = null, contact_chunk = null, to_customer = null, to_customer_at = null,
            to_customer_level = null, customer_chunk = null
        from left_alone l
        where p.run_id = :run and p.key = l.key
            and (p.to_contact in ('subscribed', 'pending') or p.to_customer = 'SUBSCRIBED')
        """
    )
    tx.execute(query, {"run": run_id, "shop": shop_id})


def make_chunks(tx: Connection, run_id: UUID) -> None:
    """List the run's chunks anew from its plan. Only before anything was written."""
    values = {"run": run_id}
    # a plan just copied in has no statistics, and joins over it would be guesses
    tx.execute(text("analyze plan (run_id, n, key, contact_chunk, customer_chunk)"))
    tx.execute(text("delete from run_chunks where run_id = :run"), values)
    for side in ("contact", "customer"):
        action = "min(contact_action)" if side == "contact" else "'consent'"
        tx.execute(
            text(
                f"""
                insert into run_chunks (run_id, side, chunk, action, size)
                select run_id, '{side}', {side}_chunk, {action}, count(*) from plan
                where run_id = :run and {side}_chunk is not null group by run_id, {side}_chunk
                """
            ),
            values,
        )


def totals(tx: Connection, run_id: UUID) -> dict[str, Any]:
    """The numbers of the preview: people, per kind, per rule and direction, per reason left alone."""
    query = text(
        """
        select kind, rule, skip, to_contact, to_customer, customer_id is not null as customer,
            contact_id is not null as contact, count(*) as n, count(*) filter (where conflict) as conflicts,
            count(contact_chunk) as contact_writes, count(customer_chunk) as consent_writes
        from plan where run_id = :run group by 1, 2, 3, 4, 5, 6, 7
        """
    )
    by_kind: dict[str, int] = {}
    by_rule: dict[tuple[str, str, str | None], dict[str, Any]] = {}
    skip: dict[str, int] = {}
    sums = dict.fromkeys(
        ("people", "contacts_read", "contacts_without_customer", "conflicts", "contact_writes", "consent_writes"), 0
    )
    for row in tx.execute(query, {"run": run_id}):
        if not row.customer:
            sums["contacts_without_customer"] += row.n
        else:
            sums["people"] += row.n
            by_kind[row.kind] = by_kind.get(row.kind, 0) + row.n
            if row.skip:
                skip[row.skip] = skip.get(row.skip, 0) + row.n
        sums["contacts_read"] += row.n if row.contact else 0
        for name in ("conflicts", "contact_writes", "consent_writes"):
            sums[name] += getattr(row, name)
        write = row.to_contact or row.to_customer
        direction = "to_mailchimp" if row.to_contact else "to_shopify" if row.to_customer else "none"
        if row.rule:  # none for people who are skipped before consent is looked at
            entry = {"rule": row.rule, "n": 0, "direction": direction, "write": write}
            by_rule.setdefault((row.rule, direction, write), entry)["n"] += row.n
    return {**sums, "by_kind": by_kind, "by_rule": list(by_rule.values()), "skip": skip}


def last_chunk(tx: Connection, run_id: UUID, side: str) -> int:
    """The highest chunk number given out on a side."""
    query = text("select coalesce(max(chunk), 0) from run_chunks where run_id = :run and side = :side")
    return int(tx.execute(query, {"run": run_id, "side": side}).scalar_one())


def customers_read(tx: Connection, run_id: UUID) -> int:
    """How many customers the run has read and not yet forgotten."""
    query = text("select count(*) from run_customers where run_id = :run")
    return int(tx.execute(query, {"run": run_id}).scalar_one())


def conflicts(tx: Connection, run_id: UUID, *, after: int, limit: int) -> list[Conflict]:
    """The people of decision D1, in the order of the plan, from just after row `after`."""
    query = text(
        """
        select n, key, email, customer_id, contact_id, customer_state, customer_at, contact_status, contact_opted_at,
            contact_changed_at, contact_body
        from plan where run_id = :run and conflict and n > :after order by n limit :limit
        """
    )
    return [
        Conflict(
            row.n,
            (row.customer_id, row.key, row.email, row.customer_state, None, row.customer_at, b"{}"),
            (
                row.key,
                row.email,
                row.contact_id,
                row.contact_status,
                row.contact_opted_at,
                row.contact_changed_at,
                b"{}",
            ),
            row.contact_body,
        )
        for row in tx.execute(query, {"run": run_id, "after": after, "limit": limit})
    ]


def decide_again(tx: Connection, run_id: UUID, rows: Sequence[Redecided]) -> None:
    """Replace what would be written for these people."""
    statement = (
        _TABLE.update()  # type: ignore[attr-defined]  # a Table, typed as FromClause
        .where(_TABLE.c.run_id == run_id, _TABLE.c.n == bindparam("row_n"))
        .values({name: bindparam(f"new_{name}") for name in _REDECIDED})
    )
    tx.execute(statement, [_redecided(row) for row in rows])


_REDECIDED = (
    "kind",
    "rule",
    "contact_action",
    "to_contact",
    "contact_body",
    "contact_chunk",
    "to_customer",
    "to_customer_at",
    "to_customer_level",
    "customer_chunk",
)


def _redecided(row: Redecided) -> dict[str, Any]:
    planned = row.planned
    values = (
        planned.kind.value,
        planned.rule,
        row.action,
        planned.to_contact,
        row.body,
        row.contact_chunk,
        planned.to_customer,
        planned.to_customer_at,
        planned.to_customer_level,
        row.customer_chunk,
    )
    return {"row_n": row.n, **{f"new_{name}": value for name, value in zip(_REDECIDED, values, strict=True)}}


def with_consent(tx: Connection, run_id: UUID, keys: list[str]) -> set[str]:
    """Which of these keys are of people whose existing consent, on either side, the plan would write."""
    query = text(
        """
        select key from plan
        where run_id = :run and key = any(:keys) and (to_customer is not null or contact_action = 'consent')
        """
    )
    return set(tx.execute(query, {"run": run_id, "keys": keys}).scalars())


def pending_chunks(tx: Connection, run_id: UUID, side: str) -> list[tuple[int, str, int]]:
    """What is still to be written on a side: chunk number, action, size. Consent first."""
    query = text(
        """
        select chunk, action, size from run_chunks
        where run_id = :run and side = :side and finished_at is null order by action <> 'consent', chunk
        """
    )
    return [(row.chunk, row.action, row.size) for row in tx.execute(query, {"run": run_id, "side": side})]


def intend(tx: Connection, run_id: UUID, side: str, chunk: int) -> tuple[int, datetime]:
    """Note that a chunk is about to be written; gives back the how-manieth try this is, and when the first was."""
    query = text(
        """
        update run_chunks set attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, now())
        where run_id = :run and side = :side and chunk = :chunk returning attempts, first_tried_at
        """
    )
    row = tx.execute(query, {"run": run_id, "side": side, "chunk": chunk}).one()
    return int(row.attempts), row.first_tried_at


def contact_writes(tx: Connection, run_id: UUID, chunk: int) -> list[ContactWrite]:
    """The contacts of a chunk, in the order of the plan."""
    query = text(
        """
        select n, key, customer_id, customer_state, customer_at, contact_status, contact_opted_at, to_contact,
            contact_body->>'timestamp_opt', contact_body::text from plan
        where run_id = :run and contact_chunk = :chunk order by n
        """
    )
    rows = tx.execute(query, {"run": run_id, "chunk": chunk})
    return [ContactWrite(*row) for row in rows]


def consent_writes(tx: Connection, run_id: UUID, chunk: int) -> list[ConsentWrite]:
    """The customers of a chunk, in the order of the plan."""
    query = text(
        """
        select n, key, contact_status, contact_opted_at, customer_id, customer_state, customer_at, to_customer,
            to_customer_at, to_customer_level from plan
        where run_id = :run and customer_chunk = :chunk order by n
        """
    )
    return [ConsentWrite(*row) for row in tx.execute(query, {"run": run_id, "chunk": chunk})]
