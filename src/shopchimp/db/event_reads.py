"""What the page of customer events reads beside the counts: signs of a busy store, and how far each part is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign or text message of the last weeks, with its figures as Mailchimp last told them."""

    id: str
    channel: str
    title: str
    sent_at: datetime
    url: str | None
    totals: dict[str, Any]
    read_until: datetime | None
    state: str


@dataclass(frozen=True, slots=True)
class EngagementRow:
    """What a contact did with messages so far, and when each was last done."""

    counts: dict[str, int]
    newest: dict[str, str]
    last_campaign: str | None
    last_campaign_at: datetime | None
    written: dict[str, Any]


def checkouts_since(tx: Connection, shop_id: int, since: datetime, *, at_most: int) -> int:
    """How many checkouts Shopify told us of since then; no more than `at_most` are counted."""
    query = text(
        """
        select count(*) from (
            select 1 from checkouts where shop_id = :shop and updated_at > :since limit :at_most) as few
        """
    )
    return int(tx.execute(query, {"shop": shop_id, "since": since, "at_most": at_most}).scalar_one())


def waiting(tx: Connection, shop_id: int, lanes: list[str]) -> tuple[int, int]:
    """How many keys of these lanes wait for their turn, and how many were refused."""
    query = text(
        """
        select count(*) filter (where state = 'waiting') as waiting, count(*) filter (where state = 'parked') as parked
        from changes where shop_id = :shop and lane = any(:lanes)
        """
    )
    row = tx.execute(query, {"shop": shop_id, "lanes": lanes}).one()
    return int(row.waiting), int(row.parked)


def latest_campaigns(tx: Connection, shop_id: int, *, limit: int) -> list[CampaignRow]:
    """The newest campaigns and text messages."""
    query = text(
        """
        select id, channel, title, sent_at, url, totals, read_until, state from campaigns
        where shop_id = :shop order by sent_at desc, id limit :limit
        """
    )
    return [CampaignRow(**row._mapping) for row in tx.execute(query, {"shop": shop_id, "limit": limit})]


def engagement_of(tx: Connection, shop_id: int, key: str) -> EngagementRow | None:
    """What the contact with this address did, or None where nothing is known."""
    query = text(
        """
        select counts, newest, last_campaign, last_campaign_at, written from engagements
        where shop_id = :shop and key = :key
        """
    )
    row = tx.execute(query, {"shop": shop_id, "key": key}).first()
    return EngagementRow(**row._mapping) if row is not None else None


def held_of(tx: Connection, shop_id: int, *, key: str | None, customer_id: int | None) -> int:
    """How many events of this person wait to be sent, as far as their browsers are linked with them."""
    query = text(
        """
        select count(*) from customer_events e join visitors v on v.shop_id = e.shop_id and v.visitor = e.visitor
        where e.shop_id = :shop and e.state in ('waiting', 'sending')
            and (v.key = cast(:key as text) or v.customer_id = cast(:customer as bigint))
        """
    )
    return int(tx.execute(query, {"shop": shop_id, "key": key, "customer": customer_id}).scalar_one())
