"""Pages of Shopify's lists: one at a time with a place to go on from, or all of one object's list.

Paging stops at 25,000 objects (shopify.md section 5), so a longer walk begins anew at the time of the last object; a
few are seen twice then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.customers import parse_time

FARTHEST = 24_000  # objects after which a walk begins anew

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects, and the place after them: None at the end of the list."""

    nodes: tuple[Node, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Walk:
    """A list in the order of a time (`moment` of the nodes) by which it can be searched, too (`term`)."""

    document: str
    name: str
    field: str
    term: str
    moment: str


@dataclass(frozen=True, slots=True)
class _Place:
    since: str | None = None
    seen: int = 0
    cursor: str | None = None

    @classmethod
    def read(cls, written: str | None) -> _Place:
        return cls(*orjson.loads(written)) if written else cls()

    def write(self) -> str:
        return orjson.dumps([self.since, self.seen, self.cursor]).decode()


def page(client: ShopifyClient, walk: Walk, *, after: str | None = None, query: str = "") -> Page:
    """The next page of what `query` finds."""
    place = _Place.read(after)
    terms = [query] if query else []
    if place.since is not None:
        terms.append(f"{walk.term}:>='{place.since}'")
    variables = {"query": " AND ".join(terms) or None, "after": place.cursor}
    answer = client.execute(walk.document, walk.name, variables).get(walk.field) or {}
    nodes = tuple(node for node in answer.get("nodes") or () if node)
    info = answer.get("pageInfo") or {}
    if not info.get("hasNextPage") or not info.get("endCursor"):
        return Page(nodes, None)
    seen = place.seen + len(nodes)
    last = parse_time(nodes[-1].get(walk.moment)) if nodes else None
    if seen >= FARTHEST and last is not None and spelt(last) != place.since:
        return Page(nodes, _Place(spelt(last)).write())
    return Page(nodes, _Place(place.since, seen, info["endCursor"]).write())


def spelt(moment: datetime) -> str:
    """A moment as a search takes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def complete(client: ShopifyClient, node: Node, field: str, document: str, name: str, *, owner: str) -> None:
    """Make a list inside `node` whole, as a plain list: the further pages are read where there are more.

    `owner` is the root field by which `document` finds the node again.
    """
    connection = node.get(field)
    if not isinstance(connection, Mapping):
        return
    found = list(connection.get("nodes") or ())
    info = connection.get("pageInfo") or {}
    while info.get("hasNextPage") and info.get("endCursor"):
        answer = client.execute(document, name, {"id": node["id"], "after": info["endCursor"]})
        more = (answer.get(owner) or {}).get(field)
        if more is None:  # it was deleted this very moment
            break
        found += more.get("nodes") or ()
        info = more.get("pageInfo") or {}
    node[field] = found
