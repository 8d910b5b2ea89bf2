"""The sandbox as a process with a shop full of commerce, and clients that others wrote."""

import io
import json
import tarfile
from typing import Any

import httpx
import pytest
from mailchimp_port import opened
from shopify_port import SHARED, Remote, sandbox_process, shared
from test_mailchimp_commerce import ORDER, PRODUCT

FLAGS = ["--people", "20", "--orders", "--odd-orders", "10", "--checkouts", "5", "--discounts", "6", "--codes", "3"]


def test_flags_fill_a_shop_and_edits_reach_it_over_the_wire():
    with sandbox_process(*FLAGS, "--products", str(shared(SHARED / "data") / "shopify-products")) as ready:
        remote = Remote(ready["shopify"])
        text = "{ productsCount { count } ordersCount { count } abandonedCheckoutsCount { count } discountNodesCount { count } }"
        counts = {name: each["count"] for name, each in remote.graphql(text).json()["data"].items()}
        assert (counts["productsCount"], counts["abandonedCheckoutsCount"], counts["discountNodesCount"]) == (60, 5, 6)
        assert counts["ordersCount"] < 10, "most are older than 60 days"
        lines = remote.http.get("/_sandbox/state", params={"platform": "shopify"}).text.splitlines()
        rows = [json.loads(line) for line in lines]
        orders = [row for row in rows if row.get("kind") == "order"]
        assert len(orders) > counts["ordersCount"]
        edits = [{"platform": "shopify", "kind": "order", "do": "cancel", "id": each["id"]} for each in orders[:3]]
        answer = remote.control("edits", edits=[*edits, {"platform": "shopify", "kind": "order", "do": "fly", "id": 1}])
        assert (answer["done"], [each["number"] for each in answer["failed"]]) == (3, [3])
        assert remote.http.get("/_sandbox/automations").json()["fired"] == {}
        remote.close()


def test_with_the_optional_scope_all_orders_are_seen():
    with sandbox_process("--people", "10", "--orders", "--read-all-orders") as ready:
        remote = Remote(ready["shopify"])
        rows = remote.http.get("/_sandbox/state", params={"platform": "shopify"}).text.splitlines()
        orders = sum(json.loads(line).get("kind") == "order" for line in rows)
        assert remote.graphql("{ ordersCount { count } }").json()["data"]["ordersCount"]["count"] == orders > 0
        remote.close()


@pytest.fixture
def client():
    marketing = pytest.importorskip("mailchimp_marketing")
    with opened(people=2) as port:
        made = marketing.Client({"access_token": port.api.token, "server": ""})
        made.api_client.host = f"{port.url}/3.0"
        yield made, port


def test_the_official_client_fills_a_store_and_runs_a_batch(client):
    """`mailchimp-marketing`, aimed as mailchimp.md section 12 says."""
    marketing, port = client
    shop = {"id": "s1", "list_id": port.api.list_id, "name": "Demo", "currency_code": "USD", "is_syncing": True}
    assert marketing.ecommerce.add_store(shop)["is_syncing"] is True
    marketing.ecommerce.add_store_product("s1", PRODUCT)
    made = marketing.ecommerce.add_store_order("s1", ORDER)
    assert made["customer"]["email_address"] == "ana@example.com"
    marketing.ecommerce.update_order("s1", "o1", {"financial_status": "paid"})
    with pytest.raises(Exception) as refused:  # noqa: PT011 - the class of a package that may not be here
        marketing.ecommerce.add_store_order("s1", ORDER)
    assert "already exists" in refused.value.text
    operations: list[dict[str, Any]] = [
        {"method": "PATCH", "path": "/ecommerce/stores/s1/orders/o1", "body": '{"tax_total": 1.5}', "operation_id": "a"}
    ]
    batch = marketing.batches.start({"operations": operations})["id"]
    done = marketing.batches.status(batch)
    assert (done["status"], done["errored_operations"]) == ("finished", 0)
    with tarfile.open(fileobj=io.BytesIO(httpx.get(done["response_body_url"]).content), mode="r:gz") as archive:
        (name,) = [each for each in archive.getnames() if each.endswith(".json")]
        (answer,) = json.load(archive.extractfile(name))
    assert json.loads(answer["response"])["tax_total"] == 1.5
    assert marketing.ecommerce.update_store("s1", {"is_syncing": False})["is_syncing"] is False
    marketing.ecommerce.delete_store("s1")


def test_a_shop_may_have_as_many_orders_and_another_as_few_people_as_wanted():
    shops = ["--shop", "big.myshopify.com", "--shop", "small.myshopify.com"]
    with sandbox_process("--people", "30", "--orders-each", "7", "--people-of-others", "4", *shops) as ready:
        lines = httpx.get(f"{ready['shopify']}/_sandbox/state", params={"platform": "shopify"}).text.splitlines()
        rows = [json.loads(line) for line in lines]
        customers = [row for row in rows if "kind" not in row]
        orders = [row["customer"] for row in rows if row.get("kind") == "order"]
        assert len(orders) == 7 * len(set(orders)) == 7 * 30
        assert len(customers) == 30
        edits = [
            {"platform": "shopify", "shop": "small.myshopify.com", "customer_id": 7_000_000_000_000 + n, "set": {}}
            for n in range(1, 6)
        ]
        answer = httpx.post(f"{ready['shopify']}/_sandbox/edits", json={"edits": edits}).json()
        assert (answer["done"], [each["number"] for each in answer["failed"]]) == (4, [4])
