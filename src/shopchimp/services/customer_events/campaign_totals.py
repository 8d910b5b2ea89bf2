"""Campaigns on Shopify's Marketing page: each one's figures, day by day of the shop's calendar.

Mailchimp gives sums, Shopify wants each day's own figures: the difference to what was known is the day's. What is about
to be told is stored before it is told, so whoever is killed between says the same once more, and that overwrites.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from shopchimp.db import campaigns
from shopchimp.db.campaigns import Kept
from shopchimp.domain.errors import Rejected, Unauthorized
from shopchimp.services.customer_events.campaign_pages import told_twice
from shopchimp.services.customer_events.polling import PART, Round
from shopchimp.shopify import marketing
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.marketing import Newsletter
from shopchimp.shopify.oauth import missing_scopes

log = structlog.get_logger()

SCOPE = "write_marketing_events"
KEPT_DAYS = 32
AGAIN_DAYS = 3  # told again when a new day begins
APART = timedelta(minutes=30)  # between two times that one campaign is told of
REFUSED = timedelta(days=1)
_FIGURES = ("sent", "opens", "unique_opens", "clicks", "unique_clicks", "unsubscribed", "complaints", "bounces")


def tell(round_: Round) -> None:
    """Tell Shopify what changed of campaigns' figures, where the merchant granted that."""
    if missing_scopes((SCOPE,), [scope.strip() for scope in round_.scopes.split(",")]):
        return
    with round_.gateways.database.transaction() as tx:
        known = campaigns.since(tx, round_.shop_id, round_.now - timedelta(days=30))
    left_out = told_twice(known)
    once = [each for each in known.values() if each.id not in left_out]
    due = [each for each in once if each.url and each.totals.get("sent") and _is_due(each, round_.now)]
    if not due:
        return
    client, until = round_.gateways.shopify(round_.shop_id), time.monotonic() + PART
    try:
        for each in due:
            if time.monotonic() >= until:
                return  # another shop's turn: the others are told next time
            _tell(round_, client, each)
    except Unauthorized as error:
        if error.code != "sh_scope_missing":
            raise
        log.warning("campaign_totals_off", code=error.code)  # of use to nothing else: the rest goes on


def _is_due(campaign: Kept, now: datetime) -> bool:
    told = campaign.told
    if "wait_until" in told and datetime.fromisoformat(told["wait_until"]) > now:
        return False
    return bool(told.get("unsaid")) or _figures(campaign) != told.get("total")


def _figures(campaign: Kept) -> dict[str, int]:
    return {name: int(campaign.totals.get(name) or 0) for name in _FIGURES}


def _tell(round_: Round, client: ShopifyClient, campaign: Kept) -> None:
    told = noted(campaign, round_.now, zone_of(round_.timezone))
    with round_.storing() as tx:
        campaigns.tell(tx, round_.shop_id, campaign.id, told)
    refused = _say(client, campaign, told, zone_of(round_.timezone))
    told["wait_until"] = (round_.now + (REFUSED if refused else APART)).isoformat()
    with round_.storing() as tx:
        campaigns.tell(tx, round_.shop_id, campaign.id, told)


def noted(campaign: Kept, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """What Shopify is to be told: the difference to what was known before belongs to the day on which it happened."""
    before, after = campaign.told.get("total") or {}, _figures(campaign)
    days: dict[str, dict[str, int]] = {day: dict(row) for day, row in (campaign.told.get("days") or {}).items()}
    unsaid = set(campaign.told.get("unsaid") or ())
    today = _day(now, zone)
    for name, value in after.items():
        more = value - int(before.get(name, 0))
        if more > 0:  # a figure that went down says that somebody was deleted, not that a day was better
            day = min(_happened(name, campaign, now, zone), today).isoformat()
            row = days.setdefault(day, {})
            row[name] = row.get(name, 0) + more
            unsaid.add(day)
    if today.isoformat() in unsaid and campaign.told.get("today") != today.isoformat():
        since = (today - timedelta(days=AGAIN_DAYS)).isoformat()
        unsaid |= {day for day in days if day >= since}
    oldest = (today - timedelta(days=KEPT_DAYS)).isoformat()
    return {
        **campaign.told,
        "total": after,
        "days": {day: row for day, row in days.items() if day >= oldest},
        "unsaid": sorted(day for day in unsaid if day >= oldest),
        "today": today.isoformat(),
    }


def _happened(name: str, campaign: Kept, now: datetime, zone: ZoneInfo) -> date:
    """The day to which more of a figure belongs, as near as Mailchimp says."""
    if name in ("sent", "bounces"):
        return _day(campaign.sent_at, zone)
    kind = {"opens": "last_open", "unique_opens": "last_open", "clicks": "last_click", "unique_clicks": "last_click"}
    last = campaign.totals.get(kind.get(name, ""))
    return _day(datetime.fromisoformat(last) if last else now, zone)


def _say(client: ShopifyClient, campaign: Kept, told: dict[str, Any], zone: ZoneInfo) -> str | None:
    """Say what is unsaid. Gives back why not, where Shopify refused."""
    try:
        if not told.get("registered"):
            if (refused := _register(client, campaign)) is not None:
                return refused
            told["registered"] = True
        for day in list(told["unsaid"]):
            row = _complete(told["days"].get(day) or {})
            refusal = marketing.engage(client, campaign.id, date.fromisoformat(day), utc_offset(day, zone), row)
            if refusal is not None:
                told["registered"] = told["registered"] and refusal.code != marketing.GONE
                return _refused(campaign, refusal.code, refusal.message)
            told["unsaid"].remove(day)
    except Rejected as error:
        return _refused(campaign, error.code, error.detail)
    return None


def _register(client: ShopifyClient, campaign: Kept) -> str | None:
    """Have it on the Marketing page under the name that its links carry; under its id where another one has that."""
    refusal = None
    for utm in dict.fromkeys((str(campaign.totals.get("utm") or campaign.id), campaign.id)):
        newsletter = Newsletter(campaign.id, campaign.title, str(campaign.url), campaign.sent_at, utm)
        refusal = marketing.register(client, newsletter)
        if refusal is not None and refusal.code == marketing.UTM_FIXED:  # it is there, from before a reinstall
            return None
        if refusal is None or refusal.code != marketing.UTM_TAKEN:
            break
    return _refused(campaign, refusal.code, refusal.message) if refusal is not None else None


def _refused(campaign: Kept, code: str, words: str) -> str:
    log.warning("campaign_totals_refused", campaign=campaign.id, code=code, words=words[:200])
    return code or "refused"


def _complete(row: Mapping[str, int]) -> dict[str, int]:
    """A day's figures as Shopify takes them: what was delivered is what was sent and did not bounce."""
    delivered = max(row.get("sent", 0) - row.get("bounces", 0), 0)
    return {**row, **({"delivered": delivered} if row.get("sent") else {})}


def zone_of(name: str) -> ZoneInfo:
    """The shop's time zone; UTC where its name is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def _day(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def utc_offset(day: str, zone: ZoneInfo) -> str:
    """The zone's distance to UTC at noon of a day, as Shopify spells it."""
    noon = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=zone)
    seconds = int((noon.utcoffset() or timedelta(0)).total_seconds())
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"
