"""Lines of orders and carts: which product and variant they name, how many, and at what price (S100, S105.12, 14)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shopchimp.domain.commerce.money import ZERO, amount, first_amount, number, share
from shopchimp.domain.commerce.products import stand_in, variant_stand_in
from shopchimp.domain.commerce.results import Body, Kind, Step
from shopchimp.domain.commerce.spelling import short_id
from shopchimp.domain.commerce.store import Node

NO_LINES_PRODUCT = "no-lines"


@dataclass(frozen=True, slots=True)
class Goods:
    """What a line names, and the stand-in to be made for it, where Shopify no longer has it."""

    product_id: str
    variant_id: str
    step: Step | None = None


def goods(line: Node, price: float) -> Goods:
    """The product and variant of a line."""
    product, variant = line.get("product"), line.get("variant")
    if not product:
        step = stand_in(line, price)
        return Goods(step.body["id"], step.body["variants"][0]["id"], step)
    product_id = short_id(product["id"])
    if not variant:
        step = variant_stand_in(line, product_id, price)
        return Goods(product_id, step.body["id"], step)
    return Goods(product_id, short_id(variant["id"]))


def standing(lines: Sequence[Node], *, undone: bool) -> list[tuple[Node, int]]:
    """The lines of an order as it stands now, with how many: less what was edited away or refunded.

    An order that was undone as a whole keeps what had been bought: its mail and its page would be empty otherwise.
    """
    left = [(line, _current(line)) for line in lines if _current(line) > 0]
    if left or not undone:
        return left
    return [(line, line["quantity"]) for line in lines if line["quantity"] > 0]


def _current(line: Node) -> int:
    current = line.get("currentQuantity")
    return int(line["quantity"] if current is None else current)


def discounts(line: Node, quantity: int, currency: str) -> dict[int, Decimal]:
    """What each discount of the order (by its number) takes off so many of the line, in all.

    Shopify's sums include the pieces that are no longer part of the order, so they are taken in proportion.
    """
    taken: dict[int, Decimal] = {}
    for allocation in line.get("discountAllocations") or ():
        index = (allocation.get("discountApplication") or {}).get("index", -1)
        worth = share(amount(allocation["allocatedAmountSet"]) or ZERO, quantity, line["quantity"], currency)
        taken[index] = taken.get(index, ZERO) + worth
    return taken


def discount(line: Node, quantity: int, currency: str) -> Decimal:
    """What all discounts take off so many of the line."""
    if "discountAllocations" in line:
        return sum(discounts(line, quantity, currency).values(), ZERO)
    price, reduced = unit_price(line), amount(line.get("discountedUnitPriceAfterAllDiscountsSet"))
    if reduced is not None:  # the exports have no allocations
        return max(ZERO, (price - reduced) * quantity)
    return share(amount(line.get("totalDiscountSet")) or ZERO, quantity, line["quantity"], currency)


def unit_price(line: Node) -> Decimal:
    """The price of one, before discounts."""
    return first_amount(line, "originalUnitPriceSet")


def order_lines(counted: Iterable[tuple[Node, int]], currency: str) -> tuple[list[Body], list[Step]]:
    """The lines of an order's body, and the stand-ins they need. An order without lines is refused, so it gets one."""
    bodies: list[Body] = []
    steps: list[Step] = []
    for line, quantity in counted:
        price = number(unit_price(line))
        named = goods(line, price)
        steps += [named.step] if named.step else []
        bodies.append(
            _line(short_id(line["id"]), named, quantity, price)
            | {"discount": number(discount(line, quantity, currency))}
        )
    if not bodies:
        step = _no_lines()
        steps.append(step)
        bodies.append(_line(NO_LINES_PRODUCT, Goods(NO_LINES_PRODUCT, NO_LINES_PRODUCT), 1, 0.0) | {"discount": 0.0})
    return bodies, steps


def cart_lines(lines: Iterable[Node]) -> tuple[list[Body], list[Step]]:
    """The lines of a cart's body, and the stand-ins they need.

    The two sources of a checkout call its lines differently, so they are numbered by what is in them.
    """
    bodies: list[Body] = []
    steps: list[Step] = []
    seen: dict[str, int] = {}
    for line in lines:
        if not line.get("quantity"):
            continue
        price = number(unit_price(line))
        named = goods(line, price)
        steps += [named.step] if named.step else []
        seen[named.variant_id] = again = seen.get(named.variant_id, 0) + 1
        line_id = named.variant_id if again == 1 else f"{named.variant_id}-{again}"
        bodies.append(_line(line_id, named, line["quantity"], price))
    return bodies, steps


def stale_lines(there: Iterable[str], body: Mapping[str, list[Body]]) -> tuple[str, ...]:
    """The lines Mailchimp still has of an order that it no longer has: a write doesn't remove them."""
    current = {line["id"] for line in body["lines"]}
    return tuple(line_id for line_id in there if line_id not in current)


def _line(line_id: str, named: Goods, quantity: int, price: float) -> Body:
    return {
        "id": line_id,
        "product_id": named.product_id,
        "product_variant_id": named.variant_id,
        "quantity": quantity,
        "price": price,
    }


def _no_lines() -> Step:
    title = "Order without products"
    only = {"id": NO_LINES_PRODUCT, "title": title, "price": 0.0, "inventory_quantity": 0, "visibility": "hidden"}
    return Step(Kind.PRODUCT, {"id": NO_LINES_PRODUCT, "title": title, "variants": [only]}, if_missing=True)
