"""What `domain.consent.reconcile` takes besides the two sides' own words, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shopchimp.domain.evidence import ContactConsent, Evidence
from shopchimp.domain.rules import CONFIRM_IF_REFUSED, Rule
from shopchimp.domain.states import ContactStatus, CustomerState, CustomerWrite, OptInLevel, mailable


@dataclass(frozen=True, slots=True)
class Known:
    """What we last saw on both sides, stored when a look at the person was finished.

    `deleted`: the contact was seen to vanish, or Mailchimp called the address forgotten (M4). `refused`: the Shopify
    consent time of an opt-in that Mailchimp refused for good (the time of the refusal, where Shopify has none).
    `opted_in_at`: the contact's opt-in as we last saw it; it betrays somebody who opted in and out again since.
    """

    customer: CustomerState
    contact: ContactStatus
    deleted: bool = False
    refused: datetime | None = None
    opted_in_at: datetime | None = None

    def then(self, customer: CustomerState, contact: ContactStatus, *, opted_in_at: datetime | None = None) -> Known:
        """What to store after another look, whatever came of it: how both sides are now, and what is remembered."""
        vanished = contact is ContactStatus.ABSENT and (self.deleted or self.contact is not ContactStatus.ABSENT)
        return Known(customer, contact, vanished, self.refused, opted_in_at)


@dataclass(frozen=True, slots=True)
class Intent:
    """What we were about to write when we last heard of ourselves.

    `out`: the contact as it was seen then, if it was unsubscribed. A write of ours to its profile moves `last_changed`,
    all there may be to date that opt-out by (F12).
    """

    customer: CustomerState | None = None
    contact: ContactStatus | None = None
    out: ContactConsent | None = None


class Reason(StrEnum):
    """Why two sides may differ, or why a write is not made. The values are causes of the catalogue, `domain.causes`."""

    AWAITING_CONFIRMATION = "awaiting_confirmation"
    ARCHIVED = "archived"
    NO_CUSTOMER = "no_customer"
    DELETED = "deleted"
    INVALID = "invalid"
    REDACTED = "redacted"
    NEEDS_CONFIRMATION = "needs_confirmation"
    REFUSED = "refused"
    NON_SUBSCRIBED_OFF = "non_subscribed_off"
    BOUNCED = "bounced"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class InSync:
    """Both sides agree: mailable on both, or on neither and nothing left to record."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is written, for a reason the merchant may read."""

    reason: Reason
    rule: Rule


@dataclass(frozen=True, slots=True)
class Push:
    """One write to one side, with its rule and the time of the choice that it carries.

    `consent_at` goes out as Shopify's `consentUpdatedAt`, or as Mailchimp's `timestamp_opt` (an opt-in only). It is
    None where Mailchimp takes no time, where Shopify's opt-in has none, and where Shopify needs the time of a decision
    (`evidence` is DECISION) but none was given: then ask again with `decided_at` before writing.
    """

    write_customer: CustomerWrite | None
    write_contact: ContactStatus | None
    rule: Rule
    consent_at: datetime | None = None
    evidence: Evidence | None = None
    opt_in_level: OptInLevel | None = None

    @property
    def customer_state(self) -> CustomerState | None:
        """The state that the customer will have."""
        if self.write_customer is None:
            return None
        return CustomerState(self.write_customer.removeprefix("CREATE_IF_ENABLED:"))

    @property
    def intent(self) -> Intent:
        """What to store before writing."""
        return Intent(self.customer_state, self.write_contact)

    @property
    def confirm_if_refused(self) -> bool:
        """If Mailchimp refuses `subscribed`, write `pending` once (F7). Otherwise a refusal is kept and explained."""
        return self.write_contact is ContactStatus.SUBSCRIBED and self.rule in CONFIRM_IF_REFUSED


def explained(customer: CustomerState, contact: ContactStatus) -> Reason | None:
    """The declared difference (consent.md 2.7) that this pair of states is, or None.

    None also for pairs that do not differ: mailable on both sides or on neither.
    """
    in_shopify, in_mailchimp = mailable(customer, contact)
    if in_shopify is in_mailchimp:
        return None
    return (_CONTACT_EXPLAINS if in_shopify else _CUSTOMER_EXPLAINS).get(contact if in_shopify else customer)


_CONTACT_EXPLAINS: dict[str, Reason] = {
    ContactStatus.PENDING: Reason.AWAITING_CONFIRMATION,
    ContactStatus.ARCHIVED: Reason.ARCHIVED,
    ContactStatus.ABSENT: Reason.DELETED,
}
_CUSTOMER_EXPLAINS: dict[str, Reason] = {
    CustomerState.PENDING: Reason.AWAITING_CONFIRMATION,
    CustomerState.ABSENT: Reason.NO_CUSTOMER,
    CustomerState.INVALID: Reason.INVALID,
    CustomerState.REDACTED: Reason.REDACTED,
}
