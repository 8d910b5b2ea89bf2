"""How ids, texts, moments, links and postal addresses are spelt for Mailchimp, within its limits (mailchimp.md 3)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

ID_LIMIT = 50
TEXT_BYTES = 255
DESCRIPTION_BYTES = 2_000  # no limit is documented; more than that no block of a mail shows

_MORE = "…"
_LONG_WORD = 40  # a longer one is cut itself: some scripts have no spaces
_SAFE_ID = re.compile(r"[A-Za-z0-9._-]+")
_SILENT_TAGS = frozenset({"script", "style", "template", "noscript"})
_INLINE_TAGS = frozenset({"a", "abbr", "b", "em", "i", "mark", "small", "span", "strong", "sub", "sup", "u"})


def short_id(value: object) -> str:
    """A Shopify id as Mailchimp's: the number of a gid, or a token. One that is too long, or would not survive as
    part of a path, becomes its fingerprint: the same for the same id, always.
    """
    text = str(value)
    if text.startswith("gid://"):
        text = text.partition("?")[0].rpartition("/")[2]
    if len(text) <= ID_LIMIT and _SAFE_ID.fullmatch(text):
        return text
    return fingerprint("id", text)


def fingerprint(prefix: str, *parts: object) -> str:
    """An id for what Shopify gives none, made of what it is: stable, and within the limit."""
    text = "\x1f".join(str(part or "") for part in parts)
    return f"{prefix}-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:32]}"


def text(value: object, limit: int = TEXT_BYTES) -> str:
    """A value on one line, without invisible characters, cut to so many bytes."""
    return "" if value is None else _text(str(value), limit)


@lru_cache(8192)  # the same few products, places and names stand in thousands of orders
def _text(value: str, limit: int) -> str:
    return _cut(_one_line(value), limit)


def plain_text(html: str | None, limit: int = DESCRIPTION_BYTES) -> str:
    """A product's description without its markup: blocks of mails show the text as it is. Cut at a word."""
    if not html:
        return ""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    whole = _one_line("".join(reader.parts))
    if len(whole.encode(errors="ignore")) <= limit:
        return _cut(whole, limit)
    cut = _cut(whole, limit - len(_MORE.encode()))
    head, _, tail = cut.rpartition(" ")
    return f"{(head if head and len(tail) < _LONG_WORD else cut).rstrip()}{_MORE}"


def _one_line(whole: str) -> str:
    if whole.isprintable() and "  " not in whole:
        return whole.strip()
    return " ".join("".join(_visible(sign) for sign in whole).split())


def _visible(sign: str) -> str:
    if sign.isprintable():
        return sign
    return " " if sign.isspace() else ""


def _cut(whole: str, limit: int) -> str:
    return whole.encode(errors="ignore")[:limit].decode(errors="ignore").rstrip()  # a lone surrogate can't be sent


class _Reader(HTMLParser):
    """Collects what a reader of the page would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's own form
        if tag in _SILENT_TAGS:
            self._silent += 1
        elif tag not in _INLINE_TAGS:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT_TAGS:
            self._silent = max(0, self._silent - 1)
        elif tag not in _INLINE_TAGS:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def moment(value: str | None) -> str | None:
    """A moment in UTC, to the second: the same one is spelt the same, from whichever time zone it comes."""
    if not value:
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="seconds")


def link(value: object) -> str | None:
    """A web address that Mailchimp takes, or None: of an order with a bad one it refuses the whole order."""
    return _link(value) if isinstance(value, str) else None


@lru_cache(4096)
def _link(value: str) -> str | None:
    address = value.strip()
    if not address or " " in address or not address.isprintable():  # any other space isn't printable
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in ("https", "http") and parts.hostname else None


_POSTAL = {
    "address1": "address1",
    "address2": "address2",
    "city": "city",
    "province": "province",
    "province_code": "provinceCode",
    "postal_code": "zip",
    "country": "country",
    "country_code": "countryCodeV2",
}


def postal(address: Mapping[str, Any]) -> dict[str, str]:
    """An address as that of a customer. What it lacks is sent empty, so that no part of an older one stays."""
    return {ours: text(address.get(theirs)) for ours, theirs in _POSTAL.items()}


def delivery(address: Mapping[str, Any], phone: str | None = None) -> dict[str, Any]:
    """An address as that of an order, with the person's name, and their phone where the address has none."""
    spelt: dict[str, Any] = {"name": full_name(address), **postal(address)}
    spelt |= {"phone": text(address.get("phone") or phone), "company": text(address.get("company"))}
    for name in ("longitude", "latitude"):
        if isinstance(value := address.get(name), int | float):
            spelt[name] = value
    return spelt


def full_name(person: Mapping[str, Any]) -> str:
    """First and last name as one."""
    return text(f"{person.get('firstName') or ''} {person.get('lastName') or ''}")


def given(**values: Any) -> dict[str, Any]:
    """What there is a value for: the rest is left out of the body, since empty never overwrites."""
    return {name: value for name, value in values.items() if value not in (None, "")}
