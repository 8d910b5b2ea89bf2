"""Who got a text message (S57): Mailchimp says so only contact by contact, in each one's activity feed.

So a new message has all contacts with a phone asked, once, and once more if that was so soon after it was sent that
feeds may not have had it yet, or if it went to some more. There is no public source of who clicked one (S58): see
`domain.customer_events.reports.sms_click`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from shopchimp.db import campaigns, slots
from shopchimp.db.campaigns import Kept
from shopchimp.domain.addresses import normalise, subscriber_hash
from shopchimp.domain.customer_events.reports import FEED_FILTERS, from_feed
from shopchimp.domain.errors import Rejected
from shopchimp.mailchimp import members, reports
from shopchimp.mailchimp.members import Member
from shopchimp.services.customer_events.polling import Round

SETTLED = timedelta(minutes=30)  # after it was sent, feeds have it
AT_ONCE = 50  # contacts asked between two stored places
LEASE = 120.0  # seconds, for the connections that these calls take
SIDE_BY_SIDE = 4
_PLACE = "texts"
_REACHED = frozenset({"subscribed", "unsubscribed"})  # who stopped them since may have got it before


def begin(round_: Round, tx: Connection) -> None:
    """Have the contacts asked if there is a message of which they weren't asked yet."""
    if _PLACE in round_.chore.cursor:
        return
    known = campaigns.since(tx, round_.shop_id, round_.now - timedelta(days=30), channel=campaigns.SMS).values()
    due = [each for each in known if each.next_at <= round_.now and (each.state != campaigns.READ or _went_on(each))]
    if due:
        sent = {each.id: each.totals.get("sent") for each in due}
        began = round_.now.isoformat()
        round_.chore.cursor[_PLACE] = {"sent": sent, "began": began, "offset": 0, "done": 0, "total": 0}


def _went_on(campaign: Kept) -> bool:
    """Whether more got it since all were asked."""
    return int(campaign.totals.get("sent") or 0) > int(campaign.pages.get("sent") or 0)


def read(round_: Round) -> bool:
    """Ask contacts while there is time. Gives back whether nothing is left."""
    while place := round_.chore.cursor.get(_PLACE):
        page, total = members.page(round_.client, round_.audience_id, offset=place["offset"], whole=True)
        if total < place["total"]:  # somebody was deleted, and all behind them moved up
            place |= {"offset": max(place["offset"] - (place["total"] - total), 0), "done": 0, "total": total}
            continue
        place["total"] = total
        theirs = [each for each in page if each.email and each.sms_subscription_status in _REACHED]
        while place["done"] < len(theirs):
            if round_.over:
                return False
            _ask(round_, place, theirs[place["done"] : place["done"] + AT_ONCE])
        with round_.storing() as tx:
            place |= {"offset": place["offset"] + len(page), "done": 0}
            if not page or place["offset"] >= total:
                _end(round_, tx, place)
    return True


def _ask(round_: Round, place: dict[str, Any], part: Sequence[Member]) -> None:
    feeds = _feeds(round_, [subscriber_hash(each.email) for each in part])
    keys = {subscriber_hash(each.email): normalise(each.email) for each in part}
    with round_.storing() as tx:
        round_.count(tx, [fact for feed in feeds for fact in from_feed(feed)], keys)
        place["done"] += len(part)


def _feeds(round_: Round, contacts: Sequence[str]) -> list[Mapping[str, Any]]:
    """These contacts' feeds, over as many of the login's connections as are free, at least one at a time."""
    token, database = uuid4(), round_.gateways.database
    with database.transaction() as tx:
        taken = slots.take(
            tx, round_.login_id, SIDE_BY_SIDE, token=token, lease=LEASE, count=round_.gateways.connections
        )
    try:
        with ThreadPoolExecutor(max(len(taken), 1), thread_name_prefix="feeds") as pool:
            return [feed for feed in pool.map(lambda contact: _feed(round_, contact), contacts) if feed is not None]
    finally:
        with database.transaction() as tx:
            slots.give_back(tx, round_.login_id, token)


def _feed(round_: Round, contact: str) -> Mapping[str, Any] | None:
    try:
        return reports.activity_feed(round_.client, round_.audience_id, contact, filters=FEED_FILTERS)
    except Rejected as error:
        if error.code == "mc_not_found":  # deleted meanwhile
            return None
        raise


def _end(round_: Round, tx: Connection, place: Mapping[str, Any]) -> None:
    began = datetime.fromisoformat(place["began"])
    for campaign_id, sent in place["sent"].items():
        if (campaign := campaigns.get(tx, round_.shop_id, campaign_id)) is None:
            continue
        if began >= campaign.sent_at + SETTLED:
            campaign.state, campaign.pages = campaigns.READ, {"sent": sent}
            campaign.next_at = began + (began - campaign.sent_at) / 24  # if it goes on: less and less often
        else:
            campaign.next_at = campaign.sent_at + SETTLED
        campaigns.save(tx, round_.shop_id, campaign)
    round_.chore.cursor.pop(_PLACE)
