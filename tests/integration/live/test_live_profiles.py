"""Names, other fields, phone and tags in live sync (S13, S14, S63, S74, S75, S80, S102, S106)."""

from __future__ import annotations

import pytest
from live_ground import Ground, new_email

HOME = {
    "address1": "1 Main St",
    "city": "Austin",
    "provinceCode": "TX",
    "countryCode": "US",
    "zip": "73301",
    "phone": "+12025550111",
    "company": "Reyes & Co.",
}


def merged(shop: Ground, email: str) -> dict[str, object]:
    return dict(shop.contact_row(email)["merge_fields"])


# ------------------------------------------------------------------ fields


def test_what_changes_in_shopify_reaches_the_contact(shop: Ground) -> None:
    """S13, S14, S63, S74: names, address, company and phone, one after the other."""
    email = shop.pair("SUBSCRIBED", firstName="Ana", lastName="Reyes")
    shop.customer(email, firstName="Anna", address=HOME)
    shop.look(email)
    fields = merged(shop, email)
    assert (fields["FNAME"], fields["LNAME"], fields["COMPANY"]) == ("Anna", "Reyes", "Reyes & Co.")
    assert fields["ADDRESS"]["addr1"] == "1 Main St"
    line = shop.last(email)
    assert (line["kind"], line["direction"], line["result"]) == ("contact", "to_mailchimp", "synced")
    assert line["detail"]["fields"] == ["ADDRESS", "COMPANY", "FNAME", "PHONE"]
    assert shop.quiet(email)


def test_the_phone_rule(shop: Ground) -> None:
    """S106: the customer's own phone, else that of the default address, else none."""
    own, of_address, none = (shop.pair("SUBSCRIBED") for _ in range(3))
    shop.customer(own, phone="+12025550101", address={**HOME, "phone": "+12025550102"})
    shop.customer(of_address, address={**HOME, "phone": "+12025550103"})
    shop.customer(none, address={**HOME, "phone": None})
    shop.look(own, of_address, none)
    assert merged(shop, own)["PHONE"] == "+12025550101"
    assert merged(shop, of_address)["PHONE"] == "+12025550103"
    assert not merged(shop, none).get("PHONE")


def test_two_customers_share_a_phone(shop: Ground) -> None:
    """S106: two households, one number in the address: two contacts, no failure."""
    emails = [shop.pair("SUBSCRIBED", address={**HOME, "phone": "+12025550177"}) for _ in range(2)]
    assert [merged(shop, email)["PHONE"] for email in emails] == ["+12025550177"] * 2
    assert all(shop.change(email) is None for email in emails)


def test_a_name_edited_in_mailchimp_comes_back(shop: Ground) -> None:
    """S22, S75: names go both ways."""
    email = shop.pair("SUBSCRIBED", firstName="Ana", lastName="Reyes")
    shop.contact(email, set={"merge_fields": {"FNAME": "Anita"}})
    shop.look(email, source="mailchimp")
    assert shop.customer_row(email)["firstName"] == "Anita"
    assert shop.customer_row(email)["lastName"] == "Reyes"
    line = shop.last(email)
    assert (line["kind"], line["direction"], line["detail"]["fields"]) == ("customer", "to_shopify", ["first_name"])
    assert shop.quiet(email)


def test_the_first_edit_after_the_first_sync_comes_back(shop: Ground) -> None:
    """S75: somebody whom the first sync compared: the first edit in Mailchimp isn't taken for an old value."""
    customers, contacts = shop.stage.sandbox.state("shopify"), shop.stage.sandbox.state("mailchimp")
    email = next(
        key
        for key, row in customers.items()
        if row["firstName"] and contacts.get(key, {}).get("status") in ("subscribed", "transactional")
    )
    shop.contact(email, set={"merge_fields": {"FNAME": "First Edit"}})
    shop.look(email, source="mailchimp")
    assert shop.customer_row(email)["firstName"] == "First Edit"
    assert merged(shop, email)["FNAME"] == "First Edit"


def test_other_fields_go_one_way(shop: Ground) -> None:
    """S75: an address edited in Mailchimp stays there until Shopify's moves; the customer keeps its own."""
    email = shop.pair("SUBSCRIBED", address=HOME)
    shop.contact(email, set={"merge_fields": {"COMPANY": "Edited"}})
    with shop.writes() as written:
        shop.look(email, source="mailchimp")
    assert written == []
    assert merged(shop, email)["COMPANY"] == "Edited"
    shop.customer(email, address={**HOME, "company": "Moved"})
    shop.look(email)
    assert merged(shop, email)["COMPANY"] == "Moved"


def test_both_moved_shopify_wins(shop: Ground) -> None:
    """S75: the same field edited on both sides."""
    email = shop.pair("SUBSCRIBED", firstName="Ana")
    shop.customer(email, firstName="Shop")
    shop.contact(email, set={"merge_fields": {"FNAME": "Chimp"}})
    shop.look(email)
    assert (shop.customer_row(email)["firstName"], merged(shop, email)["FNAME"]) == ("Shop", "Shop")
    assert shop.quiet(email)


def test_different_fields_moved_on_both_sides(shop: Ground) -> None:
    """S75: each edit arrives."""
    email = shop.pair("SUBSCRIBED", firstName="Ana", lastName="Reyes")
    shop.customer(email, lastName="Lopez")
    shop.contact(email, set={"merge_fields": {"FNAME": "Anita"}})
    shop.look(email)
    row = shop.customer_row(email)
    assert (row["firstName"], row["lastName"]) == ("Anita", "Lopez")
    assert (merged(shop, email)["FNAME"], merged(shop, email)["LNAME"]) == ("Anita", "Lopez")
    assert shop.quiet(email)


def test_cleared_values(shop: Ground) -> None:
    """S14, S75: cleared in Shopify is cleared in Mailchimp; cleared in Mailchimp the customer keeps it."""
    email = shop.pair("SUBSCRIBED", firstName="Ana", lastName="Reyes")
    shop.customer(email, lastName="")
    shop.look(email)
    assert not merged(shop, email).get("LNAME")
    shop.contact(email, set={"merge_fields": {"FNAME": ""}})
    shop.look(email, source="mailchimp")
    assert shop.customer_row(email)["firstName"] == "Ana"
    assert shop.quiet(email)


def test_a_map_of_the_merchants_own(shop: Ground) -> None:
    """S75: another merge tag for the last name, and the phone both ways."""
    shop.set(field_map={"FNAME": "first_name", "PHONE": "phone"}, two_way=["PHONE"])
    email = shop.pair("SUBSCRIBED", firstName="Ana", lastName="Reyes", phone="+12025550120")
    assert "LNAME" not in merged(shop, email)
    shop.contact(email, set={"merge_fields": {"PHONE": "+12025550121", "FNAME": "Not Back"}})
    shop.look(email, source="mailchimp")
    row = shop.customer_row(email)
    assert (row["phone"], row["firstName"]) == ("+12025550121", "Ana")
    assert shop.quiet(email)


def test_a_phone_that_another_customer_has_is_parked_with_shopifys_words(shop: Ground) -> None:
    """S75, S27: the merchant reads which value it was, and a newer edit is tried again."""
    shop.set(field_map={"PHONE": "phone"}, two_way=["PHONE"])
    email = shop.pair("SUBSCRIBED", phone="+12025550131")
    shop.pair("SUBSCRIBED", phone="+12025550132")
    shop.contact(email, set={"merge_fields": {"PHONE": "+12025550132"}})
    shop.look(email, source="mailchimp")
    change = shop.change(email)
    assert change is not None
    assert (change["state"], change["cause"]) == ("parked", "sh_phone_taken")
    assert shop.last(email)["cause"] == "sh_phone_taken"
    shop.contact(email, set={"merge_fields": {"PHONE": "+12025550133"}})
    shop.look(email, source="mailchimp")
    assert shop.change(email) is None
    assert shop.customer_row(email)["phone"] == "+12025550133"


def test_consent_goes_out_even_when_a_field_is_refused(shop: Ground) -> None:
    """Invariant 1 before comfort: the opt-out is carried although the name of the same person can't be written."""
    shop.set(field_map={"PHONE": "phone"}, two_way=["PHONE"])
    email = shop.pair("SUBSCRIBED", phone="+12025550141")
    shop.pair("SUBSCRIBED", phone="+12025550142")
    shop.contact(email, "unsubscribed", set={"merge_fields": {"PHONE": "+12025550142"}})
    shop.look(email, source="mailchimp")
    assert shop.sides(email) == ("UNSUBSCRIBED", "unsubscribed")
    assert shop.person(email)["customer_state"] == "UNSUBSCRIBED"
    assert shop.change(email)["state"] == "parked"


# ------------------------------------------------------------------ tags


def tags(shop: Ground, email: str) -> set[str]:
    return set(shop.contact_row(email)["tags"])


def test_contacts_we_make_are_tagged(shop: Ground) -> None:
    """S80: with the app's own tag; a contact that was there before isn't."""
    made, theirs = shop.pair("SUBSCRIBED", tags=["vip"]), new_email()
    shop.contact(theirs, "subscribed")
    shop.chosen(theirs, "SUBSCRIBED", tags=["vip"])
    shop.look(theirs)
    assert tags(shop, made) == {"Shopify", "vip"}
    assert tags(shop, theirs) == {"vip"}
    shop.set(tag="")
    assert tags(shop, shop.pair("SUBSCRIBED")) == set()


def test_tags_follow_the_customer(shop: Ground) -> None:
    """S102: added and removed; those that the merchant put on in Mailchimp are left alone."""
    email = shop.pair("SUBSCRIBED", tags=["one", "two"])
    shop.contact(email, set={"tags": ["mine"]})
    shop.customer(email, tags=["two", "three"])
    shop.look(email)
    assert tags(shop, email) == {"Shopify", "mine", "two", "three"}
    line = shop.last(email)
    assert (line["kind"], line["detail"]["tags_added"], line["detail"]["tags_removed"]) == ("tags", ["three"], ["one"])
    assert shop.quiet(email)


def test_a_tag_taken_off_in_mailchimp_stays_off(shop: Ground) -> None:
    """S102: the merchant's hand is the last word."""
    email = shop.pair("SUBSCRIBED", tags=["one"])
    shop.contact(email, remove_tags=["one"])
    assert shop.quiet(email)
    assert tags(shop, email) == {"Shopify"}


@pytest.mark.parametrize(("choice", "left"), [("none", {"Shopify"}), ("chosen", {"Shopify", "vip"})])
def test_managed_tags(shop: Ground, choice: str, left: set[str]) -> None:
    """S102: none, or only those that were chosen."""
    shop.set(tags=choice, chosen_tags=["VIP"])
    assert tags(shop, shop.pair("SUBSCRIBED", tags=["vip", "other"])) == left


def test_fields_and_tags_of_an_unsubscribed_contact(shop: Ground) -> None:
    """S14, S103: opted out isn't forgotten: the record stays right, and nobody's consent is touched by it."""
    email = shop.pair("UNSUBSCRIBED", firstName="Ana")
    shop.customer(email, firstName="Anna", tags=["late"])
    with shop.writes() as written:
        shop.look(email)
    assert "consent" not in {line["kind"] for line in written}
    assert merged(shop, email)["FNAME"] == "Anna"
    assert "late" in tags(shop, email)
    assert shop.status(email) == "unsubscribed"
