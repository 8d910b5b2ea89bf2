"""The engine in this process on a real Postgres, against the sandbox as a process: what directed tests are played on."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
from sqlalchemy import text

from shopchimp.db import marking
from shopchimp.db import sync_runs as runs
from shopchimp.db.crypto import parse_keys
from shopchimp.db.session import Database
from shopchimp.domain.consent import Policy
from shopchimp.jobs import lanes
from shopchimp.jobs.runs import drain
from shopchimp.mailchimp import MailchimpApp
from shopchimp.runtime import Runtime, make_runtime
from shopchimp.services import connection, installation, sync_runs
from shopchimp.services.live import work
from shopchimp.shopify import ShopifyApp

SHOP = "demo-store.myshopify.com"
AUDIENCE = "Newsletter"
APP_URL = "http://127.0.0.1:8000"
KEY, SECRET = "test-key", "a-secret-of-the-tests-and-of-nobody-else"
CLIENT_ID, CLIENT_SECRET = "test-client", "another-secret-of-the-tests-alone"
PEOPLE_LEFT = "select count(*) from changes where kind = 'person' and state = 'waiting'"
ENCRYPTION_KEY = base64.b64encode(hashlib.sha256(b"a key of the tests").digest()).decode()

Row = dict[str, Any]


class Sandbox:
    """The sandbox from outside: what it saw, and what else may happen there."""

    def __init__(self, shopify: str, mailchimp: str) -> None:
        self.shopify, self.mailchimp = shopify, mailchimp
        self.http = httpx.Client(base_url=shopify, trust_env=False, timeout=60)

    def control(self, name: str, **body: Any) -> Any:
        return self.http.post(f"/_sandbox/{name}", json=body).raise_for_status().json()

    def edit(self, platform: str, email: str, **change: Any) -> Any:
        """Somebody else's edit, now."""
        return self.control("edit", platform=platform, email=email, **change)

    def faults(self, *rules: Row, seed: int = 1) -> None:
        self.control("faults", rules=list(rules), seed=seed)

    def fired(self) -> int:
        """How many calls the present rules disturbed."""
        return sum(rule["fired"] for rule in self.http.get("/_sandbox/faults").json()["rules"])

    def calls(self) -> dict[str, Any]:
        return self.http.get("/_sandbox/calls").json()

    def state(self, platform: str) -> dict[str, Row]:
        """Every customer, or contact of the audience, by its key: durable fields only."""
        people = (row for row in self._lines("state", platform) if "kind" not in row)
        rows = (row for row in people if row.get("audience", AUDIENCE) == AUDIENCE)
        return {row["key"] if platform == "shopify" else row["email"].lower(): row for row in rows}

    def commerce(self, platform: str) -> dict[str, dict[str, Row]]:
        """Everything of the store by kind and key (`product`, `order` ...; Mailchimp has `ecommerce_customer` too)."""
        found: dict[str, dict[str, Row]] = {}
        for row in self._lines("state", platform):
            if "kind" in row:
                found.setdefault(row["kind"], {})[row["key"]] = row
        return found

    def automations(self) -> dict[str, Any]:
        """Those of the merchant that would have fired, and those that were kept quiet."""
        return self.http.get("/_sandbox/automations").json()

    def events(self) -> list[Row]:
        """Every event of a contact that Mailchimp was told, in order."""
        return self._lines("events", "mailchimp")

    def writes(self, platform: str = "") -> list[Row]:
        """Every effective write of the app, in order."""
        return self._lines("writes", platform)

    def _lines(self, name: str, platform: str) -> list[Row]:
        params = {"platform": platform} if platform else {}
        answer = self.http.get(f"/_sandbox/{name}", params=params).raise_for_status()
        return [json.loads(line) for line in answer.iter_lines()]

    def id_token(self) -> str:
        return self.http.get("/_sandbox/session-token", params={"shop": SHOP}).json()["id_token"]


@contextmanager
def sandbox(*arguments: str) -> Iterator[Sandbox]:
    """A sandbox of this test's own."""
    command = [sys.executable, "-m", "shopchimp.sandbox", "--shop", SHOP, "--app-url", APP_URL, "--no-hook-validation"]
    command += ["--api-key", KEY, "--api-secret", SECRET]
    command += ["--mailchimp-client-id", CLIENT_ID, "--mailchimp-client-secret", CLIENT_SECRET, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            given = Sandbox(ready["shopify"], ready["mailchimp"])
            with given.http:
                yield given
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def dying_worker(script: str, database_url: str, sandbox: Sandbox) -> Iterator[subprocess.Popen[str]]:
    """A script of tests/ as a process that has said it is ready; it dies with the test at the latest."""
    command = [sys.executable, str(Path(__file__).with_name(script)), database_url, sandbox.shopify, sandbox.mailchimp]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def open_runtime(database_url: str, given: Sandbox, *, lease: float = 20.0) -> Runtime:
    """What one worker process would hold."""
    return make_runtime(
        database_url=database_url,
        redis_url="redis://127.0.0.1:1/0",
        keys=parse_keys(ENCRYPTION_KEY),
        shopify_app=ShopifyApp(
            api_key=KEY,
            secrets=(SECRET,),
            app_url=APP_URL,
            scopes=("read_customers", "write_customers"),
            url_template=f"{given.shopify}/{{shop}}",
        ),
        mailchimp_app=MailchimpApp(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            redirect_uri=f"{APP_URL}/auth/mailchimp/callback",
            login_url=given.mailchimp,
            api_url="",
        ),
        download_hosts=frozenset({"127.0.0.1"}),
        connections=8,
        standalone_shop="",
        app_bridge_url="",
        lease_seconds=lease,
        sweep_seconds=0.5,
    )


@dataclass
class Stage:
    """One shop, installed and connected, and the worker that serves it."""

    sandbox: Sandbox
    runtime: Runtime
    shop_id: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def database(self) -> Database:
        return self.runtime.database

    def install(self) -> None:
        self.shop_id = installation.from_session_token(self.runtime.gateways, self.sandbox.id_token()).shop_id
        self.connect()
        offered = connection.all_audiences(self.runtime.gateways, self.shop_id)
        audience = next(each for each in offered if each.name == AUDIENCE)
        connection.choose_audience(self.runtime.gateways, self.shop_id, audience.id)

    def connect(self) -> None:
        """The merchant's way through Mailchimp's OAuth, up to our callback."""
        url = connection.begin(self.runtime.gateways, self.shop_id)
        answer = self.sandbox.http.get(url, headers={"Accept": "text/html"})
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        domain = connection.began_for(self.runtime.gateways, query["state"][0])
        assert domain == SHOP
        connection.finish(self.runtime.gateways, domain, query["code"][0])

    def preview(self) -> UUID:
        run_id = sync_runs.make_preview(self.database, self.shop_id)
        self.until(run_id, "ready")
        return run_id

    def start(self, run_id: UUID, policy: Policy = Policy.MAILCHIMP_WINS) -> None:
        sync_runs.start(self.database, self.shop_id, run_id, policy=policy, confirmed=True)

    def drain(self) -> int:
        return drain(self.runtime, stop=self.stop)

    def run(self, run_id: UUID) -> runs.Run:
        with self.database.transaction() as tx:
            run = runs.get(tx, self.shop_id, run_id)
        assert run is not None
        return run

    def until(self, run_id: UUID, *states: str, rounds: int = 60) -> runs.Run:
        """Work as a worker with its sweeper would, until the run is in one of these states."""
        for _ in range(rounds):
            self.drain()
            run = self.run(run_id)
            if run.state in states:
                return run
            self.hurry(run_id)
        raise AssertionError(f"the run is {run.state} in {run.phase}: {run.trouble}")

    def hurry(self, run_id: UUID) -> None:
        """Time passes: what waits is due now."""
        query = text("update sync_runs set due_at = now() where id = :id and due_at > now() and token is null")
        with self.database.transaction() as tx:
            tx.execute(query, {"id": run_id})

    def first_sync(self, policy: Policy = Policy.MAILCHIMP_WINS) -> UUID:
        """Preview, Start and everything after it: live sync is open."""
        run_id = self.preview()
        self.start(run_id, policy)
        self.until(run_id, "done")
        return run_id

    def mark(self, *keys: str, **about: Any) -> None:
        """A delivery about these people arrived."""
        with self.database.transaction() as tx:
            marking.mark(tx, self.shop_id, [marking.Mark(key, **{"source": "shopify", **about}) for key in keys])

    def live(self, *, rounds: int = 30) -> None:
        """Work on the people who wait until nobody does; what is to wait for a while waits no longer."""
        for _ in range(rounds):
            lanes.drain(self.runtime, stop=self.stop, works={marking.LIVE: work})
            lanes.drain(self.runtime, stop=self.stop, works={marking.BACKFILL: work})
            with self.database.transaction() as tx:
                tx.execute(text("update changes set due_at = now() where state = 'waiting' and token is null"))
                tx.execute(text("update lanes set open_until = null"))
                left = tx.execute(text(PEOPLE_LEFT)).scalar_one()
            if not left:
                return
        raise AssertionError(f"{left} changes are left: {self.rows('select * from changes limit 3')}")

    def person(self, key: str) -> Row:
        (row,) = self.rows("select * from people where shop_id = :shop and key = :key", shop=self.shop_id, key=key)
        return row

    def rows(self, query: str, **values: Any) -> list[Row]:
        with self.database.transaction() as tx:
            return [dict(row._mapping) for row in tx.execute(text(query), values)]

    def plan(self, run_id: UUID) -> list[Row]:
        return self.rows("select * from plan where run_id = :run order by n", run=run_id)

    def reasons(self, run_id: UUID) -> dict[str, dict[str, Row]]:
        """Who was missed, by address: side -> what was stored."""
        found: dict[str, dict[str, Row]] = {}
        query = "select p.key, e.* from run_exceptions e join plan p using (run_id, n) where run_id = :run"
        for row in self.rows(query, run=run_id):
            found.setdefault(row["key"], {})[row["side"]] = row
        return found


@contextmanager
def stage(database_url: str, *arguments: str, lease: float = 20.0, install: bool = True) -> Iterator[Stage]:
    """A shop with so many people, ready for its first preview."""
    with sandbox(*arguments) as given:
        runtime = open_runtime(database_url, given, lease=lease)
        played = Stage(given, runtime)
        try:
            if install:
                played.install()
            yield played
        finally:
            played.stop.set()
            runtime.close()


def closes(run: runs.Run) -> bool:
    """Invariant 8 on what the run stored of itself."""
    people = run.counts["result"]["people"]
    return people["read"] == people["synced"] + sum(people["skipped"].values()) + sum(people["failed"].values())


def wait_for(condition: Callable[[], Any], *, seconds: float = 30.0) -> Any:
    """What the condition gives when it is truthy; a failed test when it never is."""
    done = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if found := condition():
            return found
        done.wait(0.02)
    raise AssertionError("it did not happen in time")


__all__ = ["AUDIENCE", "SHOP", "Sandbox", "Stage", "closes", "open_runtime", "sandbox", "stage", "wait_for"]
