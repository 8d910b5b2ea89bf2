"""Services on a real Postgres with platforms that say what a test tells them to; runs made of a few invented people."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import orjson
from sqlalchemy import text

from shopchimp.db import run_tables, shops
from shopchimp.db import sync_runs as runs
from shopchimp.db.crypto import Vault, parse_keys
from shopchimp.db.session import Database
from shopchimp.mailchimp import MailchimpApp
from shopchimp.services import planning, settings, tokens
from shopchimp.services.gateways import Gateways
from shopchimp.shopify import ShopifyApp
from shopchimp.shopify.oauth import OfflineToken

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ONE, TWO = "one.myshopify.com", "two.myshopify.com"
KEYS = parse_keys(base64.b64encode(hashlib.sha256(b"tests").digest()).decode())
SHOPIFY = ShopifyApp("key", ("secret-of-the-tests-alone-32-bytes",), "https://app.test", ("read_customers",))
MAILCHIMP = MailchimpApp("client", "secret", "https://app.test/auth/mailchimp/callback")


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Platforms:
    """Answers by path; each request is remembered."""

    answers: dict[str, Callable[[httpx.Request], httpx.Response]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            self.requests.append(request)
        answer = self.answers.get(request.url.path)
        return answer(request) if answer else httpx.Response(503)

    def to(self, path: str) -> list[httpx.Request]:
        return [request for request in self.requests if request.url.path == path]


@dataclass
class House:
    gateways: Gateways
    platforms: Platforms
    clock: Clock

    @property
    def database(self) -> Database:
        return self.gateways.database

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self.database.transaction() as tx:
            return [dict(row._mapping) for row in tx.execute(text(query), values)]

    def one(self, query: str, **values: Any) -> dict[str, Any]:
        (row,) = self.rows(query, **values)
        return row

    def do(self, query: str, **values: Any) -> None:
        with self.database.transaction() as tx:
            tx.execute(text(query), values)

    def shop(self, domain: str = ONE, *, expires: timedelta | None = timedelta(hours=1), token: str = "a1") -> int:
        """An installed shop."""
        with self.database.transaction() as tx:
            shop_id = shops.ensure(tx, domain)
        until = self.clock() + expires if expires is not None else None
        pair = OfflineToken(token, ("read_customers",), until, "r1", self.clock() + timedelta(days=90))
        tokens.store(self.database, self.gateways.vault, shop_id, pair)
        return shop_id

    def connect(self, shop_id: int, *, audience: str | None = "aud1", account: str = "acc1") -> None:
        """A connected account, by the back door."""
        sealed = self.gateways.vault.seal(b"mc-token", context=f"mailchimp-token:{shop_id}")
        self.do(
            """
            insert into connections (shop_id, account_id, login_id, account_name, role, api_root, access_token,
                audience_id, audience_name)
            values (:shop, :account, 'l', 'Ana Goods', 'owner', 'https://us6.api.mailchimp.com', :token,
                :audience, 'Newsletter')
            """,
            shop=shop_id, account=account, token=sealed, audience=audience,
        )  # fmt: skip

    def run_of(
        self,
        shop_id: int,
        customers: Iterable[tuple[Any, ...]],
        contacts: Iterable[tuple[Any, ...]] = (),
        *,
        policy: str = "mailchimp_wins",
        ready: bool = True,
    ) -> UUID:
        """A run that has read these people and planned them. See `customer` and `contact`."""
        run_id, token = uuid4(), uuid4()
        with self.database.transaction() as tx:
            options = {**settings.get(tx, shop_id).first_sync_json(), "double_optin": False}
            runs.create(tx, shop_id, run_id, audience_id="aud1", options=options, policy=policy)
            tx.execute(
                text("update sync_runs set phase = 'plan', token = :token, due_at = null where id = :id"),
                {"id": run_id, "token": token},
            )
        with self.database.raw() as connection:
            rows = [(run_id, *row) for row in contacts]
            run_tables.copy_in(connection, "run_contacts", run_tables.CONTACT_COLUMNS, rows)
            rows = [(run_id, *row) for row in customers]
            run_tables.copy_in(connection, "run_customers", run_tables.CUSTOMER_COLUMNS, rows)
        if ready:
            planning.make_plan(self.database, self.run(shop_id, run_id), token)
            self.do(
                """
                update sync_runs set state = 'ready', phase = 'contacts', token = null,
                    expires_at = now() + interval '1 day' where id = :id
                """,
                id=run_id,
            )
        return run_id

    def run(self, shop_id: int, run_id: UUID) -> runs.Run:
        with self.database.transaction() as tx:
            found = runs.get(tx, shop_id, run_id)
        assert found is not None
        return found

    def plan(self, run_id: UUID) -> list[dict[str, Any]]:
        return self.rows("select * from plan where run_id = :run order by n", run=run_id)


def customer(
    number: int, email: str | None, state: str = "SUBSCRIBED", at: datetime | None = None, **fields: Any
) -> tuple[Any, ...]:
    """A row of run_customers."""
    key = email.strip().lower() if email else f"customer:{number}"
    return (number, key, email, state, "SINGLE_OPT_IN", at, orjson.dumps(fields).decode())


def contact(email: str, status: str = "subscribed", at: datetime | None = None, **merge: Any) -> tuple[Any, ...]:
    """A row of run_contacts."""
    return (email.strip().lower(), email, f"id-{email}", status, at, at, orjson.dumps(merge).decode())


def id_token(domain: str, now: datetime) -> str:
    """What the admin's App Bridge would send."""
    claims = {
        "iss": f"https://{domain}/admin", "dest": f"https://{domain}", "aud": SHOPIFY.api_key, "sub": "42",
        "exp": now + timedelta(minutes=1), "nbf": now, "iat": now, "jti": uuid4().hex, "sid": "s",
    }  # fmt: skip
    return jwt.encode(claims, SHOPIFY.secrets[0], algorithm="HS256")


def pair(access: str = "a2", refresh: str = "r2", **more: Any) -> httpx.Response:
    """Shopify's answer to a token request."""
    body = {"access_token": access, "scope": "read_customers", "expires_in": 3600}
    body |= {"refresh_token": refresh, "refresh_token_expires_in": 7776000, **more}
    return httpx.Response(200, json=body)


def open_house(database_url: str) -> House:
    platforms, clock = Platforms(), Clock()
    gateways = Gateways(
        database=Database(database_url),
        vault=Vault(KEYS),
        http=httpx.Client(transport=httpx.MockTransport(platforms)),
        shopify_app=SHOPIFY,
        mailchimp_app=MAILCHIMP,
        download_hosts=frozenset({"storage.googleapis.com"}),
        clock=clock,
    )
    return House(gateways, platforms, clock)
