"""The query inside a bulk operation: what Shopify refuses about it, and its selection compiled to lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import orjson
from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_argument_values,
    get_named_type,
    is_abstract_type,
    is_object_type,
)

from shopchimp.sandbox.shopify.fields import CHILDREN, type_of
from shopchimp.sandbox.shopify.projection import (
    Fragments,
    NotCompilable,
    Project,
    compile_value,
    getter,
    grouped_fields,
    read_field,
    selections_of,
)
from shopchimp.sandbox.shopify.schema import Document, document, is_connection, is_list, object_type, root_type, schema

MOST_CONNECTIONS: Final = 5
DEEPEST_NESTING: Final = 2


class BulkQueryError(Exception):
    """The query cannot be run in bulk, in Shopify's words where they are recorded."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


Owned = tuple[str | None, Any]  # the id of an object's parent, and the object


@dataclass(slots=True)
class Connection:
    """One connection of the query: what its nodes show, and the connections inside them."""

    node: FieldNode
    show: Project
    children: list[tuple[Callable[[Any], Any], "Connection"]] = field(default_factory=list)

    def count(self, rows: Iterable[Any]) -> int:
        """All objects below, without showing them."""
        return sum(1 + sum(child.count(read(row)) for read, child in self.children) for row in rows)

    def lines(self, rows: Iterable[Any], parent: str | None = None) -> Iterator[bytes]:
        """Each object with all below it right after it: what `groupObjects` asks for."""
        for row in rows:
            shown = self.show(row)
            if parent is not None:
                shown["__parentId"] = parent
            yield orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)
            for read, child in self.children:
                yield from child.lines(read(row), shown["id"])

    def own_lines(self, owned: Iterable[Owned]) -> Iterator[bytes]:
        """The objects of this level alone."""
        for parent, row in owned:
            shown = self.show(row)
            if parent is not None:
                shown["__parentId"] = parent
            yield orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)

    def below(self, owned: Callable[[], Iterator[Owned]]) -> Iterator[bytes]:
        """One level after the other; `owned` gives this one's objects, as often as it is asked."""
        yield from self.own_lines(owned())
        for read, child in self.children:
            yield from child.below(partial(_children_of, owned, read))


@dataclass(frozen=True, slots=True)
class BulkPlan:
    name: str
    arguments: Mapping[str, Any]
    root: Connection

    def lines(self, rows: Callable[[], Iterable[Any]], *, grouped: bool) -> Iterator[bytes]:
        """Ungrouped, as they come unless asked for, children only follow all of their parent's level."""
        if grouped or not self.root.children:
            return self.root.lines(rows())
        return self.root.below(lambda: ((None, row) for row in rows()))


def _children_of(owned: Callable[[], Iterator[Owned]], read: Callable[[Any], Any]) -> Iterator[Owned]:
    return ((gid_of(row), child) for _, row in owned() for child in read(row))


def gid_of(row: Any) -> str:
    gid: str = row["id"] if isinstance(row, Mapping) else row.gid
    return gid


def plan_query(text: str) -> BulkPlan:
    found = document(text)
    if found.errors:
        raise BulkQueryError(f"Invalid bulk query: {found.errors[0].message}")
    operation, fragments = _only_operation(found), found.fragments
    root = root_type(OperationType.QUERY)
    try:
        groups = grouped_fields(schema(), root, [operation.selection_set], fragments)
        connections = [
            (nodes, type_)
            for name, nodes in groups.items()
            if is_connection(type_ := get_named_type(root.fields[nodes[0].name.value].type))
        ]
        if "node" in groups or "nodes" in groups:
            raise BulkQueryError("Bulk queries cannot contain a top level `node` or `nodes` field.")
        if not connections:
            raise BulkQueryError("Bulk queries must contain at least one connection.")
        if len(groups) > 1:
            raise BulkQueryError("Bulk queries cannot contain multiple top level fields.")
        nodes, type_ = connections[0]
        counted = _Counter()
        compiled = _connection(type_, nodes, fragments, counted, depth=0)
        arguments = get_argument_values(root.fields[nodes[0].name.value], nodes[0])
    except NotCompilable as missing:
        raise BulkQueryError(f"{missing} is not in the sandbox's bulk operations yet") from missing
    except GraphQLError as error:
        raise BulkQueryError(error.message) from error
    return BulkPlan(nodes[0].name.value, arguments, compiled)


@dataclass(slots=True)
class _Counter:
    connections: int = 0


def _connection(
    type_: GraphQLObjectType, nodes: list[FieldNode], fragments: Fragments, counted: _Counter, *, depth: int
) -> Connection:
    counted.connections += 1
    if counted.connections > MOST_CONNECTIONS:
        raise BulkQueryError("Bulk queries cannot contain more than 5 connections.")
    if depth > DEEPEST_NESTING:
        raise BulkQueryError("Bulk queries cannot contain connections with a nesting depth greater than 2.")
    node_type, selections = _node_of(type_, nodes, fragments)
    groups = grouped_fields(schema(), node_type, selections, fragments)
    inner = {
        key: inside
        for key, inside in groups.items()
        if key != "__typename" and is_connection(get_named_type(node_type.fields[inside[0].name.value].type))
    }
    if inner and not _selects_id(groups):
        raise BulkQueryError(
            "The parent 'node' field for a nested connection must select the 'id' field without an alias and must be "
            f"of 'ID' return type. Connection fields without 'id': {nodes[0].name.value}."
        )
    _refuse_connections_in_lists(node_type, groups, fragments)
    below = [
        found
        for key, inside in groups.items()
        if key not in inner and key != "__typename"
        for found in _connections_below(node_type, inside, fragments)
    ]
    plain = {
        key: _without_connections(node_type, inside, fragments) if below else inside
        for key, inside in groups.items()
        if key not in inner
    }
    show = _shown(node_type, plain, fragments)
    if is_abstract_type(node_type) and not inner and not below:  # each object shows what its own type has
        show = compile_value(schema(), node_type, selections, fragments) or show
    compiled = Connection(nodes[0], show)
    for read, type_below, inside in below:
        named = get_named_type(type_below.fields[inside[0].name.value].type)
        child = _connection(named, inside, fragments, counted, depth=depth + 1)
        compiled.children.append((read, child))
    for inside in inner.values():
        definition = node_type.fields[inside[0].name.value]
        child = _connection(get_named_type(definition.type), inside, fragments, counted, depth=depth + 1)
        compiled.children.append((_children(node_type.name, inside[0].name.value), child))
    return compiled


Below = tuple[Callable[[Any], Any], GraphQLObjectType, list[FieldNode]]


def _connections_below(type_: GraphQLObjectType, nodes: list[FieldNode], fragments: Fragments) -> Iterator[Below]:
    """Connections inside a field that is one object of several types: the codes of a discount. One step deep."""
    name = nodes[0].name.value
    definition = type_.fields[name].type
    named = get_named_type(definition)
    if is_list(definition) or not is_abstract_type(named):
        return
    for possible in schema().get_possible_types(named):
        for inside in grouped_fields(schema(), possible, selections_of(nodes), fragments).values():
            field_name = inside[0].name.value
            if field_name != "__typename" and is_connection(get_named_type(possible.fields[field_name].type)):
                yield _reader(getter(type_, name), possible.name, field_name), possible, inside


def _reader(get: Callable[[Any], Any], wanted: str, name: str) -> Callable[[Any], Any]:
    children = _children(wanted, name)

    def read(row: Any) -> Any:
        value = get(row)
        if value is None or type_of(value) != wanted:
            return ()
        return (each for each in children(value) if each is not None)

    return read


def _without_connections(type_: GraphQLObjectType, nodes: list[FieldNode], fragments: Fragments) -> list[FieldNode]:
    """The same selection with what the connections below it show left out; they have lines of their own."""
    if nodes[0].selection_set is None:
        return nodes
    named = get_named_type(type_.fields[nodes[0].name.value].type)
    return [_cut(node, named, fragments) for node in nodes]


def _cut(node: Any, parent: Any, fragments: Fragments) -> Any:
    kept: list[Any] = []
    for each in node.selection_set.selections:
        if isinstance(each, FieldNode):
            if each.name.value == "__typename" or not is_connection(
                get_named_type(parent.fields[each.name.value].type)
            ):
                kept.append(each)
        elif isinstance(each, InlineFragmentNode):
            inner = schema().type_map[each.type_condition.name.value] if each.type_condition else parent
            kept.append(_cut(each, inner, fragments))
        else:
            fragment = fragments[each.name.value]
            inner = schema().type_map[fragment.type_condition.name.value]
            cut = _cut(fragment, inner, fragments)
            kept.append(InlineFragmentNode(type_condition=fragment.type_condition, selection_set=cut.selection_set))
    values = {name: getattr(node, name) for name in node.keys}
    return type(node)(**{**values, "selection_set": SelectionSetNode(selections=tuple(kept))})


def _children(type_name: str, name: str) -> Callable[[Any], Any]:
    try:
        return CHILDREN[type_name, name]
    except KeyError:
        raise NotCompilable(f"{type_name}.{name}") from None


def _node_of(
    type_: GraphQLObjectType, nodes: list[FieldNode], fragments: Fragments
) -> tuple[GraphQLObjectType, list[SelectionSetNode]]:
    groups = grouped_fields(schema(), type_, selections_of(nodes), fragments)
    if set(groups) - {"edges", "pageInfo", "__typename"} or "edges" not in groups:
        raise BulkQueryError("Bulk queries must select the nodes of a connection by `edges { node { ... } }`.")
    edge = object_type(type_.fields["edges"].type)
    inside = grouped_fields(schema(), edge, selections_of(groups["edges"]), fragments)
    if "node" not in inside:
        raise BulkQueryError("Bulk queries must select the nodes of a connection by `edges { node { ... } }`.")
    return object_type(edge.fields["node"].type), selections_of(inside["node"])


def _shown(type_: GraphQLObjectType, groups: Mapping[str, list[FieldNode]], fragments: Fragments) -> Project:
    items = tuple((key, read_field(schema(), type_, nodes, fragments)) for key, nodes in groups.items())
    return lambda row: {key: read(row) for key, read in items}


def _refuse_connections_in_lists(
    type_: GraphQLObjectType, groups: Mapping[str, list[FieldNode]], fragments: Fragments
) -> None:
    for nodes in groups.values():
        definition = type_.fields.get(nodes[0].name.value)
        if definition is None or not is_list(definition.type):
            continue
        named = get_named_type(definition.type)
        if not is_object_type(named):
            continue
        for inside in grouped_fields(schema(), named, selections_of(nodes), fragments).values():
            if is_connection(get_named_type(named.fields[inside[0].name.value].type)):
                raise BulkQueryError("Queries that contain a connection field within a list field are not supported.")


def _selects_id(groups: Mapping[str, list[FieldNode]]) -> bool:
    return "id" in groups and groups["id"][0].name.value == "id"


def _only_operation(found: Document) -> OperationDefinitionNode:
    operations = list(found.operations.values())
    if len(operations) != 1 or operations[0].operation is not OperationType.QUERY:
        raise BulkQueryError("Bulk queries must be a single query.")
    if operations[0].variable_definitions:
        raise BulkQueryError("Bulk queries cannot contain variables.")
    return operations[0]
