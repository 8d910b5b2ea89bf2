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
    # live sync: since when it runs (the first sync's end), and how many contacts the audience has (circuit breaker)
    live_since: Mapped[datetime | None]
    contacts: Mapped[int] = mapped_column(server_default=text("0"))
    # merge tags of the field map that the audience has with a type that fits; null: not looked at yet
    fitting: Mapped[list[str] | None] = mapped_column(JSONB)


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
    # what is remembered beside the two states (domain.outcomes.Known), and what we were about to write (Intent)
    deleted: Mapped[bool] = mapped_column(server_default=text("false"))
    refused_at: Mapped[datetime | None]
    opted_out_at: Mapped[datetime | None]  # a webhook's own time of an opt-out
    our_opt_out_at: Mapped[datetime | None]  # when we unsubscribed the contact: its webhook is our echo
    dropped: Mapped[JsonObject | None]  # the pair of choices whose opt-in the merchant dropped
    intent: Mapped[JsonObject | None]
    # what both sides agreed on last: merge values by tag, the customer's tags, the phone's consent
    fields: Mapped[JsonObject | None]
    tags: Mapped[list[str] | None] = mapped_column(JSONB)
    sms: Mapped[JsonObject | None]


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
    opted_out_at: Mapped[datetime | None]  # a Mailchimp opt-out's own time: a fact, whatever came after it
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


class SyncTime(Base):
    """Time from an event to the confirmed write, as a histogram an hour: `bucket` n is below 1.1 ** n milliseconds."""

    __tablename__ = "sync_times"

    shop_id: Mapped[int] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    direction: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n: Mapped[int]


class Activity(Base):
    """One line of the activity log: what happened to whom, in which direction, by which rule, with what result."""

    __tablename__ = "activities"
    __table_args__ = (
        Index("ix_activities_shop_id_id", "shop_id", "id"),
        Index("ix_activities_person_id_id", "person_id", "id", postgresql_where=text("person_id IS NOT NULL")),
        Index(
            "ix_activities_shop_id_result_id", "shop_id", "result", "id", postgresql_where=text("result <> 'synced'")
        ),
        Index("ix_activities_shop_id_kind_id", "shop_id", "kind", "id", postgresql_where=text("kind <> 'contact'")),
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
