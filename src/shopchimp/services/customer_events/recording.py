"""What came of calls and looks at visitors, stored: events, links, counts, the log, and the end of the changes.

In each transaction the changes come first and the counts last (`db.customer_events`). Where two of us wait for each
other all the same, Postgres ends one, who begins anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shopchimp.db import changes, customer_events, engagements, event_counts, looks, marking, visitors
from shopchimp.db.customer_events import Begun
from shopchimp.db.session import Database
from shopchimp.domain.addresses import subscriber_hash
from shopchimp.domain.customer_events.activity import ActivityFact
from shopchimp.domain.customer_events.identity import HELD_FOR
from shopchimp.domain.customer_events.reports import sms_click
from shopchimp.domain.customer_events.visits import Call, Dropped, pause, subject_key
from shopchimp.domain.errors import PlatformError, RateLimited, Rejected, Unauthorized, Unavailable
from shopchimp.services import settings, sync_times
from shopchimp.services.customer_events.visitors import DOUBTED, Guest, columns_of

KIND, DIRECTION = "event", event_counts.TO_MAILCHIMP
SENT, COALESCED = "sent", "coalesced"
_GATEWAY = frozenset({502, 504})  # somebody in between gave up: what was asked for may still be done (mailchimp.md 3)
_UNHEARD = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})  # nothing was sent yet


@dataclass(slots=True)
class Doing:
    """A call of this slice, whose it is, and what came of it: heard, or an error."""

    guest: Guest
    call: Call
    heard: bool = False
    error: Exception | None = None

    @property
    def is_no_contact(self) -> bool:
        """Mailchimp doesn't know the person."""
        return isinstance(self.error, Rejected) and self.error.code == "mc_not_found"

    @property
    def is_refused(self) -> bool:
        """Mailchimp doesn't want the event."""
        return isinstance(self.error, Rejected) and not self.is_no_contact

    @property
    def is_unheard(self) -> bool:
        """It surely had no effect, so it may be made again without asking."""
        if isinstance(self.error, Unavailable):
            return self.error.detail in _UNHEARD
        return self.is_no_contact or isinstance(self.error, RateLimited | Unauthorized)

    @property
    def is_over(self) -> bool:
        """There was an answer, if none that says what came of the call: it doesn't run any more."""
        error = self.error
        return isinstance(error, PlatformError) and error.status is not None and error.status not in _GATEWAY


@dataclass(frozen=True, slots=True)
class Whose:
    """The lane of a shop that is worked in, and under which lease."""

    shop_id: int
    lane: str
    token: UUID


def begun(doing: Doing) -> Begun:
    """The call as it is noted before it is made."""
    customer_id, email = columns_of(doing.call.who)
    return Begun(doing.call.id, tuple(each.id for each in doing.call.events), customer_id, email)


def record(database: Database, whose: Whose, done: Sequence[Doing], now: datetime) -> None:
    """Store what came of these calls, and on each guest what follows from it for their end."""
    if done:
        database.settled(lambda tx: _record(tx, whose, done, now))
    for doing in done:
        _follow(doing, now)


def remember(tx: Connection, whose: Whose, guests: Sequence[Guest], now: datetime) -> None:
    """Store whom these visitors are found to be, before what said so is sent and forgotten; and of what is still to be
    sent, what isn't theirs.
    """
    news = [guest for guest in guests if guest.visit.link is not None]
    visitors.save(tx, whose.shop_id, [guest.remembered(now) for guest in news])
    others = {event.id: columns_of(who) for guest in news for event, who in guest.visit.found}
    customer_events.found_whose(tx, whose.shop_id, others)


def close(database: Database, whose: Whose, guests: Sequence[Guest], now: datetime) -> None:
    """Store what was decided without a call, and end the changes of those guests for whom all is done that is due."""
    ended = [guest for guest in guests if guest.error is None and not guest.late]
    if ended:
        database.settled(lambda tx: _close(tx, whose, ended, now))


def _record(tx: Connection, whose: Whose, done: Sequence[Doing], now: datetime) -> None:
    shop_id, token = whose.shop_id, whose.token
    ours = changes.still_held(tx, shop_id, token, [each.guest.key for each in done])
    heard = [each for each in done if each.heard]
    new = customer_events.sent(tx, shop_id, [event.id for each in heard for event in each.call.events])
    heard = [each for each in heard if each.call.events[0].id in new]  # the others were recorded by somebody else
    for each in heard:
        if (about := subject_key(each.call.events[0].beacon)) is not None:
            each.guest.sent[about] = now
    unheard = [each for each in done if each.is_unheard]
    customer_events.not_sent(tx, shop_id, _ids(unheard))
    customer_events.ended(tx, shop_id, _ids([each for each in done if each.is_over and not each.is_unheard]))
    linked = {each.guest.key: each.guest for each in heard if each.guest.key in ours}
    visitors.save(tx, shop_id, [guest.remembered(now) for guest in linked.values()])
    refused = [each for each in done if each.is_refused]
    looks.log(tx, shop_id, [_line(each) for each in [*heard, *refused]])
    facts = [fact for each in heard for fact in _sms_clicks(each)]
    _count_facts(tx, shop_id, facts, {subscriber_hash(each.call.contact.key): each.call.contact.key for each in heard})
    _observe(tx, shop_id, heard)
    reasons = dict.fromkeys(_ids(refused), Dropped.REFUSED.value)
    if not settings.get(tx, shop_id).customer_events:  # switched off meanwhile: nothing is tried again
        failed = [each for each in done if not each.heard and not each.is_refused]
        reasons |= dict.fromkeys(_ids(failed), Dropped.OFF.value)
    customer_events.dropped(tx, shop_id, reasons)
    counts: Counter[event_counts.Outcome] = Counter()
    for each in heard:
        name = each.call.events[0].beacon.name.value
        counts[name, SENT] += 1
        counts[name, COALESCED] += len(each.call.events) - 1
    event_counts.add(tx, shop_id, DIRECTION, counts)


def _follow(doing: Doing, now: datetime) -> None:
    guest, call = doing.guest, doing.call
    if doing.heard or doing.is_refused:
        guest.told = True
        return
    if not doing.is_no_contact:
        guest.error = guest.error or doing.error
        return
    guest.marks.append(marking.Mark(call.contact.key, DOUBTED))
    for event in call.events:
        if now >= event.received_at + HELD_FOR:
            guest.visit.dropped.append((event, Dropped.NOT_A_CONTACT))
        else:
            guest.visit.look_at(min(now + pause(event, now), event.received_at + HELD_FOR), event)


def _close(tx: Connection, whose: Whose, ended: Sequence[Guest], now: datetime) -> None:
    shop_id, token = whose.shop_id, whose.token
    finished, waiting = [], []
    for guest in ended:
        visit = guest.visit
        if guest.more and (guest.told or visit.dropped or visit.again is None):  # there is room for those after them
            waiting.append((guest.key, guest.change.version, 0.0, whose.lane))
        elif visit.again is None:
            finished.append((guest.key, guest.change.version))
        else:
            # who logs in meanwhile has their cart told before all views, unless one of their own is due just now
            first = visit.urgent_again is not None and (visit.urgent_again <= visit.again or visit.again > now)
            seconds = max((visit.again - now) / timedelta(seconds=1), 0.0)
            waiting.append((guest.key, guest.change.version, seconds, marking.EVENTS if first else marking.VIEWS))
    ours = changes.still_held(tx, shop_id, token, [guest.key for guest in ended])
    changes.finish(tx, shop_id, token, finished)
    changes.wait(tx, shop_id, token, waiting)
    mine = [guest for guest in ended if guest.key in ours]
    marking.mark(tx, shop_id, [mark for guest in mine for mark in guest.marks])
    remember(tx, whose, mine, now)
    reasons = {event.id: why.value for guest in mine for event, why in guest.visit.dropped}
    customer_events.dropped(tx, shop_id, reasons)


def _ids(done: Sequence[Doing]) -> list[str]:
    return [event.id for each in done for event in each.call.events]


def _line(doing: Doing) -> dict[str, Any]:
    """One line of the log a call."""
    call, error = doing.call, doing.error
    first = call.events[0].beacon
    detail: dict[str, Any] = {"name": first.name.value, "at": first.happened_at.isoformat(), "times": len(call.events)}
    if isinstance(error, PlatformError):
        detail["detail"] = error.detail[:500]
    return {
        "person_id": call.contact.person_id,
        "kind": KIND,
        "direction": DIRECTION,
        "result": "synced" if error is None else "failed",
        "rule": None,
        "cause": error.code if isinstance(error, PlatformError) else None,
        "detail": detail,
    }


def _sms_clicks(doing: Doing) -> list[ActivityFact]:
    contact = subscriber_hash(doing.call.contact.key)
    found = (sms_click(event.beacon, contact) for event in doing.call.events)
    return [fact for fact in found if fact is not None]


def _count_facts(tx: Connection, shop_id: int, facts: Sequence[ActivityFact], keys: dict[str, str]) -> None:
    """A visit by a link of an SMS is the only trace of a click: it goes the way of what Mailchimp's reports tell."""
    new = engagements.count(tx, shop_id, facts, keys)
    if new:
        marking.mark(tx, shop_id, [marking.Mark(f"{marking.ENGAGED}:{fact.contact}", "shopify") for fact in new])
        event_counts.add(tx, shop_id, event_counts.TO_SHOPIFY, engagements.received(new))


def _observe(tx: Connection, shop_id: int, heard: Sequence[Doing]) -> None:
    fresh = [each for each in heard if each.guest.is_fresh(each.call)]
    if not fresh:
        return
    now: datetime = tx.execute(text("select clock_timestamp()")).scalar_one()
    taken = [max((now - each.call.events[0].received_at) / timedelta(milliseconds=1), 0.0) for each in fresh]
    sync_times.observe(tx, shop_id, [(DIRECTION, KIND, each) for each in taken])
