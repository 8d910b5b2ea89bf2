"""Was this sent by Shopify? HMAC-SHA256 with the app's secret, over a webhook's body or a query string.

Both functions answer "no" to whatever an outsider can send and never raise. Several secrets are tried, since
after a rotation Shopify goes on signing with the oldest one that is not yet revoked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode

FRESH = timedelta(seconds=90)
_FIELDS_LIMIT = 100
_TIMESTAMP = re.compile(r"[0-9]{1,11}")


def webhook_is_genuine(body: bytes, header: str | None, secrets: Iterable[str]) -> bool:
    """Whether `X-Shopify-Hmac-SHA256` belongs to these raw bytes. The topic and shop headers are not covered by it.

    https://shopify.dev/docs/apps/build/webhooks/verify-deliveries
    """
    if not header or not header.isascii():
        return False
    given = header.encode("ascii")
    return any(hmac.compare_digest(base64.b64encode(_mac(secret, body)), given) for secret in secrets if secret)


def genuine_query(
    query: str, secrets: Iterable[str], *, now: datetime, fresh: timedelta = FRESH
) -> dict[str, str] | None:
    """The parameters of a query string that Shopify signed within `fresh` of `now`, else None.

    Use what is returned and not a second parse of the request: a key that comes twice is refused here,
    and two parsers may pick different ones. https://shopify.dev/docs/apps/build/authentication-authorization
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_LIMIT)
        params = dict(pairs)
        given = params.get("hmac", "").encode("ascii")
        messages = list(_signed_forms(params))
    except ValueError:  # too many fields, or bytes that are no UTF-8
        return None
    if len(params) != len(pairs) or not _is_fresh(params.get("timestamp", ""), now, fresh):
        return None
    for secret in filter(None, secrets):
        for message in messages:
            if hmac.compare_digest(_mac(secret, message).hex().encode("ascii"), given):
                return params
    return None


def _signed_forms(params: dict[str, str]) -> Iterator[bytes]:
    """What Shopify may have signed. Its own libraries differ: Python's signs the decoded values and escapes only
    the separators, those for JavaScript and Ruby encode the values again as a form. A host with `=` tells them apart.
    """
    signed = sorted((key, value) for key, value in params.items() if key not in {"hmac", "signature"})
    escaped = (f"{_escape(key).replace('=', '%3D')}={_escape(value)}" for key, value in signed)
    yield "&".join(escaped).encode()
    yield urlencode(signed).encode()


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("&", "%26")


def _is_fresh(timestamp: str, now: datetime, fresh: timedelta) -> bool:
    if not _TIMESTAMP.fullmatch(timestamp):
        return False
    return abs(now.timestamp() - int(timestamp)) <= fresh.total_seconds()


def _mac(secret: str, message: bytes) -> bytes:
    return hmac.new(secret.encode(), message, hashlib.sha256).digest()
