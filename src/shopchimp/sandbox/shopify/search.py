"""Shopify's search syntax (shopify.md section 2.2): `updated_at:>='2026-11-01' AND tag:vip`, as a predicate.

A resource names its filters; unknown filters match everything, as Shopify ignores them. The range of `updated_at` that
all matches must lie in is found too, so that a page can start there in place of scanning.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

Predicate = Callable[[Any], bool]
Filters = Mapping[str, Callable[[str, str], Predicate]]  # name -> (operator, value) -> predicate

_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<word>(?:[^\s()'"]|'[^']*'|"[^"]*")+))""",
)
_TERM = re.compile(r"(?P<minus>-?)(?:(?P<field>\w+):)?(?P<op>>=|<=|>|<|)(?P<value>.*)", re.DOTALL)
EVERYTHING: Final[Predicate] = lambda _: True  # noqa: E731


@dataclass(frozen=True, slots=True)
class Query:
    matches: Predicate
    updated_from: int | None = None  # seconds; every match was updated at or after this


def parse(text: str | None, filters: Filters) -> Query:
    if not text or not text.strip():
        return Query(EVERYTHING)
    reader = _Reader(text, filters)
    matches = reader.any_of()
    return Query(matches, reader.updated_from if reader.only_and else None)


class _Reader:
    """Recursive descent over the three levels of the syntax: OR, AND (also by juxtaposition), NOT or a group."""

    def __init__(self, text: str, filters: Filters) -> None:
        self._words = [match.group().strip() for match in _TOKEN.finditer(text) if match.group().strip()]
        self._filters = filters
        self.updated_from: int | None = None
        self.only_and = True

    def any_of(self) -> Predicate:
        parts = [self._all_of()]
        while self._next_is("OR"):
            self.only_and = False
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda each: any(part(each) for part in parts)

    def _all_of(self) -> Predicate:
        parts = [self._one()]
        while self._words and self._words[0] not in ("OR", ")"):
            self._next_is("AND")
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda each: all(part(each) for part in parts)

    def _one(self) -> Predicate:
        if not self._words:
            return EVERYTHING
        word = self._words.pop(0)
        if word == "NOT":
            self.only_and = False
            inner = self._one()
            return lambda each: not inner(each)
        if word == "(":
            inside = self.any_of()
            self._next_is(")")
            return inside
        return self._term(word)

    def _term(self, word: str) -> Predicate:
        found = _TERM.fullmatch(word)
        make = self._filters.get(found["field"] or "default") if found else None
        if found is None or make is None:
            return EVERYTHING
        op, value = found["op"], _unquoted(found["value"])
        predicate = make(op, value)
        if found["minus"]:
            self.only_and = False
            return lambda each: not predicate(each)
        if found["field"] == "updated_at" and op in (">", ">="):
            self.updated_from = max(self.updated_from or 0, int(moment(value)))
        return predicate

    def _next_is(self, word: str) -> bool:
        if self._words and self._words[0] == word:
            self._words.pop(0)
            return True
        return False


def time_filter(get: Callable[[Any], int]) -> Callable[[str, str], Predicate]:
    return lambda op, value: _compare(op, moment(value), get)


def number_filter(get: Callable[[Any], float]) -> Callable[[str, str], Predicate]:
    def make(op: str, value: str) -> Predicate:
        digits = value.rpartition("/")[2]
        return _compare(op, float(digits), get) if re.fullmatch(r"-?\d+(\.\d+)?", digits) else lambda _: False

    return make


def text_filter(get: Callable[[Any], str | None]) -> Callable[[str, str], Predicate]:
    """Tokenised: a match holds every word of the query; `ann*` is a prefix, `*` any value."""

    def make(_: str, value: str) -> Predicate:
        wanted = value.lower()
        if wanted == "*":
            return lambda each: bool(get(each))
        if wanted.endswith("*"):
            prefix = wanted[:-1]
            return lambda each: any(word.startswith(prefix) for word in _words(get(each)) or (get(each) or "",))
        words = _words(wanted)
        return lambda each: words <= _words(get(each))

    return make


def exact_filter(get: Callable[[Any], str]) -> Callable[[str, str], Predicate]:
    return lambda _, value: lambda each: get(each).lower() == value.lower()


def tags_filter(get: Callable[[Any], tuple[str, ...]], *, absent: bool = False) -> Callable[[str, str], Predicate]:
    def make(_: str, value: str) -> Predicate:
        wanted = value.lower()
        return lambda each: (wanted in (tag.lower() for tag in get(each))) is not absent

    return make


def moment(value: str) -> float:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return 0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _compare(op: str, wanted: float, get: Callable[[Any], float]) -> Predicate:
    match op:
        case ">=":
            return lambda each: get(each) >= wanted
        case "<=":
            return lambda each: get(each) <= wanted
        case ">":
            return lambda each: get(each) > wanted
        case "<":
            return lambda each: get(each) < wanted
        case _:
            return lambda each: get(each) == wanted


def _words(text: str | None) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower())) if text else frozenset()


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
