"""What is forgotten with an audience, and what must not be: questions, tallies, times, opt-outs of an address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import text

from lane_house import LaneHouse
from shopchimp.db import breakers, changes, looks, stops
from shopchimp.services import going_live

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_another_audience_inherits_no_question(house: LaneHouse) -> None:
    """M9: what was asked and counted about the audience that was left holds nobody of the next one."""
    shop, other = house.shop(), house.shop()
    with house.database.transaction() as tx:
        for each in (shop, other):
            breakers.open_(tx, each, breakers.MANY, 60)
            breakers.count(tx, each, {("in", NOON): 60})
        going_live.close_lanes(tx, shop)
    with house.database.transaction() as tx:
        assert breakers.opened(tx, shop) == []
        assert [each.cause for each in breakers.opened(tx, other)] == [breakers.MANY]
    assert house.rows("select shop_id from tallies") == [{"shop_id": other}]


def test_another_audience_is_told_of_no_event_that_waited_for_the_one_before(house: LaneHouse) -> None:
    """S78, S85: not even one whose call died; and who was at which browser isn't kept."""
    shop, other = house.shop(), house.shop()
    for each in (shop, other):
        house.do(
            """
            insert into customer_events (shop_id, id, name, visitor, email, happened_at, consent, state, sent_at) values
            (:shop, 'a', 'page_viewed', 'browser', null, now(), '{}', 'waiting', null),
            (:shop, 'b', 'page_viewed', 'browser', 'a@x.test', now(), '{}', 'sending', now())
            """,
            shop=each,
        )
        house.do("insert into visitors (shop_id, visitor, key) values (:shop, 'browser', 'a@x.test')", shop=each)
    with house.database.transaction() as tx:
        going_live.close_lanes(tx, shop)
    left = house.rows("select state, visitor, email from customer_events where shop_id = :shop", shop=shop)
    assert left == [{"state": "dropped", "visitor": None, "email": None}] * 2
    assert house.rows("select outcome, n from event_counts") == [{"outcome": "disconnected", "n": 2}]
    assert house.rows("select shop_id from visitors") == [{"shop_id": other}]


def test_waiting_for_the_merchant_is_no_sync_time(house: LaneHouse) -> None:
    """The time to sync of what was parked counts from what made us look again."""
    shop, token, old = house.shop(), uuid4(), NOON - timedelta(days=9)
    house.mark(shop, "a", "b", event_at=old)
    claimed = house.claim(shop, token)
    with house.database.transaction() as tx:
        changes.park(tx, shop, token, [(each.key, each.version, "mc_rejected", "") for each in claimed])
    house.mark(shop, "a", event_at=NOON)
    with house.database.transaction() as tx:
        assert stops.retry(tx, shop, keys=["b"]) == 1
    now = house.rows("select now() at")[0]["at"]
    a, b = house.change(shop, "a"), house.change(shop, "b")
    assert a is not None
    assert b is not None
    assert a["event_at"] == NOON
    assert now - b["event_at"] < timedelta(minutes=1)


def test_an_address_keeps_its_opt_out_when_somebody_moves_in(house: LaneHouse) -> None:
    """M6, L1: consent belongs to the address, so what it was told outlives the contact that gets it."""
    shop = house.shop()
    row = (
        "insert into people (shop_id, key, email, name, customer_state, contact_status, rule, result, opted_out_at)"
        " values (:shop, :key, :key, '', 'SUBSCRIBED', 'subscribed', '', 'synced', cast(:at as timestamptz))"
    )
    house.do(row, shop=shop, key="old@x.test", at=None)
    house.do(row, shop=shop, key="new@x.test", at=NOON)
    with house.database.transaction() as tx:
        looks.move(tx, shop, "old@x.test", "new@x.test")
        found = tx.execute(text("select key, opted_out_at from people")).all()
    assert [tuple(each) for each in found] == [("new@x.test", NOON)]


def test_an_address_keeps_its_opt_out_when_its_contact_moves_out(house: LaneHouse) -> None:
    """M6, L1: whoever gets the address next isn't mailed there by an opt-in of before; and was it ours, that is known.

    Planted: the row just moves, so the next customer with that address is subscribed by an older choice.
    """
    shop = house.shop()
    house.do(
        """
        insert into people (shop_id, key, email, name, customer_state, contact_status, rule, result, opted_out_at,
            our_opt_out_at, contact_id, customer_id)
        values (:shop, 'old@x.test', 'old@x.test', 'Ann', 'UNSUBSCRIBED', 'unsubscribed', '', 'synced', :at, :at, 'm', 1)
        """,
        shop=shop,
        at=NOON,
    )
    for new in ("new@x.test", "old@x.test", "new@x.test"):
        with house.database.transaction() as tx:
            looks.move(tx, shop, "new@x.test" if new == "old@x.test" else "old@x.test", new)
    found = house.rows(
        "select key, customer_id, contact_id, customer_state, opted_out_at, our_opt_out_at from people order by key"
    )
    fact = {"opted_out_at": NOON, "our_opt_out_at": NOON}
    assert found == [
        {"key": "new@x.test", "customer_id": 1, "contact_id": "m", "customer_state": "UNSUBSCRIBED", **fact},
        {"key": "old@x.test", "customer_id": None, "contact_id": None, "customer_state": "absent", **fact},
    ]


def test_another_audience_has_no_texts_yet(house: LaneHouse) -> None:
    """S32, L1: nobody counts as synced by what the audience of before said; a STOP stays known."""
    shop = house.shop()
    house.do(
        """
        insert into people (shop_id, key, email, name, customer_state, contact_status, rule, result, tags, deleted, sms)
        values (:shop, 'a', 'a', '', 'SUBSCRIBED', 'subscribed', '', 'synced', '["vip"]', true, cast(:sms as jsonb))
        """,
        shop=shop,
        sms='{"state": "SUBSCRIBED", "phone": "+1", "contact": "subscribed", "stopped_at": "2026-11-22T12:00:00+00:00"}',
    )
    with house.database.transaction() as tx:
        looks.forget_audience(tx, shop)
    (row,) = house.rows("select tags, deleted, sms from people")
    assert (row["tags"], row["deleted"]) == (None, False)
    assert row["sms"] == {"state": "SUBSCRIBED", "phone": "+1", "stopped_at": "2026-11-22T12:00:00+00:00"}
