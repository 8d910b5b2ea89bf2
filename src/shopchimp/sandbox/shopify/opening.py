"""What a shop has to sell and has sold when it opens. Without being asked for, nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shopchimp.sandbox.shopify.catalogue import from_csv_folder, invented
from shopchimp.sandbox.shopify.discounts import FIRST_DISCOUNT, invented_discount
from shopchimp.sandbox.shopify.purchases import (
    DAY,
    Purchase,
    add_checkouts,
    add_odd_orders,
    invented_purchases,
    open_orders,
)
from shopchimp.sandbox.shopify.shop import Shop

FEWEST_PRODUCTS: Final = 40  # where orders are wanted and no products


@dataclass(frozen=True, slots=True)
class Opening:
    seed: int = 1
    products: Path | None = None
    invented_products: int = 0
    orders: bool = False
    purchases: Iterable[Purchase] | None = None  # None: as many as the customers say they made
    orders_each: int = 0  # of every customer, whatever they say
    odd_orders: int = 0
    checkouts: int = 0
    discounts: int = 0
    codes: int = 1


def open_commerce(shop: Shop, opening: Opening) -> None:
    """After the customers, before the shop opens."""
    commerce, customers = shop.commerce, shop.customers
    needed = opening.orders or opening.odd_orders or opening.checkouts
    if opening.products is not None:
        for product in from_csv_folder(opening.products, commerce.builder):
            commerce.stock(product)
    count = opening.invented_products
    if needed and not count and opening.products is None:
        count = FEWEST_PRODUCTS
    for product in invented(count, opening.seed, commerce.builder):
        commerce.stock(product)
    if opening.orders:
        log = opening.purchases
        if log is None or opening.orders_each:
            log = invented_purchases(customers, opening.seed, opening.orders_each)
        open_orders(commerce, customers, log, opening.seed)
    if opening.odd_orders:
        add_odd_orders(commerce, customers, opening.odd_orders, opening.seed)
    if opening.checkouts:
        add_checkouts(commerce, customers, opening.checkouts, opening.seed)
    now = commerce.now() // DAY * DAY  # two shops opened on one day are alike
    for number in range(1, opening.discounts + 1):
        at = now - DAY * (1 + number % 300)
        commerce.discounts.seed(invented_discount(FIRST_DISCOUNT + number, at, now, opening.codes))
