"""What stands between the wire and a platform of the sandbox: counting, recording, latency and faults on demand.

One `Traffic` wraps one platform and must be the outermost ASGI layer, because hanging up on a caller needs the
server's own `send`. It reads the body once (the route of a GraphQL call is in it) and hands it on.
The kinds of faults follow mailchimp.md section 3 (429, 403 without JSON, 502 HTML from the CDN) and
shopify.md (429, 5xx, HTML pages in place of JSON), plus what any network does: hang, reset, cut short.
"""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shopchimp.sandbox.recording import Recorder

# What a route answers instead of carrying the request out.
REFUSALS: Final = {"429": 429, "500": 500, "503": 503}
PAGES: Final = {
    "502html": (502, b"<html><head><title>502 Bad Gateway</title></head></html>"),
    "403bare": (403, b"<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD></HTML>"),
    "html200": (200, b"<!DOCTYPE html><html><body>We will be right back</body></html>"),
}
# `*_after`: the request was carried out, only its answer is lost. `slow`: carried out and answered, later.
CONNECTION_FAULTS: Final = frozenset({"timeout", "timeout_after", "reset", "reset_after", "truncated", "slow"})
KINDS: Final = frozenset(REFUSALS) | frozenset(PAGES) | CONNECTION_FAULTS


class Platform(Protocol):
    """One of the two simulated services, as `Traffic` and the control routes see it."""

    name: str
    connection_limit: int | None  # more simultaneous calls than this are answered 429
    unlimited_routes: frozenset[str]
    batch_routes: frozenset[str]  # take the batch latency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    def route(self, method: str, path: str, body: bytes) -> str | None:
        """The name a call is counted under; None for people's pages, which are neither counted nor disturbed."""

    def refusal(self, status: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Headers and body of the platform's own 429, 500 or 503."""

    def login_of(self, scope: Scope) -> str:
        """Whose simultaneous calls are counted together."""

    def state(self) -> Iterable[Mapping[str, Any]]: ...
    def writes(self) -> Iterable[Mapping[str, Any]]: ...
    def edit(self, change: Mapping[str, Any]) -> Mapping[str, Any]: ...
    def revoke(self) -> None: ...


class BadRuleError(ValueError):
    """A fault rule that can never fire."""


@dataclass(slots=True)
class Rule:
    """Disturb calls of `route` ('*': all): a share `rate` of them, at most `times` of them."""

    route: str
    kind: str
    rate: float = 1.0
    times: int | None = None
    seconds: float = 30.0
    fired: int = 0
    chance: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadRuleError(f"unknown kind {self.kind!r}, choose from {sorted(KINDS)}")
        if not 0 < self.rate <= 1:
            raise BadRuleError(f"rate {self.rate} is not within (0, 1]")

    @classmethod
    def from_json(cls, given: Mapping[str, Any], *, seed: int, number: int) -> Self:
        known = {k: given[k] for k in ("route", "kind", "rate", "times", "seconds") if k in given}
        try:
            return cls(**known, chance=random.Random(f"{seed}:{number}"))  # noqa: S311
        except TypeError as error:
            raise BadRuleError(str(error)) from error

    def fires(self, route: str) -> bool:
        if self.route not in ("*", route) or (self.times is not None and self.fired >= self.times):
            return False
        if self.rate < 1 and self.chance.random() >= self.rate:
            return False
        self.fired += 1
        return True


class Traffic:
    """The ASGI application of one port's platform, with everything that can be switched from outside."""

    def __init__(
        self,
        platform: Platform,
        *,
        latency_ms: float = 0,
        batch_latency_ms: float | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.platform = platform
        self.recorder = recorder
        self.rules: list[Rule] = []
        self.calls: Counter[str] = Counter()
        self.connections = self.max_connections = self.refused = 0
        self._of_login: Counter[str] = Counter()
        self.latency(latency_ms, batch_latency_ms)

    def latency(self, ms: float, batch_ms: float | None = None) -> None:
        self._wait = ms / 1000
        self._batch_wait = self._wait if batch_ms is None else batch_ms / 1000

    def reset_counts(self) -> None:
        self.calls.clear()
        self.max_connections, self.refused = max(self._of_login.values(), default=0), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.platform(scope, receive, send)
            return
        body = await read_body(receive)
        if body is None:
            return
        route = self.platform.route(scope["method"], scope["path"], body)
        receive = _once(body, receive)
        if route is None:
            await self.platform(scope, receive, send)
            return
        self.calls[route] += 1
        app: ASGIApp = self.platform
        if self.recorder is not None:
            app = self.recorder.around(app, platform=self.platform.name, route=route, body=body)
        login = self.platform.login_of(scope)
        self.connections += 1
        self._of_login[login] += 1
        self.max_connections = max(self.max_connections, self._of_login[login])
        try:
            if self._over_limit(route, login):
                self.refused += 1
                await self._refuse(429, send)
            else:
                await self._answer(app, route, scope, receive, send)
        finally:
            self.connections -= 1
            self._of_login[login] -= 1

    def _over_limit(self, route: str, login: str) -> bool:
        limit = self.platform.connection_limit
        return limit is not None and self._of_login[login] > limit and route not in self.platform.unlimited_routes

    async def _answer(self, app: ASGIApp, route: str, scope: Scope, receive: Receive, send: Send) -> None:
        wait = self._batch_wait if route in self.platform.batch_routes else self._wait
        if wait:
            await asyncio.sleep(wait)
        rule = next((rule for rule in self.rules if rule.fires(route)), None)
        if rule is None:
            await app(scope, receive, send)
        elif (status := REFUSALS.get(rule.kind)) is not None:
            await self._refuse(status, send)
        elif (page := PAGES.get(rule.kind)) is not None:
            await _respond(send, page[0], [(b"content-type", b"text/html")], page[1])
        else:
            await _disturb(rule, app, scope, receive, send)

    async def _refuse(self, status: int, send: Send) -> None:
        headers, body = self.platform.refusal(status)
        await _respond(send, status, headers, body)


async def _disturb(rule: Rule, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    match rule.kind:
        case "slow":
            await asyncio.sleep(rule.seconds)
            await app(scope, receive, send)
        case "timeout":  # the slot stays taken even if the caller gives up: mailchimp.md section 3, row 502
            await asyncio.sleep(rule.seconds)
            await _hang_up(receive, send)
        case "timeout_after":
            await app(scope, receive, _Answer())
            await asyncio.sleep(rule.seconds)
            await _hang_up(receive, send)
        case "reset":
            await _hang_up(receive, send)
        case "reset_after":
            await app(scope, receive, _Answer())
            await _hang_up(receive, send)
        case _:
            await _truncate(app, scope, receive, send)


class _Answer:
    """Takes an application's answer in place of the caller."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")


async def _truncate(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    answer = _Answer()
    await app(scope, receive, answer)
    headers = [(name, value) for name, value in answer.start["headers"] if name != b"content-length"]
    length = (b"content-length", b"%d" % max(len(answer.body), 2))
    await send({**answer.start, "headers": [*headers, length]})
    half = answer.body[: len(answer.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    transport = _transport(send)
    if transport is None:
        raise ConnectionResetError("cut short on purpose")
    transport.close()  # unlike abort() this lets what was written go out first
    await _gone(receive)


async def _hang_up(receive: Receive, send: Send) -> None:
    transport = _transport(send)
    if transport is None:
        raise ConnectionResetError("hung up on purpose")
    with suppress(OSError, AttributeError):  # linger 0: the caller sees a reset, not an orderly end
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


def _transport(send: Send) -> asyncio.WriteTransport | None:
    """uvicorn binds `send` to the cycle that owns the connection; ASGI itself has no word for hanging up."""
    return getattr(getattr(send, "__self__", None), "transport", None)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def read_body(receive: Receive) -> bytes | None:
    """The whole request body, or None if the caller left before sending it."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        return bytes(message.get("body", b""))
    parts = []
    while message["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    return None


def _once(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
