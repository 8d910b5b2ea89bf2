"""The answers of shopify.md section 2.4, and which dated choice stays visible (consent.md F2)."""

import pytest
from shopify_port import Api

EMAIL = """mutation($input: CustomerEmailMarketingConsentUpdateInput!) {
  customerEmailMarketingConsentUpdate(input: $input) {
    customer { id defaultEmailAddress { marketingState marketingOptInLevel marketingUpdatedAt } }
    userErrors { field message code } } }"""
SMS = """mutation($input: CustomerSmsMarketingConsentUpdateInput!) {
  customerSmsMarketingConsentUpdate(input: $input) {
    customer { id defaultPhoneNumber { marketingState smsMarketingConsent { state optInLevel updatedAt collectedFrom } } }
    userErrors { field message code } } }"""
READ = "query($id: ID!) { customer(id: $id) { defaultEmailAddress { marketingState marketingOptInLevel marketingUpdatedAt } } }"


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def person(api):
    return api.customer(email="ann@example.com", phone="+12025550101", firstName="Ann")


def email(api, gid, state, level="SINGLE_OPT_IN", at=None):
    consent = {"marketingState": state, "marketingOptInLevel": level, "consentUpdatedAt": at}
    return api(EMAIL, input={"customerId": gid, "emailMarketingConsent": {k: v for k, v in consent.items() if v}})


def sms(api, gid, state, level="SINGLE_OPT_IN", at=None):
    consent = {"marketingState": state, "marketingOptInLevel": level, "consentUpdatedAt": at}
    return api(SMS, input={"customerId": gid, "smsMarketingConsent": {k: v for k, v in consent.items() if v}})


def visible(api, gid):
    address = api(READ, id=gid)["defaultEmailAddress"]
    return address["marketingState"], address["marketingUpdatedAt"]


def test_a_fresh_customer_was_never_asked(api, person):
    shown = api(READ, id=person)["defaultEmailAddress"]
    assert shown == {
        "marketingState": "NOT_SUBSCRIBED",
        "marketingOptInLevel": "SINGLE_OPT_IN",
        "marketingUpdatedAt": None,
    }


@pytest.mark.parametrize("unknown", ["gid://shopify/Customer/1", "gid://shopify/Order/7", "nonsense"])
def test_unknown_customer(api, unknown):
    assert email(api, unknown, "SUBSCRIBED") == {
        "customer": None,
        "userErrors": [{"field": ["input", "customerId"], "message": "Customer not found", "code": "INVALID"}],
    }
    (error,) = sms(api, unknown, "SUBSCRIBED")["userErrors"]
    assert (error["field"], error["code"]) == (None, None)


def test_subscribing_needs_a_level(api, person):
    answer = email(api, person, "SUBSCRIBED", level=None)
    assert answer["userErrors"] == [
        {
            "field": ["input", "emailMarketingConsent", "marketingOptInLevel"],
            "message": "Marketing opt in level must exist",
            "code": "MISSING_ARGUMENT",
        }
    ]
    assert answer["customer"]["defaultEmailAddress"]["marketingState"] == "NOT_SUBSCRIBED"
    answer = sms(api, person, "SUBSCRIBED", level=None)
    assert (answer["customer"], answer["userErrors"][0]["code"]) == (None, "MISSING_ARGUMENT")


def test_pending_must_be_confirmed_opt_in(api, person):
    (error,) = email(api, person, "PENDING")["userErrors"]
    assert error["message"] == "Marketing opt in level must be confirmed opt-in for pending consent state"
    assert email(api, person, "PENDING", level="CONFIRMED_OPT_IN")["userErrors"] == []


def test_the_future_is_refused(api, person):
    (error,) = email(api, person, "SUBSCRIBED", at="2126-01-01T00:00:00Z")["userErrors"]
    assert (error["message"], error["code"]) == ("Consent updated at must not be in the future", "INVALID")


@pytest.mark.parametrize("state", ["NOT_SUBSCRIBED", "INVALID", "REDACTED"])
def test_states_that_cannot_be_written_fail_the_call(api, person, state):
    consent = {"marketingState": state, "marketingOptInLevel": "SINGLE_OPT_IN"}
    answer = api.run(EMAIL, input={"customerId": person, "emailMarketingConsent": consent})
    (error,) = answer["errors"]
    assert error["message"] == f"Cannot specify {state} as a marketing state input"
    assert error["extensions"]["code"] == "INVALID"
    assert answer["data"] == {"customerEmailMarketingConsentUpdate": None}


def test_one_bad_alias_leaves_the_others(api, person):
    text = """mutation($a: CustomerEmailMarketingConsentUpdateInput!, $b: CustomerEmailMarketingConsentUpdateInput!) {
      c0: customerEmailMarketingConsentUpdate(input: $a) { userErrors { message } }
      c1: customerEmailMarketingConsentUpdate(input: $b) { userErrors { message } } }"""
    bad = {"customerId": person, "emailMarketingConsent": {"marketingState": "INVALID"}}
    good = {"customerId": person, "emailMarketingConsent": {"marketingState": "UNSUBSCRIBED"}}
    answer = api.run(text, a=bad, b=good)
    assert answer["data"] == {"c0": None, "c1": {"userErrors": []}}
    assert answer["errors"][0]["path"] == ["c0"]
    assert visible(api, person)[0] == "UNSUBSCRIBED"


def test_without_an_address_nothing_happens(api):
    gid = api.customer(firstName="Nobody")
    assert email(api, gid, "SUBSCRIBED") == {"customer": {"id": gid, "defaultEmailAddress": None}, "userErrors": []}
    (error,) = sms(api, gid, "SUBSCRIBED")["userErrors"]
    assert error == {
        "field": ["input", "smsMarketingConsent"],
        "message": "A phone number is required to set the SMS consent state.",
        "code": "INVALID",
    }


def test_the_newest_date_is_visible_in_whatever_order_it_was_written(api, person):
    email(api, person, "UNSUBSCRIBED", at="2026-10-02T00:00:00Z")
    assert email(api, person, "SUBSCRIBED", at="2026-10-01T00:00:00Z")["userErrors"] == []
    assert visible(api, person) == ("UNSUBSCRIBED", "2026-10-02T00:00:00Z")
    email(api, person, "SUBSCRIBED", at="2026-10-03T00:00:00Z")
    assert visible(api, person) == ("SUBSCRIBED", "2026-10-03T00:00:00Z")


def test_of_two_equal_dates_the_later_write_counts(api, person):
    email(api, person, "UNSUBSCRIBED", at="2026-10-02T00:00:00Z")
    email(api, person, "SUBSCRIBED", at="2026-10-02T00:00:00Z")
    assert visible(api, person)[0] == "SUBSCRIBED"


def test_the_same_state_again_succeeds_and_leaves_the_date(api, person):
    email(api, person, "SUBSCRIBED", at="2026-10-02T00:00:00Z")
    changed = api.shop.customers.get(person).updated
    api.clock.at += 100
    assert email(api, person, "SUBSCRIBED", at="2026-10-05T00:00:00Z")["userErrors"] == []
    assert visible(api, person) == ("SUBSCRIBED", "2026-10-02T00:00:00Z")
    assert api.shop.customers.get(person).updated == changed
    # The newer date was lost, so a write between the two still wins: what makes out-of-order writes dangerous.
    email(api, person, "UNSUBSCRIBED", at="2026-10-03T00:00:00Z")
    assert visible(api, person) == ("UNSUBSCRIBED", "2026-10-03T00:00:00Z")


def test_without_a_date_the_time_of_the_call_counts_and_is_not_compared(api, person):
    email(api, person, "SUBSCRIBED")
    assert visible(api, person) == ("SUBSCRIBED", "2026-11-18T11:06:40Z")
    (row,) = api.sandbox.state()
    assert row["marketingUpdatedAt"] == "now"
    email(api, person, "UNSUBSCRIBED", at="2026-11-18T11:06:40Z")
    (row,) = api.sandbox.state()
    assert row["marketingUpdatedAt"] == "2026-11-18T11:06:40Z"


def test_only_effective_writes_are_logged(api, person):
    before = len(api.writes())
    email(api, person, "SUBSCRIBED", at="2026-10-02T00:00:00Z")
    email(api, person, "SUBSCRIBED", at="2026-10-03T00:00:00Z")
    email(api, person, "UNSUBSCRIBED", at="2026-10-01T00:00:00Z")
    (written,) = api.writes()[before:]
    assert written == (
        "consent",
        person,
        {"channel": "email", "state": "SUBSCRIBED", "optInLevel": "SINGLE_OPT_IN", "consentUpdatedAt": 1_790_899_200},
    )


def test_sms_is_its_own_consent(api, person):
    sms(api, person, "SUBSCRIBED", at="2026-10-02T00:00:00Z")
    answer = sms(api, person, "UNSUBSCRIBED", at="2026-10-03T00:00:00Z")["customer"]["defaultPhoneNumber"]
    assert answer["smsMarketingConsent"] == {
        "state": "UNSUBSCRIBED",
        "optInLevel": "SINGLE_OPT_IN",
        "updatedAt": "2026-10-03T00:00:00Z",
        "collectedFrom": "OTHER",
    }
    assert visible(api, person)[0] == "NOT_SUBSCRIBED"


def test_consent_at_creation_but_not_in_an_update(api):
    consent = {"marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"}
    create = (
        "mutation($i: CustomerInput!) { customerCreate(input: $i) { customer { id } userErrors { field message } } }"
    )
    made = api(create, i={"email": "new@example.com", "emailMarketingConsent": consent})
    assert visible(api, made["customer"]["id"])[0] == "SUBSCRIBED"
    assert api(create, i={"firstName": "No", "emailMarketingConsent": consent})["userErrors"] == [
        {
            "field": ["emailMarketingConsent"],
            "message": "An email address is required to set the email marketing consent state.",
        }
    ]
    update = (
        "mutation($i: CustomerInput!) { customerUpdate(input: $i) { customer { id } userErrors { field message } } }"
    )
    assert api(update, i={"id": made["customer"]["id"], "emailMarketingConsent": consent})["userErrors"] == [
        {
            "field": ["emailMarketingConsent"],
            "message": "To update emailMarketingConsent, please use the customerEmailMarketingConsentUpdate Mutation instead",
        }
    ]
