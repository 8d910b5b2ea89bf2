"""Nodes as a document asks for them: every field it selects, filled by its type, and a note of what else is read."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    parse,
)

LEAVES = {
    "ID": "7",
    "String": "Brass lamp",
    "HTML": "<p>A lamp.</p>",
    "URL": "https://pinewood.example.com/a",
    "DateTime": "2026-11-03T09:26:40Z",
    "Decimal": "12.50",
    "Money": "12.50",
    "Float": 0.25,
    "Boolean": True,
    "UnsignedInt64": "3",
}
NAMED = {"email": "rosa.lindqvist@example.com", "emailAddress": "rosa.lindqvist@example.com"}


class Asked(dict[str, Any]):
    """An object of an answer. Whatever is looked for in it is noted, with its type."""

    def __init__(self, type_name: str, values: Mapping[str, Any], notes: Notes) -> None:
        super().__init__(values)
        self.type_name, self.notes = type_name, notes

    def get(self, name: str, default: Any = None) -> Any:  # type: ignore[override]
        self._note(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._note(str(name))
        return super().__contains__(name)

    def _note(self, name: str) -> None:
        asked = super().__contains__(name)
        (self.notes.read if asked else self.notes.missed).add((self.type_name, name))


@dataclass(slots=True)
class Notes:
    """What was read of what was asked for, and what was looked for and was not; by type and field."""

    read: set[tuple[str, str]] = field(default_factory=set)
    missed: set[tuple[str, str]] = field(default_factory=set)
    asked: set[tuple[str, str]] = field(default_factory=set)


@dataclass(slots=True)
class Maker:
    """Makes answers to a document: with `dice` for which of several types, and for what is null."""

    schema: GraphQLSchema
    dice: random.Random
    notes: Notes

    def answer(self, document: str) -> Any:
        """The whole `data`, with up to two things in every list."""
        (operation,) = [each for each in parse(document).definitions if isinstance(each, OperationDefinitionNode)]
        root = self.schema.query_type
        assert root is not None
        return self._object(root, operation.selection_set)

    def _object(self, type_: GraphQLObjectType, selected: SelectionSetNode) -> Any:
        values = {
            name: type_.name if name == "__typename" else self._value(type_, type_.fields[node.name.value].type, node)
            for name, node in _fields(self.schema, type_, selected)
        }
        self.notes.asked |= {(type_.name, name) for name in values}
        return Asked(type_.name, values, self.notes)

    def _value(self, parent: GraphQLObjectType, type_: Any, node: FieldNode) -> Any:
        if is_non_null_type(type_):
            type_ = type_.of_type
        elif self.dice.random() < 0.15:
            return None
        if is_list_type(type_):
            return [self._value(parent, type_.of_type, node) for _ in range(self.dice.randrange(3))]
        named = get_named_type(type_)
        if isinstance(named, GraphQLEnumType):
            return self.dice.choice(list(named.values))
        if is_leaf_type(named):
            return NAMED.get(node.name.value) or self._leaf(parent, named.name)
        if is_abstract_type(named):
            wanted = [each.type_condition.name.value for each in node.selection_set.selections if _typed(each)]
            possible = {each.name: each for each in self.schema.get_possible_types(named)}
            named = possible[self.dice.choice(sorted(possible.keys() & set(wanted)) or sorted(possible))]
        return self._object(named, node.selection_set)

    def _leaf(self, parent: GraphQLObjectType, name: str) -> Any:
        if name == "ID":
            return f"gid://shopify/{parent.name}/{self.dice.randrange(1, 10**9)}"
        if name == "Boolean":
            return self.dice.random() < 0.5
        if name == "Int":
            return self.dice.randrange(4)
        if name == "String" and self.dice.random() < 0.1:
            return ""
        return LEAVES[name]


def _typed(node: Any) -> bool:
    return isinstance(node, InlineFragmentNode)


def _fields(schema: GraphQLSchema, type_: GraphQLObjectType, selected: SelectionSetNode) -> Iterator[tuple[str, Any]]:
    for node in selected.selections:
        if isinstance(node, FieldNode):
            yield (node.alias.value if node.alias else node.name.value), node
        elif isinstance(node, InlineFragmentNode):
            condition = schema.type_map[node.type_condition.name.value]
            if condition is type_ or (is_abstract_type(condition) and schema.is_sub_type(condition, type_)):
                yield from _fields(schema, type_, node.selection_set)
