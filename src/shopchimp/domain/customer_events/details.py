"""What an event is about, by its name: the product, the collection, the search or the checkout."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from shopchimp.domain.addresses import is_deliverable_looking
from shopchimp.domain.customer_events.addresses import page_address
from shopchimp.domain.customer_events.fields import Fields, Malformed
from shopchimp.domain.customer_events.names import StoreEvent

ITEM_LIMIT = 10
_TITLE_BYTES = 255
_QUERY_BYTES = 255
_CURRENCY = re.compile(r"[A-Z]{3}")
_TOKEN = re.compile(r"[A-Za-z0-9_.=+-]{1,128}")


@dataclass(frozen=True, slots=True)
class ViewedProduct:
    """A product, and the variant of it that was shown or put into the cart."""

    id: int | None = None
    title: str | None = None
    url: str | None = None
    variant_id: int | None = None
    variant_title: str | None = None
    price: float | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class CheckoutItem:
    """One line of a checkout."""

    id: int | None = None
    title: str | None = None
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout. Its sums are hints: what was really paid comes with the order's webhook."""

    token: str | None = None
    email: str | None = None
    total: float | None = None
    currency: str | None = None
    item_count: int | None = None
    items: tuple[CheckoutItem, ...] = ()
    order_id: int | None = None


@dataclass(frozen=True, slots=True)
class Details:
    """What an event is about. Which of these there can be depends on its name alone."""

    product: ViewedProduct | None = None
    quantity: int | None = None
    total: float | None = None
    collection_id: int | None = None
    collection_title: str | None = None
    query: str | None = None
    checkout: Checkout | None = None


def read_details(name: StoreEvent, said: Fields) -> Details:
    """What the pixel says of an event of this name. Malformed for anything else."""
    details = _READERS[name](said)
    said.nothing_else()
    return details


def _nothing(_: Fields) -> Details:
    return Details()


def _product(said: Fields) -> Details:
    return Details(product=_viewed(said.inside_if_there("product")))


def _added(said: Fields) -> Details:
    return Details(
        product=_viewed(said.inside_if_there("product")),
        quantity=said.whole("quantity"),
        total=said.money("total"),
    )


def _collection(said: Fields) -> Details:
    of = said.inside_if_there("collection")
    found, title = of.shopify_id("id"), of.text("title", _TITLE_BYTES)
    of.nothing_else()
    return Details(collection_id=found, collection_title=title)


def _search(said: Fields) -> Details:
    return Details(query=said.text("query", _QUERY_BYTES))


def _checkout(said: Fields) -> Details:
    of = said.inside_if_there("checkout")
    email = of.text("email", 320)
    checkout = Checkout(
        token=of.match_if_there("token", _TOKEN),
        email=email if email is not None and is_deliverable_looking(email) else None,
        total=of.money("total"),
        currency=of.match_if_there("currency", _CURRENCY),
        item_count=of.whole("itemCount"),
        items=tuple(_item(each) for each in of.several("items", ITEM_LIMIT)),
        order_id=of.shopify_id("orderId"),
    )
    of.nothing_else()
    return Details(checkout=checkout)


def _item(said: Fields) -> CheckoutItem:
    item = CheckoutItem(said.shopify_id("id"), said.text("title", _TITLE_BYTES), said.whole("quantity"))
    said.nothing_else()
    return item


def _viewed(said: Fields) -> ViewedProduct:
    url = said.text("url", 2_000)
    page = page_address(url) if url is not None else None
    if url is not None and page is None:
        raise Malformed("data.product.url")
    product = ViewedProduct(
        id=said.shopify_id("id"),
        title=said.text("title", _TITLE_BYTES),
        url=page.url if page else None,
        variant_id=said.shopify_id("variantId"),
        variant_title=said.text("variantTitle", _TITLE_BYTES),
        price=said.money("price"),
        currency=said.match_if_there("currency", _CURRENCY),
    )
    said.nothing_else()
    return product


_READERS: dict[StoreEvent, Callable[[Fields], Details]] = {
    StoreEvent.PAGE_VIEWED: _nothing,
    StoreEvent.PRODUCT_VIEWED: _product,
    StoreEvent.PRODUCT_ADDED_TO_CART: _added,
    StoreEvent.COLLECTION_VIEWED: _collection,
    StoreEvent.SEARCH_SUBMITTED: _search,
    StoreEvent.CHECKOUT_STARTED: _checkout,
    StoreEvent.PAYMENT_INFO_SUBMITTED: _checkout,
    StoreEvent.CHECKOUT_COMPLETED: _checkout,
}
