"""Products, orders and abandoned checkouts, as nodes that `domain.commerce` maps: their lists whole, as plain lists.

An order older than 60 days can't be seen without the scope read_all_orders, whichever way it is asked for, and a person
whose data was erased is null in it. Discounts are in `shopify.commerce_discounts`, bulk results in `shopify.bulk`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from shopchimp.domain.errors import Rejected, Unavailable
from shopchimp.shopify import commerce_documents as documents
from shopchimp.shopify.client import PLATFORM, ShopifyClient
from shopchimp.shopify.commerce_pages import Node, Page, Walk, complete, page, spelt
from shopchimp.shopify.customers import parse_time
from shopchimp.shopify.oauth import missing_scopes

AT_ONCE = 50  # by id; fewer where Shopify finds that too dear
TOO_DEAR = "MAX_COST_EXCEEDED"

NEEDS: dict[str, tuple[str, ...]] = {
    "products": ("read_products",),
    "customers": ("read_customers",),
    "orders": ("read_orders", "read_products"),  # lines name their products
    "carts": ("read_orders", "read_products"),
    "promo_rules": ("read_discounts",),
    "promo_codes": ("read_discounts",),
}
"""What has to be granted to read each kind."""

_ORDERS = Walk(documents.ORDERS_CHANGED, "OrdersChanged", "orders", "updated_at", "updatedAt")
_PRODUCTS = Walk(documents.PRODUCTS_CHANGED, "ProductsChanged", "products", "updated_at", "updatedAt")
_CUSTOMERS = Walk(documents.CUSTOMER_CHANGES, "CustomerChanges", "customers", "updated_at", "updatedAt")
_CHECKOUTS = Walk(documents.CHECKOUTS_CHANGED, "CheckoutsChanged", "abandonedCheckouts", "created_at", "createdAt")


@dataclass(frozen=True, slots=True)
class Changed:
    """An object that was changed, by its number, and when."""

    id: str
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are; not `exact` where there are at least so many."""

    count: int
    exact: bool = True


def readable(scopes: str) -> frozenset[str]:
    """The kinds of `NEEDS` that a shop with these granted scopes lets us read."""
    granted = [scope.strip() for scope in scopes.split(",")]
    return frozenset(kind for kind, needed in NEEDS.items() if not missing_scopes(needed, granted))


def sees_all_orders(scopes: str) -> bool:
    """Whether orders older than 60 days can be seen."""
    return "read_all_orders" in {scope.strip() for scope in scopes.split(",")}


def orders_by_ids(client: ShopifyClient, ids: Sequence[str]) -> dict[str, Node]:
    """The orders with these numbers, as they are now, each whole. Those that are gone, or too old, are not there."""
    return {number: order_whole(client, node) for number, node in _by_ids(client, "Order", ids).items()}


def products_by_ids(client: ShopifyClient, ids: Sequence[str]) -> dict[str, Node]:
    """The products with these numbers, as they are now, each whole. Those that are gone are not there."""
    return {number: product_whole(client, node) for number, node in _by_ids(client, "Product", ids).items()}


def orders_changed(client: ShopifyClient, since: datetime, after: str | None = None) -> Page:
    """A page of the orders that were changed at or after `since`, by that time: `id` and `updatedAt` (`changed`)."""
    return page(client, _ORDERS, after=after, query=_since(since))


def products_changed(client: ShopifyClient, since: datetime, after: str | None = None) -> Page:
    """A page of the products that were changed at or after `since`, as `orders_changed`."""
    return page(client, _PRODUCTS, after=after, query=_since(since))


def customers_changed(client: ShopifyClient, since: datetime, after: str | None = None) -> Page:
    """A page of the customers who were changed at or after `since`, as `orders_changed`."""
    return page(client, _CUSTOMERS, after=after, query=_since(since))


def checkouts_changed(client: ShopifyClient, since: datetime | None = None, after: str | None = None) -> Page:
    """A page of the abandoned checkouts, whole, by the time they began; those changed at or after `since`, or all.

    Only those with a way to reach the buyer are abandoned to Shopify. Their nodes name no address but the customer's.
    """
    found = page(client, _CHECKOUTS, after=after, query=_since(since) if since else "")
    for node in found.nodes:
        checkout_whole(client, node)
    return found


def each_page(read: Callable[[str | None], Page]) -> Iterator[Page]:
    """All pages, one after the other: `each_page(lambda after: orders_changed(client, since, after))`."""
    found = read(None)
    yield found
    while found.after is not None:
        found = read(found.after)
        yield found


def changed(node: Node) -> Changed:
    """What a page of changes says of one object."""
    return Changed(number_of(node["id"]), parse_time(node.get("updatedAt")))


def counts(client: ShopifyClient, kinds: Sequence[str]) -> dict[str, Count]:
    """How many Shopify says there are of `products`, `customers`, `orders`, `carts` or `promo_rules`."""
    return {kind: _count(client, documents.COUNTS[kind]) for kind in kinds}


def order_whole(client: ShopifyClient, node: Node) -> Node:
    """An order of a page, with all its lines and discounts."""
    complete(client, node, "lineItems", documents.ORDER_LINES, "OrderLines", owner="order")
    complete(client, node, "discountApplications", documents.ORDER_DISCOUNTS, "OrderDiscounts", owner="order")
    return node


def product_whole(client: ShopifyClient, node: Node) -> Node:
    """A product of a page, with all its variants and pictures."""
    complete(client, node, "variants", documents.PRODUCT_VARIANTS, "ProductVariants", owner="product")
    complete(client, node, "media", documents.PRODUCT_MEDIA, "ProductMedia", owner="product")
    return node


def checkout_whole(client: ShopifyClient, node: Node) -> Node:
    """A checkout of a page, with all its lines."""
    complete(client, node, "lineItems", documents.CHECKOUT_LINES, "CheckoutLines", owner="node")
    return node


def number_of(gid: object) -> str:
    """The number of a global id, as text."""
    return str(gid).partition("?")[0].rpartition("/")[2]


def _since(since: datetime) -> str:
    return f"updated_at:>='{spelt(since)}'"


def _by_ids(client: ShopifyClient, kind: str, numbers: Sequence[str]) -> dict[str, Node]:
    """The nodes by number; as many a query as Shopify lets us, which may count the cost of each."""
    document, name = _BY_IDS[kind]
    found: dict[str, Node] = {}
    waiting, size = list(dict.fromkeys(numbers)), AT_ONCE
    while waiting:
        part = waiting[:size]
        try:
            data = client.execute(document, name, {"ids": [f"gid://shopify/{kind}/{each}" for each in part]})
        except Rejected as error:
            if size == 1 or not error.detail.startswith(TOO_DEAR):
                raise
            size = max(1, min(size, len(part)) // 2)
            continue
        nodes = data.get("nodes") or ()
        if len(nodes) != len(part):
            raise Unavailable(PLATFORM, "sh_unreachable", f"{len(nodes)} answers for {len(part)} ids")
        found |= {number: node for number, node in zip(part, nodes, strict=True) if node}
        waiting = waiting[size:]
    return found


_BY_IDS = {
    "Order": (documents.ORDERS_BY_ID, "OrdersById"),
    "Product": (documents.PRODUCTS_BY_ID, "ProductsById"),
}


def _count(client: ShopifyClient, document: str) -> Count:
    name = document.split(maxsplit=2)[1]
    counted = client.execute(document, name).get("counted") or {}
    return Count(int(counted.get("count") or 0), counted.get("precision") != "AT_LEAST")
