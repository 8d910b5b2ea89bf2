"""`/reports/{campaign_id}/click-details`: a campaign's links, and who clicked them (mailchimp.md section 9)."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.campaigns import Campaign, Figures, link_id
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.described import check_query
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.report_rows import LINKS_SHOWN, PERSON_SHOWN, WHERE_SHOWN, page_of
from shopchimp.sandbox.mailchimp.reports import sent_campaign
from shopchimp.sandbox.mailchimp.rows import paged, rate
from shopchimp.sandbox.mailchimp.wire import Call, not_found

NOBODY: Final[Mapping[int, int]] = {}


class Link(NamedTuple):
    campaign: Campaign
    url: str
    figures: Figures

    @property
    def clicks(self) -> int:
        return sum(self.figures.by_url.get(self.url, NOBODY).values())

    @property
    def clickers(self) -> int:
        return len(self.figures.by_url.get(self.url, NOBODY))


_LINK: Final[Mapping[str, Callable[[Link], Any]]] = {
    "id": lambda each: link_id(each.url),
    "url": lambda each: each.url,
    "total_clicks": lambda each: each.clicks,
    "click_percentage": lambda each: rate(each.clicks, each.figures.clicks),
    "unique_clicks": lambda each: each.clickers,
    "unique_click_percentage": lambda each: rate(each.clickers, each.figures.unique_clicks),
    "last_click": lambda each: written(each.figures.url_last.get(each.url, 0)),
    "campaign_id": lambda each: each.campaign.id,
    "_links": lambda _: [],
}
_CLICKER: Final = {**PERSON_SHOWN, **WHERE_SHOWN, "contact_status": lambda p: p.member.status, **LINKS_SHOWN}


def links(account: Account, call: Call) -> Mapping[str, Any]:
    check_query(call)
    campaign = sent_campaign(account, call)
    found = _links(campaign, filter_bots=call.flag("filter_bots"))
    if "sort_field" in call.query:
        by_all = call.query["sort_field"] == "total_clicks"
        down = call.query.get("sort_dir") == "DESC"
        found.sort(key=lambda each: each.clicks if by_all else each.clickers, reverse=down)
    return paged(call, "urls_clicked", found, _LINK, {"campaign_id": campaign.id})


def link(account: Account, call: Call) -> Mapping[str, Any]:
    check_query(call)
    found = _link(sent_campaign(account, call), call, filter_bots=call.flag("filter_bots"))
    return chosen(call, {name: show(found) for name, show in _LINK.items()})


def clickers(account: Account, call: Call) -> Mapping[str, Any]:
    """Nothing here filters machines, nor tells them apart."""
    check_query(call)
    campaign = sent_campaign(account, call)
    clicked = _link(campaign, call, filter_bots=False)
    clicks = clicked.figures.by_url.get(clicked.url, NOBODY)
    shows = {
        **_CLICKER,
        "clicks": lambda place: clicks[place.number],
        "url_id": lambda _: link_id(clicked.url),
    }
    return page_of(call, "members", campaign, sorted(clicks), shows)


def _links(campaign: Campaign, *, filter_bots: bool) -> list[Link]:
    """The campaign's own links, clicked or not, and what else was clicked."""
    figures = campaign.figures(filter_bots=filter_bots)
    urls = dict.fromkeys((*campaign.links, *campaign.everything.by_url))
    return [Link(campaign, url, figures) for url in urls]


def _link(campaign: Campaign, call: Call, *, filter_bots: bool) -> Link:
    for each in _links(campaign, filter_bots=filter_bots):
        if link_id(each.url) == call.path["link_id"]:
            return each
    raise not_found()
