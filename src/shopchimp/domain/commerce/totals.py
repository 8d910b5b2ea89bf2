"""What an order adds to its buyer's totals (S98): revenue less refunds, orders, and products bought."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shopchimp.domain.commerce.money import ZERO
from shopchimp.domain.commerce.orders import counted_lines, net_total
from shopchimp.domain.commerce.store import Node


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of one currency: amounts of two are never added up."""

    revenue: Decimal = ZERO
    orders: int = 0
    products: int = 0


def order_totals(order: Node) -> Totals:
    """What one order adds. A cancelled one and a test add nothing; one refunded as a whole was still an order."""
    if order.get("test") or order.get("cancelledAt"):
        return Totals()
    refunded = order.get("displayFinancialStatus") == "REFUNDED"
    bought = 0 if refunded else sum(quantity for _, quantity in counted_lines(order))
    return Totals(net_total(order), 1, bought)
