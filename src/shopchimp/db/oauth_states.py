"""OAuth states: what proves that a callback ends a round trip this app began. Single use, ten minutes."""

from __future__ import annotations

from hashlib import sha256
from secrets import token_urlsafe

from sqlalchemy import Connection, text

MINUTES = 10


def digest(value: str) -> bytes:
    """What is stored of a secret."""
    return sha256(value.encode()).digest()


def begin(tx: Connection, *, kind: str, shop: str, browser: str | None = None) -> str:
    """Store the start of a round trip for a shop's domain and give back the state to send along."""
    state = token_urlsafe(32)
    query = text(
        """
        insert into oauth_states (digest, kind, shop, browser, expires_at)
        values (:digest, :kind, :shop, :browser, now() + make_interval(mins => :minutes))
        """
    )
    values = {"kind": kind, "shop": shop, "browser": digest(browser) if browser else None, "minutes": MINUTES}
    tx.execute(query, {"digest": digest(state), **values})
    tx.execute(text("delete from oauth_states where expires_at < now() - interval '1 day'"))
    return state


def end(tx: Connection, state: str, *, kind: str, browser: str | None = None) -> str | None:
    """Use a state up: the shop it was begun for, or None when it is unknown, used, too old or another browser's."""
    query = text(
        """
        delete from oauth_states where digest = :digest and kind = :kind
        returning shop, browser, expires_at > now() as live
        """
    )
    row = tx.execute(query, {"digest": digest(state), "kind": kind}).one_or_none()
    if row is None or not row.live:
        return None
    if row.browser is not None and row.browser != (digest(browser) if browser else None):
        return None
    return str(row.shop)
