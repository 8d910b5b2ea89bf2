"""What should both sides say about a person's marketing consent? The only door to a consent write.

`reconcile` compares what we last saw with what each side says now, finds the situation in the truth tables
(`domain.decisions`), and answers with one write (`Push`), with "nothing to do" (`InSync`), or with a difference that
is meant to stay and why (`Hold`). It is total and pure: it reads no clock and no setting.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from shopchimp.domain.decisions import Decision, decide
from shopchimp.domain.evidence import (
    CLOCK_SKEW,
    NO_CONTACT,
    NO_CUSTOMER,
    ContactConsent,
    CustomerConsent,
    Evidence,
    newer_of,
    time_for_shopify,
)
from shopchimp.domain.outcomes import Hold, InSync, Intent, Known, Push, Reason, explained
from shopchimp.domain.rules import FRESH_OPT_IN, Rule
from shopchimp.domain.states import (
    ContactStatus,
    CustomerState,
    CustomerWrite,
    Newer,
    OptInLevel,
    Phase,
    Policy,
    mailable,
)

__all__ = [
    "CLOCK_SKEW",
    "NO_CONTACT",
    "NO_CUSTOMER",
    "ContactConsent",
    "ContactStatus",
    "CustomerConsent",
    "CustomerState",
    "CustomerWrite",
    "Decision",
    "Evidence",
    "Hold",
    "InSync",
    "Intent",
    "Known",
    "Newer",
    "OptInLevel",
    "Phase",
    "Policy",
    "Push",
    "Reason",
    "Rule",
    "decide",
    "explained",
    "is_consent_conflict",
    "mailable",
    "newer_of",
    "reconcile",
]


def reconcile(
    known: Known | None,
    intent: Intent | None,
    customer: CustomerConsent,
    contact: ContactConsent,
    *,
    policy: Policy,
    create_customers: bool = False,
    sync_non_subscribed: bool = True,
    double_optin: bool = False,
    decided_at: datetime | None = None,
) -> Push | InSync | Hold:
    """A three-way merge of what we last saw with what each side says now.

    A side has *moved* when its state is neither what we last saw nor what we were about to write (`intent`).

    * Nothing known: the first sync; the initial table speaks. (A person who first appears in live sync was not there
      before: pass `Known(ABSENT, ABSENT)`.)
    * Shopify moved: the ongoing table, from what we last saw to what it says now.
    * Mailchimp moved: the webhook table.
    * Neither moved: the ongoing table without a change; it mends what drifted, and a consent renewed without a change
      of state (M7) counts by its date.
    * Both moved: if one choice is provably later, that side's table. Otherwise both tables are asked and the more
      cautious answer is taken: an opt-out before doing nothing, before adding somebody, before an opt-in.

    Modifiers: `create_customers` is S60; `sync_non_subscribed=False` (M2) adds no contact who isn't subscribed;
    `double_optin` (M1) lets the person confirm a new opt-in, unless they did in Shopify; a contact that was deleted,
    and an opt-in that Mailchimp refused, are not tried again without a new opt-in (M4).

    `decided_at` is when the merchant pressed Start, or in live sync when the change was noticed: the time of a write
    for which the person's own time is unknown or not late enough (D1). It speaks about the past only: in a first sync,
    an opt-out made in Shopify after it is a change of its own and goes to Mailchimp.
    """
    newer = newer_of(customer, contact)
    seen = _seen(known, intent, customer, contact, decided_at)
    verdict = _verdict(
        seen,
        customer.state,
        contact.status,
        newer,
        policy,
        create_customers,
        sync_non_subscribed,
        double_optin and customer.opt_in_level != OptInLevel.CONFIRMED,
    )
    if not isinstance(verdict, Decision):
        return verdict
    if known is not None and known.refused is not None and _refused_before(known.refused, seen, verdict, customer):
        return _REFUSED
    return _push(verdict, customer, contact, double_optin=double_optin, decided_at=decided_at)


def is_consent_conflict(customer: CustomerConsent, contact: ContactConsent) -> bool:
    """D1: subscribed in Mailchimp, but opted out in Shopify, provably later. The preview asks the merchant."""
    return (
        customer.state is CustomerState.UNSUBSCRIBED
        and contact.status is ContactStatus.SUBSCRIBED
        and newer_of(customer, contact) is Newer.SHOPIFY
    )


_REFUSED = Hold(Reason.REFUSED, Rule.REFUSED)
_Seen = tuple[CustomerState, ContactStatus, bool]  # the last one: the contact is known to be deleted
_BEFORE_OPT_OUT: _Seen = (CustomerState.SUBSCRIBED, ContactStatus.SUBSCRIBED, False)


def _seen(
    known: Known | None,
    intent: Intent | None,
    customer: CustomerConsent,
    contact: ContactConsent,
    decided_at: datetime | None,
) -> _Seen | None:
    """How both sides were before anybody but us moved them."""
    state, status = customer.state, contact.status
    if known is None:
        opted_out_since = decided_at is not None and _opted_out_since(decided_at, customer, contact)
        return _BEFORE_OPT_OUT if opted_out_since else None
    seen_state, seen_status = known.customer, known.contact
    if intent is not None:
        seen_state = state if state is intent.customer else seen_state
        seen_status = status if status is intent.contact else seen_status
    if seen_status is status and _was_back_meanwhile(known, contact):
        seen_status = ContactStatus.SUBSCRIBED
    return seen_state, seen_status, known.deleted


def _opted_out_since(decided_at: datetime, customer: CustomerConsent, contact: ContactConsent) -> bool:
    """Subscribed in Mailchimp and opted out in Shopify after the merchant's decision; a tie counts for the opt-out."""
    return (
        customer.state is CustomerState.UNSUBSCRIBED
        and contact.status is ContactStatus.SUBSCRIBED
        and customer.updated_at is not None
        and decided_at - customer.updated_at < CLOCK_SKEW
    )


def _was_back_meanwhile(known: Known, contact: ContactConsent) -> bool:
    """The contact opted in since our last look and is unsubscribed again: that is a new opt-out."""
    return (
        contact.status is ContactStatus.UNSUBSCRIBED
        and known.opted_in_at is not None
        and contact.opted_in_at is not None
        and contact.opted_in_at > known.opted_in_at
    )


def _refused_before(refused: datetime, seen: _Seen | None, decision: Decision, customer: CustomerConsent) -> bool:
    """Mailchimp refused this very opt-in; one that moved Shopify, or was made later, is a new one."""
    moved = seen is None or seen[0] is not customer.state
    opts_in = decision.write_contact in (ContactStatus.SUBSCRIBED, ContactStatus.PENDING)
    return opts_in and not moved and (customer.updated_at is None or customer.updated_at <= refused)


@cache
def _verdict(  # noqa: PLR0917 - positional so that the cache has one key a case
    seen: _Seen | None,
    state: CustomerState,
    status: ContactStatus,
    newer: Newer,
    policy: Policy,
    create_customers: bool,
    sync_non_subscribed: bool,
    must_confirm: bool,
) -> Decision | InSync | Hold:
    """Everything that depends on states and settings alone: a few thousand cases, each decided once."""
    decision = _decision(seen, state, status, newer, policy)
    adds_contact = status is ContactStatus.ABSENT and decision.write_contact is not None
    if adds_contact and seen is not None and seen[2] and decision.rule not in FRESH_OPT_IN:
        return _at_rest(state, status, Rule.CONTACT_DELETED)
    if adds_contact and decision.write_contact is not ContactStatus.SUBSCRIBED and not sync_non_subscribed:
        return Hold(Reason.NON_SUBSCRIBED_OFF, Rule.NON_SUBSCRIBED_OFF)
    if decision.write_customer in _CREATES and not create_customers:
        return Hold(Reason.NO_CUSTOMER, decision.rule)
    if not decision.writes:
        return _at_rest(state, status, decision.rule)
    confirmed = seen is not None and seen[0] is CustomerState.PENDING  # then SUBSCRIBED is the confirmation itself
    if must_confirm and decision.rule in FRESH_OPT_IN and not confirmed:
        return Decision(None, ContactStatus.PENDING, Rule.CONFIRM_FIRST)
    return decision


_CREATES = frozenset({CustomerWrite.CREATE_SUBSCRIBED, CustomerWrite.CREATE_NOT_SUBSCRIBED})


def _at_rest(state: CustomerState, status: ContactStatus, rule: Rule) -> InSync | Hold:
    if state is CustomerState.INVALID:
        return Hold(Reason.INVALID, rule)
    if state is CustomerState.REDACTED:
        return Hold(Reason.REDACTED, rule)
    if state is CustomerState.SUBSCRIBED and status is ContactStatus.CLEANED:
        return Hold(Reason.NEEDS_CONFIRMATION, rule)
    reason = explained(state, status)
    return Hold(reason, rule) if reason else InSync(rule)


def _decision(
    seen: _Seen | None, state: CustomerState, status: ContactStatus, newer: Newer, policy: Policy
) -> Decision:
    """The table's answer for what moved."""
    if seen is None:
        return decide(Phase.INITIAL, state, state, status, newer=newer, policy=policy)
    customer_moved, contact_moved = seen[0] is not state, seen[1] is not status
    by_shopify = decide(Phase.ONGOING, seen[0], state, status, newer=newer, policy=policy)
    by_mailchimp = decide(Phase.WEBHOOK, state, state, status, newer=newer, policy=policy)
    if not contact_moved:
        return by_shopify
    if not customer_moved or newer is Newer.MAILCHIMP:
        return by_mailchimp
    if newer is Newer.SHOPIFY:
        return by_shopify
    return min(by_shopify, by_mailchimp, key=lambda decision: _boldness(decision, status))


def _boldness(decision: Decision, status: ContactStatus) -> int:
    """How much a decision would do to somebody who may not want it."""
    if not decision.writes:
        return 1
    if decision.write_customer in _CREATES:
        return 2
    if decision.write_customer is CustomerWrite.UNSUBSCRIBED:
        return 0
    if decision.write_contact is ContactStatus.UNSUBSCRIBED and status is not ContactStatus.ABSENT:
        return 0
    if decision.write_contact in (ContactStatus.UNSUBSCRIBED, ContactStatus.TRANSACTIONAL):
        return 2
    return 3


def _push(
    decision: Decision,
    customer: CustomerConsent,
    contact: ContactConsent,
    *,
    double_optin: bool,
    decided_at: datetime | None,
) -> Push:
    write, status, rule = decision.write_customer, decision.write_contact, decision.rule
    if write is None:
        if status is ContactStatus.SUBSCRIBED:
            return Push(None, status, rule, _utc(customer.updated_at), Evidence.SHOPIFY_CONSENT)
        return Push(None, status, rule)
    if write is CustomerWrite.CREATE_NOT_SUBSCRIBED:
        return Push(write, None, rule)
    at, evidence = time_for_shopify(write, customer, contact, decided_at=decided_at)
    confirmed = customer.opt_in_level == OptInLevel.CONFIRMED if write is CustomerWrite.UNSUBSCRIBED else double_optin
    return Push(write, None, rule, _utc(at), evidence, OptInLevel.CONFIRMED if confirmed else OptInLevel.SINGLE)


def _utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo is UTC else moment.astimezone(UTC)
