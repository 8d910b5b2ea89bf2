"""Webhooks: raw bytes in, signature checked, one SQL statement, 2xx. The only asynchronous routes of the house.

Answers, and why:
  2xx  after the commit that stored it; also for a double, for a topic we don't know, and for a shop that doesn't have
       the app: nothing of such a shop is ours to keep in step, a later install reads everything anew, and any other
       answer would make Shopify repeat it for four hours.
  400  a header is missing that every delivery has; 401 the signature is wrong, or the body names another shop than the
       header does (the signature covers the body alone); 408, 413, 415 too slow, too large, not a form.
  404  a Mailchimp path that nobody has; 410 one that the merchant left on purpose, which switches the hook off.
  503  Postgres doesn't answer: both platforms try again.
A genuine body that says nothing we can read is stored too, and makes the poll of its side due: nothing is lost.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import Counter
from starlette.types import ASGIApp, Receive, Scope, Send

from shopchimp.db.intake import Arrival, Away, Stored
from shopchimp.db.privacy import body_context
from shopchimp.domain.addresses import normalise
from shopchimp.mailchimp import signatures as mailchimp_signatures
from shopchimp.mailchimp import webhooks as mailchimp_webhooks
from shopchimp.mailchimp.webhooks import FORGOTTEN
from shopchimp.shopify import signatures as shopify_signatures
from shopchimp.shopify import webhooks as shopify_webhooks
from shopchimp.shopify.webhooks import Claims, Meaning, MissingHeader, Notice
from shopchimp.web.headers import BODY_LIMIT
from shopchimp.web.health import registry
from shopchimp.web.intake import Hook, Intake
from shopchimp.web.intake_goods import store as store_goods

log = structlog.get_logger()

BODY_SECONDS = 10.0
RETRY_AFTER = "5"
SHOPIFY_PATHS = frozenset({"/webhooks/shopify", "/webhooks/shopify/compliance"})
MAILCHIMP_PREFIX = "/webhooks/mailchimp/"
_FORM = "application/x-www-form-urlencoded"

router = APIRouter(include_in_schema=False)
_webhooks = Counter("shopchimp_webhooks", "Webhooks by what came of them", ["platform", "outcome"], registry=registry)


class _Refused(Exception):
    """The request is answered with this status, before anything is stored."""

    def __init__(self, status: int, outcome: str) -> None:
        super().__init__(outcome)
        self.status = status
        self.outcome = outcome


class Door:
    """Takes the webhooks before the router: matching routes and solving dependencies costs more than all they do."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a webhook, or pass the request on."""
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/webhooks/"):
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        secret = path.removeprefix(MAILCHIMP_PREFIX)
        if path in SHOPIFY_PATHS:
            scope["route"] = _Label(path)
            answer = await _shopify(Request(scope, receive))
        elif secret != path and secret and "/" not in secret:
            scope["route"] = _Label(f"{MAILCHIMP_PREFIX}{{secret}}")
            answer = await _mailchimp(Request(scope, receive), secret)
        else:
            await self.app(scope, receive, send)
            return
        await answer(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Label:
    """What the request counter calls the route."""

    path: str


async def _shopify(request: Request) -> Response:
    """A delivery of Shopify's; compliance topics are known by their topic, whichever address they come to."""
    try:
        intake = _intake(request)
        body = await _body(request)
        claims = _claims(request, intake)
        notice = _genuine(body, claims, intake)
        stored = await _store_shopify(intake, claims, notice, body)
    except (_Refused, Away) as error:
        return _no("shopify", error)
    return _yes(intake, "shopify", stored)


async def _mailchimp(request: Request, secret: str) -> Response:
    """A delivery of Mailchimp's: the path names the hook, which says whether it has to be signed."""
    try:
        intake = _intake(request)
        _expect_form(request)
        body = await _body(request)
        hook = await intake.hook(secret)
        stored = await _store_mailchimp(intake, _serving(hook), body, request)
        if stored is not None and stored.shop_id is None:  # the shop left within the seconds we trusted the hook for
            hook = _serving(await intake.hook(secret, fresh=True))
            stored = await _store_mailchimp(intake, hook, body, request)
    except (_Refused, Away) as error:
        return _no("mailchimp", error)
    return _yes(intake, "mailchimp", stored)


@router.get("/webhooks/mailchimp/{secret:path}")
@router.head("/webhooks/mailchimp/{secret:path}")
async def validate(secret: str) -> Response:  # noqa: ARG001 - any path: an answer that depended on it would tell which exist
    """Mailchimp asks whether somebody is there before it keeps a hook."""
    return Response(status_code=200)


async def _store_shopify(intake: Intake, claims: Claims, notice: Notice, body: bytes) -> Stored | None:
    """One statement, chosen by the topic. None where nothing is to be stored."""
    arrival = Arrival(claims.shop, _shopify_digest(claims, body, intake), claims.topic, claims.triggered_at)
    pool = intake.pool
    match claims.meaning:
        case Meaning.PEOPLE if notice.names_nobody:
            return await pool.shopify_nobody(arrival)
        case Meaning.PEOPLE:
            key = normalise(notice.address) if notice.address else None
            graves = intake.graves(notice.customers, key)
            return await pool.shopify_people(arrival, customers=notice.customers, key=key, graves=graves)
        case Meaning.GOODS:
            return await store_goods(intake, arrival, body)
        case Meaning.COMPLIANCE:
            sealed = intake.vault.seal(body, context=body_context(arrival.digest))
            return await pool.compliance(arrival, body=sealed)
        case Meaning.UNINSTALLED:
            return await pool.uninstalled(arrival)
        case Meaning.BULK_FINISHED:
            return await pool.bulk_finished(arrival)
        case Meaning.NOTED:
            return await pool.noted(arrival)
        case _:
            return None


def _shopify_digest(claims: Claims, body: bytes, intake: Intake) -> bytes:
    """The delivery's identity. The id is optional, and unsigned like the topic and the shop that stand beside it."""
    identity = claims.webhook_id.encode()
    if not identity:
        moment = claims.triggered_at.isoformat() if claims.triggered_at else ""
        identity = hashlib.sha256(body).digest() + moment.encode()
        if claims.meaning is Meaning.COMPLIANCE:  # the same request may come again after months, and counts again
            identity += intake.clock().date().isoformat().encode()
    return hashlib.sha256(b"\0".join((b"shopify", claims.shop.encode(), claims.topic.encode(), identity))).digest()


async def _store_mailchimp(intake: Intake, hook: Hook, body: bytes, request: Request) -> Stored | None:
    """Check the signature where the hook has one, read the form, and run one statement."""
    now = intake.clock()
    if hook.signing_secret is not None or hook.broken:
        given = request.headers.getlist("x-mailchimp-signature")
        header, secret = given[0] if len(given) == 1 else None, hook.signing_secret or ""
        if not mailchimp_signatures.webhook_is_genuine(body, header, secret, now=now):
            raise _Refused(401, "forged")
    said = mailchimp_webhooks.notice(body, now=now)
    if said.meaning is mailchimp_webhooks.Meaning.UNKNOWN:
        return None
    if said.audience_id is not None and said.audience_id != hook.row.audience_id:
        return None
    keys = [normalise(address) for address in said.addresses]
    living = [key for key in keys if not key.endswith(FORGOTTEN)]
    if keys and not living:
        return None
    # the whole body: times are in seconds, and two different acts within one must both be seen
    digest = hashlib.sha256(b"mailchimp\0%d\0" % hook.row.shop_id + hashlib.sha256(body).digest()).digest()
    return await intake.pool.mailchimp(
        hook.row,
        digest=digest,
        topic=said.type,
        fired_at=said.fired_at,
        marks=[(key, mark) for key in living for mark in intake.vault.fingerprints(key)],
        opted_out_at=said.opted_out_at,
        poll=not living and said.meaning is not mailchimp_webhooks.Meaning.NOTED,
    )


def _serving(hook: Hook | None) -> Hook:
    if hook is None:
        raise _Refused(404, "unknown_hook")
    if hook.row.left:
        raise _Refused(410, "left")
    return hook


def _intake(request: Request) -> Intake:
    intake = getattr(request.app.state, "intake", None)
    if intake is None:  # not begun yet, or ending
        raise _Refused(503, "closed")
    assert isinstance(intake, Intake)  # noqa: S101 - tells the type checker
    return intake


def _expect_form(request: Request) -> None:
    if not request.headers.get("content-type", "").lower().startswith(_FORM):
        raise _Refused(415, "not_a_form")


def _genuine(body: bytes, claims: Claims, intake: Intake) -> Notice:
    """What the body says, if Shopify signed it and it doesn't speak of another shop."""
    if not shopify_signatures.webhook_is_genuine(body, claims.signature, intake.secrets):
        raise _Refused(401, "forged")
    notice = shopify_webhooks.notice(body)
    if notice.shop is not None and notice.shop != claims.shop:
        raise _Refused(401, "other_shop")
    return notice


def _claims(request: Request, intake: Intake) -> Claims:
    try:
        return shopify_webhooks.claims(request.scope["headers"], now=intake.clock())
    except MissingHeader:
        raise _Refused(400, "no_header") from None


async def _body(request: Request) -> bytes:
    """The raw body within its limits, whatever its Content-Length says."""
    length = next((value for name, value in request.scope["headers"] if name == b"content-length"), b"0")
    if not length.isdigit() or len(length) > 12 or int(length) > BODY_LIMIT:
        raise _Refused(413, "too_large")
    parts: list[bytes] = []
    taken = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise _Refused(400, "cut_short")
                parts.append(message.get("body", b""))
                taken += len(parts[-1])
                if taken > BODY_LIMIT:
                    raise _Refused(413, "too_large")
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise _Refused(408, "too_slow") from None


def _yes(intake: Intake, platform: str, stored: Stored | None) -> Response:
    if stored is None:
        outcome = "dropped"
    elif not stored.new:
        outcome = "not_ours" if stored.shop_id is None else "double"
    else:
        outcome = "stored"
        intake.nudge()
    _webhooks.labels(platform, outcome).inc()
    return Response(status_code=200)


def _no(platform: str, error: _Refused | Away) -> Response:
    status, outcome = (error.status, error.outcome) if isinstance(error, _Refused) else (503, "away")
    _webhooks.labels(platform, outcome).inc()
    if status in {413, 503}:  # said loudly: it will be tried again and again
        log.error("webhook_not_taken", platform=platform, status=status, kind=outcome)
    headers = {"Retry-After": RETRY_AFTER} if status == 503 else None
    return Response(status_code=status, headers=headers)
