"""What became of campaigns: which were sent, their figures, and recipient by recipient who got, opened and clicked.

Rows are handed on as Mailchimp gives them; `domain.customer_events.reports` reads facts out of them. The bare list of
reports has the figures of all campaigns, so a look whether anything is new costs the same however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shopchimp.domain.customer_events.reports import moment_of
from shopchimp.mailchimp.client import MailchimpClient

PAGE = 1000
FEED = 100  # of one contact: text messages of a month are far fewer

_SENT_FIELDS = (
    "campaigns.id,campaigns.parent_campaign_id,campaigns.send_time,campaigns.long_archive_url,campaigns.archive_url,campaigns.settings.title,"
    "campaigns.settings.subject_line,campaigns.tracking.google_analytics"
)
_REPORT_FIELDS = (
    "reports.id,reports.type,reports.campaign_title,reports.subject_line,reports.list_id,reports.emails_sent,reports.abuse_reports,"
    "reports.unsubscribed,reports.send_time,reports.bounces,reports.opens,reports.clicks,total_items"
)
_SMS_FIELDS = (
    "sms_campaigns.id,sms_campaigns.name,sms_campaigns.status,sms_campaigns.recipient_count,sms_campaigns.send_time,"
    "total_items"
)
# Which statuses there are is not documented (mailchimp.md 6): so whatever has a time of sending and none of these.
_UNSENT = frozenset({"save", "draft", "schedule", "scheduled", "paused", "canceling", "canceled", "cancelled"})


@dataclass(frozen=True, slots=True)
class SentCampaign:
    """A campaign that was sent. `url` is its page on the web, `utm` what its links name it by in their addresses.

    `parent`: the one it is a part of, as a variant of a test or one sending of a feed.
    """

    id: str
    title: str
    sent_at: datetime
    url: str | None = None
    utm: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A campaign's figures so far, all of them sums since it was sent. `kind`: regular, variate, rss and so on."""

    id: str
    title: str
    sent_at: datetime
    totals: Mapping[str, int] = field(default_factory=dict)
    last_open: datetime | None = None
    last_click: datetime | None = None
    kind: str = ""

    @property
    def last_at(self) -> datetime | None:
        """When somebody last opened or clicked."""
        return max(filter(None, (self.last_open, self.last_click)), default=None)


@dataclass(frozen=True, slots=True)
class SmsCampaign:
    """A text message that was sent to many."""

    id: str
    title: str
    sent_at: datetime
    recipients: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a report, and how many rows it has in all."""

    rows: Sequence[Mapping[str, Any]]
    total: int


def campaigns_sent(client: MailchimpClient, audience_id: str, since: datetime) -> list[SentCampaign]:
    """The audience's campaigns that were sent since then, the newest first."""
    params = {
        "status": "sent",
        "list_id": audience_id,
        "since_send_time": _spelled(since),
        "sort_field": "send_time",
        "sort_dir": "DESC",
        "count": PAGE,
        "fields": _SENT_FIELDS,
    }
    body = client.get("/campaigns", "/campaigns", params)
    found = [_campaign(row) for row in _listed(body, "campaigns")]
    return [each for each in found if each is not None]


def reports_since(client: MailchimpClient, audience_id: str, since: datetime) -> list[Report]:
    """The figures of the audience's campaigns that were sent since then."""
    rows = _all(client, "/reports", "reports", {"since_send_time": _spelled(since), "fields": _REPORT_FIELDS})
    mine = [row for row in rows if row.get("list_id") in (audience_id, None)]
    found = [_report(row) for row in mine]
    return [each for each in found if each is not None]


def sent_to(client: MailchimpClient, campaign_id: str, *, offset: int = 0) -> Rows:
    """One page of those whom a campaign was sent to. There is no `since`: all are read."""
    params = {
        "count": PAGE,
        "offset": offset,
        "fields": "sent_to.email_id,sent_to.email_address,sent_to.status,total_items",
    }
    path, route = f"/reports/{campaign_id}/sent-to", "/reports/{campaign_id}/sent-to"
    body = client.get(path, route, params)
    return Rows(_listed(body, "sent_to"), _number(body.get("total_items")))


def email_activity(client: MailchimpClient, campaign_id: str, *, since: datetime | None, offset: int = 0) -> Rows:
    """One page of who opened and clicked since then, without what machines did.

    A recipient whose opens are all a machine's has a row without activity, so there may be a row for everybody.
    """
    params = {
        "count": PAGE,
        "offset": offset,
        "filter_bots": "true",
        "fields": "emails.email_id,emails.email_address,emails.activity,total_items",
    }
    if since is not None:
        params["since"] = _spelled(since)
    path, route = f"/reports/{campaign_id}/email-activity", "/reports/{campaign_id}/email-activity"
    body = client.get(path, route, params)
    return Rows(_listed(body, "emails"), _number(body.get("total_items")))


def sms_campaigns(client: MailchimpClient) -> list[SmsCampaign]:
    """The account's text messages that were sent to many. The call knows no filter, and no list as we know it."""
    found = []
    for row in _all(client, "/sms-campaigns", "sms_campaigns", {"fields": _SMS_FIELDS}):
        sent_at = moment_of(row.get("send_time"))
        if row.get("id") and sent_at is not None and str(row.get("status")).lower() not in _UNSENT:
            name, recipients = str(row.get("name") or ""), _number(row.get("recipient_count"))
            found.append(SmsCampaign(str(row["id"]), name, sent_at, recipients))
    return found


def activity_feed(client: MailchimpClient, audience_id: str, contact: str, *, filters: str) -> Mapping[str, Any]:
    """The newest things that one contact did or got, of these types; `contact` is the MD5 of the address."""
    params = {"activity_filters": filters, "count": FEED}
    route = "/lists/{list_id}/members/{subscriber_hash}/activity-feed"
    body = client.get(f"/lists/{audience_id}/members/{contact}/activity-feed", route, params)
    return {**body, "activity": _listed(body, "activity"), "email_id": body.get("email_id") or contact}


def _campaign(row: Mapping[str, Any]) -> SentCampaign | None:
    sent_at = moment_of(row.get("send_time"))
    if not row.get("id") or sent_at is None:
        return None
    settings, tracking = row.get("settings") or {}, row.get("tracking") or {}
    title = settings.get("title") or settings.get("subject_line") or ""
    url = row.get("long_archive_url") or row.get("archive_url")
    utm, parent = tracking.get("google_analytics") or None, row.get("parent_campaign_id") or None
    return SentCampaign(str(row["id"]), str(title), sent_at, url or None, utm, parent)


def _report(row: Mapping[str, Any]) -> Report | None:
    sent_at = moment_of(row.get("send_time"))
    if not row.get("id") or sent_at is None:
        return None
    opens, clicks, bounces = row.get("opens") or {}, row.get("clicks") or {}, row.get("bounces") or {}
    totals = {
        "sent": row.get("emails_sent"),
        "opens": opens.get("opens_total"),
        "unique_opens": opens.get("unique_opens"),
        "clicks": clicks.get("clicks_total"),
        "unique_clicks": clicks.get("unique_subscriber_clicks"),
        "unsubscribed": row.get("unsubscribed"),
        "complaints": row.get("abuse_reports"),
        "bounces": _number(bounces.get("hard_bounces")) + _number(bounces.get("soft_bounces")),
    }
    return Report(
        id=str(row["id"]),
        title=str(row.get("campaign_title") or row.get("subject_line") or ""),
        sent_at=sent_at,
        totals={name: _number(value) for name, value in totals.items()},
        last_open=moment_of(opens.get("last_open")),
        last_click=moment_of(clicks.get("last_click")),
        kind=str(row.get("type") or ""),
    )


def _all(client: MailchimpClient, path: str, name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All rows of a list that comes in no order we could choose: one call, but for an account with a thousand."""
    rows: list[dict[str, Any]] = []
    while True:
        body = client.get(path, path, {**params, "count": PAGE, **({"offset": len(rows)} if rows else {})})
        page = _listed(body, name)
        rows += page
        if not page or len(rows) >= _number(body.get("total_items")):
            return rows


def _listed(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [row for row in body.get(name) or () if isinstance(row, dict)]


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _spelled(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
