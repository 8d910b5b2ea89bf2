"""What a person's page shows of an order or an abandoned cart (S95 to S101): the row, and its products.

It is read from the same node by the same sums as the body for Mailchimp, so that the page and Mailchimp agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shopchimp.domain.commerce.lines import unit_price
from shopchimp.domain.commerce.money import ZERO, amount, currency_of, first_amount
from shopchimp.domain.commerce.orders import counted_lines, currency_of_order, net_total, shipping_method
from shopchimp.domain.commerce.spelling import link, moment, short_id, text
from shopchimp.domain.commerce.store import Node, Storefront, nodes_of


class Activity(StrEnum):
    """The two states the panel filters by (S96)."""

    COMPLETED = "completed"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Product:
    """A line as the panel shows it. `category` is Shopify's product type (S105.7); `product_id` is empty of one that
    is gone, or never was one.
    """

    name: str
    category: str
    sku: str
    quantity: int
    price: Decimal
    image: str | None
    product_id: str = ""


@dataclass(frozen=True, slots=True)
class Details:
    """An order or a cart. `link` leads the merchant to it in Shopify; `at` is a moment in UTC."""

    activity: Activity
    number: str
    link: str
    total: Decimal
    currency: str
    at: str | None
    discount_codes: tuple[str, ...]
    discount: Decimal
    shipping_method: str
    cancelled: bool
    products: tuple[Product, ...]


def order_details(order: Node, store: Storefront, categories: Mapping[str, str] | None = None) -> Details:
    """An order's row and details; `categories` are the product types by product id (of `short_id`)."""
    counted = counted_lines(order)
    return Details(
        activity=Activity.COMPLETED,
        number=text(order.get("name")),
        link=store.admin(f"orders/{short_id(order['id'])}"),
        total=net_total(order),
        currency=currency_of_order(order, store),
        at=moment(order.get("processedAt") or order.get("createdAt")),
        discount_codes=_codes(order),
        discount=first_amount(order, "currentTotalDiscountsSet", "totalDiscountsSet"),
        shipping_method=shipping_method(order),
        cancelled=bool(order.get("cancelledAt")),
        products=tuple(_product(line, quantity, categories or {}) for line, quantity in counted),
    )


def cart_details(checkout: Node, store: Storefront, categories: Mapping[str, str] | None = None) -> Details:
    """An abandoned cart's row and details."""
    total = checkout.get("totalPriceSet")
    lines = nodes_of(checkout, "lineItems")
    number = short_id(checkout.get("id") or checkout["token"])
    return Details(
        activity=Activity.ABANDONED,
        number=text(checkout.get("name")),
        link=store.admin(f"checkouts/{number}"),
        total=amount(total) or ZERO,
        currency=currency_of(total) or store.currency,
        at=moment(checkout.get("updatedAt") or checkout.get("createdAt")),
        discount_codes=_codes(checkout),
        discount=amount(checkout.get("totalDiscountSet")) or ZERO,
        shipping_method="",
        cancelled=False,
        products=tuple(_product(line, line["quantity"], categories or {}) for line in lines if line.get("quantity")),
    )


def _codes(node: Node) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text(code) for code in node.get("discountCodes") or ()))


def _product(line: Node, quantity: int, categories: Mapping[str, str]) -> Product:
    product: Node = line.get("product") or {}
    known = categories.get(short_id(product["id"]), "") if product else ""
    variant = text(line.get("variantTitle"))
    title = text(line.get("title"))
    return Product(
        name=f"{title} - {variant}" if variant and variant != "Default Title" else title,
        category=text(product.get("productType")) or known,
        sku=text(line.get("sku")),
        quantity=quantity,
        price=unit_price(line),
        image=link((line.get("image") or {}).get("url")),
        product_id=short_id(product["id"]) if product else "",
    )
