"""Sync runs: one row a run, worked on under a lease whose token fences every save.

A run is due when `due_at` has passed. Claiming it moves `due_at` to the end of the lease, so a worker that dies
leaves a run that falls due again by itself: lease, waiting and backing off are one column (reliability.md 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row

from shopchimp.db.models import SyncRun

ACTIVE = "('preparing', 'running')"


class LeaseLost(Exception):
    """Somebody else works on this run now, or the merchant stopped it: write nothing more."""


@dataclass(slots=True)
class Run:
    """A run as stored; a worker carries it along and saves what it reached. Times are UTC."""

    id: UUID
    shop_id: int
    audience_id: str
    state: str
    phase: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    policy: str
    options: dict[str, Any]
    cursor: dict[str, Any]
    counts: dict[str, Any]
    timings: dict[str, Any]
    calls: dict[str, Any]
    due_at: datetime | None
    token: UUID | None
    attempts: int
    trouble: dict[str, Any] | None

    @property
    def whole(self) -> bool:
        """A first sync carries no tags and no consent to text messages: they are filled in after it."""
        return False

    def keep(self, connection: psycopg.Connection[Any], token: UUID) -> None:
        """Store the place reached, under the lease."""
        save_raw(connection, self, token)


_COLUMNS = ", ".join(field.name for field in fields(Run))
_TABLE = SyncRun.__table__


def _run(row: Row[Any] | None) -> Run | None:
    return Run(**row._mapping) if row is not None else None


def create(
    tx: Connection, shop_id: int, run_id: UUID, *, audience_id: str, options: Mapping[str, Any], policy: str
) -> None:
    """Store a new run, due at once, about to read both sides."""
    values = {
        "id": run_id,
        "shop_id": shop_id,
        "audience_id": audience_id,
        "state": "preparing",
        "phase": "read_contacts",
        "policy": policy,
        "options": dict(options),
        "due_at": text("now()"),
    }
    tx.execute(insert(SyncRun).values(values))


def get(tx: Connection, shop_id: int, run_id: UUID, *, lock: bool = False) -> Run | None:
    """This shop's run, or None; with `lock` the row is held until the transaction ends."""
    suffix = "for update" if lock else ""
    query = text(f"select {_COLUMNS} from sync_runs where shop_id = :shop and id = :id {suffix}")
    return _run(tx.execute(query, {"shop": shop_id, "id": run_id}).one_or_none())


def latest(tx: Connection, shop_id: int, *, limit: int = 20) -> list[Run]:
    """This shop's runs, newest first."""
    query = text(f"select {_COLUMNS} from sync_runs where shop_id = :shop order by created_at desc limit :limit")
    return [Run(**row._mapping) for row in tx.execute(query, {"shop": shop_id, "limit": limit})]


def claim(tx: Connection, *, token: UUID, lease: float) -> Run | None:
    """Take the run that has been due longest, for `lease` seconds. Commit before reading what belongs to it."""
    query = text(
        f"""
        with next as (
            select id from sync_runs where due_at <= now() order by due_at limit 1 for update skip locked
        )
        update sync_runs r set token = :token, due_at = now() + make_interval(secs => :lease), attempts = attempts + 1
        from next where r.id = next.id returning {", ".join(f"r.{field.name}" for field in fields(Run))}
        """
    )
    return _run(tx.execute(query, {"token": token, "lease": lease}).one_or_none())


def seconds_until_due(tx: Connection) -> float | None:
    """How long until the next run falls due (0 when one is due now), or None when nothing is planned."""
    query = text("select extract(epoch from min(due_at) - now()) from sync_runs where due_at is not null")
    value = tx.execute(query).scalar_one()
    return None if value is None else max(float(value), 0.0)


def renew(tx: Connection, run_id: UUID, token: UUID, *, lease: float) -> None:
    """Keep the lease for another `lease` seconds; LeaseLost when it isn't ours any more, or the merchant paused."""
    query = text(
        f"""
        update sync_runs set due_at = now() + make_interval(secs => :lease)
        where id = :id and token = :token and state in {ACTIVE}
        """
    )
    if tx.execute(query, {"id": run_id, "token": token, "lease": lease}).rowcount != 1:
        raise LeaseLost


def fence(tx: Connection, run_id: UUID, token: UUID) -> None:
    """Hold the run's row in share mode so that what this transaction saves is saved under our lease or not at all."""
    query = text("select 1 from sync_runs where id = :id and token = :token for key share")
    if tx.execute(query, {"id": run_id, "token": token}).one_or_none() is None:
        raise LeaseLost


def fence_write(tx: Connection, run_id: UUID, token: UUID) -> None:
    """The fence before something is sent: closed too once the merchant paused or cancelled, or the shop has left."""
    query = text(f"select 1 from sync_runs where id = :id and token = :token and state in {ACTIVE} for key share")
    if tx.execute(query, {"id": run_id, "token": token}).one_or_none() is None:
        raise LeaseLost


def save(tx: Connection, run_id: UUID, token: UUID, **values: Any) -> None:
    """Store progress under the lease, unless the merchant stopped the run. The count of attempts starts again."""
    statement = (
        _TABLE.update()  # type: ignore[attr-defined]  # a Table, typed as FromClause
        .where(_TABLE.c.id == run_id, _TABLE.c.token == token, text(f"state in {ACTIVE}"))
        .values(attempts=0, **values)
    )
    if tx.execute(statement).rowcount != 1:
        raise LeaseLost


def save_end(tx: Connection, run_id: UUID, token: UUID, **values: Any) -> None:
    """Store what work in flight came to, also where the merchant stopped the run meanwhile, as long as it is ours."""
    statement = _TABLE.update().where(_TABLE.c.id == run_id, _TABLE.c.token == token).values(attempts=0, **values)  # type: ignore[attr-defined]
    if tx.execute(statement).rowcount != 1:
        raise LeaseLost


def save_raw(connection: psycopg.Connection[Any], run: Run, token: UUID) -> None:
    """Store the place reached in the transaction of what was read or planned: neither is ever without the other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update sync_runs set cursor = %s, counts = %s, attempts = 0 where id = %s and token = %s"
            " and state in ('preparing', 'running')",
            (orjson.dumps(run.cursor).decode(), orjson.dumps(run.counts).decode(), run.id, token),
        )
        if cursor.rowcount != 1:
            raise LeaseLost


def progressed(tx: Connection, run_id: UUID, token: UUID) -> None:
    """Something got done under this claim: the count of attempts starts again. Touches the row once a claim."""
    query = text("update sync_runs set attempts = 0 where id = :id and token = :token and attempts > 0")
    tx.execute(query, {"id": run_id, "token": token})


def set_policy(tx: Connection, run_id: UUID, policy: str, *, counts: Mapping[str, Any]) -> None:
    """Note the merchant's answer to D1 and the numbers that follow from it."""
    tx.execute(_TABLE.update().where(_TABLE.c.id == run_id).values(policy=policy, counts=dict(counts)))  # type: ignore[attr-defined]


def release(
    tx: Connection,
    run_id: UUID,
    token: UUID,
    *,
    wait: float | None,
    trouble: Mapping[str, Any] | None,
    counted: bool = True,
) -> None:
    """Give the run back: due again in `wait` seconds, or not before somebody asks (None). A lost lease is no error.

    Not `counted`, the claim was no attempt: its time was up, or it only learned that it has to wait.
    """
    query = text(
        f"""
        update sync_runs set token = null, trouble = cast(:trouble as jsonb),
            attempts = case when :counted then attempts else greatest(attempts - 1, 0) end,
            due_at = case when state in {ACTIVE} then now() + make_interval(secs => cast(:wait as float8)) end
        where id = :id and token = :token
        """
    )
    words = orjson.dumps(trouble).decode() if trouble else None
    tx.execute(query, {"id": run_id, "token": token, "wait": wait, "trouble": words, "counted": counted})


def set_state(tx: Connection, shop_id: int, run_id: UUID, state: str, *, due: bool, **values: Any) -> None:
    """Change the state: due at once, or not due at all. Work in flight may still store its end under its token."""
    if due:
        values["token"] = None
    statement = (
        _TABLE.update()  # type: ignore[attr-defined]
        .where(_TABLE.c.id == run_id, _TABLE.c.shop_id == shop_id)
        .values(state=state, due_at=text("now()") if due else None, **values)
    )
    tx.execute(statement)


def add_calls(tx: Connection, run_id: UUID, calls: Mapping[str, int]) -> None:
    """Add to the run's count of calls per platform."""
    query = text(
        """
        update sync_runs set calls = calls || jsonb_build_object(
            'shopify', coalesce((calls->>'shopify')::bigint, 0) + :shopify,
            'mailchimp', coalesce((calls->>'mailchimp')::bigint, 0) + :mailchimp)
        where id = :id
        """
    )
    values = {"shopify": calls.get("shopify", 0), "mailchimp": calls.get("mailchimp", 0)}
    tx.execute(query, {"id": run_id, **values})
