"""The two roads to Mailchimp for many operations: calls of their own on several connections, and `/batches`.

Both answer the same: for each operation None, or why Mailchimp refused it. What only waiting or the merchant can mend
is raised, after what is in flight has ended; what is known until then is in the dict that the caller handed in.
Operations sent together may be carried out in any order, so nothing among them may need another of them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

import structlog

from shopchimp.domain.errors import PlatformError, RateLimited, Rejected, StoreGone, Unavailable
from shopchimp.mailchimp import ecommerce, operations
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.ecommerce import Operation
from shopchimp.mailchimp.operations import Result

log = structlog.get_logger()

Outcomes = dict[str, PlatformError | None]
Task = Callable[[], None]

SHORTEST, LONGEST = 0.5, 30.0  # seconds between two looks at a batch
SKEW = timedelta(minutes=5)  # how far Mailchimp's clock may be behind ours


class Road(Protocol):
    """What both roads are to a caller who has chosen one. `name` goes into the run's record."""

    name: str

    def send(self, wanted: Sequence[Operation], known: Outcomes | None = None) -> Outcomes:
        """Carry the operations out; `known` is filled as the answers come and given back."""
        ...


def _never() -> bool:
    return False


@dataclass(slots=True)
class Pace:
    """How fast a road is: operations carried out, in so many seconds."""

    operations: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Operations a second; 0 before anything was sent."""
        return self.operations / self.seconds if self.seconds > 0 else 0.0


# ------------------------------------------------------------------ calls of their own


@dataclass(slots=True)
class Direct:
    """One call an operation, up to `connections` at once. `stopped`: start nothing more (paused, lease lost).

    `troubled` are the operations whose failure ended the last sending, for who counts a record's tries.
    """

    client: MailchimpClient
    connections: int
    stopped: Callable[[], bool] = _never
    pace: Pace = field(default_factory=Pace)
    troubled: dict[str, PlatformError] = field(default_factory=dict)
    name: str = "direct"

    def send(self, wanted: Sequence[Operation], known: Outcomes | None = None) -> Outcomes:
        """Carry the operations out; those that weren't begun when `stopped` said so are missing in the answer."""
        outcomes = {} if known is None else known
        begun, before = time.monotonic(), len(outcomes)
        try:
            self.run([(each.id, _task(self.client, each)) for each in wanted], outcomes)
        finally:
            self.pace.operations += len(outcomes) - before
            self.pace.seconds += time.monotonic() - begun
        return outcomes

    def run(self, tasks: Sequence[tuple[str, Task]], outcomes: Outcomes) -> None:
        """The same for anything that is to be done under an operation's name."""
        if len({name for name, _ in tasks}) < len(tasks):
            raise ValueError("operations sent together need ids of their own")
        self.troubled.clear()
        waiting, running = deque(tasks), dict[Future[None], str]()
        with ThreadPoolExecutor(max(1, min(self.connections, len(tasks)))) as pool:
            while waiting or running:
                while waiting and len(running) < self.connections and not self.troubled and not self.stopped():
                    name, task = waiting.popleft()
                    running[pool.submit(task)] = name
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._settle(running.pop(future), future, outcomes)
        if self.troubled:
            raise _worst(self.troubled.values())

    def _settle(self, name: str, future: Future[None], outcomes: Outcomes) -> None:
        error = future.exception()
        if error is None:
            outcomes[name] = None
        elif isinstance(error, Rejected) and not _is_for_all(error):
            outcomes[name] = error
        elif isinstance(error, PlatformError):
            self.troubled[name] = error
        else:
            raise error


def _task(client: MailchimpClient, operation: Operation) -> Task:
    return lambda: ecommerce.perform(client, operation)


def _is_for_all(error: PlatformError) -> bool:
    """A refusal that is about no one record."""
    return isinstance(error, StoreGone) or error.code == "mc_plan_limit"


def _worst(errors: Any) -> PlatformError:
    """Of several troubles the one to act on: what the merchant or a new store mends, then throttling, then the rest."""
    found: list[PlatformError] = list(errors)
    for error in found:
        if not isinstance(error, (RateLimited, Unavailable)):
            return error
    limited = [error for error in found if isinstance(error, RateLimited)]
    return max(limited, key=lambda error: error.retry_after) if limited else found[0]


# ------------------------------------------------------------------ batches


@dataclass(slots=True)
class Ticket:
    """A batch that was asked for: stored by the caller before and after, so that a successor goes on with it.

    Without `batch_id` nobody heard whether Mailchimp took it; by `mark`, with which its operations' ids begin, it is
    known again. `looks` sets the pace of looking.
    """

    asked_at: datetime
    mark: str
    batch_id: str | None = None
    looks: int = 0

    def as_json(self) -> dict[str, Any]:
        """For the cursor of a run."""
        known = {"mark": self.mark, "batch_id": self.batch_id, "looks": self.looks}
        return {"asked_at": self.asked_at.isoformat(), **known}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Ticket:
        """The ticket as it was stored."""
        asked_at, looks = datetime.fromisoformat(stored["asked_at"]), int(stored.get("looks") or 0)
        return cls(asked_at, str(stored["mark"]), stored.get("batch_id"), looks)

    @property
    def pause(self) -> float:
        """Seconds until the next look is worth it: longer each time."""
        return min(SHORTEST * 1.5 ** min(self.looks, 20), LONGEST)


class Pending(Exception):
    """The batch isn't finished yet: come back with the ticket in `wait` seconds."""

    def __init__(self, ticket: Ticket, wait: float) -> None:
        super().__init__(f"a batch that isn't finished, look again in {wait:.1f} s")
        self.ticket = ticket
        self.wait = wait


@dataclass(slots=True)
class Batched:
    """One batch at a time through `/batches`. What a batch leaves open is done by calls of their own.

    That is: a second way, stale lines, an operation that failed for a reason that passes, results that are lost.
    `keep` stores the ticket (None: it is settled) in the run, and raises where the run isn't ours any more. A batch is
    waited for up to `patience` seconds; then, or where `stopped` says so, `Pending` is raised.
    """

    client: MailchimpClient
    connections: int
    allowed_hosts: frozenset[str]
    clock: Callable[[], datetime]
    keep: Callable[[Ticket | None], None] = lambda _: None
    stopped: Callable[[], bool] = _never
    patience: float = 10.0
    sleep: Callable[[float], None] = time.sleep
    pace: Pace = field(default_factory=Pace)
    troubled: dict[str, PlatformError] = field(default_factory=dict)
    name: str = "batches"

    def send(
        self, wanted: Sequence[Operation], known: Outcomes | None = None, *, ticket: Ticket | None = None
    ) -> Outcomes:
        """Carry the operations out as one batch; those that don't fit into one are calls of their own.

        `ticket`: the one stored for these very operations by somebody who didn't come to the end.
        """
        outcomes = {} if known is None else known
        if not wanted:
            return outcomes
        by_id = {each.id: each for each in wanted}
        if len(by_id) < len(wanted):
            raise ValueError("operations sent together need ids of their own")
        until = time.monotonic() + self.patience
        asked = ticket
        if asked is None:
            asked = Ticket(self.clock(), uuid4().hex[:12])
            self.keep(asked)
        fitting = wanted[: operations.portion(wanted)]
        answers = self._lost(asked, len(fitting), until) if ticket is not None and asked.batch_id is None else None
        if answers is None:
            if asked.batch_id is None:
                asked.batch_id = operations.submit(self.client, fitting, mark=asked.mark)
                self.keep(asked)
            answers = self._answers(asked, asked.batch_id, until)
        self._finish(by_id, answers, outcomes)
        self.keep(None)
        self.pace.operations += len(wanted)
        self.pace.seconds += max((self.clock() - asked.asked_at).total_seconds(), 0.001)
        return outcomes

    def _lost(self, ticket: Ticket, size: int, until: float) -> list[Result] | None:
        """The answers of the batch that was asked for without hearing its id; None if there is none such.

        One that might be ours must end before anything is sent again: its late writes would be older than ours.
        """
        for batch in reversed(operations.recent(self.client, ticket.asked_at - SKEW)):
            if batch.total in (0, size) and (answers := self._answers(ticket, batch.id, until)):
                return answers
        return None

    def _answers(self, ticket: Ticket, batch_id: str, until: float) -> list[Result]:
        """What the operations were answered, when the batch has finished; nothing where its results are lost."""
        while True:
            batch = operations.look(self.client, batch_id)
            if batch is None:
                return []
            if batch.is_finished:
                return self._results(ticket, batch)
            pause = ticket.pause
            ticket.looks += 1
            if self.stopped() or time.monotonic() + pause > until:
                raise Pending(ticket, pause)
            self.sleep(pause)

    def _results(self, ticket: Ticket, batch: operations.Batch) -> list[Result]:
        if not batch.url:  # older than a week
            return []
        try:
            found = operations.results(self.client, batch.url, mark=ticket.mark, allowed_hosts=self.allowed_hosts)
            return list(found)
        except Rejected as error:  # a host that isn't on the list: the operator's to see, and no reason to stop
            log.warning("batch_results_refused", code=error.code, detail=error.detail)
            return []

    def _finish(self, by_id: Mapping[str, Operation], answers: Sequence[Result], outcomes: Outcomes) -> None:
        answered = {each.operation_id: each for each in answers}
        tasks: list[tuple[str, Task]] = []
        ends: list[PlatformError] = []
        for name, operation in by_id.items():
            found = _sorted(self.client, operation, answered.get(name))
            if found is None or (isinstance(found, Rejected) and not _is_for_all(found)):
                outcomes[name] = found
            elif isinstance(found, PlatformError):
                ends.append(found)
            else:
                tasks.append((name, found))
        if ends:
            raise _worst(ends)
        rest = Direct(self.client, self.connections, self.stopped, troubled=self.troubled)
        rest.run(tasks, outcomes)


def _sorted(client: MailchimpClient, operation: Operation, result: Result | None) -> PlatformError | Task | None:
    """What an operation's result means: done, refused (or worse), or something left to do by a call of its own."""
    if result is None:
        return _task(client, operation)
    error = operations.outcome(operation, result)
    if error is None:
        rest = ecommerce.aftermath(operation, result.answer or {})
        return _all(client, rest) if rest else None
    if isinstance(error, (RateLimited, Unavailable)):
        return _task(client, operation)
    if not isinstance(error, Rejected):
        return error
    if error.code in operation.fine:
        return None
    if operation.has_second_way(error):
        return lambda: ecommerce.second_way(client, operation)
    return error


def _all(client: MailchimpClient, rest: Sequence[Operation]) -> Task:
    def task() -> None:
        for each in rest:
            ecommerce.perform(client, each)

    return task
