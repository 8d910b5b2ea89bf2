"""The books of orders and products on the pages and by API: sums, reasons, an alarm where they don't close."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import commerce_house as goods
import pytest
import web_house as house
from sqlalchemy import insert, text

from shopchimp.db import models


@pytest.fixture
def database(embedded_runtime):
    return embedded_runtime.database


@pytest.fixture
def filled(database, shop):
    """A first sync is done with Anna's purchases, a test order, a refused one and discounts of two kinds."""
    house.add_run(database, shop, "done")
    goods.open_commerce(database, shop)
    goods.add_purchases(database, shop)
    test = goods.order_node(1050, "5.00", "2026-11-22T10:00:00Z", test=True)
    goods.add_order(database, shop, test, state="skipped", reason="test_order")
    refused = {"state": "failed", "reason": "mc_rejected", "detail": "order_url: not a valid URL"}
    goods.add_order(database, shop, goods.order_node(1051, "6.00", "2026-11-22T11:00:00Z"), **refused)
    goods.add_discount(database, shop, 1, codes=3)
    goods.add_discount(database, shop, 2, codes=1, state="skipped", reason="buy_x_get_y")
    return shop


@pytest.fixture
def client(embedded, filled):
    return embedded()


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def alarm(database, shop: int, **kinds: dict[str, int]) -> None:
    now = datetime.now(UTC).isoformat()
    cursor = {"kinds": kinds, "checked_at": now, "open_since": now}
    row = {"shop_id": shop, "name": "completeness", "cursor": cursor}
    with database.transaction() as tx:
        tx.execute(insert(models.Chore).values(row))


def test_the_overview_counts_what_is_in_mailchimp(client):
    page = plain(client.get("/").text)
    for said in ("Orders 4", "Products 1", "Open carts 1", "Promo codes 3"):
        assert said in page


def test_the_overview_shows_that_read_is_synced_and_skipped_and_failed(client):
    page = client.get("/").text.partition('id="completeness"')[2].partition("</section>")[0]
    orders = plain(page.partition(">Orders<")[2].partition("</tr>")[0])
    assert re.findall(r"\b\d+\b", orders)[:4] == ["6", "4", "1", "1"]
    assert 'href="/commerce/order?result=failed"' in page


def test_the_same_by_api(client):
    kinds = {each["kind"]: each for each in client.get("/api/v1/commerce").json()["kinds"]}
    assert set(kinds) == {"product", "order", "cart", "promo_rule", "promo_code"}
    for each in kinds.values():
        reasons = sum(each["skipped"].values()) + sum(each["failed"].values())
        assert each["read"] == each["synced"] + reasons + each["waiting"]
    assert (kinds["order"]["skipped"], kinds["order"]["failed"]) == ({"test_order": 1}, {"mc_rejected": 1})


def test_every_number_leads_to_the_objects_with_their_reasons(client):
    page = plain(client.get("/commerce").text)
    assert "1 · A test order : It was paid with a test gateway" in page
    rows = client.get("/commerce/order?result=failed").text
    assert "#1051" in rows
    assert "#1042" not in rows
    assert "order_url: not a valid URL" in rows
    assert "discounts/2" in client.get("/commerce/promo_rule?result=skipped&reason=buy_x_get_y").text
    found = client.get("/api/v1/commerce/order?result=skipped&reason=test_order").json()["objects"]
    assert [(each["name"], each["reason"]) for each in found] == [("#1050", "test_order")]
    assert client.get("/commerce/refund").status_code == 404
    assert client.get("/api/v1/commerce/refund").status_code == 404


def test_failed_ones_are_looked_at_again_on_request(client, database, filled):
    answer = client.post("/commerce/order/retry", data={"reason": "mc_rejected"})
    assert answer.headers["location"] == "/commerce/order?result=failed&retried=1"
    assert "1 retry queued" in client.get(answer.headers["location"]).text
    with database.transaction() as tx:
        rows = tx.execute(text("select key, lane, source from changes")).all()
    assert [tuple(row) for row in rows] == [("order:6051", "commerce", "merchant")]
    assert client.post("/commerce/customer/retry").status_code == 404
    assert client.post("/api/v1/commerce/order/retry", json={"ids": ["6042", "6051", "1"]}).json() == {"count": 1}


def test_sums_that_do_not_close_raise_an_alarm(client, database, filled):
    assert "The sums don't close" not in client.get("/").text
    alarm(database, filled, order={"source": 9, "missing": 3, "extra": 0})
    for path in ("/", "/commerce"):
        page = plain(client.get(path).text)
        assert "The sums don't close" in page
        assert "Orders: 3 differ between Shopify and what we know." in page
        assert "3 missing" in page
    said = client.get("/api/v1/commerce").json()
    assert not said["closes"]
    assert said["open_since"]


def test_before_the_first_sync_nothing_is_promised(embedded, database, shop):
    house.add_run(database, shop, "running")
    page = embedded().get("/").text
    assert "Completeness" not in page
    assert "Products, orders, carts" in page
    assert "Nothing was read of this store's products and orders yet." in embedded().get("/commerce").text


def test_another_shop_sees_none_of_it(embedded, database, filled):
    house.add_shop(database, house.OTHER_SHOP)
    other = embedded(house.OTHER_SHOP)
    assert other.get("/api/v1/commerce").json()["kinds"] == []
    assert other.get("/api/v1/commerce/order").json()["objects"] == []
    assert other.post("/api/v1/commerce/order/retry", json={"ids": ["6051"]}).json() == {"count": 0}


def test_pages_reach_every_object_once(client, database, filled):
    for n in range(60):
        goods.add_order(database, filled, goods.order_node(3000 + n, "1.00", "2026-10-01T10:00:00Z"))
    seen, cursor = [], ""
    while cursor is not None:
        part = client.get(f"/api/v1/commerce/order?limit=25&cursor={cursor}").json()
        seen += [each["id"] for each in part["objects"]]
        cursor = part["next_cursor"]
    assert len(seen) == len(set(seen)) == 66


def test_the_progress_page_shows_the_phases_of_commerce_and_what_waits(embedded, database, shop):
    """ux.md 3.2: phases are words with counts, those of people first."""
    books = {"product": {"read": 12, "synced": 11, "skipped": {}, "failed": {"mc_rejected": 1}}}
    books["order"] = {"read": 30, "synced": 30, "skipped": {}, "failed": {}}
    totals = {"products": 12, "customers": 6, "orders": 40}
    counts = {**house.COUNTS, "commerce": books, "commerce_totals": totals}
    run = house.add_run(database, shop, "running", phase="orders", counts=counts)
    page = plain(embedded().get(f"/syncs/{run}").text)
    for said in ("Products (done) 12", "Orders (active) 30 of 40", "Carts (waiting) waiting", "Promo codes (waiting)"):
        assert said in page
    assert "later version" not in page
    said = embedded().get(f"/api/v1/sync-runs/{run}").json()
    phases = {phase["name"]: phase for phase in said["phases"]}
    assert (phases["orders"]["state"], phases["orders"]["done"], phases["orders"]["total"]) == ("active", 30, 40)


def test_the_preview_counts_what_there_is_where_shopify_says_it(embedded, database, shop):
    found = {"products": {"count": 412, "exact": True}, "orders": {"count": 10000, "exact": False}}
    with database.transaction() as tx:
        tx.execute(text("update shops set scopes = 'read_customers,read_orders,read_products,read_discounts'"))
    run = house.add_run(database, shop, "ready", counts={**house.COUNTS, "commerce_found": found})
    page = plain(embedded().get(f"/setup/preview/{run}").text)
    assert "Products 412" in page
    assert "Orders at least 10,000" in page


def test_a_change_that_stopped_is_named_by_what_it_is_about(client, database, filled):
    house.add_change(database, filled, "order:6051", kind="commerce", lane="commerce", cause="mc_rejected")
    house.add_change(database, filled, "anna.berg@example.com", cause="mc_rejected")
    assert "2 changes" in client.get("/failed").text
    page = client.get("/failed/mc_rejected").text
    assert "Order 6051" in page
    assert "anna.berg@example.com" not in page
    items = client.get("/api/v1/failed-items/people?cause=mc_rejected").json()["items"]
    assert sorted(str(item["about"]) for item in items) == ["None", "order:6051"]


def test_a_finished_sync_says_what_became_of_each_kind(embedded, database, shop):
    books = {"order": {"read": 30, "synced": 28, "skipped": {"test_order": 1}, "failed": {"mc_rejected": 1}}}
    run = house.add_run(database, shop, "done", counts={**house.COUNTS, "commerce": books})
    page = plain(embedded().get(f"/syncs/{run}").text)
    assert "Orders: 30 read = 28 synced + 1 skipped + 1 failed" in page
