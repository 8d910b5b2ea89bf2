"""What the API takes and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Policy = Literal["mailchimp_wins", "latest_choice_wins"]
RunState = Literal["preparing", "ready", "running", "paused", "needs_you", "done", "cancelled", "failed", "expired"]
Cursor = Annotated[int | None, Field(description="Give it back as `cursor` for the next page; null at the end")]


class Answer(BaseModel):
    """An answer, made from our own values."""

    model_config = ConfigDict(from_attributes=True)


class Asked(BaseModel):
    """A request: a field we don't know is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """RFC 9457. `code` is stable and meant for programs."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    errors: dict[str, str] | None = None


class Shop(Answer):
    domain: str
    name: str
    timezone: str


class Mailchimp(Answer):
    account_name: str
    login_id: str
    role: str
    state: str
    state_since: datetime
    connected_at: datetime
    audience_id: str | None
    audience_name: str | None
    double_optin: bool


class RunSummary(Answer):
    id: UUID
    state: RunState
    phase: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    policy: str


class Status(Answer):
    shop: Shop
    mailchimp: Mailchimp | None
    setup_step: Literal["connect", "audience", "options", "preview", "done"]
    preview: RunSummary | None
    sync_run: RunSummary | None
    people: dict[str, int]
    last_24_hours: dict[str, int]


class AuthorizeUrl(Answer):
    authorize_url: str


class Audience(Answer):
    id: str
    name: str
    contacts: int
    subscribed: int
    double_optin: bool


class Audiences(Answer):
    audiences: list[Audience]


class ChooseAudience(Asked):
    audience_id: Annotated[str, Field(min_length=1, max_length=64)]


class Settings(Answer):
    conflict_policy: Policy | None
    sync_non_subscribed: bool
    tag: str
    field_map: Annotated[dict[str, str], Field(description="Merge tag: customer field")]


class ChangeSettings(Asked):
    conflict_policy: Policy | None = None
    sync_non_subscribed: bool = True
    tag: Annotated[str, Field(max_length=100)] = ""
    field_map: dict[str, str | None] = Field(default_factory=dict)


class Trouble(Answer):
    code: str
    title: str
    explanation: str


class RuleCount(Answer):
    rule: str
    text: str
    direction: str
    write: str | None
    n: int


class Preview(Answer):
    id: UUID
    state: RunState
    created_at: datetime
    expires_at: datetime | None
    policy: str
    people: int
    contacts_read: int
    contacts_without_customer: int
    consent_changes: int
    by_kind: dict[str, int]
    by_rule: list[RuleCount]
    skip: dict[str, int]
    conflicts: int
    contact_writes: int
    consent_writes: int
    missing_fields: list[str]
    trouble: Trouble | None


class PreviewRow(Answer):
    n: int
    email: str | None
    name: str
    customer_id: int | None
    kind: str
    rule: str
    why: str
    skip: str | None
    conflict: bool
    direction: str
    customer_state: str
    customer_at: datetime | None
    contact_status: str
    contact_opted_at: datetime | None
    contact_changed_at: datetime | None
    contact_action: str | None
    to_contact: str | None
    to_customer: str | None
    to_customer_at: datetime | None


class PreviewRows(Answer):
    rows: list[PreviewRow]
    next_cursor: Cursor


class ChoosePolicy(Asked):
    policy: Policy


class StartSync(Asked):
    preview_id: UUID
    policy: Annotated[
        Policy | None, Field(description="Needed where the preview has conflicts and the settings have no answer")
    ] = None
    confirm_consent_changes: bool = False


class Phase(Answer):
    name: str
    title: str
    state: Literal["done", "active", "waiting", "later"]
    done: int | None
    total: int | None


class People(Answer):
    """Every customer read, once: read = synced + skipped + failed + waiting."""

    read: int
    synced: int
    waiting: int
    skipped: dict[str, int]
    failed: dict[str, int]


class SyncRun(RunSummary):
    phases: list[Phase]
    done: int
    total: int
    percent: int
    rate: Annotated[float | None, Field(description="Writes a second over the last two minutes")]
    time_left: Annotated[float | None, Field(description="Seconds; null while nothing honest can be said")]
    seconds: float
    timings: dict[str, float]
    calls: dict[str, int]
    counts: dict[str, Any]
    people: People
    trouble: Trouble | None


class SyncRuns(Answer):
    sync_runs: list[RunSummary]


class ActivityLine(Answer):
    id: int
    at: datetime
    person_id: int | None
    run_id: UUID | None
    kind: str
    direction: str
    result: str
    rule: str | None
    rule_text: str | None
    cause: str | None
    cause_title: str | None
    what: str
    detail: dict[str, Any]


class ActivityLog(Answer):
    activities: list[ActivityLine]
    next_cursor: Cursor


class SearchPeople(Asked):
    email: Annotated[str, Field(min_length=1, max_length=320)]


class Person(Answer):
    id: int
    email: str | None
    name: str
    customer_id: int | None
    contact_id: str | None
    customer_state: str
    customer_at: datetime | None
    contact_status: str
    contact_opted_at: datetime | None
    contact_changed_at: datetime | None
    rule: str
    rule_text: str
    result: str
    reason: str | None
    seen_at: datetime
    synced_at: datetime | None


class PeopleFound(Answer):
    people: list[Person]


class Step(Answer):
    at: datetime | None
    side: str
    title: str
    text: str
    rule: str | None


class Why(Answer):
    person_id: int
    verdict: str
    rule: str
    rule_text: str
    rule_source: str
    steps: list[Step]


class Disconnect(Asked):
    confirm_audience_name: str


class Disconnected(Answer):
    removed: list[str]
