"""The steps of OAuth that a browser takes: the grant screen (approved at once) and session tokens for a framed app."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from shopchimp.sandbox.shopify.oauth import AppIdentity, OAuthError, admin_host, session_token, signed_query
from shopchimp.sandbox.shopify.shop import Shop
from shopchimp.sandbox.shopify.wire import Headers, Reply, Request, json_reply

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def authorize(shop: Shop, query: Mapping[str, str], *, now: float) -> str:
    """Where the browser goes from the grant screen: back to the app with a code, or with `?deny` without one."""
    if query.get("client_id") != shop.app.key:
        raise OAuthError("application_cannot_be_found", "client_id is unknown")
    there = query.get("redirect_uri", "")
    if not _is_of_app(shop.app, there):
        raise OAuthError("invalid_request", "The redirect_uri is not whitelisted")
    answer = {
        "host": admin_host(shop.domain),
        "shop": shop.domain,
        "state": query.get("state", ""),
        "timestamp": str(int(now)),
    }
    if "deny" in query:
        answer |= {"error": "access_denied", "error_description": "The merchant did not approve the app"}
    else:
        scopes = tuple(filter(None, query.get("scope", "").replace(" ", "").split(","))) or shop.app.scopes
        answer["code"] = shop.tokens.code(scopes)
    return f"{there}{'&' if '?' in there else '?'}{signed_query(shop.app, answer)}"


def session_token_answer(shops: Mapping[str, Shop], app: AppIdentity, request: Request) -> Reply:
    """What App Bridge asks the admin for. Pages of other origins than the app's may not read it."""
    domain = request.query.get("shop") or next(iter(shops))
    if domain not in shops:
        return json_reply(404, {"error": "no such shop"})
    extra: Headers = [(b"cache-control", b"no-store")]
    origin = request.header(b"origin")
    if origin and _is_of_app(app, origin):
        extra.append((b"access-control-allow-origin", origin.encode()))
    return json_reply(200, {"id_token": session_token(app, domain, now=request.now)}, extra)


def form_or_json(request: Request) -> Mapping[str, Any]:
    if "json" in request.header(b"content-type"):
        try:
            given = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            given = None
        if not isinstance(given, dict):
            raise OAuthError("invalid_request", "The body is not a JSON object")
        return given
    return dict(parse_qsl(request.body.decode("latin-1")))


def _is_of_app(app: AppIdentity, url: str) -> bool:
    """The app's own origin; while no app address is configured, any on this machine."""
    parts, own = urlsplit(url), urlsplit(app.url)
    if app.url:
        return (parts.scheme, parts.netloc) == (own.scheme, own.netloc)
    return parts.hostname in LOOPBACK
