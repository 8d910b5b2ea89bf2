"""What both sides of one person really say, beside what is known of the past: opt-outs told, and writes of our own.

A reading alone misleads: an opt-out hides behind what came after it, our own writes look like anybody's, and who made
them may have died before saying so. Everything here is about dates and whose word it was; `reconcile` decides.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from shopchimp.domain.consent import (
    CLOCK_SKEW,
    NO_CONTACT,
    NO_CUSTOMER,
    ContactConsent,
    ContactStatus,
    CustomerConsent,
    CustomerState,
    Known,
)
from shopchimp.domain.outcomes import Intent
from shopchimp.domain.records import Person, Sides
from shopchimp.domain.steps import Hint, Outcome

_NOTHING = Intent()


def customer_consent(sides: Sides) -> CustomerConsent:
    """Shopify's word as read."""
    return sides.customer.consent if sides.customer else NO_CUSTOMER


def contact_consent(sides: Sides) -> ContactConsent:
    """Mailchimp's word as read."""
    return sides.contact.consent if sides.contact else NO_CONTACT


def status_of(sides: Sides) -> ContactStatus:
    """The contact's status as read."""
    return contact_consent(sides).status


def consents(person: Person, sides: Sides, hint: Hint) -> tuple[CustomerConsent, ContactConsent]:
    """What both sides say, with the time of an opt-out that a delivery told us.

    An opt-out that came after every opt-in on record stands, whatever hides it by now: the contact may have been
    archived or deleted since (F9), sign up anew without having confirmed it, or be subscribed again by a write of ours
    that crossed it (reliability.md 3.6). A complaint hides behind `cleaned` and is an opt-out, too (L8). Where Shopify
    says itself that the person opted out, nothing is hidden, but the date may be: that of an earlier customer's word,
    before the contact with this address was another one (M6).

    Mailchimp tells our own `unsubscribed` like anybody's, at the time of the write. Taken for the person's word, it
    would undo an opt-in that they made in Shopify a moment before we wrote. And whoever wrote it may have died before
    it was recorded as ours: an opt-in made in Mailchimp after it answers it, by one clock and to the second.
    """
    customer, contact = customer_consent(sides), _dated(person, contact_consent(sides))
    told = [at for at in theirs(person, hint, person.our_opt_out_at) if not _answered(at, person.came_back_at)]
    if not told:
        return customer, contact
    opted_out_at = max(told)
    if contact.status is ContactStatus.UNSUBSCRIBED:
        return customer, replace(contact, opted_out_at=opted_out_at)
    if customer.state is CustomerState.UNSUBSCRIBED and contact.status is not ContactStatus.SUBSCRIBED:
        return customer, contact
    if contact.status is ContactStatus.SUBSCRIBED and contact.opted_in_at is None:
        return customer, contact
    opt_ins = [at for at in (contact.opted_in_at, _opt_in(customer)) if at is not None]
    # A tie counts for the opt-out, unless Mailchimp says of its own that the person came back.
    came_back = contact.status is ContactStatus.SUBSCRIBED and contact.opted_in_at != customer.updated_at
    least = CLOCK_SKEW if came_back else -CLOCK_SKEW
    if not all(opted_out_at - at >= least for at in opt_ins):
        return customer, contact
    if customer.state is CustomerState.UNSUBSCRIBED:
        return replace(customer, updated_at=max(customer.updated_at or opted_out_at, opted_out_at)), contact
    return customer, replace(contact, status=ContactStatus.UNSUBSCRIBED, opted_out_at=opted_out_at)


def known_of(person: Person, customer: CustomerConsent, contact: ContactConsent) -> Known:
    """What we last saw, as far as it tells news from what only came along.

    An opt-in older than our last look, which didn't see it here, wasn't made here since: it came with a customer who
    was merged or got this address (M6, M8). So it is no answer to an opt-out here unless it is provably later (L3).
    """
    known, seen_at, chosen_at = _known(person), person.seen_at, customer.updated_at
    if customer.state is not CustomerState.SUBSCRIBED or contact.status is not ContactStatus.UNSUBSCRIBED:
        return known
    if known.customer is CustomerState.PENDING or seen_at is None or chosen_at is None:
        return known
    return replace(known, customer=customer.state) if seen_at - chosen_at > CLOCK_SKEW else known


def surely_ours(intent: Intent | None) -> Intent | None:
    """What counts as our own doing when we find it. An opt-out may be the person's: unknown counts for them (L3)."""
    doubtful = intent is not None and intent.contact is ContactStatus.UNSUBSCRIBED
    return Intent(intent.customer) if intent is not None and doubtful else intent


def theirs(person: Person, hint: Hint, ours: datetime | None) -> list[datetime]:
    """The opt-outs that were told, now or before, and aren't our own unsubscribe, which was at `ours`."""
    told = (*hint.opted_outs, person.opted_out_at)
    return [at for at in told if at is not None and not is_ours(at, ours)]


def is_ours(at: datetime, ours: datetime | None) -> bool:
    """Whether an opt-out that Mailchimp told is our own unsubscribe: it tells that like anybody's."""
    return ours is not None and abs(at - ours) < CLOCK_SKEW  # one clock, but two of its seconds


def own_opt_in(customer: CustomerConsent, contact: ContactConsent) -> datetime | None:
    """The contact's opt-in, if it can't be one that we carried: Shopify's last word is older and says the opposite."""
    opted_in, opted_out = contact.opted_in_at, customer.updated_at
    if contact.status is not ContactStatus.SUBSCRIBED or customer.state is not CustomerState.UNSUBSCRIBED:
        return None
    return opted_in if opted_in is not None and opted_out is not None and opted_in > opted_out else None


def meant(person: Person, read: Sides, outcome: Outcome | None = None, *, now: Intent = _NOTHING) -> Intent:
    """Everything that we may have written and not recorded yet: before this look, in it, and next."""
    before = person.intent or _NOTHING
    sides = (
        {line.direction for line in outcome.lines if line.kind == "consent" and line.result == "synced"}
        if outcome
        else ()
    )
    customer = outcome.known.customer if outcome and "to_shopify" in sides else before.customer
    contact = outcome.known.contact if outcome and "to_mailchimp" in sides else before.contact
    seen = _dated(person, contact_consent(read))
    out = seen if seen.status is ContactStatus.UNSUBSCRIBED else None
    return Intent(now.customer or customer, now.contact or contact, out)


def _known(person: Person) -> Known:
    """A contact that showed no opt-in when we last looked: one that it shows since was made after that."""
    known, seen_at = person.known, person.seen_at
    if seen_at is None or known.opted_in_at is not None:
        return known
    return replace(known, opted_in_at=seen_at - CLOCK_SKEW)


def _dated(person: Person, contact: ContactConsent) -> ContactConsent:
    """A contact that is still unsubscribed opted out no later than when we first saw so, whatever moved it since.

    Still: it has the same opt-in, given in a second before, and nothing of ours can have brought it back. Else it may
    be another opt-out, and the later bound is the safe one.
    """
    intent = person.intent or _NOTHING
    seen, opted_in = intent.out, contact.opted_in_at
    if seen is None or (contact.status, opted_in) != (seen.status, seen.opted_in_at):
        return contact
    if intent.contact not in (None, seen.status) or opted_in is None or seen.changed_at is None:
        return contact
    return replace(contact, changed_at=seen.changed_at) if opted_in < seen.changed_at else contact


def _answered(opted_out: datetime, came_back: datetime | None) -> bool:
    """Whether they came back after this opt-out. Both are Mailchimp's seconds; within one, nobody knows."""
    return came_back is not None and opted_out.replace(microsecond=0) < came_back


def _opt_in(customer: CustomerConsent) -> datetime | None:
    return customer.updated_at if customer.state is CustomerState.SUBSCRIBED else None
