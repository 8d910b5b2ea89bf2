"""API keys an operator made: only a SHA-256 of each is stored, and it leads to exactly one shop."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The shop an API key speaks for, and the key's label."""

    shop_id: int
    domain: str
    label: str


def holder(tx: Connection, key: str) -> KeyHolder | None:
    """Whose key this is, while the shop has the app. A random 32-byte key needs no slow hash."""
    query = text(
        """
        select k.shop_id, s.domain, k.label from api_keys k join shops s on s.id = k.shop_id
        where k.digest = :digest and s.uninstalled_at is null
        """
    )
    row = tx.execute(query, {"digest": hashlib.sha256(key.encode()).digest()}).one_or_none()
    return KeyHolder(**row._mapping) if row is not None else None
