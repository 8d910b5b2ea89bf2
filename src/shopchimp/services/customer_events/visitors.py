"""What is loaded for a look at some visitors: their events, whom their browsers belong to, and who that is to us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from shopchimp.db import checkouts, commerce_items, customer_events, people, visitors
from shopchimp.db.changes import Claimed
from shopchimp.db.customer_events import A_VISITOR, WaitingEvent
from shopchimp.db.marking import Mark
from shopchimp.db.visitors import Visitor
from shopchimp.domain.addresses import normalise
from shopchimp.domain.commerce.results import Kind
from shopchimp.domain.customer_events.identity import ByCustomer, ByEmail, Who
from shopchimp.domain.customer_events.visits import Call, Contact, Event, Visit, still_counts, visit
from shopchimp.domain.states import ContactStatus

ASKED = "identity"  # the source of a change: whether they are a contact by now is asked because of an event
DOUBTED = "audit"  # Mailchimp says that they are none, though we thought so


@dataclass(slots=True)
class Guest:
    """A visitor of this slice, what is to be done for them, and what came of it.

    `error` is for the job to judge. `late`: the time was up before all was done; the visitor stays claimed. `more`:
    not all of their events may have been loaded. `told`: some of those that were are over.
    """

    change: Claimed
    visitor: str
    known: Visitor
    visit: Visit
    sent: dict[str, datetime]
    more: bool = False
    told: bool = False
    error: Exception | None = None
    late: bool = False
    marks: list[Mark] = field(default_factory=list)  # who is to be looked at: they may be a contact, or none any more

    @property
    def key(self) -> str:
        """The key of the change."""
        return self.change.key

    def is_fresh(self, call: Call) -> bool:
        """Whether the call waited for nothing but its turn: it counts for the time to sync."""
        return self.change.event_at is not None and call.events[0].received_at >= self.change.event_at

    def remembered(self, now: datetime) -> Visitor:
        """What is to be known of the visitor from now on."""
        sent = {about: at.isoformat() for about, at in still_counts(self.sent, now).items()}
        link = self.visit.link
        if link is None:
            return replace(self.known, sent=sent)
        customer_id, key = columns_of(link)
        return Visitor(self.visitor, customer_id, key, linked_at=self.visit.linked_at, sent=sent)


def look(tx: Connection, shop_id: int, claimed: Sequence[Claimed], now: datetime) -> list[Guest]:
    """Load what belongs to these visitors and say what is to be done for each."""
    named = {each.key.partition(":")[2]: each for each in claimed}
    waiting = customer_events.of_visitors(tx, shop_id, list(named))
    known = visitors.get(tx, shop_id, list(named))
    told = _told(tx, shop_id, [row for rows in waiting.values() for row in rows])
    waiting = {name: [_named(row, told) for row in rows] for name, rows in waiting.items()}
    proven = _proven(tx, shop_id, [row for rows in waiting.values() for row in rows], told)
    events = {name: [_event(row) for row in rows] for name, rows in waiting.items()}
    links = {name: _link(each) for name, each in known.items()}
    contacts = _contacts(tx, shop_id, [each for some in events.values() for each in some], links.values())
    guests = []
    for name, change in named.items():
        visitor = known.get(name) or Visitor(name)
        sent = {about: datetime.fromisoformat(at) for about, at in visitor.sent.items()}
        found = visit(
            events[name],
            now=now,
            link=links.get(name),
            linked_at=visitor.linked_at,
            sent=sent,
            contact_of=contacts.get,
            proven=proven,
            told={row.id: email for row in waiting[name] if (email := told.get(row.checkout or ""))},
        )
        marks = [_mark(who, contacts.get(who)) for who in found.asks]
        guests.append(Guest(change, name, visitor, found, sent, more=len(events[name]) >= A_VISITOR, marks=marks))
    return guests


def _event(row: WaitingEvent) -> Event:
    began = row.state == customer_events.SENDING
    who = _who(row.customer_id, row.email) if row.found else None
    return Event(row.beacon, row.received_at, row.call, row.sent_at if began else None, who)


def _link(visitor: Visitor) -> Who | None:
    return _who(visitor.customer_id, visitor.key)


def _who(customer_id: int | None, email: str | None) -> Who | None:
    if customer_id is not None:
        return ByCustomer(customer_id)
    return ByEmail(email) if email is not None else None


def columns_of(who: Who) -> tuple[int | None, str | None]:
    """Somebody as two columns: the customer's number, or an address."""
    return (who.customer_id, None) if isinstance(who, ByCustomer) else (None, who.email)


def _mark(who: Who, contact: Contact | None) -> Mark:
    customer_id, email = columns_of(who)
    key = contact.key if contact is not None else email or f"customer:{customer_id}"
    return Mark(key, ASKED, customer_id=customer_id)


def _told(tx: Connection, shop_id: int, rows: Sequence[WaitingEvent]) -> Mapping[str, str]:
    """The addresses of those checkouts that Shopify itself told us of, by token."""
    tokens = {row.checkout for row in rows if row.checkout is not None}
    known = checkouts.get(tx, shop_id, sorted(tokens)) if tokens else {}
    return {token: normalise(email) for token, each in known.items() if (email := each.node.get("email"))}


def _named(row: WaitingEvent, told: Mapping[str, str]) -> WaitingEvent:
    """With the address of its checkout: one begins before that is typed, and not every app may read it in the pixel."""
    if row.found or row.email is not None or row.checkout is None:
        return row
    return replace(row, email=told.get(row.checkout))


def _proven(tx: Connection, shop_id: int, rows: Sequence[WaitingEvent], told: Mapping[str, str]) -> set[str]:
    """The events whose checkout Shopify itself named with the same e-mail, by a webhook of it or of its order."""
    said = {row.id: row for row in rows if row.email is not None}
    orders = {row.id: str(number) for row in said.values() if (number := _order_of(row)) is not None}
    bought = commerce_items.get(tx, shop_id, Kind.ORDER, sorted(set(orders.values()))) if orders else {}
    proven = set()
    for event_id, row in said.items():
        order = bought.get(orders.get(event_id, ""))
        if row.email in (told.get(row.checkout or ""), normalise(order.key) if order and order.key else None):
            proven.add(event_id)
    return proven


def _order_of(row: WaitingEvent) -> int | None:
    checkout = row.beacon.details.checkout
    return checkout.order_id if checkout is not None else None


def _contacts(
    tx: Connection, shop_id: int, events: Iterable[Event], links: Iterable[Who | None]
) -> Mapping[Who, Contact]:
    """Whom we have a row of, of all whom these events may be about."""
    customers: set[int] = set()
    keys: set[str] = set()
    for event in events:
        checkout = event.beacon.details.checkout
        if event.beacon.customer_id is not None:
            customers.add(event.beacon.customer_id)
        if checkout is not None and checkout.email is not None:
            keys.add(checkout.email)
    for who in links:
        if isinstance(who, ByCustomer):
            customers.add(who.customer_id)
        elif who is not None:
            keys.add(who.email)
    found: dict[Who, Contact] = {}
    for row in people.known(tx, shop_id, customer_ids=sorted(customers), keys=sorted(keys)):
        there = "@" in row.key and row.contact_status != ContactStatus.ABSENT
        contact = Contact(row.key, row.id, there, row.seen_at)
        found[ByEmail(row.key)] = contact
        if row.customer_id is not None:
            before = found.get(ByCustomer(row.customer_id))
            if before is None or (there and not before.is_contact):  # a customer may have duplicate rows
                found[ByCustomer(row.customer_id)] = contact
    return found
