"""Sweep and watchdog: what makes Redis dispensable.

Every few seconds each worker asks Postgres for due work that nobody was woken for and sends a wake-up. Where that
doesn't help (Redis is away, or Celery went deaf after its restart) the same thread does the work itself, and a worker
that stays deaf while Redis answers ends, to be started anew (reliability.md 2.3).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable

import redis
import structlog
from sqlalchemy import Connection, text

from shopchimp.db import lanes
from shopchimp.jobs import lanes as live
from shopchimp.jobs.lanes import Works
from shopchimp.jobs.pulse import Pulse
from shopchimp.jobs.wake import wake
from shopchimp.runtime import Runtime

log = structlog.get_logger()

DEAF_SECONDS = 300.0
EXIT_START_ME_AGAIN = 75  # sysexits.h EX_TEMPFAIL, for the supervisor
LAST_WORK = 15.0  # seconds that work in hand gets before such an end


class Sweeper:
    """The thread of one worker process that looks whether anything was forgotten.

    `works` are live sync's, or None in a process that doesn't serve it: that one only shows that it is alive.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        stop: threading.Event,
        pulse: Pulse,
        works: Works | None,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self._runtime = runtime
        self._stop = stop
        self._pulse = pulse
        self._works = works
        self._end = end
        self._due_since: float | None = None
        self._deaf_since: float | None = None
        self._next = threading.Condition()
        self._next_at = 0.0
        self._id = f"{socket.gethostname()}:{os.getpid()}"
        self._thread = threading.Thread(target=self._loop, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin to look, at once and then every few seconds."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait until it has ended after `stop`."""
        self.look_in(0.0)
        self._thread.join(seconds)

    def look_in(self, seconds: float) -> None:
        """Something falls due then: look sooner than by the clock."""
        with self._next:
            self._next_at = min(self._next_at, time.monotonic() + seconds)
            self._next.notify()

    def _loop(self) -> None:
        while not self._stop.is_set():
            with self._next:
                self._next_at = time.monotonic() + self._runtime.sweep_seconds
            try:
                self.sweep()
            except Exception as error:  # noqa: BLE001 - the next look may be luckier; nothing here may end the thread
                log.warning("sweep_failed", error=type(error).__name__)
            with self._next:
                while not self._stop.is_set() and (left := self._next_at - time.monotonic()) > 0:
                    self._next.wait(left)

    def sweep(self) -> None:
        """One look. Due work that wake-ups did not get done is done here."""
        with self._runtime.database.transaction() as tx:
            self._sign_of_life(tx)
            if forgotten := lanes.mend(tx):
                log.info("lanes_mended", count=forgotten)
            due = self._works is not None and lanes.is_due(tx, lanes=self._works)
        if not due:
            self._due_since = None
            return
        now = time.monotonic()
        if self._due_since is None:
            self._due_since = now
        wake()
        if not self._hears_nothing(now):
            self._deaf_since = None
            return
        if self._deaf_since is None:
            self._deaf_since = now
            log.warning("working_without_wake_up")
        self._do_it_ourselves()
        if now - self._deaf_since > DEAF_SECONDS and self._redis_answers():
            self._start_anew()

    def _hears_nothing(self, now: float) -> bool:
        """Whether wake-ups were sent for a while and none arrived; once so, until the next one arrives."""
        if self._deaf_since is not None:
            return self._pulse.silent_since(self._deaf_since)
        patience = now - 2 * self._runtime.sweep_seconds
        return (self._due_since or now) <= patience and self._pulse.silent_since(patience)

    def _do_it_ourselves(self) -> None:
        assert self._works is not None  # noqa: S101 - tells the type checker
        while live.drain(self._runtime, stop=self._stop, works=self._works, at_most=10):
            with self._runtime.database.transaction() as tx:
                self._sign_of_life(tx)

    def _redis_answers(self) -> bool:
        """Whether starting anew could help: while Redis is away it could not."""
        try:
            with redis.Redis.from_url(self._runtime.redis_url, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except (redis.RedisError, ValueError):
            return False

    def _start_anew(self) -> None:
        log.error("deaf", seconds=DEAF_SECONDS)
        self._stop.set()
        until = time.monotonic() + LAST_WORK
        while self._pulse.busy and time.monotonic() < until:
            time.sleep(0.1)
        self._end(EXIT_START_ME_AGAIN)

    def _sign_of_life(self, tx: Connection) -> None:
        query = text(
            """
            insert into workers (id, seen_at, last_pick_at, pid, kind)
            values (:id, now(), now() - make_interval(secs => :ago), :pid, :kind)
            on conflict (id) do update set seen_at = now(), last_pick_at = excluded.last_pick_at, pid = excluded.pid
            """
        )
        picked = live.picks.last
        ago = None if picked is None else time.monotonic() - picked
        kind = "backfill" if self._works is None else "worker"
        tx.execute(query, {"id": self._id, "pid": os.getpid(), "ago": ago, "kind": kind})
        tx.execute(text("delete from workers where seen_at < now() - interval '1 hour'"))
