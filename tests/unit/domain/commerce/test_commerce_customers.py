"""S1, S15, S92, S103: customers and guests; consent never travels with them."""

from __future__ import annotations

from typing import Any

import pytest
from commerce_nodes import address, customer, order

from shopchimp.domain.commerce.customers import buyer, customer_write, guest_id
from shopchimp.domain.commerce.results import CommerceReason, Skip, Write


def bought_by(**changes: Any) -> dict[str, Any]:
    who = buyer(order(**changes))
    assert isinstance(who, Write)
    return who.body


def test_s1_a_customer_whole_without_totals_and_without_consent() -> None:
    written = customer_write(customer())
    assert isinstance(written, Write)
    assert written.body == {
        "id": "7300000000101",
        "email_address": "rosa@example.com",
        "opt_in_status": False,
        "first_name": "Rosa",
        "last_name": "Lindqvist",
        "company": "Lindqvist Ljus",
        "address": {
            "address1": "Lampgatan 7",
            "address2": "lgh 1201",
            "city": "Uppsala",
            "province": "",
            "province_code": "",
            "postal_code": "753 20",
            "country": "Sweden",
            "country_code": "SE",
        },
    }


@pytest.mark.parametrize("state", ["SUBSCRIBED", "UNSUBSCRIBED", "NOT_SUBSCRIBED", "PENDING", "INVALID", None])
def test_s103_whatever_they_chose_the_opt_in_is_false_and_they_are_synced(state: str | None) -> None:
    email = {"emailAddress": "rosa@example.com", "marketingState": state}
    for written in (customer_write(customer(defaultEmailAddress=email)), buyer(order(customer=customer()))):
        assert isinstance(written, Write)
        assert written.body["opt_in_status"] is False
        assert "sms_phone_number" not in written.body


def test_empty_names_are_left_out_so_that_they_overwrite_nothing() -> None:
    written = customer_write(customer(firstName=None, lastName=" ", defaultAddress=None))
    assert isinstance(written, Write)
    assert written.body.keys() == {"id", "email_address", "opt_in_status"}


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        (None, CommerceReason.NO_EMAIL),
        ("  ", CommerceReason.NO_EMAIL),
        ("rosa@", CommerceReason.BAD_EMAIL),
        ("8h2k9x@marketplace.amazon.co.uk", CommerceReason.MARKETPLACE_EMAIL),
    ],
)
def test_without_a_usable_address_there_is_no_customer(email: str | None, reason: CommerceReason) -> None:
    known = customer(defaultEmailAddress={"emailAddress": email})
    assert customer_write(known) == Skip(reason)
    assert buyer(order(customer=None, email=email)) == Skip(reason)


def test_a_customer_without_any_address_object_has_no_email() -> None:
    assert customer_write(customer(defaultEmailAddress=None)) == Skip(CommerceReason.NO_EMAIL)


def test_the_buyer_is_the_customer_under_their_own_address() -> None:
    assert bought_by() == {
        "id": "7300000000101",
        "email_address": "rosa@example.com",
        "opt_in_status": False,
        "first_name": "Rosa",
        "last_name": "Lindqvist",
    }


def test_an_export_names_the_customer_by_id_alone() -> None:
    body = bought_by(customer={"id": "gid://shopify/Customer/7300000000101"})
    assert (body["id"], body["email_address"]) == ("7300000000101", "rosa.at.work@example.com")
    assert body["first_name"] == "Rosa"


def test_s92_a_guest_is_their_address_with_what_the_order_says() -> None:
    body = bought_by(customer=None, email="Guest@Example.com ")
    assert body["id"] == guest_id("guest@example.com")
    assert len(body["id"]) <= 50
    assert body["email_address"] == "Guest@Example.com"
    assert (body["first_name"], body["last_name"], body["company"]) == ("Rosa", "Lindqvist", "Lindqvist Ljus")
    assert body["address"]["city"] == "Uppsala"
    assert body["opt_in_status"] is False


def test_s92_a_guest_of_two_orders_is_one_customer() -> None:
    one = bought_by(customer=None, email="guest@example.com")
    other = bought_by(
        customer=None, email="GUEST@example.com", billingAddress=None, shippingAddress=address(city="Lund")
    )
    assert one["id"] == other["id"]
    assert other["address"]["city"] == "Lund"


def test_a_guest_without_an_address() -> None:
    body = bought_by(customer=None, email="guest@example.com", billingAddress=None, shippingAddress=None)
    assert body.keys() == {"id", "email_address", "opt_in_status"}
