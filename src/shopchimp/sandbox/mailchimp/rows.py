"""One page of a list whose rows are built of functions: what was not asked for is not built."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from shopchimp.sandbox.mailchimp.fields import asked, check, drop, parse, pick
from shopchimp.sandbox.mailchimp.wire import Call

T = TypeVar("T")
Shows = Mapping[str, Callable[[T], Any]]
NOTHING: Mapping[str, Any] = {}


def paged(
    call: Call, name: str, found: Sequence[T], shows: Shows[T], rest: Mapping[str, Any] = NOTHING
) -> dict[str, Any]:
    """The page that `count` and `offset` name, the total, and whatever else stands beside them."""
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    return shown(call, name, found[offset : offset + count], shows, {**rest, "total_items": len(found)})


def shown(call: Call, name: str, page: Sequence[T], shows: Shows[T], rest: Mapping[str, Any]) -> dict[str, Any]:
    wanted, unwanted = asked(call)
    beside = {**rest, "_links": []}
    if not wanted:
        tree = parse(unwanted) if unwanted else {}
        left = {key: value for key, value in beside.items() if key not in tree}
        if name in tree and not tree[name]:
            return left
        hidden = tree.get(name, {})
        kept = {key: show for key, show in shows.items() if hidden.get(key, True)}
        rows = [{key: show(each) for key, show in kept.items()} for each in page]
        return {name: drop(rows, hidden) if hidden else rows, **left}
    tree = parse(wanted)
    check(tree, (name, *beside))
    answer = {key: beside[key] for key in tree if key in beside}
    if name in tree:
        inner = tree[name]
        check(inner, shows)
        kept = {key: shows[key] for key in (inner or shows) if key in shows}
        rows = [{key: show(each) for key, show in kept.items()} for each in page]
        answer = {name: pick(rows, inner) if any(inner.values()) else rows, **answer}
    return answer


def rate(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0
