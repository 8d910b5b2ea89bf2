"""Runs GraphQL operations on a shop, compiled once per text.

graphql-core parses, validates and coerces; documents whose fields are all plain are answered by compiled projections
(`projection.py`), everything else by graphql-core's own executor with the same resolvers.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    execute_sync,
    get_argument_values,
    get_variable_values,
    is_non_null_type,
    located_error,
)
from graphql.execution.values import VariableValues

from shopchimp.sandbox.shopify.call import Call
from shopchimp.sandbox.shopify.cost import Bill, bill_for
from shopchimp.sandbox.shopify.fields import WITH_ARGUMENTS, table_of, type_of
from shopchimp.sandbox.shopify.projection import (
    NotCompilable,
    Project,
    compile_value,
    grouped_fields,
    looked_up,
    selections_of,
)
from shopchimp.sandbox.shopify.roots import ROOTS, Root
from shopchimp.sandbox.shopify.schema import KEPT_DOCUMENTS, Document, document, root_type, schema


@dataclass(frozen=True, slots=True)
class RootField:
    key: str
    node: FieldNode
    definition: GraphQLField
    resolve: Root
    complete: Project | None


@dataclass(frozen=True, slots=True)
class Operation:
    document: Document
    node: OperationDefinitionNode
    bill: Bill
    compiled: tuple[RootField, ...] | None


@dataclass(frozen=True, slots=True)
class Prepared:
    errors: tuple[GraphQLError, ...]
    operations: Mapping[str, Operation]

    def operation(self, name: str | None) -> Operation:
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        try:
            return self.operations[name or ""]
        except KeyError:
            wanted = f"No operation named {name!r}" if name else "An operation name is required"
            raise GraphQLError(wanted) from None


_kept: OrderedDict[str, Prepared] = OrderedDict()


def prepare(text: str) -> Prepared:
    found = _kept.get(text)
    if found is None:
        found = _kept[text] = _prepare(text)
        if len(_kept) > KEPT_DOCUMENTS:
            _kept.popitem(last=False)
    return found


def coerce(operation: Operation, variables: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
    return get_variable_values(schema(), operation.node.variable_definitions or (), dict(variables))


def run(operation: Operation, call: Call, variables: Mapping[str, Any], coerced: VariableValues) -> dict[str, Any]:
    if operation.compiled is None:
        return run_with_graphql_core(operation, call, variables)
    data: dict[str, Any] | None = {}
    errors: list[GraphQLError] = []
    for field in operation.compiled:
        try:
            arguments = get_argument_values(field.definition, field.node, coerced)
            value = field.resolve(call, arguments)
            answer = value if field.complete is None else field.complete(value)
        except GraphQLError as error:
            errors.append(located_error(error, [field.node], [field.key]))
            answer = None
            if is_non_null_type(field.definition.type):
                data = None
                break
        if data is not None:
            data[field.key] = answer
    return _answer(data, errors)


def run_with_graphql_core(operation: Operation, call: Call, variables: Mapping[str, Any]) -> dict[str, Any]:
    result = execute_sync(
        _resolvable(),
        cast("DocumentNode", operation.document.syntax),
        context_value=call,
        variable_values=dict(variables),
        operation_name=operation.node.name.value if operation.node.name else None,
        type_resolver=lambda value, *_: type_of(value),
    )
    return _answer(result.data, result.errors or [])


def _answer(data: dict[str, Any] | None, errors: list[GraphQLError]) -> dict[str, Any]:
    return {"errors": [error.formatted for error in errors], "data": data} if errors else {"data": data}


def _prepare(text: str) -> Prepared:
    found = document(text)
    if found.errors:
        return Prepared(found.errors, {})
    operations = {
        name: Operation(found, node, bill_for(schema(), node, found.fragments), _compile(found, node))
        for name, node in found.operations.items()
    }
    return Prepared((), operations)


def _compile(found: Document, operation: OperationDefinitionNode) -> tuple[RootField, ...] | None:
    root = root_type(operation.operation)
    try:
        groups = grouped_fields(schema(), root, [operation.selection_set], found.fragments)
        return tuple(_compile_root(found, root, key, nodes) for key, nodes in groups.items())
    except NotCompilable:
        return None


def _compile_root(found: Document, root: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> RootField:
    resolve = ROOTS.get((root.name, nodes[0].name.value))
    if resolve is None:
        raise NotCompilable(key)
    definition = root.fields[nodes[0].name.value]
    complete = compile_value(schema(), definition.type, selections_of(nodes), found.fragments)
    return RootField(key, nodes[0], definition, resolve, complete)


@cache
def _resolvable() -> GraphQLSchema:
    """The schema with the resolvers that graphql-core calls."""
    for type_ in schema().type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for name, definition in type_.fields.items():
                definition.resolve = _resolver(type_.name, name)
    return schema()


def _resolver(type_name: str, name: str) -> Any:
    root = ROOTS.get((type_name, name))
    if root is not None:
        return lambda _, info, **arguments: root(info.context, arguments)
    with_arguments = WITH_ARGUMENTS.get((type_name, name))
    if with_arguments is not None:
        return lambda each, _, **arguments: with_arguments(each, arguments)
    table = table_of(type_name)
    if table is not None and name in table:
        get = table[name]
        return lambda each, _, **__: get(each)

    def from_mapping(each: Any, _: GraphQLResolveInfo[Any], **__: Any) -> Any:
        if each is None or table is not None:
            raise GraphQLError(f"{type_name}.{name} is not in the sandbox yet")
        return looked_up(each, type_name, name)

    return from_mapping
