"""Checkouts and carts as shoppers fill, leave and complete them; the edits are listed in `commerce_editing.py`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shopchimp.sandbox.shopify import checkout_payloads as told
from shopchimp.sandbox.shopify.checkouts import Cart, Checkout, CheckoutLine
from shopchimp.sandbox.shopify.commerce import Commerce
from shopchimp.sandbox.shopify.commerce_state import durable_checkout, durable_order
from shopchimp.sandbox.shopify.edit_values import Change, buyer, checkout_of, moment_of, set_values, variant_of
from shopchimp.sandbox.shopify.order_editing import new_order
from shopchimp.sandbox.shopify.purchases import recovery_url

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.shop import Shop


def create_checkout(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce = shop.commerce
    token = commerce.token("checkout")
    cart = commerce.carts.get(change.get("cart_token", ""))
    customer = buyer(shop, change)
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
        created=moment_of(change.get("created_at"), now),
        updated=now,
    )
    _fill_checkout(shop, checkout, change)
    commerce.checkouts.add(checkout)
    commerce.tell("checkouts/create", lambda: told.checkout(checkout), first=True)
    return durable_checkout(checkout)


def update_checkout(shop: "Shop", change: Change) -> Mapping[str, Any]:
    checkout = checkout_of(shop.commerce, change["id"])
    if change.get("customer_id"):
        checkout.customer = buyer(shop, change)
    _fill_checkout(shop, checkout, change)
    shop.commerce.checkouts.touch(checkout)
    shop.commerce.tell("checkouts/update", lambda: told.checkout(checkout), first=True)
    return durable_checkout(checkout)


def complete_checkout(shop: "Shop", change: Change) -> Mapping[str, Any]:
    """The order has the checkout's lines, the tokens of both, and its price."""
    checkout = checkout_of(shop.commerce, change["id"])
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


def delete_checkout(shop: "Shop", change: Change) -> Mapping[str, Any]:
    checkout = checkout_of(shop.commerce, change["id"])
    shop.commerce.checkouts.remove(checkout)
    shop.commerce.tell("checkouts/delete", lambda: told.checkout_deleted(checkout), first=True)
    return {"deleted": checkout.token}


def _fill_checkout(shop: "Shop", checkout: Checkout, change: Change) -> None:
    names = ("email", "phone", "accepts_marketing", "accepts_sms", "sms_phone", "note", "currency")
    set_values(checkout, change, {**{name: name for name in names}, "landing_site": "landing"})
    if "lines" in change:
        checkout.lines = _cart_lines(shop.commerce, checkout.token, change["lines"])
    if checkout.email is None and checkout.customer is not None and "email" not in change:
        checkout.email = checkout.customer.email


def _cart_lines(commerce: Commerce, token: str, given: list[Change]) -> list[CheckoutLine]:
    lines = []
    for position, each in enumerate(given):
        variant = variant_of(commerce, each["variant"])
        lines.append(CheckoutLine(variant, each.get("quantity", 1), variant.price, f"{token}{position:02}"))
    return lines


def create_cart(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce, now = shop.commerce, shop.commerce.now()
    cart = Cart(commerce.token("cart"), [], now, now)
    cart.lines = _cart_lines(commerce, cart.token, change.get("lines", []))
    commerce.carts[cart.token] = cart
    commerce.tell("carts/create", lambda: told.cart(cart), first=True)
    return {"token": cart.token}


def update_cart(shop: "Shop", change: Change) -> Mapping[str, Any]:
    cart = shop.commerce.carts[change["id"]]
    cart.lines = _cart_lines(shop.commerce, cart.token, change.get("lines", []))
    cart.updated = shop.commerce.now()
    shop.commerce.tell("carts/update", lambda: told.cart(cart), first=True)
    return {"token": cart.token}
