"""Promo runs against what goes wrong: refusals, throttling, outages, a missing right, a store or a rule that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from promo_house import PromoHouse, promo_house
from shopchimp.db import shops, slots
from shopchimp.domain.commerce.results import Kind
from shopchimp.domain.errors import RateLimited, Rejected, Unauthorized, Unavailable
from shopchimp.mailchimp import ecommerce
from shopchimp.services.commerce import promo

MANY = 260  # codes: more than a page
CODES = "POST /ecommerce/stores/{store_id}/promo-rules/{promo_rule_id}/promo-codes"


@pytest.fixture
def house(database_url: str) -> Iterator[PromoHouse]:
    with promo_house(database_url) as made:
        yield made


class Refusing:
    """Mailchimp refuses what holds this text."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *words: str, kind: type[Rejected] = Rejected) -> None:
        self.words, self.kind, self.perform = set(words), kind, ecommerce.perform
        monkeypatch.setattr(ecommerce, "perform", self)

    def __call__(self, client: Any, operation: ecommerce.Operation) -> None:
        body = operation.body or {}
        if {body.get("code"), body.get("title")} & self.words:
            raise self.kind("mailchimp", "mc_rejected", "not this one")
        self.perform(client, operation)


def test_a_refused_code_is_named_and_tried_again_without_paging(
    house: PromoHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    house.discount("add_codes", id=many["id"], codes=["BAD"])
    refusing = Refusing(monkeypatch, "BAD")
    run = house.sync()
    assert (run.state, run.counts["failed"], run.counts["added"]) == ("done", 1, MANY)
    assert house.items("promo_code")["BAD"]["reason"] == "mc_rejected"
    before = house.calls()
    again = house.sync()
    assert house.calls()["shopify"] == before["shopify"] + 1
    assert (again.counts["failed"], again.counts["unchanged"]) == (1, MANY)
    refusing.words.clear()
    mended = house.sync()
    assert mended.counts["added"] == 1
    assert len(house.texts()) == MANY + 1
    assert house.calls() == {"shopify": before["shopify"] + 2, "mailchimp": before["mailchimp"] + 1}


def test_codes_of_a_refused_rule_wait_for_it(house: PromoHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    house.discount("create", title="Many", prefix="MANY", count=20, percent=20)
    house.discount("create", title="Few", codes=["FEW"], percent=20)
    refusing = Refusing(monkeypatch, "Many", "Few")
    run = house.sync()
    assert (run.counts["failed"], run.counts["discounts"]["failed"]) == (21, 2)
    assert {row["reason"] for row in house.items("promo_code").values()} == {"mc_rejected"}
    refusing.words.clear()
    assert house.sync().counts["added"] == 21
    assert len(house.texts()) == 21


def test_a_rule_that_somebody_deleted_in_mailchimp_comes_back_with_its_codes(house: PromoHouse) -> None:
    """A change of the discount finds its rule gone; a new code finds it gone, too."""
    by_rule = house.discount("create", title="Rule", prefix="RULE", count=20, percent=20)
    house.sync()
    client = house.stage.runtime.gateways.mailchimp(house.shop_id)
    ecommerce.delete(client, house.store_id, Kind.PROMO_RULE, house.rules()["Rule"]["id"])
    house.discount("update", id=by_rule["id"], set={"percent": 30})
    house.sync()
    assert len(house.codes()["Rule"]) == 20
    assert house.rules()["Rule"]["amount"] == 0.3


def test_a_code_that_finds_its_rule_gone_has_it_made_by_the_next_run(house: PromoHouse) -> None:
    few = house.discount("create", title="Few", codes=["ONE"], percent=20)
    house.sync()
    client = house.stage.runtime.gateways.mailchimp(house.shop_id)
    ecommerce.delete(client, house.store_id, Kind.PROMO_RULE, house.rules()["Few"]["id"])
    house.stage.rows("update commerce_items set digest = '\\x00' where kind = 'promo_code' returning id")
    house.sync()
    assert house.items("promo_code")["ONE"]["reason"] == "mc_rule_missing"
    house.discount("update", id=few["id"], set={"percent": 20})
    house.sync()
    assert house.texts() == {"ONE"}


def test_what_mailchimp_has_without_our_knowing_is_changed(house: PromoHouse) -> None:
    """After a crash between a write and its memory, or a new installation. No end is left from before."""
    house.discount("create", title="One", codes=["ONE"], percent=10)
    house.discount("create", title="Ends", codes=["ENDS"], percent=10, ends_at="2031-01-01T00:00:00Z")
    house.sync()
    house.stage.rows("delete from commerce_items returning id")
    ends = house.stage.runtime.gateways.shopify(house.shop_id)
    assert ends is not None
    run = house.sync()
    assert run.counts["added"] == 2
    assert house.texts() == {"ONE", "ENDS"}
    assert house.rules()["One"]["ends_at"].startswith("2099-12-31")


@pytest.mark.parametrize("route", [CODES, "POST /ecommerce/stores/{store_id}/promo-rules"])
def test_throttling_ends_the_part_and_nothing_is_counted_twice(house: PromoHouse, route: str) -> None:
    house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    house.discount("create", title="Few", prefix="FEW", count=3, percent=20)
    house.stage.sandbox.faults({"route": route, "kind": "429", "rate": 0.1, "times": 5}, seed=3)
    if "codes" not in route:
        house.stage.sandbox.faults({"route": route, "kind": "429", "times": 1})
    run = house.request()
    parts = house.work()
    assert house.stage.sandbox.fired() > 0
    assert parts > 1
    ended = house.run(run)
    assert (ended.state, ended.trouble) == ("done", None)
    assert (ended.counts["added"], ended.counts["discounts"]["added"]) == (MANY + 3, 2)
    assert len(house.texts()) == MANY + 3


def test_a_throttled_run_says_so_and_half_of_the_slots_stay_closed(house: PromoHouse) -> None:
    house.discount("create", title="Few", prefix="FEW", count=3, percent=20)
    house.stage.sandbox.faults({"route": CODES, "kind": "429", "times": 1})
    run = house.request()
    house.work(parts=1)
    assert house.run(run).trouble is not None
    assert house.run(run).trouble["code"] == "mc_slow_down"  # type: ignore[index]
    assert house.stage.rows("select count(*) as n from slots where closed_until > now()")[0]["n"] == 4
    (row,) = house.stage.rows(
        "select due_at > now() as later, trouble from chores where name = :name", name=promo.CHORE
    )
    assert row["later"]
    assert row["trouble"]["code"] == "mc_slow_down"


@pytest.mark.parametrize("kind", ["500", "502html", "reset_after", "truncated"])
def test_an_outage_is_waited_for(house: PromoHouse, kind: str) -> None:
    house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    rules = [{"route": CODES, "kind": kind, "rate": 0.2, "times": 4}]
    rules.append({"route": "DiscountRedeemCodes", "kind": kind, "times": 1})
    house.stage.sandbox.faults(*rules, seed=1)
    run = house.sync()
    assert (run.state, run.counts["added"]) == ("done", MANY)
    assert len(house.texts()) == MANY


def test_a_code_whose_call_never_comes_to_anything_holds_up_nobody(
    house: PromoHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some tries it counts as failed, and the rest is written."""
    house.discount("create", title="Few", codes=["GOOD", "HANGS", "FINE"], percent=20)
    perform = ecommerce.perform

    def hang(client: Any, operation: ecommerce.Operation) -> None:
        if (operation.body or {}).get("code") == "HANGS":
            raise Unavailable("mailchimp", "mc_unreachable", "ReadTimeout")
        perform(client, operation)

    monkeypatch.setattr(ecommerce, "perform", hang)
    run = house.request()
    parts = house.work(parts=20)
    assert parts > promo.PATIENCE
    assert house.run(run).state == "done"
    assert house.texts() == {"GOOD", "FINE"}
    assert house.items("promo_code", state="failed")["HANGS"]["reason"] == "mc_unreachable"


def test_shopifys_throttling_is_waited_for(house: PromoHouse) -> None:
    house.discount("create", title="Many", prefix="MANY", count=MANY, percent=20)
    house.stage.sandbox.faults({"route": "DiscountRedeemCodes", "kind": "429", "times": 2})
    run = house.sync()
    assert (run.state, run.counts["added"]) == ("done", MANY)


def test_without_the_right_to_read_discounts_the_run_says_so_and_nothing_else_suffers(house: PromoHouse) -> None:
    house.discount("create", title="One", codes=["ONE"], percent=10)
    house.stage.rows("update shops set scopes = 'read_customers,write_customers' returning id")
    run = house.sync()
    assert (run.state, run.trouble["code"]) == ("failed", "sh_scope_missing")  # type: ignore[index]
    assert still_connected(house)


def test_a_right_that_was_taken_back_since_is_heard_from_shopify(
    house: PromoHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise Unauthorized("shopify", "sh_scope_missing", "Access denied for discountNodes field.")

    monkeypatch.setattr("shopchimp.shopify.commerce_discounts.discounts_page", denied)
    run = house.sync()
    assert (run.state, run.trouble["code"]) == ("failed", "sh_scope_missing")  # type: ignore[index]
    assert still_connected(house)


def still_connected(house: PromoHouse) -> bool:
    with house.stage.database.transaction() as tx:
        shop = shops.get(tx, house.shop_id)
        state = tx.execute(text("select state from connections")).scalar_one()
    return shop is not None and shop.access_token is not None and state == "connected"


def test_a_store_that_was_deleted_in_mailchimp_ends_the_run(house: PromoHouse) -> None:
    house.discount("create", title="One", codes=["ONE"], percent=10)
    ecommerce.delete_store(house.stage.runtime.gateways.mailchimp(house.shop_id), house.store_id)
    run = house.sync()
    assert (run.state, run.trouble["code"]) == ("failed", "mc_store_gone")  # type: ignore[index]


def test_live_sync_keeps_its_slots(house: PromoHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    house.discount("create", title="One", codes=["ONE"], percent=10)
    seen = []

    def look(work: promo.PromoWork) -> Any:
        with house.stage.database.transaction() as tx:
            (login,) = tx.execute(text("select login_id from connections")).scalars()
            seen.append((slots.taken(tx, login), work.road.connections))
        return page(work)

    page = promo.promo_rules.page
    monkeypatch.setattr(promo.promo_rules, "page", look)
    house.sync()
    assert seen == [(6, 6)]
    assert house.stage.rows("select count(*) as n from slots where token is not null")[0]["n"] == 0


def test_without_a_free_slot_it_waits(house: PromoHouse) -> None:
    run = house.request()
    with house.stage.database.transaction() as tx:
        (login,) = tx.execute(text("select login_id from connections")).scalars()
        slots.take(tx, login, 8, token=run.id, lease=60)
    house.work(parts=2)
    assert house.run(run).state == "running"
    assert house.calls()["shopify"] == 0


def test_a_throttled_slice_is_raised_as_that() -> None:
    """What the chore decides by: RateLimited is no attempt."""
    assert not promo._is_final(RateLimited("mailchimp", "mc_slow_down", retry_after=1.0))
    assert not promo._is_final(Unavailable("mailchimp", "mc_unreachable"))
    assert promo._is_final(Unauthorized("shopify", "sh_scope_missing"))
    assert not promo._is_final(Unauthorized("mailchimp", "mc_access_revoked"))
