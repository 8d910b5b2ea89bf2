"""Batches (mailchimp.md section 10): statuses, results as tar.gz, one at a time, limits, errors per operation."""

import io
import json
import tarfile
from typing import Any

import httpx
from mailchimp_port import opened
from test_mailchimp_commerce import LINE, ORDER, STORE, Shop


def operation(number: int, **change: Any) -> dict[str, Any]:
    body = {**ORDER, "id": f"o{number}"}
    made = {
        "method": "PUT",
        "path": f"{STORE}/orders/o{number}",
        "body": json.dumps(body),
        "operation_id": f"op{number}",
    }
    return {**made, **change}


def unpacked(content: bytes) -> dict[str, dict[str, Any]]:
    found = []
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            if member.isfile():
                found += json.load(archive.extractfile(member))
    return {each["operation_id"]: each for each in found}


def results(shop: Shop, batch_id: str) -> dict[str, dict[str, Any]]:
    url = shop.ok("GET", f"/batches/{batch_id}")["response_body_url"]
    return unpacked(fetched(shop, url))


def fetched(shop: Shop, url: str, status: int = 200) -> bytes:
    path, _, query = url.removeprefix("http://sandbox.test").partition("?")
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": []}
    answered, _, content = shop.sandbox.respond(scope, b"")
    assert answered == status
    return content


def test_a_batch_is_carried_out_and_its_results_are_fetched():
    shop = Shop()
    broken = {**ORDER, "id": "bad", "lines": [{**LINE, "product_id": "p9"}]}
    operations = [operation(number) for number in range(1200)]
    operations += [
        operation(1, path=f"{STORE}/orders", method="POST", body=json.dumps(broken), operation_id="bad"),
        operation(2, method="DELETE", path=f"{STORE}/carts/none", body="", operation_id="gone"),
        {"method": "GET", "path": f"{STORE}/orders", "params": {"count": 1}, "operation_id": "read"},
        {"method": "POST", "path": "/batches", "body": "{}", "operation_id": "nested"},
        operation(3, body="{", operation_id="torn"),
    ]
    started = shop.ok("POST", "/batches", {"operations": operations})
    assert (started["status"], started["total_operations"], started["response_body_url"]) == ("pending", 0, "")
    done = shop.ok("GET", f"/batches/{started['id']}")
    assert (done["status"], done["total_operations"], done["errored_operations"]) == ("finished", 1205, 4)
    assert done["finished_operations"] == 1205
    found = results(shop, started["id"])
    assert {name: found[name]["status_code"] for name in ("op7", "bad", "gone", "read", "nested", "torn")} == {
        "op7": 200, "bad": 400, "gone": 404, "read": 200, "nested": 400, "torn": 400,
    }  # fmt: skip
    assert json.loads(found["op7"]["response"])["id"] == "o7"
    assert "product with the provided ID" in json.loads(found["bad"]["response"])["detail"]
    assert json.loads(found["read"]["response"])["total_items"] == 1200
    assert [each["id"] for each in shop.ok("GET", "/batches")["batches"]] == [started["id"]]


def test_with_a_rate_batches_go_one_after_the_other():
    shop = Shop(batch_rate=10)
    first = shop.ok("POST", "/batches", {"operations": [operation(n) for n in range(20)]})["id"]
    second = shop.ok("POST", "/batches", {"operations": [operation(n) for n in range(20, 30)]})["id"]
    shop.clock.at += 1
    assert shop.ok("GET", f"/batches/{first}")["finished_operations"] == 10
    assert shop.ok("GET", f"/batches/{second}")["status"] == "pending"
    shop.clock.at += 1.5
    states = [shop.ok("GET", f"/batches/{each}") for each in (first, second)]
    assert [(each["status"], each["finished_operations"]) for each in states] == [("finished", 20), ("started", 5)]
    shop.clock.at += 1
    assert shop.ok("GET", f"/batches/{second}")["status"] == "finished"
    assert shop.ok("GET", f"{STORE}/orders")["total_items"] == 30


def test_a_url_is_good_for_ten_minutes_and_results_for_a_week():
    shop = Shop()
    batch = shop.ok("POST", "/batches", {"operations": [operation(1)]})["id"]
    url = shop.ok("GET", f"/batches/{batch}")["response_body_url"]
    fetched(shop, url)
    fetched(shop, url.replace("Signature=", "Signature=0"), 403)
    shop.clock.at += 601
    fetched(shop, url, 403)
    assert results(shop, batch)["op1"]["status_code"] == 200
    shop.clock.at += 8 * 86_400
    assert shop.ok("GET", "/batches")["total_items"] == 0
    assert shop.ok("GET", f"/batches/{batch}")["response_body_url"] == ""


def test_five_hundred_batches_wait_and_no_more():
    shop = Shop(batch_rate=0.001)
    for number in range(500):
        shop.ok("POST", "/batches", {"operations": [operation(number)]})
    assert "more than 500 pending" in shop.no("POST", "/batches", {"operations": [operation(1)]}, status=429)


def test_a_deleted_batch_stops_and_loses_its_results():
    shop = Shop(batch_rate=1)
    batch = shop.ok("POST", "/batches", {"operations": [operation(n) for n in range(10)]})["id"]
    shop.clock.at += 4
    shop.ok("DELETE", f"/batches/{batch}")
    shop.clock.at += 100
    assert shop.ok("GET", f"{STORE}/orders")["total_items"] <= 4
    shop.no("GET", f"/batches/{batch}", status=404)


def test_a_get_without_count_pages_through_everything():
    shop = Shop()
    for number in range(23):
        shop.ok("PUT", f"{STORE}/orders/o{number}", {**ORDER, "id": f"o{number}"})
    reading = {
        "method": "GET",
        "path": f"{STORE}/orders",
        "params": {"fields": "orders.id,total_items"},
        "operation_id": "r",
    }
    batch = shop.ok("POST", "/batches", {"operations": [reading]})["id"]
    done = shop.ok("GET", f"/batches/{batch}")
    with tarfile.open(fileobj=io.BytesIO(fetched(shop, done["response_body_url"])), mode="r:gz") as archive:
        answers = [each for name in archive if name.isfile() for each in json.load(archive.extractfile(name))]
    ids = {each["id"] for answer in answers for each in json.loads(answer["response"])["orders"]}
    assert (len(answers), len(ids), done["finished_operations"]) == (3, 23, 1)


def test_wrong_batches_are_refused():
    shop = Shop()
    assert "method: Value must be one of" in shop.no("POST", "/batches", {"operations": [operation(1, method="HEAD")]})
    assert "body: Schema describes string" in shop.no("POST", "/batches", {"operations": [operation(1, body={})]})
    assert "operations" in shop.no("POST", "/batches", {"operations": []})


def test_over_the_wire_with_the_control_routes():
    with opened(people=3) as port:
        body = {"operations": [{"method": "GET", "path": "/ping", "operation_id": "p"}]}
        batch = httpx.post(f"{port.url}/3.0/batches", json=body, headers=port.auth).json()["id"]
        url = httpx.get(f"{port.url}/3.0/batches/{batch}", headers=port.auth).json()["response_body_url"]
        assert unpacked(httpx.get(url).content)["p"]["status_code"] == 200
        assert httpx.get(f"{port.url}/_sandbox/automations").json()["fired"] == {}
        assert port.calls()["mailchimp"]["GET /batch-results/{file}"] == 1


def test_events_and_reports_in_a_batch():
    """mailchimp.md 9 and 10: feeds contact by contact, and a report that is paged through without being asked to."""
    shop = Shop()
    emails = [f"p{number}@example.com" for number in range(25)]
    for email in emails:
        shop.add(email)
    sent = shop.sandbox.edit({"campaign": {}})["id"]
    shop.sandbox.edit({"activity": {"do": "open", "share": 1}})
    member = f"{shop.list}/members/{emails[0]}"
    event = json.dumps({"name": "product_viewed", "properties": {"event_id": "e1"}})
    operations = [
        {"method": "POST", "path": f"{member}/events", "body": event, "operation_id": "event"},
        {"method": "GET", "path": f"{member}/activity-feed", "operation_id": "feed"},
        {"method": "GET", "path": f"/reports/{sent}/email-activity", "operation_id": "report"},
    ]
    started = shop.ok("POST", "/batches", {"operations": operations})
    url = shop.ok("GET", f"/batches/{started['id']}")["response_body_url"]
    with tarfile.open(fileobj=io.BytesIO(fetched(shop, url)), mode="r:gz") as archive:
        answers = [each for file in archive if file.isfile() for each in json.load(archive.extractfile(file))]
    found: dict[str, list[Any]] = {}
    for each in answers:  # in no order
        found.setdefault(each["operation_id"], []).append(json.loads(each["response"] or "null"))
    assert {each["status_code"] for each in answers} == {200, 204}
    assert found["event"] == [None]
    assert [each["activity_type"] for each in found["feed"][0]["activity"]] == ["event", "open", "sent"]
    assert len(found["report"]) == 3
    assert {row["email_address"] for page in found["report"] for row in page["emails"]} == set(emails)
