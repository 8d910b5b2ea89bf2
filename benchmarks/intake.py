"""P1: signed webhooks a second with one web process, against a bare asynchronous route with the same statement."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from shopchimp.local.house import SHOP, House, Plan
from shopchimp.local.processes import free_port

Figure = dict[str, Any]
CONNECTIONS = 32
PEOPLE = 5_000
SECONDS = 5.0
GOAL, GOAL_P99 = 0.7, 2.0


def signed_webhooks(rounds: int = 3, *, per_round: int = 20_000) -> Figure:
    """Both routes in turn, the same load on each; medians are compared, and every answer is accounted for."""
    with tempfile.TemporaryDirectory(prefix="shopchimp-bench-") as name:
        folder = Path(name)
        with House(Plan(folder, sandbox=["--people", "0"], beat=False, worker=False)) as house:
            bare = free_port()
            argv = [sys.executable, "-m", "benchmarks.bare_intake", str(bare)]
            ready = f"http://127.0.0.1:{bare}/healthz"
            house.processes.start("bare", argv, env={"DATABASE_URL": house.postgres.url}, ready_url=ready)
            ours = int(house.app_url.rsplit(":", 1)[1])
            with psycopg.connect(house.postgres.url, autocommit=True) as database:
                live_shop(database)
                found: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
                for each in range(-1, rounds):  # the first round warms both up
                    for kind, port in (("ours", ours), ("bare", bare)):
                        said = _load(
                            folder, port, house.env["SHOPCHIMP_SHOPIFY_API_SECRET"], f"{kind}{each}", per_round
                        )
                        if each >= 0:
                            found[kind].append(said)
                        _check(database, said)
    return _figure(found)


def live_shop(database: psycopg.Connection[Any]) -> int:
    """A shop that is live, without anything behind it. Gives back its number."""
    shop = database.execute("insert into shops (domain) values (%s) returning id", (SHOP,)).fetchone()
    assert shop is not None
    columns = "shop_id, account_id, login_id, account_name, role, api_root, access_token, audience_id, live_since"
    values = "%s, 'a', '1', 'a', 'admin', 'https://us1.api.mailchimp.com', '', 'a', now()"
    database.execute(f"insert into connections ({columns}) values ({values})", (shop[0],))
    return int(shop[0])


def _load(folder: Path, port: int, secret: str, name: str, count: int) -> dict[str, float]:
    file = folder / "requests"
    file.write_bytes(b"".join(signed_webhook(secret, name, n) for n in range(count)))
    argv = [sys.executable, "-m", "benchmarks.webhook_load", str(port), str(CONNECTIONS), str(SECONDS), str(file)]
    said: dict[str, float] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return said


def signed_webhook(secret: str, name: str, n: int) -> bytes:
    """A whole customer, as a subscription without `includeFields` would bring it: about 1.5 kB."""
    person = n % PEOPLE
    address = {"first_name": "Ann", "last_name": "Berg", "city": "Uppsala", "zip": "753 20", "country": "Sweden"}
    customer = {
        "id": 7300000000000 + person,
        "email": f"person{person}@example.com",
        "updated_at": f"2026-11-03T09:{n // 60 % 60:02}:{n % 60:02}+01:00",
        "first_name": "Ann",
        "last_name": "Berg",
        "note": "x" * 600,
        "addresses": [address] * 4,
        "default_address": address,
    }
    body = json.dumps(customer).encode()
    mac = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    head = (
        "POST /webhooks/shopify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Shopify-Topic: customers/update\r\nX-Shopify-Shop-Domain: {SHOP}\r\nX-Shopify-Hmac-Sha256: {mac}\r\n"
        f"X-Shopify-Webhook-Id: {name}-{n}\r\nX-Customer: {customer['id']}\r\nX-Address: {customer['email']}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    return (len(head) + len(body)).to_bytes(4, "big") + head + body


def _check(database: psycopg.Connection[Any], said: dict[str, float]) -> None:
    """Every 2xx is a delivery, and every delivery a mark; then the tables are emptied for the next round."""
    counted = database.execute(
        "select (select count(*) from deliveries), (select sum(version) from changes)"
    ).fetchone()
    assert counted is not None
    said["lost"] = abs(counted[0] - said["taken"]) + abs(int(counted[1] or 0) - said["taken"])
    database.execute("truncate deliveries, changes")


def _figure(found: dict[str, list[dict[str, float]]]) -> Figure:
    def middle(kind: str, name: str) -> float:
        return statistics.median(said[name] for said in found[kind])

    ratio = middle("ours", "per_second") / middle("bare", "per_second")
    p99 = middle("ours", "p99_ms") / middle("bare", "p99_ms")
    lost = sum(said["lost"] + said["refused"] for said in (*found["ours"], *found["bare"]))
    return {
        "id": "P1",
        "work": f"signed webhooks, one web process, {CONNECTIONS} connections",
        "ours": f"{middle('ours', 'per_second'):.0f}/s, p99 {middle('ours', 'p99_ms'):.1f} ms",
        "yardstick": f"{middle('bare', 'per_second'):.0f}/s, p99 {middle('bare', 'p99_ms'):.1f} ms (bare route)",
        "ratio": f"{ratio:.2f}, p99 {p99:.2f}, lost {lost:.0f}",
        "goal": f"at least {GOAL}, p99 at most {GOAL_P99}, lost 0",
        "holds": ratio >= GOAL and p99 <= GOAL_P99 and lost == 0,
        "rounds": found,
    }
