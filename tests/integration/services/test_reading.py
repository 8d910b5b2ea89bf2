"""Both sides read whole, however odd: through the clients' own wire, into Postgres."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from small_shop import House

from shopchimp.db import sync_runs as runs
from shopchimp.domain.errors import Unavailable
from shopchimp.mailchimp import members
from shopchimp.services import planning, reading

GRAPHQL = "/admin/api/2026-10/graphql.json"
MEMBERS = "/3.0/lists/aud1/members"
RESULT = "/result.jsonl"


@pytest.fixture
def shop(house: House) -> int:
    shop_id = house.shop()
    house.connect(shop_id)
    return shop_id


def claimed(house: House, shop: int) -> tuple[runs.Run, UUID]:
    run_id = house.run_of(shop, [], ready=False)
    token = uuid4()
    house.do("update sync_runs set token = :token where id = :id", token=token, id=run_id)
    return house.run(shop, run_id), token


def operation(house: House, lines: list[bytes], **change: Any) -> None:
    """Shopify's answers: a finished bulk operation with these lines."""
    found = {"id": "gid://shopify/BulkOperation/1", "status": "COMPLETED", "objectCount": str(len(lines)),
             "url": f"https://storage.googleapis.com{RESULT}", **change}  # fmt: skip
    house.platforms.answers[GRAPHQL] = lambda _: httpx.Response(200, json={"data": {"bulkOperation": found}})
    house.platforms.answers[RESULT] = lambda _: httpx.Response(200, content=b"\n".join(lines))


def read(house: House, run: runs.Run, token: UUID) -> float | None:
    run.cursor["bulk_id"] = "gid://shopify/BulkOperation/1"
    hosts = house.gateways.download_hosts
    return reading.read_customers(house.database, run, token, house.gateways.shopify(run.shop_id), allowed_hosts=hosts)


def line(number: int, email: Any = None, **more: Any) -> bytes:
    address = {"emailAddress": email, "marketingState": "SUBSCRIBED"} if isinstance(email, str) else email
    return orjson.dumps({"id": f"gid://shopify/Customer/{number}", "defaultEmailAddress": address, **more})


def test_odd_customers_are_read_like_all_others(house: House, shop: int) -> None:
    run, token = claimed(house, shop)
    nowhere = {"emailAddress": "e@example.com", "marketingState": None, "marketingUpdatedAt": "soon"}
    operation(
        house,
        [
            line(1, "a@example.com", firstName="A\0na", defaultAddress={"city": "X\0"}),
            line(2, None),
            line(3, "  "),
            line(4, {"emailAddress": None}),
            line(5, nowhere),
            line(6, "A@example.com", defaultPhoneNumber=None, defaultAddress=None),
            line(1, "a@example.com", firstName="Later"),
            b"null",
            b'{"id":"gid://shopify/Order/7"}',
            line(8, "n\0ul@example.com"),
        ],
    )
    assert read(house, run, token) is None
    rows = {row["customer_id"]: row for row in house.rows("select * from run_customers")}
    assert set(rows) == {1, 2, 3, 4, 5, 6, 8}
    keys = [rows[number]["key"] for number in sorted(rows)]
    assert keys == [
        "a@example.com",
        *(f"customer:{n}" for n in (2, 3, 4)),
        "e@example.com",
        "a@example.com",
        "nul@example.com",
    ]
    assert rows[1]["fields"]["first_name"] == "Later"
    assert (rows[5]["state"], rows[5]["consent_at"]) == ("NOT_SUBSCRIBED", None)
    planning.make_plan(house.database, house.run(shop, run.id), token)
    assert house.run(shop, run.id).counts["people"] == 7


def test_an_empty_shop_has_no_result_to_fetch(house: House, shop: int) -> None:
    run, token = claimed(house, shop)
    operation(house, [], url=None)
    assert read(house, run, token) is None
    assert house.platforms.to(RESULT) == []


def test_a_result_that_breaks_off_at_a_lines_end_is_noticed_and_continued(house: House, shop: int) -> None:
    run, token = claimed(house, shop)
    operation(house, [line(1, "a@example.com")], objectCount="2")
    with pytest.raises(Unavailable):
        read(house, run, token)
    operation(house, [line(1, "a@example.com"), line(2, "b@example.com")])
    run = house.run(shop, run.id)
    assert run.cursor["lines"] == 1
    assert read(house, run, token) is None
    assert len(house.rows("select 1 from run_customers")) == 2


@pytest.mark.parametrize("status", ["FAILED", "CANCELED", "EXPIRED"])
def test_an_operation_that_failed_is_started_over(house: House, shop: int, status: str) -> None:
    run, token = claimed(house, shop)
    operation(house, [line(1, "a@example.com")], status=status, url=None, errorCode="TIMEOUT")
    with pytest.raises(Unavailable):
        read(house, run, token)
    assert "bulk_id" not in house.run(shop, run.id).cursor


def test_a_running_operation_is_looked_at_again_soon_and_then_less_often(house: House, shop: int) -> None:
    run, token = claimed(house, shop)
    operation(house, [], status="RUNNING", url=None)
    waits = [read(house, run, token) or 0 for _ in range(20)]
    assert waits == sorted(waits)
    assert (waits[0] < 0.5, waits[-1]) == (True, 10.0)


def member(number: int, **more: Any) -> dict[str, Any]:
    found = {"email_address": f"m{number:05}@example.com", "contact_id": f"c{number}", "status": "subscribed"}
    return {**found, "last_changed": "2020-01-01T00:00:00+00:00", **more}


def audience(house: House, everybody: list[dict[str, Any]], archived: list[dict[str, Any]] | None = None) -> list[int]:
    """Mailchimp's answers: pages of these; and how many pages were handed out before the first was stored."""
    handed: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        if "since_last_changed" in query:
            return httpx.Response(200, json={"members": []})
        people = (archived or []) if query.get("status") == "archived" else everybody
        offset = int(query["offset"])
        if not query.get("status"):
            handed.append(offset)
        return httpx.Response(200, json={"members": people[offset : offset + 1000], "total_items": len(people)})

    house.platforms.answers[MEMBERS] = answer
    return handed


def read_contacts(house: House, run: runs.Run, token: UUID, *, threads: int = 3) -> None:
    client = house.gateways.mailchimp(run.shop_id)
    reading.read_contacts(house.database, run, token, client, threads=threads)


def test_odd_contacts_are_read_like_all_others(house: House, shop: int) -> None:
    run, token = claimed(house, shop)
    odd = [
        member(1, merge_fields=None, tags=["a"], contact_id=None, id="md5"),
        member(2, merge_fields={"FNAME": "A\0"}, status="paused"),
        {"email_address": "", "contact_id": "phone1", "status": "subscribed"},
        {"email_address": None, "contact_id": "phone2", "status": "subscribed"},
        member(3),
        member(3, status="unsubscribed", email_address="M00003@example.com"),
    ]
    audience(house, odd, [member(4, status="archived")])
    read_contacts(house, run, token)
    rows = {row["key"]: row for row in house.rows("select * from run_contacts")}
    assert set(rows) == {f"m{n:05}@example.com" for n in (1, 2, 3, 4)} | {"contact:phone1", "contact:phone2"}
    assert rows["m00002@example.com"]["merge_fields"] == {"FNAME": "A"}
    assert rows["m00001@example.com"]["contact_id"] == "md5"
    assert rows["m00003@example.com"]["status"] == "unsubscribed", "the later one"


def test_no_more_pages_are_asked_for_than_there_are_threads_to_hold_them(
    house: House, shop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, token = claimed(house, shop)
    handed = audience(house, [member(n) for n in range(20)])
    monkeypatch.setattr(members, "PAGE", 1)
    store, ahead, lock = reading._store_page, [], threading.Lock()

    def slowly(*args: Any) -> None:
        threading.Event().wait(0.01)  # time for the threads to run ahead, if they may
        with lock:
            ahead.append(len(handed) - len(ahead))
        store(*args)

    house.platforms.answers[MEMBERS] = _one_a_page(house.platforms.answers[MEMBERS])
    monkeypatch.setattr(reading, "_store_page", slowly)
    read_contacts(house, run, token)
    assert len(house.rows("select 1 from run_contacts")) == 20
    assert max(ahead) <= 5, "pages wait in memory"


def _one_a_page(answer: Any) -> Any:
    def cut(request: httpx.Request) -> httpx.Response:
        body = answer(request).json()
        return httpx.Response(200, json={**body, "members": body["members"][:1]})

    return cut


def test_somebody_without_the_lease_stores_no_page(house: House, shop: int) -> None:
    run, _ = claimed(house, shop)
    audience(house, [member(1)])
    with pytest.raises(runs.LeaseLost):
        read_contacts(house, run, uuid4())
    assert house.rows("select 1 from run_contacts") == []
