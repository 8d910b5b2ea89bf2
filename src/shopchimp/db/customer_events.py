"""The events of the pixel while they wait, and what became of them. They come in by `intake_events`.

Whoever records what became of events holds the visitor's change first (`changes.finish` or `wait`), then writes here,
and adds the counts last: in this order everywhere, so that nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from shopchimp.db import event_counts, marking
from shopchimp.db.marking import Mark
from shopchimp.domain.customer_events.beacon import Beacon
from shopchimp.domain.customer_events.keeping import put_together
from shopchimp.domain.customer_events.names import Priority, StoreEvent, priority

WAITING, SENDING, SENT, DROPPED = "waiting", "sending", "sent", "dropped"
OFF, TOO_OLD, DISCONNECTED = "off", "too_old", "disconnected"  # reasons why events were dropped
UNDER_WAY = "2 minutes"  # the longest that somebody who makes a call is still at it
A_VISITOR = 500  # events of one visitor that are loaded at once, the oldest first

_URGENT = ", ".join(f"'{name.value}'" for name in StoreEvent if priority(name) <= Priority.CART)

# What is left of an event that isn't needed any more.
_EMPTIED = "visitor = null, customer_id = null, email = null, checkout = null, body = null"


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """An event that waits or is being sent. `call`: the id of the first event of the call that it was put into.

    While it is being sent `sent_at` is when that began. `found`: `customer_id` or `email` isn't what it said itself,
    but whose it was found to be, whatever its browser says from then on.
    """

    id: str
    name: str
    visitor: str
    customer_id: int | None
    email: str | None
    checkout: str | None
    happened_at: datetime
    received_at: datetime
    consent: dict[str, bool]
    body: dict[str, Any]
    state: str
    call: str | None
    sent_at: datetime | None
    found: bool = False

    @property
    def beacon(self) -> Beacon:
        """As the rules take it."""
        return put_together(
            id=self.id,
            name=self.name,
            visitor=self.visitor,
            happened_at=self.happened_at,
            customer_id=self.customer_id,
            email=self.email,
            checkout=self.checkout,
            consent=self.consent,
            body=self.body,
        )


_COLUMNS = ", ".join(field.name for field in fields(WaitingEvent) if field.name != "body")


@dataclass(frozen=True, slots=True, order=True)
class Begun:
    """A call that is about to be made: its id (that of its first event), all its events, and to whom it is made."""

    id: str
    events: tuple[str, ...]
    customer_id: int | None
    email: str | None


def visitor_key(visitor: str) -> str:
    """The key of the change of one visitor."""
    return f"{marking.VISITOR}:{visitor}"


def of_visitors(tx: Connection, shop_id: int, visitors: Sequence[str]) -> dict[str, list[WaitingEvent]]:
    """What waits or is being sent of these visitors, the oldest first; of each at most `A_VISITOR`.

    Of who has more than that there are besides as many of carts and checkouts, and the first that names the customer:
    they must not wait until all views before them are old.
    """
    found: dict[str, list[WaitingEvent]] = {visitor: [] for visitor in visitors}
    for row in _oldest(tx, shop_id, list(found), A_VISITOR, "true"):
        found[row.visitor].append(row)
    many = [visitor for visitor, rows in found.items() if len(rows) >= A_VISITOR]
    more = [
        *_oldest(tx, shop_id, many, A_VISITOR, f"name in ({_URGENT})"),
        *_oldest(tx, shop_id, many, 1, "customer_id is not null and not found"),
    ]
    for visitor in many:
        whole = {row.id: row for row in [*found[visitor], *(row for row in more if row.visitor == visitor)]}
        found[visitor] = sorted(whole.values(), key=lambda row: (row.happened_at, row.id))
    return found


def _oldest(tx: Connection, shop_id: int, visitors: Sequence[str], limit: int, which: str) -> list[WaitingEvent]:
    query = text(
        f"""
        select e.* from unnest(cast(:visitors as text[])) as v (visitor) cross join lateral (
            select {_COLUMNS}, coalesce(body, '{{}}'::jsonb) as body from customer_events
            where shop_id = :shop and visitor = v.visitor and state in ('waiting', 'sending') and {which}
            order by happened_at, id limit {limit}) e
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "visitors": list(visitors)}) if visitors else ()
    return [WaitingEvent(**row._mapping) for row in rows]


def sending(tx: Connection, shop_id: int, calls: Sequence[Begun]) -> set[str]:
    """These calls are about to be made: commit this before. Gives back the events that may be sent.

    To whom stays with them: whatever the visitor says meanwhile, a call that failed is taken up for the same person.
    """
    rows = sorted((each, call) for call in calls for each in call.events)
    query = text(
        """
        update customer_events e set state = 'sending', call = d.call, sent_at = clock_timestamp(),
            customer_id = d.customer, email = d.email, found = true
        from unnest(cast(:ids as text[]), cast(:calls as text[]), cast(:customers as bigint[]), cast(:emails as text[]))
            as d (id, call, customer, email)
        where e.shop_id = :shop and e.id = d.id and e.state in ('waiting', 'sending') returning e.id
        """
    )
    if not rows:
        return set()
    values = {
        "ids": [each for each, _ in rows],
        "calls": [call.id for _, call in rows],
        "customers": [call.customer_id for _, call in rows],
        "emails": [call.email for _, call in rows],
    }
    return {row.id for row in tx.execute(query, {"shop": shop_id, **values})}


def found_whose(tx: Connection, shop_id: int, whose: Mapping[str, tuple[int | None, str | None]]) -> None:
    """These (id -> customer's number, or address) are theirs, though their browser is somebody else's from now on."""
    query = text(
        """
        update customer_events e set customer_id = d.customer, email = d.email, found = true
        from unnest(cast(:ids as text[]), cast(:customers as bigint[]), cast(:emails as text[]))
            as d (id, customer, email)
        where e.shop_id = :shop and e.id = d.id and e.state = 'waiting'
        """
    )
    ids = sorted(whose)
    values = {"customers": [whose[each][0] for each in ids], "emails": [whose[each][1] for each in ids]}
    if ids:
        tx.execute(query, {"shop": shop_id, "ids": ids, **values})


def not_sent(tx: Connection, shop_id: int, ids: Sequence[str]) -> None:
    """The call surely wasn't heard: these wait again."""
    query = text(
        """
        update customer_events set state = 'waiting', call = null, sent_at = null
        where shop_id = :shop and id = any(:ids) and state = 'sending'
        """
    )
    tx.execute(query, {"shop": shop_id, "ids": list(ids)})


def ended(tx: Connection, shop_id: int, ids: Sequence[str]) -> None:
    """The call is over, though nobody knows whether it was heard: whoever takes it up needn't wait for it."""
    query = text(
        """
        update customer_events set sent_at = null where shop_id = :shop and id = any(:ids) and state = 'sending'
        """
    )
    tx.execute(query, {"shop": shop_id, "ids": list(ids)})


def sent(tx: Connection, shop_id: int, ids: Sequence[str]) -> set[str]:
    """These are at Mailchimp: who it was and what they saw is forgotten. Gives back those that waited until now."""
    query = text(
        f"""
        update customer_events set state = 'sent', sent_at = now(), {_EMPTIED}
        where shop_id = :shop and id = any(:ids) and state in ('waiting', 'sending') returning id
        """
    )
    return {row.id for row in tx.execute(query, {"shop": shop_id, "ids": sorted(ids)})} if ids else set()


def dropped(tx: Connection, shop_id: int, reasons: Mapping[str, str]) -> None:
    """These (id -> reason) will never be sent; they are counted here. After the changes are held, as all of this."""
    query = text(
        f"""
        with gone as (
            update customer_events e set state = 'dropped', reason = d.reason, {_EMPTIED}
            from unnest(cast(:ids as text[]), cast(:reasons as text[])) as d (id, reason)
            where e.shop_id = :shop and e.id = d.id and e.state in ('waiting', 'sending') returning e.name, e.reason
        )
        select name, reason, count(*) as n from gone group by 1, 2
        """
    )
    ids = sorted(reasons)
    if ids:
        rows = tx.execute(query, {"shop": shop_id, "ids": ids, "reasons": [reasons[each] for each in ids]}).all()
        _count(tx, shop_id, {(row.name, row.reason): int(row.n) for row in rows})


def drop_all(tx: Connection, shop_id: int, reason: str, *, calls: bool = False) -> int:
    """Nothing of what waits is sent any more: the merchant said so, or the audience is another. Gives back how many.

    Their changes go with `changes.forget_lanes`, before this. An event whose call may be under way is left to whoever
    makes it, unless `calls` are void, too.
    """
    query = text(
        f"""
        with gone as (
            update customer_events set state = 'dropped', reason = :reason, {_EMPTIED}
            where shop_id = :shop and (state = 'waiting' or (state = 'sending'
                and (:calls or sent_at is null or sent_at < now() - interval '{UNDER_WAY}'))) returning name
        )
        select name, count(*) as n from gone group by 1
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "reason": reason, "calls": calls}).all()
    _count(tx, shop_id, {(row.name, reason): int(row.n) for row in rows})
    return sum(int(row.n) for row in rows)


def held(tx: Connection, shop_id: int) -> dict[str, int]:
    """How many of each name wait: for their person, for the window's end, for their turn."""
    query = text(
        """
        select name, count(*) as n from customer_events
        where shop_id = :shop and state in ('waiting', 'sending') group by 1 order by 1
        """
    )
    return {row.name: int(row.n) for row in tx.execute(query, {"shop": shop_id})}


def checkout_was_told(tx: Connection, shop_id: int, tokens: Sequence[str]) -> int:
    """Shopify told us of these checkouts: whoever waits for one is looked at now. Gives back how many visitors."""
    query = text(
        """
        select distinct visitor from customer_events
        where shop_id = :shop and checkout = any(:tokens) and checkout is not null and state = 'waiting'
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "tokens": list(tokens)})
    marks = [Mark(visitor_key(row.visitor), "shopify") for row in rows if row.visitor is not None]
    marking.mark(tx, shop_id, marks)
    return len(marks)


def _count(tx: Connection, shop_id: int, counts: Mapping[event_counts.Outcome, int]) -> None:
    event_counts.add(tx, shop_id, event_counts.TO_MAILCHIMP, counts)
