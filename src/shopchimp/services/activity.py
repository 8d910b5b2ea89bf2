"""The activity log as the merchant reads it: filtered, a page at a time, one line with all that is stored of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shopchimp.db import activities, shops
from shopchimp.db.activities import Activity, Filter
from shopchimp.db.session import Database
from shopchimp.domain.causes import Cause, cause
from shopchimp.services import words


@dataclass(frozen=True, slots=True)
class Log:
    """One page of the log and where the next (older) one starts, or None at the end."""

    lines: tuple[Activity, ...]
    next_cursor: int | None


def log(database: Database, shop_id: int, wanted: Filter, *, cursor: int | None = None, limit: int = 50) -> Log:
    """The newest lines that pass the filter."""
    with database.transaction() as tx:
        found = activities.page(tx, shop_id, wanted, before=cursor, limit=limit + 1)
    more = len(found) > limit
    found = found[:limit]
    return Log(tuple(found), found[-1].id if more else None)


def line(database: Database, shop_id: int, activity_id: int) -> Activity | None:
    """One line of this shop's log, or None."""
    with database.transaction() as tx:
        return activities.get(tx, shop_id, activity_id)


def on_days(database: Database, shop_id: int, wanted: Filter, *, first: date | None, last: date | None) -> Filter:
    """The filter bounded to whole days of the shop's own time zone."""
    if first is None and last is None:
        return wanted
    with database.transaction() as tx:
        shop = shops.get(tx, shop_id)
    zone = time_zone(shop.timezone if shop else "UTC")
    since = datetime.combine(first, time.min, zone) if first else None
    until = datetime.combine(last + timedelta(days=1), time.min, zone) if last else None
    return replace(wanted, since=since, until=until)


def time_zone(name: str) -> ZoneInfo:
    """The shop's time zone; UTC where the name isn't known."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def what(activity: Activity) -> str:
    """What a line is about, in a few words without an address."""
    detail = activity.detail
    if activity.kind in {"contact", "consent"}:
        return "Profile" if activity.kind == "contact" else _consent(activity)
    if activity.kind == "settings":
        names = ", ".join(_NAMES.get(name, name) for name in detail.get("changed", {}))
        by = detail.get("by")
        return f"Settings changed{f' by {by}' if by else ''}{f': {names}' if names else ''}"
    if activity.kind == "connection":
        return _connection(activity)
    if activity.kind == "privacy":
        return "Personal data asked for" if "data_request" in detail else "Personal data erased"
    return next((f"First sync {said}" for event, said in _EVENTS.items() if detail.get(event)), "First sync")


_NAMES = {
    "conflict_policy": "conflicting choices",
    "sync_non_subscribed": "new customers",
    "tag": "tag",
    "field_map": "fields",
}
_EVENTS = {
    "started": "started",
    "paused": "paused",
    "resumed": "resumed",
    "done": "finished",
    "cancelled": "stopped",
    "failed": "failed",
    "needs_you": "needs you",
}


def _consent(activity: Activity) -> str:
    before, after = activity.detail.get("before"), activity.detail.get("after")
    named = words.customer_state if activity.direction == "to_shopify" else words.contact_status
    if isinstance(before, str) and isinstance(after, str):
        return f"Consent: {named(before)} → {named(after)}"
    return f"Consent: {named(after)}" if isinstance(after, str) else "Consent"


def _connection(activity: Activity) -> str:
    detail = activity.detail
    if "audience" in detail:
        return f"Audience chosen: {detail['audience']}"
    if "installed" in detail:
        return "Installed in Shopify" if detail["installed"] else "Uninstalled from Shopify"
    if "connected" in detail:
        return f"Mailchimp connected: {detail.get('account', '')}" if detail["connected"] else "Mailchimp disconnected"
    return "Connection"


def reason(activity: Activity) -> Cause | None:
    """The catalogue's words for a line's cause, where it has one."""
    return cause(activity.cause) if activity.cause else None
