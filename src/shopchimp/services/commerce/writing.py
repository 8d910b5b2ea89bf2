"""Writing a phase: slices are prepared here, sent by threads of their own, and stored in order as they come back.

While one slice is on its way the next is prepared. By which road they go is measured: the first slices try both, then
each goes by the one that was faster lately. What came of a slice and the place reached are one transaction under the
run's lease; a slice that came back in part leaves what was done, and is prepared again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID

import structlog

from shopchimp.db import checkouts, commerce_items, sync_runs
from shopchimp.db.commerce_items import Item, State
from shopchimp.db.sync_runs import Run
from shopchimp.domain.commerce.phases import Phase
from shopchimp.domain.errors import PlatformError, Unavailable
from shopchimp.mailchimp import ecommerce
from shopchimp.services.commerce.flights import MISSING, Doors, Flight
from shopchimp.services.commerce.paces import Paces
from shopchimp.services.commerce.roads import Batched, Pending, Ticket
from shopchimp.services.commerce.slices import STAND_IN, Books, Preparing, Slice, item_of, kept_as, need_item, verdict
from shopchimp.services.commerce.sources import Place
from shopchimp.services.commerce.staging import place
from shopchimp.services.gateways import Gateways

log = structlog.get_logger()

IN_FLIGHT = {"direct": 2, "batches": 4}  # slices at once: one is sent while the next is prepared
GIVE_UP_AFTER = 4  # claims in which the same record alone could not be written
PRODUCTS_AT_ONCE = 120
PATIENCE = 5.0  # seconds a batch is waited for before the slots are given back


@dataclass(slots=True)
class Writing:
    """One phase of one run while it is written."""

    gateways: Gateways
    run: Run
    token: UUID
    phase: Phase
    preparing: Preparing
    doors: Doors
    until: float
    stopped: Callable[[], bool]
    paces: Paces
    flying: deque[tuple[Flight, Future[None]]] = field(default_factory=deque)
    exhausted: bool = False
    halted: bool = False
    begun: bool = False
    landed_at: float = 0.0
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def write(self) -> float | None:
        """Write until the phase is complete (None), or the time is up: then, in how many seconds to look again."""
        self.doors = replace(self.doors, stopped=self._over)
        with ThreadPoolExecutor(max(IN_FLIGHT.values()), thread_name_prefix="flight") as pool:
            try:
                self._resume(pool)
                while True:
                    self._fill(pool)
                    if not self.flying:
                        return None if self.exhausted else 0.0
                    self._land()
            except Pending as pending:
                self._come_back_with(pending.ticket)
                return pending.wait
            finally:
                self.halted = True  # nothing more is begun; what is on its way ends by itself
                wait([future for _, future in self.flying])

    def _come_back_with(self, ticket: Ticket) -> None:
        """Keep how often a batch was looked at: each time it is left alone for longer."""
        with self.mutex:
            for each in self._flights():
                if each["ticket"]["batch_id"] == ticket.batch_id:
                    each["ticket"] = ticket.as_json()
            with self.gateways.database.transaction() as tx:
                sync_runs.fence(tx, self.run.id, self.token)
                sync_runs.save_end(tx, self.run.id, self.token, cursor=self.run.cursor)

    def _over(self) -> bool:
        return self.halted or self.stopped()

    # ------------------------------------------------------------------ off they go

    def _resume(self, pool: ThreadPoolExecutor) -> None:
        """Go on with the batches that a predecessor asked for."""
        for stored in self._flights():
            first, last = stored["first"], stored["last"]
            with self.gateways.database.transaction() as tx:
                again = self.preparing.slice(tx, first, stored["size"], upto=last, sent=frozenset())
            if again is None:
                continue
            ticket = Ticket.from_json(stored["ticket"])
            flight = Flight(again, "batches", self._batched(again), ticket)
            self._send_off(pool, flight)

    def _fill(self, pool: ThreadPoolExecutor) -> None:
        # a slice at least, or a claim whose time is up when it comes here would get nowhere for ever
        while not self.exhausted and not self._over() and (not self.begun or time.monotonic() < self.until):
            road = self.paces.road(single=self.phase is Phase.CARTS)
            at_most = IN_FLIGHT[road] if self.paces.settled or self.phase is Phase.CARTS else 1
            if len(self.flying) >= at_most:
                return
            with self.gateways.database.transaction() as tx:
                sync_runs.fence_write(tx, self.run.id, self.token)
                made = self.preparing.slice(tx, self._reached(), self._size(road), sent=self._on_their_way())
            if made is None:
                self.exhausted = True
                return
            batched = road == "batches" and len(made.due) >= self.paces.worth_a_batch
            self._send_off(pool, Flight(made, road if batched else "direct", self._batched(made) if batched else None))

    def _size(self, road: str) -> int:
        """How many objects to take: a product with all its variants may be large."""
        wanted = self.paces.size(road)
        return min(wanted, PRODUCTS_AT_ONCE) if self.phase is Phase.PRODUCTS else wanted

    def _send_off(self, pool: ThreadPoolExecutor, flight: Flight) -> None:
        self.begun = True
        self.flying.append((flight, pool.submit(flight.fly, self.doors)))

    def _batched(self, made: Slice) -> Batched:
        def keep(ticket: Ticket | None) -> None:
            if ticket is None:
                return  # it is forgotten together with the storing of its results
            with self.mutex:
                others = [each for each in self._flights() if each["first"] != made.first]
                about = {"first": made.first, "last": made.last, "size": made.taken, "ticket": ticket.as_json()}
                here = [*others, about]
                place(self.run)["flights"] = sorted(here, key=lambda each: (each["first"] is not None, each["first"]))
                with self.gateways.database.transaction() as tx:
                    sync_runs.save(tx, self.run.id, self.token, cursor=self.run.cursor)

        return Batched(
            self.doors.mailchimp,
            self.doors.connections,
            self.gateways.download_hosts,
            self.gateways.clock,
            keep=keep,
            stopped=self._over,
            patience=PATIENCE,
        )

    def _flights(self) -> list[dict[str, Any]]:
        return list(place(self.run).get("flights", ()))

    def _reached(self) -> Place | None:
        """From where on nothing is on its way yet."""
        if self.flying:
            return self.flying[-1][0].slice.last
        found: Place | None = place(self.run).get("written", {}).get(self.phase.value)
        return found

    def _on_their_way(self) -> frozenset[str]:
        return frozenset(name for flight, _ in self.flying for name in flight.needed)

    # ------------------------------------------------------------------ back again

    def _land(self) -> None:
        """Take in the slice that was sent off first."""
        flight, future = self.flying[0]
        error = future.exception()
        if isinstance(error, Pending) or (error is not None and not isinstance(error, PlatformError)):
            raise error
        self.flying.popleft()
        now = time.monotonic()
        self.paces.learn(flight.road, flight.size, now - max(flight.began, self.landed_at))
        self.landed_at = now
        waiting = {id_ for id_, draft in flight.slice.due.items() if flight.answer_of(draft) is MISSING}
        waiting |= {id_ for id_ in flight.slice.leaving if f"{flight.slice.kind.value}:{id_}" not in flight.answers}
        if not waiting:
            self._store(flight)
        elif isinstance(error, Unavailable) and self._gave_up(flight, waiting, error):
            self._store(flight, given_up=error)
        else:
            self._store_part(flight)
            self.halted = True
        if error is not None and waiting:
            raise error

    def _gave_up(self, flight: Flight, waiting: set[str], error: Unavailable) -> bool:
        """Whether these few were tried often enough, while everything else could be written: then they have failed."""
        few = len(waiting) <= len(flight.troubled or waiting) <= GIVE_UP_AFTER
        stuck: dict[str, int] = place(self.run).setdefault("stuck", {})
        if not few:
            stuck.clear()
            return False
        place(self.run)["stuck"] = stuck = {each: stuck.get(each, 0) + 1 for each in waiting}
        if min(stuck.values()) < GIVE_UP_AFTER:
            return False
        log.warning("commerce_given_up", count=len(waiting), code=error.code)
        return ecommerce.get_store(self.doors.mailchimp, self.doors.store_id) is not None  # Mailchimp itself is there

    def _items(self, flight: Flight, given_up: Unavailable | None = None, *, run_id: UUID | None = None) -> list[Item]:
        """What becomes of the slice's objects whose end is known; `run_id` where this run is done with them."""
        items = [replace(item, seen_run=run_id) for item in flight.slice.items]
        for draft in flight.slice.due.values():
            answer = flight.answer_of(draft)
            if answer is None:
                items.append(item_of(draft, State.SYNCED, run_id=run_id))
            elif isinstance(answer, PlatformError):
                items.append(item_of(draft, *verdict(answer), run_id=run_id))
            elif given_up is not None:
                words = given_up.detail[:1000]
                items.append(item_of(draft, State.FAILED, given_up.code, words, run_id=run_id))
        leaving = flight.slice.leaving.values()
        items += [item_of(draft, State.SKIPPED, draft.reason, run_id=run_id) for draft in leaving]
        return items

    def _store(self, flight: Flight, given_up: Unavailable | None = None) -> None:
        """Everything of the slice is known: its objects, the books, the place reached."""
        made, here = flight.slice, place(self.run)
        items = self._items(flight, given_up, run_id=self.run.id)
        self._enter(made, items)
        with self.mutex:
            here.setdefault("written", {})[self.phase.value] = made.last
            here["flights"] = [each for each in self._flights() if each["first"] != made.first]
            here.pop("stuck", None)
            self.paces.tick(self.run)
            with self.gateways.database.transaction() as tx:
                sync_runs.fence(tx, self.run.id, self.token)
                commerce_items.put(tx, self.run.shop_id, [*items, *_brought(flight)])
                commerce_items.seen(tx, self.run.shop_id, made.kind.value, made.unchanged, self.run.id)
                if made.carts:
                    checkouts.mark_ordered(tx, self.run.shop_id, made.carts)
                sync_runs.save_end(tx, self.run.id, self.token, cursor=self.run.cursor, counts=self.run.counts)

    def _store_part(self, flight: Flight) -> None:
        """Some of it isn't known: what was written needs no second write, all else is looked at again."""
        done = [item for item in self._items(flight) if item.state == State.SYNCED]
        here = place(self.run)
        with self.mutex:
            here["flights"] = [each for each in self._flights() if each["first"] != flight.slice.first]
            with self.gateways.database.transaction() as tx:
                sync_runs.fence(tx, self.run.id, self.token)
                commerce_items.put(tx, self.run.shop_id, [*done, *_brought(flight)])
                sync_runs.save_end(tx, self.run.id, self.token, cursor=self.run.cursor)

    def _enter(self, made: Slice, items: list[Item]) -> None:
        books_of = self.run.counts.setdefault("commerce", {})
        books = Books(**books_of.get(made.kind.value, {}))
        for item in items:
            if item.id not in made.doubles:
                books.add(item.state, item.reason)
        for each in made.unchanged:
            if each not in made.doubles:
                state = made.known[each].state
                books.add(state, made.known[each].reason)
        books_of[made.kind.value] = asdict(books)


def _brought(flight: Flight) -> list[Item]:
    """What is remembered of what the slice needed; a product that is none of ours to remember here is left out."""
    found = [(flight.needed[name], error) for name, error in flight.brought.items()]
    return [
        need_item(step, error) for step, error in found if kept_as(step) == STAND_IN or step.body.get("email_address")
    ]
