"""One look at one person, as steps: what to ask for, what to write, what to remember. Pure; the caller does the steps.

`look_at` is a generator. It yields what it needs done (`domain.steps`), is sent what came of it, and returns an
`Outcome` to store. Between any two steps the process may die: what was about to be written is stored before (`Intend`),
so that the next look knows our own hand when it sees it. Consent goes first, by `reconcile` alone; then names, other
fields and tags; then text messages.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from shopchimp.domain import identity
from shopchimp.domain.carrying import carry
from shopchimp.domain.consent import (
    ContactConsent,
    ContactStatus,
    CustomerConsent,
    CustomerState,
    CustomerWrite,
    Hold,
    InSync,
    Known,
    Push,
    Reason,
    reconcile,
)
from shopchimp.domain.profile import Profile, profile_of
from shopchimp.domain.readings import (
    consents,
    contact_consent,
    customer_consent,
    known_of,
    meant,
    own_opt_in,
    status_of,
    surely_ours,
)
from shopchimp.domain.records import Contact, Customer, Person, Sides
from shopchimp.domain.steps import (
    CreateCustomer,
    Done,
    Hint,
    Intend,
    Interrupted,
    Line,
    LiveOptions,
    Look,
    Looking,
    MoveContact,
    Outcome,
    Permit,
    Read,
    Refused,
    Step,
    WriteConsent,
    WriteContact,
)


def look_at(person: Person, hint: Hint, options: LiveOptions) -> Looking:
    """Look at both sides of one person, make them agree, and say what to remember."""
    sides: Sides = yield Read()
    if (elsewhere := identity.elsewhere(person, sides)) is not None:
        return (yield from _follow(person, sides, elsewhere))
    outcome = yield from _consent(person, sides, hint, options)
    if outcome.again or outcome.held or outcome.failed:
        return outcome
    if outcome.reason == Reason.REFUSED:  # as the first sync does: any write would move `last_changed`, the evidence
        return outcome
    try:
        return (yield from carry(person, outcome, hint, options))
    except Interrupted:
        if not outcome.wrote:
            raise
        return outcome  # consent was written: the ledger has to know, whatever becomes of the rest (invariant 1)


def _consent(person: Person, sides: Sides, hint: Hint, options: LiveOptions) -> Looking:
    """Ask `reconcile`, the only door to a consent write, and carry out its answer."""
    customer, contact = consents(person, sides, hint)
    verdict = reconcile(
        known_of(person, customer, contact),
        surely_ours(person.intent),
        customer,
        contact,
        policy=options.policy,
        create_customers=options.create_customers and _is_new(person, contact, options),
        sync_non_subscribed=options.sync_non_subscribed,
        double_optin=options.double_optin,
        decided_at=hint.noticed_at,
    )
    known = person.known.then(customer.state, status_of(sides), opted_in_at=contact.opted_in_at)
    outcome = Outcome(
        known,
        sides,
        verdict.rule.value,
        customer_id=sides.customer.id if sides.customer else None,
    )
    if isinstance(verdict, InSync):
        if _contact_moved(person.known, contact_consent(sides)) and (yield from _is_torn(sides)):
            return replace(outcome, known=person.known, again=True)
        return outcome
    if isinstance(verdict, Hold):
        return _left_alone(person, outcome, verdict.reason)
    if verdict.write_customer is CustomerWrite.UNSUBSCRIBED and _is_bounce(contact, options):
        return _left_alone(person, outcome, Reason.BOUNCED)
    if _opens_mail(verdict):
        if person.dropped is not None and person.dropped == identity.choices(customer, contact):
            return _left_alone(person, outcome, Reason.DROPPED)
        if not hint.allowed and not (yield Permit(verdict)):
            return replace(outcome, known=person.known, held=True)
    if verdict.write_contact is not None:
        return (yield from _write_contact(person, outcome, verdict, customer, options))
    return (yield from _write_customer(person, outcome, verdict, customer, contact))


def _contact_moved(known: Known, contact: ContactConsent) -> bool:
    since = known.opted_in_at is not None and contact.opted_in_at != known.opted_in_at
    return known.contact is not contact.status or since


def _is_torn(sides: Sides) -> Generator[Step, Any, bool]:
    """Whether what was read of both sides never stood there at once.

    Shopify is read first. Where both say the same by chance, and a choice there between the two readings is overlooked,
    it would be taken for one made after the contact's, and undo it.
    """
    return _moved((yield Look(contact=True)), contact_consent(sides)) or _moved(
        (yield Look(contact=False)), customer_consent(sides)
    )


def _write_contact(
    person: Person, outcome: Outcome, push: Push, customer: CustomerConsent, options: LiveOptions
) -> Looking:
    sides = outcome.sides
    wanted = profile_of(person, sides, options.profile, writable=True)
    yield Intend(meant(person, sides, now=push.intent), wanted.intent)
    if _moved((yield Look(contact=True)), contact_consent(sides)):
        return replace(outcome, known=person.known, again=True)
    write = _contact_write(sides, push, wanted)
    answer = _as_asked((yield write), push)
    if isinstance(answer, Refused) and answer.code in _ONLY_THE_PERSON and push.confirm_if_refused:
        asked = replace(push, write_contact=ContactStatus.PENDING, consent_at=None)
        yield Intend(meant(person, sides, now=asked.intent), wanted.intent)
        if _moved((yield Look(contact=True)), contact_consent(sides)):  # or it was this that was refused: no mail then
            return replace(outcome, known=person.known, again=True)
        answer = _as_asked((yield replace(write, status=ContactStatus.PENDING, opted_in_at=None)), asked)
        push = asked
    if isinstance(answer, Refused):
        return _contact_refused(person, outcome, push, answer, customer)
    return _contact_written(outcome, push, write, wanted, answer)


_ONLY_THE_PERSON = frozenset({"mc_compliance_state", "mc_ignored"})


def _as_asked(answer: Done | Refused, push: Push) -> Done | Refused:
    """No error, but not what was asked for either, is a refusal (pmpro-mailchimp#152)."""
    if isinstance(answer, Done) and answer.contact is not None and answer.contact.status is not push.write_contact:
        wanted = push.write_contact.value if push.write_contact else ""
        return Refused("mc_ignored", f"asked for {wanted}, Mailchimp kept {answer.contact.status.value}")
    return answer


def _contact_written(outcome: Outcome, push: Push, write: WriteContact, wanted: Profile, answer: Done) -> Outcome:
    sides, status = outcome.sides, push.write_contact
    assert status is not None  # noqa: S101 - tells the type checker
    now = answer.contact or ContactConsent(status, push.consent_at or contact_consent(sides).opted_in_at)
    before = status_of(sides)
    contact = Contact(
        id=answer.contact_id or (sides.contact.id if sides.contact else ""),
        key=sides.key,
        email=write.email,
        consent=now,
        merge_fields={**(sides.contact.merge_fields if sides.contact else {}), **write.merge_fields},
        tags=wanted.tags_after(sides.contact),
        sms=sides.contact.sms if sides.contact else None,
    )
    line = _line(outcome, push, "to_mailchimp", before.value, status.value, fields=sorted(write.merge_fields))
    return replace(
        outcome,
        known=outcome.known.then(outcome.known.customer, status, opted_in_at=now.opted_in_at),
        sides=replace(sides, contact=contact),
        lines=(*outcome.lines, line),
        fields=None if wanted.to_customer else wanted.agreed,
        tags=wanted.carried,
        our_opt_out_at=now.changed_at if status is ContactStatus.UNSUBSCRIBED else None,
    )


def _contact_refused(
    person: Person, outcome: Outcome, push: Push, refused: Refused, customer: CustomerConsent
) -> Outcome:
    """Some refusals are nobody's failure: only the person can come back (F6), or the address is gone for good (M4)."""
    before, wanted = status_of(outcome.sides).value, push.write_contact
    line = _line(outcome, push, "to_mailchimp", before, wanted.value if wanted else None, refused=refused)
    outcome = replace(outcome, lines=(*outcome.lines, line))
    if refused.code == "mc_contact_exists":  # somebody joined between our look and our write
        return replace(outcome, known=person.known, again=True)
    if refused.code == "mc_forgotten":
        return replace(outcome, known=replace(outcome.known, deleted=True), reason=Reason.DELETED.value)
    if refused.code in _ONLY_THE_PERSON:
        at = customer.updated_at or push.consent_at
        return replace(outcome, known=replace(outcome.known, refused=at), reason=Reason.REFUSED.value)
    return replace(outcome, known=person.known, failed=refused)  # so that a retry decides the same again


def _write_customer(
    person: Person, outcome: Outcome, push: Push, customer: CustomerConsent, contact: ContactConsent
) -> Looking:
    sides, state = outcome.sides, push.customer_state
    assert state is not None  # noqa: S101 - tells the type checker
    yield Intend(meant(person, sides, now=push.intent), person.intended, own_opt_in(customer, contact))
    if sides.customer is None:
        return (yield from _create_customer(person, outcome, push))
    if _moved((yield Look(contact=False)), customer):
        return replace(outcome, known=person.known, again=True)
    answer = yield WriteConsent(sides.customer.id, push)
    if isinstance(answer, Refused):
        if answer.code == "sh_customer_gone":
            return replace(outcome, known=person.known, again=True)
        line = _line(outcome, push, "to_shopify", customer.state.value, state.value, refused=answer)
        return replace(outcome, known=person.known, lines=(*outcome.lines, line), failed=answer)
    written = replace(sides.customer, consent=CustomerConsent(state, push.consent_at, push.opt_in_level))
    line = _line(outcome, push, "to_shopify", customer.state.value, state.value)
    return replace(
        outcome,
        known=outcome.known.then(state, outcome.known.contact, opted_in_at=contact.opted_in_at),
        sides=replace(sides, customer=written),
        lines=(*outcome.lines, line),
        # the opt-out came by webhook, and a write of ours that crossed it made the contact subscribed again
        again=contact.status is not status_of(sides),
    )


def _create_customer(person: Person, outcome: Outcome, push: Push) -> Looking:
    """S60: whoever does this step looks the address up before, so there is never a twin."""
    sides, state = outcome.sides, push.customer_state
    contact = sides.contact
    assert contact is not None and state is not None  # noqa: S101, PT018 - tells the type checker
    answer = yield CreateCustomer(contact.email, push, identity.names_of(contact))
    if isinstance(answer, Refused):
        if answer.code == "sh_taken":
            return replace(outcome, known=person.known, again=True)
        line = _line(outcome, push, "to_shopify", CustomerState.ABSENT.value, state.value, refused=answer)
        return replace(outcome, known=person.known, lines=(*outcome.lines, line), failed=answer)
    consent = CustomerConsent(state, push.consent_at, push.opt_in_level)
    made = Customer(answer.customer_id or 0, sides.key, contact.email, consent, identity.names_of(contact))
    line = _line(outcome, push, "to_shopify", CustomerState.ABSENT.value, state.value, action="create")
    return replace(
        outcome,
        known=outcome.known.then(state, outcome.known.contact, opted_in_at=contact.consent.opted_in_at),
        sides=replace(sides, customer=made),
        customer_id=answer.customer_id,
        lines=(*outcome.lines, line),
    )


def _follow(person: Person, sides: Sides, elsewhere: identity.Elsewhere) -> Looking:
    """The customer has another address now (M6): take the contact along, or let each address speak for itself."""
    known = person.known.then(CustomerState.ABSENT, status_of(sides), opted_in_at=contact_consent(sides).opted_in_at)
    if sides.contact is None and sides.gone_contact:  # not deleted: we took it along, and died of it or came second
        known = replace(known, deleted=person.known.deleted)
    if sides.customer is not None and (sides.contact is not None or person.known.customer is CustomerState.ABSENT):
        # somebody has this address, or comes here once the address before has let go: what the contact did meanwhile
        # is judged then, not forgotten
        known = replace(person.known, customer=CustomerState.ABSENT)
    outcome = Outcome(known, replace(sides, customer=None), identity.RULE, follow=elsewhere.follow)
    if elsewhere.contact_moves and sides.contact is not None and elsewhere.email is not None:
        answer = yield MoveContact(sides.contact, elsewhere.email)
        if isinstance(answer, Done):
            line = Line("identity", "to_mailchimp", "synced", identity.RULE, None, {"action": "move"})
            return replace(
                outcome, known=person.known, moved_to=elsewhere.key, lines=(line,), customer_id=elsewhere.customer_id
            )
    return outcome


def _is_new(person: Person, contact: ContactConsent, options: LiveOptions) -> bool:
    """S62: only contacts that appeared after the setting was switched on."""
    if person.known.contact not in (ContactStatus.ABSENT, ContactStatus.PENDING):
        return False
    since, at = options.create_since, contact.opted_in_at
    return since is None or at is None or at >= since.replace(microsecond=0)  # their times are whole seconds


def _is_bounce(contact: ContactConsent, options: LiveOptions) -> bool:
    return contact.status is ContactStatus.CLEANED and not options.cleaned_to_customer


_OPENS = frozenset({CustomerWrite.SUBSCRIBED, CustomerWrite.CREATE_SUBSCRIBED})


def _opens_mail(push: Push) -> bool:
    """Whether the write would let somebody be mailed (a confirmation request is a mail, too)."""
    return push.write_contact in (ContactStatus.SUBSCRIBED, ContactStatus.PENDING) or push.write_customer in _OPENS


def _moved(now: ContactConsent | CustomerConsent, then: ContactConsent | CustomerConsent) -> bool:
    if isinstance(now, CustomerConsent) and isinstance(then, CustomerConsent):
        return (now.state, now.updated_at) != (then.state, then.updated_at)
    if isinstance(now, ContactConsent) and isinstance(then, ContactConsent):
        return (now.status, now.opted_in_at, now.changed_at) != (then.status, then.opted_in_at, then.changed_at)
    return True


def _contact_write(sides: Sides, push: Push, wanted: Profile) -> WriteContact:
    email = sides.contact.email if sides.contact else (sides.customer.email or "").strip() if sides.customer else ""
    at = push.consent_at if push.write_contact is ContactStatus.SUBSCRIBED else None
    contact_id = sides.contact.id if sides.contact else None
    return WriteContact(
        email,
        contact_id,
        push.write_contact,
        at,
        wanted.to_contact,
        wanted.add_tags,
        wanted.remove_tags,
        old_tags=wanted.old_tags,
    )


def _left_alone(person: Person, outcome: Outcome, reason: Reason) -> Outcome:
    """A difference that is meant to stay: said once, when it begins."""
    outcome = replace(outcome, reason=reason.value)
    if person.reason == reason.value:
        return outcome
    detail = {
        "customer_state": outcome.known.customer.value,
        "contact_status": outcome.known.contact.value,
    }
    line = Line("consent", "none", "skipped", outcome.rule, reason.value, detail)
    return replace(outcome, lines=(*outcome.lines, line))


def _line(
    outcome: Outcome,
    push: Push,
    direction: str,
    before: str,
    after: str | None,
    *,
    fields: list[str] | None = None,
    action: str = "consent",
    refused: Refused | None = None,
) -> Line:
    """A consent write for the ledger: rule, evidence and both timestamps (invariant 1)."""
    customer, contact = customer_consent(outcome.sides), contact_consent(outcome.sides)
    detail: dict[str, Any] = {
        "action": action,
        "before": before,
        "after": after,
        "consent_at": push.consent_at,
        "evidence": push.evidence.value if push.evidence else None,
        "customer_state": customer.state.value,
        "customer_at": customer.updated_at,
        "contact_status": contact.status.value,
        "contact_opted_at": contact.opted_in_at,
        "contact_changed_at": contact.changed_at,
        "fields": fields,
        "words": refused.words if refused else None,
    }
    shown = {name: value for name, value in detail.items() if value not in (None, [], "")}
    rule = push.rule.value
    if refused is None:
        return Line("consent", direction, "synced", rule, None, shown)
    quiet = refused.code in {*_ONLY_THE_PERSON, "mc_forgotten"}
    return Line("consent", direction, "skipped" if quiet else "failed", rule, refused.code, shown)
