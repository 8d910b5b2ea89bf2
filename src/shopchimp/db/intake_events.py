"""Intake of the pixel's events: many at once, in one SQL statement.

A beacon is a claim of somebody's browser. It is stored if its public id is that of a shop that has the app, is in step
with Mailchimp, and takes events; once, whatever the browser sends twice; and not if it names somebody who was erased
lately. What is new marks its visitor, and is counted: whatever becomes of it later is counted beside.

The shop's row in `pixels` is held until the end: so switching customer events off waits for a batch that is just being
stored, and none is stored after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shopchimp.db.event_counts import RECEIVED, TO_MAILCHIMP
from shopchimp.db.intake import IntakePool, hex_of
from shopchimp.db.marking import EVENT, EVENTS, MARKED, VIEWS, VISITOR
from shopchimp.db.session import dumps
from shopchimp.domain.customer_events.keeping import KeptEvent
from shopchimp.domain.customer_events.names import Priority, StoreEvent, priority

_URGENT = ", ".join(f"'{name.value}'" for name in StoreEvent if priority(name) <= Priority.CART)

# The order of the locks is that of everybody: the pixel, the changes, their lanes, the counts.
_STORE = f"""
    with given as materialized (
        select * from json_to_recordset(%(events)s::json) as g (account text, id text, name text, visitor text,
            customer_id bigint, email text, checkout text, happened_at timestamptz, consent jsonb, body jsonb,
            graves json)
    ), pixel as materialized (
        select p.shop_id, p.account_id from pixels p
        where p.account_id in (select account from given) and p.enabled
            and exists (select from shops s where s.id = p.shop_id and s.uninstalled_at is null)
            and exists (select from connections c where c.shop_id = p.shop_id and c.live_since is not null)
        order by p.shop_id for no key update of p
    ), seen as (
        update pixels set last_event_at = now() from pixel where pixels.shop_id = pixel.shop_id returning 1
    ), ours as materialized (
        select distinct on (x.shop_id, g.id) x.shop_id, g.*,
            exists (select from json_array_elements_text(g.graves) d join tombstones t
                on t.shop_id = x.shop_id and t.digest = d::bytea and t.until > now()) as erased
        from given g join pixel x on x.account_id = g.account order by x.shop_id, g.id
    ), fresh as (
        insert into customer_events (shop_id, id, name, visitor, customer_id, email, checkout, happened_at, consent,
            body)
        select shop_id, id, name, visitor, customer_id, email, checkout, happened_at, consent, body
        from ours where not erased order by shop_id, id
        on conflict do nothing returning shop_id, name, visitor, happened_at
    ), marked as (
        insert into changes as c (shop_id, kind, key, lane, source, event_at)
        select shop_id, '{EVENT}', '{VISITOR}:' || visitor,
            case when bool_or(name in ({_URGENT})) then '{EVENTS}' else '{VIEWS}' end, 'pixel', min(happened_at)
        from fresh group by shop_id, visitor order by shop_id, visitor collate "C"
        on conflict (shop_id, kind, key) do update set {MARKED},
            lane = case when '{EVENTS}' in (c.lane, excluded.lane) then '{EVENTS}' else excluded.lane end,
            source = excluded.source,
            event_at = case when c.state = 'waiting' then least(c.event_at, excluded.event_at)
                else excluded.event_at end
        returning c.shop_id, c.lane
    ), ready as (
        insert into lanes as l (shop_id, lane)
        select distinct shop_id, lane from marked m where not exists (select from lanes x
            where x.shop_id = m.shop_id and x.lane = m.lane and x.ready_at is not null)
        order by shop_id, lane
        on conflict (shop_id, lane) do update set ready_at = coalesce(l.ready_at, now()) returning 1
    ), counted as (
        insert into event_counts as old (shop_id, day, direction, name, outcome, n)
        select shop_id, current_date, '{TO_MAILCHIMP}', name, '{RECEIVED}', count(*) from fresh
        where (select count(*) from ready) >= 0
        group by shop_id, name order by shop_id, name
        on conflict (shop_id, day, direction, name, outcome) do update set n = old.n + excluded.n
    )
    select (select count(*) from fresh), (select count(*) from ours where erased),
        (select count(*) from given g join pixel x on x.account_id = g.account)
"""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event, spelt as the statement takes it."""

    json: str


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a batch: so many are new, had come before, are of an erased person, or of no shop that takes any."""

    new: int
    double: int
    erased: int
    not_ours: int


def incoming(account: str, event: KeptEvent, graves: Sequence[bytes]) -> Incoming:
    """An event under the public id that it came with. `graves`: the tombstones under which its person may lie."""
    return Incoming(
        dumps(
            {
                "account": account,
                "id": event.id,
                "name": event.name,
                "visitor": event.visitor,
                "customer_id": event.customer_id,
                "email": event.email,
                "checkout": event.checkout,
                "happened_at": event.happened_at,
                "consent": event.consent,
                "body": event.body,
                "graves": [hex_of(grave) for grave in graves],
            }
        )
    )


async def store(pool: IntakePool, events: Sequence[Incoming]) -> Came:
    """Store these, in one statement; raises `Away`, or `Unstorable` when Postgres refuses one of them."""
    row = await pool.fetch(_STORE, {"events": f"[{','.join(event.json for event in events)}]"})
    new, erased, known = (int(each) for each in row)
    return Came(new, known - new - erased, erased, len(events) - known)
