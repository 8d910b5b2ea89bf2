"""Connecting a shop to its Mailchimp account, choosing the audience, and disconnecting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection

from shopchimp.db import connections, looks, notes, oauth_states, run_tables, shops
from shopchimp.db.session import Database
from shopchimp.mailchimp import audiences, oauth
from shopchimp.mailchimp.audiences import Audience
from shopchimp.services import going_live, hooks, sync_runs
from shopchimp.services.commerce import leaving
from shopchimp.services.commerce.leaving import Left
from shopchimp.services.customer_events import pixel
from shopchimp.services.gateways import Gateways

log = structlog.get_logger()
ROLES_THAT_MAY = frozenset({"owner", "admin", "manager", ""})  # an empty role: the account did not say


class ConnectRefused(Exception):
    """The connection or the choice can't be made; `code` is in the catalogue of causes or says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """What the merchant sees of the connection. `state`: connected, revoked, gone."""

    account_name: str
    login_id: str
    role: str
    state: str
    state_since: datetime
    connected_at: datetime
    audience_id: str | None
    audience_name: str | None
    double_optin: bool
    store_id: str | None = None


def status(database: Database, shop_id: int) -> ConnectionStatus | None:
    """The shop's connection, or None when no account is connected."""
    with database.transaction() as tx:
        row = connections.get(tx, shop_id)
    if row is None:
        return None
    return ConnectionStatus(
        account_name=row.account_name,
        login_id=row.login_id,
        role=row.role,
        state=row.state,
        state_since=row.state_since,
        connected_at=row.connected_at,
        audience_id=row.audience_id,
        audience_name=row.audience_name,
        double_optin=row.double_optin,
        store_id=row.store_id,
    )


def begin(gateways: Gateways, shop_id: int) -> str:
    """Where to send the merchant's browser to log in to Mailchimp and authorise access."""
    with gateways.database.transaction() as tx:
        shop = shops.get(tx, shop_id)
        if shop is None:
            raise ConnectRefused("sh_access_revoked", "This shop is not installed.")
        state = oauth_states.begin(tx, kind="mailchimp", shop=shop.domain)
    return oauth.authorize_url(gateways.mailchimp_app, state)


def began_for(gateways: Gateways, state: str) -> str | None:
    """Use the callback's state up: the domain of the shop that began it, or None."""
    with gateways.database.transaction() as tx:
        return oauth_states.end(tx, state, kind="mailchimp")


def finish(gateways: Gateways, domain: str, code: str) -> None:
    """Redeem the callback's code and store the account, sealed to the shop."""
    with gateways.database.transaction() as tx:
        shop = shops.by_domain(tx, domain)
    if shop is None or shop.uninstalled_at is not None:
        raise ConnectRefused("sh_access_revoked", "This shop is not installed.")
    token = oauth.redeem_code(gateways.http, gateways.mailchimp_app, code)
    account = oauth.identify(gateways.http, gateways.mailchimp_app, token)
    if account.role.lower() not in ROLES_THAT_MAY:
        raise ConnectRefused("mc_role_too_low", f"This Mailchimp user is a {account.role}. Ask an Admin to connect.")
    with gateways.database.transaction() as tx:
        before = connections.get(tx, shop.id)
    if before is not None and before.account_id != account.account_id:
        with gateways.database.transaction() as tx:
            shops.lock(tx, shop.id)
            sync_runs.stop_all(tx, shop.id)  # else it would hold the automations again
        leaving.let_go(gateways, shop.id)  # by the old token: the new one can't reach that account
    with gateways.database.transaction() as tx:
        shops.lock(tx, shop.id)
        before = connections.get(tx, shop.id)
        if before is not None and before.account_id != account.account_id:
            sync_runs.stop_all(tx, shop.id)  # another account: what was planned for the old one is void
            going_live.close_lanes(tx, shop.id)
            leaving.forget(tx, shop.id)
        connections.connect(
            tx,
            shop.id,
            account_id=account.account_id,
            login_id=account.login_id,
            account_name=account.name,
            role=account.role,
            api_root=account.api_root,
            access_token=gateways.vault.seal(token.encode(), context=connections.token_context(shop.id)),
        )
        notes.add(tx, shop.id, kind="connection", detail={"connected": True, "account": account.name})
    sync_runs.wake_waiting(gateways.database, shop.id)
    log.info("mailchimp_connected", shop=domain)


def all_audiences(gateways: Gateways, shop_id: int) -> list[Audience]:
    """The audiences of the connected account."""
    return audiences.all_audiences(gateways.mailchimp(shop_id))


def choose_audience(gateways: Gateways, shop_id: int, audience_id: str, *, delete_store: bool = False) -> Audience:
    """Sync this shop with one audience (S5). Once people were synced, another audience needs a disconnect first.

    The store at Mailchimp belongs to its audience for ever: that of another one stays as it is, or is deleted.
    """
    with gateways.database.transaction() as tx:
        current = _may_choose(tx, shop_id, audience_id)
    offered = {audience.id: audience for audience in all_audiences(gateways, shop_id)}
    if audience_id not in offered:
        raise ConnectRefused("mc_audience_gone", "This Mailchimp account has no such audience.")
    chosen = offered[audience_id]
    if current != chosen.id:
        leaving.leave(gateways, shop_id, delete=delete_store)
    with gateways.database.transaction() as tx:
        shops.lock(tx, shop_id)
        before = _may_choose(tx, shop_id, audience_id)  # asked again: a sync may have been started meanwhile
        connections.choose_audience(
            tx, shop_id, audience_id=chosen.id, name=chosen.name, double_optin=chosen.double_optin
        )
        if before != chosen.id:
            sync_runs.stop_all(tx, shop_id)  # previews of the audience that was chosen before
            going_live.close_lanes(tx, shop_id)
            looks.forget_audience(tx, shop_id)
            leaving.forget(tx, shop_id)
            notes.add(tx, shop_id, kind="connection", detail={"audience": chosen.name})
    return chosen


def _may_choose(tx: Connection, shop_id: int, audience_id: str) -> str | None:
    """The audience chosen now. Refuses to leave one that people were synced with, unless it was deleted."""
    current = connections.get(tx, shop_id)
    if current is None:
        raise ConnectRefused("mc_access_revoked", "Connect Mailchimp first.")
    before = current.audience_id
    leaving = before is not None and before != audience_id and current.state != "gone"
    if leaving and sync_runs.has_written(tx, shop_id, before or ""):
        raise ConnectRefused(
            "audience_fixed", "This store is already synced with an audience. Disconnect first to choose another."
        )
    return before


def disconnect(gateways: Gateways, shop_id: int, *, confirm_name: str, delete_store: bool = False) -> list[str]:
    """Stop all syncing and forget the account. Contacts and customers stay where they are (S85 to S88).

    The store's orders, products and carts stay at Mailchimp, or are deleted there (S86). Gives back, in words, what was
    removed. The audience's name has to be typed to confirm. Raises Unavailable where the store couldn't be deleted now.
    """
    with gateways.database.transaction() as tx:
        row = connections.get(tx, shop_id)
    if row is None:
        raise ConnectRefused("not_connected", "No Mailchimp account is connected.")
    if confirm_name.strip() != (row.audience_name or row.account_name):
        raise ConnectRefused("not_confirmed", f"Type {row.audience_name or row.account_name} to confirm.")
    with gateways.database.transaction() as tx:
        shops.lock(tx, shop_id)
        sync_runs.stop_all(tx, shop_id)  # else it would write into the store that is being left
    left = leaving.leave(gateways, shop_id, delete=delete_store)
    hooks.unregister(gateways, shop_id)  # as far as they can still be reached
    removed = ["the Mailchimp access key", "the webhooks", "the plan and the readings of every sync"]
    removed += ["the web pixel in Shopify"] if pixel.remove(gateways, shop_id) else []
    removed += _REMOVED_STORE.get(left, []) if delete_store else []
    with gateways.database.transaction() as tx:
        shops.lock(tx, shop_id)
        connections.remove(tx, shop_id)
        sync_runs.stop_all(tx, shop_id)
        going_live.close_lanes(tx, shop_id)
        run_tables.forget_all(tx, shop_id)
        leaving.forget(tx, shop_id)
        notes.add(tx, shop_id, kind="connection", detail={"connected": False, "removed": removed, "store": left.value})
    return removed


_REMOVED_STORE = {
    Left.DELETED: ["this store's orders, products, carts and promo codes in Mailchimp"],
    Left.UNREACHED: ["nothing of this store in Mailchimp, since access had ended: delete it there under Integrations"],
}
