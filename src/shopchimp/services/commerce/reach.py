"""How much of a store we may read: orders, products, discounts, and whether orders older than 60 days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shopchimp.db import shops
from shopchimp.db.session import Database
from shopchimp.domain.commerce.phases import HISTORY_DAYS
from shopchimp.services.gateways import Gateways
from shopchimp.shopify import commerce, documents, oauth

ALL_ORDERS: Final = "read_all_orders"


@dataclass(frozen=True, slots=True)
class Reach:
    """What the merchant has allowed. `history` is none, 60_days or all."""

    products: bool
    orders: bool
    discounts: bool
    history: str

    @property
    def store(self) -> bool:
        """Whether there is anything for a store at Mailchimp."""
        return self.products or self.orders or self.discounts

    @property
    def days(self) -> int:
        """How far back Shopify shows orders without the optional permission."""
        return HISTORY_DAYS


def of_shop(database: Database, shop_id: int) -> Reach:
    """By the permissions granted, as far as we were told."""
    with database.transaction() as tx:
        shop = shops.get(tx, shop_id)
    scopes = shop.scopes if shop else ""
    kinds = commerce.readable(scopes)
    history = ("all" if commerce.sees_all_orders(scopes) else "60_days") if "orders" in kinds else "none"
    return Reach("products" in kinds, "orders" in kinds, "promo_codes" in kinds, history)


def allow_url(gateways: Gateways, domain: str) -> str:
    """Where the merchant's browser goes to allow orders of any age: the optional permission, asked for by itself."""
    return oauth.optional_scopes_url(gateways.shopify_app, domain, [ALL_ORDERS])


def look_again(gateways: Gateways, shop_id: int) -> Reach:
    """Ask Shopify what is allowed by now: permissions come and go without a new token."""
    data = gateways.shopify(shop_id).execute(documents.SHOP_INFO, "ShopInfo")
    granted = ((data.get("currentAppInstallation") or {}).get("accessScopes")) or ()
    handles = [str(each["handle"]) for each in granted if each.get("handle")]
    if handles:
        with gateways.database.transaction() as tx:
            shops.keep_scopes(tx, shop_id, ",".join(handles))
    return of_shop(gateways.database, shop_id)
