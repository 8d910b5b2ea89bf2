"""For the operator's machines: alive, ready, counted. No version, no shop, no person."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shopchimp.web import deps

log = structlog.get_logger()
READY_WITHIN = 2.5  # seconds; a load balancer's own limit is usually 3

router = APIRouter(include_in_schema=False)
registry = CollectorRegistry()
_requests = Counter("shopchimp_http_requests", "Requests answered", ["method", "route", "status"], registry=registry)
_seconds = Histogram("shopchimp_http_request_seconds", "Time to the answer's head", ["route"], registry=registry)
_probe = ThreadPoolExecutor(2, thread_name_prefix="readyz")


@router.get("/healthz")
def healthz() -> PlainTextResponse:
    """The process answers. Nothing else is asked."""
    return PlainTextResponse("ok")


@router.get("/readyz")
def readyz(request: Request) -> JSONResponse:
    """Postgres answers and has our tables. Redis is not asked: without it we are slower, not wrong."""
    try:
        ready = _probe.submit(deps.database(request).is_ready).result(timeout=READY_WITHIN)
    except Exception as error:  # noqa: BLE001 - whatever a database away raises, a time-out included
        log.warning("not_ready", error=type(error).__name__)
        ready = False
    return JSONResponse({"ready": ready}, status_code=200 if ready else 503)


@router.get("/metrics")
def metrics() -> Response:
    """Counts by route template, never by path."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class Count:
    """Counts requests by method, route template and status."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the time until the answer's head is sent."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "unknown")
                method = scope["method"] if scope["method"] in {"GET", "POST", "PUT", "PATCH", "DELETE"} else "other"
                _requests.labels(method, route, str(message["status"])).inc()
                _seconds.labels(route).observe(time.perf_counter() - began)
            await send(message)

        await self.app(scope, receive, counted)
