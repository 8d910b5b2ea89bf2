"""The second wall: every query of the reading side, asked with another shop's number, gives nothing."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
import web_house as house
from sqlalchemy import insert, text

from shopchimp.db import activities, api_keys, models, people, plan_rows, run_reports
from shopchimp.db.activities import Filter


@pytest.fixture
def two_shops(embedded_runtime):
    """A shop with everything, and another with nothing."""
    database = embedded_runtime.database
    shop, other = house.add_shop(database), house.add_shop(database, house.OTHER_SHOP)
    run = house.add_run(database, shop, "running")
    person = house.add_person(database, shop, run)
    missed = {"run_id": run, "n": 4, "side": "contact", "result": "failed", "cause": "mc_email_refused", "detail": ""}
    with database.transaction() as tx:
        tx.execute(insert(models.RunException).values(missed))
    return shop, other, run, person


QUERIES = {
    "person": lambda tx, shop, run, person: people.get(tx, shop, person),
    "person by key": lambda tx, shop, run, person: people.by_key(tx, shop, "anna.berg@example.com"),
    "person by customer": lambda tx, shop, run, person: people.by_customer(tx, shop, 101),
    "people": lambda tx, shop, run, person: people.page(tx, shop),
    "people counted": lambda tx, shop, run, person: people.counts(tx, shop),
    "activity": lambda tx, shop, run, person: activities.get(tx, shop, 1),
    "log": lambda tx, shop, run, person: activities.page(tx, shop, Filter()),
    "log of a run": lambda tx, shop, run, person: activities.page(tx, shop, Filter(run_id=run)),
    "results": lambda tx, shop, run, person: activities.results_since(tx, shop, timedelta(days=1)),
    "plan": lambda tx, shop, run, person: plan_rows.page(tx, shop, run),
    "sides": lambda tx, shop, run, person: run_reports.sides(tx, shop, run, lately=timedelta(minutes=2)),
    "exceptions": lambda tx, shop, run, person: run_reports.exceptions(tx, shop, run),
    "outcomes": lambda tx, shop, run, person: run_reports.outcomes(tx, shop, run),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_sees_its_own_shop_alone(embedded_runtime, two_shops, name):
    shop, other, run, person = two_shops
    with embedded_runtime.database.transaction() as tx:
        assert QUERIES[name](tx, shop, run, person)
        assert not QUERIES[name](tx, other, run, person)


def test_the_streamed_plan_is_the_shops_own(embedded_runtime, two_shops):
    shop, other, run, _ = two_shops
    assert len(list(plan_rows.stream(embedded_runtime.database, shop, run))) == 7
    assert list(plan_rows.stream(embedded_runtime.database, other, run)) == []


def test_a_log_line_never_borrows_another_shops_name(embedded_runtime, two_shops):
    _, other, _, person = two_shops
    with embedded_runtime.database.transaction() as tx:
        row = {"shop_id": other, "person_id": person, "kind": "contact", "direction": "none", "result": "info"}
        tx.execute(insert(models.Activity).values(row))
        assert [line.name for line in activities.page(tx, other, Filter())] == [None]


def test_an_api_key_ends_with_the_installation(embedded_runtime, two_shops):
    shop = two_shops[0]
    with embedded_runtime.database.transaction() as tx:
        digest = hashlib.sha256(b"key").digest()
        tx.execute(insert(models.ApiKey).values({"digest": digest, "shop_id": shop, "label": "x"}))
        assert api_keys.holder(tx, "key").shop_id == shop
        tx.execute(text("update shops set uninstalled_at = now()"))
        assert api_keys.holder(tx, "key") is None


def test_contacts_without_a_customer_are_not_counted_as_skipped_customers(embedded_runtime, two_shops):
    database, shop = embedded_runtime.database, two_shops[0]
    house.add_person(database, shop, key="z@example.com", customer_id=None, result="skipped", reason="no_customer")
    with database.transaction() as tx:
        assert people.counts(tx, shop) == {"synced": 1}
