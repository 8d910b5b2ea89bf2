"""`/batches` (mailchimp.md section 10, examples/batch-*.json): many calls in one, carried out one batch at a time.

Nothing runs in the background: each call of the API first carries out what has come due since the last one, at
`rate` operations a second. A GET without `count` pages through everything. A batch keeps its results as the tar.gz that
will be fetched.
"""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.described import check_query, checked_body
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.wire import Call, Problem, general, not_found, schema_problem

MOST_PENDING: Final = 500
URL_SECONDS: Final = 600
KEPT_SECONDS: Final = 7 * 86_400
AT_A_TIME: Final = 2000  # operations a call may carry out for others before it is answered itself
OPERATIONS_A_FILE: Final = 500
UNLIMITED: Final = 0.0
PAGE: Final = 10  # what every list shows unless asked for more
RESULTS: Final = "/batch-results/"

# Carries out one operation: method, path, query, body -> status and body of its answer.
Perform = Callable[[str, str, Mapping[str, str], bytes, str], tuple[int, bytes]]


@dataclass(slots=True)
class Batch:
    id: str
    operations: list[dict[str, Any]]
    submitted: float
    base_url: str
    total: int
    status: str = "pending"
    started: float = 0.0
    completed: float | None = None
    done: int = 0
    errored: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    result: bytes = b""

    def document(self, url: str) -> dict[str, Any]:
        counted = self.status != "pending"
        return {
            "id": self.id,
            "status": self.status,
            "total_operations": self.total if counted else 0,
            "finished_operations": self.done,
            "errored_operations": self.errored,
            "submitted_at": written(int(self.submitted)),
            "completed_at": written(int(self.completed)) if self.completed is not None else "",
            "response_body_url": url,
            "_links": [],
        }


@dataclass(slots=True)
class Batches:
    seed: int
    secret: str
    clock: Callable[[], float]
    rate: float = UNLIMITED
    perform: Perform | None = None
    by_id: dict[str, Batch] = field(default_factory=dict)
    waiting: list[Batch] = field(default_factory=list)
    last: int = 0
    busy: bool = False

    def advance(self) -> None:
        """Carry out what is due. Batches go one after the other (mailchimp.md, surprise 8)."""
        if self.busy or not self.waiting or self.perform is None:
            return
        self.busy = True
        try:
            left = AT_A_TIME
            while self.waiting and left > 0:
                batch = self.waiting[0]
                left -= self._work(batch, left)
                if batch.status != "finished":
                    break
                self.waiting.pop(0)
        finally:
            self.busy = False

    def _work(self, batch: Batch, most: int) -> int:
        now = self.clock()
        if batch.status == "pending":
            batch.status, batch.started = "started", max(batch.submitted, self._free_since())
        due = batch.total if self.rate == UNLIMITED else int((now - batch.started) * self.rate)
        until = min(due, batch.total, batch.done + most)
        worked = until - batch.done
        for operation in batch.operations[batch.done : until]:
            answers = self._answers(operation, batch)
            batch.answers += answers
            batch.errored += any(each["status_code"] >= 400 for each in answers)
            batch.done += 1
        if batch.done == batch.total:
            batch.status = "finished"
            batch.completed = now if self.rate == UNLIMITED else min(now, batch.started + batch.total / self.rate)
            batch.result = _packed(batch.id, batch.answers)
            batch.operations, batch.answers = [], []
        return max(worked, 1)

    def _free_since(self) -> float:
        """When the batch before was done: the next one begins then, not when somebody looks."""
        return max((each.completed or 0.0 for each in self.by_id.values()), default=0.0)

    def _answers(self, operation: Mapping[str, Any], batch: Batch) -> list[dict[str, Any]]:
        """One; of a GET that names no `count`, as many as there are pages."""
        assert self.perform is not None  # noqa: S101 - `advance` looked
        params = {name: str(value) for name, value in operation.get("params", {}).items()}
        body = (operation.get("body") or "").encode()
        method, path, named = operation["method"], operation["path"], operation.get("operation_id", "")
        paged = method == "GET" and "count" not in params and "?" not in path
        found = []
        while True:
            status, content = self.perform(method, path, params, body, batch.base_url)
            found.append({"status_code": status, "operation_id": named, "response": content.decode()})
            if not paged or status != 200:
                return found
            seen = int(params.get("offset", 0)) + PAGE
            if orjson.loads(content).get("total_items", 0) <= seen:
                return found
            params = {**params, "offset": str(seen)}

    def url(self, batch: Batch) -> str:
        """Good for ten minutes; each look makes another."""
        if batch.status != "finished" or self.clock() - (batch.completed or 0) > KEPT_SECONDS:
            return ""
        expires = int(self.clock()) + URL_SECONDS
        proof = self._proof(batch.id, expires)
        return f"{batch.base_url}{RESULTS}{batch.id}-response.tar.gz?Expires={expires}&Signature={proof}"

    def file(self, name: str, query: Mapping[str, str]) -> bytes | None:
        """The archive behind a URL that was given out and is still good."""
        batch = self.by_id.get(name.removesuffix("-response.tar.gz"))
        expires = query.get("Expires", "")
        if batch is None or not expires.isdecimal() or int(expires) < self.clock():
            return None
        return batch.result if query.get("Signature") == self._proof(batch.id, int(expires)) else None

    def _proof(self, batch_id: str, expires: int) -> str:
        return hashlib.sha256(f"{self.secret} {batch_id} {expires}".encode()).hexdigest()[:32]

    def add(self, operations: list[dict[str, Any]], base_url: str) -> Batch:
        self.last += 1
        name = hashlib.sha256(f"batch {self.seed} {self.last} {self.secret}".encode()).hexdigest()[:10]
        batch = Batch(name, operations, self.clock(), base_url, len(operations))
        self.by_id[name] = batch
        self.waiting.append(batch)
        return batch

    def drop(self, batch: Batch) -> None:
        del self.by_id[batch.id]
        self.waiting = [each for each in self.waiting if each is not batch]

    def recent(self) -> list[Batch]:
        oldest = self.clock() - KEPT_SECONDS
        return [each for each in self.by_id.values() if each.submitted >= oldest]


def post(account: Any, call: Call) -> Mapping[str, Any]:
    batches: Batches = account.batches
    body = checked_body(call)
    if len(batches.waiting) >= MOST_PENDING:
        said = "You have more than 500 pending batches. Please wait for some to complete before adding any more."
        raise Problem(429, "Too Many Requests", said)  # exact text UNVERIFIED
    if not body["operations"]:
        raise schema_problem([("operations", "This collection should contain 1 element or more.")])
    return batches.add(body["operations"], call.base_url).document("")


def listing(account: Any, call: Call) -> Mapping[str, Any]:
    check_query(call)
    batches: Batches = account.batches
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    found = batches.recent()
    shown = [each.document(batches.url(each)) for each in found[offset : offset + count]]
    return chosen(call, {"batches": shown, "total_items": len(found), "_links": []})


def one(account: Any, call: Call) -> Mapping[str, Any]:
    check_query(call)
    batch = _known(account, call)
    return chosen(call, batch.document(account.batches.url(batch)))


def delete(account: Any, call: Call) -> None:
    """Stops it, and its results are lost."""
    account.batches.drop(_known(account, call))


def not_in_batches() -> Problem:
    return general("invalid_action")


def _known(account: Any, call: Call) -> Batch:
    found: Batch | None = account.batches.by_id.get(call.path["batch_id"])
    if found is None:
        raise not_found()
    return found


def _packed(name: str, answers: list[dict[str, Any]]) -> bytes:
    """Files of JSON arrays, in no order one could rely on."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        folder = tarfile.TarInfo(name)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        starts = range(0, len(answers), OPERATIONS_A_FILE)
        for number in reversed(starts):
            content = orjson.dumps(answers[number : number + OPERATIONS_A_FILE][::-1])
            digest = hashlib.sha256(f"{name} {number}".encode()).hexdigest()[:10]
            entry = tarfile.TarInfo(f"{name}/{digest}.json")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), compresslevel=1, mtime=0)
