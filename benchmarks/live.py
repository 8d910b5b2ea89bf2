"""P5 and P6: what live sync costs in calls, and how soon a change is on the other side; real processes throughout."""

from __future__ import annotations

import json
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks.first_sync import Figure, _figure
from shopchimp.local.house import SHOP, House, Plan
from shopchimp.local.merchant import Merchant

BUSY_SHOP = "busy-store.myshopify.com"  # in its first sync all the while
P5_GOAL, P6_P50, P6_P99 = 0.1, 0.6, 2.0
Row = dict[str, Any]


@contextmanager
def _live_house(people: int, *sandbox: str) -> Iterator[tuple[House, Merchant, httpx.Client]]:
    """A house whose shop has live sync: first sync done, webhooks registered, nothing waiting."""
    with tempfile.TemporaryDirectory(prefix="shopchimp-bench-") as folder:
        arguments = ["--people", str(people), "--plan", "unlimited", "--no-write-log", *sandbox]
        with (
            House(Plan(Path(folder), sandbox=arguments, beat=False)) as house,
            httpx.Client(base_url=house.shopify_url, trust_env=False, timeout=600) as control,
        ):
            merchant = Merchant(app_url=house.app_url, sandbox_url=house.shopify_url, shop=SHOP)
            try:
                merchant.connect()
                merchant.choose_audience()
                # thousands of changes at once are what the circuit breaker (M9) is there to stop
                _query(house, """update shops set settings = settings || '{"breaker": {"on": false}}'""")
                run = merchant.preview()
                merchant.start(run["id"])
                merchant.follow(run["id"])
                while not _query(house, "select 1 from chores where name = 'hooks' and last_ok_at is not null"):
                    time.sleep(0.1)
                _until_quiet(house, control)
                yield house, merchant, control
            finally:
                merchant.close()


def _query(house: House, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(house.postgres.url) as connection:
        found = connection.execute(query)
        return found.fetchall() if found.description else []


def _until_quiet(house: House, control: httpx.Client) -> None:
    """Until no delivery is on its way and nobody waits to be looked at, twice in a row."""
    quiet = 0
    while quiet < 2:
        hooks = control.get("/_sandbox/webhooks").json().values()
        waiting = _query(house, "select 1 from changes where state = 'waiting' limit 1")
        quiet = 0 if waiting or any(each["waiting"] for each in hooks) else quiet + 1
        time.sleep(0.3)


def _both(control: httpx.Client) -> dict[str, tuple[Row, Row]]:
    """Everybody who is subscribed on both sides, or on neither, by address."""
    every = (json.loads(line) for line in control.get("/_sandbox/state").iter_lines())
    lines = [row for row in every if "kind" not in row]
    customers = {row["key"]: row for row in lines if row["platform"] == "shopify"}
    contacts = {row["email"].lower(): row for row in lines if row.get("audience") == "Newsletter"}
    plain = {("SUBSCRIBED", "subscribed"), ("UNSUBSCRIBED", "unsubscribed"), ("NOT_SUBSCRIBED", "transactional")}
    pairs = {key: (customers[key], contacts[key]) for key in sorted(customers.keys() & contacts.keys())}
    return {key: pair for key, pair in pairs.items() if (pair[0]["marketingState"], pair[1]["status"]) in plain}


def _post(control: httpx.Client, name: str, **body: Any) -> Any:
    return control.post(f"/_sandbox/{name}", json=body).raise_for_status().json()


# ---------------------------------------------------------------------------------------------- P5


def burst(deliveries: int = 20_000, people: int = 5_000) -> Figure:
    """All calls of both platforms' APIs, against one read and one write for each of these deliveries."""
    with _live_house(int(people * 1.35)) as (house, _, control):
        everybody = list(_both(control).items())[:people]
        _post(control, "calls/reset")
        before = _delivered(control)
        edits = [edit for turn in range(-(-deliveries // len(everybody))) for edit in _turn(everybody, turn)]
        began = time.perf_counter()
        _post(control, "edits", edits=edits[:deliveries])
        _until_quiet(house, control)
        seconds = time.perf_counter() - began
        calls = control.get("/_sandbox/calls").json()
        made = sum(sum(calls[name].values()) for name in ("shopify", "mailchimp"))
        told = _delivered(control) - before
    naive = 2 * deliveries
    work = (
        f"calls for a burst of {deliveries:,} deliveries about {len(everybody):,} people, against one read and one"
        f" write each ({told:,} deliveries with our own echoes, done in {seconds:.0f} s)"
    )
    ratio = made / naive
    figure = _figure("P5", work, made, naive, ratio, "at most 0.1", holds=ratio <= P5_GOAL)
    return {**figure, "ratio": round(ratio, 3), "calls": {name: calls[name] for name in ("shopify", "mailchimp")}}


def _delivered(control: httpx.Client) -> int:
    return sum(int(each["delivered"]) for each in control.get("/_sandbox/webhooks").json().values())


def _turn(everybody: list[tuple[str, tuple[Row, Row]]], turn: int) -> Iterator[Row]:
    """Each person does something: consent and names, in Shopify three times in four, else in Mailchimp."""
    for number, (key, (customer, _)) in enumerate(everybody):
        kind = (number + turn) % 4
        subscribed = (customer["marketingState"] == "SUBSCRIBED") == bool(turn % 2)
        if kind == 0:
            yield {"platform": "mailchimp", "email": key, "set": {"merge_fields": {"LNAME": f"M{turn}-{number}"}}}
        elif kind == 1:
            yield {"platform": "shopify", "email": key, "set": {"firstName": f"S{turn}-{number}"}}
        else:
            state = "SUBSCRIBED" if subscribed else "UNSUBSCRIBED"
            yield {"platform": "shopify", "email": key, "set": {"marketingState": state}}


# ---------------------------------------------------------------------------------------------- P6


def latency(a_second: int = 50, seconds: int = 20) -> Figure:
    """From the edit, which tells its webhook at once, to the end of the call that wrote it on the other side.

    Names, each with a value of its own, so that a write is known by what it carries; half of them in Mailchimp. The
    yardstick is what three bare calls in a row take in the same run: no sync can look, look again and write in less.
    """
    count = a_second * seconds
    with tempfile.TemporaryDirectory(prefix="shopchimp-record-") as folder:
        record = Path(folder) / "calls.jsonl"
        sandbox = ("--shop", BUSY_SHOP, "--record", str(record))
        with _live_house(int(count * 1.5), *sandbox) as (house, _, control):
            keys = list(_both(control))[:count]
            assert len(keys) == count, f"only {len(keys)} people"
            # everybody once before: a contact that was there before us gets its tags at the first look
            _post(control, "edits", edits=[_named("shopify", key, f"W{n}") for n, key in enumerate(keys)])
            _until_quiet(house, control)
            _post(control, "latency", ms=100)
            with _first_sync_of_another(house):
                edited = _edit_steadily(control, keys, a_second)
                _until_quiet(house, control)
                yardstick = _three_calls(house)
        written = _written(record)
    missing = edited.keys() - written.keys()
    assert not missing, f"{len(missing)} changes were never written"
    took = sorted(written[name] - at for name, at in edited.items())
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    work = (
        f"{a_second} changes a second for {seconds} s, 100 ms a call, another shop in its first sync: edit to"
        f" confirmed write, p50 (p95 {took[int(len(took) * 0.95)]:.2f}, p99 {p99:.2f}) against three bare calls (s)"
    )
    holds = p50 <= P6_P50 and p99 <= P6_P99
    figure = _figure("P6", work, p50, yardstick, p50 / yardstick, "p50 0.6 s, p99 2 s", holds=holds)
    return {**figure, "p99": round(p99, 3)}


@contextmanager
def _first_sync_of_another(house: House) -> Iterator[None]:
    """Another shop of the same login previews again and again: its reading never ends while we measure."""
    other = Merchant(app_url=house.app_url, sandbox_url=house.shopify_url, shop=BUSY_SHOP)
    stop = threading.Event()

    def again() -> None:
        while not stop.is_set():
            with suppress(Exception):
                run = other.preview(timeout=60)
                other.start(run["id"])
                other.follow(run["id"], timeout=60)

    try:
        other.connect()
        other.choose_audience("Wholesale")
        thread = threading.Thread(target=again, daemon=True)
        thread.start()
        time.sleep(1)
        yield
        stop.set()
        thread.join(120)
    finally:
        stop.set()
        other.close()


def _edit_steadily(control: httpx.Client, keys: list[str], a_second: int) -> dict[str, float]:
    """One edit after the other at an even pace; when each was made, by the name it gave."""
    began, edited = time.perf_counter(), {}
    for number, key in enumerate(keys):
        time.sleep(max(0.0, began + number / a_second - time.perf_counter()))
        name = f"P6x{number}x"
        edited[name] = time.time()
        _post(control, "edit", **_named("shopify" if number % 2 else "mailchimp", key, name))
    return edited


def _named(platform: str, key: str, name: str) -> Row:
    words = {"firstName": name} if platform == "shopify" else {"merge_fields": {"FNAME": name}}
    return {"platform": platform, "email": key, "set": words}


def _written(record: Path) -> dict[str, float]:
    """When each name was first written by a call that was answered well."""
    found: dict[str, float] = {}
    for line in record.read_text().splitlines():
        call = json.loads(line)
        if call["method"] == "GET" or call["status"] != 200 or not call["body"]:
            continue
        for name in re.findall(r"P6x\d+x", json.dumps(call["body"])):
            found.setdefault(name, call["at"])
    return found


def _three_calls(house: House) -> float:
    """Seconds of three calls in a row with a client of our own, the median of some."""
    from benchmarks.first_sync import _mailchimp_token

    headers = {"Authorization": f"Bearer {_mailchimp_token(house)}"}
    took = []
    with httpx.Client(base_url=f"{house.mailchimp_url}/3.0", headers=headers, trust_env=False) as client:
        for _ in range(10):
            began = time.perf_counter()
            for _ in range(3):
                client.get("/ping").raise_for_status()
            took.append(time.perf_counter() - began)
    return statistics.median(took)
