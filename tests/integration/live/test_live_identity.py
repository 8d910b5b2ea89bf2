"""Who is who in live sync: addresses that change, customers that merge or go (M6, M8, S87). Never a double contact."""

from __future__ import annotations

import pytest
from live_ground import Ground, ago, new_email, stamp


def number_of(shop: Ground, email: str) -> int:
    return int(shop.customer_row(email)["id"].rpartition("/")[2])


def renamed(shop: Ground, old: str, new: str) -> int:
    """The customer has another address; the delivery names customer and new address."""
    number = number_of(shop, old)
    shop.stage.sandbox.edit("shopify", old, set={"email": new})
    shop.look(new, customer_id=number)
    return number


# ------------------------------------------------------------------ M6


def test_a_new_address_takes_the_contact_along(shop: Ground) -> None:
    """S13, M6: one contact as before, under the new address, with its consent and its history."""
    old, new = shop.pair("SUBSCRIBED"), new_email("renamed")
    before = shop.person(old)
    number = renamed(shop, old, new)
    contacts = shop.stage.sandbox.state("mailchimp")
    assert old not in contacts
    assert contacts[new]["status"] == "subscribed"
    person = shop.person(new)
    assert (person["id"], person["customer_id"]) == (before["id"], number)
    assert shop.stage.rows("select 1 from people where key = :key", key=old) == []
    assert "identity" in [line["kind"] for line in shop.lines(new)]
    assert shop.quiet(new)
    assert shop.quiet(old)
    assert old not in shop.stage.sandbox.state("mailchimp")


def test_a_new_address_noticed_under_the_old_one(shop: Ground) -> None:
    """M6: a delivery about the old address finds that the customer left it."""
    old, new = shop.pair("SUBSCRIBED"), new_email("renamed")
    shop.stage.sandbox.edit("shopify", old, set={"email": new})
    shop.look(old)
    contacts = shop.stage.sandbox.state("mailchimp")
    assert (old in contacts, new in contacts) == (False, True)
    assert shop.sides(new)[1] == "subscribed"
    assert shop.quiet(new)


def test_the_consent_in_shopify_belongs_to_the_address(shop: Ground) -> None:
    """M6: whatever Shopify says of the new address, the contact that moved isn't weakened, and both agree at the end."""
    old, new = shop.pair("UNSUBSCRIBED"), new_email("renamed")
    renamed(shop, old, new)
    state, status = shop.sides(new)
    assert status == "unsubscribed"
    assert state in ("UNSUBSCRIBED", "NOT_SUBSCRIBED")
    assert shop.quiet(new)


def test_the_new_address_has_a_contact_of_its_own(shop: Ground) -> None:
    """M6: both stay, and each is judged by its own consent: the opt-out of the new address reaches the customer."""
    old, new = shop.pair("SUBSCRIBED"), new_email("taken")
    shop.contact(new, "unsubscribed", by="person")
    shop.look(new, source="mailchimp")
    renamed(shop, old, new)
    contacts = shop.stage.sandbox.state("mailchimp")
    assert contacts[old]["status"] == "subscribed"
    assert contacts[new]["status"] == "unsubscribed"
    assert shop.state(new) == "UNSUBSCRIBED"
    assert shop.quiet(new, old)


def test_an_address_given_to_another_customer(shop: Ground) -> None:
    """M6: Ana's old address is Bo's now: her contact isn't dragged along, his own consent counts for it."""
    first, second, new = shop.pair("SUBSCRIBED"), shop.pair("NOT_SUBSCRIBED"), new_email("later")
    ana, bo = number_of(shop, first), number_of(shop, second)
    shop.stage.sandbox.edit("shopify", first, set={"email": new})
    shop.stage.sandbox.edit("shopify", second, set={"email": first})
    shop.stage.mark(first, customer_id=bo)
    shop.look(new, customer_id=ana)
    contacts = shop.stage.sandbox.state("mailchimp")
    assert {first, new} <= contacts.keys()
    assert shop.person(first)["customer_id"] == bo
    assert shop.person(new)["customer_id"] == ana
    state, status = shop.sides(new)
    assert (state == "SUBSCRIBED") == (status == "subscribed")
    state, status = shop.sides(first)
    assert (state == "SUBSCRIBED") == (status == "subscribed")
    assert shop.quiet(first, second, new)


@pytest.mark.parametrize("late", [False, True])
def test_an_address_somebody_opted_out_of_is_given_to_another_customer(shop: Ground, late: bool) -> None:
    """M6, L1: Ana opts out, changes her address; Bo, who opted in before, gets hers. Nobody is mailed there.

    `late`: the opt-out is told when contact and customer have left. Planted: the fact leaves with them, or is thrown
    away as nobody's; either way Bo's contact is moved in, subscribed.
    """
    first, second, new, out = shop.pair("SUBSCRIBED"), shop.pair("SUBSCRIBED"), new_email("left"), ago(minutes=5)
    ana, bo = number_of(shop, first), number_of(shop, second)
    shop.contact(first, "unsubscribed", by="api", at=stamp(out))
    shop.stage.sandbox.edit("shopify", first, set={"email": new})
    if late:
        shop.look(first, customer_id=ana)
    shop.look(first, source="mailchimp", opted_out_at=out)
    assert shop.status(first) is None
    shop.stage.sandbox.edit("shopify", second, set={"email": first})
    shop.look(second, customer_id=bo)
    assert shop.person(first)["customer_id"] == bo
    assert shop.status(first) == "unsubscribed"
    assert "SUBSCRIBED" not in (shop.state(first), shop.state(new))
    assert shop.quiet(first, second, new)


def test_two_customers_swap_their_addresses(shop: Ground) -> None:
    """M6: each address keeps its contact and its consent, and each customer is known under the address of today."""
    first, second, between = shop.pair("SUBSCRIBED"), shop.pair("UNSUBSCRIBED"), new_email("between")
    ana, bo = number_of(shop, first), number_of(shop, second)
    for number, email in ((ana, between), (bo, first), (ana, second)):
        shop.stage.sandbox.control("edit", platform="shopify", customer_id=number, set={"email": email})
    shop.stage.mark(first, customer_id=bo)
    shop.look(second, customer_id=ana)
    assert (shop.person(first)["customer_id"], shop.person(second)["customer_id"]) == (bo, ana)
    for email in (first, second):
        state, status = shop.sides(email)
        assert (state == "SUBSCRIBED") == (status == "subscribed")
    assert between not in shop.stage.sandbox.state("mailchimp")
    assert shop.status(second) == "unsubscribed"
    assert shop.quiet(first, second)


def test_a_bounced_or_archived_contact_stays_where_it_is(shop: Ground) -> None:
    """M6: that the old address bounced says nothing about the new one."""
    for change in ({"set": {"status": "cleaned"}, "reason": "hard"}, {"archive": True}):
        old, new = shop.pair("SUBSCRIBED"), new_email("fresh")
        shop.contact(old, **change)
        shop.look(old, source="mailchimp")
        status = shop.status(old)
        renamed(shop, old, new)
        assert shop.status(old) == status
        assert shop.status(new) is not None
        assert shop.quiet(new, old)


def test_the_address_is_taken_away(shop: Ground) -> None:
    """S87 like: a customer without an address has no contact to sync; the contact stays."""
    email = shop.pair("SUBSCRIBED")
    number = number_of(shop, email)
    shop.stage.sandbox.edit("shopify", email, set={"email": None, "phone": "+12025550123"})
    shop.look(email, customer_id=number)
    assert shop.status(email) == "subscribed"
    assert shop.quiet(email)


def test_the_contact_has_another_address(shop: Ground) -> None:
    """M6 from the other side (`upemail`): the contact moved in Mailchimp; nobody is mailed against their will."""
    old, new = shop.pair("SUBSCRIBED"), new_email("upemail")
    shop.contact(old, set={"email_address": new})
    shop.stage.mark(new, source="mailchimp")
    shop.look(old, source="mailchimp")
    contacts = shop.stage.sandbox.state("mailchimp")
    assert contacts[new]["status"] == "subscribed"
    assert sum(email in contacts for email in (old, new)) == 1
    assert shop.quiet(old, new)


def test_upper_case_and_plus_addresses(shop: Ground) -> None:
    """Keys: capitals are the same person, a plus address is another one."""
    plain = new_email("case")
    upper, plus = plain.upper(), plain.replace("@", "+shop@")
    shop.chosen(upper, "SUBSCRIBED")
    shop.chosen(plus, "UNSUBSCRIBED")
    shop.look(plain, plus)
    contacts = shop.stage.sandbox.state("mailchimp")
    assert contacts[plain]["status"] == "subscribed"
    assert contacts[plus]["status"] == "unsubscribed"
    assert shop.quiet(plain, plus)
    shop.contact(plain, "unsubscribed")
    shop.look(plain, source="mailchimp")
    assert shop.state(plain) == "UNSUBSCRIBED"
    assert shop.state(plus) == "UNSUBSCRIBED"


# ------------------------------------------------------------------ M8, S87


def test_customers_are_merged(shop: Ground) -> None:
    """M8: the surviving customer keeps its contact; the other contact stays, and nobody comes twice."""
    kept, gone = shop.pair("SUBSCRIBED"), shop.pair("SUBSCRIBED")
    number = number_of(shop, gone)
    shop.stage.sandbox.edit("shopify", gone, merge_into=kept)
    shop.stage.mark(kept)
    shop.look(gone, customer_id=number)
    assert shop.sides(kept) == ("SUBSCRIBED", "subscribed")
    assert shop.sides(gone) == (None, "subscribed")
    assert shop.quiet(kept, gone)


def test_the_surviving_customer_takes_over_the_address(shop: Ground) -> None:
    """M8: merged into one that had no address: the address and its consent are the survivor's now."""
    gone = shop.pair("UNSUBSCRIBED")
    old_number = number_of(shop, gone)
    made = shop.stage.sandbox.control(
        "edit", platform="shopify", create=True, set={"firstName": "Kay", "phone": "+12025550155"}
    )
    number = int(made["id"].rpartition("/")[2])
    shop.stage.sandbox.edit("shopify", gone, merge_into=str(number))
    shop.stage.mark(f"customer:{number}", customer_id=number)
    shop.look(gone, customer_id=old_number)
    assert shop.state(gone) == "UNSUBSCRIBED"
    assert shop.status(gone) == "unsubscribed"
    assert shop.person(gone)["customer_id"] == number
    assert shop.quiet(gone)


def test_an_opt_out_of_the_merged_pair_stands(shop: Ground) -> None:
    """M8, L1: the survivor was subscribed in Shopify; its contact says no, and that stands."""
    kept, gone = shop.pair("SUBSCRIBED"), shop.pair("NOT_SUBSCRIBED")
    shop.contact(kept, "unsubscribed", by="person")
    shop.stage.sandbox.edit("shopify", gone, merge_into=kept)
    shop.stage.mark(kept, source="mailchimp")
    shop.look(gone)
    assert shop.sides(kept) == ("UNSUBSCRIBED", "unsubscribed")
    assert shop.status(gone) == "transactional"


def test_a_deleted_customer_is_no_opt_out(shop: Ground) -> None:
    """S87: the contact stays as it is."""
    email = shop.pair("SUBSCRIBED")
    number = number_of(shop, email)
    shop.stage.sandbox.edit("shopify", email, delete=True)
    shop.look(email, customer_id=number)
    assert shop.sides(email) == (None, "subscribed")
    assert shop.quiet(email)


def test_a_deleted_customer_who_comes_back(shop: Ground) -> None:
    """S87, S15: another customer record with the same address, without the tick: the contact stays subscribed."""
    email = shop.pair("SUBSCRIBED")
    shop.stage.sandbox.edit("shopify", email, delete=True)
    shop.look(email)
    shop.customer(email, firstName="Back")
    shop.look(email)
    assert shop.status(email) == "subscribed"
    assert shop.state(email) == "SUBSCRIBED"  # S22, D5: with the time of the contact's opt-in
    assert shop.person(email)["customer_id"] == number_of(shop, email)


def test_a_guest_is_a_customer_like_any_other(shop: Ground) -> None:
    """S15: a guest checkout makes a customer without an account; nothing here looks at accounts."""
    email = new_email("guest")
    at = ago(minutes=3)
    shop.chosen(email, "SUBSCRIBED", at, firstName="Gus")
    shop.look(email)
    assert shop.contact_row(email)["timestamp_opt"] == at.isoformat()
