"""Webhooks about orders, products, checkouts and discounts: stored once, marked by number (S2, S76, S92, S96)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import web_house as house
import webhook_house as wh
from webhook_house import Ear

from shopchimp.domain.commerce.carts import cart_write
from shopchimp.domain.commerce.results import CommerceReason, Skip, Write
from shopchimp.domain.commerce.store import Storefront
from shopchimp.shopify import subscriptions
from shopchimp.shopify.webhooks import enum_name

STORE = Storefront("EUR", "https://pinewood.example.com", "pinewood-lamps.myshopify.com")
TOKEN, CART = "3d1f0b8c5a7e49e2b6c4d8f1a2b3c4d5", "hWN2a5Qp1cart0f3bRt7uYkZ"


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def process(postgres_url: str, patch: pytest.MonkeyPatch) -> Iterator[Ear]:
    with wh.listening(postgres_url, patch) as ear:
        yield ear


@pytest.fixture
def ear(process: Ear) -> Ear:
    wh.empty(process.runtime)
    process.shop = house.add_shop(process.runtime.database)
    house.connect(process.runtime, process.shop)
    return process


@pytest.fixture
def example(shared: Any) -> Any:
    def read(topic: str) -> dict[str, Any]:
        """The example of a topic, with no more than our subscription asks for."""
        name = topic.replace("/", "_")
        whole = json.loads(shared(f"contracts/shopify/webhooks/{name}.json").read_text())
        asked = subscriptions.TOPICS[enum_name(topic)]
        assert set(asked) <= whole.keys() or topic == "checkouts/create"  # before the buyer gave any address
        return {field: whole[field] for field in asked if field in whole}

    return read


def tell(ear: Ear, topic: str, said: object, **headers: str | None) -> None:
    assert ear.shopify(orjson.dumps(said), topic, **headers).status_code == 200


@pytest.mark.parametrize(
    ("topic", "key", "source"),
    [
        ("orders/create", "order:5600000000401", "shopify"),
        ("orders/updated", "order:5600000000401", "shopify"),
        ("orders/paid", "order:5600000000401", "shopify"),
        ("orders/cancelled", "order:5600000000401", "shopify"),
        ("orders/fulfilled", "order:5600000000401", "shopify"),
        ("orders/edited", "order:5600000000401", "shopify"),
        ("orders/delete", "order:5600000000401", "shopify_deleted"),
        ("refunds/create", "order:5600000000401", "shopify"),
        ("products/create", "product:9100000000201", "shopify"),
        ("products/update", "product:9100000000201", "shopify"),
        ("products/delete", "product:9100000000201", "shopify_deleted"),
        ("checkouts/create", f"checkout:{TOKEN}", "shopify"),
        ("checkouts/update", f"checkout:{TOKEN}", "shopify"),
        ("discounts/create", "discount:1450000001801", "shopify"),
        ("discounts/update", "discount:1450000001801", "shopify"),
        ("discounts/delete", "discount:1450000001801", "shopify_deleted"),
        ("discounts/redeemcode_added", "discount:1450000001801", "shopify"),
        ("discounts/redeemcode_removed", "discount:1450000001801", "shopify"),
    ],
)
def test_each_topic_marks_what_it_is_about_once(ear, example, topic, key, source):
    """S2, S76, S83: in the lane of its own, and a double changes nothing."""
    fired = datetime.now(UTC) - timedelta(seconds=30)
    for _ in range(2):
        tell(ear, topic, example(topic), webhook_id="one", triggered_at=fired.isoformat())
    (change,) = ear.changes().values()
    assert (change["kind"], change["lane"], change["key"], change["version"]) == ("commerce", "commerce", key, 1)
    assert (change["source"], change["event_at"], change["customer_id"]) == (source, fired, None)
    assert ear.rows("select lane, ready_at is not null as ready from lanes") == [{"lane": "commerce", "ready": True}]
    assert ear.count("deliveries") == 1
    tell(ear, topic, example(topic), webhook_id="two")
    (again,) = ear.changes().values()
    assert (again["version"], again["event_at"]) == (2, fired)


def test_every_topic_of_ours_is_of_some_meaning(ear, example):
    """What we subscribe to marks something, or is known to be of no interest."""
    goods = [name for name, needed in subscriptions.NEEDS.items() if needed and not name.startswith("CUSTOMERS_")]
    tell(ear, "checkouts/update", example("checkouts/update"))
    for name in goods:
        before = sum(row["version"] for row in ear.changes().values())
        topic = name.lower().replace("_", "/", 1)
        tell(ear, topic, example(topic))
        assert sum(row["version"] for row in ear.changes().values()) == before + 1, topic


def test_a_deletion_stays_one_whatever_else_comes_late(ear):
    """An order that can't be read may only be too old; that it was deleted is known from here alone."""
    tell(ear, "orders/delete", {"id": 7})
    tell(ear, "orders/updated", {"id": 7, "updated_at": "2026-11-01T00:00:00Z"})
    assert ear.changes()["order:7"]["source"] == "shopify_deleted"


@pytest.mark.parametrize("family", ["orders", "products"])
def test_a_change_replayed_as_a_deletion_is_none(ear, example, family):
    """The topic is a header, and the signature covers the body alone (shopify.md 3.2)."""
    topic = "orders/updated" if family == "orders" else "products/update"
    tell(ear, f"{family}/delete", example(topic))
    (change,) = ear.changes().values()
    assert change["source"] == "shopify"


def test_nobody_is_marked_while_no_account_is_connected(ear, example):
    ear.run("delete from connections")
    for topic in ("orders/create", "checkouts/update", "products/update", "discounts/update", "carts/update"):
        tell(ear, topic, example(topic))
    assert (ear.count("changes"), ear.count("checkouts"), ear.count("lanes")) == (0, 0, 0)
    assert ear.count("deliveries") == 5


def test_nothing_is_kept_of_a_shop_without_the_app(ear, example):
    ear.run("update shops set uninstalled_at = now()")
    tell(ear, "orders/create", example("orders/create"))
    tell(ear, "checkouts/update", example("checkouts/update"))
    assert (ear.count("deliveries"), ear.count("changes"), ear.count("checkouts")) == (0, 0, 0)


def test_an_automatic_discount_has_no_codes(ear):
    tell(ear, "discounts/update", {"admin_graphql_api_id": "gid://shopify/DiscountAutomaticNode/7"})
    assert (ear.count("deliveries"), ear.count("changes")) == (1, 0)


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("orders/updated", {}),
        ("orders/updated", {"id": "seven"}),
        ("orders/updated", {"id": True}),
        ("orders/updated", {"id": 2**63}),
        ("orders/updated", []),
        ("orders/edited", {"order_edit": 1}),
        ("refunds/create", {"id": 7}),
        ("products/delete", {"id": -1}),
        ("checkouts/update", {"token": 'it\'s "one"@b'}),
        ("checkouts/update", {"token": "t", "line_items": [7]}),
        ("checkouts/update", {"token": "t", "customer": [1]}),
        ("checkouts/update", {"token": "t", "billing_address": "here"}),
        ("checkouts/delete", {"id": 7}),
        ("carts/update", {"id": 7}),
        ("discounts/update", {"admin_graphql_api_id": "gid://shopify/DiscountCodeNode/x"}),
    ],
)
def test_what_cannot_be_read_makes_the_polls_due(ear, topic, said):
    ear.run(f"insert into chores (shop_id, name, due_at) values ({ear.shop}, 'poll_orders', now() + interval '1 hour')")
    tell(ear, topic, said)
    assert (ear.count("changes"), ear.count("checkouts"), ear.count("deliveries")) == (0, 0, 1)
    assert ear.rows("select due_at <= now() as due from chores") == [{"due": True}]


# ------------------------------------------------------------------ checkouts and carts


def checkout(ear: Ear) -> dict[str, Any]:
    (row,) = ear.rows("select * from checkouts where token not like 'deleted:%'")
    return row


def test_a_checkout_is_kept_as_its_cart_needs_it(ear, example):
    """S92, S96, S111: it can't be read again by its token, so what was told of it is all there is."""
    tell(ear, "checkouts/update", example("checkouts/update"))
    row = checkout(ear)
    assert (row["token"], row["cart_token"], row["ordered"]) == (TOKEN, CART, False)
    assert row["updated_at"] == datetime(2026, 11, 3, 8, 26, 40, tzinfo=UTC)
    cart = cart_write(row["node"], STORE)
    assert isinstance(cart, Write)
    assert (cart.body["id"], cart.body["order_total"], cart.body["currency_code"]) == (TOKEN, 80.0, "EUR")
    assert cart.body["checkout_url"].endswith("/recover?key=invented&locale=sv-SE")
    assert row["node"]["id"] == "gid://shopify/AbandonedCheckout/39000000001501"


def test_the_newest_word_wins_in_whatever_order_they_come(ear, example):
    late, early = example("checkouts/update"), example("checkouts/create")
    tell(ear, "checkouts/update", late)
    tell(ear, "checkouts/create", early)
    row = checkout(ear)
    assert row["node"]["email"] == "rosa.lindqvist@example.com"
    tell(ear, "checkouts/update", {**late, "updated_at": "2026-11-03T10:00:00+01:00", "total_price": "40.00"})
    assert checkout(ear)["node"]["totalPriceSet"]["shopMoney"]["amount"] == "40.00"
    assert ear.changes()[f"checkout:{TOKEN}"]["version"] == 3


def test_a_word_from_the_future_does_not_silence_all_others(ear, example):
    said = example("checkouts/update")
    tell(ear, "checkouts/update", {**said, "updated_at": "2999-01-01T00:00:00Z"})
    assert checkout(ear)["updated_at"] < datetime.now(UTC) + timedelta(minutes=6)
    tell(ear, "checkouts/update", {**said, "updated_at": "0001-01-01T00:00:00+14:00"})
    assert checkout(ear)["updated_at"] < datetime.now(UTC) + timedelta(minutes=6)


def test_what_is_known_to_be_ordered_stays_so(ear, example):
    """S96: a late checkout must not bring its cart back."""
    tell(ear, "checkouts/update", example("checkouts/update"))
    ear.run("update checkouts set ordered = true")
    said = {**example("checkouts/update"), "updated_at": datetime.now(UTC).isoformat()}
    tell(ear, "checkouts/update", said)
    assert checkout(ear)["ordered"] is True


def test_a_deleted_checkout_is_found_by_its_cart(ear, example):
    tell(ear, "checkouts/update", example("checkouts/update"))
    ear.run("delete from changes")
    tell(ear, "checkouts/delete", example("checkouts/delete"), webhook_id="gone")
    assert ear.changes()[f"checkout:{TOKEN}"]["source"] == "shopify_deleted"
    assert cart_write(checkout(ear)["node"], STORE) == Skip(CommerceReason.CART_EMPTY)
    tell(ear, "checkouts/update", example("checkouts/update"))  # an older word that was late
    assert cart_write(checkout(ear)["node"], STORE) == Skip(CommerceReason.CART_EMPTY)
    before = ear.changes()[f"checkout:{TOKEN}"]["version"]
    tell(ear, "checkouts/delete", example("checkouts/delete"), webhook_id="gone")
    assert ear.changes()[f"checkout:{TOKEN}"]["version"] == before


def test_a_deletion_that_overtakes_the_creation_holds(ear, example):
    """Nothing was known of it yet; its older words come to late."""
    tell(ear, "checkouts/delete", example("checkouts/delete"))
    assert ear.changes() == {}
    tell(ear, "checkouts/update", example("checkouts/update"))
    assert cart_write(checkout(ear)["node"], STORE) == Skip(CommerceReason.CART_EMPTY)


def test_a_deleted_checkout_that_only_the_api_told_of_is_found_by_its_number(ear, example):
    tell(ear, "checkouts/update", example("checkouts/update"))
    gid = f"gid://shopify/AbandonedCheckout/{example('checkouts/delete')['id']}"
    query = "update checkouts set cart_token = null, node = node || jsonb_build_object('id', cast(:gid as text))"
    ear.run(query, gid=gid)
    tell(ear, "checkouts/delete", example("checkouts/delete"))
    assert cart_write(checkout(ear)["node"], STORE) == Skip(CommerceReason.CART_EMPTY)


def test_a_cart_is_of_interest_only_where_a_checkout_came_of_it(ear, example):
    tell(ear, "carts/create", example("carts/create"))
    tell(ear, "carts/update", example("carts/update"))
    assert ear.changes() == {}
    tell(ear, "checkouts/update", example("checkouts/update"))
    tell(ear, "carts/update", example("carts/update"))
    assert set(ear.changes()) == {f"checkout:{TOKEN}", f"cart:{CART}"}


def test_who_was_erased_is_not_taken_in_again(ear, example):
    """S20: by the address or by the customer's number, for as long as the tombstone stands."""
    for name in ("rosa.lindqvist@example.com", "customer:7300000000101"):
        (grave, *_) = ear.runtime.gateways.vault.fingerprints(name)
        ear.run("delete from tombstones")
        ear.run(
            "insert into tombstones (shop_id, digest, until) values (:shop, :grave, now() + interval '1 day')",
            shop=ear.shop,
            grave=grave,
        )
        tell(ear, "checkouts/update", example("checkouts/update"))
        assert (ear.count("checkouts"), ear.count("changes")) == (0, 0)
    ear.run("update tombstones set until = now() - interval '1 second'")
    tell(ear, "checkouts/update", example("checkouts/update"))
    assert (ear.count("checkouts"), ear.count("changes")) == (1, 1)


def test_a_nul_character_is_left_out(ear, example):
    """Postgres takes none, and one buyer's must not make us refuse the delivery for ever."""
    said = example("checkouts/update")
    said["customer"]["first_name"] = "Ro\0sa \\u0000"
    tell(ear, "checkouts/update", said)
    assert checkout(ear)["node"]["customer"]["firstName"] == "Rosa \\u0000"


def test_the_whole_house_hears_only_of_the_shop_it_was_told_of(ear, example):
    """S-tenant: another shop's checkout of the same token is another row."""
    other = house.add_shop(ear.runtime.database, "other-store.myshopify.com")
    house.connect(ear.runtime, other)
    tell(ear, "checkouts/update", example("checkouts/update"))
    tell(ear, "checkouts/update", example("checkouts/update"), shop_domain="other-store.myshopify.com")
    tell(ear, "checkouts/delete", example("checkouts/delete"))
    rows = ear.rows("select shop_id, node = '{}'::jsonb as emptied from checkouts order by shop_id")
    assert rows == [{"shop_id": ear.shop, "emptied": True}, {"shop_id": other, "emptied": False}]
