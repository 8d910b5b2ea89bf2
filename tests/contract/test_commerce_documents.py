"""The documents about the shop's goods: valid, within the rules of bulk operations, and with all that is read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asked_nodes import Asked, Maker, Notes
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
    validate,
)

from shopchimp.domain.commerce.details import cart_details, order_details
from shopchimp.domain.commerce.orders import order_writes
from shopchimp.domain.commerce.products import product_write
from shopchimp.domain.commerce.promo_changes import codes_count, reading
from shopchimp.domain.commerce.promos import promo_code, promo_rule
from shopchimp.domain.commerce.store import Storefront
from shopchimp.domain.commerce.totals import order_totals
from shopchimp.sandbox.shopify import commerce_fields  # noqa: F401 - what is in its bulk operations
from shopchimp.sandbox.shopify.bulk_query import plan_query
from shopchimp.sandbox.shopify.cost import bill_for
from shopchimp.sandbox.shopify.schema import schema as pruned_schema
from shopchimp.services.commerce import drafts
from shopchimp.shopify import commerce_documents as documents
from shopchimp.shopify.commerce import NEEDS, changed

STORE = Storefront("EUR", "https://pinewood.example.com", "pinewood-lamps.myshopify.com")
BULK = {
    "PRODUCTS_IN_BULK": documents.PRODUCTS_IN_BULK,
    "ORDERS_IN_BULK": documents.ORDERS_IN_BULK,
    "codes_in_bulk(number)": documents.codes_in_bulk("1450000001801"),
    "orders_in_bulk(query)": documents.orders_in_bulk("created_at:>='2026-01-01' AND tag:\"a b\""),
}
OTHERS = {
    **{
        name: text
        for name, text in vars(documents).items()
        if name.isupper() and not name.startswith("_") and isinstance(text, str) and name not in BULK
    },
    **{f"COUNTS[{kind}]": text for kind, text in documents.COUNTS.items()},
}


@pytest.mark.parametrize("name", [*BULK, *OTHERS])
def test_document_is_valid(whole_schema: GraphQLSchema, name: str) -> None:
    document = parse({**BULK, **OTHERS}[name])
    assert validate(whole_schema, document) == []
    assert validate(pruned_schema(), document) == []
    (operation,) = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    assert operation.name is not None


def test_documents_are_found() -> None:
    assert {"ORDERS_BY_ID", "CODES_OF_DISCOUNT", "COUNTS[orders]"} <= OTHERS.keys()
    assert documents.COUNTS.keys() <= NEEDS.keys()


@pytest.mark.parametrize("name", BULK)
def test_bulk_rules_are_kept(name: str) -> None:
    """At most five connections two deep, none in a list, ids on parents, no variables (shopify.md section 5)."""
    plan_query(BULK[name])


@pytest.mark.parametrize("name", OTHERS)
def test_a_page_is_not_too_dear(name: str) -> None:
    """A single query above 1,000 points is refused whatever the bucket holds."""
    document = parse(OTHERS[name])
    (operation,) = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    assert bill_for(pruned_schema(), operation, {}).requested({}) <= 500


# ------------------------------------------------------------------ what is read is asked for


def read_product(node: Any) -> None:
    product_write(node)
    drafts.draft_product(node, STORE)


def read_order(node: Any) -> None:
    order_writes(node, STORE, live=True)
    order_details(node, STORE)
    order_totals(node)
    drafts.draft_order(node, STORE)


def read_checkout(node: Any) -> None:
    if dict.get(node, "customer") is None:
        dict.__setitem__(node, "email", "rosa.lindqvist@example.com")  # which webhooks told of before
    cart_details(node, STORE)
    drafts.draft_cart(node, STORE)


def read_discount(node: Any) -> None:
    result = promo_rule(node, STORE)
    codes_count(node)
    reading(node, result, STORE)


def read_code(node: Any) -> None:
    rule = promo_rule({"id": "7", "discount": {"__typename": "DiscountCodeFreeShipping"}}, STORE)
    promo_code(node, rule, STORE)


def nodes_in(value: Any) -> Iterator[Any]:
    """The objects of an answer's lists, as pages and bulk results give them."""
    for each in value.values():
        if isinstance(each, Asked) and dict.__contains__(each, "nodes"):
            yield from dict.get(each, "nodes") or ()
        elif isinstance(each, Asked) and dict.__contains__(each, "edges"):
            yield from (dict.get(edge, "node") for edge in dict.get(each, "edges"))
        elif isinstance(each, list):
            yield from each
        elif isinstance(each, Asked):
            yield each


def codes_in(value: Any) -> Iterator[Any]:
    for each in nodes_in(value):
        if discount := dict.get(each, "discount"):
            yield from dict.get(dict.get(discount, "codes"), "nodes")


CASES: list[tuple[str, Callable[[Any], Iterator[Any]], Callable[[Any], Any]]] = [
    (documents.PRODUCTS_IN_BULK, nodes_in, read_product),
    (documents.PRODUCTS_BY_ID, nodes_in, read_product),
    (documents.ORDERS_IN_BULK, nodes_in, read_order),
    (documents.ORDERS_BY_ID, nodes_in, read_order),
    (documents.ORDERS_CHANGED, nodes_in, changed),
    (documents.PRODUCTS_CHANGED, nodes_in, changed),
    (documents.CUSTOMER_CHANGES, nodes_in, changed),
    (documents.CHECKOUTS_CHANGED, nodes_in, read_checkout),
    (documents.DISCOUNTS_PAGE, nodes_in, read_discount),
    (documents.DISCOUNT_BY_ID, nodes_in, read_discount),
    (documents.CODES_OF_DISCOUNT, codes_in, read_code),
]

# Looked for because other sources of the same thing have it, where ours need not; why each is not asked for.
ELSEWHERE = {
    ("Customer", "email"): "deprecated for defaultEmailAddress",
    ("Order", "shippingLines"): "shippingLine is the first of them",
    ("Order", "totalDiscountsSet"): "the current sum is always there",
    ("Order", "totalTaxSet"): "the current sum is always there",
    ("Order", "totalShippingPriceSet"): "the current sum is always there",
    ("LineItem", "totalDiscountSet"): "the allocations say more",
    ("LineItem", "discountedUnitPriceAfterAllDiscountsSet"): "the allocations say more",
    ("MediaConnection", "pageInfo"): "a variant has one picture at most",
}


def looked_at(
    schema: GraphQLSchema, document: str, nodes: Callable[[Any], Iterator[Any]], read: Callable[[Any], Any]
) -> Notes:
    notes = Notes()
    for seed in range(150):
        for node in nodes(Maker(schema, random.Random(seed), notes).answer(document)):
            if node is not None:
                read(_with_plain_lists(node))
    return notes


def _with_plain_lists(node: Any) -> Any:
    """Bulk results are put together with plain lists (`shopify.bulk.assemble`)."""
    for name, value in list(dict.items(node)):
        if isinstance(value, Asked) and dict.__contains__(value, "edges"):
            dict.__setitem__(
                node, name, [_with_plain_lists(dict.get(edge, "node")) for edge in dict.get(value, "edges")]
            )
        elif isinstance(value, Asked) and dict.__contains__(value, "pageInfo"):
            dict.__setitem__(node, name, dict.get(value, "nodes"))
    return node


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].split()[1].partition("(")[0])
def test_what_the_mapping_reads_is_asked_for(whole_schema: GraphQLSchema, case: Any) -> None:
    """A field that no document asks for is never there: nothing would fail, it would just be missing in Mailchimp."""
    notes = looked_at(whole_schema, *case)
    assert notes.read
    assert sorted(each for each in notes.missed if _exists(whole_schema, *each) and each not in ELSEWHERE) == []


PERSONAL = [case for case in CASES if case[2] in (read_product, read_order, read_checkout)]
# Asked for though no mapping reads it, by type and field.
KEPT = {
    ("Order", "createdAt"),  # whether it is new (`services.commerce.live`)
    ("Order", "cartToken"),
    ("MoneyV2", "currencyCode"),
    ("InventoryItem", "id"),
    ("AbandonedCheckout", "createdAt"),  # where a walk goes on
    ("AbandonedCheckoutLineItem", "id"),
    ("Count", "precision"),
}


@pytest.mark.parametrize("case", PERSONAL, ids=lambda case: case[0].split()[1].partition("(")[0])
def test_nothing_is_asked_for_that_nobody_reads(whole_schema: GraphQLSchema, case: Any) -> None:
    """Personal data that isn't needed isn't fetched."""
    notes = looked_at(whole_schema, *case)
    plumbing = {"nodes", "edges", "node", "pageInfo", "endCursor", "hasNextPage", "__typename"}
    roots = {"QueryRoot"}
    unread = {each for each in notes.asked - notes.read - KEPT if each[1] not in plumbing and each[0] not in roots}
    assert sorted(unread) == []


def _exists(schema: GraphQLSchema, type_name: str, field: str) -> bool:
    type_ = schema.type_map[type_name]
    return isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and field in type_.fields
