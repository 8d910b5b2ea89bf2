"""What visitors did in the store, told to Mailchimp as events of the contacts they are (S39 to S51).

`events` and `views` are given claimed visitors of one shop and may be killed anywhere. A member event can't be told
twice without being two, so each call is noted before it is made; whoever finds such a note of somebody dead asks
Mailchimp first whether the call was heard.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shopchimp.db import changes, connections, customer_events, marking
from shopchimp.db.changes import Claimed
from shopchimp.domain.customer_events.member_events import member_event
from shopchimp.domain.customer_events.visits import Call, Dropped
from shopchimp.domain.errors import Unauthorized
from shopchimp.mailchimp import events as member_events
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services import privacy, settings
from shopchimp.services.customer_events import pace, recording, visitors
from shopchimp.services.customer_events.recording import Doing, Whose
from shopchimp.services.driving import LeaseEnded
from shopchimp.services.gateways import Gateways
from shopchimp.services.live import Worked

WORKS_FOR = 1.0  # seconds: then it is another lane's turn
A_SLOT = 4  # calls that are noted and recorded together, for each slot that we hold
CALL_LIFE = timedelta(seconds=30)  # until a call that nobody told the end of can't be heard any more
# Seconds after it was noted: who slept through them (a stopped process) makes no call after others.
STARTS_WITHIN = 20.0


def events(
    gateways: Gateways,
    shop_id: int,
    claimed: Sequence[Claimed],
    *,
    token: UUID,
    slots: int,
    lost: threading.Event | None = None,
    quiet: bool = False,  # noqa: ARG001 - whether an event is history says its own time
) -> Worked:
    """Tell of what these visitors did with carts and checkouts; their views wait in the lane `views`."""
    return _work(gateways, shop_id, claimed, marking.EVENTS, token=token, slots=slots, lost=lost)


def views(
    gateways: Gateways,
    shop_id: int,
    claimed: Sequence[Claimed],
    *,
    token: UUID,
    slots: int,
    lost: threading.Event | None = None,
    quiet: bool = False,  # noqa: ARG001 - whether an event is history says its own time
) -> Worked:
    """Tell of all that these visitors did; of mere views no more at once than leaves room for others."""
    return _work(gateways, shop_id, claimed, marking.VIEWS, token=token, slots=slots, lost=lost)


def _work(
    gateways: Gateways,
    shop_id: int,
    claimed: Sequence[Claimed],
    lane: str,
    *,
    token: UUID,
    slots: int,
    lost: threading.Event | None,
) -> Worked:
    now = gateways.clock()
    with gateways.database.transaction() as tx:
        connection = connections.get(tx, shop_id)
        guests = visitors.look(tx, shop_id, claimed, now)
    if connection is None or connection.audience_id is None:
        raise Unauthorized("mailchimp", "mc_access_revoked", "no audience is connected")
    calls = [Doing(guest, call) for guest in guests for call in guest.visit.calls]
    calls.sort(key=lambda each: (each.call.group.priority, each.call.events[0].received_at))
    slice_ = _Slice(
        gateways=gateways,
        whose=Whose(shop_id, lane, token),
        login_id=connection.login_id,
        audience_id=connection.audience_id,
        mailchimp=gateways.mailchimp(shop_id),
        lost=lost or threading.Event(),
        until=time.monotonic() + WORKS_FOR,
        at_once=max(slots, 1) * A_SLOT,
    )
    with ThreadPoolExecutor(max(slots, 1), thread_name_prefix="events") as pool:
        slice_.send(_turns(calls, lane, now), pool)
    recording.close(gateways.database, slice_.whose, guests, now)
    troubles = {guest.key: guest.error for guest in guests if guest.error is not None}
    return Worked(sum(guest.error is None and not guest.late for guest in guests), troubles)


def _turns(calls: Sequence[Doing], lane: str, now: datetime) -> list[Doing]:
    """The calls whose turn it is now; for the others it is noted when their visitor is looked at again."""
    mine: list[Doing] = []
    views = 0
    for each in calls:
        call, visit = each.call, each.guest.visit
        over = call.began_at + CALL_LIFE if call.began_at is not None else now
        if call.doubtful and over > now:
            visit.look_at(over, call.events[0])
        elif call.urgent:
            mine.append(each)
        elif lane == marking.EVENTS:
            visit.look_at(now, call.events[0])
        elif views < pace.VIEWS_PER_SECOND:
            views += 1
            mine.append(each)
        else:
            visit.look_at(now + timedelta(seconds=pace.turn_of(views - pace.VIEWS_PER_SECOND)), call.events[0])
            views += 1
    return mine


@dataclass(slots=True)
class _Slice:
    """One slice of one shop's calls."""

    gateways: Gateways
    whose: Whose
    login_id: str
    audience_id: str
    mailchimp: MailchimpClient
    lost: threading.Event
    until: float
    at_once: int
    noted: float = 0.0  # when the calls were that are made now

    def send(self, calls: Sequence[Doing], pool: ThreadPoolExecutor) -> None:
        """Make these calls, some at a time: noted, made, recorded. What there is no time for is left claimed."""
        for start in range(0, len(calls), self.at_once):
            part = calls[start : start + self.at_once]
            if start and (self.lost.is_set() or time.monotonic() > self.until):
                for each in calls[start:]:
                    each.guest.late = True
                return
            ready = self._begin(part)
            for each, answer in zip(ready, pool.map(self._attempt(self._one), ready), strict=True):
                each.heard, each.error = answer is None, answer
            recording.record(self.gateways.database, self.whose, ready, self.gateways.clock())

    def _begin(self, part: Sequence[Doing]) -> list[Doing]:
        """Note the calls that may be made, of those whose visitors are still ours; the setting is read once more."""
        self.noted = time.monotonic()
        shop_id = self.whose.shop_id
        with self.gateways.database.transaction() as tx:
            ours = changes.still_held(tx, shop_id, self.whose.token, [each.guest.key for each in part])
            on = settings.get(tx, shop_id).customer_events
            keys = {each.call.contact.key for each in part}
            living = set(privacy.living(tx, self.gateways.vault, shop_id, sorted(keys)))
            ready = []
            for each in part:
                if each.guest.key not in ours:
                    each.guest.error = LeaseEnded()
                elif not on:
                    _drop(each, Dropped.OFF)
                elif each.call.contact.key not in living:
                    _drop(each, Dropped.ERASED)
                else:
                    ready.append(each)
            guests = {each.guest.key: each.guest for each in ready}
            recording.remember(tx, self.whose, list(guests.values()), self.gateways.clock())
            there = customer_events.sending(tx, shop_id, [recording.begun(each) for each in ready])
            ready = [each for each in ready if all(event.id in there for event in each.call.events)]
            if self.whose.lane == marking.VIEWS:
                pace.spend(tx, self.login_id, sum(not each.call.urgent for each in ready))
        return ready

    def _one(self, doing: Doing) -> None:
        if self.lost.is_set():
            raise LeaseEnded
        call, email = doing.call, doing.call.contact.key
        if call.doubtful and member_events.heard(self.mailchimp, self.audience_id, email, [call.id]):
            return
        if self.lost.is_set() or time.monotonic() > self.noted + STARTS_WITHIN:  # while we asked, or slept
            raise LeaseEnded
        member_events.post(self.mailchimp, self.audience_id, email, _body(call, self.gateways.clock()))

    @staticmethod
    def _attempt(do: Callable[[Doing], None]) -> Callable[[Doing], Exception | None]:
        def attempt(doing: Doing) -> Exception | None:
            try:
                do(doing)
            except Exception as error:  # noqa: BLE001 - one call's crash stops no other (invariant 7)
                return error
            return None

        return attempt


def _drop(doing: Doing, why: Dropped) -> None:
    doing.guest.visit.dropped += [(event, why) for event in doing.call.events]


def _body(call: Call, now: datetime) -> dict[str, object]:
    return member_event(call.group, now)
