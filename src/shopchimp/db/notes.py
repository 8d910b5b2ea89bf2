"""Notes in the activity log that are about no one person: the connection, the settings, a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from shopchimp.db.models import Activity


def add(
    tx: Connection,
    shop_id: int,
    *,
    kind: str,
    detail: Mapping[str, Any],
    run_id: UUID | None = None,
    cause: str | None = None,
) -> None:
    """Add such a line, in the transaction of what it tells about."""
    values = {"kind": kind, "direction": "none", "result": "info", "detail": dict(detail)}
    tx.execute(insert(Activity).values(shop_id=shop_id, run_id=run_id, cause=cause, **values))
