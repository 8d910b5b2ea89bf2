"""What is to be done now about the events of one visitor: send, wait, or give up; and when to look again.

Pure: who is known and what was sent lately comes in. Nothing is decided twice by other rules: who it is says
`identity`, what goes together says `coalescing`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from shopchimp.domain.addresses import normalise
from shopchimp.domain.commerce.spelling import fingerprint
from shopchimp.domain.customer_events.beacon import Beacon
from shopchimp.domain.customer_events.coalescing import WINDOW, Group, due_at, grouped, subject
from shopchimp.domain.customer_events.identity import (
    HELD_FOR,
    ByCustomer,
    ByEmail,
    Forgotten,
    Held,
    Waiting,
    Who,
    identify,
    new_link,
)
from shopchimp.domain.customer_events.names import Priority, priority

SOONEST, LATEST = timedelta(seconds=5), timedelta(hours=1)  # until it is looked whether somebody is a contact by now


class Dropped(StrEnum):
    """Why an event is never sent: an outcome of the counts."""

    NO_PERSON = "no_person"  # nobody said in time whose it was
    NOT_A_CONTACT = "not_a_contact"  # whoever it was didn't become a contact in time
    ERASED = "erased"
    REFUSED = "refused"  # by Mailchimp
    OFF = "off"  # customer event syncing was switched off


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """An event that waits. `call` names the call in which it was about to be sent to `who`, since `began_at`.

    `who` without a call: whose it was found to be before their browser became somebody else's.
    """

    beacon: Beacon
    received_at: datetime
    call: str | None = None
    began_at: datetime | None = None
    who: Who | None = None

    @property
    def id(self) -> str:
        """Its id."""
        return self.beacon.event_id

    @property
    def urgent(self) -> bool:
        """Whether it is one of a cart or a checkout."""
        return priority(self.beacon.name) <= Priority.CART


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody whose row we have: whether they are a contact as far as we know, and when that was last looked at."""

    key: str
    person_id: int
    is_contact: bool
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make. `doubtful`: it was begun before, and nobody told whether it was heard."""

    events: tuple[Event, ...]
    who: Who
    contact: Contact
    doubtful: bool = False

    @property
    def id(self) -> str:
        """By which the call is known: the id of the event it is named after."""
        first = self.events[0]
        return first.call or first.id

    @property
    def group(self) -> Group:
        """The events as the domain groups them."""
        return Group(tuple(each.beacon for each in self.events))

    @property
    def urgent(self) -> bool:
        """Whether it is about a cart or a checkout."""
        return self.events[0].urgent

    @property
    def began_at(self) -> datetime | None:
        """When it was begun before."""
        return self.events[0].began_at


@dataclass(slots=True)
class Visit:
    """What is to be done. `asks`: whether these are contacts should be looked at. `again`: when to look again.

    With a new `link` comes since when it is so, by the visitor's own clock, and `found`: whose those events are that
    are not theirs.
    """

    calls: list[Call] = field(default_factory=list)
    dropped: list[tuple[Event, Dropped]] = field(default_factory=list)
    asks: list[Who] = field(default_factory=list)
    link: Who | None = None  # whom the visitor is found to be from now on, if that is news
    linked_at: datetime | None = None
    found: list[tuple[Event, Who]] = field(default_factory=list)
    again: datetime | None = None
    urgent_again: datetime | None = None  # the same, of carts and checkouts alone

    def look_at(self, at: datetime, event: Event) -> None:
        """Look again then, at the latest, because of this event."""
        self.again = at if self.again is None else min(self.again, at)
        if event.urgent:
            self.urgent_again = at if self.urgent_again is None else min(self.urgent_again, at)


def visit(
    events: Sequence[Event],
    *,
    now: datetime,
    link: Who | None,
    linked_at: datetime | None = None,
    sent: Mapping[str, datetime],
    contact_of: Callable[[Who], Contact | None],
    proven: Collection[str],
    told: Mapping[str, str] | None = None,
) -> Visit:
    """Sort one visitor's events. `sent` is when the last call about each subject was made; `proven` are the events
    whose checkout a signed webhook named with the same e-mail, `told` is which one it named last: people mistype.
    What happened before `linked_at` is no word against the link.
    """
    found = Visit(linked_at=linked_at)
    whose = _recognise(events, found, now=now, link=link, contact_of=contact_of, proven=proven, told=told or {})
    _take_up(events, found, whose, contact_of)
    ready: dict[Who, list[Event]] = {}
    for event, who in whose.items():
        if event.call is not None:
            continue
        if isinstance(who, Forgotten):
            found.dropped.append((event, Dropped.NO_PERSON))
        elif isinstance(who, Held):
            found.look_at(_held_until(event, who, now), event)
        elif (contact := contact_of(who)) is None or not contact.is_contact:
            _wait_for_contact(event, who, contact, found, now)
        else:
            at = due_at(event.beacon, sent.get(subject_key(event.beacon) or ""))
            if at > now:
                found.look_at(at, event)
            else:
                ready.setdefault(who, []).append(event)
    for who, theirs in ready.items():
        contact = contact_of(who)
        assert contact is not None  # noqa: S101 - tells the type checker
        by_id = {event.id: event for event in theirs}
        for group in grouped(event.beacon for event in theirs):
            found.calls.append(Call(tuple(by_id[each.event_id] for each in group.events), who, contact))
    return found


def subject_key(beacon: Beacon) -> str | None:
    """What the event is a view of, as it is remembered; None for what is always sent by itself."""
    about = subject(beacon)
    return None if about is None else fingerprint("about", *about) if isinstance(about, tuple) else str(about)


def still_counts(sent: Mapping[str, datetime], now: datetime) -> dict[str, datetime]:
    """Without the calls that are so long ago that the next view goes at once."""
    return {about: at for about, at in sent.items() if at + WINDOW > now}


def _recognise(
    events: Iterable[Event],
    found: Visit,
    *,
    now: datetime,
    link: Who | None,
    contact_of: Callable[[Who], Contact | None],
    proven: Collection[str],
    told: Mapping[str, str],
) -> dict[Event, Who | Held | Forgotten]:
    """Whose each event is. What nobody was known for is theirs who says so first after it, in the same browser."""
    whose: dict[Event, Who | Held | Forgotten] = {}
    unclaimed: list[Event] = []
    known = link
    for event in sorted(events, key=lambda each: (each.beacon.happened_at, each.id)):
        if event.who is not None:
            whose[event] = event.who
            continue
        beacon, theirs = event.beacon, _email_of(known, contact_of)
        who = identify(
            beacon,
            received_at=event.received_at,
            now=now,
            link=known,
            link_email=_claimed_email(beacon) if theirs and told.get(event.id) == theirs else theirs,
            checkout_proven=event.id in proven,
        )
        whose[event] = who
        if isinstance(who, Held):
            unclaimed.append(event)
        elif (news := new_link(beacon, who, known)) is not None and not _is_stale(beacon, found.linked_at):
            if known is None:
                theirs = _email_of(news, contact_of)
                said = {each: {_claimed_email(each.beacon), told.get(each.id)} for each in unclaimed}
                whose |= {each: news for each in unclaimed if said[each] == {None} or theirs in said[each] - {None}}
            known = found.link = news
            found.linked_at = beacon.happened_at
    if found.link is not None:
        others = ((event, who) for event, who in whose.items() if isinstance(who, ByCustomer | ByEmail))
        found.found = [(event, who) for event, who in others if event.who is None and who != found.link]
    return whose


def _is_stale(beacon: Beacon, linked_at: datetime | None) -> bool:
    """Whether it happened before somebody else said that it is their browser."""
    return linked_at is not None and beacon.happened_at < linked_at


def _email_of(who: Who | None, contact_of: Callable[[Who], Contact | None]) -> str | None:
    if who is None or isinstance(who, ByEmail):
        return who.email if who else None
    contact = contact_of(who)
    return contact.key if contact is not None else None


def _claimed_email(beacon: Beacon) -> str | None:
    email = beacon.details.checkout.email if beacon.details.checkout else None
    return normalise(email) if email is not None else None


def _take_up(
    events: Iterable[Event],
    found: Visit,
    whose: Mapping[Event, Who | Held | Forgotten],
    contact_of: Callable[[Who], Contact | None],
) -> None:
    """The calls that were begun before, each with the same events as then."""
    begun: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda each: (each.beacon.happened_at, each.id)):
        if event.call is not None:
            begun.setdefault(event.call, []).append(event)
    for theirs in begun.values():
        who = whose[theirs[0]]
        contact = None if isinstance(who, Held | Forgotten) else contact_of(who)
        if contact is None or isinstance(who, Held | Forgotten):  # nobody is kept of them any more
            found.dropped += [(event, Dropped.NO_PERSON) for event in theirs]
        else:
            found.calls.append(Call(tuple(theirs), who, contact, doubtful=True))


def _held_until(event: Event, held: Held, now: datetime) -> datetime:
    """A link is news that comes by itself; a checkout's webhook is looked for in between, in case it was overlooked."""
    return held.until if held.waits_for is Waiting.LINK else min(held.until, now + pause(event, now))


def _wait_for_contact(event: Event, who: Who, contact: Contact | None, found: Visit, now: datetime) -> None:
    until = event.received_at + HELD_FOR
    if now >= until:
        found.dropped.append((event, Dropped.NOT_A_CONTACT))
        return
    found.look_at(min(until, now + pause(event, now)), event)
    if (contact is None or contact.seen_at < event.received_at) and who not in found.asks:
        found.asks.append(who)


def pause(event: Event, now: datetime) -> timedelta:
    """Until it is looked again whether somebody is there: as long again as the event has waited already."""
    return min(max(now - event.received_at, SOONEST), LATEST)
