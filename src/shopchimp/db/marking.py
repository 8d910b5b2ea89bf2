"""Marks: that something is to be looked at, once, however often it is named; and in which lane.

A key is a person's address, `customer:<id>`, or names something of the store's (`order:1001`) or of customer events
(`visitor:...`); from the key alone follows what it is. The rows are worked on in `db.changes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, text

LIVE, COMMERCE, BACKFILL = "contacts", "commerce", "backfill"
EVENTS, VIEWS = "events", "views"  # of the store's visitors: something of a cart or checkout waits; only views do
ACTIVITY = "activity"  # what contacts did with a message
OF_CUSTOMER_EVENTS = (EVENTS, VIEWS, ACTIVITY)
PERSON, GOODS, EVENT = "person", "commerce", "event"  # the kinds of keys
OF_COMMERCE = ("order", "product", "buyer", "checkout", "cart", "discount")  # what their keys begin with
VISITOR, ENGAGED = "visitor", "engaged"  # what the keys of customer events begin with


def kind_of(key: str) -> str:
    """Whether a key is a person's, something of the store's or of customer events."""
    what, colon, _ = key.partition(":")
    if "@" in key or not colon:
        return PERSON
    return GOODS if what in OF_COMMERCE else EVENT if what in (VISITOR, ENGAGED) else PERSON


def lane_of(key: str) -> str:
    """The lane in which a key is looked at live."""
    kind = kind_of(key)
    if kind == EVENT:
        return EVENTS if key.startswith(f"{VISITOR}:") else ACTIVITY
    return COMMERCE if kind == GOODS else LIVE


@dataclass(frozen=True, slots=True)
class Mark:
    """A person to look at, or something of the store's or of customer events, which goes into a lane of its own.

    A visitor goes into `events` unless the lane says `views`. `allowed`: the merchant let the change go past the
    circuit breaker.
    """

    key: str
    source: str
    customer_id: int | None = None
    opted_out_at: datetime | None = None
    event_at: datetime | None = None
    lane: str = LIVE
    allowed: bool = False


# what is known of both rows when a key is marked that is there already
MARKED = """
    version = c.version + 1,
    state = 'waiting',
    attempts = case when c.state = 'waiting' then c.attempts else 0 end,
    crashes = case when c.state = 'waiting' then c.crashes else 0 end,
    marked_at = case when c.state = 'waiting' then c.marked_at else now() end,
    cause = case when c.state = 'waiting' then c.cause end,
    detail = case when c.state = 'waiting' then c.detail end,
    due_at = case when c.token is null then least(c.due_at, now()) else c.due_at end
"""


def mark(tx: Connection, shop_id: int, marks: Sequence[Mark]) -> None:
    """Note that these people are to be looked at, once each, however often they are named."""
    merged = _merge(marks)
    if not merged:
        return
    # in the order of the keys, as all who hold several rows at once: so nobody waits for each other in a circle
    query = text(
        f"""
        insert into changes as c (shop_id, kind, key, lane, source, customer_id, opted_outs, event_at, allowed)
        select :shop, m.kind, m.key, m.lane, m.source, m.customer_id, array_remove(array[m.opted_out_at], null),
            m.event_at, m.allowed from unnest(
            cast(:kinds as text[]), cast(:keys as text[]), cast(:lanes as text[]), cast(:sources as text[]),
            cast(:customers as bigint[]), cast(:opted_out as timestamptz[]), cast(:events as timestamptz[]),
            cast(:allowed as boolean[])
        ) as m (kind, key, lane, source, customer_id, opted_out_at, event_at, allowed) order by m.key collate "C"
        on conflict (shop_id, kind, key) do update set {MARKED},
            lane = case when 'contacts' in (c.lane, excluded.lane) then 'contacts'
                when 'events' in (c.lane, excluded.lane) then 'events' else excluded.lane end,
            source = excluded.source,
            customer_id = coalesce(excluded.customer_id, c.customer_id),
            opted_outs = c.opted_outs || excluded.opted_outs,
            event_at = case when c.state = 'waiting' then least(c.event_at, excluded.event_at)
                else excluded.event_at end,
            allowed = c.allowed or excluded.allowed
        """
    )
    values = {
        "shop": shop_id,
        "kinds": [kind_of(mark.key) for mark in merged],
        "keys": [mark.key for mark in merged],
        "lanes": [mark.lane for mark in merged],
        "sources": [mark.source for mark in merged],
        "customers": [mark.customer_id for mark in merged],
        "opted_out": [mark.opted_out_at for mark in merged],
        "events": [mark.event_at for mark in merged],
        "allowed": [mark.allowed for mark in merged],
    }
    tx.execute(query, values)
    for lane in sorted({mark.lane for mark in merged}):
        ready(tx, shop_id, lane)


def ready(tx: Connection, shop_id: int, lane: str) -> None:
    """Note that something waits in this lane. Locks its row only when it was idle."""
    query = text(
        """
        insert into lanes as l (shop_id, lane) select :shop, :lane
        where not exists (select 1 from lanes where shop_id = :shop and lane = :lane and ready_at is not null)
        on conflict (shop_id, lane) do update set ready_at = coalesce(l.ready_at, now())
        """
    )
    tx.execute(query, {"shop": shop_id, "lane": lane})


def _merge(marks: Iterable[Mark]) -> list[Mark]:
    merged: dict[str, Mark] = {}
    for each in marks:
        mark = replace(each, lane=_lane_for(each))
        if (before := merged.get(mark.key)) is None:
            merged[mark.key] = mark
            continue
        merged[mark.key] = replace(
            mark,
            lane=next((lane for lane in (LIVE, EVENTS) if lane in {mark.lane, before.lane}), mark.lane),
            customer_id=before.customer_id if mark.customer_id is None else mark.customer_id,
            opted_out_at=max(filter(None, (before.opted_out_at, mark.opted_out_at)), default=None),
            event_at=min(filter(None, (before.event_at, mark.event_at)), default=None),
            allowed=before.allowed or mark.allowed,
        )
    return [merged[key] for key in sorted(merged)]


def _lane_for(mark: Mark) -> str:
    if kind_of(mark.key) == PERSON:
        return mark.lane
    own = lane_of(mark.key)
    return VIEWS if own == EVENTS and mark.lane == VIEWS else own
