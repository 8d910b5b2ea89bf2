"""The first sync: a run, what it read, what it plans and what became of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from shopchimp.db.models.base import Base, JsonObject


class SyncRun(Base):
    """One first sync: its state, its place in the phases, whose turn it is (lease) and when (due_at)."""

    __tablename__ = "sync_runs"
    __table_args__ = (
        Index("ix_sync_runs_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_sync_runs_shop_id_created_at", "shop_id", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    audience_id: Mapped[str]
    state: Mapped[str]
    phase: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    policy: Mapped[str] = mapped_column(server_default="mailchimp_wins")
    options: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))
    # what each reading phase has reached, so that a killed worker's successor goes on from there
    cursor: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))
    counts: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))
    timings: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))
    calls: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))
    due_at: Mapped[datetime | None]
    token: Mapped[UUID | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    trouble: Mapped[JsonObject | None]


class RunContact(Base):
    """A contact as the audience said it while the run was reading."""

    __tablename__ = "run_contacts"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    email: Mapped[str]
    contact_id: Mapped[str]
    status: Mapped[str]
    opted_in_at: Mapped[datetime | None]
    changed_at: Mapped[datetime | None]
    merge_fields: Mapped[JsonObject]


class RunCustomer(Base):
    """A customer as the bulk operation said it while the run was reading."""

    __tablename__ = "run_customers"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(Text(collation="C"))
    email: Mapped[str | None]
    state: Mapped[str]
    opt_in_level: Mapped[str | None]
    consent_at: Mapped[datetime | None]
    fields: Mapped[JsonObject]


class PlanRow(Base):
    """What a run would do for one person: the preview row, the work order and the record of it."""

    __tablename__ = "plan"
    __table_args__ = (
        Index(
            "ix_plan_contact_chunk",
            "run_id",
            "contact_chunk",
            postgresql_where=text("contact_chunk IS NOT NULL"),
        ),
        Index(
            "ix_plan_customer_chunk",
            "run_id",
            "customer_chunk",
            postgresql_where=text("customer_chunk IS NOT NULL"),
        ),
        Index(
            "ix_plan_consent_key",
            "run_id",
            "key",
            postgresql_where=text("to_customer IS NOT NULL OR contact_action = 'consent'"),
        ),
        Index(  # the rare cells of the preview; the others are found soon by walking the plan
            "ix_plan_kind",
            "run_id",
            "kind",
            "n",
            postgresql_where=text("kind NOT IN ('create', 'update', 'unchanged')"),
        ),
    )

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(Text(collation="C"))
    email: Mapped[str | None]
    name: Mapped[str]
    customer_id: Mapped[int | None]
    contact_id: Mapped[str | None]
    customer_state: Mapped[str]
    customer_at: Mapped[datetime | None]
    contact_status: Mapped[str]
    contact_opted_at: Mapped[datetime | None]
    contact_changed_at: Mapped[datetime | None]
    # kind: the cell of the preview this person is counted in
    kind: Mapped[str]
    rule: Mapped[str]
    skip: Mapped[str | None]
    conflict: Mapped[bool] = mapped_column(server_default=text("false"))
    # to Mailchimp: create or update with this member body; status only where consent is to be written
    contact_action: Mapped[str | None]
    to_contact: Mapped[str | None]
    contact_body: Mapped[JsonObject | None]
    contact_chunk: Mapped[int | None]
    # to Shopify: consent with its own time
    to_customer: Mapped[str | None]
    to_customer_at: Mapped[datetime | None]
    to_customer_level: Mapped[str | None]
    customer_chunk: Mapped[int | None]
    # what is remembered of the person once that is written: fields and tags both agree on, the phone's consent
    remember: Mapped[JsonObject | None]


class RunChunk(Base):
    """One unit of writing, one transaction of results. `attempts` above 0 before the call is the intent."""

    __tablename__ = "run_chunks"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("sync_runs.id", ondelete="CASCADE"), primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    action: Mapped[str]
    size: Mapped[int]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    first_tried_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    written: Mapped[int] = mapped_column(server_default=text("0"))


class RunException(Base):
    """A person for whom a run's write was not made: failed, or left alone with a reason."""

    __tablename__ = "run_exceptions"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("sync_runs.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    side: Mapped[str] = mapped_column(primary_key=True)
    result: Mapped[str]
    cause: Mapped[str]
    detail: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
