"""Shopify's schema, cut to size, and documents parsed and validated against it once per text."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, cast

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    get_named_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    parse,
    validate,
)

KEPT_DOCUMENTS: Final = 512


@cache
def schema() -> GraphQLSchema:
    text = files("shopchimp.sandbox.shopify").joinpath("schema.graphql").read_text(encoding="utf-8")
    return build_schema(text, assume_valid=True)


@dataclass(frozen=True, slots=True)
class Document:
    syntax: DocumentNode | None
    errors: tuple[GraphQLError, ...]
    operations: dict[str, OperationDefinitionNode]
    fragments: dict[str, FragmentDefinitionNode]


_kept: OrderedDict[str, Document] = OrderedDict()


def document(text: str) -> Document:
    found = _kept.get(text)
    if found is None:
        found = _kept[text] = _document(text)
        if len(_kept) > KEPT_DOCUMENTS:
            _kept.popitem(last=False)
    return found


def root_type(kind: OperationType) -> GraphQLObjectType:
    return cast("GraphQLObjectType", schema().get_root_type(kind))


def object_type(type_: Any) -> GraphQLObjectType:
    return cast("GraphQLObjectType", get_named_type(type_))


def is_connection(type_: Any) -> bool:
    return is_object_type(type_) and type_.name.endswith("Connection")


def is_list(type_: Any) -> bool:
    return is_list_type(type_.of_type if is_non_null_type(type_) else type_)


def _document(text: str) -> Document:
    try:
        syntax = parse(text)
    except GraphQLError as error:
        return Document(None, (error,), {}, {})
    errors = tuple(validate(schema(), syntax))
    operations = {
        (each.name.value if each.name else ""): each
        for each in syntax.definitions
        if isinstance(each, OperationDefinitionNode)
    }
    fragments = {each.name.value: each for each in syntax.definitions if isinstance(each, FragmentDefinitionNode)}
    return Document(syntax, errors, operations, fragments)
