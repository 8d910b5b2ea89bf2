"""The public id of a shop's pixel, and whether its events are taken. How it stands at Shopify: `pixel_states`."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, text


def ensure(tx: Connection, shop_id: int) -> str:
    """The shop's public id, made if there is none. A pixel that is made follows the shop's setting."""
    query = text(
        """
        with made as (
            insert into pixels (shop_id, account_id, enabled)
            select id, :account, coalesce(cast(settings ->> 'customer_events' as boolean), true)
            from shops where id = :shop
            on conflict (shop_id) do nothing returning account_id
        )
        select account_id from made union all select account_id from pixels where shop_id = :shop limit 1
        """
    )
    return str(tx.execute(query, {"shop": shop_id, "account": secrets.token_urlsafe(18)}).scalar_one())


def set_enabled(tx: Connection, shop_id: int, *, enabled: bool) -> None:
    """Take the shop's events from now on, or none: what is just being stored is waited for, and none comes after."""
    query = text("update pixels set enabled = :enabled where shop_id = :shop")
    tx.execute(query, {"shop": shop_id, "enabled": enabled})
