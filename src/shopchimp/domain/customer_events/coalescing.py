"""Puts views of one visitor together, so that one login's calls last for what counts (mailchimp.md 13).

A member event costs one call and there is no bulk form: some forty a second for all shops of a login. So the pages a
visitor looks at within a window become one `page_viewed` that names them; the same product, collection or search seen
again becomes one event with a count. Whatever belongs to a cart or a checkout is always sent by itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shopchimp.domain.customer_events.beacon import Beacon
from shopchimp.domain.customer_events.names import Priority, StoreEvent, priority

WINDOW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Group:
    """Events that become one call, the oldest first."""

    events: tuple[Beacon, ...]

    @property
    def first(self) -> Beacon:
        """The event that gives the group its name, id and time."""
        return self.events[0]

    @property
    def priority(self) -> Priority:
        """How urgent the group is."""
        return priority(self.first.name)


def subject(beacon: Beacon) -> Hashable | None:
    """What the event is a view of: those of one visitor with the same subject are put together. None: never."""
    details = beacon.details
    match beacon.name:
        case StoreEvent.PAGE_VIEWED:
            return beacon.visitor, beacon.name
        case StoreEvent.PRODUCT_VIEWED if details.product and details.product.id:
            return beacon.visitor, beacon.name, details.product.id
        case StoreEvent.COLLECTION_VIEWED if details.collection_id:
            return beacon.visitor, beacon.name, details.collection_id
        case StoreEvent.SEARCH_SUBMITTED if details.query:
            return beacon.visitor, beacon.name, details.query.casefold()
    return None


def due_at(beacon: Beacon, last: datetime | None, window: timedelta = WINDOW) -> datetime:
    """When the event is to be sent. `last` is the time of the last one sent about the same subject: the first view of a
    window goes at once, since an automation may wait for it; those after it wait for the window's end, together.
    """
    if last is None or subject(beacon) is None:
        return beacon.happened_at
    return max(beacon.happened_at, last + window)


def grouped(beacons: Iterable[Beacon], window: timedelta = WINDOW) -> list[Group]:
    """The events as the calls they become, the most urgent first. Each event is in exactly one."""
    open_groups: dict[Hashable, list[Beacon]] = {}
    made: list[list[Beacon]] = []
    for beacon in sorted(beacons, key=_order):
        about = subject(beacon)
        group = None if about is None else open_groups.get(about)
        if group is not None and beacon.happened_at < group[0].happened_at + window:
            group.append(beacon)
            continue
        group = [beacon]
        made.append(group)
        if about is not None:
            open_groups[about] = group
    return sorted((Group(tuple(group)) for group in made), key=lambda each: (each.priority, *_order(each.first)))


def _order(beacon: Beacon) -> tuple[datetime, str]:
    return beacon.happened_at, beacon.event_id
