"""The worker is killed in every phase of the store's history, Redis is wiped, Postgres crashes: the end is the same.

Mailchimp has what it has after an undisturbed sync, nothing was written twice, the automations stayed held all the
while and are free again at the end (S2, S17, S76; reliability.md 7.1 R7). The oracles are the sandboxes' own stores and
logs. Each nemesis is counted; a run in which one of them never struck proves nothing and is a failed test.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_first_sync_survives import Nemeses, Scene, follow

from shopchimp.domain.commerce.promos import NO_END
from shopchimp.local.house import House, Plan
from stage import Row, Sandbox, stage, wait_for

PHASES = ("products", "customers", "orders", "carts", "promo_codes")
STORE = ["--people", "250", "--seed", "11", "--plan", "unlimited", "--orders", "--read-all-orders"]
STORE += ["--invented-products", "40", "--odd-orders", "40", "--checkouts", "60", "--discounts", "12", "--codes", "12"]
SETTINGS = {
    "SHOPCHIMP_LEASE_SECONDS": "2",
    "SHOPCHIMP_SWEEP_SECONDS": "0.5",
    "SHOPCHIMP_MAILCHIMP_CONNECTIONS": "2",
}
SLOW, CALLS = 0.4, 24  # so many calls of each phase take that long: a killed worker dies in the middle of them
ROUTES = {
    "products": ("PUT {store}/products/{product_id}",),
    "customers": ("PUT {store}/customers/{customer_id}",),
    "orders": ("PUT {store}/orders/{order_id}", "POST /batches"),
    "carts": ("POST {store}/carts",),
    "promo_codes": ("POST {store}/promo-rules", "POST {store}/promo-rules/{promo_rule_id}/promo-codes"),
}
COMMERCE = frozenset({"store", "product", "ecommerce_customer", "order", "cart", "promo_rule", "promo_code"})


@dataclass
class Filled:
    """One finished sync, as Mailchimp remembers it."""

    store: dict[str, dict[str, Row]]
    statuses: dict[str, str]  # of the contacts; their fields are live sync's already
    writes: list[Row]
    automations: Row
    books: Row


def filled(sandbox: Sandbox, books: Row) -> Filled:
    statuses = {email: row["status"] for email, row in sandbox.state("mailchimp").items()}
    writes = [line for line in sandbox.writes("mailchimp") if line["kind"] in COMMERCE]
    return Filled(sandbox.commerce("mailchimp"), statuses, writes, sandbox.automations(), books)


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    with House(Plan(folder, sandbox=STORE, settings=SETTINGS, durable=False, beat=False)) as house:
        given = Scene(house)
        try:
            given.merchant.connect()
            given.merchant.choose_audience()
            yield given
        finally:
            given.merchant.close()
            given.sandbox.http.close()


@pytest.fixture(scope="module")
def calm(new_database: Callable[[], str]) -> Filled:
    with stage(new_database(), *STORE) as played:
        run_id = played.first_sync()
        return filled(played.sandbox, played.run(run_id).counts["commerce"])


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Filled, Nemeses, list[bool]]:
    held: list[bool] = []  # whether the automations were held, at each blow
    with scene(tmp_path_factory.mktemp("storm")) as given:
        merchant = given.merchant
        run_id = merchant.preview()["id"]
        slow(given.sandbox)
        merchant.start(run_id)

        def blow(strike: Callable[..., None], phase: str) -> None:
            strike(phase)
            held.extend(store["is_syncing"] for store in given.sandbox.commerce("mailchimp")["store"].values())

        blow(given.kill, "products")
        blow(given.kill, "customers")
        blow(given.flush, "customers")
        blow(given.kill, "orders")
        blow(given.crash, "orders")
        blow(given.kill, "orders")
        blow(given.kill, "carts")
        blow(given.kill, "promo_codes")
        given.sandbox.faults()
        given.query(
            "update promo_runs set held_until = now() + interval '2 seconds' where token is not null returning 1"
        )
        follow(merchant, run_id, "done")
        wait_for(lambda: not syncing(given.sandbox))
        books = merchant.call("GET", f"/sync-runs/{run_id}")["counts"]["commerce"]
        return filled(given.sandbox, books), given.struck, held


def slow(sandbox: Sandbox) -> None:
    store = "/ecommerce/stores/{store_id}"
    sandbox.faults(
        *(
            {"kind": "slow", "platform": "mailchimp", "route": route.replace("{store}", store), "times": CALLS}
            | {"seconds": SLOW}
            for routes in ROUTES.values()
            for route in routes
        )
    )


def syncing(sandbox: Sandbox) -> bool:
    return any(store["is_syncing"] for store in sandbox.commerce("mailchimp")["store"].values())


def test_every_phase_was_struck(storm: tuple[Filled, Nemeses, list[bool]]) -> None:
    _, struck, _ = storm
    print(struck)
    assert struck.kills == {"products": 1, "customers": 1, "orders": 2, "carts": 1, "promo_codes": 1}
    assert (struck.flushes.total(), struck.crashes.total()) == (1, 1)


def test_mailchimp_ends_as_after_an_undisturbed_sync(calm: Filled, storm: tuple[Filled, Nemeses, list[bool]]) -> None:
    ended, _, _ = storm
    assert ended.store.keys() == calm.store.keys() == COMMERCE
    for kind in COMMERCE:
        assert plain(ended.store[kind]) == plain(calm.store[kind]), kind
    assert ended.statuses == calm.statuses
    assert ended.books == calm.books
    assert len(ended.store["order"]) > 300


def plain(rows: dict[str, Row]) -> dict[str, Row]:
    return {key: endless(row) for key, row in rows.items()}


def endless(row: Row) -> Row:
    """A rule that is there without our knowing may have an end, so it is given one that never comes: the same as none."""
    return {name: value for name, value in row.items() if (name, value) != ("ends_at", NO_END)}


def test_nothing_was_written_twice(calm: Filled, storm: tuple[Filled, Nemeses, list[bool]]) -> None:
    """The store is switched to quiet and back, everything else has one content for ever."""
    ended, _, _ = storm
    contents: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for line in ended.writes:
        if (content := endless(line["content"])) not in contents[line["kind"], line["key"]]:
            contents[line["kind"], line["key"]].append(content)
    assert contents.keys() == {(line["kind"], line["key"]) for line in calm.writes}
    twice = {what: each for what, each in contents.items() if len(each) > 1 and what[0] != "store"}
    assert twice == {}


def test_the_automations_were_held_to_the_end_and_are_free_now(storm: tuple[Filled, Nemeses, list[bool]]) -> None:
    ended, struck, held = storm
    assert held == [True] * (struck.kills.total() + struck.flushes.total() + struck.crashes.total())
    assert [store["is_syncing"] for store in ended.store["store"].values()] == [False]
    assert ended.automations["fired"].keys() <= {"welcome"}  # to who opted in in the shop: no history of the store
    assert ended.automations["waiting"] == 0
    assert ended.automations["quiet"]["order_invoice: is_syncing"] > 250


def test_all_sums_close(storm: tuple[Filled, Nemeses, list[bool]]) -> None:
    books: dict[str, Any] = storm[0].books
    assert books.keys() == {"product", "customer", "order", "cart", "promo_rule", "promo_code"}
    for kind, each in books.items():
        assert each["read"] == each["synced"] + sum(each["skipped"].values()) + sum(each["failed"].values()), kind
        assert each["failed"] == {}, kind
