"""Whether Celery still brings us wake-ups: after a restart of Redis a worker may live on and hear nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pulse:
    """Felt with each wake-up, for as long as it is worked on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = 0
        self._last = time.monotonic()

    @contextmanager
    def beat(self) -> Iterator[None]:
        """A wake-up arrived and is worked on."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1
                self._last = time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether a wake-up is worked on right now."""
        return self._busy > 0

    def silent_since(self, moment: float) -> bool:
        """Whether no wake-up was heard since this moment (monotonic)."""
        with self._lock:
            return not self._busy and self._last < moment
