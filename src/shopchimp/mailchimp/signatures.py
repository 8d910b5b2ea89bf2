"""Was this sent by Mailchimp? `X-Mailchimp-Signature: t=<unix>,v1=<hex>` over the raw body of a signed webhook.

The message is the time, a dot and the body; the key is the hook's own signing secret (mailchimp.md section 7). Answers
"no" to whatever an outsider can send and never raises.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime

FRESH = 300.0  # seconds
_LONGEST = 1000
_TIME = re.compile(r"[0-9]{1,11}")


def webhook_is_genuine(body: bytes, header: str | None, secret: str, *, now: datetime) -> bool:
    """Whether one of the header's `v1` parts (several while a secret rotates) belongs to these bytes, and is fresh."""
    if not header or not header.isascii() or len(header) > _LONGEST or not secret:
        return False
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or abs(now.timestamp() - int(times[0])) > FRESH:
        return False
    expected = hmac.digest(secret.encode(), times[0].encode() + b"." + body, hashlib.sha256).hex().encode()
    given = [value.encode() for name, _, value in parts if name == "v1"]
    return any([hmac.compare_digest(expected, each) for each in given])  # noqa: C419 - all are compared
