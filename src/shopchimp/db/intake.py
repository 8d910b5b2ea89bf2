"""Intake: one webhook, one SQL statement, through a small asynchronous pool of its own (DESIGN.md sections 2 and 4).

Each statement remembers the delivery and, where it is new, marks the people it names; a double changes nothing. Nobody
is marked whose address was erased lately (`tombstones`) or while no Mailchimp account is connected (the first sync
will read everything), and nothing is stored for a shop that doesn't have the app.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from shopchimp.db.marking import MARKED

log = structlog.get_logger()

PATIENCE = 2.6  # seconds until we answer that we can't: Shopify waits 5, Mailchimp 10
TRIES = 3  # a restarted Postgres leaves dead connections in the pool
_OPTIONS = (
    "-c timezone=UTC -c plan_cache_mode=force_generic_plan"
    " -c statement_timeout=2500 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10s"
)

_MARK = f"""
    on conflict (shop_id, kind, key) do update set {MARKED}, lane = 'contacts', source = excluded.source,
        customer_id = coalesce(excluded.customer_id, c.customer_id),
        opted_outs = c.opted_outs || excluded.opted_outs,
        event_at = case when c.state = 'waiting' then least(c.event_at, excluded.event_at) else excluded.event_at end
"""
# The lane's row is locked only when it was idle: else the deliveries of a shop would wait for each other.
READY = """
    insert into lanes as l (shop_id, lane) select shop_id, '{lane}' from fresh
    where exists (select from marked) and not exists (select from lanes x
        where x.shop_id = (select id from shop) and x.lane = '{lane}' and x.ready_at is not null)
    on conflict (shop_id, lane) do update set ready_at = coalesce(l.ready_at, now())
"""
_CONTACTS_READY = READY.format(lane="contacts")
NOT_ERASED = """
    not exists (select from tombstones t where t.shop_id = (select id from shop)
        and t.digest = any(%(graves)s::bytea[]) and t.until > now())
"""
SHOPIFY = """
    shop as materialized (
        select id from shops where domain = %(domain)s and uninstalled_at is null
    ), fresh as (
        insert into deliveries (digest, shop_id, source, topic, fired_at)
        select %(digest)s::bytea, id, 'shopify', %(topic)s, %(fired)s::timestamptz from shop
        on conflict do nothing returning shop_id
    )
"""
ANSWER = "select (select id from shop), exists(select from fresh)"

# Of customers who are merged, an opt-out of the one that goes is an opt-out of the one that stays (M8, ADR 012).
_MERGED_OUT = """
    case when %(topic)s::text = 'customers/merge' then (select array_agg(p.customer_at) from people p
        where p.shop_id = (select id from shop) and p.customer_id = any(%(customers)s::bigint[])
            and p.customer_state = 'UNSUBSCRIBED' and p.customer_at is not null) end
"""

# Scalar subqueries rather than joins: nearly every one of these is one look into one index.
PEOPLE_OF_SHOPIFY = f"""
    with {SHOPIFY}, named as (
        select p.key, p.customer_id as id from people p
        where p.shop_id = (select id from shop) and p.customer_id = any(%(customers)s::bigint[])
        union all
        select %(address)s::text, (%(customers)s::bigint[])[1] where %(address)s::text is not null
        union all
        select 'customer:' || c.id, c.id from unnest(%(customers)s::bigint[]) c(id)
        where %(address)s::text is null and not exists (
            select from people p where p.shop_id = (select id from shop) and p.customer_id = c.id)
    ), marked as (
        select key, max(id) as id from named
        where exists (select from fresh) and {NOT_ERASED}
            and exists (select from connections where shop_id = (select id from shop))
        group by key
    ), change as (
        insert into changes as c (shop_id, kind, key, lane, source, customer_id, event_at, opted_outs)
        select (select id from shop), 'person', key, 'contacts', 'shopify', id, %(fired)s::timestamptz, {_MERGED_OUT}
        from marked order by key collate "C"
        {_MARK}
    ), ready as ({_CONTACTS_READY})
    {ANSWER}
"""

_NOBODY = f"""
    with {SHOPIFY}, poll as (
        update chores set due_at = least(due_at, now()) from fresh
        where chores.shop_id = fresh.shop_id and name = 'poll_customers' and token is null returning 1
    )
    {ANSWER}
"""

_NOTED = f"with {SHOPIFY} {ANSWER}"

# A run that waits for its bulk operation looks at once.
_BULK_FINISHED = f"""
    with {SHOPIFY}, run as (
        update sync_runs r set due_at = now() from fresh
        where r.shop_id = fresh.shop_id and r.token is null and r.due_at > now()
            and (r.state, r.phase) in (('preparing', 'read_customers'), ('running', 'products'), ('running', 'orders'))
        returning 1
    )
    {ANSWER}
"""

# Paused at once; whether it is true is asked of the API before anything is dropped (reliability.md 6.2 c).
_UNINSTALLED = f"""
    with {SHOPIFY}, asked as (
        insert into privacy_requests (digest, shop_id, domain, topic)
        select %(digest)s::bytea, shop_id, %(domain)s, %(topic)s from fresh on conflict do nothing returning 1
    ), pause as (
        update lanes set open_until = greatest(open_until, now() + interval '10 minutes'), trouble = 'sh_access_revoked'
        from fresh where lanes.shop_id = fresh.shop_id returning 1
    )
    {ANSWER}
"""

_COMPLIANCE = """
    with asked as (
        insert into privacy_requests (digest, shop_id, domain, topic, body)
        values (%(digest)s::bytea, (select id from shops where domain = %(domain)s), %(domain)s, %(topic)s, %(body)s)
        on conflict do nothing returning 1
    )
    select null::bigint, exists(select from asked)
"""

_MAILCHIMP = """
    shop as materialized (
        select c.shop_id as id from connections c join shops s on s.id = c.shop_id
        where c.shop_id = %(shop)s and c.audience_id = %(audience)s and s.uninstalled_at is null
    ), fresh as (
        insert into deliveries (digest, shop_id, source, topic, fired_at)
        select %(digest)s::bytea, id, 'mailchimp', %(topic)s, %(fired)s::timestamptz from shop
        on conflict do nothing returning shop_id
    ), poll as (
        update chores set due_at = least(due_at, now()) from fresh
        where %(poll)s::boolean and chores.shop_id = fresh.shop_id and name = 'poll_contacts' and token is null
        returning 1
    )
"""

_PEOPLE_OF_MAILCHIMP = f"""
    with {_MAILCHIMP}, marked as (
        select n.key from unnest(%(keys)s::text[], %(marks)s::bytea[]) n(key, mark)
        where exists (select from fresh) group by n.key
        having not bool_or(exists (select from tombstones t
            where t.shop_id = (select id from shop) and t.digest = n.mark and t.until > now()))
    ), change as (
        insert into changes as c (shop_id, kind, key, lane, source, opted_outs, event_at)
        select (select id from shop), 'person', key, 'contacts', 'mailchimp',
            case when %(opted_out)s::timestamptz is not null then array[%(opted_out)s::timestamptz] end,
            %(fired)s::timestamptz
        from marked order by key collate "C"
        {_MARK}
    ), ready as ({_CONTACTS_READY})
    {ANSWER}
"""

_NOTED_MAILCHIMP = f"with {_MAILCHIMP} {ANSWER}"

_HOOK = """
    select h.id, h.shop_id, h.topic, h.signing_secret,
        s.uninstalled_at is not null or c.audience_id is distinct from h.topic
            or h.retired_at < now() - interval '24 hours'
    from hooks h join shops s on s.id = h.shop_id left join connections c on c.shop_id = h.shop_id
    where h.source = 'mailchimp' and h.path_digest = %(digest)s and h.external_id <> ''
"""


class Away(Exception):
    """Postgres doesn't answer in time. Nothing was stored, or what was is found again by the next try."""


class Unstorable(Away):
    """Postgres answers, and refuses the statement: the next try would fail as well."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A delivery of Shopify's. `digest` is its identity, `fired_at` a time of theirs that was found sane."""

    domain: str
    digest: bytes
    topic: str
    fired_at: datetime | None

    def values(self) -> dict[str, Any]:
        """As the statements take it: texts alone, quickest to send, and one prepared statement instead of many."""
        fired = self.fired_at.isoformat() if self.fired_at is not None else None
        return {"domain": self.domain, "digest": hex_of(self.digest), "topic": self.topic, "fired": fired}


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of a delivery: `shop_id` None where the shop (or the connection) isn't ours to serve."""

    shop_id: int | None
    new: bool


@dataclass(frozen=True, slots=True)
class HookRow:
    """A Mailchimp hook by its path. `left`: the merchant left on purpose, the hook may switch itself off."""

    id: int
    shop_id: int
    audience_id: str
    signing_secret: bytes | None
    left: bool


class IntakePool:
    """The statements, on connections that nothing else uses. Open it in the loop that serves requests."""

    def __init__(self, url: str, *, size: int = 8, application: str = "shopchimp-intake") -> None:
        """`url` in libpq's form."""
        self._pool = AsyncConnectionPool(
            url,
            kwargs={
                "autocommit": True,
                "application_name": application,
                "connect_timeout": 2,
                "options": _OPTIONS,
                "keepalives_idle": 10,
            },
            min_size=min(2, size),
            max_size=size,
            timeout=PATIENCE,
            max_waiting=2000,
            reconnect_timeout=1.0,
            open=False,
        )

    async def open(self) -> None:
        """Begin to connect, without waiting for Postgres."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.close(timeout=1)

    async def shopify_people(
        self, arrival: Arrival, *, customers: Sequence[int], key: str | None, graves: Sequence[bytes]
    ) -> Stored:
        """Mark these customers, and `key`, the address that the delivery names; nobody if there is such a tombstone."""
        values = {"customers": array_of(map(str, customers)), "address": key, "graves": array_of(map(hex_of, graves))}
        return await self.run(PEOPLE_OF_SHOPIFY, {**arrival.values(), **values})

    async def shopify_nobody(self, arrival: Arrival) -> Stored:
        """A delivery about people that doesn't say whom: the poll finds out."""
        return await self.run(_NOBODY, arrival.values())

    async def noted(self, arrival: Arrival) -> Stored:
        """Remember that it came."""
        return await self.run(_NOTED, arrival.values())

    async def bulk_finished(self, arrival: Arrival) -> Stored:
        """A bulk operation is ready."""
        return await self.run(_BULK_FINISHED, arrival.values())

    async def uninstalled(self, arrival: Arrival) -> Stored:
        """The app is said to have left the shop: pause, and let `services.privacy` ask whether it is true."""
        return await self.run(_UNINSTALLED, arrival.values())

    async def compliance(self, arrival: Arrival, *, body: bytes) -> Stored:
        """Keep a privacy request, its body sealed."""
        return await self.run(_COMPLIANCE, {**arrival.values(), "body": body})

    async def mailchimp(
        self,
        hook: HookRow,
        *,
        digest: bytes,
        topic: str,
        fired_at: datetime | None,
        marks: Sequence[tuple[str, bytes]] = (),
        opted_out_at: datetime | None = None,
        poll: bool = False,
    ) -> Stored:
        """Mark these contacts (or nobody), if the shop is still connected to the hook's audience.

        `marks`: the keys, each with the tombstones under which it may lie.
        """
        values = {
            "shop": hook.shop_id,
            "audience": hook.audience_id,
            "digest": digest,
            "topic": topic,
            "fired": fired_at,
            "poll": poll,
        }
        if not marks:
            return await self.run(_NOTED_MAILCHIMP, values)
        people = {
            "keys": [key for key, _ in marks],
            "marks": [mark for _, mark in marks],
            "opted_out": opted_out_at,
        }
        return await self.run(_PEOPLE_OF_MAILCHIMP, {**values, **people})

    async def hook(self, path_digest: bytes) -> HookRow | None:
        """The Mailchimp hook behind the SHA-256 of a path secret."""
        row = await self.fetch(_HOOK, {"digest": path_digest})
        return HookRow(*row) if row is not None else None

    async def run(self, query: str, values: Mapping[str, Any]) -> Stored:
        """Run a statement that ends in `ANSWER`."""
        row = await self.fetch(query, values)
        assert row is not None  # noqa: S101 - each of these selects one row
        return Stored(*row)

    async def fetch(self, query: str, values: Mapping[str, Any]) -> Any:
        """One row, or Away within `PATIENCE`, whatever Postgres does: a statement that hangs is left behind."""
        trying = asyncio.ensure_future(self._try(query, values))
        done, _ = await asyncio.wait((trying,), timeout=PATIENCE)
        if not done:
            trying.cancel()
            trying.add_done_callback(_forget)
            raise Away
        return trying.result()

    async def _try(self, query: str, values: Mapping[str, Any]) -> Any:
        until = time.monotonic() + PATIENCE
        for attempt in range(1, TRIES + 1):
            try:
                connection = await self._pool.getconn(max(0.1, until - time.monotonic()))
                try:
                    cursor = await connection.execute(query, values)
                    return await cursor.fetchone()
                finally:
                    await self._pool.putconn(connection)
            except (PoolTimeout, PoolClosed) as error:
                raise Away from error
            except psycopg.Error as error:
                log.warning("intake_failed", error=type(error).__name__, attempt=attempt)
                passing = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
                if not passing:
                    raise Unstorable from error
                if attempt == TRIES or time.monotonic() > until:
                    raise Away from error
        raise Away


def hex_of(value: bytes) -> str:
    return f"\\x{value.hex()}"


def array_of(items: Iterable[str]) -> str:
    """An array literal of numbers or `hex_of` values, which need no more quoting than this."""
    return "{" + ",".join(f'"{item}"'.replace("\\", "\\\\") for item in items) + "}"


def _forget(task: asyncio.Future[Any]) -> None:
    """Take note of how an abandoned try ended, so that nobody complains that it wasn't asked."""
    if not task.cancelled():
        task.exception()
