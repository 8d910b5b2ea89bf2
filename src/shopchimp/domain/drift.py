"""Is a pair of customer and contact as it should be? What live sync would do now is asked, and not done.

The audit runs the same look as live sync (`domain.looking`) on what it read, and stops before the first step that would
write anything. So an audit and live sync can't disagree about what is right. Beside that it doesn't take the look's
word for it: a pair that may be mailed on one side only must be a difference that consent.md 2.7 declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from shopchimp.domain.addresses import is_deliverable_looking
from shopchimp.domain.causes import CAUSES
from shopchimp.domain.consent import NO_CONTACT, NO_CUSTOMER, ContactStatus, CustomerState, explained, mailable
from shopchimp.domain.looking import look_at
from shopchimp.domain.records import Person, Sides
from shopchimp.domain.steps import (
    CreateCustomer,
    Hint,
    Intend,
    LiveOptions,
    Look,
    MoveContact,
    Outcome,
    Read,
    Step,
    UpdateCustomer,
    WriteConsent,
    WriteContact,
    WriteSms,
)


class Drift(StrEnum):
    """What is wrong with a pair that should not differ. `sentence` is what the merchant reads."""

    sentence: str

    def __new__(cls, code: str, sentence: str) -> Self:
        """Make the member a string that is its code."""
        drift = str.__new__(cls, code)
        drift._value_ = code
        drift.sentence = sentence
        return drift

    CONTACT_MISSING = "contact_missing", "The customer isn't in the audience"
    CUSTOMER_MISSING = "customer_missing", "The contact isn't a customer yet"
    CONSENT_TO_CONTACT = "consent_to_contact", "Mailchimp lacks the choice made in Shopify"
    CONSENT_TO_CUSTOMER = "consent_to_customer", "Shopify lacks the choice made in Mailchimp"
    FIELDS_TO_CONTACT = "fields_to_contact", "Fields or tags differ; Mailchimp's are out of date"
    FIELDS_TO_CUSTOMER = "fields_to_customer", "Fields differ; Shopify's are out of date"
    TEXTS = "texts", "The consent to text messages differs"
    ADDRESS_MOVED = "address_moved", "The customer has another email address now"
    NO_RULE = "no_rule", "One side may send mail, the other may not, and no rule says why"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a pair is found to be: equal, a difference that is meant to stay (`reason`), or drift.

    `news`: nothing has to be written, but the pair is not as we remember it.
    """

    drift: Drift | None = None
    reason: str | None = None
    news: bool = False


_BY_STEP: Mapping[type[Step], Drift] = {
    CreateCustomer: Drift.CUSTOMER_MISSING,
    WriteConsent: Drift.CONSENT_TO_CUSTOMER,
    UpdateCustomer: Drift.FIELDS_TO_CUSTOMER,
    WriteSms: Drift.TEXTS,
    MoveContact: Drift.ADDRESS_MOVED,
}


def judge(person: Person, sides: Sides, options: LiveOptions, *, now: datetime, same_choice: bool) -> Finding:
    """What this pair is. `same_choice`: the customer's consent is of the time that we remember."""
    if sides.contact is None and sides.customer is not None and (unusable := _unusable(sides.customer.email)):
        return Finding(reason=unusable)
    found = _would_do(person, sides, options, now)
    if isinstance(found, Drift):
        if same_choice and _as_known(person, sides) and _stays(person, found):
            return Finding(reason=person.reason)
        return Finding(drift=found)
    if found.follow or found.moved_to:
        return Finding(drift=Drift.ADDRESS_MOVED)
    state, status = _states(sides)
    reason = found.reason or explained(state, status)
    if reason is None:
        in_shopify, in_mailchimp = mailable(state, status)
        if in_shopify is not in_mailchimp:
            return Finding(drift=Drift.NO_RULE)
    return Finding(reason=str(reason) if reason else None, news=_is_news(person, sides, found))


def _would_do(person: Person, sides: Sides, options: LiveOptions, now: datetime) -> Outcome | Drift:
    """Look at the pair up to the first write: what kind of write that is, or how the look ends without any."""
    look = look_at(person, Hint(now, allowed=True), options)
    try:
        step: Step = next(look)
        while not isinstance(step, tuple(_BY_STEP)) and not isinstance(step, WriteContact):
            step = look.send(_answer(step, sides))
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
    look.close()
    if isinstance(step, WriteContact):
        if step.contact_id is None:
            return Drift.CONTACT_MISSING
        return Drift.CONSENT_TO_CONTACT if step.status is not None else Drift.FIELDS_TO_CONTACT
    return _BY_STEP[type(step)]


def _answer(step: Step, sides: Sides) -> object:
    """What a look is told on its way to its first write: that nothing moved meanwhile."""
    match step:
        case Read():
            return sides
        case Look(contact=True):
            return sides.contact.consent if sides.contact else NO_CONTACT
        case Look():
            return sides.customer.consent if sides.customer else NO_CUSTOMER
        case Intend():
            return None
        case _:
            return True


def _unusable(email: str | None) -> str | None:
    if not (email or "").strip():
        return "no_email"
    return None if is_deliverable_looking(email or "") else "bad_email"


def _states(sides: Sides) -> tuple[CustomerState, ContactStatus]:
    return (
        (sides.customer.consent if sides.customer else NO_CUSTOMER).state,
        (sides.contact.consent if sides.contact else NO_CONTACT).status,
    )


def _as_known(person: Person, sides: Sides) -> bool:
    return (person.known.customer, person.known.contact) == _states(sides)


def _is_news(person: Person, sides: Sides, outcome: Outcome) -> bool:
    if person.id is None:
        return sides.customer is not None or sides.contact is not None
    return not _as_known(person, sides) or outcome.known.deleted is not person.known.deleted


def _stays(person: Person, drift: Drift) -> bool:
    """Whether this was seen before, and left: refused (the page of failed items has it), or held by the first sync.

    The first sync leaves a person whose consent is held alone altogether, fields too.
    """
    held = person.reason is not None and person.fields is None and drift in _PROFILE
    return held or is_refusal(person.reason)


_PROFILE = frozenset({Drift.FIELDS_TO_CONTACT, Drift.FIELDS_TO_CUSTOMER})


def is_refusal(reason: str | None) -> bool:
    """Whether a person's reason is that a platform refused a write, and will again."""
    if reason is None or not reason.startswith(("mc_", "sh_")):
        return False
    return reason in CAUSES and CAUSES[reason].tone != "warning"
