"""Checkouts as last told: the newest word wins, and what became an order stays one (S76, S111)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from lane_house import LaneHouse
from shopchimp.db import checkouts
from shopchimp.db.checkouts import Checkout
from shopchimp.services import retention

if TYPE_CHECKING:
    from shopchimp.db.chores import Chore
    from shopchimp.services.gateways import Gateways

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def word(minute: int, token: str = "t1", **more: Any) -> Checkout:
    given = {"cart_token": "k1", "updated_at": AT + timedelta(minutes=minute), "node": {"minute": minute}}
    return Checkout(token, **{**given, **more})


def tell(house: LaneHouse, shop: int, *words: Checkout) -> None:
    with house.database.transaction() as tx:
        checkouts.upsert(tx, shop, words)


def known(house: LaneHouse, shop: int, *tokens: str) -> dict[str, Checkout]:
    with house.database.transaction() as tx:
        return checkouts.get(tx, shop, tokens or ["t1"])


def test_the_newest_word_wins_in_whatever_order_they_come(house: LaneHouse) -> None:
    shop = house.shop()
    for token, order in enumerate(permutations([1, 2, 3])):
        one_by_one, at_once = f"a{token}", f"b{token}"
        for minute in order:
            tell(house, shop, word(minute, one_by_one, cart_token="k1" if minute == 1 else None))
        tell(house, shop, *(word(minute, at_once) for minute in order), word(9))
        for each in (one_by_one, at_once):
            found = known(house, shop, each)[each]
            assert (found.node, found.updated_at) == ({"minute": 3}, AT + timedelta(minutes=3))
            assert found.cart_token == "k1"  # a later word that doesn't name it takes nothing away


def test_s76_a_checkout_whose_order_exists_stays_ordered(house: LaneHouse) -> None:
    """The order may be heard of first; a late word about the checkout doesn't reopen it."""
    shop, other = house.shop(), house.shop()
    tell(house, shop, word(1))
    tell(house, other, word(1))
    with house.database.transaction() as tx:
        checkouts.mark_ordered(tx, shop, ["t1", "t2", "t2"])
    tell(house, shop, word(5), word(5, "t2"))
    found = known(house, shop, "t1", "t2", "t3")
    assert {token: (each.ordered, each.node) for token, each in found.items()} == {
        "t1": (True, {"minute": 5}),
        "t2": (True, {"minute": 5}),
    }
    assert known(house, other)["t1"].ordered is False


def test_checkouts_of_a_cart_oldest_first(house: LaneHouse) -> None:
    shop, other = house.shop(), house.shop()
    tell(house, shop, word(2, "b"), word(1, "a"), word(1, "c", cart_token="k2"), word(1, "d", cart_token=None))
    tell(house, other, word(1, "e"))
    with house.database.transaction() as tx:
        assert [each.token for each in checkouts.by_cart(tx, shop, ["k1"])] == ["a", "b"]
        assert checkouts.by_cart(tx, shop, []) == []


def test_who_nobody_spoke_of_for_long_is_forgotten(house: LaneHouse) -> None:
    shop, other = house.shop(), house.shop()
    for each in (shop, other):
        tell(house, each, word(1), word(1, "t2"))
        with house.database.transaction() as tx:
            checkouts.mark_ordered(tx, each, ["t3"])
    house.do("update checkouts set seen_at = now() - interval '91 days' where token <> 't2'")
    tell(house, shop, word(1))  # an older word, but somebody spoke of it
    with house.database.transaction() as tx:
        assert checkouts.forget_older(tx, shop, 90) == 1
    assert set(known(house, shop, "t1", "t2", "t3")) == {"t1", "t2"}
    assert len(known(house, other, "t1", "t2", "t3")) == 3
    with house.database.transaction() as tx:
        checkouts.forget_all(tx, shop)
    assert known(house, shop, "t2") == {}
    assert len(known(house, other, "t1", "t2", "t3")) == 3


def test_the_daily_chore_forgets_them(house: LaneHouse) -> None:
    shop = house.shop()
    tell(house, shop, word(1), word(1, "t2"))
    house.do("update checkouts set seen_at = now() - make_interval(days => 89 + (token = 't2')::int)")
    gateways = SimpleNamespace(database=house.database, clock=lambda: datetime.now(UTC))
    retention.forget_old(cast("Gateways", gateways), shop, cast("Chore", None))
    assert set(known(house, shop, "t1", "t2")) == {"t1"}


def test_s89_who_is_erased_is_in_no_checkout_but_orders_stay_orders(house: LaneHouse) -> None:
    shop, other = house.shop(), house.shop()
    nodes: dict[str, Any] = {
        "t1": {"email": "Rosa@Example.com"},
        "t2": {"customer": {"id": "gid://shopify/Customer/7"}},
        "t3": {"customer": {"id": 7, "defaultEmailAddress": {"emailAddress": "x@example.com"}}},
        "t4": {"customer": {"id": 8, "defaultEmailAddress": {"emailAddress": "rosa@example.com"}}},
        "t5": {"email": "lind@example.com", "customer": {"id": 77}},
        "t6": {},
    }
    for each in (shop, other):
        tell(house, each, *(word(1, token, node=node) for token, node in nodes.items()))
    with house.database.transaction() as tx:
        checkouts.mark_ordered(tx, shop, ["t1"])
        assert checkouts.erase_person(tx, shop, ["ROSA@example.com"], [7]) == 4
    found = known(house, shop, *nodes)
    assert {token: each.node for token, each in found.items() if each.node} == {"t5": nodes["t5"]}
    assert found["t1"].ordered
    assert known(house, other, "t1")["t1"].node == nodes["t1"]


def test_a_nul_character_stops_nobody(house: LaneHouse) -> None:
    shop = house.shop()
    tell(house, shop, word(1, "t\0one", node={"name": "a\0b"}))
    assert known(house, shop, "tone")["tone"].node == {"name": "ab"}
