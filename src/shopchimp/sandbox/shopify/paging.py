"""Connections: one page of a sorted sequence, walked by cursors (shopify.md sections 2.2 and 5)."""

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from graphql import GraphQLError

from shopchimp.sandbox.shopify.search import EVERYTHING, Predicate

LONGEST_PAGE: Final = 250
DEEPEST_PAGE: Final = 25_000  # paging stops after this many objects: go on by a window or by a bulk operation


@dataclass(frozen=True, slots=True)
class Walk:
    """A sequence of sort keys, ascending, each with the object behind it (None: gone or moved)."""

    keys: Sequence[Any]
    load: Callable[[Any], Any]
    start: int = 0
    matches: Predicate = EVERYTHING


@dataclass(slots=True)
class Connection:
    nodes: list[Any]
    keys: list[Any]
    has_next: bool
    has_previous: bool
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def edges(self) -> list[dict[str, Any]]:
        return [{"node": node, "cursor": cursor_of(key)} for node, key in zip(self.nodes, self.keys, strict=True)]

    @property
    def page_info(self) -> dict[str, Any]:
        return {
            "hasNextPage": self.has_next,
            "hasPreviousPage": self.has_previous,
            "startCursor": cursor_of(self.keys[0]) if self.keys else None,
            "endCursor": cursor_of(self.keys[-1]) if self.keys else None,
        }


def page(walk: Walk, args: Mapping[str, Any], *, longest: int = LONGEST_PAGE) -> Connection:
    size = _size(args, longest)
    backwards = bool(args.get("reverse"))
    low, high = _window(walk, args, backwards=backwards)
    from_the_end = args.get("first") is None
    found = _found(walk, low, high, descending=backwards is not from_the_end)
    nodes: list[Any] = []
    keys: list[Any] = []
    more = False
    for key, node in found:
        if len(nodes) == size:
            more = True
            break
        keys.append(key)
        nodes.append(node)
    if from_the_end:
        return Connection(nodes[::-1], keys[::-1], args.get("before") is not None, more)
    return Connection(nodes, keys, more, args.get("after") is not None)


def page_of(items: Sequence[Any], args: Mapping[str, Any], matches: Predicate = EVERYTHING) -> Connection:
    """A page of a short list that stands in its own order."""
    return page(Walk(range(len(items)), items.__getitem__, matches=matches), args)


def cursor_of(key: Any) -> str:
    value, last_id = key if isinstance(key, tuple) else (key, None)
    return base64.b64encode(orjson.dumps({"last_id": last_id, "last_value": str(value)})).decode()


def key_of(cursor: str, like: Any) -> Any:
    """The sort key in a cursor, of the type that this walk sorts by."""
    try:
        content = orjson.loads(base64.b64decode(cursor, validate=True))
        value, last_id = content["last_value"], content["last_id"]
        if isinstance(like, tuple):
            return (type(like[0])(value), int(last_id))
        return int(value)
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        message = "Invalid cursor for current pagination sort."
        raise GraphQLError(message, extensions={"code": "BAD_REQUEST"}) from error


def _size(args: Mapping[str, Any], longest: int) -> int:
    first, last = args.get("first"), args.get("last")
    if (first is None) == (last is None):
        message = "you must provide one of first or last"
        raise GraphQLError(message, extensions={"code": "BAD_REQUEST"})
    size = int(first if first is not None else args["last"])
    if not 1 <= size <= longest:
        message = f"the page size must be between 1 and {longest}, it is {size}"
        raise GraphQLError(message, extensions={"code": "BAD_REQUEST"})
    return size


def _window(walk: Walk, args: Mapping[str, Any], *, backwards: bool) -> tuple[int, int]:
    low, high = walk.start, len(walk.keys)
    after, before = args.get("after"), args.get("before")
    if backwards:
        low, after, before = max(low, high - DEEPEST_PAGE), before, after
    else:
        high = min(high, low + DEEPEST_PAGE)
    if not walk.keys:
        return 0, 0
    if after is not None:
        low = max(low, bisect_right(walk.keys, key_of(after, walk.keys[0])))
    if before is not None:
        high = min(high, bisect_left(walk.keys, key_of(before, walk.keys[0])))
    return low, high


def _found(walk: Walk, low: int, high: int, *, descending: bool) -> Iterator[tuple[Any, Any]]:
    for position in range(high - 1, low - 1, -1) if descending else range(low, high):
        node = walk.load(walk.keys[position])
        if node is not None and walk.matches(node):
            yield walk.keys[position], node
