"""Selections compiled to plain functions: what graphql-core would answer, without walking the query for every row.

A bulk operation projects millions of rows and a burst of aliased mutations hundreds of payloads; only fields that
cannot fail are compiled. What is not covered raises `NotCompilable` and is left to graphql-core
(tests/integration/sandbox/test_shopify_graphql.py holds the two equal).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
    get_argument_values,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from shopchimp.sandbox.shopify.fields import WITH_ARGUMENTS, Getter, table_of, type_of

Fragments = Mapping[str, FragmentDefinitionNode]
Project = Callable[[Any], Any]


class NotCompilable(Exception):
    """The selection holds something that only graphql-core can answer."""


def grouped_fields(
    schema: GraphQLSchema, type_: GraphQLObjectType, selections: Iterable[SelectionSetNode], fragments: Fragments
) -> dict[str, list[FieldNode]]:
    """The fields selected on one object type, by response key, with fragments opened (GraphQL spec 6.3.2)."""
    groups: dict[str, list[FieldNode]] = {}
    for selection_set in selections:
        for node in _fields(schema, type_, selection_set, fragments):
            groups.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
    return groups


def selections_of(nodes: Iterable[FieldNode]) -> list[SelectionSetNode]:
    return [node.selection_set for node in nodes if node.selection_set is not None]


def compile_value(
    schema: GraphQLSchema, type_: Any, selections: list[SelectionSetNode], fragments: Fragments
) -> Project | None:
    """What turns a resolved value of `type_` into JSON; None where it is JSON already."""
    if is_non_null_type(type_):
        return compile_value(schema, type_.of_type, selections, fragments)
    if is_list_type(type_):
        inner = compile_value(schema, type_.of_type, selections, fragments)
        return None if inner is None else lambda values: values and [inner(each) for each in values]
    if is_leaf_type(type_):
        return None
    if is_abstract_type(type_):
        return _by_type(schema, type_, selections, fragments)
    project = compile_object(schema, type_, selections, fragments)
    return lambda value: None if value is None else project(value)


def compile_object(
    schema: GraphQLSchema, type_: GraphQLObjectType, selections: list[SelectionSetNode], fragments: Fragments
) -> Project:
    items = tuple(
        (key, read_field(schema, type_, nodes, fragments))
        for key, nodes in grouped_fields(schema, type_, selections, fragments).items()
    )
    return lambda each: {key: read(each) for key, read in items}


def read_field(
    schema: GraphQLSchema, type_: GraphQLObjectType, nodes: list[FieldNode], fragments: Fragments
) -> Project:
    """What one field of an object shows."""
    name = nodes[0].name.value
    if name == "__typename":
        return lambda _: type_.name
    get = _with_arguments(type_, nodes[0]) or getter(type_, name)
    complete = compile_value(schema, type_.fields[name].type, selections_of(nodes), fragments)
    return get if complete is None else lambda each: complete(get(each))


def _with_arguments(type_: GraphQLObjectType, node: FieldNode) -> Getter | None:
    """A field whose arguments all stand in the text; those with variables are left to graphql-core."""
    resolve = WITH_ARGUMENTS.get((type_.name, node.name.value))
    if resolve is None or any(isinstance(each.value, VariableNode) for each in node.arguments or ()):
        return None
    given = get_argument_values(type_.fields[node.name.value], node)
    return lambda each: resolve(each, given)


def getter(type_: GraphQLObjectType, name: str) -> Getter:
    table = table_of(type_.name)
    if table is None:
        return lambda each: looked_up(each, type_.name, name)
    if name not in table or (type_.name, name) in WITH_ARGUMENTS:
        raise NotCompilable(f"{type_.name}.{name}")
    return table[name]


def looked_up(each: Mapping[str, Any], type_name: str, name: str) -> Any:
    try:
        return each[name]
    except KeyError:
        raise GraphQLError(f"{type_name}.{name} is not in the sandbox yet") from None


def _by_type(
    schema: GraphQLSchema, abstract: GraphQLAbstractType, selections: list[SelectionSetNode], fragments: Fragments
) -> Project:
    compiled = {
        possible.name: compile_object(schema, possible, selections, fragments)
        for possible in schema.get_possible_types(abstract)
    }
    return lambda each: None if each is None else compiled[type_of(each)](each)


def _fields(
    schema: GraphQLSchema, type_: GraphQLObjectType, selection_set: SelectionSetNode, fragments: Fragments
) -> Iterator[FieldNode]:
    for node in selection_set.selections:
        if node.directives:
            raise NotCompilable("directives")
        match node:
            case FieldNode():
                yield node
            case InlineFragmentNode():
                condition = node.type_condition
                if condition is None or _applies(schema, condition.name.value, type_):
                    yield from _fields(schema, type_, node.selection_set, fragments)
            case FragmentSpreadNode():
                fragment = fragments[node.name.value]
                if _applies(schema, fragment.type_condition.name.value, type_):
                    yield from _fields(schema, type_, fragment.selection_set, fragments)


def _applies(schema: GraphQLSchema, condition: str, type_: GraphQLObjectType) -> bool:
    if condition == type_.name:
        return True
    named = get_named_type(schema.type_map[condition])
    return is_abstract_type(named) and schema.is_sub_type(named, type_)
