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
from shopchimp.domain.errors import RateLimited, Unauthorized, Unavailable
from shopchimp.shopify import ShopifyApp, oauth

AHEAD = timedelta(minutes=5)
AGAIN = timedelta(seconds=2)  # until the next look, while somebody else refreshes or Shopify doesn't answer
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

    def __call__(self, *, refused: str | None = None) -> str:
        """The token to send now; Unauthorized when only the merchant can bring a new one.

        `refused` is a token that Shopify just answered 401 to: then another one, stored meanwhile or refreshed now.
        """
        with self._lock:
            if refused is not None and refused == self._token:
                self._load(refused=refused)
            if self._token is None or (self._fresh_until is not None and self._clock() >= self._fresh_until):
                self._load()
            if self._token is None:
                raise Unauthorized("shopify", "sh_access_revoked", "no token")
            return self._token

    def _load(self, *, refused: str | None = None) -> None:
        shop = self._stored()
        if refused is not None and self._opened(shop) == refused:
            self._renew(shop)
            return
        if shop.access_expires_at is None:
            self._keep(shop, None)
            return
        # per-shop jitter, so that a thousand shops installed at once don't refresh at once
        early = AHEAD + timedelta(seconds=crc32(shop.domain.encode()) % 60)
        if self._clock() < shop.access_expires_at - early:
            self._keep(shop, shop.access_expires_at - early)
            return
        try:
            self._renew(shop)
        except (RateLimited, Unavailable):
            if self._clock() >= shop.access_expires_at:
                raise
            self._keep(shop, self._clock() + AGAIN)  # still good for some minutes

    def _renew(self, shop: shops.ShopRow) -> None:
        with self._database.transaction() as tx:
            ours = shops.take_refresh(tx, self._shop_id, seconds=LEASE_SECONDS)
        if not ours:
            raise RateLimited("shopify", "sh_slow_down", "the token is being refreshed", retry_after=1.0)
        self._refresh(shop)

    def _stored(self) -> shops.ShopRow:
        with self._database.transaction() as tx:
            shop = shops.get(tx, self._shop_id)
        if shop is None or shop.access_token is None:
            raise Unauthorized("shopify", "sh_access_revoked", "the app is not installed")
        return shop

    def _opened(self, shop: shops.ShopRow) -> str:
        if shop.access_token is None:
            raise Unauthorized("shopify", "sh_access_revoked", "no token")
        return self._vault.open(shop.access_token, context=shops.token_context(self._shop_id, "access")).decode()

    def _keep(self, shop: shops.ShopRow, fresh_until: datetime | None) -> None:
        self._token = self._opened(shop)
        self._fresh_until = fresh_until

    def _refresh(self, shop: shops.ShopRow) -> None:
        # read again: another process may have finished between our first look and our lease
        current = self._stored()
        if current.access_token == shop.access_token:
            try:
                self._exchange(current)
            except BaseException:
                with self._database.transaction() as tx:
                    shops.end_refresh(tx, self._shop_id)
                raise
        else:
            with self._database.transaction() as tx:
                shops.end_refresh(tx, self._shop_id)
        stored = self._stored()
        self._keep(stored, stored.access_expires_at and stored.access_expires_at - AHEAD)

    def _exchange(self, shop: shops.ShopRow) -> None:
        """Trade the refresh token for the next pair and commit it, before anything uses it."""
        if shop.refresh_token is None:
            raise Unauthorized("shopify", "sh_access_revoked", "no refresh token")
        spent = self._vault.open(shop.refresh_token, context=shops.token_context(self._shop_id, "refresh")).decode()
        fresh = oauth.refresh(self._http, self._app, shop.domain, refresh_token=spent, now=self._clock())
        with self._database.transaction() as tx:
            sealed = _sealed(self._vault, self._shop_id, fresh)
            shops.replace_tokens(tx, self._shop_id, sealed, refreshed=shop.refresh_token)


def store(database: Database, vault: Vault, shop_id: int, token: oauth.OfflineToken) -> None:
    """Seal a token pair to its row and commit it before anything uses it."""
    with database.transaction() as tx:
        shops.store_tokens(tx, shop_id, _sealed(vault, shop_id, token))


def _sealed(vault: Vault, shop_id: int, token: oauth.OfflineToken) -> shops.SealedTokens:
    refresh = token.refresh_token
    return shops.SealedTokens(
        access=vault.seal(token.access_token.encode(), context=shops.token_context(shop_id, "access")),
        access_until=token.expires_at,
        refresh=vault.seal(refresh.encode(), context=shops.token_context(shop_id, "refresh")) if refresh else None,
        refresh_until=token.refresh_expires_at,
        scopes=",".join(token.scopes),
    )
