"""How the app gets its token for a Mailchimp account, and which account and address that token belongs to.

https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/

Tokens here do not expire. None is ever part of an exception; httpx's own are cut off, since they hold the request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

import httpx
import orjson

from shopchimp.domain.errors import PlatformError, RateLimited, Rejected, Unauthorized, Unavailable
from shopchimp.mailchimp import MailchimpApp

PLATFORM = "mailchimp"
TIMEOUT = httpx.Timeout(20.0, connect=5.0)
COMMON_ROOT = "https://api.mailchimp.com"
_OWN_LOGIN_HOST = "login.mailchimp.com"
_DATA_CENTRE = re.compile(r"us[0-9]{1,3}")
_ERROR_NAME = re.compile(r"[a-z_]{1,40}")
_THROTTLE_WAIT = 2.0  # Mailchimp names no waiting time


@dataclass(frozen=True, slots=True)
class Account:
    """The Mailchimp account behind a token. `account_id` and `login_id` together tell connections apart."""

    account_id: str
    login_id: str
    name: str
    email: str
    role: str
    api_root: str
    plan: str
    total_subscribers: int
    timezone: str


def authorize_url(app: MailchimpApp, state: str) -> str:
    """Where the merchant's browser goes to let the app in. Mailchimp has no scopes: a user grants all they may do."""
    query = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uri,
        "state": state,
    }
    return f"{app.login_url}/oauth2/authorize?{urlencode(query)}"


def redeem_code(http: httpx.Client, app: MailchimpApp, code: str) -> str:
    """The access token for the code that came back with the browser. A code counts once: on failure start over."""
    form = {
        "grant_type": "authorization_code",
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "redirect_uri": app.redirect_uri,
        "code": code,
    }
    answer = _send(http, "POST", f"{app.login_url}/oauth2/token", data=form)
    content = _json_object(answer)
    if content and (error := _named_error(content, answer.status_code)):
        raise error
    token = _answered(answer, content).get("access_token")
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,4096}", token):
        raise Unavailable(PLATFORM, "mc_unreachable", "an answer without a usable token", status=200)
    return token


def identify(http: httpx.Client, app: MailchimpApp, token: str) -> Account:
    """Whose token this is and where its API lives, confirmed by a call to that very address."""
    root = _api_root(http, app, token)
    answer = _send(http, "GET", f"{root}/3.0/", headers={"Authorization": f"Bearer {token}"})
    account = _answered(answer, _json_object(answer))
    if not account.get("account_id"):
        raise Unavailable(PLATFORM, "mc_unreachable", "an answer without an account", status=200)
    subscribers = account.get("total_subscribers")
    return Account(
        account_id=str(account["account_id"]),
        login_id=str(account.get("login_id") or ""),
        name=str(account.get("account_name") or ""),
        email=str(account.get("email") or ""),
        role=str(account.get("role") or ""),
        api_root=root,
        plan=str(account.get("pricing_plan_type") or ""),
        total_subscribers=subscribers if isinstance(subscribers, int) else 0,
        timezone=str(account.get("account_timezone") or ""),
    )


def _api_root(http: httpx.Client, app: MailchimpApp, token: str) -> str:
    """Scheme and host of this account's API, without /3.0. Settings first, then metadata, then the common host.

    Mailchimp's new guides know a single address for every account and tell integrators to stop asking for metadata,
    while each client it publishes still calls the account's own data centre (mailchimp.md, surprise 1). Nobody
    outside can tell which will last, so the address belongs to the connection: we ask, and only when that question
    is no longer answered do we take the common host. Either way the account call that follows has to succeed there.
    """
    if app.api_url:
        return _without_version(app.api_url)
    metadata = _metadata(http, app, token)
    if _is_mailchimps_own(app):
        return COMMON_ROOT if metadata is None else _data_centre_root(metadata)
    if metadata is None:
        raise Unavailable(PLATFORM, "mc_unreachable", "no metadata; SHOPCHIMP_MAILCHIMP_API_URL can name the API")
    return _simulator_root(app, metadata)


def _metadata(http: httpx.Client, app: MailchimpApp, token: str) -> dict[str, Any] | None:
    """What the metadata call says about the token; None when it is gone, or fails twice."""
    url, headers = f"{app.login_url}/oauth2/metadata", {"Authorization": f"OAuth {token}"}
    for _ in range(2):
        try:
            answer = _send(http, "GET", url, headers=headers)
        except Unavailable:
            continue
        if answer.status_code in {404, 410}:
            return None
        if answer.status_code >= 500:
            continue
        content = _json_object(answer)
        if answer.status_code in {200, 400, 401} and content.get("error"):  # a dead token is told with status 200
            raise Unauthorized(PLATFORM, "mc_access_revoked", "refused by metadata", status=answer.status_code)
        return _answered(answer, content)
    return None


def _data_centre_root(metadata: dict[str, Any]) -> str:
    """Built from the checked data centre alone: a token never goes to a host that an answer spelled out."""
    centre = metadata.get("dc")
    if not isinstance(centre, str) or not _DATA_CENTRE.fullmatch(centre):
        raise Rejected(PLATFORM, "mc_unknown_host", "metadata names no data centre of Mailchimp")
    return f"https://{centre}.api.mailchimp.com"


def _simulator_root(app: MailchimpApp, metadata: dict[str, Any]) -> str:
    """A simulator says itself where its API is, as long as that is the machine the operator named for signing in."""
    refusal = Rejected(
        PLATFORM, "mc_unknown_host", "metadata names another host; SHOPCHIMP_MAILCHIMP_API_URL can allow it"
    )
    login = urlsplit(app.login_url)
    try:
        named = urlsplit(str(metadata.get("api_endpoint") or ""))
        _ = named.port  # ValueError when it is no number
    except ValueError:
        raise refusal from None
    if (named.scheme, named.hostname) != (login.scheme, login.hostname) or not _is_bare(named):
        raise refusal
    return _without_version(f"{named.scheme}://{named.netloc}{named.path}")


def _is_bare(address: SplitResult) -> bool:
    """Nothing but scheme, host, port and path."""
    return not (address.username or address.password or address.query or address.fragment or "@" in address.netloc)


def _is_mailchimps_own(app: MailchimpApp) -> bool:
    return urlsplit(app.login_url).hostname == _OWN_LOGIN_HOST


def _without_version(url: str) -> str:
    return url.rstrip("/").removesuffix("/3.0").rstrip("/")


def _send(http: httpx.Client, method: str, url: str, **request: Any) -> httpx.Response:
    try:
        return http.request(method, url, timeout=TIMEOUT, follow_redirects=False, **request)
    except httpx.HTTPError as error:
        raise Unavailable(PLATFORM, "mc_unreachable", type(error).__name__) from None


def _json_object(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def _answered(answer: httpx.Response, content: dict[str, Any]) -> dict[str, Any]:
    """The content of a good answer; anything else becomes the domain's error. Redirects are not followed."""
    status = answer.status_code
    if status == 200 and content:
        return content
    words = f"HTTP {status}"
    if status == 429 or (status == 403 and not content):  # a 403 without a problem document is the edge throttling
        raise RateLimited(PLATFORM, "mc_slow_down", words, retry_after=_THROTTLE_WAIT, status=status)
    if status == 401:
        raise Unauthorized(PLATFORM, "mc_access_revoked", words, status=status)
    if status == 403:
        raise Unauthorized(PLATFORM, "mc_role_too_low", words, status=status)
    if 400 <= status < 500 and content:
        raise Rejected(PLATFORM, "mc_rejected", words, status=status)
    raise Unavailable(PLATFORM, "mc_unreachable", words, status=status)


def _named_error(content: dict[str, Any], status: int) -> PlatformError | None:
    """An OAuth error of the token endpoint, by its name only: `error_description` may repeat what was sent."""
    name = content.get("error")
    if status >= 500 or status == 429 or not isinstance(name, str) or not _ERROR_NAME.fullmatch(name):
        return None
    if name == "invalid_client":
        return Unauthorized(PLATFORM, "mc_client_secret", name, status=status)
    if name == "invalid_grant":
        return Unauthorized(PLATFORM, name, status=status)
    return Rejected(PLATFORM, "mc_rejected", name, status=status)
