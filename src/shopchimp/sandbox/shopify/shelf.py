"""A shop's records of one kind with the indexes that keep calls off a scan, and the lists made from them."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

from shopchimp.sandbox.shopify.bulk import Source
from shopchimp.sandbox.shopify.call import Arguments
from shopchimp.sandbox.shopify.paging import DEEPEST_PAGE, Connection, Walk, page
from shopchimp.sandbox.shopify.search import EVERYTHING, Filters, Predicate, Query, parse
from shopchimp.sandbox.shopify.store import number_of

OFFSET_BITS: Final = 40
OFFSET_MASK: Final = (1 << OFFSET_BITS) - 1


class Record(Protocol):
    number: int
    updated: int


R = TypeVar("R", bound=Record)


@dataclass(slots=True)
class Shelf(Generic[R]):
    """Records by number, in order of numbers and in order of their last change. Times only move forward."""

    kind: str  # as in gid://shopify/{kind}/7
    first: int
    clock: Callable[[], float]
    by_number: dict[int, R] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    by_update: list[int] = field(default_factory=list)

    def seed(self, record: R) -> None:
        """One of those the shop opens with, in order of their numbers; `open` follows the last of them."""
        self.by_number[record.number] = record
        self.numbers.append(record.number)

    def open(self) -> None:
        self.numbers.sort()
        self.by_update = sorted(self._key(each) for each in self.by_number.values())

    def next_number(self) -> int:
        return self.numbers[-1] + 1 if self.numbers else self.first + 1

    def add(self, record: R) -> None:
        self.by_number[record.number] = record
        self.numbers.append(record.number)
        insort(self.by_update, self._key(record))

    def touch(self, record: R) -> None:
        now = int(self.clock())
        if record.updated != now:
            record.updated = now
            insort(self.by_update, self._key(record))
        if len(self.by_update) > 2 * len(self.by_number) + 1000:
            self.by_update = sorted(self._key(each) for each in self.by_number.values())

    def remove(self, record: R) -> None:
        del self.by_number[record.number]

    def get(self, gid: str) -> R | None:
        return self.by_number.get(number_of(gid, self.kind) or 0)

    def named(self, given: Any) -> R:
        """By number or gid, as edits name them."""
        text = str(given).rpartition("/")[2]
        found = self.by_number.get(int(text)) if text.isdecimal() else None
        if found is None:
            raise LookupError(f"no {self.kind} {given}")
        return found

    def __len__(self) -> int:
        return len(self.by_number)

    def __iter__(self) -> Iterator[R]:
        return iter(self.by_number.values())

    def in_update_order(self, key: int) -> R | None:
        """The record behind an entry of `by_update`, or None where the entry is stale."""
        record = self.by_number.get(self.first + (key & OFFSET_MASK))
        return None if record is None or record.updated != key >> OFFSET_BITS else record

    def position_of_update(self, seconds: int) -> int:
        return bisect_left(self.by_update, seconds << OFFSET_BITS)

    def _key(self, record: R) -> int:
        return record.updated << OFFSET_BITS | record.number - self.first


Orders = Mapping[str, Callable[[Any], Any]]


@dataclass(frozen=True, slots=True)
class Listing:
    """How one kind is listed: its filters, its sort keys besides ID and UPDATED_AT, and what it is sorted by."""

    filters: Filters
    orders: Orders
    default_order: str = "ID"

    def page(self, shelf: Shelf[Any], args: Arguments, visible: Predicate = EVERYTHING) -> Connection:
        wanted = self._wanted(args, visible)
        order = args.get("sortKey") or self.default_order
        if order == "UPDATED_AT":
            start = 0 if wanted.updated_from is None else shelf.position_of_update(wanted.updated_from)
            return page(Walk(shelf.by_update, shelf.in_update_order, start, wanted.matches), args)
        sort_by = self.orders.get(order)
        if sort_by is None:
            return page(Walk(shelf.numbers, shelf.by_number.get, matches=wanted.matches), args)
        # Rare orders are sorted when asked for; the product uses ID and UPDATED_AT.
        keys = sorted((sort_by(record), record.number) for record in shelf)
        return page(Walk(keys, lambda key: shelf.by_number.get(key[1]), matches=wanted.matches), args)

    def count(self, shelf: Shelf[Any], args: Arguments, visible: Predicate = EVERYTHING) -> dict[str, Any]:
        """Counting stops at the limit, and at 25,000 in any case (shopify.md section 5)."""
        limit = args.get("limit")
        most = DEEPEST_PAGE + 1 if limit is None else min(limit, DEEPEST_PAGE + 1)
        total = 0
        for _ in self._matching(shelf, self._wanted(args, visible)):
            total += 1
            if total > most:
                return {"count": most, "precision": "AT_LEAST"}
        return {"count": total, "precision": "EXACT"}

    def rows(self, shelf: Shelf[Any], args: Arguments, visible: Predicate = EVERYTHING) -> Source:
        """The rows of a bulk operation: what is there now and still is when the file is fetched."""
        wanted = self._wanted(args, visible)
        last = shelf.numbers[-1] if shelf.numbers else 0

        def rows() -> Iterator[Any]:
            return (record for record in self._matching(shelf, wanted) if record.number <= last)

        return rows, lambda: sum(1 for _ in rows())

    def _wanted(self, args: Arguments, visible: Predicate) -> Query:
        wanted = parse(args.get("query"), self.filters)
        if visible is EVERYTHING:
            return wanted
        matches = wanted.matches
        return Query(lambda each: visible(each) and matches(each), wanted.updated_from)

    def _matching(self, shelf: Shelf[Any], wanted: Query) -> Iterator[Any]:
        """Safe while records change."""
        if wanted.updated_from is not None:
            keys = list(shelf.by_update[shelf.position_of_update(wanted.updated_from) :])
            found = (shelf.in_update_order(key) for key in keys)
        else:
            numbers = shelf.numbers
            found = (shelf.by_number.get(numbers[position]) for position in range(len(numbers)))
        return (record for record in found if record is not None and wanted.matches(record))
