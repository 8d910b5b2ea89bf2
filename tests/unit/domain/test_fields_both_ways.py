"""S75, S105, S106: fields merged three ways; who moved decides, every write follows from a move, empty never overwrites."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopchimp.domain.fields import FieldMap, Fields, Source, merge_three

MAP = FieldMap.from_json(
    {"FNAME": "first_name", "LNAME": "last_name", "PHONE": "phone", "COMPANY": "company", "ADDRESS": "address"}
).with_two_way(["FNAME", "LNAME"])
WITH_PHONE = MAP.with_two_way(["FNAME", "LNAME", "PHONE"])
HOME = {"addr1": "1 Test St", "addr2": "", "city": "Atlanta", "state": "GA", "zip": "30308", "country": "US"}


def merge(
    ours: str | dict[str, str],
    theirs: Any,
    known: Any = None,
    tag: str = "FNAME",
    field_map: FieldMap = MAP,
    **more: Any,
) -> Fields:
    mapped = {tag: ours} if ours else {}
    return merge_three(mapped, {tag: theirs}, {tag: known} if known else None, field_map, **more)


@pytest.mark.parametrize(
    ("ours", "theirs", "known", "to_contact", "to_customer", "agreed"),
    [
        ("Ana", "Ana", None, None, None, "Ana"),
        ("Ana", "Ana", "Old", None, None, "Ana"),  # both moved to the same
        ("Ana", "Anna", None, "Ana", None, "Ana"),  # nothing known: Shopify's
        ("Ana", "", None, "Ana", None, "Ana"),
        ("Ana", "Anna", "Anna", "Ana", None, "Ana"),  # Shopify moved
        ("Ana", "Anna", "Ana", None, "Anna", "Anna"),  # Mailchimp moved
        ("Ana", "Anna", "Old", "Ana", None, "Ana"),  # both moved: Shopify's
        ("", "Anna", None, None, "Anna", "Anna"),  # only Mailchimp has one
        ("", "Anna", "Anna", "", None, None),  # known, and cleared in Shopify
        ("", "Anna", "Old", None, "Anna", "Anna"),  # cleared, but Mailchimp has another one now
        ("Ana", "", "Ana", None, None, "Ana"),  # cleared in Mailchimp: the customer keeps it
        ("Ana", "", "Old", "Ana", None, "Ana"),
        ("", "", "Old", None, None, None),
    ],
)
def test_s75_a_two_way_field(
    ours: str, theirs: str, known: str | None, to_contact: str | None, to_customer: str | None, agreed: str | None
) -> None:
    merged = merge(ours, theirs, known)
    assert merged.to_contact == ({} if to_contact is None else {"FNAME": to_contact})
    assert merged.to_customer == ({} if to_customer is None else {"first_name": to_customer})
    assert merged.agreed == ({} if agreed is None else {"FNAME": agreed})


def test_a_one_way_field_edited_in_mailchimp_stays_until_shopify_moves() -> None:
    edited = merge("Reyes Ltd", "Reyes & Co", "Reyes Ltd", tag="COMPANY")
    assert (edited.to_contact, edited.to_customer, edited.agreed) == ({}, {}, {"COMPANY": "Reyes Ltd"})
    assert merge("Reyes AG", "Reyes & Co", "Reyes Ltd", tag="COMPANY").to_contact == {"COMPANY": "Reyes AG"}
    assert merge("", "Reyes & Co", None, tag="COMPANY") == Fields()


def test_an_address_is_compared_by_its_parts_and_never_cleared() -> None:
    whole = {**HOME, "addr2": None, "extra": 1}
    assert merge(HOME, whole, HOME, tag="ADDRESS") == Fields(agreed={"ADDRESS": HOME})
    assert merge({**HOME, "city": "Macon"}, HOME, HOME, tag="ADDRESS").to_contact == {
        "ADDRESS": {**HOME, "city": "Macon"}
    }
    assert merge("", HOME, HOME, tag="ADDRESS").to_contact == {}
    assert merge(HOME, "", HOME, tag="ADDRESS").to_contact == {}


def test_values_compare_as_mailchimp_would_store_them() -> None:
    long = "é" * 200
    cut = "é" * 127
    field_map = FieldMap.from_json({"FNAME": "first_name"}).with_two_way(["FNAME"])
    assert merge(cut, long, cut, field_map=field_map) == Fields(agreed={"FNAME": cut})
    assert merge("Ana Maria", " Ana\tMaria ", "Ana Maria") == Fields(agreed={"FNAME": "Ana Maria"})


def test_s106_a_phone_comes_back_only_as_an_international_number() -> None:
    def phone(theirs: str, ours: str = "+14045550142") -> Fields:
        return merge(ours, theirs, ours, tag="PHONE", field_map=WITH_PHONE)

    assert phone("+1 (404) 555-0199").to_customer == {"phone": "+14045550199"}
    assert phone("404 555 0199") == Fields(agreed={"PHONE": "+14045550142"})
    again = phone("+1 404 555 0142")
    assert (again.to_contact, again.to_customer) == ({"PHONE": "+14045550142"}, {}), "the same number, spelt otherwise"
    assert merge("+1", "+14045550199", "+1", tag="PHONE").to_customer == {}, "one-way by default"


def test_what_was_written_but_not_recorded_counts_as_known() -> None:
    to_customer = [Fields(to_customer={"first_name": "Bea"})]
    # Mailchimp's Bea was written to Shopify; before that was recorded, Mailchimp moved on
    assert merge("Bea", "Cleo", "Ana", intended=to_customer).to_customer == {"first_name": "Cleo"}
    assert merge("Bea", "Ana", "Ana", intended=to_customer).to_customer == {"first_name": "Ana"}
    # not written yet: the same decision again
    assert merge("Ana", "Bea", "Ana", intended=to_customer).to_customer == {"first_name": "Bea"}
    to_contact = [Fields(to_contact={"FNAME": "Bea"})]
    # Shopify's Bea was written to Mailchimp; before that was recorded, Shopify went back
    assert merge("Ana", "Bea", "Ana", intended=to_contact).to_contact == {"FNAME": "Ana"}
    assert merge("Bea", "Cleo", "Ana", intended=to_contact).to_contact == {"FNAME": "Bea"}, "both moved"


def test_of_several_tries_that_nobody_recorded_each_may_have_been_written() -> None:
    """Planted: with the last one alone, Shopify's Bea passes for the merchant's, and Mailchimp's Cleo is overwritten."""
    tries = [Fields(to_customer={"first_name": "Cleo"}), Fields(to_customer={"first_name": "Bea"})]
    written_once = merge("Bea", "Cleo", "Ana", intended=tries)
    assert (written_once.to_contact, written_once.to_customer) == ({}, {"first_name": "Cleo"})
    assert merge("Cleo", "Dan", "Ana", intended=tries).to_customer == {"first_name": "Dan"}
    assert merge("Eve", "Dan", "Ana", intended=tries).to_contact == {"FNAME": "Eve"}, "that is somebody's own"


def test_the_stored_map_of_before_stays_valid_and_two_ways_are_beside_it() -> None:
    old = FieldMap.from_json({"FNAME": "first_name", "NICK": "first_name", "FULL": "full_name"})
    assert old.two_way == frozenset()
    assert old.with_two_way(["NICK", "FNAME", "FULL", "GONE"]).two_way == {"NICK"}, "one source comes back once"
    assert old.with_two_way(["FNAME"]).to_json() == old.to_json()
    problems = old.two_way_problems(["FNAME", "NICK", "FULL", "GONE"])
    assert [problem.split(":")[0] for problem in problems] == ["NICK", "FULL"]
    assert old.without({"NICK"}).to_json() == {"FNAME": "first_name", "FULL": "full_name"}


NAMES = st.sampled_from(["", "Ana", "Anna", "Bea"])


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(["shop", "mail", "look", "killed"]), NAMES), max_size=12))
def test_whatever_is_edited_two_looks_end_it_and_no_value_of_shopify_is_lost(edits: list[tuple[str, str]]) -> None:
    ours, theirs = "", ""
    known: dict[str, Any] | None = None
    intended: list[Fields] = []

    def look(*, killed: bool = False) -> Fields:
        nonlocal ours, theirs, known, intended
        merged = merge_three({"FNAME": ours} if ours else {}, {"FNAME": theirs}, known, MAP, intended=intended)
        intended = [merged, *intended]
        if ours:
            assert merged.to_contact.get("FNAME", ours) == ours, "only Shopify's own value goes to Mailchimp"
        theirs = merged.to_contact.get("FNAME", theirs)
        ours = merged.to_customer.get("first_name", ours)
        assert merged.to_customer.get("first_name") != "", "nothing is ever cleared in Shopify"
        if not killed:
            known, intended = merged.agreed, []
        return merged

    for who, name in edits:
        if who == "shop":
            ours = name
        elif who == "mail":
            theirs = name
        else:
            look(killed=who == "killed")
    look()
    quiet = look()
    assert (quiet.to_contact, quiet.to_customer) == ({}, {})
    assert ours == theirs or not theirs, "different only where it was cleared in Mailchimp"


def test_only_what_is_one_value_on_both_sides_may_come_back() -> None:
    assert {source for source in Source if source.comes_back} == {Source.FIRST_NAME, Source.LAST_NAME, Source.PHONE}
