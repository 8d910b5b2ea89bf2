"""`/batches`: many calls in one, carried out by Mailchimp in its own time, one batch after the other (mailchimp.md 10).

A batch can't be named by us, and its POST is not idempotent: after a lost answer `recent` shows what may be ours, and a
`mark` in front of the operations' ids proves it. Since every operation may be carried out twice, sending it again is
the worst that can happen. Results are a tar.gz of JSON files in no order; they are read as a stream.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO, Any, cast

import httpx
import orjson

from shopchimp.domain.errors import PlatformError, Rejected, Unavailable
from shopchimp.mailchimp.client import BULK, PLATFORM, MailchimpClient, error_of
from shopchimp.mailchimp.ecommerce import Operation

MOST = 1000  # operations a batch: the documentation's own example
MOST_BYTES = 8_000_000  # of their bodies: no limit is documented, and time-outs of large ones were reported
FILE_BYTES = 256_000_000  # the largest file of results that is taken: it is read as a whole
_ROUTE = "/batches"
_ONE = "/batches/{batch_id}"
_FIELDS = "id,status,total_operations,finished_operations,errored_operations,submitted_at,response_body_url"


@dataclass(frozen=True, slots=True)
class Batch:
    """Where a batch stands. `total` is 0 until Mailchimp has looked at it; `url` is good for ten minutes."""

    id: str
    status: str
    total: int
    finished: int
    errored: int
    submitted_at: datetime | None
    url: str

    @property
    def is_finished(self) -> bool:
        """Whether its results can be read."""
        return self.status == "finished"


@dataclass(frozen=True, slots=True)
class Result:
    """What one operation was answered; `answer` is the document, None where there is none (a 204, an HTML page)."""

    operation_id: str
    status: int
    answer: dict[str, Any] | None


def portion(operations: Sequence[Operation], *, most: int = MOST) -> int:
    """How many of these, from the first on, go together into one batch."""
    size = 0
    for number, operation in enumerate(operations[:most]):
        size += len(operation.content() or b"")
        if size > MOST_BYTES and number:
            return number
    return min(len(operations), most)


def submit(client: MailchimpClient, operations: Sequence[Operation], *, mark: str = "") -> str:
    """Send operations as one batch and give back its id. Unavailable: it may have been taken all the same."""
    listed = [
        {
            "method": each.method,
            "path": each.path,
            "operation_id": _marked(mark, each.id),
            **({"body": content.decode()} if (content := each.content()) is not None else {}),
        }
        for each in operations
    ]
    answer = client.send("POST", _ROUTE, _ROUTE, body={"operations": listed}, timeout=BULK)
    if not answer.get("id"):
        raise Unavailable(PLATFORM, "mc_unreachable", "a batch without an id")
    return str(answer["id"])


def _marked(mark: str, operation_id: str) -> str:
    return f"{mark}/{operation_id}" if mark else operation_id


def look(client: MailchimpClient, batch_id: str) -> Batch | None:
    """How a batch stands; None where Mailchimp doesn't know it any more."""
    try:
        return _batch(client.get(f"{_ROUTE}/{batch_id}", _ONE, {"fields": _FIELDS}))
    except Rejected as error:
        if error.code == "mc_not_found":
            return None
        raise


def recent(client: MailchimpClient, since: datetime) -> list[Batch]:
    """The batches of the account submitted since then, other apps' included, oldest first."""
    fields = ",".join(f"batches.{name}" for name in _FIELDS.split(","))
    found: list[Batch] = []
    while True:
        params = {"count": 1000, "offset": len(found), "fields": f"{fields},total_items"}
        answer = client.get(_ROUTE, _ROUTE, params)
        page = [_batch(each) for each in answer.get("batches") or () if isinstance(each, dict)]
        found += page
        if not page or len(found) >= int(answer.get("total_items") or 0):
            break
    late = [(each.submitted_at, each) for each in found if each.submitted_at is not None and each.submitted_at >= since]
    return [each for _, each in sorted(late, key=lambda pair: pair[0])]


def stop(client: MailchimpClient, batch_id: str) -> None:
    """Stop a batch; what it did until then stays, its results are lost. One that is gone is fine."""
    try:
        client.delete(f"{_ROUTE}/{batch_id}", _ONE)
    except Rejected as error:
        if error.code != "mc_not_found":
            raise


def results(client: MailchimpClient, url: str, *, allowed_hosts: frozenset[str], mark: str = "") -> Iterator[Result]:
    """What each operation of a finished batch was answered, as the archive comes in; only those with the mark.

    Unavailable when the archive breaks off.
    """
    start = _marked(mark, "")
    answer = client.download(url, allowed_hosts=allowed_hosts)
    try:
        stream = cast("IO[bytes]", _Stream(answer.iter_raw(1 << 16)))
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for entry in archive:
                if not entry.isfile():
                    continue
                if entry.size > FILE_BYTES:
                    raise Unavailable(PLATFORM, "mc_unreachable", "a file of batch results that is too large")
                file = archive.extractfile(entry)
                found = _results(orjson.loads(file.read()) if file is not None else [])
                yield from (
                    replace(each, operation_id=each.operation_id.removeprefix(start))
                    for each in found
                    if each.operation_id.startswith(start)
                )
    except (httpx.HTTPError, tarfile.TarError, OSError, EOFError, zlib.error, orjson.JSONDecodeError) as error:
        words = f"the results of a batch broke off: {type(error).__name__}"
        raise Unavailable(PLATFORM, "mc_unreachable", words) from error
    finally:
        answer.close()


def outcome(operation: Operation, result: Result) -> PlatformError | None:
    """What an operation's answer means: the same as if it had been a call of its own."""
    if 200 <= result.status < 300:
        return None
    return error_of(result.status, result.answer, operation.method, operation.route)


class _Stream:
    """Blocks of an answer as a file that is read once, from front to end."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def read(self, size: int) -> bytes:
        parts, missing = [self._rest], size - len(self._rest)
        while missing > 0 and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            missing -= len(block)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]


def _results(items: Any) -> Iterator[Result]:
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, dict):
            yield Result(str(item.get("operation_id") or ""), _status(item.get("status_code")), _document(item))


def _status(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _document(item: Mapping[str, Any]) -> dict[str, Any] | None:
    response = item.get("response")
    try:
        found = orjson.loads(response) if isinstance(response, str) and response else response
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _batch(item: Mapping[str, Any]) -> Batch:
    return Batch(
        id=str(item.get("id") or ""),
        status=str(item.get("status") or ""),
        total=int(item.get("total_operations") or 0),
        finished=int(item.get("finished_operations") or 0),
        errored=int(item.get("errored_operations") or 0),
        submitted_at=_moment(item.get("submitted_at")),
        url=str(item.get("response_body_url") or ""),
    )


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
