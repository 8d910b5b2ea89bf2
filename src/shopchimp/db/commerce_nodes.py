"""What a run read of the store, waiting to be written: root nodes as JSON with their children inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Connection as Tx
from sqlalchemy import text

from shopchimp.db.run_tables import copy_in as copy_rows
from shopchimp.db.session import dumps

COLUMNS = ("run_id", "kind", "n", "gid", "node")


@dataclass(frozen=True, slots=True)
class Staged:
    """A node as read, by its number in the order of reading."""

    n: int
    gid: str
    node: dict[str, Any]


def copy_in(
    connection: psycopg.Connection[Any], run_id: UUID, kind: str, nodes: Iterable[Mapping[str, Any]], *, start: int
) -> int:
    """COPY nodes in, numbered from `start` on, in the connection's open transaction; gives back the next number."""
    n = start

    def rows() -> Iterable[tuple[Any, ...]]:
        nonlocal n
        for node in nodes:
            yield run_id, kind, n, str(node["id"]), dumps(node)
            n += 1

    copy_rows(connection, "commerce_nodes", COLUMNS, rows())
    return n


def slice(tx: Tx, run_id: UUID, kind: str, *, after: int, limit: int) -> list[Staged]:  # noqa: A001 - a slice of the nodes
    """Up to `limit` nodes in the order of reading, from just after number `after`."""
    query = text(
        """
        select n, gid, node from commerce_nodes where run_id = :run and kind = :kind and n > :after
        order by n limit :limit
        """
    )
    rows = tx.execute(query, {"run": run_id, "kind": kind, "after": after, "limit": limit})
    return [Staged(**row._mapping) for row in rows]


def forget(tx: Tx, run_id: UUID, kind: str | None = None) -> None:
    """Delete what a run read, of one kind or all of it."""
    wanted = "and kind = :kind" if kind is not None else ""
    tx.execute(text(f"delete from commerce_nodes where run_id = :run {wanted}"), {"run": run_id, "kind": kind})


def forget_all(tx: Tx, shop_id: int, *, but: UUID | None = None) -> None:
    """Delete what the runs of a shop read, but for one run."""
    runs = "select id from sync_runs where shop_id = :shop and id is distinct from :but"
    tx.execute(text(f"delete from commerce_nodes where run_id in ({runs})"), {"shop": shop_id, "but": but})
