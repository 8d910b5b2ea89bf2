"""The two clients, opened for one shop: addresses, tokens and limits come together here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from shopchimp.db import connections, shops
from shopchimp.db.crypto import Vault
from shopchimp.db.session import Database
from shopchimp.domain.errors import Unauthorized
from shopchimp.mailchimp import MailchimpApp
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services import tokens
from shopchimp.shopify import ShopifyApp
from shopchimp.shopify.client import ShopifyClient


def utc_now() -> datetime:
    """The clock of the process; passed in wherever a decision depends on it."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Gateways:
    """What a service needs to reach the database and both platforms. Lives as long as the process."""

    database: Database
    vault: Vault
    http: httpx.Client
    shopify_app: ShopifyApp
    mailchimp_app: MailchimpApp
    download_hosts: frozenset[str]
    connections: int = 8
    clock: Callable[[], datetime] = utc_now

    def shopify(self, shop_id: int) -> ShopifyClient:
        """The Admin API of this shop, with a token that is refreshed ahead of its end."""
        with self.database.transaction() as tx:
            shop = shops.get(tx, shop_id)
        if shop is None or shop.uninstalled_at is not None:
            raise Unauthorized("shopify", "sh_access_revoked", "the app is not installed")
        source = tokens.TokenSource(self.database, self.vault, self.http, self.shopify_app, shop_id, clock=self.clock)
        return ShopifyClient(self.http, shop_url=self.shopify_app.shop_url(shop.domain), token=source)

    def mailchimp(self, shop_id: int) -> MailchimpClient:
        """The Marketing API of the account this shop is connected to."""
        with self.database.transaction() as tx:
            connection = connections.get(tx, shop_id)
        if connection is None:
            raise Unauthorized("mailchimp", "mc_access_revoked", "no Mailchimp account is connected")
        token = self.vault.open(connection.access_token, context=connections.token_context(shop_id)).decode()
        return MailchimpClient(self.http, api_root=connection.api_root, token=token)
