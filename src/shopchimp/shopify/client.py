"""The Admin GraphQL API as one function: a document in, data or a domain error out.

Shopify answers most failures with HTTP 200 and an `errors` list, so both are looked at. A throttled query says what it
would have cost and how fast the bucket refills (https://shopify.dev/docs/api/usage/limits), hence an exact wait.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

import httpx
import orjson

from shopchimp.domain.errors import Gone, PlatformError, RateLimited, Rejected, Unauthorized, Unavailable
from shopchimp.domain.hosts import may_fetch
from shopchimp.shopify import API_VERSION

PLATFORM = "shopify"
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
HEADROOM = 3  # as many calls at once as the first sync makes to Shopify

_BY_STATUS: dict[int, tuple[type[PlatformError], str]] = {
    401: (Unauthorized, "sh_access_revoked"),
    402: (Unauthorized, "sh_shop_frozen"),
    403: (Unauthorized, "sh_scope_missing"),
    404: (Gone, "sh_shop_gone"),
    423: (Unauthorized, "sh_shop_locked"),
}


class Token(Protocol):
    """Gives the token to send, as offline tokens live for an hour; or another one than that which was `refused`."""

    def __call__(self, *, refused: str | None = None) -> str: ...


class ShopifyClient:
    """Calls for one shop. `token` is asked before each call, and once more when Shopify answers 401."""

    def __init__(self, http: httpx.Client, *, shop_url: str, token: Token) -> None:
        self._http = http
        self._url = f"{shop_url}/admin/api/{API_VERSION}/graphql.json"
        self._token = token
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()

    def execute(self, document: str, name: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run one operation and give back its `data`. `name` is the operation's, for counting and logs."""
        content = orjson.dumps({"query": document, "variables": variables or {}, "operationName": name})
        token = self._token()
        answer = self._post(content, name, token)
        if answer.status_code == 401 and (another := self._token(refused=token)) != token:
            answer = self._post(content, name, another)
        return _read(answer)

    def _post(self, content: bytes, name: str, token: str) -> httpx.Response:
        with self._lock:
            self.calls[name] += 1
        headers = {"Content-Type": "application/json", "X-Shopify-Access-Token": token}
        try:
            return self._http.post(self._url, content=content, headers=headers, timeout=TIMEOUT)
        except httpx.HTTPError as error:
            raise Unavailable(
                PLATFORM, "sh_unreachable", type(error).__name__
            ) from None  # the cause holds the request with its token

    def download(self, url: str, *, allowed_hosts: frozenset[str]) -> httpx.Response:
        """Open a bulk operation's result for streaming, without our token and only from a known host.

        The caller closes the response. https://shopify.dev/docs/api/usage/bulk-operations/queries
        """
        target = _checked(url, allowed_hosts)
        with self._lock:
            self.calls["download"] += 1
        request = self._http.build_request("GET", target, timeout=TIMEOUT)
        try:
            answer = self._http.send(request, stream=True, follow_redirects=False)
        except httpx.HTTPError as error:
            raise Unavailable(
                PLATFORM, "sh_unreachable", type(error).__name__
            ) from None  # the cause holds the request with its token
        if answer.status_code != 200:
            answer.close()
            raise Unavailable(PLATFORM, "sh_unreachable", f"HTTP {answer.status_code} for a bulk result")
        return answer


def _checked(url: str, allowed_hosts: frozenset[str]) -> httpx.URL:
    """The address, if it is one of a host on the list: over https, or on this machine (a simulator)."""
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        raise Rejected(PLATFORM, "sh_unknown_host", "a result address that is none") from None
    if not may_fetch(target.scheme, target.host, target.userinfo, allowed_hosts):
        raise Rejected(PLATFORM, "sh_unknown_host", "a result address on a host that is not on the list")
    return target


def _read(answer: httpx.Response) -> dict[str, Any]:
    status = answer.status_code
    if status == 429:
        raise RateLimited(PLATFORM, "sh_slow_down", f"HTTP {status}", retry_after=_retry_after(answer), status=status)
    if status in _BY_STATUS:
        kind, code = _BY_STATUS[status]
        raise kind(PLATFORM, code, f"HTTP {status}", status=status)
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict) or status >= 500:
        raise Unavailable(PLATFORM, "sh_unreachable", f"HTTP {status}", status=status)
    if errors := body.get("errors"):
        raise _graphql_error(errors, body, status)
    data = body.get("data")
    if not isinstance(data, dict):
        raise Unavailable(PLATFORM, "sh_unreachable", f"HTTP {status} without data", status=status)
    return data


def _graphql_error(errors: Any, body: Mapping[str, Any], status: int) -> PlatformError:
    listed = errors if isinstance(errors, list) else [errors]
    coded = [(_code(error), error) for error in listed]
    # where several fields failed, the reason that waiting or the merchant can mend goes first
    code, first = next((pair for pair in coded if pair[0] in _MENDABLE), coded[0])
    words = str(first.get("message") or "") if isinstance(first, dict) else str(first)
    match code:
        case "THROTTLED":
            return RateLimited(PLATFORM, "sh_slow_down", words, retry_after=throttle_wait(body), status=status)
        case "ACCESS_DENIED":
            return Unauthorized(PLATFORM, "sh_scope_missing", words, status=status)
        case "INTERNAL_SERVER_ERROR" | "TIMEOUT":
            return Unavailable(PLATFORM, "sh_unreachable", words, status=status)
        case _ if status >= 400:
            return Unavailable(PLATFORM, "sh_unreachable", words, status=status)
        case _:
            return Rejected(PLATFORM, "sh_rejected", f"{code}: {words}" if code else words, status=status)


_MENDABLE = frozenset({"THROTTLED", "ACCESS_DENIED", "INTERNAL_SERVER_ERROR", "TIMEOUT"})


def _code(error: Any) -> str:
    extensions = error.get("extensions") if isinstance(error, dict) else None
    return str(extensions.get("code") or "") if isinstance(extensions, dict) else ""


def throttle_wait(body: Mapping[str, Any]) -> float:
    """Seconds until the bucket holds a few times what the throttled query asked for, at least 0.1, at most a minute.

    A write is preceded by a read, and others of ours wait for the same bucket: with just enough for this one query
    their reads would empty it again before anybody's write, for ever.
    """
    try:
        cost = body["extensions"]["cost"]
        state = cost["throttleStatus"]
        wanted = HEADROOM * float(cost["requestedQueryCost"])
        wanted = min(wanted, float(state.get("maximumAvailable") or wanted))
        missing = wanted - float(state["currentlyAvailable"])
        rate = float(state["restoreRate"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return 2.0  # Shopify didn't say
    return min(max(missing / rate, 0.1), 60.0) if rate > 0 else 60.0


def _retry_after(answer: httpx.Response) -> float:
    try:
        return min(max(1.0, float(answer.headers.get("Retry-After", 2))), 3600.0)
    except ValueError:
        return 2.0
