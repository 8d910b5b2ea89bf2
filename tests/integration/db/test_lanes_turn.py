"""Whose turn it is, and how many calls a login may be given at once."""

from __future__ import annotations

from collections import Counter
from uuid import uuid4

import pytest

from lane_house import LaneHouse
from shopchimp.db import changes, lanes, marking, slots


def pick(house: LaneHouse, lane: str = marking.LIVE) -> lanes.Picked | None:
    with house.database.transaction() as tx:
        return lanes.pick(tx, lanes=[lane])


def due_in(house: LaneHouse) -> float | None:
    with house.database.transaction() as tx:
        return lanes.seconds_until_due(tx, lanes=[marking.LIVE])


def test_the_least_recently_served_goes_first(house: LaneHouse) -> None:
    shops = [house.shop() for _ in range(4)]
    for shop in shops:
        house.mark(shop, *(f"{n}@x.test" for n in range(50 if shop == shops[0] else 2)))
    turns = [picked.shop_id for _ in range(12) if (picked := pick(house))]
    assert Counter(turns) == dict.fromkeys(shops, 3)
    assert set(turns[:4]) == set(shops)


@pytest.mark.parametrize(
    "reason",
    [
        "update connections set live_since = null",
        "update connections set state = 'revoked'",
        "update connections set audience_id = null",
        "update shops set uninstalled_at = now()",
        "update shops set access_token = null",
        "update lanes set open_until = now() + interval '1 minute'",
        "update changes set due_at = now() + interval '1 minute'",
        "update changes set state = 'parked'",
        "update slots set until = now() + interval '1 minute'",
        "update slots set closed_until = now() + interval '1 minute'",
        "insert into sync_runs (id, shop_id, audience_id, state, phase) select gen_random_uuid(), id, 'l', 'running', 'contacts' from shops",
    ],
)
def test_who_may_not_be_worked_for_is_left_alone(house: LaneHouse, reason: str) -> None:
    shop = house.shop()
    house.mark(shop, "a")
    with house.database.transaction() as tx:
        slots.ensure(tx, f"login-{shop}")
        assert lanes.is_due(tx, lanes=[marking.LIVE])
    assert pick(house) == lanes.Picked(shop, marking.LIVE, f"login-{shop}")
    house.do(reason)
    assert pick(house) is None
    with house.database.transaction() as tx:
        assert not lanes.is_due(tx, lanes=[marking.LIVE])


def test_a_run_that_only_prepares_leaves_live_sync_alone(house: LaneHouse) -> None:
    shop = house.shop()
    house.mark(shop, "a")
    house.do(
        "insert into sync_runs (id, shop_id, audience_id, state, phase) values (gen_random_uuid(), :s, 'l', 'preparing', 'plan')",
        s=shop,
    )
    assert pick(house) is not None


def test_when_the_next_falls_due_is_known(house: LaneHouse) -> None:
    shop, token = house.shop(), uuid4()
    assert due_in(house) is None
    house.mark(shop, "a")
    assert due_in(house) == 0.0
    house.claim(shop, token)
    with house.database.transaction() as tx:
        changes.later(tx, shop, token, [("a", 5.0, "mc_unreachable", "")], count=True)
    assert 4 < (due_in(house) or 0) <= 5
    with house.database.transaction() as tx:
        assert lanes.close_for(tx, shop, 50.0, "mc_slow_down")
        assert not lanes.close_for(tx, shop, 10.0, "mc_slow_down")
    assert 45 < (due_in(house) or 0) <= 50


def test_ten_failures_in_a_row_open_the_breaker_and_one_success_closes_it(house: LaneHouse) -> None:
    shop = house.shop()
    house.mark(shop, "a")
    with house.database.transaction() as tx:
        for _ in range(lanes.FAILURES_OPEN - 1):
            lanes.failed(tx, shop, "mc_unreachable", pause=60)
    assert pick(house) == lanes.Picked(shop, marking.LIVE, f"login-{shop}", 9)
    with house.database.transaction() as tx:
        assert lanes.failed(tx, shop, "mc_unreachable", pause=60) == lanes.FAILURES_OPEN
    assert pick(house) is None
    house.do("update lanes set open_until = now()")
    assert pick(house) == lanes.Picked(shop, marking.LIVE, f"login-{shop}", lanes.FAILURES_OPEN)
    with house.database.transaction() as tx:
        lanes.recovered(tx, shop, marking.LIVE)
    assert pick(house) == lanes.Picked(shop, marking.LIVE, f"login-{shop}")


def test_what_was_forgotten_is_mended_and_what_is_empty_rests(house: LaneHouse) -> None:
    forgotten, empty, fresh, unknown = (house.shop() for _ in range(4))
    for shop in (forgotten, empty, fresh, unknown):
        house.mark(shop, "a")
    house.do("update lanes set ready_at = null where shop_id = :s", s=forgotten)
    house.do("delete from changes where shop_id in (:a, :b)", a=empty, b=fresh)
    house.do(
        "update lanes set ready_at = now() - interval '1 hour', served_at = now() - interval '1 hour' where shop_id <> :s"
        " and ready_at is not null",
        s=fresh,
    )
    house.do("delete from lanes where shop_id = :s", s=unknown)
    with house.database.transaction() as tx:
        assert lanes.mend(tx) == 2
    ready = {row["shop_id"] for row in house.rows("select shop_id from lanes where ready_at is not null")}
    assert ready == {forgotten, fresh, unknown}


def test_of_two_sweepers_one_mends(house: LaneHouse) -> None:
    shop = house.shop()
    house.mark(shop, "a")
    house.do("update lanes set ready_at = null")
    with house.database.transaction() as one, house.database.transaction() as two:
        assert (lanes.mend(one), lanes.mend(two)) == (1, 0)


def test_a_login_has_eight_slots_for_all_its_shops(house: LaneHouse) -> None:
    mine, yours = uuid4(), uuid4()
    with house.database.transaction() as tx:
        assert slots.take(tx, "login", 6, token=mine, lease=20) == [1, 2, 3, 4, 5, 6]
        assert slots.take(tx, "login", 8, token=yours, lease=20) == [7, 8]
        assert slots.take(tx, "login", 8, token=uuid4(), lease=20) == []
        assert slots.take(tx, "other", 1, token=uuid4(), lease=20) == [1]
        slots.give_back(tx, "login", mine)
        slots.give_back(tx, "login", yours, gave_up=1)  # a call that timed out still runs over there
        assert slots.take(tx, "login", 8, token=uuid4(), lease=20) == [1, 2, 3, 4, 5, 6, 7]


def test_a_dead_holders_slots_come_back_and_its_return_takes_none(house: LaneHouse) -> None:
    dead = uuid4()
    with house.database.transaction() as tx:
        slots.take(tx, "login", 8, token=dead, lease=20)
        assert slots.renew(tx, "login", dead, lease=20) == 8
    house.do("update slots set until = now()")
    alive = uuid4()
    with house.database.transaction() as tx:
        assert len(slots.take(tx, "login", 8, token=alive, lease=20)) == 8
        slots.give_back(tx, "login", dead)
        assert (slots.renew(tx, "login", dead, lease=20), slots.taken(tx, "login")) == (0, 8)


def test_after_a_429_half_of_the_slots_open_one_a_minute(house: LaneHouse) -> None:
    with house.database.transaction() as tx:
        slots.ensure(tx, "login")
        slots.ease(tx, "login")
    for minutes, n in ((0, 4), (1, 5), (2, 6), (4, 8)):
        house.do("update slots set until = now(), closed_until = closed_until - make_interval(mins => :m)", m=minutes)
        with house.database.transaction() as tx:
            assert len(slots.take(tx, "login", 8, token=uuid4(), lease=0)) == n
        house.do("update slots set closed_until = closed_until + make_interval(mins => :m)", m=minutes)
