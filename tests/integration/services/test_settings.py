"""A shop's settings: safe defaults, changed as a whole or not at all, each shop its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from small_shop import ONE, TWO, House

from shopchimp.services import settings
from shopchimp.services.settings import InvalidSettings, ShopSettings


def stored(house: House, shop_id: int) -> ShopSettings:
    with house.database.transaction() as tx:
        return settings.get(tx, shop_id)


def test_a_new_shop_has_defaults_and_the_question_of_d1_is_open(house: House) -> None:
    chosen = stored(house, house.shop())
    assert (chosen.conflict_policy, chosen.sync_non_subscribed, chosen.tag) == (None, True, "Shopify")
    assert chosen.to_json()["field_map"]["FNAME"] == "first_name"


def test_a_change_is_kept_noted_and_nobody_elses(house: House) -> None:
    one, two = house.shop(ONE), house.shop(TWO)
    settings.change(house.database, one, {"tag": " Shop ", "field_map": {"FNAME": "full_name"}}, by="42")
    assert stored(house, one).tag == "Shop"
    assert stored(house, two) == ShopSettings()
    note = house.one("select * from activities where kind = 'settings'")
    assert note["shop_id"] == one
    assert note["detail"]["by"] == "42"
    assert note["detail"]["changed"]["tag"] == {"before": "Shopify", "after": "Shop"}


def test_no_change_no_note(house: House) -> None:
    shop_id = house.shop()
    settings.change(house.database, shop_id, {"tag": "Shopify"}, by="42")
    assert house.rows("select 1 from activities where kind = 'settings'") == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"conflict_policy": "shopify_wins"}, {"conflict_policy"}),
        ({"conflict_policy": 1, "sync_non_subscribed": "yes", "tag": None, "field_map": []},
         {"conflict_policy", "sync_non_subscribed", "tag", "field_map"}),
        ({"tag": "x" * 101}, {"tag"}),
        ({"sync_non_subscribed": 1}, {"sync_non_subscribed"}),
        ({"field_map": {"EMAIL": "first_name"}}, {"field_map"}),
        ({"field_map": {"FNAME": "password"}}, {"field_map"}),
        ({"unknown": True}, {"unknown"}),
    ],
)  # fmt: skip
def test_a_bad_change_changes_nothing_and_names_each_field(
    house: House, changes: dict[str, Any], named: set[str]
) -> None:
    shop_id = house.shop()
    with pytest.raises(InvalidSettings) as caught:
        settings.change(house.database, shop_id, {"tag": "good", **changes}, by="42")
    assert set(caught.value.errors) == named
    assert stored(house, shop_id) == ShopSettings()


def test_two_changes_at_once_both_count(house: House) -> None:
    for _ in range(10):
        shop_id = house.shop()
        house.do("update shops set settings = '{}'")
        changes: list[dict[str, Any]] = [{"tag": "both"}, {"sync_non_subscribed": False}]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda change, shop=shop_id: settings.change(house.database, shop, change, by="x"), changes))
        chosen = stored(house, shop_id)
        assert (chosen.tag, chosen.sync_non_subscribed) == ("both", False)
