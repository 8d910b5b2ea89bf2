"""Backfills: people are marked in their own slow lane, a thousand at a time; live sync looks at each as always.

After a first sync it gives contacts that were there their customers' tags; after a change of the field map or of the
settings for tags (services.settings starts it) it looks at everybody. So a backfill knows no rule of its own: who is
marked once too often costs one look, which finds nothing to do.
"""

from __future__ import annotations

from sqlalchemy import Connection

from shopchimp.db import backfills, chores, marking, shops
from shopchimp.db.chores import Chore
from shopchimp.db.marking import Mark
from shopchimp.services import settings
from shopchimp.services.gateways import Gateways

PART = 1000
DONE = 365 * 86_400.0  # a backfill that is done waits for its next start
LANE = "backfill"


def start_tags(tx: Connection, shop_id: int, *, everybody: bool = False) -> None:
    """Give contacts that are there already the tags of their customers: after a first sync, or a change of settings."""
    backfills.restart(tx, shop_id, backfills.TAGS, cursor={"everybody": everybody})


def start_sms(tx: Connection, shop_id: int) -> None:
    """Carry the consent to texts that the start date takes in (S33), and all opt-outs."""
    backfills.restart(tx, shop_id, backfills.SMS, cursor={})


def tags(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """A part of the chore `tags_backfill`."""
    after, everybody = str(chore.cursor.get("after") or ""), bool(chore.cursor.get("everybody"))
    with gateways.database.transaction() as tx:
        keys = backfills.keys_for_tags(tx, shop_id, after=after, limit=PART, everybody=everybody)
        return _mark(tx, shop_id, chore, keys)


def sms(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """A part of the chore `sms_backfill`. Nobody is marked once SMS sync is off."""
    with gateways.database.transaction() as tx:
        shop = shops.get(tx, shop_id)
        start = settings.get(tx, shop_id).sms.start(shop.timezone if shop else "UTC")
        if start is None:
            return DONE
        after = str(chore.cursor.get("after") or "")
        keys = backfills.keys_for_sms(tx, shop_id, after=after, limit=PART, start=start)
        return _mark(tx, shop_id, chore, keys)


def _mark(tx: Connection, shop_id: int, chore: Chore, keys: list[str]) -> float:
    marking.mark(tx, shop_id, [Mark(key, "backfill", lane=LANE) for key in keys])
    if keys:
        chore.cursor = {**chore.cursor, "after": keys[-1], "marked": int(chore.cursor.get("marked") or 0) + len(keys)}
        chores.save(tx, chore)
    return 0.0 if len(keys) == PART else DONE
