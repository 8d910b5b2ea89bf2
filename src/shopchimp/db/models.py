"""The tables. Rows are read and written by the plain query functions beside this module.

What is written by the hundred thousand (a run's readings and plan, the log) has no foreign keys: each costs Postgres a
look-up per row, a sixth of the first sync as measured, and these rows are only ever written next to their run.

Names follow DESIGN.md section 2: a *person* joins a Shopify *customer* and a Mailchimp *contact*; a *sync run*
has a *plan*, one row per person, which is also the preview.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, MetaData, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import BYTEA, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

JsonObject = dict[str, Any]


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: DateTime(timezone=True),
        str: Text,
        int: BigInteger,
        UUID: Uuid(as_uuid=True),
        JsonObject: JSONB,
        bytes: BYTEA,
    }


class Shop(Base):
    """A Shopify store that has (or had) the app, with its settings and its offline token, sealed."""

    __tablename__ = "shops"

    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(server_default="")
    currency: Mapped[str] = mapped_column(server_default="")
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    installed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    uninstalled_at: Mapped[datetime | None]
    scopes: Mapped[str] = mapped_column(server_default="")
    access_token: Mapped[bytes | None]
    access_expires_at: Mapped[datetime | None]
    refresh_token: Mapped[bytes | None]
    refresh_expires_at: Mapped[datetime | None]
    refreshing_until: Mapped[datetime | None]
    settings: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))


class Connection(Base):
    """A shop's Mailchimp account and the audience it is synced with. At most one a shop."""

    __tablename__ = "connections"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str]
    login_id: Mapped[str]
    account_name: Mapped[str]
    role: Mapped[str]
    api_root: Mapped[str]
    access_token: Mapped[bytes]
    connected_at: Mapped[datetime] = mapped_column(server_default=func.now())
    state: Mapped[str] = mapped_column(server_default="connected")
    state_since: Mapped[datetime] = mapped_column(server_default=func.now())
    audience_id: Mapped[str | None]
    audience_name: Mapped[str | None]
    double_optin: Mapped[bool] = mapped_column(server_default=text("false"))


class OAuthState(Base):
    """One start of an OAuth round trip: single use, ten minutes, bound to the shop (and the browser)."""

    __tablename__ = "oauth_states"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    kind: Mapped[str]
    shop: Mapped[str]
    browser: Mapped[bytes | None]
    expires_at: Mapped[datetime]


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


class Person(Base):
    """Our row that joins a customer and a contact: what we last saw on both sides."""

    __tablename__ = "people"
    __table_args__ = (
        Index("uq_people_shop_id_key", "shop_id", "key", unique=True),
        Index("ix_people_shop_id_customer_id", "shop_id", "customer_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
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
    rule: Mapped[str]
    result: Mapped[str]
    reason: Mapped[str | None]
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    synced_at: Mapped[datetime | None]


class Activity(Base):
    """One line of the activity log: what happened to whom, in which direction, by which rule, with what result."""

    __tablename__ = "activities"
    __table_args__ = (
        Index("ix_activities_shop_id_id", "shop_id", "id"),
        Index("ix_activities_person_id_id", "person_id", "id", postgresql_where=text("person_id IS NOT NULL")),
        Index(
            "ix_activities_shop_id_result_id", "shop_id", "result", "id", postgresql_where=text("result <> 'synced'")
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    person_id: Mapped[int | None]
    run_id: Mapped[UUID | None]
    kind: Mapped[str]
    direction: Mapped[str]
    result: Mapped[str]
    rule: Mapped[str | None]
    cause: Mapped[str | None]
    detail: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))


class ApiKey(Base):
    """A key an operator made for one shop's scripts; only its SHA-256 is kept."""

    __tablename__ = "api_keys"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    label: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Worker(Base):
    """A worker process that is alive, for the watchdog and `shopchimp doctor`."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_pick_at: Mapped[datetime | None]
    pid: Mapped[int]
    kind: Mapped[str]
