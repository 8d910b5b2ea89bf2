"""Where a phase takes its objects from, a slice at a time, in an order that never changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection

from shopchimp.db import checkouts, commerce_nodes, run_tables
from shopchimp.domain.commerce.phases import Phase
from shopchimp.domain.commerce.store import Node, Storefront
from shopchimp.services.commerce.drafts import (
    Draft,
    customer_node,
    draft_cart,
    draft_customer,
    draft_order,
    draft_product,
)

Place = int | str
"""How far a source was read: the number, id or token of the last object."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An object of a source: where it stands, what it is called, and how it becomes a draft."""

    place: Place
    name: str
    node: Node
    draft: Callable[[], Draft]


class Source(Protocol):
    """Gives up to `limit` objects from just after a place on."""

    def __call__(self, tx: Connection, after: Place | None, limit: int) -> Sequence[Taken]: ...


def source_of(phase: Phase, shop_id: int, run_id: UUID, storefront: Storefront) -> Source:
    """The source of a phase that writes objects."""

    def of_nodes(make: Callable[[Node, Storefront], Draft]) -> Source:
        def take(tx: Connection, after: Place | None, limit: int) -> Sequence[Taken]:
            rows = commerce_nodes.slice(tx, run_id, phase.value, after=int(after or 0), limit=limit)
            return [Taken(row.n, row.gid, row.node, lambda node=row.node: make(node, storefront)) for row in rows]  # type: ignore[misc]

        return take

    def customers(tx: Connection, after: Place | None, limit: int) -> Sequence[Taken]:
        rows = run_tables.customers_after(tx, run_id, after=int(after or 0), limit=limit)
        nodes = [(customer_id, customer_node(customer_id, email, fields)) for customer_id, email, fields in rows]
        return [Taken(number, node["id"], node, lambda node=node: draft_customer(node)) for number, node in nodes]  # type: ignore[misc]

    def carts(tx: Connection, after: Place | None, limit: int) -> Sequence[Taken]:
        rows = checkouts.after(tx, shop_id, after=str(after or ""), limit=limit)
        return [
            Taken(row.token, row.token, row.node, lambda row=row: draft_cart(row.node, storefront, ordered=row.ordered))  # type: ignore[misc]
            for row in rows
        ]

    match phase:
        case Phase.PRODUCTS:
            return of_nodes(draft_product)
        case Phase.ORDERS:
            return of_nodes(draft_order)
        case Phase.CUSTOMERS:
            return customers
        case Phase.CARTS:
            return carts
        case _:
            raise ValueError(f"{phase} writes no objects of its own")
