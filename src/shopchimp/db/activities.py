"""The activity log, read: newest first, filtered, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Activity:
    """One line of the log, with the name of the person it is about."""

    id: int
    at: datetime
    person_id: int | None
    run_id: UUID | None
    kind: str
    direction: str
    result: str
    rule: str | None
    cause: str | None
    detail: dict[str, Any]
    name: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the log is asked for. Empty means everything; `since` counts, `until` doesn't any more."""

    kind: str = ""
    direction: str = ""
    result: str = ""
    person_id: int | None = None
    run_id: UUID | None = None
    order_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


_OURS = ", ".join(f"a.{field.name}" for field in fields(Activity) if field.name not in {"name", "email"})
_SELECT = f"""
    select {_OURS}, p.name, p.email
    from activities a left join people p on p.id = a.person_id and p.shop_id = a.shop_id
    where a.shop_id = :shop
"""
_CONDITIONS = {
    "kind": "a.kind = :kind",
    "direction": "a.direction = :direction",
    "result": "a.result = :result",
    "person_id": "a.person_id = :person_id",
    "run_id": "a.run_id = :run_id",
    "order_id": "a.kind = 'order' and a.detail ->> 'id' = :order_id",
    "since": "a.at >= :since",
    "until": "a.at < :until",
}


def page(tx: Connection, shop_id: int, wanted: Filter, *, before: int | None = None, limit: int = 50) -> list[Activity]:
    """The newest lines that pass the filter, older than the line `before` where given."""
    values: dict[str, object] = {"shop": shop_id, "limit": limit}
    conditions = []
    for name, condition in _CONDITIONS.items():
        value = getattr(wanted, name)
        if value not in (None, ""):
            conditions.append(f"and {condition}")
            values[name] = value
    if before is not None:
        conditions.append("and a.id < :before")
        values["before"] = before
    query = f"{_SELECT} {' '.join(conditions)} order by a.id desc limit :limit"
    return [_activity(row._mapping) for row in tx.execute(text(query), values)]


def get(tx: Connection, shop_id: int, activity_id: int) -> Activity | None:
    """This shop's line with this id."""
    row = tx.execute(text(f"{_SELECT} and a.id = :id"), {"shop": shop_id, "id": activity_id}).one_or_none()
    return _activity(row._mapping) if row is not None else None


def results_since(tx: Connection, shop_id: int, ago: timedelta) -> dict[str, int]:
    """How many lines about people had which result lately."""
    query = text(
        """
        select result, count(*) from activities
        where shop_id = :shop and at >= now() - cast(:ago as interval) and person_id is not null group by result
        """
    )
    return {str(result): int(n) for result, n in tx.execute(query, {"shop": shop_id, "ago": ago})}


def _activity(row: Any) -> Activity:
    return Activity(**row)
