"""The lane of orders and products: opened after the contacts', taking turns with it, its keys beside those of people."""

from __future__ import annotations

from uuid import uuid4

import pytest

from lane_house import LaneHouse
from shopchimp.db import changes, lanes, marking, stops
from shopchimp.db.marking import COMMERCE, GOODS, LIVE, PERSON

BOTH = (LIVE, COMMERCE)


def pick(house: LaneHouse) -> tuple[int, str] | None:
    with house.database.transaction() as tx:
        found = lanes.pick(tx, lanes=BOTH)
    return (found.shop_id, found.lane) if found else None


def open_commerce(house: LaneHouse, shop: int) -> None:
    house.do("update connections set commerce_since = now() where shop_id = :shop", shop=shop)


def run(house: LaneHouse, shop: int, phase: str) -> None:
    house.do(
        """
        insert into sync_runs (id, shop_id, audience_id, state, phase, options, counts, cursor)
        values (:id, :shop, 'list', 'running', :phase, '{}', '{}', '{}')
        """,
        id=uuid4(), shop=shop, phase=phase,
    )  # fmt: skip


def test_keys_say_what_they_are() -> None:
    """An address may begin like an order, and a customer without an address is a person."""
    kinds = {
        key: marking.kind_of(key) for key in ("order:1", "checkout:ab", "order:1@example.com", "customer:7", "a@b.c")
    }
    assert kinds == {
        "order:1": GOODS,
        "checkout:ab": GOODS,
        "order:1@example.com": PERSON,
        "customer:7": PERSON,
        "a@b.c": PERSON,
    }


def test_orders_wait_until_the_history_is_written(house: LaneHouse) -> None:
    shop = house.shop()
    house.mark(shop, "order:1")
    assert house.change(shop, "order:1")["lane"] == COMMERCE  # type: ignore[index]
    assert pick(house) is None
    with house.database.transaction() as tx:
        assert lanes.seconds_until_due(tx, lanes=BOTH) is None
        assert not lanes.is_due(tx, lanes=BOTH)
    open_commerce(house, shop)
    assert pick(house) == (shop, COMMERCE)


@pytest.mark.parametrize("phase", lanes.COMMERCE_PHASES)
def test_contacts_go_on_while_the_history_of_orders_is_written(house: LaneHouse, phase: str) -> None:
    shop = house.shop()
    open_commerce(house, shop)
    house.mark(shop, "order:1", "a@example.com")
    run(house, shop, phase)
    assert [pick(house), pick(house)] == [(shop, LIVE)] * 2


def test_nobody_is_worked_on_while_contacts_are_written(house: LaneHouse) -> None:
    shop = house.shop()
    open_commerce(house, shop)
    house.mark(shop, "order:1", "a@example.com")
    run(house, shop, "contacts")
    assert pick(house) is None


def test_lanes_of_a_shop_take_turns_with_those_of_others(house: LaneHouse) -> None:
    """A flash sale in one shop: its people, and other shops, are served between two slices of it (P7)."""
    busy, small = house.shop(), house.shop()
    open_commerce(house, busy)
    house.mark(busy, *(f"order:{n}" for n in range(50)), "a@example.com")
    house.mark(small, "b@example.com")
    turns = [pick(house) for _ in range(6)]
    assert sorted(turns[:3]) == sorted([(busy, COMMERCE), (busy, LIVE), (small, LIVE)])  # type: ignore[type-var]
    assert sorted(turns[3:]) == sorted(turns[:3])  # type: ignore[type-var]


def test_a_claim_under_a_lease_ends_like_that_of_a_person(house: LaneHouse) -> None:
    shop, token = house.shop(), uuid4()
    house.mark(shop, "order:1", "order:2", "order:3")
    claimed = {each.key: each for each in house.claim(shop, token, lane=COMMERCE)}
    house.mark(shop, "order:2")
    with house.database.transaction() as tx:
        changes.park(tx, shop, token, [("order:3", 1, "mc_rejected", "no")])
    assert house.finish(shop, token, [claimed["order:1"], claimed["order:2"]]) == {"order:1"}
    assert house.change(shop, "order:2")["token"] is None  # type: ignore[index]
    with house.database.transaction() as tx:
        assert stops.retry(tx, shop) == 1
        assert changes.waiting(tx, shop, COMMERCE, at_most=10) == 2


def test_who_lost_the_lease_marks_in_the_same_lane(house: LaneHouse) -> None:
    shop, token = house.shop(), uuid4()
    house.mark(shop, "order:1")
    (claimed,) = house.claim(shop, token, lane=COMMERCE)
    house.later(shop)
    other = uuid4()
    (again,) = house.claim(shop, other, lane=COMMERCE)
    house.later(shop)
    house.finish(shop, other, [again])
    house.do("delete from changes")
    house.finish(shop, token, [claimed])
    row = house.change(shop, "order:1")
    assert row is not None
    assert (row["kind"], row["lane"], row["source"]) == (GOODS, COMMERCE, "lease")


def test_a_store_that_is_gone_closes_its_lane_until_it_is_there_again(house: LaneHouse) -> None:
    shop = house.shop()
    open_commerce(house, shop)
    house.mark(shop, "order:1", "a@example.com")
    with house.database.transaction() as tx:
        assert lanes.close_for(tx, shop, 900.0, lanes.STORE_GONE, lane=COMMERCE)
        assert not lanes.close_for(tx, shop, 900.0, lanes.STORE_GONE, lane=COMMERCE)
    assert [pick(house), pick(house)] == [(shop, LIVE)] * 2
    with house.database.transaction() as tx:
        lanes.recovered(tx, shop, LIVE)  # the contacts' success is not the store's
    assert pick(house) == (shop, LIVE)
    with house.database.transaction() as tx:
        lanes.reopen(tx, shop, COMMERCE)
    assert (shop, COMMERCE) in {pick(house), pick(house)}


def test_a_forgotten_lane_is_mended(house: LaneHouse) -> None:
    shop = house.shop()
    open_commerce(house, shop)
    house.mark(shop, "order:1")
    house.do("delete from lanes")
    with house.database.transaction() as tx:
        assert lanes.mend(tx) == 1
    assert pick(house) == (shop, COMMERCE)


def test_orders_wait_while_the_automations_are_held(house: LaneHouse) -> None:
    """A run that is paused keeps them held: an order written meanwhile would never be mailed about."""
    shop = house.shop()
    open_commerce(house, shop)
    house.mark(shop, "order:1")
    house.do("update connections set store_syncing = true where shop_id = :shop", shop=shop)
    assert pick(house) is None
    house.do("update connections set store_syncing = false where shop_id = :shop", shop=shop)
    assert pick(house) == (shop, COMMERCE)
