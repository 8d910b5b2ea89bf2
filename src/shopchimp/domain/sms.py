"""What should a contact's SMS consent be? A small machine of its own (consent.md 2.8), apart from e-mail consent.

Consent goes from Shopify to Mailchimp only (S30); `decide_sms` is pure and looks at the two states as they are now,
so the order of the webhooks that made us look means nothing. What it needs beside them is remembered in `KnownSms`:

* A STOP stands. Once the contact was seen unsubscribed, Shopify subscribes it again only with an opt-in that is
  provably later than the latest moment at which the STOP can have happened (L1, L3). That also holds after the
  contact was deleted or lost its number.
* An opt-in that Mailchimp refused is not tried again without a newer one.
* An opt-out goes to Mailchimp at once, whatever the start date and even if the SMS programme is paused (L5). One that
  was carried and after which the person joined again in Mailchimp isn't carried a second time.

E-mail consent implies nothing here, nor the other way round: neither is an argument of the other's decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from shopchimp.domain.addresses import e164
from shopchimp.domain.evidence import CLOCK_SKEW
from shopchimp.domain.rules import Sentence


class SmsState(StrEnum):
    """Shopify's `CustomerMarketingConsentState` of a phone number."""

    SUBSCRIBED = "SUBSCRIBED"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    PENDING = "PENDING"
    NEVER_SUBSCRIBED = "NEVER_SUBSCRIBED"
    REDACTED = "REDACTED"


class SmsStatus(StrEnum):
    """Mailchimp's `sms_subscription_status` of a contact; a contact without a number is nonsubscribed."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    PENDING = "pending"
    NONSUBSCRIBED = "nonsubscribed"


class SmsReason(StrEnum):
    """Why the two sides may differ. The values are causes of the catalogue, `domain.causes`."""

    OFF = "sms_off"
    FIRST_SYNC = "sms_first_sync"
    NO_PROGRAMME = "sms_no_programme"
    BEFORE_START = "sms_before_start"
    UNKNOWN_TIME = "sms_unknown_time"
    NO_PHONE = "sms_no_phone"
    BAD_PHONE = "sms_bad_phone"
    PHONE_TAKEN = "sms_phone_taken"
    STOPPED = "sms_stopped"
    REFUSED = "sms_refused"
    ARCHIVED = "archived"
    AWAITING = "sms_awaiting"
    JOINED_AGAIN = "sms_joined_again"
    UNKNOWN_STATE = "sms_unknown_state"


class SmsRule(Sentence):
    """Why SMS consent was written; for the activity log."""

    OPTED_IN = "sms.S32", "S32: subscribed to SMS in Shopify on or after the start date"
    OPTED_IN_AGAIN = "sms.S32+L1", "S32, L1: subscribed to SMS again in Shopify, provably after the opt-out"
    PHONE_CHANGED = "sms.S32.phone", "S32: the SMS subscription moved to another phone number"
    OPTED_OUT = "sms.L5", "L5: the SMS opt-out is carried to Mailchimp at once"
    ERASED = "sms.L7", "L7: an erasure request stops texts at once"
    STOP_TO_SHOPIFY = "sms.D8", "D8: the SMS opt-out is carried to Shopify (two-way SMS is on)"


@dataclass(frozen=True, slots=True)
class Gate:
    """What must be so before texts are synced: S28, S29, S31. `start_date` None means that SMS sync is off."""

    first_sync_done: bool
    approved: bool
    start_date: datetime | None
    two_way: bool = False


@dataclass(frozen=True, slots=True)
class CustomerSms:
    """Shopify's word on a customer's phone. `updated_at` is when the person chose, if Shopify knows."""

    state: SmsState | None  # None: a word we don't know
    phone: str | None
    updated_at: datetime | None = None
    level: str | None = None


@dataclass(frozen=True, slots=True)
class ContactSms:
    """Mailchimp's word on a contact. `changed_at` is the latest moment at which its choice can have been made."""

    status: SmsStatus | None  # None: a word we don't know
    phone: str | None = None
    changed_at: datetime | None = None
    archived: bool = False


@dataclass(frozen=True, slots=True)
class KnownSms:
    """What is remembered of a person between looks.

    `stopped_at` is the latest moment at which the STOP that still stands can have happened. `refused_at` is the
    opt-in time that Mailchimp refused, `carried_out_at` that of the opt-out which was carried to Mailchimp. The rest
    is what both sides said last, to count people and to list those held (`held`, a reason's code).
    """

    state: str | None = None
    phone: str | None = None
    at: datetime | None = None
    level: str | None = None
    contact: str | None = None
    contact_phone: str | None = None
    stopped_at: datetime | None = None
    refused_at: datetime | None = None
    refused_why: str | None = None
    carried_out_at: datetime | None = None
    held: str | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> KnownSms | None:
        """From people.sms. Keys we don't know are left out."""
        if not stored:
            return None
        values: dict[str, Any] = {name: stored[name] for name in _NAMES if stored.get(name)}
        times = {name: datetime.fromisoformat(values[name]) for name in _TIMES if name in values}
        return cls(**{**values, **times})

    def to_json(self) -> dict[str, str]:
        """For people.sms: without what is empty, times in UTC, so that they compare as texts."""
        found: dict[str, str] = {}
        for name in _NAMES:
            value = getattr(self, name)
            if value is not None:
                found[name] = _utc(value) if isinstance(value, datetime) else str(value)
        return found


_TIMES = ("at", "stopped_at", "refused_at", "carried_out_at")
_NAMES = tuple(KnownSms.__dataclass_fields__)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")


@dataclass(frozen=True, slots=True)
class PushSms:
    """One write of SMS consent. `phone` is in E.164; `at` the time of the choice that it carries.

    To Mailchimp unless `to_customer`; there `at` is None with an opt-out, since Mailchimp takes none.
    """

    subscribe: bool
    phone: str
    rule: SmsRule
    at: datetime | None = None
    level: str | None = None
    to_customer: bool = False


@dataclass(frozen=True, slots=True)
class HoldSms:
    """Nothing is written, for a reason the merchant may read."""

    reason: SmsReason


@dataclass(frozen=True, slots=True)
class SmsInSync:
    """Both sides agree, or the customer never chose."""


Decision = PushSms | HoldSms | SmsInSync
_IN_SYNC = SmsInSync()
_NO_CONTACT = ContactSms(SmsStatus.NONSUBSCRIBED)


def decide_sms(
    gate: Gate,
    customer: CustomerSms | None,
    contact: ContactSms | None,
    known: KnownSms | None,
    *,
    phone_taken: bool = False,
) -> Decision:
    """Total and pure. `contact` None: the audience has none for this person (a push then makes one).

    `phone_taken`: another person's contact already has this number; a second one for it would be a double.
    """
    if customer is None or customer.state in _NEVER_CHOSE:
        return _IN_SYNC
    if customer.state is None:
        return HoldSms(SmsReason.UNKNOWN_STATE)
    if gate.start_date is None or not gate.first_sync_done:
        return HoldSms(SmsReason.OFF if gate.start_date is None else SmsReason.FIRST_SYNC)
    there = contact or _NO_CONTACT
    if customer.state is SmsState.SUBSCRIBED:
        return _opted_in(gate, customer, there, known or KnownSms(), phone_taken=phone_taken)
    return _opted_out(customer, there, known or KnownSms())


_NEVER_CHOSE = frozenset({SmsState.NEVER_SUBSCRIBED, SmsState.PENDING})


def _opted_out(customer: CustomerSms, contact: ContactSms, known: KnownSms) -> Decision:
    """The customer withdrew, or was erased: the contact's own number is stopped, whichever the customer's is now."""
    if contact.status not in (SmsStatus.SUBSCRIBED, SmsStatus.PENDING):
        return _IN_SYNC
    phone = e164(contact.phone)
    if contact.archived or phone is None:
        return _IN_SYNC
    if customer.state is SmsState.REDACTED:
        return PushSms(False, phone, SmsRule.ERASED)
    if known.carried_out_at is not None and not _newer_opt_out(customer, known.carried_out_at, known):
        return HoldSms(SmsReason.JOINED_AGAIN)
    return PushSms(False, phone, SmsRule.OPTED_OUT)


def _newer_opt_out(customer: CustomerSms, carried: datetime, known: KnownSms) -> bool:
    """Whether this opt-out is another one than that which was carried to Mailchimp."""
    if customer.updated_at is None:
        return known.state != SmsState.UNSUBSCRIBED
    return customer.updated_at > carried


def _opted_in(
    gate: Gate, customer: CustomerSms, contact: ContactSms, known: KnownSms, *, phone_taken: bool
) -> Decision:
    phone = e164(customer.phone)
    same_phone = phone is not None and e164(contact.phone) == phone
    if contact.status is SmsStatus.SUBSCRIBED and same_phone:
        return _IN_SYNC
    joined = contact.status is SmsStatus.SUBSCRIBED  # with another number
    stopped = contact.status is SmsStatus.UNSUBSCRIBED or (known.stopped_at is not None and not joined)
    if stopped and not _after_stop(customer, contact, known):
        return _stop_stands(gate, customer, contact, known)
    if (reason := _obstacle(gate, customer, contact, phone, phone_taken=phone_taken)) is not None:
        return HoldSms(reason)
    if known.refused_at is not None and not _later(customer.updated_at, known.refused_at):
        return HoldSms(SmsReason.REFUSED)
    rule = SmsRule.OPTED_IN_AGAIN if stopped else SmsRule.PHONE_CHANGED if joined else SmsRule.OPTED_IN
    return PushSms(True, phone or "", rule, at=customer.updated_at, level=customer.level)


def _obstacle(
    gate: Gate, customer: CustomerSms, contact: ContactSms, phone: str | None, *, phone_taken: bool
) -> SmsReason | None:
    """What keeps an opt-in from being carried."""
    if not gate.approved:
        return SmsReason.NO_PROGRAMME
    if phone is None:
        return SmsReason.BAD_PHONE if customer.phone else SmsReason.NO_PHONE
    if contact.status is None:
        return SmsReason.UNKNOWN_STATE
    if customer.updated_at is None:
        return SmsReason.UNKNOWN_TIME
    if gate.start_date is None or customer.updated_at < gate.start_date:
        return SmsReason.BEFORE_START
    if contact.archived:
        return SmsReason.ARCHIVED
    if contact.status is SmsStatus.PENDING and e164(contact.phone) == phone:
        return SmsReason.AWAITING
    return SmsReason.PHONE_TAKEN if phone_taken else None


def _after_stop(customer: CustomerSms, contact: ContactSms, known: KnownSms) -> bool:
    """Whether Shopify's opt-in is provably later than the STOP: than every bound that is known of it."""
    bounds = [known.stopped_at] if known.stopped_at is not None else []
    if contact.status is SmsStatus.UNSUBSCRIBED and contact.changed_at is not None:
        bounds.append(contact.changed_at)
    return bool(bounds) and all(_later(customer.updated_at, bound) for bound in bounds)


def _later(moment: datetime | None, other: datetime) -> bool:
    return moment is not None and moment - other > CLOCK_SKEW


def _stop_stands(gate: Gate, customer: CustomerSms, contact: ContactSms, known: KnownSms) -> Decision:
    """One-way, the difference is meant to stay (S30); two-way, the STOP goes to Shopify with its own time (D8)."""
    phone = e164(customer.phone)
    if not gate.two_way or phone is None:
        return HoldSms(SmsReason.STOPPED)
    times = [moment for moment in (known.stopped_at, contact.changed_at) if moment is not None]
    at = max(times, default=None)
    if customer.updated_at is not None:  # Shopify shows the record with the newest date (F2)
        least = customer.updated_at + timedelta(seconds=1)
        at = least if at is None else max(at, least)
    return PushSms(False, phone, SmsRule.STOP_TO_SHOPIFY, at=at, level=customer.level, to_customer=True)


def remember(
    known: KnownSms | None,
    customer: CustomerSms | None,
    contact: ContactSms | None,
    decision: Decision | None,
    *,
    now: datetime,
    refused: str | None = None,
) -> KnownSms:
    """What to store after a look, whatever came of it. `contact` is as it was read, before our own write.

    `decision` is what was done about it: a push that Mailchimp took, or one it did not, with the cause in `refused`
    (an answer that keeps another status is a refusal too). A STOP without a time happened before `now`.
    """
    before = known or KnownSms()
    status = contact.status.value if contact is not None and contact.status is not None else None
    held = decision.reason.value if isinstance(decision, HoldSms) else None
    number = contact.phone if contact is not None else None
    after = replace(before, contact=status, contact_phone=number, held=held)
    if customer is not None:
        state = customer.state.value if customer.state is not None else None
        after = replace(after, state=state, phone=customer.phone, at=customer.updated_at, level=customer.level)
    if status == SmsStatus.UNSUBSCRIBED:
        moment = contact.changed_at if contact is not None else None
        moment = moment or before.stopped_at or now
        after = replace(after, stopped_at=max(moment, before.stopped_at or moment))
    elif status == SmsStatus.SUBSCRIBED:
        after = replace(after, stopped_at=None)  # the person joined again: Mailchimp itself says so
    if not isinstance(decision, PushSms) or decision.to_customer:
        return after
    if refused is not None:
        at = customer.updated_at if customer is not None else None
        return replace(after, refused_at=at or now, refused_why=refused, held=SmsReason.REFUSED.value)
    if decision.subscribe:
        gone = {"stopped_at": None, "refused_at": None, "refused_why": None, "carried_out_at": None}
        return replace(after, contact=SmsStatus.SUBSCRIBED.value, contact_phone=decision.phone, **gone)
    chosen = (customer.updated_at if customer is not None else None) or now
    return replace(after, contact=SmsStatus.UNSUBSCRIBED.value, carried_out_at=chosen, stopped_at=chosen)
