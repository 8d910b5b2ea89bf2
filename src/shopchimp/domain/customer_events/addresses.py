"""The address of a page without what could be secret or personal in it.

The pixel cuts it already; a beacon is a claim, so what it says is cut again by the same rule (src/pixel.js).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

ADDRESS_LIMIT = 500
_VALUE_LIMIT = 100
_KEPT = ("utm_source", "utm_medium", "utm_campaign", "mc_cid", "variant")
_PREFIX = re.compile(r"[a-z]{2}(?:-[a-z]{2,4})?|[0-9]+", re.IGNORECASE)  # a language, or the number of the shop
APP_PAGES = frozenset({"a", "apps", "community", "tools"})  # other apps' pages: only the app's name stays
PRIVATE_PAGES = frozenset(  # their address goes on with somebody's token or number
    {
        "account",
        "authentication",
        "cart",
        "checkout",
        "checkouts",
        "customer_authentication",
        "customer_identity",
        "gift_cards",
        "invoices",
        "orders",
        "password",
        "wallets",
    }
)
_HOST = re.compile(r"[a-z0-9_.-]{1,253}|[0-9a-f:.]{2,45}")
_PATH_SAFE = "/:@!$&'()*+,;=~%-._"


@dataclass(frozen=True, slots=True)
class PageAddress:
    """A cut address. The title of a private page may name a person, so it isn't kept."""

    url: str
    private: bool = False

    @property
    def query(self) -> dict[str, str]:
        """What is left of its query."""
        return dict(parse_qsl(urlsplit(self.url).query))


def page_address(whole: str) -> PageAddress | None:
    """The address up to where somebody's token would begin, with the query's campaign alone; None if it is none."""
    if " " in whole or not whole.isprintable():  # no other space is printable
        return None
    try:
        parts = urlsplit(whole)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("https", "http") or not host or not _HOST.fullmatch(host):
        return None
    origin = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"
    path, private = _cut_path(parts.path or "/")
    query = {} if private else _campaign(parts.query)
    url = f"{origin}{quote(path, safe=_PATH_SAFE)}{f'?{urlencode(query)}' if query else ''}"
    if len(url) > ADDRESS_LIMIT:
        url = f"{origin}/"
    return PageAddress(url, private) if len(url) <= ADDRESS_LIMIT else None


def _cut_path(path: str) -> tuple[str, bool]:
    parts = path.split("/")
    head = 1
    while head < 3 and head < len(parts) and _PREFIX.fullmatch(parts[head]):
        head += 1
    named = parts[head].lower() if head < len(parts) else ""
    if named in PRIVATE_PAGES:
        return "/".join(parts[: head + 1]), True
    if named in APP_PAGES:
        return "/".join(parts[: head + 2]), False
    return path, False


def _campaign(query: str) -> dict[str, str]:
    try:
        said = dict(reversed(parse_qsl(query, max_num_fields=100)))  # of several the first, as in a browser
    except ValueError:
        return {}
    return {name: said[name][:_VALUE_LIMIT] for name in _KEPT if said.get(name)}
