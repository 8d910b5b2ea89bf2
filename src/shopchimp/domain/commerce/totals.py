"""What a buyer spent, per currency (S98): revenue less refunds, orders, and products bought; pure sums over orders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from shopchimp.domain.commerce.customers import buyer
from shopchimp.domain.commerce.money import ZERO
from shopchimp.domain.commerce.orders import counted_lines, currency_of_order, net_total
from shopchimp.domain.commerce.results import Skip
from shopchimp.domain.commerce.store import Node, Storefront


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of one currency: amounts of two are never added up."""

    revenue: Decimal = ZERO
    orders: int = 0
    products: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.revenue + other.revenue, self.orders + other.orders, self.products + other.products)

    @property
    def average(self) -> Decimal:
        """What an order was worth; 0 of none."""
        return self.revenue / self.orders if self.orders else ZERO


def order_totals(order: Node) -> Totals:
    """What one order adds. A cancelled one and a test add nothing; one refunded as a whole was still an order."""
    if order.get("test") or order.get("cancelledAt"):
        return Totals()
    refunded = order.get("displayFinancialStatus") == "REFUNDED"
    bought = 0 if refunded else sum(quantity for _, quantity in counted_lines(order))
    return Totals(net_total(order), 1, bought)


def totals(orders: Iterable[Node], store: Storefront) -> dict[str, Totals]:
    """The sums of orders by currency; a currency without any order is not there."""
    by_currency: dict[str, Totals] = {}
    for order in orders:
        one = order_totals(order)
        if one.orders:
            currency = currency_of_order(order, store)
            by_currency[currency] = by_currency.get(currency, Totals()) + one
    return by_currency


def totals_by_buyer(orders: Iterable[Node], store: Storefront) -> dict[str, dict[str, Totals]]:
    """The same for each buyer, by the id that Mailchimp knows them by. An order without a usable buyer has none."""
    by_buyer: dict[str, list[Node]] = {}
    for order in orders:
        who = buyer(order)
        if not isinstance(who, Skip):
            by_buyer.setdefault(who.body["id"], []).append(order)
    return {who: sums for who, theirs in by_buyer.items() if (sums := totals(theirs, store))}
