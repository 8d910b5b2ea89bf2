"""Bulk operations (shopify.md section 5): the query is compiled once, its JSONL is made while it is fetched.

Nothing is stored but the plan: a result of a million lines costs no memory and starts at once. A result therefore
shows the shop at the time of the fetch, as long as the customer existed when the operation was started.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from shopchimp.sandbox.shopify.bulk_query import BulkPlan, BulkQueryError, plan_query
from shopchimp.sandbox.shopify.fields import iso_or_none
from shopchimp.sandbox.shopify.store import number_of

AT_ONCE: Final = 5
WORKING_SECONDS: Final = 0.2
MEASURED_AT_ONCE: Final = 5000
LINES_A_PIECE: Final = 100  # others are answered between two pieces
DONE: Final = frozenset({"COMPLETED", "CANCELED", "FAILED", "EXPIRED"})


@dataclass(slots=True)
class BulkOperation:
    number: int
    query: str
    plan: BulkPlan
    rows: Callable[[], Iterator[Any]]
    count: Callable[[], int]
    created: float
    grouped: bool = False
    status: str = "CREATED"
    completed: float | None = None
    roots: int = 0
    objects: int = 0
    size: int | None = None
    key: str = ""

    @property
    def gid(self) -> str:
        return f"gid://shopify/BulkOperation/{self.number}"

    def look(self, now: float) -> None:
        """Time is all that a bulk operation waits for."""
        if self.status == "CANCELING":
            self.status, self.completed = "CANCELED", now
        elif self.status in ("CREATED", "RUNNING"):
            self.status = "RUNNING"
            if now - self.created >= WORKING_SECONDS:
                self._complete(now)

    def lines(self) -> Iterator[bytes]:
        """Pieces of the JSONL file, each of some hundred lines."""
        size = 0
        lines = self.plan.lines(self.rows, grouped=self.grouped)
        while piece := b"".join(islice(lines, LINES_A_PIECE)):
            size += len(piece)
            yield piece
        self.size = size

    def shown(self, base_url: str) -> dict[str, Any]:
        done = self.status == "COMPLETED"
        return {
            "__typename": "BulkOperation",
            "id": self.gid,
            "type": "QUERY",
            "status": self.status,
            "errorCode": None,
            "query": self.query,
            "createdAt": iso_or_none(int(self.created)),
            "completedAt": None if self.completed is None else iso_or_none(int(self.completed)),
            "objectCount": str(self.objects),
            "rootObjectCount": str(self.roots),
            "fileSize": None if not done or self.size is None else str(self.size),
            "url": f"{base_url}/storage/{self.key}.jsonl" if done and self.objects else None,
            "partialDataUrl": None,
        }

    def _complete(self, now: float) -> None:
        self.status, self.completed, self.roots = "COMPLETED", now, self.count()
        self.objects = self.plan.root.count(self.rows()) if self.plan.root.children else self.roots
        # The size of a file that is not made yet: small ones are made to know it, large ones get it when fetched.
        if self.objects <= MEASURED_AT_ONCE:
            for _ in self.lines():
                pass


@dataclass(slots=True)
class BulkOperations:
    """The bulk operations of one shop and app."""

    seed: str
    clock: Callable[[], float]
    by_number: dict[int, BulkOperation] = field(default_factory=dict)
    by_key: dict[str, BulkOperation] = field(default_factory=dict)
    last: int = 4_000_000_000_000

    def run_query(self, query: str, sources: "Sources", base_url: str, *, grouped: bool = False) -> dict[str, Any]:
        try:
            plan = plan_query(query)
            source = sources(plan)
        except BulkQueryError as error:
            return _refused(error.message, "INVALID")
        running = [each for each in self.all() if each.status not in DONE]
        if len(running) >= AT_ONCE:
            message = f"A bulk query operation for this app and shop is already in progress: {running[0].gid}."
            return _refused(message, "OPERATION_IN_PROGRESS")
        self.last += 1
        operation = BulkOperation(self.last, query, plan, *source, self.clock(), grouped)
        operation.key = f"bulk-{self.last}-{hashlib.sha256(f'{self.seed}:{self.last}'.encode()).hexdigest()[:24]}"
        self.by_number[self.last] = self.by_key[operation.key] = operation
        return {"bulkOperation": operation.shown(base_url), "userErrors": []}

    def cancel(self, gid: str, base_url: str) -> dict[str, Any]:
        operation = self.get(gid)
        if operation is None:
            return _refused("Bulk operation does not exist", field=["id"])
        if operation.status in DONE:
            message = f"A bulk operation cannot be canceled when it is {operation.status.lower()}"
            return {**_refused(message), "bulkOperation": operation.shown(base_url)}
        operation.status = "CANCELING"
        return {"bulkOperation": operation.shown(base_url), "userErrors": []}

    def get(self, gid: str) -> BulkOperation | None:
        operation = self.by_number.get(number_of(gid, "BulkOperation") or 0)
        if operation is not None:
            operation.look(self.clock())
        return operation

    def all(self) -> list[BulkOperation]:
        for operation in self.by_number.values():
            operation.look(self.clock())
        return list(self.by_number.values())


Source = tuple[Callable[[], Iterator[Any]], Callable[[], int]]
Sources = Callable[[BulkPlan], Source]  # where the rows of a plan's root connection come from, and how many they are


def _refused(message: str, code: str | None = None, field: list[str] | None = None) -> dict[str, Any]:
    error: Mapping[str, Any] = {"field": field, "message": message, "code": code}
    if code is None:
        error = {"field": field, "message": message}
    return {"bulkOperation": None, "userErrors": [error]}
