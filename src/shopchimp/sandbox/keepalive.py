"""Sends many small HTTP requests over few kept connections: only what delivering webhooks needs, and fast.

A client library spends most of its time on what a webhook never has (redirects, cookies, streaming). Here one protocol
object is one connection, one request after another, and only the status of the answer is read out.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlsplit

CONNECTIONS: Final = 32  # to one host, side by side
CONNECT_SECONDS: Final = 1.0
NO_ANSWER: Final = 0


class Target(NamedTuple):
    """Where an URL leads: the connection, and what stands in the request."""

    host: str
    port: int
    tls: bool
    path: str
    authority: str


def target_of(url: str) -> Target:
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    path = parts.path or "/"
    port = parts.port or (443 if tls else 80)
    return Target(parts.hostname or "", port, tls, f"{path}?{parts.query}" if parts.query else path, parts.netloc)


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection; `ask` again only after the last answer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.usable = False
        self._received = bytearray()
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._settle(_status(self._received) if exc is None else NO_ANSWER)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        if not _complete(head, self._received, end + 4):
            return
        status = _status(self._received)
        if b"\r\nconnection: close" in head:
            self.usable = False
        self._settle(status)

    async def ask(self, request: bytes) -> int:
        """The status of the answer; 0 if the other side hung up without one."""
        if self.transport is None:
            return NO_ANSWER
        self._received.clear()
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.usable = False
        if self.transport is not None:
            self.transport.abort()

    def _settle(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)


Job = Callable[[Connection | None], Awaitable[Connection | None]]


@dataclass(slots=True)
class Host:
    """What waits for one host and port: at most `CONNECTIONS` at once, so one that hangs holds up nobody else's."""

    target: Target
    waiting: deque[Job] = field(default_factory=deque)
    busy: set[asyncio.Task[None]] = field(default_factory=set)

    def add(self, job: Job) -> None:
        self.waiting.append(job)
        if len(self.busy) < CONNECTIONS:
            task = asyncio.get_running_loop().create_task(self._work())
            self.busy.add(task)
            task.add_done_callback(self.busy.discard)

    async def _work(self) -> None:
        connection: Connection | None = None
        while self.waiting:
            connection = await self.waiting.popleft()(connection)
        if connection is not None:
            connection.close()


async def send(
    target: Target, request: bytes, connection: Connection | None, *, seconds: float
) -> tuple[int, Connection | None]:
    """The status (0: none within the time), and the connection if it may be used again."""
    try:
        async with asyncio.timeout(seconds):
            fresh = connection is None or not connection.usable
            if connection is None or fresh:
                connection = await _connect(target)
            status = await connection.ask(request)
            if status == NO_ANSWER and not fresh:  # the host closed a kept connection just then: that is no failure yet
                connection.close()
                connection = await _connect(target)
                status = await connection.ask(request)
    except (OSError, TimeoutError):
        status = NO_ANSWER
    if status == NO_ANSWER or connection is None or not connection.usable:
        if connection is not None:
            connection.close()
        return status, None
    return status, connection


async def _connect(target: Target) -> Connection:
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context() if target.tls else None
    async with asyncio.timeout(CONNECT_SECONDS):
        _, connection = await loop.create_connection(Connection, target.host, target.port, ssl=context)
    return connection


def _status(received: bytes | bytearray) -> int:
    with suppress(ValueError):
        return int(bytes(received[9:12]))
    return NO_ANSWER


def _complete(head: bytes, received: bytearray, body: int) -> bool:
    """Whether the whole answer is there: by its length, by its last chunk, or because it can have no body."""
    if _status(head) in (204, 304):
        return True
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        return len(received) - body >= int(head[at + 17 :].split(b"\r\n", 1)[0])
    if b"\r\ntransfer-encoding: chunked" in head:
        return received.endswith((b"\r\n0\r\n\r\n",)) or received[body:] == b"0\r\n\r\n"
    return False  # until the host closes
