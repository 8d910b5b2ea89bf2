"""P2, P3, P4 and P8: the first sync of contacts against the sandbox, with real processes."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

import httpx
import psycopg
from mailchimp_marketing import Client

from benchmarks.replay import Replay
from shopchimp.local.house import SHOP, House, Plan
from shopchimp.local.merchant import Merchant

Figure = dict[str, Any]
QUICK = ("--plan", "unlimited", "--no-write-log")
SAMPLE = 2_000  # contacts the one-by-one yardstick really writes; it is linear, so its time is scaled up
THREADS = 10


@dataclass(frozen=True, slots=True)
class Measured:
    """One first sync: seconds of its two halves as a bystander saw them, the worker's peak and the result."""

    preview: float
    writing: float
    peak_mib: float
    run: dict[str, Any]

    @property
    def seconds(self) -> float:
        """From asking for the preview to its being there, and from pressing Start to the end."""
        return self.preview + self.writing


@contextmanager
def _house(people: int, *arguments: str) -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="shopchimp-bench-") as folder:
        sandbox = ["--people", str(people), *QUICK, *arguments]
        with House(Plan(Path(folder), sandbox=sandbox, beat=False)) as house:
            yield house


@contextmanager
def _connected(house: House) -> Iterator[Merchant]:
    """The app installed and connected, and the worker up: starting is not what is measured."""
    merchant = Merchant(app_url=house.app_url, sandbox_url=house.shopify_url, shop=SHOP)
    try:
        with psycopg.connect(house.postgres.url, autocommit=True) as database:
            while database.execute("select count(*) from workers").fetchone() == (0,):
                time.sleep(0.1)
        merchant.connect()
        merchant.choose_audience()
        yield merchant
    finally:
        merchant.close()


def _sync(house: House, merchant: Merchant) -> Measured:
    with psycopg.connect(house.postgres.url, autocommit=True) as database:
        began = time.perf_counter()
        run_id = merchant.call("POST", "/previews")["id"]
        _wait(database, run_id, "ready")
        ready = time.perf_counter()
        started = time.perf_counter()
        merchant.start(run_id)
        _wait(database, run_id, "done")
        done = time.perf_counter()
    run = merchant.call("GET", f"/sync-runs/{run_id}")
    return Measured(ready - began, done - started, _peak_mib(house.processes.pid("worker")), run)


def _wait(database: psycopg.Connection[Any], run_id: str, state: str) -> None:
    while True:
        found = database.execute("select state from sync_runs where id = %s", (run_id,)).fetchone()
        if found is not None and found[0] == state:
            return
        if found is None or found[0] in {"failed", "needs_you"}:
            raise RuntimeError(f"the run is {found}")
        time.sleep(0.02)


def _peak_mib(pid: int) -> float:
    """The most memory the process ever had resident (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM: this benchmark needs Linux")


def _figure(name: str, work: str, ours: float, yardstick: float, ratio: float, goal: str, *, holds: bool) -> Figure:
    return {
        "id": name,
        "work": work,
        "ours": round(ours, 4),
        "yardstick": round(yardstick, 4),
        "ratio": round(ratio, 2),
        "goal": goal,
        "holds": holds,
    }


def against_bare_calls(people: int, rounds: int) -> Figure:
    """P2: our wall time against a script that makes the same calls with the same bytes and does nothing else.

    The calls are recorded in a run of their own. Each timed run and each replay has a fresh sandbox of the same seed.
    """
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "calls.jsonl"
        with _house(people, "--record", str(record)) as house, _connected(house) as merchant:
            _sync(house, merchant)
        calls = [json.loads(line) for line in record.read_text().splitlines()]
    ours, bare = [], []
    for _ in range(rounds):
        with _house(people) as house, _connected(house) as merchant:
            ours.append(_sync(house, merchant).seconds)
        with _house(people) as house, _connected(house):
            bare.append(Replay(house, calls).run())
    mine, theirs = statistics.median(ours), statistics.median(bare)
    work = f"first sync of {people:,} people, no latency, against a script that only makes the same calls (s)"
    return _figure("P2", work, mine, theirs, mine / theirs, "at most 1.5", holds=mine / theirs <= 1.5)


def against_one_put_each(people: int) -> Figure:
    """P3: 100 ms a call and 1 s for a batch, against one PUT per contact by the official client with 10 threads."""
    slow = ("--latency-ms", "100", "--batch-latency-ms", "1000")
    with _house(people, *slow) as house, _connected(house) as merchant:
        mine = _sync(house, merchant).seconds
    with _house(people, *slow) as house, _connected(house) as merchant:
        seconds = _one_by_one(house, merchant) * people / SAMPLE
    ratio = seconds / mine
    work = (
        f"first sync of {people:,} people, 100 ms a call (1 s a batch), against one PUT per contact by the official"
        f" client with {THREADS} threads (s; {SAMPLE:,} measured, scaled)"
    )
    return _figure("P3", work, mine, seconds, ratio, "at least 30 times faster", holds=ratio >= 30)


def _one_by_one(house: House, merchant: Merchant) -> float:
    """Seconds to PUT a sample of contacts, one call each, as the official client does it."""
    audience = merchant.call("GET", "/status")["mailchimp"]["audience_id"]
    token = _mailchimp_token(house)
    emails = [f"bench-{n}@example.com" for n in range(SAMPLE)]

    def put(part: list[str]) -> None:
        client = Client({"access_token": token, "server": ""})
        client.api_client.host = f"{house.mailchimp_url}/3.0"
        for email in part:
            key = md5(email.encode(), usedforsecurity=False).hexdigest()
            body = {"email_address": email, "status_if_new": "transactional", "merge_fields": {"FNAME": "Ana"}}
            client.lists.set_list_member(audience, key, body)

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, [emails[n::THREADS] for n in range(THREADS)]))
    return time.perf_counter() - began


def _mailchimp_token(house: House) -> str:
    """A token of our own for the sandbox's account, by the same OAuth round trip."""
    redirect = f"{house.app_url}/auth/mailchimp/callback"
    client_id = house.env["SHOPCHIMP_MAILCHIMP_CLIENT_ID"]
    query = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect, "state": "bench"}
    with httpx.Client(trust_env=False) as browser:
        sent = browser.get(f"{house.mailchimp_url}/oauth2/authorize", params=query)
        code = httpx.URL(sent.headers["location"]).params["code"]
        form = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "client_secret": house.env["SHOPCHIMP_MAILCHIMP_CLIENT_SECRET"],
            "redirect_uri": redirect,
            "code": code,
        }
        answer = browser.post(f"{house.mailchimp_url}/oauth2/token", data=form)
        return str(answer.json()["access_token"])


def growth(small: int, large: int) -> list[Figure]:
    """P4 and P8: the worker's peak memory and the time per person, at a small and a large size."""
    found = {}
    for people in (small, large):
        with _house(people) as house, _connected(house) as merchant:
            found[people] = _sync(house, merchant)
    first, last = found[small], found[large]
    memory = last.peak_mib / first.peak_mib
    per_person = (last.seconds / large) / (first.seconds / small)
    sizes = f"{large:,} people against {small:,}"
    return [
        _figure(
            "P4",
            f"worker's peak memory, {sizes} (MiB)",
            last.peak_mib,
            first.peak_mib,
            memory,
            "at most 1.2 and under 400 MB",
            holds=memory <= 1.2 and last.peak_mib * 1.048576 < 400,
        ),
        _figure(
            "P8",
            f"time per person, {sizes} (ms)",
            last.seconds / large * 1000,
            first.seconds / small * 1000,
            per_person,
            "at most 1.3",
            holds=per_person <= 1.3,
        ),
    ]
