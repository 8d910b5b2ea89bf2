"""What a run read and planned, moved in and out of Postgres in bulk: COPY in, server-side cursors out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row
from sqlalchemy import Connection as Tx
from sqlalchemy import text

from shopchimp.db.session import Database

CONTACT_COLUMNS = ("run_id", "key", "email", "contact_id", "status", "opted_in_at", "changed_at", "merge_fields")
CUSTOMER_COLUMNS = ("run_id", "customer_id", "key", "email", "state", "opt_in_level", "consent_at", "fields")
PLAN_COLUMNS = (
    "run_id", "n", "key", "email", "name", "customer_id", "contact_id",
    "customer_state", "customer_at", "contact_status", "contact_opted_at", "contact_changed_at",
    "kind", "rule", "skip", "conflict",
    "contact_action", "to_contact", "contact_body", "contact_chunk",
    "to_customer", "to_customer_at", "to_customer_level", "customer_chunk", "remember",
)  # fmt: skip

Connection = psycopg.Connection[Any]
Values = Sequence[Any]


def copy_in(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Values]) -> None:
    """COPY rows into a table, in the connection's open transaction."""
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def upsert(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Values]) -> None:
    """Store rows of which some may be there already (a page that shifted, a later reading); the later one stays.

    The first two columns are the table's key.
    """
    statement = sql.SQL("insert into {} ({}) values ({}) on conflict ({}) do update set {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
        sql.SQL(", ").join(map(sql.Identifier, columns[:2])),
        sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in columns[2:]),
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)


@contextmanager
def contacts_by_key(database: Database, run_id: UUID, *, after: str) -> Iterator[Iterator[Values]]:
    """Stream the run's contacts in order of key, from just after the key given."""
    columns = ", ".join(CONTACT_COLUMNS[1:-1]) + ", merge_fields::text"
    query = f"select {columns} from run_contacts where run_id = %s and key > %s order by key"
    with _stream(database, query, (run_id, after)) as rows:
        yield rows


@contextmanager
def customers_by_key(database: Database, run_id: UUID, *, after: str) -> Iterator[Iterator[Values]]:
    """Stream the run's customers in order of key, then id, from just after the key given."""
    columns = ", ".join(CUSTOMER_COLUMNS[1:-1]) + ", fields::text"
    query = f"select {columns} from run_customers where run_id = %s and key > %s order by key, customer_id"
    with _stream(database, query, (run_id, after)) as rows:
        yield rows


@contextmanager
def _stream(database: Database, query: str, values: Values) -> Iterator[Iterator[Values]]:
    with (
        database.raw() as connection,
        connection.cursor(name=f"stream_{uuid4().hex}", row_factory=tuple_row, binary=True) as cursor,
    ):
        cursor.itersize = 5000
        cursor.execute(query.encode(), values)
        yield iter(cursor)


def forget(connection: Connection, run_id: UUID, table: str) -> None:
    """Delete what a run stored in one of its tables, to read or plan it again from the start."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("delete from {} where run_id = %s").format(sql.Identifier(table)), (run_id,))


def customers_after(tx: Tx, run_id: UUID, *, after: int, limit: int) -> list[tuple[int, str | None, dict[str, Any]]]:
    """Up to `limit` of the run's customers in the order of their ids: id, address and fields."""
    query = text(
        """
        select customer_id, email, fields from run_customers where run_id = :run and customer_id > :after
        order by customer_id limit :limit
        """
    )
    rows = tx.execute(query, {"run": run_id, "after": after, "limit": limit})
    return [(row.customer_id, row.email, row.fields) for row in rows]


def forget_customers(tx: Tx, shop_id: int) -> None:
    """Delete the customers that the runs of a shop read."""
    runs = "select id from sync_runs where shop_id = :shop"
    tx.execute(text(f"delete from run_customers where run_id in ({runs})"), {"shop": shop_id})


def forget_all(tx: Tx, shop_id: int, *, but: UUID | None = None) -> None:
    """Delete what the runs of a shop read and planned. What came of it stays in the log and in the run's counts."""
    for table in ("run_contacts", "run_customers", "plan"):
        runs = "select id from sync_runs where shop_id = :shop and id is distinct from :but"
        tx.execute(text(f"delete from {table} where run_id in ({runs})"), {"shop": shop_id, "but": but})
