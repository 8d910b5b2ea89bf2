"""S98: what an order adds: revenue less refunds, orders, products; real purchases to the cent."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from commerce_nodes import STORE, line, money, order

from shopchimp.domain.commerce.orders import order_write
from shopchimp.domain.commerce.results import Write
from shopchimp.domain.commerce.spelling import short_id
from shopchimp.domain.commerce.totals import Totals, order_totals


def sums(total: str, refunded: str = "0.00", currency: str = "EUR") -> dict[str, Any]:
    return {
        "totalPriceSet": money(total, currency),
        "currentTotalPriceSet": money(total, currency),
        "totalRefundedSet": money(refunded, currency),
    }


def test_s98_revenue_orders_and_products() -> None:
    assert order_totals(order(**sums("77.00"))).revenue == Decimal("77.00")
    partly = order(**sums("20.00", "5.00"), lines=[line(quantity=3, currentQuantity=2)])
    assert order_totals(partly) == Totals(Decimal("15.00"), orders=1, products=2)


def test_s98_tests_and_cancelled_orders_add_nothing() -> None:
    for nothing in (order(test=True), order(cancelledAt="2026-11-05T00:00:00Z")):
        assert order_totals(nothing) == Totals()


def test_s98_an_order_refunded_as_a_whole_was_an_order_without_revenue_or_products() -> None:
    back = order(**sums("77.00", "77.00"), displayFinancialStatus="REFUNDED", lines=[line(currentQuantity=0)])
    assert order_totals(back) == Totals(Decimal("0.00"), 1, 0)


def test_s98_the_real_purchases_to_the_cent_on_both_sides(shared: Callable[[str], Path]) -> None:
    """A tenth of the customers of a real shop's log, each purchase an order: per customer and over all."""
    mine: defaultdict[str, Decimal] = defaultdict(Decimal)
    counts: Counter[str] = Counter()
    orders = []
    with gzip.open(shared("data/cdnow/purchases.csv.gz"), "rt") as file:
        for number, row in enumerate(csv.DictReader(file)):
            if int(row["customer_id"]) % 10:
                continue
            who = row["customer_id"]
            mine[who] += Decimal(row["dollars"])
            counts[who] += int(row["cds"])
            discs = [line(id=f"gid://shopify/LineItem/{number}", quantity=int(row["cds"]), discountAllocations=[])]
            orders.append(
                order(
                    **sums(row["dollars"], currency="USD"),
                    id=f"gid://shopify/Order/{number}",
                    customer={"id": f"gid://shopify/Customer/{who}", "defaultEmailAddress": None},
                    email=f"customer{who}@example.com",
                    lines=discs,
                )
            )
    assert len(orders) > 5_000
    ours: defaultdict[str, Decimal] = defaultdict(Decimal)
    bought: Counter[str] = Counter()
    theirs: defaultdict[str, Decimal] = defaultdict(Decimal)
    for node in orders:
        adds, who = order_totals(node), short_id(node["customer"]["id"])
        ours[who] += adds.revenue
        bought[who] += adds.products
        written = order_write(node, STORE)
        assert isinstance(written, Write)
        theirs[written.body["customer"]["id"]] += Decimal(repr(written.body["order_total"]))
    assert dict(theirs) == dict(ours) == dict(mine)
    assert bought == counts
