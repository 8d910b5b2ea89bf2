"""Installing the app in a shop, by either of Shopify's two ways, and what happens when it leaves.

Managed install: Shopify opens the app with a session token and we exchange it for an offline token. Authorization
code grant: the second way, for a standalone app. Both end in the same row and the same token store, and a reinstall
takes the same path as the first install (https://shopify.dev/docs/apps/build/authentication-authorization).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from shopchimp.db import notes, oauth_states, shops
from shopchimp.domain.errors import PlatformError, Unauthorized
from shopchimp.services import going_live, sync_runs, tokens
from shopchimp.services.commerce import leaving
from shopchimp.services.gateways import Gateways
from shopchimp.shopify import documents, oauth, session_tokens
from shopchimp.shopify.domains import shop_domain

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ShopSession:
    """A request's proof of which shop it speaks for, and which of its staff."""

    shop_id: int
    domain: str
    user: str


def from_session_token(gateways: Gateways, token: str) -> ShopSession:
    """The shop a session token speaks for. A shop that isn't installed (any more) is installed by this very token.

    Raises InvalidSessionToken, or what the token exchange raised.
    """
    session = session_tokens.verify(token, gateways.shopify_app, gateways.clock())
    with gateways.database.transaction() as tx:
        shop = shops.by_domain(tx, session.shop)
    if shop is None or shop.access_token is None or _is_dead(gateways, shop):
        now = gateways.clock()
        offline = oauth.exchange(gateways.http, gateways.shopify_app, session.shop, token, now=now)
        return ShopSession(complete(gateways, session.shop, offline), session.shop, session.user_id)
    return ShopSession(shop.id, shop.domain, session.user_id)


def _is_dead(gateways: Gateways, shop: shops.ShopRow) -> bool:
    """Whether the refresh token has ended too, so that only a new exchange helps."""
    return shop.refresh_expires_at is not None and shop.refresh_expires_at <= gateways.clock()


def standalone(gateways: Gateways, domain: str) -> ShopSession:
    """The shop of a standalone process on this machine; it must have been installed."""
    with gateways.database.transaction() as tx:
        shop = shops.by_domain(tx, domain)
    if shop is None or shop.uninstalled_at is not None:
        raise Unauthorized("shopify", "sh_access_revoked", "the standalone shop is not installed yet")
    return ShopSession(shop.id, shop.domain, "this machine")


def begin_code_grant(gateways: Gateways, shop: str, *, browser: str, more_scopes: Sequence[str] = ()) -> str:
    """Where to send the browser so that the merchant grants access; `browser` is the secret in its cookie."""
    domain = shop_domain(shop)
    with gateways.database.transaction() as tx:
        state = oauth_states.begin(tx, kind="shopify", shop=domain, browser=browser)
    return oauth.authorize_url(gateways.shopify_app, domain, state, more_scopes=more_scopes)


def finish_code_grant(gateways: Gateways, *, shop: str, code: str, state: str, browser: str | None) -> int | None:
    """Redeem the code of a callback whose signature was checked. None when the state isn't ours, or not this shop's."""
    domain = shop_domain(shop)
    with gateways.database.transaction() as tx:
        begun_for = oauth_states.end(tx, state, kind="shopify", browser=browser)
    if begun_for != domain:
        return None
    offline = oauth.redeem_code(gateways.http, gateways.shopify_app, domain, code, now=gateways.clock())
    return complete(gateways, domain, offline)


def complete(gateways: Gateways, domain: str, token: oauth.OfflineToken) -> int:
    """The one end of both ways: store the token, learn the shop's name, say so in the log."""
    with gateways.database.transaction() as tx:
        shop_id = shops.ensure(tx, domain)
    tokens.store(gateways.database, gateways.vault, shop_id, token)
    _learn(gateways, shop_id)
    sync_runs.wake_waiting(gateways.database, shop_id)
    with gateways.database.transaction() as tx:
        detail = {"installed": True, "missing_scopes": list(_missing(gateways, token))}
        notes.add(tx, shop_id, kind="connection", detail=detail)
    log.info("installed", shop=domain)
    return shop_id


def _missing(gateways: Gateways, token: oauth.OfflineToken) -> tuple[str, ...]:
    return oauth.missing_scopes(gateways.shopify_app.scopes, token.scopes)


def _learn(gateways: Gateways, shop_id: int) -> None:
    """The shop's name, currency and time zone. Not having them hinders nothing, so a failure is only logged."""
    try:
        data = gateways.shopify(shop_id).execute(documents.SHOP_INFO, "ShopInfo")
    except PlatformError as error:
        log.warning("shop_info_failed", code=error.code)
        return
    info = data.get("shop") or {}
    with gateways.database.transaction() as tx:
        shops.describe(
            tx,
            shop_id,
            name=str(info.get("name") or ""),
            currency=str(info.get("currencyCode") or ""),
            timezone=str(info.get("ianaTimezone") or "UTC"),
        )


def uninstalled(gateways: Gateways, shop_id: int) -> None:
    """The app left the shop: sync stops and the tokens go; contacts, customers and our log stay (S85, S87, S88).

    The store's data stays at Mailchimp too, as nobody could be asked (S86); its automations aren't held any more.
    """
    with gateways.database.transaction() as tx:
        shops.lock(tx, shop_id)
        shops.mark_uninstalled(tx, shop_id)
        sync_runs.stop_all(tx, shop_id)
        going_live.close_lanes(tx, shop_id)
        notes.add(tx, shop_id, kind="connection", detail={"installed": False})
    leaving.let_go(gateways, shop_id)
