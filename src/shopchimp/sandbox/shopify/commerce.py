"""What a shop sells and has sold: its products, orders, checkouts, carts and code discounts, and who hears of them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shopchimp.sandbox.shopify.catalogue import Builder
from shopchimp.sandbox.shopify.checkouts import FIRST_CHECKOUT, Cart, Checkout
from shopchimp.sandbox.shopify.discounts import FIRST_DISCOUNT, Discount
from shopchimp.sandbox.shopify.goods import FIRST_PRODUCT, Product, Variant
from shopchimp.sandbox.shopify.sales import FIRST_ORDER, Order
from shopchimp.sandbox.shopify.shelf import Shelf
from shopchimp.sandbox.shopify.store import Customer, Customers, Happening

HIDDEN_AFTER: Final = 60 * 86_400  # orders older than this need read_all_orders (shopify.md 2.6)

Payload = Mapping[str, Any]
# Called with a topic, what makes its payload, and whether it is the first of its action.
Announce = Callable[[str, Callable[[], Payload], bool], None]


@dataclass(slots=True)
class Commerce:
    clock: Callable[[], float]
    domain: str
    products: Shelf[Product] = field(init=False)
    orders: Shelf[Order] = field(init=False)
    checkouts: Shelf[Checkout] = field(init=False)
    discounts: Shelf[Discount] = field(init=False)
    carts: dict[str, Cart] = field(default_factory=dict)
    variants: dict[int, Variant] = field(default_factory=dict)
    builder: Builder = field(default_factory=Builder)
    announce: Announce | None = None
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.products = Shelf("Product", FIRST_PRODUCT, self.clock)
        self.orders = Shelf("Order", FIRST_ORDER, self.clock)
        self.checkouts = Shelf("AbandonedCheckout", FIRST_CHECKOUT, self.clock)
        self.discounts = Shelf("DiscountCodeNode", FIRST_DISCOUNT, self.clock)

    def open(self) -> None:
        for shelf in (self.products, self.orders, self.checkouts, self.discounts):
            shelf.open()

    def now(self) -> int:
        return int(self.clock())

    def stock(self, product: Product) -> None:
        """One of the products the shop opens with."""
        self.products.seed(product)
        for variant in product.variants:
            self.variants[variant.number] = variant

    def next_number(self, kind: str, first: int) -> int:
        self.numbers[kind] = self.numbers.get(kind, first) + 1
        return self.numbers[kind]

    def token(self, kind: str) -> str:
        """32 hex digits, the same for the same run."""
        number = self.next_number(kind, 0)
        return hashlib.md5(f"{self.domain} {kind} {number}".encode(), usedforsecurity=False).hexdigest()

    def tell(self, topic: str, payload: Callable[[], Payload], *, first: bool = False) -> None:
        if self.announce is not None:
            self.announce(topic, payload, first)

    def look_at_discounts(self) -> Shelf[Discount]:
        """The status of a discount follows the time of the look."""
        now = self.now()
        for each in self.discounts:
            each.now = now
        return self.discounts

    def old(self) -> int:
        """Orders made before this are hidden from who lacks read_all_orders."""
        return self.now() - HIDDEN_AFTER

    def follow(self, customers: Customers) -> None:
        """Orders of a customer who is deleted are nobody's; those of a merged one are the other's."""

        def heard(happening: Happening, customer: Customer, _: bool) -> None:
            if happening.merged is not None:
                self._pass_on(happening.merged, customer)
            elif happening.topic == "customers/delete":
                self._pass_on(customer, None)

        customers.listeners.append(heard)

    def _pass_on(self, gone: Customer, kept: Customer | None) -> None:
        for order in self.orders:
            if order.customer is gone:
                order.customer = kept
        for checkout in self.checkouts:
            if checkout.customer is gone:
                checkout.customer = kept
