"""Products, orders, checkouts and discounts as rows of `/_sandbox/state`: without what only our clock decided."""

from collections.abc import Iterator
from typing import Any

from shopchimp.sandbox.shopify.checkouts import Checkout
from shopchimp.sandbox.shopify.commerce import Commerce
from shopchimp.sandbox.shopify.discounts import Discount
from shopchimp.sandbox.shopify.goods import Product
from shopchimp.sandbox.shopify.money import amount
from shopchimp.sandbox.shopify.product_fields import store_url
from shopchimp.sandbox.shopify.sales import Order


def durable_order(each: Order) -> dict[str, Any]:
    return {
        "kind": "order",
        "key": each.gid,
        "id": each.gid,
        "name": each.name,
        "customer": each.customer.gid if each.customer else None,
        "email": each.email,
        "test": each.test,
        "financial": each.financial,
        "fulfillment": each.shipped,
        "cancelled": each.cancelled is not None,
        "cancelReason": each.cancel_reason,
        "total": amount(each.total),
        "currentTotal": amount(each.current_total),
        "refunded": amount(each.refunded),
        "discounts": amount(each.discounts),
        "tax": amount(each.tax),
        "shipping": amount(each.shipping),
        "currency": each.currency,
        "discountCode": each.discounted.code if each.discounted else None,
        "checkoutToken": each.checkout_token,
        "cartToken": each.cart_token,
        "tags": list(each.tags),
        "lines": [
            {
                "id": line.gid,
                "title": line.title,
                "product": line.product.gid if line.product else None,
                "variant": line.live_variant.gid if line.live_variant else None,
                "quantity": line.quantity,
                "current": line.current,
                "price": amount(line.price),
                "discount": amount(line.discount),
            }
            for line in each.lines
        ],
    }


def durable_product(each: Product) -> dict[str, Any]:
    return {
        "kind": "product",
        "key": each.gid,
        "id": each.gid,
        "title": each.title,
        "status": each.status,
        "published": each.published is not None,
        "url": store_url(each),
        "images": [picture.url for picture in each.pictures],
        "variants": [
            {
                "id": variant.gid,
                "title": variant.title,
                "sku": variant.sku,
                "price": amount(variant.price),
                "stock": variant.stock,
                "tracked": variant.tracked,
            }
            for variant in each.variants
        ],
    }


def durable_checkout(each: Checkout) -> dict[str, Any]:
    return {
        "kind": "checkout",
        "key": each.token,
        "id": each.gid,
        "token": each.token,
        "cartToken": each.cart_token,
        "url": each.url,
        "customer": each.customer.gid if each.customer else None,
        "email": each.email,
        "completed": each.completed is not None,
        "total": amount(each.total),
        "lines": [
            {"variant": line.variant.gid, "quantity": line.quantity, "price": amount(line.price)} for line in each.lines
        ],
    }


def durable_discount(each: Discount) -> dict[str, Any]:
    """How many codes, not which: there may be a million of them."""
    return {
        "kind": "discount",
        "key": each.gid,
        "id": each.gid,
        "type": each.graphql_type,
        "title": each.title,
        "percent": each.percent,
        "amount": None if each.amount is None else amount(each.amount),
        "codes": each.codes.left,
        "removed_codes": len(each.codes.removed),
    }


def all_durable_commerce(commerce: Commerce) -> Iterator[dict[str, Any]]:
    for product in _in_order(commerce.products):
        yield durable_product(product)
    for order in _in_order(commerce.orders):
        yield durable_order(order)
    for checkout in _in_order(commerce.checkouts):
        yield durable_checkout(checkout)
    for discount in _in_order(commerce.discounts):
        yield durable_discount(discount)


def _in_order(shelf: Any) -> Iterator[Any]:
    """Safe while others change it."""
    found = (shelf.by_number.get(number) for number in list(shelf.numbers))
    return (each for each in found if each is not None)
