"""What a run has done so far, read from its chunks, its exceptions and its plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class SideProgress:
    """The writes to one side: rows done of rows planned, and how many of them lately."""

    side: str
    done: int
    total: int
    recent: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many people ended this way, and why where there is a reason."""

    result: str
    reason: str
    n: int


def sides(tx: Connection, shop_id: int, run_id: UUID, *, lately: timedelta) -> dict[str, SideProgress]:
    """Done, planned and recently done rows of each side, from the chunks alone (a chunk is up to 500 people)."""
    query = text(
        """
        select c.side,
               coalesce(sum(c.size) filter (where c.finished_at is not null), 0) as done,
               sum(c.size) as total,
               coalesce(sum(c.size) filter (where c.finished_at >= now() - cast(:lately as interval)), 0) as recent
        from run_chunks c join sync_runs r on r.id = c.run_id
        where r.shop_id = :shop and r.id = :run group by c.side
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "run": run_id, "lately": lately})
    return {side: SideProgress(side, int(done), int(total), int(recent)) for side, done, total, recent in rows}


def exceptions(tx: Connection, shop_id: int, run_id: UUID) -> list[Outcome]:
    """Writes that weren't made, by result and cause."""
    query = text(
        """
        select e.result, e.cause, count(*) from run_exceptions e join sync_runs r on r.id = e.run_id
        where r.shop_id = :shop and r.id = :run group by e.result, e.cause order by count(*) desc
        """
    )
    return [Outcome(result, cause, int(n)) for result, cause, n in tx.execute(query, {"shop": shop_id, "run": run_id})]


def outcomes(tx: Connection, shop_id: int, run_id: UUID) -> list[Outcome]:
    """Every customer read, once: failed beats waiting beats skipped beats synced. The sum is all of them.

    Reads the whole plan (about a second for a million people): for a run that was stopped, not for a page that polls.
    """
    query = text(
        """
        with mine as (select id from sync_runs where shop_id = :shop and id = :run),
        refused as (
            select n, max(result) filter (where result = 'failed') as failed,
                   max(cause) filter (where result = 'failed') as failed_cause, max(cause) as cause
            from run_exceptions where run_id in (select id from mine) group by n
        ),
        open_chunks as (
            select side, chunk from run_chunks where run_id in (select id from mine) and finished_at is null
        ),
        people as (
            select case
                     when p.skip is not null then 'skipped'
                     when x.failed is not null then 'failed'
                     when oc.chunk is not null or os.chunk is not null then 'waiting'
                     when x.n is not null then 'skipped'
                     else 'synced'
                   end as result,
                   coalesce(p.skip, x.failed_cause, x.cause, '') as reason
            from plan p
            left join refused x on x.n = p.n
            left join open_chunks oc on oc.side = 'contact' and oc.chunk = p.contact_chunk
            left join open_chunks os on os.side = 'customer' and os.chunk = p.customer_chunk
            where p.run_id in (select id from mine) and p.customer_id is not null
        )
        select result, case when result in ('skipped', 'failed') then reason else '' end as reason, count(*)
        from people group by 1, 2 order by 3 desc
        """
    )
    return [Outcome(result, why, int(n)) for result, why, n in tx.execute(query, {"shop": shop_id, "run": run_id})]
