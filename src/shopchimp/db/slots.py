"""Slots: the connections that Mailchimp allows a login, as rows that are leased for a slice of work.

Rows in Postgres rather than a counter in Redis: after a FLUSHALL that counter let 16 through where 8 were allowed
(reliability.md 3.4). All shops and runs of a login share its slots, whichever process works on them.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

SLOTS = 8  # of Mailchimp's 10: requests that we gave up on still run over there
MINUTE = 60.0


def ensure(tx: Connection, login_id: str, *, count: int = SLOTS) -> None:
    """Make the login's slots, if there are none yet."""
    query = text(
        """
        insert into slots (login_id, n) select :login, n from generate_series(1, :count) n
        where not exists (select 1 from slots where login_id = :login and n = :count)
        on conflict do nothing
        """
    )
    tx.execute(query, {"login": login_id, "count": count})


def take(tx: Connection, login_id: str, at_most: int, *, token: UUID, lease: float, count: int = SLOTS) -> list[int]:
    """Take up to so many free slots for `lease` seconds; none when all are busy. Their number is the parallelism."""
    ensure(tx, login_id, count=count)
    query = text(
        """
        with free as (
            select n from slots
            where login_id = :login and n <= :count and until <= now() and closed_until <= now()
            order by n limit :at_most for update skip locked
        )
        update slots s set token = :token, until = now() + make_interval(secs => :lease)
        from free where s.login_id = :login and s.n = free.n returning s.n
        """
    )
    values = {"login": login_id, "count": count, "at_most": at_most, "token": token, "lease": lease}
    return sorted(row.n for row in tx.execute(query, values))


def renew(tx: Connection, login_id: str, token: UUID, *, lease: float) -> int:
    """Keep them for another `lease` seconds. Gives back how many are still ours."""
    query = text(
        """
        update slots set until = now() + make_interval(secs => :lease) where login_id = :login and token = :token
        """
    )
    return tx.execute(query, {"login": login_id, "token": token, "lease": lease}).rowcount


def give_back(tx: Connection, login_id: str, token: UUID, *, gave_up: int = 0, closed: float = 10.0) -> None:
    """Free for others. After `gave_up` calls timed out so many stay closed a while: those still run over there."""
    query = text(
        """
        update slots s set token = null,
            until = case when n in (select n from slots where login_id = :login and token = :token
                order by n desc limit :gave_up) then now() + make_interval(secs => :closed) else now() end
        where login_id = :login and token = :token
        """
    )
    tx.execute(query, {"login": login_id, "token": token, "gave_up": gave_up, "closed": closed})


def ease(tx: Connection, login_id: str, *, count: int = SLOTS) -> None:
    """After a 429: half of the slots stay closed for a minute, then one more opens each minute."""
    half = max(1, count // 2)
    query = text(
        """
        with halved as (
            select n from slots where login_id = :login and n > :half and n <= :count order by n for update
        )
        update slots s set closed_until = now() + make_interval(secs => :minute * (s.n - :half))
        from halved where s.login_id = :login and s.n = halved.n
        """
    )
    tx.execute(query, {"login": login_id, "half": half, "count": count, "minute": MINUTE})


def taken(tx: Connection, login_id: str) -> int:
    """How many are held now, for pages and tests."""
    query = text("select count(*) from slots where login_id = :login and token is not null and until > now()")
    return int(tx.execute(query, {"login": login_id}).scalar_one())
