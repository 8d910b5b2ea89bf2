"""Connections: the Mailchimp account of a shop and the audience it is synced with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Tx
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from shopchimp.db.models import Connection
from shopchimp.db.session import dumps

_COLUMNS = (
    "shop_id, account_id, login_id, account_name, role, api_root, access_token, connected_at, state, state_since,"
    " audience_id, audience_name, double_optin, live_since, contacts,"
    " fitting, store_id, store_syncing, commerce_since"
)


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection as stored. `state` is connected, revoked (token dead) or gone (audience deleted).

    `live_since` is when live sync opened; None while there was no complete first sync with this audience. `contacts`
    is the audience's size when it was last counted. `store_id` is our store at Mailchimp, `store_syncing` whether its
    automations are held there; `commerce_since` is when the lane of orders and products opened.
    """

    shop_id: int
    account_id: str
    login_id: str
    account_name: str
    role: str
    api_root: str
    access_token: bytes
    connected_at: datetime
    state: str
    state_since: datetime
    audience_id: str | None
    audience_name: str | None
    double_optin: bool
    live_since: datetime | None
    contacts: int
    fitting: list[str] | None
    store_id: str | None = None
    store_syncing: bool = False
    commerce_since: datetime | None = None


def token_context(shop_id: int) -> str:
    """What the sealed Mailchimp token is bound to."""
    return f"mailchimp-token:{shop_id}"


def get(tx: Tx, shop_id: int) -> ConnectionRow | None:
    """The shop's connection, if it has one."""
    query = text(f"select {_COLUMNS} from connections where shop_id = :shop")
    row = tx.execute(query, {"shop": shop_id}).one_or_none()
    return ConnectionRow(**row._mapping) if row is not None else None


def connect(
    tx: Tx,
    shop_id: int,
    *,
    account_id: str,
    login_id: str,
    account_name: str,
    role: str,
    api_root: str,
    access_token: bytes,
) -> None:
    """Store the connected account. The audience stays chosen when it is the same account again."""
    values = {
        "account_id": account_id,
        "login_id": login_id,
        "account_name": account_name,
        "role": role,
        "api_root": api_root,
        "access_token": access_token,
    }
    again = {**values, "state": "connected", "state_since": text("now()"), "connected_at": text("now()")}
    statement = insert(Connection).values(shop_id=shop_id, **values)
    kept = {
        name: text(f"case when connections.account_id = excluded.account_id then connections.{name} end")
        for name in ("audience_id", "audience_name", "store_id")
    }
    kept["store_syncing"] = text("connections.store_syncing and connections.account_id = excluded.account_id")
    tx.execute(statement.on_conflict_do_update(index_elements=["shop_id"], set_={**again, **kept}))


def choose_audience(tx: Tx, shop_id: int, *, audience_id: str, name: str, double_optin: bool) -> None:
    """Set the audience the shop is synced with."""
    query = text(
        """
        update connections set audience_id = :audience, audience_name = :name, double_optin = :double,
            state = 'connected', state_since = now(),
            store_id = case when audience_id = :audience then store_id end,
            store_syncing = store_syncing and audience_id is not distinct from :audience
        where shop_id = :shop
        """
    )
    tx.execute(query, {"shop": shop_id, "audience": audience_id, "name": name, "double": double_optin})


def set_state(tx: Tx, shop_id: int, state: str) -> None:
    """Note that the connection stopped working (revoked, gone) or works again (connected)."""
    query = text("update connections set state = :state, state_since = now() where shop_id = :shop and state <> :state")
    tx.execute(query, {"shop": shop_id, "state": state})


def go_live(tx: Tx, shop_id: int, *, contacts: int) -> None:
    """The first sync is complete: live sync works from now on."""
    query = text(
        "update connections set live_since = coalesce(live_since, now()), contacts = :contacts where shop_id = :shop"
    )
    tx.execute(query, {"shop": shop_id, "contacts": contacts})


def stop_live(tx: Tx, shop_id: int) -> None:
    """Live sync ends: another audience, another account, or the app left. The store at Mailchimp stays known."""
    query = text("update connections set live_since = null, commerce_since = null where shop_id = :shop")
    tx.execute(query, {"shop": shop_id})


def set_store(tx: Tx, shop_id: int, store_id: str | None, *, syncing: bool) -> None:
    """Our store at Mailchimp, and whether its automations are held there; None where it was deleted."""
    query = text("update connections set store_id = :store, store_syncing = :syncing where shop_id = :shop")
    tx.execute(query, {"shop": shop_id, "store": store_id, "syncing": syncing and store_id is not None})


def open_commerce(tx: Tx, shop_id: int) -> None:
    """The store's history is written: orders and products are live from now on. Not where live sync has ended."""
    query = text(
        """
        update connections set commerce_since = coalesce(commerce_since, now())
        where shop_id = :shop and live_since is not null
        """
    )
    tx.execute(query, {"shop": shop_id})


def describe_audience(
    tx: Tx, shop_id: int, *, name: str, double_optin: bool, contacts: int, fitting: list[str]
) -> None:
    """What the audience says of itself by now: it may have been renamed, grown, or made double opt-in."""
    query = text(
        """
        update connections set audience_name = :name, double_optin = :double, contacts = :contacts,
            fitting = cast(:fitting as jsonb)
        where shop_id = :shop
        """
    )
    values = {"name": name, "double": double_optin, "contacts": contacts, "fitting": dumps(fitting)}
    tx.execute(query, {"shop": shop_id, **values})


def remove(tx: Tx, shop_id: int) -> None:
    """Forget the account, its token and the audience."""
    tx.execute(text("delete from connections where shop_id = :shop"), {"shop": shop_id})
