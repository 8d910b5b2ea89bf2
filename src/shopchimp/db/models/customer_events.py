"""Customer events: what visitors did in the store, what contacts did with a message, and what is kept while they wait.

Nothing here but `pixels` has a foreign key: rows come by the hundred thousand. Of an event that was sent or dropped
only its id, name and times stay, for two days, so that a double is known.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from shopchimp.db.models.base import Base, JsonObject

_EMPTY = text("'{}'::jsonb")


class Pixel(Base):
    """A shop's web pixel: the public id under which its events arrive, and how it stands at Shopify."""

    __tablename__ = "pixels"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(unique=True)
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))  # customer event syncing is on
    pixel_id: Mapped[str | None]  # Shopify's id; null: not there
    settings_digest: Mapped[str | None]  # of the settings that Shopify took last
    endpoint: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="new")
    trouble: Mapped[JsonObject | None]
    activated_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    last_event_at: Mapped[datetime | None]


class CustomerEvent(Base):
    """One event of the pixel: waiting, sending, sent or dropped. The last two have lost whatever names a person."""

    __tablename__ = "customer_events"
    __table_args__ = (
        Index(
            "ix_customer_events_visitor",
            "shop_id",
            "visitor",
            "happened_at",
            postgresql_where=text("state IN ('waiting', 'sending')"),
        ),
        Index(
            "ix_customer_events_checkout",
            "shop_id",
            "checkout",
            postgresql_where=text("checkout IS NOT NULL AND state = 'waiting'"),
        ),
        Index("ix_customer_events_received_at", "received_at"),
    )

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    name: Mapped[str]
    visitor: Mapped[str | None] = mapped_column(Text(collation="C"))
    customer_id: Mapped[int | None]
    email: Mapped[str | None]  # the checkout's address, in its normal spelling
    checkout: Mapped[str | None] = mapped_column(Text(collation="C"))  # its token
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    consent: Mapped[JsonObject]  # the visitor's four answers
    body: Mapped[JsonObject | None]  # page, title and details
    state: Mapped[str] = mapped_column(server_default="waiting")
    reason: Mapped[str | None]  # why it was dropped
    call: Mapped[str | None] = mapped_column(Text(collation="C"))  # the id of the first event that its call names
    sent_at: Mapped[datetime | None]
    found: Mapped[bool] = mapped_column(server_default=text("false"))  # whose it is, whatever its browser says


class Visitor(Base):
    """A browser, whom it was last found to belong to, and when what was last told of it (subject -> time)."""

    __tablename__ = "visitors"
    __table_args__ = (
        Index("ix_visitors_key", "shop_id", "key", postgresql_where=text("key IS NOT NULL")),
        Index("ix_visitors_customer_id", "shop_id", "customer_id", postgresql_where=text("customer_id IS NOT NULL")),
        Index("ix_visitors_seen_at", "seen_at"),
    )

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    visitor: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    customer_id: Mapped[int | None]
    key: Mapped[str | None] = mapped_column(Text(collation="C"))
    linked_at: Mapped[datetime | None]
    sent: Mapped[JsonObject] = mapped_column(server_default=_EMPTY)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class EventCount(Base):
    """How many events of a name came to what on a day (of UTC), both directions."""

    __tablename__ = "event_counts"

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    direction: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]


class Campaign(Base):
    """A campaign of the audience: its figures as last read, how far it was read, and what Shopify was told a day."""

    __tablename__ = "campaigns"
    __table_args__ = (Index("ix_campaigns_sent_at", "shop_id", "sent_at"),)

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    channel: Mapped[str]
    title: Mapped[str]
    sent_at: Mapped[datetime]
    url: Mapped[str | None]
    totals: Mapped[JsonObject] = mapped_column(server_default=_EMPTY)
    pages: Mapped[JsonObject] = mapped_column(server_default=_EMPTY)  # the cursor while its rows are read
    read_until: Mapped[datetime | None]
    told: Mapped[JsonObject] = mapped_column(server_default=_EMPTY)
    next_at: Mapped[datetime] = mapped_column(server_default=func.now())
    state: Mapped[str] = mapped_column(server_default="new")


class ActivityFact(Base):
    """One thing a contact did with a message, or got: its key counts once. `contact` is the MD5 of the address."""

    __tablename__ = "activity_facts"
    __table_args__ = (
        Index("ix_activity_facts_contact", "shop_id", "contact"),
        Index("ix_activity_facts_at", "at"),
    )

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    contact: Mapped[str] = mapped_column(Text(collation="C"))
    campaign: Mapped[str]
    action: Mapped[str]
    at: Mapped[datetime]
    url: Mapped[str | None]


class Engagement(Base):
    """All that one contact did with our messages, and which values their customer has at Shopify by now."""

    __tablename__ = "engagements"
    __table_args__ = (Index("ix_engagements_key", "shop_id", "key", postgresql_where=text("key IS NOT NULL")),)

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    contact: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)  # the MD5 of the address
    key: Mapped[str | None] = mapped_column(Text(collation="C"))  # the address in its normal spelling, once known
    counts: Mapped[JsonObject] = mapped_column(server_default=_EMPTY)
    newest: Mapped[JsonObject] = mapped_column(server_default=_EMPTY)
    last_campaign: Mapped[str | None]
    last_campaign_at: Mapped[datetime | None]
    written: Mapped[JsonObject] = mapped_column(server_default=_EMPTY)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
