"""Mailchimp's side of OAuth 2 (mailchimp.md section 2, examples/oauth-0*.json)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from shopchimp.sandbox.mailchimp.account import NAME, Account

CODE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Grant:
    redirect_uri: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Refused:
    """An OAuth error, in the words of RFC 6749 section 5.2."""

    status: int
    error: str
    description: str


class OAuth:
    """One registered app. `redirect_uris` empty: any address may be used, but the same in both steps."""

    def __init__(
        self, account: Account, *, client_id: str, client_secret: str, redirect_uris: frozenset[str] = frozenset()
    ) -> None:
        self._account, self._client_id, self._client_secret = account, client_id, client_secret
        self._redirect_uris = redirect_uris
        self._codes: dict[str, Grant] = {}
        self._given = 0

    def authorize(self, query: Mapping[str, str]) -> str | Refused | None:
        """Where to send the person on, why not, or None: ask them. `approve=1|0` is what the page's buttons say."""
        redirect_uri = query.get("redirect_uri", "")
        if query.get("client_id") != self._client_id:
            return Refused(400, "invalid_client", "Unknown client_id.")
        if query.get("response_type") != "code":
            return Refused(400, "unsupported_response_type", "response_type must be code.")
        if not redirect_uri or (self._redirect_uris and redirect_uri not in self._redirect_uris):
            return Refused(400, "invalid_request", "The redirect_uri is not the registered one.")
        mode = self._account.switches.consent
        said = query.get("approve") or {"auto": "1", "deny": "0"}.get(mode, "")
        if not said:
            return None
        state = {"state": query["state"]} if "state" in query else {}
        if said == "0":
            return _with_query(redirect_uri, {**state, "error": "access_denied"})
        return _with_query(redirect_uri, {**state, "code": self._new_code(redirect_uri)})

    def _new_code(self, redirect_uri: str) -> str:
        self._given += 1
        code = hashlib.sha256(f"{self._account.new_token()} {self._given}".encode()).hexdigest()[:32]
        self._codes[code] = Grant(redirect_uri, self._account.now() + CODE_SECONDS)
        return code

    def token(self, content_type: str, body: bytes) -> dict[str, Any] | Refused:
        """A code works once, even if the rest of the request is wrong."""
        if not content_type.startswith("application/x-www-form-urlencoded"):
            return Refused(400, "invalid_request", "The request must be form-encoded.")
        form = dict(parse_qsl(body.decode(errors="replace")))
        if form.get("grant_type") != "authorization_code":
            return Refused(400, "unsupported_grant_type", "grant_type must be authorization_code.")
        grant = self._codes.pop(form.get("code", ""), None)
        if (form.get("client_id"), form.get("client_secret")) != (self._client_id, self._client_secret):
            return Refused(401, "invalid_client", "The client credentials are wrong.")
        if grant is None or grant.expires_at < self._account.now():
            return Refused(400, "invalid_grant", "The code is unknown, used or expired.")
        if form.get("redirect_uri") != grant.redirect_uri:
            return Refused(400, "invalid_grant", "The redirect_uri is not the one of the authorization.")
        return {"access_token": self._account.new_token(), "expires_in": 0, "scope": None}

    def metadata(self, token: str | None, base_url: str) -> dict[str, Any]:
        """200 for a bad token too, as the airbyte source notes."""
        if token is None or not self._account.knows_token(token):
            return {"error": "invalid_token"}
        return {
            "dc": "us1",
            "role": self._account.switches.role,
            "accountname": NAME,
            "user_id": 24681012,
            "login": {
                "email": "ana@example.com",
                "avatar": None,
                "login_id": self._account.login_id(token),
                "login_name": "anareyes",
                "login_email": "ana@example.com",
            },
            "login_url": base_url,
            "api_endpoint": base_url,
        }


def consent_page(query: Mapping[str, str]) -> str:
    """What a person sees; both buttons come back to the same address with their answer."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in query.items()
        if name != "approve"
    )
    return (
        f"<h1>Authorize access</h1><p>The app <strong>{escape(query.get('client_id', ''))}</strong> asks for access "
        f"to the Mailchimp account <strong>{NAME}</strong>.</p>"
        f'<form action="/oauth2/authorize" method="get">{hidden}'
        '<button name="approve" value="1">Allow</button> <button name="approve" value="0">Cancel</button></form>'
    )


def _with_query(url: str, more: Mapping[str, str]) -> str:
    joiner = "&" if urlsplit(url).query else "?"
    return f"{url}{joiner}{urlencode(more)}"
