"""Leases are kept by one thread a process, whoever works under them: slow work keeps them, dead work doesn't."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class _Kept:
    renew: Callable[[], bool]
    lease: float
    renewed: float
    lost: threading.Event = field(default_factory=threading.Event)


class Keeper:
    """Renews what is worked on every quarter of its lease. The thread ends when nothing is left to keep."""

    def __init__(self) -> None:
        self._kept: set[_Kept] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keep(self, renew: Callable[[], bool], *, lease: float) -> Iterator[threading.Event]:
        """Call `renew` now and then while the body works. The event is set when it says no, or was silent too long."""
        kept = _Kept(renew, lease, time.monotonic())
        with self._changed:
            self._kept.add(kept)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="leases", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield kept.lost
        finally:
            with self._changed:
                self._kept.discard(kept)

    def _loop(self) -> None:
        while True:
            with self._changed:
                if not self._kept:
                    self._changed.wait(5)
                    if not self._kept:
                        self._thread = None
                        return
                now = time.monotonic()
                due = min(self._kept, key=lambda kept: kept.renewed + kept.lease / 4)
                wait = due.renewed + due.lease / 4 - now
                if wait > 0:
                    self._changed.wait(wait)
                    continue
            _renew(due)


def _renew(kept: _Kept) -> None:
    before = kept.renewed
    kept.renewed = time.monotonic()  # whatever comes of it, the next try is a quarter later
    try:
        alive = kept.renew()
    except Exception as error:  # noqa: BLE001 - Postgres may be away for a moment; the fence keeps us safe
        log.warning("lease_not_renewed", error=type(error).__name__)
        alive = True
    # asleep for longer than the lease (the machine was suspended): somebody has taken over by now
    if not alive or kept.renewed - before > kept.lease:
        kept.lost.set()


keeper = Keeper()
