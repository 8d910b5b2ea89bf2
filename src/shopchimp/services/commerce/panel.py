"""A person's orders and abandoned carts, as their page shows them (S94 to S101): from what is remembered alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import Connection

from shopchimp.db import deals, people, shops
from shopchimp.db.deals import Kept, Whose
from shopchimp.db.session import Database
from shopchimp.domain.addresses import normalise
from shopchimp.domain.commerce.money import ZERO, smallest

PAGE = 20


@dataclass(frozen=True, slots=True)
class Product:
    """A line of an order or a cart; `price` is of one, before discounts."""

    name: str
    category: str
    sku: str
    quantity: int
    price: Decimal
    image: str | None


@dataclass(frozen=True, slots=True)
class Deal:
    """An order or an abandoned cart. `state` is completed or abandoned, `result` what became of it at Mailchimp.

    `detail` is Mailchimp's own words about it.
    """

    kind: str
    id: str
    state: str
    number: str
    link: str | None
    total: Decimal
    currency: str
    at: datetime | None
    store: str
    discount_codes: tuple[str, ...]
    discount: Decimal
    shipping_method: str
    cancelled: bool
    money: str
    goods: str
    result: str
    reason: str | None
    detail: str | None
    products: tuple[Product, ...]

    @property
    def pieces(self) -> int:
        """How many products in all."""
        return sum(product.quantity for product in self.products)


@dataclass(frozen=True, slots=True)
class Totals:
    """What they spent in one currency: revenue less refunds (S98)."""

    currency: str
    revenue: Decimal
    orders: int
    products: int
    first_at: datetime | None
    last_at: datetime | None

    @property
    def average(self) -> Decimal:
        """What an order was worth, to the currency's smallest coin."""
        return (self.revenue / self.orders).quantize(smallest(self.currency), ROUND_HALF_UP) if self.orders else ZERO


@dataclass(frozen=True, slots=True)
class Store:
    """A store the filter offers (S97); an account of ours is one store's, so there is one."""

    domain: str
    name: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One look at a person's purchases."""

    totals: tuple[Totals, ...]
    open_carts: int
    deals: tuple[Deal, ...]
    stores: tuple[Store, ...]
    next_cursor: int | None

    @property
    def is_empty(self) -> bool:
        """Whether they never bought anything, nor left a cart."""
        return not (self.totals or self.open_carts or self.deals)


def panel(
    database: Database,
    shop_id: int,
    person_id: int,
    *,
    state: str = "",
    store: str = "",
    cursor: int = 0,
    limit: int = PAGE,
) -> Panel | None:
    """A person's panel, filtered by state (S96) and by the store's domain (S97); None where they aren't the shop's."""
    with database.transaction() as tx:
        person, shop = people.get(tx, shop_id, person_id), shops.get(tx, shop_id)
        if person is None or shop is None:
            return None
        whose = Whose(normalise(person.email) if person.email else "", person.customer_id)
        here = Store(shop.domain, shop.name or shop.domain)
        found: list[Kept] = []
        if store in ("", here.domain):
            found = deals.page(tx, shop_id, whose, state=state, skip=cursor, limit=limit + 1)
        shown = _read(tx, shop_id, found[:limit], here.name)
        return Panel(
            totals=tuple(
                Totals(each.currency, each.revenue, each.orders, each.products, each.first_at, each.last_at)
                for each in deals.sums(tx, shop_id, whose)
            ),
            open_carts=deals.open_carts(tx, shop_id, whose),
            deals=tuple(shown),
            stores=(here,),
            next_cursor=cursor + limit if len(found) > limit else None,
        )


def orders_numbered(database: Database, shop_id: int, asked: str) -> list[str]:
    """The ids of the orders with this number, typed with or without its sign."""
    number = asked.strip()
    if not number or len(number) > 60:
        return []
    with database.transaction() as tx:
        found = deals.by_number(tx, shop_id, number)
        if not found and number[0].isdigit():
            found = deals.by_number(tx, shop_id, f"#{number}")
    return [each.id for each in found]


@dataclass(frozen=True, slots=True)
class Found:
    """An order, and whose it is where they are somebody we know."""

    deal: Deal
    person_id: int | None
    person: str


def order(database: Database, shop_id: int, order_id: str) -> Found | None:
    """This order of the shop, with its buyer."""
    with database.transaction() as tx:
        kept, shop = deals.order(tx, shop_id, order_id), shops.get(tx, shop_id)
        if kept is None or shop is None:
            return None
        buyer = people.by_customer(tx, shop_id, kept.customer_id) if kept.customer_id is not None else None
        if buyer is None and kept.key is not None:
            buyer = people.by_key(tx, shop_id, kept.key)
        (deal,) = _read(tx, shop_id, [kept], shop.name or shop.domain)
    return Found(deal, buyer.id if buyer else None, buyer.name if buyer else "")


def _read(tx: Connection, shop_id: int, found: list[Kept], store: str) -> list[Deal]:
    named = {str(line.get("id")) for each in found for line in each.shown.get("products", ()) if line.get("id")}
    known = deals.products(tx, shop_id, sorted(named))
    return [_deal(each, store, known) for each in found]


def _deal(kept: Kept, store: str, known: dict[str, dict[str, Any]]) -> Deal:
    shown = kept.shown
    return Deal(
        kind=kept.kind,
        id=kept.id,
        state="completed" if kept.kind == "order" else "abandoned",
        number=str(shown.get("number") or ""),
        link=shown.get("link"),
        total=Decimal(shown.get("total") or "0"),
        currency=str(shown.get("currency") or ""),
        at=kept.occurred_at,
        store=store,
        discount_codes=tuple(shown.get("codes") or ()),
        discount=Decimal(shown.get("discount") or "0"),
        shipping_method=str(shown.get("shipping") or ""),
        cancelled=bool(shown.get("cancelled")),
        money=str(shown.get("money") or ""),
        goods=str(shown.get("goods") or ""),
        result=kept.state,
        reason=kept.reason,
        detail=kept.detail,
        products=tuple(_product(line, known.get(str(line.get("id")), {})) for line in shown.get("products") or ()),
    )


def _product(line: dict[str, Any], known: dict[str, Any]) -> Product:
    return Product(
        name=str(line.get("name") or known.get("title") or ""),
        category=str(line.get("category") or known.get("category") or ""),
        sku=str(line.get("sku") or ""),
        quantity=int(line.get("quantity") or 0),
        price=Decimal(line.get("price") or "0"),
        image=line.get("image") or known.get("image"),
    )
