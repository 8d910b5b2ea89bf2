"""What is written down of the sandbox's traffic: every call for the contract tests, every effective write."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEPT_RESPONSE: Final = 20_000


class Recorder:
    """Appends one JSON line per API call to a file. OAuth bodies carry secrets and stay out."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("ab", buffering=0)

    def around(self, app: ASGIApp, *, platform: str, route: str, body: bytes) -> ASGIApp:
        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            status, parts, size = 0, list[bytes](), 0

            async def listen(message: Message) -> None:
                nonlocal status, size
                if message["type"] == "http.response.start":
                    status = message["status"]
                elif size <= KEPT_RESPONSE:
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                await send(message)

            await app(scope, receive, listen)
            secret = "oauth" in scope["path"]
            self._write(
                {
                    "platform": platform,
                    "method": scope["method"],
                    "path": scope["path"],
                    "route": route,
                    "query": dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
                    "body": None if secret else _readable(body),
                    "status": status,
                    "at": time.time(),
                    "response": None if secret or size > KEPT_RESPONSE else _readable(b"".join(parts)),
                }
            )

        return recorded

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(orjson.dumps(line) + b"\n")

    def close(self) -> None:
        self._file.close()


def _readable(body: bytes) -> Any:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")


def trimmed(data: bytes) -> bytes:
    """Without the room that orjson reserved: bytes that are kept would hold four kilobytes for the shortest line."""
    return bytes(bytearray(data))


class WriteLog:
    """Every effective write of the app under test, in order; one shared `next_number` orders both platforms.

    A call that changes nothing writes nothing here: what a person was given twice shows as two lines.
    """

    def __init__(self, *, enabled: bool = True, next_number: Callable[[], int] | None = None) -> None:
        self.enabled = enabled
        self._next = next_number or self._own
        self._lines: list[tuple[int, str, str, bytes, float]] = []

    def _own(self) -> int:
        return len(self._lines) + 1

    def add(self, kind: str, key: str, content: Mapping[str, Any]) -> None:
        if self.enabled:
            stored = trimmed(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
            self._lines.append((self._next(), kind, key, stored, time.time()))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number, kind, key, content, at in self._lines:
            digest = hashlib.sha256(content).hexdigest()
            yield {
                "n": number,
                "at": at,
                "kind": kind,
                "key": key,
                "digest": digest,
                "content": orjson.Fragment(content),
            }
