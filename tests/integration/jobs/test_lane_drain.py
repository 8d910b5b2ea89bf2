"""Driving live sync: who is served, with how many slots, and what each kind of failure means (reliability.md 3.4, 3.5)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from workshop import Workshop, workshop

from lane_house import LaneHouse
from shopchimp.db import lanes, marking, slots
from shopchimp.db.changes import Claimed
from shopchimp.domain.errors import Gone, PlatformError, RateLimited, Rejected, Unauthorized, Unavailable
from shopchimp.jobs import lanes as jobs
from shopchimp.jobs import verdicts
from stage import wait_for


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake", lambda: None)


def failing(shopfloor: Workshop, error: Exception) -> None:
    shopfloor.troubles = lambda claimed: error


def row(house: LaneHouse, shop: int, key: str = "a") -> dict[str, Any]:
    found = house.change(shop, key)
    assert found is not None
    return found


def lane(house: LaneHouse, shop: int) -> dict[str, Any]:
    query = "select *, extract(epoch from open_until - now())::float8 closed from lanes where shop_id = :s"
    return house.rows(query, s=shop)[0]


def notes(house: LaneHouse, shop: int) -> list[str]:
    return [each["cause"] for each in house.rows("select cause from activities where shop_id = :s", s=shop)]


def free_slots(house: LaneHouse, shop: int) -> int:
    query = "select count(*) n from slots where login_id = :l and until <= now() and closed_until <= now()"
    return int(house.rows(query, l=f"login-{shop}")[0]["n"])


def test_everybody_is_done_and_everything_given_back(house: LaneHouse, shopfloor: Workshop) -> None:
    shop = house.shop()
    house.mark(shop, *(f"{n}" for n in range(250)))
    assert shopfloor.drain() == 3
    assert [people for _, people, _ in shopfloor.slices] == [100, 100, 50]
    assert {taken for *_, taken in shopfloor.slices} == {4}  # half of the slots: others go on beside
    assert len(shopfloor.done) == 250
    assert house.rows("select 1 from changes") == []
    assert free_slots(house, shop) == 8


def test_many_are_taken_in_bulk(house: LaneHouse, shopfloor: Workshop) -> None:
    shop = house.shop()
    house.mark(shop, *(f"{n}" for n in range(1200)))
    shopfloor.drain()
    assert [people for _, people, _ in shopfloor.slices] == [500, 500, 100, 100]


def test_small_shops_do_not_wait_for_big_ones(house: LaneHouse, shopfloor: Workshop) -> None:
    """DESIGN.md P7, small: 40 big shops beside 20 small ones, which are all served within one round."""
    big = [house.shop() for _ in range(40)]
    for shop in big:
        house.mark(shop, *(f"{n}" for n in range(300)))
    shopfloor.drain(at_most=50)
    small = [house.shop() for _ in range(20)]
    for shop in small:
        house.mark(shop, "a", "b")
    shopfloor.slices.clear()
    shopfloor.drain(at_most=60)
    served = [shop for shop, *_ in shopfloor.slices]
    assert set(small) <= set(served)
    assert all(served.count(shop) == 1 for shop in small)


def test_two_at_once_share_the_slots_of_a_login(house: LaneHouse, shopfloor: Workshop) -> None:
    """Never more than 8 calls at once for a login, however many shops and workers there are."""
    shops = [house.shop(login="one") for _ in range(6)]
    for shop in shops:
        house.mark(shop, *(f"{n}" for n in range(30)))
    most, now, lock = 0, 0, threading.Lock()

    def before(shop_id: int, claimed: Sequence[Claimed], taken: int) -> None:
        nonlocal most, now
        with lock:
            now += taken
            most = max(most, now)
        threading.Event().wait(0.02)
        with lock:
            now -= taken

    shopfloor.before = before
    threads = [threading.Thread(target=shopfloor.drain) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while shopfloor.drain():
        pass
    assert 0 < most <= 8
    assert shopfloor.done.total() == 180


def test_a_throttled_connection_waits_as_a_whole_and_nobody_is_blamed(house: LaneHouse, shopfloor: Workshop) -> None:
    shop = house.shop()
    house.mark(shop, "a", "b")
    failing(shopfloor, RateLimited("mailchimp", "mc_slow_down", retry_after=30, status=429))
    assert shopfloor.drain() == 1
    assert row(house, shop)["attempts"] == 0
    assert row(house, shop)["due_in"] <= 0
    assert 29 < lane(house, shop)["closed"] <= 36
    assert free_slots(house, shop) == 4  # halved
    assert shopfloor.drain() == 0


def test_a_throttled_shop_at_shopify_keeps_the_slots_of_mailchimp(house: LaneHouse, shopfloor: Workshop) -> None:
    shop = house.shop()
    house.mark(shop, "a")
    failing(shopfloor, RateLimited("shopify", "sh_slow_down", retry_after=0.1))
    shopfloor.drain(at_most=1)
    assert 0.5 < lane(house, shop)["closed"] <= 1.2
    assert free_slots(house, shop) == 8


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Unauthorized("mailchimp", "mc_access_revoked"), "revoked"),
        (Unauthorized("mailchimp", "mc_role_too_low"), "revoked"),
        (Gone("mailchimp", "mc_audience_gone"), "gone"),
        (Unauthorized("shopify", "sh_access_revoked"), "connected"),
        (Unauthorized("shopify", "sh_shop_frozen"), "connected"),
    ],
)
def test_what_only_the_merchant_can_mend_stops_the_shop_and_is_told_once(
    house: LaneHouse, shopfloor: Workshop, error: PlatformError, state: str
) -> None:
    shop = house.shop()
    house.mark(shop, "a", "b")
    failing(shopfloor, error)
    assert shopfloor.drain() == 1
    assert row(house, shop)["attempts"] == 0
    assert house.rows("select state from connections")[0]["state"] == state
    assert notes(house, shop) == [error.code]
    assert shopfloor.drain() == 0  # nobody works for this shop now
    house.do("update connections set state = 'connected'")
    house.do("update shops set access_token = 'fresh'")
    house.do("update lanes set open_until = null")
    shopfloor.troubles = lambda claimed: None
    assert shopfloor.drain() == 1
    assert house.rows("select 1 from changes") == []


def test_an_unreachable_platform_backs_off_and_opens_the_breaker(house: LaneHouse, shopfloor: Workshop) -> None:
    shop = house.shop()
    house.mark(shop, *(f"{n}" for n in range(50)))
    failing(shopfloor, Unavailable("mailchimp", "mc_unreachable", "ReadTimeout"))
    for _ in range(lanes.FAILURES_OPEN):
        house.do("update changes set due_at = now()")
        house.do("update slots set until = now()")
        assert shopfloor.drain(at_most=1) == 1
    assert lane(house, shop)["failures"] == lanes.FAILURES_OPEN
    assert lane(house, shop)["closed"] > 0
    house.do("update changes set due_at = now()")
    assert shopfloor.drain() == 0
    house.do("update slots set until = now()")
    house.do("update lanes set open_until = now()")
    shopfloor.slices.clear()
    shopfloor.troubles = lambda claimed: None
    assert shopfloor.drain(at_most=1) == 1
    assert shopfloor.slices == [(shop, jobs.TRY_AGAIN, 1)]  # half open: one call at a time
    assert lane(house, shop)["failures"] == 0
    assert shopfloor.drain() == 1
    assert shopfloor.slices[-1][2] == 4


def test_who_timed_out_leaves_the_slot_closed_for_a_while(house: LaneHouse, shopfloor: Workshop) -> None:
    shop = house.shop()
    house.mark(shop, "a", "b", "c")
    slow = Unavailable("mailchimp", "mc_unreachable", "ReadTimeout")
    shopfloor.troubles = lambda claimed: slow if claimed.key == "b" else None
    shopfloor.drain()
    assert free_slots(house, shop) == 7
    assert lane(house, shop)["failures"] == 0  # others were done


def test_a_refused_person_is_parked_and_the_others_are_done(house: LaneHouse, shopfloor: Workshop) -> None:
    """S102: one bad record stops nobody."""
    shop = house.shop()
    house.mark(shop, "a", "b", "c")
    no = Rejected("mailchimp", "mc_email_refused", "looks fake")
    shopfloor.troubles = lambda claimed: no if claimed.key == "b" else None
    shopfloor.drain()
    assert house.rows("select key, state, cause, detail from changes") == [
        {"key": "b", "state": "parked", "cause": "mc_email_refused", "detail": "looks fake"}
    ]


def test_a_crash_of_ours_parks_whose_fault_it_is_and_nobody_else(house: LaneHouse, shopfloor: Workshop) -> None:
    shop = house.shop()
    house.mark(shop, *(f"{n}" for n in range(30)))

    def before(shop_id: int, claimed: Sequence[Claimed], taken: int) -> None:
        if any(each.key == "7" for each in claimed):
            raise ZeroDivisionError

    shopfloor.before = before
    for _ in range(100):
        shopfloor.drain()
        house.do("update changes set due_at = now() where state = 'waiting'")
    left = house.rows("select key, state, cause, detail from changes")
    assert [(each["key"], each["state"], each["cause"]) for each in left] == [("7", "parked", "internal")]
    assert free_slots(house, shop) == 8


def test_slow_work_keeps_its_lease(house: LaneHouse) -> None:
    shop = house.shop()
    house.mark(shop, "a")
    with workshop(house, lease=1.0) as floor:
        gate, begun = threading.Event(), threading.Event()

        def before(shop_id: int, claimed: Sequence[Claimed], taken: int) -> None:
            begun.set()
            assert gate.wait(30)

        floor.before = before
        slow = threading.Thread(target=floor.drain)
        slow.start()
        assert begun.wait(10)
        first = row(house, shop)["due_at"]
        wait_for(lambda: row(house, shop)["due_at"] > first)
        wait_for(lambda: house.rows("select now() > :first as past", first=first)[0]["past"])
        assert house.claim(shop) == []
        gate.set()
        slow.join()
        assert floor.done == {"a": 1}


def test_the_backfill_lane_is_another_lane(house: LaneHouse, shopfloor: Workshop) -> None:
    shop = house.shop()
    house.mark(shop, "a", lane=marking.BACKFILL)
    house.mark(shop, "b")
    assert shopfloor.drain() == 1
    assert shopfloor.done == {"b": 1}
    assert shopfloor.drain(lane=marking.BACKFILL) == 1
    assert shopfloor.done == {"a": 1, "b": 1}


def test_more_than_a_slice_asks_for_help_once(
    house: LaneHouse, shopfloor: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[int] = []
    monkeypatch.setattr(jobs, "wake", lambda: woken.append(1))
    for people in (100, 300):
        shop = house.shop()
        house.mark(shop, *(f"{n}" for n in range(people)))
        shopfloor.drain()
    assert woken == [1]


def test_back_off_is_full_jitter_up_to_a_quarter_of_an_hour() -> None:
    for attempts, most in ((0, 2), (3, 16), (8, 512), (9, 900), (400, 900)):
        waits = [verdicts.backoff(attempts) for _ in range(2000)]
        assert 0 <= min(waits) < 0.1 * most
        assert 0.9 * most < max(waits) <= most


def test_no_slot_no_work(house: LaneHouse, shopfloor: Workshop) -> None:
    shop = house.shop()
    house.mark(shop, "a")
    with house.database.transaction() as tx:
        slots.ensure(tx, f"login-{shop}")
    house.do("update slots set until = now() + interval '1 minute'")
    assert shopfloor.drain() == 0
    assert row(house, shop)["attempts"] == 0
