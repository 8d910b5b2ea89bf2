"""Who asks: every request proves its shop by a session token, an API key, or by coming from this very machine."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shopchimp.db import api_keys
from shopchimp.db.session import Database
from shopchimp.domain.errors import Unauthorized
from shopchimp.runtime import Runtime
from shopchimp.services import installation
from shopchimp.services.gateways import Gateways
from shopchimp.services.installation import ShopSession
from shopchimp.shopify.session_tokens import InvalidSessionToken

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FRAGMENT_HEADER = "x-fragment"

bearer_scheme = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="The shop's session token (App Bridge), or an API key that the operator made for the shop.",
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """A request's proven shop. `user` is the staff member or the key's label; `embedded` inside the Shopify admin."""

    shop_id: int
    domain: str
    user: str
    embedded: bool


class Unidentified(Exception):
    """Nothing in the request proves a shop. `not_installed`: the standalone shop that is to be installed first."""

    def __init__(self, reason: str, *, not_installed: str = "") -> None:
        super().__init__(reason)
        self.not_installed = not_installed


class ForeignOrigin(Exception):
    """A change was asked for by a page of another origin."""


def runtime(request: Request) -> Runtime:
    """What lives as long as the process."""
    found: Runtime = request.app.state.runtime
    return found


def gateways(request: Request) -> Gateways:
    """The database and both platforms."""
    return runtime(request).gateways


def database(request: Request) -> Database:
    """The database."""
    return gateways(request).database


def page_visitor(request: Request) -> Visitor:
    """Who looks at a page: the token of App Bridge's fetch, of the first load's address, or this machine."""
    check_origin(request)
    token = _bearer(request) or (request.query_params.get("id_token") if request.method == "GET" else None)
    visitor = _by_token(request, token) if token else _standalone(request)
    if visitor.embedded:
        request.state.frame_shop = visitor.domain
    return visitor


def api_visitor(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)],
) -> Visitor:
    """Who calls the API: a session token, an API key, or this machine."""
    check_origin(request)
    if credentials is None:
        return _standalone(request)
    token = credentials.credentials
    if token.count(".") == 2:  # a JWT; an API key has no dots
        return _by_token(request, token)
    with database(request).transaction() as tx:
        holder = api_keys.holder(tx, token)
    if holder is None:
        raise Unidentified("unknown API key")
    return Visitor(holder.shop_id, holder.domain, holder.label, embedded=False)


def is_fetch(request: Request) -> bool:
    """Whether a script asks (and can retry with a token), not a browser opening a document."""
    headers = request.headers
    return FRAGMENT_HEADER in headers or "authorization" in headers or headers.get("sec-fetch-dest") == "empty"


def check_origin(request: Request) -> None:
    """Refuse changes that another origin's page asks for. Tokens make this safe already; this is the second wall."""
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    if site in {"same-origin", "none"}:  # our own forms come with `Origin: null`, as our pages send no referrer
        return
    origin = request.headers.get("origin")
    if site is None and origin is None:  # no browser
        return
    ours = {request.headers.get("host", "").lower(), urlsplit(gateways(request).shopify_app.app_url).netloc.lower()}
    if site is not None or urlsplit(origin or "").netloc.lower() not in ours - {""}:
        raise ForeignOrigin


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _by_token(request: Request, token: str) -> Visitor:
    try:
        session = installation.from_session_token(gateways(request), token)
    except InvalidSessionToken as error:
        raise Unidentified(str(error)) from None
    return _visitor(session, embedded=True)


def _standalone(request: Request) -> Visitor:
    """This machine's own shop, where the operator named one. No proxy may stand before such a process."""
    shop = runtime(request).standalone_shop
    if not shop or not _is_this_machine(request):
        raise Unidentified("no session token")
    try:
        session = installation.standalone(gateways(request), shop)
    except Unauthorized:
        raise Unidentified("the standalone shop is not installed", not_installed=shop) from None
    return _visitor(session, embedded=False)


def _visitor(session: ShopSession, *, embedded: bool) -> Visitor:
    return Visitor(session.shop_id, session.domain, session.user, embedded=embedded)


def _is_this_machine(request: Request) -> bool:
    headers = request.headers
    if "x-forwarded-for" in headers or "forwarded" in headers or request.client is None:
        return False
    host = urlsplit(f"//{headers.get('host', '')}").hostname
    return _is_loopback(request.client.host) and _is_loopback(host or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


PageVisitor = Annotated[Visitor, Depends(page_visitor)]
ApiVisitor = Annotated[Visitor, Depends(api_visitor)]
