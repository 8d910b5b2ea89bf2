"""The activity log as the merchant reads it: filtered, a page at a time, one line with all that is stored of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shopchimp.db import activities, shops
from shopchimp.db.activities import Activity, Filter
from shopchimp.db.session import Database
from shopchimp.domain.causes import Cause, cause
from shopchimp.services import words
from shopchimp.services.customer_events import words as event_words


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
    if (named := _WHAT.get(activity.kind)) is not None:
        return named(activity)
    return next((f"First sync {said}" for event, said in _EVENTS.items() if activity.detail.get(event)), "First sync")


def before_after(activity: Activity) -> tuple[str, str] | None:
    """Consent before and after, in words; None where a line is about something else."""
    before, after = activity.detail.get("before"), activity.detail.get("after")
    if activity.kind not in {"consent", "sms"} or not isinstance(after, str):
        return None
    if activity.kind == "sms":
        named: Callable[[str], str] = _sms_word
    else:
        named = words.customer_state if activity.direction == "to_shopify" else words.contact_status
    return (named(before) if isinstance(before, str) else "", named(after))


def _sms_word(state: str) -> str:
    return words.SMS_STATES.get(state, state)


_NAMES = {
    "conflict_policy": "conflicting choices",
    "sync_non_subscribed": "new customers",
    "tag": "tag",
    "field_map": "fields",
    "two_way": "fields both ways",
    "tags": "customers' tags",
    "chosen_tags": "chosen tags",
    "create_customers": "Create New Customers",
    "create_customers_since": "Create New Customers since",
    "cleaned_to_customer": "bounced contacts",
    "erase_contacts": "erasure",
    "sms": "SMS",
    "breaker": "circuit breaker",
    "promo_hours": "hours between promo code syncs",
    "customer_events": "Customer Event Syncing",
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
    said = before_after(activity)
    title = "SMS consent" if activity.kind == "sms" else "Consent"
    if said is None:
        return title
    return f"{title}: {said[0]} → {said[1]}" if said[0] else f"{title}: {said[1]}"


def _contact(activity: Activity) -> str:
    return "New contact" if activity.detail.get("action") == "create" else "Profile"


def _customer(activity: Activity) -> str:
    if activity.direction == "to_mailchimp":  # as a customer of the store there
        said = {"create": " added", "delete": " removed"}.get(str(activity.detail.get("action")), "")
        return f"Customer of the store{said}"
    return "New customer" if activity.detail.get("action") == "create" else "Customer's fields"


def _tags(activity: Activity) -> str:
    detail = activity.detail
    added = [f"+{tag}" for tag in detail.get("tags_added", ())]
    removed = [f"−{tag}" for tag in detail.get("tags_removed", ())]
    return f"Tags: {', '.join(added + removed)}" if added or removed else "Tags"


def _identity(activity: Activity) -> str:
    return "Contact moved to the new address" if activity.detail.get("action") == "move" else "Address changed"


def _settings(activity: Activity) -> str:
    names = ", ".join(_NAMES.get(name, name) for name in activity.detail.get("changed", {}))
    by = activity.detail.get("by")
    return f"Settings changed{f' by {by}' if by else ''}{f': {names}' if names else ''}"


def _breaker(activity: Activity) -> str:
    detail = activity.detail
    said = {"let_go": "let go", "drop": "dropped", "seen": "noted"}.get(detail.get("decision", ""))
    if said is None:
        return "Circuit breaker: needs you"
    by = f" by {detail['by']}" if detail.get("by") else ""
    people = int(detail.get("people", 0))
    number = f", {people:,} {'person' if people == 1 else 'people'}" if people else ""
    return f"Circuit breaker: {said}{by}{number}"


def _privacy(activity: Activity) -> str:
    detail = activity.detail
    if detail.get("data_request"):
        return "A customer asked for their data"
    if not detail.get("erased"):
        return "Privacy request"
    contact = {"erased": ", contact erased in Mailchimp", "stopped": ", contact kept in Mailchimp"}
    return f"A customer was erased{contact.get(str(detail.get('contact')), '')}"


def _connection(activity: Activity) -> str:
    detail = activity.detail
    if "audience" in detail:
        return f"Audience chosen: {detail['audience']}"
    if "installed" in detail:
        return "Installed in Shopify" if detail["installed"] else "Uninstalled from Shopify"
    if "connected" in detail:
        return f"Mailchimp connected: {detail.get('account', '')}" if detail["connected"] else "Mailchimp disconnected"
    if detail.get("needs_you"):
        return "The connection needs you"
    return "The connection fails" if detail.get("failing") else "Connection"


def _order(activity: Activity) -> str:
    return _named(activity, "Order", {"delete": "removed"})


def _cart(activity: Activity) -> str:
    return _named(activity, "Abandoned cart", {"delete": "removed"})


def _product(activity: Activity) -> str:
    return _named(activity, "Product", {"delete": "taken off sale"})


def _promo(activity: Activity) -> str:
    detail = activity.detail
    if "started" in detail or "counts" in detail:
        return "Promo codes weren't synced" if activity.cause else "Promo codes synced"
    return _named(activity, "Promo code", {"delete": "removed"})


def _named(activity: Activity, kind: str, actions: dict[str, str]) -> str:
    """ "Order #1042 removed", "Product Brass desk lamp", by what is kept of it."""
    detail = activity.detail
    name = next((str(detail[key]) for key in ("number", "code", "title") if detail.get(key)), "")
    said = "cancelled" if detail.get("cancelled") else actions.get(str(detail.get("action")), "")
    return " ".join(filter(None, (kind, name, said)))


def _completeness(activity: Activity) -> str:
    return "The sums of orders and products don't close" if activity.detail.get("open") else "The sums close again"


def _event(activity: Activity) -> str:
    return event_words.event(activity.detail)


def _engagement(activity: Activity) -> str:
    return event_words.engagement(activity.detail)


_WHAT = {
    "event": _event,
    "engagement": _engagement,
    "completeness": _completeness,
    "order": _order,
    "cart": _cart,
    "product": _product,
    "promo": _promo,
    "contact": _contact,
    "consent": _consent,
    "sms": _consent,
    "customer": _customer,
    "tags": _tags,
    "identity": _identity,
    "settings": _settings,
    "connection": _connection,
    "breaker": _breaker,
    "privacy": _privacy,
}


def reason(activity: Activity) -> Cause | None:
    """The catalogue's words for a line's cause, where it has one."""
    return cause(activity.cause) if activity.cause else None
