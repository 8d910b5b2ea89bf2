"""Campaigns on Shopify's Marketing page: an external activity each, and its figures day by day.

A day's row holds that day's own figures, and sending it again overwrites it: so what was sent in vain or twice is
mended by sending it once more (shopify.md 7.3). Text messages are left out: Shopify has no such channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from shopchimp.shopify import engagement_documents as documents
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.customers import UserError

GONE = "MARKETING_ACTIVITY_DOES_NOT_EXIST"
UTM_FIXED = "IMMUTABLE_UTM_PARAMETERS"
UTM_TAKEN = "MARKETING_ACTIVITY_WITH_UTM_CAMPAIGN_ALREADY_EXISTS"

_COLUMNS = {
    "sent": "sendsCount",
    "delivered": "impressionsCount",
    "opens": "viewsCount",
    "unique_opens": "uniqueViewsCount",
    "clicks": "clicksCount",
    "unique_clicks": "uniqueClicksCount",
    "unsubscribed": "unsubscribesCount",
    "complaints": "complaintsCount",
    "bounces": "failsCount",
}


@dataclass(frozen=True, slots=True)
class Newsletter:
    """A campaign as the Marketing page shows it. `utm` names it in the addresses of its links."""

    id: str
    title: str
    url: str
    sent_at: datetime
    utm: str


def register(client: ShopifyClient, newsletter: Newsletter) -> UserError | None:
    """Have the campaign on the Marketing page. None where Shopify took it; the error's code is Shopify's own."""
    given = {
        "remoteId": newsletter.id,
        "title": newsletter.title or newsletter.id,
        "remoteUrl": newsletter.url,
        "status": "ACTIVE",
        "tactic": "NEWSLETTER",
        "marketingChannelType": "EMAIL",
        "start": newsletter.sent_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "utm": {"campaign": newsletter.utm, "source": "mailchimp", "medium": "email"},
    }
    data = client.execute(documents.ACTIVITY_UPSERT, "MarketingActivityUpsertExternal", {"input": given})
    return _refusal(data.get("marketingActivityUpsertExternal"))


def engage(
    client: ShopifyClient, campaign_id: str, day: date, utc_offset: str, figures: Mapping[str, int]
) -> UserError | None:
    """Set the figures of one day of the shop's calendar."""
    row: dict[str, Any] = {"occurredOn": day.isoformat(), "utcOffset": utc_offset}
    row |= {_COLUMNS[name]: value for name, value in figures.items() if name in _COLUMNS}
    variables = {"remoteId": campaign_id, "marketingEngagement": row}
    data = client.execute(documents.ENGAGEMENT_CREATE, "MarketingEngagementCreate", variables)
    return _refusal(data.get("marketingEngagementCreate"))


def _refusal(payload: Any) -> UserError | None:
    if not isinstance(payload, dict):
        return UserError("", "an answer without a result")
    first = next(iter(payload.get("userErrors") or ()), None)
    return UserError(str(first.get("code") or ""), str(first.get("message") or "")) if first else None
