"""The product's own readers against the sandbox's shop: in bulk, by id and by change they find the same goods."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from shopify_port import Api
from test_shopify_commerce_documents import opened

from shopchimp.domain.commerce.carts import cart_id
from shopchimp.domain.commerce.promos import promo_code, promo_rule
from shopchimp.domain.commerce.results import Write
from shopchimp.domain.commerce.store import Storefront
from shopchimp.services.commerce.drafts import draft_cart, draft_order, draft_product
from shopchimp.shopify import bulk, commerce, commerce_discounts, documents
from shopchimp.shopify import commerce_documents as goods
from shopchimp.shopify.commerce import number_of

STORE = Storefront("USD", "https://shop.example.com", "demo-store.myshopify.com")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class InPlace:
    """A client that asks the sandbox without a network."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.calls = 0

    def execute(self, document: str, name: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        self.calls += 1
        answer = self.api.run(document, name, **(variables or {}))
        assert "errors" not in answer, answer["errors"]
        return orjson.loads(orjson.dumps(answer["data"]))


@pytest.fixture
def client() -> Any:
    return InPlace(opened(orders=True, odd_orders=30, checkouts=70, discounts=60, codes=25, invented_products=60))


def in_bulk(client: InPlace, query: str) -> list[dict[str, Any]]:
    api, started = client.api, bulk.start(client, query, grouped=True)  # type: ignore[arg-type]
    api.clock.at += 1
    found = bulk.look(client, started)  # type: ignore[arg-type]
    assert found is not None
    assert found.status == "COMPLETED"
    operation = next(each for each in api.shop.bulk.by_number.values() if each.gid == started)
    return list(bulk.assemble(orjson.loads(line) for piece in operation.lines() for line in piece.splitlines()))


def test_orders_are_the_same_in_bulk_and_by_id(client):
    """S2, S76: else each order would be written again by the first look after the first sync."""
    whole = in_bulk(client, goods.ORDERS_IN_BULK)
    numbers = [number_of(node["id"]) for node in whole]
    single = commerce.orders_by_ids(client, numbers)
    assert set(single) == set(numbers)
    assert len(numbers) == commerce.counts(client, ["orders"])["orders"].count > 30
    drafts = [draft_order(node, STORE) for node in whole]
    assert [each for each in drafts if each != draft_order(single[each.id], STORE)] == []
    assert {each.reason for each in drafts} > {None}
    assert sum(len(node["lineItems"]) for node in whole) > len(numbers)


def test_products_are_the_same_in_bulk_and_by_id(client):
    whole = in_bulk(client, goods.PRODUCTS_IN_BULK)
    single = commerce.products_by_ids(client, [number_of(node["id"]) for node in whole])
    assert len(whole) == commerce.counts(client, ["products"])["products"].count
    drafts = [draft_product(node, STORE) for node in whole]
    assert [each for each in drafts if each != draft_product(single[each.id], STORE)] == []
    assert any(each.result.body["images"] for each in drafts if isinstance(each.result, Write))


def test_a_search_in_bulk_finds_a_part(client):
    everything = in_bulk(client, goods.ORDERS_IN_BULK)
    middle = sorted(node["createdAt"] for node in everything)[len(everything) // 2]
    part = in_bulk(client, goods.orders_in_bulk(f"created_at:>='{middle}'"))
    assert {node["id"] for node in part} == {node["id"] for node in everything if node["createdAt"] >= middle}


def test_every_change_is_met(client):
    for kind, read in (("orders", commerce.orders_changed), ("products", commerce.products_changed)):
        pages = list(commerce.each_page(lambda after, read=read: read(client, LONG_AGO, after)))
        found = [commerce.changed(node) for page in pages for node in page.nodes]
        assert len(found) == len({each.id for each in found}) == commerce.counts(client, [kind])[kind].count
        assert [each.updated_at for each in found] == sorted(each.updated_at for each in found)
        since = found[-3].updated_at
        assert since is not None
        late = {node["id"] for node in read(client, since).nodes}
        assert {number_of(each) for each in late} == {each.id for each in found if each.updated_at >= since}


def test_checkouts_are_read_to_the_end(client):
    """S92, S96: the open ones become carts, with the id that their order will name."""
    pages = list(commerce.each_page(lambda after: commerce.checkouts_changed(client, None, after)))
    assert len(pages) == 2
    nodes = [node for page in pages for node in page.nodes]
    assert len(nodes) == commerce.counts(client, ["carts"])["carts"].count
    tokens = {each.token for each in client.api.shop.commerce.checkouts}
    assert {cart_id(node) for node in nodes} <= tokens
    assert any(isinstance(draft_cart(node, STORE).result, Write) for node in nodes)


def test_discounts_and_all_their_codes(client):
    """S64, S65."""
    pages = list(commerce.each_page(lambda after: commerce_discounts.discounts_page(client, after)))
    nodes = [node for page in pages for node in page.nodes]
    assert [len(page.nodes) for page in pages] == [50, 10]
    assert len(nodes) == commerce.counts(client, ["promo_rules"])["promo_rules"].count
    for node in nodes:
        rule = promo_rule(node, STORE)
        codes = [
            code
            for page in commerce.each_page(
                lambda after, node=node: commerce_discounts.codes_page(client, node["id"], after)
            )
            for code in page.nodes
        ]
        assert len(codes) == node["discount"]["codesCount"]["count"]
        assert isinstance(rule, Write) == all(isinstance(promo_code(code, rule, STORE), Write) for code in codes)
        assert commerce_discounts.discount_by_id(client, number_of(node["id"])) == node


def test_without_the_optional_scope_old_orders_are_not_there():
    """An order that can't be read need not be deleted: it may be too old to be seen."""
    scopes = ("read_customers", "read_orders", "read_products")
    client: Any = InPlace(opened(scopes=scopes))
    old = min(client.api.shop.commerce.orders, key=lambda each: each.created)
    assert commerce.orders_by_ids(client, [str(old.number)]) == {}
    assert not commerce.sees_all_orders(",".join(scopes))
    assert client.api.run(documents.SHOP_INFO, "ShopInfo")["data"]["shop"]["currencyCode"] == "USD"
