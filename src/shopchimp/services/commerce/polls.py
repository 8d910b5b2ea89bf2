"""Polls of the store: every five minutes, ask Shopify which orders, products and checkouts changed.

Marked are those whose state of now we do not know. As in the polls of people, the place reached is a time of their
clock (`services.polls`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from shopchimp.db import checkouts, chores, commerce_items, connections, marking, poll_reads, shops
from shopchimp.db.checkouts import Checkout
from shopchimp.db.chores import Chore
from shopchimp.db.marking import Mark
from shopchimp.domain.commerce.carts import cart_id
from shopchimp.domain.commerce.results import Kind
from shopchimp.domain.commerce.spelling import short_id
from shopchimp.services.commerce import completeness
from shopchimp.services.commerce.looks import SAME_SECOND
from shopchimp.services.gateways import Gateways
from shopchimp.services.polls import IMPOSSIBLE, PERIOD, LeaseLost, Place
from shopchimp.shopify import commerce
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.commerce_pages import Node, Page
from shopchimp.shopify.customers import parse_time

NOT_GRANTED = 3600.0  # seconds until the next look whether the merchant has granted the scope


@dataclass(slots=True)
class _Poll:
    gateways: Gateways
    shop_id: int
    chore: Chore
    client: ShopifyClient
    place: Place

    def keep(self, tx: Connection, marks: Sequence[Mark]) -> None:
        """Mark them and store the place behind them: neither without the other."""
        marking.mark(tx, self.shop_id, marks)
        self.chore.cursor["place"] = self.place.to_json()
        if not chores.save(tx, self.chore):
            raise LeaseLost

    def end(self) -> None:
        """The list was read to its end."""
        self.place.end()
        with self.gateways.database.transaction() as tx:
            self.keep(tx, ())


def poll_orders(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """Mark the orders that changed. Gives back the seconds until the next poll."""
    return _polled(gateways, shop_id, chore, "orders", lambda poll: _poll(poll, Kind.ORDER, commerce.orders_changed))


def poll_products(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """Mark the products that changed. Gives back the seconds until the next poll."""
    read = commerce.products_changed
    return _polled(gateways, shop_id, chore, "products", lambda poll: _poll(poll, Kind.PRODUCT, read))


def poll_checkouts(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """Keep and mark the checkouts that changed. Gives back the seconds until the next poll."""
    return _polled(gateways, shop_id, chore, "carts", _poll_checkouts)


def _polled(gateways: Gateways, shop_id: int, chore: Chore, kind: str, do: Callable[[_Poll], None]) -> float:
    """Do it where commerce is live and Shopify lets us read the kind. Who lost the lease stops: another is at it."""
    with gateways.database.transaction() as tx:
        shop, connection = shops.get(tx, shop_id), connections.get(tx, shop_id)
        if shop is None or connection is None or connection.commerce_since is None or connection.audience_id is None:
            return PERIOD
        if kind not in commerce.readable(shop.scopes):
            return NOT_GRANTED
        began = poll_reads.began_reading(tx, shop_id, connection.audience_id) or connection.commerce_since
    place = Place.stored(chore.cursor.get("place"), began, limit=gateways.clock() + IMPOSSIBLE)
    with suppress(LeaseLost):
        do(_Poll(gateways, shop_id, chore, gateways.shopify(shop_id), place))
    return PERIOD


def _poll(poll: _Poll, kind: Kind, read: Callable[[ShopifyClient, datetime, str | None], Page]) -> None:
    since = poll.place.since
    for page in commerce.each_page(lambda after: read(poll.client, since, after)):
        found = [commerce.changed(node) for node in page.nodes]
        with poll.gateways.database.transaction() as tx:
            known = commerce_items.get(tx, poll.shop_id, kind, [each.id for each in found])
            marks = []
            for each in found:
                item = known.get(each.id)
                if item is None or _is_newer(each.updated_at, item.source_updated_at):
                    marks.append(Mark(f"{kind}:{each.id}", "poll", event_at=each.updated_at))
                poll.place.saw(each.updated_at)
            poll.keep(tx, marks)
    poll.end()
    if kind is Kind.ORDER:
        with poll.gateways.database.transaction() as tx:
            completeness.reconsider(tx, poll.shop_id)


def _is_newer(now: datetime | None, then: datetime | None) -> bool:
    return then is None or now is None or now > then


def _poll_checkouts(poll: _Poll) -> None:
    """They come by the time they began, so the place moves only when all were read."""
    since, newest, now = poll.place.since, list[datetime](), poll.gateways.clock()
    for page in commerce.each_page(lambda after: commerce.checkouts_changed(poll.client, since, after)):
        told = {cart_id(node): node for node in page.nodes}
        with poll.gateways.database.transaction() as tx:
            known = checkouts.get(tx, poll.shop_id, told)
            news = [
                _told(token, _dated(node, at, now), known.get(token), at)
                for token, node in told.items()
                if (at := parse_time(node.get("updatedAt"))) is not None
                and (token not in known or at >= known[token].updated_at)  # several words may be of one second
            ]
            checkouts.upsert(tx, poll.shop_id, news)
            carts = commerce_items.get(tx, poll.shop_id, Kind.CART, [short_id(each.token) for each in news])
            marks = [
                Mark(f"checkout:{each.token}", "poll", event_at=each.updated_at)
                for each in news
                if (cart := carts.get(short_id(each.token))) is None
                or _is_newer(each.updated_at, cart.source_updated_at)
            ]
            poll.keep(tx, marks)
        newest += [at for node in page.nodes if (at := parse_time(node.get("updatedAt"))) is not None]
    for at in newest:
        poll.place.saw(at)
    poll.end()


def _dated(node: Node, at: datetime, now: datetime) -> Node:
    """What is known of a checkout read within the very second of its change is not known up to that."""
    return node if now >= at + SAME_SECOND else {**node, "updatedAt": None}


def _told(token: str, node: Node, known: Checkout | None, at: datetime) -> Checkout:
    """A checkout of the API. Who isn't a customer is named by webhooks alone, so what they said of that stays."""
    address = known.node.get("email") if known is not None and not node.get("customer") else None
    return Checkout(token, None, at, {**node, "email": address} if address else node)
