"""Reads the fields of a JSON object one by one, each by its type, and refuses what nobody asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shopchimp.domain.commerce.spelling import text

_ID = re.compile(r"(?:gid://shopify/[A-Za-z]{1,40}/)?([0-9]{1,19})")
_LARGEST_ID = 2**63 - 1
_MOST_MONEY = 1e12


class Malformed(ValueError):
    """A field that is not what the pixel sends; `field` is where, in our own words."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class Fields:
    """One object of a beacon. A field that is asked for and is not there is None, unless it must be there."""

    def __init__(self, said: Any, path: str = "") -> None:
        if not isinstance(said, dict):
            raise Malformed(path or "body")
        self._said: Mapping[str, Any] = said
        self._path = path
        self._read: set[str] = set()

    def match_if_there(self, name: str, pattern: re.Pattern[str]) -> str | None:
        """A text that is all of this form, if it is there."""
        return None if self._said.get(name) is None else self.match(name, pattern)

    def match(self, name: str, pattern: re.Pattern[str]) -> str:
        """A text that must be there, all of this form."""
        found = self._take(name)
        if not isinstance(found, str) or not pattern.fullmatch(found):
            raise self._bad(name)
        return found

    def text(self, name: str, limit: int) -> str | None:
        """A text as one clean line within so many bytes; None if nothing is left of it."""
        found = self._take(name)
        if found is None:
            return None
        if not isinstance(found, str):
            raise self._bad(name)
        return text(found, limit) or None

    def shopify_id(self, name: str) -> int | None:
        """The number of an id, spelt as digits or as a gid."""
        found = self._take(name)
        if found is None:
            return None
        number = _ID.fullmatch(found) if isinstance(found, str) else None
        if number is None or not 0 < int(number[1]) <= _LARGEST_ID:
            raise self._bad(name)
        return int(number[1])

    def whole(self, name: str, most: int = 1_000_000) -> int | None:
        """A count."""
        found = self._take(name)
        if found is None:
            return None
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
            raise self._bad(name)
        return found

    def money(self, name: str) -> float | None:
        """An amount that is at least nothing."""
        found = self._take(name)
        if found is None:
            return None
        if not isinstance(found, (int, float)) or isinstance(found, bool) or not 0 <= found < _MOST_MONEY:
            raise self._bad(name)
        return float(found) + 0.0  # no -0

    def yes_or_no(self, name: str) -> bool:
        """An answer that must be there."""
        found = self._take(name)
        if not isinstance(found, bool):
            raise self._bad(name)
        return found

    def inside(self, name: str) -> Fields:
        """An object that must be there."""
        return Fields(self._take(name), self._named(name))

    def inside_if_there(self, name: str) -> Fields:
        """An object; an empty one if it is not there."""
        found = self._take(name)
        return Fields({} if found is None else found, self._named(name))

    def several(self, name: str, most: int) -> list[Fields]:
        """A list of objects, at most so many."""
        found = self._take(name)
        if found is None:
            return []
        if not isinstance(found, list) or len(found) > most:
            raise self._bad(name)
        return [Fields(each, self._named(name)) for each in found]

    def nothing_else(self) -> None:
        """Refuses the object if it has a field that was not asked for."""
        if self._said.keys() - self._read:
            raise Malformed(f"{self._path or 'body'}: unknown field")

    def _take(self, name: str) -> Any:
        self._read.add(name)
        return self._said.get(name)

    def _named(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _bad(self, name: str) -> Malformed:
        return Malformed(self._named(name))
