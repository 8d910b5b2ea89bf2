"""Reading one campaign after the other, page by page: who got it (once), who opened and clicked (since the last time).

The place is stored with each page's facts, so who is killed goes on there; what is read twice counts once. The next
time begins at the newest open or click that Mailchimp's figures told of when this time began, less an overlap: what
happens while pages are read changes the figures once more. Figures that rose without a newer open or click tell of
one that was known late: all is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from shopchimp.db import campaigns
from shopchimp.db.campaigns import READ, READING, Kept
from shopchimp.domain.addresses import normalise, subscriber_hash
from shopchimp.domain.commerce.spelling import fingerprint
from shopchimp.domain.customer_events.activity import Campaign
from shopchimp.domain.customer_events.reports import opened_and_clicked, received
from shopchimp.domain.errors import Rejected
from shopchimp.mailchimp import reports
from shopchimp.mailchimp.reports import Rows
from shopchimp.services.customer_events.polling import Round

log = structlog.get_logger()

OVERLAP = timedelta(hours=1)
KIND, PARENT = "kind", "parent"  # beside the figures: what sort of campaign it is, and which one it is a part of
_FEED = "rss"
RECIPIENTS, ACTIVITY = "recipients", "activity"  # the two lists
_TELL = ("sent", "opens", "unique_opens", "clicks", "unique_clicks", "last_open", "last_click")


def told_twice(known: Mapping[str, Kept]) -> set[str]:
    """Those of the campaigns whose messages others of them are: they would be counted and told once more.

    A test's variants are parts of it, and it is what the merchant sent; a feed is nothing beside its sendings.
    """
    of = {each.id: str(each.totals.get(PARENT)) for each in known.values()}
    parents = {part: known[whole] for part, whole in of.items() if whole in known}
    feeds = {parent.id for parent in parents.values() if parent.totals.get(KIND) == _FEED}
    parts = {part for part, parent in parents.items() if parent.id not in feeds and parent.totals.get("sent")}
    return feeds | parts


def has_news(campaign: Kept) -> bool:
    """Whether somebody got, opened or clicked it since it was read."""
    return bool(campaign.totals.get("sent")) and _digest(campaign) != campaign.pages.get("done")


def begin(campaign: Kept) -> None:
    """Have it read from now on."""
    more = campaign.totals.get("sent") != campaign.pages.get("sent")
    times = [campaign.totals.get(name) for name in ("last_open", "last_click")]
    campaign.pages = {
        **{name: campaign.pages[name] for name in ("done", "sent") if name in campaign.pages},
        "list": RECIPIENTS if more else ACTIVITY,
        "offset": 0,
        "total": 0,
        "to": _digest(campaign),
        "to_sent": campaign.totals.get("sent"),
        "to_time": max(filter(None, times), default=None),
    }
    to_time = campaign.pages["to_time"]
    if campaign.read_until and to_time and datetime.fromisoformat(to_time) <= campaign.read_until:
        campaign.read_until = None
    campaign.state = READING


def _digest(campaign: Kept) -> str:
    return fingerprint("totals", *(str(campaign.totals.get(name)) for name in _TELL))


def read(round_: Round) -> bool:
    """Read pages while there is time. Gives back whether nothing is left."""
    while True:
        with round_.gateways.database.transaction() as tx:
            campaign = campaigns.first_reading(tx, round_.shop_id)
        if campaign is None:
            return True
        if round_.over:
            return False
        _page(round_, campaign)


def _page(round_: Round, campaign: Kept) -> None:
    place = campaign.pages
    about = Campaign(campaign.id, campaign.title, campaign.sent_at)
    try:
        page = _ask(round_, campaign)
    except Rejected as error:
        if error.code != "mc_not_found":  # it was deleted, else: there is nothing to read of it
            log.warning("campaign_refused", campaign=campaign.id, code=error.code, words=error.detail[:200])
        page = Rows((), 0)  # the others' turn: this one is read again, from its beginning, when its figures change
        place["to_sent"] = None
    facts = (received if place["list"] == RECIPIENTS else opened_and_clicked)(page.rows, about)
    with round_.storing() as tx:
        round_.count(tx, facts, _addresses(page))
        _move(campaign, page)
        campaigns.save(tx, round_.shop_id, campaign)


def _addresses(page: Rows) -> dict[str, str]:
    """Each contact's address. Of who was deleted for good a stand-in is shown, which no longer says who it was."""
    shown = {str(row.get("email_id")): normalise(str(row.get("email_address") or "")) for row in page.rows}
    return {contact: address for contact, address in shown.items() if subscriber_hash(address) == contact}


def _ask(round_: Round, campaign: Kept) -> Rows:
    offset = int(campaign.pages["offset"])
    if campaign.pages["list"] == RECIPIENTS:
        return reports.sent_to(round_.client, campaign.id, offset=offset)
    since = campaign.read_until - OVERLAP if campaign.read_until else None
    return reports.email_activity(round_.client, campaign.id, since=since, offset=offset)


def _move(campaign: Kept, page: Rows) -> None:
    """Store the place behind this page: the next page, the other list, or the end."""
    place = campaign.pages
    offset = int(place["offset"]) + len(page.rows)
    if page.rows and page.total < int(place["total"]):  # somebody was deleted, and all behind them moved up
        place |= {"offset": 0, "total": page.total}
    elif page.rows and offset < page.total:
        place |= {"offset": offset, "total": page.total}
    elif place["list"] == RECIPIENTS:
        place |= {"list": ACTIVITY, "offset": 0, "total": 0}
    else:
        _end(campaign, place)


def _end(campaign: Kept, place: dict[str, Any]) -> None:
    if place["to_time"]:
        newest = datetime.fromisoformat(place["to_time"])
        campaign.read_until = max(newest, campaign.read_until or newest)
    campaign.pages = {"done": place["to"], "sent": place["to_sent"]}
    campaign.state = READ
