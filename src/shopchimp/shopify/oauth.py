"""How the app gets its offline token for a shop: exchanged for a session token, for a code, or refreshed.

https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/token-exchange
https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens

A token leaves this module only inside `OfflineToken`, whose repr leaves it out. Exceptions carry Shopify's error
name at most, and are cut off from httpx's own, which hold the request with its body.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson

from shopchimp.domain.errors import Gone, PlatformError, RateLimited, Rejected, Unauthorized, Unavailable
from shopchimp.shopify import ShopifyApp
from shopchimp.shopify.domains import shop_domain

PLATFORM = "shopify"
CALLBACK_PATH = "/auth/shopify/callback"
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
_ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - the name of a kind of token
_OFFLINE_TOKEN = "urn:shopify:params:oauth:token-type:offline-access-token"  # noqa: S105
_ERROR_NAME = re.compile(r"[a-z_]{1,40}")
_DEAD = frozenset({"invalid_subject_token", "invalid_grant"})
_BY_STATUS: dict[int, tuple[type[PlatformError], str]] = {
    402: (Unauthorized, "sh_shop_frozen"),
    404: (Gone, "sh_shop_gone"),
    423: (Unauthorized, "sh_shop_locked"),
}


@dataclass(frozen=True, slots=True)
class OfflineToken:
    """What Shopify granted. Without `expires_at` it lives until the app is uninstalled (older and custom apps)."""

    access_token: str = field(repr=False)
    scopes: tuple[str, ...]
    expires_at: datetime | None
    refresh_token: str | None = field(repr=False)
    refresh_expires_at: datetime | None


def authorize_url(app: ShopifyApp, shop: str, state: str, *, more_scopes: Sequence[str] = ()) -> str:
    """Where the merchant's browser goes to grant the app its scopes; Shopify sends it back to `CALLBACK_PATH`."""
    query = {
        "client_id": app.api_key,
        "scope": ",".join((*app.scopes, *more_scopes)),
        "redirect_uri": app.app_url.rstrip("/") + CALLBACK_PATH,
        "state": state,
    }
    return f"{app.shop_url(shop_domain(shop))}/admin/oauth/authorize?{urlencode(query)}"


def optional_scopes_url(app: ShopifyApp, shop: str, scopes: Iterable[str]) -> str:
    """Where a merchant who has the app grants optional scopes of its configuration; Shopify then opens the app again.

    https://shopify.dev/docs/apps/build/authentication-authorization/app-installation/manage-access-scopes
    """
    query = {"client_id": app.api_key, "optional_scopes": ",".join(scopes)}
    return f"{app.shop_url(shop_domain(shop))}/admin/oauth/install?{urlencode(query)}"


def exchange(http: httpx.Client, app: ShopifyApp, shop: str, id_token: str, *, now: datetime) -> OfflineToken:
    """An offline token for a session token that was just verified. It counts once and for about a minute."""
    grant: dict[str, str | int] = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": id_token,
        "subject_token_type": _ID_TOKEN,
        "requested_token_type": _OFFLINE_TOKEN,
        "expiring": 1,
    }
    return _request(http, app, shop, grant, now)


def redeem_code(http: httpx.Client, app: ShopifyApp, shop: str, code: str, *, now: datetime) -> OfflineToken:
    """An offline token for the code that came back with the merchant's browser."""
    return _request(http, app, shop, {"code": code, "expiring": "1"}, now)


def refresh(http: httpx.Client, app: ShopifyApp, shop: str, refresh_token: str, *, now: datetime) -> OfflineToken:
    """The next pair. Commit it before its first use: using it is what ends the old pair, so until then a lost
    answer or a crash is mended by asking again with the old refresh token.
    """
    return _request(http, app, shop, {"grant_type": "refresh_token", "refresh_token": refresh_token}, now)


def missing_scopes(asked: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """The scopes asked for and not granted. Shopify leaves `read_x` out of its answer where `write_x` implies it."""
    has = set(granted)
    has |= {f"read_{scope.removeprefix('write_')}" for scope in has if scope.startswith("write_")}
    return tuple(scope for scope in asked if scope not in has)


def _request(
    http: httpx.Client, app: ShopifyApp, shop: str, grant: dict[str, str | int], now: datetime
) -> OfflineToken:
    url = f"{app.shop_url(shop_domain(shop))}/admin/oauth/access_token"
    body = {"client_id": app.api_key, "client_secret": app.secrets[0], **grant}
    headers = {"Accept": "application/json"}
    try:
        answer = http.post(url, json=body, headers=headers, timeout=TIMEOUT, follow_redirects=False)
    except httpx.HTTPError as error:
        raise Unavailable(PLATFORM, "sh_unreachable", type(error).__name__) from None
    content = _json_object(answer)
    if answer.status_code != 200:
        raise _refusal(answer, content)
    try:
        return _offline_token(content, now)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Unavailable(PLATFORM, "sh_unreachable", "an answer without a usable token", status=200) from None


def _json_object(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def _refusal(answer: httpx.Response, content: dict[str, Any]) -> PlatformError:
    status = answer.status_code
    if status == 429:
        wait = _retry_after(answer)
        return RateLimited(PLATFORM, "sh_slow_down", f"HTTP {status}", retry_after=wait, status=status)
    if status in _BY_STATUS:
        kind, code = _BY_STATUS[status]
        return kind(PLATFORM, code, f"HTTP {status}", status=status)
    # Only the name: `error_description` is free text and may repeat what was sent.
    name = content.get("error")
    if not 400 <= status < 500 or not isinstance(name, str) or not _ERROR_NAME.fullmatch(name):
        return Unavailable(PLATFORM, "sh_unreachable", f"HTTP {status}", status=status)
    if name == "invalid_client":
        return Unauthorized(PLATFORM, "sh_client_secret", name, status=status)
    if name in _DEAD:
        return Unauthorized(PLATFORM, name, status=status)
    return Rejected(PLATFORM, "sh_rejected", name, status=status)


def _offline_token(content: dict[str, Any], now: datetime) -> OfflineToken:
    scope, refresh_token = content["scope"], content.get("refresh_token")
    if not isinstance(scope, str):
        raise TypeError("not a list of scopes")
    return OfflineToken(
        access_token=_token(content["access_token"]),
        scopes=tuple(name for name in scope.replace(" ", "").split(",") if name),
        expires_at=_after(now, content.get("expires_in")),
        refresh_token=None if refresh_token is None else _token(refresh_token),
        refresh_expires_at=_after(now, content.get("refresh_token_expires_in")),
    )


def _token(value: object) -> str:
    """A token as it may stand in a header: visible ASCII."""
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]{1,4096}", value):
        raise ValueError("not a token")
    return value


def _after(now: datetime, seconds: object) -> datetime | None:
    if seconds is None:
        return None
    if not isinstance(seconds, int) or seconds < 0:
        raise ValueError("not a number of seconds")
    return now + timedelta(seconds=seconds)


def _retry_after(answer: httpx.Response) -> float:
    try:
        seconds = float(answer.headers.get("Retry-After", "2"))
    except ValueError:
        return 2.0
    return min(max(1.0, seconds), 3600.0)  # in this order "nan" becomes 1.0
