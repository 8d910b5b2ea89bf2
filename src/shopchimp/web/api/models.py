"""What the API takes and answers."""

from __future__ import annotations

from datetime import date, datetime
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
    store_id: Annotated[str | None, Field(description="This store in Mailchimp's e-commerce data")]


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
    order_history: Annotated[
        Literal["none", "60_days", "all"], Field(description="How far back Shopify lets us see the store's orders")
    ]


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


StoreData = Annotated[
    Literal["keep", "delete"],
    Field(description="The store's orders, products, carts and promo codes in Mailchimp; deleting empties its reports"),
]


class ChooseAudience(Asked):
    audience_id: Annotated[str, Field(min_length=1, max_length=64)]
    store_data: StoreData = "keep"


class SmsSettings(Answer):
    active: bool
    start_date: date | None
    two_way: bool


class BreakerSettings(Asked):
    on: bool = True
    share: Annotated[float, Field(gt=0, le=1, description="Of the audience, within an hour")] = 0.02
    least: Annotated[int, Field(ge=1, le=1_000_000)] = 50


TagChoice = Literal["all", "none", "chosen"]


class Settings(Answer):
    conflict_policy: Policy | None
    sync_non_subscribed: bool
    tag: str
    field_map: Annotated[dict[str, str], Field(description="Merge tag: customer field")]
    two_way: Annotated[list[str], Field(description="Merge tags whose changes in Mailchimp go to the customer")]
    tags: TagChoice
    chosen_tags: list[str]
    create_customers: bool
    create_customers_since: datetime | None
    cleaned_to_customer: bool
    erase_contacts: bool
    sms: Annotated[SmsSettings, Field(description="Changed by its own operations")]
    breaker: BreakerSettings
    promo_hours: Annotated[int, Field(description="Hours from one sync of the promo codes to the next")]
    customer_events: Annotated[bool, Field(description="Customer Event Syncing, both directions")]


class ChangeSettings(Asked):
    conflict_policy: Policy | None = None
    sync_non_subscribed: bool = True
    tag: Annotated[str, Field(max_length=100)] = ""
    field_map: dict[str, str | None] = Field(default_factory=dict)
    two_way: list[str] = Field(default_factory=list)
    tags: TagChoice = "all"
    chosen_tags: list[str] = Field(default_factory=list)
    create_customers: Annotated[bool, Field(description="Create New Customers; counts from its activation")] = False
    cleaned_to_customer: bool = True
    erase_contacts: bool = False
    breaker: BreakerSettings = BreakerSettings()
    promo_hours: Annotated[int, Field(ge=1, le=24)] = 3
    customer_events: Annotated[
        bool, Field(description="Off takes effect at once: what waits is dropped, and what was sent stays")
    ] = True


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
    state: Literal["done", "active", "waiting", "skipped"]
    done: int | None
    total: int | None
    why: Annotated[str | None, Field(description="The cause's code, of a phase that is skipped")] = None


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


class Sms(Answer):
    """What both sides said last about texts."""

    model_config = ConfigDict(extra="ignore")

    state: str | None = None
    contact: str | None = None
    phone: str | None = None
    at: datetime | None = None
    held: Annotated[str | None, Field(description="Why the two sides differ: a cause")] = None


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
    tags: Annotated[list[str] | None, Field(description="Tags of the customer that the contact carries")]
    sms: Sms | None


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
    store_data: StoreData = "keep"


class Disconnected(Answer):
    removed: list[str]
