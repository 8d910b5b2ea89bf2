"""How a shop's web pixel stands at Shopify, as the last look found it. Its public id and the door: `pixels`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class PixelState:
    """A shop's pixel. `pixel_id` None: not there. `trouble`: why Shopify doesn't have it, by code and its words.

    `activated_at` is when it was made there last, `checked_at` when it was last looked for.
    """

    account_id: str
    enabled: bool
    pixel_id: str | None
    endpoint: str | None
    state: str
    trouble: dict[str, Any] | None
    activated_at: datetime | None
    checked_at: datetime | None
    last_event_at: datetime | None


_COLUMNS = ", ".join(field.name for field in fields(PixelState))


def get(tx: Connection, shop_id: int) -> PixelState | None:
    """The shop's pixel, or None before the shop first went live."""
    row = tx.execute(text(f"select {_COLUMNS} from pixels where shop_id = :shop"), {"shop": shop_id}).one_or_none()
    return PixelState(**row._mapping) if row is not None else None


def found(tx: Connection, shop_id: int, *, pixel_id: str, endpoint: str, made: bool) -> None:
    """It is there with the settings we want. `made`: it wasn't, until now."""
    query = text(
        """
        update pixels set state = 'active', pixel_id = :pixel, endpoint = :endpoint, trouble = null, checked_at = now(),
            activated_at = case when :made or activated_at is null then now() else activated_at end
        where shop_id = :shop
        """
    )
    tx.execute(query, {"shop": shop_id, "pixel": pixel_id, "endpoint": endpoint, "made": made})


def gone(tx: Connection, shop_id: int, *, state: str, trouble: Mapping[str, str] | None = None) -> None:
    """It isn't there: switched off, or Shopify won't have it."""
    query = text(
        """
        update pixels set state = :state, pixel_id = null, activated_at = null, checked_at = now(),
            trouble = cast(:trouble as jsonb)
        where shop_id = :shop
        """
    )
    words = None if trouble is None else orjson.dumps(dict(trouble)).decode()
    tx.execute(query, {"shop": shop_id, "state": state, "trouble": words})


def distrust(tx: Connection, shop_id: int) -> None:
    """Whatever Shopify was given: give it once more."""
    tx.execute(text("update pixels set endpoint = null where shop_id = :shop"), {"shop": shop_id})
