"""A shop with pages on a real Postgres, and its rows: what the web and browser tests start from."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import orjson
from sqlalchemy import insert, text

from shopchimp.db import models
from shopchimp.db.crypto import Vault, parse_keys
from shopchimp.db.models import Base
from shopchimp.db.privacy import body_context
from shopchimp.db.session import Database
from shopchimp.db.shops import token_context
from shopchimp.local.postgres import Postgres
from shopchimp.mailchimp import MailchimpApp
from shopchimp.runtime import Runtime, make_runtime
from shopchimp.shopify import ShopifyApp

API_KEY, SECRET = "web-test-key", "web-test-secret-of-more-than-32-bytes"
SHOP, OTHER_SHOP = "demo-store.myshopify.com", "other-store.myshopify.com"
BRIDGE = "https://cdn.shopify.com/shopifycloud/app-bridge.js"
WAKERS = ("previews", "syncs", "live", "failed", "held", "drift", "settings_fields", "settings_tags", "settings_sms")
WAKERS += ("promo_codes", "commerce", "api.commerce", "customer_events", "api.customer_events")
WAKERS += tuple(
    f"api.{name}" for name in ("previews", "sync_runs", "live", "stopped", "audits", "doors", "promo_codes")
)
KEYS = base64.b64encode(bytes(range(32))).decode()
ANSWERS: dict[tuple[str, str], tuple[int, Any]] = {}  # what Mailchimp answers beside its audiences
ASKED: list[tuple[str, str, bytes]] = []
T0 = datetime(2026, 5, 3, 10, 4, tzinfo=UTC)


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A server with our tables; gives its address in SQLAlchemy's form."""
    with Postgres(folder, fast=True) as server:
        url = server.url.replace("postgresql://", "postgresql+psycopg://", 1)
        database = Database(url)
        Base.metadata.create_all(database.engine)
        database.close()
        yield url


def runtime(url: str, *, app_url: str, standalone: str = "", http: httpx.BaseTransport | None = None) -> Runtime:
    """A process' own things, with no platform to reach but what `http` answers."""
    made = make_runtime(
        database_url=url,
        redis_url="redis://127.0.0.1:1/0",
        keys=parse_keys(KEYS),
        shopify_app=ShopifyApp(api_key=API_KEY, secrets=(SECRET,), app_url=app_url, scopes=("read_customers",)),
        mailchimp_app=MailchimpApp(
            client_id="id",
            client_secret="secret",
            redirect_uri=f"{app_url}/auth/mailchimp/callback",
            login_url="https://login.mailchimp.com",
            api_url="",
        ),
        download_hosts=frozenset(),
        connections=2,
        standalone_shop=standalone,
        app_bridge_url=BRIDGE,
        lease_seconds=20,
        sweep_seconds=5,
    )
    transport = http or httpx.MockTransport(lambda _: httpx.Response(503))
    return replace(made, gateways=replace(made.gateways, http=httpx.Client(transport=transport)))


def session_token(shop: str = SHOP, **changes: Any) -> str:
    """What App Bridge would give."""
    now = int(time.time())
    claims = {
        "iss": f"https://{shop}/admin",
        "dest": f"https://{shop}",
        "aud": API_KEY,
        "sub": "42",
        "exp": now + 60,
        "nbf": now - 1,
        "iat": now - 1,
        "jti": str(uuid4()),
        "sid": "s",
    }
    return jwt.encode({**claims, **changes}, SECRET, algorithm="HS256")


def empty(database: Database) -> None:
    """Forget everything."""
    with database.transaction() as tx:
        tables = (
            "shops, activities, people, workers, changes, breakers, tallies, sync_times, privacy_requests, deliveries,"
            " commerce_items, checkouts, commerce_nodes, customer_events, visitors, event_counts, campaigns,"
            " activity_facts, engagements"
        )
        tx.execute(text(f"truncate {tables} restart identity cascade"))


def add_shop(database: Database, domain: str = SHOP, **values: Any) -> int:
    """An installed shop."""
    until = datetime.now(UTC) + timedelta(days=30)
    row = {
        "domain": domain,
        "name": "Demo store",
        "timezone": "America/New_York",
        "access_token": b"sealed",
        "access_expires_at": until,
        "refresh_token": b"sealed",
        "refresh_expires_at": until,
    }
    with database.transaction() as tx:
        shop_id = int(tx.execute(insert(models.Shop).values({**row, **values}).returning(models.Shop.id)).scalar_one())
        sealed = Vault(parse_keys(KEYS)).seal(b"shpat_test", context=token_context(shop_id, "access"))
        tx.execute(text("update shops set access_token = :sealed where id = :id"), {"sealed": sealed, "id": shop_id})
    return shop_id


def connect(runtime: Runtime, shop_id: int, **values: Any) -> None:
    """The shop's Mailchimp account and audience."""
    token = runtime.gateways.vault.seal(b"token-us21", context=f"mailchimp-token:{shop_id}")
    row = {
        "shop_id": shop_id,
        "account_id": "acc",
        "login_id": "7",
        "account_name": "Acme Ltd",
        "role": "admin",
        "api_root": "https://us21.api.mailchimp.com",
        "access_token": token,
        "audience_id": "aud1",
        "audience_name": "Newsletter",
    }
    with runtime.database.transaction() as tx:
        tx.execute(insert(models.Connection).values({**row, **values}))


COUNTS: dict[str, Any] = {
    "people": 6,
    "contacts_read": 4,
    "contacts_without_customer": 1,
    "contacts_total": 4,
    "contacts_total_archived": 0,
    "customers_read": 6,
    "customers_total": 6,
    "planned": 7,
    "by_kind": {
        "consent_to_customer_subscribe": 2,
        "consent_to_customer_unsubscribe": 1,
        "create": 1,
        "unchanged": 1,
        "skip": 1,
    },
    "by_rule": [
        {"rule": "initial.S9+S10", "direction": "to_shopify", "write": "SUBSCRIBED", "n": 2},
        {"rule": "initial.L1", "direction": "to_shopify", "write": "UNSUBSCRIBED", "n": 1},
        {"rule": "initial.S6+S7", "direction": "to_mailchimp", "write": "subscribed", "n": 1},
        {"rule": "initial.S8", "direction": "none", "write": None, "n": 1},
        {"rule": "", "direction": "none", "write": None, "n": 1},
        {"rule": "initial.S62", "direction": "none", "write": None, "n": 1},
    ],
    "skip": {"no_email": 1},
    "conflicts": 1,
    "contact_writes": 2,
    "consent_writes": 3,
    "missing_fields": ["COMPANY"],
}


def add_run(database: Database, shop_id: int, state: str = "ready", **values: Any) -> UUID:
    """A run with the plan of seven people."""
    run_id = uuid4()
    now = datetime.now(UTC)
    started = state in {"running", "paused", "done", "cancelled", "needs_you"}
    options = {
        "conflict_policy": None,
        "sync_non_subscribed": True,
        "tag": "Shopify",
        "field_map": {
            "FNAME": "first_name",
            "LNAME": "last_name",
            "PHONE": "phone",
            "ADDRESS": "address",
            "COMPANY": "company",
        },
        "tags": "all",
        "chosen_tags": [],
        "double_optin": False,
    }
    row = {
        "id": run_id,
        "shop_id": shop_id,
        "audience_id": "aud1",
        "state": state,
        "phase": {"preparing": "read_contacts", "done": "done"}.get(state, "contacts"),
        "options": options,
        "counts": COUNTS if state != "preparing" else {"contacts_total": 4, "contacts_total_archived": 0},
        "created_at": now - timedelta(minutes=5),
        "expires_at": None if state == "preparing" else now + timedelta(hours=23),
        "started_at": now - timedelta(minutes=3) if started else None,
        "finished_at": now if state in {"done", "cancelled"} else None,
    }
    with database.transaction() as tx:
        tx.execute(insert(models.SyncRun).values({**row, **values}))
        if state != "preparing":
            for person in PLAN:
                tx.execute(insert(models.PlanRow).values({**_plan_row(run_id), **person}))
            for side, size in (("contact", 2), ("customer", 3)):
                done = now - timedelta(seconds=30) if state == "done" or (started and side == "contact") else None
                chunk = {"run_id": run_id, "side": side, "chunk": 1, "action": "update", "size": size}
                tx.execute(insert(models.RunChunk).values({**chunk, "finished_at": done}))
    return run_id


def _plan_row(run_id: UUID) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "contact_id": None,
        "customer_at": None,
        "contact_opted_at": None,
        "contact_changed_at": None,
        "customer_state": "NOT_SUBSCRIBED",
        "contact_status": "absent",
        "rule": "",
    }


def _planned(n: int, name: str, email: str | None, **values: Any) -> dict[str, Any]:
    key = email.lower() if email else f"customer:{n}"
    return {"n": n, "key": key, "email": email, "name": name, "customer_id": 100 + n, **values}


PLAN = [
    _planned(
        1,
        "Anna Berg",
        "Anna.Berg@example.com",
        kind="consent_to_customer_subscribe",
        rule="initial.S9+S10",
        contact_status="subscribed",
        contact_opted_at=T0,
        to_customer="SUBSCRIBED",
        to_customer_at=T0,
        customer_chunk=1,
        contact_action="update",
        contact_chunk=1,
    ),
    _planned(
        2,
        "Ben Ode",
        "ben@example.net",
        kind="consent_to_customer_subscribe",
        rule="initial.S9+S10",
        conflict=True,
        customer_state="UNSUBSCRIBED",
        customer_at=T0 + timedelta(days=30),
        contact_status="subscribed",
        contact_opted_at=T0,
        to_customer="SUBSCRIBED",
        customer_chunk=1,
    ),
    _planned(
        3,
        "Cleo Wu",
        "cleo@example.org",
        kind="consent_to_customer_unsubscribe",
        rule="initial.L1",
        customer_state="SUBSCRIBED",
        customer_at=T0,
        contact_status="unsubscribed",
        contact_changed_at=T0 + timedelta(days=9),
        to_customer="UNSUBSCRIBED",
        to_customer_at=T0 + timedelta(days=9),
        customer_chunk=1,
    ),
    _planned(
        4,
        "=HYPERLINK(1)",
        "+dora@example.com",
        kind="create",
        rule="initial.S6+S7",
        customer_state="SUBSCRIBED",
        customer_at=T0,
        contact_action="create",
        to_contact="subscribed",
        contact_chunk=1,
    ),
    _planned(
        5,
        "Eve Lang",
        "eve@example.com",
        kind="unchanged",
        rule="initial.S8",
        customer_state="SUBSCRIBED",
        contact_status="subscribed",
        customer_at=T0,
        contact_opted_at=T0,
    ),
    _planned(6, "No Mail", None, kind="skip", skip="no_email"),
    {
        "n": 7,
        "key": "zoe@example.com",
        "email": "zoe@example.com",
        "name": "Zoe",
        "kind": "skip",
        "rule": "initial.S62",
        "skip": "no_customer",
        "customer_state": "absent",
        "contact_status": "subscribed",
    },
]


def add_person(database: Database, shop_id: int, run_id: UUID | None = None, **values: Any) -> int:
    """Anna, as the first sync left her, with its lines in the log."""
    row = {
        "shop_id": shop_id,
        "key": "anna.berg@example.com",
        "email": "Anna.Berg@example.com",
        "name": "Anna Berg",
        "customer_id": 101,
        "contact_id": "c1",
        "customer_state": "SUBSCRIBED",
        "customer_at": T0,
        "contact_status": "subscribed",
        "contact_opted_at": T0,
        "rule": "initial.S9+S10",
        "result": "synced",
        "synced_at": datetime.now(UTC),
    }
    said = {
        "customer_state": "NOT_SUBSCRIBED",
        "contact_status": "subscribed",
        "contact_opted_at": "2026-05-03T10:04:00+00:00",
    }
    lines = [
        {"kind": "contact", "direction": "to_mailchimp", "detail": {**said, "action": "update", "fields": ["PHONE"]}},
        {
            "kind": "consent",
            "direction": "to_shopify",
            "detail": {
                **said,
                "before": "NOT_SUBSCRIBED",
                "after": "SUBSCRIBED",
                "action": "consent",
                "consent_at": "2026-05-03T10:04:00+00:00",
            },
        },
    ]
    with database.transaction() as tx:
        statement = insert(models.Person).values({**row, **values}).returning(models.Person.id)
        person_id = int(tx.execute(statement).scalar_one())
        for line in lines:
            fixed = {"shop_id": shop_id, "person_id": person_id, "run_id": run_id, "result": "synced"}
            tx.execute(insert(models.Activity).values({**fixed, "rule": "initial.S9+S10", **line}))
    return person_id


def go_live(database: Database, shop_id: int, *, hours: float = 48) -> None:
    """The first sync is complete, and the chores are done on time."""
    now = datetime.now(UTC)
    with database.transaction() as tx:
        since = {"at": now - timedelta(hours=hours), "shop": shop_id}
        tx.execute(text("update connections set live_since = :at, contacts = 1000 where shop_id = :shop"), since)
        for name in ("hooks", "poll_customers", "poll_contacts", "audit"):
            row = {"shop_id": shop_id, "name": name, "due_at": now + timedelta(minutes=3), "last_ok_at": now}
            tx.execute(insert(models.Chore).values(row))
        for source, topic in (("shopify", "customers/update"), ("mailchimp", "aud1")):
            row = {"shop_id": shop_id, "source": source, "topic": topic, "external_id": f"{source}-1"}
            tx.execute(insert(models.Hook).values(row))


def add_change(database: Database, shop_id: int, key: str, state: str = "parked", **values: Any) -> None:
    """A change that stopped (or waits)."""
    row = {"lane": "contacts", "source": "shopify", "cause": "mc_field_value", "detail": "Please enter a date"}
    with database.transaction() as tx:
        tx.execute(
            insert(models.Change).values(
                {"shop_id": shop_id, "kind": "person", "key": key, "state": state, **row, **values}
            )
        )


def add_breaker(database: Database, shop_id: int, cause: str = "many_changes", seen: int = 2) -> None:
    """The circuit breaker asks."""
    with database.transaction() as tx:
        tx.execute(insert(models.Breaker).values({"shop_id": shop_id, "cause": cause, "seen": seen}))


def add_audit(database: Database, shop_id: int, state: str = "done", **values: Any) -> UUID:
    """An audit that found three differences, one of them explained."""
    audit_id, now = uuid4(), datetime.now(UTC)
    counts = {"pairs": 1000, "equal": 997, "found": 2, "repaired": 1, "left": 1}
    counts |= {"unexplained": {"consent_to_contact": 2}, "explained": {"archived": 1}}
    row = {
        "id": audit_id,
        "shop_id": shop_id,
        "state": state,
        "counts": counts,
        "cursor": {"audience": "aud1"},
        "started_at": now - timedelta(minutes=4),
        "finished_at": now - timedelta(minutes=3) if state == "done" else None,
    }
    said = {"customer_state": "UNSUBSCRIBED", "contact_status": "subscribed"}
    with database.transaction() as tx:
        tx.execute(insert(models.Audit).values({**row, **values}))
        for n, key, kind, cause, repaired in (
            (1, "anna.berg@example.com", "unexplained", "consent_to_contact", now),
            (2, "unknown@example.com", "unexplained", "consent_to_contact", None),
            (3, "cleo@example.org", "explained", "archived", None),
        ):
            found = {"audit_id": audit_id, "n": n, "key": key, "kind": kind, "cause": cause, "repaired_at": repaired}
            tx.execute(insert(models.AuditRow).values({**found, **said}))
    return audit_id


def add_live_line(database: Database, shop_id: int, person_id: int | None, **values: Any) -> int:
    """A line as live sync writes it."""
    row = {
        "shop_id": shop_id,
        "person_id": person_id,
        "kind": "consent",
        "direction": "to_mailchimp",
        "result": "synced",
        "rule": "ongoing.S23",
        "detail": {
            "action": "consent",
            "before": "subscribed",
            "after": "unsubscribed",
            "told_by": "shopify",
            "event_at": "2026-05-03T10:04:00+00:00",
            "customer_state": "UNSUBSCRIBED",
            "contact_status": "subscribed",
        },
    }
    with database.transaction() as tx:
        statement = insert(models.Activity).values({**row, **values}).returning(models.Activity.id)
        return int(tx.execute(statement).scalar_one())


def add_privacy(runtime: Runtime, shop_id: int, topic: str, body: dict[str, Any]) -> int:
    """A compliance request that waits for the merchant, with its sealed body."""
    digest = uuid4().bytes
    sealed = runtime.gateways.vault.seal(orjson.dumps(body), context=body_context(digest))
    done = datetime.now(UTC) if topic == "customers/data_request" else None
    row = {"digest": digest, "shop_id": shop_id, "domain": SHOP, "topic": topic, "body": sealed, "done_at": done}
    with runtime.database.transaction() as tx:
        statement = insert(models.PrivacyRequest).values(row).returning(models.PrivacyRequest.id)
        return int(tx.execute(statement).scalar_one())


def live_everything(runtime: Runtime, shop_id: int) -> dict[str, Any]:
    """A shop in the middle of live sync with something on every page."""
    database = runtime.database
    go_live(database, shop_id)
    run = add_run(database, shop_id, "done")
    sms = {"state": "SUBSCRIBED", "contact": "unsubscribed", "phone": "+14155550101", "held": "sms_stopped"}
    sms |= {"at": "2026-03-01T10:00:00.000000+00:00", "stopped_at": "2026-04-01T10:00:00.000000+00:00"}
    person = add_person(database, shop_id, run, tags=["VIP", "wholesale"], sms=sms)
    for name in ("held1", "held2"):
        key = f"{name}@example.com"
        add_person(database, shop_id, key=key, email=key, name=f"Held {name[-1]}", contact_status="unsubscribed")
        add_change(
            database, shop_id, key, "held", cause="many_changes", detail='["SUBSCRIBED", null, "unsubscribed", null]'
        )
    add_breaker(database, shop_id)
    add_breaker(database, shop_id, "many_opt_outs", 120)
    add_change(database, shop_id, "anna.berg@example.com")
    add_change(database, shop_id, "customer:77", cause="mc_email_refused", detail="", customer_id=77)
    later = datetime.now(UTC) + timedelta(minutes=4)
    add_change(database, shop_id, "w@example.com", "waiting", cause="mc_slow_down", detail="429", due_at=later)
    line = add_live_line(database, shop_id, person)
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with database.transaction() as tx:
        for direction, kind, bucket in (("to_mailchimp", "consent", 70), ("to_shopify", "consent", 75)):
            row = {"shop_id": shop_id, "hour": hour, "direction": direction, "kind": kind, "bucket": bucket, "n": 40}
            tx.execute(insert(models.SyncTime).values(row))
    dossier = {
        "stage": "ask",
        "customer_id": 9,
        "keys": ["gone@example.com"],
        "emails": ["gone@example.com"],
        "contact": "stopped",
        "counts": {},
    }
    asked = {"customer": {"id": 101, "email": "anna.berg@example.com"}}
    return {
        "run": run,
        "person": person,
        "line": line,
        "audit": add_audit(database, shop_id),
        "data_request": add_privacy(runtime, shop_id, "customers/data_request", asked),
        "erasure": add_privacy(runtime, shop_id, "customers/redact", {"dossier": dossier}),
    }
