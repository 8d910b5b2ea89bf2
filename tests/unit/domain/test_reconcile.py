"""reconcile by example: what moved, what our own write is, which settings change what, which time goes out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from shopchimp.domain.consent import (
    NO_CONTACT,
    NO_CUSTOMER,
    ContactConsent,
    ContactStatus,
    CustomerConsent,
    CustomerState,
    CustomerWrite,
    Evidence,
    Hold,
    InSync,
    Intent,
    Known,
    OptInLevel,
    Policy,
    Push,
    Reason,
    Rule,
    explained,
    reconcile,
)

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
SUB, NOT, UNSUB, PENDING = (
    CustomerState.SUBSCRIBED,
    CustomerState.NOT_SUBSCRIBED,
    CustomerState.UNSUBSCRIBED,
    CustomerState.PENDING,
)
subscribed, unsubscribed, transactional, absent = (
    ContactStatus.SUBSCRIBED,
    ContactStatus.UNSUBSCRIBED,
    ContactStatus.TRANSACTIONAL,
    ContactStatus.ABSENT,
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def look(
    known: tuple[CustomerState, ContactStatus] | Known | None,
    customer: CustomerState | CustomerConsent,
    contact: ContactStatus | ContactConsent,
    *,
    intent: Intent | None = None,
    **settings: Any,
) -> Push | InSync | Hold:
    return reconcile(
        Known(*known) if isinstance(known, tuple) else known,
        intent,
        CustomerConsent(customer) if isinstance(customer, CustomerState) else customer,
        ContactConsent(contact) if isinstance(contact, ContactStatus) else contact,
        **{"policy": Policy.MAILCHIMP_WINS, **settings},
    )


# --- what moved -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "customer", "contact", "rule"),
    [
        pytest.param(None, UNSUB, subscribed, Rule.INITIAL_KEPT, id="nothing known"),
        pytest.param((SUB, subscribed), UNSUB, subscribed, Rule.OPTED_OUT, id="Shopify moved"),
        pytest.param((UNSUB, unsubscribed), UNSUB, subscribed, Rule.CONTACT_SUBSCRIBED, id="Mailchimp moved"),
        pytest.param((UNSUB, subscribed), UNSUB, subscribed, Rule.STILL_OPTED_OUT, id="neither moved"),
        pytest.param((SUB, unsubscribed), UNSUB, subscribed, Rule.OPTED_OUT, id="both moved: the opt-out"),
        pytest.param((UNSUB, subscribed), SUB, unsubscribed, Rule.CONTACT_OPTED_OUT, id="both moved: opt-out there"),
        pytest.param((NOT, subscribed), PENDING, unsubscribed, Rule.OPT_OUT_OVER_REQUEST, id="both: over a request"),
        pytest.param((NOT, subscribed), SUB, ContactStatus.ARCHIVED, Rule.CONTACT_ARCHIVED, id="both: do nothing"),
        pytest.param((NOT, subscribed), SUB, absent, Rule.CONTACT_DELETED, id="both: no adding after a deletion"),
        pytest.param((SUB, subscribed), UNSUB, absent, Rule.CONTACT_DELETED, id="both: nor as opted out"),
        pytest.param((SUB, subscribed), CustomerState.REDACTED, ContactStatus.PENDING, Rule.ERASURE, id="both: erased"),
        pytest.param((SUB, unsubscribed), CustomerState.ABSENT, subscribed, Rule.CUSTOMER_GONE, id="both: deleted"),
    ],
)
def test_the_table_follows_from_what_moved(
    known: tuple[CustomerState, ContactStatus] | None, customer: CustomerState, contact: ContactStatus, rule: Rule
) -> None:
    assert look(known, customer, contact, create_customers=True).rule is rule


def test_of_two_moves_the_provably_later_one_counts() -> None:
    opted_in = CustomerConsent(SUB, at(60))
    opted_out = ContactConsent(unsubscribed, at(-900), at(0))
    assert look((UNSUB, subscribed), opted_in, opted_out).rule is Rule.OPTED_IN_AGAIN
    archived = ContactConsent(ContactStatus.ARCHIVED, at(-900), at(0))
    assert look((UNSUB, subscribed), opted_in, archived).rule is Rule.OPTED_IN_ARCHIVED
    told = ContactConsent(unsubscribed, at(-900), at(90), opted_out_at=at(90))
    assert look((UNSUB, subscribed), opted_in, told).rule is Rule.CONTACT_OPTED_OUT
    again = look((SUB, unsubscribed), CustomerConsent(UNSUB, at(0)), ContactConsent(subscribed, at(60)))
    assert again.rule is Rule.CONTACT_SUBSCRIBED


def test_a_person_new_in_live_sync_was_not_there_before() -> None:
    nobody = (CustomerState.ABSENT, absent)
    assert look(nobody, SUB, absent).rule is Rule.OPTED_IN_NEW
    assert look(nobody, NOT, absent).rule is Rule.CREATED_NON_SUBSCRIBED
    created = look(nobody, NO_CUSTOMER, subscribed, create_customers=True)
    assert isinstance(created, Push)
    assert (created.write_customer, created.customer_state) == (CustomerWrite.CREATE_SUBSCRIBED, SUB)


# --- our own write ----------------------------------------------------------------------------------------------------


def test_our_own_write_moved_nothing() -> None:
    """Written, then the worker died: the opt-in that we carried to Mailchimp is not the contact's own choice."""
    mine = Intent(contact=subscribed)
    assert look((UNSUB, unsubscribed), UNSUB, subscribed).rule is Rule.CONTACT_SUBSCRIBED
    assert look((UNSUB, unsubscribed), UNSUB, subscribed, intent=mine).rule is Rule.STILL_OPTED_OUT
    assert look((UNSUB, subscribed), SUB, subscribed, intent=Intent(customer=SUB)) == InSync(Rule.EQUAL)


def test_an_opt_out_that_we_wrote_ourselves_cancels_no_request() -> None:
    """Opt-out carried to Shopify, worker killed, the person asks again in Mailchimp: only Mailchimp moved."""
    known, asked = (SUB, subscribed), ContactStatus.PENDING
    assert look(known, UNSUB, asked).rule is Rule.OPT_OUT_CANCELS
    assert look(known, UNSUB, asked, intent=Intent(customer=UNSUB)) == InSync(Rule.CONTACT_CONFIRMING)


def test_an_intent_that_was_never_written_changes_nothing() -> None:
    push = look((SUB, subscribed), UNSUB, subscribed)
    assert isinstance(push, Push)
    assert push.intent == Intent(contact=unsubscribed)
    assert look((SUB, subscribed), UNSUB, subscribed, intent=push.intent) == push


def test_an_unsubscribe_after_our_write_is_not_lost() -> None:
    """Opt-in carried to Mailchimp, worker killed before remembering, person unsubscribes: all states as we knew them."""
    carried = ContactConsent(unsubscribed, opted_in_at=at(0), changed_at=at(60))
    outcome = look((UNSUB, unsubscribed), CustomerConsent(SUB, at(0)), carried, intent=Intent(contact=subscribed))
    assert isinstance(outcome, Push)
    assert (outcome.write_customer, outcome.rule) == (CustomerWrite.UNSUBSCRIBED, Rule.STALE_OPT_IN)


def test_somebody_who_came_back_and_left_again_between_two_looks_has_opted_out() -> None:
    """In Mailchimp in, in Shopify in, in Mailchimp out: the states alone show only an opt-in in Shopify."""
    opted_in, out = CustomerConsent(SUB, at(10)), ContactConsent(unsubscribed, at(0), at(20))
    assert look(Known(UNSUB, unsubscribed), opted_in, out).rule is Rule.OPTED_IN_AGAIN
    assert look(Known(UNSUB, unsubscribed, opted_in_at=at(-900)), opted_in, out).rule is Rule.CONTACT_OPTED_OUT
    same = Known(UNSUB, unsubscribed, opted_in_at=at(0))
    assert look(same, opted_in, out).rule is Rule.OPTED_IN_AGAIN


# --- the first sync ---------------------------------------------------------------------------------------------------

LATER_OPT_OUT = (CustomerConsent(UNSUB, at(0)), ContactConsent(subscribed, at(-9000), at(-9000)))


def test_d1_with_mailchimp_winning_carries_the_time_of_the_decision() -> None:
    push = look(None, *LATER_OPT_OUT, decided_at=at(500))
    assert push == Push(
        CustomerWrite.SUBSCRIBED, None, Rule.INITIAL_KEPT, at(500), Evidence.DECISION, OptInLevel.SINGLE
    )


def test_d1_in_the_preview_has_no_time_yet() -> None:
    push = look(None, *LATER_OPT_OUT)
    assert isinstance(push, Push)
    assert (push.consent_at, push.evidence) == (None, Evidence.DECISION)


def test_d1_with_the_latest_choice_winning() -> None:
    push = look(None, *LATER_OPT_OUT, policy=Policy.LATEST_CHOICE_WINS)
    assert push == Push(None, unsubscribed, Rule.INITIAL_LATER_OPT_OUT)


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("decided", [-60, 0, 1.5])
def test_a_decision_does_not_cover_an_opt_out_made_after_it(policy: Policy, decided: float) -> None:
    opted_in = ContactConsent(subscribed)  # with no time of its own
    push = look(None, CustomerConsent(UNSUB, at(0)), opted_in, policy=policy, decided_at=at(decided))
    assert push == Push(None, unsubscribed, Rule.OPTED_OUT)


def test_a_later_opt_in_is_tried_once_and_never_by_a_mail_in_bulk() -> None:
    push = look(None, CustomerConsent(SUB, at(0)), ContactConsent(unsubscribed, at(-900), at(-9)), double_optin=True)
    assert push == Push(None, subscribed, Rule.INITIAL_LATER_OPT_IN, at(0), Evidence.SHOPIFY_CONSENT)
    assert not push.confirm_if_refused


def test_backfill_of_contacts_makes_no_customers() -> None:
    assert look(None, NO_CUSTOMER, subscribed, create_customers=True) == Hold(
        Reason.NO_CUSTOMER, Rule.INITIAL_NO_CUSTOMER
    )


# --- settings ---------------------------------------------------------------------------------------------------------


def test_customers_are_made_only_where_the_merchant_wants_it() -> None:
    nobody = (CustomerState.ABSENT, absent)
    for status in (subscribed, transactional):
        off = look(nobody, NO_CUSTOMER, status)
        assert isinstance(off, Hold)
        assert off.reason is Reason.NO_CUSTOMER
    on = look(nobody, NO_CUSTOMER, ContactConsent(transactional), create_customers=True)
    assert on == Push(CustomerWrite.CREATE_NOT_SUBSCRIBED, None, Rule.CUSTOMER_CREATED_UNASKED)
    assert on.customer_state is NOT


@pytest.mark.parametrize("state", [NOT, UNSUB, PENDING])
@pytest.mark.parametrize("known", [None, (SUB, absent)])
def test_non_subscribed_customers_stay_out_where_the_merchant_wants_it(
    state: CustomerState, known: tuple[CustomerState, ContactStatus] | None
) -> None:
    on, off = look(known, state, NO_CONTACT), look(known, state, NO_CONTACT, sync_non_subscribed=False)
    assert isinstance(on, Push)
    assert off == Hold(Reason.NON_SUBSCRIBED_OFF, Rule.NON_SUBSCRIBED_OFF)


def test_that_setting_leaves_opt_outs_and_subscribers_alone() -> None:
    for known, state, status in (
        (None, UNSUB, transactional),
        (None, SUB, absent),
        ((SUB, subscribed), UNSUB, subscribed),
    ):
        assert look(known, state, status, sync_non_subscribed=False) == look(known, state, status)


@pytest.mark.parametrize("status", [transactional, absent, unsubscribed, ContactStatus.CLEANED, ContactStatus.ARCHIVED])
def test_a_double_opt_in_audience_asks_for_a_new_opt_in(status: ContactStatus) -> None:
    new = (UNSUB, status)
    assert look(new, SUB, status, double_optin=True) == Push(None, ContactStatus.PENDING, Rule.CONFIRM_FIRST)
    confirmed = CustomerConsent(SUB, at(0), "CONFIRMED_OPT_IN")
    plain = look(new, confirmed, status, double_optin=True)
    assert isinstance(plain, Push)
    assert plain.write_contact is subscribed
    assert look((PENDING, status), SUB, status, double_optin=True) == look((PENDING, status), SUB, status)


def test_a_double_opt_in_audience_is_not_asked_about_old_consent() -> None:
    for known, status in ((None, absent), (None, transactional), ((SUB, transactional), transactional)):
        push = look(known, SUB, status, double_optin=True)
        assert isinstance(push, Push)
        assert push.write_contact is subscribed


def test_the_opt_in_level_is_that_of_the_audience() -> None:
    for double_optin, level in ((False, OptInLevel.SINGLE), (True, OptInLevel.CONFIRMED)):
        push = look(None, NOT, ContactConsent(subscribed, at(-9)), double_optin=double_optin)
        assert isinstance(push, Push)
        assert push.opt_in_level is level


def test_an_opt_out_keeps_the_level_of_the_opt_in() -> None:
    for stored, level in (("CONFIRMED_OPT_IN", OptInLevel.CONFIRMED), ("UNKNOWN", OptInLevel.SINGLE)):
        push = look(None, CustomerConsent(SUB, at(-9), stored), ContactConsent(unsubscribed, None, at(0)))
        assert isinstance(push, Push)
        assert (push.write_customer, push.opt_in_level) == (CustomerWrite.UNSUBSCRIBED, level)


# --- what is remembered -----------------------------------------------------------------------------------------------


def test_a_deleted_contact_comes_back_only_by_a_new_opt_in() -> None:
    assert look((SUB, subscribed), SUB, absent) == Hold(Reason.DELETED, Rule.CONTACT_DELETED)
    tombstone = Known(SUB, absent, deleted=True)
    assert look(tombstone, SUB, absent) == Hold(Reason.DELETED, Rule.CONTACT_DELETED)
    assert look(tombstone, UNSUB, absent) == InSync(Rule.CONTACT_DELETED)
    assert look(tombstone, NOT, absent) == InSync(Rule.CONTACT_DELETED)
    assert look(Known(UNSUB, absent, deleted=True), SUB, absent).rule is Rule.OPTED_IN_NEW
    assert look(tombstone, SUB, transactional).rule is Rule.ON_RECORD  # it is there again


def test_what_is_remembered_after_a_look() -> None:
    seen = Known(SUB, subscribed, refused=at(0), opted_in_at=at(-9))
    gone = seen.then(SUB, absent)
    assert gone == Known(SUB, absent, deleted=True, refused=at(0))
    assert gone.then(UNSUB, absent).deleted
    assert not gone.then(SUB, subscribed, opted_in_at=at(5)).deleted
    assert not Known(SUB, absent).then(SUB, absent).deleted
    assert gone.then(SUB, subscribed, opted_in_at=at(5)).opted_in_at == at(5)


def test_a_tombstone_survives_our_own_intent() -> None:
    known = Known(SUB, absent, deleted=True)
    assert look(known, SUB, absent, intent=Intent(contact=absent)) == Hold(Reason.DELETED, Rule.CONTACT_DELETED)


def test_a_refused_opt_in_is_not_tried_again_until_there_is_a_new_one() -> None:
    known = Known(SUB, unsubscribed, refused=at(0))
    contact = ContactConsent(unsubscribed, at(-900), at(-9))
    assert look(known, CustomerConsent(SUB, at(0)), contact) == Hold(Reason.REFUSED, Rule.REFUSED)
    assert look(known, CustomerConsent(SUB, at(1)), contact).rule is Rule.RENEWED
    absent_known = Known(SUB, absent, refused=at(0))
    assert look(absent_known, SUB, absent) == Hold(Reason.REFUSED, Rule.REFUSED)  # an opt-in of unknown time
    assert look(Known(NOT, unsubscribed, refused=at(0)), SUB, contact).rule is Rule.OPTED_IN_AGAIN


def test_a_refusal_stops_no_opt_out() -> None:
    known = Known(SUB, subscribed, refused=at(0))
    push = look(known, CustomerConsent(UNSUB, at(-1)), ContactConsent(subscribed, at(-900)))
    assert push == Push(None, unsubscribed, Rule.OPTED_OUT)


# --- differences that are meant to stay -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("customer", "contact", "reason"),
    [
        (SUB, ContactStatus.PENDING, Reason.AWAITING_CONFIRMATION),
        (PENDING, subscribed, Reason.AWAITING_CONFIRMATION),
        (SUB, ContactStatus.ARCHIVED, Reason.ARCHIVED),
        (SUB, absent, Reason.DELETED),
        (CustomerState.ABSENT, subscribed, Reason.NO_CUSTOMER),
        (CustomerState.INVALID, subscribed, Reason.INVALID),
        (CustomerState.REDACTED, subscribed, Reason.REDACTED),
    ],
)
def test_declared_differences(customer: CustomerState, contact: ContactStatus, reason: Reason) -> None:
    assert explained(customer, contact) is reason


def test_nothing_else_is_a_declared_difference() -> None:
    pairs = [(state, status) for state in CustomerState for status in ContactStatus if explained(state, status)]
    assert len(pairs) == 7


def test_read_only_customers_are_always_shown() -> None:
    for status in ContactStatus:
        held = look(None, CustomerState.INVALID, status)
        assert isinstance(held, Hold)
        assert held.reason is Reason.INVALID
        erased = look(None, CustomerState.REDACTED, status)
        assert isinstance(erased, Hold)
        assert erased.reason is Reason.REDACTED


def test_opted_in_after_a_bounce_needs_confirmation() -> None:
    held = look(None, CustomerConsent(SUB, at(0)), ContactConsent(ContactStatus.CLEANED, at(-900), at(-9)))
    assert held == Hold(Reason.NEEDS_CONFIRMATION, Rule.INITIAL_BOUNCED_THEN_OPTED_IN)


def test_agreeing_sides_are_in_sync() -> None:
    assert look(None, SUB, subscribed) == InSync(Rule.INITIAL_SUBSCRIBED)
    assert look(None, NOT, ContactStatus.PENDING) == InSync(Rule.INITIAL_CONFIRMING)


# --- times ------------------------------------------------------------------------------------------------------------


def test_times_go_out_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    to_mailchimp = look(None, CustomerConsent(SUB, at(0).astimezone(tokyo)), absent)
    to_shopify = look(None, NOT, ContactConsent(subscribed, at(0).astimezone(tokyo)))
    for push in (to_mailchimp, to_shopify):
        assert isinstance(push, Push)
        assert push.consent_at is not None
        assert push.consent_at.isoformat() == "2026-05-04T12:00:00+00:00"


def test_only_an_opt_in_carries_a_time_to_mailchimp() -> None:
    for known, state, status in (
        (None, CustomerConsent(UNSUB, at(0)), transactional),
        (None, CustomerConsent(NOT, at(0)), absent),
        ((SUB, subscribed), CustomerConsent(UNSUB, at(0)), subscribed),
    ):
        push = look(known, state, status)
        assert isinstance(push, Push)
        assert (push.write_customer, push.consent_at) == (None, None)
        assert push.customer_state is None
