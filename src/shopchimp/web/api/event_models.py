"""What the API answers about customer events, both directions."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from shopchimp.web.api.models import Answer, Trouble

PixelState = Literal["off", "setup", "turning_on", "waiting", "active", "inactive", "failed"]
StoreEventName = Literal[
    "page_viewed",
    "product_viewed",
    "collection_viewed",
    "search_submitted",
    "product_added_to_cart",
    "checkout_started",
    "payment_info_submitted",
    "checkout_completed",
]


class Pixel(Answer):
    state: Annotated[
        PixelState,
        Field(
            description=(
                "setup: put in when the first sync is complete; waiting: for its first event; inactive: nothing arrives"
                " though visitors buy; failed: Shopify won't have it"
            )
        ),
    ]
    trouble: Trouble | None
    detail: Annotated[str, Field(description="Shopify's own words")]
    activated_at: datetime | None
    checked_at: datetime | None
    last_event_at: datetime | None


class StoreEvents(Answer):
    """Events of one name: received = sent + combined + not sent + waiting, over all time."""

    name: StoreEventName
    received: int
    sent: Annotated[int, Field(description="Calls to Mailchimp")]
    combined: Annotated[int, Field(description="Went along with another event's call")]
    not_sent: Annotated[dict[str, int], Field(description="By reason")]
    waiting: Annotated[int, Field(description="Now: for the person, or for their turn")]


class ContactActions(Answer):
    """What contacts did with emails and texts, and how it stands at their customers in Shopify."""

    read: Annotated[
        dict[str, int],
        Field(description="By name. Mailchimp has no source of sms_clicked: only visits by links with utm_medium=sms"),
    ]
    customers_written: int
    failed: int
    off: Annotated[int, Field(description="Dropped when Customer Event Syncing was switched off")]
    waiting: int
    read_at: datetime | None
    trouble: Trouble | None
    undefined: Annotated[
        list[str], Field(description="Metafields that segments can't ask for: they could not be defined")
    ]


class Campaign(Answer):
    id: str
    channel: Literal["email", "sms"]
    title: str
    sent_at: datetime
    url: str | None
    recipients: int
    unique_opens: int | None
    unique_clicks: int | None


class EventCount(Answer):
    day: Annotated[date, Field(description="Of UTC")]
    direction: Literal["to_mailchimp", "to_shopify"]
    name: str
    outcome: str
    n: int


class CustomerEvents(Answer):
    active: Annotated[bool, Field(description="The setting `customer_events`: both directions")]
    pixel: Pixel
    days: int
    store_events: list[StoreEvents]
    contact_actions: ContactActions
    campaigns: list[Campaign]
    missing_permissions: Annotated[
        list[Literal["customers", "marketing"]],
        Field(description="customers: no values on customers; marketing: no campaigns on Shopify's Marketing page"),
    ]
    counts: Annotated[list[EventCount], Field(description="All of it, by day")]


class PixelCheck(Answer):
    queued: bool


class CampaignsCheck(Answer):
    queued: bool


class PersonEvents(Answer):
    """What one person did with emails and texts."""

    counts: dict[str, int]
    newest: Annotated[dict[str, datetime], Field(description="When each was last done")]
    last_campaign: str | None
    written: Annotated[dict[str, str], Field(description="The metafields that their customer has in Shopify")]
    waiting: Annotated[int, Field(description="Store events that wait to be sent to Mailchimp")]
