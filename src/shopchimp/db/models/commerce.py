"""Commerce: what is known of each product, customer, order, cart and promo code; what a run reads; the promo job."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shopchimp.db.models.base import Base, JsonObject


class CommerceItem(Base):
    """One object of the store as we last saw it, and what became of it at Mailchimp.

    `digest` is that of the body Mailchimp took last: an equal one needs no call. `key` is the normalised address of the
    person it belongs to, `parent` the rule of a promo code; `shown` is what pages show of it.
    """

    __tablename__ = "commerce_items"
    __table_args__ = (
        Index("ix_commerce_items_key", "shop_id", "key", "kind", postgresql_where=text("key IS NOT NULL")),
        Index(
            "ix_commerce_items_customer_id",
            "shop_id",
            "customer_id",
            postgresql_where=text("customer_id IS NOT NULL"),
        ),
        Index("ix_commerce_items_parent", "shop_id", "kind", "parent", postgresql_where=text("parent IS NOT NULL")),
        Index("ix_commerce_items_state", "shop_id", "kind", "state", "reason", "id"),
        Index(
            "ix_commerce_items_number", "shop_id", text("(shown ->> 'number')"), postgresql_where=text("kind = 'order'")
        ),
    )

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    state: Mapped[str]  # synced, skipped or failed
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    digest: Mapped[bytes | None]
    parent: Mapped[str | None] = mapped_column(Text(collation="C"))
    key: Mapped[str | None] = mapped_column(Text(collation="C"))
    customer_id: Mapped[int | None]
    shown: Mapped[JsonObject | None]
    occurred_at: Mapped[datetime | None]
    source_updated_at: Mapped[datetime | None]
    written_at: Mapped[datetime | None]
    seen_run: Mapped[UUID | None]  # the last run that read it
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Checkout(Base):
    """The newest word on a checkout, kept because it can't be read by its token. `ordered`: its order exists."""

    __tablename__ = "checkouts"
    __table_args__ = (
        Index("ix_checkouts_shop_id_cart_token", "shop_id", "cart_token"),
        Index("ix_checkouts_seen_at", "seen_at"),
        Index("ix_checkouts_node_id", "shop_id", text("(node ->> 'id')")),
    )

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    cart_token: Mapped[str | None] = mapped_column(Text(collation="C"))
    updated_at: Mapped[datetime]
    node: Mapped[JsonObject]
    ordered: Mapped[bool] = mapped_column(server_default=text("false"))
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CommerceNode(Base):
    """A product, an order or a discount as a run read it, with its children inside: waits here until it is written."""

    __tablename__ = "commerce_nodes"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    gid: Mapped[str] = mapped_column(Text(collation="C"))
    node: Mapped[JsonObject]


class PromoRun(Base):
    """One time the promo codes were synced: its place and what came of it. At most one runs a shop."""

    __tablename__ = "promo_runs"
    __table_args__ = (
        Index("ix_promo_runs_shop_id_started_at", "shop_id", "started_at"),
        Index("uq_promo_runs_running", "shop_id", unique=True, postgresql_where=text("state = 'running'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    trigger: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="running")
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    counts: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))
    cursor: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))
    trouble: Mapped[JsonObject | None]
    token: Mapped[UUID | None]
    held_until: Mapped[datetime] = mapped_column(
        server_default=text("'-infinity'")
    )  # lease, and delay before it begins
    nudged: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))  # discounts to read once more
