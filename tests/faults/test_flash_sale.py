"""A flash sale: thousands of orders at once are all heard and all end at Mailchimp, and another shop isn't kept waiting.

Real processes throughout: each order is told by several webhooks, which the web process stores and the worker drains.
Nothing goes by the clock: the small shop's changes must be written while the sale still waits (P7, S76).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shopchimp.local.house import SHOP, House, Plan
from shopchimp.local.merchant import Merchant
from stage import Row, Sandbox, wait_for

OTHER = "quiet-corner.myshopify.com"
ORDERS = int(os.environ.get("FLASH_SALE", "1200"))
CHANGES = 5  # of the other shop, one after the other, while the sale waits
STORE = ["--shop", OTHER, "--people", "60", "--people-of-others", "12", "--invented-products", "10"]
STORE += ["--plan", "unlimited", "--own-logins"]


@dataclass
class Sold:
    """What was seen of the sale."""

    told: Row  # webhooks made and delivered
    stored: int  # of them
    ids: set[str]
    waiting: list[int]  # of the sale, when each change of the other shop was at Mailchimp
    ended: dict[str, dict[str, Row]]
    fired: Row
    parked: list[Any]


class Market:
    """Two shops live in one house."""

    def __init__(self, house: House) -> None:
        self.house, self.sandbox = house, Sandbox(house.shopify_url, house.mailchimp_url)
        self.merchants = [Merchant(app_url=house.app_url, sandbox_url=house.shopify_url, shop=s) for s in (SHOP, OTHER)]

    def query(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.house.postgres.url) as connection:
            return connection.execute(query).fetchall()

    def open(self) -> None:
        for merchant, audience in zip(self.merchants, ("Newsletter", "Wholesale"), strict=True):
            merchant.connect()
            merchant.choose_audience(audience)
            run = merchant.preview()
            merchant.start(run["id"])
            merchant.follow(run["id"])
        with psycopg.connect(self.house.postgres.url) as connection:  # a sale is a crowd, too (M9)
            connection.execute("""update shops set settings = settings || '{"breaker": {"on": false}}'""")
        ready = "select count(*) from chores where name = 'hooks' and last_ok_at is not null"
        wait_for(lambda: self.query(ready) == [(2,)], seconds=60)
        wait_for(lambda: not self.waiting(), seconds=120)

    def waiting(self, shop: str = "") -> int:
        wanted = f"and s.domain = '{shop}'" if shop else ""
        query = f"select count(*) from changes c join shops s on s.id = c.shop_id where c.state = 'waiting' {wanted}"
        return int(self.query(query)[0][0])

    def stored(self) -> int:
        return int(self.query("select count(*) from deliveries where source = 'shopify'")[0][0])

    def told(self) -> Row:
        return dict(self.sandbox.http.get("/_sandbox/webhooks").json()["shopify"])

    def sell(self, count: int) -> set[str]:
        """So many orders of so many people, in one go."""
        sold = self.sandbox.commerce("shopify")
        before, goods = set(sold.get("order", {})), sorted(sold["product"].values(), key=lambda each: each["key"])
        edits = [
            {
                "platform": "shopify",
                "kind": "order",
                "do": "create",
                "email": f"buyer{n}@sale.example.com",
                "lines": [{"variant": goods[n % len(goods)]["variants"][0]["id"], "quantity": 1 + n % 3}],
            }
            for n in range(count)
        ]
        assert self.sandbox.control("edits", edits=edits)["failed"] == []
        return {key.rpartition("/")[2] for key in set(self.sandbox.commerce("shopify")["order"]) - before}

    def change_elsewhere(self, number: int) -> None:
        """Somebody of the other shop is new, and is at Mailchimp before this returns."""
        email = f"calm{number}@corner.example.com"
        values = {"firstName": "Ana", "marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"}
        self.sandbox.control("edit", platform="shopify", shop=OTHER, email=email, set=values)
        wait_for(lambda: self.is_contact(email), seconds=120)

    def is_contact(self, email: str) -> bool:
        time.sleep(0.3)  # the log is long
        return any(row["kind"] == "consent" and row["key"] == email for row in self.sandbox.writes("mailchimp"))


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sold]:
    folder: Path = tmp_path_factory.mktemp("sale")
    with House(Plan(folder, sandbox=STORE, durable=False, beat=False)) as house:
        market = Market(house)
        try:
            market.open()
            stored, told = market.stored(), market.told()
            ids = market.sell(ORDERS)
            wait_for(lambda: market.waiting(SHOP) > 0)
            waiting = []
            for number in range(CHANGES):
                market.change_elsewhere(number)
                waiting.append(market.waiting(SHOP))
            wait_for(lambda: not market.told()["waiting"] and not market.waiting(), seconds=600)
            after = market.told()
            yield Sold(
                {name: after[name] - told[name] for name in ("made", "delivered", "failed", "dead")},
                market.stored() - stored,
                ids,
                waiting,
                market.sandbox.commerce("mailchimp"),
                market.sandbox.automations()["fired"],
                market.query("select key, cause, detail from changes where state <> 'waiting'"),
            )
        finally:
            for merchant in market.merchants:
                merchant.close()
            market.sandbox.http.close()


def test_every_webhook_of_the_sale_was_stored(sold: Sold) -> None:
    print(sold.told)
    assert sold.told["made"] >= 2 * ORDERS  # created and paid, and mostly the product whose stock fell
    assert (sold.told["delivered"], sold.told["dead"]) == (sold.told["made"], 0)
    assert sold.stored == sold.told["made"]


def test_every_order_is_at_mailchimp_and_its_buyer_was_told_once(sold: Sold) -> None:
    assert len(sold.ids) == ORDERS
    assert sold.ids <= sold.ended["order"].keys()
    assert all(sold.ended["order"][key]["financial_status"] == "paid" for key in sold.ids)
    assert sold.parked == []
    assert sold.fired["order_confirmation"] == sold.fired["order_invoice"] == ORDERS


def test_the_other_shop_is_served_in_between(sold: Sold) -> None:
    print(sold.waiting)
    assert all(left > 0 for left in sold.waiting), "the sale was over before: it says nothing about turns"
