"""What stands for itself later: audits, compliance requests, the tombstones of the erased."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from shopchimp.db.models.base import Base, JsonObject


class Audit(Base):
    """One complete comparison of both sides, and what it found."""

    __tablename__ = "audits"
    __table_args__ = (Index("ix_audits_shop_id_started_at", "shop_id", "started_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    state: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    counts: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))
    cursor: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))


class AuditRow(Base):
    """A difference that an audit found, with its class; `repaired_at` when a later look found it gone."""

    __tablename__ = "audit_rows"

    audit_id: Mapped[UUID] = mapped_column(ForeignKey("audits.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(Text(collation="C"))
    kind: Mapped[str]  # explained or unexplained
    cause: Mapped[str]
    customer_state: Mapped[str]
    contact_status: Mapped[str]
    repaired_at: Mapped[datetime | None]


class PrivacyRequest(Base):
    """A compliance webhook (shopify.md 3.5): kept sealed until carried out; after that only the proof is left."""

    __tablename__ = "privacy_requests"
    __table_args__ = (Index("ix_privacy_requests_due_at", "due_at", postgresql_where=text("done_at IS NULL")),)

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    shop_id: Mapped[int | None]
    domain: Mapped[str]
    topic: Mapped[str]
    body: Mapped[bytes | None]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    done_at: Mapped[datetime | None]
    proof: Mapped[JsonObject | None]


class Tombstone(Base):
    """The keyed hash of an erased person: a late webhook must not bring them back."""

    __tablename__ = "tombstones"

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    until: Mapped[datetime]
