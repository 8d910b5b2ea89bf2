"""What goes wrong, said once: as a page to people, as a problem document (RFC 9457) to programs."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from pathlib import Path
from traceback import extract_tb
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shopchimp.domain.causes import cause
from shopchimp.domain.errors import PlatformError, RateLimited, Unavailable
from shopchimp.services.breaker import NothingHeld
from shopchimp.services.connection import ConnectRefused
from shopchimp.services.settings import InvalidSettings
from shopchimp.services.sms import SmsRefused
from shopchimp.services.sync_runs import StartRefused
from shopchimp.shopify.domains import shop_domain
from shopchimp.web import deps, render
from shopchimp.web.deps import ForeignOrigin, Unidentified

log = structlog.get_logger()

API = "/api/"
RETRY = {"X-Shopify-Retry-Invalid-Session-Request": "1"}
PROBLEM_TYPE = "application/problem+json"


def add_handlers(app: FastAPI) -> None:
    """Teach the app our errors."""
    app.add_exception_handler(Unidentified, _unidentified)
    app.add_exception_handler(ForeignOrigin, _foreign)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(InvalidSettings, _invalid_settings)
    app.add_exception_handler(StartRefused, _refused)
    app.add_exception_handler(ConnectRefused, _refused)
    app.add_exception_handler(SmsRefused, _refused)
    app.add_exception_handler(NothingHeld, _nothing_held)
    app.add_exception_handler(PlatformError, _platform)
    for away in (InterfaceError, OperationalError, PoolTimeout):
        app.add_exception_handler(away, _database_away)


def problem(status: int, code: str, title: str, detail: str = "", **more: Any) -> JSONResponse:
    """A problem document. `code` is stable, `title` and `detail` are for people."""
    headers = more.pop("headers", None)
    body = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail, **more}
    return JSONResponse(body, status_code=status, media_type=PROBLEM_TYPE, headers=headers)


def _answer(request: Request, status: int, code: str, title: str, detail: str = "", **more: Any) -> Response:
    if request.url.path.startswith(API):
        return problem(status, code, title, detail, **more)
    headers = more.get("headers") or {}
    response = render.bare(request, "error.html", status=status, title=title, detail=detail, code=code)
    response.headers.update(headers)
    return response


def _unidentified(request: Request, error: Exception) -> Response:
    assert isinstance(error, Unidentified)  # noqa: S101 - Starlette's signature is wider
    document = request.method == "GET" and not request.url.path.startswith(API) and not deps.is_fetch(request)
    if document and (bounce := _bounce(request)):
        return RedirectResponse(bounce, 302)
    if error.not_installed:
        return _answer(
            request, 401, "not_installed", "The shop hasn't installed shopchimp yet", "Open / once to install."
        )
    title = "Reopen shopchimp from your Shopify admin"
    detail = "This page couldn't tell which store is asking. Nothing was changed."
    return _answer(request, 401, "unauthenticated", title, detail, headers=RETRY)


def _bounce(request: Request) -> str | None:
    """The page that fetches a token and comes back here; only for a shop named by the admin."""
    try:
        shop = shop_domain(request.query_params.get("shop", ""))
    except ValueError:
        return None
    kept = [(name, value) for name, value in parse_qsl(request.url.query) if name not in {"id_token", "hmac"}]
    app_url = deps.gateways(request).shopify_app.app_url
    reload = f"{app_url}{request.url.path}?{urlencode(kept)}"
    query = {"shop": shop, "host": request.query_params.get("host", ""), "shopify-reload": reload}
    return f"/auth/bounce?{urlencode(query)}"


def _foreign(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return _answer(request, 403, "foreign_origin", "This request came from another site", "Nothing was changed.")


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    title = HTTPStatus(error.status_code).phrase
    detail = "" if error.detail == title else str(error.detail)
    if error.status_code == 404:
        title, detail = "There is nothing here", "It was removed, or it belongs to another store."
    return _answer(request, error.status_code, "not_found" if error.status_code == 404 else "refused", title, detail)


def _invalid(request: Request, error: Exception) -> Response:
    """Never echo the input: it may hold an address."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    if any(part["loc"][0] == "path" for part in error.errors()):
        return _http(request, HTTPException(404))
    errors = {".".join(str(step) for step in part["loc"][1:]) or "body": str(part["msg"]) for part in error.errors()}
    return _answer(request, 422, "invalid", "The request doesn't fit", "; ".join(errors), errors=errors)


def _invalid_settings(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidSettings)  # noqa: S101
    detail = "; ".join(f"{name}: {why}" for name, why in error.errors.items())
    return _answer(request, 422, "invalid_settings", "These settings weren't saved", detail, errors=error.errors)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, (StartRefused, ConnectRefused, SmsRefused))  # noqa: S101
    if error.code == "not_found":
        return _http(request, HTTPException(404))
    return _answer(request, 409, error.code, error.message, "Nothing was changed.")


def _nothing_held(request: Request, error: Exception) -> Response:  # noqa: ARG001
    title = "This isn't asked (any more)"
    return _answer(request, 409, "nothing_held", title, "Nothing was changed.")


def _platform(request: Request, error: Exception) -> Response:
    assert isinstance(error, PlatformError)  # noqa: S101
    said = cause(error.code)
    log.warning("platform_error_in_request", platform=error.platform, code=error.code, status=error.status)
    status = 503 if isinstance(error, (RateLimited, Unavailable)) else 409
    headers = {"Retry-After": str(round(error.retry_after))} if isinstance(error, RateLimited) else None
    return _answer(request, status, error.code, said.title, said.explanation, headers=headers)


def _database_away(request: Request, error: Exception) -> Response:
    """Postgres restarts, or has no connection left: worth asking again soon, and nobody's mistake."""
    log.warning("database_away", error=type(error).__name__)
    detail = "Nothing is lost. Try again in a moment."
    return _answer(request, 503, "database_away", "shopchimp is starting again", detail, headers={"Retry-After": "2"})


class Catch:
    """Whatever nobody expected becomes an answer with a reference, inside the middleware that adds the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the place of a route that broke, unless it had begun to answer."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http" or begun:
                raise
            await _unexpected(Request(scope), error)(scope, receive, send)


def _unexpected(request: Request, error: Exception) -> Response:
    """The log gets where it broke, but neither values nor the message: either may hold an address."""
    raw = secrets.token_hex(4).upper()
    reference = f"{raw[:4]}-{raw[4:]}"
    frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)[-8:]]
    route = getattr(request.scope.get("route"), "path", "?")
    log.error("request_failed", reference=reference, route=route, error=type(error).__name__, frames=frames)
    detail = f"Reference {reference}. The same reference is in our log."
    return _answer(request, 500, "internal", "Something went wrong on our side", detail)


def own_origin(url: str, app_url: str) -> bool:
    """Whether an address is one of ours, scheme and port included."""
    parts, ours = urlsplit(url), urlsplit(app_url)
    return (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc)
