"""Changes: what to look at again, one row each, worked on under a lease whose token and version fence the end.

What is written here about people holds for orders, products, checkouts and visitors as well: their keys (`order:1001`,
`visitor:...`) are no person's, so a key alone says which row is meant.

The order is claim, commit, and only then read what belongs to the keys (reliability.md 3.3): a read in the claim's
own statement would see the time before the lock, and the delete would match the newer version.

A lease that ran out is taken over, but its holder may only be asleep between its last check and its write. So a key
that was taken over is looked at once more when such a write would have come (`settles_at`), and whoever finds that
it lost its lease marks the key again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from shopchimp.db.marking import MARKED, kind_of, lane_of, ready

_KINDS = "('person', 'commerce', 'event')"  # every one, named so that the primary key is of use
SETTLING = 3  # leases until the late write of somebody whose lease ran out must have come
MAX_CRASHES = 5  # claims that nobody told the end of
# How many are claimed together after so many crashes: each time a smaller group, at last one alone, so that a key which
# kills us is found and takes few others with it, while workers that are killed by others go on in groups.
TOGETHER = {2: 50, 3: 10, 4: 1}
SUSPECT = min(TOGETHER)
MAX_ATTEMPTS = 20  # failures that might have passed, and didn't
MANY_ATTEMPTS = 5  # of these there must be some before the day is counted: waiting for the merchant is no failure


@dataclass(frozen=True, slots=True)
class Claimed:
    """A person to look at now. `stolen`: taken over from a lease that ran out."""

    key: str
    version: int
    attempts: int
    stolen: bool
    customer_id: int | None
    opted_outs: Sequence[datetime] | None
    allowed: bool
    event_at: datetime | None
    source: str


def claim(tx: Connection, shop_id: int, lane: str, *, token: UUID, lease: float, limit: int) -> list[Claimed]:
    """Take up to `limit` due people for `lease` seconds, those due longest. Commit before reading what belongs to them.

    Who was claimed five times without anybody telling the end, at last alone, is parked: something of ours dies of it.
    """
    query = text(
        f"""
        with due as (
            select kind, key, token is not null as stolen from changes
            where shop_id = :shop and lane = :lane and state = 'waiting' and due_at <= now()
            order by due_at limit :limit for update skip locked
        )
        update changes c set token = :token, due_at = now() + make_interval(secs => :lease), attempts = attempts + 1,
            crashes = c.crashes + due.stolen::int,
            settles_at = case when due.stolen then now() + make_interval(secs => {SETTLING} * :lease)
                when c.settles_at > now() then c.settles_at end
        from due where c.shop_id = :shop and c.kind = due.kind and c.key = due.key
        returning {", ".join(f"c.{field.name}" for field in fields(Claimed) if field.name != "stolen")},
            due.stolen, c.crashes
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "lane": lane, "token": token, "lease": lease, "limit": limit}).all()
    poison = [row.key for row in rows if row.crashes >= MAX_CRASHES]
    kept = {row.key for row in rows} - set(poison)
    worst = max((row.crashes for row in rows if row.crashes < MAX_CRASHES), default=0)
    if worst >= SUSPECT:
        kept = set([row.key for row in rows if row.crashes == worst][: TOGETHER[worst]])
    if poison:
        park(tx, shop_id, token, [(row.key, row.version, "internal", "") for row in rows if row.key in set(poison)])
    if worst >= SUSPECT:
        give_back(tx, shop_id, token, [row.key for row in rows if row.key not in {*kept, *poison}])
    names = [field.name for field in fields(Claimed)]
    return [Claimed(**{name: row._mapping[name] for name in names}) for row in rows if row.key in kept]


def give_back(tx: Connection, shop_id: int, token: UUID, keys: Sequence[str]) -> None:
    """As if these had not been claimed: due now, nothing counted."""
    query = text(
        f"""
        update changes set token = null, due_at = now(), attempts = greatest(attempts - 1, 0)
        where shop_id = :shop and kind in {_KINDS} and key = any(:keys) and token = :token
        """
    )
    tx.execute(query, {"shop": shop_id, "keys": list(keys), "token": token})


def move(tx: Connection, shop_id: int, token: UUID, keys: Sequence[str], lane: str) -> None:
    """These are to be worked on in another lane, and nothing of them was tried in this one."""
    give_back(tx, shop_id, token, keys)
    query = text(
        f"""
        update changes set lane = :lane
        where shop_id = :shop and kind in {_KINDS} and key = any(:keys) and token is null
        """
    )
    if keys:
        tx.execute(query, {"shop": shop_id, "keys": list(keys), "lane": lane})


def renew(tx: Connection, shop_id: int, token: UUID, keys: Sequence[str], *, lease: float) -> set[str]:
    """Keep the lease of these for another `lease` seconds. Gives back which are still ours (the done ones aren't)."""
    ours = _hold_rows(tx, shop_id, token, keys)
    query = text(
        f"""
        update changes set due_at = now() + make_interval(secs => :lease)
        where shop_id = :shop and kind in {_KINDS} and key = any(:keys) and token = :token
        """
    )
    if ours:
        tx.execute(query, {"shop": shop_id, "keys": list(ours), "token": token, "lease": lease})
    return set(ours)


@dataclass(frozen=True, slots=True)
class _Ours:
    version: int
    settled: bool


def _hold_rows(tx: Connection, shop_id: int, token: UUID, keys: Iterable[str]) -> dict[str, _Ours]:
    """The rows of these keys that are still ours, held until the transaction ends."""
    query = text(
        f"""
        select key, version, settles_at is null as settled from changes
        where shop_id = :shop and kind in {_KINDS} and key = any(:keys) and token = :token
        order by key for no key update
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "keys": list(keys), "token": token})
    return {row.key: _Ours(row.version, row.settled) for row in rows}


def finish(tx: Connection, shop_id: int, token: UUID, done: Sequence[tuple[str, int]]) -> set[str]:
    """These people (key, claimed version) are in sync; in the transaction that records what was done.

    Deleted is only who wasn't marked meanwhile and whose lease was ours all along; the others are looked at again.
    Gives back who was deleted.
    """
    if not done:
        return set()
    ours = _hold_rows(tx, shop_id, token, (key for key, _ in done))
    gone = {key for key, version in done if key in ours and ours[key] == _Ours(version, settled=True)}
    if gone:
        query = text(f"delete from changes where shop_id = :shop and kind in {_KINDS} and key = any(:keys)")
        tx.execute(query, {"shop": shop_id, "keys": sorted(gone)})
    _look_again(tx, shop_id, token, {key: version for key, version in done if key in ours and key not in gone})
    _lost(tx, shop_id, [key for key, _ in done if key not in ours])
    return gone


def _look_again(tx: Connection, shop_id: int, token: UUID, versions: Mapping[str, int]) -> None:
    """Ours, but marked meanwhile (due now), or taken over (due when the other's late write would have come)."""
    if not versions:
        return
    query = text(
        f"""
        update changes c set token = null, attempts = 0, crashes = 0, cause = null, detail = null, allowed = false,
            due_at = case when c.version <> d.version then now() else greatest(now(), c.settles_at) end
        from unnest(cast(:keys as text[]), cast(:versions as bigint[])) as d (key, version)
        where c.shop_id = :shop and c.kind in {_KINDS} and c.key = d.key and c.token = :token
        """
    )
    values = {"shop": shop_id, "token": token, "keys": list(versions), "versions": list(versions.values())}
    tx.execute(query, values)


def _lost(tx: Connection, shop_id: int, keys: Sequence[str]) -> None:
    """Somebody else took these over or is done with them, and our write may have come after theirs: mark them again.

    Not in a shop that was disconnected meanwhile, whose changes were deleted for good.
    """
    if not keys:
        return
    query = text(
        f"""
        insert into changes as c (shop_id, kind, key, lane, source)
        select :shop, m.kind, m.key, m.lane, 'lease'
        from unnest(cast(:kinds as text[]), cast(:keys as text[]), cast(:lanes as text[])) as m (kind, key, lane)
        where exists (select 1 from connections where shop_id = :shop and live_since is not null)
        order by m.key collate "C"
        on conflict (shop_id, kind, key) do update set {MARKED}
        returning 1
        """
    )
    lost = sorted(set(keys))
    values = {"shop": shop_id, "keys": lost, "kinds": [kind_of(key) for key in lost]}
    if tx.execute(query, {**values, "lanes": [lane_of(key) for key in lost]}).all():
        for lane in sorted({lane_of(key) for key in lost}):
            ready(tx, shop_id, lane)


def later(
    tx: Connection, shop_id: int, token: UUID, waiting: Sequence[tuple[str, float, str, str]], *, count: bool
) -> set[str]:
    """Not done: look again in so many seconds (key, seconds, cause, detail). Not `count`: the claim was no attempt.

    Who failed for a day or 20 times is parked instead; gives back who was.
    """
    ours = _hold_rows(tx, shop_id, token, (each[0] for each in waiting))
    query = text(
        f"""
        update changes c set token = null, crashes = 0, cause = d.cause, detail = d.detail,
            attempts = case when :count then c.attempts else greatest(c.attempts - 1, 0) end,
            due_at = now() + make_interval(secs => d.seconds),
            state = case when :count and (c.attempts >= {MAX_ATTEMPTS} or (c.attempts >= {MANY_ATTEMPTS}
                and c.marked_at < now() - interval '24 hours')) then 'parked' else 'waiting' end
        from unnest(cast(:keys as text[]), cast(:seconds as float8[]), cast(:causes as text[]),
            cast(:details as text[])) as d (key, seconds, cause, detail)
        where c.shop_id = :shop and c.kind in {_KINDS} and c.key = d.key and c.token = :token
        returning c.key, c.state
        """
    )
    parked: set[str] = set()
    mine = [each for each in waiting if each[0] in ours]
    if mine:
        keys, seconds, causes, details = (list(column) for column in zip(*mine, strict=True))
        values = {"shop": shop_id, "token": token, "count": count, "keys": keys, "seconds": seconds}
        values |= {"causes": causes, "details": [str(detail)[:500] for detail in details]}
        parked = {row.key for row in tx.execute(query, values) if row.state == "parked"}
    _lost(tx, shop_id, [each[0] for each in waiting if each[0] not in ours])
    return parked


def wait(tx: Connection, shop_id: int, token: UUID, waiting: Sequence[tuple[str, int, float, str]]) -> set[str]:
    """All that is due is done, the rest isn't due before (key, claimed version, seconds, lane in which it waits).

    No attempt is counted. Who was marked meanwhile stays in its lane and is looked at again at once. Gives back who is
    still ours.
    """
    ours = _hold_rows(tx, shop_id, token, (each[0] for each in waiting))
    mine = [each for each in waiting if each[0] in ours]
    if mine:
        query = text(
            f"""
            update changes c set token = null, attempts = 0, crashes = 0, cause = null, detail = null,
                event_at = null,
                lane = case when c.version <> d.version then c.lane else d.lane end,
                due_at = case when c.version <> d.version then now() else now() + make_interval(secs => d.seconds) end
            from unnest(cast(:keys as text[]), cast(:versions as bigint[]), cast(:seconds as float8[]),
                cast(:lanes as text[])) as d (key, version, seconds, lane)
            where c.shop_id = :shop and c.kind in {_KINDS} and c.key = d.key and c.token = :token
            """
        )
        keys, versions, seconds, lanes = (list(column) for column in zip(*mine, strict=True))
        values = {"shop": shop_id, "token": token, "keys": keys, "versions": versions, "seconds": seconds}
        tx.execute(query, {**values, "lanes": lanes})
        for lane in sorted({str(lane) for lane in lanes}):
            ready(tx, shop_id, lane)
    _lost(tx, shop_id, [each[0] for each in waiting if each[0] not in ours])
    return set(ours)


def park(tx: Connection, shop_id: int, token: UUID, refused: Sequence[tuple[str, int, str, str]]) -> set[str]:
    """Refused (key, claimed version, cause, the API's words): wait for the merchant, or for the next change.

    Who was marked meanwhile is looked at again at once. Gives back who was parked.
    """
    return _stop(tx, shop_id, token, refused, "parked")


def hold(tx: Connection, shop_id: int, token: UUID, held: Sequence[tuple[str, int, str, str]]) -> set[str]:
    """Held by the circuit breaker (key, claimed version, cause, detail) until the merchant decides. See `park`."""
    return _stop(tx, shop_id, token, held, "held")


def _stop(
    tx: Connection, shop_id: int, token: UUID, stopped: Sequence[tuple[str, int, str, str]], state: str
) -> set[str]:
    ours = _hold_rows(tx, shop_id, token, (each[0] for each in stopped))
    stays = [each for each in stopped if each[0] in ours and ours[each[0]].version == each[1]]
    if stays:
        query = text(
            f"""
            update changes c set token = null, state = :state, cause = d.cause, detail = d.detail,
                due_at = now(), allowed = false
            from unnest(cast(:keys as text[]), cast(:causes as text[]), cast(:details as text[]))
                as d (key, cause, detail)
            where c.shop_id = :shop and c.kind in {_KINDS} and c.key = d.key and c.token = :token
            """
        )
        values = {"shop": shop_id, "token": token, "state": state, "keys": [each[0] for each in stays]}
        values |= {"causes": [each[2] for each in stays], "details": [each[3][:500] for each in stays]}
        tx.execute(query, values)
    moved = [key for key, version, *_ in stopped if key in ours and ours[key].version != version]
    if moved:
        give_back(tx, shop_id, token, moved)
    _lost(tx, shop_id, [each[0] for each in stopped if each[0] not in ours])
    return {each[0] for each in stays}


def crashed(tx: Connection, shop_id: int, token: UUID, keys: Sequence[str], *, seconds: float, detail: str) -> None:
    """Our own code died over these: look again later, and count it, so that `claim` isolates whose fault it is."""
    query = text(
        f"""
        update changes set token = null, crashes = crashes + 1, cause = 'internal', detail = :detail,
            due_at = now() + make_interval(secs => :seconds)
        where shop_id = :shop and kind in {_KINDS} and key = any(:keys) and token = :token
        """
    )
    values = {"shop": shop_id, "token": token, "keys": list(keys), "seconds": seconds, "detail": detail}
    tx.execute(query, values)


def still_held(tx: Connection, shop_id: int, token: UUID, keys: Sequence[str]) -> set[str]:
    """Which of these are still under our lease."""
    return set(_hold_rows(tx, shop_id, token, keys))


# ------------------------------------------------------------------ for pages and figures


def waiting(tx: Connection, shop_id: int, lane: str, *, at_most: int) -> int:
    """How many are due in a lane, counted no further than `at_most`."""
    query = text(
        """
        select count(*) from (select 1 from changes
            where shop_id = :shop and lane = :lane and state = 'waiting' and due_at <= now() limit :at_most) due
        """
    )
    return int(tx.execute(query, {"shop": shop_id, "lane": lane, "at_most": at_most}).scalar_one())


def some(tx: Connection, shop_id: int, lane: str) -> bool:
    """Whether anything waits in a lane, due or not."""
    query = text("select exists (select from changes where shop_id = :shop and lane = :lane and state = 'waiting')")
    return bool(tx.execute(query, {"shop": shop_id, "lane": lane}).scalar_one())


def oldest_due(tx: Connection) -> float | None:
    """For how many seconds the longest-waiting change of all shops has been due; None when none is."""
    query = text(
        """
        select extract(epoch from now() - min(first.due_at)) from lanes l cross join lateral (
            select c.due_at from changes c where c.shop_id = l.shop_id and c.lane = l.lane and c.state = 'waiting'
                and c.due_at <= now() and c.token is null order by c.due_at limit 1) first
        """
    )
    value = tx.execute(query).scalar_one()
    return None if value is None else float(value)


def forget_lanes(tx: Connection, shop_id: int, lanes: Sequence[str]) -> int:
    """Delete what waits in these lanes, leased or not: it is not wanted any more. Gives back how many there were."""
    query = text("delete from changes where shop_id = :shop and lane = any(:lanes)")
    return tx.execute(query, {"shop": shop_id, "lanes": list(lanes)}).rowcount


def forget_all(tx: Connection, shop_id: int) -> None:
    """Delete all changes of a shop: it was disconnected, or has another audience."""
    tx.execute(text("delete from changes where shop_id = :shop"), {"shop": shop_id})
    tx.execute(text("delete from lanes where shop_id = :shop"), {"shop": shop_id})
