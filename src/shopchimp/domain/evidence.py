"""What each side says about a person's consent, when it says they chose, and what these times prove.

"Later" must be proven (L3): the earliest moment of one choice lies after the latest moment of the other, by more than
two clocks may differ. Unknown times prove nothing. A tie counts for the opt-out. The times compared:

    Shopify                 `consentUpdatedAt`: the moment of the visible choice itself, opt-in, request or opt-out
    contact subscribed      opted in at `timestamp_opt`, else `timestamp_signup`; with neither, at the latest at
                            `last_changed`, and no earliest moment is known
    contact pending         the same: asked again at the earliest when it signed up
    contact unsubscribed,   opted out, bounced or archived at the latest at `last_changed`, which profile edits move
    cleaned, archived       too (F12), and after its last opt-in; at exactly `opted_out_at` where a webhook told us
                            its `fired_at` and no opt-in came after it or in the same second

An opt-out follows the opt-in of the same contact. So where that opt-in is as late as Shopify's (our own write carries
the time across, so it often is that very opt-in), Shopify's has been withdrawn since: Mailchimp is newer.
Other pairs of states compare no choices: never asked, transactional, absent, INVALID and REDACTED prove nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shopchimp.domain.states import ContactStatus, CustomerState, CustomerWrite, Newer

CLOCK_SKEW = timedelta(seconds=2)
"""Two clocks, and Mailchimp's whole seconds: less than this apart counts as the same time."""

_STEP = timedelta(seconds=1)  # the least by which a consent record must be newer to become the visible one (F2)


@dataclass(frozen=True, slots=True)
class CustomerConsent:
    """Shopify's word. `updated_at` is `marketingUpdatedAt`: when the person made this choice, if Shopify knows."""

    state: CustomerState
    updated_at: datetime | None = None
    opt_in_level: str | None = None


@dataclass(frozen=True, slots=True)
class ContactConsent:
    """Mailchimp's word: `opted_in_at` is `timestamp_opt` else `timestamp_signup`, `changed_at` is `last_changed`.

    `opted_out_at` is the `fired_at` of the webhook that took the contact out of `subscribed`, where we had one.
    """

    status: ContactStatus
    opted_in_at: datetime | None = None
    changed_at: datetime | None = None
    opted_out_at: datetime | None = None


class Evidence(StrEnum):
    """What the time of a consent write rests on, for the ledger."""

    SHOPIFY_CONSENT = "shopify_consent"
    MAILCHIMP_OPT_IN = "mailchimp_opt_in"
    MAILCHIMP_CHANGE = "mailchimp_change"
    DECISION = "decision"


NO_CUSTOMER = CustomerConsent(CustomerState.ABSENT)
NO_CONTACT = ContactConsent(ContactStatus.ABSENT)

_CHOSEN = frozenset({CustomerState.SUBSCRIBED, CustomerState.UNSUBSCRIBED, CustomerState.PENDING})
_IN = frozenset({ContactStatus.SUBSCRIBED, ContactStatus.PENDING})
_OUT = frozenset({ContactStatus.UNSUBSCRIBED, ContactStatus.CLEANED, ContactStatus.ARCHIVED})


def newer_of(customer: CustomerConsent, contact: ContactConsent) -> Newer:
    """Which side's choice is provably later, by more than `CLOCK_SKEW`; within it, the side of the opt-out."""
    chosen_at = customer.updated_at
    if chosen_at is None or customer.state not in _CHOSEN:
        return Newer.UNPROVEN
    if contact.status in _IN:
        earliest, latest = contact.opted_in_at, contact.opted_in_at or contact.changed_at
        tie = Newer.SHOPIFY if customer.state is CustomerState.UNSUBSCRIBED else Newer.UNPROVEN
    elif contact.status in _OUT:
        earliest, latest = _opt_out_between(contact)
        tie = Newer.MAILCHIMP
    else:
        return Newer.UNPROVEN
    if latest is not None and chosen_at - latest > CLOCK_SKEW:
        return Newer.SHOPIFY
    if earliest is None or chosen_at - earliest > CLOCK_SKEW:
        return Newer.UNPROVEN
    return Newer.MAILCHIMP if earliest - chosen_at > CLOCK_SKEW else tie


def _opt_out_between(contact: ContactConsent) -> tuple[datetime | None, datetime | None]:
    """The earliest and the latest moment at which the contact can have left `subscribed`."""
    opted_in, opted_out, changed = contact.opted_in_at, contact.opted_out_at, contact.changed_at
    # within one of their seconds nobody knows which came last: after that opt-in they may have left again, untold
    if opted_out is not None and (opted_in is None or opted_out > opted_in):
        return opted_out, opted_out
    if opted_in is not None and changed is not None and changed < opted_in:
        return opted_in, opted_in  # the times contradict each other: the later one is safe
    return opted_in, changed


def time_for_shopify(
    write: CustomerWrite, customer: CustomerConsent, contact: ContactConsent, *, decided_at: datetime | None
) -> tuple[datetime | None, Evidence]:
    """The `consentUpdatedAt` to send, and what it rests on: the real time of the choice (L6), never "now" for history.

    Shopify shows the record with the newest date (F2), so the time is always later than the stored one; whole seconds,
    as Shopify keeps them. None only where the time must be that of a decision and `decided_at` was not given.
    """
    if write is CustomerWrite.UNSUBSCRIBED:
        _, latest = _opt_out_between(contact)
        return _over(customer.updated_at, latest, Evidence.MAILCHIMP_CHANGE, decided_at)
    if customer.state is CustomerState.UNSUBSCRIBED and not _after(contact.opted_in_at, customer.updated_at):
        # D1: only the merchant's decision is later than this opt-out (or than one whose time nobody knows).
        return _over(customer.updated_at, None, Evidence.DECISION, decided_at)
    if contact.opted_in_at is not None:
        return _over(customer.updated_at, contact.opted_in_at, Evidence.MAILCHIMP_OPT_IN, decided_at)
    # Subscribed since `last_changed` at the latest: true, and it starts no welcome mail for an old contact (F3).
    return _over(customer.updated_at, contact.changed_at, Evidence.MAILCHIMP_CHANGE, decided_at)


def _over(
    stored: datetime | None, at: datetime | None, evidence: Evidence, decided_at: datetime | None
) -> tuple[datetime | None, Evidence]:
    """The evidence's time, else the decision's, moved just past what Shopify has stored."""
    if at is None:
        at, evidence = decided_at, Evidence.DECISION
    if at is None:
        return None, evidence
    whole = at.replace(microsecond=0)
    if stored is not None and whole <= stored:
        whole = (stored + _STEP).replace(microsecond=0)
    return whole, evidence


def _after(moment: datetime | None, other: datetime | None) -> bool:
    return moment is not None and other is not None and moment > other
