"""Webhooks registered at both sandboxes, and privacy requests carried out there and here."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy import inspect, text

from shopchimp.db import privacy as requests
from shopchimp.domain.commerce.results import Kind, Step
from shopchimp.mailchimp import ecommerce
from shopchimp.mailchimp import webhooks as mailchimp
from shopchimp.services import hooks, privacy
from shopchimp.shopify import subscriptions
from stage import SHOP, Stage, stage

CANARY = "canary.of.the.test@example.com"


class _Listener(http.server.BaseHTTPRequestHandler):
    """Somebody is there: Mailchimp asks before it keeps a hook."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture(scope="module")
def app_url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def played(new_database: Callable[[], str], app_url: str) -> Iterator[Stage]:
    with stage(new_database(), "--people", "20") as played:
        gateways = played.runtime.gateways
        app = replace(gateways.shopify_app, app_url=app_url)
        played.runtime = replace(played.runtime, gateways=replace(gateways, shopify_app=app))
        yield played


def _there(played: Stage) -> list[mailchimp.Webhook]:
    row = played.rows("select audience_id from connections")[0]
    return mailchimp.all_webhooks(played.runtime.gateways.mailchimp(played.shop_id), row["audience_id"])


def _subscriptions(played: Stage) -> dict[str, subscriptions.Subscription]:
    found = subscriptions.all_subscriptions(played.runtime.gateways.shopify(played.shop_id))
    return {each.topic: each for each in found}


def test_registered_once_and_mended(played: Stage) -> None:
    gateways, shop = played.runtime.gateways, played.shop_id
    first = hooks.register(gateways, shop)
    assert (first.made, first.refused) == (len(_subscriptions(played)) + 1, {})
    uri = gateways.shopify_app.app_url + "/webhooks/shopify"
    assert all(each.hears(uri) for each in _subscriptions(played).values())
    assert {
        "CUSTOMERS_UPDATE",
        "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE",
        "CUSTOMER_TAGS_ADDED",
        "APP_UNINSTALLED",
    } <= (_subscriptions(played).keys())
    (hook,) = _there(played)
    (row,) = played.rows("select * from hooks where source = 'mailchimp'")
    assert hook.hears_everything
    assert row["path_digest"] == hashlib.sha256(hook.url.rpartition("/")[2].encode()).digest()
    assert row["signing_secret"] is not None
    assert hooks.check(gateways, shop) == hooks.Found(fine=first.made)

    shopify, audience = gateways.shopify(shop), row["topic"]
    subscriptions.delete(shopify, _subscriptions(played)["CUSTOMERS_UPDATE"].id)
    narrowed = {
        "id": _subscriptions(played)["CUSTOMERS_DELETE"].id,
        "webhookSubscription": {"includeFields": ["email"]},
    }
    shopify.execute(subscriptions.UPDATE, "WebhookSubscriptionUpdate", narrowed)
    path = f"/lists/{audience}/webhooks/{hook.id}"
    off = {"events": {"unsubscribe": False}, "sources": {"api": False}}
    gateways.mailchimp(shop).send("PATCH", path, "/lists/{list_id}/webhooks/{webhook_id}", body=off)
    found = hooks.check(gateways, shop)
    assert (found.made, found.mended, found.removed) == (1, 2, 0)
    assert _there(played)[0].hears_everything
    assert all(each.hears(uri) for each in _subscriptions(played).values())


def test_a_hook_without_our_secret_is_replaced_and_heard_for_a_day(played: Stage) -> None:
    gateways, shop = played.runtime.gateways, played.shop_id
    hooks.register(gateways, shop)
    with played.database.transaction() as tx:
        tx.execute(text("update hooks set signing_secret = null where source = 'mailchimp'"))
    assert hooks.check(gateways, shop).made == 1
    assert len(_there(played)) == 2
    assert [row["retired"] for row in _retired(played)] == [True, False]
    with played.database.transaction() as tx:
        tx.execute(text("update hooks set retired_at = retired_at - interval '25 hours'"))
    assert hooks.check(gateways, shop).removed == 1
    assert (len(_there(played)), len(_retired(played))) == (1, 1)
    hooks.unregister(gateways, shop)
    assert _there(played) == []
    assert _subscriptions(played).keys() == {"APP_UNINSTALLED"}
    assert hooks.check(gateways, shop).made == len(
        _subscriptions(played)
    )  # all but the one that stayed, and Mailchimp's


def _retired(played: Stage) -> list[dict[str, Any]]:
    return played.rows("select retired_at is not null as retired from hooks where source = 'mailchimp' order by id")


def _ask(played: Stage, topic: str, **body: Any) -> int:
    """A compliance webhook, as intake stores it."""
    digest = hashlib.sha256(repr((topic, body)).encode()).digest()
    said = orjson.dumps({"shop_domain": SHOP, **body})
    sealed = played.runtime.gateways.vault.seal(said, context=requests.body_context(digest))
    query = """
        insert into privacy_requests (digest, shop_id, domain, topic, body)
        values (:digest, :shop, :domain, :topic, :body) returning id
    """
    values = {"digest": digest, "shop": played.shop_id, "domain": SHOP, "topic": topic, "body": sealed}
    with played.database.transaction() as tx:
        return int(tx.execute(text(query), values).scalar_one())


def _proof(played: Stage, request_id: int) -> dict[str, Any] | None:
    return played.rows("select proof from privacy_requests where id = :id", id=request_id)[0]["proof"]


def _hurry(played: Stage) -> None:
    with played.database.transaction() as tx:
        tx.execute(text("update privacy_requests set due_at = now() where done_at is null"))


def _everywhere(played: Stage) -> None:
    """The canary in every table that can hold an address."""
    run = "00000000-0000-0000-0000-00000000000a"
    values = {"shop": played.shop_id, "run": run, "mail": CANARY}
    statements = [
        (
            "insert into sync_runs (id, shop_id, audience_id, state, phase, trouble) values (:run, :shop, 'a', 'done', 'plan',"
            " jsonb_build_object('detail', cast(:mail as text)))"
        ),
        "insert into run_contacts values (:run, :mail, :mail, 'c', 'subscribed', null, null, '{}')",
        "insert into run_customers values (:run, 4242, :mail, :mail, 'SUBSCRIBED', null, null, '{}')",
        (
            "insert into plan (run_id, n, key, email, name, customer_id, customer_state, contact_status, kind, rule)"
            " values (:run, 1, :mail, :mail, 'Canary', 4242, 'SUBSCRIBED', 'subscribed', 'update', 'r')"
        ),
        (
            "insert into run_exceptions (run_id, n, side, result, cause, detail) values (:run, 1, 'contact', 'failed', 'c',"
            " 'it said ' || :mail)"
        ),
        (
            "insert into people (id, shop_id, key, email, name, customer_id, contact_id, customer_state, contact_status, rule,"
            " result) values (4242, :shop, :mail, :mail, 'Canary', 4242, 'cc', 'SUBSCRIBED', 'subscribed', 'r', 'synced')"
        ),
        (
            "insert into activities (shop_id, person_id, kind, direction, result, detail) values (:shop, 4242, 'consent',"
            " 'to_mailchimp', 'synced', '{\"before\": \"Canary\"}')"
        ),
        (
            "insert into activities (shop_id, kind, direction, result, detail) values (:shop, 'contact', 'none', 'info',"
            " jsonb_build_object('from', upper(cast(:mail as text))))"
        ),
        (
            "insert into changes (shop_id, kind, key, lane, source, detail) values (:shop, 'person', :mail, 'contacts',"
            " 'poll', :mail)"
        ),
        "insert into audits (id, shop_id, state) values (:run, :shop, 'done')",
        "insert into audit_rows values (:run, 1, :mail, 'unexplained', 'c', 'SUBSCRIBED', 'unsubscribed', null)",
        "insert into chores (shop_id, name, trouble) values (:shop, 'x', jsonb_build_object('d', cast(:mail as text)))",
        (
            "insert into commerce_items (shop_id, kind, id, state, key, customer_id, shown) values"
            " (:shop, 'customer', '4242', 'synced', :mail, 4242, null),"
            " (:shop, 'guest', 'guest-x', 'synced', :mail, null, null),"
            " (:shop, 'order', '9', 'synced', :mail, 4242, '{}'), (:shop, 'cart', 'tok', 'synced', :mail, null, '{}')"
        ),
        (
            "insert into checkouts (shop_id, token, updated_at, node) values"
            " (:shop, 'tok', now(), jsonb_build_object('email', upper(cast(:mail as text))))"
        ),
        (
            "insert into commerce_nodes (run_id, kind, n, gid, node) values (:run, 'order', 1, 'gid://shopify/Order/9',"
            " jsonb_build_object('email', cast(:mail as text)))"
        ),
        (
            "insert into customer_events (shop_id, id, name, visitor, customer_id, email, happened_at, consent) values"
            " (:shop, 'by-mail', 'checkout_started', 'browser-1', null, :mail, now(), '{}'),"
            " (:shop, 'by-number', 'page_viewed', 'browser-2', 4242, null, now(), '{}'),"
            " (:shop, 'by-browser', 'page_viewed', 'browser-3', null, null, now(), '{}'),"
            " (:shop, 'of-another', 'page_viewed', 'browser-4', 888, null, now(), '{}')"
        ),
        "insert into visitors (shop_id, visitor, key) values (:shop, 'browser-3', :mail)",
        "insert into visitors (shop_id, visitor, customer_id) values (:shop, 'browser-4', 888)",
        (
            "insert into changes (shop_id, kind, key, lane, source) select :shop, 'event', key, 'events', 'pixel'"
            " from unnest(array['visitor:browser-1', 'visitor:browser-2', 'visitor:browser-3', 'visitor:browser-4',"
            " 'engaged:' || md5(:mail), 'engaged:' || md5('b@example.com')]) key"
        ),
        "insert into engagements (shop_id, contact, key) values (:shop, md5(:mail), :mail), (:shop, 'other', 'b@e.com')",
        (
            "insert into activity_facts (shop_id, key, contact, campaign, action, at) values"
            " (:shop, 'f1', md5(:mail), 'c1', 'email_opened', now()), (:shop, 'f2', 'other', 'c1', 'email_opened', now())"
        ),
    ]
    with played.database.transaction() as tx:
        for statement in statements:
            tx.execute(text(statement), values)


def _holding(played: Stage) -> list[str]:
    """The tables in which the canary is."""
    found = []
    with played.database.transaction() as tx:
        for table in inspect(tx).get_table_names():
            query = f'select count(*) from "{table}" t where to_jsonb(t)::text ilike :mail'
            if tx.execute(text(query), {"mail": f"%{CANARY}%"}).scalar_one():
                found.append(table)
    return found


def _of_events(played: Stage) -> dict[str, list[str]]:
    """What is there of customer events: nothing of it need say an address to be somebody's."""
    return {
        table: [row["key"] for row in played.rows(f"select {column} as key from {table} {where} order by 1")]
        for table, column, where in (
            ("customer_events", "id", ""),
            ("visitors", "visitor", ""),
            ("changes", "key", "where kind = 'event'"),
            ("engagements", "contact", ""),
            ("activity_facts", "key", ""),
        )
    }


def test_data_and_erasure(played: Stage) -> None:
    gateways = played.runtime.gateways
    audience = played.rows("select audience_id from connections")[0]["audience_id"]
    member = {"email_address": CANARY, "status": "subscribed"}
    gateways.mailchimp(played.shop_id).send(
        "POST", f"/lists/{audience}/members", "/lists/{list_id}/members", body=member
    )
    _everywhere(played)
    assert len(_holding(played)) >= 10
    asked = _ask(played, "customers/data_request", customer={"id": 4242, "email": CANARY})
    assert privacy.work(gateways) == 1
    with played.database.transaction() as tx:
        data = privacy.data_of(tx, gateways.vault, played.shop_id, asked)
        assert privacy.data_of(tx, gateways.vault, played.shop_id + 1, asked) is None
    assert data is not None
    assert data["people"][0]["email"] == CANARY
    assert {each.get("kind", "checkout") for each in data["orders_and_carts"]} == {
        "customer",
        "guest",
        "order",
        "cart",
        "checkout",
    }

    assert sorted(each.get("id", "") for each in data["store_events"]) == ["", "by-browser", "by-mail", "by-number"]
    assert [each["key"] for each in data["messages"]] == [CANARY, "f1"]

    stranger = _ask(played, "customers/redact", customer={"id": 777, "email": CANARY})
    erasure = _ask(played, "customers/redact", customer={"id": 4242, "email": CANARY})
    privacy.work(gateways)
    assert played.sandbox.state("mailchimp")[CANARY]["status"] == "unsubscribed"
    assert _holding(played) == []
    assert _of_events(played) == {
        "customer_events": ["of-another"],
        "visitors": ["browser-4"],
        "changes": ["engaged:" + hashlib.md5(b"b@example.com").hexdigest(), "visitor:browser-4"],
        "engagements": ["other"],
        "activity_facts": ["f2"],
    }
    counted = played.rows("select name, n from event_counts where outcome = 'erased' order by name")
    assert [tuple(row.values()) for row in counted] == [("checkout_started", 1), ("page_viewed", 2)]
    _everywhere_again(played)
    _hurry(played)
    privacy.work(gateways)
    assert _holding(played) == []
    assert _proof(played, erasure) is None
    with played.database.transaction() as tx:
        (left,) = privacy.waiting(tx, gateways.vault, played.shop_id)
        assert privacy.living(tx, gateways.vault, played.shop_id, [CANARY, "b@example.com"]) == ["b@example.com"]
        assert privacy.data_of(tx, gateways.vault, played.shop_id, asked) is None
    assert left.emails == (CANARY,)
    assert privacy.erase_contact(gateways, played.shop_id, left.id)
    assert CANARY not in played.sandbox.state("mailchimp")
    proof = _proof(played, erasure)
    assert proof is not None
    assert proof["contact"] == "erased"
    _hurry(played)
    privacy.work(gateways)
    assert (_proof(played, stranger) or {})["contact"] == "none"
    assert played.rows("select count(*) as n from privacy_requests where body is not null") == [{"n": 0}]
    assert played.rows("select count(*) as n from activities where kind = 'privacy' and person_id is null")[0]["n"] >= 2


def _buyer(played: Stage, mail: str, customer: str) -> None:
    """Somebody at Mailchimp with an order and a cart, as the sync leaves them; and the same of a bystander."""
    client, audience = (
        played.runtime.gateways.mailchimp(played.shop_id),
        played.rows("select audience_id from connections")[0]["audience_id"],
    )
    if ecommerce.get_store(client, "shop-1") is None:
        ecommerce.make_store(client, "shop-1", audience, name="Shop", currency_code="EUR")
    with played.database.transaction() as tx:
        tx.execute(text("update connections set store_id = 'shop-1'"))
    goods = {"id": "p", "title": "Lamp", "variants": [{"id": "v", "title": "Lamp"}]}
    bought = {"id": "l", "product_id": "p", "product_variant_id": "v", "quantity": 1, "price": 9.0}
    deal = {"customer": {"id": customer}, "currency_code": "EUR", "order_total": 9.0, "lines": [bought]}
    who = {"id": customer, "email_address": mail, "opt_in_status": False}
    for kind, body in (
        (Kind.PRODUCT, goods),
        (Kind.CUSTOMER, who),
        (Kind.ORDER, {**deal, "id": f"order-{customer}"}),
        (Kind.CART, {**deal, "id": f"cart-{customer}"}),
    ):
        ecommerce.write(client, "shop-1", Step(kind, body))
    item = """
        insert into commerce_items (shop_id, kind, id, state, key) values (:shop, 'cart', :id, 'synced', :mail)
    """
    with played.database.transaction() as tx:
        tx.execute(text(item), {"shop": played.shop_id, "id": f"cart-{customer}", "mail": mail})


def _at_mailchimp(played: Stage, kind: Kind) -> list[str]:
    client = played.runtime.gateways.mailchimp(played.shop_id)
    return sorted(str(each["id"]) for each in ecommerce.page(client, "shop-1", kind)[0])


def test_an_erased_buyers_carts_go_at_once_and_their_orders_with_the_contact(played: Stage) -> None:
    """Marketing stops with the erasure, so no mail may remind them; an order holds their name and addresses."""
    gateways, mail = played.runtime.gateways, "buyer@example.com"
    _buyer(played, mail, "515151")
    _buyer(played, "bystander@example.com", "616161")
    person = """
        insert into people (shop_id, key, email, name, customer_id, customer_state, contact_status, rule, result)
        values (:shop, :mail, :mail, 'Buyer', 515151, 'NOT_SUBSCRIBED', 'transactional', 'r', 'synced')
    """
    with played.database.transaction() as tx:
        tx.execute(text(person), {"shop": played.shop_id, "mail": mail})
    _ask(played, "customers/redact", customer={"id": 515151, "email": mail})
    privacy.work(gateways)
    assert _at_mailchimp(played, Kind.CART) == ["cart-616161"]
    assert _at_mailchimp(played, Kind.ORDER) == ["order-515151", "order-616161"]
    with played.database.transaction() as tx:
        left = next(each for each in privacy.waiting(tx, gateways.vault, played.shop_id) if each.emails == (mail,))
    assert privacy.erase_contact(gateways, played.shop_id, left.id)
    assert _at_mailchimp(played, Kind.ORDER) == ["order-616161"]
    assert _at_mailchimp(played, Kind.CUSTOMER) == ["616161"]
    assert mail not in played.sandbox.state("mailchimp")
    _hurry(played)
    privacy.work(gateways)


def _everywhere_again(played: Stage) -> None:
    """A worker had the person in hand when they were erased."""
    query = """
        insert into people (shop_id, key, email, name, customer_id, customer_state, contact_status, rule, result)
        values (:shop, :mail, :mail, 'Canary', 4242, 'SUBSCRIBED', 'subscribed', 'r', 'synced')
    """
    with played.database.transaction() as tx:
        tx.execute(text(query), {"shop": played.shop_id, "mail": CANARY})


def test_an_uninstall_that_is_not_true_changes_nothing(played: Stage) -> None:
    query = """
        insert into lanes (shop_id, lane, open_until, trouble)
        values (:shop, 'contacts', now() + interval '9 minutes', 'sh_access_revoked')
        on conflict (shop_id, lane) do update set open_until = excluded.open_until, trouble = excluded.trouble
    """
    with played.database.transaction() as tx:
        tx.execute(text(query), {"shop": played.shop_id})
    request = _ask(played, "app/uninstalled")
    privacy.work(played.runtime.gateways)
    assert _proof(played, request) == {"uninstalled": False}
    assert played.rows("select open_until from lanes where lane = 'contacts'") == [{"open_until": None}]
    assert played.rows("select uninstalled_at from shops") == [{"uninstalled_at": None}]


def test_a_shop_that_is_there_is_not_wiped_and_one_that_left_is(played: Stage) -> None:
    gateways = played.runtime.gateways
    request = _ask(played, "shop/redact", again=1)
    privacy.work(gateways)
    assert _proof(played, request) == {"wiped": False, "installed": True}
    with played.database.transaction() as tx:
        tx.execute(text("update shops set uninstalled_at = now()"))
    request = _ask(played, "shop/redact", again=2)
    privacy.work(gateways)
    assert (_proof(played, request) or {})["wiped"] is True
    left = [row for row in _counts(played).items() if row[1]]
    assert [table for table, _ in left] == ["alembic_version", "privacy_requests"]


def _counts(played: Stage) -> dict[str, int]:
    with played.database.transaction() as tx:
        names = sorted(inspect(tx).get_table_names())
        return {name: tx.execute(text(f'select count(*) from "{name}"')).scalar_one() for name in names}
