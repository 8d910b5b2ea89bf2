"""P9: the time of signed webhooks while a crowd's pixel events come in at the same web process, against theirs alone.

Twice: with webhooks at a steady rate, and with as many as 32 connections can send. Every answer is accounted for, the
webhooks' and the pixel's.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from benchmarks.intake import CONNECTIONS, Figure, live_shop, signed_webhook
from shopchimp.local.house import House, Plan

EVENTS, MINUTES, VISITORS = 200_000, 10, 5_000
EVENTS_PER_SECOND = EVENTS / (MINUTES * 60)
WEBHOOKS_PER_SECOND = 200.0
AS_FAST_AS_ANSWERED = 0.0
SECONDS = 10.0
PATIENCE = 5.0
MOST_PER_SECOND = 4_000  # webhooks that are prepared, where they are sent as fast as they are answered
GOAL = 1.5
ACCOUNT = "the-public-id-of-a-shop"
ALONE, BESIDE = KINDS = ("alone", "beside")
LOADS = {"steady": WEBHOOKS_PER_SECOND, "full": AS_FAST_AS_ANSWERED}
NAMES = ("page_viewed", "product_viewed", "page_viewed", "collection_viewed", "page_viewed", "product_viewed",
         "page_viewed", "search_submitted", "page_viewed", "product_added_to_cart", "checkout_started")  # fmt: skip
_numbers = count(1)
Said = dict[str, float]


def webhooks_beside_visitors(rounds: int = 3) -> Figure:
    """Rounds with and without the crowd in turn, for both loads of webhooks; medians are compared."""
    with tempfile.TemporaryDirectory(prefix="shopchimp-bench-") as name:
        folder = Path(name)
        with (
            House(Plan(folder, sandbox=["--people", "0"], beat=False, worker=False)) as house,
            psycopg.connect(house.postgres.url, autocommit=True) as database,
        ):
            shop = live_shop(database)
            database.execute("insert into pixels (shop_id, account_id) values (%s, %s)", (shop, ACCOUNT))
            found: dict[str, list[Said]] = {f"{load} {kind}": [] for load in LOADS for kind in KINDS}
            for each in range(-1, rounds):  # the first round warms up
                for load, rate in LOADS.items():
                    for kind in KINDS if each % 2 else reversed(KINDS):
                        said = _round(house, folder, f"{load}-{kind}-{each}", rate, crowd=kind == BESIDE)
                        _check(database, said)
                        if each >= 0:
                            found[f"{load} {kind}"].append(said)
    return _figure(found)


def _round(house: House, folder: Path, name: str, rate: float, *, crowd: bool) -> Said:
    """Webhooks for some seconds, with the crowd's events or without. The crowd begins first and ends last."""
    port, secret = house.app_url.rsplit(":", 1)[1], house.env["SHOPCHIMP_SHOPIFY_API_SECRET"]
    webhooks = int((rate or MOST_PER_SECOND) * SECONDS) + 1
    _write(folder / "webhooks", (signed_webhook(secret, name, n) for n in range(webhooks)))
    events = int(EVENTS_PER_SECOND * (SECONDS + 2)) if crowd else 0
    _write(folder / "events", (_event() for _ in range(events)))
    visitors = _sender(port, SECONDS + 10, folder / "events", EVENTS_PER_SECOND) if crowd else None
    said: Said = json.loads(_sender(port, SECONDS, folder / "webhooks", rate).communicate()[0])
    if visitors is not None:
        theirs = json.loads(visitors.communicate()[0])
        said |= {f"events_{name}": theirs[name] for name in ("taken", "refused", "left", "p99_ms")}
    return said


def _write(file: Path, requests: Any) -> None:
    file.write_bytes(b"".join(requests))


def _sender(port: str, seconds: float, file: Path, rate: float) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "benchmarks.webhook_load", port, str(CONNECTIONS), str(seconds), str(file), str(rate)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


def _event() -> bytes:
    """An event as the pixel sends it; every other visitor is logged in."""
    number = next(_numbers)
    dice = Random(number)
    visitor, name = dice.randrange(VISITORS), NAMES[number % len(NAMES)]
    product = {"id": str(dice.randrange(500) + 1), "title": "A mug", "variantId": "7", "price": 9, "currency": "EUR"}
    checkout = {"token": f"checkout{visitor:08d}", "total": 9, "currency": "EUR", "itemCount": 1, "items": []}
    data = {
        "product_viewed": {"product": product},
        "product_added_to_cart": {"product": product, "quantity": 1, "total": 9},
        "collection_viewed": {"collection": {"id": "5", "title": "Mugs"}},
        "search_submitted": {"query": "mug"},
        "checkout_started": {"checkout": checkout},
    }
    said = {
        "version": 1,
        "accountID": ACCOUNT,
        "id": f"sh-{number:08d}-8F5A-4C0B",
        "name": name,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "clientId": f"visitor-{visitor:08d}-4d3c-9f52",
        "consent": {"analytics": True, "marketing": True, "preferences": True, "saleOfData": True},
        "page": {"url": f"https://pinewood.example.com/pages/{dice.randrange(30)}", "title": "A page of the store"},
        **({"customerId": str(7300000000000 + visitor)} if visitor % 2 else {}),
        **({"data": data[name]} if name in data else {}),
    }
    body = json.dumps(said).encode()
    head = (
        "POST /pixel/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    return (len(head) + len(body)).to_bytes(4, "big") + head + body


def _check(database: psycopg.Connection[Any], said: Said) -> None:
    """Every 2xx of a webhook is a delivery, every 204 of the crowd a stored event; then the tables are emptied."""
    both = "select (select count(*) from deliveries), (select count(*) from customer_events)"
    until = time.monotonic() + PATIENCE  # an event may be stored a little after its answer
    while True:
        deliveries, events = database.execute(both).fetchone() or (0, 0)
        missing = abs(deliveries - said["taken"]) + abs(events - said.get("events_taken", 0))
        if not missing or time.monotonic() > until:
            break
        time.sleep(0.1)
    said["lost"] = missing + said["refused"] + said.get("events_refused", 0)
    database.execute("truncate deliveries, changes, customer_events")


def _figure(found: dict[str, list[Said]]) -> Figure:
    def middle(kind: str, name: str = "p99_ms") -> float:
        return statistics.median(said[name] for said in found[kind])

    ratios = {load: middle(f"{load} beside") / middle(f"{load} alone") for load in LOADS}
    lost = sum(said["lost"] for some in found.values() for said in some)
    full = f"{middle('full beside', 'per_second'):.0f}/s"
    alone = f"{middle('full alone', 'per_second'):.0f}/s"
    return {
        "id": "P9",
        "work": (
            f"p99 of signed webhooks beside {EVENTS_PER_SECOND:.0f} pixel events a second of {VISITORS:,} visitors,"
            f" against theirs alone: {WEBHOOKS_PER_SECOND:.0f} a second, and as many as {CONNECTIONS} connections send"
        ),
        "ours": f"{middle('steady beside'):.1f} ms, {middle('full beside'):.1f} ms at {full}",
        "yardstick": f"{middle('steady alone'):.1f} ms, {middle('full alone'):.1f} ms at {alone} (alone)",
        "ratio": f"{ratios['steady']:.2f}, {ratios['full']:.2f}, lost {lost:.0f}",
        "goal": f"both at most {GOAL}, lost 0",
        "holds": max(ratios.values()) <= GOAL and lost == 0,
        "rounds": found,
    }
