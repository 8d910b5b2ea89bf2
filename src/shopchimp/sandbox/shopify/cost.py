"""What a query costs and who may still pay (shopify.md section 5).

The formula is the note's: scalar 0, object 1 (MoneyV2, MoneyBag and PageInfo 0), list 1 whatever its length,
count object 10, connection `2 + max(1, floor(2 ln n)) * cost(node)`, mutation 10 and the objects inside the
returned resource.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
)

from shopchimp.sandbox.shopify.projection import Fragments
from shopchimp.sandbox.shopify.schema import is_list, root_type

DEAREST_QUERY: Final = 1000
FREE_TYPES: Final = frozenset({"MoneyBag", "MoneyV2", "PageInfo"})
PLANS: Final[Mapping[str, tuple[float, float]]] = {  # bucket, points restored a second
    "standard": (2000.0, 100.0),
    "advanced": (4000.0, 200.0),
    "plus": (20_000.0, 1000.0),
    "enterprise": (40_000.0, 2000.0),
    "unlimited": (math.inf, math.inf),
}
Variables = Mapping[str, Any]


@dataclass(slots=True)
class Priced:
    """One selected field with its own price; `size` is where a connection finds its page size."""

    key: str
    price: int
    children: list["Priced"]
    size: ValueNode | None = None
    is_connection: bool = False
    only_on: str | None = None  # the type an inline fragment asks for

    def requested(self, variables: Variables) -> int:
        inside = _together(self.children, variables)
        if not self.is_connection:
            return self.price + inside
        return 2 + _factor(_number(self.size, variables)) * (1 + inside)

    def actual(self, answer: Any, variables: Variables) -> int:
        """The same with what was really returned: nothing for null, and the length of a page for its size."""
        if answer is None:
            return 0
        if self.is_connection:
            rows = answer.get("nodes", answer.get("edges")) or ()
            return 2 + (_factor(len(rows)) * (1 + _together(self.children, variables)) if rows else 0)
        if not isinstance(answer, dict):
            return self.requested(variables)
        return self.price + sum(child.actual(answer.get(child.key), variables) for child in self.children)


def _together(fields: Sequence[Priced], variables: Variables) -> int:
    """Of the alternatives for several types only the dearest counts: an object is one of them."""
    always = 0
    alternatives: dict[str, int] = {}
    for each in fields:
        price = each.requested(variables)
        if each.only_on is None:
            always += price
        else:
            alternatives[each.only_on] = alternatives.get(each.only_on, 0) + price
    return always + max(alternatives.values(), default=0)


@dataclass(slots=True)
class Bill:
    """The price of an operation before and after it ran."""

    fields: list[Priced]
    mutation: bool

    def requested(self, variables: Variables) -> int:
        return sum(each.requested(variables) for each in self.fields)

    def actual(self, answer: Mapping[str, Any] | None, variables: Variables) -> int:
        answers = [(each, (answer or {}).get(each.key)) for each in self.fields]
        if self.mutation:
            return sum(10 if given is None else each.actual(given, variables) for each, given in answers)
        return sum(each.actual(given, variables) for each, given in answers)


def bill_for(schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: Fragments) -> Bill:
    mutation = operation.operation is OperationType.MUTATION
    root = root_type(operation.operation)
    fields = _priced(schema, root, operation.selection_set, fragments)
    if mutation:
        for each in fields:
            each.price = 10
            each.children = [child for child in each.children if child.key != "userErrors"]
            for returned in each.children:
                returned.price = 0
    return Bill(fields, mutation)


def _priced(schema: GraphQLSchema, parent: Any, selection_set: SelectionSetNode, fragments: Fragments) -> list[Priced]:
    found: list[Priced] = []
    for node in selection_set.selections:
        match node:
            case FieldNode(selection_set=SelectionSetNode()):
                found.append(_one(schema, parent, node, fragments))
            case InlineFragmentNode():
                inner = schema.type_map[node.type_condition.name.value] if node.type_condition else parent
                inside = _priced(schema, inner, node.selection_set, fragments)
                if inner is not parent and is_abstract_type(parent):
                    for each in inside:
                        each.only_on = each.only_on or inner.name
                found += inside
            case FragmentSpreadNode():
                fragment = fragments[node.name.value]
                inner = schema.type_map[fragment.type_condition.name.value]
                found += _priced(schema, inner, fragment.selection_set, fragments)
    return found


def _one(schema: GraphQLSchema, parent: Any, node: FieldNode, fragments: Fragments) -> Priced:
    type_ = parent.fields[node.name.value].type
    named = get_named_type(type_)
    children = _priced(schema, named, cast("SelectionSetNode", node.selection_set), fragments)
    key = node.alias.value if node.alias else node.name.value
    if named.name.endswith("Connection"):
        return Priced(key, 0, _node_children(children), _page_size(node), is_connection=True)
    if named.name == "Count":
        return Priced(key, 10, [])
    free = named.name in FREE_TYPES and not is_list(type_)
    return Priced(key, 0 if free else 1, children)


def _node_children(children: Sequence[Priced]) -> list[Priced]:
    """What stands inside one node, reached by `nodes` or by `edges { node }`."""
    found: list[Priced] = []
    for child in children:
        if child.key == "nodes":
            found += child.children
        elif child.key == "edges":
            found += [inner for edge in child.children if edge.key == "node" for inner in edge.children]
    return found


def _page_size(node: FieldNode) -> ValueNode | None:
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    return given.get("first") or given.get("last")


def _number(value: ValueNode | None, variables: Variables) -> int:
    match value:
        case IntValueNode():
            return int(value.value)
        case VariableNode():
            given = variables.get(value.name.value)
            return given if isinstance(given, int) else 1
        case _:
            return 1


def _factor(size: int) -> int:
    return max(1, math.floor(2 * math.log(size))) if size > 0 else 1


@dataclass(slots=True)
class Bucket:
    """The leaky bucket of one app in one shop."""

    size: float
    restore: float
    clock: Callable[[], float] = time.monotonic
    level: float = field(init=False)
    seen: float = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.seen = self.size, self.clock()

    def affords(self, points: int) -> bool:
        if math.isinf(self.size):
            return True
        now = self.clock()
        self.level = min(self.size, self.level + (now - self.seen) * self.restore)
        self.seen = now
        return self.level >= points

    def pay(self, points: int) -> None:
        self.level -= points

    def status(self) -> dict[str, float]:
        size, restore = PLANS["plus"] if math.isinf(self.size) else (self.size, self.restore)
        level = size if math.isinf(self.size) else self.level
        return {"maximumAvailable": size, "currentlyAvailable": int(level), "restoreRate": restore}
