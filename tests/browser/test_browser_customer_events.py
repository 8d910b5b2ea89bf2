"""Customer events in a real browser: accessible in every state, by keyboard, without script (S38, S40, S41)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import events_house as events
import pytest
import web_house as house
from sqlalchemy import text
from test_browser_flows import press

LONG_AGO = datetime.now(UTC) - timedelta(days=9)
TROUBLES: dict[str, dict[str, Any]] = {
    "inactive": {"activated_at": LONG_AGO, "last_event_at": LONG_AGO},
    "failed": {
        "pixel_id": None,
        "state": "failed",
        "trouble": {"code": "pixel_no_extension", "detail": "No extension found"},
    },
}


@pytest.fixture
def shop(standalone: Any, database: Any) -> int:
    """Live, with a week of events in both directions."""
    shop = house.add_shop(database)
    house.connect(standalone.runtime, shop)
    house.add_run(database, shop, "done")
    house.go_live(database, shop)
    person = house.add_person(database, shop)
    events.a_week(database, shop)
    events.add_engagement(database, shop, "anna.berg@example.com", email_received=12, email_opened=7, sms_clicked=1)
    events.link(database, shop, "v1", key="anna.berg@example.com")
    sent = {"name": "product_viewed", "at": "2026-11-22T10:00:00+00:00", "times": 3}
    house.add_live_line(database, shop, person, kind="event", rule=None, detail=sent)
    changed = {"changed": {"email_opened_count": "7", "email_last_opened_at": "2026-11-22T10:00:00Z"}}
    house.add_live_line(database, shop, person, kind="engagement", direction="to_shopify", rule=None, detail=changed)
    return shop


PAGES = {
    "events": "/customer-events",
    "events-day": "/customer-events?period=day&again=1",
    "events-overview": "/",
    "events-settings": "/settings",
    "events-options": "/setup/options",
    "events-person": "/contacts/1",
    "events-activity": "/activity?kind=event",
}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 320)])
def test_every_page_of_customer_events_is_accessible(
    standalone: Any,
    database: Any,
    shop: int,
    scheme: str,
    width: int,
    open_context: Any,
    axe: Any,
    shot: Any,
) -> None:
    """Criteria 6 and 8."""
    page = open_context(color_scheme=scheme, viewport={"width": width, "height": 800}).new_page()
    found: dict[str, Any] = {}

    def look(name: str, path: str) -> None:
        page.goto(standalone.url + path)
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        shot(page, f"{name}-{width}-{scheme}")
        if problems := axe(page):
            found[name] = problems
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            found[f"{name} scrolls sideways"] = [f"{wide} px"]

    for name, path in PAGES.items():
        look(name, path)
    events.add_checkouts(database, shop, 9)
    for state, values in TROUBLES.items():
        events.add_pixel(database, shop, **values)
        look(f"events-{state}", "/customer-events")
        look(f"events-settings-{state}", "/settings")
    assert not found, found


def test_before_anything_happened_the_page_is_accessible_too(
    standalone: Any, database: Any, open_context: Any, axe: Any, shot: Any
) -> None:
    shop = house.add_shop(database)
    house.connect(standalone.runtime, shop)
    page = open_context().new_page()
    page.goto(f"{standalone.url}/customer-events")
    shot(page, "events-empty")
    assert axe(page) == []
    house.add_person(database, shop)
    page.goto(f"{standalone.url}/contacts/1")
    assert axe(page) == []


@pytest.mark.parametrize("script", [True, False])
def test_s41_the_switch_by_keyboard_with_and_without_script(
    standalone: Any, database: Any, shop: int, open_context: Any, axe: Any, shot: Any, script: bool
) -> None:
    """The app's tab Settings, down to "Customer Event Syncing", "Deactivate": at once, and the page says what stays."""
    page = open_context(java_script_enabled=script).new_page()
    page.goto(standalone.url + "/")
    page.get_by_role("link", name="Settings", exact=True).first.click()
    card = page.get_by_role("region", name="Customer Event Syncing")
    off = page.get_by_role("button", name="Deactivate", description="Customer Event Syncing")
    off.wait_for()  # of several: who only hears the buttons is told which is which
    press(page, off)
    card.get_by_role("button", name="Activate", exact=True).wait_for()
    assert count(database, "select count(*) from customer_events where state = 'waiting'") == 0
    assert count(database, "select count(*) from customer_events where reason = 'off'") == 3
    assert card.get_by_text("What was sent before stays").is_visible()
    if script:
        shot(page, "events-settings-off")
        assert axe(page) == []
        page.goto(f"{standalone.url}/customer-events")
        shot(page, "events-off")
        assert axe(page) == []
        page.goto(f"{standalone.url}/settings")
    press(page, card.get_by_role("button", name="Activate", exact=True))
    card.get_by_role("button", name="Deactivate").wait_for()
    assert count(database, "select count(*) from pixels where enabled") == 1


def test_turn_on_again_by_keyboard(standalone: Any, database: Any, shop: int, open_context: Any) -> None:
    """Criterion 17: what the merchant can mend has a button that does."""
    events.add_checkouts(database, shop, 9)
    events.add_pixel(database, shop, **TROUBLES["inactive"])
    page = open_context().new_page()
    page.goto(f"{standalone.url}/customer-events")
    press(page, page.get_by_role("button", name="Turn on again"))
    page.get_by_text("The pixel is being looked at").wait_for()
    assert count(database, "select count(*) from chores where name = 'pixel' and due_at <= now()") == 1


def count(database: Any, query: str) -> int:
    with database.transaction() as tx:
        return int(tx.execute(text(query)).scalar_one())
