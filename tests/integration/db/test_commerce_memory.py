"""What is remembered of the store's objects: kept, counted, forgotten; and the place of the store at Mailchimp."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection as Tx

from lane_house import LaneHouse
from shopchimp.db import commerce_items, commerce_nodes, connections, shops
from shopchimp.db.commerce_items import Item, State, Sum

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
RUN, OTHER = uuid4(), uuid4()


def order(n: int, **more: Any) -> Item:
    given = {"key": "rosa@example.com", "customer_id": 7, "digest": bytes([n]), "shown": {"number": f"#{n}"}}
    return Item("order", str(n), State.SYNCED, **{**given, "occurred_at": AT + timedelta(hours=n), **more})


def put(house: LaneHouse, shop: int, *items: Item) -> None:
    with house.database.transaction() as tx:
        commerce_items.put(tx, shop, items)


def get(house: LaneHouse, shop: int, kind: str, *ids: str) -> dict[str, Item]:
    with house.database.transaction() as tx:
        return commerce_items.get(tx, shop, kind, ids)


def test_what_is_put_is_had_again_and_the_later_row_stands(house: LaneHouse) -> None:
    shop, other = house.shop(), house.shop()
    whole = order(
        1, reason="r", detail="d\0e", parent="p", shown={"a": ["\0", None, 1.5]}, source_updated_at=AT, written_at=AT,
        seen_run=RUN,
    )  # fmt: skip
    put(house, shop, whole, order(2))
    put(house, other, order(1, key="other@example.com"))
    assert get(house, shop, "order", "1", "2", "3") == {
        "1": replace(whole, detail="de", shown={"a": ["", None, 1.5]}),
        "2": order(2),
    }
    later = Item("order", "1", State.SKIPPED, "test_order")
    put(house, shop, order(1), later)  # of the same object the last one
    assert get(house, shop, "order", "1") == {"1": replace(later, written_at=AT, seen_run=RUN)}
    assert get(house, shop, "cart", "1") == {}
    assert get(house, other, "order", "1")["1"].key == "other@example.com"
    put(house, shop)


def test_the_books_close_by_kind_state_and_reason(house: LaneHouse) -> None:
    """Invariant 8: read = synced + skipped + failed."""
    shop, other = house.shop(), house.shop()
    put(house, shop, *(order(n) for n in range(5)))
    put(house, shop, Item("order", "5", State.SKIPPED, "test_order"), Item("order", "6", State.SKIPPED, "no_email"))
    put(house, shop, Item("order", "7", State.FAILED, "mc_rejected"), Item("order", "8", State.FAILED, "mc_rejected"))
    put(house, shop, Item("cart", "1", State.SKIPPED))
    put(house, other, order(9))
    with house.database.transaction() as tx:
        sums = commerce_items.sums(tx, shop)
    assert sums == {
        "order": Sum(5, {"test_order": 1, "no_email": 1}, {"mc_rejected": 2}),
        "cart": Sum(0, {"": 1}, {}),
    }
    assert (sums["order"].read, sums["cart"].read) == (9, 1)


def test_s96_a_person_has_what_their_address_or_customer_bought_newest_first(house: LaneHouse) -> None:
    shop, other = house.shop(), house.shop()
    by_address, by_customer = order(1, customer_id=None), order(3, key=None)
    put(house, shop, by_address, order(2, key="lind@example.com", customer_id=8), by_customer)
    put(house, shop, Item("cart", "9", State.SYNCED, key="rosa@example.com"), Item("product", "7", State.SYNCED))
    put(house, other, order(4))
    with house.database.transaction() as tx:
        found = commerce_items.of_person(tx, shop, "rosa@example.com", 7, ["order", "cart"])
        guest = commerce_items.of_person(tx, shop, "rosa@example.com", None, ["order"])
        nobody = commerce_items.of_person(tx, shop, None, None, ["order"])
    assert [(each.kind, each.id) for each in found] == [("order", "3"), ("order", "1"), ("cart", "9")]
    assert [each.id for each in guest] == ["1"]
    assert nobody == []


def test_a_page_by_state_and_reason_goes_on_after_an_id(house: LaneHouse) -> None:
    shop = house.shop()
    put(house, shop, *(Item("order", f"{n:03}", State.FAILED, "a" if n % 2 else "b") for n in range(10)), order(11))
    with house.database.transaction() as tx:
        first = commerce_items.page(tx, shop, "order", state="failed", reason="a", limit=3)
        rest = commerce_items.page(tx, shop, "order", state="failed", reason="a", after=first[-1].id, limit=3)
        assert len(commerce_items.page(tx, shop, "order")) == 11
    assert [each.id for each in first + rest] == ["001", "003", "005", "007", "009"]


def test_seen_again_by_a_run_and_in_doubt(house: LaneHouse) -> None:
    shop = house.shop()
    put(house, shop, order(1), order(2), Item("cart", "1", State.SYNCED, digest=b"1"))
    with house.database.transaction() as tx:
        commerce_items.seen(tx, shop, "order", ["1"], RUN)
        commerce_items.doubt(tx, shop, [("order", "2"), ("order", "2"), ("order", "3")])
    found = get(house, shop, "order", "1", "2")
    assert {each.id: (each.seen_run, each.digest) for each in found.values()} == {
        "1": (RUN, b"\x01"),
        "2": (None, None),
    }
    assert get(house, shop, "cart", "1")["1"].digest == b"1"


def test_forgetting(house: LaneHouse) -> None:
    shop, other = house.shop(), house.shop()
    for each in (shop, other):
        put(house, each, *(Item("promo_code", f"c{n}", State.SYNCED, parent=f"r{n % 2}") for n in range(4)))
    with house.database.transaction() as tx:
        commerce_items.forget(tx, shop, "promo_code", ["c1"])
        commerce_items.forget(tx, shop, "order", ["c3"])
    assert set(get(house, shop, "promo_code", "c0", "c1", "c2", "c3")) == {"c0", "c2", "c3"}
    with house.database.transaction() as tx:
        commerce_items.forget_all(tx, shop)
    assert get(house, shop, "promo_code", "c0") == {}
    assert len(get(house, other, "promo_code", "c0", "c1")) == 2


def test_s89_whoever_is_erased_leaves_counts_and_nothing_else(house: LaneHouse) -> None:
    shop, other = house.shop(), house.shop()
    mine = [
        order(1),
        order(2, key=None),
        order(3, customer_id=None),
        Item("customer", "7", State.SYNCED, customer_id=7),
    ]
    for each in (shop, other):
        put(house, each, *mine, order(4, key="lind@example.com", customer_id=8))
    with house.database.transaction() as tx:
        assert commerce_items.erase_person(tx, shop, ["rosa@example.com"], [7]) == 4
        assert commerce_items.sums(tx, shop) == {"order": Sum(4)}
    (left,) = house.rows("select string_agg(c::text, ' ') as t from commerce_items c where shop_id = :s and id <> '4'",
                         s=shop)  # fmt: skip
    assert "rosa" not in left["t"]
    assert "#" not in left["t"]
    assert len(get(house, other, "order", "1", "2", "3", "4")) == 4
    assert get(house, shop, "order", "4")["4"].shown == {"number": "#4"}


def test_a_persons_rows_are_found_by_index(house: LaneHouse) -> None:
    """The page of a person must not read all orders of the shop."""
    shop = house.shop()
    rows = [Item("order", str(n), State.SYNCED, key=f"r{n}@example.com", customer_id=n) for n in range(5000)]
    put(house, shop, *rows)
    house.do("analyze commerce_items")
    values = {"shop": shop, "key": "r1@example.com", "customer": 2, "kinds": ["order"], "limit": 100}
    plan = " ".join(str(row) for row in house.rows(f"explain {commerce_items.OF_PERSON}", **values))
    assert "ix_commerce_items_key" in plan
    assert "ix_commerce_items_customer_id" in plan
    assert "Seq Scan" not in plan


# ------------------------------------------------------------------ what a run reads


def count(tx: Tx, run_id: UUID, kind: str) -> int:
    return len(commerce_nodes.slice(tx, run_id, kind, after=0, limit=100))


def test_nodes_wait_in_the_order_of_reading(house: LaneHouse) -> None:
    nodes = [{"id": f"gid://shopify/Order/{n}", "name": "a\0b", "lineItems": [{"id": n}]} for n in range(5)]
    with house.database.raw() as connection:
        assert commerce_nodes.copy_in(connection, RUN, "order", nodes[:3], start=1) == 4
        assert commerce_nodes.copy_in(connection, RUN, "order", nodes[3:], start=4) == 6
        commerce_nodes.copy_in(connection, OTHER, "order", nodes[:1], start=1)
        commerce_nodes.copy_in(connection, RUN, "product", nodes[:1], start=1)
    with house.database.transaction() as tx:
        first = commerce_nodes.slice(tx, RUN, "order", after=0, limit=2)
        rest = commerce_nodes.slice(tx, RUN, "order", after=first[-1].n, limit=10)
    assert [each.n for each in first + rest] == [1, 2, 3, 4, 5]
    assert first[0].gid == "gid://shopify/Order/0"
    assert first[0].node == {**nodes[0], "name": "ab"}
    with house.database.transaction() as tx:
        commerce_nodes.forget(tx, RUN, "order")
        assert (count(tx, RUN, "order"), count(tx, RUN, "product")) == (0, 1)
        commerce_nodes.forget(tx, RUN)
        assert (count(tx, RUN, "product"), count(tx, OTHER, "order")) == (0, 1)


def run_of(house: LaneHouse, shop: int) -> UUID:
    run_id = uuid4()
    house.do(
        "insert into sync_runs (id, shop_id, audience_id, state, phase) values (:id, :s, 'a', 'running', 'orders')",
        id=run_id, s=shop,
    )  # fmt: skip
    return run_id


def test_a_shops_readings_go_but_for_one_run(house: LaneHouse) -> None:
    shop, other = house.shop(), house.shop()
    old, new, foreign = run_of(house, shop), run_of(house, shop), run_of(house, other)
    with house.database.raw() as connection:
        for each in (old, new, foreign):
            commerce_nodes.copy_in(connection, each, "order", [{"id": "1"}], start=1)
    with house.database.transaction() as tx:
        commerce_nodes.forget_all(tx, shop, but=new)
        assert [count(tx, each, "order") for each in (old, new, foreign)] == [0, 1, 1]


# ------------------------------------------------------------------ the store at Mailchimp


def connection_of(house: LaneHouse, shop: int) -> connections.ConnectionRow:
    with house.database.transaction() as tx:
        found = connections.get(tx, shop)
    assert found is not None
    return found


def store_of(house: LaneHouse, shop: int) -> tuple[str | None, bool, bool]:
    row = connection_of(house, shop)
    return row.store_id, row.store_syncing, row.commerce_since is not None


def test_the_store_is_known_until_the_audience_or_the_account_changes(house: LaneHouse) -> None:
    shop = house.shop()
    row = connection_of(house, shop)
    account = {name: getattr(row, name) for name in ("account_name", "role", "api_root", "access_token", "login_id")}

    def change(how: Any, *given: Any, **more: Any) -> tuple[str | None, bool, bool]:
        with house.database.transaction() as tx:
            how(tx, shop, *given, **more)
        return store_of(house, shop)

    again = ("s-1", True, True)
    for how, given, left in (
        (connections.stop_live, {}, ("s-1", True, False)),
        (connections.choose_audience, {"audience_id": "list", "name": "L", "double_optin": False}, again),
        (
            connections.choose_audience,
            {"audience_id": "other", "name": "O", "double_optin": False},
            (None, False, True),
        ),
        (connections.connect, {**account, "account_id": "a"}, again),
        (connections.connect, {**account, "account_id": "b"}, (None, False, True)),
    ):
        house.do("update connections set audience_id = 'list', account_id = 'a', live_since = now()")
        change(connections.set_store, "s-1", syncing=True)
        assert change(connections.open_commerce) == again
        assert change(how, **given) == left
        change(connections.stop_live)


def test_the_lane_of_commerce_opens_once_and_only_where_live_sync_is_on(house: LaneHouse) -> None:
    shop, idle = house.shop(), house.shop(live=False)
    for each in (shop, idle):
        with house.database.transaction() as tx:
            connections.open_commerce(tx, each)
    first = connection_of(house, shop).commerce_since
    with house.database.transaction() as tx:
        connections.open_commerce(tx, shop)
    assert first is not None
    assert connection_of(house, shop).commerce_since == first
    assert connection_of(house, idle).commerce_since is None


def test_a_store_that_was_deleted_holds_nothing_back(house: LaneHouse) -> None:
    shop = house.shop()
    with house.database.transaction() as tx:
        connections.set_store(tx, shop, None, syncing=True)
    assert store_of(house, shop) == (None, False, False)


def test_the_storefronts_address_stays_known(house: LaneHouse) -> None:
    shop = house.shop()
    about = {"name": "Lamps", "currency": "EUR", "timezone": "UTC"}
    with house.database.transaction() as tx:
        shops.describe(tx, shop, **about, storefront_url="https://lamps.example.com")
        shops.describe(tx, shop, **about)
        row = shops.get(tx, shop)
    assert row is not None
    assert row.storefront_url == "https://lamps.example.com"
