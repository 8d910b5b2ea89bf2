"""What a poll compares a page with: the people it names, as we last saw them, in one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Seen:
    """A person as we last saw both sides."""

    key: str
    email: str | None
    customer_id: int | None
    customer_state: str
    customer_at: datetime | None
    contact_status: str
    contact_opted_at: datetime | None
    contact_changed_at: datetime | None
    synced_at: datetime | None
    fields: dict[str, Any] | None
    tags: list[str] | None
    sms: dict[str, Any] | None


_COLUMNS = ", ".join(field.name for field in fields(Seen))


def by_keys(tx: Connection, shop_id: int, keys: Sequence[str]) -> dict[str, Seen]:
    """The people with these keys."""
    query = text(f"select {_COLUMNS} from people where shop_id = :shop and key = any(:keys)")
    return {row.key: Seen(**row._mapping) for row in tx.execute(query, {"shop": shop_id, "keys": list(keys)})}


def by_customers(tx: Connection, shop_id: int, customer_ids: Sequence[int]) -> dict[int, list[Seen]]:
    """The people of these customers. A customer may be kept twice: by the address of before and by its own number."""
    query = text(f"select {_COLUMNS} from people where shop_id = :shop and customer_id = any(:ids)")
    found: dict[int, list[Seen]] = {}
    for row in tx.execute(query, {"shop": shop_id, "ids": list(customer_ids)}):
        found.setdefault(row.customer_id, []).append(Seen(**row._mapping))
    return found


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """What a contact says that calls for no decision."""

    key: str
    changed_at: datetime | None
    opted_in_at: datetime | None


def remember(tx: Connection, shop_id: int, facts: Sequence[ContactFacts]) -> None:
    """Store the times of contacts that said nothing new otherwise; what Mailchimp left out stays."""
    if not facts:
        return
    query = text(
        """
        update people p set contact_changed_at = coalesce(new.changed_at, p.contact_changed_at),
            contact_opted_at = coalesce(new.opted_in_at, p.contact_opted_at)
        from unnest(cast(:keys as text[]), cast(:changed as timestamptz[]), cast(:opted as timestamptz[]))
            as new (key, changed_at, opted_in_at)
        where p.shop_id = :shop and p.key = new.key
            and (p.contact_changed_at, p.contact_opted_at) is distinct from (new.changed_at, new.opted_in_at)
        """
    )
    values = {
        "keys": [fact.key for fact in facts],
        "changed": [fact.changed_at for fact in facts],
        "opted": [fact.opted_in_at for fact in facts],
    }
    tx.execute(query, {"shop": shop_id, **values})


def began_reading(tx: Connection, shop_id: int, audience_id: str) -> datetime | None:
    """When the shop's last first sync with this audience began to read, by our clock."""
    query = text(
        """
        select created_at from sync_runs where shop_id = :shop and audience_id = :audience and started_at is not null
        order by created_at desc limit 1
        """
    )
    found: datetime | None = tx.execute(query, {"shop": shop_id, "audience": audience_id}).scalar_one_or_none()
    return found


def may_be_ours(tx: Connection, shop_id: int, keys: Sequence[str]) -> set[str]:
    """Whose consent in Shopify the last first sync may have written: they changed by our own hand."""
    query = text(
        """
        select key from plan where key = any(:keys) and to_customer is not null and run_id = (
            select id from sync_runs where shop_id = :shop and started_at is not null
            order by created_at desc limit 1)
        """
    )
    return set(tx.execute(query, {"shop": shop_id, "keys": list(keys)}).scalars())
