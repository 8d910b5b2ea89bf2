"""A whole house with live sync on, what strikes it, and when it is quiet again: the stage of the live chaos tests.

The product's own tables are asked for two things only: whether work is still waiting, and to make polls due sooner
than every five minutes. What is right is asked of the sandboxes (`live_chaos_crowd`).
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx
import psycopg
import redis
from live_chaos_crowd import CHIMP, SECOND, SLACK, Act, Crowd, Row

from shopchimp.domain.addresses import subscriber_hash
from shopchimp.local.child import LocalError
from shopchimp.local.house import SHOP, House, Plan
from shopchimp.local.merchant import Merchant
from stage import Sandbox, wait_for

SETTINGS = {
    "SHOPCHIMP_LEASE_SECONDS": "2",
    "SHOPCHIMP_SWEEP_SECONDS": "0.5",
    "SHOPCHIMP_LOG_LEVEL": "WARNING",
}
POLLS = ("poll_customers", "poll_contacts")
# the store's things have storms of their own (test_order_lives), and these two cores no room for both
CONTACTS_ALONE = ("--scopes", "read_customers,write_customers")
WORKERS = ("worker", "worker-2")
AGAIN = 0.1
RECORD = "calls.jsonl"
WINDOW = 20.0  # seconds from a slice's reading to the end of its write, with calls that hang and servers that crash


class Live:
    """The house, its merchant, and both platforms; the first sync is done and webhooks are registered."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.sandbox = Sandbox(house.shopify_url, house.mailchimp_url)
        self.record = house.plan.folder / RECORD
        self._unsubscribed: dict[str, list[float]] | None = None
        self.merchant = Merchant(app_url=house.app_url, sandbox_url=house.shopify_url, shop=SHOP)

    def close(self) -> None:
        self.merchant.close()
        self.sandbox.http.close()

    def open(self) -> None:
        """Install, connect, first sync; then wait until both platforms know whom to tell."""
        self.merchant.connect()
        self.merchant.choose_audience()
        # Mass edits are what this is about: the circuit breaker (M9) would rightly hold them, it has tests of its own.
        self.query("""update shops set settings = settings || '{"breaker": {"on": false}}'""")
        run = self.merchant.preview(timeout=60)
        self.merchant.start(run["id"])
        self.merchant.follow(run["id"], timeout=60)
        wait_for(lambda: self.query("select 1 from chores where name = 'hooks' and last_ok_at is not null"))
        self.hurry()
        wait_for(self.is_idle, seconds=60)

    # ---------------------------------------------------------------- what we ask of Postgres

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.house.postgres.url, connect_timeout=5) as connection:
            found = connection.execute(query, values)
            return found.fetchall() if found.description else []

    def hurry(self) -> float:
        """Poll now. Gives back the database's time."""
        query = "update chores set due_at = least(due_at, now()) where name = any(%s) and token is null"
        self.query(query, list(POLLS))
        return float(self.query("select extract(epoch from now())")[0][0])

    def polled_since(self, moment: float) -> bool:
        """Whether both polls have ended that were begun after this time; those in hand may have begun before."""
        query = "select count(*) from chores where name = any(%s) and token is null and last_ok_at > to_timestamp(%s)"
        return bool(self.query(query, list(POLLS), moment)[0][0] == len(POLLS))

    def waiting(self) -> int:
        return int(self.query("select count(*) from changes where state = 'waiting'")[0][0])

    def at_work(self) -> bool:
        """Whether a worker has somebody in hand just now."""
        return bool(self.query("select 1 from changes where token is not null and due_at > now() limit 1"))

    def parked(self) -> set[str]:
        return {row[0] for row in self.query("select key from changes where state = 'parked'")}

    def is_idle(self) -> bool:
        """Nothing waits anywhere: no delivery on its way, no change to look at."""
        report = self.sandbox.http.get("/_sandbox/webhooks").json()
        return not any(report[name]["waiting"] for name in report) and self.waiting() == 0

    def settle(self, *, seconds: float) -> float:
        """Wait until nothing is left to do, two polls after the last act included. Gives back how long that took."""
        began = time.monotonic()
        for _ in range(2):
            wait_for(self.is_idle, seconds=seconds)
            moment = self.hurry()
            wait_for(lambda moment=moment: self.polled_since(moment) or self.nudge(), seconds=seconds)
        wait_for(self.is_idle, seconds=seconds)
        return time.monotonic() - began

    def ledger(self, key: str) -> list[tuple[Any, ...]]:
        """The activity log of a person, oldest first."""
        query = (
            "select a.at::text, a.direction, a.result, a.rule, a.detail::text from activities a"
            " join people p on p.id = a.person_id where p.key = %s order by a.id"
        )
        return self.query(query, key)

    def calls_about(self, key: str) -> list[str]:
        """The app's calls that name a person or their customer, as recorded; to read when something went wrong."""
        customer = self.ends()[0].get(key, {}).get("id", key)
        names = (key.encode(), subscriber_hash(key).encode(), customer.encode())
        return [line.decode()[:1500] for line in self.record.read_bytes().splitlines() if any(n in line for n in names)]

    def nudge(self) -> bool:
        """A poll that was in hand when we asked for one began too early: ask again."""
        self.hurry()
        return False

    # ---------------------------------------------------------------- what people do

    def edit(self, crowd: Crowd, count: int) -> int:
        """So many acts, at once. Gives back how many were done: not all that people try is possible."""
        made = crowd.edits(count)
        began = time.time()
        answer = self.sandbox.control("edits", edits=[edit for _, edit in made])
        crowd.book(made, (began + time.time()) / 2, {each["number"] for each in answer["failed"]})
        return int(answer["done"])

    def crossed(self, act: Act) -> bool:
        """Whether a call of the app that may have unsubscribed this contact ended just after this opt-in.

        Or so shortly before it that their dates tie: of a write that nobody recorded, a tie counts for it (L3). An
        opt-in in Shopify is dated by another clock; one in Mailchimp by the same, so that only its second is a tie.
        """
        tie = SECOND if act.side == CHIMP else SLACK
        if self._unsubscribed is None:
            self._unsubscribed = _unsubscribed(self.record)
        return any(-tie <= ended - act.at <= WINDOW for ended in self._unsubscribed.get(act.key, ()))

    def ends(self) -> tuple[dict[str, Row], dict[str, Row]]:
        """Both platforms' stores."""
        return self.sandbox.state("shopify"), self.sandbox.state("mailchimp")


@contextmanager
def live(folder: Path, *sandbox: str, workers: int = 2, settings: dict[str, str] | None = None) -> Iterator[Live]:
    """A house in which live sync has begun."""
    sandbox = (*sandbox, *CONTACTS_ALONE, "--record", str(folder / RECORD))
    plan = Plan(folder, sandbox=sandbox, settings={**SETTINGS, **(settings or {})}, durable=False, beat=False)
    with House(plan) as house:
        given = Live(house)
        try:
            given.open()
            for name in WORKERS[1:workers]:
                house.command(name, "worker")
            yield given
        finally:
            given.close()


def _unsubscribed(record: Path) -> dict[str, list[float]]:
    """When calls of the app set a contact to unsubscribed, by address."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for line in record.read_bytes().splitlines():
        call = json.loads(line)
        if call["platform"] == "mailchimp" and call["method"] in ("PUT", "POST", "PATCH") and call["body"]:
            members = call["body"].get("members", [call["body"]])
            for member in members:
                if member.get("status") == "unsubscribed" and "email_address" in member:
                    found[member["email_address"].lower()].append(call["at"])
    return found


class Nemeses:
    """Everything that strikes, all at once until `stop`; each blow is counted."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._house = live.house
        self.struck: Counter[str] = Counter()
        self._stop = threading.Event()
        self._dice = Random(7)
        self._threads: list[threading.Thread] = []
        self._servers = threading.Lock()  # Redis is flushed or restarted, not both at once

    def every(self, seconds: float, name: str, blow: Callable[[], bool | None]) -> None:
        """Strike again and again. A blow that says False hit nothing: it is not counted, and tried again soon."""

        def loop() -> None:
            wait = seconds
            while not self._stop.wait(wait):
                wait = AGAIN
                # Postgres or Redis may be down just now by another blow
                with suppress(psycopg.Error, redis.RedisError, LocalError, OSError):
                    if blow() is not False:
                        self.struck[name] += 1
                        wait = seconds

        thread = threading.Thread(target=loop, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """No more blows."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def kill_worker(self, name: str) -> bool:
        """SIGKILL a worker that has taken work within the last second; its successor needs seconds to begin."""
        pid = self._house.processes.pid(name)
        query = "select 1 from workers where pid = %s and last_pick_at > now() - interval '1 second'"
        if not self._live.query(query, pid) or not self._live.at_work():
            return False
        self._stop.wait(self._dice.uniform(0.0, 1.0))  # some way into the work, not always at its beginning
        return self._kill(name)

    def kill_web(self) -> bool:
        """SIGKILL the process that takes the deliveries, once it is there."""
        try:
            answer = httpx.get(f"{self._house.app_url}/healthz", trust_env=False, timeout=1)
        except httpx.HTTPError:
            return False
        return answer.is_success and self._kill("web")

    def _kill(self, name: str) -> bool:
        process = self._house.processes._processes[name]
        process.crashes_in_a_row = 0  # how long its supervisor waits before it starts it anew is another test's
        os.kill(process.child.pid, signal.SIGKILL)
        return True

    def flush(self) -> None:
        with self._servers:
            self._house.redis.flushall()

    def restart_redis(self) -> None:
        with self._servers:
            self._house.redis.restart(immediate=True)

    def restart_postgres(self) -> None:
        self._house.postgres.restart(immediate=True)
