"""Whether an event that was read is kept, and when it is taken to have happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from shopchimp.domain.customer_events.beacon import Beacon, BeaconReason, Refused

CLOCK_LIMIT = timedelta(days=1)

EventKey = tuple[int, str]
"""A shop and the id of an event: what was seen under it already is the same event again."""


def admit(beacon: Beacon, now: datetime) -> Beacon | Refused:
    """The event with the time we take it to have happened at, to the second; or why nothing of it may be kept.

    A clock that is off by more than a day is not believed at all. One that is a little fast is put right: nothing has
    happened yet to come.
    """
    if not beacon.consent.allows:
        return Refused(BeaconReason.NO_CONSENT)
    if beacon.happened_at < now - CLOCK_LIMIT:
        return Refused(BeaconReason.TOO_OLD, "timestamp")
    if beacon.happened_at > now + CLOCK_LIMIT:
        return Refused(BeaconReason.FUTURE, "timestamp")
    return replace(beacon, happened_at=min(beacon.happened_at, now).replace(microsecond=0))


def event_key(shop: int, beacon: Beacon) -> EventKey:
    """Under which the event is known (a browser or the network may send it twice)."""
    return shop, beacon.event_id
