"""Orders as shoppers and the merchant make, change and end them; the edits are listed in `commerce_editing.py`."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from shopchimp.sandbox.shopify import order_payloads as told
from shopchimp.sandbox.shopify import product_payloads as products_told
from shopchimp.sandbox.shopify.commerce import Commerce
from shopchimp.sandbox.shopify.commerce_state import durable_order
from shopchimp.sandbox.shopify.edit_values import Change, buyer, checkout_of, completed, moment_of, one_of, variant_of
from shopchimp.sandbox.shopify.money import amount
from shopchimp.sandbox.shopify.purchases import spread
from shopchimp.sandbox.shopify.sales import (
    CANCEL_REASONS,
    FIRST_ORDER,
    RATES,
    Discounted,
    Fulfilment,
    Line,
    Order,
    Refund,
    RefundLine,
)

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.shop import Shop


def create_order(shop: "Shop", change: Change) -> Mapping[str, Any]:
    return durable_order(new_order(shop, change))


def new_order(shop: "Shop", change: Change) -> Order:
    commerce = shop.commerce
    customer = buyer(shop, change)
    checkout = checkout_of(commerce, change["checkout"]) if change.get("checkout") else None
    number = commerce.orders.next_number()
    at = moment_of(change.get("created_at"), commerce.now())
    paid = change.get("paid", True)
    order = Order(
        number=number,
        position=number - FIRST_ORDER,
        customer=customer,
        email=change.get("email", customer.email if customer else None),
        phone=change.get("phone"),
        address=customer.address if customer else None,
        created=at,
        updated=commerce.now(),
        financial="PAID" if paid else "AUTHORIZED" if change.get("authorized") else "PENDING",
        lines=[],
        shipping=change.get("shipping", 0),
        shipping_title=change.get("shipping_title", "Standard" if change.get("shipping") else None),
        tax=change.get("tax", 0),
        taxes_included=change.get("taxes_included", False),
        currency=one_of(change.get("currency", "USD"), RATES),
        test=change.get("test", False),
        accepts_marketing=change.get("accepts_marketing", False),
        cart_token=checkout.cart_token if checkout else change.get("cart_token"),
        checkout_token=checkout.token if checkout else commerce.token("checkout"),
        landing=change.get("landing_site"),
        tags=tuple(change.get("tags", ())),
        note=change.get("note"),
    )
    _add_lines(commerce, order, change.get("lines", []))
    if change.get("discount"):
        _discount(order, change["discount"])
    commerce.orders.add(order)
    _count(order, 1)
    _tell_order(commerce, order, "orders/create", *(("orders/paid",) if paid else ()))
    _tell_stock(commerce, order.lines)
    if checkout is not None:
        completed(commerce, checkout)
    if customer is not None:
        shop.customers.changed(customer)
    return order


def pay(shop: "Shop", change: Change) -> Mapping[str, Any]:
    order = _order(shop, change)
    if order.financial not in ("PENDING", "AUTHORIZED"):
        raise ValueError(f"{order.name} is {order.financial}")
    order.financial = "PAID"
    return _changed_order(shop, order, "orders/paid")


def edit_order(shop: "Shop", change: Change) -> Mapping[str, Any]:
    order, commerce = _order(shop, change), shop.commerce
    before = len(order.lines)
    removed: dict[int, int] = {}
    for each in change.get("remove", ()):
        line = _line(order, each["line"])
        line.current -= _pieces(each, line)
        removed[line.number] = each.get("quantity", line.quantity)
    _add_lines(commerce, order, change.get("add", []))
    added = {line.number: line.quantity for line in order.lines[before:]}
    order.edited = True
    commerce.orders.touch(order)
    number, at = commerce.next_number("edit", 2_500_000_000_000), commerce.now()
    commerce.tell(
        "orders/edited",
        lambda: told.order_edited(order, number=number, at=at, added=added, removed=removed),
        first=True,
    )
    commerce.tell("orders/updated", lambda: told.order(order))
    _tell_stock(commerce, order.lines[before:])
    return durable_order(order)


def refund(shop: "Shop", change: Change) -> Mapping[str, Any]:
    order = _order(shop, change)
    if order.financial not in ("PAID", "PARTIALLY_REFUNDED"):
        raise ValueError(f"{order.name} is {order.financial}: there is nothing to refund")
    refund = refunded(shop.commerce, order, change)
    shop.commerce.orders.touch(order)
    shop.commerce.tell("refunds/create", lambda: told.refund(refund), first=True)
    shop.commerce.tell("orders/updated", lambda: told.order(order))
    _tell_stock(shop.commerce, [part.line for part in refund.lines if part.restock == "RETURN"])
    return durable_order(order)


def refunded(commerce: Commerce, order: Order, change: Change) -> Refund:
    """Of the lines named, or only money, or everything that is left."""
    restock = "RETURN" if change.get("restock") else "NO_RESTOCK"
    number = commerce.next_number("refund", 9_300_000_000_000)
    refund = Refund(number, order, commerce.now(), change.get("note"), 0, 0, [])
    whole = "lines" not in change and "amount" not in change
    wanted = change.get("lines", [{"line": line.number} for line in order.lines if line.current] if whole else [])
    left = order.total - order.refunded
    for each in wanted:
        line = _line(order, each["line"])
        pieces = _pieces(each, line)
        worth = line.worth(line.current) - line.worth(line.current - pieces)
        tax = order.tax_of(worth)
        part = commerce.next_number("refund line", 6_600_000_000_000)
        refund.lines.append(RefundLine(part, line, pieces, worth, tax, restock))
        refund.amount += worth + (0 if order.taxes_included else tax)
        if change.get("restock") and line.variant is not None:
            line.variant.stock += pieces
        line.current -= pieces
    if whole:
        refund.shipping, refund.amount = order.current_shipping, left
    elif "amount" in change:
        refund.amount = change["amount"]
    if not 0 <= refund.amount <= left:
        raise ValueError(f"{amount(refund.amount)} is not within what is left of {order.name}")
    order.refunds = [*(order.refunds or ()), refund]
    order.financial = "REFUNDED" if order.refunded >= order.total else "PARTIALLY_REFUNDED"
    return refund


def cancel(shop: "Shop", change: Change) -> Mapping[str, Any]:
    order, commerce = _order(shop, change), shop.commerce
    if order.cancelled is not None:
        raise ValueError(f"{order.name} is cancelled already")
    reason = one_of(change.get("reason", "OTHER").upper(), CANCEL_REASONS)
    refund = refunded(commerce, order, change) if order.financial in ("PAID", "PARTIALLY_REFUNDED") else None
    for line in order.lines:
        line.current = 0
    if refund is None and order.financial in ("PENDING", "AUTHORIZED"):
        order.financial = "VOIDED"
    order.cancelled, order.cancel_reason = commerce.now(), reason
    order.closed = commerce.now()
    answer = _changed_order(shop, order, "orders/cancelled")
    if refund is not None:
        commerce.tell("refunds/create", lambda: told.refund(refund))
        _tell_stock(commerce, [part.line for part in refund.lines if part.restock == "RETURN"])
    return answer


def fulfil(shop: "Shop", change: Change) -> Mapping[str, Any]:
    order, commerce = _order(shop, change), shop.commerce
    parts = []
    for each in change.get("lines", [{"line": line.number} for line in order.lines]):
        line = _line(order, each["line"])
        pieces = each.get("quantity", line.current - line.shipped)
        if not 0 <= pieces <= line.current - line.shipped:
            raise ValueError(f"{pieces} pieces of {line.title} cannot be shipped")
        line.shipped += pieces
        if pieces:
            parts.append((line, pieces))
    at = commerce.now()
    named = (change.get("company"), change.get("tracking"), change.get("url"))
    number = commerce.next_number("fulfilment", 4_100_000_000_000)
    order.fulfilments = [*(order.fulfilments or ()), Fulfilment(number, order, at, at, *named, parts)]
    whole = all(line.shipped >= line.current for line in order.lines)
    order.shipped = "FULFILLED" if whole else "PARTIALLY_FULFILLED"
    return _changed_order(shop, order, "orders/fulfilled" if whole else "orders/partially_fulfilled")


def update_order(shop: "Shop", change: Change) -> Mapping[str, Any]:
    order = _order(shop, change)
    for name, value in change["set"].items():
        if name not in ("email", "phone", "note", "tags", "test"):
            raise ValueError(f"set knows no {name} of an order")
        setattr(order, name, tuple(value) if name == "tags" else value)
    return _changed_order(shop, order)


def delete_order(shop: "Shop", change: Change) -> Mapping[str, Any]:
    order = _order(shop, change)
    shop.commerce.orders.remove(order)
    _count(order, -1)
    shop.commerce.tell("orders/delete", lambda: {"id": order.number}, first=True)
    return {"deleted": order.gid}


def _changed_order(shop: "Shop", order: Order, *topics: str) -> Mapping[str, Any]:
    shop.commerce.orders.touch(order)
    _tell_order(shop.commerce, order, *topics, "orders/updated")
    return durable_order(order)


def _tell_order(commerce: Commerce, order: Order, *topics: str) -> None:
    for position, topic in enumerate(topics):
        commerce.tell(topic, lambda: told.order(order), first=position == 0)


def _tell_stock(commerce: Commerce, lines: Iterable[Line]) -> None:
    """What is bought or comes back changes its product (Shopify: "updated, ordered, or variants are added ...")."""
    counted = {line.product.number: line.product for line in lines if line.product and _tracked(line)}
    for product in counted.values():
        commerce.products.touch(product)
        commerce.tell("products/update", partial(products_told.product, product))


def _tracked(line: Line) -> bool:
    return line.variant is not None and line.variant.tracked


def _count(order: Order, sign: int) -> None:
    """Test orders are nobody's."""
    if order.customer is not None and not order.test:
        order.customer.orders += sign
        order.customer.spent += sign * order.total


def _discount(order: Order, given: Change) -> None:
    kind, value = given.get("type", "percentage"), given["value"]
    order.discounted = Discounted(given.get("code"), given.get("title", given.get("code") or "Sale"), kind, value)
    if kind == "shipping":
        order.shipping_discount = round(order.shipping * value / 100)
    else:
        spread(order.lines, min(round(order.gross * value / 100) if kind == "percentage" else value, order.gross))


def _add_lines(commerce: Commerce, order: Order, given: list[Change]) -> None:
    for each in given:
        quantity = each.get("quantity", 1)
        variant = None if "title" in each else variant_of(commerce, each["variant"])
        title = each["title"] if variant is None else variant.product.title
        price = each["price"] if variant is None else each.get("price", variant.price)
        order.lines.append(Line(order.line_number(), variant, title, quantity, quantity, price))
        if variant is not None and variant.tracked:
            variant.stock -= quantity


def _order(shop: "Shop", change: Change) -> Order:
    """By number, gid or name."""
    given = change["id"]
    if str(given).startswith("#"):
        found = next((each for each in shop.commerce.orders if each.name == given), None)
        if found is None:
            raise LookupError(f"no order {given}")
        return found
    return shop.commerce.orders.named(given)


def _line(order: Order, given: Any) -> Line:
    if isinstance(given, int) and given < len(order.lines):
        return order.lines[given]
    number = int(str(given).rpartition("/")[2])
    for line in order.lines:
        if line.number == number:
            return line
    raise LookupError(f"{order.name} has no line {given}")


def _pieces(given: Change, line: Line) -> int:
    pieces: int = given.get("quantity", line.current)
    if not 0 <= pieces <= line.current:
        raise ValueError(f"{line.title} has {line.current} pieces left, not {pieces}")
    return pieces
