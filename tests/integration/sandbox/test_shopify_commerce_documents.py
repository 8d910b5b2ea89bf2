"""Documents about products, orders, checkouts and discounts: both executors, costs, scopes, pages, bulk operations."""

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from shopify_port import SHARED, Api, shared
from test_shopify_documents import _documents

from shopchimp.sandbox.loaders import from_cdnow, purchases_of_cdnow
from shopchimp.sandbox.shopify import engine
from shopchimp.sandbox.shopify.opening import Opening, open_commerce

ORDER, PRODUCT = "gid://shopify/Order/", "gid://shopify/Product/"
RUN = "mutation($q: String!, $g: Boolean! = false) { bulkOperationRunQuery(query: $q, groupObjects: $g) { bulkOperation { id } userErrors { message } } }"
DONE = "query($id: ID!) { bulkOperation(id: $id) { status objectCount rootObjectCount url } }"
SHIP = ("read_customers", "read_orders", "read_products", "read_discounts", "read_all_orders")
DOCUMENTS: dict[str, dict[str, Any]] = {
    "OrdersPage": {"first": 7, "query": "updated_at:>='2000-01-01T00:00:00Z'"},
    "OrderById": {"id": f"{ORDER}5600000000012"},
    "ProductsPage": {"first": 8},
    "ProductById": {"id": f"{PRODUCT}9100000000011"},
    "CollectionsPage": {"first": 5},
    "AbandonedCheckoutsPage": {"first": 6},
    "CodeDiscountsPage": {"first": 8},
    "DiscountById": {"id": "gid://shopify/DiscountCodeNode/1450000000004"},
    "DiscountRedeemCodes": {"id": "gid://shopify/DiscountCodeNode/1450000000001", "first": 5},
    "DiscountByCode": {"code": "save3-000001460"},
}


def opened(people: int = 8, scopes: tuple[str, ...] = SHIP, **wanted: Any) -> Api:
    api = Api(people, scopes=scopes)
    plenty = {"orders": True, "odd_orders": 20, "checkouts": 9, "discounts": 12, "codes": 25, "invented_products": 20}
    open_commerce(api.shop, Opening(**(wanted or plenty)))
    api.shop.commerce.open()
    return api


def bulk(api: Api, text: str, *, grouped: bool = False) -> list[dict[str, Any]]:
    started = api(RUN, q=text, g=grouped)
    assert started["userErrors"] == []
    api.clock.at += 1
    done = api(DONE, id=started["bulkOperation"]["id"])
    assert done["status"] == "COMPLETED"
    lines = [
        json.loads(line)
        for operation in api.shop.bulk.by_number.values()
        for piece in operation.lines()
        for line in piece.splitlines()
        if operation.gid == started["bulkOperation"]["id"]
    ]
    assert len(lines) == int(done["objectCount"])
    return lines


@pytest.mark.parametrize("name", DOCUMENTS)
def test_both_executors_answer_alike(name):
    text, variables = _documents()[name], DOCUMENTS[name]
    answers = []
    for use_graphql_core in (False, True):
        api = opened()
        operation = engine.prepare(text).operation(None)
        if use_graphql_core:
            answers.append(engine.run_with_graphql_core(operation, api.call, variables))
        else:
            answers.append(engine.run(operation, api.call, variables, engine.coerce(operation, variables)))
    assert "errors" not in answers[0], answers[0]["errors"]
    assert answers[0] == answers[1]
    assert all(answers[0]["data"].values())


def test_the_pages_of_many_are_compiled():
    names = ["OrdersPage", "ProductsPage", "AbandonedCheckoutsPage", "CodeDiscountsPage"]
    prepared = [engine.prepare(_documents()[name]).operation(None).compiled for name in names]
    assert all(prepared), dict(zip(names, prepared, strict=True))


def test_a_page_of_orders_costs_what_was_asked_and_pays_for_what_was_there():
    answer = opened(0, odd_orders=5).run(_documents()["OrdersPage"], first=50)
    cost = answer["extensions"]["cost"]
    assert cost["requestedQueryCost"] == 457
    assert 0 < cost["actualQueryCost"] < 457
    refused = opened().run(_documents()["ProductsPage"], first=250)
    assert refused["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"


def test_every_order_adds_up():
    """Lines less discounts, plus shipping and tax, are the total, in all that is told about it."""
    for each in opened().shop.commerce.orders:
        lines = sum(line.quantity * line.price - line.discount for line in each.lines)
        assert each.total == lines + each.shipping - each.shipping_discount + each.tax
        assert all(line.discount >= 0 and line.price >= 0 and line.quantity > 0 for line in each.lines)
        assert 0 <= each.current_total <= each.total


def test_customers_spent_what_their_orders_say():
    api = opened(30, orders=True)
    for customer in api.shop.customers:
        own = [each for each in api.shop.commerce.orders if each.customer is customer]
        assert (len(own), sum(each.total for each in own)) == (customer.orders, customer.spent)


def test_orders_older_than_60_days_need_the_optional_scope():
    """shopify.md 2.6."""
    text = "{ ordersCount { count } }"
    everything, recent = opened(), opened(scopes=SHIP[:-1])
    assert recent(text)["count"] < everything(text)["count"]
    old = min(recent.shop.commerce.orders, key=lambda each: each.created)
    assert recent("query($id: ID!) { order(id: $id) { id } }", id=old.gid) is None
    assert everything("query($id: ID!) { order(id: $id) { id } }", id=old.gid) == {"id": old.gid}
    ids = [row["id"] for row in bulk(recent, "{ orders { edges { node { id createdAt } } } }")]
    assert old.gid not in ids
    assert len(ids) == recent(text)["count"]


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("{ orders(first: 1) { nodes { id } } }", "read_orders"),
        ("{ abandonedCheckouts(first: 1) { nodes { id } } }", "read_orders"),
        ("{ products(first: 1) { nodes { id } } }", "read_products"),
        ("{ discountNodes(first: 1) { nodes { id } } }", "read_discounts"),
        (f'{{ node(id: "{PRODUCT}1") {{ id }} }}', "read_products"),
    ],
)
def test_each_needs_its_scope(text, scope):
    answer = opened(scopes=tuple(each for each in SHIP if each != scope)).run(text)
    assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert scope in answer["errors"][0]["message"]


def test_a_walk_by_last_change_meets_everything_once():
    api = opened()
    text = "query($after: String, $q: String) { orders(first: 6, after: $after, query: $q, sortKey: UPDATED_AT) { nodes { id updatedAt } pageInfo { hasNextPage endCursor } } }"
    found, after = [], None
    while True:
        page = api(text, after=after)
        found += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len({each["id"] for each in found}) == len(found) == len(api.shop.commerce.orders)
    assert [each["updatedAt"] for each in found] == sorted(each["updatedAt"] for each in found)
    since = found[-3]["updatedAt"]
    late = api(text, q=f"updated_at:>='{since}'")["nodes"]
    assert [each["id"] for each in late] == [each["id"] for each in found if each["updatedAt"] >= since]


def test_bulk_orders_hold_their_lines():
    api = opened()
    rows = bulk(api, _documents()["BulkOrders"].replace("2026-01-01", "2000-01-01"))
    orders = {row["id"]: row for row in rows if "__parentId" not in row}
    assert len(orders) == len(api.shop.commerce.orders)
    for each in api.shop.commerce.orders:
        lines = [row for row in rows if row.get("__parentId") == each.gid]
        assert len(lines) == len(each.lines)
        assert orders[each.gid]["totalPriceSet"]["shopMoney"] == {
            "amount": str(Decimal(each.total).scaleb(-2)),
            "currencyCode": "USD",
        }


def test_bulk_products_hold_their_variants_even_more_than_a_page():
    rows = bulk(opened(), _documents()["BulkProducts"])
    assert sum(row.get("__parentId") == f"{PRODUCT}9100000000011" for row in rows) == 120


def test_children_stand_by_their_parents_where_that_is_asked_for():
    """`groupObjects`; without it a whole level comes before the next (shopify.md section 5)."""
    text = """{ products { edges { node { id media { edges { node { id } } }
        variants { edges { node { id media { edges { node { id } } } } } } } } } }"""
    plain, grouped = bulk(opened(), text), bulk(opened(), text, grouped=True)
    assert sorted(map(json.dumps, plain)) == sorted(map(json.dumps, grouped))
    assert plain != grouped
    roots = [row for row in plain if "__parentId" not in row]
    assert plain[: len(roots)] == roots
    seen: set[str] = set()
    for row in plain:
        assert row.get("__parentId") in seen or "__parentId" not in row
        seen.add(row["id"])
    family: set[str] = set()
    for row in grouped:
        if "__parentId" not in row:
            family.clear()
        assert row.get("__parentId") in family or "__parentId" not in row
        family.add(row["id"])


def test_bulk_orders_may_ask_for_lists_with_arguments():
    text = "{ orders { edges { node { id fulfillments(first: 50) { trackingInfo(first: 1) { number url } } } } } }"
    parcels = [each for row in bulk(opened(), text) for each in row["fulfillments"]]
    assert parcels
    assert all(each["trackingInfo"][0]["url"].endswith(each["trackingInfo"][0]["number"]) for each in parcels)


def test_bulk_discounts_hold_the_codes_below_their_types():
    """Whether Shopify allows it is UNVERIFIED; the document is valid by the schema."""
    api = opened()
    rows = bulk(api, _documents()["BulkCodeDiscounts"])
    nodes = [row for row in rows if "__parentId" not in row]
    assert len(nodes) == 12
    told = {
        row["id"] for row in nodes if row["discount"]["__typename"] in ("DiscountCodeBasic", "DiscountCodeFreeShipping")
    }
    assert {row["__parentId"] for row in rows if "__parentId" in row} == told
    assert len(rows) == 12 + 25 * len(told)


def test_a_hundred_thousand_codes_are_made_when_asked_for():
    api = opened(0, discounts=2, codes=100_000)
    gid = "gid://shopify/DiscountCodeNode/1450000000001"
    text = "query($id: ID!, $after: String) { discountNode(id: $id) { discount { ... on DiscountCodeBasic { codesCount { count } codes(first: 250, after: $after) { nodes { id code } pageInfo { hasNextPage endCursor } } } } } }"
    first = api(text, id=gid)["discount"]
    assert first["codesCount"] == {"count": 100_000}
    second = api(text, id=gid, after=first["codes"]["pageInfo"]["endCursor"])["discount"]["codes"]["nodes"]
    codes = [each["code"] for each in [*first["codes"]["nodes"], *second]]
    assert len(set(codes)) == 500
    found = api("query($c: String!) { codeDiscountNodeByCode(code: $c) { id } }", c=codes[321].lower())
    assert found == {"id": gid}


def test_filters():
    api = opened()

    def count(root: str, words: str) -> int:
        return api(f"query($q: String) {{ {root}Count(query: $q) {{ count }} }}", q=words)["count"]

    orders = list(api.shop.commerce.orders)
    assert count("orders", "financial_status:voided") == sum(each.financial == "VOIDED" for each in orders) > 0
    assert count("orders", "status:cancelled") == sum(each.cancelled is not None for each in orders) > 0
    assert count("orders", "name:#1003") == 1
    assert count("products", "status:active") < count("products", "")
    assert count("abandonedCheckouts", "status:open") < count("abandonedCheckouts", "")
    assert 0 < count("discountNodes", "method:code AND status:active") < count("discountNodes", "method:code")


def test_nodes_of_several_kinds_in_one_call():
    api = opened()
    ids = [f"{PRODUCT}9100000000001", f"{ORDER}5600000000001", "gid://shopify/Customer/7000000000001", f"{ORDER}1"]
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Order { name lineItems(first: 5) { nodes { quantity } } } ... on Product { title } } }"
    product, order, customer, nothing = api(text, ids=ids)
    assert product["title"]
    assert (order["name"], nothing) == ("#1001", None)
    assert order["lineItems"]["nodes"]
    assert customer == {"id": ids[2]}


def test_the_real_purchases_keep_their_totals_to_the_cent():
    data = shared(SHARED / "data")
    api = Api(0, scopes=SHIP)
    for person in from_cdnow(data, 1, 300):
        api.sandbox.add(person)
    opening = Opening(products=data / "shopify-products", orders=True, purchases=purchases_of_cdnow(data))
    open_commerce(api.shop, opening)
    api.shop.commerce.open()
    ours = [
        each for each in purchases_of_cdnow(data) if 7_000_000_000_000 + each.customer in api.shop.customers.by_number
    ]
    assert len(api.shop.commerce.orders) == len(ours) > 300
    wanted, found = defaultdict(list), defaultdict(list)
    for each in ours:
        wanted[each.customer].append((each.at, each.pieces, each.cents))
    for order in api.shop.commerce.orders:
        found[order.customer.number - 7_000_000_000_000].append(
            (order.created, sum(line.quantity for line in order.lines), order.total)
        )
    assert {key: sorted(each) for key, each in found.items()} == {key: sorted(each) for key, each in wanted.items()}
    assert len(api.shop.commerce.products) == 60


def test_without_being_asked_a_shop_has_nothing_to_sell():
    api = Api(3)
    assert [row for row in api.sandbox.state() if "kind" in row] == []
    assert api("{ products(first: 1) { nodes { id } } }") == {"nodes": []}
