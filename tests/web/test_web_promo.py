"""Promo codes on their page and by API: the button, the runs, what became of every code (S64, S65)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import commerce_house as goods
import pytest
import web_house as house
from sqlalchemy import insert, text

from shopchimp.db import models


@pytest.fixture
def database(embedded_runtime):
    return embedded_runtime.database


@pytest.fixture
def open_shop(database, shop):
    """The first sync is complete, and the store is at Mailchimp."""
    goods.open_commerce(database, shop)
    return shop


@pytest.fixture
def client(embedded, shop):
    return embedded()


def add_run(database, shop: int, state: str = "done", **values):
    now = datetime.now(UTC)
    row = {"id": uuid4(), "shop_id": shop, "trigger": "schedule", "state": state}
    row |= {"started_at": now - timedelta(minutes=10), "finished_at": None if state == "running" else now}
    with database.transaction() as tx:
        tx.execute(insert(models.PromoRun).values({**row, **values}))


def runs(database) -> int:
    with database.transaction() as tx:
        return int(tx.execute(text("select count(*) from promo_runs where state = 'running'")).scalar_one())


def test_s65_the_button_starts_a_run_and_pressed_twice_there_is_one(client, database, open_shop):
    """Criterion 24."""
    assert "Sync promo codes" in client.get("/promo-codes").text
    for _ in range(2):
        assert client.post("/promo-codes/sync").headers["location"] == "/promo-codes"
    assert runs(database) == 1
    page = client.get("/promo-codes").text
    assert 'data-poll="/promo-codes"' in page
    assert "Syncing promo codes." in page
    assert "by the button" in page


def test_s65_the_same_by_api(client, database, open_shop):
    first, second = (client.post("/api/v1/promo-codes/sync").json() for _ in range(2))
    assert first["id"] == second["id"]
    assert (first["state"], first["trigger"]) == ("running", "manual")
    assert client.get("/api/v1/promo-codes/status").json()["running"]["id"] == first["id"]
    assert client.get(f"/api/v1/promo-codes/runs/{first['id']}").json()["state"] == "running"
    assert client.get(f"/api/v1/promo-codes/runs/{UUID(int=7)}").status_code == 404
    assert runs(database) == 1


def test_before_the_first_sync_is_complete_there_is_no_button_and_pressing_it_is_refused(client, database, shop):
    assert "The button works when it is complete." in client.get("/promo-codes").text
    assert client.post("/promo-codes/sync").status_code == 409
    refused = client.post("/api/v1/promo-codes/sync")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_live")
    assert runs(database) == 0


def test_s64_the_page_says_how_often_and_what_the_last_run_did_and_when_the_next_is(client, database, open_shop):
    counts = {"added": 36, "changed": 2, "removed": 1, "failed": 0, "unsupported": 1, "unchanged": 4}
    add_run(database, open_shop, counts=counts)
    page = client.get("/promo-codes").text
    assert "They sync every 3 hours, and when you press the button." in page
    assert "36 added · 2 changed · 1 removed · 0 failed" in page
    assert "Mailchimp has nothing for 1 code." in page
    assert "It took 10 minutes." in page
    assert "Next run" in page
    assert "data-poll" not in page
    said = client.get("/api/v1/promo-codes/status").json()
    assert said["last_run"]["counts"] == counts
    assert said["next_run_at"] > said["last_run"]["finished_at"]


def test_a_run_that_failed_or_waits_says_why(client, database, open_shop):
    add_run(database, open_shop, state="failed", trouble={"code": "sh_scope_missing"})
    assert "A Shopify permission is missing" in client.get("/promo-codes").text
    add_run(database, open_shop, state="running", started_at=datetime.now(UTC), trouble={"code": "mc_slow_down"})
    page = client.get("/promo-codes").text
    assert "Mailchimp asked us to slow down" in page
    assert client.get("/api/v1/promo-codes/status").json()["running"]["trouble"] == "mc_slow_down"
    assert [each["state"] for each in client.get("/api/v1/promo-codes/runs").json()["runs"]] == ["running", "failed"]


def test_each_code_has_its_result_and_what_is_not_supported_its_reason(client, database, open_shop):
    """Criterion 24."""
    goods.add_discount(database, open_shop, 1, codes=2)
    goods.add_discount(database, open_shop, 2, codes=1, state="skipped", reason="buy_x_get_y")
    goods.add_discount(database, open_shop, 3, codes=1, state="failed", reason="mc_rejected")
    page = client.get("/promo-codes").text
    for said in ("WELCOME1-000001", "10% off entire order", "Not supported", "Buy X get Y", "Failed"):
        assert said in page
    assert "discounts/2" in page
    shown = client.get("/promo-codes?result=skipped").text
    assert "WELCOME2-000000" in shown
    assert "WELCOME1-000000" not in shown
    discounts = client.get("/promo-codes/discounts").text
    assert "Mailchimp has no such type of promo code." in discounts
    listed = client.get("/api/v1/promo-codes/discounts").json()["discounts"]
    assert [(each["id"], each["result"], each["reason"], each["codes"]) for each in listed] == [
        ("1", "synced", None, 2),
        ("2", "skipped", "buy_x_get_y", 1),
        ("3", "failed", "mc_rejected", 1),
    ]
    assert client.get("/api/v1/promo-codes/status").json()["codes"] == {"synced": 2, "skipped": 1, "failed": 1}


def test_a_code_is_found_by_its_beginning(client, database, open_shop):
    goods.add_discount(database, open_shop, 1, codes=60)
    assert "WELCOME1-000059" in client.get("/promo-codes?q=welcome1-000059").text
    assert "No code matches these filters." in client.get("/promo-codes?q=%25").text
    found = client.get("/api/v1/promo-codes?search=WELCOME1-00005").json()["promo_codes"]
    assert [each["code"] for each in found] == [f"WELCOME1-00005{n}" for n in range(10)]


def test_pages_reach_every_code_once(client, database, open_shop):
    goods.add_discount(database, open_shop, 1, codes=120)
    seen, cursor = [], ""
    while cursor is not None:
        part = client.get(f"/api/v1/promo-codes?limit=50&cursor={cursor}").json()
        seen += [each["code"] for each in part["promo_codes"]]
        cursor = part["next_cursor"]
    assert len(seen) == len(set(seen)) == 120
    page = client.get("/promo-codes").text
    assert page.count("WELCOME1-") == 50
    assert "Next" in page


def test_another_shop_sees_none_of_it(embedded, database, open_shop):
    goods.add_discount(database, open_shop, 1)
    add_run(database, open_shop)
    house.add_shop(database, house.OTHER_SHOP)
    other = embedded(house.OTHER_SHOP)
    assert "WELCOME1" not in other.get("/promo-codes").text
    assert other.get("/api/v1/promo-codes/runs").json() == {"runs": []}
    assert other.get("/api/v1/promo-codes/status").json()["codes"] == {}


def test_s64_the_hours_are_a_setting(client, database, open_shop):
    form = {"customers": "all", "share": "2", "least": "50", "breaker": "yes"}
    refused = client.post("/settings", data={**form, "promo_hours": "0"})
    assert refused.status_code == 422
    assert "Type a number of hours from 1 to 24." in refused.text
    assert client.post("/settings", data={**form, "promo_hours": "12"}).status_code == 303
    assert client.get("/api/v1/settings").json()["promo_hours"] == 12
    assert "They sync every 12 hours" in client.get("/promo-codes").text
    assert "hours between promo code syncs" in client.get("/activity").text
    assert client.patch("/api/v1/settings", json={"promo_hours": 25}).status_code == 422
    assert client.patch("/api/v1/settings", json={"promo_hours": 1}).json()["promo_hours"] == 1
    assert "They sync every hour" in client.get("/promo-codes").text
