"""A web process that takes webhooks, as a sender and as the database see it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import web_house as house
from sqlalchemy import text
from starlette.testclient import TestClient

from shopchimp.main import create_app
from shopchimp.runtime import Runtime

_numbers = itertools.count(1)
CUSTOMER = {"id": 101, "email": "Ana@Example.com ", "updated_at": "2026-11-03T09:30:02+01:00"}


@dataclass
class Ear:
    """The process, its runtime, and how often it wanted to wake a worker."""

    client: TestClient
    runtime: Runtime
    woken: list[float] = field(default_factory=list)
    shop: int = 0

    def shopify(
        self,
        body: bytes,
        topic: str | None = "customers/update",
        *,
        path: str = "/webhooks/shopify",
        **changes: str | None,
    ) -> httpx.Response:
        """A signed delivery; `changes` replace headers, None leaves one out (`_` stands for `-`)."""
        headers = {
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": house.SHOP,
            "X-Shopify-Hmac-Sha256": shopify_mac(body),
            "X-Shopify-Webhook-Id": f"delivery-{next(_numbers)}",
            "X-Shopify-Triggered-At": datetime.now(UTC).isoformat(),
            "Content-Type": "application/json",
        }
        for name, value in changes.items():
            headers["X-Shopify-" + name.replace("_", "-").title()] = value
        given = {name: value for name, value in headers.items() if value is not None}
        return self.client.post(path, content=body, headers=given)

    def mailchimp(self, path: str, body: bytes, secret: str = "", *, at: float | None = None) -> httpx.Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if secret:
            headers["X-Mailchimp-Signature"] = mailchimp_signature(body, secret, at=at)
        return self.client.post(f"/webhooks/mailchimp/{path}", content=body, headers=headers)

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.runtime.database.transaction() as tx:
            return [dict(row._mapping) for row in tx.execute(text(query), values)]

    def run(self, query: str, **values: Any) -> None:
        with self.runtime.database.transaction() as tx:
            tx.execute(text(query), values)

    def changes(self) -> dict[str, dict[str, Any]]:
        return {row["key"]: row for row in self.rows("select * from changes order by key")}

    def count(self, table: str) -> int:
        return self.rows(f"select count(*) as n from {table}")[0]["n"]

    def hook(self, shop_id: int, *, secret: str | None = "signing", audience: str = "aud1") -> str:
        """A Mailchimp hook of this shop; gives its path."""
        path = f"path-{next(_numbers)}-{time.time_ns()}"
        query = """
            insert into hooks (shop_id, source, topic, external_id, path_digest)
            values (:shop, 'mailchimp', :audience, 'h1', :digest) returning id
        """
        with self.runtime.database.transaction() as tx:
            values = {"shop": shop_id, "audience": audience, "digest": hashlib.sha256(path.encode()).digest()}
            hook_id = tx.execute(text(query), values).scalar_one()
            if secret:
                sealed = self.runtime.gateways.vault.seal(
                    secret.encode(), context=f"mailchimp-hook:{shop_id}:{hook_id}"
                )
                tx.execute(text("update hooks set signing_secret = :s where id = :id"), {"s": sealed, "id": hook_id})
        return path


def shopify_mac(body: bytes, secret: str = house.SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def mailchimp_signature(body: bytes, secret: str, *, at: float | None = None) -> str:
    moment = str(int(time.time() if at is None else at))
    return f"t={moment},v1={hmac.digest(secret.encode(), moment.encode() + b'.' + body, 'sha256').hex()}"


def form(kind: str, *, fired_at: str = "2026-11-22 09:00:00", **data: str) -> bytes:
    """A body of Mailchimp's; `merges__EMAIL` is `data[merges][EMAIL]`."""
    named = {f"data[{name.replace('__', '][')}]": value for name, value in {"list_id": "aud1", **data}.items()}
    return urlencode({"type": kind, "fired_at": fired_at, **named}).encode()


def empty(runtime: Runtime) -> None:
    house.empty(runtime.database)
    tables = "deliveries, changes, privacy_requests, tombstones, lanes, chores, hooks"
    with runtime.database.transaction() as tx:
        tx.execute(text(f"truncate {tables} cascade"))


@contextmanager
def listening(url: str, monkeypatch: Any) -> Iterator[Ear]:
    """The process, up until the end of the block."""
    runtime = house.runtime(url, app_url="https://app.example.com")
    woken: list[float] = []
    monkeypatch.setattr("shopchimp.main.wake", lambda: woken.append(time.monotonic()))
    with TestClient(create_app(runtime=runtime), base_url="https://app.example.com") as client:
        yield Ear(client, runtime, woken)
