"""Pages to send a campaign or a text, to open and click as somebody, and to see what a contact's feed says."""

from collections.abc import Mapping
from html import escape
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import Audience, Member
from shopchimp.sandbox.mailchimp.campaigning import campaigned
from shopchimp.sandbox.mailchimp.campaigns import Campaign
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.feed import items_of
from shopchimp.sandbox.mailchimp.wire import not_found

SHOWN: Final = 50
_DEEDS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "open": ("Open", {"do": "open"}),
    "click": ("Click the link", {"do": "click"}),
    "proxy": ("Let Apple's proxy open it", {"do": "open", "by": "proxy"}),
    "bot": ("Let a scanner click it", {"do": "click", "by": "bot"}),
    "unsubscribe": ("Unsubscribe by its link", {"do": "unsubscribe"}),
    "abuse": ("Report as spam", {"do": "abuse"}),
    "bounce": ("Bounce for good", {"do": "bounce"}),
}


def overview(account: Account) -> str:
    """All campaigns, the newest first, and the forms to send one."""
    mails = "".join(map(_mail_row, reversed(account.campaigns.values())))
    texts = "".join(
        f"<tr><td>{escape(each.name)}</td><td>{written(each.sent_at)}</td><td>{len(each.recipients)}</td></tr>"
        for each in reversed(account.sms_campaigns.values())
    )
    choice = "".join(f'<option value="{each.id}">{escape(each.name)}</option>' for each in account.audiences.values())
    to = f'<label>Audience <select name="audience">{choice}</select></label>'
    head = "<tr><th>Campaign</th><th>Status</th><th>Sent</th><th>Recipients</th><th>Opens</th><th>Clicks</th></tr>"
    return (
        f"<h1>Campaigns</h1><table>{head}{mails}</table>"
        f'<h2>Send an e-mail</h2><form method="post" aria-label="Send an e-mail">{_text("title", "Title")}'
        f'{_text("link", "Link")}{to} <button name="do" value="mail">Send to all subscribed</button></form>'
        f"<h2>Text messages</h2><table><tr><th>Text</th><th>Sent</th><th>Recipients</th></tr>{texts}</table>"
        f'<form method="post" aria-label="Send a text">{_text("title", "Name")}{to} '
        '<button name="do" value="text">Send to all SMS subscribers</button></form>'
    )


def one(account: Account, campaign_id: str) -> tuple[str, str]:
    """Title and body of a campaign's page."""
    campaign = _known(account, campaign_id)
    figures, people = campaign.everything, campaign.people
    facts = {
        "Sent": written(campaign.sent_at) or "not yet",
        "Recipients": len(campaign.recipients),
        "Opened": f"{len(figures.openers)}, {len(people.openers)} of them themselves",
        "Clicked": f"{len(figures.clickers)}, {len(people.clickers)} of them themselves",
        "Unsubscribed or reported": len(campaign.left),
        "Bounced": len(campaign.bounced),
    }
    table = "".join(f"<tr><th>{name}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items())
    links = "".join(f"<option>{escape(each)}</option>" for each in campaign.links)
    buttons = " ".join(f'<button name="do" value="{name}">{label}</button>' for name, (label, _) in _DEEDS.items())
    who = (
        '<h2>As one contact</h2><form method="post" aria-label="As one contact">'
        f'{_text("email", "Email address", kind="email")}<label>Link <select name="url">{links}</select></label>'
        f"<div>{buttons}</div></form>"
    )
    many = (
        '<h2>As many</h2><form method="post" aria-label="As many"><label>Percent of the recipients '
        '<input type="number" name="percent" value="30" min="0" max="100"></label> '
        '<button name="do" value="many_open">Open</button> <button name="do" value="many_click">Click</button></form>'
    )
    head = "<tr><th>Recipient</th><th>What happened</th></tr>"
    rows = "".join(_recipient(campaign, place) for place in range(min(SHOWN, len(campaign.recipients))))
    body = f"<h1>{escape(campaign.title)}</h1><table>{table}</table>{who}{many}<table>{head}{rows}</table>"
    return campaign.title, body


def submit(account: Account, campaign_id: str | None, body: bytes) -> str:
    """Carry out a form; the answer is where to go next."""
    form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    campaigned(account, _change(_known(account, campaign_id), form) if campaign_id else _sending(form))
    return f"/campaigns/{quote(campaign_id)}" if campaign_id else "/campaigns"


def activity(account: Account, audience: Audience, member: Member) -> str:
    """What Mailchimp knows that a contact did: part of the contact's page."""
    found = sorted(items_of(account, audience, member), key=lambda each: each[0])[::-1]
    rows = "".join(f"<tr><td>{written(at)}</td><td>{_said(account, item)}</td></tr>" for at, item in found[:SHOWN])
    nothing = "" if rows else "<p>Nothing yet.</p>"
    return f"<h2>Activity</h2>{nothing}<table>{rows}</table>"


def _said(account: Account, item: Mapping[str, Any]) -> str:
    kind = item["activity_type"]
    if kind == "event":
        return f"Event <b>{escape(item['event_name'])}</b> {escape('; '.join(item['event_properties']))}"
    title = escape(str(item.get("campaign_title", "")))
    if item.get("campaign_id") in account.campaigns:
        title = f'<a href="/campaigns/{quote(item["campaign_id"])}">{title}</a>'
    return f"{escape(kind)}: {title} {escape(item.get('link_clicked', ''))}"


def _mail_row(each: Campaign) -> str:
    figures = each.everything
    return (
        f'<tr><td><a href="/campaigns/{quote(each.id)}">{escape(each.title)}</a></td><td>{each.status}</td>'
        f"<td>{written(each.sent_at)}</td><td>{len(each.recipients)}</td>"
        f"<td>{figures.opens}</td><td>{figures.clicks}</td></tr>"
    )


def _recipient(campaign: Campaign, place: int) -> str:
    member = campaign.recipients[place]
    acts = ", ".join(f"{each.action} ({each.by})" for each in islice(campaign.acts_of(place), SHOWN))
    link = f"/contacts/{campaign.audience.id}/{member.digest.hex()}"
    return f'<tr><td><a href="{link}">{escape(campaign.address(member))}</a></td><td>{escape(acts)}</td></tr>'


def _sending(form: Mapping[str, str]) -> dict[str, Any]:
    audience, title = form["audience"], form.get("title", "").strip()
    if form["do"] == "text":
        return {"sms_campaign": {"audience": audience, **({"name": title} if title else {})}}
    link = form.get("link", "").strip()
    given: dict[str, Any] = {"audience": audience, **({"title": title} if title else {})}
    return {"campaign": given | ({"links": [link]} if link else {})}


def _change(campaign: Campaign, form: Mapping[str, str]) -> dict[str, Any]:
    do = form["do"]
    given: dict[str, Any] = {"campaign": campaign.id}
    if do.startswith("many_"):
        share, seed = float(form["percent"]) / 100, campaign.everything.opens + campaign.everything.clicks
        return {"activity": {**given, "do": do.removeprefix("many_"), "share": share, "seed": seed}}
    given |= {"email": form["email"].strip(), **_DEEDS[do][1]}
    if given["do"] == "click" and form.get("url"):
        given["url"] = form["url"]
    return {"activity": given}


def _known(account: Account, campaign_id: str) -> Campaign:
    found = account.campaigns.get(campaign_id)
    if found is None:
        raise not_found()
    return found


def _text(name: str, label: str, kind: str = "text") -> str:
    return f'<label>{label} <input type="{kind}" name="{name}"></label>'
