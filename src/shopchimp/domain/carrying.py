"""The rest of a look (`domain.looking`), as steps: names, other fields and tags, then consent to text messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from shopchimp.domain.profile import Profile, profile_of
from shopchimp.domain.readings import meant
from shopchimp.domain.records import Person
from shopchimp.domain.sms import ContactSms, PushSms, decide_sms, remember
from shopchimp.domain.steps import (
    Hint,
    Intend,
    Line,
    LiveOptions,
    Looking,
    Outcome,
    Refused,
    UpdateCustomer,
    WriteContact,
    WriteSms,
)


def carry(person: Person, outcome: Outcome, hint: Hint, options: LiveOptions) -> Looking:
    """Names, other fields, tags and the phone: what consent left to do."""
    written = any(line.kind == "consent" and line.direction == "to_mailchimp" for line in outcome.lines)
    wanted = profile_of(person, outcome.sides, options.profile, writable=False)
    if not written:  # else the contact got it all with its consent
        if wanted.to_contact or wanted.add_tags or wanted.remove_tags:
            outcome = yield from _write_profile(person, outcome, wanted)
        if not outcome.failed and not outcome.again:
            outcome = replace(outcome, tags=wanted.carried)
    if not outcome.failed and not outcome.again:
        if wanted.to_customer and outcome.sides.customer is not None:
            outcome = yield from _update_customer(person, outcome, wanted)
        elif not written:
            outcome = replace(outcome, fields=wanted.agreed)
    if not outcome.failed:
        outcome = yield from _sms(person, outcome, options, hint.noticed_at)
    return outcome


def _write_profile(person: Person, outcome: Outcome, wanted: Profile) -> Looking:
    contact = outcome.sides.contact
    assert contact is not None  # noqa: S101 - tells the type checker
    yield Intend(meant(person, outcome.sides, outcome), wanted.intent)
    answer = yield WriteContact(
        contact.email,
        contact.id,
        None,
        None,
        wanted.to_contact,
        wanted.add_tags,
        wanted.remove_tags,
        old_tags=wanted.old_tags,
    )
    detail: dict[str, Any] = {"action": "update", "fields": sorted(wanted.to_contact)}
    detail |= {"tags_added": list(wanted.add_tags), "tags_removed": list(wanted.remove_tags)}
    detail = {name: value for name, value in detail.items() if value}
    kind = "contact" if wanted.to_contact else "tags"
    if isinstance(answer, Refused):
        line = Line(kind, "to_mailchimp", "failed", outcome.rule, answer.code, {**detail, "words": answer.words})
        if answer.code == "mc_not_found":  # it went away between reading and writing
            return replace(outcome, again=True)
        return replace(outcome, lines=(*outcome.lines, line), failed=answer)
    fresh = replace(
        contact, merge_fields={**contact.merge_fields, **wanted.to_contact}, tags=wanted.tags_after(contact)
    )
    line = Line(kind, "to_mailchimp", "synced", outcome.rule, None, detail)
    return replace(outcome, sides=replace(outcome.sides, contact=fresh), lines=(*outcome.lines, line))


def _update_customer(person: Person, outcome: Outcome, wanted: Profile) -> Looking:
    customer = outcome.sides.customer
    assert customer is not None  # noqa: S101 - tells the type checker
    yield Intend(meant(person, outcome.sides, outcome), wanted.intent)
    seen = {name: customer.fields.get(name) for name in wanted.to_customer}
    answer = yield UpdateCustomer(customer.id, wanted.to_customer, seen)
    detail = {"action": "update", "fields": sorted(wanted.to_customer)}
    if isinstance(answer, Refused):
        if answer.code in ("sh_customer_gone", "sh_moved"):
            return replace(outcome, again=True)
        line = Line("customer", "to_shopify", "failed", outcome.rule, answer.code, {**detail, "words": answer.words})
        return replace(outcome, lines=(*outcome.lines, line), failed=answer)
    line = Line("customer", "to_shopify", "synced", outcome.rule, None, detail)
    return replace(outcome, lines=(*outcome.lines, line), fields=wanted.agreed)


def _sms(person: Person, outcome: Outcome, options: LiveOptions, now: datetime) -> Looking:
    """Consent to text messages: a machine of its own (domain.sms), after everything else."""
    sides = outcome.sides
    customer = sides.customer.sms if sides.customer else None
    contact = sides.contact.sms if sides.contact else None
    decision = decide_sms(options.sms, customer, contact, person.sms)
    refused: Refused | None = None
    if isinstance(decision, PushSms) and (decision.to_customer or sides.contact is not None):
        answer = yield WriteSms(sides.contact, sides.customer, decision)
        refused = answer if isinstance(answer, Refused) else None
        outcome = replace(outcome, lines=(*outcome.lines, _sms_line(decision, contact, refused)))
    if refused and isinstance(decision, PushSms) and not decision.subscribe:  # nobody's opt-out gets lost: parked
        outcome = replace(outcome, failed=refused)
    cause = refused.code if refused else None
    return replace(outcome, sms=remember(person.sms, customer, contact, decision, now=now, refused=cause))


def _sms_line(push: PushSms, contact: ContactSms | None, refused: Refused | None) -> Line:
    direction = "to_shopify" if push.to_customer else "to_mailchimp"
    detail: dict[str, Any] = {
        "action": "consent",
        "channel": "sms",
        "before": contact.status.value if contact is not None and contact.status is not None else None,
        "after": "subscribed" if push.subscribe else "unsubscribed",
        "consent_at": push.at,
        "words": refused.words if refused else None,
    }
    shown = {name: value for name, value in detail.items() if value}
    result = "synced" if refused is None else "skipped" if push.subscribe else "failed"
    return Line("sms", direction, result, push.rule.value, refused.code if refused else None, shown)
