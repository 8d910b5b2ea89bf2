"""Work that nobody waits for by the second: first syncs, backfills, chores, compliance requests.

It has threads of its own, beside the wake-ups. One thread in four of a worker serves it, so that neither it nor live
sync can take all of them. The threads ask Postgres once a second, which costs nothing and needs no Redis; a wake-up
only makes them look at once. That is why `shopchimp worker --serve backfill` needs no Celery and no queue of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import structlog

from shopchimp.db import marking
from shopchimp.jobs import chores, lanes, runs
from shopchimp.jobs.chores import Doing
from shopchimp.jobs.lanes import Work
from shopchimp.runtime import Runtime
from shopchimp.services import privacy

log = structlog.get_logger()

LOOK_SECONDS = 1.0
SLICES = 5  # of a backfill lane, before runs and chores get their turn


class Backfill:
    """The threads of one process that serve runs, chores and backfill lanes."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        stop: threading.Event,
        work: Work,
        registry: Mapping[str, Doing],
        threads: int,
    ) -> None:
        self._runtime = runtime
        self._stop = stop
        self._work = work
        self._registry = registry
        self._nudged = threading.Condition()
        self._threads = [threading.Thread(target=self._loop, name=f"backfill-{n}", daemon=True) for n in range(threads)]

    def start(self) -> None:
        """Begin to look, at once and then every second."""
        for thread in self._threads:
            thread.start()

    def nudge(self) -> None:
        """Look now."""
        with self._nudged:
            self._nudged.notify_all()

    def join(self, seconds: float) -> None:
        """Wait until the threads have ended after `stop`."""
        self.nudge()
        for thread in self._threads:
            thread.join(seconds)

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                worked = self._round()
            except Exception as error:  # noqa: BLE001 - the next look may be luckier; nothing here may end the thread
                log.warning("backfill_failed", error=type(error).__name__)
                worked = False
            if not worked:
                with self._nudged:
                    self._nudged.wait(LOOK_SECONDS)

    def _round(self) -> bool:
        """A bit of each kind, so that none waits for all of another."""
        worked = chores.drain(self._runtime, self._registry, stop=self._stop, at_most=1)
        worked += privacy.work(self._runtime.gateways, limit=1)
        worked += runs.drain(self._runtime, stop=self._stop, at_most=1)
        worked += lanes.drain(self._runtime, stop=self._stop, works={marking.BACKFILL: self._work}, at_most=SLICES)
        return worked > 0
