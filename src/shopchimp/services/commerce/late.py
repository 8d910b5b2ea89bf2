"""Orders that come late: history that live sync meets, written while the store's automations are held (invariant 9).

The first word on an order may come when it is no news any more: its buyer gave an address weeks later, or became a
contact, or it was placed while the first sync ran. To Mailchimp it would be a new order, with all that sets off. So
such orders wait in a lane of their own, and this chore writes them together: it holds the automations, and meanwhile
nobody else writes orders and carts, whose mails would be lost. Whoever dies at it is followed by the next.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection

from shopchimp.db import changes, chores, connections, slots, sync_runs
from shopchimp.db.chores import Chore
from shopchimp.db.connections import ConnectionRow
from shopchimp.domain.errors import PlatformError
from shopchimp.services.commerce import live, live_recording, store
from shopchimp.services.gateways import Gateways

CHORE, LANE = live_recording.LATE_CHORE, live_recording.LATE
GRACE = 25.0  # seconds: a call that began before anybody was asked to wait is over by then
HOLDS = 20.0  # seconds at most, then the others may write
LEASE = 300.0
CONNECTIONS = 2
AGAIN, BUSY, DAY = 60.0, 1.0, 86_400.0


def write(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """The chore. Gives back the seconds until it goes on, or until the next look."""
    now = gateways.clock()
    with gateways.database.transaction() as tx:
        connection = connections.get(tx, shop_id)
        if connection is None or connection.commerce_since is None or connection.store_id is None:
            return DAY
        since = chore.cursor.get("since")
        if since is None:
            return _begin(tx, shop_id, chore, connection, now)
        if _is_a_runs(tx, shop_id):
            return _end(tx, shop_id, chore)  # it holds them now, and lets them go
    left = GRACE - (now - datetime.fromisoformat(since)).total_seconds()
    if left > 0:
        return left
    store.set_syncing(gateways, shop_id, on=True)
    if not _work(gateways, shop_id, connection.login_id):
        return BUSY
    with gateways.database.transaction() as tx:
        if _is_a_runs(tx, shop_id):
            return _end(tx, shop_id, chore)
    store.set_syncing(gateways, shop_id, on=False)
    with gateways.database.transaction() as tx:
        return _end(tx, shop_id, chore)


def _is_a_runs(tx: Connection, shop_id: int) -> bool:
    """Whether a first sync needs the automations held for its own history."""
    return any(store.needs_quiet(run) for run in sync_runs.latest(tx, shop_id))


def _end(tx: Connection, shop_id: int, chore: Chore) -> float:
    chore.cursor.pop("since", None)
    chores.save(tx, chore)
    return AGAIN if _some(tx, shop_id) else DAY


def _begin(tx: Connection, shop_id: int, chore: Chore, connection: ConnectionRow, now: datetime) -> float:
    """Ask the others to wait, and wait until they do."""
    if not changes.waiting(tx, shop_id, LANE, at_most=1):
        return AGAIN if _some(tx, shop_id) else DAY
    if connection.store_syncing or _is_a_runs(tx, shop_id):
        return AGAIN  # a first sync holds the automations
    connections.set_store(tx, shop_id, connection.store_id, syncing=True)
    chore.cursor["since"] = now.isoformat()
    chores.save(tx, chore)
    return GRACE


def _some(tx: Connection, shop_id: int) -> bool:
    return changes.some(tx, shop_id, LANE)


def _work(gateways: Gateways, shop_id: int, login_id: str) -> bool:
    """Write what waits, for a while. False where no connection was free."""
    token, count = uuid4(), gateways.connections
    with gateways.database.transaction() as tx:
        taken = slots.take(tx, login_id, CONNECTIONS, token=token, lease=LEASE, count=count)
    if not taken:
        return False
    try:
        until = time.monotonic() + HOLDS
        while time.monotonic() < until:
            with gateways.database.transaction() as tx:
                claimed = changes.claim(tx, shop_id, LANE, token=token, lease=LEASE, limit=live.AT_ONCE)
            if not claimed:
                break
            worked = live.work(gateways, shop_id, claimed, token=token, slots=len(taken), quiet=True)
            with gateways.database.transaction() as tx:
                _settle(tx, shop_id, token, [each.key for each in claimed], worked.troubles)
    finally:
        with gateways.database.transaction() as tx:
            slots.give_back(tx, login_id, token)
    return True


def _settle(tx: Connection, shop_id: int, token: UUID, keys: list[str], troubles: Mapping[str, Exception]) -> None:
    """What did not go is tried by a later round; what there was no time for, too."""
    known = {key: error for key, error in troubles.items() if isinstance(error, PlatformError)}
    again = [(key, AGAIN, error.code, error.detail) for key, error in known.items()]
    changes.later(tx, shop_id, token, again, count=True)
    for key in troubles.keys() - known.keys():
        changes.crashed(tx, shop_id, token, [key], seconds=AGAIN, detail=type(troubles[key]).__name__)
    left = changes.still_held(tx, shop_id, token, keys)
    changes.give_back(tx, shop_id, token, sorted(left))
