"""Shops: who has the app, with which token and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from shopchimp.db.models import Shop

_COLUMNS = (
    "id, domain, name, currency, timezone, installed_at, uninstalled_at, scopes, access_token, access_expires_at,"
    " refresh_token, refresh_expires_at, settings, storefront_url"
)


@dataclass(frozen=True, slots=True)
class ShopRow:
    """A shop as stored. Tokens are sealed; open them with the vault under `token_context`."""

    id: int
    domain: str
    name: str
    currency: str
    timezone: str
    installed_at: datetime
    uninstalled_at: datetime | None
    scopes: str
    access_token: bytes | None
    access_expires_at: datetime | None
    refresh_token: bytes | None
    refresh_expires_at: datetime | None
    settings: dict[str, Any]
    storefront_url: str = ""


def token_context(shop_id: int, kind: str) -> str:
    """What a sealed Shopify token is bound to; `kind` is "access" or "refresh"."""
    return f"shopify-token:{shop_id}:{kind}"


def get(tx: Connection, shop_id: int) -> ShopRow | None:
    """The shop with this id."""
    row = tx.execute(text(f"select {_COLUMNS} from shops where id = :id"), {"id": shop_id}).one_or_none()
    return ShopRow(**row._mapping) if row is not None else None


def by_domain(tx: Connection, domain: str) -> ShopRow | None:
    """The shop with this domain."""
    row = tx.execute(text(f"select {_COLUMNS} from shops where domain = :domain"), {"domain": domain}).one_or_none()
    return ShopRow(**row._mapping) if row is not None else None


def lock(tx: Connection, shop_id: int) -> ShopRow | None:
    """The shop, held until the transaction ends: for what may be decided by one request at a time."""
    query = text(f"select {_COLUMNS} from shops where id = :id for no key update")
    row = tx.execute(query, {"id": shop_id}).one_or_none()
    return ShopRow(**row._mapping) if row is not None else None


def ensure(tx: Connection, domain: str) -> int:
    """The id of the shop with this domain, made if it is new. A reinstall finds the row it left."""
    statement = insert(Shop).values(domain=domain)
    statement = statement.on_conflict_do_update(index_elements=["domain"], set_={"domain": domain})
    return int(tx.execute(statement.returning(Shop.id)).scalar_one())


@dataclass(frozen=True, slots=True)
class SealedTokens:
    """A token pair, sealed, as it goes into the shop's row."""

    access: bytes
    access_until: datetime | None
    refresh: bytes | None
    refresh_until: datetime | None
    scopes: str


_TOKENS = """
    access_token = :access, access_expires_at = :access_until, refresh_token = :refresh,
    refresh_expires_at = :refresh_until, scopes = :scopes, refreshing_until = null
"""


def store_tokens(tx: Connection, shop_id: int, tokens: SealedTokens) -> None:
    """Keep the token pair of an installation. The shop counts as installed from here on."""
    query = text(
        f"""
        update shops set {_TOKENS},
            installed_at = case when uninstalled_at is null then installed_at else now() end, uninstalled_at = null
        where id = :id
        """
    )
    tx.execute(query, {"id": shop_id, **asdict(tokens)})


def replace_tokens(tx: Connection, shop_id: int, tokens: SealedTokens, *, refreshed: bytes) -> bool:
    """Keep the pair that a refresh brought, where the refresh token used (sealed) is still the stored one.

    False after an uninstall or a new installation meanwhile: a late answer brings no shop back.
    """
    query = text(f"update shops set {_TOKENS} where id = :id and refresh_token = :refreshed")
    return tx.execute(query, {"id": shop_id, "refreshed": refreshed, **asdict(tokens)}).rowcount == 1


def forget_tokens(tx: Connection, shop_id: int) -> None:
    """Shopify takes these tokens no more: the next session token brings new ones. The shop stays installed."""
    query = text(
        """
        update shops set access_token = null, refresh_token = null, access_expires_at = null,
            refresh_expires_at = null, refreshing_until = null
        where id = :id
        """
    )
    tx.execute(query, {"id": shop_id})


def take_refresh(tx: Connection, shop_id: int, *, seconds: float) -> bool:
    """Take the per-shop right to refresh for some seconds; False when somebody else is at it."""
    query = text(
        """
        update shops set refreshing_until = now() + make_interval(secs => :seconds)
        where id = :id and (refreshing_until is null or refreshing_until < now())
        """
    )
    return tx.execute(query, {"id": shop_id, "seconds": seconds}).rowcount == 1


def end_refresh(tx: Connection, shop_id: int) -> None:
    """Give the right to refresh back after a failed try."""
    tx.execute(text("update shops set refreshing_until = null where id = :id"), {"id": shop_id})


def describe(
    tx: Connection, shop_id: int, *, name: str, currency: str, timezone: str, storefront_url: str = ""
) -> None:
    """Keep what the shop says about itself; without an address of its storefront the one known stays."""
    query = text(
        """
        update shops set name = :name, currency = :currency, timezone = :timezone,
            storefront_url = case when :url = '' then storefront_url else :url end
        where id = :id
        """
    )
    values = {"name": name, "currency": currency, "timezone": timezone, "url": storefront_url}
    tx.execute(query, {"id": shop_id, **values})


def keep_scopes(tx: Connection, shop_id: int, scopes: str) -> None:
    """What the merchant allows by now."""
    tx.execute(text("update shops set scopes = :scopes where id = :id"), {"id": shop_id, "scopes": scopes})


def save_settings(tx: Connection, shop_id: int, settings: Mapping[str, Any]) -> None:
    """Replace the shop's settings."""
    tx.execute(Shop.__table__.update().where(Shop.id == shop_id).values(settings=dict(settings)))  # type: ignore[attr-defined]


def mark_uninstalled(tx: Connection, shop_id: int) -> None:
    """Drop the tokens and remember when; everything else stays for a reinstall (S87, S90)."""
    query = text(
        """
        update shops set uninstalled_at = now(), access_token = null, refresh_token = null,
            access_expires_at = null, refresh_expires_at = null, refreshing_until = null
        where id = :id
        """
    )
    tx.execute(query, {"id": shop_id})
