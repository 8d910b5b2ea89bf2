"""Events that came in and are not stored yet: put together into batches, one statement at a time.

So however many visitors a shop has, its pixel takes one connection of Postgres and leaves the webhooks theirs. While
Postgres is away the events wait here, as many as there is room for and no longer than half a minute: a browser doesn't
say anything twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from shopchimp.db.intake import Away, Unstorable
from shopchimp.db.intake_events import Came, Incoming

log = structlog.get_logger()

BATCH = 200
ROOM = 5_000
GAP = 0.005  # seconds between two statements: what comes meanwhile goes together
PATIENCE = 30.0  # seconds that an event waits for Postgres
TRY_AGAIN = 0.5
LAST_CHANCE = 3.0  # seconds for what is left when the process ends

Store = Callable[[Sequence[Incoming]], Awaitable[Came]]
Tell = Callable[[str, int], None]


@dataclass(slots=True)
class _Waiting:
    event: Incoming
    stored: asyncio.Future[None]
    since: float = field(default_factory=time.monotonic)


class Inbox:
    """`put` an event; `tell` is called with each outcome and how many it was of."""

    def __init__(self, store: Store, tell: Tell) -> None:
        self._store = store
        self._tell = tell
        self._waiting: deque[_Waiting] = deque()
        self._running: asyncio.Task[None] | None = None
        self.away = False  # the last statement failed: nobody should wait for the next

    def put(self, event: Incoming) -> asyncio.Future[None] | None:
        """Take it, and give back when it is dealt with; None if there is no room."""
        if len(self._waiting) >= ROOM:
            self._tell("no_room", 1)
            return None
        waiting = _Waiting(event, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())
        return waiting.stored

    async def close(self) -> None:
        """Store what is left, if that is quickly done."""
        if self._running is not None:
            await asyncio.wait((self._running,), timeout=LAST_CHANCE)
            self._running.cancel()
        if self._waiting:
            self._tell("away", len(self._waiting))
            log.warning("pixel_events_lost", count=len(self._waiting))

    async def _run(self) -> None:
        while self._waiting:
            batch = [self._waiting[n] for n in range(min(BATCH, len(self._waiting)))]
            try:
                await self._take(batch)
                self.away = False
            except Away:
                self.away = True
                self._give_up()
                await asyncio.sleep(TRY_AGAIN)
                continue
            for _ in batch:
                self._done()
                await asyncio.sleep(0)  # one answer after the other: a webhook gets its turn between two
            await asyncio.sleep(GAP)

    async def _take(self, batch: Sequence[_Waiting]) -> None:
        """Store a batch; if Postgres refuses one of it, each by itself, so that one bad event takes no other along."""
        try:
            self._count(await self._store([each.event for each in batch]))
        except Unstorable:
            if len(batch) == 1:
                log.error("pixel_event_refused")  # noqa: TRY400 - what it said is nobody's business
                self._tell("unstorable", 1)
                return
            for each in batch:
                await self._take([each])

    def _count(self, came: Came) -> None:
        outcomes = {"stored": came.new, "double": came.double, "erased": came.erased, "not_ours": came.not_ours}
        for outcome, count in outcomes.items():
            if count:
                self._tell(outcome, count)

    def _give_up(self) -> None:
        """Those that waited too long are lost."""
        before, lost = time.monotonic() - PATIENCE, 0
        while self._waiting and self._waiting[0].since < before:
            self._done()
            lost += 1
        if lost:
            self._tell("away", lost)
            log.warning("pixel_events_lost", count=lost)

    def _done(self) -> None:
        stored = self._waiting.popleft().stored
        if not stored.done():
            stored.set_result(None)
