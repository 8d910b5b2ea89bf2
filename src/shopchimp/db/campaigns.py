"""Campaigns: their figures as last read, how far each was read, and what Shopify was told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from shopchimp.db.session import dumps

EMAIL, SMS = "email", "sms"


@dataclass(slots=True)
class Kept:
    """A campaign as stored. `totals` are its figures as last reported, `pages` says up to which of them it was read."""

    id: str
    channel: str
    title: str
    sent_at: datetime
    url: str | None
    totals: dict[str, Any]
    pages: dict[str, Any]
    read_until: datetime | None
    told: dict[str, Any]
    next_at: datetime
    state: str


_COLUMNS = ", ".join(Kept.__slots__)
NEW, READING, READ = "new", "reading", "read"


def since(tx: Connection, shop_id: int, sent_after: datetime, *, channel: str = EMAIL) -> dict[str, Kept]:
    """The shop's campaigns that were sent after this, by id, the newest first."""
    query = text(
        f"""
        select {_COLUMNS} from campaigns
        where shop_id = :shop and channel = :channel and sent_at >= :after order by sent_at desc, id
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "channel": channel, "after": sent_after})
    return {row.id: Kept(**row._mapping) for row in rows}


def get(tx: Connection, shop_id: int, campaign_id: str) -> Kept | None:
    """One of the shop's campaigns."""
    query = text(f"select {_COLUMNS} from campaigns where shop_id = :shop and id = :id")
    row = tx.execute(query, {"shop": shop_id, "id": campaign_id}).one_or_none()
    return Kept(**row._mapping) if row is not None else None


def put(tx: Connection, shop_id: int, found: Sequence[Mapping[str, Any]]) -> None:
    """These campaigns are there (id, channel, title, sent_at, url, totals); what was read of them so far stays."""
    query = text(
        """
        insert into campaigns as c (shop_id, id, channel, title, sent_at, url, totals, next_at)
        select :shop, r.id, r.channel, r.title, r.sent_at, r.url, coalesce(r.totals, '{}'), r.sent_at
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(id text, channel text, title text, sent_at timestamptz,
            url text, totals jsonb)
        order by r.id
        on conflict (shop_id, id) do update
            set title = excluded.title, sent_at = excluded.sent_at, url = excluded.url, totals = excluded.totals
        """
    )
    if found:
        tx.execute(query, {"shop": shop_id, "rows": dumps([dict(each) for each in found])})


def save(tx: Connection, shop_id: int, campaign: Kept) -> None:
    """How far this one was read, and when it may be read again. What was told of it is left alone."""
    query = text(
        """
        update campaigns set pages = cast(:pages as jsonb), read_until = :read_until, next_at = :next_at,
            state = :state
        where shop_id = :shop and id = :id
        """
    )
    values = {
        "shop": shop_id,
        "id": campaign.id,
        "pages": dumps(campaign.pages),
        "read_until": campaign.read_until,
        "next_at": campaign.next_at,
        "state": campaign.state,
    }
    tx.execute(query, values)


def tell(tx: Connection, shop_id: int, campaign_id: str, told: Mapping[str, Any]) -> None:
    """What Shopify is told, or was told, of a campaign."""
    query = text("update campaigns set told = cast(:told as jsonb) where shop_id = :shop and id = :id")
    tx.execute(query, {"shop": shop_id, "id": campaign_id, "told": dumps(dict(told))})


def leave(tx: Connection, shop_id: int) -> None:
    """The audience is left: its campaigns are read no more, and the next one's contacts are asked for text messages."""
    query = text(
        f"""
        update campaigns set state = '{NEW}', next_at = sent_at
        where shop_id = :shop and (state = '{READING}' or channel = '{SMS}')
        """
    )
    tx.execute(query, {"shop": shop_id})


def first_reading(tx: Connection, shop_id: int) -> Kept | None:
    """The campaign that is being read; of several the one that was sent last: most is still to come of it."""
    query = text(
        f"""
        select {_COLUMNS} from campaigns where shop_id = :shop and state = '{READING}' and channel = '{EMAIL}'
        order by sent_at desc, id limit 1
        """
    )
    row = tx.execute(query, {"shop": shop_id}).one_or_none()
    return Kept(**row._mapping) if row is not None else None
