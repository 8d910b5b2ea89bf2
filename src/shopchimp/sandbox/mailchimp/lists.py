"""The audiences themselves (mailchimp.md section 4, examples/lists-list.json)."""

from collections.abc import Mapping
from typing import Any

from shopchimp.sandbox.mailchimp.account import CONTACT, NAME, Account
from shopchimp.sandbox.mailchimp.audience import Audience
from shopchimp.sandbox.mailchimp.clock import asked_time, written
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.wire import Call

_CONTACT = {
    "company": NAME,
    "address1": CONTACT["addr1"],
    "address2": "",
    "city": CONTACT["city"],
    "state": CONTACT["state"],
    "zip": CONTACT["zip"],
    "country": CONTACT["country"],
    "phone": "",
}


def lists(account: Account, call: Call) -> Mapping[str, Any]:
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    since = asked_time(call.query.get("since_date_created"), "since_date_created")
    before = asked_time(call.query.get("before_date_created"), "before_date_created")
    email = call.query.get("email")
    owners = {store.list_id for store in account.stores.values()}
    found = [
        each
        for each in account.audiences.values()
        if (since is None or each.created_at > since)
        and (before is None or each.created_at < before)
        and (email is None or each.by_address(email) is not None)
        and (not call.flag("has_ecommerce_store") or each.id in owners)
    ]
    found.sort(key=lambda each: each.created_at, reverse=call.query.get("sort_dir", "ASC").upper() == "DESC")
    total = call.flag("include_total_contacts")
    document = {
        "lists": [_document(account, each, total=total) for each in found[offset : offset + count]],
        "total_items": len(found),
        "constraints": {
            "may_create": True,
            "max_instances": max(5, len(account.audiences)),
            "current_total_instances": len(account.audiences),
        },
        "_links": [],
    }
    return chosen(call, document)


def one(account: Account, call: Call) -> Mapping[str, Any]:
    audience = account.audience(call.path["list_id"])
    return chosen(call, _document(account, audience, total=call.flag("include_total_contacts")))


def tag_search(account: Account, call: Call) -> Mapping[str, Any]:
    audience, begin = account.audience(call.path["list_id"]), call.query.get("name", "").lower()
    found = [{"id": i, "name": name} for name, i in audience.tag_ids.items() if name.lower().startswith(begin)]
    return {"tags": found, "total_items": len(found)}


def _document(account: Account, audience: Audience, *, total: bool) -> dict[str, Any]:
    return {
        "id": audience.id,
        "web_id": audience.web_id,
        "name": audience.name,
        "contact": _CONTACT,
        "permission_reminder": "You bought from us.",
        "use_archive_bar": True,
        "campaign_defaults": {
            "from_name": "Ana",
            "from_email": "ana@example.com",
            "subject": "",
            "language": "en",
        },
        "notify_on_subscribe": "",
        "notify_on_unsubscribe": "",
        "date_created": written(audience.created_at),
        "list_rating": 4,
        "email_type_option": False,
        "subscribe_url_short": f"https://eepurl.example/{audience.id}",
        "subscribe_url_long": f"https://example.us1.list-manage.example/subscribe?u=x&id={audience.id}",
        "beamer_address": "us1-x@inbound.mailchimp.example",
        "visibility": "prv",
        "double_optin": audience.double_optin,
        "has_welcome": False,
        "marketing_permissions": False,
        "modules": [],
        "stats": _stats(account, audience, total=total),
        "_links": [],
    }


def _stats(account: Account, audience: Audience, *, total: bool) -> dict[str, Any]:
    sent = [each.sent_at for each in account.campaigns.values() if each.audience is audience and each.sent_at]
    stats = {
        "member_count": audience.count("subscribed"),
        "unsubscribe_count": audience.count("unsubscribed"),
        "cleaned_count": audience.count("cleaned"),
        "member_count_since_send": 0,
        "unsubscribe_count_since_send": 0,
        "cleaned_count_since_send": 0,
        "campaign_count": len(sent),
        "campaign_last_sent": written(max(sent, default=0)),
        "merge_field_count": len(audience.merge_fields),
        "avg_sub_rate": 0,
        "avg_unsub_rate": 0,
        "target_sub_rate": 0,
        "open_rate": 0,
        "click_rate": 0,
        "last_sub_date": written(audience.last_subscribed_at),
        "last_unsub_date": written(audience.last_unsubscribed_at),
    }
    return {**stats, "total_contacts": len(audience)} if total else stats
