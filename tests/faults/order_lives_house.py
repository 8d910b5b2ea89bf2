"""The stage of the orders' lives: a sandbox, a web process that hears it, workers that die, and how it gets quiet."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
import uvicorn
from dying_workers import Fate, Ward
from order_lives import DELETIONS, Era, Row, Town
from order_lives_truth import Ending, Judge, read_ending
from sqlalchemy import text

from shopchimp import worker
from shopchimp.db import lanes, marking, shops, stops
from shopchimp.domain.commerce.store import Storefront
from shopchimp.jobs import chores
from shopchimp.jobs import lanes as jobs
from shopchimp.main import create_app
from shopchimp.runtime import Runtime
from stage import AUDIENCE, SHOP, Stage, open_runtime, sandbox, wait_for

LEASE = 1.0
STORMY = {"lose": 0.12, "double": 0.15, "reorder": 0.3, "delay_ms": [0, 700]}
# Orders that come late are written while all others wait, for longer than any call may take: here none takes that long.
PATIENCE = (
    ("late", "GRACE", 1.5 * LEASE + 1),
    ("late", "AGAIN", 0.5),
    ("looks", "HELD_FOR", 0.5),
    ("live", "HELD_FOR", 0.5),
)
CALM = {"lose": 0, "double": 0, "reorder": 0, "delay_ms": [0, 0]}
FATE = Fate(mean_life=90, freeze=0.025, frozen_seconds=(1.1 * LEASE, 2.2 * LEASE))


@dataclass
class House:
    """Everything of one history."""

    stage: Stage
    town: Town
    ward: Ward
    url: str
    app_url: str
    statuses: dict[str, str]
    polls: int = 0

    # ---------------------------------------------------------------- time passes

    def open_runtime(self) -> Runtime:
        return _at(open_runtime(self.url, self.stage.sandbox, lease=LEASE), self.app_url)

    def turn(self, runtime: Runtime) -> int:
        """What a worker does between two looks at the clock."""
        done = jobs.drain(runtime, stop=self.stage.stop, works=worker.LIVE, at_most=1)
        done += jobs.drain(
            runtime, stop=self.stage.stop, works={marking.BACKFILL: worker.LIVE[marking.LIVE]}, at_most=1
        )
        done += chores.drain(runtime, worker.CHORES, stop=self.stage.stop, at_most=1)
        with runtime.database.transaction() as tx:
            lanes.mend(tx)
        return done

    def act(self) -> bool:
        """The next thing that somebody does; False when all lives are over."""
        following = self.town.next()
        if following is None:
            return False
        story, edit = following
        answer: Row = {}
        if edit.keys() != {"platform"}:
            heard = (edit.get("kind"), edit.get("do")) in DELETIONS  # nothing but its webhook tells of a deletion
            if heard:
                self.stage.sandbox.control("webhooks", platform="shopify", lose=0)
            answer = self.stage.sandbox.http.post("/_sandbox/edit", json=edit).json()
            if heard and self.town.era is Era.LIVE:
                self.stage.sandbox.control("webhooks", platform="shopify", lose=STORMY["lose"])
        self.town.book(story, edit, answer)
        return True

    def hurry_polls(self) -> None:
        self.polls += 1
        self._do("update chores set due_at = least(due_at, now()) where name like 'poll%' and token is null")

    def _do(self, query: str) -> None:
        with self.stage.database.transaction() as tx:
            tx.execute(text(query))

    def waiting(self) -> int:
        return int(self.stage.rows("select count(*) as n from changes where state = 'waiting'")[0]["n"])

    def settle(self, seconds: float) -> None:
        """No more mischief; wait until nothing is on its way, two polls after the last act included."""
        sandbox = self.stage.sandbox
        sandbox.control("webhooks", platform="shopify", **CALM)
        self.ward.calm = True
        wait_for(lambda: not sandbox.http.get("/_sandbox/webhooks").json()["shopify"]["waiting"], seconds=seconds)
        for _ in range(2):
            began = self.stage.rows("select now() as at")[0]["at"]
            wait_for(lambda began=began: self._polled_since(began), seconds=seconds)
            self._until_nothing_waits(seconds)

    def _polled_since(self, moment: Any) -> bool:
        self.hurry_polls()
        query = """select 1 from chores where name like 'poll%' and (token is not null or last_ok_at is null
            or last_ok_at < :at + interval '0.5 seconds')"""
        return not self.stage.rows(query, at=moment)

    def _until_nothing_waits(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._nothing_waits():
            if time.monotonic() > until:
                query = (
                    "select key, version, attempts, cause, detail, token from changes where state = 'waiting' limit 9"
                )
                rows, places = self.stage.rows(query), self.stage.rows("select * from lanes")
                raise AssertionError(f"{self.waiting()} changes are left: {rows}, {places}")
            time.sleep(0.2)

    def _nothing_waits(self) -> bool:
        """Whether nothing is left to look at. What waits for better times waits no longer."""
        with self.stage.database.transaction() as tx:
            stops.retry(tx, self.stage.shop_id, cause="internal")  # the merchant's button: killed five times in a row
        self._do("update changes set due_at = now() where state = 'waiting' and token is null")
        self._do("update lanes set open_until = null")
        return self.waiting() == 0

    # ---------------------------------------------------------------- the end

    def ending(self) -> Ending:
        client = self.stage.runtime.gateways.shopify(self.stage.shop_id)
        shopify, mailchimp = (self.stage.sandbox._lines("state", name) for name in ("shopify", "mailchimp"))
        with self.stage.database.transaction() as tx:
            shop = shops.get(tx, self.stage.shop_id)
        assert shop is not None
        storefront = Storefront(shop.currency, shop.storefront_url or f"https://{SHOP}", SHOP)
        writes = self.stage.sandbox.writes("mailchimp")
        return read_ending(client.execute, shopify, mailchimp, writes, storefront, audience=AUDIENCE)

    def judge(self) -> Judge:
        judge = Judge(self.town, self.ending(), self.statuses, self.ward.late)
        judge.judge()
        for row in self.stage.rows("select * from changes where state <> 'waiting'"):
            judge.wrong["a change was parked"].append(f"{row['key']}: {row['cause']} {row['detail']}")
        return judge


def _at(runtime: Runtime, app_url: str) -> Runtime:
    """The same runtime, whose app has this address."""
    gateways = runtime.gateways
    shopify = replace(gateways.shopify_app, app_url=app_url)
    mailchimp = replace(gateways.mailchimp_app, redirect_uri=f"{app_url}/auth/mailchimp/callback")
    return replace(runtime, gateways=replace(gateways, shopify_app=shopify, mailchimp_app=mailchimp))


@contextmanager
def _listening(runtime: Runtime, door: socket.socket) -> Iterator[None]:
    """The web process, which takes the webhooks."""
    config = uvicorn.Config(create_app(runtime=runtime), log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, name="web", daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        thread.join(10)


@contextmanager
def house(
    url: str, *, seed: int, patch: pytest.MonkeyPatch, people: int, old: int, fate: Fate = FATE
) -> Iterator[House]:
    """A shop with a past: first sync done, some of it changed meanwhile, webhooks heard, live sync on."""
    for module in ("shopchimp.main", "shopchimp.jobs.lanes"):
        patch.setattr(f"{module}.wake", lambda: None)
    for module, name, seconds in PATIENCE:
        patch.setattr(f"shopchimp.services.commerce.{module}.{name}", seconds)
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        app_url = f"http://127.0.0.1:{door.getsockname()[1]}"
        arguments = ["--people", str(people), "--seed", str(seed), "--plan", "unlimited", "--app-url", app_url]
        arguments += ["--invented-products", "14", "--odd-orders", "20", "--checkouts", "10"]
        with sandbox(*arguments) as given:
            played = Stage(given, _at(open_runtime(url, given, lease=LEASE), app_url))
            with _listening(_at(open_runtime(url, given, lease=LEASE), app_url), door):
                try:
                    yield _opened(played, url, app_url, seed, old, fate)
                finally:
                    played.stop.set()
                    played.runtime.close()


def _opened(played: Stage, url: str, app_url: str, seed: int, old: int, fate: Fate) -> House:
    given = played.sandbox
    customers = [row for row in given._lines("state", "shopify") if "kind" not in row and row.get("email")]
    products = [row for row in given._lines("state", "shopify") if row.get("kind") == "product"]
    town = Town(seed, [row["email"] for row in customers], products)
    opened = House(played, town, Ward(Random(seed), fate), url, app_url, {})
    town.add("old", old)
    for _ in range(4 * old):
        opened.act()
    played.install()
    run_id = played.preview()
    town.era = Era.DURING
    played.start(run_id)
    _sync(opened, run_id)
    town.era = Era.LIVE
    rows = (row for row in given._lines("state", "mailchimp") if row.get("audience") == AUDIENCE)
    opened.statuses = {row["email"].lower(): row["status"] for row in rows}
    return opened


def _sync(opened: House, run_id: Any) -> None:
    """The first sync, while shoppers go on; the webhooks are registered before it ends."""
    played, over = opened.stage, threading.Event()
    opened.town.add("shopper", 4)

    def go_on() -> None:
        while not over.wait(0.05):
            opened.act()

    shoppers = threading.Thread(target=go_on, name="shoppers", daemon=True)
    shoppers.start()
    try:
        for _ in range(100):
            played.drain()
            chores.drain(played.runtime, worker.CHORES, stop=played.stop, at_most=20)
            run = played.run(run_id)
            if run.state == "done":
                return
            played.hurry(run_id)
        raise AssertionError(f"the first sync is {run.state} in {run.phase}: {run.trouble}")
    finally:
        over.set()
        shoppers.join(10)
