"""Orders the shop opens with: a real purchase log's, those that invented customers must have made, and odd ones.

What a log says stays as it is to the cent: who bought, when, how many pieces, and for how much. Which products they
were is drawn from the catalogue, and of some totals a part is said to have been shipping, tax or the rest of a
discounted price. Everything follows from the seed and the number of the purchase.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from shopchimp.sandbox.shopify.checkouts import FIRST_CHECKOUT, Checkout, CheckoutLine
from shopchimp.sandbox.shopify.commerce import Commerce
from shopchimp.sandbox.shopify.goods import Product, Variant
from shopchimp.sandbox.shopify.sales import (
    FIRST_ORDER,
    RATES,
    Discounted,
    Fulfilment,
    Line,
    Order,
    Refund,
    RefundLine,
)
from shopchimp.sandbox.shopify.store import FIRST_CUSTOMER, Customer, Customers

MOST_KINDS: Final = 4  # of products in one order
PRICE: Final = 2500  # of an order on the average, where nothing says what was spent
DAY: Final = 86_400
ODD_DAYS: Final = 90  # odd orders lie within so many days before the shop opens: some are hidden by the 60-day rule


@dataclass(frozen=True, slots=True)
class Purchase:
    """One line of a log. `customer` is a person's number."""

    customer: int
    at: int
    pieces: int
    cents: int


def invented_purchases(customers: Iterable[Customer], seed: int, each: int = 0) -> Iterator[Purchase]:
    """As many orders as each customer is said to have made, together worth what they are said to have spent.

    With `each`, so many of every customer, who is then said to have made them.
    """
    for customer in customers:
        if each:
            customer.orders, customer.spent = each, each * PRICE
        dice = Random(f"orders {seed} {customer.number}")  # noqa: S311
        left, number = customer.spent, customer.number - FIRST_CUSTOMER
        for order in range(customer.orders, 0, -1):
            cents = left if order == 1 else min(left, max(left // order + dice.randrange(-400, 400), 0))
            left -= cents
            at = customer.created + dice.randrange(max(customer.updated - customer.created, 1))
            yield Purchase(number, at, 1 + dice.randrange(4), cents)


def open_orders(commerce: Commerce, customers: Customers, purchases: Iterable[Purchase], seed: int) -> int:
    """One paid and shipped order for each purchase of a customer of this shop, numbered in order of time."""
    variants = [each for each in commerce.variants.values() if each.product.status == "ACTIVE"]
    if not variants:
        raise ValueError("orders need products")
    ours = [each for each in purchases if FIRST_CUSTOMER + each.customer in customers.by_number]
    ours.sort(key=lambda each: (each.at, each.customer))  # of the same day: in the order of the log
    for position, purchase in enumerate(ours, start=1):
        number = FIRST_ORDER + position
        customer = customers.by_number[FIRST_CUSTOMER + purchase.customer]
        order = Order(
            number=number,
            position=position,
            customer=customer,
            email=customer.email,
            phone=customer.phone,
            address=customer.address,
            created=purchase.at,
            updated=purchase.at,
            financial="PAID",
            lines=[],
            shipped="FULFILLED",
            closed=purchase.at,
        )
        _worth(order, purchase, variants, Random(seed << 41 | position))  # noqa: S311
        commerce.orders.seed(order)
    return len(ours)


def _worth(order: Order, purchase: Purchase, variants: list[Variant], dice: Random) -> None:
    """Lines, discount, shipping and tax that add up to what was paid."""
    goods = purchase.cents
    if goods > 1500 and dice.random() < 0.3:
        order.shipping, order.shipping_title = 499, "Standard"
        goods -= 499
    if goods > 500 and dice.random() < 0.25:
        order.tax = goods * 6 // 106
        goods -= order.tax
    gross = goods
    if goods > 500 and dice.random() < 0.15:
        gross = goods * 10 // 9
        order.discounted = Discounted("SAVE10", "SAVE10", "percentage", 10.0)
    order.lines = _lines(order, gross, max(purchase.pieces, 1), variants, dice)
    spread(order.lines, gross - goods)


def _lines(order: Order, cents: int, pieces: int, variants: list[Variant], dice: Random) -> list[Line]:
    """Pieces of two prices a cent apart, so that any total can be met."""
    price, dearer = divmod(cents, pieces)
    groups = [(price + 1, dearer)] if dearer else []
    cheap = pieces - dearer
    kinds = min(1 + int(dice.random() * MOST_KINDS), cheap)
    groups += [(price, cheap // kinds + (1 if each < cheap % kinds else 0)) for each in range(kinds)]
    first = order.line_number()
    lines = []
    for position, (each, quantity) in enumerate(groups):
        variant = variants[int(dice.random() * len(variants))]
        lines.append(Line(first + position, variant, variant.product.title, quantity, quantity, each, 0, quantity))
    return lines


def spread(lines: list[Line], discount: int) -> None:
    """A discount over lines in proportion, the last one taking what the rounding left."""
    gross, left = sum(line.quantity * line.price for line in lines), discount
    for line in lines:
        line.discount = discount * line.quantity * line.price // gross if gross else 0
        left -= line.discount
    for line in reversed(lines):
        more = min(left, line.quantity * line.price - line.discount)
        line.discount += more
        left -= more


def add_odd_orders(commerce: Commerce, customers: Customers, count: int, seed: int) -> None:
    """In turn: a guest, a test order, part of it refunded, cancelled, unpaid in another currency, half shipped,
    a deleted product's, one without lines, one without an address, a guest's who is a customer too."""
    people = [each for each in customers if each.email][: max(count, 1)]
    variants = list(commerce.variants.values())
    day = commerce.now() // DAY * DAY
    last = commerce.orders.numbers[-1] if commerce.orders.numbers else FIRST_ORDER
    for step in range(1, count + 1):
        dice = Random(f"odd {seed} {step}")  # noqa: S311
        at = day - DAY * ODD_DAYS * (count - step) // count - 3600
        customer = people[step % len(people)] if people and step % 10 not in (0, 8) else None
        order = Order(
            number=last + step,
            position=last + step - FIRST_ORDER,
            customer=customer,
            email=customer.email if customer else f"guest.{step}@example.com",
            phone=None,
            address=customer.address if customer else None,
            created=at,
            updated=at,
            financial="PAID",
            lines=[],
            landing="/?utm_source=mailchimp&mc_cid=ab12cd34ef&mc_eid=9f8e7d6c5b" if step % 3 == 0 else "/",
            checkout_token=commerce.token("checkout"),
            cart_token=commerce.token("cart"),
        )
        _worth(order, Purchase(0, at, 1 + dice.randrange(5), 1000 + dice.randrange(20_000)), variants, dice)
        for line in order.lines:
            line.shipped = 0
        _oddity(commerce, order, step, dice)
        commerce.orders.seed(order)
        if customer is not None and not order.test:
            customer.orders += 1
            customer.spent += order.total


def _oddity(commerce: Commerce, order: Order, step: int, dice: Random) -> None:
    match step % 10:
        case 1:
            order.test = True
        case 2:
            _refund(commerce, order, order.lines[0])
        case 3:
            order.cancelled, order.cancel_reason = order.created + 3600, "CUSTOMER"
            order.financial, order.updated = "VOIDED", order.created + 3600
            for line in order.lines:
                line.current = 0
        case 4:
            order.currency, order.financial = dice.choice(sorted(RATES)), "PENDING"
        case 5:
            _ship(commerce, order, order.lines[0])
        case 6:
            order.lines[0].variant = _gone(commerce)
            order.lines[0].title = "Discontinued"
        case 7:
            order.lines, order.discounted, order.shipping, order.tax = [], None, 0, 0
        case 9:
            order.email = order.address = None


def _refund(commerce: Commerce, order: Order, line: Line) -> None:
    worth = line.worth(1)
    tax = 0 if order.taxes_included else order.tax_of(worth)
    at = order.created + DAY // 2
    number = commerce.next_number("refund", 9_300_000_000_000)
    refund = Refund(number, order, at, "broken", worth + tax, 0, [])
    part = commerce.next_number("refund line", 6_600_000_000_000)
    refund.lines.append(RefundLine(part, line, 1, worth, tax, "NO_RESTOCK"))
    line.current -= 1
    order.refunds, order.updated = [refund], at
    order.financial = "REFUNDED" if refund.amount >= order.total else "PARTIALLY_REFUNDED"


def _ship(commerce: Commerce, order: Order, line: Line) -> None:
    at, number = order.created + DAY // 2, commerce.next_number("fulfilment", 4_100_000_000_000)
    url = f"https://parcels.example.com/{number}"
    order.fulfilments = [Fulfilment(number, order, at, at, "Parcel Co", str(number), url, [(line, line.quantity)])]
    line.shipped, order.shipped, order.updated = line.quantity, "PARTIALLY_FULFILLED", at


def _gone(commerce: Commerce) -> Variant:
    product = commerce.builder.product(handle="discontinued", title="Discontinued", deleted=True)
    return commerce.builder.variant(product, options=("Default Title",), price=1000)


def add_checkouts(commerce: Commerce, customers: Customers, count: int, seed: int) -> None:
    """Left behind by customers and by guests within the last month; every fifth one was completed after all."""
    people = [each for each in customers if each.email]
    variants = list(commerce.variants.values())
    day = commerce.now() // DAY * DAY
    for step in range(1, count + 1):
        dice = Random(f"checkout {seed} {step}")  # noqa: S311
        at = day - DAY * 30 * (count - step) // count - 7200
        customer = people[dice.randrange(len(people))] if people and step % 3 else None
        token = commerce.token("checkout")
        lines = [
            CheckoutLine(variant, 1 + dice.randrange(3), variant.price, f"{token}{position:02}")
            for position, variant in enumerate(dice.sample(variants, min(2, len(variants))))
        ]
        checkout = Checkout(
            number=FIRST_CHECKOUT + step,
            token=token,
            cart_token=commerce.token("cart"),
            url=recovery_url(commerce.domain, token),
            customer=customer,
            email=customer.email if customer else f"browser.{step}@example.com",
            phone=None,
            address=customer.address if customer else None,
            lines=lines,
            created=at,
            updated=at + 60,
            completed=at + 600 if step % 5 == 0 else None,
        )
        commerce.checkouts.seed(checkout)


def recovery_url(domain: str, token: str) -> str:
    return f"https://{domain}/60000000001/checkouts/ac/{token}/recover?key=invented&locale=en"


def remove_product(commerce: Commerce, product: Product) -> None:
    product.deleted = True
    commerce.products.remove(product)
    for variant in product.variants:
        commerce.variants.pop(variant.number, None)
