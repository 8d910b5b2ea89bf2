"""Every call that writes, reads or deletes something of the store, recorded, against Mailchimp's own description."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from test_recorded_traffic import rest_problems, template

from shopchimp.db import connections
from shopchimp.domain.commerce.results import Kind, Step
from shopchimp.mailchimp import ecommerce, operations
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services.commerce.roads import Batched
from stage import Row, Stage, stage

STORE = "demo-store-1"
PERSON = {"email_address": "rosa@example.com", "opt_in_status": False}


def step(kind: Kind, object_id: str, parent: str | None = None, **body: Any) -> Step:
    return Step(kind, {"id": object_id, **body}, parent=parent)


def line(object_id: str, quantity: int = 1) -> Row:
    return {"id": object_id, "product_id": "p1", "product_variant_id": "v1", "quantity": quantity, "price": 5.0}


def variant(object_id: str) -> Row:
    return {"id": object_id, "title": "Small", "inventory_quantity": 3, "visibility": "visible"}


def sale(kind: Kind, object_id: str, who: str, *lines: Row, **more: Any) -> Step:
    given: Row = {"customer": {"id": who}, "currency_code": "EUR", "order_total": 5.0, "lines": list(lines), **more}
    return step(kind, object_id, **given)


def life(client: MailchimpClient, audience_id: str) -> None:
    """One of each call, and the second ways."""
    assert ecommerce.get_store(client, STORE) is None
    ecommerce.make_store(client, STORE, audience_id, name="Demo", currency_code="EUR", domain="lamps.example.com")
    picture = {"id": "i1", "url": "https://lamps.example.com/1.png"}
    for variants, images in (([variant("v1"), variant("v2")], [picture]), ([variant("v1")], [])):
        product = step(Kind.PRODUCT, "p1", title="Lamp", variants=variants, images=images)
        ecommerce.write(client, STORE, product)
    ecommerce.write(client, STORE, step(Kind.VARIANT, "v3", "p1", title="Large"))
    missing = Step(Kind.VARIANT, {"id": "gone-1", "title": "Old"}, parent="p1", if_missing=True)
    ecommerce.write(client, STORE, missing)
    for email in ("rosa@example.com", "lind@example.com"):
        ecommerce.write(client, STORE, step(Kind.CUSTOMER, "c1", **{**PERSON, "email_address": email}))
    ecommerce.write(client, STORE, Step(Kind.CUSTOMER, {"id": "c2", **PERSON}, if_missing=True))
    for lines in ([line("l1"), line("l2")], [line("l1", 2)]):
        ecommerce.write(client, STORE, sale(Kind.ORDER, "o1", "c1", *lines, promos=[]))
    for who, url, lines in (
        ("c1", "https://lamps.example.com/1", [line("a"), line("b")]),
        ("c1", "https://lamps.example.com/2", [line("b", 3), line("c")]),
        ("c2", "https://lamps.example.com/2", [line("b")]),
    ):
        ecommerce.write(client, STORE, sale(Kind.CART, "k1", who, *lines, checkout_url=url, tax_total=1.0))
    for known in (True, True, False):
        about = {"description": "Off", "amount": 0.1, "type": "percentage", "target": "total"}
        ecommerce.write(client, STORE, step(Kind.PROMO_RULE, "r1", **about), known=known)
        code = step(Kind.PROMO_CODE, "x1", "r1", code="SAVE", redemption_url="https://lamps.example.com/discount/SAVE")
        ecommerce.write(client, STORE, code, known=known)
    for kind in (Kind.PRODUCT, Kind.CUSTOMER, Kind.ORDER, Kind.CART, Kind.PROMO_RULE):
        assert ecommerce.page(client, STORE, kind)[1] >= 1
    assert len(ecommerce.page(client, STORE, Kind.PROMO_CODE, parent="r1", fields=("id", "code"))[0]) == 1
    assert ecommerce.get(client, STORE, Kind.ORDER, "o1", fields="id,lines.id") == {"id": "o1", "lines": [{"id": "l1"}]}
    for kind, object_id, parent in (
        (Kind.PROMO_CODE, "x1", "r1"),
        (Kind.PROMO_RULE, "r1", None),
        (Kind.CART, "k1", None),
        (Kind.ORDER, "o1", None),
        (Kind.VARIANT, "v3", "p1"),
        (Kind.PRODUCT, "p1", None),
    ):
        ecommerce.delete(client, STORE, kind, object_id, parent=parent)
    road = Batched(client, 8, frozenset({"127.0.0.1"}), lambda: datetime.now(UTC))
    steps = [step(Kind.CUSTOMER, f"c{n}", email_address=f"r{n}@example.com", opt_in_status=False) for n in range(9, 13)]
    sent = [*(ecommerce.operation_of(STORE, each) for each in steps), ecommerce.deletion_of(STORE, Kind.CART, "k1")]
    assert set(road.send(sent).values()) == {None}
    operations.stop(client, operations.recent(client, datetime.now(UTC) - timedelta(hours=1))[-1].id)
    ecommerce.change_store(client, STORE, is_syncing=False)
    ecommerce.delete_store(client, STORE)


@pytest.fixture(scope="module")
def calls(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    file = tmp_path_factory.mktemp("traffic") / "calls.jsonl"
    with stage(new_database(), "--people", "2", "--record", str(file)) as played:
        life(played.runtime.gateways.mailchimp(played.shop_id), audience_of(played))
    with file.open() as lines:
        sent = [json.loads(line) for line in lines]
    return [row for row in sent if row["path"].startswith(("/3.0/ecommerce", "/3.0/batches"))]


def audience_of(played: Stage) -> str:
    with played.database.transaction() as tx:
        connection = connections.get(tx, played.shop_id)
    assert connection is not None
    assert connection.audience_id is not None
    return connection.audience_id


@pytest.fixture(scope="module")
def described(shared: Callable[[str], Path]) -> Row:
    with gzip.open(shared("contracts/mailchimp/marketing-3.0.json.gz"), "rt") as file:
        return json.load(file)


def inside(row: Row) -> Iterator[Row]:
    """The calls that a batch is made of."""
    for each in (row["body"] or {}).get("operations", ()):
        body = json.loads(each["body"]) if "body" in each else None
        yield {"method": each["method"], "path": f"/3.0{each['path']}", "query": each.get("params", {}), "body": body}


def test_s105_every_call_to_the_store_is_as_described(calls: list[Row], described: Row) -> None:
    every = [*calls, *(inner for row in calls for inner in inside(row))]
    routes = Counter(f"{row['method']} {template(described, row['path'])}" for row in every)
    prefix = "/ecommerce/stores/{store_id}"
    assert set(routes) == {
        "POST /ecommerce/stores", f"GET {prefix}", f"PATCH {prefix}", f"DELETE {prefix}",
        f"GET {prefix}/products", f"PUT {prefix}/products/{{product_id}}", f"DELETE {prefix}/products/{{product_id}}",
        f"POST {prefix}/products/{{product_id}}/variants",
        f"PUT {prefix}/products/{{product_id}}/variants/{{variant_id}}",
        f"DELETE {prefix}/products/{{product_id}}/variants/{{variant_id}}",
        f"DELETE {prefix}/products/{{product_id}}/images/{{image_id}}",
        f"GET {prefix}/customers", f"POST {prefix}/customers", f"PUT {prefix}/customers/{{customer_id}}",
        f"DELETE {prefix}/customers/{{customer_id}}",
        f"GET {prefix}/orders", f"GET {prefix}/orders/{{order_id}}", f"PUT {prefix}/orders/{{order_id}}",
        f"DELETE {prefix}/orders/{{order_id}}", f"DELETE {prefix}/orders/{{order_id}}/lines/{{line_id}}",
        f"GET {prefix}/carts", f"POST {prefix}/carts", f"GET {prefix}/carts/{{cart_id}}",
        f"PATCH {prefix}/carts/{{cart_id}}", f"DELETE {prefix}/carts/{{cart_id}}",
        f"POST {prefix}/carts/{{cart_id}}/lines", f"PATCH {prefix}/carts/{{cart_id}}/lines/{{line_id}}",
        f"DELETE {prefix}/carts/{{cart_id}}/lines/{{line_id}}",
        f"GET {prefix}/promo-rules", f"POST {prefix}/promo-rules", f"PATCH {prefix}/promo-rules/{{promo_rule_id}}",
        f"DELETE {prefix}/promo-rules/{{promo_rule_id}}",
        f"GET {prefix}/promo-rules/{{promo_rule_id}}/promo-codes",
        f"POST {prefix}/promo-rules/{{promo_rule_id}}/promo-codes",
        f"PATCH {prefix}/promo-rules/{{promo_rule_id}}/promo-codes/{{promo_code_id}}",
        f"DELETE {prefix}/promo-rules/{{promo_rule_id}}/promo-codes/{{promo_code_id}}",
        "POST /batches", "GET /batches", "GET /batches/{batch_id}", "DELETE /batches/{batch_id}",
    }  # fmt: skip
    problems = [f"{row['method']} {row['path']}: {each}" for row in every for each in rest_problems(described, row)]
    assert problems == []


def test_no_call_gives_or_takes_consent(calls: list[Row]) -> None:
    """S103, consent.md F8: a buyer is never opted in on this way."""
    every = [*calls, *(inner for row in calls for inner in inside(row))]
    said = {row["body"]["opt_in_status"] for row in every if row["body"] and "opt_in_status" in row["body"]}
    assert said == {False}
