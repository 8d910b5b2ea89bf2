"""The plan of a run, read: rows for the preview by kind and rule, and the whole of it as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID, uuid4

from psycopg import sql
from psycopg.rows import class_row
from sqlalchemy import Connection, text

from shopchimp.db.session import Database


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One person of a preview: what both sides say, and what would be written where by which rule."""

    n: int
    email: str | None
    name: str
    customer_id: int | None
    customer_state: str
    customer_at: datetime | None
    contact_status: str
    contact_opted_at: datetime | None
    contact_changed_at: datetime | None
    kind: str
    rule: str
    skip: str | None
    conflict: bool
    contact_action: str | None
    to_contact: str | None
    to_customer: str | None
    to_customer_at: datetime | None


_NAMES = tuple(field.name for field in fields(PlanLine))
_COLUMNS = ", ".join(f"p.{name}" for name in _NAMES)
_OF_SHOP = "from plan p join sync_runs r on r.id = p.run_id where r.shop_id = :shop and r.id = :run"


def page(
    tx: Connection,
    shop_id: int,
    run_id: UUID,
    *,
    kind: str = "",
    rule: str = "",
    conflicts: bool = False,
    after: int = -1,
    limit: int = 50,
) -> list[PlanLine]:
    """The rows after number `after`, in the plan's order, of one kind and rule where given."""
    wanted = ["p.n > :after"]
    values: dict[str, object] = {"shop": shop_id, "run": run_id, "after": after, "limit": limit}
    if kind:
        wanted.append("p.kind = :kind")
        values["kind"] = kind
    if rule:
        wanted.append("p.rule = :rule")
        values["rule"] = rule
    if conflicts:
        wanted.append("p.conflict")
    query = f"select {_COLUMNS} {_OF_SHOP} and {' and '.join(wanted)} order by p.n limit :limit"
    return [PlanLine(**row._mapping) for row in tx.execute(text(query), values)]


def stream(database: Database, shop_id: int, run_id: UUID) -> Iterator[PlanLine]:
    """Every row of the plan in order, through a server-side cursor: a million people fit in flat memory."""
    columns = sql.SQL(", ").join(sql.Identifier("p", name) for name in _NAMES)
    query = sql.SQL(
        "select {} from plan p join sync_runs r on r.id = p.run_id where r.shop_id = %s and r.id = %s order by p.n"
    ).format(columns)
    with (
        database.raw() as connection,
        connection.cursor(name=f"preview_{uuid4().hex}", row_factory=class_row(PlanLine)) as cursor,
    ):
        cursor.itersize = 2000
        cursor.execute(query, (shop_id, run_id))
        yield from cursor
