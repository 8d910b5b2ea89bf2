"""Events as a shop's pixel sends them to a running web process, and what the database has of them."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import web_house as house
import webhook_house as wh
from sqlalchemy import text
from webhook_house import Ear

from shopchimp.db import pixels
from shopchimp.web.health import registry

PATH = "/pixel/v1/events"
TABLES = ("customer_events", "visitors", "event_counts", "pixels")
AGREED = {"analytics": True, "marketing": True, "preferences": True, "saleOfData": True}
_numbers = itertools.count(1)


def shop(ear: Ear, domain: str = house.SHOP, **connection: Any) -> str:
    """A shop whose customer events are taken; gives its public id."""
    shop_id = house.add_shop(ear.runtime.database, domain)
    house.connect(ear.runtime, shop_id, **{"live_since": datetime.now(UTC), **connection})
    with ear.runtime.database.transaction() as tx:
        account = pixels.ensure(tx, shop_id)
    ear.shop = ear.shop or shop_id
    return account


def empty(ear: Ear) -> None:
    wh.empty(ear.runtime)
    ear.run(f"truncate {', '.join(TABLES)}")


def said(account: str, name: str = "page_viewed", **changes: Any) -> dict[str, Any]:
    """A body before it becomes JSON; a change to None takes the field away."""
    said = {
        "version": 1,
        "accountID": account,
        "id": f"sh-{next(_numbers):08}-0000-4000-8000",
        "name": name,
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "clientId": "visitor-00000001",
        "consent": AGREED,
        "page": {"url": "https://shop.example.com/products/mug", "title": "A mug"},
        **changes,
    }
    return {field: value for field, value in said.items() if value is not None}


def send(ear: Ear, said: dict[str, Any] | bytes, **headers: str) -> None:
    """Send it as a browser does; whatever it is, the answer is 204, empty, and readable from everywhere."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    answer = ear.client.post(PATH, content=body, headers={"Content-Type": "text/plain", **headers})
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


def stored(ear: Ear) -> int:
    """How many rows there are of anything that an event leaves behind."""
    parts = " + ".join(f"(select count(*) from {table})" for table in (*TABLES[:3], "changes", "lanes"))
    return int(ear.rows(f"select {parts} as n")[0]["n"])


def outcomes() -> dict[str, float]:
    """What came of all events of this process so far."""
    return {
        sample.labels["outcome"]: sample.value
        for metric in registry.collect()
        if metric.name == "shopchimp_pixel_events"
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def since(before: dict[str, float]) -> dict[str, float]:
    """What came of the events since then."""
    return {what: n - before.get(what, 0) for what, n in outcomes().items() if n != before.get(what, 0)}


def bury(ear: Ear, shop_id: int, name: str) -> None:
    """Somebody of this name was erased lately."""
    query = "insert into tombstones (shop_id, digest, until) values (:shop, :digest, now() + interval '90 days')"
    with ear.runtime.database.transaction() as tx:
        tx.execute(text(query), {"shop": shop_id, "digest": ear.runtime.gateways.vault.fingerprints(name)[0]})
