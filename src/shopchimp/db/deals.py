"""A person's orders and carts, as they are remembered: the sums, a page of them, and one found by its number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

SEEN_AS = {"completed": "order", "abandoned": "cart"}


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose they are: a customer's by their number, a guest's by the normalised address."""

    key: str
    customer_id: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """An order or a cart as it is kept; `state` and `reason` say what became of it at Mailchimp."""

    kind: str
    id: str
    state: str
    reason: str | None
    detail: str | None
    key: str | None
    customer_id: int | None
    occurred_at: datetime | None
    shown: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sum:
    """What was bought in one currency."""

    currency: str
    revenue: Decimal
    orders: int
    products: int
    first_at: datetime | None
    last_at: datetime | None


_COLUMNS = "kind, id, state, reason, detail, key, customer_id, occurred_at, coalesce(shown, '{}'::jsonb) as shown"
# an order placed with an address that somebody else has by now is still its customer's
_THEIRS = """
    shop_id = :shop and (customer_id = :customer
        or (key = :key and (customer_id is null or cast(:customer as bigint) is null)))
"""
_OPEN_CART = "kind = 'cart' and reason is distinct from 'cart_completed' and reason is distinct from 'cart_empty'"


def sums(tx: Connection, shop_id: int, whose: Whose) -> list[Sum]:
    """The totals per currency, that of the most orders first."""
    query = text(
        f"""
        select shown ->> 'currency' as currency, sum((shown ->> 'revenue')::numeric) as revenue,
            sum((shown ->> 'orders')::int) as orders, sum((shown ->> 'bought')::int) as products,
            min(occurred_at) as first_at, max(occurred_at) as last_at
        from commerce_items where {_THEIRS} and kind = 'order' and (shown ->> 'orders')::int > 0
        group by 1 order by 3 desc, 2 desc, 1
        """
    )
    return [Sum(**row._mapping) for row in tx.execute(query, _values(shop_id, whose))]


def open_carts(tx: Connection, shop_id: int, whose: Whose) -> int:
    """How many carts they left."""
    query = text(f"select count(*) from commerce_items where {_THEIRS} and {_OPEN_CART}")
    return int(tx.execute(query, _values(shop_id, whose)).scalar_one())


def page(tx: Connection, shop_id: int, whose: Whose, *, state: str = "", skip: int = 0, limit: int) -> list[Kept]:
    """Their orders and open carts, newest first; `state` completed or abandoned alone."""
    kinds = {"order": "kind = 'order'", "cart": _OPEN_CART}
    asked = kinds[SEEN_AS[state]] if state else f"(kind = 'order' or {_OPEN_CART})"
    query = text(
        f"""
        select {_COLUMNS} from commerce_items where {_THEIRS} and {asked}
        order by occurred_at desc nulls last, kind, id desc offset :skip limit :limit
        """
    )
    values = {**_values(shop_id, whose), "skip": skip, "limit": limit}
    return [Kept(**row._mapping) for row in tx.execute(query, values)]


def by_number(tx: Connection, shop_id: int, number: str) -> list[Kept]:
    """The orders with this number as the merchant reads it ("#1042"), newest first: a shop may give one twice."""
    query = text(
        f"""
        select {_COLUMNS} from commerce_items
        where shop_id = :shop and kind = 'order' and shown ->> 'number' = :number
        order by occurred_at desc nulls last limit 10
        """
    )
    return [Kept(**row._mapping) for row in tx.execute(query, {"shop": shop_id, "number": number})]


def order(tx: Connection, shop_id: int, order_id: str) -> Kept | None:
    """This order of the shop."""
    query = text(f"select {_COLUMNS} from commerce_items where shop_id = :shop and kind = 'order' and id = :id")
    row = tx.execute(query, {"shop": shop_id, "id": order_id}).one_or_none()
    return Kept(**row._mapping) if row is not None else None


def products(tx: Connection, shop_id: int, ids: list[str]) -> dict[str, dict[str, Any]]:
    """What is shown of these products."""
    query = text(
        """
        select id, shown from commerce_items
        where shop_id = :shop and kind = 'product' and id = any(:ids) and shown is not null
        """
    )
    return {row.id: row.shown for row in tx.execute(query, {"shop": shop_id, "ids": ids})} if ids else {}


def _values(shop_id: int, whose: Whose) -> dict[str, Any]:
    return {"shop": shop_id, "key": whose.key, "customer": whose.customer_id}
