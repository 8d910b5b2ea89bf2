"""Workers in this process that die or stand still like real ones: before a call, after it took effect, around a commit.

A worker is a thread with a runtime of its own. Dead, it does nothing any more, in none of its threads: no call, no
statement, no renewal; what it held runs out by itself. Standing still, it wakes up later and goes on as if nothing had
been, like a process that was suspended.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

import httpx
from sqlalchemy import Connection

from shopchimp.runtime import Runtime

LEASES = "leases"  # the thread that renews them, shared by all workers here
DANGEROUS, DANGER = ("/orders", "/carts"), 6  # what befalls writes that set off mails does so many times as often
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Turn = Callable[[Runtime], int]
"""One look for work. Gives back how much was done."""


class Killed(BaseException):
    """SIGKILL, as far as one process can play it."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What a worker may meet: dead after `mean_life` steps on average, at one in `freeze` it stands still."""

    mean_life: float = 300.0
    freeze: float = 0.002
    frozen_seconds: tuple[float, float] = (0.0, 0.0)
    dawdle: float = 0.1
    dawdle_seconds: float = 0.015


@dataclass
class Ward:
    """All workers' fates: the dice, what struck, and which writes went out late."""

    dice: Random
    fate: Fate
    struck: Counter[str] = field(default_factory=Counter)
    late: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    calm: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def deaths(self) -> int:
        """How many workers died so far."""
        with self._lock:
            return sum(n for what, n in self.struck.items() if what.startswith("killed"))

    def life(self) -> int:
        """After how many steps the next worker dies."""
        with self._lock:
            return 1 + int(self.dice.expovariate(1 / self.fate.mean_life))

    def luck(self) -> tuple[float, float]:
        with self._lock:
            return self.dice.random(), self.dice.random()

    def note(self, what: str, late: str = "") -> None:
        with self._lock:
            self.struck[what] += 1
            if late:
                self.late[late] += 1


class Life:
    """One worker's, from its start to its death."""

    def __init__(self, ward: Ward) -> None:
        self.ward, self.left, self.dead = ward, ward.life(), False
        self.frozen_until = 0.0
        self._lock = threading.Lock()

    def step(self, where: str, what: str = "") -> None:
        """A place where a process may die, stand still, or be slow."""
        if threading.current_thread().name == LEASES:
            if self.dead or time.monotonic() < self.frozen_until:
                raise ConnectionError("the worker is not there")
            return
        if self.dead:
            raise Killed
        if self.ward.calm:
            return
        if self._stand_still() and where == "before a call":
            self.ward.note("stood still beside it", what)
        danger = DANGER if any(name in what for name in DANGEROUS) else 1
        with self._lock:
            self.left -= danger
            dies, self.dead = self.left <= 0 and not self.dead, self.left <= 0
        if dies:
            self.ward.note(f"killed {where}")
        if self.dead:
            raise Killed
        chance, share = self.ward.luck()
        fate = self.ward.fate
        if where == "before a call" and chance < danger * fate.freeze:
            shortest, longest = fate.frozen_seconds
            self.frozen_until = time.monotonic() + shortest + share * (longest - shortest)
            self.ward.note("stood still", what)
            self._stand_still()
        elif chance > 1 - fate.dawdle:
            time.sleep(share * fate.dawdle_seconds)

    def _stand_still(self) -> bool:
        """All threads of the process do. Gives back whether it was so."""
        still = time.monotonic() < self.frozen_until
        while (left := self.frozen_until - time.monotonic()) > 0 and not self.ward.calm:
            time.sleep(min(left, 0.05))
        return still


class DoorTransport(httpx.BaseTransport):
    """The way out to both platforms."""

    def __init__(self, inner: httpx.BaseTransport, life: Life) -> None:
        self._inner, self._life = inner, life

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        what = f"{request.method} {request.url.path}" if request.method in WRITES else ""
        self._life.step("before a call", what)
        answer = self._inner.handle_request(request)
        try:
            self._life.step("after a call", what)
        except Killed:
            answer.close()
            raise
        return answer

    def close(self) -> None:
        self._inner.close()


def with_doors(runtime: Runtime, life: Life) -> Runtime:
    """The same runtime, whose every call and transaction is one of its life's steps."""
    http: Any = runtime.gateways.http
    http._transport = DoorTransport(http._transport, life)
    database: Any = runtime.database
    original: Callable[[], AbstractContextManager[Connection]] = database.transaction

    @contextmanager
    def transaction() -> Iterator[Connection]:
        life.step("before a transaction")
        with original() as tx:
            yield tx
            life.step("before a commit")
        life.step("after a commit")

    database.transaction = transaction
    return runtime


class Workers:
    """So many at once; each that dies is followed by another one."""

    def __init__(self, ward: Ward, open_runtime: Callable[[], Runtime], turn: Turn, count: int) -> None:
        self._ward, self._open, self._turn = ward, open_runtime, turn
        self._stop = threading.Event()
        self.troubles: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, name=f"worker-{n}", daemon=True) for n in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            life = Life(self._ward)
            runtime = with_doors(self._open(), life)
            try:
                while not self._stop.is_set():
                    if not self._turn(runtime):
                        self._stop.wait(0.02)
            except Killed:
                continue
            except BaseException as error:  # noqa: BLE001 - told by the test
                if not life.dead:
                    self.troubles.append(error)
                    return
            finally:
                life.dead = True
                runtime.close()
