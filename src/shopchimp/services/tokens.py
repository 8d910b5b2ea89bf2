"""A fresh Shopify token before each call: refreshed ahead of its end, by one process at a time.

Offline tokens live an hour and their refresh token rotates with them
(https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens). The right to
refresh is a short lease on the shop's row rather than a lock held over the call, since no HTTP call happens inside a
transaction. If the answer is lost the old refresh token still works, so trying again is safe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from zlib import crc32

import httpx

from shopchimp.db import shops
from shopchimp.db.crypto import Vault
from shopchimp.db.session import Database
from shopchimp.domain.errors import RateLimited, Unauthorized
from shopchimp.shopify import ShopifyApp, oauth

AHEAD = timedelta(minutes=5)
LEASE_SECONDS = 30.0


class TokenSource:
    """Gives the shop's access token; call it before each request. Cheap while the token is fresh."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        http: httpx.Client,
        app: ShopifyApp,
        shop_id: int,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._vault = vault
        self._http = http
        self._app = app
        self._shop_id = shop_id
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._fresh_until: datetime | None = None

    def __call__(self) -> str:
        """The token to send now; Unauthorized when only the merchant can bring a new one."""
        with self._lock:
            if self._token is None or (self._fresh_until is not None and self._clock() >= self._fresh_until):
                self._load()
            if self._token is None:
                raise Unauthorized("shopify", "sh_access_revoked", "no token")
            return self._token

    def _load(self) -> None:
        shop = self._stored()
        if shop.access_expires_at is None:
            self._keep(shop, None)
            return
        # per-shop jitter, so that a thousand shops installed at once don't refresh at once
        early = AHEAD + timedelta(seconds=crc32(shop.domain.encode()) % 60)
        if self._clock() < shop.access_expires_at - early:
            self._keep(shop, shop.access_expires_at - early)
            return
        with self._database.transaction() as tx:
            ours = shops.take_refresh(tx, self._shop_id, seconds=LEASE_SECONDS)
        if ours:
            self._refresh(shop)
        elif self._clock() < shop.access_expires_at:
            self._keep(shop, self._clock() + timedelta(seconds=2))  # still good; somebody else is refreshing it
        else:
            raise RateLimited("shopify", "sh_slow_down", "the token is being refreshed", retry_after=1.0)

    def _stored(self) -> shops.ShopRow:
        with self._database.transaction() as tx:
            shop = shops.get(tx, self._shop_id)
        if shop is None or shop.access_token is None:
            raise Unauthorized("shopify", "sh_access_revoked", "the app is not installed")
        return shop

    def _keep(self, shop: shops.ShopRow, fresh_until: datetime | None) -> None:
        if shop.access_token is None:
            raise Unauthorized("shopify", "sh_access_revoked", "no token")
        context = shops.token_context(self._shop_id, "access")
        self._token = self._vault.open(shop.access_token, context=context).decode()
        self._fresh_until = fresh_until

    def _refresh(self, shop: shops.ShopRow) -> None:
        # read again: another process may have finished between our first look and our lease
        current = self._stored()
        if current.access_token == shop.access_token:
            if current.refresh_token is None:
                raise Unauthorized("shopify", "sh_access_revoked", "no refresh token")
            context = shops.token_context(self._shop_id, "refresh")
            refresh_token = self._vault.open(current.refresh_token, context=context).decode()
            try:
                fresh = oauth.refresh(
                    self._http, self._app, current.domain, refresh_token=refresh_token, now=self._clock()
                )
            except BaseException:
                with self._database.transaction() as tx:
                    shops.end_refresh(tx, self._shop_id)
                raise
            store(self._database, self._vault, self._shop_id, fresh)
        else:
            with self._database.transaction() as tx:
                shops.end_refresh(tx, self._shop_id)
        stored = self._stored()
        self._keep(stored, stored.access_expires_at and stored.access_expires_at - AHEAD)


def store(database: Database, vault: Vault, shop_id: int, token: oauth.OfflineToken) -> None:
    """Seal a token pair to its row and commit it before anything uses it."""
    refresh = token.refresh_token
    with database.transaction() as tx:
        shops.store_tokens(
            tx,
            shop_id,
            access=vault.seal(token.access_token.encode(), context=shops.token_context(shop_id, "access")),
            access_expires_at=token.expires_at,
            refresh=vault.seal(refresh.encode(), context=shops.token_context(shop_id, "refresh")) if refresh else None,
            refresh_expires_at=token.refresh_expires_at,
            scopes=",".join(token.scopes),
        )
