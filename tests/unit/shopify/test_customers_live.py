"""Customers as live sync reads and writes them: whole, by id and address, and what Shopify refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
import respx

from shopchimp.domain.errors import Unavailable
from shopchimp.domain.sms import CustomerSms, SmsState
from shopchimp.shopify import customers
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.customers import UserError

SHOP = "https://demo-store.myshopify.com"
URL = f"{SHOP}/admin/api/2026-10/graphql.json"
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
NODE: dict[str, Any] = {
    "id": "gid://shopify/Customer/7", "updatedAt": "2026-11-02T00:00:00Z", "firstName": "Ana", "lastName": None,
    "tags": ["VIP"], "defaultEmailAddress": {"emailAddress": "ana@example.com", "marketingState": "SUBSCRIBED"},
    "defaultPhoneNumber": {
        "phoneNumber": "+14045550142",
        "smsMarketingConsent": {
            "state": "SUBSCRIBED", "optInLevel": "SINGLE_OPT_IN", "updatedAt": "2026-11-01T12:00:00Z",
        },
    },
    "defaultAddress": {"city": "Atlanta"},
}  # fmt: skip


class Token:
    def __call__(self, *, refused: str | None = None) -> str:
        return "t"


@pytest.fixture
def client() -> Iterator[ShopifyClient]:
    with httpx.Client(trust_env=False) as http:
        yield ShopifyClient(http, shop_url=SHOP, token=Token())


def says(**data: Any) -> respx.Route:
    return respx.post(URL).respond(json={"data": data})


def variables(route: respx.Route) -> Any:
    return orjson.loads(route.calls.last.request.content)["variables"]


@respx.mock
def test_a_whole_customer_and_one_who_is_gone(client: ShopifyClient) -> None:
    route = says(nodes=[NODE, None])
    ana, gone = customers.by_ids(client, [7, 8])
    assert gone is None
    assert ana is not None
    assert (ana.id, ana.tags, ana.fields["first_name"], ana.consent.email) == (7, ("VIP",), "Ana", "ana@example.com")
    assert ana.fields["phone"] == "+14045550142"
    assert ana.sms == CustomerSms(SmsState.SUBSCRIBED, "+14045550142", AT, "SINGLE_OPT_IN")
    assert variables(route) == {"ids": ["gid://shopify/Customer/7", "gid://shopify/Customer/8"]}
    assert customers.by_ids(client, []) == []


@respx.mock
def test_an_answer_with_too_few_customers_is_no_answer(client: ShopifyClient) -> None:
    says(nodes=[NODE])
    with pytest.raises(Unavailable):
        customers.by_ids(client, [7, 8])


@respx.mock
def test_customers_by_address_in_the_order_asked(client: ShopifyClient) -> None:
    route = says(c0=None, c1=NODE)
    nobody, ana = customers.by_emails(client, ["no@example.com", "ana@example.com"])
    assert (nobody, ana.id if ana else 0) == (None, 7)
    assert variables(route) == {"e0": "no@example.com", "e1": "ana@example.com"}


def test_an_unknown_word_about_texts_is_no_consent() -> None:
    assert customers.sms_consent({"phoneNumber": "+1", "smsMarketingConsent": {"state": "SNOOZED"}}).state is None  # type: ignore[union-attr]
    assert customers.sms_consent({"phoneNumber": "+1"}).state is SmsState.NEVER_SUBSCRIBED  # type: ignore[union-attr]
    assert customers.sms_consent(None) is None


def errors(field: list[str] | None, message: str) -> dict[str, Any]:
    return {"customer": None, "userErrors": [{"field": field, "message": message}]}


@respx.mock
@pytest.mark.parametrize(
    ("field", "message", "code"),
    [
        (["email"], "Email has already been taken", "sh_taken"),
        (["phone"], "Phone has already been taken", "sh_phone_taken"),
        (["phone"], "Phone is invalid", "sh_field_value"),
        (["id"], "Customer does not exist", "sh_customer_gone"),
        (None, "A name, phone number, or email address must be present", "sh_rejected"),
    ],
)
def test_refusals_of_a_profile(client: ShopifyClient, field: list[str] | None, message: str, code: str) -> None:
    says(customerUpdate=errors(field, message), customerCreate=errors(field, message))
    assert customers.update(client, 7, {"first_name": "Ana"}) == UserError(code, message)
    assert customers.create(client, email="a@example.com", fields={}) == UserError(code, message)


@respx.mock
def test_s75_an_update_names_only_what_changes(client: ShopifyClient) -> None:
    route = says(customerUpdate={"customer": {"id": NODE["id"]}, "userErrors": []})
    assert customers.update(client, 7, {"last_name": "Reyes", "company": "not ours to write"}) is None
    assert variables(route) == {"input": {"id": "gid://shopify/Customer/7", "lastName": "Reyes"}}


@respx.mock
def test_s60_a_customer_is_made_with_the_persons_own_time_or_without_consent(client: ShopifyClient) -> None:
    route = says(customerCreate={"customer": {"id": NODE["id"]}, "userErrors": []})
    made = customers.create(
        client, email="a@example.com", fields={"first_name": "Ana"}, state="SUBSCRIBED", consent_at=AT
    )
    assert made == 7
    assert variables(route)["input"]["emailMarketingConsent"] == {
        "marketingState": "SUBSCRIBED",
        "marketingOptInLevel": "SINGLE_OPT_IN",
        "consentUpdatedAt": "2026-11-01T12:00:00Z",
    }
    customers.create(client, email="a@example.com", fields={}, state="NOT_SUBSCRIBED")
    assert variables(route) == {"input": {"email": "a@example.com"}}


@respx.mock
def test_d8_a_stop_is_written_with_its_time_and_always_a_level(client: ShopifyClient) -> None:
    route = says(customerSmsMarketingConsentUpdate={"customer": {"id": NODE["id"]}, "userErrors": []})
    assert customers.set_sms_consent(client, 7, subscribe=False, level="UNKNOWN", at=AT) is None
    assert variables(route)["input"]["smsMarketingConsent"] == {
        "marketingState": "UNSUBSCRIBED",
        "marketingOptInLevel": "SINGLE_OPT_IN",
        "consentUpdatedAt": "2026-11-01T12:00:00Z",
    }
