"""Bulk operations: what is refused, what the file holds, and that it is made while it is fetched."""

import json
import tracemalloc

import pytest
from graphql import parse, print_ast
from shopify_port import SHOPIFY, Api, shared

from shopchimp.sandbox.shopify import engine

RUN = "mutation($q: String!) { bulkOperationRunQuery(query: $q) { bulkOperation { id status } userErrors { field message code } } }"
LOOK = "query($id: ID!) { bulkOperation(id: $id) { status objectCount rootObjectCount fileSize url completedAt } }"
MANY = " ".join(f"{name}: addressesV2 {{ edges {{ node {{ city }} }} }}" for name in "abcde")
DEEP = """{ collections { edges { node { id products { edges { node { id variants { edges { node {
  id metafields { edges { node { id } } } } } } } } } } } } }"""
IDS = "{ customers { edges { node { id } } } }"


def start(api, query=IDS):
    answer = api(RUN, q=query)
    assert answer["userErrors"] == []
    return answer["bulkOperation"]["id"]


def finish(api, query=IDS):
    gid = start(api, query)
    api.clock.at += 1
    shown = api(LOOK, id=gid)
    operation = api.shop.bulk.get(gid)
    lines = b"".join(operation.lines())
    return shown, [json.loads(line) for line in lines.splitlines()], len(lines)


def test_the_products_bulk_query_says_what_the_page_query_says():
    text = shared(SHOPIFY / "documents.graphql").read_text()
    document = next(d for d in parse(text).definitions if d.name.value == "BulkCustomers")
    inner = print_ast(document)
    node = document.selection_set.selections[0].selection_set.selections[0].selection_set.selections[0]
    page = f"{{ customers(first: 250, query: \"updated_at:>='2026-01-01T00:00:00Z'\") {{ nodes {print_ast(node.selection_set)} }} }}"
    api = Api(200)
    _, lines, _ = finish(api, inner)
    prepared = engine.prepare(page)
    answer = engine.run_with_graphql_core(prepared.operation(None), api.call, {})
    expected = answer["data"]["customers"]["nodes"]
    assert len(expected) > 50
    assert sorted(lines, key=lambda line: line["id"]) == expected


def test_a_bulk_operation_takes_its_time():
    api = Api(30)
    gid = start(api)
    assert api(LOOK, id=gid)["status"] == "RUNNING"
    assert api(LOOK, id=gid)["url"] is None
    api.clock.at += 1
    shown = api(LOOK, id=gid)
    assert (shown["status"], shown["objectCount"], shown["rootObjectCount"]) == ("COMPLETED", "30", "30")
    assert shown["url"].startswith("http://sandbox.test/storage/bulk-")


def test_the_size_is_that_of_the_file():
    shown, lines, size = finish(Api(30))
    assert (shown["fileSize"], len(lines)) == (str(size), 30)


def test_nothing_found_has_no_file():
    shown, lines, _ = finish(Api(30), '{ customers(query: "tag:nobody") { edges { node { id } } } }')
    assert (shown["objectCount"], shown["url"], lines) == ("0", None, [])


def test_children_follow_their_parent_with_its_id():
    api = Api(30)
    query = "{ customers { edges { node { id addressesV2 { edges { node { city } } } } } } }"
    shown, lines, _ = finish(api, query)
    parents = [line for line in lines if "__parentId" not in line]
    children = [line for line in lines if "__parentId" in line]
    assert (len(parents), len(lines)) == (30, int(shown["objectCount"]))
    assert len(children) == sum(customer.address is not None for customer in api.shop.customers)
    assert lines == [*parents, *children]
    for line in children:
        assert line == {"city": line["city"], "__parentId": line["__parentId"]}
    assert {line["__parentId"] for line in children} <= {line["id"] for line in parents}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ shop { name } }", "Bulk queries must contain at least one connection."),
        ("{ customers { nodes { id } } }", "edges { node"),
        ("{ customers { edges { cursor } } }", "edges { node"),
        ("query($q: String) { customers(query: $q) { edges { node { id } } } }", "variables"),
        ("mutation { appUninstall { app { id } } }", "must be a single query"),
        ("{ customers { edges { node { nope } } } }", "Invalid bulk query"),
        ("{ customers {", "Invalid bulk query"),
        ('{ node(id: "gid://shopify/Customer/1") { id } customers { edges { node { id } } } }', "top level `node`"),
        (
            "{ customers { edges { node { email addressesV2 { edges { node { city } } } } } } }",
            "must select the 'id' field",
        ),
        (
            "{ orders { edges { node { id refunds(first: 1) { id refundLineItems(first: 1) { edges { node { id } } } } } } } }",
            "connection field within a list field",
        ),
        (f"{{ customers {{ edges {{ node {{ id {MANY} }} }} }} }}", "cannot contain more than 5 connections"),
        (DEEP, "nesting depth greater than 2"),
        ("{ collections { edges { node { id } } } }", "The sandbox has no bulk operation of collections yet"),
    ],
)
def test_refusals(query, message):
    answer = Api(3)(RUN, q=query)
    (error,) = answer["userErrors"]
    assert message in error["message"]
    assert (answer["bulkOperation"], error["code"]) == (None, "INVALID")


def test_five_run_at_once():
    api = Api(3)
    running = [start(api) for _ in range(5)]
    (error,) = api(RUN, q=IDS)["userErrors"]
    assert error["code"] == "OPERATION_IN_PROGRESS"
    assert running[0] in error["message"]
    api.clock.at += 1
    start(api)


def test_cancelling():
    api = Api(3)
    cancel = "mutation($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { status } userErrors { message } } }"
    gid = start(api)
    assert api(cancel, id=gid) == {"bulkOperation": {"status": "CANCELING"}, "userErrors": []}
    assert api(LOOK, id=gid)["status"] == "CANCELED"
    assert "cannot be canceled" in api(cancel, id=gid)["userErrors"][0]["message"]


def test_running_operations_are_found():
    api = Api(3)
    find = '{ bulkOperations(first: 10, query: "operation_type:query AND status:running") { nodes { id } } }'
    gid = start(api)
    assert api(find)["nodes"] == [{"id": gid}]
    api.clock.at += 1
    assert api(find)["nodes"] == []


def test_whoever_came_later_is_not_in_the_file_and_whoever_left_is_skipped():
    api = Api(5)
    gid = start(api)
    api.clock.at += 1
    api(LOOK, id=gid)
    api.customer(email="late@example.com")
    gone = api.shop.customers.by_number[api.shop.customers.numbers[2]]
    api.shop.customers.delete(gone)
    lines = b"".join(api.shop.bulk.get(gid).lines()).splitlines()
    assert len(lines) == 4


def test_the_file_is_never_held_in_memory():
    peaks = []
    for people in (6000, 12_000):
        api = Api(people)
        gid = start(api, "{ customers { edges { node { id email tags createdAt updatedAt displayName } } } }")
        api.clock.at += 1
        assert api(LOOK, id=gid)["fileSize"] is None  # too long to be measured beforehand
        operation = api.shop.bulk.get(gid)
        tracemalloc.start()
        try:
            size = sum(len(piece) for piece in operation.lines())
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert api(LOOK, id=gid)["fileSize"] == str(size)
    assert peaks[1] < 1.2 * peaks[0]
