"""Which events are kept, as whose, and for how long nobody's are held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from event_samples import AGREED, NOW, VISITOR, read
from hypothesis import given
from hypothesis import strategies as st

from shopchimp.domain.customer_events.admission import CLOCK_LIMIT, admit, event_key
from shopchimp.domain.customer_events.beacon import Beacon, BeaconReason, Refused
from shopchimp.domain.customer_events.identity import (
    HELD_FOR,
    ByCustomer,
    ByEmail,
    Forgotten,
    Held,
    Waiting,
    Who,
    identify,
    new_link,
)

SECOND = timedelta(seconds=1)
REFUSED = replace(AGREED, marketing=False)


def test_an_event_of_now_is_kept_to_the_second() -> None:
    kept = admit(read(), NOW)
    assert isinstance(kept, Beacon)
    assert kept.happened_at == NOW - 2 * SECOND
    assert kept == replace(read(), happened_at=kept.happened_at)


@pytest.mark.parametrize(
    ("off", "answer"),
    [
        (-CLOCK_LIMIT, None),
        (-CLOCK_LIMIT - SECOND, BeaconReason.TOO_OLD),
        (CLOCK_LIMIT, None),
        (CLOCK_LIMIT + SECOND, BeaconReason.FUTURE),
    ],
)
def test_a_clock_that_is_off_by_more_than_a_day_is_not_believed(off: timedelta, answer: BeaconReason | None) -> None:
    kept = admit(replace(read(), happened_at=NOW + off), NOW)
    if answer:
        assert kept == Refused(answer, "timestamp")
    else:
        assert isinstance(kept, Beacon)


@given(st.integers(-90_000, 90_000))
def test_nothing_has_happened_yet_to_come(seconds: int) -> None:
    kept = admit(replace(read(), happened_at=NOW + seconds * SECOND), NOW)
    if isinstance(kept, Beacon):
        assert kept.happened_at == min(NOW + seconds * SECOND, NOW)
    else:
        assert abs(seconds) > 86_400


@pytest.mark.parametrize("consent", [REFUSED, replace(AGREED, sale_of_data=False)])
def test_without_consent_nothing_is_kept(consent: object) -> None:
    """S52."""
    assert admit(replace(read(), consent=consent), NOW) == Refused(BeaconReason.NO_CONSENT)  # type: ignore[arg-type]


def test_the_same_event_is_the_same_in_one_shop_alone() -> None:
    assert event_key(1, read()) == event_key(1, read(name="page_viewed", timestamp="2026-11-22T13:00:00Z"))
    assert event_key(1, read()) != event_key(2, read())
    assert event_key(1, read()) != event_key(1, read(id="sh-00000002-0000-4000-8000-000000000000"))


def whose(beacon: Beacon, *, after: timedelta = timedelta(), link: Who | None = None, proven: bool = False) -> object:
    return identify(beacon, received_at=NOW, now=NOW + after, link=link, checkout_proven=proven)


ANNA = ByCustomer(7300000000101)
OTHER = ByCustomer(7300000000999)


def test_a_customer_who_is_logged_in_is_known_first_of_all() -> None:
    beacon = read("checkout_started")
    assert whose(beacon) == ANNA
    assert whose(beacon, link=OTHER, proven=True) == ANNA
    assert whose(beacon, after=10 * HELD_FOR) == ANNA


def test_a_checkouts_email_counts_once_shopify_named_it_too() -> None:
    """shopify.md 6: anybody could put a stranger's address into a beacon."""
    beacon = read("checkout_started", customerId=None)
    assert whose(beacon, proven=True) == ByEmail("ana.reyes@example.com")
    assert whose(beacon, proven=True, link=OTHER) == ByEmail("ana.reyes@example.com")
    assert whose(beacon) == Held(NOW + HELD_FOR, Waiting.CHECKOUT)


def test_a_checkout_of_another_address_is_not_theirs_who_had_the_browser_before() -> None:
    """S49: what a guest buys at a shared computer waits for Shopify's word; whose own address it is don't."""
    beacon = read("checkout_started", customerId=None)
    held = Held(NOW + HELD_FOR, Waiting.CHECKOUT)
    assert identify(beacon, received_at=NOW, now=NOW, link=OTHER, link_email="other@example.com") == held
    assert whose(beacon, link=OTHER) == held
    assert whose(beacon, link=OTHER, after=HELD_FOR) == Forgotten()
    assert identify(beacon, received_at=NOW, now=NOW, link=ANNA, link_email="ana.reyes@example.com") == ANNA


def test_else_the_visitor_is_whom_they_were_linked_with() -> None:
    assert whose(read(customerId=None), link=ANNA) == ANNA
    assert whose(read(customerId=None), link=ANNA, after=2 * HELD_FOR) == ANNA
    assert whose(read(customerId=None), link=ANNA, proven=True) == ANNA


def test_nobodys_event_is_held_for_a_day_and_then_forgotten() -> None:
    beacon = read(customerId=None)
    held = Held(NOW + HELD_FOR, Waiting.LINK)
    assert whose(beacon) == held
    assert whose(beacon, after=HELD_FOR - SECOND) == held
    assert whose(beacon, after=HELD_FOR) == Forgotten()


def test_without_consent_nothing_is_held() -> None:
    """S52."""
    assert whose(replace(read(customerId=None), consent=REFUSED)) == Forgotten()


def test_a_visitor_is_linked_with_the_last_they_said_to_be() -> None:
    beacon = read()
    assert beacon.visitor == VISITOR
    assert new_link(beacon, ANNA, None) == ANNA
    assert new_link(beacon, ANNA, OTHER) == ANNA
    assert new_link(beacon, ANNA, ANNA) is None
    assert new_link(beacon, ByEmail("ana@example.com"), ANNA) == ByEmail("ana@example.com")


def test_a_visitor_is_not_linked_with_nobody_nor_without_consent() -> None:
    assert new_link(read(), Held(NOW, Waiting.LINK), None) is None
    assert new_link(read(), Forgotten(), ANNA) is None
    assert new_link(replace(read(), consent=REFUSED), ANNA, None) is None


def test_times_are_utc() -> None:
    assert read(timestamp="2026-11-22T15:59:58+02:00").happened_at == NOW - 2 * SECOND
    assert read().happened_at.tzinfo is UTC
