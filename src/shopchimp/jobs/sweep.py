"""Sweep and watchdog: what makes Redis dispensable.

Every few seconds each worker asks Postgres for due work that nobody was woken for and sends a wake-up. Where that
doesn't help (Redis is away, or Celery went deaf after its restart) the same thread does the work itself.
"""

from __future__ import annotations

import os
import socket
import threading
import time

import structlog
from sqlalchemy import Connection, text

from shopchimp.db import sync_runs
from shopchimp.jobs import runs
from shopchimp.jobs.wake import wake
from shopchimp.runtime import Runtime

log = structlog.get_logger()


class Sweeper:
    """The thread of one worker process that looks whether anything was forgotten."""

    def __init__(self, runtime: Runtime, *, stop: threading.Event) -> None:
        self._runtime = runtime
        self._stop = stop
        self._waiting_since: float | None = None
        self._id = f"{socket.gethostname()}:{os.getpid()}"
        self._thread = threading.Thread(target=self._loop, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin to look, at once and then every few seconds."""
        self._thread.start()

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self.sweep()
            except Exception as error:  # noqa: BLE001 - the next look may be luckier; nothing here may end the thread
                log.warning("sweep_failed", error=type(error).__name__)
            self._stop.wait(self._runtime.sweep_seconds)

    def sweep(self) -> None:
        """One look. Due work that two wake-ups in a row did not get done is done here."""
        with self._runtime.database.transaction() as tx:
            self._sign_of_life(tx)
            due = sync_runs.seconds_until_due(tx) == 0.0
        if not due:
            self._waiting_since = None
            return
        now = time.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
            wake()
        elif now - self._waiting_since < 2 * self._runtime.sweep_seconds:
            wake()
        else:
            log.warning("working_without_wake_up")
            while runs.drain(self._runtime, stop=self._stop, at_most=1):
                with self._runtime.database.transaction() as tx:
                    self._sign_of_life(tx)
            self._waiting_since = None

    def _sign_of_life(self, tx: Connection) -> None:
        query = text(
            """
            insert into workers (id, seen_at, pid, kind) values (:id, now(), :pid, 'worker')
            on conflict (id) do update set seen_at = now()
            """
        )
        tx.execute(query, {"id": self._id, "pid": os.getpid()})
        tx.execute(text("delete from workers where seen_at < now() - interval '1 hour'"))
