"""What times prove, and which time a write carries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shopchimp.domain.consent import (
    ContactConsent,
    ContactStatus,
    CustomerConsent,
    CustomerState,
    CustomerWrite,
    Evidence,
    Newer,
    is_consent_conflict,
    newer_of,
)
from shopchimp.domain.evidence import time_for_shopify

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def said(state: CustomerState, seconds: float | None = 0) -> CustomerConsent:
    return CustomerConsent(state, None if seconds is None else at(seconds))


SUBSCRIBED, UNSUBSCRIBED = CustomerState.SUBSCRIBED, CustomerState.UNSUBSCRIBED
OUT = [ContactStatus.UNSUBSCRIBED, ContactStatus.CLEANED, ContactStatus.ARCHIVED]


@pytest.mark.parametrize("status", OUT)
@pytest.mark.parametrize(
    ("changed", "newer"),
    [(-3, Newer.SHOPIFY), (-2, Newer.UNPROVEN), (0, Newer.UNPROVEN), (500, Newer.UNPROVEN), (None, Newer.UNPROVEN)],
)
def test_last_changed_is_only_an_upper_bound_of_an_opt_out(
    status: ContactStatus, changed: float | None, newer: Newer
) -> None:
    contact = ContactConsent(status, changed_at=None if changed is None else at(changed))
    assert newer_of(said(SUBSCRIBED), contact) is newer


@pytest.mark.parametrize("status", OUT)
@pytest.mark.parametrize(
    ("opted_out", "newer"),
    [(-3, Newer.SHOPIFY), (-2, Newer.MAILCHIMP), (0, Newer.MAILCHIMP), (2, Newer.MAILCHIMP), (3, Newer.MAILCHIMP)],
)
def test_a_webhook_tells_the_moment_of_the_opt_out_and_a_tie_counts_for_it(
    status: ContactStatus, opted_out: float, newer: Newer
) -> None:
    contact = ContactConsent(status, at(-9000), at(9000), opted_out_at=at(opted_out))
    assert newer_of(said(SUBSCRIBED), contact) is newer


def test_an_opt_out_before_the_last_opt_in_is_not_the_one_that_stands() -> None:
    contact = ContactConsent(ContactStatus.UNSUBSCRIBED, at(-50), at(-10), opted_out_at=at(-100))
    assert newer_of(said(SUBSCRIBED, -20), contact) is Newer.UNPROVEN
    assert newer_of(said(SUBSCRIBED, 0), contact) is Newer.SHOPIFY


def test_an_opt_out_in_the_second_of_the_last_opt_in_may_have_come_before_it() -> None:
    """L3: out, in again within the second, out once more; only the first was told. Planted: the second is proof."""
    contact = ContactConsent(ContactStatus.UNSUBSCRIBED, at(-3), at(1), opted_out_at=at(-3))
    assert newer_of(said(SUBSCRIBED), contact) is Newer.UNPROVEN


def test_an_opt_in_that_reached_mailchimp_and_was_withdrawn_there_is_older() -> None:
    """Our own write carried the time across; a worker died; the person unsubscribed."""
    assert newer_of(said(SUBSCRIBED), ContactConsent(ContactStatus.UNSUBSCRIBED, at(0), at(60))) is Newer.MAILCHIMP


def test_contradicting_times_count_for_the_opt_out() -> None:
    contact = ContactConsent(ContactStatus.UNSUBSCRIBED, opted_in_at=at(10), changed_at=at(-10))
    assert newer_of(said(SUBSCRIBED), contact) is Newer.MAILCHIMP


@pytest.mark.parametrize(
    ("state", "opted_in", "newer"),
    [
        (UNSUBSCRIBED, -3, Newer.SHOPIFY),
        (UNSUBSCRIBED, -2, Newer.SHOPIFY),
        (UNSUBSCRIBED, 2, Newer.SHOPIFY),
        (UNSUBSCRIBED, 3, Newer.MAILCHIMP),
        (CustomerState.PENDING, -3, Newer.SHOPIFY),
        (CustomerState.PENDING, 2, Newer.UNPROVEN),
        (CustomerState.PENDING, 3, Newer.MAILCHIMP),
    ],
)
@pytest.mark.parametrize("status", [ContactStatus.SUBSCRIBED, ContactStatus.PENDING])
def test_an_opt_in_has_a_moment_and_a_tie_counts_for_the_opt_out(
    state: CustomerState, opted_in: float, newer: Newer, status: ContactStatus
) -> None:
    assert newer_of(said(state), ContactConsent(status, at(opted_in), at(900))) is newer


def test_an_undated_opt_in_was_made_before_the_last_change() -> None:
    assert newer_of(said(UNSUBSCRIBED), ContactConsent(ContactStatus.SUBSCRIBED, None, at(-3))) is Newer.SHOPIFY
    assert newer_of(said(UNSUBSCRIBED), ContactConsent(ContactStatus.SUBSCRIBED, None, at(3))) is Newer.UNPROVEN


@pytest.mark.parametrize(
    "state", [CustomerState.NOT_SUBSCRIBED, CustomerState.REDACTED, CustomerState.INVALID, CustomerState.ABSENT]
)
def test_states_nobody_chose_prove_nothing(state: CustomerState) -> None:
    for status in ContactStatus:
        assert newer_of(said(state, 9000), ContactConsent(status, at(0), at(0))) is Newer.UNPROVEN
        assert newer_of(said(state, -9000), ContactConsent(status, at(0), at(0))) is Newer.UNPROVEN


@pytest.mark.parametrize("status", [ContactStatus.TRANSACTIONAL, ContactStatus.ABSENT])
def test_contacts_nobody_chose_for_prove_nothing(status: ContactStatus) -> None:
    assert newer_of(said(SUBSCRIBED, 9000), ContactConsent(status, at(0), at(0))) is Newer.UNPROVEN


def test_an_unknown_time_in_shopify_proves_nothing() -> None:
    assert newer_of(said(SUBSCRIBED, None), ContactConsent(ContactStatus.UNSUBSCRIBED, at(0), at(0))) is Newer.UNPROVEN


def test_d1_is_a_later_opt_out_in_shopify_of_somebody_subscribed_in_mailchimp() -> None:
    subscribed = ContactConsent(ContactStatus.SUBSCRIBED, at(0))
    assert is_consent_conflict(said(UNSUBSCRIBED, 3), subscribed)
    assert not is_consent_conflict(said(UNSUBSCRIBED, -3), subscribed)
    assert not is_consent_conflict(said(UNSUBSCRIBED, None), subscribed)
    assert not is_consent_conflict(said(CustomerState.PENDING, 3), subscribed)
    assert not is_consent_conflict(said(UNSUBSCRIBED, 3), ContactConsent(ContactStatus.PENDING, at(0)))


# --- the time a write carries -----------------------------------------------------------------------------------------


def time(
    write: CustomerWrite, customer: CustomerConsent, contact: ContactConsent, decided: float | None = None
) -> tuple[datetime | None, Evidence]:
    decided_at = None if decided is None else at(decided)
    return time_for_shopify(write, customer, contact, decided_at=decided_at)


def test_an_opt_in_goes_to_shopify_with_its_own_time() -> None:
    contact = ContactConsent(ContactStatus.SUBSCRIBED, at(-5000.5), at(-10))
    for customer in (said(CustomerState.NOT_SUBSCRIBED, None), said(UNSUBSCRIBED, -9000)):
        assert time(CustomerWrite.SUBSCRIBED, customer, contact, 0) == (at(-5001), Evidence.MAILCHIMP_OPT_IN)
    assert time(CustomerWrite.CREATE_SUBSCRIBED, said(CustomerState.ABSENT, None), contact) == (
        at(-5001),
        Evidence.MAILCHIMP_OPT_IN,
    )


def test_an_undated_opt_in_was_there_at_the_last_change() -> None:
    contact = ContactConsent(ContactStatus.SUBSCRIBED, None, at(-10))
    customer = said(CustomerState.NOT_SUBSCRIBED, None)
    assert time(CustomerWrite.SUBSCRIBED, customer, contact, 0) == (at(-10), Evidence.MAILCHIMP_CHANGE)


@pytest.mark.parametrize("stored", [0, 100, None])
def test_over_a_later_or_undated_opt_out_only_the_decision_counts(stored: float | None) -> None:
    contact = ContactConsent(ContactStatus.SUBSCRIBED, at(-5), at(5000))
    customer = said(UNSUBSCRIBED, stored)
    assert time(CustomerWrite.SUBSCRIBED, customer, contact, 300) == (at(300), Evidence.DECISION)
    assert time(CustomerWrite.SUBSCRIBED, customer, contact) == (None, Evidence.DECISION)


def test_a_profile_edit_is_no_opt_in_later_than_an_opt_out() -> None:
    contact = ContactConsent(ContactStatus.SUBSCRIBED, None, at(50))
    assert time(CustomerWrite.SUBSCRIBED, said(UNSUBSCRIBED, 0), contact, 300) == (at(300), Evidence.DECISION)


def test_an_opt_out_goes_to_shopify_with_the_time_of_the_change() -> None:
    contact = ContactConsent(ContactStatus.UNSUBSCRIBED, at(-50), at(-10))
    assert time(CustomerWrite.UNSUBSCRIBED, said(SUBSCRIBED, -100), contact, 0) == (
        at(-10),
        Evidence.MAILCHIMP_CHANGE,
    )


@pytest.mark.parametrize(("stored", "sent"), [(0, 1), (0.5, 1), (30.999, 31)])
def test_shopify_shows_the_newest_record_so_the_time_is_past_the_stored_one(stored: float, sent: float) -> None:
    for contact in (
        ContactConsent(ContactStatus.UNSUBSCRIBED, None, at(-10)),
        ContactConsent(ContactStatus.UNSUBSCRIBED, None, at(stored)),
    ):
        moment, _ = time(CustomerWrite.UNSUBSCRIBED, said(SUBSCRIBED, stored), contact)
        assert moment == at(sent)


def test_an_opt_out_without_any_time_takes_that_of_the_decision() -> None:
    contact = ContactConsent(ContactStatus.UNSUBSCRIBED)
    assert time(CustomerWrite.UNSUBSCRIBED, said(SUBSCRIBED), contact, 40) == (at(40), Evidence.DECISION)
    assert time(CustomerWrite.UNSUBSCRIBED, said(SUBSCRIBED), contact) == (None, Evidence.DECISION)


def test_times_of_other_zones_compare_by_the_moment() -> None:
    tokyo = timezone(timedelta(hours=9))
    contact = ContactConsent(ContactStatus.UNSUBSCRIBED, None, at(-3).astimezone(tokyo))
    assert newer_of(said(SUBSCRIBED), contact) is Newer.SHOPIFY
