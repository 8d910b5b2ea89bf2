"""An erased buyer at Mailchimp: their carts go with the marketing, their orders and themselves with the contact.

Mailchimp keeps the buyer's name and addresses inside each order, and its own permanent deletion of a contact says
nothing of the store's data. So the orders are deleted too: revenue reports lose them, as the merchant is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shopchimp.db import commerce_items, connections
from shopchimp.domain.addresses import normalise
from shopchimp.domain.commerce.customers import guest_id
from shopchimp.domain.commerce.results import Kind
from shopchimp.domain.errors import StoreGone
from shopchimp.mailchimp import ecommerce
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services.gateways import Gateways


def drop_carts(gateways: Gateways, shop_id: int, *, customer_id: int | None, emails: Sequence[str]) -> None:
    """Delete the carts they left, so that no mail reminds them. Call it before what we remember of them is erased."""
    with gateways.database.transaction() as tx:
        connection = connections.get(tx, shop_id)
        kept = [
            each.id
            for key in [None, *map(normalise, emails)]
            for each in commerce_items.of_person(tx, shop_id, key, customer_id, [Kind.CART.value])
        ]
    if connection is None or not connection.store_id or not kept:
        return
    client = gateways.mailchimp(shop_id)
    for cart_id in dict.fromkeys(kept):
        try:
            ecommerce.delete(client, connection.store_id, Kind.CART, cart_id)
        except StoreGone:
            return


def erase_buyers(gateways: Gateways, shop_id: int, *, customer_id: int | None, emails: Sequence[str]) -> None:
    """Delete what the store at Mailchimp has of these people beside their carts: the orders, then themselves."""
    with gateways.database.transaction() as tx:
        connection = connections.get(tx, shop_id)
    if connection is None or not connection.store_id:
        return
    client, store_id = gateways.mailchimp(shop_id), connection.store_id
    own = [str(customer_id)] if customer_id is not None else []
    try:
        named = [*own, *map(guest_id, emails), *_known_by(client, store_id, emails)]
        for buyer_id in dict.fromkeys(named):
            for order_id in _orders_of(client, store_id, buyer_id):
                ecommerce.delete(client, store_id, Kind.ORDER, order_id)
            ecommerce.delete(client, store_id, Kind.CUSTOMER, buyer_id)
    except StoreGone:
        return


def _known_by(client: MailchimpClient, store_id: str, emails: Sequence[str]) -> list[str]:
    """The buyers with these addresses, whatever their ids."""
    return [
        str(each["id"])
        for email in emails
        for each in ecommerce.page(client, store_id, Kind.CUSTOMER, email_address=email)[0]
    ]


def _orders_of(client: MailchimpClient, store_id: str, buyer_id: str) -> Iterator[str]:
    """The ids of a buyer's orders. The page after the deleted ones is the first one again."""
    seen: set[str] = set()
    while True:
        found = [str(each["id"]) for each in ecommerce.page(client, store_id, Kind.ORDER, customer_id=buyer_id)[0]]
        if not (fresh := [each for each in found if each not in seen]):
            return
        seen.update(fresh)
        yield from fresh
