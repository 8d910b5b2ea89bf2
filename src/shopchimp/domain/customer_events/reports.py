"""Reads facts out of what Mailchimp answers: campaign reports, the activity feed; and out of the store's own pages.

Opens made by a machine are no opens. `email-activity` leaves them out when asked with `filter_bots`; `open-details`
names them one by one. There is no public source of SMS clicks: only a campaign whose links carry utm_medium=sms shows
them, when the visitor arrives in the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from shopchimp.domain.commerce.spelling import fingerprint, text
from shopchimp.domain.customer_events.activity import ActivityFact, Campaign
from shopchimp.domain.customer_events.beacon import Beacon
from shopchimp.domain.customer_events.names import ContactAction, StoreEvent

FEED_FILTERS = "sms_bulk_sent"
"""What to ask the activity feed of one contact for: e-mail is read from reports, which cost far fewer calls."""

Row = Mapping[str, Any]

_MAIL_ACTIONS = {"open": ContactAction.EMAIL_OPENED, "click": ContactAction.EMAIL_CLICKED}
_FEED_ACTIONS = {
    "sent": ContactAction.EMAIL_RECEIVED,
    "click": ContactAction.EMAIL_CLICKED,
    "sms_bulk_sent": ContactAction.SMS_RECEIVED,
}


def received(rows: Iterable[Row], campaign: Campaign) -> Iterator[ActivityFact]:
    """Who got a campaign, from `sent-to`. A bounced one was not received; the only time there is, is the campaign's."""
    if campaign.sent_at is None:
        return
    for row in rows:
        if row.get("status") == "sent" and (contact := row.get("email_id")):
            yield ActivityFact(
                contact, campaign.id, ContactAction.EMAIL_RECEIVED, campaign.sent_at, title=campaign.title
            )


def opened_and_clicked(rows: Iterable[Row], campaign: Campaign) -> Iterator[ActivityFact]:
    """Opens and clicks, from `email-activity`. A row may have none left: its opens were all made by machines."""
    for row in rows:
        for each in row.get("activity") or ():
            action, at = _MAIL_ACTIONS.get(each.get("action")), moment_of(each.get("timestamp"))
            if action and at and (contact := row.get("email_id")):
                url = each.get("url") if action is ContactAction.EMAIL_CLICKED else None
                yield ActivityFact(contact, campaign.id, action, at, url or None, campaign.title)


def opened(rows: Iterable[Row], campaign: Campaign) -> Iterator[ActivityFact]:
    """Opens by people, from `open-details`: those that a mail program's proxy made for everybody don't count."""
    for row in rows:
        for each in row.get("opens") or ():
            at = moment_of(each.get("timestamp"))
            if at and not each.get("is_proxy_open") and (contact := row.get("email_id")):
                yield ActivityFact(contact, campaign.id, ContactAction.EMAIL_OPENED, at, title=campaign.title)


def from_feed(feed: Row) -> Iterator[ActivityFact]:
    """What one contact's activity feed tells. Its opens are left to the reports: it doesn't say whose they were."""
    for each in feed.get("activity") or ():
        action, at = _FEED_ACTIONS.get(each.get("activity_type")), moment_of(each.get("created_at_timestamp"))
        contact, campaign = feed.get("email_id"), each.get("campaign_id")
        if action and at and contact and campaign:
            url = each.get("link_clicked") if action is ContactAction.EMAIL_CLICKED else None
            yield ActivityFact(contact, campaign, action, at, url or None, text(each.get("campaign_title")) or None)


def sms_click(beacon: Beacon, contact: str) -> ActivityFact | None:
    """A visit that came by a link of an SMS, if its address says so; `contact` is whom the visitor was found to be.

    What else is done on that page has the same address: only its view is the click.
    """
    if beacon.page is None or beacon.name is not StoreEvent.PAGE_VIEWED:
        return None
    campaign = beacon.page.query
    named = campaign.get("mc_cid") or campaign.get("utm_campaign")
    if not named or campaign.get("utm_medium", "").casefold() != "sms":
        return None
    short = named if len(named) <= 50 else fingerprint("utm", named)
    return ActivityFact(
        contact, short, ContactAction.SMS_CLICKED, beacon.happened_at, beacon.page.url, campaign.get("utm_campaign")
    )


def moment_of(value: object) -> datetime | None:
    """A time as Mailchimp spells it, in UTC; None if it is none."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
        if read is None:
            return None
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
