"""Checkouts on the way to an order, and carts before them (shopify.md sections 2.6 and 3.4).

A cart has a token and nobody's name; a checkout has a token of its own, the cart's, and sooner or later an address.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Final

from shopchimp.sandbox.shopify.fields import CURRENCY
from shopchimp.sandbox.shopify.goods import Picture, Product, Variant
from shopchimp.sandbox.shopify.store import Customer, MailingAddress

FIRST_CHECKOUT: Final = 39_000_000_000_000


@dataclass(slots=True, eq=False)
class CheckoutLine:
    graphql_type: ClassVar[str] = "AbandonedCheckoutLineItem"

    variant: Variant
    quantity: int
    price: int
    key: str

    @property
    def product(self) -> Product | None:
        return None if self.variant.product.deleted else self.variant.product

    @property
    def total(self) -> int:
        return self.quantity * self.price

    @property
    def picture(self) -> Picture | None:
        return self.variant.product.picture_of(self.variant)


@dataclass(slots=True, eq=False)
class Checkout:
    graphql_type: ClassVar[str] = "AbandonedCheckout"

    number: int
    token: str
    cart_token: str
    url: str
    customer: Customer | None
    email: str | None
    phone: str | None
    address: MailingAddress | None
    lines: list[CheckoutLine]
    created: int
    updated: int
    completed: int | None = None
    accepts_marketing: bool = False
    accepts_sms: bool = False
    sms_phone: str | None = None
    discount_code: str | None = None
    discount: int = 0
    currency: str = CURRENCY
    landing: str | None = None
    note: str = ""

    @property
    def gid(self) -> str:
        return f"gid://shopify/AbandonedCheckout/{self.number}"

    @property
    def name(self) -> str:
        return f"#{self.number}"

    @property
    def gross(self) -> int:
        return sum(line.total for line in self.lines)

    @property
    def total(self) -> int:
        return self.gross - self.discount


@dataclass(slots=True, eq=False)
class Cart:
    token: str
    lines: list[CheckoutLine]
    created: int
    updated: int
    note: str = field(default="")
