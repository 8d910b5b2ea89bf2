"""What the first sync would do for one person: pure, so that the preview and the run can't disagree.

`plan_person` joins what both sides said about one address, asks `reconcile` about consent and compares the fields.
Consent always goes first: a person who is held is left alone altogether.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from shopchimp.domain.addresses import is_deliverable_looking
from shopchimp.domain.consent import (
    NO_CONTACT,
    NO_CUSTOMER,
    ContactStatus,
    CustomerState,
    CustomerWrite,
    Evidence,
    Hold,
    InSync,
    Policy,
    Push,
    Rule,
    is_consent_conflict,
    reconcile,
)
from shopchimp.domain.fields import FieldMap, differences, merge_fields
from shopchimp.domain.records import Contact, Customer
from shopchimp.domain.sms import KnownSms, SmsState
from shopchimp.domain.tags import TagChoice, TagRules, for_new_contact, wanted


class Kind(StrEnum):
    """The cell of the preview that a person is counted in."""

    CREATE = "create"
    UPDATE = "update"
    CONSENT_TO_CONTACT = "consent_to_contact"
    SUBSCRIBE_CUSTOMER = "consent_to_customer_subscribe"
    UNSUBSCRIBE_CUSTOMER = "consent_to_customer_unsubscribe"
    UNCHANGED = "unchanged"
    SKIP = "skip"


class Action(StrEnum):
    """How a contact is written. Batches hold one action each, since `update_existing` goes for a whole batch."""

    CREATE = "create"
    CONSENT = "consent"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Options:
    """What a plan depends on beside the people: the merchant's choices and the audience's kind.

    `tag` is put on contacts that are made; `tags` says which of the customer's own they get as well (S102). An opt-out
    made in Shopify after `live_since` is no old difference for D1 to settle: it goes to Mailchimp, as in live sync.
    """

    policy: Policy = Policy.MAILCHIMP_WINS
    sync_non_subscribed: bool = True
    double_optin: bool = False
    tag: str = ""
    tags: TagChoice = TagChoice.ALL
    chosen_tags: tuple[str, ...] = ()
    field_map: FieldMap = field(default_factory=FieldMap.default)
    live_since: datetime | None = None

    @property
    def tag_rules(self) -> TagRules:
        """The three settings about tags as one."""
        return TagRules(self.tag, self.tags, self.chosen_tags)


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be written for one person, by which rule; nothing at all where `skip` names a reason.

    `remember` is for live sync, once that is written: `fields` that both agree on (of a contact that is made, those of
    its body), the `tags` it carries of its customer, `tagged` where they are still to be put on, and `sms`.
    """

    kind: Kind
    rule: str
    skip: str | None = None
    conflict: bool = False
    action: Action | None = None
    to_contact: str | None = None
    body: dict[str, Any] | None = None
    to_customer: str | None = None
    to_customer_at: datetime | None = None
    to_customer_level: str | None = None
    remember: dict[str, Any] | None = None


# Contacts that may be given new field values. Writing to an archived contact would bring it back (L9), and a cleaned
# one gets no mail anyway.
_WRITABLE = frozenset(
    {ContactStatus.SUBSCRIBED, ContactStatus.UNSUBSCRIBED, ContactStatus.TRANSACTIONAL, ContactStatus.PENDING}
)


def skipped(reason: str, rule: str = "") -> Planned:
    """Nothing is written for this person, for a reason of the catalogue."""
    return Planned(Kind.SKIP, rule, skip=reason)


def plan_person(customer: Customer | None, contact: Contact | None, options: Options) -> Planned:
    """Decide for one address. `customer` None is a contact without a customer, `contact` None an address new there."""
    if customer is not None and contact is None and (reason := _unusable(customer.email)):
        return skipped(reason)
    customer_consent = customer.consent if customer else NO_CUSTOMER
    contact_consent = contact.consent if contact else NO_CONTACT
    verdict = reconcile(
        None,
        None,
        customer_consent,
        contact_consent,
        policy=options.policy,
        sync_non_subscribed=options.sync_non_subscribed,
        double_optin=options.double_optin,
        decided_at=options.live_since,
    )
    if isinstance(verdict, Hold):
        held = skipped(verdict.reason.value, verdict.rule.value)
        return replace(held, remember=sms) if customer is not None and (sms := _sms(customer)) else held
    if customer is None:
        return skipped("no_customer", verdict.rule.value)
    conflict = is_consent_conflict(customer_consent, contact_consent) and verdict.rule is not Rule.OPTED_OUT
    if contact is None:
        return _create(customer, verdict, options)
    return _update(customer, contact, verdict, options, conflict=conflict)


def _unusable(email: str | None) -> str | None:
    if not email:
        return "no_email"
    return None if is_deliverable_looking(email) else "bad_email"


def _create(customer: Customer, verdict: Push | InSync, options: Options) -> Planned:
    if not isinstance(verdict, Push) or verdict.write_contact is None:
        return Planned(Kind.UNCHANGED, verdict.rule.value)
    body = _consent_body((customer.email or "").strip(), verdict)
    body["merge_fields"] = merge_fields(customer.fields, options.field_map)
    remember = _sms(customer)
    if customer.tags:
        rules = options.tag_rules
        if tags := for_new_contact(customer.tags, rules):
            body["tags"] = list(tags)
        remember["tags"] = list(wanted(customer.tags, rules))
    elif options.tag:
        body["tags"] = [options.tag]
    status = verdict.write_contact.value
    return Planned(
        Kind.CREATE, verdict.rule.value, action=Action.CREATE, to_contact=status, body=body, remember=remember or None
    )


def _update(
    customer: Customer, contact: Contact, verdict: Push | InSync, options: Options, *, conflict: bool
) -> Planned:
    changes: dict[str, Any] = {}
    brought_back = isinstance(verdict, Push) and verdict.write_contact is not None
    remember = _sms(customer)
    if brought_back or contact.consent.status in _WRITABLE:
        mapped = merge_fields(customer.fields, options.field_map)
        changes = differences(mapped, contact.merge_fields)
        remember["fields"] = mapped
        if customer.tags and wanted(customer.tags, options.tag_rules):
            remember["tagged"] = True  # a batch puts no tags on a contact that is there; live sync does
    rule = verdict.rule.value
    if isinstance(verdict, Push) and verdict.write_contact is not None:
        body = _consent_body(contact.email, verdict)
        if changes:
            body["merge_fields"] = changes
        status = verdict.write_contact.value
        return Planned(
            Kind.CONSENT_TO_CONTACT,
            rule,
            conflict=conflict,
            action=Action.CONSENT,
            to_contact=status,
            body=body,
            remember=remember,
        )
    action = Action.UPDATE if changes else None
    profile = {"email_address": contact.email, "merge_fields": changes} if changes else None
    if isinstance(verdict, Push):
        subscribing = verdict.write_customer is CustomerWrite.SUBSCRIBED
        return Planned(
            Kind.SUBSCRIBE_CUSTOMER if subscribing else Kind.UNSUBSCRIBE_CUSTOMER,
            rule,
            conflict=conflict,
            action=action,
            body=profile,
            to_customer=verdict.customer_state.value if verdict.customer_state else None,
            to_customer_at=verdict.consent_at if verdict.evidence is not Evidence.DECISION else None,
            to_customer_level=verdict.opt_in_level.value if verdict.opt_in_level else None,
            remember=remember,
        )
    return Planned(Kind.UPDATE if changes else Kind.UNCHANGED, rule, action=action, body=profile, remember=remember)


_CHOSE = frozenset({SmsState.SUBSCRIBED, SmsState.UNSUBSCRIBED})


def _sms(customer: Customer) -> dict[str, Any]:
    """What is remembered of the phone's consent, where the customer ever chose: SMS sync counts by it (S31)."""
    sms = customer.sms
    if sms is None or sms.state not in _CHOSE:
        return {}
    known = KnownSms(state=sms.state.value, phone=sms.phone, at=sms.updated_at, level=sms.level)
    return {"sms": known.to_json()}


def _consent_body(email: str, push: Push) -> dict[str, Any]:
    """A member body that sets consent, with the time of the opt-in where there is one (L6)."""
    status = push.write_contact
    body: dict[str, Any] = {"email_address": email, "status": status.value if status else None}
    if status is ContactStatus.SUBSCRIBED and push.consent_at is not None:
        body["timestamp_opt"] = push.consent_at.isoformat(timespec="seconds")
    return body


CUSTOMER_STATES = {state.value: state for state in CustomerState}
CONTACT_STATUSES = {status.value: status for status in ContactStatus}


def customer_state(value: str) -> CustomerState:
    """Shopify's word as ours. A word we don't know is handled like INVALID: shown, never written."""
    return CUSTOMER_STATES.get(value, CustomerState.INVALID)
