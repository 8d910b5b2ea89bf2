"""Leaving Mailchimp: the store's data there stays or goes, as the merchant chose, and the page says what that does."""

from __future__ import annotations

import commerce_house as goods
import orjson
import pytest
import web_house as house
from sqlalchemy import text

STORE = "/3.0/ecommerce/stores/demo-store-aud1"


@pytest.fixture
def database(embedded_runtime):
    return embedded_runtime.database


@pytest.fixture
def store(embedded_runtime, database, shop):
    """The shop's store at Mailchimp, with an order and a cart that we remember."""
    with database.transaction() as tx:
        tx.execute(text("update connections set store_id = 'demo-store-aud1' where shop_id = :shop"), {"shop": shop})
    house.ANSWERS[("DELETE", STORE)] = (204, None)
    house.ANSWERS[("PATCH", STORE)] = (200, {"id": "demo-store-aud1", "is_syncing": False})
    goods.add_purchases(database, shop)
    return shop


@pytest.fixture
def client(embedded, store):
    return embedded()


def asked(method: str) -> list[bytes]:
    return [body for way, path, body in house.ASKED if way == method and path == STORE]


def remembered(database) -> int:
    with database.transaction() as tx:
        return int(tx.execute(text("select count(*) from commerce_items")).scalar_one())


def syncing(database, shop: int) -> None:
    with database.transaction() as tx:
        tx.execute(text("update connections set store_syncing = true where shop_id = :shop"), {"shop": shop})


def test_s86_and_s89_the_page_says_what_keeping_and_deleting_do(client):
    """Criterion 27. S87: contacts stay. S88: Shopify isn't touched. S90: the way back is by the setup."""
    page = client.get("/settings/disconnect").text
    for said in (
        "Keep them",
        "Delete them for good",
        "Revenue reports lose all orders of this store",
        "Contacts stay.",
        "E-commerce automations of this store",
        "pop-up forms that use its data are removed",
        "orders and everything else in Shopify",
        "Go through the setup again, then switch your automations on again",
        "Uninstalling the app in Shopify does the same and keeps this store's data in Mailchimp",
    ):
        assert said in page
    assert page.index('value="keep" checked') < page.index(
        'value="delete"'
    )  # the choice that loses nothing comes first


def test_without_a_store_nothing_is_asked(embedded, shop):
    assert "store_data" not in embedded().get("/settings/disconnect").text


def test_s86_kept_data_is_not_touched(client, database):
    answer = client.post("/settings/disconnect", data={"confirm_name": "Newsletter"})
    assert "Orders and products that were synced stay in Mailchimp too." in answer.text
    assert asked("DELETE") == []
    assert asked("PATCH") == []
    assert remembered(database) == 0


def test_automations_that_were_held_are_let_go(client, database, store):
    syncing(database, store)
    assert client.post("/settings/disconnect", data={"confirm_name": "Newsletter"}).status_code == 200
    assert [orjson.loads(body) for body in asked("PATCH")] == [{"is_syncing": False}]


def test_s86_deleted_data_is_deleted_before_the_key_goes(client, database):
    form = {"confirm_name": "Newsletter", "store_data": "delete"}
    answer = client.post("/settings/disconnect", data=form)
    assert "orders, products, carts and promo codes in Mailchimp" in answer.text
    assert len(asked("DELETE")) == 1
    assert client.get("/api/v1/status").json()["mailchimp"] is None
    assert "Mailchimp disconnected" in client.get("/activity").text


def test_a_wrong_name_deletes_nothing_and_keeps_the_choice(client):
    form = {"confirm_name": "newsletter", "store_data": "delete"}
    answer = client.post("/settings/disconnect", data=form)
    assert answer.status_code == 422
    assert 'value="delete" checked' in answer.text
    assert asked("DELETE") == []


def test_while_mailchimp_is_away_nothing_is_deleted_and_the_connection_stays(client, database, store):
    """Else the data could never be deleted any more: the key would be gone."""
    house.ANSWERS[("DELETE", STORE)] = (503, {})
    answer = client.post("/settings/disconnect", data={"confirm_name": "Newsletter", "store_data": "delete"})
    assert answer.status_code == 503
    assert "you are still connected" in answer.text
    assert 'value="delete" checked' in answer.text
    assert client.get("/api/v1/status").json()["mailchimp"]["store_id"] == "demo-store-aud1"
    assert remembered(database) > 0


def test_where_access_has_ended_it_says_that_nothing_could_be_deleted(client):
    house.ANSWERS[("DELETE", STORE)] = (401, {"title": "API Key Invalid", "status": 401})
    answer = client.post("/settings/disconnect", data={"confirm_name": "Newsletter", "store_data": "delete"})
    assert answer.status_code == 200
    assert "delete it there under Integrations" in answer.text


def test_the_same_by_api(client):
    """S86."""
    asked_for = {"confirm_audience_name": "Newsletter", "store_data": "delete"}
    said = client.post("/api/v1/disconnect", json=asked_for).json()
    assert "this store's orders, products, carts and promo codes in Mailchimp" in said["removed"]
    assert len(asked("DELETE")) == 1
    refused = client.post("/api/v1/disconnect", json={**asked_for, "store_data": "burn"})
    assert refused.status_code == 422


def test_another_audience_asks_what_becomes_of_the_store_of_the_one_before(client, database, store):
    """S86: a store belongs to its audience for ever."""
    assert "orders, products and carts in the audience before" in client.get("/setup/audience").text
    assert client.post("/setup/audience", data={"audience_id": "aud1", "store_data": "delete"}).status_code == 303
    assert asked("DELETE") == []  # it is the same one
    assert client.post("/setup/audience", data={"audience_id": "aud2", "store_data": "delete"}).status_code == 303
    assert len(asked("DELETE")) == 1
    assert client.get("/api/v1/status").json()["mailchimp"]["store_id"] is None
    assert remembered(database) == 0


def test_uninstalling_keeps_the_data_and_lets_the_automations_go(embedded_runtime, database, store):
    """S86, S89."""
    from shopchimp.services import installation

    syncing(database, store)
    installation.uninstalled(embedded_runtime.gateways, store)
    assert asked("DELETE") == []
    assert [orjson.loads(body) for body in asked("PATCH")] == [{"is_syncing": False}]
