"""Every GraphQL text of the product, and the sandbox's cut of the schema, against Shopify's whole schema."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
    parse,
    validate,
)

from shopchimp.sandbox.shopify.schema import schema as pruned_schema
from shopchimp.shopify import API_VERSION, documents
from shopchimp.shopify.customers import ALIASES


def texts() -> dict[str, str]:
    """All of them: constants, and those made for a number of customers, for one and for the most."""
    constants = {name: text for name, text in vars(documents).items() if name.isupper() and not name.startswith("_")}
    made = {
        f"{name}({count})": make(count)
        for name, make in vars(documents).items()
        if inspect.isfunction(make)
        for count in (1, ALIASES)
    }
    return {**constants, **made}


@pytest.mark.parametrize("name", texts())
def test_document_is_valid(whole_schema: GraphQLSchema, name: str) -> None:
    document = parse(texts()[name])
    assert validate(whole_schema, document) == []
    assert validate(pruned_schema(), document) == []
    (operation,) = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    assert operation.name is not None


def test_documents_are_found() -> None:
    assert {
        "SHOP_INFO",
        "BULK_RUN_QUERY",
        "CUSTOMERS_IN_BULK",
        "write_consents(1)",
        "read_consents(40)",
    } <= texts().keys()
    assert (API_VERSION, ALIASES) == ("2026-10", 40)


def test_the_sandbox_knows_nothing_that_shopify_does_not(whole_schema: GraphQLSchema) -> None:
    assert list(strangers(pruned_schema(), whole_schema)) == []


def strangers(pruned: GraphQLSchema, whole: GraphQLSchema) -> Iterator[str]:
    for name, ours in pruned.type_map.items():
        theirs = whole.type_map.get(name)
        if theirs is None or type(theirs) is not type(ours):
            yield name
            continue
        match ours:
            case GraphQLObjectType() | GraphQLInterfaceType():
                yield from _fields(name, ours.fields, theirs.fields)
                yield from (f"{name} is no {each}" for each in _names(ours.interfaces) - _names(theirs.interfaces))
            case GraphQLInputObjectType():
                yield from _fields(name, ours.fields, theirs.fields)
                yield from _required(name, ours.fields, theirs.fields)
            case GraphQLEnumType():
                yield from (f"{name}.{value}" for value in ours.values.keys() - theirs.values.keys())
            case GraphQLUnionType():
                yield from (f"{name}: {each}" for each in _names(ours.types) - _names(theirs.types))


def _fields(parent: str, ours: dict, theirs: dict) -> Iterator[str]:
    for name, field in ours.items():
        if name not in theirs or str(field.type) != str(theirs[name].type):
            yield f"{parent}.{name}: {field.type}"
        elif getattr(field, "args", None) is not None:
            yield from _fields(f"{parent}.{name}()", field.args, theirs[name].args)
            yield from _required(f"{parent}.{name}()", field.args, theirs[name].args)


def _required(parent: str, ours: dict, theirs: dict) -> Iterator[str]:
    """What Shopify demands may not be left out of our cut: the sandbox would take calls that Shopify refuses."""
    for name, field in theirs.items():
        if str(field.type).endswith("!") and "default_value" in dir(field) and name not in ours:
            yield f"{parent}.{name} is required"


def _names(types: object) -> set[str]:
    return {each.name for each in types}
