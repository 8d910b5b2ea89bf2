"""`fields` and `exclude_fields` of every GET (mailchimp.md section 3): dot paths, one of the two, known names only."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from shopchimp.sandbox.mailchimp.wire import Call, Problem

# A tree of names; an empty branch means "all of it".
Tree: TypeAlias = dict[str, "Tree"]


def asked(call: Call) -> tuple[str, str]:
    """The two parameters as given, after their mutual check."""
    wanted, unwanted = call.query.get("fields", ""), call.query.get("exclude_fields", "")
    if wanted and unwanted:
        detail = "The fields and exclude_fields parameters are mutually exclusive."
        raise Problem(400, "Bad Request", detail)
    return wanted, unwanted


def chosen(call: Call, document: Mapping[str, Any], known: Collection[str] | None = None) -> dict[str, Any]:
    """The document as the caller wants to see it. `known`: names it may have, where this one lacks some."""
    wanted, unwanted = asked(call)
    if wanted:
        tree = parse(wanted)
        check(tree, document if known is None else known)
        return {name: pick(document[name], branch) for name, branch in tree.items() if name in document}
    tree = parse(unwanted) if unwanted else {}
    kept = {name: value for name, value in document.items() if name not in tree or tree[name]}
    return {name: drop(value, tree[name]) if name in tree else value for name, value in kept.items()}


@lru_cache(maxsize=512)
def parse(text: str) -> Tree:
    tree: Tree = {}
    for path in text.split(","):
        node = tree
        for name in path.strip().split("."):
            node = node.setdefault(name, {})
    return tree


def check(tree: Tree, known: Collection[str]) -> None:
    unknown = [name for name in tree if name not in known and name != "_links"]
    if unknown:
        raise Problem(400, "Bad Request", f"Invalid field(s) requested: {', '.join(unknown)}")


def pick(value: Any, tree: Tree) -> Any:
    """Only what the tree names."""
    if not tree:
        return value
    if isinstance(value, list):
        return [pick(item, tree) for item in value]
    if isinstance(value, dict):
        return {name: pick(value[name], branch) for name, branch in tree.items() if name in value}
    return value


def drop(value: Any, tree: Tree) -> Any:
    """All but what the tree names."""
    if isinstance(value, list):
        return [drop(item, tree) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, item in value.items():
        branch = tree.get(name)
        if branch is None:
            kept[name] = item
        elif branch:
            kept[name] = drop(item, branch)
    return kept
