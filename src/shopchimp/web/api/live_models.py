"""What the API takes and answers about live sync: its state, what stopped, what is held, audits, SMS, privacy."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shopchimp.web.api.models import Answer, Asked, Cursor, Trouble

Direction = Literal["to_mailchimp", "to_shopify"]
ItemId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="Names a change without naming the person")]
ItemCursor = Annotated[str | None, Field(description="Give it back as `cursor` for the next page; null at the end")]


class Queue(Answer):
    waiting: int
    retrying: int
    parked: int
    held: int
    due_since: datetime | None


class Heartbeat(Answer):
    direction: Direction
    healthy: bool
    troubles: Annotated[list[str], Field(description="Why it isn't healthy, a sentence each")]
    last_delivery_at: Annotated[datetime | None, Field(description="The last webhook")]
    last_poll_at: Annotated[datetime | None, Field(description="When we last looked for what no webhook told")]
    last_write_at: datetime | None
    hooks_checked_at: datetime | None
    hooks: Annotated[int, Field(description="Webhooks in use")]


class Live(Answer):
    state: Literal["off", "up_to_date", "syncing", "retrying", "waiting", "delayed", "needs_you"]
    since: datetime | None
    queue: Queue
    heartbeats: list[Heartbeat]
    checking_hooks: bool
    hooks_trouble: str | None
    trouble: str | None
    closed_until: datetime | None


class Percentiles(Answer):
    """Milliseconds, at most a tenth too high."""

    direction: str
    kind: str
    count: int
    p50: int
    p95: int
    p99: int


class SyncTimes(Answer):
    period: Literal["day", "week"]
    times: list[Percentiles]


class FailedGroup(Answer):
    cause: str
    title: str
    explanation: str
    words: Annotated[str | None, Field(description="What the platform said most often")]
    count: int
    since: datetime
    next_at: Annotated[datetime | None, Field(description="The soonest next try, where it is tried again by itself")]


class FailedItems(Answer):
    failed: list[FailedGroup]
    retrying: list[FailedGroup]


class ChangeItem(Answer):
    id: ItemId
    cause: str
    words: str | None
    attempts: int
    since: datetime
    person_id: int | None
    customer_id: int | None
    customer_state: str | None
    contact_status: str | None
    about: Annotated[str | None, Field(description="Of something of the store's: order:1001, product:7")]


class ChangeItems(Answer):
    items: list[ChangeItem]
    next_cursor: ItemCursor


class Retry(Asked):
    """Exactly one of the three."""

    items: Annotated[list[ItemId] | None, Field(min_length=1, max_length=1000)] = None
    cause: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    all: bool = False


class Retried(Answer):
    count: int


class HeldQuestion(Answer):
    cause: str
    title: str
    text: str
    opened_at: datetime
    seen: int
    held: int
    answers: list[str]


class HeldQuestions(Answer):
    questions: list[HeldQuestion]


class Decide(Asked):
    decision: Annotated[
        Literal["let_go", "drop", "seen"], Field(description="`seen` where nothing is held (many opt-outs)")
    ]


class Decided(Answer):
    count: int


class DifferenceClass(Answer):
    kind: Literal["unexplained", "explained"]
    cause: str
    title: str
    count: int


class AuditReport(Answer):
    id: UUID
    state: str
    started_at: datetime
    finished_at: datetime | None
    pairs: int
    equal: int
    in_flight: int
    found: int
    repaired: int
    left: int
    classes: list[DifferenceClass]


class Audits(Answer):
    audits: list[AuditReport]


class Difference(Answer):
    n: int
    person_id: int | None
    kind: Literal["unexplained", "explained"]
    cause: str
    title: str
    customer_state: str
    contact_status: str
    repaired_at: datetime | None


class Differences(Answer):
    rows: list[Difference]
    next_cursor: Cursor


class Sms(Answer):
    active: bool
    start_date: date | None
    two_way: bool
    available: Annotated[bool, Field(description="Whether it can be switched on now")]
    trouble: Annotated[Trouble | None, Field(description="Why it can't")]
    hint: str


class ActivateSms(Asked):
    start_date: date
    two_way: bool = False


class SmsCounts(Answer):
    start_date: date
    taken_in: int
    synced: int
    before_start: int
    unknown_time: int
    stopped: int
    no_phone: int
    archived: int
    opted_out: int


class FieldRow(Answer):
    tag: str
    name: str
    type: str
    source: str | None
    sample: str
    problem: str | None
    two_way: bool
    may_be_two_way: bool
    missing: Annotated[bool, Field(description="The audience hasn't it yet; the next sync adds it")]


class FieldRows(Answer):
    fields: list[FieldRow]


class PrivacyRequest(Answer):
    id: int
    kind: Literal["data_request", "erasure"]
    received_at: datetime


class PrivacyRequests(Answer):
    requests: list[PrivacyRequest]


class Erased(Answer):
    erased: bool
