"""Failed items: whose change a platform refused, grouped by cause, and trying them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shopchimp.db import stops
from shopchimp.db.session import Database
from shopchimp.db.stops import Group, Item


@dataclass(frozen=True, slots=True)
class Items:
    """One page of items and where the next one starts, or None at the end."""

    items: tuple[Item, ...]
    next_cursor: str | None


def groups(database: Database, shop_id: int) -> tuple[list[Group], list[Group]]:
    """What waits for the merchant, and what is tried again by itself."""
    with database.transaction() as tx:
        found = stops.groups(tx, shop_id)
    return [each for each in found if each.state == "parked"], [each for each in found if each.state != "parked"]


def page(
    database: Database,
    shop_id: int,
    *,
    state: str = "parked",
    cause: str | None = None,
    after: str = "",
    limit: int = 50,
) -> Items:
    """The people of one state, or of one cause in it."""
    with database.transaction() as tx:
        found = stops.items(tx, shop_id, state=state, cause=cause, after=after, limit=limit + 1)
    more = len(found) > limit
    found = found[:limit]
    return Items(tuple(found), found[-1].item if more else None)


def retry(database: Database, shop_id: int, *, items: Sequence[str] | None = None, cause: str | None = None) -> int:
    """Look at these parked people again: some, all of one cause, or all. Gives back how many; wake a worker then."""
    with database.transaction() as tx:
        keys = None if items is None else stops.keys_of(tx, shop_id, list(items))
        return 0 if keys == [] else stops.retry(tx, shop_id, keys=keys, cause=cause)
