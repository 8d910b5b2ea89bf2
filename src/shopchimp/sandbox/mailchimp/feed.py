"""One contact's activity: the feed of everything, newest first, and the older list of the last fifty things.

Neither tells machines' opens from people's (mailchimp.md section 9, examples/activity-feed-get.json).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import Audience, Member
from shopchimp.sandbox.mailchimp.campaigns import Act, Campaign
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.described import check_query
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.members import known_member
from shopchimp.sandbox.mailchimp.wire import Call

SHOWN: Final = 50
Item = dict[str, Any]


def feed(account: Account, call: Call) -> Mapping[str, Any]:
    """`activity_filters` names the types wanted. The answer has no total: a short page is the last one."""
    check_query(call)
    audience, member = known_member(account, call)
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    wanted = set(filter(None, call.query.get("activity_filters", "").split(",")))
    found = [each for each in items_of(account, audience, member) if not wanted or each[1]["activity_type"] in wanted]
    found = sorted(found, key=lambda each: each[0])[::-1]  # of the same second, what was noted last
    items = [item for _, item in found[offset : offset + count]]
    document = {"activity": items, "email_id": member.digest.hex(), "list_id": audience.id, "_links": []}
    return chosen(call, document)


def last_fifty(account: Account, call: Call) -> Mapping[str, Any]:
    """`/activity`: of campaigns by e-mail alone."""
    check_query(call)
    audience, member = known_member(account, call)
    wanted = set(filter(None, call.query.get("action", "").split(",")))
    found = []
    for campaign in _campaigns(account, audience, member):
        about = {"campaign_id": campaign.id, "title": campaign.title, "parent_campaign": ""}
        for at, action, more in _deeds(campaign, member):
            if not wanted or action in wanted:
                found.append((at, {"action": action, "timestamp": written(at), **more, **about}))
    found = sorted(found, key=lambda each: each[0])[::-1]  # of the same second, what was noted last
    items = [item for _, item in found[:SHOWN]]
    document = {
        "activity": items,
        "email_id": member.digest.hex(),
        "contact_id": member.contact_id,
        "list_id": audience.id,
        "total_items": len(items),
        "_links": [],
    }
    return chosen(call, document)


def _campaigns(account: Account, audience: Audience, member: Member) -> list[Campaign]:
    return [
        each
        for each in account.campaigns.values()
        if each.audience is audience and each.sent_at and member.number in each.places
    ]


def _deeds(campaign: Campaign, member: Member) -> Iterator[tuple[int, str, Item]]:
    place = campaign.places[member.number]
    yield campaign.sent_at, "sent", {}
    for act in campaign.acts_of(place):
        yield act.at, act.action, _more(act)
    if place in campaign.left:
        leaving = campaign.left[place]
        yield leaving.at, "abuse" if leaving.reason == "abuse" else "unsub", {}


def _more(act: Act) -> Item:
    return {"url": act.url} if act.action == "click" else {"type": act.kind} if act.action == "bounce" else {}


def items_of(account: Account, audience: Audience, member: Member) -> Iterator[tuple[int, Item]]:
    """Everything that a contact did or got, with its time, in no order."""
    for campaign in _campaigns(account, audience, member):
        place = campaign.places[member.number]
        about = {"campaign_id": campaign.id, "campaign_title": campaign.title}
        yield campaign.sent_at, _item("sent", campaign.sent_at, **about)
        opened = any(each.action == "open" for each in campaign.acts_of(place))
        for act in campaign.acts_of(place):
            yield act.at, _item(act.action, act.at, **about, **_of_act(act, opened=opened))
        if place in campaign.left:
            leaving = campaign.left[place]
            more = {"is_admin_unsubscribed": False, "unsubscribe_reason": leaving.reason}
            yield leaving.at, _item("unsub", leaving.at, **about, **more)
    for text in account.sms_campaigns.values():
        if text.audience is audience and member.number in text.recipients:
            more = {"campaign_id": text.id, "campaign_title": text.name}
            yield text.sent_at, _item("sms_bulk_sent", text.sent_at, **more)
    for event in audience.events.get(member.number, ()):
        # A list of texts in the description, which does not say how properties become one: UNVERIFIED.
        properties = [f"{name}: {value}" for name, value in event.properties.items()]
        more = {"event_name": event.name, "event_properties": properties}
        yield event.occurred_at, _item("event", event.occurred_at, **more)


def _of_act(act: Act, *, opened: bool) -> Item:
    if act.action == "click":
        return {"link_clicked": act.url}
    return {"bounce_type": act.kind, "bounce_has_open_activity": opened} if act.action == "bounce" else {}


def _item(kind: str, at: int, **more: Any) -> Item:
    return {"activity_type": kind, "created_at_timestamp": written(at), **more}
