"""What the mappings know about the store itself, and how they read the lists inside a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

from shopchimp.domain.commerce.results import IncompleteNode

Node: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Storefront:
    """The shop's currency, the address its buyers see, and its own name (`pinewood-lamps.myshopify.com`)."""

    currency: str
    url: str
    domain: str

    def page(self, path: str) -> str:
        """A page of the storefront; an address that is whole already stays as it is."""
        if path.startswith(("https://", "http://")):
            return path
        return f"{self.url.rstrip('/')}/{path.lstrip('/')}"

    def admin(self, path: str) -> str:
        """A page of the shop's admin, for the merchant alone."""
        return f"https://admin.shopify.com/store/{quote(self.domain.partition('.')[0])}/{path}"


def nodes_of(owner: Node, name: str) -> Sequence[Node]:
    """The nodes of a connection, however it was asked for: `nodes`, `edges`, or a list put together by the caller.

    Raises IncompleteNode where more pages are to be read.
    """
    connection = owner.get(name)
    if connection is None:
        return ()
    if isinstance(connection, (list, tuple)):
        return connection
    if not isinstance(connection, Mapping):
        return tuple(connection)
    if (connection.get("pageInfo") or {}).get("hasNextPage"):
        raise IncompleteNode(f"{name} of {owner.get('id')} has more pages")
    if "nodes" in connection:
        return tuple(connection["nodes"])
    return tuple(edge["node"] for edge in connection.get("edges", ()))
