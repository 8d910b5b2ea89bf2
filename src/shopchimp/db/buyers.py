"""What is known of the people who bought: whether they are contacts in Mailchimp, or about to become some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Found:
    """Addresses of buyers: those we know at all, those who are contacts, and those who wait to be looked at."""

    people: frozenset[str]
    contacts: frozenset[str]
    coming: frozenset[str]


def find(tx: Connection, shop_id: int, keys: Sequence[str]) -> Found:
    """These people, as live sync of contacts last saw them."""
    query = text(
        """
        select w.key, p.key is not null as known, coalesce(p.contact_status, 'absent') <> 'absent' as contact,
            exists (select 1 from changes c where c.shop_id = :shop and c.kind = 'person' and c.key = w.key
                and c.state = 'waiting' and c.lane = 'contacts') as coming
        from unnest(cast(:keys as text[])) as w (key)
        left join people p on p.shop_id = :shop and p.key = w.key
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "keys": sorted(set(keys))}).all()
    return Found(
        frozenset(row.key for row in rows if row.known),
        frozenset(row.key for row in rows if row.contact),
        frozenset(row.key for row in rows if row.coming),
    )


def now_contacts(tx: Connection, shop_id: int, reasons: Sequence[str], *, limit: int = 1000) -> list[str]:
    """The orders that were left out for why their buyers were no contacts, and whose buyers are some by now.

    Not those that wait to be looked at already.
    """
    query = text(
        """
        select i.id from commerce_items i join people p on p.shop_id = i.shop_id and p.key = i.key
        where i.shop_id = :shop and i.kind = 'order' and i.state = 'skipped' and i.reason = any(:reasons)
            and p.contact_status <> 'absent'
            and not exists (select 1 from changes c
                where c.shop_id = :shop and c.kind = 'commerce' and c.key = 'order:' || i.id)
        order by i.id limit :limit
        """
    )
    return list(tx.execute(query, {"shop": shop_id, "reasons": list(reasons), "limit": limit}).scalars())
