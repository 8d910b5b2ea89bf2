"""Sends prepared requests over some kept-open connections as fast as they are answered; prints what came of it.

A process of its own: `python -m benchmarks.webhook_load PORT CONNECTIONS SECONDS FILE [RATE]`, where FILE has the
requests, each after its length (4 bytes). With RATE so many a second are due, one after the other, and each one's time
counts from when it was due: who makes one request wait makes those behind it wait too.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop


class _Queue:
    """The requests of all connections, and when each is due."""

    def __init__(self, requests: list[bytes], seconds: float, rate: float) -> None:
        self.requests = requests
        self.began = time.perf_counter()
        self.until = self.began + seconds
        self.apart = 1 / rate if rate else 0.0
        self.given = 0

    def next(self) -> tuple[bytes, float] | None:
        """A request and when it is due; None when there is none left or no time."""
        now = time.perf_counter()
        due = self.began + self.given * self.apart if self.apart else now
        if not self.requests or max(now, due) >= self.until:
            return None
        self.given += 1
        return self.requests.pop(), due


class _Sender(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last one is there, and it is due."""

    def __init__(self, queue: _Queue, seen: list[tuple[float, int]]) -> None:
        self.queue = queue
        self.seen = seen
        self.ended = asyncio.get_running_loop().create_future()
        self.sent = 0.0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if b"\r\n\r\n" not in self.buffer:
            return
        now = time.perf_counter()
        self.seen.append((now - self.sent, int(self.buffer[9:12])))
        self.buffer = b""
        self._next()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def _next(self) -> None:
        given = self.queue.next()
        if given is None:
            self.transport.close()
            return
        request, self.sent = given
        early = self.sent - time.perf_counter()
        if early > 0:
            asyncio.get_running_loop().call_later(early, self.transport.write, request)
        else:
            self.transport.write(request)


async def _send(
    port: int, connections: int, seconds: float, requests: list[bytes], rate: float = 0.0
) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    seen: list[tuple[float, int]] = []
    queue = _Queue(requests, seconds, rate)
    senders = [
        (await loop.create_connection(lambda: _Sender(queue, seen), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    await asyncio.gather(*(sender.ended for sender in senders))
    took = time.perf_counter() - queue.began
    times = sorted(seconds for seconds, _ in seen)
    taken = sum(1 for _, status in seen if 200 <= status < 300)
    return {
        "per_second": len(seen) / took,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[int(len(times) * 0.99)] * 1000,
        "taken": taken,
        "refused": len(seen) - taken,
        "left": len(requests),
    }


def _requests(path: Path) -> list[bytes]:
    content, at, found = path.read_bytes(), 0, []
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        found.append(content[at + 4 : at + 4 + size])
        at += 4 + size
    return found


if __name__ == "__main__":
    _port, _connections, _seconds, _file, *_rate = sys.argv[1:]
    _given = _requests(Path(_file))
    _said = _send(int(_port), int(_connections), float(_seconds), _given, *(float(rate) for rate in _rate))
    print(json.dumps(uvloop.run(_said)))
