"""What came of a slice of looks at the store's things, stored in one transaction: items, log, times, changes' end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shopchimp.db import changes, chores, commerce_items, looks, people
from shopchimp.db.session import Database
from shopchimp.services import sync_times
from shopchimp.services.commerce.looks import Look

LATE, LATE_CHORE = "late", "late_orders"  # of `commerce.late`
DIRECTION = "to_mailchimp"
WAITS = "moved"  # the cause of a look that comes again soon: nobody's trouble


def record(database: Database, shop_id: int, done: Sequence[Look], token: UUID) -> None:
    """Store it."""
    database.settled(lambda tx: _record(tx, shop_id, done, token))


def _record(tx: Connection, shop_id: int, done: Sequence[Look], token: UUID) -> None:
    """Whoever lost the lease knows an older world than the one who has it now: only the log remembers that look."""
    ours = changes.still_held(tx, shop_id, token, [look.key for look in done])
    mine = [look for look in done if look.key in ours]
    commerce_items.put(tx, shop_id, [item for look in mine for item in look.items])
    for kind, ids in _by_kind(mine).items():
        commerce_items.forget(tx, shop_id, kind, ids)
    _log(tx, shop_id, done)
    later = [(look.key, look.later, WAITS, "") for look in done if look.later is not None and look.counted]
    held = [(look.key, look.later, WAITS, "") for look in done if look.later is not None and not look.counted]
    late = [look.key for look in mine if look.late]
    refused = [(look.key, look.change.version, look.refused.code, look.refused.detail) for look in done if look.refused]
    finished = [look for look in done if look.ended and look.error is None and not look.refused]
    changes.later(tx, shop_id, token, later, count=True)
    changes.later(tx, shop_id, token, held, count=False)
    if late:
        changes.move(tx, shop_id, token, late, LATE)
        chores.ensure(tx, shop_id, LATE_CHORE)
        chores.hurry(tx, shop_id, LATE_CHORE)
    changes.park(tx, shop_id, token, refused)
    closed = changes.finish(tx, shop_id, token, [(look.key, look.change.version) for look in finished])
    # of all others a write may still be on its way, of ours or of somebody who lost the lease
    commerce_items.doubt(tx, shop_id, [(look.kind.value, look.id) for look in done if look.key not in closed])


def _by_kind(done: Sequence[Look]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for look in done:
        for kind, object_id in look.gone:
            found.setdefault(kind, []).append(object_id)
    return dict(sorted(found.items()))


def _log(tx: Connection, shop_id: int, done: Sequence[Look]) -> None:
    told = [(look, line) for look in done for line in look.lines]
    if not told:
        return
    now: datetime = tx.execute(text("select clock_timestamp()")).scalar_one()
    whose = people.by_keys(tx, shop_id, list({line.person for _, line in told if line.person}))
    rows: list[dict[str, Any]] = []
    times: list[tuple[str, str, float]] = []
    for look, line in told:
        about = {"told_by": look.change.source, "event_at": look.change.event_at}
        rows.append(
            {
                "person_id": person.id if (person := whose.get(line.person or "")) is not None else None,
                "kind": line.kind,
                "direction": DIRECTION,
                "result": line.result,
                "rule": None,
                "cause": line.cause,
                "detail": line.detail | {name: value for name, value in about.items() if value is not None},
            }
        )
        if line.result == "synced" and look.change.event_at is not None:
            times.append((DIRECTION, line.kind, max((now - look.change.event_at).total_seconds() * 1000, 0.0)))
    looks.log(tx, shop_id, rows)
    sync_times.observe(tx, shop_id, times)
