"""The `/_sandbox/` routes, the same on both ports: look, count, break things, edit as somebody else."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Protocol, runtime_checkable

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from shopchimp.sandbox.courier import Courier
from shopchimp.sandbox.faults import BadRuleError, Rule, Traffic, read_body

PREFIX: Final = "/_sandbox/"
LINES_A_PIECE: Final = 1000
EDITS_AT_A_TIME: Final = 200


@runtime_checkable
class KeepsAutomations(Protocol):
    """Mailchimp's half."""

    def automations(self) -> Mapping[str, Any]: ...


@runtime_checkable
class KeepsEvents(Protocol):
    """Mailchimp's half: the events of its contacts."""

    def events(self) -> Iterable[Mapping[str, Any]]: ...


class Control:
    """An ASGI application for the paths under `/_sandbox/`."""

    def __init__(self, traffic: Sequence[Traffic], courier: Courier | None = None) -> None:
        self._traffic = {each.platform.name: each for each in traffic}
        courier = courier or Courier()
        self._reads: dict[str, Callable[[], Mapping[str, Any]]] = {"calls": self._calls, "faults": self._faults}
        self._reads["webhooks"] = courier.report
        self._reads["automations"] = self._automations
        self._streams: dict[str, Callable[[Traffic], Iterable[Mapping[str, Any]]]] = {
            "state": lambda each: each.platform.state(),
            "writes": lambda each: each.platform.writes(),
            "events": lambda each: each.platform.events() if isinstance(each.platform, KeepsEvents) else (),
        }
        self._posts: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "calls/reset": self._reset_calls,
            "faults": self._set_faults,
            "latency": self._set_latency,
            "edit": lambda given: self._one(given).platform.edit(given),
            "revoke": self._revoke,
            "webhooks": courier.change,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(PREFIX)
        if scope["method"] == "GET" and name in self._streams:
            await _stream(send, self._lines(name, scope["query_string"].decode()))
        elif scope["method"] == "GET" and name in self._reads:
            await _json(send, 200, self._reads[name]())
        elif scope["method"] == "POST" and name in self._posts:
            body = await read_body(receive)
            try:
                await _json(send, 200, self._posts[name](orjson.loads(body or b"{}")))
            except (BadRuleError, LookupError, ValueError, TypeError) as error:
                await _json(send, 400, {"error": _words(error)})
        elif scope["method"] == "POST" and name == "edits":
            await _json(send, 200, await self._edits(orjson.loads(await read_body(receive) or b"{}")))
        else:
            await _json(send, 404, {"error": f"no control route {scope['method']} {scope['path']}"})

    def _calls(self) -> Mapping[str, Any]:
        """Calls per route, and how many at once; `max_connections` is Mailchimp's, which has the limit."""
        answer: dict[str, Any] = {name: each.calls for name, each in self._traffic.items()}
        answer["connections"] = {
            name: {"current": each.connections, "max": each.max_connections, "refused": each.refused}
            for name, each in self._traffic.items()
        }
        limited = [each for each in self._traffic.values() if each.platform.connection_limit is not None]
        answer["max_connections"] = max((each.max_connections for each in limited), default=0)
        return answer

    def _automations(self) -> Mapping[str, Any]:
        """Those that would have fired in Mailchimp, and those kept quiet with the reason."""
        for each in self._traffic.values():
            if isinstance(each.platform, KeepsAutomations):
                return each.platform.automations()
        raise LookupError("no platform with automations")

    def _reset_calls(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        for each in self._traffic.values():
            each.reset_counts()
        return {"reset": True}

    def _lines(self, name: str, query: str) -> Iterator[bytes]:
        """`?platform=shopify` narrows to one platform; each line names its own."""
        wanted = query.removeprefix("platform=")
        for each in self._traffic.values():
            if wanted in ("", each.platform.name):
                for row in self._streams[name](each):
                    yield orjson.dumps({"platform": each.platform.name, **row}, option=orjson.OPT_APPEND_NEWLINE)

    def _faults(self) -> Mapping[str, Any]:
        return {
            "rules": [
                {"platform": name, "route": rule.route, "kind": rule.kind, "rate": rule.rate, "fired": rule.fired}
                for name, each in self._traffic.items()
                for rule in each.rules
            ]
        }

    def _set_faults(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replaces all rules at once; a rule without a platform holds for both."""
        seed = int(given.get("seed", 1))
        rules: dict[str, list[Rule]] = {name: [] for name in self._traffic}
        for number, each in enumerate(given["rules"]):
            for name in [each["platform"]] if "platform" in each else list(rules):
                rules[name].append(Rule.from_json({"route": "*", **each}, seed=seed, number=number))
        for name, chosen in rules.items():
            self._traffic[name].rules = chosen
        return self._faults()

    def _set_latency(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        ms, batch_ms = float(given["ms"]), given.get("batch_ms")
        for name, each in self._traffic.items():
            if given.get("platform", name) == name:
                each.latency(ms, None if batch_ms is None else float(batch_ms))
        return {"ms": ms, "batch_ms": batch_ms}

    async def _edits(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Many edits in order, each like one of `edit`; those that fail are named by their place, the rest is done."""
        failed = []
        for number, each in enumerate(given.get("edits", ())):
            try:
                self._one(each).platform.edit(each)
            except (LookupError, ValueError, TypeError) as error:
                failed.append({"number": number, "error": _words(error)})
            if number % EDITS_AT_A_TIME == EDITS_AT_A_TIME - 1:
                await asyncio.sleep(0)  # calls of the app are answered in between
        return {"done": len(given.get("edits", ())) - len(failed), "failed": failed}

    def _revoke(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        self._one(given).platform.revoke()
        return {"revoked": given["platform"]}

    def _one(self, given: Mapping[str, Any]) -> Traffic:
        return self._traffic[given["platform"]]


def with_control(app: ASGIApp, control: Control) -> ASGIApp:
    """What a port serves: the platform, and the control routes beside it."""

    async def port(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = control if scope["type"] == "http" and scope["path"].startswith(PREFIX) else app
        await chosen(scope, receive, send)

    return port


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


async def _json(send: Send, status: int, content: Mapping[str, Any]) -> None:
    body = orjson.dumps(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send, lines: Iterator[bytes]) -> None:
    headers = [(b"content-type", b"application/x-ndjson")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while piece := b"".join(islice(lines, LINES_A_PIECE)):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
