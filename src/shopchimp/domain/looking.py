"""One look at one person, as steps: what to ask for, what to write, what to remember. Pure; the caller does the steps.

`look_at` is a generator. It yields what it needs done (`domain.steps`), is sent what came of it, and returns an
`Outcome` to store. Between any two steps the process may die: what was about to be written is stored before (`Intend`),
so that the next look knows our own hand when it sees it. Consent goes first, by `reconcile` alone; then names, other
fields and tags; then text messages.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from typing import Any

from shopchimp.domain import identity
from shopchimp.domain.consent import (
    CLOCK_SKEW,
    NO_CONTACT,
    NO_CUSTOMER,
    ContactConsent,
    ContactStatus,
    CustomerConsent,
    CustomerState,
    CustomerWrite,
    Hold,
    InSync,
    Push,
    Reason,
    reconcile,
)
from shopchimp.domain.outcomes import Intent, Known
from shopchimp.domain.profile import Profile, profile_of
from shopchimp.domain.records import Contact, Customer, Person, Sides
from shopchimp.domain.sms import ContactSms, PushSms, decide_sms, remember
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
    UpdateCustomer,
    WriteConsent,
    WriteContact,
    WriteSms,
)

_NOTHING = Intent()


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
        return (yield from _profile(person, outcome, hint, options))
    except Interrupted:
        if not outcome.wrote:
            raise
        return outcome  # consent was written: the ledger has to know, whatever becomes of the rest (invariant 1)


def _consent(person: Person, sides: Sides, hint: Hint, options: LiveOptions) -> Looking:
    """Ask `reconcile`, the only door to a consent write, and carry out its answer."""
    customer, contact = _consents(person, sides, hint)
    verdict = reconcile(
        _known_since_ours(person),
        _surely_ours(person.intent),
        customer,
        contact,
        policy=options.policy,
        create_customers=options.create_customers and _is_new(person, contact, options),
        sync_non_subscribed=options.sync_non_subscribed,
        double_optin=options.double_optin,
        decided_at=hint.noticed_at,
    )
    known = person.known.then(customer.state, _status(sides), opted_in_at=contact.opted_in_at)
    outcome = Outcome(
        known,
        sides,
        verdict.rule.value,
        customer_id=sides.customer.id if sides.customer else None,
    )
    if isinstance(verdict, InSync):
        if _contact_moved(person.known, _contact_consent(sides)) and (yield from _is_torn(sides)):
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


def _known_since_ours(person: Person) -> Known:
    """A contact that had never opted in when we unsubscribed it: whatever opt-in it shows was made after that."""
    known, ours = person.known, person.our_opt_out_at
    return known if ours is None or known.opted_in_at is not None else replace(known, opted_in_at=ours)


def _contact_moved(known: Known, contact: ContactConsent) -> bool:
    since = known.opted_in_at is not None and contact.opted_in_at != known.opted_in_at
    return known.contact is not contact.status or since


def _is_torn(sides: Sides) -> Generator[Step, Any, bool]:
    """Whether what was read of both sides never stood there at once.

    Shopify is read first. Where both say the same by chance, and a choice there between the two readings is overlooked,
    it would be taken for one made after the contact's, and undo it.
    """
    return _moved((yield Look(contact=True)), _contact_consent(sides)) or _moved(
        (yield Look(contact=False)), _customer_consent(sides)
    )


def _write_contact(
    person: Person, outcome: Outcome, push: Push, customer: CustomerConsent, options: LiveOptions
) -> Looking:
    sides = outcome.sides
    wanted = profile_of(person, sides, options.profile, writable=True)
    yield Intend(_meant(person, sides, now=push.intent), wanted.intent)
    if _moved((yield Look(contact=True)), _contact_consent(sides)):
        return replace(outcome, known=person.known, again=True)
    write = _contact_write(sides, push, wanted)
    answer = _as_asked((yield write), push)
    if isinstance(answer, Refused) and answer.code in _ONLY_THE_PERSON and push.confirm_if_refused:
        asked = replace(push, write_contact=ContactStatus.PENDING, consent_at=None)
        yield Intend(_meant(person, sides, now=asked.intent), wanted.intent)
        if _moved((yield Look(contact=True)), _contact_consent(sides)):  # or it was this that was refused: no mail then
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
    now = answer.contact or ContactConsent(status, push.consent_at or _contact_consent(sides).opted_in_at)
    before = _status(sides)
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
    before, wanted = _status(outcome.sides).value, push.write_contact
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
    yield Intend(_meant(person, sides, now=push.intent), person.intended, _own_opt_in(customer, contact))
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
        again=contact.status is not _status(sides),
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


def _profile(person: Person, outcome: Outcome, hint: Hint, options: LiveOptions) -> Looking:
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
    yield Intend(_meant(person, outcome.sides, outcome), wanted.intent)
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
    yield Intend(_meant(person, outcome.sides, outcome), wanted.intent)
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


def _follow(person: Person, sides: Sides, elsewhere: identity.Elsewhere) -> Looking:
    """The customer has another address now (M6): take the contact along, or let each address speak for itself."""
    known = person.known.then(CustomerState.ABSENT, _status(sides), opted_in_at=_contact_consent(sides).opted_in_at)
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


def _consents(person: Person, sides: Sides, hint: Hint) -> tuple[CustomerConsent, ContactConsent]:
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
    customer, contact = _customer_consent(sides), _dated(person, _contact_consent(sides))
    told = [
        at
        for at in (*hint.opted_outs, person.opted_out_at)
        if at is not None and not is_same(at, person.our_opt_out_at) and not _answered(at, person.came_back_at)
    ]
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


def _meant(person: Person, read: Sides, outcome: Outcome | None = None, *, now: Intent = _NOTHING) -> Intent:
    """Everything that we may have written and not recorded yet: before this look, in it, and next."""
    before = person.intent or _NOTHING
    sides = (
        {line.direction for line in outcome.lines if line.kind == "consent" and line.result == "synced"}
        if outcome
        else ()
    )
    customer = outcome.known.customer if outcome and "to_shopify" in sides else before.customer
    contact = outcome.known.contact if outcome and "to_mailchimp" in sides else before.contact
    seen = _dated(person, _contact_consent(read))
    out = seen if seen.status is ContactStatus.UNSUBSCRIBED else None
    return Intent(now.customer or customer, now.contact or contact, out)


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


def _surely_ours(intent: Intent | None) -> Intent | None:
    """What counts as our own doing when we find it. An opt-out may be the person's: unknown counts for them (L3)."""
    doubtful = intent is not None and intent.contact is ContactStatus.UNSUBSCRIBED
    return Intent(intent.customer) if intent is not None and doubtful else intent


def _own_opt_in(customer: CustomerConsent, contact: ContactConsent) -> datetime | None:
    """The contact's opt-in, if it can't be one that we carried: Shopify's last word is older and says the opposite."""
    opted_in, opted_out = contact.opted_in_at, customer.updated_at
    if contact.status is not ContactStatus.SUBSCRIBED or customer.state is not CustomerState.UNSUBSCRIBED:
        return None
    return opted_in if opted_in is not None and opted_out is not None and opted_in > opted_out else None


def _answered(opted_out: datetime, came_back: datetime | None) -> bool:
    """Whether they came back after this opt-out. Both are Mailchimp's seconds; within one, nobody knows."""
    return came_back is not None and opted_out.replace(microsecond=0) < came_back


def is_same(at: datetime, ours: datetime | None) -> bool:
    """Whether an opt-out that Mailchimp told is our own unsubscribe: it tells that like anybody's."""
    return ours is not None and abs(at - ours) < CLOCK_SKEW  # one clock, but two of its seconds


def _opt_in(customer: CustomerConsent) -> datetime | None:
    return customer.updated_at if customer.state is CustomerState.SUBSCRIBED else None


def _customer_consent(sides: Sides) -> CustomerConsent:
    return sides.customer.consent if sides.customer else NO_CUSTOMER


def _contact_consent(sides: Sides) -> ContactConsent:
    return sides.contact.consent if sides.contact else NO_CONTACT


def _status(sides: Sides) -> ContactStatus:
    return _contact_consent(sides).status


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
    customer, contact = _customer_consent(outcome.sides), _contact_consent(outcome.sides)
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
