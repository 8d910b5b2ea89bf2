"""People, read: one by id, by normalised address or by customer, and the list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Person:
    """A customer and a contact joined: what was last seen on both sides and what came of it."""

    id: int
    email: str | None
    name: str
    customer_id: int | None
    contact_id: str | None
    customer_state: str
    customer_at: datetime | None
    contact_status: str
    contact_opted_at: datetime | None
    contact_changed_at: datetime | None
    rule: str
    result: str
    reason: str | None
    seen_at: datetime
    synced_at: datetime | None
    tags: list[str] | None = None
    sms: dict[str, Any] | None = None


_COLUMNS = ", ".join(field.name for field in fields(Person))


def get(tx: Connection, shop_id: int, person_id: int) -> Person | None:
    """This shop's person with this id."""
    return _one(tx, "id = :id", {"shop": shop_id, "id": person_id})


def by_key(tx: Connection, shop_id: int, key: str) -> Person | None:
    """This shop's person with this normalised address."""
    return _one(tx, "key = :key", {"shop": shop_id, "key": key})


def by_customer(tx: Connection, shop_id: int, customer_id: int) -> Person | None:
    """The person of a Shopify customer (of several rows, the one that is synced: it has the lowest id)."""
    return _one(tx, "customer_id = :customer", {"shop": shop_id, "customer": customer_id})


def by_keys(tx: Connection, shop_id: int, keys: Sequence[str]) -> dict[str, Person]:
    """Those of these people whom we keep, by key."""
    query = text(f"select key, {_COLUMNS} from people where shop_id = :shop and key = any(:keys)")
    rows = [dict(row._mapping) for row in tx.execute(query, {"shop": shop_id, "keys": list(keys)})]
    return {row.pop("key"): Person(**row) for row in rows}


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether somebody is a contact, and where not, what came of them and why."""

    key: str
    contact_status: str
    result: str
    reason: str | None


def standings(tx: Connection, shop_id: int, keys: Sequence[str]) -> dict[str, Standing]:
    """The same of many at once, by key."""
    query = text("select key, contact_status, result, reason from people where shop_id = :shop and key = any(:keys)")
    rows = tx.execute(query, {"shop": shop_id, "keys": list(keys)})
    return {row.key: Standing(**row._mapping) for row in rows}


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody as the sender of customer events needs them."""

    id: int
    key: str
    customer_id: int | None
    contact_status: str
    seen_at: datetime


def known(tx: Connection, shop_id: int, *, customer_ids: Sequence[int], keys: Sequence[str]) -> list[Known]:
    """Those of these customers and addresses that we keep; of a customer's rows the one that is synced comes first."""
    columns = ", ".join(field.name for field in fields(Known))
    query = text(
        f"""
        select {columns} from people where shop_id = :shop and customer_id = any(:customers)
        union select {columns} from people where shop_id = :shop and key = any(:keys) order by id
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "customers": list(customer_ids), "keys": list(keys)})
    return [Known(**row._mapping) for row in rows]


def page(tx: Connection, shop_id: int, *, result: str = "", after: int = 0, limit: int = 50) -> list[Person]:
    """People in the order in which they came to us, after id `after`."""
    wanted = "and result = :result" if result else ""
    query = f"select {_COLUMNS} from people where shop_id = :shop and id > :after {wanted} order by id limit :limit"
    values = {"shop": shop_id, "after": after, "limit": limit, "result": result}
    return [Person(**row._mapping) for row in tx.execute(text(query), values)]


def counts(tx: Connection, shop_id: int) -> dict[str, int]:
    """How many customers have which result. Contacts without a customer are counted nowhere here."""
    query = text(
        "select result, count(*) from people where shop_id = :shop and customer_id is not null group by result"
    )
    return {str(result): int(n) for result, n in tx.execute(query, {"shop": shop_id})}


def _one(tx: Connection, where: str, values: Mapping[str, object]) -> Person | None:
    query = f"select {_COLUMNS} from people where shop_id = :shop and {where} order by id limit 1"
    row = tx.execute(text(query), values).one_or_none()
    return Person(**row._mapping) if row is not None else None
