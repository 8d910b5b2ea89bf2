"""A first sync with the store's history, in this process against the sandbox: what comes of it, and whoever disturbs it.

Mailchimp's side is judged by the sandbox's own store (S1, S2, S15, S17, S76, S92).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from shopchimp.db import lanes, marking
from shopchimp.domain.addresses import subscriber_hash
from shopchimp.domain.commerce.customers import guest_id
from shopchimp.domain.commerce.orders import order_write
from shopchimp.domain.commerce.products import product_write
from shopchimp.domain.commerce.results import Skip
from shopchimp.domain.errors import Unavailable
from shopchimp.jobs import chores
from shopchimp.jobs.runs import drain
from shopchimp.services import sync_runs
from shopchimp.services.commerce import paces, store
from shopchimp.services.commerce.writing import Writing
from shopchimp.shopify import commerce
from stage import Row, Stage, stage

STORE = ("--people", "60", "--seed", "5", "--plan", "unlimited", "--orders", "--read-all-orders")
STORE += ("--invented-products", "30", "--odd-orders", "40", "--checkouts", "30", "--discounts", "4")
WRITTEN = ("product", "ecommerce_customer", "order", "cart", "promo_rule", "promo_code")


class Died(BaseException):
    """The worker is gone, just there."""


@pytest.fixture
def shop(new_database: Callable[[], str]) -> Iterator[Stage]:
    with stage(new_database(), *STORE) as played:
        yield played


def numbers(rows: dict[str, Row]) -> set[str]:
    return {gid.rpartition("/")[2] for gid in rows}


def books(played: Stage, run_id: UUID) -> dict[str, Row]:
    found: dict[str, Row] = played.run(run_id).counts["commerce"]
    return found


def written(played: Stage) -> Counter[tuple[str, str]]:
    """How often each thing of the store was written with new content."""
    lines = played.sandbox.writes("mailchimp")
    return Counter((line["kind"], line["key"]) for line in lines if line["kind"] in WRITTEN)


def syncing(played: Stage) -> list[bool]:
    return [row["is_syncing"] for row in played.sandbox.commerce("mailchimp").get("store", {}).values()]


def do(played: Stage, query: str, **values: Any) -> None:
    with played.database.transaction() as tx:
        tx.execute(text(query), values)


def started(played: Stage) -> UUID:
    run_id = played.preview()
    played.start(run_id)
    return run_id


def small_slices(monkeypatch: pytest.MonkeyPatch, size: int = 15) -> None:
    monkeypatch.setattr(paces.Paces, "size", lambda _self, _road: size)


def dies_at(monkeypatch: pytest.MonkeyPatch, phase: str, number: int, *, stored: bool) -> None:
    """The worker dies with the so-manieth slice of a phase: when it came back, before or after it was stored."""
    count = Counter[str]()
    whole = Writing._store

    def dying(self: Writing, *args: Any, **values: Any) -> None:
        count[self.phase.value] += 1
        struck = self.phase.value == phase and count[phase] == number
        if struck and not stored:
            raise Died
        whole(self, *args, **values)
        if struck:
            raise Died

    monkeypatch.setattr(Writing, "_store", dying)


def until_it_dies(played: Stage) -> None:
    with pytest.raises(Died):
        drain(played.runtime, stop=played.stop)
    do(played, "update sync_runs set due_at = now() where token is not null")  # its lease has run out
    do(played, "update slots set until = now(), token = null")


def quiet_chore(played: Stage) -> None:
    do(played, "update chores set due_at = now() where name = 'store_quiet'")
    assert chores.drain(played.runtime, {store.QUIET: store.quiet}, stop=played.stop, at_most=1)


# ------------------------------------------------------------------ what comes of it


def test_mailchimp_has_what_the_mapping_says(shop: Stage) -> None:
    run_id = shop.first_sync()
    there, ours = shop.sandbox.commerce("mailchimp"), shop.sandbox.commerce("shopify")
    with shop.database.transaction() as tx:
        made = store.load(tx, shop.shop_id)
    assert made is not None
    client = shop.runtime.gateways.shopify(shop.shop_id)
    orders = commerce.orders_by_ids(client, sorted(numbers(ours["order"])))
    assert len(orders) == len(ours["order"])
    wanted = {number: order_write(node, made.storefront) for number, node in orders.items()}
    writes = {number: write for number, write in wanted.items() if not isinstance(write, Skip)}
    people, contacts = shop.sandbox.state("shopify").values(), shop.sandbox.state("mailchimp")
    invalid = {row["email"] for row in people if row["marketingState"] == "INVALID"} - set(contacts)
    left_out = {each for each in writes if ours["order"][f"gid://shopify/Order/{each}"]["email"] in invalid}
    assert left_out, "whoever is left out as a contact is no buyer at Mailchimp either"
    writes = {number: write for number, write in writes.items() if number not in left_out}
    assert there["order"].keys() == writes.keys()
    assert len(writes) < len(wanted)
    for number, write in writes.items():
        assert {name: there["order"][number][name] for name in _plain(write.body)} == _plain(write.body)
        assert [line["id"] for line in there["order"][number]["lines"]] == sorted(
            line["id"] for line in write.body["lines"]
        )
    products = commerce.products_by_ids(client, sorted(numbers(ours["product"])))
    for number, node in products.items():
        body = product_write(node).body
        assert {name: there["product"][number][name] for name in _plain(body)} == _plain(body)
    sums = books(shop, run_id)
    assert sums["order"]["read"] == len(wanted) == sums["order"]["synced"] + sum(sums["order"]["skipped"].values())
    assert sums["product"] == {"read": len(products), "synced": len(products), "skipped": {}, "failed": {}}
    assert sums["customer"]["read"] == 60
    assert sums["cart"]["synced"] == len(there["cart"])
    assert all(not customer["opt_in_status"] for customer in there["ecommerce_customer"].values())
    assert set(there["ecommerce_customer"]) >= {guest_id(row["email"]) for row in _guests(ours["order"], writes)}


def _plain(body: Row) -> Row:
    """Of a body what the sandbox keeps as it was sent."""
    return {
        name: value for name, value in body.items() if name not in ("id", "lines", "variants", "images", "customer")
    }


def _guests(orders: dict[str, Row], writes: Any) -> list[Row]:
    return [row for gid, row in orders.items() if row.get("customer") is None and gid.rpartition("/")[2] in writes]


def test_nothing_fires_and_everything_is_open_at_the_end(shop: Stage) -> None:
    """S76: history is quiet; afterwards the automations are free and the lane of orders is open."""
    run_id = shop.first_sync()
    told = shop.sandbox.automations()
    assert set(told["fired"]) <= {"welcome"}
    assert any("is_syncing" in what for what in told["quiet"])
    assert syncing(shop) == [False]
    (connection,) = shop.rows("select store_syncing, commerce_since, live_since from connections")
    assert connection["commerce_since"] > connection["live_since"]
    assert not connection["store_syncing"]
    quiet_chore(shop)
    assert shop.rows("select 1 from commerce_nodes") == shop.rows("select 1 from run_customers") == []
    assert shop.run(run_id).state == "done"


def test_both_roads_are_tried_and_the_faster_one_is_remembered(shop: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paces, "MEASURABLE", 10)
    monkeypatch.setattr(paces, "FIRST", {"direct": 15, "batches": 15})
    run_id = shop.first_sync()
    road = shop.run(run_id).counts["road"]
    assert set(road["rates"]) == {"direct", "batches"}
    assert road["chosen"] in road["rates"]
    calls = shop.sandbox.calls()["mailchimp"]
    assert calls["POST /batches"] >= 1
    assert calls["PUT /ecommerce/stores/{store_id}/products/{product_id}"] == 15


def test_another_complete_sync_writes_nothing_and_takes_away_what_is_gone(shop: Stage) -> None:
    """S2: equal digests cost no call; what was deleted in Shopify goes at Mailchimp."""
    shop.first_sync()
    before, calls = written(shop), shop.sandbox.calls()["mailchimp"]
    orders = sorted(shop.sandbox.commerce("shopify")["order"])
    there = shop.sandbox.commerce("mailchimp")["order"]
    gone = next(gid for gid in orders if gid.rpartition("/")[2] in there)
    shop.sandbox.control("edit", platform="shopify", kind="order", do="delete", id=gone)
    run_id = shop.first_sync()
    number = gone.rpartition("/")[2]
    assert written(shop) - before == Counter({("order", f"{_store_id(shop)}/{number}"): 1})  # its deletion
    again = shop.sandbox.calls()["mailchimp"]
    put = "PUT /ecommerce/stores/{store_id}/orders/{order_id}"
    assert again.get(put, 0) == calls.get(put, 0)
    assert number not in shop.sandbox.commerce("mailchimp")["order"]
    assert books(shop, run_id)["order"]["read"] == len(orders) - 1
    assert not shop.rows("select 1 from commerce_items where kind = 'order' and id = :id", id=number)


def _store_id(played: Stage) -> str:
    (row,) = played.rows("select store_id from connections")
    return str(row["store_id"])


def test_contacts_are_live_while_history_is_written(shop: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An opt-out doesn't wait for hours of orders: the contacts' lane opens before them, that of commerce after."""
    started(shop)
    dies_at(monkeypatch, "orders", 1, stored=True)
    until_it_dies(shop)
    (connection,) = shop.rows("select live_since, commerce_since, store_syncing from connections")
    assert connection["live_since"]
    assert connection["store_syncing"]
    assert connection["commerce_since"] is None
    shop.mark("somebody@example.com")
    do(shop, "insert into lanes (shop_id, lane) values (:shop, 'commerce') on conflict do nothing", shop=shop.shop_id)
    do(shop, "update lanes set ready_at = now()")
    with shop.database.transaction() as tx:
        assert lanes.is_due(tx, lanes=[marking.LIVE])
        marking.mark(tx, shop.shop_id, [marking.Mark("order:1", "shopify")])
        assert not lanes.is_due(tx, lanes=[marking.COMMERCE])


# ------------------------------------------------------------------ disturbed


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("phase", ["products", "customers", "orders", "carts"])
def test_a_worker_that_dies_leaves_nothing_to_be_written_twice(
    shop: Stage, monkeypatch: pytest.MonkeyPatch, phase: str, stored: bool
) -> None:
    """S17: the successor goes on where it was."""
    small_slices(monkeypatch)
    run_id = started(shop)
    with monkeypatch.context() as blow:
        dies_at(blow, phase, 2 if phase != "carts" else 1, stored=stored)
        until_it_dies(shop)
    assert syncing(shop) == [True]
    shop.until(run_id, "done")
    assert set(written(shop).values()) == {1}
    sums = books(shop, run_id)
    assert sums["order"]["read"] == len(shop.sandbox.commerce("shopify")["order"])
    assert sums["customer"]["read"] == 60
    assert syncing(shop) == [False]


def test_a_batch_that_was_asked_for_is_read_by_the_successor(shop: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paces.Paces, "road", lambda _self, *, single=False: "direct" if single else "batches")
    monkeypatch.setattr(paces.Paces, "worth_a_batch", 1)
    small_slices(monkeypatch)
    run_id = started(shop)
    with monkeypatch.context() as blow:
        dies_at(blow, "orders", 2, stored=False)
        until_it_dies(shop)
    flights = shop.run(run_id).cursor["commerce"]["flights"]
    assert flights
    assert flights[0]["ticket"]["batch_id"]
    before = shop.sandbox.calls()["mailchimp"]["POST /batches"]
    shop.until(run_id, "done")
    assert set(written(shop).values()) == {1}
    total = len(shop.sandbox.commerce("shopify")["order"])
    left = -(-total // 15) - 1  # slices not stored yet, of which one at least had its batch already
    assert shop.sandbox.calls()["mailchimp"]["POST /batches"] - before <= left - 1


def test_cancelled_in_the_middle_lets_the_automations_go(shop: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """S76: never stuck, also where the worker that could have done it is dead."""
    small_slices(monkeypatch)
    run_id = started(shop)
    with monkeypatch.context() as blow:
        dies_at(blow, "orders", 2, stored=True)
        until_it_dies(shop)
    quiet_chore(shop)
    assert syncing(shop) == [True], "the run still needs it"
    sync_runs.cancel(shop.database, shop.shop_id, run_id)
    do(shop, "update sync_runs set finished_at = now() - interval '10 minutes'")
    quiet_chore(shop)
    assert syncing(shop) == [False]
    assert shop.rows("select store_syncing from connections") == [{"store_syncing": False}]
    assert not shop.rows("select 1 from commerce_nodes")


def test_what_an_ended_run_had_handed_over_is_stopped_before(shop: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paces.Paces, "road", lambda _self, *, single=False: "direct" if single else "batches")
    monkeypatch.setattr(paces.Paces, "worth_a_batch", 1)
    small_slices(monkeypatch)
    shop.sandbox.control("edit", platform="mailchimp", settings={"batch_rate": 0.5})
    run_id = started(shop)
    for _ in range(20):
        drain(shop.runtime, stop=shop.stop, at_most=1)
        if shop.run(run_id).cursor["commerce"].get("flights"):
            break
        shop.hurry(run_id)
    assert shop.run(run_id).cursor["commerce"]["flights"]
    sync_runs.cancel(shop.database, shop.shop_id, run_id)
    quiet_chore(shop)
    assert syncing(shop) == [False]
    assert shop.sandbox.calls()["mailchimp"]["DELETE /batches/{batch_id}"] >= 1


def test_paused_it_keeps_its_place(shop: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    small_slices(monkeypatch)
    run_id = started(shop)
    whole, count = Writing._store, Counter[str]()

    def pausing(self: Writing, *args: Any, **values: Any) -> None:
        count["stored"] += 1
        if count["stored"] == 4:
            sync_runs.pause(shop.database, shop.shop_id, run_id)
        whole(self, *args, **values)

    with monkeypatch.context() as blow:
        blow.setattr(Writing, "_store", pausing)
        shop.drain()
    run = shop.run(run_id)
    assert run.state == "paused"
    assert run.cursor["commerce"]["written"]
    sync_runs.resume(shop.database, shop.shop_id, run_id)
    shop.until(run_id, "done")
    assert set(written(shop).values()) == {1}


def test_a_store_deleted_in_the_middle_is_filled_anew(shop: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    small_slices(monkeypatch)
    run_id = started(shop)
    with monkeypatch.context() as blow:
        dies_at(blow, "orders", 2, stored=True)
        until_it_dies(shop)
    client = shop.runtime.gateways.mailchimp(shop.shop_id)
    client.delete(f"/ecommerce/stores/{_store_id(shop)}", "/ecommerce/stores/{store_id}")
    shop.until(run_id, "done")
    there, sums = shop.sandbox.commerce("mailchimp"), books(shop, run_id)
    assert len(there["order"]) == sums["order"]["synced"]
    assert len(there["ecommerce_customer"]) >= sums["customer"]["synced"] > 0
    assert sums["product"]["synced"] == 30


# ------------------------------------------------------------------ refused, or not allowed


def test_refused_records_stop_nobody(shop: Stage) -> None:
    """Somebody forgotten for good: skipped with Mailchimp's reason, and their orders with them (S17)."""
    run_id = started(shop)
    orders = shop.sandbox.commerce("shopify")["order"].values()
    email = next(row["email"] for row in orders if row.get("customer"))
    client = shop.runtime.gateways.mailchimp(shop.shop_id)
    (connection,) = shop.rows("select audience_id from connections")
    path = f"/lists/{connection['audience_id']}/members/{subscriber_hash(email)}"
    member = "/lists/{list_id}/members/{subscriber_hash}"
    client.send("PUT", path, member, body={"email_address": email, "status_if_new": "transactional"})
    client.send("POST", f"{path}/actions/delete-permanent", f"{member}/actions/delete-permanent", body={})
    shop.until(run_id, "done")
    sums = books(shop, run_id)
    assert sums["customer"]["skipped"]["mc_forgotten"] == 1
    assert sums["order"]["skipped"]["mc_forgotten"] >= 1
    assert sums["order"]["synced"] > 0
    assert not sums["order"]["failed"]


def test_one_order_that_cannot_be_written_fails_alone(shop: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paces.Paces, "road", lambda _self, *, single=False: "direct")
    run_id = started(shop)
    bad = sorted(numbers(shop.sandbox.commerce("shopify")["order"]))[3]
    client = type(shop.runtime.gateways.mailchimp(shop.shop_id))
    whole = client._send

    def breaking(self: Any, method: str, path: str, route: str, **values: Any) -> Any:
        if path.endswith(f"/orders/{bad}"):
            raise Unavailable("mailchimp", "mc_unreachable", "HTTP 500", status=500)
        return whole(self, method, path, route, **values)

    monkeypatch.setattr(client, "_send", breaking)
    shop.until(run_id, "done")
    assert books(shop, run_id)["order"]["failed"] == {"mc_unreachable": 1}
    assert bad not in shop.sandbox.commerce("mailchimp")["order"]
    assert shop.rows("select detail from commerce_items where id = :id", id=bad) == [{"detail": "HTTP 500"}]
    assert syncing(shop) == [False]


@pytest.mark.parametrize(
    ("scopes", "skipped"),
    [
        ("read_customers,write_customers", {"products", "customers", "orders", "carts", "promo_codes"}),
        ("read_customers,write_customers,read_products", {"orders", "carts", "promo_codes"}),
        ("read_customers,write_customers,read_products,read_orders", {"promo_codes"}),
    ],
)
def test_what_the_merchant_did_not_grant_is_skipped_with_its_reason(
    shop: Stage, scopes: str, skipped: set[str]
) -> None:
    do(shop, "update shops set scopes = :scopes", scopes=scopes)
    run_id = shop.first_sync()
    run = shop.run(run_id)
    assert run.counts["commerce_skipped"] == dict.fromkeys(skipped, "sh_scope_missing")
    there = shop.sandbox.commerce("mailchimp")
    assert ("store" in there) == (len(skipped) < 5)
    assert ("order" in there) == ("orders" not in skipped)
    (connection,) = shop.rows("select live_since, commerce_since from connections")
    assert connection["live_since"]
    assert (connection["commerce_since"] is None) == (len(skipped) == 5)


def test_buyers_who_are_no_contacts_are_left_out_where_only_subscribers_are_wanted(shop: Stage) -> None:
    with shop.database.transaction() as tx:
        tx.execute(text("update shops set settings = settings || '{\"sync_non_subscribed\": false}'"))
    before = set(shop.sandbox.state("mailchimp"))
    run_id = shop.first_sync()
    sums = books(shop, run_id)
    assert sums["customer"]["skipped"]["no_contact"] > 0
    assert sums["order"]["skipped"]["no_contact"] > 0
    subscribed = {row["email"] for row in shop.sandbox.state("mailchimp").values() if row["status"] == "transactional"}
    assert {email.lower() for email in subscribed} <= before
