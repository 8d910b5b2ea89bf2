"""Checkouts: the newest word on each, from a webhook or a poll, since Shopify doesn't let them be read by token.

The intake stores them with a statement of its own by the same rule: the newest `updated_at` wins, and a checkout whose
order exists stays ordered, whatever an older message says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from shopchimp.db.session import dumps, without_nul


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout as last told, in the words of the API (`domain.commerce.carts`). `ordered`: its order exists."""

    token: str
    cart_token: str | None
    updated_at: datetime
    node: dict[str, Any]
    ordered: bool = False


_COLUMNS = ", ".join(each.name for each in fields(Checkout))


def upsert(tx: Connection, shop_id: int, found: Sequence[Checkout]) -> None:
    """Store what was told of these checkouts, where it is no older than what is known."""
    newest: dict[str, Checkout] = {}
    for each in sorted(found, key=lambda each: each.updated_at):
        newest[each.token] = each
    rows = [newest[token] for token in sorted(newest)]
    if not rows:
        return
    query = text(
        """
        insert into checkouts as c (shop_id, token, cart_token, updated_at, node, ordered)
        select :shop, m.* from unnest(
            cast(:tokens as text[]), cast(:carts as text[]), cast(:times as timestamptz[]), cast(:nodes as jsonb[]),
            cast(:ordered as boolean[])
        ) as m (token, cart_token, updated_at, node, ordered)
        on conflict (shop_id, token) do update set seen_at = now(), ordered = c.ordered or excluded.ordered,
            cart_token = coalesce(excluded.cart_token, c.cart_token),
            node = case when excluded.updated_at >= c.updated_at then excluded.node else c.node end,
            updated_at = greatest(c.updated_at, excluded.updated_at)
        """
    )
    values = {
        "tokens": [without_nul(row.token) for row in rows],
        "carts": [without_nul(row.cart_token) for row in rows],
        "times": [row.updated_at for row in rows],
        "nodes": [dumps(row.node) for row in rows],
        "ordered": [row.ordered for row in rows],
    }
    tx.execute(query, {"shop": shop_id, **values})


def get(tx: Connection, shop_id: int, tokens: Iterable[str]) -> dict[str, Checkout]:
    """Those of these checkouts that we heard of, by token."""
    query = text(f"select {_COLUMNS} from checkouts where shop_id = :shop and token = any(:tokens)")
    rows = tx.execute(query, {"shop": shop_id, "tokens": list(tokens)})
    return {row.token: Checkout(**row._mapping) for row in rows}


def after(tx: Connection, shop_id: int, *, after: str, limit: int) -> list[Checkout]:
    """Up to `limit` checkouts of which anything was told, in the order of their tokens, from just after one."""
    query = text(
        f"""
        select {_COLUMNS} from checkouts where shop_id = :shop and token > :after and node <> '{{}}'::jsonb
        order by token limit :limit
        """
    )
    return [Checkout(**row._mapping) for row in tx.execute(query, {"shop": shop_id, "after": after, "limit": limit})]


def by_cart(tx: Connection, shop_id: int, cart_tokens: Iterable[str]) -> list[Checkout]:
    """The checkouts of these carts of the storefront, oldest first."""
    query = text(
        f"""
        select {_COLUMNS} from checkouts where shop_id = :shop and cart_token = any(:tokens) order by updated_at, token
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "tokens": list(cart_tokens)})
    return [Checkout(**row._mapping) for row in rows]


def mark_ordered(tx: Connection, shop_id: int, tokens: Iterable[str]) -> None:
    """The orders of these checkouts exist. One that we never heard of is noted too: word of it may still come."""
    query = text(
        """
        insert into checkouts as c (shop_id, token, updated_at, node, ordered)
        select :shop, m.token, 'epoch', '{}'::jsonb, true from unnest(cast(:tokens as text[])) as m (token)
        on conflict (shop_id, token) do update set ordered = true, seen_at = now()
        """
    )
    tx.execute(query, {"shop": shop_id, "tokens": sorted(set(tokens))})


def forget_older(tx: Connection, shop_id: int, days: int) -> int:
    """Delete the checkouts nobody spoke of for so many days; gives back how many. Their carts stay at Mailchimp."""
    query = text("delete from checkouts where shop_id = :shop and seen_at < now() - make_interval(days => :days)")
    return tx.execute(query, {"shop": shop_id, "days": days}).rowcount


def forget_all(tx: Connection, shop_id: int) -> None:
    """Delete the checkouts of a shop."""
    tx.execute(text("delete from checkouts where shop_id = :shop"), {"shop": shop_id})


def erase_person(tx: Connection, shop_id: int, emails: Sequence[str], customer_ids: Sequence[int]) -> int:
    """Remove what tells of these people, by address (in lower case) or customer; gives back of how many rows.

    The rows stay, so that a checkout that became an order doesn't come back.
    """
    query = text(
        """
        update checkouts set node = '{}'::jsonb where shop_id = :shop and (
            lower(node ->> 'email') = any(:emails)
            or lower(node #>> '{customer,defaultEmailAddress,emailAddress}') = any(:emails)
            or substring(node #>> '{customer,id}' from '[0-9]+$') = any(:customers))
        """
    )
    values = {"emails": [email.lower() for email in emails], "customers": [str(each) for each in customer_ids]}
    return tx.execute(query, {"shop": shop_id, **values}).rowcount
