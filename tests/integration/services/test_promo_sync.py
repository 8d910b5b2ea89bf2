"""Promo codes from Shopify to Mailchimp as runs of the chore (S64, S65, S76): every type, every change, no needless call.

Both platforms are the sandbox; what Mailchimp has is read from its own API.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest

from promo_house import PromoHouse, promo_house
from shopchimp.services import settings
from shopchimp.services.commerce import promo
from shopchimp.services.sync_runs import StartRefused
from shopchimp.shopify import bulk

MANY = 260  # codes: more than a page


@pytest.fixture
def house(database_url: str) -> Iterator[PromoHouse]:
    with promo_house(database_url) as made:
        yield made


def number(discount: dict[str, str]) -> str:
    return discount["id"].rpartition("/")[2]


# ------------------------------------------------------------------ types


def test_s64_every_type_of_discount_is_a_rule_or_named_with_its_reason(house: PromoHouse) -> None:
    house.discount("create", title="TENOFF", codes=["TENOFF"], percent=10)
    house.discount("create", title="FIVE", codes=["FIVE"], amount=500)
    house.discount("create", title="EACH", codes=["EACH"], amount=200, each_item=True)
    house.discount("create", title="SHIP", codes=["SHIP"], type="free_shipping")
    house.discount("create", title="BXGY", codes=["BXGY"], type="bxgy")
    house.discount("create", title="APP", codes=["APP"], type="app")
    run = house.sync()
    rules = {title: (rule["type"], rule["target"], rule["amount"]) for title, rule in house.rules().items()}
    assert rules == {
        "TENOFF": ("percentage", "total", 0.1),
        "FIVE": ("fixed", "total", 5.0),
        "EACH": ("fixed", "per_item", 2.0),
        "SHIP": ("fixed", "shipping", 0.0),
    }
    assert house.texts() == {"TENOFF", "FIVE", "EACH", "SHIP"}
    codes = {code: (row["state"], row["reason"]) for code, row in house.items("promo_code", state="skipped").items()}
    assert codes == {"BXGY": ("skipped", "buy_x_get_y"), "APP": ("skipped", "app_discount")}
    named = {title: row["shown"]["summary"] for title, row in house.items("promo_rule", state="skipped").items()}
    assert named == {"BXGY": "Buy 2 items, get 1 item at 50% off", "APP": ""}
    assert {name: run.counts[name] for name in ("added", "unsupported")} == {"added": 4, "unsupported": 2}
    assert run.counts["discounts"] == {"added": 4, "unsupported": 2}


def test_a_code_leads_to_the_storefront_and_says_how_often_it_was_used(house: PromoHouse) -> None:
    house.discount("create", title="Summer", prefix="SUN", count=3, percent=20)
    house.sync()
    codes = house.codes()["Summer"]
    # by their texts, which count up: written side by side, they lie at Mailchimp in any order
    assert [codes[code]["usage_count"] for code in sorted(codes)] == [0, 1, 2]
    assert all(row["redemption_url"].endswith(f"/discount/{code}") and row["enabled"] for code, row in codes.items())


# ------------------------------------------------------------------ nothing new


def test_a_second_run_costs_no_call_a_code(house: PromoHouse) -> None:
    """Planted: without the fingerprint all codes are paged again; without digests all are written again."""
    house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    house.discount("create", title="Few", prefix="FEW", count=8, percent=20)
    first = house.sync()
    assert first.counts["added"] == MANY + 8
    before = house.calls()
    second = house.sync()
    assert house.calls() == {"shopify": before["shopify"] + 1, "mailchimp": before["mailchimp"]}
    assert {name: n for name, n in second.counts.items() if name != "calls"} == {
        "unchanged": MANY + 8,
        "discounts": {"unchanged": 2},
    }
    assert second.counts["calls"] == {"shopify": 1, "mailchimp": 0}


def test_only_the_changed_discount_is_paged(house: PromoHouse) -> None:
    changed = house.discount("create", title="One", prefix="ONE", count=MANY, percent=20)
    house.discount("create", title="Two", prefix="TWO", count=MANY, percent=20)
    house.sync()
    then = house.items("promo_rule")["One"]["source_updated_at"]
    house.discount("add_codes", id=changed["id"], codes=["EXTRA"])
    before = house.calls()
    run = house.sync()
    moved = house.items("promo_rule")["One"]["source_updated_at"] != then  # not if all of this took less than a second
    assert house.calls()["shopify"] == before["shopify"] + 1 + 2  # the list, and two pages of this one
    assert house.calls()["mailchimp"] == before["mailchimp"] + 1 + moved  # the code, and the rule's time of change
    assert (run.counts["added"], run.counts["unchanged"]) == (1, 2 * MANY)
    assert run.counts["discounts"] == {"changed": 1, "unchanged": 1}
    assert "EXTRA" in house.texts()


# ------------------------------------------------------------------ what changes


def test_a_removed_code_goes_and_a_rule_is_never_made_again(house: PromoHouse) -> None:
    many = house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    few = house.discount("create", title="Few", codes=["GONE", "STAYS"], percent=20)
    house.sync()
    gone = sorted(house.codes()["Many"])[7]
    house.discount("remove_codes", id=many["id"], codes=[gone])
    house.discount("remove_codes", id=few["id"], codes=["GONE"])
    posts = posted(house)
    run = house.sync()
    assert gone not in house.texts()
    assert "GONE" not in house.texts()
    assert len(house.texts()) == MANY
    assert run.counts["removed"] == 2
    assert posted(house) == posts
    assert len(house.items("promo_code")) == MANY


def posted(house: PromoHouse) -> int:
    return sum(n for name, n in house.stage.sandbox.calls()["mailchimp"].items() if name.startswith("POST /ecommerce"))


def test_a_deleted_discount_takes_its_rule_and_codes_along(house: PromoHouse) -> None:
    gone = house.discount("create", title="Gone", prefix="GONE", count=20, percent=20)
    house.discount("create", title="Stays", prefix="STAYS", count=2, percent=20)
    house.sync()
    house.discount("delete", id=gone["id"])
    run = house.sync()
    assert set(house.rules()) == {"Stays"}
    assert set(house.items("promo_rule")) == {"Stays"}
    assert len(house.items("promo_code")) == 2
    assert (run.counts["removed"], run.counts["discounts"]["removed"]) == (20, 1)


def test_a_discount_that_no_page_shows_for_a_moment_stays(house: PromoHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search may lag behind: what seems gone is asked for by its id before it is taken away."""
    house.discount("create", title="Hidden", prefix="HID", count=20, percent=20)
    house.sync()
    monkeypatch.setattr("shopchimp.shopify.commerce_discounts.WITH_CODES", "title:nothing")
    run = house.sync()
    assert set(house.rules()) == {"Hidden"}
    assert "removed" not in run.counts


def test_an_expired_discount_is_switched_off_and_one_without_an_end_goes_on(house: PromoHouse) -> None:
    discount = house.discount("create", title="Sale", codes=["SALE"], percent=10, ends_at="2031-01-01T00:00:00Z")
    house.sync()
    assert house.rules()["Sale"]["enabled"]
    assert house.rules()["Sale"]["ends_at"].startswith("2031-01-01")
    house.discount(
        "update", id=discount["id"], set={"ends_at": "2026-01-02T00:00:00Z", "starts_at": "2026-01-01T00:00:00Z"}
    )
    house.sync()
    assert not house.rules()["Sale"]["enabled"]
    house.discount("update", id=discount["id"], set={"ends_at": None})
    house.sync()
    assert house.rules()["Sale"]["enabled"]
    assert house.rules()["Sale"]["ends_at"].startswith("2099-12-31")  # an end can't be taken off again
    before = house.calls()["mailchimp"]
    house.sync()
    assert house.calls()["mailchimp"] == before


def test_a_discount_that_mailchimp_can_say_no_longer_is_taken_away_and_may_come_back(house: PromoHouse) -> None:
    discount = house.discount("create", title="Odd", codes=["ODD"], percent=10)
    house.sync()
    house.discount("update", id=discount["id"], set={"percent": 0})
    house.sync()
    assert house.rules() == {}
    assert house.items("promo_code")["ODD"]["reason"] == "discount_value"
    house.discount("update", id=discount["id"], set={"percent": 15})
    run = house.sync()
    assert house.rules()["Odd"]["amount"] == 0.15
    assert house.texts() == {"ODD"}
    assert run.counts["added"] == 1


# ------------------------------------------------------------------ never two


def test_pressing_the_button_twice_starts_one_run(house: PromoHouse) -> None:
    """Ux criterion 24."""
    house.discount("create", title="One", codes=["ONE"], percent=10)
    first, second = house.request(), house.request()
    assert first.id == second.id
    house.work()
    assert len(house.runs()) == 1
    assert house.request().id != first.id


def test_many_presses_at_once_start_one_run(house: PromoHouse) -> None:
    gate = threading.Barrier(12)

    def press(_: int) -> object:
        gate.wait()
        return house.request().id

    with ThreadPoolExecutor(12) as pool:
        assert len(set(pool.map(press, range(12)))) == 1
    assert len(house.runs()) == 1


def test_a_run_that_is_held_is_worked_by_nobody_else(house: PromoHouse) -> None:
    """The first sync and the chore may both come; and the chore's lease may have ended under a slow worker."""
    house.discount("create", title="One", codes=["ONE"], percent=10)
    run = house.request()
    with house.stage.database.transaction() as tx:
        held = promo.promo_runs.take(tx, run.id, run.id)
    assert held == 0.0
    assert house.work(parts=1) == 1
    assert house.calls()["shopify"] == 0
    house.stage.rows("update promo_runs set held_until = now() returning id")
    house.hurry()
    house.work()
    assert house.texts() == {"ONE"}


def test_whoever_was_taken_over_stores_nothing_more(house: PromoHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a save without the token in its condition lets both go on."""
    house.discount("create", title="Many", prefix="MANY", count=MANY, percent=10)
    run = house.request()
    seen = promo.promo_codes.step

    def taken_over(work: promo.PromoWork) -> object:
        house.stage.rows("update promo_runs set token = gen_random_uuid() returning id")
        return seen(work)

    monkeypatch.setattr(promo.promo_codes, "step", taken_over)
    house.work(parts=1)
    assert house.run(run).state == "running"
    assert house.items("promo_code") == {}


def test_it_cannot_be_asked_for_before_the_first_sync(house: PromoHouse) -> None:
    house.stage.rows("update connections set commerce_since = null returning shop_id")
    with pytest.raises(StartRefused):
        house.request()


# ------------------------------------------------------------------ by the clock and by webhooks


def test_s64_it_runs_every_few_hours_as_the_settings_say(house: PromoHouse) -> None:
    house.discount("create", title="One", codes=["ONE"], percent=10)
    house.hurry()
    house.work()  # none has run yet, so the first is due
    house.later(2.5)
    house.work(parts=1)
    assert len(house.runs()) == 1
    settings.change(house.stage.database, house.shop_id, {"promo_hours": 2}, by="test")
    house.hurry()
    house.work(parts=2)
    assert [run.trigger for run in house.runs()] == ["schedule", "schedule"]
    with house.stage.database.transaction() as tx:
        due = promo.next_at(tx, house.shop_id)
        assert due == promo.next_at(tx, house.shop_id)
    assert due is not None
    hours = (due - house.runs()[0].started_at).total_seconds() / 3600
    assert 2 <= hours <= 2.2


@pytest.mark.parametrize("hours", [0, 25, 2.5, True, "3"])
def test_hours_out_of_bounds_are_refused(hours: object) -> None:
    with pytest.raises(settings.InvalidSettings):
        settings.parse({"promo_hours": hours})


def test_a_webhook_has_a_discount_read_again_whose_fingerprint_is_the_same(
    house: PromoHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One code for another: that this moves a discount's time of change is not known (shopify.md 2.6)."""
    monkeypatch.setattr(promo.promo_rules, "reading", lambda *_: "the same")
    many = house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    house.sync()
    house.discount("remove_codes", id=many["id"], codes=[min(house.texts())])
    house.discount("add_codes", id=many["id"], codes=["INSTEAD"])
    house.sync()
    assert "INSTEAD" not in house.texts()
    with house.stage.database.transaction() as tx:
        promo.nudge(tx, house.shop_id, [number(many)])
        promo.nudge(tx, house.shop_id, [number(many)])
    assert house.running() is not None
    house.hurry()
    house.work()
    assert house.runs()[0].trigger == "webhook"
    assert "INSTEAD" in house.texts()
    assert len(house.texts()) == MANY


def test_a_webhook_during_a_run_is_answered_after_it(house: PromoHouse) -> None:
    many = house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    house.sync()
    house.request()
    with house.stage.database.transaction() as tx:
        tx.exec_driver_sql("update promo_runs set cursor = '{\"seen\": 0}' where state = 'running'")
        promo.nudge(tx, house.shop_id, [number(many)])
    before = house.calls()["shopify"]
    house.work()
    assert [run.trigger for run in house.runs()] == ["webhook", "manual", "manual"]
    assert house.calls()["shopify"] == before + 1 + 1 + 2  # the list twice, and this discount's two pages


# ------------------------------------------------------------------ more codes than paging reaches


@pytest.mark.skipif(os.environ.get("SHOPCHIMP_PROMO_FULL") != "1", reason="25,100 codes take a minute")
def test_s64_a_discount_of_more_codes_than_paging_reaches_is_read_in_bulk(house: PromoHouse) -> None:
    """Paging ends at 25,000 objects. Planted: taking the end of the pages for the end of the codes."""
    house.discount("create", title="Many", prefix="MANY", type="app", count=25_100)
    assert house.sync().counts["unsupported"] == 25_100
    assert len(house.items("promo_code")) == 25_100
    before = house.calls()["shopify"]
    assert house.sync().counts["unsupported"] == 25_100
    assert house.calls()["shopify"] == before + 1


@pytest.mark.parametrize("known", [True, False])
def test_codes_beyond_the_end_of_paging_are_read_in_bulk(
    house: PromoHouse, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:
    """Their number says so beforehand, or the walk ends too early."""
    if known:
        monkeypatch.setattr(promo.promo_rules, "PAGE_END", 250)
    else:
        monkeypatch.setattr(promo.promo_codes, "is_complete", lambda *_: False)
    monkeypatch.setattr(promo, "PART", 0.1)  # each part streams anew
    many = house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    assert house.sync().counts["added"] == MANY
    assert house.calls()["shopify"] == (1 if known else 3)
    gone = min(house.texts())
    house.discount("remove_codes", id=many["id"], codes=[gone])
    run = house.sync()
    assert (run.counts["removed"], run.counts["unchanged"]) == (1, MANY - 1)
    assert len(house.texts()) == MANY - 1
    assert gone not in house.texts()


def test_a_bulk_result_that_was_cut_short_takes_nothing_away(
    house: PromoHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: without the count of lines every code behind the cut is removed."""
    many = house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    house.sync()
    monkeypatch.setattr(promo.promo_rules, "PAGE_END", 250)
    house.discount("add_codes", id=many["id"], codes=["EXTRA"])
    lines, cuts = bulk.lines, [True]

    def cut(*args: Any, **more: Any) -> Iterator[dict[str, Any]]:
        return islice(lines(*args, **more), 100) if cuts and cuts.pop() else lines(*args, **more)

    monkeypatch.setattr(bulk, "lines", cut)
    run = house.sync()
    assert run.counts.get("removed") is None
    assert house.texts() >= {"EXTRA"}
    assert len(house.texts()) == MANY + 1
