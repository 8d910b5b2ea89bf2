"""What our own pages show of an object, as it is kept in `commerce_items.shown`: plain JSON without personal data.

Everybody who writes an item fills `shown` with the function of its kind. Amounts are texts of exact decimals, moments
are ISO 8601 in UTC. The category and picture a line lacks are filled in from its product's item when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from shopchimp.domain.commerce import statuses
from shopchimp.domain.commerce.details import Details, Product, cart_details, order_details
from shopchimp.domain.commerce.products import is_on_offer
from shopchimp.domain.commerce.spelling import link, moment, short_id, text
from shopchimp.domain.commerce.store import Node, Storefront
from shopchimp.domain.commerce.totals import order_totals

Shown: TypeAlias = dict[str, Any]


def shown_order(order: Node, store: Storefront, categories: Mapping[str, str] | None = None) -> Shown:
    """An order's row and details (S99, S100), and what it adds to its buyer's totals (S98)."""
    adds = order_totals(order)
    return _deal(order_details(order, store, categories)) | {
        "money": statuses.financial(order),
        "goods": statuses.fulfilment(order),
        "test": bool(order.get("test")),
        "revenue": _exact(adds.revenue),
        "orders": adds.orders,
        "bought": adds.products,
    }


def shown_cart(checkout: Node, store: Storefront, categories: Mapping[str, str] | None = None) -> Shown:
    """An abandoned cart's row and details; it adds nothing to any totals."""
    return _deal(cart_details(checkout, store, categories))


def shown_product(product: Node, store: Storefront) -> Shown:
    """A product's name, and what the lines of orders lack: its category (S105.7) and its picture."""
    picture = ((product.get("featuredMedia") or {}).get("preview") or {}).get("image") or {}
    return {
        "title": text(product.get("title")),
        "category": text(product.get("productType")),
        "image": link(picture.get("url")),
        "link": store.admin(f"products/{short_id(product['id'])}"),
        "on_offer": is_on_offer(product),
    }


def shown_rule(discount_node: Node, store: Storefront) -> Shown:
    """A discount: what it takes off, and when. Its codes point to it by `parent`."""
    discount: Node = discount_node.get("discount") or {}
    return {
        "title": text(discount.get("title")),
        "summary": text(discount.get("summary") or discount.get("shortSummary")),
        "type": text(discount.get("__typename")),
        "status": text(discount.get("status")),
        "starts": moment(discount.get("startsAt")),
        "ends": moment(discount.get("endsAt")),
        "codes": int((discount.get("codesCount") or {}).get("count") or 0),
        "used": int(discount.get("asyncUsageCount") or 0),
        "link": store.admin(f"discounts/{short_id(discount_node['id'])}"),
    }


def shown_code(code: Node) -> Shown:
    """One code of a discount; there may be 100,000, so nothing of the discount is repeated."""
    return {"code": text(str(code.get("code") or "").strip()), "used": int(code.get("asyncUsageCount") or 0)}


def _deal(details: Details) -> Shown:
    return {
        "number": details.number,
        "link": details.link,
        "total": _exact(details.total),
        "currency": details.currency,
        "at": details.at,
        "codes": list(details.discount_codes),
        "discount": _exact(details.discount),
        "shipping": details.shipping_method,
        "cancelled": details.cancelled,
        "products": [_line(each) for each in details.products],
    }


def _line(product: Product) -> Shown:
    return {
        "id": product.product_id,
        "name": product.name,
        "category": product.category,
        "sku": product.sku,
        "quantity": product.quantity,
        "price": _exact(product.price),
        "image": product.image,
    }


def _exact(amount: Decimal) -> str:
    return format(amount, "f")


_TOLD = ("number", "total", "currency", "title", "code", "cancelled")


def told(item_id: str, shown: Mapping[str, Any] | None, action: str) -> Shown:
    """The `detail` of a line of the activity log about an object (S101); `action` is create, update or delete."""
    kept = shown or {}
    return {"id": item_id, "action": action} | {name: kept[name] for name in _TOLD if kept.get(name)}
