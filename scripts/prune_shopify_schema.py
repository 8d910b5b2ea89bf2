"""Cut Shopify's Admin schema down to what the sandbox can be asked, and write it beside the sandbox.

    python scripts/prune_shopify_schema.py ../shared/contracts/shopify

The folder holds admin-2026-10.graphql.gz (the whole schema) and documents.graphql (every operation of the product).
Kept are: each object, interface and union the documents pass through, with all of its fields whose type is kept too
(so other clients may ask for more than we do), all arguments, every input and enum those need, and what EXTRA names.
Definitions are copied from the syntax tree as they are: deprecations, defaults and @oneOf survive.
"""

import gzip
import sys
from pathlib import Path

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    get_named_type,
    parse,
    print_ast,
    visit,
)
from graphql.language import ast

OUTPUT = Path(__file__).parent.parent / "src/shopchimp/sandbox/shopify/schema.graphql"

# Types no document mentions, but that simple scripts and the tests of the sandbox use.
EXTRA = (
    "CustomerDeletePayload",
    "CustomerAddressUpdatePayload",
    "CustomerAddressDeletePayload",
    "CustomerEmailMarketingConsentState",
    "CustomerSmsMarketingConsentState",
    "MailingAddressConnection",
    "MediaImage",
    "SegmentBooleanFilter",
    "SegmentDateFilter",
    "SegmentFloatFilter",
    "SegmentIntegerFilter",
    "SegmentStringFilter",
)


def main() -> None:
    folder = Path(sys.argv[1])
    with gzip.open(folder / "admin-2026-10.graphql.gz", "rt", encoding="utf-8") as file:
        whole = parse(file.read(), no_location=True)
    documents = parse((folder / "documents.graphql").read_text())
    pruned = prune(whole, documents)
    text = "\n\n".join(print_ast(definition) for definition in pruned) + "\n"
    build_schema(text, assume_valid=True)
    header = "# Made by scripts/prune_shopify_schema.py from Shopify's Admin API schema 2026-10. Do not edit.\n\n"
    OUTPUT.write_text(header + text, encoding="utf-8")
    print(f"{len(whole.definitions)} definitions cut down to {len(pruned)}, {len(text) // 1000} kB")


def prune(whole: DocumentNode, documents: DocumentNode) -> list[ast.DefinitionNode]:
    by_name = {d.name.value: d for d in whole.definitions if isinstance(d, ast.TypeDefinitionNode)}
    kept = used_types(build_schema_of(whole), documents) | set(EXTRA)
    add_edges(kept, by_name)
    add_inputs_and_leaves(kept, by_name)
    return [shrink(d, kept) for d in whole.definitions if keep(d, kept)]


def build_schema_of(whole: DocumentNode) -> GraphQLSchema:
    return build_schema(print_ast(whole), assume_valid=True)


def used_types(schema: GraphQLSchema, documents: DocumentNode) -> set[str]:
    """Every composite type that an operation or fragment of the documents passes through."""
    found = {"QueryRoot", "Mutation"}
    info = TypeInfo(schema)

    class Collect(Visitor):
        def enter(self, node: ast.Node, *_: object) -> None:
            if isinstance(node, FieldNode | FragmentDefinitionNode | OperationDefinitionNode | ast.InlineFragmentNode):
                for type_ in (info.get_type(), info.get_parent_type()):
                    if type_ is not None:
                        found.add(get_named_type(type_).name)

    visit(documents, TypeInfoVisitor(info, Collect()))
    return found


def add_edges(kept: set[str], by_name: dict[str, ast.TypeDefinitionNode]) -> None:
    """Documents page with `nodes`, bulk operations with `edges`: a connection keeps both."""
    for name in list(kept):
        if name.endswith("Connection"):
            kept.update(named(field.type) for field in by_name[name].fields)


def add_inputs_and_leaves(kept: set[str], by_name: dict[str, ast.TypeDefinitionNode]) -> None:
    """Scalars and enums of kept fields, and all that their arguments reach."""
    waiting = [name for name in kept if name in by_name]
    while waiting:
        definition = by_name[waiting.pop()]
        for field in getattr(definition, "fields", None) or ():
            reached = {named(argument.type) for argument in getattr(field, "arguments", None) or ()}
            target = by_name.get(named(field.type))
            if isinstance(definition, ast.InputObjectTypeDefinitionNode) or is_leaf(target):
                reached.add(named(field.type))
            elif named(field.type) not in kept:
                continue
            for name in reached - kept:
                kept.add(name)
                if name in by_name:
                    waiting.append(name)


def is_leaf(definition: ast.TypeDefinitionNode | None) -> bool:
    return definition is None or isinstance(definition, ast.ScalarTypeDefinitionNode | ast.EnumTypeDefinitionNode)


def keep(definition: ast.DefinitionNode, kept: set[str]) -> bool:
    return not isinstance(definition, ast.TypeDefinitionNode) or definition.name.value in kept


def shrink(definition: ast.DefinitionNode, kept: set[str]) -> ast.DefinitionNode:
    if isinstance(definition, ast.UnionTypeDefinitionNode):
        return replaced(definition, types=tuple(t for t in definition.types if t.name.value in kept))
    if isinstance(definition, ast.ObjectTypeDefinitionNode | ast.InterfaceTypeDefinitionNode):
        return replaced(
            definition,
            fields=tuple(field for field in definition.fields if named(field.type) in kept),
            interfaces=tuple(i for i in definition.interfaces or () if i.name.value in kept),
        )
    return definition


def replaced(node: ast.DefinitionNode, **changes: object) -> ast.DefinitionNode:
    return type(node)(**{key: getattr(node, key) for key in node.keys} | changes)


def named(type_: ast.TypeNode) -> str:
    while not isinstance(type_, ast.NamedTypeNode):
        type_ = type_.type
    return type_.name.value


if __name__ == "__main__":
    main()
