"""Other people's edits of orders, products, checkouts and discounts, and the webhooks they cause."""

import json
from typing import Any

import pytest
from shopify_port import SHOPIFY, Api, shared
from test_shopify_documents import _documents

from shopchimp.sandbox.shopify.opening import Opening, open_commerce

CREATE = """mutation($t: WebhookSubscriptionTopic!) { webhookSubscriptionCreate(topic: $t, webhookSubscription: {
  uri: "https://app.example.com/hook" }) { webhookSubscription { id } userErrors { message } } }"""
TOPICS = [
    "ORDERS_CREATE",
    "ORDERS_UPDATED",
    "ORDERS_PAID",
    "ORDERS_CANCELLED",
    "ORDERS_FULFILLED",
    "ORDERS_EDITED",
    "ORDERS_DELETE",
    "REFUNDS_CREATE",
    "CHECKOUTS_CREATE",
    "CHECKOUTS_UPDATE",
    "CHECKOUTS_DELETE",
    "CARTS_CREATE",
    "CARTS_UPDATE",
    "PRODUCTS_CREATE",
    "PRODUCTS_UPDATE",
    "PRODUCTS_DELETE",
    "DISCOUNTS_CREATE",
    "DISCOUNTS_UPDATE",
    "DISCOUNTS_DELETE",
    "DISCOUNTS_REDEEMCODE_ADDED",
    "DISCOUNTS_REDEEMCODE_REMOVED",
]


class Ear:
    """Stands where the courier does, and writes down what it was given."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any], str]] = []

    def post(self, *, topic, make, **_):
        headers, body = make()
        self.heard.append((topic, json.loads(body), dict(headers)[b"X-Shopify-Event-Id"].decode()))


class Shop(Api):
    def __init__(self) -> None:
        super().__init__(4)
        open_commerce(self.shop, Opening(invented_products=12))
        self.shop.commerce.open()
        for topic in TOPICS:
            assert self(CREATE, t=topic)["userErrors"] == []
        self.ear = Ear()
        self.sandbox.courier = self.ear
        self.variant = next(iter(self.shop.commerce.variants))
        self.email = next(each.email for each in self.shop.customers if each.email)

    def do(self, kind: str, action: str, **more: Any) -> dict[str, Any]:
        self.ear.heard.clear()
        self.clock.at += 5
        return dict(self.sandbox.edit({"kind": kind, "do": action, **more}))

    def order(self, **more: Any) -> dict[str, Any]:
        lines = [{"variant": self.variant, "quantity": 3, "price": 1000}, {"variant": self.variant + 1, "price": 500}]
        return self.do("order", "create", **{"email": self.email, "lines": lines, "shipping": 400, **more})

    @property
    def topics(self) -> list[str]:
        return [topic for topic, _, _ in self.ear.heard]

    def payload(self, topic: str) -> dict[str, Any]:
        return next(body for name, body, _ in self.ear.heard if name == topic)


@pytest.fixture
def shop():
    return Shop()


def example(topic: str) -> dict[str, Any]:
    return json.loads(shared(SHOPIFY / "webhooks" / f"{topic.replace('/', '_')}.json").read_text())


def shape(value: Any) -> Any:
    """Keys all the way down; of a list the first."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items() if isinstance(each, dict | list) and each}
    return shape(value[0]) if isinstance(value, list) and value else None


def assert_same_keys(ours: Any, theirs: Any, path: str = "") -> None:
    """Ours has the keys of the example everywhere both have something."""
    if isinstance(theirs, dict) and isinstance(ours, dict) and theirs and ours:
        assert set(ours) == set(theirs), f"{path}: {set(ours) ^ set(theirs)}"
        for name, each in theirs.items():
            assert_same_keys(ours[name], each, f"{path}.{name}")
    elif isinstance(theirs, list) and isinstance(ours, list) and theirs and ours:
        assert_same_keys(ours[0], theirs[0], f"{path}[0]")


def test_an_order_is_created_paid_and_counted(shop):
    before = shop.shop.customers.with_email(shop.email).orders
    order = shop.order(discount={"code": "TEN", "value": 10}, tax=200)
    # 3 x 10.00 + 5.00 = 35.00, less 10 %, plus 4.00 and 2.00
    assert (order["total"], order["discounts"], order["financial"]) == ("37.50", "3.50", "PAID")
    assert shop.topics == ["orders/create", "orders/paid", "products/update"]
    assert len({event for _, _, event in shop.ear.heard}) == 1
    assert shop.shop.customers.with_email(shop.email).orders == before + 1
    assert shop.order(email="nobody@example.com", paid=False)["financial"] == "PENDING"
    assert shop.topics == ["orders/create", "products/update"]
    assert shop.payload("orders/create")["customer"] is None


def test_what_became_of_an_order(shop):
    order = shop.order(tax=390)
    edited = shop.do(
        "order", "edit", id=order["id"], remove=[{"line": 1}], add=[{"variant": shop.variant, "price": 250}]
    )
    assert [line["current"] for line in edited["lines"]] == [3, 0, 1]
    assert shop.topics == ["orders/edited", "orders/updated", "products/update"]
    part = shop.do("order", "refund", id=order["id"], lines=[{"line": 0, "quantity": 1}], restock=True)
    assert part["financial"] == "PARTIALLY_REFUNDED"
    assert shop.topics == ["refunds/create", "orders/updated", "products/update"]
    shipped = shop.do("order", "fulfil", id=order["name"], company="UPS", tracking="1Z", url="https://example.com/1Z")
    assert shipped["fulfillment"] == "FULFILLED"
    assert shop.topics == ["orders/fulfilled", "orders/updated"]
    gone = shop.do("order", "cancel", id=order["id"], reason="customer")
    assert (gone["cancelled"], gone["financial"], gone["currentTotal"]) == (True, "REFUNDED", "0.00")
    assert gone["refunded"] == gone["total"]
    assert shop.topics == ["orders/cancelled", "orders/updated", "refunds/create"]
    shop.do("order", "delete", id=order["id"])
    assert shop.ear.heard[0][:2] == ("orders/delete", {"id": int(order["id"].rpartition("/")[2])})
    assert shop("query($id: ID!) { order(id: $id) { id } }", id=order["id"]) is None


def test_refunds_and_tracking_are_read_by_the_document(shop):
    order = shop.order(tax=350)
    shop.do("order", "refund", id=order["id"], lines=[{"line": 0, "quantity": 2}], note="broken")
    shop.do("order", "fulfil", id=order["id"], company="UPS", tracking="1Z", url="https://example.com/1Z")
    found = shop(_documents()["OrderById"], id=order["id"])
    (refund,), (fulfilment,) = found["refunds"], found["fulfillments"]
    # 2 x 10.00 of 35.00, and as much of the tax
    assert (
        refund["totalRefundedSet"]["shopMoney"]["amount"] == found["totalRefundedSet"]["shopMoney"]["amount"] == "22.00"
    )
    (part,) = refund["refundLineItems"]["nodes"]
    assert (part["quantity"], part["lineItem"]["id"]) == (2, order["lines"][0]["id"])
    assert fulfilment["trackingInfo"] == [{"company": "UPS", "number": "1Z", "url": "https://example.com/1Z"}]
    assert found["currentTotalPriceSet"]["shopMoney"]["amount"] == "20.50"


def test_impossible_edits_are_refused(shop):
    order = shop.order()
    for action, more in (
        ("pay", {}),
        ("refund", {"lines": [{"line": 0, "quantity": 9}]}),
        ("refund", {"amount": 10_000_000}),
        ("fulfil", {"lines": [{"line": 0, "quantity": 9}]}),
        ("cancel", {"reason": "boredom"}),
        ("update", {"set": {"total": 1}}),
        ("explode", {}),
    ):
        with pytest.raises((ValueError, LookupError)):
            shop.do("order", action, id=order["id"], **more)
    with pytest.raises(LookupError):
        shop.do("order", "delete", id=1)


def test_a_checkout_becomes_an_order_with_its_tokens(shop):
    cart = shop.do("cart", "create", lines=[{"variant": shop.variant}])
    early = shop.do("checkout", "create", cart_token=cart["token"], guest=True)
    assert early["email"] is None
    assert "customer" not in shop.payload("checkouts/create")
    later = shop.do("checkout", "update", id=early["token"], email="new@example.com")
    assert (later["email"], shop.topics) == ("new@example.com", ["checkouts/update"])
    order = shop.do("checkout", "complete", id=early["token"])
    assert (order["checkoutToken"], order["cartToken"]) == (early["token"], cart["token"])
    assert order["total"] == later["total"]
    assert shop.topics == ["orders/create", "orders/paid", "products/update", "checkouts/update"]
    assert shop.payload("checkouts/update")["completed_at"]
    with pytest.raises(ValueError, match="completed already"):
        shop.do("checkout", "complete", id=early["token"])


def test_products_change_and_go_and_lines_remember_them(shop):
    order = shop.order()
    made = shop.do("product", "create", set={"title": "Tin Cup", "images": ["https://cdn.example.com/cup.png"]})
    assert shop.topics == ["products/create"]
    variant = made["variants"][0]["id"]
    changed = shop.do(
        "product", "update", id=made["id"], set={"published": False}, variants=[{"variant": variant, "price": 750}]
    )
    assert (changed["published"], changed["variants"][0]["price"]) == (False, "7.50")
    shop.do("product", "delete", id=shop.shop.commerce.variants[shop.variant].product.gid)
    assert shop.topics == ["products/delete"]
    line = next(
        shop.sandbox.edit({"kind": "order", "do": "update", "id": order["id"], "set": {"note": "n"}})["lines"][0]
        for _ in "1"
    )
    assert (line["product"], line["variant"]) == (None, None)
    assert line["title"] == order["lines"][0]["title"]


def test_discounts_and_their_codes(shop):
    made = shop.do("discount", "create", type="basic", percent=10, prefix="FALL", count=3)
    assert shop.topics == ["discounts/create"]
    shop.do("discount", "add_codes", id=made["id"], codes=["EXTRA1", "EXTRA2"])
    assert shop.topics == ["discounts/redeemcode_added"] * 2
    with pytest.raises(ValueError, match="already been taken"):
        shop.do("discount", "add_codes", id=made["id"], codes=["extra1"])
    assert shop.do("discount", "remove_codes", id=made["id"], codes=["EXTRA1"])["codes"] == 4
    by_code = "query($c: String!) { codeDiscountNodeByCode(code: $c) { id } }"
    assert (shop(by_code, c="EXTRA1"), shop(by_code, c="extra2")) == (None, {"id": made["id"]})
    listed = "query($id: ID!) { discountNode(id: $id) { discount { ... on DiscountCodeBasic { codes(first: 9) { nodes { code } } } } } }"
    codes = [each["code"] for each in shop(listed, id=made["id"])["discount"]["codes"]["nodes"]]
    assert (len(codes), codes[-1]) == (4, "EXTRA2")
    assert shop.topics == ["discounts/redeemcode_removed"]
    shop.do("discount", "update", id=made["id"], set={"ends_at": "2020-01-01T00:00:00Z"})
    assert shop.payload("discounts/update")["status"] == "EXPIRED"
    shop.do("discount", "delete", id=made["id"])
    assert shop.topics == ["discounts/delete"]


def test_nobody_listens_to_what_has_no_scope(shop):
    narrow = Api(scopes=("read_customers",))
    for topic in ("ORDERS_CREATE", "REFUNDS_CREATE", "PRODUCTS_UPDATE", "DISCOUNTS_UPDATE", "CHECKOUTS_UPDATE"):
        assert "permission" in narrow(CREATE, t=topic)["userErrors"][0]["message"]


def test_who_is_deleted_or_merged_takes_the_orders_along(shop):
    customers = [each for each in shop.shop.customers if each.email][:2]
    order = shop.order(email=customers[0].email)
    shop.sandbox.edit({"email": customers[0].email, "merge_into": customers[1].email})
    found = shop("query($id: ID!) { order(id: $id) { customer { id } } }", id=order["id"])
    assert found == {"customer": {"id": customers[1].gid}}
    shop.sandbox.edit({"email": customers[1].email, "delete": True})
    assert shop("query($id: ID!) { order(id: $id) { customer { id } } }", id=order["id"]) == {"customer": None}


def test_payloads_have_the_keys_of_the_examples(shop):
    """Key by key, all the way down (contracts/shopify/webhooks)."""
    person = next(each for each in shop.shop.customers if each.email and each.address)
    order = shop.order(email=person.email, discount={"code": "TEN", "value": 10}, tax=100)
    for topic in ("orders/create", "orders/paid"):
        assert_same_keys(shop.payload(topic), example(topic), topic)
    shop.do("order", "edit", id=order["id"], add=[{"variant": shop.variant}], remove=[{"line": 1}])
    assert_same_keys(shop.payload("orders/edited"), example("orders/edited"))
    assert_same_keys(shop.payload("orders/updated"), example("orders/updated"))
    shop.do("order", "refund", id=order["id"], lines=[{"line": 0, "quantity": 1}])
    assert_same_keys(shop.payload("refunds/create"), example("refunds/create"))
    shop.do("order", "fulfil", id=order["id"], company="UPS", tracking="1Z", url="https://example.com")
    assert_same_keys(shop.payload("orders/fulfilled"), example("orders/fulfilled"))
    shop.do("order", "cancel", id=order["id"])
    assert_same_keys(shop.payload("orders/cancelled"), example("orders/cancelled"))
    cart = shop.do("cart", "create", lines=[{"variant": shop.variant}])
    assert_same_keys(shop.payload("carts/create"), example("carts/create"))
    made = shop.do("checkout", "create", cart_token=cart["token"], guest=True)
    assert_same_keys(shop.payload("checkouts/create"), example("checkouts/create"))
    shop.do("checkout", "update", id=made["token"], customer_id=person.number)
    shop.shop.commerce.checkouts.named(made["id"]).address = person.address
    shop.do("checkout", "update", id=made["token"])
    assert_same_keys(shop.payload("checkouts/update"), example("checkouts/update"))
    shop.do("checkout", "delete", id=made["token"])
    assert_same_keys(shop.payload("checkouts/delete"), example("checkouts/delete"))
    images = ["https://cdn.example.com/cup.png"]
    product = shop.do("product", "create", set={"images": images})
    assert_same_keys(shop.payload("products/create"), example("products/create"))
    shop.do("product", "delete", id=product["id"])
    assert_same_keys(shop.payload("products/delete"), example("products/delete"))
    discount = shop.do("discount", "create", percent=5)
    assert_same_keys(shop.payload("discounts/create"), example("discounts/create"))
    shop.do("discount", "add_codes", id=discount["id"], codes=["ONE"])
    assert_same_keys(shop.payload("discounts/redeemcode_added"), example("discounts/redeemcode_added"))
    shop.do("discount", "delete", id=discount["id"])
    assert_same_keys(shop.payload("discounts/delete"), example("discounts/delete"))


def test_the_same_edits_leave_the_same_state():
    rows = []
    for at in (0, 77):
        shop = Shop()
        shop.clock.at += at
        order = shop.order(discount={"code": "TEN", "value": 10})
        shop.do("order", "refund", id=order["id"], lines=[{"line": 0, "quantity": 1}])
        shop.do("checkout", "create", email=shop.email, lines=[{"variant": shop.variant}])
        rows.append([row for row in shop.sandbox.state() if "kind" in row])
    assert rows[0] == rows[1]
    assert {row["kind"] for row in rows[0]} == {"product", "order", "checkout"}
