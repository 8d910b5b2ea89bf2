"""`/reports/{campaign_id}/...`: a campaign's recipients one by one (mailchimp.md section 9, examples/report-*.json).

`filter_bots` drops what machines did and leaves the rows. That `since` leaves only rows with something newer is how the
example reads (UNVERIFIED); with the switch `idle_rows` all recipients are there instead.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import VIP, Member
from shopchimp.sandbox.mailchimp.campaigns import PROXY, Act, Campaign
from shopchimp.sandbox.mailchimp.clock import asked_time, written
from shopchimp.sandbox.mailchimp.described import check_query
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.render import merge_values
from shopchimp.sandbox.mailchimp.reports import sent_campaign
from shopchimp.sandbox.mailchimp.rows import paged
from shopchimp.sandbox.mailchimp.wire import Call, not_found


class Place(NamedTuple):
    """One recipient as a report shows them."""

    campaign: Campaign
    number: int
    since: int | None = None
    filter_bots: bool = False

    @property
    def member(self) -> Member:
        return self.campaign.recipients[self.number]

    def acts(self, action: str = "") -> list[Act]:
        found = self.campaign.acts_of(self.number, since=self.since, filter_bots=self.filter_bots)
        return [each for each in found if action in ("", each.action)]


def sent_to(account: Account, call: Call) -> Mapping[str, Any]:
    check_query(call)
    campaign = sent_campaign(account, call)
    return page_of(call, "sent_to", campaign, range(len(campaign.recipients)), _SENT_TO)


def sent_to_one(account: Account, call: Call) -> Mapping[str, Any]:
    return _one(account, call, _SENT_TO)


def email_activity(account: Account, call: Call) -> Mapping[str, Any]:
    check_query(call)
    campaign, since = sent_campaign(account, call), asked_time(call.query.get("since"), "since")
    everybody: Sequence[int] = range(len(campaign.recipients))
    places = everybody if since is None or account.switches.idle_rows else campaign.busy_since(since)
    return page_of(call, "emails", campaign, places, _ACTIVITY, since=since)


def email_activity_one(account: Account, call: Call) -> Mapping[str, Any]:
    return _one(account, call, _ACTIVITY)


def open_details(account: Account, call: Call) -> Mapping[str, Any]:
    """Those who opened, or for whom a machine did."""
    check_query(call)
    campaign, since = sent_campaign(account, call), asked_time(call.query.get("since"), "since")
    places = sorted(campaign.everything.openers)
    if since is not None:
        places = [each for each in places if Place(campaign, each, since).acts("open")]
    if call.query.get("sort_field") == "opens_count":
        down = call.query.get("sort_dir") == "DESC"
        places.sort(key=lambda each: len(Place(campaign, each).acts("open")), reverse=down)
    opens = campaign.everything.opens
    sums = {"total_opens": opens, "total_proxy_excluded_opens": opens - campaign.everything.proxy_opens}
    return page_of(call, "members", campaign, places, _OPENS, since=since, rest=sums)


def open_details_one(account: Account, call: Call) -> Mapping[str, Any]:
    """Alone, a recipient's opens are described without a word about proxies."""
    return _one(account, call, _OPENS_ALONE)


def _not_proxied(place: Place) -> int:
    return sum(each.by != PROXY for each in place.acts("open"))


def unsubscribed(account: Account, call: Call) -> Mapping[str, Any]:
    check_query(call)
    campaign = sent_campaign(account, call)
    return page_of(call, "unsubscribes", campaign, list(campaign.left), _LEFT)


def page_of(
    call: Call,
    name: str,
    campaign: Campaign,
    places: Sequence[int],
    shows: Mapping[str, Callable[[Place], Any]],
    *,
    since: int | None = None,
    rest: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    filtered = call.flag("filter_bots")
    of_place = {key: _at(campaign, since, show, filter_bots=filtered) for key, show in shows.items()}
    return paged(call, name, places, of_place, {"campaign_id": campaign.id, **(rest or {})})


def _at(
    campaign: Campaign, since: int | None, show: Callable[[Place], Any], *, filter_bots: bool
) -> Callable[[int], Any]:
    return lambda number: show(Place(campaign, number, since, filter_bots))


def _one(account: Account, call: Call, shows: Mapping[str, Callable[[Place], Any]]) -> Mapping[str, Any]:
    check_query(call)
    campaign, since = sent_campaign(account, call), asked_time(call.query.get("since"), "since")
    member = campaign.audience.by_key(call.path["subscriber_hash"])
    if member is None or member.number not in campaign.places:
        raise not_found()
    place = Place(campaign, campaign.places[member.number], since, call.flag("filter_bots"))
    return chosen(call, {name: show(place) for name, show in shows.items()})


def _activity(place: Place) -> list[dict[str, Any]]:
    return [_act(each) for each in place.acts()]


def _act(act: Act) -> dict[str, Any]:
    if act.action == "bounce":
        return {"action": "bounce", "type": act.kind, "timestamp": written(act.at)}
    link = {"url": act.url} if act.action == "click" else {}
    return {"action": act.action, "timestamp": written(act.at), **link, "ip": act.ip}


def _last_open(place: Place) -> str:
    return written(max((each.at for each in place.acts("open")), default=0))


_WHO: Final[Mapping[str, Callable[[Place], Any]]] = {
    "email_id": lambda p: p.member.digest.hex(),
    "email_address": lambda p: p.campaign.address(p.member),
}
WHERE_SHOWN: Final[Mapping[str, Callable[[Place], Any]]] = {
    "campaign_id": lambda p: p.campaign.id,
    "list_id": lambda p: p.campaign.audience.id,
    "list_is_active": lambda _: True,
}
PERSON_SHOWN: Final[Mapping[str, Callable[[Place], Any]]] = {
    **_WHO,
    "merge_fields": lambda p: merge_values(p.campaign.audience, p.member),
    "vip": lambda p: bool(p.member.flags & VIP),
}
LINKS_SHOWN: Final[Mapping[str, Callable[[Place], Any]]] = {"_links": lambda _: []}
_SENT_TO: Final = {
    **PERSON_SHOWN,
    "status": lambda p: p.campaign.bounced.get(p.number, "sent"),
    "open_count": lambda p: len(p.acts("open")),
    "last_open": _last_open,
    "gmt_offset": lambda _: 0,
    **WHERE_SHOWN,
    **LINKS_SHOWN,
}
_ACTIVITY: Final = {**WHERE_SHOWN, **_WHO, "activity": _activity, **LINKS_SHOWN}
_OPENS: Final = {
    **WHERE_SHOWN,
    "contact_status": lambda p: p.member.status,
    **PERSON_SHOWN,
    "opens_count": lambda p: len(p.acts("open")),
    "proxy_excluded_opens_count": _not_proxied,
    "opens": lambda p: [{"timestamp": written(a.at), "is_proxy_open": a.by == PROXY} for a in p.acts("open")],
    **LINKS_SHOWN,
}
_OPENS_ALONE: Final = {
    **{name: show for name, show in _OPENS.items() if name != "proxy_excluded_opens_count"},
    "opens": lambda p: [{"timestamp": written(a.at)} for a in p.acts("open")],
}
_LEFT: Final = {
    **PERSON_SHOWN,
    "timestamp": lambda p: written(p.campaign.left[p.number].at),
    "reason": lambda p: p.campaign.left[p.number].reason,
    **WHERE_SHOWN,
    **LINKS_SHOWN,
}
