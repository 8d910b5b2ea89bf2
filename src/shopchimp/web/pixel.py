"""The pixel's events: anybody's browser speaks here, so nothing is believed that need not be, and nothing is answered.

Every POST gets 204 with an empty body, whatever came of it: a pixel has nobody to tell, and who tries things out learns
nothing. What came of it is in the metrics, by outcome alone. Nothing is kept of an event without the visitor's consent
to marketing, or of one that isn't spelt exactly as the pixel does.

Limits: 16 kB and 10 s a body; so many events a second for one public id, one visitor and one address. An address is
counted only where it is the visitor's own: behind a proxy that hides it, all of a shop's visitors would share one.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog
from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from shopchimp.db.intake_events import incoming
from shopchimp.domain.customer_events.admission import admit
from shopchimp.domain.customer_events.beacon import BEACON_BYTES, Beacon, Refused, read_beacon
from shopchimp.domain.customer_events.keeping import taken_apart
from shopchimp.web.health import registry
from shopchimp.web.intake import Intake
from shopchimp.web.pixel_limits import Buckets, counted_address

log = structlog.get_logger()

PATH = "/pixel/v1/events"
BODY_SECONDS = 10.0
ANSWER_WITHIN = 0.5  # seconds: an event that isn't stored by then goes on waiting without its browser
LARGEST_READ = 4 * BEACON_BYTES  # of a body that is too large, before we hang up

_CORS = {"Access-Control-Allow-Origin": "*"}  # a strict sandbox has the origin "null"; nothing here is anybody's own
_PREFLIGHT = {
    **_CORS,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Max-Age": "86400",
}
_events = Counter("shopchimp_pixel_events", "Events of the pixel by what came of them", ["outcome"], registry=registry)


def tell(outcome: str, count: int = 1) -> None:
    """Count what came of events."""
    _events.labels(outcome).inc(count)


@dataclass(slots=True)
class Limits:
    """Who may speak how often, in this process."""

    accounts: Buckets
    visitors: Buckets
    addresses: Buckets

    @classmethod
    def usual(cls) -> Limits:
        """A shop on its busiest day, a visitor who opens twenty tabs, an office that shares one address."""
        return cls(
            accounts=Buckets(rate=1_000, burst=10_000, most=2_000),
            visitors=Buckets(rate=2, burst=120, most=50_000),
            addresses=Buckets(rate=50, burst=1_000, most=20_000),
        )


class _Dropped(Exception):
    """Nothing of this is kept."""


class Door:
    """Takes the pixel's events before the router, as the webhooks have their own door."""

    def __init__(self, app: ASGIApp, *, limits: Limits | None = None) -> None:
        self.app = app
        self.limits = limits or Limits.usual()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an event or a browser's preflight, or pass the request on."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] not in ("POST", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        scope["route"] = _Label(PATH)
        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, send)
            return
        try:
            await self._take(Request(scope, receive))
        except _Dropped as dropped:
            tell(str(dropped))
        except Exception as error:  # noqa: BLE001 - a browser is never told of our troubles
            tell("failed")
            log.error("pixel_event_failed", error=type(error).__name__)  # noqa: TRY400 - its words may be the visitor's
        await Response(status_code=204, headers=_CORS)(scope, receive, send)

    async def _take(self, request: Request) -> None:
        now = time.monotonic()
        address = counted_address(request.client.host if request.client else None)
        if address is not None and not self.limits.addresses.take(address, now):
            raise _Dropped("too_many")
        intake = getattr(request.app.state, "intake", None)
        if not isinstance(intake, Intake):  # not begun yet, or ending
            raise _Dropped("closed")
        beacon = _read(await _body(request), intake)
        if not self.limits.accounts.take(beacon.account, now):
            raise _Dropped("too_many")
        if not self.limits.visitors.take((beacon.account, beacon.visitor), now):
            raise _Dropped("too_many")
        event = taken_apart(beacon)
        customers = () if event.customer_id is None else (event.customer_id,)
        stored = intake.inbox.put(incoming(beacon.account, event, intake.graves(customers, event.email)))
        if stored is not None and not intake.inbox.away:
            await asyncio.wait((stored,), timeout=ANSWER_WITHIN)


@dataclass(frozen=True, slots=True)
class _Label:
    """What the request counter calls the route."""

    path: str


def _read(body: bytes, intake: Intake) -> Beacon:
    found = read_beacon(body)
    if isinstance(found, Beacon):
        found = admit(found, intake.clock())
    if isinstance(found, Refused):
        raise _Dropped(found.reason.value)
    return found


async def _body(request: Request) -> bytes:
    """The raw body within its limits, whatever its Content-Length says."""
    length = next((value for name, value in request.scope["headers"] if name == b"content-length"), b"0")
    if not length.isdigit() or len(length) > 12 or int(length) > LARGEST_READ:
        raise _Dropped("too_large")
    parts: list[bytes] = []
    taken = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise _Dropped("cut_short")
                part: bytes = message.get("body", b"")
                taken += len(part)
                if taken > LARGEST_READ:
                    raise _Dropped("too_large")
                parts.append(part)
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise _Dropped("too_slow") from None
    if taken > BEACON_BYTES:
        raise _Dropped("too_large")
    return b"".join(parts)
