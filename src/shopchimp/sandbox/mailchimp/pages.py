"""Plain pages for people: look up a contact, and do what a contact or the merchant would do in Mailchimp."""

from collections.abc import Iterable, Mapping
from html import escape
from itertools import islice
from typing import Final
from urllib.parse import urlencode

from shopchimp.sandbox.mailchimp import campaign_pages
from shopchimp.sandbox.mailchimp.account import NAME, Account
from shopchimp.sandbox.mailchimp.audience import COMPLIANCE, STATUSES, Audience, Member
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.render import merge_values, profile, whole
from shopchimp.sandbox.mailchimp.wire import not_found

PAGE: Final = 50
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #ddd}"
    "header{background:#ffe01b;margin:-1rem -1rem 1rem;padding:.5rem 1rem}"
    "form{margin:.5rem 0}label{margin-right:1rem}button{margin:.125rem}"
)


def page(title: str, body: str) -> bytes:
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><header>Mailchimp sandbox: "
        f'<a href="/">{NAME}</a></header>{body}</body></html>'
    ).encode()


def home(account: Account) -> bytes:
    rows = "".join(
        f'<tr><td><a href="/contacts/{each.id}">{escape(each.name)}</a></td>'
        f"<td>{len(each)}</td><td>{each.count('subscribed')}</td><td>{each.count('unsubscribed')}</td></tr>"
        for each in account.audiences.values()
    )
    head = "<tr><th>Audience</th><th>Contacts</th><th>Subscribed</th><th>Unsubscribed</th></tr>"
    campaigns = '<p><a href="/campaigns">Campaigns</a></p>'
    return page("Audiences", f"<h1>Audiences</h1><table>{head}{rows}</table>{campaigns}")


def campaigns(account: Account) -> bytes:
    return page("Campaigns", campaign_pages.overview(account))


def campaign(account: Account, campaign_id: str) -> bytes:
    return page(*campaign_pages.one(account, campaign_id))


def contacts(account: Account, list_id: str, query: Mapping[str, str]) -> bytes:
    audience, text = account.audience(list_id), query.get("q", "").strip().lower()
    offset = int(query["offset"]) if query.get("offset", "").isdecimal() else 0
    if text:
        found = _search(audience, text)
        more = ""
    else:
        found = audience.created("", offset, offset + PAGE)
        link = urlencode({"offset": offset + PAGE})
        more = f'<p><a href="?{link}">Next {PAGE}</a></p>' if offset + PAGE < audience.count() else ""
    rows = "".join(
        f'<tr><td><a href="/contacts/{list_id}/{m.digest.hex()}">{escape(_title(m))}</a></td>'
        f"<td>{m.status}</td><td>{written(m.changed_at)}</td></tr>"
        for m in found
    )
    field = f'<input type="search" name="q" value="{escape(text)}">'
    search = f"<form><label>Search {field}</label> <button>Find</button></form>"
    head = "<tr><th>Address</th><th>Status</th><th>Last changed</th></tr>"
    body = f"<h1>{escape(audience.name)}</h1>{search}{_NEW}<table>{head}{rows}</table>{more}"
    return page(audience.name, body)


def _search(audience: Audience, text: str) -> list[Member]:
    exact = audience.by_address(text) or audience.by_phone(text)
    matching: Iterable[Member] = (m for m in audience if text in m.email.lower())
    return [exact] if exact else list(islice(matching, PAGE))


def contact(account: Account, list_id: str, key: str) -> bytes:
    audience = account.audience(list_id)
    member = audience.by_key(key)
    if member is None:
        raise not_found()
    shown = whole(audience, member)
    facts = {
        "Status": member.status,
        "Opted in": shown["timestamp_opt"],
        "Signed up": shown["timestamp_signup"],
        "Last changed": shown["last_changed"],
        "Unsubscribe reason": member.get("unsubscribe_reason"),
        "Compliance state": "yes" if member.flags & COMPLIANCE else "no",
        "Tags": ", ".join(audience.tags_of(member)),
        **{f"Field {tag}": value for tag, value in profile(audience, member)["merge_fields"].items()},
    }
    facts |= _sms_facts(member)
    rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(str(v))}</td></tr>" for k, v in facts.items())
    forms = _CHOICES + _texting(member) + _profile(audience, member) + _any_status(member)
    forms += campaign_pages.activity(account, audience, member)
    title = _title(member)
    return page(title, f"<h1>{escape(title)}</h1><table>{rows}</table>{forms}")


def _title(member: Member) -> str:
    return member.email or (member.sms.phone if member.sms else "")


def _sms_facts(member: Member) -> dict[str, str]:
    sms = member.sms
    if sms is None:
        return {}
    return {"SMS phone": sms.phone, "SMS status": sms.status, "SMS choice made": written(sms.captured_at)}


def _buttons(*choices: tuple[str, str]) -> str:
    return " ".join(f'<button name="do" value="{do}">{label}</button>' for do, label in choices)


def _field(name: str, label: str, value: str = "", kind: str = "text") -> str:
    return f'<label>{label} <input type="{kind}" name="{name}" value="{escape(value)}"></label>'


_NEW: Final = (
    '<h2>New contact</h2><form method="post">'
    + _field("email", "Email address", kind="email")
    + _field("first_name", "First name")
    + _field("last_name", "Last name")
    + _buttons(
        ("sign_up", "Sign up on the form"),
        ("sign_up_pending", "Sign up, to be confirmed"),
        ("import_subscribed", "Merchant adds as subscribed"),
        ("import_transactional", "Merchant adds without consent"),
    )
    + "</form>"
)
_CHOICES: Final = (
    '<h2>The contact</h2><form method="post" aria-label="The contact">'
    + _buttons(
        ("subscribe", "Subscribe on the form"),
        ("unsubscribe", "Unsubscribe by the link"),
        ("confirm", "Confirm the subscription"),
        ("abuse", "Report as spam"),
        ("bounce", "Bounce"),
    )
    + '</form><h2>The merchant</h2><form method="post" aria-label="The merchant">'
    + _buttons(
        ("merchant_subscribe", "Subscribe as merchant"),
        ("merchant_unsubscribe", "Unsubscribe as merchant"),
        ("archive", "Archive"),
        ("forget", "Delete permanently"),
    )
    + "</form>"
)


def _texting(member: Member) -> str:
    phone = member.sms.phone if member.sms else ""
    return (
        '<h2>SMS</h2><form method="post" aria-label="SMS">'
        + _field("phone", "Phone number", phone, "tel")
        + _buttons(("sms_subscribe", "Subscribe to SMS"), ("sms_stop", "Reply STOP"))
        + "</form>"
    )


def _profile(audience: Audience, member: Member) -> str:
    values = merge_values(audience, member)
    return (
        '<h2>Profile</h2><form method="post" aria-label="Profile">'
        + _field("email", "Email address", member.email, "email")
        + _field("first_name", "First name", str(values.get("FNAME", "")))
        + _field("last_name", "Last name", str(values.get("LNAME", "")))
        + _field("tags", "Tags, separated by commas", ", ".join(audience.tags_of(member)))
        + _buttons(("profile", "Save as contact"), ("merchant_profile", "Save as merchant"))
        + "</form>"
    )


def _any_status(member: Member) -> str:
    options = "".join(f"<option{' selected' if s == member.status else ''}>{s}</option>" for s in STATUSES)
    return (
        f'<h2>Change</h2><form method="post"><label>New status <select name="status">{options}</select></label> '
        '<label>set by <select name="by"><option value="user">the contact</option>'
        '<option value="admin">the merchant</option></select></label> <button>Change</button></form>'
    )
