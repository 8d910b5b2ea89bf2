"""The root fields of products, orders, checkouts and code discounts (shopify.md section 2.2), with their scopes."""

from collections.abc import Mapping
from typing import Any, Final

import shopchimp.sandbox.shopify.commerce_fields  # noqa: F401 - registers how their fields are read
from shopchimp.sandbox.shopify.bulk import Source
from shopchimp.sandbox.shopify.bulk_query import BulkPlan
from shopchimp.sandbox.shopify.call import Arguments, Call
from shopchimp.sandbox.shopify.checkouts import Checkout
from shopchimp.sandbox.shopify.discounts import Discount
from shopchimp.sandbox.shopify.goods import Product, Variant
from shopchimp.sandbox.shopify.paging import Connection, page_of
from shopchimp.sandbox.shopify.sales import Order
from shopchimp.sandbox.shopify.search import EVERYTHING, Predicate, exact_filter, number_filter, tags_filter
from shopchimp.sandbox.shopify.search import text_filter as words
from shopchimp.sandbox.shopify.search import time_filter as times
from shopchimp.sandbox.shopify.shelf import Listing
from shopchimp.sandbox.shopify.store import number_of

ALL_ORDERS: Final = "read_all_orders"

PRODUCTS: Final = Listing(
    {
        "id": number_filter(lambda p: p.number),
        "title": words(lambda p: p.title),
        "handle": words(lambda p: p.handle),
        "vendor": words(lambda p: p.vendor),
        "product_type": words(lambda p: p.kind),
        "status": exact_filter(lambda p: p.status),
        "tag": tags_filter(lambda p: p.tags),
        "created_at": times(lambda p: p.created),
        "updated_at": times(lambda p: p.updated),
        "published_status": exact_filter(lambda p: "unpublished" if p.published is None else "published"),
        "default": words(lambda p: f"{p.title} {p.vendor} {p.kind}"),
    },
    {"CREATED_AT": lambda p: p.created, "TITLE": lambda p: p.title, "VENDOR": lambda p: p.vendor},
)
ORDERS: Final = Listing(
    {
        "id": number_filter(lambda o: o.number),
        "name": words(lambda o: o.name),
        "email": words(lambda o: o.email),
        "customer_id": number_filter(lambda o: o.customer.number if o.customer else 0),
        "created_at": times(lambda o: o.created),
        "processed_at": times(lambda o: o.created),
        "updated_at": times(lambda o: o.updated),
        "financial_status": exact_filter(lambda o: o.financial),
        "fulfillment_status": exact_filter(lambda o: o.shipped),
        "test": exact_filter(lambda o: str(o.test)),
        "tag": tags_filter(lambda o: o.tags),
        "status": lambda _, value: lambda o: value in ("any", _status(o)) or (value == "not_closed" and not o.closed),
        "default": words(lambda o: f"{o.name} {o.email}"),
    },
    {"CREATED_AT": lambda o: o.created, "PROCESSED_AT": lambda o: o.created, "TOTAL_PRICE": lambda o: o.total},
    default_order="PROCESSED_AT",
)
CHECKOUTS: Final = Listing(
    {
        "id": number_filter(lambda c: c.number),
        "created_at": times(lambda c: c.created),
        "updated_at": times(lambda c: c.updated),
        "status": exact_filter(lambda c: "closed" if c.completed else "open"),
        "recovery_state": exact_filter(lambda c: "recovered" if c.completed else "not_recovered"),
    },
    {"CREATED_AT": lambda c: c.created, "TOTAL_PRICE": lambda c: c.total},
)
DISCOUNTS: Final = Listing(
    {
        "id": number_filter(lambda d: d.number),
        "method": exact_filter(lambda _: "code"),  # automatic discounts are not in the sandbox
        "status": exact_filter(lambda d: d.status(d.now)),
        "title": words(lambda d: d.title),
        "code": lambda _, value: lambda d: d.codes.position_of(value) is not None,
        "created_at": times(lambda d: d.created),
        "updated_at": times(lambda d: d.updated),
        "starts_at": times(lambda d: d.starts),
        "times_used": number_filter(lambda d: d.used),
    },
    {"CREATED_AT": lambda d: d.created, "TITLE": lambda d: d.title, "STARTS_AT": lambda d: d.starts},
)


def _status(order: Order) -> str:
    if order.cancelled is not None:
        return "cancelled"
    return "closed" if order.closed is not None else "open"


def _recent(call: Call) -> Predicate:
    """Without the optional scope nobody sees an order older than 60 days (shopify.md 2.6)."""
    if ALL_ORDERS in call.scopes:
        return EVERYTHING
    old = call.shop.commerce.old()
    return lambda order: order.created >= old


def _reachable(checkout: Checkout) -> bool:
    """Only a checkout with a way to reach the buyer counts as abandoned."""
    return bool(checkout.email or checkout.phone)


def products(call: Call, args: Arguments) -> Connection:
    return PRODUCTS.page(call.shop.commerce.products, args)


def products_count(call: Call, args: Arguments) -> Any:
    return PRODUCTS.count(call.shop.commerce.products, args)


def product(call: Call, args: Arguments) -> Product | None:
    return call.shop.commerce.products.get(args["id"])


def variant(call: Call, args: Arguments) -> Variant | None:
    return call.shop.commerce.variants.get(number_of(args["id"], "ProductVariant") or 0)


def orders(call: Call, args: Arguments) -> Connection:
    return ORDERS.page(call.shop.commerce.orders, args, _recent(call))


def orders_count(call: Call, args: Arguments) -> Any:
    return ORDERS.count(call.shop.commerce.orders, args, _recent(call))


def order(call: Call, args: Arguments) -> Order | None:
    found = call.shop.commerce.orders.get(args["id"])
    return found if found is not None and _recent(call)(found) else None


def checkout(call: Call, args: Arguments) -> Checkout | None:
    return call.shop.commerce.checkouts.get(args["id"])


def checkouts(call: Call, args: Arguments) -> Connection:
    return CHECKOUTS.page(call.shop.commerce.checkouts, args, _reachable)


def checkouts_count(call: Call, args: Arguments) -> Any:
    return CHECKOUTS.count(call.shop.commerce.checkouts, args, _reachable)


def discounts(call: Call, args: Arguments) -> Connection:
    return DISCOUNTS.page(call.shop.commerce.look_at_discounts(), args)


def discounts_count(call: Call, args: Arguments) -> Any:
    return DISCOUNTS.count(call.shop.commerce.look_at_discounts(), args)


def discount(call: Call, args: Arguments) -> Discount | None:
    return call.shop.commerce.look_at_discounts().get(args["id"])


def discount_by_code(call: Call, args: Arguments) -> Discount | None:
    found = (d for d in call.shop.commerce.look_at_discounts() if d.codes.position_of(args["code"]) is not None)
    return next(found, None)


def no_collections(_: Call, args: Arguments) -> Connection:
    """The sandbox has none yet."""
    return page_of((), args)


# root field -> (what it needs, how it is answered)
QUERIES: Final[Mapping[str, tuple[str, Any]]] = {
    "products": ("read_products", products),
    "productsCount": ("read_products", products_count),
    "product": ("read_products", product),
    "productVariant": ("read_products", variant),
    "collections": ("read_products", no_collections),
    "orders": ("read_orders", orders),
    "ordersCount": ("read_orders", orders_count),
    "order": ("read_orders", order),
    "abandonedCheckouts": ("read_orders", checkouts),
    "abandonedCheckoutsCount": ("read_orders", checkouts_count),
    "discountNodes": ("read_discounts", discounts),
    "discountNodesCount": ("read_discounts", discounts_count),
    "discountNode": ("read_discounts", discount),
    "codeDiscountNodeByCode": ("read_discounts", discount_by_code),
}
NODES: Final[Mapping[str, tuple[str, Any]]] = {
    "/Product/": ("read_products", product),
    "/ProductVariant/": ("read_products", variant),
    "/Order/": ("read_orders", order),
    "/AbandonedCheckout/": ("read_orders", checkout),
}


def bulk_source(call: Call, plan: BulkPlan) -> Source | None:
    """Whether discounts are allowed in bulk is UNVERIFIED (shopify.md section 5); here they are."""
    commerce = call.shop.commerce
    match plan.name:
        case "products":
            return PRODUCTS.rows(commerce.products, plan.arguments)
        case "orders":
            return ORDERS.rows(commerce.orders, plan.arguments, _recent(call))
        case "discountNodes":
            return DISCOUNTS.rows(commerce.look_at_discounts(), plan.arguments)
        case "abandonedCheckouts":
            return CHECKOUTS.rows(commerce.checkouts, plan.arguments, _reachable)
        case _:
            return None
