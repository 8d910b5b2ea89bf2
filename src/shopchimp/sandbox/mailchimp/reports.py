"""`/reports` and `/reports/{campaign_id}` (mailchimp.md section 9): a campaign's sums, machines counted too."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.campaign_list import known_campaign
from shopchimp.sandbox.mailchimp.campaigns import Campaign
from shopchimp.sandbox.mailchimp.clock import asked_time, written
from shopchimp.sandbox.mailchimp.described import check_query
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.rows import paged, rate
from shopchimp.sandbox.mailchimp.wire import Call, not_found

_NO_INDUSTRY: Final = {
    "type": "Retail",
    "open_rate": 0.35,
    "click_rate": 0.01,
    "bounce_rate": 0.004,
    "unopen_rate": 0.646,
    "unsub_rate": 0.002,
    "abuse_rate": 0.0002,
}
_NO_LIST: Final = {"sub_rate": 0, "unsub_rate": 0, "open_rate": 0, "click_rate": 0}


def listing(account: Account, call: Call) -> Mapping[str, Any]:
    """Newest first; that order is UNVERIFIED, nothing in the call sets another."""
    check_query(call)
    query = call.query
    since = asked_time(query.get("since_send_time"), "since_send_time")
    before = asked_time(query.get("before_send_time"), "before_send_time")
    found = [
        each
        for each in account.campaigns.values()
        if each.sent_at
        and (since is None or each.sent_at > since)
        and (before is None or each.sent_at < before)
        and query.get("type", each.type) == each.type
    ]
    found.sort(key=lambda each: each.sent_at, reverse=True)
    return paged(call, "reports", found, _REPORT)


def one(account: Account, call: Call) -> Mapping[str, Any]:
    check_query(call)
    found = sent_campaign(account, call)
    return chosen(call, {name: show(found) for name, show in _REPORT.items()})


def _opens(campaign: Campaign) -> dict[str, Any]:
    figures = campaign.everything
    shown = {
        "opens_total": figures.opens,
        "unique_opens": len(figures.openers),
        "open_rate": rate(len(figures.openers), len(campaign.recipients)),
    }
    return {**shown, "last_open": written(figures.last_open)}


def _clicks(campaign: Campaign) -> dict[str, Any]:
    figures = campaign.everything
    return {
        "clicks_total": figures.clicks,
        "unique_clicks": figures.unique_clicks,
        "unique_subscriber_clicks": len(figures.clickers),
        "click_rate": rate(len(figures.clickers), len(campaign.recipients)),
        "last_click": written(figures.last_click),
    }


def _bounces(campaign: Campaign) -> dict[str, Any]:
    kinds = list(campaign.bounced.values())
    return {"hard_bounces": kinds.count("hard"), "soft_bounces": kinds.count("soft"), "syntax_errors": 0}


def _left(campaign: Campaign, *, abuse: bool) -> int:
    return sum((each.reason == "abuse") is abuse for each in campaign.left.values())


_REPORT: Final[Mapping[str, Callable[[Campaign], Any]]] = {
    "id": lambda c: c.id,
    "campaign_title": lambda c: c.title,
    "type": lambda c: c.type,
    "list_id": lambda c: c.audience.id,
    "list_is_active": lambda _: True,
    "list_name": lambda c: c.audience.name,
    "subject_line": lambda c: c.subject,
    "preview_text": lambda _: "",
    "emails_sent": lambda c: len(c.recipients),
    "abuse_reports": lambda c: _left(c, abuse=True),
    "unsubscribed": lambda c: _left(c, abuse=False),
    "send_time": lambda c: written(c.sent_at),
    "bounces": _bounces,
    "forwards": lambda _: {"forwards_count": 0, "forwards_opens": 0},
    "opens": _opens,
    "clicks": _clicks,
    "facebook_likes": lambda _: {"recipient_likes": 0, "unique_likes": 0, "facebook_likes": 0},
    "industry_stats": lambda _: _NO_INDUSTRY,
    "list_stats": lambda _: _NO_LIST,
    "timeseries": lambda _: [],
    "ecommerce": lambda _: {"total_orders": 0, "total_spent": 0, "total_revenue": 0, "currency_code": "USD"},
    "delivery_status": lambda _: {"enabled": False},
    "_links": lambda _: [],
}


def sent_campaign(account: Account, call: Call) -> Campaign:
    """A report exists once a campaign was sent."""
    found = known_campaign(account, call)
    if not found.sent_at:
        raise not_found()
    return found
