"""Everything the product sends about a store, recorded in a first sync and live, against both platforms' own words.

By single calls, and by batches, whose operations are calls like any other.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema
from test_recorded_traffic import graphql_problems, rest_problems, template

from shopchimp.db import marking
from shopchimp.jobs import chores, lanes
from shopchimp.services import live as people
from shopchimp.services.commerce import live, polls
from stage import Row, Stage, stage

STORE = ["--people", "260", "--orders", "--read-all-orders", "--invented-products", "30", "--odd-orders", "40"]
STORE += ["--checkouts", "40", "--discounts", "12", "--codes", "6"]
POLLS = {"poll_orders": polls.poll_orders, "poll_products": polls.poll_products, "poll_checkouts": polls.poll_checkouts}
ALONE = ("/ecommerce/stores", "/batches")


def edit(played: Stage, kind: str, do: str, **change: Any) -> Row:
    return dict(played.sandbox.control("edit", platform="shopify", kind=kind, do=do, **change))


def heard(played: Stage, *keys: str) -> None:
    """Work on what deliveries about these would have marked."""
    played.mark(*keys)
    works = {marking.LIVE: people.work, marking.COMMERCE: live.work}
    for _ in range(20):
        lanes.drain(played.runtime, stop=played.stop, works=works)
        if not played.rows("select 1 from changes where state = 'waiting' and lane = 'commerce'"):
            return
        played.rows("update changes set due_at = now() where state = 'waiting' and token is null returning 1")
    raise AssertionError(played.rows("select * from changes"))


def number(row: Row) -> str:
    return str(row["id"]).rpartition("/")[2]


def a_day(played: Stage) -> None:
    """Orders come, are changed and go; so do products."""
    goods = sorted(played.sandbox.commerce("shopify")["product"].values(), key=lambda each: each["key"])
    lines = [{"variant": each["variants"][0]["id"], "quantity": 2} for each in goods[:3]]
    orders = [edit(played, "order", "create", email=f"day{n}@live.example.com", lines=lines) for n in range(4)]
    keys = [f"order:{number(each)}" for each in orders]
    heard(played, *keys)
    edit(played, "order", "edit", id=orders[0]["id"], remove=[{"line": 1}])
    edit(played, "order", "refund", id=orders[1]["id"])
    edit(played, "order", "cancel", id=orders[2]["id"])
    edit(played, "order", "fulfil", id=orders[3]["id"], tracking="1Z999", company="UPS", url="https://ups.example.com")
    edit(played, "product", "update", id=goods[0]["id"], set={"title": "Another name"})
    edit(played, "product", "delete", id=goods[4]["id"])
    heard(played, *keys, f"product:{number(goods[0])}", f"product:{number(goods[4])}")
    edit(played, "order", "delete", id=orders[0]["id"])
    heard(played, keys[0])
    played.rows("update chores set due_at = now() where name like 'poll%' returning 1")
    chores.drain(played.runtime, POLLS, stop=played.stop)


@pytest.fixture(scope="module")
def traffic(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    file = tmp_path_factory.mktemp("commerce") / "calls.jsonl"
    with stage(new_database(), *STORE, "--record", str(file)) as played:
        played.first_sync()
        # Shopify's times have no fractions: what is placed in the second live sync began in is no news
        played.rows("update connections set commerce_since = commerce_since - interval '1 minute' returning 1")
        a_day(played)
        assert played.rows("select key, state, cause, detail from changes where state <> 'waiting'") == []
    with file.open() as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def mailchimp(shared: Callable[[str], Path]) -> Row:
    with gzip.open(shared("contracts/mailchimp/marketing-3.0.json.gz"), "rt") as file:
        return dict(json.load(file))


def sent(traffic: list[Row]) -> Iterator[Row]:
    """Calls of the store, those inside batches among them."""
    for line in traffic:
        if line["platform"] == "mailchimp" and line["path"].removeprefix("/3.0").startswith(ALONE):
            yield line
            if line["method"] == "POST" and line["path"] == "/3.0/batches":
                yield from map(inside, line["body"]["operations"])


def inside(operation: Row) -> Row:
    """An operation of a batch as the call it stands for."""
    body = json.loads(operation["body"]) if "body" in operation else None
    path, query = f"/3.0{operation['path']}", operation.get("params", {})
    return {"method": operation["method"], "path": path, "query": query, "body": body}


def test_every_document_about_a_store_is_valid(traffic: list[Row], whole_schema: GraphQLSchema) -> None:
    bodies = [line["body"] for line in traffic if line["path"].endswith("/graphql.json")]
    assert {body["operationName"] for body in bodies} >= {
        "BulkOperationRunQuery",
        "CheckoutsChanged",
        "DiscountsPage",
        "OrdersById",
        "OrdersChanged",
        "ProductsById",
        "ProductsChanged",
    }
    assert [problem for body in bodies for problem in graphql_problems(whole_schema, body)] == []


def test_every_call_about_a_store_is_as_described(traffic: list[Row], mailchimp: Row) -> None:
    calls = list(sent(traffic))
    store = "/ecommerce/stores/{store_id}"
    routes = Counter(f"{line['method']} {template(mailchimp, line['path'])}" for line in calls)
    print(routes)
    assert routes.keys() >= {
        "POST /ecommerce/stores",
        f"PATCH {store}",
        f"PUT {store}/products/{{product_id}}",
        f"PUT {store}/customers/{{customer_id}}",
        f"PUT {store}/orders/{{order_id}}",
        f"DELETE {store}/orders/{{order_id}}",
        f"POST {store}/carts",
        f"POST {store}/promo-rules",
        f"POST {store}/promo-rules/{{promo_rule_id}}/promo-codes",
        "POST /batches",
        "GET /batches/{batch_id}",
    }
    assert [f"{each['method']} {each['path']}: {p}" for each in calls for p in rest_problems(mailchimp, each)] == []


def test_a_batch_names_each_of_its_operations_once(traffic: list[Row]) -> None:
    batches = [line["body"]["operations"] for line in traffic if line["path"] == "/3.0/batches" and line["body"]]
    assert batches
    for operations in batches:
        assert len({each["operation_id"] for each in operations}) == len(operations) > 1


def test_nobody_is_opted_in_by_buying(traffic: list[Row]) -> None:
    """Consent never travels with a purchase (S1, F8)."""
    customers = [line["body"] for line in sent(traffic) if "/customers/" in line["path"] and line["body"]]
    assert customers
    assert {each["opt_in_status"] for each in customers} == {False}
    for line in sent(traffic):
        if "/orders/" in line["path"] and line["body"] and "customer" in line["body"]:
            assert line["body"]["customer"].keys() <= {"id"}


def test_no_more_connections_than_allowed(traffic: list[Row]) -> None:
    assert not [line for line in traffic if line["platform"] == "mailchimp" and line["status"] == 429]
