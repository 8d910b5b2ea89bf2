"""Tokens (shopify.md sections 4.2 to 4.4): session tokens, token exchange, authorization codes and refreshing.

An offline access token lives an hour, its refresh token 90 days. A refresh gives a new pair; the old refresh token
stays usable until an access token born from it is first used: a crash between refresh and storing is survivable.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import jwt

ACCESS_SECONDS: Final = 3600
REFRESH_SECONDS: Final = 90 * 86_400
REUSE_SECONDS: Final = 30 * 86_400
CODE_SECONDS: Final = 60
SESSION_SECONDS: Final = 60
LEEWAY_SECONDS: Final = 10

EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105
OFFLINE: Final = "urn:shopify:params:oauth:token-type:offline-access-token"
ONLINE: Final = "urn:shopify:params:oauth:token-type:online-access-token"

# What the product asks for (section 2.1); managed installation grants it without a screen.
SCOPES: Final = (
    "read_customers,write_customers,read_orders,read_products,read_discounts,read_marketing_events,"
    "write_marketing_events,read_pixels,write_pixels,read_customer_events"
)


class OAuthError(Exception):
    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class AppIdentity:
    key: str
    secret: str
    url: str
    handle: str = "shopchimp"
    scopes: tuple[str, ...] = tuple(SCOPES.split(","))


@dataclass(slots=True)
class RefreshToken:
    token: str
    expires: float
    last_reuse: float | None = None  # set by the first refresh: until then it may be tried again


@dataclass(slots=True)
class AccessToken:
    token: str
    scopes: tuple[str, ...]
    expires: float | None
    parent: RefreshToken | None  # the refresh token it was made from, which dies at the first use


@dataclass(slots=True)
class Tokens:
    """All tokens of one shop for the app."""

    domain: str
    app: AppIdentity
    clock: Callable[[], float] = time.time
    access: dict[str, AccessToken] = field(default_factory=dict)
    refresh: dict[str, RefreshToken] = field(default_factory=dict)
    codes: dict[str, tuple[float, tuple[str, ...]]] = field(default_factory=dict)

    def grant(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /admin/oauth/access_token."""
        client, secret = str(body.get("client_id", "")), str(body.get("client_secret", ""))
        if client != self.app.key or not hmac.compare_digest(secret.encode(), self.app.secret.encode()):
            raise OAuthError("invalid_client", "Client authentication failed")
        expiring = str(body.get("expiring", "")) in ("1", "true", "True")
        match body.get("grant_type"):
            case "refresh_token":
                return self._refresh(str(body.get("refresh_token", "")))
            case kind if kind == EXCHANGE:
                return self._exchange(body, expiring=expiring)
            case None | "authorization_code" if body.get("code"):
                return self._redeem(str(body["code"]), expiring=expiring)
            case _:
                raise OAuthError("invalid_request", "Could not find a grant to carry out")

    def used(self, token: str) -> AccessToken | None:
        """The access token behind a header, if it lives; its first use ends the refresh token it came from."""
        found = self.access.get(token)
        if found is None or (found.expires is not None and found.expires <= self.clock()):
            return None
        if found.parent is not None:
            self.refresh.pop(found.parent.token, None)
            found.parent = None
        return found

    def code(self, scopes: tuple[str, ...]) -> str:
        code = secrets.token_hex(16)
        self.codes[code] = (self.clock() + CODE_SECONDS, scopes)
        return code

    def expire_access(self) -> None:
        for token in self.access.values():
            token.expires = self.clock()

    def revoke(self) -> None:
        """What an uninstall does: every call answers 401 and no refresh helps."""
        self.access.clear()
        self.refresh.clear()
        self.codes.clear()

    def _exchange(self, body: Mapping[str, Any], *, expiring: bool) -> dict[str, Any]:
        subject, kind = str(body.get("subject_token", "")), body.get("subject_token_type")
        if kind == OFFLINE:  # migration of a token that does not expire
            if self.access.get(subject) is None:
                raise OAuthError("invalid_subject_token", "The subject token is unknown")
            del self.access[subject]
            return self._pair(self.app.scopes, None, expiring=expiring)
        if kind != ID_TOKEN:
            raise OAuthError("invalid_request", "subject_token_type is not supported")
        claims = self._checked(subject)
        if body.get("requested_token_type") == ONLINE:
            return self._online(str(claims["sub"]))
        if body.get("requested_token_type", OFFLINE) != OFFLINE:
            raise OAuthError("invalid_request", "requested_token_type is not supported")
        return self._pair(self.app.scopes, None, expiring=expiring)

    def _checked(self, id_token: str) -> Mapping[str, Any]:
        """Signature, audience, shop, and the times by our own clock (a test may move it)."""
        required = ["exp", "nbf", "iat", "aud", "dest", "iss", "sub"]
        options: Any = {"require": required, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            claims: dict[str, Any] = jwt.decode(
                id_token, self.app.secret, algorithms=["HS256"], audience=self.app.key, options=options
            )
            lives = int(claims["nbf"]) - LEEWAY_SECONDS <= self.clock() < int(claims["exp"]) + LEEWAY_SECONDS
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise OAuthError("invalid_subject_token", str(error)) from error
        if not lives:
            raise OAuthError("invalid_subject_token", "The subject token has expired")
        if claims["dest"] != f"https://{self.domain}" or claims["iss"] != f"{claims['dest']}/admin":
            raise OAuthError("invalid_subject_token", "The subject token belongs to another shop")
        return claims

    def _redeem(self, code: str, *, expiring: bool) -> dict[str, Any]:
        expires, scopes = self.codes.pop(code, (0.0, ()))
        if expires <= self.clock():
            raise OAuthError("invalid_request", "The authorization code was not found or was already used")
        return self._pair(scopes, None, expiring=expiring)

    def _refresh(self, token: str) -> dict[str, Any]:
        found, now = self.refresh.get(token), self.clock()
        if found is None or found.expires <= now or (found.last_reuse is not None and found.last_reuse <= now):
            raise OAuthError("invalid_grant", "The refresh token is unknown, used or expired")
        if found.last_reuse is None:
            found.last_reuse = now + REUSE_SECONDS
        return self._pair(self.app.scopes, found, expiring=True)

    def _pair(self, scopes: tuple[str, ...], parent: RefreshToken | None, *, expiring: bool) -> dict[str, Any]:
        now = self.clock()
        access = AccessToken(
            f"shpat_{secrets.token_hex(16)}", scopes, now + ACCESS_SECONDS if expiring else None, parent
        )
        self.access[access.token] = access
        answer: dict[str, Any] = {"access_token": access.token, "scope": ",".join(scopes)}
        if expiring:
            refresh = RefreshToken(f"shprt_{secrets.token_hex(16)}", now + REFRESH_SECONDS)
            self.refresh[refresh.token] = refresh
            answer |= {
                "expires_in": ACCESS_SECONDS,
                "refresh_token": refresh.token,
                "refresh_token_expires_in": REFRESH_SECONDS,
            }
        return answer

    def _online(self, user: str) -> dict[str, Any]:
        access = AccessToken(f"shpua_{secrets.token_hex(16)}", self.app.scopes, self.clock() + 86_399, None)
        self.access[access.token] = access
        scope = ",".join(self.app.scopes)
        return {
            "access_token": access.token,
            "scope": scope,
            "expires_in": 86_399,
            "associated_user_scope": scope,
            "associated_user": {
                "id": int(user),
                "first_name": "Sandy",
                "last_name": "Merchant",
                "email": "merchant@example.com",
                "email_verified": True,
                "account_owner": True,
                "locale": "en",
                "collaborator": False,
            },
        }


def session_token(app: AppIdentity, domain: str, *, now: float) -> str:
    """The ID token that App Bridge hands to the framed app."""
    issued = int(now)
    claims = {
        "iss": f"https://{domain}/admin",
        "dest": f"https://{domain}",
        "aud": app.key,
        "sub": "42",
        "exp": issued + SESSION_SECONDS,
        "nbf": issued,
        "iat": issued,
        "jti": secrets.token_hex(16),
        "sid": hashlib.sha256(domain.encode()).hexdigest(),
    }
    return jwt.encode(claims, app.secret, algorithm="HS256")


def admin_host(domain: str) -> str:
    """The `host` parameter: base64 without padding of the shop's admin."""
    name = domain.removesuffix(".myshopify.com")
    return base64.urlsafe_b64encode(f"admin.shopify.com/store/{name}".encode()).decode().rstrip("=")


def signed_query(app: AppIdentity, parameters: Mapping[str, str]) -> str:
    """Query parameters with their `hmac`, over the sorted `key=value` pairs."""
    message = "&".join(f"{key}={value}" for key, value in sorted(parameters.items()))
    digest = hmac.new(app.secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    return urlencode({**parameters, "hmac": digest})
