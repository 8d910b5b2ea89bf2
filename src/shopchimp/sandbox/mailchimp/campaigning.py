"""What the merchant sends in Mailchimp, and what people and machines then do: nothing of this can the app do itself."""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, Final

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import Audience, Member
from shopchimp.sandbox.mailchimp.campaigns import (
    BOT,
    PERSON,
    PROXY,
    TYPES,
    Act,
    Campaign,
    Leaving,
    SmsCampaign,
    announced,
    fresh_id,
)
from shopchimp.sandbox.mailchimp.clock import asked_time, written
from shopchimp.sandbox.mailchimp.editing import edit
from shopchimp.sandbox.mailchimp.wire import Problem

LINKS: Final = ("https://shop.example.com/products/blue-mug", "https://shop.example.com/collections/new")
_LEAVE: Final = {"unsubscribe": "manual", "abuse": "abuse"}
_DEEDS: Final = ("open", "click", "bounce", *_LEAVE)


def campaigned(account: Account, change: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """One of three edits; None where the change is about something else.

    - `{"campaign": {"title", "subject", "audience", "to", "count", "at", "type", "parent", "utm", "links", "draft",
      "sending", "silent"}}`: sent to all subscribed, or to the first `count` of them, or to the addresses of `to`.
      `draft`: kept, not sent. `sending`: the rest follows. `parent`: it is a part of this one.
      With an `id` one that is known is sent, or sent to some more. Or
      `{"campaign": {"id", "delete": true}}`, by which its report goes too.
    - `{"sms_campaign": {"name", "audience", "to", "at", "silent"}}`: to all who subscribed to SMS, or to some. With an
      `id` that is known it goes on, to some more.
    - `{"activity": {"campaign", "do", "by", "email", "emails", "count", "share", "at", "spread", "url", "kind",
      "seed"}}`: `do` is open, click, bounce, unsubscribe or abuse; `by` person, bot or proxy. Without addresses it is
      `count` or a `share` of the recipients, drawn by `seed`, each at a moment within `spread` seconds from `at` on.

    `at` is never later than now; `silent` tells no webhook, as one that got lost.
    """
    try:
        if "campaign" in change:
            return _send(account, change["campaign"])
        if "sms_campaign" in change:
            return _text(account, change["sms_campaign"])
        if "activity" in change:
            return _happen(account, change["activity"])
    except Problem as refused:
        raise ValueError(refused.detail) from refused
    return None


def _send(account: Account, given: Mapping[str, Any]) -> Mapping[str, Any]:
    if given.get("delete"):
        del account.campaigns[given["id"]]
        return {"id": given["id"], "recipients": 0}
    campaign = account.campaigns.get(given.get("id", "")) or _new(account, given)
    if given.get("draft"):
        return {"id": campaign.id, "recipients": 0}
    at = _moment(account, given)
    if not campaign.sent_at:
        campaign.sent_at, campaign.created_at = at, min(campaign.created_at, at)
    done = campaign.status != "sent" and not given.get("sending")
    campaign.status = "sending" if given.get("sending") else "sent"
    campaign.send_to(_readers(campaign.audience, given))
    if done and not given.get("silent"):
        account.tell(campaign.audience, "campaign", dict(announced(campaign)), source="admin")
    return {"id": campaign.id, "recipients": len(campaign.recipients), "send_time": written(campaign.sent_at)}


def _new(account: Account, given: Mapping[str, Any]) -> Campaign:
    account.campaigns_made = number = account.campaigns_made + 1
    kind = given.get("type", "regular")
    if kind not in TYPES:
        raise ValueError(f"type must be one of {', '.join(TYPES)}")
    title = given.get("title", f"Campaign {number}")
    campaign = Campaign(
        id=given.get("id") or fresh_id(account.seed, "campaign", number, 10),
        web_id=7_700_000 + number,
        audience=account.named(given.get("audience")),
        title=title,
        subject=given.get("subject", title),
        created_at=_moment(account, given),
        type=kind,
        utm=given.get("utm", ""),
        parent=given.get("parent", ""),
        links=tuple(given.get("links", LINKS)),
    )
    account.campaigns[campaign.id] = campaign
    return campaign


def _readers(audience: Audience, given: Mapping[str, Any]) -> list[Member]:
    """Only who is subscribed gets a campaign, also when named."""
    if "to" in given:
        return [each for each in _named(audience, given["to"]) if each.status == "subscribed"]
    return audience.created("subscribed", 0, int(given.get("count", audience.count("subscribed"))))


def _text(account: Account, given: Mapping[str, Any]) -> Mapping[str, Any]:
    audience, number = account.named(given.get("audience")), len(account.sms_campaigns) + 1
    asked = _named(audience, given["to"]) if "to" in given else audience
    readers = {each.number for each in asked if each.sms is not None and each.sms.status == "subscribed"}
    name, at = given.get("name", f"Text {number}"), _moment(account, given)
    key = given.get("id") or fresh_id(account.seed, "sms", number, 8)
    text = account.sms_campaigns.setdefault(key, SmsCampaign(key, 7000 + number, audience, name, at, at))
    text.recipients |= readers
    if not given.get("silent"):
        told = {"id": text.id, "status": "sent", "list_id": audience.id}
        account.tell(audience, "sms_campaign", told, source="admin")
    return {"id": text.id, "recipients": len(readers), "send_time": written(at)}


def _happen(account: Account, given: Mapping[str, Any]) -> Mapping[str, Any]:
    campaign = account.campaigns[given["campaign"]] if "campaign" in given else _latest(account)
    do, by = given["do"], given.get("by", PERSON)
    if do not in _DEEDS or by not in (PERSON, BOT, PROXY):
        raise ValueError(f"do must be one of {', '.join(_DEEDS)}, by one of {PERSON}, {BOT}, {PROXY}")
    if by == PROXY and do != "open":
        raise ValueError("a proxy only opens")
    dice = Random(f"{campaign.id} {do} {by} {given.get('seed', 1)}")  # noqa: S311 - not for secrets
    places = _drawn(campaign, given, dice)
    begin, spread = _moment(account, given), int(given.get("spread", 0))
    links = (given["url"],) if "url" in given else campaign.links
    for place in places:
        at = min(begin + (dice.randrange(spread + 1) if spread else 0), account.now())
        if do in _LEAVE:
            _leave(account, campaign, place, do, at)
        elif do == "bounce":
            _bounce(account, campaign, place, given.get("kind", "hard"), at)
        else:
            campaign.act(place, Act(at, do, by, dice.choice(links) if do == "click" else ""))
    return {"campaign": campaign.id, "emails": [campaign.recipients[place].email for place in places]}


def _drawn(campaign: Campaign, given: Mapping[str, Any], dice: Random) -> list[int]:
    """Places of the recipients it is about, in the order of sending."""
    emails = given.get("emails") or ([given["email"]] if "email" in given else None)
    if emails is not None:
        return [_place(campaign, each) for each in _named(campaign.audience, emails)]
    everybody = len(campaign.recipients)
    count = int(given.get("count", round(everybody * float(given.get("share", 1)))))
    return sorted(dice.sample(range(everybody), min(count, everybody)))


def _place(campaign: Campaign, member: Member) -> int:
    if member.number not in campaign.places:
        raise LookupError(f"{member.email} did not get {campaign.title}")
    return campaign.places[member.number]


def _leave(account: Account, campaign: Campaign, place: int, do: str, at: int) -> None:
    """By the link in the mail: an unsubscribe that names its campaign."""
    member, reason = campaign.recipients[place], _LEAVE[do]
    if not campaign.knows(member):
        return
    campaign.left[place] = Leaving(place, at, "abuse" if do == "abuse" else "None given")
    about = {"audience": campaign.audience.id, "email": member.email, "at": written(at), "campaign_id": campaign.id}
    edit(account, {**about, "set": {"status": "unsubscribed"}, "reason": reason, "by": "person"})


def _bounce(account: Account, campaign: Campaign, place: int, kind: str, at: int) -> None:
    """After a hard one the contact is cleaned."""
    if kind not in ("hard", "soft"):
        raise ValueError("kind must be hard or soft")
    member = campaign.recipients[place]
    campaign.act(place, Act(at, "bounce", kind=kind))
    if kind == "hard" and campaign.knows(member):
        about = {"audience": campaign.audience.id, "email": member.email, "campaign_id": campaign.id}
        edit(account, {**about, "set": {"status": "cleaned"}, "reason": "hard", "by": "admin"})


def _named(audience: Audience, emails: Iterable[str]) -> list[Member]:
    found = []
    for each in emails:
        member = audience.by_address(each)
        if member is None:
            raise LookupError(f"{each} is no contact of {audience.name}")
        found.append(member)
    return found


def _latest(account: Account) -> Campaign:
    return next(each for each in reversed(account.campaigns.values()) if each.sent_at)


def _moment(account: Account, given: Mapping[str, Any]) -> int:
    at = asked_time(given.get("at"), "at")
    return account.now() if at is None else min(at, account.now())
