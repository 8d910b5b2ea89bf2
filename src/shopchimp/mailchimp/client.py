"""The Marketing API as one function: a request in, parsed JSON or a domain error out.

Errors follow the glossary of https://mailchimp.com/developer/marketing/docs/errors/. Throttling there is by
simultaneous connections and announces itself as 429, or as a bare 403 from the edge; neither carries a waiting time.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from shopchimp.domain.errors import (
    Gone,
    PlatformError,
    RateLimited,
    Rejected,
    StoreGone,
    Unauthorized,
    Unavailable,
)
from shopchimp.domain.hosts import may_fetch

PLATFORM = "mailchimp"
QUICK = httpx.Timeout(20.0, connect=5.0)
BULK = httpx.Timeout(125.0, connect=5.0)  # a batch of 500 may take most of Mailchimp's own limit of 120 s
THROTTLE_WAIT = 2.0
_UNCLEAR = frozenset({408, 425})  # the server gave up on the request, or has not looked at it yet

_OUR_BUG = frozenset({405, 414, 422, 426})  # about how we asked, not about the contact, whatever the words are

_ADDRESS = re.compile(r"\S+@\S+")

# Mailchimp has one error code for nearly everything, so the sentence decides. First match wins.
_SENTENCES: tuple[tuple[str, str], ...] = (
    ("compliance state", "mc_compliance_state"),
    ("permanently deleted", "mc_forgotten"),
    ("was deleted", "mc_forgotten"),
    ("forgotten", "mc_forgotten"),
    ("looks fake or invalid", "mc_email_refused"),
    ("valid email", "mc_email_refused"),
    ("invalid email", "mc_email_refused"),
    ("signed up to a lot of lists", "mc_too_many_signups"),
    ("already a list member", "mc_contact_exists"),
    ("merge fields were invalid", "mc_field_value"),
    ("required", "mc_field_required"),
    ("plan", "mc_plan_limit"),
)


# The same of e-commerce, where "required" is about an order and not about the audience. What an order names and isn't
# there can be written first (mailchimp.md 8, 11).
_COMMERCE: tuple[tuple[str, str], ...] = (
    ("with the provided id already exists", "mc_exists"),
    ("store with the provided domain already exists", "mc_store_domain_taken"),
    ("list of this store is not active", "mc_audience_gone"),
    ("list with the provided id does not exist", "mc_audience_gone"),
    ("not found in audience", "mc_not_in_audience"),
    ("customer with the provided id", "mc_customer_missing"),
    ("customer.email_address: this value should not be blank", "mc_customer_missing"),
    ("product variant with the provided id", "mc_product_missing"),
    ("product with the provided id", "mc_product_missing"),
    ("not be changed", "mc_email_fixed"),
    *(pair for pair in _SENTENCES if pair[1] not in ("mc_contact_exists", "mc_field_value", "mc_field_required")),
)
_STORES = "/ecommerce/stores/{store_id}"
_ALWAYS_THERE = frozenset({"orders", "customers", "products", "carts", "promo-rules"})


def classify(sentence: str, error_code: str = "") -> str:
    """The cause code for a refusal, from Mailchimp's error code where it says something, else from its sentence."""
    if error_code == "ERROR_CONTACT_EXISTS":
        return "mc_contact_exists"
    # without the address that the sentence may quote: planet@example.com is no word about a plan
    lowered = _ADDRESS.sub(" ", sentence.lower())
    return next((code for words, code in _SENTENCES if words in lowered), "mc_rejected")


def classify_commerce(sentence: str) -> str:
    """The same for a refusal of the e-commerce endpoints."""
    lowered = _ADDRESS.sub(" ", sentence.lower())
    return next((code for words, code in _COMMERCE if words in lowered), "mc_rejected")


class MailchimpClient:
    """Calls for one connected account. Safe to share between the threads of one process."""

    def __init__(self, http: httpx.Client, *, api_root: str, token: str) -> None:
        self._http = http
        self._root = f"{api_root.rstrip('/')}/3.0"
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()

    def get(self, path: str, route: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GET `path` (relative to /3.0, leading slash); `route` is its template for counting."""
        return self._send("GET", path, route, params=params)

    def send(
        self,
        method: str,
        path: str,
        route: str,
        *,
        body: Mapping[str, Any] | bytes,
        params: Mapping[str, Any] | None = None,
        timeout: httpx.Timeout = QUICK,
    ) -> dict[str, Any]:
        """POST, PUT, PATCH with a JSON body (bytes are JSON already). An answer without a body is an empty object."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return self._send(method, path, route, params=params, content=content, timeout=timeout)

    def delete(self, path: str, route: str) -> None:
        """DELETE `path`, without a body."""
        self._send("DELETE", path, route)

    def download(self, url: str, *, allowed_hosts: frozenset[str]) -> httpx.Response:
        """Open the results of a batch for streaming, without our token and only from a known host.

        The caller closes the response. https://mailchimp.com/developer/marketing/guides/run-async-requests-batch-endpoint/
        """
        target = _checked(url, allowed_hosts)
        with self._lock:
            self.calls["download"] += 1
        headers = {"Accept-Encoding": "identity"}  # it is packed already
        request = self._http.build_request("GET", target, headers=headers, timeout=BULK)
        try:
            answer = self._http.send(request, stream=True, follow_redirects=False)
        except httpx.HTTPError as error:
            raise Unavailable(PLATFORM, "mc_unreachable", type(error).__name__) from None
        if answer.status_code != 200:
            answer.close()
            raise Unavailable(PLATFORM, "mc_unreachable", f"HTTP {answer.status_code} for the results of a batch")
        return answer

    def _send(
        self,
        method: str,
        path: str,
        route: str,
        *,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        timeout: httpx.Timeout = QUICK,
    ) -> dict[str, Any]:
        with self._lock:
            self.calls[f"{method} {route}"] += 1
        headers = {**self._headers, "Content-Type": "application/json"} if content is not None else self._headers
        try:
            answer = self._http.request(
                method, self._root + path, params=params, content=content, headers=headers, timeout=timeout
            )
        except httpx.HTTPError as error:
            raise Unavailable(
                PLATFORM, "mc_unreachable", type(error).__name__
            ) from None  # the cause holds the request with its token
        return _read(answer, method, route)


def _checked(url: str, allowed_hosts: frozenset[str]) -> httpx.URL:
    """The address, if it is one of a host on the list: over https, or on this machine (a simulator)."""
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        raise Rejected(PLATFORM, "mc_unknown_host", "an address of results that is none") from None
    if not may_fetch(target.scheme, target.host, target.userinfo, allowed_hosts):
        raise Rejected(PLATFORM, "mc_unknown_host", "an address of results on a host that is not on the list")
    return target


def _read(answer: httpx.Response, method: str, route: str) -> dict[str, Any]:
    if answer.status_code == 204:
        return {}
    try:
        body = orjson.loads(answer.content) if answer.content else None
    except orjson.JSONDecodeError:
        body = None
    if answer.is_success:
        if not isinstance(body, dict):
            raise Unavailable(PLATFORM, "mc_unreachable", "an answer that is not JSON", status=answer.status_code)
        return body
    wait = _retry_after(answer)
    raise error_of(answer.status_code, body if isinstance(body, dict) else None, method, route, retry_after=wait)


def error_of(
    status: int, problem: Mapping[str, Any] | None, method: str, route: str, *, retry_after: float = THROTTLE_WAIT
) -> PlatformError:
    """What an answer that is no success means; `problem` is its document, if it has one."""
    words = _words(problem) if problem else f"HTTP {status} without a problem document"
    if status == 429 or (status == 403 and problem is None):
        return RateLimited(PLATFORM, "mc_slow_down", words, retry_after=retry_after, status=status)
    if status >= 500 or status < 400 or status in _UNCLEAR:
        return Unavailable(PLATFORM, "mc_unreachable", words, status=status)
    if status == 401:
        return Unauthorized(PLATFORM, "mc_access_revoked", words, status=status)
    if status == 403:
        return Unauthorized(PLATFORM, "mc_role_too_low", words, status=status)
    if status == 404:
        return _not_found(words, method, route)
    if status in _OUR_BUG:
        return Rejected(PLATFORM, "mc_rejected", words, status=status)
    code = classify_commerce(words) if route.startswith("/ecommerce/") else classify(words)
    kind = Gone if code == "mc_audience_gone" else Rejected
    return kind(PLATFORM, code, words, status=status)


def _not_found(words: str, method: str, route: str) -> PlatformError:
    """What is not there: the audience, the store, or only the record."""
    if "members/" not in route and route.startswith("/lists/{list_id}"):
        return Gone(PLATFORM, "mc_audience_gone", words, status=404)
    if not route.startswith(_STORES):
        return Rejected(PLATFORM, "mc_not_found", words, status=404)
    kind, *rest = route.removeprefix(_STORES).strip("/").split("/")
    if not kind or (kind in _ALWAYS_THERE and (not rest or (method == "PUT" and len(rest) == 1))):
        return StoreGone(PLATFORM, "mc_store_gone", words, status=404)
    if method in ("POST", "PUT") and len(rest) > 1:  # a part of something that isn't there
        code = {"products": "mc_product_missing", "promo-rules": "mc_rule_missing"}.get(kind, "mc_not_found")
        return Rejected(PLATFORM, code, words, status=404)
    return Rejected(PLATFORM, "mc_not_found", words, status=404)


def _words(problem: Mapping[str, Any]) -> str:
    parts = [str(problem.get("title") or ""), str(problem.get("detail") or "")]
    errors = problem.get("errors")
    listed = [item for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []
    parts += [f"{item.get('field', '')}: {item.get('message', '')}" for item in listed]
    return " ".join(part for part in parts if part.strip(": "))


def _retry_after(answer: httpx.Response) -> float:
    """Seconds to wait; Mailchimp sends none today, so a header is taken only when it is a sane number."""
    try:
        return min(max(1.0, float(answer.headers.get("Retry-After", THROTTLE_WAIT))), 3600.0)
    except ValueError:
        return THROTTLE_WAIT
