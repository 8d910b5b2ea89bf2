"""The rows of what is to be looked at again: marking, claiming, and every way a claim may end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from lane_house import LaneHouse
from shopchimp.db import changes, marking, stops
from shopchimp.db.marking import Mark

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_marking_again_raises_the_version_and_keeps_the_facts(house: LaneHouse) -> None:
    shop = house.shop()
    with house.database.transaction() as tx:
        first = Mark("a@x.test", "mailchimp", opted_out_at=NOON, event_at=NOON, lane="backfill")
        second = Mark("a@x.test", "shopify", customer_id=7, event_at=NOON + timedelta(seconds=9))
        marking.mark(tx, shop, [first])
        marking.mark(tx, shop, [second, second, Mark("b@x.test", "poll")])
    row = house.change(shop, "a@x.test")
    assert row is not None
    assert (row["version"], row["lane"], row["customer_id"], row["source"]) == (2, "contacts", 7, "shopify")
    assert (row["opted_outs"], row["event_at"]) == ([NOON], NOON)
    assert {lane["lane"] for lane in house.rows("select lane from lanes where ready_at is not null")} == {
        "contacts",
        "backfill",
    }


def test_one_call_that_names_a_person_twice_merges_what_it_says(house: LaneHouse) -> None:
    shop = house.shop()
    with house.database.transaction() as tx:
        marks = [
            Mark("a", "poll", customer_id=1, opted_out_at=NOON, event_at=NOON, lane="backfill", allowed=True),
            Mark("a", "poll", opted_out_at=NOON - timedelta(days=1), event_at=NOON + timedelta(days=1)),
        ]
        marking.mark(tx, shop, marks)
    row = house.change(shop, "a")
    assert row is not None
    assert (row["version"], row["customer_id"], row["lane"], row["allowed"]) == (1, 1, "contacts", True)
    assert (row["opted_outs"], row["event_at"]) == ([NOON], NOON)


def test_what_moved_while_it_was_worked_on_is_not_deleted(house: LaneHouse) -> None:
    shop, token = house.shop(), uuid4()
    house.mark(shop, "still", "moved")
    claimed = house.claim(shop, token)
    house.mark(shop, "moved")
    assert house.claim(shop) == []  # under a lease: a mark doesn't make it due for others
    assert house.finish(shop, token, claimed) == {"still"}
    row = house.change(shop, "moved")
    assert row is not None
    assert (row["token"], row["attempts"], row["version"]) == (None, 0, 2)
    assert row["due_in"] <= 0


def test_who_lost_the_lease_marks_again(house: LaneHouse) -> None:
    """Its write may have come after that of the one who took over."""
    shop, slow, other = house.shop(), uuid4(), uuid4()
    house.mark(shop, "taken", "done")
    claimed = house.claim(shop, slow)
    house.later(shop)
    taken = house.claim(shop, other)
    assert [each.stolen for each in taken] == [True, True]
    house.do("delete from changes where key = 'done'")
    assert house.finish(shop, slow, claimed) == set()
    rows = {row["key"]: row for row in house.rows("select * from changes where shop_id = :s", s=shop)}
    assert rows["taken"]["version"] == 2
    assert rows["taken"]["token"] == other
    assert rows["done"]["token"] is None


def test_a_shop_that_left_gets_no_changes_back(house: LaneHouse) -> None:
    shop, token = house.shop(), uuid4()
    house.mark(shop, "a")
    claimed = house.claim(shop, token)
    house.do("update connections set live_since = null where shop_id = :s", s=shop)
    with house.database.transaction() as tx:
        changes.forget_all(tx, shop)
    house.finish(shop, token, claimed)
    assert house.rows("select 1 from changes") == house.rows("select 1 from lanes") == []


def test_what_was_taken_over_is_looked_at_once_more(house: LaneHouse) -> None:
    shop, second, third, fourth = house.shop(), uuid4(), uuid4(), uuid4()
    house.mark(shop, "a")
    house.claim(shop)
    house.later(shop)
    assert house.finish(shop, second, house.claim(shop, second, lease=10)) == set()
    row = house.change(shop, "a")
    assert row is not None
    assert 20 < row["due_in"] <= 30  # three leases after the take-over
    house.mark(shop, "a")  # a look before that time isn't the last one
    assert house.finish(shop, third, house.claim(shop, third)) == set()
    house.later(shop)
    assert house.finish(shop, fourth, house.claim(shop, fourth)) == {"a"}


def test_a_failure_waits_and_counts_and_a_throttle_does_not(house: LaneHouse) -> None:
    shop = house.shop()
    house.mark(shop, "a")
    for count, attempts in ((True, 1), (True, 2), (False, 2)):
        token = uuid4()
        house.later(shop)
        assert [each.key for each in house.claim(shop, token)] == ["a"]
        with house.database.transaction() as tx:
            assert changes.later(tx, shop, token, [("a", 30.0, "mc_unreachable", "HTTP 500")], count=count) == set()
        row = house.change(shop, "a")
        assert row is not None
        assert (row["attempts"], row["cause"], row["token"]) == (attempts, "mc_unreachable", None)
        assert 25 < row["due_in"] <= 30


@pytest.mark.parametrize(
    ("attempts", "hours", "parked"), [(19, 1, True), (5, 25, True), (3, 25, False), (18, 1, False)]
)
def test_who_fails_for_a_day_or_twenty_times_is_parked(
    house: LaneHouse, attempts: int, hours: int, parked: bool
) -> None:
    shop, token = house.shop(), uuid4()
    house.mark(shop, "a")
    house.do("update changes set attempts = :n", n=attempts)
    house.later(shop, seconds=3600 * hours)
    house.claim(shop, token)
    with house.database.transaction() as tx:
        assert changes.later(tx, shop, token, [("a", 1.0, "mc_unreachable", "")], count=True) == (
            {"a"} if parked else set()
        )
    row = house.change(shop, "a")
    assert row is not None
    assert row["state"] == ("parked" if parked else "waiting")


def test_parked_is_parked_until_retry_or_the_next_change(house: LaneHouse) -> None:
    """S102, S103: one bad record stops nobody and waits with the platform's words."""
    shop, token = house.shop(), uuid4()
    house.mark(shop, "bad", "worse", "moved")
    versions = {each.key: each.version for each in house.claim(shop, token)}
    house.mark(shop, "moved")
    with house.database.transaction() as tx:
        refused = [(key, version, "mc_email_refused", "looks fake") for key, version in versions.items()]
        assert changes.park(tx, shop, token, refused) == {"bad", "worse"}
        found = [(each.state, each.cause, each.count, each.words) for each in stops.groups(tx, shop)]
        queue, items = stops.queue(tx, shop), stops.items(tx, shop, state="parked")
        assert set(stops.keys_of(tx, shop, [each.item for each in items])) == {"bad", "worse"}
    assert found == [("parked", "mc_email_refused", 2, "looks fake")]
    assert (queue.parked, queue.waiting, [each.detail for each in items]) == (2, 1, ["looks fake"] * 2)
    assert [each.key for each in house.claim(shop)] == ["moved"]
    house.mark(shop, "bad")
    with house.database.transaction() as tx:
        assert stops.retry(tx, shop, cause="mc_plan_limit") == 0
        assert stops.retry(tx, shop, keys=["worse"]) == 1
    assert {each.key: each.attempts for each in house.claim(shop)} == {"bad": 1, "worse": 1}


def test_held_waits_for_the_merchant(house: LaneHouse) -> None:
    shop, token = house.shop(), uuid4()
    house.mark(shop, "a")
    (claimed,) = house.claim(shop, token)
    with house.database.transaction() as tx:
        assert changes.hold(tx, shop, token, [(claimed.key, claimed.version, "M9", "")]) == {"a"}
        assert stops.retry(tx, shop) == 0  # letting go is another button
        marking.mark(tx, shop, [Mark("a", "merchant", allowed=True)])
    (again,) = house.claim(shop)
    assert (again.allowed, again.source) == (True, "merchant")


def test_a_key_that_kills_its_worker_is_parked_and_takes_nobody_along(house: LaneHouse) -> None:
    """reliability.md 3.5, crash of our code: five claims of which nobody told the end."""
    shop, keys = house.shop(), [f"k{n}" for n in range(20)]
    house.mark(shop, *keys)
    for _ in range(200):
        token = uuid4()
        claimed = house.claim(shop, token)
        if not claimed:
            break
        if "k7" not in {each.key for each in claimed}:
            house.finish(shop, token, claimed)
        house.later(shop)  # k7 kills whoever holds it, with all that it holds
    left = house.rows("select key, state, cause from changes")
    assert left == [{"key": "k7", "state": "parked", "cause": "internal"}]


def test_renewing_keeps_what_is_ours_alone(house: LaneHouse) -> None:
    shop, token = house.shop(), uuid4()
    house.mark(shop, "a", "b", "c")
    claimed = house.claim(shop, token, lease=1)
    house.finish(shop, token, [each for each in claimed if each.key == "a"])
    house.do("update changes set token = :t where key = 'b'", t=uuid4())
    with house.database.transaction() as tx:
        assert changes.renew(tx, shop, token, ["a", "b", "c"], lease=60) == {"c"}
    kept, lost = house.change(shop, "c"), house.change(shop, "b")
    assert kept is not None
    assert lost is not None
    assert kept["due_in"] > 50 > lost["due_in"]


def test_the_longest_waiting_change_is_told(house: LaneHouse) -> None:
    shop = house.shop()
    with house.database.transaction() as tx:
        assert changes.oldest_due(tx) is None
    house.mark(shop, "a", "b")
    house.later(shop, seconds=100)
    with house.database.transaction() as tx:
        assert 100 <= (changes.oldest_due(tx) or 0) < 200
        assert changes.waiting(tx, shop, "contacts", at_most=1) == 1
