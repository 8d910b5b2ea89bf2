"""`/campaigns` and `/sms-campaigns` (mailchimp.md sections 6 and 9, examples/campaigns-list-sent-since.json)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.campaigns import Campaign, SmsCampaign
from shopchimp.sandbox.mailchimp.clock import asked_time, written
from shopchimp.sandbox.mailchimp.described import check_query
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.rows import paged, rate
from shopchimp.sandbox.mailchimp.wire import Call, not_found

_DEFAULTS: Final = {
    "preview_text": "",
    "from_name": "Ana",
    "reply_to": "ana@example.com",
    "use_conversation": False,
    "to_name": "*|FNAME|*",
    "folder_id": "",
    "authenticate": True,
    "auto_footer": False,
    "inline_css": False,
    "auto_tweet": False,
    "fb_comments": False,
    "timewarp": False,
    "template_id": 0,
    "drag_and_drop": True,
}
_NEVER_SOLD: Final = {"total_orders": 0, "total_spent": 0, "total_revenue": 0}


def campaigns(account: Account, call: Call) -> Mapping[str, Any]:
    """Times are read as "after" and "before", both exclusive. In the order of creation unless asked otherwise."""
    check_query(call)
    fits = _filter(call)
    found = [each for each in account.campaigns.values() if fits(each)]
    if call.query.get("sort_field") == "send_time":
        found.sort(key=lambda each: each.sent_at)
    if call.query.get("sort_dir") == "DESC":
        found.reverse()
    return paged(call, "campaigns", found, _CAMPAIGN)


def campaign(account: Account, call: Call) -> Mapping[str, Any]:
    check_query(call)
    found = known_campaign(account, call)
    return chosen(call, {name: show(found) for name, show in _CAMPAIGN.items()})


def sms_campaigns(account: Account, call: Call) -> Mapping[str, Any]:
    """No filters and no order are documented: the oldest is first, so who wants the news reads to the end."""
    check_query(call)
    return paged(call, "sms_campaigns", list(account.sms_campaigns.values()), _SMS)


def sms_campaign(account: Account, call: Call) -> Mapping[str, Any]:
    check_query(call)
    found = account.sms_campaigns.get(call.path["sms_campaign_id"])
    if found is None:
        raise not_found()
    return chosen(call, {name: show(found) for name, show in _SMS.items()})


def known_campaign(account: Account, call: Call) -> Campaign:
    found = account.campaigns.get(call.path["campaign_id"])
    if found is None:
        raise not_found()
    return found


def _filter(call: Call) -> Callable[[Campaign], bool]:
    query = call.query
    wanted = {name: query[name] for name in ("type", "status", "list_id", "folder_id") if name in query}
    bounds = {
        (name, time): asked_time(query.get(f"{name}_{time}_time"), f"{name}_{time}_time")
        for name in ("since", "before")
        for time in ("send", "create")
    }

    def inside(at: int, time: str) -> bool:
        since, before = bounds["since", time], bounds["before", time]
        return (since is None or at > since) and (before is None or 0 < at < before)

    def fits(each: Campaign) -> bool:
        is_of = {"type": each.type, "status": each.status, "list_id": each.audience.id, "folder_id": ""}
        return (
            all(is_of[name] == value for name, value in wanted.items())
            and inside(each.sent_at, "send")
            and inside(each.created_at, "create")
            and ("member_id" not in query or _got(each, query["member_id"]))
        )

    return fits


def _got(each: Campaign, key: str) -> bool:
    member = each.audience.by_key(key, hash_only=True)
    return member is not None and member.number in each.places


def _settings(each: Campaign) -> dict[str, Any]:
    return {"subject_line": each.subject, "title": each.title, **_DEFAULTS}


def _tracking(each: Campaign) -> dict[str, Any]:
    flags = {"opens": True, "html_clicks": True, "text_clicks": False, "goal_tracking": False, "ecomm360": False}
    return {**flags, "google_analytics": each.utm, "clicktale": ""}


def _recipients(each: Campaign) -> dict[str, Any]:
    return {
        "list_id": each.audience.id,
        "list_is_active": True,
        "list_name": each.audience.name,
        "segment_text": "",
        "recipient_count": len(each.recipients) or each.audience.count("subscribed"),
    }


def _summary(each: Campaign) -> dict[str, Any]:
    """With what machines did, as the reports have it."""
    figures, sent = each.everything, len(each.recipients)
    return {
        "opens": figures.opens,
        "unique_opens": len(figures.openers),
        "open_rate": rate(len(figures.openers), sent),
        "clicks": figures.clicks,
        "subscriber_clicks": len(figures.clickers),
        "click_rate": rate(len(figures.clickers), sent),
        "ecommerce": _NEVER_SOLD,
    }


_CAMPAIGN: Final[Mapping[str, Callable[[Campaign], Any]]] = {
    "id": lambda c: c.id,
    "web_id": lambda c: c.web_id,
    "parent_campaign_id": lambda c: c.parent,
    "type": lambda c: c.type,
    "create_time": lambda c: written(c.created_at),
    "archive_url": lambda c: f"https://eepurl.example/{c.id}",
    "long_archive_url": lambda c: f"https://mailchi.mp.example/{c.id}",
    "status": lambda c: c.status,
    "emails_sent": lambda c: len(c.recipients),
    "send_time": lambda c: written(c.sent_at),
    "content_type": lambda _: "template",
    "needs_block_refresh": lambda _: False,
    "resendable": lambda c: c.status == "sent",
    "recipients": _recipients,
    "settings": _settings,
    "tracking": _tracking,
    "report_summary": _summary,
    "delivery_status": lambda _: {"enabled": False},
    "_links": lambda _: [],
}
_SMS: Final[Mapping[str, Callable[[SmsCampaign], Any]]] = {
    "id": lambda c: c.id,
    "web_id": lambda c: str(c.web_id),
    "name": lambda c: c.name,
    "status": lambda _: "sent",  # this and the channel's name are UNVERIFIED (examples/sms-campaigns-list.json)
    "channel": lambda _: "sms",
    "list_id": lambda c: c.audience.web_id,  # an integer in the description, so hardly the id of the paths
    "recipient_count": lambda c: len(c.recipients),
    "create_time": lambda c: written(c.created_at),
    "send_time": lambda c: written(c.sent_at),
    "updated_at": lambda c: written(c.sent_at),
    "is_send_now": lambda _: False,
    "segments": lambda _: [],
    "excluded_segments": lambda _: [],
}
