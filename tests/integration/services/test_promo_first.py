"""The promo codes of a first sync, and the command that syncs them: both take a run of their own to its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from uuid import uuid4

import pytest
from rich.console import Console

from promo_house import PromoHouse, promo_house
from shopchimp import ops
from shopchimp.db import promo_runs
from shopchimp.services.commerce import promo

MANY = 260  # codes: more than a page


@pytest.fixture
def house(database_url: str) -> Iterator[PromoHouse]:
    with promo_house(database_url) as made:
        yield made


def now(house: PromoHouse) -> datetime:
    with house.stage.database.transaction() as tx:
        return promo_runs.now(tx)


def first(house: PromoHouse, since: datetime, *, seconds: float = 15.0) -> bool:
    return promo.first(house.stage.runtime.gateways, house.shop_id, since=since, seconds=seconds)


def test_a_first_sync_takes_its_run_along_in_parts(house: PromoHouse) -> None:
    house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    since = now(house)
    parts = [first(house, since, seconds=0.01)]
    while not parts[-1]:
        parts.append(first(house, since, seconds=0.01))
    assert len(parts) > 2
    assert len(house.texts()) == MANY
    assert [run.trigger for run in house.runs()] == ["first_sync"]
    assert first(house, since)  # it was done already
    assert len(house.runs()) == 1


def test_a_later_first_sync_has_a_run_of_its_own(house: PromoHouse) -> None:
    house.discount("create", title="One", codes=["ONE"], percent=20)
    house.sync()
    assert first(house, now(house))
    assert [run.trigger for run in house.runs()] == ["first_sync", "manual"]


def test_a_run_begun_before_is_ended_and_not_taken_for_its_own(house: PromoHouse) -> None:
    house.discount("create", title="One", codes=["ONE"], percent=20)
    house.request()
    since = now(house)
    assert not first(house, since)
    assert first(house, since)
    assert [(run.trigger, run.state) for run in house.runs()] == [("first_sync", "done"), ("manual", "done")]


def test_it_waits_for_whoever_holds_the_run(house: PromoHouse) -> None:
    run = house.request()
    with house.stage.database.transaction() as tx:
        promo_runs.take(tx, run.id, uuid4())
    assert not first(house, now(house))
    assert house.calls()["shopify"] == 0


def test_without_the_right_to_read_discounts_a_first_sync_goes_on(house: PromoHouse) -> None:
    house.stage.rows("update shops set scopes = 'read_customers,write_customers' returning id")
    assert first(house, now(house))


def test_another_store_at_mailchimp_takes_over_no_run(house: PromoHouse) -> None:
    """Its pages were written to the store before."""
    house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    house.request()
    house.work(parts=0)
    house.stage.rows("update connections set store_id = 'another' returning shop_id")
    promo.store.ensure(house.stage.runtime.gateways, house.shop_id)
    assert house.running() is None
    assert house.items("promo_code") == {}


# ------------------------------------------------------------------ the command


def test_the_command_follows_the_run_to_its_end(house: PromoHouse) -> None:
    """S65: `shopchimp promo-codes sync`."""
    house.discount("create", title="One", codes=["ONE"], percent=20)
    stop = threading.Event()

    def worker() -> None:
        while not stop.wait(0.05):
            house.work(parts=1)

    thread = threading.Thread(target=worker)
    thread.start()
    try:
        result = ops.promo_codes_now(house.stage.runtime, "", Console(quiet=True))
    finally:
        stop.set()
        thread.join()
    assert result["added"] == 1
    assert result["calls"] == {"shopify": 1, "mailchimp": 2}
    assert house.runs()[0].trigger == "cli"


def test_the_command_says_what_went_wrong(house: PromoHouse) -> None:
    house.stage.rows("update shops set scopes = 'read_customers' returning id")
    stop = threading.Event()

    def worker() -> None:
        while not stop.wait(0.05):
            house.work(parts=1)

    thread = threading.Thread(target=worker)
    thread.start()
    try:
        with pytest.raises(ops.Refused, match="weren't synced"):
            ops.promo_codes_now(house.stage.runtime, "", Console(quiet=True))
    finally:
        stop.set()
        thread.join()


def test_the_command_refuses_before_the_first_sync(house: PromoHouse) -> None:
    house.stage.rows("update connections set commerce_since = null returning shop_id")
    with pytest.raises(ops.Refused, match="first sync"):
        ops.promo_codes_now(house.stage.runtime, "", Console(quiet=True))
