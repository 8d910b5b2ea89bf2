"""Plain pages for people: look up a contact, and do what a contact or the merchant would do in Mailchimp."""

from collections.abc import Iterable, Mapping
from html import escape
from itertools import islice
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from shopchimp.sandbox.mailchimp.account import NAME, Account
from shopchimp.sandbox.mailchimp.audience import COMPLIANCE, STATUSES, Audience, Member
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.editing import edit
from shopchimp.sandbox.mailchimp.render import profile, whole
from shopchimp.sandbox.mailchimp.wire import not_found

PAGE: Final = 50
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #ddd}"
    "header{background:#ffe01b;margin:-1rem -1rem 1rem;padding:.5rem 1rem}"
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
    return page("Audiences", f"<h1>Audiences</h1><table>{head}{rows}</table>")


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
        f'<tr><td><a href="/contacts/{list_id}/{m.digest.hex()}">{escape(m.email)}</a></td>'
        f"<td>{m.status}</td><td>{written(m.changed_at)}</td></tr>"
        for m in found
    )
    field = f'<input type="search" name="q" value="{escape(text)}">'
    search = f"<form><label>Search {field}</label> <button>Find</button></form>"
    head = "<tr><th>Address</th><th>Status</th><th>Last changed</th></tr>"
    return page(audience.name, f"<h1>{escape(audience.name)}</h1>{search}<table>{head}{rows}</table>{more}")


def _search(audience: Audience, text: str) -> list[Member]:
    exact = audience.by_address(text)
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
    rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(str(v))}</td></tr>" for k, v in facts.items())
    options = "".join(f"<option{' selected' if s == member.status else ''}>{s}</option>" for s in STATUSES)
    form = (
        f'<form method="post"><label>New status <select name="status">{options}</select></label> '
        '<label>set by <select name="by"><option value="user">the contact</option>'
        '<option value="admin">the merchant</option></select></label> <button>Change</button></form>'
    )
    return page(member.email, f"<h1>{escape(member.email)}</h1><table>{rows}</table><h2>Change</h2>{form}")


def change(account: Account, list_id: str, key: str, body: bytes) -> str:
    """Carry out the form; the answer is where to go next."""
    member = account.audience(list_id).by_key(key)
    if member is None:
        raise not_found()
    form = dict(parse_qsl(body.decode(errors="replace")))
    who = form.get("by", "user")
    edit(account, {"audience": list_id, "email": member.email, "set": {"status": form["status"]}, "by": who})
    return f"/contacts/{quote(list_id)}/{quote(key)}"
