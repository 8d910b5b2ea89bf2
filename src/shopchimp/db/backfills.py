"""Who a backfill has to look at, a part at a time in the order of the keys, and how many an SMS start date takes in.

What is known of a phone's consent is in people.sms (domain.sms.KnownSms), filled by the first sync and kept by live
sync; its times are texts of one form in UTC, which sort as times do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

TAGS, SMS = "tags_backfill", "sms_backfill"  # the chores

_REACHABLE = "contact_status in ('subscribed', 'unsubscribed', 'transactional', 'pending')"

# The order is that of domain.sms.decide_sms.
_GROUP = """
    case when sms->>'state' = 'UNSUBSCRIBED' then 'opted_out'
        when sms->>'contact' = 'subscribed' and sms->>'contact_phone' = sms->>'phone' then 'synced'
        when sms->>'stopped_at' is not null and sms->>'contact' is distinct from 'subscribed' and (sms->>'at' is null
            or cast(sms->>'at' as timestamptz) - cast(sms->>'stopped_at' as timestamptz) <= interval '2 seconds')
            then 'stopped'
        when sms->>'phone' is null then 'no_phone'
        when sms->>'at' is null then 'unknown_time'
        when sms->>'at' collate "C" < :start then 'before_start'
        when contact_status = 'archived' then 'archived'
        else 'taken_in' end
"""


@dataclass(frozen=True, slots=True)
class SmsCounts:
    """People with a choice about texts, by what a start date means for them.

    `taken_in` would be subscribed in Mailchimp, `synced` are already; those `opted_out` go to Mailchimp in any case.
    """

    taken_in: int = 0
    synced: int = 0
    before_start: int = 0
    unknown_time: int = 0
    stopped: int = 0
    no_phone: int = 0
    archived: int = 0
    opted_out: int = 0


@dataclass(frozen=True, slots=True)
class SmsPerson:
    """A person in one of these groups, for the list behind the number."""

    id: int
    key: str
    email: str | None
    name: str
    phone: str | None
    at: datetime | None


def keys_for_tags(tx: Connection, shop_id: int, *, after: str, limit: int, everybody: bool) -> list[str]:
    """Keys after `after` of people whose contact was never given its customer's tags; or of everybody."""
    due = "true" if everybody else "tags is null"
    return _keys(tx, shop_id, f"{due} and {_REACHABLE}", {"after": after, "limit": limit})


def keys_for_sms(tx: Connection, shop_id: int, *, after: str, limit: int, start: datetime) -> list[str]:
    """Keys after `after` of people whose consent to texts a start date takes in, and of all who opted out."""
    values = {"after": after, "limit": limit, "start": _text(start)}
    return _keys(tx, shop_id, f"sms is not null and {_GROUP} in ('taken_in', 'opted_out')", values)


def _keys(tx: Connection, shop_id: int, which: str, values: Mapping[str, Any]) -> list[str]:
    query = f"""
        select key from people where shop_id = :shop and key > :after and customer_id is not null
            and key not like 'customer:%' and {which} order by key limit :limit
    """
    return list(tx.execute(text(query), {"shop": shop_id, **values}).scalars())


def sms_counts(tx: Connection, shop_id: int, start: datetime) -> SmsCounts:
    """How many people this start date would take in, and who stays out and why (S31, S33)."""
    query = f"""
        select {_GROUP} as kind, count(*) as n from people
        where shop_id = :shop and sms->>'state' in ('SUBSCRIBED', 'UNSUBSCRIBED') and customer_id is not null
        group by 1
    """
    rows = tx.execute(text(query), {"shop": shop_id, "start": _text(start)})
    return SmsCounts(**{row.kind: row.n for row in rows})


def sms_people(
    tx: Connection, shop_id: int, start: datetime, *, group: str, after: int = 0, limit: int = 50
) -> list[SmsPerson]:
    """The people of one group of `SmsCounts`, in the order of their ids."""
    query = f"""
        select id, key, email, name, sms->>'phone' as phone, cast(sms->>'at' as timestamptz) as at from people
        where shop_id = :shop and id > :after and sms->>'state' in ('SUBSCRIBED', 'UNSUBSCRIBED')
            and customer_id is not null and {_GROUP} = :group
        order by id limit :limit
    """
    values = {"shop": shop_id, "start": _text(start), "group": group, "after": after, "limit": limit}
    return [SmsPerson(**row._mapping) for row in tx.execute(text(query), values)]


def restart(tx: Connection, shop_id: int, name: str, *, cursor: Mapping[str, Any]) -> None:
    """Let a backfill begin anew, now; whoever is at the old one loses it."""
    query = text(
        """
        insert into chores as c (shop_id, name, cursor) values (:shop, :name, cast(:cursor as jsonb))
        on conflict (shop_id, name) do update set
            cursor = excluded.cursor, token = null, attempts = 0, trouble = null, due_at = now()
        """
    )
    tx.execute(query, {"shop": shop_id, "name": name, "cursor": orjson.dumps(dict(cursor)).decode()})


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
