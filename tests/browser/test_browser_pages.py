"""Every page, empty and filled, light and dark, wide and at 320 px: axe-clean and without sideways scroll."""

from __future__ import annotations

from typing import Any

import pytest
import web_house as house


def _pages(state: str, run: Any, person: int) -> dict[str, str]:
    every = {
        "connect": "/setup/connect",
        "audience": "/setup/audience",
        "options": "/setup/options",
        "activity": "/activity",
        "activity-none": "/activity?result=failed&kind=run",
        "contacts": "/contacts",
        "settings": "/settings",
        "settings-fields": "/settings/fields",
        "settings-tags": "/settings/tags",
        "settings-sms": "/settings/sms",
        "privacy": "/privacy",
        "live": "/live",
        "failed": "/failed",
        "held": "/held",
        "drift": "/drift",
        "not-found": "/nothing",
    }
    if state == "empty":
        return {**every, "preview-new": "/setup/preview"}
    if state == "live":
        return {
            **{name: path for name, path in every.items() if not path.startswith("/setup")},
            "overview": "/",
            "failed-people": "/failed/mc_field_value",
            "failed-waiting": "/failed/mc_slow_down?state=waiting",
            "held-people": "/held/many_changes",
            "drift-rows": f"/drift/{run['audit']}",
            "settings-sms-count": "/settings/sms?start=2026-01-01",
            "settings-sms-people": "/settings/sms/people?start=2026-01-01&group=stopped",
            "item": f"/activity/{run['line']}",
            "person": f"/contacts/{person}",
        }
    return {
        **every,
        "overview": "/",
        "sync": f"/syncs/{run['running']}",
        "sync-done": f"/syncs/{run['done']}",
        "cancel": f"/syncs/{run['running']}/cancel",
        "preview": f"/setup/preview/{run['ready']}",
        "making": f"/setup/preview/{run['preparing']}",
        "rows": f"/setup/preview/{run['ready']}/rows",
        "item": "/activity/2",
        "person": f"/contacts/{person}",
        "history": f"/activity?contact={person}",
        "disconnect": "/settings/disconnect",
    }


@pytest.fixture
def seeded(standalone: Any, database: Any, request: pytest.FixtureRequest) -> dict[str, str]:
    state = request.param
    shop = house.add_shop(database)
    if state == "empty":
        house.connect(standalone.runtime, shop)
        return _pages(state, {}, 0)
    house.connect(standalone.runtime, shop)
    if state == "live":
        there = house.live_everything(standalone.runtime, shop)
        return _pages(state, there, there["person"])
    runs = {name: house.add_run(database, shop, name) for name in ("preparing", "ready", "done", "running")}
    person = house.add_person(database, shop, runs["done"])
    failed = {"result": "failed", "reason": "mc_email_refused", "rule": "initial.S6+S7"}
    house.add_person(database, shop, runs["done"], key="b@example.com", email="b@example.com", **failed)
    return _pages(state, runs, person)


@pytest.mark.parametrize("seeded", ["empty", "filled", "live"], indirect=True)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 320)])
def test_every_page_is_accessible(
    standalone: Any,
    seeded: dict[str, str],
    scheme: str,
    width: int,
    open_context: Any,
    axe: Any,
    shot: Any,
    request: Any,
) -> None:
    context = open_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = context.new_page()
    state = request.node.callspec.params["seeded"]
    found = {}
    for name, path in seeded.items():
        page.goto(standalone.url + path)
        shot(page, f"{state}-{name}-{width}-{scheme}")
        if problems := axe(page):
            found[name] = problems
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            found[f"{name} scrolls sideways"] = [f"{wide} px"]
    assert not found, found
