"""What no webhook told: polls, counts held against Shopify's, and a store that is gone (S94)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from market_ground import WORKS, Market, market, number, shopper

from shopchimp.db import marking
from shopchimp.domain.errors import Rejected
from shopchimp.jobs import lanes
from shopchimp.services import failed_items, live_status
from shopchimp.services.commerce import completeness
from shopchimp.services.commerce.looks import Slice


@pytest.fixture(scope="module")
def fair(new_database: Callable[[], str]) -> Iterator[Market]:
    with market(new_database()) as made:
        yield made


def books(fair: Market, kind: str) -> completeness.Books:
    found = completeness.of_shop(fair.stage.database, fair.stage.shop_id)
    return next(each for each in found.kinds if each.kind == kind)


def test_orders_that_no_webhook_told_are_found_and_read_once(fair: Market) -> None:
    made = [fair.order(told=False) for _ in range(3)]
    fair.chore("poll_orders")
    assert sorted(row["key"] for row in fair.changes() if row["key"].startswith("order:")) == sorted(
        f"order:{number(each['id'])}" for each in made
    )
    fair.live()
    assert all(fair.of(each) is not None for each in made)
    fair.settled("poll_orders")  # nothing new: nobody is marked, though the last minutes are read again
    fair.edit("order", "refund", id=made[0]["id"], amount=100)
    fair.chore("poll_orders")
    assert [row["key"] for row in fair.changes()] == [f"order:{number(made[0]['id'])}"]
    fair.live()


def test_products_that_no_webhook_told_are_found(fair: Market) -> None:
    fair.chore("poll_products")
    fair.live()
    made = fair.edit("product", "create", set={"title": "Unheard"})
    fair.chore("poll_products")
    fair.live()
    assert fair.ours("product")[number(made["id"])]["title"] == "Unheard"
    fair.settled("poll_products")


def test_checkouts_that_no_webhook_told_become_carts(fair: Market) -> None:
    """And a webhook that told more of one, a guest's address, is not undone by the poll."""
    email = shopper()
    fair.stage.sandbox.edit("shopify", email, set={"firstName": "Ada"})
    silent = fair.edit("checkout", "create", email=email, lines=[{"variant": fair.variants[0]}])
    told = fair.checkout()
    fair.live()
    fair.chore("poll_checkouts")
    fair.live()
    assert {silent["token"], told["token"]} <= fair.ours("cart").keys()
    fair.settled("poll_checkouts")
    done = fair.edit("checkout", "complete", id=silent["token"])
    fair.chore("poll_orders")
    fair.live()
    assert fair.of(done) is not None
    assert silent["token"] not in fair.ours("cart")


def test_a_shop_that_grants_no_orders_is_not_asked_for_them(fair: Market) -> None:
    granted = fair.stage.rows("select scopes from shops")[0]["scopes"]
    fair.do("update shops set scopes = 'read_customers,write_customers,read_products'")
    try:
        fair.stage.sandbox.control("calls/reset")
        fair.chore("poll_orders")
        assert not fair.stage.sandbox.calls()["shopify"]
    finally:
        fair.do("update shops set scopes = :scopes", scopes=granted)


def test_sums_that_do_not_close_are_an_alarm_and_heal(fair: Market) -> None:
    """Invariant 8: Shopify = synced + skipped + failed + waiting; an order that nobody told of is found by its id."""
    made = fair.order(test=True)
    lost = fair.order()
    fair.live()
    fair.chore("completeness")
    assert books(fair, "order").closes
    assert not fair.lines("completeness")
    fair.do("delete from commerce_items where kind = 'order' and id = :id", id=number(lost["id"]))
    fair.do(
        "insert into commerce_items (shop_id, kind, id, state, occurred_at) values (:shop, 'order', '77', 'synced', now())"
    )
    fair.do("update commerce_items set seen_at = now() - interval '1 hour'")
    settles = completeness.SETTLES
    completeness.SETTLES = -settles  # as if all of this had happened a while ago
    try:
        fair.chore("completeness")
    finally:
        completeness.SETTLES = settles
    order = books(fair, "order")
    assert not order.closes
    assert (order.missing, order.extra) == (1, 1)
    assert completeness.of_shop(fair.stage.database, fair.stage.shop_id).open_since is not None
    assert fair.lines("completeness")[-1]["cause"] == "sums_open"
    fair.live()
    fair.chore("completeness")
    order = books(fair, "order")
    assert order.closes
    assert order.source == order.read == order.synced + sum(order.skipped.values()) + sum(order.failed.values())
    assert order.skipped == {"test_order": 1}
    assert fair.lines("completeness")[-1]["detail"]["open"] is False
    assert fair.item("order", "77") is None
    assert fair.of(made) is None


def test_what_waits_is_counted_as_waiting(fair: Market) -> None:
    fair.order()
    assert books(fair, "order").waiting == 1
    assert books(fair, "order").closes
    fair.live()
    assert books(fair, "order").waiting == 0


def test_a_refused_order_is_parked_with_the_words_and_can_be_tried_again(
    fair: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page of failed items shows it, though it is nobody's row among the people."""
    made = fair.order()

    def refuse(self: Slice, step: object, *, known: bool = False) -> None:
        raise Rejected("mailchimp", "mc_rejected", "Bad Request: the order smells")

    with monkeypatch.context() as patched:
        patched.setattr(Slice, "write", refuse)
        fair.live()
    parked, _ = failed_items.groups(fair.stage.database, fair.stage.shop_id)
    assert parked[0].count == 1
    item = fair.item("order", number(made["id"]))
    assert item is not None
    assert item["state"] == "failed"
    page = failed_items.page(fair.stage.database, fair.stage.shop_id)
    assert page.items[0].detail == "Bad Request: the order smells"
    assert failed_items.retry(fair.stage.database, fair.stage.shop_id, items=[page.items[0].item]) == 1
    fair.live()
    assert fair.of(made) is not None
    item = fair.item("order", number(made["id"]))
    assert item is not None
    assert item["state"] == "synced"


def test_a_store_that_was_deleted_stops_its_own_lane_alone(fair: Market) -> None:
    """The merchant is told once; consent goes on (S94)."""
    client = fair.stage.runtime.gateways.mailchimp(fair.stage.shop_id)
    client.delete(f"/ecommerce/stores/{fair.store_id}", "/ecommerce/stores/{store_id}")
    made = fair.order()

    for _ in range(3):
        lanes.drain(fair.stage.runtime, stop=fair.stage.stop, works=WORKS)
        fair.do("update changes set due_at = now()")
    waiting = [row for row in fair.changes() if row["key"] == f"order:{number(made['id'])}"]
    assert [row["state"] for row in waiting] == ["waiting"]
    told = [row for row in fair.lines("connection") if row["cause"] == "mc_store_gone"]
    assert len(told) == 1
    assert live_status.live(fair.stage.database, fair.stage.shop_id).trouble == "mc_store_gone"
    email = shopper()
    fair.stage.sandbox.edit(
        "shopify", email, set={"marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"}
    )
    fair.stage.mark(email)
    lanes.drain(fair.stage.runtime, stop=fair.stage.stop, works=WORKS)
    assert fair.contacts()[email]["status"] == "subscribed"
    row = fair.stage.rows("select * from lanes where lane = 'commerce'")[0]
    assert row["trouble"] == "mc_store_gone", "the contacts' success is not the store's"
    assert row["lane"] == marking.COMMERCE
