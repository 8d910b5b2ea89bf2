"""Reading the shop's goods: whole lists, as many ids a query as are not too dear, walks that go on past the cap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
import respx

from shopchimp.domain.errors import Rejected, Unauthorized, Unavailable
from shopchimp.shopify import bulk, commerce, commerce_discounts, commerce_pages
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.commerce import Changed, Count
from shopchimp.shopify.commerce_pages import Page

SHOP = "https://demo-store.myshopify.com"
URL = f"{SHOP}/admin/api/2026-10/graphql.json"
SINCE = datetime(2026, 11, 1, 12, tzinfo=UTC)
END = {"hasNextPage": False, "endCursor": None}


class Token:
    def __call__(self, *, refused: str | None = None) -> str:
        return "t"


@pytest.fixture
def client() -> Iterator[ShopifyClient]:
    with httpx.Client(trust_env=False) as http:
        yield ShopifyClient(http, shop_url=SHOP, token=Token())


@pytest.fixture
def shopify() -> Iterator[Callable[..., respx.Route]]:
    """Answers by what is asked: a function of the operation's name and its variables."""
    with respx.mock:

        def answers(answer: Callable[[str, dict[str, Any]], Any]) -> respx.Route:
            def respond(request: httpx.Request) -> httpx.Response:
                asked = orjson.loads(request.content)
                said = answer(asked["operationName"], asked["variables"])
                return httpx.Response(200, json=said if "errors" in said else {"data": said})

            return respx.post(URL).mock(side_effect=respond)

        yield answers


def asked(route: respx.Route) -> list[dict[str, Any]]:
    return [orjson.loads(call.request.content)["variables"] for call in route.calls]


def gid(kind: str, number: object) -> str:
    return f"gid://shopify/{kind}/{number}"


def more(*ids: str, cursor: str | None = None) -> dict[str, Any]:
    info = {"hasNextPage": cursor is not None, "endCursor": cursor}
    return {"nodes": [{"id": each} for each in ids], "pageInfo": info}


# ------------------------------------------------------------------ by id


def test_orders_by_id_and_one_that_is_gone(client, shopify):
    """S101: what can't be read is not there, in whatever place it stands."""
    order = {"id": gid("Order", 2), "lineItems": more("a"), "discountApplications": more()}
    route = shopify(lambda name, _: {"nodes": [None, order]})
    found = commerce.orders_by_ids(client, ["1", "2"])
    assert set(found) == {"2"}
    assert found["2"]["lineItems"] == [{"id": "a"}]
    assert asked(route) == [{"ids": [gid("Order", 1), gid("Order", 2)]}]


def test_an_order_with_more_lines_than_a_page_is_read_to_its_end(client, shopify):
    """S100: the totals of an order of 400 lines are those of all."""
    lines = [gid("LineItem", number) for number in range(400)]

    def answer(name, variables):
        if name == "OrdersById":
            whole = {"lineItems": more(*lines[:50], cursor="50"), "discountApplications": more("d1", cursor="1")}
            return {"nodes": [{"id": gid("Order", 7), **whole}]}
        if name == "OrderDiscounts":
            return {"order": {"id": gid("Order", 7), "discountApplications": more("d2")}}
        begin = int(variables["after"])
        rest = lines[begin : begin + 250]
        cursor = str(begin + 250) if begin + 250 < 400 else None
        return {"order": {"id": variables["id"], "lineItems": more(*rest, cursor=cursor)}}

    shopify(answer)
    order = commerce.orders_by_ids(client, ["7"])["7"]
    assert [line["id"] for line in order["lineItems"]] == lines
    assert [each["id"] for each in order["discountApplications"]] == ["d1", "d2"]
    assert client.calls == {"OrdersById": 1, "OrderLines": 2, "OrderDiscounts": 1}


def test_an_order_that_goes_while_its_lines_are_read_keeps_what_was_there(client, shopify):
    order = {"id": gid("Order", 7), "lineItems": more("a", cursor="x"), "discountApplications": more()}
    shopify(lambda name, _: {"nodes": [order]} if name == "OrdersById" else {"order": None})
    assert commerce.orders_by_ids(client, ["7"])["7"]["lineItems"] == [{"id": "a"}]


def test_a_product_with_many_variants_and_pictures(client, shopify):
    """S105.6, 15: Shopify allows 2,048 variants of a product."""

    def answer(name, variables):
        match name:
            case "ProductsById":
                return {
                    "nodes": [
                        {"id": gid("Product", 1), "variants": more("v1", cursor="1"), "media": more("m1", cursor="1")}
                    ]
                }
            case "ProductVariants":
                return {"product": {"variants": more("v2")}}
            case _:
                return {"product": {"media": more("m2")}}

    shopify(answer)
    product = commerce.products_by_ids(client, ["1"])["1"]
    assert [each["id"] for each in product["variants"]] == ["v1", "v2"]
    assert [each["id"] for each in product["media"]] == ["m1", "m2"]


def too_dear(_name: str = "", _variables: object = None) -> dict[str, Any]:
    return {"errors": [{"message": "Query cost is 3351", "extensions": {"code": "MAX_COST_EXCEEDED", "cost": 3351}}]}


def test_fewer_ids_a_query_where_their_cost_is_counted_one_by_one(client, shopify):
    """Whether Shopify counts the cost of `nodes` once or for each id isn't known: both end the same."""

    def answer(_name, variables):
        ids = variables["ids"]
        return too_dear() if len(ids) > 14 else {"nodes": [{"id": each} for each in ids]}

    route = shopify(answer)
    numbers = [str(number) for number in range(1, 121)]
    assert list(commerce.orders_by_ids(client, numbers)) == numbers
    sizes = [len(each["ids"]) for each in asked(route)]
    assert sizes == [50, 25, *[12] * 10]


def test_a_single_one_that_is_too_dear_is_an_error(client, shopify):
    shopify(too_dear)
    with pytest.raises(Rejected, match="MAX_COST_EXCEEDED"):
        commerce.orders_by_ids(client, ["1", "2"])


def test_other_refusals_are_not_tried_in_parts(client, shopify):
    route = shopify(lambda *_: {"errors": [{"message": "no", "extensions": {"code": "ACCESS_DENIED"}}]})
    with pytest.raises(Unauthorized):
        commerce.orders_by_ids(client, ["1", "2"])
    assert route.call_count == 1


def test_answers_that_cannot_be_told_apart_are_refused(client, shopify):
    shopify(lambda *_: {"nodes": [None]})
    with pytest.raises(Unavailable):
        commerce.products_by_ids(client, ["1", "2"])


# ------------------------------------------------------------------ what changed


def test_what_changed_is_asked_for_page_by_page(client, shopify):
    pages = iter([more(gid("Order", 1), cursor="c1"), more(gid("Order", 2))])
    route = shopify(lambda *_: {"orders": next(pages)})
    found = list(commerce.each_page(lambda after: commerce.orders_changed(client, SINCE, after)))
    assert [commerce.changed(node).id for page in found for node in page.nodes] == ["1", "2"]
    wanted = "updated_at:>='2026-11-01T12:00:00Z'"
    assert asked(route) == [{"query": wanted, "after": None}, {"query": wanted, "after": "c1"}]


def test_a_walk_goes_on_past_the_cap_of_paging(client, shopify, monkeypatch):
    """Shopify's paging ends after 25,000 objects (shopify.md section 5): a walk begins anew before that."""
    monkeypatch.setattr(commerce_pages, "FARTHEST", 6)
    times = [f"2026-11-01T12:00:{second:02}Z" for second in (0, 1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 9, 10)]
    every = [{"id": gid("Product", n), "updatedAt": at} for n, at in enumerate(times)]

    def answer(_name, variables):
        since = max(part.split(">=")[1].strip("'") for part in variables["query"].split(" AND "))
        found = [each for each in every if each["updatedAt"] >= since]
        begin = int(variables["after"] or 0)
        assert begin < 8, "past the cap"
        last = begin + 2 >= len(found)
        return {
            "products": {
                "nodes": found[begin : begin + 2],
                "pageInfo": {"hasNextPage": not last, "endCursor": None if last else str(begin + 2)},
            }
        }

    shopify(answer)
    pages = commerce.each_page(lambda after: commerce.products_changed(client, SINCE, after))
    found = [commerce.changed(node).id for page in pages for node in page.nodes]
    assert list(dict.fromkeys(found)) == [str(n) for n in range(len(every))]
    assert len(found) < len(every) + 6  # some are seen twice


def test_abandoned_checkouts_are_whole(client, shopify):
    """They are found by their last change, but come in the order they began."""

    def answer(name, variables):
        if name == "CheckoutLines":
            return {"node": {"id": variables["id"], "lineItems": more("l2")}}
        return {"abandonedCheckouts": {"nodes": [{"id": "c", "lineItems": more("l1", cursor="1")}], "pageInfo": END}}

    route = shopify(answer)
    page = commerce.checkouts_changed(client, SINCE)
    assert page == Page(({"id": "c", "lineItems": [{"id": "l1"}, {"id": "l2"}]},), None)
    commerce.checkouts_changed(client)
    assert [each.get("query") for each in asked(route)] == ["updated_at:>='2026-11-01T12:00:00Z'", None, None, None]


def test_a_change_without_a_time_is_one_all_the_same():
    assert commerce.changed({"id": gid("Order", 9)}) == Changed("9", None)


# ------------------------------------------------------------------ discounts, counts, scopes


def test_discounts_and_their_codes_page_by_page(client, shopify):
    """S64, S65: by the id that webhooks name; a discount that is gone is None."""

    def answer(name, variables):
        if name == "DiscountsPage":
            return {"discountNodes": more("d", cursor="c")}
        if variables["id"].endswith("/404"):
            return {"discountNode": None}
        codes = more("k1", "k2", cursor="c2" if variables.get("after") is None else None)
        return {
            "discountNode": {"id": variables["id"], "discount": {"__typename": "DiscountCodeBasic", "codes": codes}}
        }

    route = shopify(answer)
    assert commerce_discounts.discounts_page(client) == Page(({"id": "d"},), "c")
    assert asked(route)[-1] == {"query": "method:code", "after": None}
    first = commerce_discounts.codes_page(client, "7")
    assert first == Page(({"id": "k1"}, {"id": "k2"}), "c2")
    assert asked(route)[-1]["id"] == gid("DiscountCodeNode", 7)
    second = commerce_discounts.codes_page(client, gid("DiscountCodeNode", 7), first.after)
    assert second is not None
    assert second.after is None
    assert commerce_discounts.codes_page(client, "404") is None
    assert commerce_discounts.discount_by_id(client, "404") is None
    found = commerce_discounts.discount_by_id(client, "7")
    assert found is not None
    assert commerce_discounts.codes_inside(found) is None  # there are more than came with it


def test_counts_say_whether_they_are_exact(client, shopify):
    said = {"OrdersCount": (25_001, "AT_LEAST"), "ProductsCount": (12, "EXACT")}
    shopify(lambda name, _: {"counted": dict(zip(("count", "precision"), said[name], strict=True))})
    assert commerce.counts(client, ["orders", "products"]) == {
        "orders": Count(25_001, exact=False),
        "products": Count(12),
    }


@pytest.mark.parametrize(
    ("scopes", "kinds"),
    [
        ("read_customers", {"customers"}),
        ("write_customers, read_products", {"customers", "products"}),
        ("read_orders", set()),  # its lines name products
        ("read_orders,write_products", {"products", "orders", "carts"}),
        ("read_discounts", {"promo_rules", "promo_codes"}),
        ("", set()),
    ],
)
def test_what_may_be_read_with_which_scopes(scopes, kinds):
    assert commerce.readable(scopes) == kinds


# ------------------------------------------------------------------ bulk results


def test_bulk_is_asked_to_group(client, shopify):
    route = shopify(lambda *_: {"bulkOperationRunQuery": {"bulkOperation": {"id": "b"}, "userErrors": []}})
    bulk.start(client, "{ orders }", grouped=True)
    bulk.start(client, "{ customers }")
    assert [each["groupObjects"] for each in asked(route)] == [True, False]


def test_lines_become_whole_objects():
    """S100: lines, discounts, variants and their pictures each in the list that the mapping reads."""
    lines = [
        {"id": gid("Product", 1)},
        {"id": gid("MediaImage", 5), "__parentId": gid("Product", 1)},
        {"id": gid("ProductVariant", 2), "__parentId": gid("Product", 1)},
        {"id": gid("MediaImage", 5), "__parentId": gid("ProductVariant", 2)},
        {"id": gid("ProductVariant", 3), "__parentId": gid("Product", 1)},
        {"id": gid("Video", 6), "__parentId": gid("Product", 1)},
        {"id": gid("Order", 1)},
        {"id": gid("Order", 2)},
        {"id": gid("LineItem", 8), "__parentId": gid("Order", 2)},
        {"index": 0, "code": "LAMP10", "__parentId": gid("Order", 2)},
    ]
    assert list(bulk.assemble(lines)) == [
        {
            "id": gid("Product", 1),
            "media": [{"id": gid("MediaImage", 5)}, {"id": gid("Video", 6)}],
            "variants": [
                {"id": gid("ProductVariant", 2), "media": [{"id": gid("MediaImage", 5)}]},
                {"id": gid("ProductVariant", 3), "media": []},
            ],
        },
        {"id": gid("Order", 1), "lineItems": [], "discountApplications": []},
        {
            "id": gid("Order", 2),
            "lineItems": [{"id": gid("LineItem", 8)}],
            "discountApplications": [{"index": 0, "code": "LAMP10"}],
        },
    ]
    assert list(bulk.assemble([])) == []


def test_half_an_order_is_never_taken_for_a_whole_one():
    """A result that isn't grouped, though it was asked for, would give orders without their lines."""
    lines = [
        {"id": gid("Order", 1)},
        {"id": gid("Order", 2)},
        {"id": gid("LineItem", 8), "__parentId": gid("Order", 1)},
    ]
    with pytest.raises(bulk.Ungrouped):
        list(bulk.assemble(lines))
