"""Polls: every five minutes, ask both platforms who changed, and mark those whom no webhook told us of.

The place reached is a time of *their* clock: the newest change seen. Our clock, and the one in front of their servers
(the Date header), may differ from the one that stamps the changes; this one can't. Two minutes before it are read
again, for changes that were stamped earlier than they became visible. A poll that finds nothing newer drops the
overlap: or else the end of a first sync, thousands of people in two minutes, would be read again for ever.

Whoever differs from what we last saw is marked; everybody else costs one comparison. So after a first sync, which
changed everybody in the audience, nobody is marked. The deleted are in no list: the audit finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from shopchimp.db import audits, chores, connections, marking, poll_reads
from shopchimp.db.chores import Chore
from shopchimp.db.marking import Mark
from shopchimp.db.poll_reads import ContactFacts, Seen
from shopchimp.domain.addresses import normalise
from shopchimp.domain.fields import differences, merge_fields
from shopchimp.domain.planning import CONTACT_STATUSES
from shopchimp.domain.sms import KnownSms, SmsState
from shopchimp.domain.tags import TagRules, differ
from shopchimp.mailchimp import members
from shopchimp.mailchimp.members import Member
from shopchimp.services import settings
from shopchimp.services.gateways import Gateways
from shopchimp.services.settings import ShopSettings
from shopchimp.shopify import customers
from shopchimp.shopify.customers import Changed

PERIOD = 300.0
OVERLAP = timedelta(minutes=2)
SLACK = timedelta(minutes=15)  # their clock may differ so much from ours, which is all we have for the first poll
SECOND = timedelta(seconds=1)
IMPOSSIBLE = timedelta(days=1)  # a time so far ahead is no time of a change: it would blind every later poll
LAST = datetime.max.replace(tzinfo=UTC)
BLOCK = 1000
PASSES = ("", "archived")  # archived contacts are left out of the plain listing


class LeaseLost(Exception):
    """Somebody else polls this shop now, from the same place."""


@dataclass(slots=True)
class Place:
    """How far a poll has come in one list, by their clock."""

    newest: datetime
    rough: bool = False  # a time of ours, so far
    quiet: bool = False  # the last poll saw nothing newer
    moved: bool = False
    limit: datetime = LAST  # later times are not believed

    @classmethod
    def stored(cls, kept: Mapping[str, Any] | None, began: datetime, *, limit: datetime) -> Place:
        """The place as `to_json` stored it; where none was yet, the time `began`, which is ours."""
        if not kept:
            return cls(began, rough=True, limit=limit)
        return cls(datetime.fromisoformat(kept["newest"]), bool(kept["rough"]), bool(kept["quiet"]), limit=limit)

    def to_json(self) -> dict[str, Any]:
        """As a chore's cursor keeps it."""
        return {"newest": self.newest.isoformat(), "rough": self.rough, "quiet": self.quiet}

    @property
    def since(self) -> datetime:
        """From when to read."""
        return self.newest - (SLACK if self.rough else timedelta(0) if self.quiet else OVERLAP)

    def saw(self, at: datetime | None) -> None:
        """A change with this time was dealt with."""
        if at is None or at > self.limit or (at <= self.newest and not self.rough):
            return
        self.newest = at if not self.rough else max(at, self.since)
        self.rough, self.moved = False, True

    def end(self) -> None:
        """The list was read to its end."""
        self.quiet = not self.moved and not self.rough


@dataclass(slots=True)
class Poll:
    """One poll of one side of a shop."""

    gateways: Gateways
    shop_id: int
    chore: Chore
    audience_id: str
    chosen: ShopSettings
    started: datetime
    ours_until: datetime | None = None  # unknown until the first poll has ended
    places: dict[str, Place] = field(default_factory=dict)

    @property
    def first(self) -> bool:
        """Whether no poll was completed before."""
        return self.ours_until is None

    def may_be_ours(self, at: datetime | None) -> bool:
        """Whether our own first sync may have made a change of this time."""
        return self.ours_until is None or at is None or at <= self.ours_until

    def place(self, name: str) -> Place:
        """The place in one of the side's lists; where there is none yet, the time the first sync began to read."""
        kept = (self.chore.cursor.get("places") or {}).get(name)
        self.places[name] = Place.stored(kept, self.started, limit=self.gateways.clock() + IMPOSSIBLE)
        return self.places[name]

    def keep(self, tx: Connection, marks: Sequence[Mark]) -> None:
        """Mark people and store the place behind them: neither without the other."""
        if marks:
            marking.mark(tx, self.shop_id, marks)
            self.chore.cursor["marked_at"] = self.gateways.clock().isoformat()
        kept = self.chore.cursor.setdefault("places", {})
        for name, place in self.places.items():
            kept[name] = place.to_json()
        if not chores.save(tx, self.chore):
            raise LeaseLost

    def end(self) -> None:
        """All lists were read to their ends."""
        for place in self.places.values():
            place.end()
        if self.first:  # until then, by their clock, changes may be our own first sync's
            self.chore.cursor["ours_until"] = max(place.newest for place in self.places.values()).isoformat()
        with self.gateways.database.transaction() as tx:
            self.keep(tx, ())
            if audits.unfinished(tx, self.shop_id) is not None:  # asked for while the last one ended
                chores.hurry(tx, self.shop_id, audits.CHORE)


def _open(gateways: Gateways, shop_id: int, chore: Chore) -> Poll | None:
    """The poll, or None where the shop has no live sync."""
    with gateways.database.transaction() as tx:
        connection = connections.get(tx, shop_id)
        if connection is None or connection.audience_id is None:
            return None
        started = poll_reads.began_reading(tx, shop_id, connection.audience_id)
        if started is None:
            return None
        chosen = settings.get(tx, shop_id)
    kept = chore.cursor.get("ours_until")
    ours_until = datetime.fromisoformat(kept) if kept else None
    return Poll(gateways, shop_id, chore, connection.audience_id, chosen, started, ours_until)


def _polled(poll: Poll | None, one_side: Callable[[Poll], None]) -> float:
    """Do it, where the shop has live sync. Who lost the lease stops: somebody else is at it."""
    with suppress(LeaseLost):
        if poll is not None:
            one_side(poll)
    return PERIOD


# ------------------------------------------------------------------ Mailchimp


def poll_contacts(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """Mark the people whose contact changed. Gives back the seconds until the next poll."""
    return _polled(_open(gateways, shop_id, chore), _poll_contacts)


def _poll_contacts(poll: Poll) -> None:
    client = poll.gateways.mailchimp(poll.shop_id)
    for status in PASSES:
        place = poll.place(status)
        for page in members.all_changed_since(client, poll.audience_id, place.since, status=status or None):
            with poll.gateways.database.transaction() as tx:
                marks, facts = _compare_contacts(tx, poll, page)
                poll_reads.remember(tx, poll.shop_id, facts)
                for member in page:
                    place.saw(member.changed_at)
                poll.keep(tx, marks)
    poll.end()


def _compare_contacts(tx: Connection, poll: Poll, page: Sequence[Member]) -> tuple[list[Mark], list[ContactFacts]]:
    found = {normalise(member.email) or f"contact:{member.contact_id}": member for member in page}
    seen = poll_reads.by_keys(tx, poll.shop_id, list(found))
    marks, facts = [], []
    for key, member in found.items():
        known = seen.get(key)
        if known is None or contact_differs(known, member, first=poll.first, two_way=poll.chosen.field_map.two_way):
            marks.append(Mark(key, "poll", event_at=member.changed_at))
        else:
            facts.append(ContactFacts(key, member.changed_at, member.opted_in_at))
    return marks, facts


def contact_differs(known: Seen, member: Member, *, first: bool, two_way: Collection[str] = ()) -> bool:
    """Whether the contact says something else than we last saw. `first`: our own first sync changed it.

    What both sides agreed on doesn't name a field that was empty on both: a first value in one of the `two_way` fields
    is to go to the customer, too.
    """
    status = member.status if member.status in CONTACT_STATUSES else "absent"  # which we store for a word unknown to us
    if status != known.contact_status or _opted_in_anew(known, member):
        return True
    if known.fields is not None:
        agreed = {**dict.fromkeys(two_way, ""), **known.fields}
        return any(differences({tag: value}, member.merge_fields) for tag, value in agreed.items())
    if first or member.changed_at is None:
        return False  # nobody knows what was agreed on, but we do know who changed it
    return known.contact_changed_at is None or member.changed_at > known.contact_changed_at


def _opted_in_anew(known: Seen, member: Member) -> bool:
    """The opt-in's time moved, and not by our own write, which carries the customer's."""
    now, then = member.opted_in_at, known.contact_opted_at
    if now is None or now in (then, known.customer_at):
        return False
    if known.contact_status == "subscribed" and known.customer_state == "SUBSCRIBED":
        return False  # agreed on both sides
    return now > then if then is not None else known.synced_at is not None and now > known.synced_at


# ------------------------------------------------------------------ Shopify


def poll_customers(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """Mark the people whose customer changed. Gives back the seconds until the next poll."""
    return _polled(_open(gateways, shop_id, chore), _poll_customers)


def _poll_customers(poll: Poll) -> None:
    place = poll.place("customers")
    changed = customers.changed_since(poll.gateways.shopify(poll.shop_id), place.since)
    while block := list(islice(changed, BLOCK)):
        with poll.gateways.database.transaction() as tx:
            marks = _compare_customers(tx, poll, block)
            for customer in block:
                place.saw(customer.updated_at)
            poll.keep(tx, marks)
    poll.end()


def _compare_customers(tx: Connection, poll: Poll, block: Sequence[Changed]) -> list[Mark]:
    seen = poll_reads.by_customers(tx, poll.shop_id, [customer.id for customer in block])
    early = {customer.id for customer in block if poll.may_be_ours(customer.updated_at)}
    keys = [known.key for customer_id in early for known in seen.get(customer_id, ())]
    ours = poll_reads.may_be_ours(tx, poll.shop_id, keys) if keys else set()
    marks = {}
    for customer in block:
        key = normalise(customer.consent.email or "") or f"customer:{customer.id}"
        same = [known for known in seen.get(customer.id, ()) if _address_of(known) == key]
        if not same:
            marks[key] = Mark(key, "poll", customer_id=customer.id, event_at=customer.updated_at)
        for known in same:
            if customer_differs(known, customer, poll.chosen, ours=known.key in ours):
                marks[known.key] = Mark(known.key, "poll", customer_id=customer.id, event_at=customer.updated_at)
    return list(marks.values())


def _address_of(known: Seen) -> str:
    """The address a customer is kept with; one whose address another customer has is kept by number."""
    return normalise(known.email or "") or known.key


def customer_differs(known: Seen, customer: Changed, chosen: ShopSettings, *, ours: bool) -> bool:
    """Whether the customer says something else than we last saw. `ours`: our first sync wrote the consent."""
    if (customer.consent.state, customer.consent.updated_at) != (known.customer_state, known.customer_at):
        return True
    if _tags_differ(known, customer, chosen.tag_rules) or _texts_differ(known, customer):
        return True
    if known.fields is None:
        return not ours
    return bool(differences(merge_fields(customer.fields, chosen.field_map), known.fields))


def _tags_differ(known: Seen, customer: Changed, rules: TagRules) -> bool:
    """None are remembered where a backfill is still due: it will come to them."""
    return known.tags is not None and differ(customer.tags, known.tags, rules)


def _texts_differ(known: Seen, customer: Changed) -> bool:
    """The consent to text messages, where there is or was any."""
    texts, before = customer.sms, KnownSms.from_json(known.sms)
    if texts is None or before is None:
        return texts is not None and texts.state in (SmsState.SUBSCRIBED, SmsState.UNSUBSCRIBED)
    return (texts.state, texts.phone, texts.updated_at) != (before.state, before.phone, before.at)
