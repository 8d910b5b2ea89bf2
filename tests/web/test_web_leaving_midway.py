"""Leaving Mailchimp while history is being written: it ends before the automations are let go (invariant 9, S86, S89)."""

from __future__ import annotations

import threading
import time
from uuid import uuid4

import orjson
import pytest
import web_house as house
from sqlalchemy import text

from shopchimp.db import sync_runs
from shopchimp.services import privacy
from shopchimp.services.commerce import leaving

STORE, BATCH = "/3.0/ecommerce/stores/demo-store-aud1", "/3.0/batches/b1"


@pytest.fixture
def database(embedded_runtime):
    return embedded_runtime.database


@pytest.fixture
def held(database, shop):
    """A run that a worker is writing orders for; a batch of it waits at Mailchimp."""
    run_id = uuid4()
    house.ANSWERS[("PATCH", STORE)] = (200, {"id": "demo-store-aud1", "is_syncing": False})
    house.ANSWERS[("DELETE", BATCH)] = (204, None)
    flights = [{"first": None, "last": 1, "size": 1, "ticket": {"batch_id": "b1"}}]
    with database.transaction() as tx:
        tx.execute(text("update connections set store_id = 'demo-store-aud1', store_syncing = true"))
        sync_runs.create(tx, shop, run_id, audience_id="aud1", options={}, policy="mailchimp_wins")
        held_as = """
            update sync_runs set state = 'running', phase = 'orders', started_at = now(), token = :token,
                cursor = cast(:cursor as jsonb) where id = :id
        """
        cursor = orjson.dumps({"commerce": {"flights": flights}}).decode()
        tx.execute(text(held_as), {"id": run_id, "token": uuid4(), "cursor": cursor})
    return run_id


def let_go_after(database, run_id, seconds: float, seen: list[bool]) -> threading.Thread:
    """The worker comes to the end of its slice; whether the automations were still held then."""

    def work() -> None:
        time.sleep(seconds)
        seen.append(not asked("PATCH", STORE))
        with database.transaction() as tx:
            tx.execute(text("update sync_runs set token = null where id = :id"), {"id": run_id})

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def asked(method: str, path: str) -> list[bytes]:
    return [body for way, where, body in house.ASKED if (way, where) == (method, path)]


def test_the_automations_are_let_go_after_the_last_order_of_the_run(embedded, database, held):
    """S89: else whoever bought years ago would be thanked for it now."""
    client, seen = embedded(), list[bool]()
    worker = let_go_after(database, held, 1.0, seen)
    assert client.post("/settings/disconnect", data={"confirm_name": "Newsletter"}).status_code == 200
    worker.join()
    assert seen == [True]
    ways = [(way, path) for way, path, _ in house.ASKED if path in (STORE, BATCH)]
    assert ways == [("DELETE", BATCH), ("PATCH", STORE)]


def test_a_worker_that_died_keeps_nobody_from_leaving(embedded, held, monkeypatch):
    monkeypatch.setattr(leaving, "PATIENCE", 0.5)
    assert embedded().post("/settings/disconnect", data={"confirm_name": "Newsletter"}).status_code == 200
    assert [orjson.loads(body) for body in asked("PATCH", STORE)] == [{"is_syncing": False}]


def test_an_uninstall_while_mailchimp_is_away_lets_the_automations_go_later(embedded_runtime, database, shop):
    """S89: nobody comes by any more once the app is gone, so the look whether it is gone goes on until then."""
    with database.transaction() as tx:
        tx.execute(text("update connections set store_id = 'demo-store-aud1', store_syncing = true"))
        tx.execute(text("update shops set uninstalled_at = now()"))
    house.add_privacy(embedded_runtime, shop, "app/uninstalled", {})
    house.ANSWERS[("PATCH", STORE)] = (503, {})
    privacy.work(embedded_runtime.gateways)
    assert waiting(database) == 1
    house.ANSWERS[("PATCH", STORE)] = (200, {"id": "demo-store-aud1", "is_syncing": False})
    with database.transaction() as tx:
        tx.execute(text("update privacy_requests set due_at = now()"))
    privacy.work(embedded_runtime.gateways)
    assert waiting(database) == 0
    with database.transaction() as tx:
        assert tx.execute(text("select store_syncing from connections")).scalar_one() is False


def waiting(database) -> int:
    with database.transaction() as tx:
        return int(tx.execute(text("select count(*) from privacy_requests where done_at is null")).scalar_one())
