"""Views are put together so that calls last; what may end in a sale never is."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from event_samples import NOW, view
from hypothesis import given
from hypothesis import strategies as st

from shopchimp.domain.customer_events.beacon import Beacon
from shopchimp.domain.customer_events.coalescing import WINDOW, due_at, grouped, subject
from shopchimp.domain.customer_events.names import StoreEvent

MINUTE = 60
ALONE = ["product_added_to_cart", "checkout_started", "payment_info_submitted", "checkout_completed"]
VIEWS = ["page_viewed", "product_viewed", "collection_viewed", "search_submitted"]


def names(beacons: list[Beacon]) -> list[tuple[str, int]]:
    return [(group.first.name.value, len(group.events)) for group in grouped(beacons)]


def test_the_pages_of_a_visit_are_one_event() -> None:
    """S44, S112."""
    pages = [view(number, number * 20, path=f"/pages/{number}") for number in range(1, 20)]
    [group] = grouped(pages)
    assert group.events == tuple(pages)
    assert group.first == pages[0]


def test_a_window_begins_with_its_first_event() -> None:
    pages = [view(number, at * MINUTE) for number, at in enumerate((0, 9.9, 10, 19.9, 20.1), start=1)]
    assert names(pages) == [("page_viewed", 2), ("page_viewed", 2), ("page_viewed", 1)]


def test_two_visitors_are_two() -> None:
    assert names([view(1, visitor="a"), view(2, visitor="b"), view(3, visitor="a")]) == [
        ("page_viewed", 2),
        ("page_viewed", 1),
    ]


@pytest.mark.parametrize("name", VIEWS[1:])
def test_the_same_thing_seen_again_is_one_event_and_another_thing_another(name: str) -> None:
    seen = [view(1, name=name, about=7), view(2, 5, name=name, about=8), view(3, 9, name=name, about=7)]
    assert names(seen) == [(name, 2), (name, 1)]


def test_a_search_is_the_same_in_capitals() -> None:
    words = [view(number, name="search_submitted", about=about) for number, about in enumerate(("Mug", "mug", "MUG"))]
    assert names(words) == [("search_submitted", 3)]


@pytest.mark.parametrize("name", ALONE)
def test_what_belongs_to_a_cart_or_checkout_is_always_alone(name: str) -> None:
    again = [view(number, name=name) for number in range(3)]
    assert names(again) == [(name, 1)] * 3
    assert subject(again[0]) is None


@pytest.mark.parametrize("name", VIEWS[1:])
def test_what_does_not_say_of_what_it_is_stays_alone(name: str) -> None:
    unnamed = [view(number, name=name, about="" if name == "search_submitted" else None) for number in range(3)]
    assert names(unnamed) == [(name, 1)] * 3


def test_the_most_urgent_are_first_and_then_the_oldest() -> None:
    mixed = [view(number, number, name=name, about=number) for number, name in enumerate([*VIEWS, *ALONE])]
    assert [group.first.name.value for group in grouped(reversed(mixed))] == [
        "checkout_started", "payment_info_submitted", "checkout_completed", "product_added_to_cart",
        "product_viewed", "collection_viewed", "search_submitted", "page_viewed",
    ]  # fmt: skip


def test_the_first_view_goes_at_once_and_the_next_ones_together() -> None:
    page = view(1, 30)
    assert due_at(page, None) == page.happened_at
    assert due_at(page, NOW) == NOW + WINDOW
    assert due_at(page, NOW - WINDOW) == page.happened_at
    bought = view(2, 30, name="checkout_completed")
    assert due_at(bought, NOW) == bought.happened_at


def test_ten_minutes_of_a_busy_shop_fit_a_logins_calls() -> None:
    """Issue 5: 200,000 events of 5,000 visitors in ten minutes. 40 calls a second are 24,000 in that time."""
    events = [
        view(visitor * 100 + number, number * 15, visitor=f"visitor-{visitor}", path=f"/pages/{number}")
        for visitor in range(500)
        for number in range(40)
    ]
    assert len(grouped(events)) == 500


EVENTS = st.lists(
    st.builds(
        view,
        st.integers(0, 10**6),
        st.integers(0, 3_600),
        name=st.sampled_from([*VIEWS, *ALONE]),
        visitor=st.sampled_from(["visitor-a", "visitor-b"]),
        about=st.integers(1, 3),
    ),
    max_size=40,
    unique_by=lambda each: each.event_id,
)


@given(EVENTS, st.randoms(use_true_random=False))
def test_no_event_is_lost_or_doubled_and_order_does_not_matter(events: list[Beacon], chance: object) -> None:
    groups = grouped(events)
    assert Counter(each.event_id for group in groups for each in group.events) == Counter(
        each.event_id for each in events
    )
    chance.shuffle(events)  # type: ignore[attr-defined]
    assert grouped(events) == groups
    assert [group.priority for group in groups] == sorted(group.priority for group in groups)
    last: dict[object, object] = {}
    for group in groups:
        assert {subject(each) for each in group.events} == {subject(group.first)}
        assert group.events[-1].happened_at - group.first.happened_at < WINDOW
        assert list(group.events) == sorted(group.events, key=lambda each: (each.happened_at, each.event_id))
        if (about := subject(group.first)) is not None:
            assert last.get(about, NOW - timedelta(days=1)) <= group.first.happened_at - WINDOW  # type: ignore[operator]
            last[about] = group.first.happened_at
        else:
            assert len(group.events) == 1
            assert group.first.name is not StoreEvent.PAGE_VIEWED
