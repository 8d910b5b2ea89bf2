"""The chore `poll_campaigns`: every five minutes, what contacts did with campaigns (S53 to S57).

A round asks three things, however many campaigns there are: which were sent, the figures of all of the last thirty
days, and which text messages there are. Only a campaign whose figures changed is read, recipient by recipient; a big
one less and less often as it gets older. A round that finds nothing new ends there.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from shopchimp.db import campaigns, connections, engagements, marking, shops
from shopchimp.db.campaigns import Kept
from shopchimp.db.chores import Chore
from shopchimp.domain.errors import Rejected, Unauthorized
from shopchimp.mailchimp import reports
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.reports import Report, SentCampaign, SmsCampaign
from shopchimp.services import settings
from shopchimp.services.customer_events import campaign_pages, campaign_totals, text_messages
from shopchimp.services.customer_events.campaign_pages import KIND, PARENT
from shopchimp.services.customer_events.polling import CHORE as CHORE  # noqa: PLC0414 - known from here
from shopchimp.services.customer_events.polling import Round, SwitchedOff, engaged
from shopchimp.services.gateways import Gateways
from shopchimp.services.polls import PERIOD, LeaseLost
from shopchimp.shopify import metafields

LOOKED_AT = timedelta(days=30)  # so long after it was sent
OVERLAP = timedelta(days=3)  # a campaign is listed as sent when all have it, by each one's time zone say
SMALL = reports.PAGE  # recipients: read at every change, for that is a call or two
LOOKED_THROUGH = 5000  # contacts a round, for customers they became


def poll(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """Do a part of a round. Gives back the seconds until the next part: none while there is more to read."""
    with suppress(LeaseLost, SwitchedOff):
        if (round_ := _open(gateways, shop_id, chore)) is None:
            return PERIOD
        if not chore.cursor.get("reading"):
            _define(round_)
            _look(round_)
        if not (campaign_pages.read(round_) and text_messages.read(round_)):
            return 0.0
        _newcomers(round_)
        with round_.storing():
            chore.cursor.pop("reading", None)
        campaign_totals.tell(round_)
    return PERIOD


def _open(gateways: Gateways, shop_id: int, chore: Chore) -> Round | None:
    """What the round needs, or None where there is nothing to ask for."""
    with gateways.database.transaction() as tx:
        shop, connection = shops.get(tx, shop_id), connections.get(tx, shop_id)
        if shop is None or connection is None or connection.audience_id is None or connection.live_since is None:
            return None
        if not settings.parse(shop.settings).customer_events:
            return None
    return Round(
        gateways=gateways,
        shop_id=shop_id,
        chore=chore,
        audience_id=connection.audience_id,
        login_id=connection.login_id,
        scopes=shop.scopes,
        timezone=shop.timezone,
        client=gateways.mailchimp(shop_id),
        now=gateways.clock(),
        live_since=connection.live_since,
    )


def _define(round_: Round) -> None:
    """Before the first values are written their definitions are there, so that segments can ask for them.

    Once a day: Shopify may have refused some, and the merchant may have deleted others.
    """
    cursor, today = round_.chore.cursor, round_.now.date().isoformat()
    if cursor.get("defined_on") != today:
        cursor["undefined"] = metafields.define(round_.gateways.shopify(round_.shop_id))
        cursor["defined_on"] = today


def _look(round_: Round) -> None:
    """Ask for all campaigns' figures, and note of which something is to be read."""
    since = round_.now - LOOKED_AT
    kept_until = round_.chore.cursor.get("sent_until")
    asked = max(datetime.fromisoformat(kept_until) - OVERLAP, since) if kept_until else since
    sent = {each.id: each for each in reports.campaigns_sent(round_.client, round_.audience_id, asked)}
    figures = {each.id: each for each in reports.reports_since(round_.client, round_.audience_id, since)}
    texts = _sms_campaigns(round_.client)
    with round_.storing() as tx:
        known = campaigns.since(tx, round_.shop_id, since)
        rows = []
        for campaign_id in {*sent, *figures}:
            campaign, report, before = sent.get(campaign_id), figures.get(campaign_id), known.get(campaign_id)
            row = _row(campaign or report, campaign.url if campaign else None, before)
            row["totals"] = _totals(report) if report else before.totals if before else {}
            row["totals"] |= _listed(campaign, before)
            if before is None or any(getattr(before, name) != value for name, value in row.items()):
                rows.append(row)
        rows += _texts_rows(texts, since, round_.now)
        campaigns.put(tx, round_.shop_id, rows)
        known = campaigns.since(tx, round_.shop_id, since)
        told_twice = campaign_pages.told_twice(known)
        changed = [
            each
            for each in known.values()
            if each.id in figures  # what another audience got was left with it
            and each.id not in told_twice
            and each.state != campaigns.READING
            and each.next_at <= round_.now
            and campaign_pages.has_news(each)
        ]
        for each in changed:
            campaign_pages.begin(each)
            each.next_at = round_.now + _rest(each, round_.now)
            campaigns.save(tx, round_.shop_id, each)
        text_messages.begin(round_, tx)
        newest = max((each.sent_at for each in sent.values()), default=None)
        if newest is not None:
            round_.chore.cursor["sent_until"] = newest.isoformat()
        round_.chore.cursor["reading"] = True


def _row(found: Any, url: str | None, before: Kept | None) -> dict[str, Any]:
    title = found.title or (before.title if before else "")
    url = url or (before.url if before else None)
    return {"id": found.id, "channel": campaigns.EMAIL, "title": title, "sent_at": found.sent_at, "url": url}


def _totals(report: Report) -> dict[str, Any]:
    times = {"last_open": report.last_open, "last_click": report.last_click}
    return {
        **report.totals,
        **{name: at.isoformat() for name, at in times.items() if at is not None},
        KIND: report.kind,
    }


def _listed(campaign: SentCampaign | None, before: Kept | None) -> Mapping[str, Any]:
    """What only the list of campaigns says, which has but the newest."""
    kept = before.totals if before is not None else {}
    found = {"utm": campaign and campaign.utm, PARENT: campaign and campaign.parent}
    return {name: value for name, given in found.items() if (value := given or kept.get(name))}


def _texts_rows(texts: list[SmsCampaign], since: datetime, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "channel": campaigns.SMS,
            "title": each.title,
            "sent_at": each.sent_at,
            "url": None,
            "totals": {"sent": each.recipients},
        }
        for each in texts
        if since <= each.sent_at <= now
    ]


def _sms_campaigns(client: MailchimpClient) -> list[SmsCampaign]:
    """The text messages; none where the account has none, or its plan or user no access to them."""
    try:
        return reports.sms_campaigns(client)
    except Rejected:
        return []
    except Unauthorized as error:
        if error.status == 403:
            return []
        raise


def _rest(campaign: Kept, now: datetime) -> timedelta:
    """How long a campaign is left alone after it was read: a big one for a part of its age."""
    recipients = campaign.totals.get("sent") or 0
    return timedelta(0) if recipients <= SMALL else (now - campaign.sent_at) / 24


def _newcomers(round_: Round) -> None:
    """Contacts who became customers after they had acted: some are looked through each time, round and round."""
    cursor = round_.chore.cursor
    with round_.storing() as tx:
        found, last = engagements.unwritten(
            tx, round_.shop_id, after=cursor.get("looked_through", ""), limit=LOOKED_THROUGH
        )
        marking.mark(tx, round_.shop_id, [engaged(contact) for contact in found])
        cursor["looked_through"] = last
