"""Lanes: whose turn it is. A lane is a shop's queue of changes of one urgency; Postgres picks, wake-ups name nobody.

The least recently served lane goes first, which is round robin over shops: with wake-ups that name a shop, small shops
waited 27 to 67 s beside 40 big ones, so 1.2 s (reliability.md 3.4).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, text

from shopchimp.db.marking import BACKFILL, COMMERCE, LIVE, OF_CUSTOMER_EVENTS

IDLE_SECONDS = 30  # after which an empty lane is no longer looked at
FAILURES_OPEN = 10  # failures of the connection in a row that open the circuit breaker
LONGEST_PAUSE = 900.0


@dataclass(frozen=True, slots=True)
class Picked:
    """A lane to serve now; its connection failed so many times in a row."""

    shop_id: int
    lane: str
    login_id: str
    failures: int = 0

    @property
    def half_open(self) -> bool:
        """The breaker was open and it is time to try, with one call."""
        return self.failures >= FAILURES_OPEN


COMMERCE_PHASES = ("products", "customers", "orders", "carts", "promo_codes")
STORE_GONE = "mc_store_gone"  # troubles one lane alone: the contacts need no store

# A shop that may be worked for: connected, installed, live, and not in its first sync's writing of the same. While the
# store's automations are held (by a run that is paused, say) no live order is written: its mails would be lost.
# Customer events go on beside a run: they write neither consent nor contact.
_PHASES = ", ".join(f"'{phase}'" for phase in COMMERCE_PHASES)
_EVENTS = ", ".join(f"'{lane}'" for lane in OF_CUSTOMER_EVENTS)
_LANES = ", ".join(f"('{lane}')" for lane in (LIVE, COMMERCE, BACKFILL, *OF_CUSTOMER_EVENTS))
_MAY = f"""
    l.ready_at is not null and l.lane = any(:lanes)
    and c.state = 'connected' and c.live_since is not null and c.audience_id is not null
    and (l.lane <> 'commerce' or (c.commerce_since is not null and not c.store_syncing))
    and s.uninstalled_at is null and s.access_token is not null
    and (l.lane in ({_EVENTS}) or not exists (
        select 1 from sync_runs r where r.shop_id = l.shop_id and r.state = 'running'
            and (l.lane = 'commerce' or r.phase not in ({_PHASES}))))
"""
_FROM = "lanes l join connections c on c.shop_id = l.shop_id join shops s on s.id = l.shop_id"
_DUE = """
    (l.open_until is null or l.open_until <= now())
    and exists (select 1 from changes d where d.shop_id = l.shop_id and d.lane = l.lane and d.state = 'waiting'
        and d.due_at <= now())
"""
_SLOT = """
    (exists (select 1 from slots t where t.login_id = c.login_id and t.until <= now() and t.closed_until <= now())
        or not exists (select 1 from slots t where t.login_id = c.login_id))
"""


def pick(tx: Connection, *, lanes: Collection[str]) -> Picked | None:
    """The least recently served of these lanes with due work and a free slot; it is served now: others come next."""
    query = text(
        f"""
        with turn as (
            select l.shop_id, l.lane, c.login_id from {_FROM}
            where {_MAY} and {_DUE} and {_SLOT}
            order by l.served_at limit 1 for update of l skip locked
        )
        update lanes l set served_at = clock_timestamp() from turn
        where l.shop_id = turn.shop_id and l.lane = turn.lane
        returning l.shop_id, l.lane, turn.login_id, l.failures
        """
    )
    row = tx.execute(query, {"lanes": list(lanes)}).one_or_none()
    return Picked(**row._mapping) if row is not None else None


def served(tx: Connection, shop_id: int, lane: str) -> None:
    """A slice has ended: the lane goes behind all that waited meanwhile."""
    query = text("update lanes set served_at = clock_timestamp() where shop_id = :shop and lane = :lane")
    tx.execute(query, {"shop": shop_id, "lane": lane})


def seconds_until_due(tx: Connection, *, lanes: Collection[str]) -> float | None:
    """How long until one of these lanes may be picked (0: now), or None when nothing waits. Busy slots don't count."""
    query = text(
        f"""
        select extract(epoch from min(greatest(next.due_at, l.open_until)) - now()) from {_FROM}
        cross join lateral (select d.due_at from changes d where d.shop_id = l.shop_id and d.lane = l.lane
            and d.state = 'waiting' order by d.due_at limit 1) next
        where {_MAY}
        """
    )
    value = tx.execute(query, {"lanes": list(lanes)}).scalar_one()
    return None if value is None else max(float(value), 0.0)


def is_due(tx: Connection, *, lanes: Collection[str]) -> bool:
    """Whether `pick` would find something now."""
    query = text(f"select exists (select 1 from {_FROM} where {_MAY} and {_DUE} and {_SLOT})")
    return bool(tx.execute(query, {"lanes": list(lanes)}).scalar_one())


def close_for(tx: Connection, shop_id: int, seconds: float, cause: str, *, lane: str | None = None) -> bool:
    """The whole connection waits, all lanes of the shop or this one. Gives back whether that trouble is new."""
    query = text(
        """
        with before as (select shop_id, lane, trouble from lanes
            where shop_id = :shop and lane = coalesce(cast(:lane as text), lane) order by lane for update)
        update lanes l set trouble = :cause,
            open_until = greatest(l.open_until, now() + make_interval(secs => :seconds))
        from before where l.shop_id = before.shop_id and l.lane = before.lane
        returning before.trouble is distinct from :cause as fresh
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "seconds": seconds, "cause": cause, "lane": lane}).all()
    return any(row.fresh for row in rows)


def rest(tx: Connection, login_id: str, lane: str, seconds: float) -> None:
    """This lane of all shops of a Mailchimp login has used up so many seconds of its share of the calls.

    What several workers used up at once adds up. No trouble: it is only paced.
    """
    query = text(
        """
        with theirs as (select l.shop_id from lanes l join connections c on c.shop_id = l.shop_id
            where c.login_id = :login and l.lane = :lane order by l.shop_id for update of l)
        update lanes l set open_until = greatest(l.open_until, now()) + make_interval(secs => :seconds)
        from theirs where l.shop_id = theirs.shop_id and l.lane = :lane
        """
    )
    tx.execute(query, {"login": login_id, "lane": lane, "seconds": seconds})


def reopen(tx: Connection, shop_id: int, lane: str) -> None:
    """What troubled a lane is mended: it is served again at once."""
    query = text(
        """
        update lanes set open_until = null, trouble = null, failures = 0 where shop_id = :shop and lane = :lane
        """
    )
    tx.execute(query, {"shop": shop_id, "lane": lane})


def failed(tx: Connection, shop_id: int, cause: str, *, pause: float) -> int:
    """The connection failed as a whole. After ten times in a row it is left alone for `pause` seconds each time.

    Gives back how many times in a row it failed.
    """
    query = text(
        f"""
        update lanes set failures = failures + 1, trouble = :cause,
            open_until = case when failures + 1 < {FAILURES_OPEN} then open_until
                else greatest(open_until, now() + make_interval(secs => :pause)) end
        where shop_id = :shop returning failures
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "cause": cause, "pause": pause}).all()
    return max((int(row.failures) for row in rows), default=0)


def recovered(tx: Connection, shop_id: int, lane: str) -> None:
    """A call for this lane worked: the breaker closes, the trouble is forgotten, but for another lane's own."""
    query = text(
        f"""
        update lanes set failures = 0, trouble = null,
            open_until = case when failures < {FAILURES_OPEN} then open_until end
        where shop_id = :shop and (failures > 0 or trouble is not null)
            and (lane = :lane or trouble is distinct from '{STORE_GONE}')
        """
    )
    tx.execute(query, {"shop": shop_id, "lane": lane})


def mend(tx: Connection) -> int:
    """What the sweep does: wake lanes in which something waits unseen, let empty ones rest. One process at a time.

    A lane rests only when it was idle for a while: a change that commits just while it is put to rest is found by
    the next call. Gives back how many lanes had been forgotten.
    """
    if not tx.execute(text("select pg_try_advisory_xact_lock(hashtext('shopchimp.lanes'))")).scalar_one():
        return 0
    waits = "select 1 from changes d where d.shop_id = {shop} and d.lane = {lane} and d.state = 'waiting'"
    mine = waits.format(shop="l.shop_id", lane="l.lane")
    rest = text(
        f"""
        update lanes set ready_at = null
        where (shop_id, lane) in (select l.shop_id, l.lane from lanes l where ready_at is not null
            and greatest(ready_at, served_at) < now() - interval '{IDLE_SECONDS} seconds'
            and not exists ({mine}) for update skip locked)
        """
    )
    tx.execute(rest)
    wake = text(
        f"""
        update lanes set ready_at = now() where (shop_id, lane) in (select l.shop_id, l.lane from lanes l
            where ready_at is null and exists ({mine}) for update skip locked)
        """
    )
    found = tx.execute(wake).rowcount
    missing = text(
        f"""
        insert into lanes (shop_id, lane)
        select s.id, v.lane from shops s cross join (values {_LANES}) v (lane)
        where not exists (select 1 from lanes l where l.shop_id = s.id and l.lane = v.lane)
            and exists ({waits.format(shop="s.id", lane="v.lane")})
        on conflict do nothing
        """
    )
    return found + tx.execute(missing).rowcount


def shares_login(tx: Connection, shop_id: int) -> bool:
    """Whether another shop with live sync uses the same Mailchimp login, and so the same slots."""
    query = text(
        """
        select exists (select 1 from connections mine join connections other on other.login_id = mine.login_id
            and other.shop_id <> mine.shop_id and other.live_since is not null where mine.shop_id = :shop)
        """
    )
    return bool(tx.execute(query, {"shop": shop_id}).scalar_one())


def login_has_run(tx: Connection, login_id: str) -> bool:
    """Whether a first sync of some shop with this Mailchimp login is under way and wants slots as well."""
    query = text(
        """
        select exists (select 1 from sync_runs r join connections c on c.shop_id = r.shop_id
            where c.login_id = :login and r.due_at is not null and r.state in ('preparing', 'running'))
        """
    )
    return bool(tx.execute(query, {"login": login_id}).scalar_one())
