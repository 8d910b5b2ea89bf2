"""A shop's customer events as rows: what came in, what became of it, what contacts did."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import text

from shopchimp.db.session import Database

SCOPES = "read_customers,write_customers,write_pixels,read_customer_events,write_marketing_events"
CONSENT = '{"marketing": true, "analytics": true, "preferences": true, "sale_of_data": true}'


def grant(database: Database, shop: int, scopes: str = SCOPES) -> None:
    """What the shop has allowed."""
    with database.transaction() as tx:
        tx.execute(text("update shops set scopes = :scopes where id = :shop"), {"scopes": scopes, "shop": shop})


def add_pixel(database: Database, shop: int, **values: Any) -> None:
    """The shop's pixel, active for some hours, unless told otherwise."""
    row = {
        "account_id": f"acc-{shop}",
        "enabled": True,
        "pixel_id": "gid://shopify/WebPixel/1",
        "endpoint": "https://app.example.com/pixel/v1/events",
        "state": "active",
        "trouble": None,
        "activated_at": datetime.now(UTC) - timedelta(hours=20),
        "checked_at": datetime.now(UTC),
        "last_event_at": datetime.now(UTC) - timedelta(minutes=3),
        **values,
    }
    row["trouble"] = None if row["trouble"] is None else orjson.dumps(row["trouble"]).decode()
    query = text(
        """
        insert into pixels (shop_id, account_id, enabled, pixel_id, endpoint, state, trouble, activated_at, checked_at,
            last_event_at)
        values (:shop, :account_id, :enabled, :pixel_id, :endpoint, :state, cast(:trouble as jsonb), :activated_at,
            :checked_at, :last_event_at)
        on conflict (shop_id) do update set enabled = excluded.enabled, pixel_id = excluded.pixel_id,
            state = excluded.state, trouble = excluded.trouble, activated_at = excluded.activated_at,
            last_event_at = excluded.last_event_at
        """
    )
    with database.transaction() as tx:
        tx.execute(query, {"shop": shop, **row})
        tx.execute(
            text(
                "insert into chores (shop_id, name, due_at) values (:shop, 'pixel', now() + interval '1 day') on conflict do nothing"
            ),
            {"shop": shop},
        )


def count(
    database: Database, shop: int, name: str, outcome: str, n: int, *, days_ago: int = 0, to: str = "mailchimp"
) -> None:
    """So many events of a name came to this."""
    query = text(
        """
        insert into event_counts (shop_id, day, direction, name, outcome, n)
        values (:shop, current_date - :ago, :direction, :name, :outcome, :n)
        """
    )
    with database.transaction() as tx:
        tx.execute(
            query, {"shop": shop, "ago": days_ago, "direction": f"to_{to}", "name": name, "outcome": outcome, "n": n}
        )


def add_waiting(
    database: Database, shop: int, event_id: str, name: str = "product_viewed", visitor: str = "v1"
) -> None:
    """An event that waits, and the mark of its visitor."""
    query = text(
        """
        insert into customer_events (shop_id, id, name, visitor, happened_at, consent, body)
        values (:shop, :id, :name, :visitor, now(), cast(:consent as jsonb), '{"title": "Blue mug"}')
        """
    )
    mark = text(
        """
        insert into changes (shop_id, kind, key, lane, source) values (:shop, 'event', :key, 'views', 'shopify')
        on conflict do nothing
        """
    )
    with database.transaction() as tx:
        tx.execute(query, {"shop": shop, "id": event_id, "name": name, "visitor": visitor, "consent": CONSENT})
        tx.execute(mark, {"shop": shop, "key": f"visitor:{visitor}"})


def link(
    database: Database, shop: int, visitor: str, *, key: str | None = None, customer_id: int | None = None
) -> None:
    """Whose browser it is."""
    query = text("insert into visitors (shop_id, visitor, key, customer_id) values (:shop, :visitor, :key, :customer)")
    with database.transaction() as tx:
        tx.execute(query, {"shop": shop, "visitor": visitor, "key": key, "customer": customer_id})


def add_engagement(
    database: Database, shop: int, key: str, *, written: dict[str, Any] | None = None, **counts: int
) -> None:
    """What a contact did so far, last of all two days ago."""
    at = (datetime.now(UTC) - timedelta(days=2)).isoformat(timespec="seconds")
    query = text(
        """
        insert into engagements (shop_id, contact, key, counts, newest, last_campaign, last_campaign_at, written)
        values (:shop, :contact, :key, cast(:counts as jsonb), cast(:newest as jsonb), 'November news', now(),
            cast(:written as jsonb))
        """
    )
    values = {
        "contact": hashlib.md5(key.encode(), usedforsecurity=False).hexdigest(),
        "key": key,
        "counts": orjson.dumps(counts).decode(),
        "newest": orjson.dumps(dict.fromkeys(counts, at)).decode(),
        "written": orjson.dumps(written or {}).decode(),
    }
    with database.transaction() as tx:
        tx.execute(query, {"shop": shop, **values})


def add_campaign(
    database: Database, shop: int, campaign_id: str, title: str, *, channel: str = "email", **totals: int
) -> None:
    """A campaign of the day before yesterday."""
    query = text(
        """
        insert into campaigns (shop_id, id, channel, title, sent_at, url, totals, state)
        values (:shop, :id, :channel, :title, now() - interval '2 days', :url, cast(:totals as jsonb), 'read')
        """
    )
    url = f"https://mailchi.mp/{campaign_id}" if channel == "email" else None
    values = {"id": campaign_id, "channel": channel, "title": title, "url": url}
    with database.transaction() as tx:
        tx.execute(query, {"shop": shop, **values, "totals": orjson.dumps(totals).decode()})


def add_checkouts(database: Database, shop: int, n: int) -> None:
    """So many checkouts were begun an hour ago."""
    query = text(
        """
        insert into checkouts (shop_id, token, updated_at, node)
        select :shop, 'checkout-' || i, now() - interval '1 hour', '{}' from generate_series(1, :n) i
        """
    )
    with database.transaction() as tx:
        tx.execute(query, {"shop": shop, "n": n})


def a_week(database: Database, shop: int) -> None:
    """Both directions in full swing."""
    grant(database, shop)
    add_pixel(database, shop)
    for name, figures in {
        "page_viewed": (5210, 640, 4300, 250),
        "product_viewed": (1830, 1510, 190, 90),
        "collection_viewed": (620, 560, 40, 20),
        "search_submitted": (96, 91, 2, 1),
        "product_added_to_cart": (214, 209, 0, 5),
        "checkout_started": (71, 70, 0, 1),
        "payment_info_submitted": (49, 49, 0, 0),
        "checkout_completed": (44, 44, 0, 0),
    }.items():
        for outcome, n in zip(("received", "sent", "coalesced", "no_person"), figures, strict=True):
            if n:
                count(database, shop, name, outcome, n // 2, days_ago=1)
                count(database, shop, name, outcome, n - n // 2)
    count(database, shop, "product_viewed", "not_a_contact", 7)
    for n in range(3):
        add_waiting(database, shop, f"waits-{n}")
    for name, n in {
        "email_received": 11902,
        "email_opened": 4210,
        "email_clicked": 655,
        "sms_received": 310,
        "sms_clicked": 4,
    }.items():
        count(database, shop, name, "received", n, to="shopify")
    count(database, shop, "engagement", "sent", 6100, to="shopify")
    add_campaign(database, shop, "c1", "November news", sent=11902, unique_opens=4102, unique_clicks=601)
    add_campaign(database, shop, "s1", "Back in stock", channel="sms", sent=310)
