"""Changes that stopped or have trouble, with whom they are about, as the pages show them; and trying them again.

A change is named by a hash of its key, never by the key: keys are addresses, and addresses belong in no URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import Connection, text

from shopchimp.db.marking import MARKED, ready

ITEM = "left(encode(sha256(convert_to(c.key, 'UTF8')), 'hex'), 32)"
_TROUBLED = "(c.state = 'parked' or (c.state = 'waiting' and c.cause is not null and c.cause <> 'moved'))"


@dataclass(frozen=True, slots=True)
class Group:
    """Changes with the same trouble. `words` is what the platform said most often; `next_at` the soonest next try."""

    state: str
    cause: str
    count: int
    since: datetime
    next_at: datetime
    words: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """One change and the person or thing it is about, as far as we know it. `detail` is the platform's own words."""

    item: str
    state: str
    cause: str
    detail: str | None
    source: str
    attempts: int
    marked_at: datetime
    due_at: datetime
    person_id: int | None
    name: str | None
    email: str | None
    customer_id: int | None
    customer_state: str | None
    contact_status: str | None
    about: str | None  # of no person: `order:1001`, `product:7`; of customer events only `visitor` or `engaged`


@dataclass(frozen=True, slots=True)
class Queue:
    """How much there is to do: `retrying` waits for trouble to pass. `due_since`: of what is due the longest."""

    waiting: int
    retrying: int
    parked: int
    held: int
    due_since: datetime | None


_COLUMNS = {
    "item": ITEM,
    "cause": "coalesce(c.cause, 'internal')",
    "person_id": "p.id",
    "name": "p.name",
    "email": "p.email",
    "customer_id": "coalesce(p.customer_id, c.customer_id)",
    "customer_state": "p.customer_state",
    "contact_status": "p.contact_status",
    "about": "case c.kind when 'commerce' then c.key when 'event' then split_part(c.key, ':', 1) end",
}
_SELECT = ", ".join(f"{_COLUMNS.get(field.name, f'c.{field.name}')} as {field.name}" for field in fields(Item))


def groups(tx: Connection, shop_id: int) -> list[Group]:
    """What stopped or has trouble, by cause, the most first; what the merchant must mend before what passes."""
    query = text(
        f"""
        select c.state, coalesce(c.cause, 'internal') as cause, count(*) as count, min(c.marked_at) as since,
            min(c.due_at) as next_at, mode() within group (order by nullif(c.detail, '')) as words
        from changes c where c.shop_id = :shop and {_TROUBLED} group by 1, 2 order by 1, 3 desc, 2
        """
    )
    return [Group(**row._mapping) for row in tx.execute(query, {"shop": shop_id})]


def items(
    tx: Connection, shop_id: int, *, state: str, cause: str | None = None, after: str = "", limit: int = 50
) -> list[Item]:
    """A page of people whose change stopped in this state, in an order that says nothing about them."""
    query = text(
        f"""
        select {_SELECT} from changes c left join people p on p.shop_id = c.shop_id and p.key = c.key
        where c.shop_id = :shop and c.state = :state and (c.state <> 'waiting' or {_TROUBLED})
            and (cast(:cause as text) is null or coalesce(c.cause, 'internal') = :cause) and {ITEM} > :after
        order by 1 limit :limit
        """
    )
    values = {"shop": shop_id, "state": state, "cause": cause, "after": after, "limit": limit}
    return [Item(**row._mapping) for row in tx.execute(query, values)]


def keys_of(tx: Connection, shop_id: int, names: list[str]) -> list[str]:
    """The keys of these parked changes of this shop."""
    query = text(f"select c.key from changes c where c.shop_id = :shop and c.state = 'parked' and {ITEM} = any(:names)")
    return list(tx.execute(query, {"shop": shop_id, "names": names}).scalars())


def queue(tx: Connection, shop_id: int) -> Queue:
    """How much there is to do, and what stopped. What waits for the first sync of the store's data is not late."""
    query = text(
        f"""
        select count(*) filter (where c.state = 'waiting' and not {_TROUBLED}) as waiting,
            count(*) filter (where c.state = 'waiting' and {_TROUBLED}) as retrying,
            count(*) filter (where c.state = 'parked') as parked,
            count(*) filter (where c.state = 'held') as held,
            min(c.due_at) filter (where c.state = 'waiting' and c.due_at <= now() and c.token is null
                and (c.lane <> 'commerce' or exists (select 1 from connections o
                    where o.shop_id = :shop and o.commerce_since is not null))) as due_since
        from changes c where c.shop_id = :shop
        """
    )
    return Queue(**tx.execute(query, {"shop": shop_id}).one()._mapping)


def retry(tx: Connection, shop_id: int, *, keys: Sequence[str] | None = None, cause: str | None = None) -> int:
    """Parked people are to be looked at again: these, or all of one cause, or all. Gives back how many."""
    query = text(
        f"""
        update changes c set {MARKED}, source = 'merchant', event_at = now()
        where shop_id = :shop and state = 'parked' and (cast(:keys as text[]) is null or key = any(:keys))
            and (cast(:cause as text) is null or cause = :cause)
        returning lane
        """
    )
    values = {"shop": shop_id, "keys": None if keys is None else list(keys), "cause": cause}
    lanes = [row.lane for row in tx.execute(query, values)]
    for lane in sorted(set(lanes)):
        ready(tx, shop_id, lane)
    return len(lanes)
