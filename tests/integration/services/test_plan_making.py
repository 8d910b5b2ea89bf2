"""The plan: everybody once, in chunks that fit, the same however often it was interrupted or the policy switched."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from small_shop import NOW, House, contact, customer
from sqlalchemy import text

from shopchimp.db import sync_runs as runs
from shopchimp.domain.consent import Policy
from shopchimp.services import planning, sync_runs

LONG_AGO = NOW - timedelta(days=400)


@pytest.fixture
def shop(house: House) -> int:
    shop_id = house.shop()
    house.connect(shop_id)
    return shop_id


def essence(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The plan but for the numbers of runs and chunks."""
    left_out = {"run_id", "contact_chunk", "customer_chunk"}
    return [{name: value for name, value in row.items() if name not in left_out} for row in rows]


def chunk_sizes(house: House, run_id: Any) -> dict[str, int]:
    """The largest chunk of each side; the list of chunks must say what the plan says."""
    for side in ("contact", "customer"):
        listed = house.rows(
            "select chunk, action, size from run_chunks where run_id = :run and side = :side", run=run_id, side=side
        )
        planned: dict[int, list[str]] = {}
        for row in house.plan(run_id):
            if row[f"{side}_chunk"]:
                planned.setdefault(row[f"{side}_chunk"], []).append(
                    row["contact_action"] if side == "contact" else "consent"
                )
        assert {row["chunk"]: (row["size"], {row["action"]}) for row in listed} == {
            chunk: (len(actions), set(actions)) for chunk, actions in planned.items()
        }, "one action a chunk"
    sizes = house.rows("select side, max(size) as n from run_chunks where run_id = :run group by side", run=run_id)
    return {row["side"]: row["n"] for row in sizes}


def test_everybody_is_in_the_plan_once_whatever_their_address(house: House, shop: int) -> None:
    people = [
        customer(1, "Ana@Example.com"),
        customer(2, "ana@example.com"),
        customer(3, None),
        customer(4, "not an address"),
        customer(5, "zoe@example.com", "REDACTED"),
        customer(6, "new@example.com", "SOMETHING_NEW"),
        customer(7, "odd@example.com"),
        customer(8, "名前@example.com"),
    ]
    audience = [
        contact("ANA@example.com", "unsubscribed", LONG_AGO),
        contact("odd@example.com", "paused"),
        contact("other@example.com", "paused"),
        contact("another@example.com", "snoozed"),
        contact("alone@example.com", "subscribed", FNAME=7, LNAME=None),
        ("contact:c9", "", "c9", "subscribed", None, None, "{}"),
    ]
    run_id = house.run_of(shop, people, audience)
    rows = house.plan(run_id)
    assert Counter(row["customer_id"] for row in rows if row["customer_id"]) == Counter(range(1, 9))
    assert sum(row["contact_id"] is not None for row in rows) == len(audience)
    assert len({row["key"] for row in rows}) == len(rows), "a key is a person"
    by_customer = {row["customer_id"]: row for row in rows}
    reasons = {number: row["skip"] for number, row in by_customer.items() if number}
    assert reasons == {
        1: None, 2: "duplicate_email", 3: "no_email", 4: "bad_email", 5: "redacted", 6: "invalid",
        7: "unknown_status", 8: None,
    }  # fmt: skip
    assert by_customer[1]["contact_status"] == "unsubscribed"
    assert by_customer[2]["contact_id"] is None
    counts = house.run(shop, run_id).counts
    assert (counts["people"], counts["contacts_read"], counts["contacts_without_customer"]) == (8, 6, 4)
    assert sum(counts["by_kind"].values()) == counts["people"]
    names = {row["key"]: row["name"] for row in rows}
    assert names["alone@example.com"] == "7"


def test_chunks_are_no_larger_than_their_calls_take(house: House, shop: int) -> None:
    creates = [customer(n, f"new{n:04}@example.com") for n in range(1100)]
    consents = [customer(5000 + n, f"out{n:03}@example.com", "NOT_SUBSCRIBED", first_name="X") for n in range(90)]
    audience = [contact(f"out{n:03}@example.com", "unsubscribed", LONG_AGO) for n in range(90)]
    run_id = house.run_of(shop, creates + consents, audience)
    assert chunk_sizes(house, run_id) == {"contact": 500, "customer": 40}
    counts = house.run(shop, run_id).counts
    assert (counts["contact_writes"], counts["consent_writes"]) == (1190, 90)


def test_a_plan_that_was_interrupted_is_the_one_that_was_not(
    house: House, shop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "BLOCK", 7)
    people = [customer(n, f"p{n % 40:03}@example.com", first_name=str(n)) for n in range(60)]
    audience = [contact(f"p{n:03}@example.com", "transactional") for n in range(0, 50, 2)]
    whole = house.run_of(shop, people, audience)
    broken = house.run_of(shop, people, audience, ready=False)
    save, calls = runs.save_raw, Counter[str]()

    def dies(*args: Any) -> None:
        save(*args)
        calls["saved"] += 1
        if calls["saved"] % 2:
            raise ConnectionError

    monkeypatch.setattr(runs, "save_raw", dies)
    for _ in range(40):
        token = uuid4()
        house.do("update sync_runs set token = :token where id = :id", token=token, id=broken)
        try:
            planning.make_plan(house.database, house.run(shop, broken), token)
            break
        except ConnectionError:
            continue
    assert calls["saved"] > 6
    assert essence(house.plan(broken)) == essence(house.plan(whole))
    assert house.run(shop, broken).counts == house.run(shop, whole).counts


def test_somebody_without_the_lease_plans_nothing(house: House, shop: int) -> None:
    run_id = house.run_of(shop, [customer(1, "a@example.com")], ready=False)
    with pytest.raises(runs.LeaseLost):
        planning.make_plan(house.database, house.run(shop, run_id), uuid4())
    assert house.plan(run_id) == []


def conflicts(count: int) -> tuple[list[Any], list[Any]]:
    """People who opted out in Shopify after they subscribed in Mailchimp; every other one has fields to update."""
    people, audience = [], []
    for n in range(count):
        fields = {"first_name": "New"} if n % 2 else {}
        people.append(customer(n + 1, f"c{n:04}@Example.com", "UNSUBSCRIBED", NOW, **fields))
        audience.append(contact(f"C{n:04}@example.com", "subscribed", LONG_AGO, FNAME="Old"))
    others = [customer(9000 + n, f"x{n:03}@example.com", "NOT_SUBSCRIBED") for n in range(50)]
    return people + others, audience + [contact(f"x{n:03}@example.com", "unsubscribed", LONG_AGO) for n in range(50)]


def choose(house: House, shop: int, run_id: Any, policy: Policy) -> None:
    sync_runs.choose_policy(house.database, shop, run_id, policy)


@pytest.mark.parametrize("first", Policy)
def test_switching_the_policy_there_and_back_leaves_the_plan_as_it_was(
    house: House, shop: int, first: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "BLOCK", 70)  # several rounds of conflicts
    run_id = house.run_of(shop, *conflicts(620), policy=first.value)
    before, counts = essence(house.plan(run_id)), house.run(shop, run_id).counts
    other = next(policy for policy in Policy if policy is not first)
    choose(house, shop, run_id, other)
    assert chunk_sizes(house, run_id)["contact"] <= 500
    assert chunk_sizes(house, run_id)["customer"] <= 40
    switched = essence(house.plan(run_id))
    assert switched != before
    choose(house, shop, run_id, first)
    chunk_sizes(house, run_id)
    assert essence(house.plan(run_id)) == before
    assert house.run(shop, run_id).counts == counts
    fresh = house.run_of(shop, *conflicts(620), policy=other.value)
    assert switched == essence(house.plan(fresh)), "as if it had been planned under this policy at once"


def test_each_policy_writes_one_side_and_the_numbers_say_so(house: House, shop: int) -> None:
    run_id = house.run_of(shop, *conflicts(100))
    counts = house.run(shop, run_id).counts
    assert (counts["conflicts"], counts["consent_writes"], counts["contact_writes"]) == (100, 150, 50)
    choose(house, shop, run_id, Policy.LATEST_CHOICE_WINS)
    counts = house.run(shop, run_id).counts
    assert (counts["conflicts"], counts["consent_writes"], counts["contact_writes"]) == (100, 50, 100)
    assert counts["by_kind"]["consent_to_contact"] == 100
    for row in house.plan(run_id):
        if row["conflict"]:
            assert (row["contact_body"]["status"], row["to_contact"]) == ("unsubscribed", "unsubscribed")
            assert row["contact_body"]["email_address"].lower() == row["key"]


def test_a_policy_chosen_for_one_run_touches_no_other(house: House, shop: int) -> None:
    one, two = house.run_of(shop, *conflicts(3)), house.run_of(shop, *conflicts(3))
    before = house.plan(two)
    choose(house, shop, one, Policy.LATEST_CHOICE_WINS)
    assert house.plan(two) == before


def test_a_customer_who_would_be_lost_stops_the_run_rather_than_vanish(house: House, shop: int) -> None:
    run_id = house.run_of(shop, [customer(1, "a@example.com")], ready=False)
    token = uuid4()
    with house.database.transaction() as tx:  # an empty key is what the stream of keys begins after
        tx.execute(text("update run_customers set key = ''"))
        tx.execute(text("update sync_runs set token = :token"), {"token": token})
    with pytest.raises(AssertionError, match="not planned"):
        planning.make_plan(house.database, house.run(shop, run_id), token)
