"""What shoppers and the merchant do with products, orders, checkouts, carts and discounts. Never the app under test.

`{"kind": "order" | "product" | "checkout" | "cart" | "discount", "do": ..., "id": ...}`; money is in cents, lines are
`{"variant": number, gid or sku, "quantity", "price"?}` or, of an order there is, `{"line": position or number,
"quantity"}`.

- order: create (email, customer_id, lines, discount, shipping, tax, currency, test, paid, checkout, landing_site,
  created_at), pay, edit (add, remove), refund (lines, or amount, or nothing: all of it; restock), cancel (reason),
  fulfil (lines, tracking, company, url), update (set: email, note, tags), delete
- product: create, update (set: title, html, vendor, type, tags, status, published, images; variants: changes by id,
  add_variants, remove_variants), delete
- checkout: create, update (email, phone, customer_id, lines, accepts_marketing ...), complete (makes the order), delete
- cart: create, update
- discount: create (type, title, codes or prefix and count, percent or amount ...), update (set), add_codes,
  remove_codes, delete
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from shopchimp.sandbox.shopify import commerce_payloads as told
from shopchimp.sandbox.shopify.checkouts import Cart, Checkout, CheckoutLine
from shopchimp.sandbox.shopify.commerce import Commerce
from shopchimp.sandbox.shopify.commerce_fields import amount
from shopchimp.sandbox.shopify.commerce_state import durable_checkout, durable_discount, durable_order, durable_product
from shopchimp.sandbox.shopify.consent import seconds
from shopchimp.sandbox.shopify.discounts import TYPES, Discount, codes_of
from shopchimp.sandbox.shopify.editing import find
from shopchimp.sandbox.shopify.goods import STATUSES, Product, Variant
from shopchimp.sandbox.shopify.purchases import recovery_url, remove_product, spread
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
from shopchimp.sandbox.shopify.store import Customer

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.shop import Shop

Change = Mapping[str, Any]


def edit_commerce(shop: "Shop", change: Change) -> Mapping[str, Any]:
    action = _ACTIONS.get((change["kind"], change.get("do", "")))
    if action is None:
        raise ValueError(f"nobody can {change.get('do')!r} a {change['kind']!r}")
    return action(shop, change)


# Orders


def _create_order(shop: "Shop", change: Change) -> Mapping[str, Any]:
    return durable_order(new_order(shop, change))


def new_order(shop: "Shop", change: Change) -> Order:
    commerce = shop.commerce
    customer = _customer(shop, change)
    checkout = _checkout(commerce, change["checkout"]) if change.get("checkout") else None
    number = commerce.orders.next_number()
    at = _at(change.get("created_at"), commerce.now())
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
        financial="PAID" if paid else "PENDING",
        lines=[],
        shipping=change.get("shipping", 0),
        shipping_title=change.get("shipping_title", "Standard" if change.get("shipping") else None),
        tax=change.get("tax", 0),
        taxes_included=change.get("taxes_included", False),
        currency=_one_of(change.get("currency", "USD"), RATES),
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
    if checkout is not None:
        _completed(commerce, checkout)
    if customer is not None:
        shop.customers.changed(customer)
    return order


def _pay(shop: "Shop", change: Change) -> Mapping[str, Any]:
    order = _order(shop, change)
    if order.financial != "PENDING":
        raise ValueError(f"{order.name} is {order.financial}")
    order.financial = "PAID"
    return _changed_order(shop, order, "orders/paid")


def _edit_order(shop: "Shop", change: Change) -> Mapping[str, Any]:
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
    return durable_order(order)


def _refund(shop: "Shop", change: Change) -> Mapping[str, Any]:
    order = _order(shop, change)
    if order.financial not in ("PAID", "PARTIALLY_REFUNDED"):
        raise ValueError(f"{order.name} is {order.financial}: there is nothing to refund")
    refund = refunded(shop.commerce, order, change)
    shop.commerce.orders.touch(order)
    shop.commerce.tell("refunds/create", lambda: told.refund(refund), first=True)
    shop.commerce.tell("orders/updated", lambda: told.order(order))
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


def _cancel(shop: "Shop", change: Change) -> Mapping[str, Any]:
    order, commerce = _order(shop, change), shop.commerce
    if order.cancelled is not None:
        raise ValueError(f"{order.name} is cancelled already")
    reason = _one_of(change.get("reason", "OTHER").upper(), CANCEL_REASONS)
    refund = refunded(commerce, order, change) if order.financial in ("PAID", "PARTIALLY_REFUNDED") else None
    for line in order.lines:
        line.current = 0
    if refund is None and order.financial == "PENDING":
        order.financial = "VOIDED"
    order.cancelled, order.cancel_reason = commerce.now(), reason
    order.closed = commerce.now()
    answer = _changed_order(shop, order, "orders/cancelled")
    if refund is not None:
        commerce.tell("refunds/create", lambda: told.refund(refund))
    return answer


def _fulfil(shop: "Shop", change: Change) -> Mapping[str, Any]:
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


def _update_order(shop: "Shop", change: Change) -> Mapping[str, Any]:
    order = _order(shop, change)
    for name, value in change["set"].items():
        if name not in ("email", "phone", "note", "tags", "test"):
            raise ValueError(f"set knows no {name} of an order")
        setattr(order, name, tuple(value) if name == "tags" else value)
    return _changed_order(shop, order)


def _delete_order(shop: "Shop", change: Change) -> Mapping[str, Any]:
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
        variant = None if "title" in each else _variant(commerce, each["variant"])
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


# Products


def _create_product(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce, given = shop.commerce, change.get("set", {})
    now = commerce.now()
    title = given.get("title", "New product")
    product = commerce.builder.product(
        handle=given.get("handle", title.lower().replace(" ", "-")),
        title=title,
        created=now,
        updated=now,
        published=now,
    )
    _set_product(commerce, product, {name: value for name, value in given.items() if name != "handle"})
    _add_variants(commerce, product, change.get("variants") or [{"options": ["Default Title"], "price": 1000}])
    commerce.products.add(product)
    commerce.tell("products/create", lambda: told.product(product), first=True)
    return durable_product(product)


def _update_product(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce = shop.commerce
    product = commerce.products.named(change["id"])
    _set_product(commerce, product, change.get("set", {}))
    for each in change.get("variants", ()):
        variant = _variant(commerce, each["variant"])
        _set(variant, each, {"price": "price", "stock": "stock", "sku": "sku", "compare_at": "compare_at"})
        _set(variant, each, {"tracked": "tracked", "policy": "policy", "title": "title"})
        variant.updated = commerce.now()
    for each in change.get("remove_variants", ()):
        gone = _variant(commerce, each)
        product.variants.remove(gone)
        del commerce.variants[gone.number]
    _add_variants(commerce, product, change.get("add_variants", []))
    commerce.products.touch(product)
    commerce.tell("products/update", lambda: told.product(product), first=True)
    return durable_product(product)


def _delete_product(shop: "Shop", change: Change) -> Mapping[str, Any]:
    product = shop.commerce.products.named(change["id"])
    remove_product(shop.commerce, product)
    shop.commerce.tell("products/delete", lambda: {"id": product.number}, first=True)
    return {"deleted": product.gid}


def _set_product(commerce: Commerce, product: Product, given: Change) -> None:
    names = {"title": "title", "html": "html", "vendor": "vendor", "type": "kind", "handle": "handle"}
    if unknown := set(given) - {*names, "tags", "status", "published", "images"}:
        raise ValueError(f"set knows no {', '.join(sorted(unknown))} of a product")
    _set(product, given, names)
    if "tags" in given:
        product.tags = tuple(given["tags"])
    if "status" in given:
        product.status = _one_of(given["status"].upper(), STATUSES)
    if "published" in given:
        product.published = commerce.now() if given["published"] else None
    if "images" in given:
        product.pictures = []
        for url in given["images"]:
            commerce.builder.picture(product, url, None)


def _add_variants(commerce: Commerce, product: Product, given: list[Change]) -> None:
    for each in given:
        more = {name: each[name] for name in ("sku", "stock", "tracked", "policy", "compare_at") if name in each}
        options = tuple(each.get("options", ("Default Title",)))
        variant = commerce.builder.variant(product, options=options, price=each["price"], **more)
        variant.created = variant.updated = commerce.now()
        commerce.variants[variant.number] = variant


def _variant(commerce: Commerce, given: Any) -> Variant:
    text = str(given).rpartition("/")[2]
    found = commerce.variants.get(int(text)) if text.isdecimal() else None
    if found is None:
        found = next((each for each in commerce.variants.values() if each.sku == given), None)
    if found is None:
        raise LookupError(f"no variant {given}")
    return found


# Checkouts and carts


def _create_checkout(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce = shop.commerce
    token = commerce.token("checkout")
    cart = commerce.carts.get(change.get("cart_token", ""))
    customer = _customer(shop, change)
    now = commerce.now()
    checkout = Checkout(
        number=commerce.checkouts.next_number(),
        token=token,
        cart_token=cart.token if cart else change.get("cart_token") or commerce.token("cart"),
        url=recovery_url(commerce.domain, token),
        customer=customer,
        email=None,
        phone=None,
        address=customer.address if customer else None,
        lines=list(cart.lines) if cart else [],
        created=_at(change.get("created_at"), now),
        updated=now,
    )
    _fill_checkout(shop, checkout, change)
    commerce.checkouts.add(checkout)
    commerce.tell("checkouts/create", lambda: told.checkout(checkout), first=True)
    return durable_checkout(checkout)


def _update_checkout(shop: "Shop", change: Change) -> Mapping[str, Any]:
    checkout = _checkout(shop.commerce, change["id"])
    if change.get("customer_id"):
        checkout.customer = _customer(shop, change)
    _fill_checkout(shop, checkout, change)
    shop.commerce.checkouts.touch(checkout)
    shop.commerce.tell("checkouts/update", lambda: told.checkout(checkout), first=True)
    return durable_checkout(checkout)


def _complete_checkout(shop: "Shop", change: Change) -> Mapping[str, Any]:
    """The order has the checkout's lines, the tokens of both, and its price."""
    checkout = _checkout(shop.commerce, change["id"])
    if checkout.completed is not None:
        raise ValueError(f"{checkout.name} is completed already")
    lines = [
        {"variant": line.variant.number, "quantity": line.quantity, "price": line.price} for line in checkout.lines
    ]
    values = {
        "email": checkout.email,
        "customer_id": checkout.customer.number if checkout.customer else None,
        "lines": lines,
        "currency": checkout.currency,
        "landing_site": checkout.landing,
        "accepts_marketing": checkout.accepts_marketing,
        **{name: value for name, value in change.items() if name not in ("kind", "do", "id", "shop", "platform")},
        "checkout": checkout.token,
    }
    return durable_order(new_order(shop, values))


def _delete_checkout(shop: "Shop", change: Change) -> Mapping[str, Any]:
    checkout = _checkout(shop.commerce, change["id"])
    shop.commerce.checkouts.remove(checkout)
    shop.commerce.tell("checkouts/delete", lambda: told.checkout_deleted(checkout), first=True)
    return {"deleted": checkout.token}


def _completed(commerce: Commerce, checkout: Checkout) -> None:
    checkout.completed = commerce.now()
    commerce.checkouts.touch(checkout)
    commerce.tell("checkouts/update", lambda: told.checkout(checkout))


def _fill_checkout(shop: "Shop", checkout: Checkout, change: Change) -> None:
    names = ("email", "phone", "accepts_marketing", "accepts_sms", "sms_phone", "note", "currency")
    _set(checkout, change, {**{name: name for name in names}, "landing_site": "landing"})
    if "lines" in change:
        checkout.lines = _cart_lines(shop.commerce, checkout.token, change["lines"])
    if checkout.email is None and checkout.customer is not None and "email" not in change:
        checkout.email = checkout.customer.email


def _cart_lines(commerce: Commerce, token: str, given: list[Change]) -> list[CheckoutLine]:
    lines = []
    for position, each in enumerate(given):
        variant = _variant(commerce, each["variant"])
        lines.append(CheckoutLine(variant, each.get("quantity", 1), variant.price, f"{token}{position:02}"))
    return lines


def _checkout(commerce: Commerce, given: Any) -> Checkout:
    """By token, number or gid."""
    for each in commerce.checkouts:
        if each.token == given:
            return each
    return commerce.checkouts.named(given)


def _create_cart(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce, now = shop.commerce, shop.commerce.now()
    cart = Cart(commerce.token("cart"), [], now, now)
    cart.lines = _cart_lines(commerce, cart.token, change.get("lines", []))
    commerce.carts[cart.token] = cart
    commerce.tell("carts/create", lambda: told.cart(cart), first=True)
    return {"token": cart.token}


def _update_cart(shop: "Shop", change: Change) -> Mapping[str, Any]:
    cart = shop.commerce.carts[change["id"]]
    cart.lines = _cart_lines(shop.commerce, cart.token, change.get("lines", []))
    cart.updated = shop.commerce.now()
    shop.commerce.tell("carts/update", lambda: told.cart(cart), first=True)
    return {"token": cart.token}


# Discounts


def _create_discount(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce, now = shop.commerce, shop.commerce.now()
    kind = change.get("type", "basic")
    if kind not in TYPES:
        raise ValueError(f"type must be one of {', '.join(TYPES)}")
    number = commerce.discounts.next_number()
    codes = change.get("codes", [])
    title = change.get("title") or (codes[0] if codes else change.get("prefix", f"CODE{number}"))
    made = change.get("count", 0 if codes else 1)
    discount = Discount(
        number=number,
        graphql_type=TYPES[kind],
        title=title,
        codes=codes_of(number, change.get("prefix", title), made),
        created=now,
        updated=now,
        starts=now,
    )
    for code in codes:
        discount.codes.add(code)
    _set_discount(discount, change)
    commerce.discounts.add(discount)
    commerce.tell("discounts/create", lambda: told.discount(discount, now=now), first=True)
    return durable_discount(discount)


def _update_discount(shop: "Shop", change: Change) -> Mapping[str, Any]:
    discount, now = shop.commerce.discounts.named(change["id"]), shop.commerce.now()
    _set_discount(discount, change.get("set", {}))
    shop.commerce.discounts.touch(discount)
    shop.commerce.tell("discounts/update", lambda: told.discount(discount, now=now), first=True)
    return durable_discount(discount)


def _set_discount(discount: Discount, given: Change) -> None:
    names = ("title", "percent", "amount", "each_item", "usage_limit", "once", "minimum", "minimum_quantity")
    _set(discount, given, {name: name for name in names})
    if given.get("starts_at"):
        discount.starts = _at(given["starts_at"], discount.starts)
    if "ends_at" in given:
        discount.ends = None if given["ends_at"] is None else _at(given["ends_at"], 0)


def _add_codes(shop: "Shop", change: Change) -> Mapping[str, Any]:
    """That codes move the discount's time of change is UNVERIFIED."""
    commerce = shop.commerce
    discount = commerce.discounts.named(change["id"])
    for number, text in enumerate(change["codes"]):
        if any(each.codes.position_of(text) is not None for each in commerce.discounts):
            raise ValueError(f"Code {text} has already been taken")
        code, at = discount.codes.add(text), commerce.now()
        commerce.tell(
            "discounts/redeemcode_added",
            lambda code=code, at=at: told.redeem_code(discount, code, at=at),  # type: ignore[misc]
            first=number == 0,
        )
    commerce.discounts.touch(discount)
    return durable_discount(discount)


def _remove_codes(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce = shop.commerce
    discount = commerce.discounts.named(change["id"])
    for number, text in enumerate(change["codes"]):
        position = discount.codes.position_of(text)
        code = None if position is None else discount.codes[position]
        if position is None or code is None:
            raise LookupError(f"no code {text}")
        discount.codes.removed.add(position)
        at = commerce.now()
        commerce.tell(
            "discounts/redeemcode_removed",
            lambda code=code, at=at: told.redeem_code(discount, code, at=at),  # type: ignore[misc]
            first=number == 0,
        )
    commerce.discounts.touch(discount)
    return durable_discount(discount)


def _delete_discount(shop: "Shop", change: Change) -> Mapping[str, Any]:
    discount, at = shop.commerce.discounts.named(change["id"]), shop.commerce.now()
    shop.commerce.discounts.remove(discount)
    shop.commerce.tell("discounts/delete", lambda: told.discount_deleted(discount, at=at), first=True)
    return {"deleted": discount.gid}


# All of them


def _customer(shop: "Shop", change: Change) -> Customer | None:
    """By `customer_id`, or whoever has the address; with `"guest": true` nobody has."""
    if change.get("guest"):
        return None
    given = {name: change[name] for name in ("customer_id", "email") if change.get(name)}
    found = find(shop.customers, given)
    if found is None and "customer_id" in given:
        raise LookupError("no such customer")
    return found


def _set(thing: Any, given: Change, names: Mapping[str, str]) -> None:
    for name, attribute in names.items():
        if name in given:
            setattr(thing, attribute, given[name])


def _at(given: Any, default: int) -> int:
    if given is None:
        return default
    return seconds(given) if isinstance(given, str) else int(given)


def _one_of(value: str, known: Any) -> str:
    if value not in known:
        raise ValueError(f"{value} must be one of {', '.join(known)}")
    return value


_ACTIONS: Final[Mapping[tuple[str, str], Callable[["Shop", Change], Mapping[str, Any]]]] = {
    ("order", "create"): _create_order,
    ("order", "pay"): _pay,
    ("order", "edit"): _edit_order,
    ("order", "refund"): _refund,
    ("order", "cancel"): _cancel,
    ("order", "fulfil"): _fulfil,
    ("order", "update"): _update_order,
    ("order", "delete"): _delete_order,
    ("product", "create"): _create_product,
    ("product", "update"): _update_product,
    ("product", "delete"): _delete_product,
    ("checkout", "create"): _create_checkout,
    ("checkout", "update"): _update_checkout,
    ("checkout", "complete"): _complete_checkout,
    ("checkout", "delete"): _delete_checkout,
    ("cart", "create"): _create_cart,
    ("cart", "update"): _update_cart,
    ("discount", "create"): _create_discount,
    ("discount", "update"): _update_discount,
    ("discount", "add_codes"): _add_codes,
    ("discount", "remove_codes"): _remove_codes,
    ("discount", "delete"): _delete_discount,
}
