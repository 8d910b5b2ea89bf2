"""Sends prepared requests over some kept-open connections as fast as they are answered; prints what came of it.

A process of its own: `python -m benchmarks.webhook_load PORT CONNECTIONS SECONDS FILE`, where FILE has the requests,
each after its length (4 bytes).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop


class _Sender(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last one is there."""

    def __init__(self, requests: list[bytes], seen: list[tuple[float, int]], until: float) -> None:
        self.requests = requests
        self.seen = seen
        self.until = until
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
        if not self.requests or time.perf_counter() >= self.until:
            self.transport.close()
            return
        self.sent = time.perf_counter()
        self.transport.write(self.requests.pop())


async def _send(port: int, connections: int, seconds: float, requests: list[bytes]) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    seen: list[tuple[float, int]] = []
    began = time.perf_counter()
    until = began + seconds
    senders = [
        (await loop.create_connection(lambda: _Sender(requests, seen, until), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(sender.ended for sender in senders))
    took = time.perf_counter() - began
    times = sorted(seconds for seconds, _ in seen)
    taken = sum(1 for _, status in seen if status == 200)
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
    _port, _connections, _seconds, _file = sys.argv[1:]
    print(json.dumps(uvloop.run(_send(int(_port), int(_connections), float(_seconds), _requests(Path(_file))))))
