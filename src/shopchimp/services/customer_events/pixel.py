"""The web pixel of a shop: made, mended or removed by a chore that looks once a day and at every switch (S40, S41).

Shopify runs the pixel only where the app made it with settings. A creation isn't idempotent, so each is look first,
create, look again where one is there already. Nobody waits for the removal: while customer event syncing is off, what
a pixel still sends is turned away at the door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from shopchimp.db import chores, pixel_states, pixels, shops
from shopchimp.db.crypto import VaultError
from shopchimp.db.session import Database
from shopchimp.domain.customer_events.pixel import pixel_settings
from shopchimp.domain.errors import PlatformError, Rejected, Unauthorized
from shopchimp.services import settings
from shopchimp.services.customer_events import PIXEL
from shopchimp.services.gateways import Gateways
from shopchimp.services.starting import StartRefused
from shopchimp.shopify import pixels as shopify
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.pixels import WebPixel

log = structlog.get_logger()

CHORE = PIXEL
PATH = "/pixel/v1/events"
EVERY = 86_400.0  # seconds between two looks
AGAIN = 300.0  # after it was made or removed, to see that it stayed so
REFUSED = 3_600.0  # after Shopify's no: somebody may have mended it
ROUNDS = 3  # in which the merchant may use the switch while we are at it
ACTIVE, OFF, FAILED = "active", "off", "failed"
NO_SCOPE = "sh_scope_missing"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the merchant wants now: a pixel with these settings, or none."""

    settings: Mapping[str, str] | None
    missing: tuple[str, ...]
    sent: bool  # Shopify took these settings before


@dataclass(frozen=True, slots=True)
class _Found:
    """The pixel that is there now, or why it isn't; `changed` by us."""

    pixel: WebPixel | None
    changed: bool
    trouble: dict[str, str] | None = None


def chore(gateways: Gateways, shop_id: int, _chore: object = None) -> float:
    """Bring Shopify to what the merchant wants. Gives back the seconds until the next look."""
    for _ in range(ROUNDS):
        with gateways.database.transaction() as tx:
            shops.lock(tx, shop_id)  # as the switch does
            wanted = _wanted(gateways, tx, shop_id)
        found = _bring(gateways, shop_id, wanted)
        with gateways.database.transaction() as tx:
            shops.lock(tx, shop_id)
            if _wanted(gateways, tx, shop_id) != wanted:
                continue  # the switch was used meanwhile
            _record(tx, shop_id, wanted, found)
        if found.trouble is not None:
            log.warning("pixel_refused", code=found.trouble["code"])
            return REFUSED
        return AGAIN if found.changed else EVERY
    return AGAIN


def turn_on_again(database: Database, shop_id: int) -> None:
    """The merchant sees no events arrive: give Shopify the settings once more, whatever it has.

    Raises StartRefused before the shop is live.
    """
    with database.transaction() as tx:
        shops.lock(tx, shop_id)
        pixel_states.distrust(tx, shop_id)
        if not chores.again(tx, shop_id, CHORE):
            raise StartRefused("not_live", "The pixel is put into your store when the first sync is complete.")


def remove(gateways: Gateways, shop_id: int) -> bool:
    """The shop is disconnected: no pixel, as far as Shopify still takes our word. Gives back whether one was removed.

    One that is left behind ends with the app, and what it sends until then is turned away.
    """
    with gateways.database.transaction() as tx:
        if (state := pixel_states.get(tx, shop_id)) is None:
            return False
        pixels.set_enabled(tx, shop_id, enabled=False)
    removed = False
    if state.pixel_id is not None:
        try:
            client = gateways.shopify(shop_id)
            if (there := shopify.look(client)) is not None:
                shopify.delete(client, there.id)
                removed = True
        except (PlatformError, VaultError) as error:  # a token that can't be opened any more must not keep the shop
            log.warning("pixel_left_behind", error=type(error).__name__)
    with gateways.database.transaction() as tx:
        pixel_states.gone(tx, shop_id, state=OFF)
    return removed


def _wanted(gateways: Gateways, tx: Connection, shop_id: int) -> _Wanted:
    """By the setting; the door follows it too, if it had been shut by a disconnect. Under the shop's lock."""
    wanted = settings.get(tx, shop_id).customer_events
    account, state = pixels.ensure(tx, shop_id), pixel_states.get(tx, shop_id)
    if state is None or state.enabled != wanted:
        pixels.set_enabled(tx, shop_id, enabled=wanted)
    if not wanted:
        return _Wanted(None, (), sent=False)
    shop = shops.get(tx, shop_id)
    endpoint = gateways.shopify_app.app_url + PATH
    sent = state is not None and state.pixel_id is not None and state.endpoint == endpoint
    return _Wanted(pixel_settings(account, endpoint), shopify.missing(shop.scopes if shop else ""), sent)


def _bring(gateways: Gateways, shop_id: int, wanted: _Wanted) -> _Found:
    """Look, and do what is missing. What can't be done is a finding: only this part of the app stands still for it."""
    if wanted.missing:
        return _Found(None, changed=False, trouble={"code": NO_SCOPE, "detail": ", ".join(wanted.missing)})
    try:
        client = gateways.shopify(shop_id)
        if wanted.settings is None:
            return _removed(client)
        return _made(client, wanted.settings, sent=wanted.sent)
    except Rejected as error:
        return _Found(None, changed=False, trouble={"code": error.code, "detail": error.detail[:500]})
    except Unauthorized as error:
        if error.code != NO_SCOPE:
            raise
        # permissions change without a word, and the token is good for everything else
        if wanted.settings is None:
            return _Found(None, changed=False)
        return _Found(None, changed=False, trouble={"code": NO_SCOPE, "detail": error.detail[:500]})


def _made(client: ShopifyClient, wished: Mapping[str, str], *, sent: bool) -> _Found:
    there = shopify.look(client)
    if there is None:
        made = shopify.create(client, wished)
        if made is not None:
            return _Found(made, changed=True)
        there = shopify.look(client)  # somebody was faster
    elif sent and there.settings == wished:
        return _Found(there, changed=False)
    updated = shopify.update(client, there.id, wished) if there is not None else None
    if updated is None:
        raise Rejected("shopify", "pixel_refused", "it comes and goes")
    return _Found(updated, changed=True)


def _removed(client: ShopifyClient) -> _Found:
    there = shopify.look(client)
    if there is None:
        return _Found(None, changed=False)
    shopify.delete(client, there.id)
    return _Found(None, changed=True)


def _record(tx: Connection, shop_id: int, wanted: _Wanted, found: _Found) -> None:
    if found.pixel is not None and wanted.settings is not None:
        pixel_states.found(
            tx, shop_id, pixel_id=found.pixel.id, endpoint=wanted.settings["endpoint"], made=found.changed
        )
    else:
        state = OFF if wanted.settings is None else FAILED
        pixel_states.gone(tx, shop_id, state=state, trouble=found.trouble)
