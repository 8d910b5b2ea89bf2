"""Promo runs: each time the promo codes are synced, its place and what came of it. At most one runs a shop.

Who works on a run holds it by a token for a while, as the first sync and the chore may both come; whoever was taken
over hears it at the next save and writes nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from shopchimp.db.session import dumps

HOLD = 60.0  # seconds a run is held for one slice; each save holds it anew
KEPT = 50  # runs a shop


class RunLost(Exception):
    """Somebody else works on this run now, or it ended: write nothing more."""


@dataclass(slots=True)
class PromoRun:
    """A run as stored; whoever works on it changes `cursor` and `counts` and saves them with what was done."""

    id: UUID
    shop_id: int
    trigger: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    counts: dict[str, Any]
    cursor: dict[str, Any]
    trouble: dict[str, Any] | None


_COLUMNS = ", ".join(field.name for field in fields(PromoRun))


def begin(tx: Connection, shop_id: int, trigger: str, *, delay: float = 0.0) -> PromoRun | None:
    """Store a new run, which nobody takes up before `delay` seconds; None if one is running."""
    query = text(
        f"""
        insert into promo_runs (id, shop_id, trigger, held_until)
        values (:id, :shop, :trigger, now() + make_interval(secs => :delay))
        on conflict (shop_id) where state = 'running' do nothing returning {_COLUMNS}
        """
    )
    return _run(tx.execute(query, {"id": uuid4(), "shop": shop_id, "trigger": trigger, "delay": delay}).one_or_none())


def running(tx: Connection, shop_id: int, *, lock: bool = False) -> PromoRun | None:
    """The shop's run that is under way or about to begin."""
    query = text(
        f"select {_COLUMNS} from promo_runs where shop_id = :shop and state = 'running' {'for update' if lock else ''}"
    )
    return _run(tx.execute(query, {"shop": shop_id}).one_or_none())


def latest(tx: Connection, shop_id: int, *, limit: int = 1) -> list[PromoRun]:
    """The shop's runs, newest first."""
    query = text(f"select {_COLUMNS} from promo_runs where shop_id = :shop order by started_at desc limit :limit")
    return [PromoRun(**row._mapping) for row in tx.execute(query, {"shop": shop_id, "limit": limit})]


def now(tx: Connection) -> datetime:
    """The moment as `started_at` of a run that is begun next will be later than: the database's own clock."""
    found: datetime = tx.execute(text("select now()")).scalar_one()
    return found


def get(tx: Connection, shop_id: int, run_id: UUID) -> PromoRun | None:
    """One run of this shop."""
    query = text(f"select {_COLUMNS} from promo_runs where shop_id = :shop and id = :id")
    return _run(tx.execute(query, {"shop": shop_id, "id": run_id}).one_or_none())


def take(tx: Connection, run_id: UUID, token: UUID, *, hold: float = HOLD) -> float:
    """Hold the run for a slice. Gives back 0, or the seconds after which it may be free."""
    query = text(
        """
        update promo_runs set token = :token, held_until = now() + make_interval(secs => :hold)
        where id = :id and state = 'running' and (held_until <= now() or token = :token)
        """
    )
    if tx.execute(query, {"id": run_id, "token": token, "hold": hold}).rowcount:
        return 0.0
    left = text("select extract(epoch from held_until - now()) from promo_runs where id = :id and state = 'running'")
    return max(float(tx.execute(left, {"id": run_id}).scalar() or 0.0), 0.1)


def let_go(tx: Connection, run_id: UUID, token: UUID) -> None:
    """The slice is over: anybody may take the run up at once."""
    query = text("update promo_runs set token = null, held_until = now() where id = :id and token = :token")
    tx.execute(query, {"id": run_id, "token": token})


def hurry(tx: Connection, run_id: UUID) -> None:
    """One that waits for its delay begins now."""
    tx.execute(text("update promo_runs set held_until = now() where id = :id and token is null"), {"id": run_id})


def save(tx: Connection, run: PromoRun, token: UUID, *, hold: float = HOLD) -> None:
    """Store the place reached, in the transaction of what was done up to there. Raises RunLost."""
    query = text(
        """
        update promo_runs set counts = cast(:counts as jsonb), cursor = cast(:cursor as jsonb), trouble = null,
            held_until = now() + make_interval(secs => :hold)
        where id = :id and state = 'running' and token = :token
        """
    )
    values = {"id": run.id, "token": token, "counts": dumps(run.counts), "cursor": dumps(run.cursor), "hold": hold}
    if tx.execute(query, values).rowcount != 1:
        raise RunLost


def finish(
    tx: Connection, run: PromoRun, token: UUID, *, state: str = "done", trouble: dict[str, Any] | None = None
) -> list[str]:
    """The run is over. Gives back the discounts that were nudged meanwhile. Raises RunLost."""
    query = text(
        """
        update promo_runs set state = :state, finished_at = now(), token = null, held_until = now(), cursor = '{}',
            counts = cast(:counts as jsonb), trouble = cast(:trouble as jsonb)
        where id = :id and state = 'running' and token = :token returning nudged
        """
    )
    words = dumps(trouble) if trouble else None
    values = {"id": run.id, "token": token, "state": state, "counts": dumps(run.counts), "trouble": words}
    row = tx.execute(query, values).one_or_none()
    if row is None:
        raise RunLost
    run.state, run.trouble = state, trouble
    forget = text(
        """
        delete from promo_runs where shop_id = :shop and id not in (
            select id from promo_runs where shop_id = :shop order by started_at desc limit :kept)
        """
    )
    tx.execute(forget, {"shop": run.shop_id, "kept": KEPT})
    return list(row.nudged)


def forget_all(tx: Connection, shop_id: int) -> None:
    """Another store or account at Mailchimp: no run goes on, and none says anything about it."""
    tx.execute(text("delete from promo_runs where shop_id = :shop"), {"shop": shop_id})


def hindered(tx: Connection, run: PromoRun, token: UUID, trouble: dict[str, Any]) -> None:
    """Something stands in the way for a while: pages show it. The run is free for its next try."""
    query = text(
        """
        update promo_runs set trouble = cast(:trouble as jsonb), token = null, held_until = now()
        where id = :id and state = 'running' and token = :token
        """
    )
    tx.execute(query, {"id": run.id, "token": token, "trouble": dumps(trouble)})


def nudge(tx: Connection, run_id: UUID, discount_ids: Iterable[str]) -> None:
    """These discounts are to be read once more after this run, which may have been there already."""
    query = text(
        """
        update promo_runs set nudged = (
            select jsonb_agg(distinct each) from jsonb_array_elements(nudged || cast(:ids as jsonb)) each)
        where id = :id
        """
    )
    ids = list(discount_ids)
    if ids:
        tx.execute(query, {"id": run_id, "ids": dumps(ids)})


def _run(row: Any) -> PromoRun | None:
    return PromoRun(**row._mapping) if row is not None else None
