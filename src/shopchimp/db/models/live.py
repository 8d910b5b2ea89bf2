"""Live sync: deliveries, changes and whose turn they are; chores, webhooks, figures."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from shopchimp.db.models.base import Base, JsonObject


class Delivery(Base):
    """One webhook that arrived, remembered for a week so that a double changes nothing. It keeps no personal data."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_received_at", "received_at"),
        Index("ix_deliveries_shop_id_source_received_at", "shop_id", "source", "received_at"),
    )

    digest: Mapped[bytes] = mapped_column(primary_key=True)  # SHA-256 of source, shop and the delivery's identity
    shop_id: Mapped[int]
    source: Mapped[str]
    topic: Mapped[str]
    fired_at: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Change(Base):
    """Something to look at again: one row a person, marked again by raising `version` (reliability.md 3.1).

    `due_at` is lease, back-off and delay in one. `state`: waiting, parked (the API refused, or it crashed too often)
    or held (the circuit breaker waits for the merchant's answer).
    """

    __tablename__ = "changes"
    __table_args__ = (
        Index("ix_changes_due", "shop_id", "lane", "due_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_changes_stopped", "shop_id", "state", "cause", postgresql_where=text("state <> 'waiting'")),
    )

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    lane: Mapped[str]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    token: Mapped[UUID | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    crashes: Mapped[int] = mapped_column(server_default=text("0"))  # claims in a row of which nobody told the end
    settles_at: Mapped[datetime | None]  # taken over from somebody whose late write may come until then
    state: Mapped[str] = mapped_column(server_default="waiting")
    source: Mapped[str]  # who spoke last: shopify, mailchimp, poll, audit, merchant, identity
    customer_id: Mapped[int | None]  # the customer that a delivery named
    # the times of opt-outs as told: facts, whatever came after them
    opted_outs: Mapped[list[datetime] | None] = mapped_column(ARRAY(DateTime(timezone=True)))
    allowed: Mapped[bool] = mapped_column(server_default=text("false"))  # the merchant let it go past the breaker
    event_at: Mapped[datetime | None]  # the earliest event that isn't synced yet, for time to sync
    marked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    cause: Mapped[str | None]
    detail: Mapped[str | None]


class Lane(Base):
    """Whose turn it is: a shop's queue of changes of one urgency."""

    __tablename__ = "lanes"
    __table_args__ = (Index("ix_lanes_turn", "lane", "served_at", postgresql_where=text("ready_at IS NOT NULL")),)

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    ready_at: Mapped[datetime | None] = mapped_column(server_default=func.now())  # null: nothing waits
    served_at: Mapped[datetime] = mapped_column(server_default=func.now())
    open_until: Mapped[datetime | None]  # throttled or failing: nobody works on it before
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    trouble: Mapped[str | None]  # the cause of the last failure of the connection as a whole


class Slot(Base):
    """One of the connections that Mailchimp allows a login, as a lease. Shared by all shops and runs of that login."""

    __tablename__ = "slots"

    login_id: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token: Mapped[UUID | None]
    until: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    closed_until: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))  # after a 429


class Chore(Base):
    """Something done regularly for a shop: polls, the check of its webhooks, the drift audit, backfills."""

    __tablename__ = "chores"
    __table_args__ = (Index("ix_chores_due_at", "due_at"),)

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    token: Mapped[UUID | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    cursor: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))
    last_ok_at: Mapped[datetime | None]
    trouble: Mapped[JsonObject | None]


class Hook(Base):
    """A webhook registered for a shop. A Mailchimp hook's path secret is kept as SHA-256, its signing secret sealed."""

    __tablename__ = "hooks"
    __table_args__ = (
        Index("uq_hooks_path_digest", "path_digest", unique=True, postgresql_where=text("path_digest IS NOT NULL")),
        Index("ix_hooks_shop_id", "shop_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    source: Mapped[str]
    topic: Mapped[str]  # Shopify's topic; of a Mailchimp hook the audience id
    external_id: Mapped[str]
    path_digest: Mapped[bytes | None]
    signing_secret: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    checked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    retired_at: Mapped[datetime | None]


class Tally(Base):
    """How many consent changes live sync made: by minute (`in`, `out`), and opt-ins by their own second (`same`)."""

    __tablename__ = "tallies"

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[datetime] = mapped_column(primary_key=True)
    n: Mapped[int]


class Breaker(Base):
    """One time the circuit breaker opened (M9) or many opt-outs came at once (M5), and what the merchant answered."""

    __tablename__ = "breakers"
    __table_args__ = (
        Index("uq_breakers_open", "shop_id", "cause", unique=True, postgresql_where=text("decided_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int]
    cause: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen: Mapped[int] = mapped_column(server_default=text("0"))
    decided_at: Mapped[datetime | None]
    decision: Mapped[str | None]


class SyncTime(Base):
    """Time from an event to the confirmed write, as a histogram an hour: `bucket` n is below 1.1 ** n milliseconds."""

    __tablename__ = "sync_times"

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    direction: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n: Mapped[int]
