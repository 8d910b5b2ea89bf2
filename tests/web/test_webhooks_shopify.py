"""Shopify's webhooks, as they come in: proven, stored once, marked for whom they are about (S13, S20, S23, S24)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import web_house as house
import webhook_house as wh
from starlette.testclient import TestClient
from webhook_house import Ear

from shopchimp.shopify.webhooks import claims, notice

BODY = orjson.dumps(wh.CUSTOMER)


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def process(postgres_url: str, patch: pytest.MonkeyPatch) -> Iterator[Ear]:
    with wh.listening(postgres_url, patch) as ear:
        yield ear


@pytest.fixture
def ear(process: Ear) -> Ear:
    wh.empty(process.runtime)
    process.shop = house.add_shop(process.runtime.database)
    house.connect(process.runtime, process.shop)
    return process


def test_a_delivery_marks_the_person_once(ear):
    assert ear.shopify(BODY, webhook_id="a").status_code == 200
    assert ear.shopify(BODY, webhook_id="a").status_code == 200
    (change,) = ear.changes().values()
    assert (change["key"], change["version"], change["customer_id"]) == ("ana@example.com", 1, 101)
    assert (change["lane"], change["source"], change["state"]) == ("contacts", "shopify", "waiting")
    assert ear.count("deliveries") == 1
    assert ear.rows("select lane, ready_at is not null as ready from lanes") == [{"lane": "contacts", "ready": True}]
    ear.shopify(BODY, webhook_id="b")
    assert ear.changes()["ana@example.com"]["version"] == 2


def test_without_an_id_the_body_is_the_identity(ear):
    moment = datetime.now(UTC).isoformat()
    for _ in range(2):
        ear.shopify(BODY, webhook_id=None, triggered_at=moment)
    assert ear.count("deliveries") == 1
    ear.shopify(orjson.dumps({**wh.CUSTOMER, "updated_at": "later"}), webhook_id=None, triggered_at=moment)
    assert ear.count("deliveries") == 2


def test_a_marked_row_is_unparked_and_its_lease_is_left_alone(ear):
    ear.shopify(BODY)
    ear.run("update changes set state = 'parked', attempts = 4, due_at = now() + interval '1 hour'")
    ear.shopify(BODY)
    change = ear.changes()["ana@example.com"]
    assert (change["state"], change["attempts"]) == ("waiting", 0)
    assert change["due_at"] <= datetime.now(UTC)
    ear.run("update changes set token = gen_random_uuid(), due_at = now() + interval '1 hour'")
    ear.shopify(BODY)
    assert ear.changes()["ana@example.com"]["due_at"] > datetime.now(UTC)


def test_who_is_meant(ear):
    """The customer's own row, the address that the delivery names, or the number alone."""
    house.add_person(ear.runtime.database, ear.shop, key="old@example.com", email="old@example.com", customer_id=101)
    ear.shopify(BODY)
    assert set(ear.changes()) == {"old@example.com", "ana@example.com"}
    ear.run("delete from changes")
    ear.shopify(b'{"id": 101}', "customers/delete")
    assert set(ear.changes()) == {"old@example.com"}
    ear.run("delete from changes")
    ear.shopify(b'{"id": 7, "tax_exemptions": []}', "customers/delete")
    assert set(ear.changes()) == {"customer:7"}


def test_of_merged_customers_an_opt_out_counts_for_the_one_that_stays(ear):
    """M8: told as a fact with its own time, since the customer it was made by can't be read any more."""
    database, at = ear.runtime.database, datetime(2026, 11, 20, 8, tzinfo=UTC)
    house.add_person(database, ear.shop, key="stays@example.com", email="stays@example.com", customer_id=101)
    house.add_person(database, ear.shop, key="goes@example.com", email="goes@example.com", customer_id=102)
    ear.run(
        f"update people set customer_state = 'UNSUBSCRIBED', customer_at = '{at.isoformat()}' where customer_id = 102"
    )
    merged = {
        "admin_graphql_api_customer_kept_id": "gid://shopify/Customer/101",
        "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/102",
    }
    ear.shopify(orjson.dumps(merged), "customers/merge")
    assert {key: row["opted_outs"] for key, row in ear.changes().items()} == {
        "stays@example.com": [at],
        "goes@example.com": [at],
    }
    ear.run("delete from changes")
    ear.shopify(orjson.dumps({**merged, "id": 101}), "customers/update")
    assert all(row["opted_outs"] is None for row in ear.changes().values())


@pytest.mark.parametrize(
    ("name", "topic", "keys"),
    [
        ("customers_create", "customers/create", {"rosa.lindqvist@example.com"}),
        ("customers_update", "customers/update", {"rosa.lindqvist@example.com"}),
        ("customers_delete", "customers/delete", {"customer:7300000000101"}),
        ("customers_merge", "customers/merge", {"customer:7300000000101", "customer:7300000000102"}),
        (
            "customers_email_marketing_consent_update",
            "customers_email_marketing_consent/update",
            {"rosa.lindqvist@example.com"},
        ),
        ("customers_marketing_consent_update", "customers_marketing_consent/update", {"customer:7300000000101"}),
        ("customer.tags_added", "customer.tags_added", {"customer:7300000000101"}),
        ("customer.tags_removed", "customer.tags_removed", {"customer:7300000000101"}),
        ("bulk_operations_finish", "bulk_operations/finish", set()),
        ("app_scopes_update", "app/scopes_update", set()),
    ],
)
def test_every_topic_we_hear(ear, shared, name, topic, keys):
    body = shared(f"contracts/shopify/webhooks/{name}.json").read_bytes()
    assert ear.shopify(body, topic).status_code == 200
    assert set(ear.changes()) == keys
    assert ear.rows("select topic from deliveries") == [{"topic": topic}]


def test_a_topic_we_dont_know_is_taken_and_forgotten(ear):
    assert ear.shopify(BODY, "collections/create").status_code == 200
    assert (ear.count("deliveries"), ear.count("changes")) == (0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"hmac_sha256": wh.shopify_mac(BODY, "another secret")},
        {"hmac_sha256": wh.shopify_mac(BODY)[:-4]},
        {"hmac_sha256": "Bearer x"},
        {"hmac_sha256": "not base64 !"},
        {"hmac_sha256": "A" * 5000},
        {"hmac_sha256": wh.shopify_mac(orjson.dumps(wh.CUSTOMER, option=orjson.OPT_INDENT_2))},
    ],
)
def test_a_wrong_signature_stores_nothing(ear, changes):
    assert ear.shopify(BODY, **changes).status_code == 401
    assert (ear.count("deliveries"), ear.count("changes")) == (0, 0)


@pytest.mark.parametrize("missing", ["hmac_sha256", "topic", "shop_domain"])
def test_a_missing_header(ear, missing):
    assert ear.shopify(BODY, **{missing: None}).status_code == 400
    assert ear.count("deliveries") == 0


def test_a_header_that_comes_twice(ear):
    mac = wh.shopify_mac(BODY)
    headers = [("X-Shopify-Topic", "customers/update"), ("X-Shopify-Shop-Domain", house.SHOP)]
    twice = [*headers, ("X-Shopify-Hmac-Sha256", mac), ("X-Shopify-Hmac-Sha256", mac)]
    assert ear.client.post("/webhooks/shopify", content=BODY, headers=twice).status_code == 400
    newer = [(name.replace("X-", ""), value) for name, value in [*headers, ("X-Shopify-Hmac-Sha256", mac)]]
    assert ear.client.post("/webhooks/shopify", content=BODY, headers=newer).status_code == 200
    assert ear.count("changes") == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"id": NaN}', b'{"id": "x"}', b'{"id": 1e999}', b"\xff\x00"]
)
def test_a_genuine_body_that_says_nothing_makes_the_poll_due(ear, body):
    query = "insert into chores (shop_id, name, due_at) values (:shop, 'poll_customers', now() + interval '5 minutes')"
    ear.run(query, shop=ear.shop)
    assert ear.shopify(body).status_code == 200
    assert (ear.count("deliveries"), ear.count("changes")) == (1, 0)
    assert ear.rows("select due_at <= now() as due from chores") == [{"due": True}]


def test_too_large(ear):
    assert ear.shopify(b"x" * 1_000_001).status_code == 413
    assert ear.client.post("/webhooks/shopify", content=iter([b"x" * 600_000] * 2)).status_code == 413
    assert ear.shopify(b" " * 1_000_000).status_code == 200


def test_a_shop_without_the_app(ear):
    """2xx, so that Shopify stops, and nothing is stored."""
    assert ear.shopify(BODY, shop_domain="stranger.myshopify.com").status_code == 200
    ear.run("update shops set uninstalled_at = now()")
    assert ear.shopify(BODY).status_code == 200
    assert (ear.count("deliveries"), ear.count("changes")) == (0, 0)


def test_a_body_that_names_another_shop(ear, shared):
    house.add_shop(ear.runtime.database, house.OTHER_SHOP)
    body = orjson.dumps({"id": 1, "myshopify_domain": house.OTHER_SHOP})
    assert ear.shopify(body, "app/uninstalled").status_code == 401
    assert ear.shopify(orjson.dumps({"shop_domain": house.OTHER_SHOP}), "shop/redact").status_code == 401
    assert (ear.count("deliveries"), ear.count("privacy_requests")) == (0, 0)


def test_uninstalled_pauses_at_once_and_asks_before_anything_else(ear):
    ear.shopify(BODY)
    body = orjson.dumps({"id": 1, "myshopify_domain": house.SHOP})
    assert ear.shopify(body, "app/uninstalled").status_code == 200
    assert ear.rows("select open_until > now() as paused from lanes") == [{"paused": True}]
    assert ear.rows("select topic, body, shop_id from privacy_requests") == [
        {"topic": "app/uninstalled", "body": None, "shop_id": ear.shop}
    ]
    assert ear.rows("select access_token is not null as there from shops") == [{"there": True}]


@pytest.mark.parametrize("topic", ["customers/data_request", "customers/redact", "shop/redact"])
@pytest.mark.parametrize("path", ["/webhooks/shopify/compliance", "/webhooks/shopify"])
def test_compliance_is_stored_sealed(ear, topic, path):
    body = orjson.dumps({"shop_domain": house.SHOP, "customer": {"id": 101, "email": "canary@example.com"}})
    for _ in range(2):
        assert ear.shopify(body, topic, path=path, webhook_id="c").status_code == 200
    (stored,) = ear.rows("select * from privacy_requests")
    assert b"canary" not in stored["body"]
    assert (stored["topic"], stored["shop_id"]) == (topic, ear.shop)
    assert ear.shopify(body, topic, path=path, hmac_sha256="x").status_code == 401


def test_nobody_erased_is_marked(ear):
    vault = ear.runtime.gateways.vault
    for key, body in (("ana@example.com", BODY), ("customer:101", b'{"id": 101}')):
        ear.run("truncate tombstones")
        values = {"shop": ear.shop, "digest": vault.fingerprints(key)[0]}
        ear.run("insert into tombstones values (:shop, :digest, now() + interval '1 day')", **values)
        assert ear.shopify(body).status_code == 200
        assert ear.changes() == {}
    ear.run("update tombstones set until = now()")
    ear.shopify(BODY)
    assert set(ear.changes()) == {"ana@example.com"}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (timedelta(seconds=-3), True),
        (timedelta(minutes=2), True),
        (timedelta(hours=1), False),
        (timedelta(days=-30), False),
        (None, False),
    ],
)
def test_times_that_can_be(ear, said, kept):
    moment = (datetime.now(UTC) + said).isoformat() if said is not None else "0001-01-01T00:00:00+23:59"
    ear.shopify(BODY, triggered_at=moment)
    (row,) = ear.changes().values()
    assert (row["event_at"] is not None) is kept
    assert row["event_at"] is None or row["event_at"] <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("state", "phase", "due"),
    [
        ("preparing", "read_customers", True),
        ("running", "products", True),
        ("running", "orders", True),
        ("running", "contacts", False),
        ("running", "customers", False),
    ],
)
def test_the_bulk_operation_wakes_the_run_that_waits(ear, state, phase, due):
    run = house.add_run(ear.runtime.database, ear.shop, state, phase=phase)
    ear.run("update sync_runs set due_at = now() + interval '1 minute' where id = :id", id=run)
    ear.shopify(b'{"admin_graphql_api_id": "gid://shopify/BulkOperation/1"}', "bulk_operations/finish")
    assert ear.rows("select due_at <= now() as due from sync_runs") == [{"due": due}]


def test_many_deliveries_make_few_wake_ups_and_the_last_is_never_left_out(ear):
    ear.woken.clear()
    for _ in range(40):
        ear.shopify(BODY)
    last = time.monotonic()
    threading.Event().wait(0.3)
    assert 1 <= len(ear.woken) < 40
    assert ear.woken[-1] >= last - 0.2
    assert all(later - earlier > 0.045 for earlier, later in zip(ear.woken, ear.woken[1:], strict=False))


def test_replayed_deliveries_change_nothing(ear):
    bodies = [orjson.dumps({"id": n, "email": f"p{n % 20}@example.com"}) for n in range(1, 101)]
    for n, body in enumerate(bodies):
        ear.shopify(body, webhook_id=f"r{n}")
    before = ear.rows("select key, version from changes order by key")
    for n, body in enumerate(bodies):
        assert ear.shopify(body, webhook_id=f"r{n}").status_code == 200
    assert ear.rows("select key, version from changes order by key") == before


def test_nothing_is_logged_that_names_anybody(ear, capfd):
    ear.shopify(BODY)
    ear.shopify(BODY, hmac_sha256="x")
    ear.shopify(b"x" * 1_000_001)
    said = "".join(capfd.readouterr())
    assert "ana@" not in said.lower()
    assert "path-" not in said


def test_no_pool_yet(embedded_runtime, apps):
    """A process that hasn't begun, or is ending, says so: the platforms try again."""
    client = TestClient(apps["embedded"], base_url="https://app.example.com")
    answer = client.post("/webhooks/shopify", content=BODY)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_what_bodies_say():
    assert notice(b'{"customerId": "gid://shopify/Customer/12", "tags": []}').customers == (12,)
    assert notice(b'{"id": true}').customers == ()
    assert notice(b'{"id": 0}').customers == ()
    assert notice(b'{"id": 99999999999999999999}').customers == ()
    assert notice(b'{"id": 5, "email": "a\\u0000b@example.com"}').address is None
    assert notice(b'{"id": 5, "email": ["a@b.c"]}').address is None
    assert notice(json.dumps({"id": 5, "email": "x" * 400 + "@b.c"}).encode()).address is None
    assert notice(b"[" * 100_000).names_nobody


def test_topics_are_known_in_every_spelling():
    def meaning(topic: bytes) -> str:
        headers = [
            (b"x-shopify-topic", topic),
            (b"x-shopify-hmac-sha256", b"x"),
            (b"x-shopify-shop-domain", b"a.myshopify.com"),
        ]
        return claims(headers, now=datetime.now(UTC)).meaning.value

    assert {meaning(b"customer.tags_added"), meaning(b"CUSTOMERS_UPDATE"), meaning(b"customers/create")} == {"people"}
    assert meaning(b"\xff\xfe") == meaning(b"customers/update\t/x") == meaning(b"x" * 500) == "unknown"
