"""Orders and what happens to them: lines, refunds, fulfilments, and the sums Shopify shows (shopify.md section 2.6).

Money is cents of the shop's currency; what the buyer paid in is that times the rate of the day. What is refunded or
edited away lowers the `current` sums and leaves the others, which is how the API reference names them.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple

from shopchimp.sandbox.shopify.fields import CURRENCY
from shopchimp.sandbox.shopify.goods import Picture, Product, Variant
from shopchimp.sandbox.shopify.store import Customer, MailingAddress

FIRST_ORDER: Final = 5_600_000_000_000
FIRST_LINE: Final = 14_100_000_000_000
LINES_AN_ORDER: Final = 1000
FIRST_NAME: Final = 1000
RATES: Final = {CURRENCY: 1.0, "EUR": 0.92, "CAD": 1.37, "GBP": 0.79}
CANCEL_REASONS: Final = ("CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "OTHER", "STAFF")


class Discounted(NamedTuple):
    """The one discount of an order: a code, or an automatic one without."""

    code: str | None
    title: str
    kind: str  # percentage, fixed_amount, shipping
    value: float  # percent, or cents


@dataclass(slots=True, eq=False)
class Line:
    graphql_type: ClassVar[str] = "LineItem"

    number: int
    variant: Variant | None  # None: a custom line
    title: str
    quantity: int
    current: int
    price: int
    discount: int = 0
    shipped: int = 0

    @property
    def gid(self) -> str:
        return f"gid://shopify/LineItem/{self.number}"

    @property
    def product(self) -> Product | None:
        """None where it was deleted since."""
        return None if self.variant is None or self.variant.product.deleted else self.variant.product

    @property
    def live_variant(self) -> Variant | None:
        product = self.product
        return self.variant if product is not None and self.variant in product.variants else None

    @property
    def variant_title(self) -> str | None:
        return None if self.variant is None or self.variant.title == "Default Title" else self.variant.title

    @property
    def name(self) -> str:
        return f"{self.title} - {self.variant_title}" if self.variant_title else self.title

    @property
    def sku(self) -> str | None:
        return self.variant.sku if self.variant else None

    @property
    def vendor(self) -> str | None:
        return self.variant.product.vendor if self.variant else None

    @property
    def picture(self) -> Picture | None:
        return self.product.picture_of(self.variant) if self.product and self.variant else None

    @property
    def total(self) -> int:
        return self.quantity * self.price - self.discount

    def worth(self, quantity: int) -> int:
        """So many of its pieces after discounts; all of them are exactly the total."""
        return self.total * quantity // self.quantity if self.quantity else 0

    @property
    def current_discount(self) -> int:
        return self.current * self.price - self.worth(self.current)


class RefundLine(NamedTuple):
    number: int
    line: Line
    quantity: int
    subtotal: int
    tax: int
    restock: str  # NO_RESTOCK, RETURN, CANCEL


@dataclass(slots=True, eq=False)
class Refund:
    graphql_type: ClassVar[str] = "Refund"

    number: int
    order: "Order" = field(repr=False)
    created: int
    note: str | None
    amount: int
    shipping: int
    lines: list[RefundLine]


@dataclass(slots=True, eq=False)
class Fulfilment:
    graphql_type: ClassVar[str] = "Fulfillment"

    number: int
    order: "Order" = field(repr=False)
    created: int
    updated: int
    company: str | None
    tracking: str | None
    url: str | None
    lines: list[tuple[Line, int]]


@dataclass(slots=True, eq=False)
class Order:
    graphql_type: ClassVar[str] = "Order"

    number: int
    position: int  # 1 is #1001
    customer: Customer | None
    email: str | None
    phone: str | None
    address: MailingAddress | None
    created: int
    updated: int
    financial: str
    lines: list[Line]
    shipping: int = 0
    shipping_title: str | None = None
    shipping_discount: int = 0
    tax: int = 0
    taxes_included: bool = False
    discounted: Discounted | None = None
    currency: str = CURRENCY
    test: bool = False
    accepts_marketing: bool = False
    cancelled: int | None = None
    cancel_reason: str | None = None
    closed: int | None = None
    cart_token: str | None = None
    checkout_token: str | None = None
    landing: str | None = None
    referrer: str | None = None
    note: str | None = None
    tags: tuple[str, ...] = ()
    edited: bool = False
    shipped: str = "UNFULFILLED"
    refunds: list[Refund] | None = None
    fulfilments: list[Fulfilment] | None = None
    paid: int | None = None  # cents received; None: all of it, or nothing while pending

    @property
    def gid(self) -> str:
        return f"gid://shopify/Order/{self.number}"

    @property
    def name(self) -> str:
        return f"#{FIRST_NAME + self.position}"

    @property
    def rate(self) -> float:
        return RATES[self.currency]

    @property
    def gross(self) -> int:
        return sum(line.quantity * line.price for line in self.lines)

    @property
    def subtotal(self) -> int:
        return sum(line.total for line in self.lines)

    @property
    def discounts(self) -> int:
        return sum(line.discount for line in self.lines) + self.shipping_discount

    @property
    def total(self) -> int:
        return self.subtotal + self.shipping - self.shipping_discount + (0 if self.taxes_included else self.tax)

    @property
    def current_subtotal(self) -> int:
        return sum(line.worth(line.current) for line in self.lines)

    @property
    def current_discounts(self) -> int:
        return sum(line.current_discount for line in self.lines) + self.shipping_discount

    @property
    def current_shipping(self) -> int:
        if self.cancelled is not None:
            return 0
        return self.shipping - self.shipping_discount - sum(each.shipping for each in self.refunds or ())

    @property
    def current_tax(self) -> int:
        return self.tax - self.tax_of(self.subtotal - self.current_subtotal)

    @property
    def current_total(self) -> int:
        return self.current_subtotal + self.current_shipping + (0 if self.taxes_included else self.current_tax)

    @property
    def refunded(self) -> int:
        return sum(each.amount for each in self.refunds or ())

    def tax_of(self, worth: int) -> int:
        """The part of the tax that belongs to lines worth so much."""
        return self.tax * worth // self.subtotal if self.subtotal else 0

    def line_number(self) -> int:
        return FIRST_LINE + (self.number - FIRST_ORDER) * LINES_AN_ORDER + len(self.lines) + 1
