"""HTML out: one Jinja environment, the merchant's words as filters, and a page as a whole or as a fragment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.numbers import format_currency, format_decimal
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from shopchimp.db import shops
from shopchimp.domain.causes import cause
from shopchimp.services import activity, preview, progress, words
from shopchimp.services.commerce import words as commerce_words
from shopchimp.services.customer_events import words as event_words
from shopchimp.web import assets, deps
from shopchimp.web.deps import Visitor

LOCALE = "en"
TEMPLATES = Path(__file__).parent / "templates"


def page(request: Request, visitor: Visitor, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page for somebody we know, in the shop's own time zone."""
    with deps.database(request).transaction() as tx:
        shop = shops.get(tx, visitor.shop_id)
    values = {
        "visitor": visitor,
        "embedded": visitor.embedded,
        "shop_name": (shop.name if shop else "") or visitor.domain,
        "zone_name": shop.timezone if shop else "UTC",
        "zone": activity.time_zone(shop.timezone if shop else "UTC"),
        **context,
    }
    return bare(request, template, status=status, **values)


def bare(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page that needs to know nobody: errors and the bounce page."""
    runtime = deps.runtime(request)
    values = {
        "embedded": bool(getattr(request.state, "frame_shop", "")),
        "visitor": None,
        "section": "",
        "zone": ZoneInfo("UTC"),
        "zone_name": "UTC",
        "api_key": runtime.gateways.shopify_app.api_key,
        "app_bridge_url": runtime.app_bridge_url,
        "layout": "fragment.html" if deps.FRAGMENT_HEADER in request.headers else "document.html",
        **context,
    }
    html = environment().get_template(f"pages/{template}").render(values)
    return HTMLResponse(html, status_code=status, headers={"Vary": "X-Fragment"})


def environment() -> Environment:
    """The templates with our filters; made once."""
    return _ENVIRONMENT


def number(value: float) -> str:
    """1,234."""
    return format_decimal(value, locale=LOCALE)


@pass_context
def when(context: Context, value: datetime | None) -> Markup | str:
    """A time in the shop's zone, machine-readable, relative while it is fresh."""
    if value is None:
        return "–"
    local = value.astimezone(context["zone"])
    age = datetime.now(UTC) - value
    if timedelta(0) <= age < timedelta(minutes=1):
        shown = "just now"
    elif timedelta(0) <= age < timedelta(days=1):
        shown = format_timedelta(-age, add_direction=True, locale=LOCALE)
    else:
        shown = format_datetime(local, "d MMM y, HH:mm", locale=LOCALE)
    return _time(value, local, shown)


@pass_context
def stamp(context: Context, value: datetime | None) -> Markup | str:
    """Date and time in the shop's zone, however fresh it is."""
    if value is None:
        return "–"
    local = value.astimezone(context["zone"])
    return _time(value, local, format_datetime(local, "d MMM y, HH:mm", locale=LOCALE))


def money(amount: Decimal, currency: str) -> str:
    """€1,234.50, ¥1,234: with the currency's own decimals."""
    return format_currency(amount, currency, locale=LOCALE) if currency else number(float(amount))


def moment(value: object) -> datetime | None:
    """A time as the log keeps it."""
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


@pass_context
def soon(context: Context, value: datetime) -> Markup | str:
    """When something is tried next: "in 4 minutes", or "any moment"."""
    left = value - datetime.now(UTC)
    if left < timedelta(seconds=10):
        return "any moment"
    shown = format_timedelta(left, add_direction=True, locale=LOCALE)
    return _time(value, value.astimezone(context["zone"]), shown)


def took(milliseconds: float) -> str:
    """How long a change took: "0.8 s", "12 s", "3 minutes"."""
    seconds = milliseconds / 1000
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return duration(seconds)


def calendar_day(value: date) -> str:
    """A day that is no moment: a start date."""
    return format_date(value, "d MMM y", locale=LOCALE)


@pass_context
def day(context: Context, value: datetime | None) -> Markup | str:
    """The day in the shop's zone."""
    if value is None:
        return "–"
    local = value.astimezone(context["zone"])
    return _time(value, local, format_date(local, "d MMM y", locale=LOCALE))


@pass_context
def clock(context: Context, value: datetime) -> Markup:
    """The time of day in the shop's zone."""
    local = value.astimezone(context["zone"])
    return _time(value, local, format_time(local, "HH:mm", locale=LOCALE))


def _time(value: datetime, local: datetime, shown: str) -> Markup:
    full = format_datetime(local, "d MMMM y, HH:mm zzz", locale=LOCALE)
    exact = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, full, shown)


def plural(value: int, one: str, many: str) -> str:
    """1 person, 1,234 people."""
    return f"{number(value)} {one if value == 1 else many}"


def duration(seconds: float) -> str:
    """How long something took, in words."""
    if seconds < 90:
        return plural(max(round(seconds), 1), "second", "seconds")
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters.update(
        number=number, when=when, day=day, clock=clock, duration=duration, plural=plural, masked=words.masked
    )
    made.filters.update(soon=soon, took=took, date=calendar_day, sms_said=words.sms_said)
    made.filters.update(customer_state=words.customer_state, contact_status=words.contact_status)
    made.filters.update(rule_text=words.rule_text, cause=cause, spoken=progress.spoken)
    made.filters.update(what=activity.what, before_after=activity.before_after, told_by=words.told_by, moment=moment)
    made.filters.update(reason=activity.reason, why=preview.why)
    made.filters.update(stamp=stamp, money=money, about=commerce_words.about)
    made.globals.update(commerce_words=commerce_words, event_words=event_words)
    made.globals.update(asset=assets.address, words=words, now=lambda: datetime.now(UTC))
    return made


_ENVIRONMENT = _environment()
