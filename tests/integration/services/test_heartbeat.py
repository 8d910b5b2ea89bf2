"""The heartbeat: a quiet shop is well; an unasked, unhooked or unheard one is not, and says why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from small_shop import NOW, House

from shopchimp.services import heartbeat
from shopchimp.services.heartbeat import Heartbeat

CLOSED = """
    insert into lanes (shop_id, lane, open_until, trouble)
    select id, 'contacts', now() + interval '1 hour', 'mc_slow_down' from shops
"""


@pytest.fixture
def shop(house: House) -> int:
    """Live for a day, asked and checked a minute ago."""
    shop_id = house.shop()
    house.connect(shop_id)
    house.do("update connections set live_since = :at", at=NOW - timedelta(days=1))
    for name, source in (("poll_customers", "shopify"), ("poll_contacts", "mailchimp")):
        at = NOW - timedelta(minutes=1)
        house.do("insert into chores (shop_id, name, last_ok_at) values (:s, :n, :at)", s=shop_id, n=name, at=at)
        house.do(
            "insert into hooks (shop_id, source, topic, external_id, checked_at) values (:s, :source, 't', 'x', :at)",
            s=shop_id,
            source=source,
            at=at,
        )
    return shop_id


def beats(house: House, shop: int) -> tuple[Heartbeat, Heartbeat]:
    with house.database.transaction() as tx:
        to_mailchimp, to_shopify = heartbeat.of(tx, shop, now=NOW)
    return to_mailchimp, to_shopify


def test_a_quiet_shop_is_well(house: House, shop: int) -> None:
    for each in beats(house, shop):
        assert (each.healthy, each.troubles) == (True, ())
        assert each.last_delivery_at is None
        assert each.hooks == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("update chores set last_ok_at = last_ok_at - interval '40 minutes'", "41 minutes ago"),
        ("update chores set last_ok_at = null", "never"),
        ('update chores set trouble = \'{"code": "sh_unreachable"}\'', "isn't answering"),
        ("update hooks set retired_at = now()", "no webhook"),
        ("update hooks set checked_at = checked_at - interval '5 hours'", "5 hours ago"),
        ('update chores set cursor = \'{"marked_at": "2026-11-22T11:00:00+00:00"}\'', "may not reach"),
        ("update connections set state = 'revoked'", "Reconnect Mailchimp"),
        ("update connections set live_since = null", "first sync"),
        (CLOSED, "slow down"),
    ],
)
def test_what_is_wrong_is_said(house: House, shop: int, change: str, words: str) -> None:
    house.do(change)
    to_mailchimp, _ = beats(house, shop)
    assert not to_mailchimp.healthy
    assert words in " ".join(to_mailchimp.troubles)


def test_each_direction_has_its_own_facts(house: House, shop: int) -> None:
    house.do(
        "insert into deliveries (digest, shop_id, source, topic, received_at) values ('a', :s, 'shopify', 't', :at)",
        s=shop,
        at=NOW,
    )
    line = "insert into activities (shop_id, at, kind, direction, result) values (:s, :at, 'consent', :d, :r)"
    house.do(line, s=shop, at=NOW, d="to_shopify", r="synced")
    house.do(line, s=shop, at=NOW, d="to_mailchimp", r="failed")
    to_mailchimp, to_shopify = beats(house, shop)
    assert (to_mailchimp.last_delivery_at, to_mailchimp.last_write_at) == (NOW, None)
    assert (to_shopify.last_delivery_at, to_shopify.last_write_at) == (None, NOW)
