"""What became of a run's people: results a chunk at a time, in one transaction with the chunk's end.

Each statement is set-based over the plan: the person's row is stored as both sides now are, and the activity log gets a
line naming the rule. People for whom nothing had to be written are stored at the end, without a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shopchimp.db.models import RunException


@dataclass(frozen=True, slots=True)
class Missed:
    """A person whose write was not made. `result` is "failed" or "skipped", `cause` a code of the catalogue."""

    n: int
    result: str
    cause: str
    detail: str


_PERSON = """
    insert into people as old (shop_id, key, email, name, customer_id, contact_id, customer_state, customer_at,
        contact_status, contact_opted_at, contact_changed_at, rule, result, reason, seen_at, synced_at,
        fields, tags, sms, refused_at, deleted)
    select :shop, p.key, p.email, p.name, p.customer_id, p.contact_id,
        case when c.cause is null and cc.finished_at is not null and p.to_customer is not null
            then p.to_customer else p.customer_state end,
        case when c.cause is null and cc.finished_at is not null and p.to_customer is not null
            then coalesce(p.to_customer_at, :decided) else p.customer_at end,
        case when m.cause is null and mc.finished_at is not null and p.to_contact is not null
            then p.to_contact else p.contact_status end,
        p.contact_opted_at, p.contact_changed_at, p.rule,
        case when p.skip is not null then 'skipped' when 'failed' in (m.result, c.result) then 'failed'
            else coalesce(m.result, c.result, 'synced') end,
        case when p.skip is not null then p.skip when m.result = 'failed' then m.cause
            when c.result = 'failed' then c.cause else coalesce(m.cause, c.cause) end, :seen, now(),
        case when {sent} then coalesce(p.remember->'fields',
            case when p.contact_action = 'create' then p.contact_body->'merge_fields' end) end,
        case when {sent} and p.skip is null and p.customer_id is not null and p.remember->'tagged' is null
            then coalesce(p.remember->'tags', '[]') end,
        p.remember->'sms',
        case when m.cause in ('mc_compliance_state', 'mc_ignored') then coalesce(p.customer_at, now()) end,
        coalesce(m.cause = 'mc_forgotten', false)
    from plan p
    left join run_exceptions m on m.run_id = p.run_id and m.n = p.n and m.side = 'contact'
    left join run_exceptions c on c.run_id = p.run_id and c.n = p.n and c.side = 'customer'
    left join run_chunks mc on mc.run_id = p.run_id and mc.side = 'contact' and mc.chunk = p.contact_chunk
    left join run_chunks cc on cc.run_id = p.run_id and cc.side = 'customer' and cc.chunk = p.customer_chunk
    where p.run_id = :run and {which}
    order by p.n
    on conflict (shop_id, key) do update set
        email = excluded.email, name = excluded.name, customer_id = excluded.customer_id,
        contact_id = coalesce(excluded.contact_id, old.contact_id),
        customer_state = excluded.customer_state, customer_at = excluded.customer_at,
        contact_status = excluded.contact_status, contact_opted_at = excluded.contact_opted_at,
        contact_changed_at = excluded.contact_changed_at, rule = excluded.rule, result = excluded.result,
        reason = excluded.reason, seen_at = excluded.seen_at, synced_at = now(),
        fields = coalesce(excluded.fields, old.fields),
        tags = case when excluded.tags = '[]' then coalesce(old.tags, excluded.tags)
            else coalesce(excluded.tags, old.tags) end,
        sms = case when old.sms is null or excluded.sms is null then coalesce(excluded.sms, old.sms)
            else old.sms || excluded.sms end,
        refused_at = coalesce(excluded.refused_at, old.refused_at), deleted = excluded.deleted
"""

# the contact has what was planned for it: nothing was to be sent, or it was taken
_SENT = "m.cause is null and (p.contact_chunk is null or mc.finished_at is not null)"

_ACTIVITY = """
    insert into activities (shop_id, person_id, run_id, kind, direction, result, rule, cause, detail)
    select :shop, person.id, p.run_id,
        case when {to} is null then 'contact' else 'consent' end, '{direction}',
        coalesce(e.result, 'synced'), p.rule, e.cause,
        jsonb_strip_nulls(jsonb_build_object(
            'before', {before}, 'after', {to}, 'customer_state', p.customer_state, 'customer_at', p.customer_at,
            'contact_status', p.contact_status, 'contact_opted_at', p.contact_opted_at,
            'contact_changed_at', p.contact_changed_at, 'action', {action}, 'consent_at', {at},
            'fields', {fields},
            'words', nullif(e.detail, '')))
    from plan p
    join person on person.key = p.key
    left join run_exceptions e on e.run_id = p.run_id and e.n = p.n and e.side = '{side}'
    where p.run_id = :run and p.{side}_chunk = :chunk order by p.n
"""

_SIDES: dict[str, dict[str, str]] = {
    "contact": {
        "to": "p.to_contact",
        "before": "case when p.to_contact is not null then p.contact_status end",
        "direction": "to_mailchimp",
        "action": "p.contact_action",
        "at": "p.contact_body->>'timestamp_opt'",
        "fields": "jsonb_path_query_array(p.contact_body, '$.merge_fields.keyvalue().key')",
        "side": "contact",
    },
    "customer": {
        "to": "p.to_customer",
        "before": "p.customer_state",
        "direction": "to_shopify",
        "action": "'consent'",
        "at": "coalesce(p.to_customer_at, :decided)",
        "fields": "null::jsonb",
        "side": "customer",
    },
}


def finish_chunk(
    tx: Connection,
    shop_id: int,
    run_id: UUID,
    *,
    side: str,
    chunk: int,
    decided_at: Any,
    seen_at: Any,
    missed: Sequence[Missed],
) -> None:
    """Record a chunk as done: the chunk's own end, exceptions, people and log lines.

    `seen_at` is when the run began to read: what live sync may ask changes since. A person of both sides is stored by
    both, each saying of the other what is known by then: one after the other.
    """
    values = {"shop": shop_id, "run": run_id, "chunk": chunk, "decided": decided_at, "seen": seen_at}
    other = "customer" if side == "contact" else "contact"
    turn = f"""
        select pg_advisory_xact_lock(hashtextextended(cast(:run as text), 0)) where exists (
            select 1 from plan where run_id = :run and {side}_chunk = :chunk and {other}_chunk is not null)
    """
    tx.execute(text(turn), {"run": run_id, "chunk": chunk})
    end = text(
        """
        update run_chunks set finished_at = now(), written = size - :missed
        where run_id = :run and side = :side and chunk = :chunk and finished_at is null
        """
    )
    tx.execute(end, {**values, "side": side, "missed": len(missed)})
    if missed:
        rows = [
            {
                "run_id": run_id,
                "n": e.n,
                "side": side,
                "result": e.result,
                "cause": e.cause,
                "detail": e.detail.replace("\0", "")[:1000],
            }
            for e in missed
        ]
        tx.execute(RunException.__table__.insert(), rows)  # type: ignore[attr-defined]
    upsert = _PERSON.format(sent=_SENT, which=f"p.{side}_chunk = :chunk")
    log = _ACTIVITY.format(**_SIDES[side])
    tx.execute(text(f"with person as ({upsert} returning id, key) {log}"), values)


def store_untouched(tx: Connection, shop_id: int, run_id: UUID, *, first: int, last: int, seen_at: Any) -> None:
    """Store the people of part of the plan for whom nothing had to be written, with the rule that said so."""
    which = "p.n between :first and :last and p.contact_chunk is null and p.customer_chunk is null"
    values = {"shop": shop_id, "run": run_id, "first": first, "last": last, "decided": None, "seen": seen_at}
    tx.execute(text(_PERSON.format(sent=_SENT, which=which)), values)


def totals(tx: Connection, run_id: UUID) -> dict[str, Any]:
    """How a run ended, per customer read: synced, skipped and failed with reasons. The sum is the number read.

    A person counts once: failed before skipped before synced. Contacts without a customer are counted on their own.
    """
    query = text(
        """
        with missed as (
            select n, (array_agg(result order by result))[1] as result, (array_agg(cause order by result))[1] as cause
            from run_exceptions where run_id = :run group by n
        )
        select p.customer_id is not null as customer,
            case when p.skip is not null then 'skipped' else coalesce(m.result, 'synced') end as result,
            coalesce(p.skip, m.cause) as reason, count(*) as n
        from plan p left join missed m on m.n = p.n where p.run_id = :run group by 1, 2, 3
        """
    )
    people: dict[str, Any] = {"read": 0, "synced": 0, "skipped": {}, "failed": {}}
    others: dict[str, Any] = {"read": 0, "synced": 0, "skipped": {}, "failed": {}}
    for row in tx.execute(query, {"run": run_id}):
        group = people if row.customer else others
        group["read"] += row.n
        if row.result == "synced":
            group["synced"] += row.n
        else:
            reason = row.reason or "internal"
            group[row.result][reason] = group[row.result].get(reason, 0) + row.n
    return {"people": people, "contacts_without_customer": others}
