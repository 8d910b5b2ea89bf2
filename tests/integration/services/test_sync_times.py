"""Time to sync (P6, the Time to sync page): counted by the hour, per direction and kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from small_shop import House

from shopchimp.services import sync_times


def test_slices_add_up_per_direction_and_kind_and_shop(house: House) -> None:
    shop, other = house.shop(), house.shop("two.myshopify.com")
    soon = datetime.now(UTC) - timedelta(minutes=5)
    with house.database.transaction() as tx:
        for _ in range(3):
            sync_times.observe(tx, shop, [("to_mailchimp", "consent", 900.0)] * 33 + [("to_shopify", "consent", 50.0)])
        sync_times.observe(tx, shop, [("to_mailchimp", "consent", 60_000.0)])
        sync_times.observe(tx, other, [("to_mailchimp", "consent", 5.0)])
        sync_times.observe(tx, other, [])
        found = sync_times.percentiles(tx, shop, soon)
    assert [(each.direction, each.kind, each.count) for each in found] == [
        ("to_mailchimp", "consent", 100),
        ("to_shopify", "consent", 3),
    ]
    assert 900 < found[0].p50 <= 990
    assert 900 < found[0].p99 <= 990


def test_hours_that_ended_before_are_left_out(house: House) -> None:
    shop = house.shop()
    with house.database.transaction() as tx:
        sync_times.observe(tx, shop, [("to_shopify", "consent", 5.0)])
    house.do("update sync_times set hour = hour - interval '25 hours'")
    with house.database.transaction() as tx:
        assert sync_times.percentiles(tx, shop, datetime.now(UTC) - timedelta(hours=24)) == []
        assert len(sync_times.percentiles(tx, shop, datetime.now(UTC) - timedelta(hours=26))) == 1
