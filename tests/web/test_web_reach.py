"""How far back orders go: 60 days, or all with one more permission that a link asks for."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import web_house as house
from sqlalchemy import text

SCOPES = "read_customers,write_customers,read_orders,read_products,read_discounts"


@pytest.fixture
def database(embedded_runtime):
    return embedded_runtime.database


@pytest.fixture
def allowed(database, shop):
    def allow(scopes: str) -> None:
        with database.transaction() as tx:
            tx.execute(text("update shops set scopes = :scopes"), {"scopes": scopes})

    allow(SCOPES)
    return allow


def test_the_options_say_how_far_back_orders_go(embedded, allowed):
    client = embedded()
    assert "Last 60 days" in client.get("/setup/options").text
    assert client.get("/api/v1/status").json()["order_history"] == "60_days"
    allowed(f"{SCOPES},read_all_orders")
    page = client.get("/setup/options").text
    assert "All orders" in page
    assert "Allow all orders" not in page
    assert client.get("/api/v1/status").json()["order_history"] == "all"
    allowed("read_customers,write_customers")
    assert "only contacts and their consent are synced" in client.get("/setup/options").text
    assert client.get("/api/v1/status").json()["order_history"] == "none"


def test_the_preview_says_what_of_the_store_will_go(embedded, allowed, database, shop):
    run = house.add_run(database, shop, "ready")
    page = embedded().get(f"/setup/preview/{run}").text
    assert (
        "the orders of the last 60 days, all products, the carts left open and all promo codes go to Mailchimp" in page
    )
    assert "automations are held meanwhile" in page
    allowed("read_customers,read_products")
    assert "no orders, all products go to Mailchimp" in embedded().get(f"/setup/preview/{run}").text
    allowed("read_customers")
    assert "only contacts and consent are synced" in embedded().get(f"/setup/preview/{run}").text


def test_inside_the_admin_the_link_asks_for_the_optional_permission_alone(embedded, allowed):
    page = embedded().post("/setup/all-orders")
    assert "set-cookie" not in page.headers
    address = f"https://{house.SHOP}/admin/oauth/install?client_id={house.API_KEY}&amp;optional_scopes=read_all_orders"
    assert f'href="{address}" target="_top"' in page.text
    told = embedded().post("/setup/all-orders", headers={"X-Fragment": "1"}).json()
    assert told["open"] == address.replace("&amp;", "&")
    by_api = embedded().post("/api/v1/permissions/all-orders").json()["authorize_url"]
    assert by_api == told["open"]


def test_a_standalone_app_goes_by_the_code_grant(local, standalone_runtime, allowed):
    client = local()
    told = client.post("/setup/all-orders", headers={"X-Fragment": "1"})
    query = parse_qs(urlsplit(told.json()["open"]).query)
    assert query["scope"] == ["read_customers,read_all_orders"]
    assert client.cookies.get("shopchimp_install"), "the browser that comes back must be the one that left"


def test_what_is_allowed_by_now_is_asked_of_shopify(embedded, embedded_runtime, allowed, monkeypatch):
    answers = iter([httpx.Response(200, json=_installation(*SCOPES.split(","), "read_all_orders"))])
    transport = httpx.MockTransport(lambda _: next(answers, httpx.Response(503)))
    monkeypatch.setattr(embedded_runtime.gateways.http, "_transport", transport)
    client = embedded()
    assert client.post("/setup/permissions").headers["location"] == "/setup/options"
    assert client.get("/api/v1/status").json()["order_history"] == "all"
    away = client.post("/setup/permissions")
    assert away.status_code == 503
    assert "Shopify isn&#39;t answering" in away.text
    assert client.get("/api/v1/status").json()["order_history"] == "all"


def _installation(*scopes: str) -> dict:
    handles = [{"handle": scope} for scope in scopes]
    shop = {"name": "Demo store", "currencyCode": "EUR", "ianaTimezone": "UTC"}
    return {"data": {"shop": shop, "currentAppInstallation": {"id": "1", "accessScopes": handles}}}
