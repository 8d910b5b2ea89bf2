"""How customer event syncing stands, in one word: on or off, whether the pixel is there, whether its events arrive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from shopchimp.db import connections, event_reads, pixel_states
from shopchimp.db.session import Database
from shopchimp.services import settings

QUIET = timedelta(days=1)  # without an event, before purchases make it a trouble
PURCHASES = 5  # checkouts in that time: fewer may all be by visitors who declined
INACTIVE = "pixel_inactive"


@dataclass(frozen=True, slots=True)
class PixelStatus:
    """`state`: off, setup (before the first sync's end), turning_on, waiting (for its first event), active, inactive
    (nothing arrives though the store sells) or failed (Shopify won't have it). `trouble` is in the catalogue of causes.

    `checkouts`: those that began since the last event, where that is why it is inactive.
    """

    on: bool
    state: str
    trouble: str | None
    detail: str
    activated_at: datetime | None
    checked_at: datetime | None
    last_event_at: datetime | None
    checkouts: int = 0


def status(database: Database, shop_id: int, *, now: datetime | None = None) -> PixelStatus:
    """From our own tables alone."""
    with database.transaction() as tx:
        return of(tx, shop_id, now=now)


def of(tx: Connection, shop_id: int, *, now: datetime | None = None) -> PixelStatus:
    """The same in a transaction."""
    on = settings.get(tx, shop_id).customer_events
    pixel, connection = pixel_states.get(tx, shop_id), connections.get(tx, shop_id)
    live = connection is not None and connection.live_since is not None
    found = PixelStatus(on, "turning_on", None, "", None, None, None)
    if pixel is not None:
        found = replace(
            found,
            activated_at=pixel.activated_at,
            checked_at=pixel.checked_at,
            last_event_at=pixel.last_event_at,
        )
    if not on or not live:
        return replace(found, state="setup" if on else "off")
    if pixel is None or pixel.pixel_id is None:
        trouble = (pixel.trouble if pixel else None) or {}
        if code := trouble.get("code"):
            return replace(found, state="failed", trouble=str(code), detail=str(trouble.get("detail") or ""))
        return found
    return _arriving(tx, shop_id, found, now or datetime.now(UTC))


def _arriving(tx: Connection, shop_id: int, found: PixelStatus, now: datetime) -> PixelStatus:
    """The pixel is there: do its events come? A store where nobody buys proves nothing."""
    heard = max(filter(None, (found.last_event_at, found.activated_at)), default=now)
    if now - heard > QUIET:
        checkouts = event_reads.checkouts_since(tx, shop_id, heard, at_most=1000)
        if checkouts >= PURCHASES:
            return replace(found, state="inactive", trouble=INACTIVE, checkouts=checkouts)
    first = found.last_event_at is None or (found.activated_at is not None and found.last_event_at < found.activated_at)
    return replace(found, state="waiting" if first else "active")
