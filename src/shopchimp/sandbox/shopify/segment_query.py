"""The language of customer segments (shopify.md 7.2): `metafields.shopchimp.email_last_opened_at >= -30d AND ...`.

Days are those of the shop's time zone: a date_time counts as the day it falls on there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from shopchimp.sandbox.shopify.search import EVERYTHING, Predicate

TEXT, NUMBER, DATE, BOOLEAN, LIST = "text", "number", "date", "boolean", "list"
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<op>>=|<=|!=|>|<|=)|(?P<text>'(?:[^'\\]|\\.)*')|(?P<word>[^\s()=<>!']+))"
)
_RELATIVE: Final = re.compile(r"(?P<sign>[+-])(?P<count>\d+)(?P<unit>[dwmy])")
_NAMED: Final = re.compile(r"(?P<count>\d+)_(?P<unit>day|week|month|year)s?_ago")
_DAYS: Final = {"d": 1, "w": 7, "m": 30, "y": 365}


class SegmentQueryError(Exception):
    """In Shopify's manner: `Line 1 Column 7: 'x' filter cannot be found.`"""


@dataclass(frozen=True, slots=True)
class Filter:
    kind: str
    read: Callable[[Any], Any]  # customer -> text, number, seconds since 1970, tags; None: has none


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


def parse_segment(text: str, filters: Mapping[str, Filter], *, now: float, zone: tzinfo) -> Predicate:
    if not text.strip():
        return EVERYTHING
    reader = _Reader(_tokens(text), filters, datetime.fromtimestamp(now, zone).date(), zone)
    matches = reader.either()
    if reader.left:
        raise reader.unexpected()
    return matches


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise SegmentQueryError(f"Line 1 Column {place + 1}: '{text[place:].strip()[:20]}' is unexpected.")
        kind = match.lastgroup or ""
        found.append(_Token(kind, match[kind], match.start(kind)))
        place = match.end()
    return found


class _Reader:
    """OR of ANDs of comparisons; parentheses group."""

    def __init__(self, tokens: list[_Token], filters: Mapping[str, Filter], today: date, zone: tzinfo) -> None:
        self.left = tokens
        self._filters = filters
        self._today = today
        self._zone = zone

    def either(self) -> Predicate:
        parts = [self._both()]
        while self._takes("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda each: any(part(each) for part in parts)

    def unexpected(self) -> SegmentQueryError:
        if not self.left:
            return SegmentQueryError("Line 1 Column 0: the query ends too early.")
        token = self.left[0]
        return SegmentQueryError(f"Line 1 Column {token.column}: '{token.text}' is unexpected.")

    def _both(self) -> Predicate:
        parts = [self._one()]
        while self._takes("AND"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda each: all(part(each) for part in parts)

    def _one(self) -> Predicate:
        if self.left and self.left[0].kind == "open":
            self.left.pop(0)
            inside = self.either()
            if not self.left or self.left.pop(0).kind != "close":
                raise self.unexpected()
            return inside
        name = self._next("word")
        found = self._filters.get(name.text)
        if found is None:
            raise SegmentQueryError(f"Line 1 Column {name.column}: '{name.text}' filter cannot be found.")
        return self._comparison(found)

    def _comparison(self, of: Filter) -> Predicate:
        read = self._day_of(of.read) if of.kind == DATE else of.read
        if self._takes("IS"):
            absent = not self._takes("NOT")
            if not self._takes("NULL"):
                raise self.unexpected()
            return lambda each: (read(each) is None) is absent
        if self._takes("BETWEEN"):
            low = self._value(of)
            if not self._takes("AND"):
                raise self.unexpected()
            high = self._value(of)
            return lambda each: (value := read(each)) is not None and low <= value <= high
        if self._takes("CONTAINS"):
            return self._holds(of, read)
        if self._takes("NOT"):
            if not self._takes("CONTAINS"):
                raise self.unexpected()
            holds = self._holds(of, read)
            return lambda each: not holds(each)
        return _compared(self._next("op").text, read, self._value(of))

    def _holds(self, of: Filter, read: Callable[[Any], Any]) -> Predicate:
        token = self._next("text")
        if of.kind != LIST:
            raise SegmentQueryError(f"Line 1 Column {token.column}: CONTAINS operator is not supported.")
        wanted = _unquoted(token.text).lower()
        return lambda each: wanted in (value.lower() for value in read(each) or ())

    def _value(self, of: Filter) -> Any:
        if not self.left:
            raise self.unexpected()
        token = self.left.pop(0)
        match of.kind, token.kind:
            case (("text" | "list"), "text"):
                return _unquoted(token.text).lower()
            case "number", "word":
                try:
                    return Decimal(token.text)
                except InvalidOperation:
                    pass
            case "boolean", "word" if token.text in ("true", "false"):
                return token.text == "true"
            case "date", "word" if (day := self._day(token.text)) is not None:
                return day
            case _:
                pass
        raise SegmentQueryError(f"Line 1 Column {token.column}: '{token.text}' is not a valid {of.kind} value.")

    def _day(self, text: str) -> date | None:
        if text in ("today", "yesterday"):
            return self._today - timedelta(days=text == "yesterday")
        if found := _RELATIVE.fullmatch(text):
            days = int(found["count"]) * _DAYS[found["unit"]]
            return self._today + timedelta(days=days if found["sign"] == "+" else -days)
        if found := _NAMED.fullmatch(text):
            return self._today - timedelta(days=int(found["count"]) * _DAYS[found["unit"][0]])
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        return moment.date() if moment.tzinfo is None else moment.astimezone(self._zone).date()

    def _day_of(self, read: Callable[[Any], float | None]) -> Callable[[Any], date | None]:
        zone = self._zone

        def day(each: Any) -> date | None:
            seconds = read(each)
            return None if seconds is None else datetime.fromtimestamp(seconds, zone).date()

        return day

    def _next(self, kind: str) -> _Token:
        if not self.left or self.left[0].kind != kind:
            raise self.unexpected()
        return self.left.pop(0)

    def _takes(self, word: str) -> bool:
        if self.left and self.left[0].kind == "word" and self.left[0].text.upper() == word:
            self.left.pop(0)
            return True
        return False


def _compared(op: str, read: Callable[[Any], Any], wanted: Any) -> Predicate:
    match op:
        case ">=":
            return lambda each: (value := read(each)) is not None and value >= wanted
        case "<=":
            return lambda each: (value := read(each)) is not None and value <= wanted
        case ">":
            return lambda each: (value := read(each)) is not None and value > wanted
        case "<":
            return lambda each: (value := read(each)) is not None and value < wanted
        case "!=":
            return lambda each: read(each) != wanted
        case _:
            return lambda each: read(each) == wanted


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def seconds_of(value: str) -> float | None:
    """A stored date or date_time; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
