"""What the first sync would do for one person, whoever they are; and that once it is done there is nothing left to do."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopchimp.domain.consent import ContactConsent, ContactStatus, CustomerConsent, CustomerState, Policy
from shopchimp.domain.fields import FieldMap
from shopchimp.domain.planning import (
    Action,
    Kind,
    Options,
    Planned,
    customer_state,
    plan_person,
)
from shopchimp.domain.records import Contact, Customer

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=300)
STATES = [state for state in CustomerState if state is not CustomerState.ABSENT]
STATUSES = [status for status in ContactStatus if status is not ContactStatus.ABSENT]

times = st.none() | st.integers(0, 5).map(lambda day: START + timedelta(days=day))
texts = st.sampled_from([None, "", "Ana", "O'Brien", "  two  words ", "名前", "x" * 300])
home = st.fixed_dictionaries(
    {"address1": texts, "city": texts, "provinceCode": texts, "zip": texts, "countryCodeV2": texts, "company": texts}
)
fields = st.fixed_dictionaries(
    {"first_name": texts, "last_name": texts, "phone": texts, "default_address": st.none() | home}
)
values = st.one_of(
    texts, st.integers(), st.fixed_dictionaries({"addr1": texts, "city": texts, "state": texts, "zip": texts})
)
merge = st.dictionaries(st.sampled_from(["FNAME", "LNAME", "PHONE", "ADDRESS", "COMPANY", "OWN"]), values)
emails = st.sampled_from(["ana@example.com", "Ana@Example.com", " ana@example.com ", None, "", "not an address"])
customers = st.builds(
    lambda email, state, at, level, known: Customer(
        7, (email or "").strip().lower() or "customer:7", email, CustomerConsent(state, at, level), known
    ),
    emails,
    st.sampled_from(STATES),
    times,
    st.sampled_from([None, "SINGLE_OPT_IN", "CONFIRMED_OPT_IN", "UNKNOWN", "SOMETHING_NEW"]),
    fields,
)
contacts = st.builds(
    lambda status, opted, changed, known: Contact(
        "c1", "ana@example.com", "ANA@example.com", ContactConsent(status, opted, changed), known
    ),
    st.sampled_from(STATUSES),
    times,
    times,
    merge,
)
options = st.builds(
    Options,
    policy=st.sampled_from(Policy),
    sync_non_subscribed=st.booleans(),
    double_optin=st.booleans(),
    tag=st.sampled_from(["", "Shopify"]),
)


def person(state: CustomerState, at: datetime | None = None, **known: Any) -> Customer:
    return Customer(7, "ana@example.com", "ana@example.com", CustomerConsent(state, at, "SINGLE_OPT_IN"), known)


def contact(status: ContactStatus, at: datetime | None = None, **known: Any) -> Contact:
    return Contact("c1", "ana@example.com", "ana@example.com", ContactConsent(status, at, at), known)


def writes(planned: Planned) -> bool:
    return planned.action is not None or planned.to_customer is not None


@given(st.none() | customers, st.none() | contacts, options)
@settings(max_examples=400, deadline=None)
def test_everybody_gets_a_plan_that_holds_together(
    customer: Customer | None, found: Contact | None, chosen: Options
) -> None:
    if customer is None and found is None:
        return
    planned = plan_person(customer, found, chosen)
    assert isinstance(planned.kind, Kind)
    assert (planned.kind is Kind.SKIP) == (planned.skip is not None)
    assert (planned.body is not None) == (planned.action is not None)
    if planned.skip or planned.kind is Kind.UNCHANGED:
        assert not writes(planned), "left alone means left alone"
    if customer is None:
        assert not writes(planned), "no customer is made from a contact"
    assert not (planned.to_contact and planned.to_customer), "consent goes one way"
    assert planned.to_customer in (None, "SUBSCRIBED", "UNSUBSCRIBED")
    if planned.to_customer:
        assert planned.to_customer_level in ("SINGLE_OPT_IN", "CONFIRMED_OPT_IN"), "Shopify wants the level always"
    if planned.action:
        assert planned.body is not None
        assert planned.body["email_address"].strip() == planned.body["email_address"] != ""
        assert ("status" in planned.body) == (planned.to_contact is not None)
        assert planned.body.get("status") == planned.to_contact
        assert (planned.action is Action.UPDATE) == (planned.to_contact is None)
        assert (planned.action is Action.CREATE) == (found is None)
        assert ("timestamp_opt" in planned.body) <= (planned.to_contact == "subscribed")
        assert ("tags" in planned.body) <= (planned.action is Action.CREATE), "batches don't add tags to who is known"
    if found is not None and found.consent.status is ContactStatus.ARCHIVED and planned.to_contact is None:
        assert planned.action is None, "any write would bring an archived contact back"
    if found is not None and found.consent.status is ContactStatus.PENDING:
        assert planned.to_contact is None, "a confirmation is neither skipped nor asked for again in bulk"
    assert planned.to_contact != "pending", "no confirmation mails in bulk (L4)"


@given(customers, st.none() | contacts, options)
@settings(max_examples=500, deadline=None)
def test_a_second_plan_after_the_first_was_carried_out_writes_nothing(
    customer: Customer, found: Contact | None, chosen: Options
) -> None:
    planned = plan_person(customer, found, chosen)
    after = carried_out(customer, found, planned)
    again = plan_person(*after, chosen)
    assert not writes(again), (planned, again)


def carried_out(customer: Customer, found: Contact | None, planned: Planned) -> tuple[Customer, Contact | None]:
    """Both sides after the writes, as the platforms would tell them."""
    if planned.to_customer:
        consent = CustomerConsent(
            CustomerState(planned.to_customer), planned.to_customer_at or NOW, planned.to_customer_level
        )
        customer = replace(customer, consent=consent)
    if planned.action:
        body = planned.body or {}
        before = found.consent if found else ContactConsent(ContactStatus.ABSENT)
        status = ContactStatus(planned.to_contact) if planned.to_contact else before.status
        opted = datetime.fromisoformat(body["timestamp_opt"]) if "timestamp_opt" in body else before.opted_in_at
        known = {**(found.merge_fields if found else {}), **body.get("merge_fields", {})}
        found = Contact("c1", customer.key, body["email_address"], ContactConsent(status, opted, NOW), known)
    return customer, found


@pytest.mark.parametrize(("state", "status", "policy"), list(itertools.product(STATES, STATUSES, Policy)))
def test_nobody_who_opted_out_is_subscribed_without_a_later_opt_in(
    state: CustomerState, status: ContactStatus, policy: Policy
) -> None:
    later, earlier = START + timedelta(days=9), START
    for customer_at, contact_at in ((earlier, later), (later, earlier), (None, None)):
        planned = plan_person(person(state, customer_at), contact(status, contact_at), Options(policy=policy))
        if planned.to_contact == "subscribed" and status in (ContactStatus.UNSUBSCRIBED, ContactStatus.CLEANED):
            assert customer_at == later
        if planned.to_customer == "SUBSCRIBED" and state is CustomerState.UNSUBSCRIBED and customer_at == later:
            assert (policy, planned.conflict) == (Policy.MAILCHIMP_WINS, True), "D1, and it is shown"


def test_the_question_of_d1_is_asked_only_where_shopifys_opt_out_is_later() -> None:
    out, later = person(CustomerState.UNSUBSCRIBED, NOW), contact(ContactStatus.SUBSCRIBED, START)
    wins = {policy: plan_person(out, later, Options(policy=policy)) for policy in Policy}
    assert all(planned.conflict for planned in wins.values())
    mailchimp, latest = wins[Policy.MAILCHIMP_WINS], wins[Policy.LATEST_CHOICE_WINS]
    assert (mailchimp.to_customer, mailchimp.to_customer_at) == ("SUBSCRIBED", None)  # the time of the decision
    assert (latest.to_contact, latest.to_customer) == ("unsubscribed", None)
    earlier = plan_person(person(CustomerState.UNSUBSCRIBED, START), contact(ContactStatus.SUBSCRIBED, NOW), Options())
    assert not earlier.conflict


def test_a_new_contact_brings_consent_with_its_own_time_fields_and_the_tag() -> None:
    customer = person(CustomerState.SUBSCRIBED, START, first_name="Ana", phone="+34600000000")
    planned = plan_person(customer, None, Options(tag="Shopify"))
    assert planned.kind is Kind.CREATE
    assert planned.body == {
        "email_address": "ana@example.com",
        "status": "subscribed",
        "timestamp_opt": "2026-01-01T00:00:00+00:00",
        "merge_fields": {"FNAME": "Ana", "PHONE": "+34600000000"},
        "tags": ["Shopify"],
    }


def test_only_what_differs_is_sent_to_a_contact_who_is_there() -> None:
    customer = person(CustomerState.SUBSCRIBED, START, first_name="Ana", last_name="Reyes")
    planned = plan_person(customer, contact(ContactStatus.SUBSCRIBED, START, FNAME="Ana", LNAME=""), Options())
    assert (planned.kind, planned.action) == (Kind.UPDATE, Action.UPDATE)
    assert planned.body == {"email_address": "ana@example.com", "merge_fields": {"LNAME": "Reyes"}}


def test_the_contacts_own_spelling_is_kept() -> None:
    customer = replace(person(CustomerState.UNSUBSCRIBED, START, first_name="Ana"), email="Ana@Example.com")
    found = replace(contact(ContactStatus.TRANSACTIONAL), email="ANA@example.com")
    planned = plan_person(customer, found, Options())
    assert planned.body is not None
    assert (planned.body["email_address"], planned.to_contact) == ("ANA@example.com", "unsubscribed")


@pytest.mark.parametrize(
    ("email", "reason"), [(None, "no_email"), ("", "no_email"), ("x", "bad_email"), ("a b@example.com", "bad_email")]
)
def test_without_a_usable_address_nothing_is_made(email: str | None, reason: str) -> None:
    planned = plan_person(replace(person(CustomerState.SUBSCRIBED), email=email), None, Options())
    assert planned.skip == reason


@pytest.mark.parametrize("status", [ContactStatus.ARCHIVED, ContactStatus.CLEANED])
def test_fields_of_archived_and_cleaned_contacts_stay(status: ContactStatus) -> None:
    customer = person(CustomerState.NOT_SUBSCRIBED, None, first_name="New")
    assert plan_person(customer, contact(status, START, FNAME="Old"), Options()).action is None


def test_people_who_are_not_subscribed_may_be_left_out() -> None:
    chosen = Options(sync_non_subscribed=False)
    for state in (CustomerState.NOT_SUBSCRIBED, CustomerState.UNSUBSCRIBED, CustomerState.PENDING):
        assert plan_person(person(state), None, chosen).skip == "non_subscribed_off"
    assert plan_person(person(CustomerState.SUBSCRIBED), None, chosen).to_contact == "subscribed"


def test_a_state_we_do_not_know_is_shown_and_never_written() -> None:
    assert customer_state("PAUSED") is CustomerState.INVALID
    planned = plan_person(person(customer_state("PAUSED")), contact(ContactStatus.SUBSCRIBED), Options())
    assert (planned.skip, writes(planned)) == ("invalid", False)


def test_an_empty_field_map_sends_consent_alone() -> None:
    planned = plan_person(
        person(CustomerState.SUBSCRIBED, START, first_name="Ana"), None, Options(field_map=FieldMap(()))
    )
    assert planned.body is not None
    assert planned.body["merge_fields"] == {}
