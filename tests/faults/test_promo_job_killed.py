"""The promo job of many codes is killed twice and ends complete; a second run changes nothing and costs next to nothing.

S64, S65, issue 4: 100,000 codes over 200 discounts with SHOPCHIMP_PROMO_FULL=1, a tenth of them otherwise. What
Mailchimp has is read from its own API, what was written from its own log.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import pytest
from sqlalchemy import text

from promo_house import PromoHouse, promo_house
from shopchimp.shopify import commerce_discounts as discounts
from stage import dying_worker, wait_for

FULL = os.environ.get("SHOPCHIMP_PROMO_FULL") == "1"
DISCOUNTS, CODES = (200, 500) if FULL else (20, 500)
KILLS = 2
PATIENCE = 3600 if FULL else 300  # seconds
CHUNK = 250


def expected(house: PromoHouse) -> dict[str, set[str]]:
    """The codes in Shopify of every discount that Mailchimp has a type for, by title."""
    client, found = house.stage.runtime.gateways.shopify(house.shop_id), dict[str, set[str]]()
    after: str | None = None
    while True:
        page = discounts.discounts_page(client, after)
        for node in page.nodes:
            discount = node["discount"]
            if discount["__typename"] in ("DiscountCodeBasic", "DiscountCodeFreeShipping"):
                found[discount["title"]] = codes(house, node["id"])
        if page.after is None:
            return found
        after = page.after


def codes(house: PromoHouse, discount_id: str) -> set[str]:
    client, found = house.stage.runtime.gateways.shopify(house.shop_id), set[str]()
    page = discounts.codes_page(client, discount_id)
    while page is not None:
        found |= {node["code"] for node in page.nodes}
        page = discounts.codes_page(client, discount_id, page.after) if page.after else None
    return found


def known(house: PromoHouse) -> int:
    return house.count("promo_code", "synced")


@pytest.mark.timeout(PATIENCE)
def test_s64_s65_killed_twice_it_ends_complete_and_a_second_run_changes_nothing(database_url: str) -> None:
    """Planted: a cursor saved before its codes are written loses those of a killed slice."""
    with promo_house(database_url, "--discounts", str(DISCOUNTS), "--codes", str(CODES)) as house:
        began = time.monotonic()
        run = house.request()
        struck = 0
        for kill in range(1, KILLS + 1):
            with dying_worker("promo_worker.py", database_url, house.stage.sandbox) as process:
                some = DISCOUNTS * CODES * kill // 6
                wait_for(lambda some=some: known(house) >= some, seconds=PATIENCE)
                wait_for(lambda: house.calls()["mailchimp"] - known(house) > DISCOUNTS + 20, seconds=PATIENCE)
                process.send_signal(signal.SIGKILL)
                process.wait(10)
                struck += house.run(run).state == "running"
            time_passes(house)
        assert struck == KILLS
        with dying_worker("promo_worker.py", database_url, house.stage.sandbox):
            wait_for(lambda: house.run(run).state != "running", seconds=PATIENCE)
        took = time.monotonic() - began
        time_passes(house)  # the last one died too, perhaps with the run's end told and the chore's not
        ended = house.run(run)
        assert ended.state == "done"
        assert ended.counts["added"] + ended.counts["unsupported"] == DISCOUNTS * CODES
        wanted = expected(house)
        assert {title: set(found) for title, found in house.codes().items()} == wanted
        written = Counter(row["kind"] for row in house.stage.sandbox.writes("mailchimp"))
        assert written["promo_code"] == ended.counts["added"] == sum(len(each) for each in wanted.values())
        assert written["promo_rule"] == len(wanted)

        calls = house.calls()
        needless = calls["mailchimp"] - written["promo_code"] - written["promo_rule"]
        assert needless > 0, "no slice was cut"
        assert needless <= KILLS * 2 * (CHUNK + 50)  # a slice, whose codes are found to be there
        before = time.monotonic()
        second = house.sync()
        again = house.calls()
        assert {name: n for name, n in second.counts.items() if name not in ("calls", "discounts")} == {
            "unchanged": ended.counts["added"],
            "unsupported": ended.counts["unsupported"],
        }
        assert again["mailchimp"] == calls["mailchimp"]
        assert second.counts["calls"] == {"shopify": -(-DISCOUNTS // 50), "mailchimp": 0}
        print(
            f"{DISCOUNTS * CODES:,} codes, {ended.counts['added']:,} written in {took:.0f} s with {KILLS} kills, "
            f"calls {ended.counts['calls']}, {needless} needless; second run {time.monotonic() - before:.1f} s, "
            f"calls {second.counts['calls']}"
        )


def time_passes(house: PromoHouse) -> None:
    """What the dead worker held has run out."""
    with house.stage.database.transaction() as tx:
        tx.execute(text("update promo_runs set held_until = now()"))
        tx.execute(text("update chores set due_at = now()"))
        tx.execute(text("update slots set until = now()"))
