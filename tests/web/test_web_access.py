"""Who may ask what: no proof, false proof, another shop's proof, another site's page."""

from __future__ import annotations

import hashlib
import re
import time
from uuid import uuid4

import pytest
import web_house as house
from sqlalchemy import insert

from shopchimp.db import models

PUBLIC = {
    "/auth/bounce",
    "/auth/shopify",
    "/auth/shopify/callback",
    "/auth/mailchimp/callback",
    "/static/{name}",
    "/favicon.ico",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/openapi.json",
    "/downloads/{ticket}",
    "/webhooks/mailchimp/{secret:path}",  # the validator's GET; what is sent there is proven by signatures
}


def routes(app) -> list[tuple[str, str]]:
    """Every method and path of the app."""
    found = []

    def walk(items):
        for item in items:
            if inner := getattr(item, "original_router", None):
                walk(inner.routes)
            else:
                found.extend((method, item.path) for method in item.methods - {"HEAD", "OPTIONS"})

    walk(app.routes)
    return sorted(set(found))


def filled(path: str, run: object, person: object, activity: object = 1) -> str:
    path = re.sub(r"\{(run_id|preview_id|audit_id)\}", str(run), path)
    path = path.replace("{request_id}", "1").replace("{cause}", "many_changes")
    return path.replace("{person_id}", str(person)).replace("{activity_id}", str(activity))


def test_every_route_is_known_to_this_test(stranger):
    found = {path for _, path in routes(stranger.app)}
    assert {"/", "/setup/preview/{run_id}", "/api/v1/people/{person_id}/why", "/syncs/{run_id}/cancel"} <= found
    assert len(found) > 75


def test_without_proof_nothing_is_shown_and_nothing_changes(stranger, embedded_runtime, shop):
    run = house.add_run(embedded_runtime.database, shop)
    person = house.add_person(embedded_runtime.database, shop, run)
    for method, path in routes(stranger.app):
        if path in PUBLIC:
            continue
        answer = stranger.request(method, filled(path, run, person), headers={"Sec-Fetch-Dest": "empty"})
        assert answer.status_code == 401, (method, path, answer.status_code)
        assert answer.headers["X-Shopify-Retry-Invalid-Session-Request"] == "1", path
        assert "Anna" not in answer.text
        if path.startswith("/api/"):
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "unauthenticated"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-app"},
        {"exp": int(time.time()) - 30},
        {"nbf": int(time.time()) + 100_000},
        {"iss": "https://other-store.myshopify.com/admin"},
        {"dest": "https://evil.example.com"},
    ],
)
def test_a_false_token_proves_nothing(stranger, shop, changes):
    token = house.session_token(**changes)
    for path in ("/activity", "/api/v1/status"):
        answer = stranger.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        assert token not in answer.text


def test_a_document_without_a_token_bounces_and_comes_back_without_the_old_one(stranger, shop):
    answer = stranger.get(f"/activity?shop={house.SHOP}&host=aG9zdA&id_token=stale&result=failed")
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(
        f"/auth/bounce?shop={house.SHOP}&host=aG9zdA&shopify-reload=https%3A%2F%2F"
    )
    assert "stale" not in answer.headers["location"]
    assert "failed" in answer.headers["location"]
    bounce = stranger.get(answer.headers["location"])
    assert bounce.status_code == 200
    assert house.BRIDGE in bounce.text
    assert (
        f"frame-ancestors https://{house.SHOP} https://admin.shopify.com;" in bounce.headers["Content-Security-Policy"]
    )


@pytest.mark.parametrize(
    "query",
    [
        "shop=demo-store.myshopify.com&shopify-reload=https://evil.example.com/",
        "shop=demo-store.myshopify.com&shopify-reload=https://app.example.com.evil.io/",
        "shop=demo-store.myshopify.com&shopify-reload=http://app.example.com/",
        "shop=demo-store.myshopify.com&shopify-reload=javascript:alert(1)",
        "shop=demo-store.myshopify.com&shopify-reload=//evil.example.com",
        "shop=demo-store.myshopify.com&shopify-reload=https://app.example.com/&shopify-reload=https://evil.example.com/",
        "shop=demo-store.myshopify.com",
        "shop=evil.example.com&shopify-reload=https://app.example.com/",
    ],
)
def test_the_bounce_page_leads_only_to_ourselves(stranger, query):
    answer = stranger.get(f"/auth/bounce?{query}")
    assert answer.status_code == 400
    assert house.BRIDGE not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"] or "evil" not in query


def test_a_first_load_with_a_token_in_its_address_is_the_whole_page(stranger, shop):
    answer = stranger.get(f"/activity?shop={house.SHOP}&id_token={house.session_token()}")
    assert answer.status_code == 200
    assert answer.text.index(house.BRIDGE) < answer.text.index("/static/app.")
    assert f'<meta name="shopify-api-key" content="{house.API_KEY}">' in answer.text
    assert "id_token" not in answer.text


def test_another_shops_ids_are_unknown(embedded, embedded_runtime, shop):
    """Every route with an id, asked by the other shop: 404, and nothing of the first shop in it or changed."""
    database = embedded_runtime.database
    run = house.add_run(database, shop, "running")
    person = house.add_person(database, shop, run)
    other = house.add_shop(database, house.OTHER_SHOP)
    house.connect(embedded_runtime, other)
    stranger = embedded(house.OTHER_SHOP)
    tried = 0
    for method, path in routes(stranger.app):
        if "{" not in path or path in PUBLIC or "{cause}" in path:  # a cause is no shop's own
            continue
        tried += 1
        json = {"policy": "mailchimp_wins"} if path.endswith("/policy") and "/api/" in path else None
        data = {"policy": "mailchimp_wins"} if path.endswith("/policy") and json is None else None
        answer = stranger.request(method, filled(path, run, person), json=json, data=data)
        nothing_left = 409 if path == "/privacy/{request_id}/erase" else 404
        assert answer.status_code == nothing_left, (method, path, answer.status_code)
        assert "Anna" not in answer.text
    assert tried >= 20
    for path, body in (("/api/v1/sync-runs", {"preview_id": str(run)}), ("/syncs", None)):
        answer = stranger.post(path, json=body, data=None if body else {"preview_id": str(run)})
        assert answer.status_code == 404, path
    assert stranger.post("/api/v1/people/search", json={"email": "anna.berg@example.com"}).json() == {"people": []}
    assert stranger.get(f"/activity?contact={person}").status_code == 404
    assert stranger.get(f"/api/v1/activity?person_id={person}").json()["activities"] == []
    assert embedded().get(f"/api/v1/sync-runs/{run}").json()["state"] == "running"


def test_ids_that_are_none_are_unknown(embedded, shop):
    client = embedded()
    for path in (
        f"/syncs/{uuid4()}",
        "/syncs/nonsense",
        "/contacts/x",
        "/contacts/99999999999999999999",
        "/activity/0",
    ):
        assert client.get(path).status_code == 404, path


def test_an_api_key_speaks_for_its_shop_on_the_api_alone(stranger, embedded_runtime, shop):
    key = "sc_" + "k" * 40
    row = {"digest": hashlib.sha256(key.encode()).digest(), "shop_id": shop, "label": "nightly"}
    with embedded_runtime.database.transaction() as tx:
        tx.execute(insert(models.ApiKey).values(row))
    headers = {"Authorization": f"Bearer {key}"}
    assert stranger.get("/api/v1/status", headers=headers).json()["shop"]["domain"] == house.SHOP
    assert stranger.get("/activity", headers=headers).status_code == 401
    assert stranger.get("/api/v1/status", headers={"Authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example.com"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_another_sites_page_changes_nothing(embedded, local, embedded_runtime, shop, headers):
    for client in (embedded(), local()):
        answer = client.post("/setup/options", data={"tag": "Stolen"}, headers=headers)
        assert answer.status_code == 403
        assert client.patch("/api/v1/settings", json={"tag": "Stolen"}, headers=headers).status_code == 403
        assert client.get("/api/v1/settings").json()["tag"] == "Shopify"


def test_our_own_page_may(local, shop):
    own = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert local().post("/setup/options", data={"tag": "Mine"}, headers=own).status_code == 303
    assert local().get("/api/v1/settings").json()["tag"] == "Mine"


def test_standalone_serves_this_machine_alone(local, shop):
    assert local().get("/activity").status_code == 200
    assert local(base_url="http://localhost:8000").get("/activity").status_code == 200
    assert local(client=("10.0.0.7", 5000)).get("/activity").status_code == 401
    assert local(base_url="http://evil.example.com:8000").get("/activity").status_code == 401  # DNS rebinding
    assert local().get("/activity", headers={"X-Forwarded-For": "10.0.0.7"}).status_code == 401


def test_a_standalone_shop_that_is_not_installed_says_so(local):
    answer = local().get("/")
    assert answer.status_code == 401
    assert "hasn&#39;t installed" in answer.text
