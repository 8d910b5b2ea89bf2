"""How many consent changes live sync made lately, and the times it stopped to ask (M9) or to tell (M5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from shopchimp.db.session import dumps

MANY, SAME, OUTS = "many_changes", "same_time", "many_opt_outs"


@dataclass(frozen=True, slots=True)
class Opened:
    """A breaker that waits for the merchant's answer; `held` people wait for it with their opt-in."""

    id: int
    cause: str
    opened_at: datetime
    seen: int
    held: int


def count(tx: Connection, shop_id: int, counts: Mapping[tuple[str, datetime], int]) -> None:
    """Add to the tallies: kinds `in` and `out` by minute, `same` by the second that opt-ins carry."""
    if not counts:
        return
    query = text(
        """
        insert into tallies as t (shop_id, kind, bucket, n)
        select :shop, r.kind, r.bucket, r.n
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(kind text, bucket timestamptz, n bigint) order by 1, 2, 3
        on conflict (shop_id, kind, bucket) do update set n = t.n + excluded.n
        """
    )
    rows = [{"kind": kind, "bucket": bucket, "n": n} for (kind, bucket), n in counts.items()]
    tx.execute(query, {"shop": shop_id, "rows": dumps(rows)})


def last_hour(tx: Connection, shop_id: int) -> dict[str, int]:
    """Consent changes of the last hour by kind (`in`, `out`), since the merchant last let a wave go."""
    query = text(
        """
        select kind, sum(n) as n from tallies
        where shop_id = :shop and kind in ('in', 'out') and bucket >= greatest(now() - interval '1 hour',
            (select date_trunc('minute', max(decided_at)) + interval '1 minute' from breakers
             where shop_id = :shop and cause <> 'same_time'))
        group by kind
        """
    )
    return {row.kind: int(row.n) for row in tx.execute(query, {"shop": shop_id})}


def same_second(tx: Connection, shop_id: int, seconds: Sequence[datetime]) -> dict[datetime, int]:
    """How many opt-ins each of these seconds has on record."""
    query = text("select bucket, n from tallies where shop_id = :shop and kind = 'same' and bucket = any(:seconds)")
    rows = tx.execute(query, {"shop": shop_id, "seconds": list(seconds)})
    return {row.bucket: int(row.n) for row in rows}


def let_go_since(tx: Connection, shop_id: int, cause: str) -> datetime | None:
    """When the merchant last answered "let go" for this cause."""
    query = text(
        "select max(decided_at) from breakers where shop_id = :shop and cause = :cause and decision = 'let_go'"
    )
    found: datetime | None = tx.execute(query, {"shop": shop_id, "cause": cause}).scalar_one_or_none()
    return found


def open_(tx: Connection, shop_id: int, cause: str, seen: int) -> bool:
    """Stop and ask, once; gives back whether this is news."""
    query = text(
        """
        insert into breakers as b (shop_id, cause, seen) values (:shop, :cause, :seen)
        on conflict (shop_id, cause) where decided_at is null do update set seen = greatest(b.seen, excluded.seen)
        returning xmax = 0
        """
    )
    return bool(tx.execute(query, {"shop": shop_id, "cause": cause, "seen": seen}).scalar_one())


def asked(tx: Connection, shop_id: int, *, hold: bool = False) -> frozenset[str]:
    """The causes of what waits for an answer. `hold`: it can't be given before this transaction ends."""
    query = (
        f"select cause from breakers where shop_id = :shop and decided_at is null {'order by cause for share' * hold}"
    )
    return frozenset(tx.execute(text(query), {"shop": shop_id}).scalars())


def opened(tx: Connection, shop_id: int) -> list[Opened]:
    """What waits for the merchant's answer now, oldest first."""
    query = text(
        """
        select b.id, b.cause, b.opened_at, b.seen,
            (select count(*) from changes c where c.shop_id = b.shop_id and c.state = 'held' and c.cause = b.cause) held
        from breakers b where b.shop_id = :shop and b.decided_at is null order by b.id
        """
    )
    return [Opened(**row._mapping) for row in tx.execute(query, {"shop": shop_id})]


def decided(tx: Connection, shop_id: int, cause: str, decision: str) -> bool:
    """Store the merchant's answer; False where nothing asks any more."""
    query = text(
        """
        update breakers set decided_at = now(), decision = :decision
        where shop_id = :shop and cause = :cause and decided_at is null
        """
    )
    values = {"shop": shop_id, "cause": cause, "decision": decision}
    return tx.execute(query, values).rowcount > 0


def let_go(tx: Connection, shop_id: int, cause: str) -> int:
    """Let the held opt-ins of this cause go on; how many."""
    query = text(
        """
        update changes set state = 'waiting', allowed = true, due_at = now(), cause = null, detail = null, attempts = 0,
            event_at = now()
        where shop_id = :shop and state = 'held' and cause = :cause
        """
    )
    held = tx.execute(query, {"shop": shop_id, "cause": cause}).rowcount
    tx.execute(text("update lanes set ready_at = coalesce(ready_at, now()) where shop_id = :shop"), {"shop": shop_id})
    return held


def drop(tx: Connection, shop_id: int, cause: str) -> list[dict[str, Any]]:
    """Forget the held opt-ins of this cause: the pair of choices is remembered, so that none is tried again."""
    query = text(
        """
        with gone as (
            delete from changes where shop_id = :shop and state = 'held' and cause = :cause returning key, detail
        )
        update people p set dropped = cast(g.detail as jsonb), reason = 'dropped', result = 'skipped'
        from gone g where p.shop_id = :shop and p.key = g.key returning p.id, p.key
        """
    )
    return [dict(row._mapping) for row in tx.execute(query, {"shop": shop_id, "cause": cause})]


def forget_all(tx: Connection, shop_id: int) -> None:
    """Another audience, or none: what was counted and is asked about the old one is void."""
    tx.execute(text("delete from breakers where shop_id = :shop and decided_at is null"), {"shop": shop_id})
    tx.execute(text("delete from tallies where shop_id = :shop"), {"shop": shop_id})
