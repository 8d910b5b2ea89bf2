"""The shop and its Mailchimp account, who may speak for it, and the processes that work for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shopchimp.db.models.base import Base, JsonObject


class Shop(Base):
    """A Shopify store that has (or had) the app, with its settings and its offline token, sealed."""

    __tablename__ = "shops"

    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(server_default="")
    currency: Mapped[str] = mapped_column(server_default="")
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    installed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    uninstalled_at: Mapped[datetime | None]
    scopes: Mapped[str] = mapped_column(server_default="")
    access_token: Mapped[bytes | None]
    access_expires_at: Mapped[datetime | None]
    refresh_token: Mapped[bytes | None]
    refresh_expires_at: Mapped[datetime | None]
    refreshing_until: Mapped[datetime | None]
    settings: Mapped[JsonObject] = mapped_column(server_default=text("'{}'::jsonb"))
    storefront_url: Mapped[str] = mapped_column(server_default="")  # the address buyers see


class Connection(Base):
    """A shop's Mailchimp account and the audience it is synced with. At most one a shop."""

    __tablename__ = "connections"

    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str]
    login_id: Mapped[str]
    account_name: Mapped[str]
    role: Mapped[str]
    api_root: Mapped[str]
    access_token: Mapped[bytes]
    connected_at: Mapped[datetime] = mapped_column(server_default=func.now())
    state: Mapped[str] = mapped_column(server_default="connected")
    state_since: Mapped[datetime] = mapped_column(server_default=func.now())
    audience_id: Mapped[str | None]
    audience_name: Mapped[str | None]
    double_optin: Mapped[bool] = mapped_column(server_default=text("false"))
    # live sync: since when it runs (the first sync's end), and how many contacts the audience has (circuit breaker)
    live_since: Mapped[datetime | None]
    contacts: Mapped[int] = mapped_column(server_default=text("0"))
    # merge tags of the field map that the audience has with a type that fits; null: not looked at yet
    fitting: Mapped[list[str] | None] = mapped_column(JSONB)
    # commerce: the store at Mailchimp, whether its automations are held (is_syncing), since when orders are live
    store_id: Mapped[str | None]
    store_syncing: Mapped[bool] = mapped_column(server_default=text("false"))
    commerce_since: Mapped[datetime | None]


class OAuthState(Base):
    """One start of an OAuth round trip: single use, ten minutes, bound to the shop (and the browser)."""

    __tablename__ = "oauth_states"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    kind: Mapped[str]
    shop: Mapped[str]
    browser: Mapped[bytes | None]
    expires_at: Mapped[datetime]


class ApiKey(Base):
    """A key an operator made for one shop's scripts; only its SHA-256 is kept."""

    __tablename__ = "api_keys"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id", ondelete="CASCADE"))
    label: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Worker(Base):
    """A worker process that is alive, for the watchdog and `shopchimp doctor`."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_pick_at: Mapped[datetime | None]
    pid: Mapped[int]
    kind: Mapped[str]
