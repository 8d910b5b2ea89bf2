"""Every body against Mailchimp's description of its API, every sample against Shopify's documents, and real products."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from commerce_nodes import (
    STORE,
    address,
    checkout,
    checkout_line,
    code,
    connection,
    customer,
    discount,
    fixed,
    gets,
    line,
    order,
    parcel,
    product,
    variant,
)
from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, OperationDefinitionNode, parse
from graphql.language.ast import InlineFragmentNode, SelectionSetNode

from shopchimp.domain.commerce.carts import cart_write, checkout_node
from shopchimp.domain.commerce.customers import buyer, customer_write
from shopchimp.domain.commerce.orders import order_writes
from shopchimp.domain.commerce.products import product_write, retired_product
from shopchimp.domain.commerce.promos import promo_code, promo_rule
from shopchimp.domain.commerce.results import Kind, Result, Step, Write

STORES = "/ecommerce/stores/{store_id}"
ROUTES = {
    Kind.PRODUCT: ("put", f"{STORES}/products/{{product_id}}"),
    Kind.VARIANT: ("put", f"{STORES}/products/{{product_id}}/variants/{{variant_id}}"),
    Kind.CUSTOMER: ("put", f"{STORES}/customers/{{customer_id}}"),
    Kind.ORDER: ("put", f"{STORES}/orders/{{order_id}}"),
    Kind.CART: ("post", f"{STORES}/carts"),
    Kind.PROMO_RULE: ("post", f"{STORES}/promo-rules"),
    Kind.PROMO_CODE: ("post", f"{STORES}/promo-rules/{{promo_rule_id}}/promo-codes"),
}
FORMATS = jsonschema.FormatChecker(formats=())
Check = Callable[[Kind, dict[str, Any]], None]


@FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def closed(api: Any, schema: Any) -> Any:
    """The schema with nothing allowed that it does not describe, and lengths in bytes as well."""
    while "$ref" in schema:
        schema = api["definitions"][schema["$ref"].rpartition("/")[2]]
    made = {name: value for name, value in schema.items() if name not in ("properties", "items")}
    if "items" in schema:
        made["items"] = closed(api, schema["items"])
    if "properties" in schema:
        made["properties"] = {
            name: closed(api, each) for name, each in schema["properties"].items() if not each.get("readOnly")
        }
        made["additionalProperties"] = False
    return made


@pytest.fixture(scope="module")
def check(shared: Callable[[str], Path]) -> Check:
    with gzip.open(shared("contracts/mailchimp/marketing-3.0.json.gz"), "rt") as file:
        api = json.load(file)
    checkers = {}
    for kind, (method, path) in ROUTES.items():
        [schema] = [each["schema"] for each in api["paths"][path][method]["parameters"] if each["in"] == "body"]
        checkers[kind] = jsonschema.Draft4Validator(closed(api, schema), format_checker=FORMATS)

    def checked(kind: Kind, body: dict[str, Any]) -> None:
        sent = json.loads(json.dumps(body, allow_nan=False))
        assert [f"{error.json_path}: {error.message}" for error in checkers[kind].iter_errors(sent)] == []
        assert len(body["id"].encode()) <= 50

    return checked


ORDERS = {
    "paid": order(),
    "shipped": order(displayFulfillmentStatus="FULFILLED", fulfillments=[parcel()]),
    "of a guest": order(customer=None, email="guest@example.com"),
    "cancelled": order(cancelledAt="2026-11-05T00:00:00Z", displayFinancialStatus="VOIDED"),
    "of deleted products": order(lines=[line(product=None, variant=None), line(variant=None)]),
    "without lines": order(lines=[]),
    "with little": {
        "id": "gid://shopify/Order/1",
        "email": "guest@example.com",
        "lineItems": {"nodes": [{"id": "gid://shopify/LineItem/1", "quantity": 1}]},
    },
}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("live", [True, False])
def test_every_step_of_an_order_is_as_described(name: str, live: bool, check: Check) -> None:
    steps = order_writes(ORDERS[name], STORE, live=live)
    assert isinstance(steps, list)
    for step in steps:
        check(step.kind, step.body)


@pytest.mark.parametrize(
    "node",
    [
        product(),
        product(status="DRAFT", onlineStoreUrl=None),
        {**product(), "variants": connection()},
        product(*(variant(id=f"gid://shopify/ProductVariant/{number}") for number in range(100))),
        {"id": "gid://shopify/Product/1"},
    ],
)
def test_products_are_as_described(node: dict[str, Any], check: Check) -> None:
    body = product_write(node).body
    check(Kind.PRODUCT, body)
    check(Kind.PRODUCT, retired_product(body["id"], body["title"], body["variants"]).body)
    for each in body["variants"]:
        check(Kind.VARIANT, each)


@pytest.mark.parametrize("written", [customer_write(customer()), buyer(order(customer=None, email="a@example.com"))])
def test_customers_are_as_described(written: Result, check: Check) -> None:
    assert isinstance(written, Write)
    check(Kind.CUSTOMER, written.body)


@pytest.mark.parametrize(
    "node", [checkout(), checkout(lines=[checkout_line(product=None, variant=None)]), checkout(totalTaxSet=None)]
)
def test_carts_are_as_described(node: dict[str, Any], check: Check) -> None:
    written = cart_write(node, STORE)
    assert isinstance(written, Write)
    for step in (*written.needs, Step(Kind.CART, written.body)):
        check(step.kind, step.body)


def test_carts_of_webhooks_are_as_described(shared: Callable[[str], Path], check: Check) -> None:
    payload = json.loads(shared("contracts/shopify/webhooks/checkouts_update.json").read_text())
    written = cart_write(checkout_node(payload), STORE)
    assert isinstance(written, Write)
    check(Kind.CART, written.body)


@pytest.mark.parametrize(
    "node",
    [
        discount(),
        discount(endsAt=None, title="ö" * 200, summary="ö" * 400),
        discount(customerGets=gets(fixed("5.00"), {"id": "gid://shopify/Product/1"})),
        discount("DiscountCodeFreeShipping"),
    ],
)
def test_promo_rules_and_codes_are_as_described(node: dict[str, Any], check: Check) -> None:
    rule = promo_rule(node, STORE)
    assert isinstance(rule, Write)
    check(Kind.PROMO_RULE, rule.body)
    assert len(rule.body["title"].encode()) <= 100
    one = promo_code(code("10% ÖL"), rule, STORE)
    assert isinstance(one, Write)
    check(Kind.PROMO_CODE, one.body)


# ------------------------------------------------------------------ the samples are what Shopify is asked for


def asked_for(document: str, operation: str) -> dict[str, Any]:
    """The fields a document selects, as nested dicts."""
    tree = parse(document)
    fragments = {each.name.value: each for each in tree.definitions if isinstance(each, FragmentDefinitionNode)}

    def fields(selection: SelectionSetNode | None) -> Iterator[tuple[str, dict[str, Any]]]:
        for each in selection.selections if selection else ():
            if isinstance(each, FieldNode):
                yield each.name.value, merged(each.selection_set)
            elif isinstance(each, FragmentSpreadNode):
                yield from fields(fragments[each.name.value].selection_set)
            elif isinstance(each, InlineFragmentNode):
                yield from fields(each.selection_set)

    def merged(selection: SelectionSetNode | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, inner in fields(selection):
            found[name] = {**found.get(name, {}), **inner}
        return found

    [query] = [
        each
        for each in tree.definitions
        if isinstance(each, OperationDefinitionNode) and each.name and each.name.value == operation
    ]
    return merged(query.selection_set)


def unasked(sample: Any, selected: Mapping[str, Any], path: str = "") -> list[str]:
    """What a sample has that the document does not ask for."""
    if isinstance(sample, list):
        return [each for item in sample for each in unasked(item, selected, path)]
    if not isinstance(sample, dict):
        return []
    found = [f"{path}.{name}" for name in sample if name not in selected]
    for name, value in sample.items():
        found += unasked(value, selected.get(name, {}), f"{path}.{name}")
    return found


@pytest.mark.parametrize(
    ("operation", "way", "sample"),
    [
        ("OrderById", ("order",), order(fulfillments=[parcel()])),
        ("AbandonedCheckoutsPage", ("abandonedCheckouts", "nodes"), checkout()),
        ("ProductById", ("product",), product()),
        ("CodeDiscountsPage", ("discountNodes", "nodes"), discount()),
        ("CodeDiscountsPage", ("discountNodes", "nodes"), discount("DiscountCodeFreeShipping")),
        ("CodeDiscountsPage", ("discountNodes", "nodes", "discount", "codes", "nodes"), code()),
    ],
)
def test_the_samples_have_what_the_documents_ask_for(
    operation: str, way: tuple[str, ...], sample: dict[str, Any], shared: Callable[[str], Path]
) -> None:
    selected = asked_for(shared("contracts/shopify/documents.graphql").read_text(), operation)
    for name in way:
        selected = selected[name]
    assert unasked(sample, selected) == []


# ------------------------------------------------------------------ three real catalogues


def catalogue(file: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of Shopify's product-import format by handle."""
    by_handle: dict[str, list[dict[str, str]]] = {}
    with file.open(newline="", encoding="utf-8-sig") as rows:
        for row in csv.DictReader(rows):
            by_handle.setdefault(row["Handle"], []).append(row)
    return by_handle


def as_node(number: int, handle: str, rows: list[dict[str, str]]) -> dict[str, Any]:
    head = rows[0]
    pictures = [row["Image Src"] for row in rows if row["Image Src"]]
    media = [
        {"id": f"gid://shopify/MediaImage/{number}{place}", "preview": {"image": {"url": url}}}
        for place, url in enumerate(pictures)
    ]
    variants = [
        variant(
            id=f"gid://shopify/ProductVariant/{number}{place}",
            title=" / ".join(filter(None, (row[f"Option{n} Value"] for n in (1, 2, 3)))),
            sku=row["Variant SKU"],
            price=row["Variant Price"],
            inventoryQuantity=int(row["Variant Inventory Qty"] or 0),
            inventoryPolicy=row["Variant Inventory Policy"].upper(),
        )
        for place, row in enumerate(rows)
        if row["Variant Price"]
    ]
    published = head["Published"].lower() == "true"
    return product(
        id=f"gid://shopify/Product/{number}",
        title=head["Title"],
        handle=handle,
        descriptionHtml=head["Body (HTML)"],
        productType=head["Type"],
        vendor=head["Vendor"],
        onlineStoreUrl=STORE.page(f"products/{handle}") if published else None,
        featuredMedia=media[0] if media else None,
        media={"nodes": media},
        variants=connection(*variants),
    )


@pytest.mark.parametrize("name", ["apparel", "home-and-garden", "jewelery"])
def test_s2_real_products_arrive_whole(name: str, shared: Callable[[str], Path], check: Check) -> None:
    rows = catalogue(shared(f"data/shopify-products/{name}.csv"))
    assert len(rows) > 10
    for number, (handle, theirs) in enumerate(rows.items(), start=1):
        body = product_write(as_node(number, handle, theirs)).body
        check(Kind.PRODUCT, body)
        assert (body["handle"], body["title"], body["vendor"]) == (
            handle,
            theirs[0]["Title"].strip(),
            theirs[0]["Vendor"],
        )
        assert [str(each["price"]) for each in body["variants"]] == [
            str(float(row["Variant Price"])) for row in theirs if row["Variant Price"]
        ]
        assert [each["url"] for each in body["images"]] == [row["Image Src"] for row in theirs if row["Image Src"]]
        assert "<" not in body["description"]
        assert (
            body["description"].split()[:3] == theirs[0]["Body (HTML)"].split()[:3] or "<" in theirs[0]["Body (HTML)"]
        )


def test_an_address_in_any_script_is_as_described(check: Check) -> None:
    home = address(firstName="花子", city="東京", zip="100-0001", latitude=None, longitude=None)
    steps = order_writes(order(shippingAddress=home, billingAddress=home), STORE, live=True)
    assert isinstance(steps, list)
    for step in steps:
        check(step.kind, step.body)
