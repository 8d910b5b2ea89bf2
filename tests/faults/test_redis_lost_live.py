"""All of Redis is lost while live sync works: wiped, restarted under a busy worker, away for good (R6 of reliability.md 7.1).

Real processes: Postgres, Redis, worker, sandbox. The work is looking at people who are in sync already, so what is
counted are the changes: each one marked must be looked at and gone, or parked with the platform's words.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from shopchimp.db import marking
from shopchimp.db.marking import Mark
from shopchimp.db.session import Database
from shopchimp.jobs.app import celery_app
from shopchimp.jobs.wake import wake
from shopchimp.local.house import SHOP, House, Plan
from shopchimp.local.merchant import Merchant
from stage import Sandbox, wait_for

PEOPLE = 3000
SETTINGS = {"SHOPCHIMP_LEASE_SECONDS": "5", "SHOPCHIMP_SWEEP_SECONDS": "2"}


class Live:
    """A shop whose first sync is done."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.sandbox = Sandbox(house.shopify_url, house.mailchimp_url)
        self.merchant = Merchant(app_url=house.app_url, sandbox_url=house.shopify_url, shop=SHOP)
        self.database = Database(house.postgres.url.replace("postgresql://", "postgresql+psycopg://", 1))

    def close(self) -> None:
        self.merchant.close()
        self.sandbox.http.close()
        self.database.close()

    def first_sync(self) -> None:
        self.merchant.connect()
        self.merchant.choose_audience()
        run_id = self.merchant.call("POST", "/previews")["id"]
        self._until(run_id, "ready")
        self.merchant.start(run_id)
        self._until(run_id, "done")

    def _until(self, run_id: str, state: str) -> None:
        wait_for(lambda: self.merchant.call("GET", f"/sync-runs/{run_id}")["state"] == state, seconds=90)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.house.postgres.url) as connection:
            return connection.execute(query).fetchall()

    def mark(self, people: int, *, woken: bool = True) -> None:
        keys = [str(row[0]) for row in self.rows(f"select key from people order by key limit {people}")]
        assert len(keys) == people
        ((shop_id,),) = self.rows("select shop_id from connections")
        with self.database.transaction() as tx:
            marking.mark(tx, int(str(shop_id)), [Mark(key, "audit") for key in keys])
        if woken:
            wake()

    def waiting(self) -> int:
        return int(str(self.rows("select count(*) from changes where state = 'waiting'")[0][0]))

    def at_work(self) -> bool:
        return bool(self.rows("select 1 from slots where token is not null and until > now()"))

    def until_done(self, *, seconds: float = 60.0) -> None:
        wait_for(lambda: self.waiting() == 0, seconds=seconds)
        assert self.rows("select count(*) from slots") == [(8,)]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    plan = Plan(
        tmp_path_factory.mktemp("redis"),
        sandbox=["--people", str(PEOPLE), "--seed", "5"],
        settings=SETTINGS,
        durable=False,
        beat=False,
    )
    with House(plan) as house:
        given = Live(house)
        before = celery_app.conf.broker_url
        celery_app.conf.broker_url = house.redis.url
        try:
            given.first_sync()
            given.until_done()
            yield given
        finally:
            celery_app.pool.force_close_all()
            celery_app.conf.broker_url = before
            given.close()


AWAY = 30.0  # seconds


def test_redis_is_wiped_with_many_waiting(live: Live) -> None:
    count = int(str(live.rows("select count(*) from people")[0][0]))
    live.mark(min(count, 3000))
    live.house.redis.flushall()
    assert live.waiting() > 100
    live.until_done()


def test_redis_crashes_under_a_busy_worker(live: Live) -> None:
    """Five times; each time the same process goes on within 10 s, by wake-ups or by its own sweep."""
    worker = live.house.processes.pid("worker")
    for _ in range(5):
        live.mark(400)
        wait_for(live.at_work, seconds=10)
        live.house.redis.restart(immediate=True)
        live.mark(400)
        live.until_done(seconds=10)
    assert live.house.processes.pid("worker") == worker


def test_work_goes_on_while_redis_is_away(live: Live) -> None:
    """Away for 30 s: changes that arrive meanwhile are worked on all the same, by the same process."""
    worker = live.house.processes.pid("worker")
    live.house.redis.stop()
    gone = time.monotonic()
    try:
        live.mark(500, woken=False)
        live.until_done(seconds=30)
        while time.monotonic() - gone < AWAY:
            live.mark(50, woken=False)
            live.until_done(seconds=30)
            time.sleep(1)
        assert live.house.processes.pid("worker") == worker
    finally:
        live.house.redis.start()
    live.mark(100)
    live.until_done(seconds=30)
