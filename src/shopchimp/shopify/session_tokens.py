"""The session (ID) token that Shopify's admin puts on every request of an embedded page.

https://shopify.dev/docs/apps/build/authentication-authorization/session-tokens
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt

from shopchimp.shopify import ShopifyApp
from shopchimp.shopify.domains import shop_domain

LEEWAY_SECONDS = 10  # what Shopify's own libraries allow
_SIZE_LIMIT = 10_000
_REQUIRED = ["exp", "nbf", "iat", "iss", "dest", "aud", "sub"]
_URL = re.compile(r"https://([^/]+)(?:/[\x21-\x7e]*)?")


class InvalidSessionToken(Exception):
    """The token proves nothing. The text says why and never holds the token or a claim of it."""


@dataclass(frozen=True, slots=True)
class SessionToken:
    """Who is looking: a member of this shop's staff, for about a minute."""

    shop: str
    user_id: str
    expires_at: datetime


def verify(token: str, app: ShopifyApp, now: datetime) -> SessionToken:
    """What a genuine, current token says. `iss` and `dest` are https://{shop} wherever the platform lives."""
    claims = _claims(token, app)
    expires_at = _check_times(claims, now.timestamp())
    shop = _shop(claims["dest"])
    if _shop(claims["iss"]) != shop:
        raise InvalidSessionToken("issued by one shop for another")
    if not claims["sub"]:
        raise InvalidSessionToken("names no user")
    return SessionToken(shop=shop, user_id=claims["sub"], expires_at=expires_at)


def _claims(token: str, app: ShopifyApp) -> dict[str, Any]:
    if len(token) > _SIZE_LIMIT:
        raise InvalidSessionToken("too long")
    reason = "no secret to check it with"
    for secret in filter(None, app.secrets):
        try:
            return _decode(token, secret, app.api_key)
        except jwt.InvalidSignatureError:
            reason = "signature"  # perhaps another secret's, while they are being rotated
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            reason = type(error).__name__
            break
    raise InvalidSessionToken(reason)


def _decode(token: str, secret: str, audience: str) -> dict[str, Any]:
    """Signature, audience and presence of the claims. Times are ours to check, against the caller's clock."""
    return jwt.decode(
        token,
        secret,
        algorithms=["HS256"],
        audience=audience,
        options={
            "require": _REQUIRED,
            "strict_aud": True,
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        },
    )


def _check_times(claims: dict[str, Any], now: float) -> datetime:
    for name in ("exp", "nbf", "iat"):
        if type(claims[name]) is not int:
            raise InvalidSessionToken(f"{name} is not a time")
    if claims["exp"] <= now - LEEWAY_SECONDS:
        raise InvalidSessionToken("expired")
    if max(claims["nbf"], claims["iat"]) > now + LEEWAY_SECONDS:
        raise InvalidSessionToken("not valid yet")
    try:
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidSessionToken("exp is not a time") from None


def _shop(url: object) -> str:
    match = _URL.fullmatch(url) if isinstance(url, str) else None
    if match is None:
        raise InvalidSessionToken("iss or dest is not an address")
    try:
        return shop_domain(match[1])
    except ValueError:
        raise InvalidSessionToken("iss or dest is not a shop's address") from None
