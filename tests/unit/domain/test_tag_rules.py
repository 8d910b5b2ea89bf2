"""S80 and S102: the app's tag and the customer's own; only tags that we put on a contact are ever taken off."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopchimp.domain.tags import TagChoice, TagRules, clean, decide_tags, for_new_contact

ALL = TagRules("Shopify")


def test_s80_s102_a_contact_that_we_make_gets_the_apps_tag_and_the_customers() -> None:
    assert for_new_contact(["VIP", "vip", " Wholesale "], ALL) == ("Shopify", "VIP", "Wholesale")
    assert for_new_contact(["shopify", "VIP"], ALL) == ("Shopify", "VIP")
    assert for_new_contact(["VIP"], TagRules("")) == ("VIP",)
    changes = decide_tags(["VIP"], [], None, ALL, creating=True)
    assert (changes.add, changes.remove, changes.carried) == (("Shopify", "VIP"), (), ("VIP",))


def test_s102_tags_follow_the_customer_removal_too() -> None:
    changes = decide_tags(["VIP", "new"], ["Shopify", "VIP", "old", "by hand"], ["VIP", "old"], ALL)
    assert (changes.add, changes.remove, changes.carried) == (("new",), ("old",), ("VIP", "new"))


def test_a_tag_that_was_there_before_us_is_never_taken_off() -> None:
    first = decide_tags(["VIP"], ["vip"], None, ALL)
    assert (first.add, first.carried) == ((), ())
    assert decide_tags([], ["vip"], first.carried, ALL).remove == ()


def test_a_tag_of_ours_taken_off_in_mailchimp_is_not_put_on_again() -> None:
    changes = decide_tags(["VIP"], [], ["VIP"], ALL)
    assert (bool(changes), changes.carried) == (False, ("VIP",))
    gone = decide_tags([], [], changes.carried, ALL)
    assert (bool(gone), gone.carried) == (False, ())
    assert decide_tags(["VIP"], [], gone.carried, ALL).add == ("VIP",)


def test_the_apps_tag_stays_even_if_the_customer_had_one_of_that_name() -> None:
    assert decide_tags([], ["Shopify"], ["shopify"], ALL).remove == ()


def test_a_write_that_was_not_recorded_is_ours() -> None:
    assert decide_tags(["VIP"], ["VIP"], None, ALL, intended=["VIP"]).carried == ("VIP",)
    assert decide_tags([], ["VIP"], None, ALL, intended=["VIP"]).remove == ("VIP",)
    assert decide_tags(["VIP"], [], None, ALL, intended=["VIP"]).add == ("VIP",), "it never arrived"


@pytest.mark.parametrize(
    ("rules", "add", "remove"),
    [
        (TagRules("", TagChoice.ALL), ("new", "Kept"), ("lost",)),
        (TagRules("", TagChoice.NONE), (), ()),
        (TagRules("", TagChoice.CHOSEN, ("KEPT",)), ("Kept",), ("lost",)),
    ],
)
def test_the_settings_choose_and_take_nothing_off(
    rules: TagRules, add: tuple[str, ...], remove: tuple[str, ...]
) -> None:
    changes = decide_tags(["new", "Kept", "old"], ["lost", "old"], ["lost", "old"], rules)
    assert (changes.add, changes.remove) == (add, remove)


def test_names_that_mailchimp_cannot_take() -> None:
    assert clean(["a,b", " ", "", "a", "tab\there", "z\u200bero"]) == ("a", "b", "tab here", "zero")
    changes = decide_tags(["x" * 101, "y" * 100], [], None, ALL)
    assert (changes.add, changes.left_out) == (("y" * 100,), ("x" * 101,))


def test_a_contact_with_more_tags_than_are_shown_loses_those_all_the_same() -> None:
    shown = [f"tag {n}" for n in range(50)]
    assert decide_tags([], shown, ["hidden"], ALL).remove == ("hidden",)
    assert decide_tags([], shown[:49], ["hidden"], ALL).remove == ()


TAG = st.sampled_from(["vip", "VIP", "b2b", "gold", "Shopify"])
EDIT = st.tuples(st.sampled_from(["customer", "contact"]), st.sampled_from(["add", "remove"]), TAG)


@settings(max_examples=300)
@given(st.lists(EDIT | st.just("look"), max_size=15))
def test_only_what_we_put_on_is_ever_taken_off(edits: list[tuple[str, str, str] | str]) -> None:
    customer: set[str] = set()
    contact: set[str] = {"Shopify"}
    put_on: set[str] = set()
    carried: tuple[str, ...] | None = None

    def look() -> bool:
        nonlocal carried
        changes = decide_tags(sorted(customer), sorted(contact), carried, ALL)
        assert {tag.casefold() for tag in changes.remove} <= put_on
        assert not {tag.casefold() for tag in changes.remove} & {tag.casefold() for tag in customer}
        for tag in changes.remove:
            without(contact, tag)
        contact.update(changes.add)
        put_on.update(tag.casefold() for tag in changes.add)
        carried = changes.carried
        return bool(changes)

    def without(tags: set[str], tag: str) -> None:
        tags -= {each for each in tags if each.casefold() == tag.casefold()}

    for edit in edits:
        if isinstance(edit, str):
            look()
            continue
        side, what, tag = edit
        tags = customer if side == "customer" else contact
        without(tags, tag)
        if what == "add":
            tags.add(tag)
    look()
    assert not look()
