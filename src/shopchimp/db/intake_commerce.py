"""Intake of webhooks about the shop's goods: one SQL statement each, as those of people (`db.intake`).

What is marked waits in the lane `commerce` until the first sync is done with the shop's history. Orders, products and
discounts are read again by their number; a checkout can't be read by its token, so what was told of it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shopchimp.db.intake import ANSWER, NOT_ERASED, READY, SHOPIFY, Arrival, IntakePool, Stored, array_of, hex_of
from shopchimp.db.marking import COMMERCE, GOODS, MARKED
from shopchimp.db.session import dumps

DELETED = "shopify_deleted"
"""The source of a change that Shopify said is a deletion: an id never comes back, so no later word changes that. An
order that can't be read without it may only be too old to be seen."""
POLLS = ("poll_orders", "poll_products", "poll_checkouts")

_CONNECTED = "exists (select from connections where shop_id = (select id from shop))"
_CHANGE = f"""
    insert into changes as c (shop_id, kind, key, lane, source, event_at)
    select (select id from shop), '{GOODS}', key, '{COMMERCE}', %(told_by)s, %(fired)s::timestamptz
    from marked order by key collate "C"
    on conflict (shop_id, kind, key) do update set {MARKED}, lane = '{COMMERCE}',
        source = case when c.source = '{DELETED}' then c.source else excluded.source end,
        event_at = case when c.state = 'waiting' then least(c.event_at, excluded.event_at) else excluded.event_at end
"""
_MARK = f"""
    change as ({_CHANGE}), ready as ({READY.format(lane=COMMERCE)})
    {ANSWER}
"""

_NAMED = f"""
    with {SHOPIFY}, marked as (
        select %(key)s::text as key from fresh where {_CONNECTED}
    ), {_MARK}
"""

# The newest word wins, whatever the order they come in; whose person was erased lately is not taken in again.
_CHECKOUT_TOLD = f"""
    with {SHOPIFY}, kept as (
        insert into checkouts as c (shop_id, token, cart_token, updated_at, node)
        select shop_id, %(token)s::text, %(cart)s::text, %(updated)s::timestamptz,
            case when exists (select from checkouts g where g.shop_id = fresh.shop_id
                and g.token = 'deleted:' || %(cart)s::text and g.updated_at >= %(updated)s::timestamptz)
                then '{{}}'::jsonb else %(node)s::jsonb end
        from fresh where {_CONNECTED} and {NOT_ERASED}
        on conflict (shop_id, token) do update set seen_at = now(),
            cart_token = coalesce(excluded.cart_token, c.cart_token),
            node = case when excluded.updated_at >= c.updated_at then excluded.node else c.node end,
            updated_at = greatest(c.updated_at, excluded.updated_at)
        returning token
    ), marked as (select 'checkout:' || token as key from kept), {_MARK}
"""

# An empty checkout is no cart. Its time stays, so that an older word that comes late doesn't bring it back; nor one on
# a checkout that we had not heard of. One that only the API told us of is known by its number.
_CHECKOUT_GONE = f"""
    with {SHOPIFY}, emptied as (
        update checkouts c set node = '{{}}'::jsonb, seen_at = now(),
            updated_at = greatest(c.updated_at, coalesce(%(fired)s::timestamptz, now()))
        from fresh where c.shop_id = fresh.shop_id and (c.token = %(token)s::text or c.cart_token = %(cart)s::text
            or c.node ->> 'id' = %(gid)s::text)
        returning c.token
    ), unheard as (
        insert into checkouts as c (shop_id, token, cart_token, updated_at, node)
        select shop_id, 'deleted:' || %(cart)s::text, %(cart)s::text, coalesce(%(fired)s::timestamptz, now()),
            '{{}}'::jsonb
        from fresh where {_CONNECTED} and %(cart)s::text is not null and not exists (select from emptied)
        on conflict do nothing
    ), marked as (select 'checkout:' || token as key from emptied where {_CONNECTED}), {_MARK}
"""

# Carts are filled all day long; only one that became a checkout is of interest.
_CART_TOLD = f"""
    with {SHOPIFY}, marked as (
        select %(key)s::text as key from fresh where {_CONNECTED} and exists (
            select from checkouts c where c.shop_id = fresh.shop_id and c.cart_token = %(token)s::text)
    ), {_MARK}
"""

_UNREADABLE = f"""
    with {SHOPIFY}, poll as (
        update chores set due_at = least(due_at, now()) from fresh
        where chores.shop_id = fresh.shop_id and name in {POLLS} and token is null returning 1
    )
    {ANSWER}
"""


async def named(pool: IntakePool, arrival: Arrival, key: str, *, deleted: bool = False) -> Stored:
    """Mark an order, a product or a discount."""
    return await pool.run(_NAMED, {**arrival.values(), "key": key, "told_by": DELETED if deleted else "shopify"})


async def checkout_told(
    pool: IntakePool,
    arrival: Arrival,
    *,
    token: str,
    cart_token: str | None,
    updated_at: datetime,
    node: dict[str, Any],
    graves: Sequence[bytes],
) -> Stored:
    """Keep what was told of a checkout, and mark it; nothing if there is such a tombstone."""
    values = {"token": token, "cart": cart_token, "updated": updated_at.isoformat(), "node": dumps(node)}
    values |= {"graves": array_of(map(hex_of, graves)), "told_by": "shopify"}
    return await pool.run(_CHECKOUT_TOLD, {**arrival.values(), **values})


async def checkout_gone(
    pool: IntakePool, arrival: Arrival, *, token: str | None, cart_token: str | None, gid: str | None
) -> Stored:
    """A checkout was deleted: mark the one of this token, of this cart or of this id."""
    values = {"token": token, "cart": cart_token, "gid": gid, "told_by": DELETED}
    return await pool.run(_CHECKOUT_GONE, {**arrival.values(), **values})


async def cart_told(pool: IntakePool, arrival: Arrival, token: str) -> Stored:
    """A cart of the storefront changed: mark it if a checkout came of it."""
    values = {"token": token, "key": f"cart:{token}", "told_by": "shopify"}
    return await pool.run(_CART_TOLD, {**arrival.values(), **values})


async def unreadable(pool: IntakePool, arrival: Arrival) -> Stored:
    """A delivery that doesn't say what it is about: the polls find out."""
    return await pool.run(_UNREADABLE, arrival.values())
