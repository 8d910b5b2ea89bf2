"""How live sync stands: its signs of life in both directions, what waits, what stopped, what troubles it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shopchimp.db import connections, live_reads, stops
from shopchimp.db.session import Database
from shopchimp.db.stops import Queue
from shopchimp.services import heartbeat, held, sync_times
from shopchimp.services.going_live import HOOKS
from shopchimp.services.heartbeat import Heartbeat
from shopchimp.services.held import Question
from shopchimp.services.sync_times import Percentiles

DELAYED = timedelta(minutes=15)  # after which the oldest waiting change makes it "Delayed" (ux.md 3.3)
PERIODS = {"day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class Live:
    """Everything at once. `state`: off, up_to_date, syncing, delayed, retrying, waiting or needs_you.

    `trouble` is why the queue is closed, until `closed_until`; `hooks_trouble` why the last look at webhooks failed.
    """

    state: str
    since: datetime | None
    queue: Queue
    heartbeats: tuple[Heartbeat, ...]
    checking_hooks: bool
    hooks_trouble: str | None
    trouble: str | None
    closed_until: datetime | None
    questions: tuple[Question, ...]


def live(database: Database, shop_id: int, *, now: datetime | None = None) -> Live:
    """From our own tables alone."""
    now = now or datetime.now(UTC)
    questions = held.questions(database, shop_id)
    with database.transaction() as tx:
        connection = connections.get(tx, shop_id)
        queue = stops.queue(tx, shop_id)
        hooks = live_reads.chore(tx, shop_id, HOOKS)
        lane = live_reads.closed_lane(tx, shop_id)
        beats = heartbeat.of(tx, shop_id, now=now)
    since = connection.live_since if connection else None
    trouble = lane.trouble if lane else None
    connected = connection is not None and connection.state == "connected"
    return Live(
        state=_state(since, queue, trouble, connected=connected, asked=any(each.asks for each in questions), now=now),
        since=since,
        queue=queue,
        heartbeats=tuple(beats),
        checking_hooks=hooks is not None and (hooks.running or hooks.due_at <= now),
        hooks_trouble=str(hooks.trouble.get("code", "internal")) if hooks and hooks.trouble else None,
        trouble=trouble,
        closed_until=lane.open_until if lane and lane.open_until and lane.open_until > now else None,
        questions=tuple(questions),
    )


def times(database: Database, shop_id: int, period: str, *, now: datetime | None = None) -> list[Percentiles]:
    """Time to sync over the last day or week, per direction and kind."""
    since = (now or datetime.now(UTC)) - PERIODS[period]
    with database.transaction() as tx:
        return sync_times.percentiles(tx, shop_id, since)


def _state(
    since: datetime | None, queue: Queue, trouble: str | None, *, connected: bool, asked: bool, now: datetime
) -> str:
    if since is None:
        return "off"
    if not connected or asked:
        return "needs_you"
    if trouble:
        return "waiting"
    if queue.due_since is not None and now - queue.due_since > DELAYED:
        return "delayed"
    if queue.retrying:
        return "retrying"
    return "syncing" if queue.waiting else "up_to_date"
