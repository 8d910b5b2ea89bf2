"""Privacy requests: kept sealed until they are carried out, then only the proof; and the erasing itself.

What names a person goes from every table. Rows that counts are made of stay, emptied. An erased person leaves a
tombstone for 90 days, a keyed hash, so that a late webhook or a poll doesn't bring them back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from shopchimp.db import event_counts
from shopchimp.domain.addresses import subscriber_hash
from shopchimp.domain.customer_events.visits import Dropped

TOMBSTONE_DAYS = 90
_COLUMNS = "id, digest, shop_id, domain, topic, body, received_at, attempts, done_at, proof"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as stored; `body` is sealed, and gone once nothing needs it any more."""

    id: int
    digest: bytes
    shop_id: int | None
    domain: str
    topic: str
    body: bytes | None
    received_at: datetime
    attempts: int
    done_at: datetime | None
    proof: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Subject:
    """A row of `people` that a request is about."""

    id: int
    key: str
    email: str | None
    customer_id: int | None
    contact_id: str | None
    customer_state: str


def body_context(digest: bytes) -> str:
    """What a sealed body is bound to."""
    return f"privacy-request:{digest.hex()}"


# --- the requests


def claim(tx: Connection, *, lease: float) -> Request | None:
    """The request that is due the longest, reserved for `lease` seconds."""
    query = text(
        f"""
        update privacy_requests set attempts = attempts + 1, due_at = now() + make_interval(secs => :lease)
        where id = (
            select id from privacy_requests where done_at is null and due_at <= now()
            order by due_at limit 1 for update skip locked
        ) returning {_COLUMNS}
        """
    )
    row = tx.execute(query, {"lease": lease}).one_or_none()
    return Request(**row._mapping) if row is not None else None


def get(tx: Connection, shop_id: int, request_id: int) -> Request | None:
    """This shop's request with this id."""
    query = text(f"select {_COLUMNS} from privacy_requests where shop_id = :shop and id = :id")
    row = tx.execute(query, {"shop": shop_id, "id": request_id}).one_or_none()
    return Request(**row._mapping) if row is not None else None


def of_shop(tx: Connection, shop_id: int, *, topic: str) -> list[Request]:
    """The shop's requests of one topic whose body is still kept, newest first."""
    query = text(
        f"""
        select {_COLUMNS} from privacy_requests where shop_id = :shop and topic = :topic and body is not null
        order by id desc
        """
    )
    return [Request(**row._mapping) for row in tx.execute(query, {"shop": shop_id, "topic": topic})]


def later(tx: Connection, request_id: int, seconds: float, *, body: bytes | None = None) -> None:
    """Look at the request again then; with another sealed body where one is given."""
    query = text(
        """
        update privacy_requests set due_at = now() + make_interval(secs => :seconds), body = coalesce(:body, body)
        where id = :id and done_at is null
        """
    )
    tx.execute(query, {"id": request_id, "seconds": seconds, "body": body})


def done(tx: Connection, request_id: int, proof: Mapping[str, Any], *, keep_body: bool = False) -> None:
    """It is carried out: the proof stays, without the data."""
    query = text(
        """
        update privacy_requests set done_at = now(), proof = :proof, body = case when :keep then body end
        where id = :id and done_at is null
        """
    ).bindparams(bindparam("proof", type_=JSONB))
    tx.execute(query, {"id": request_id, "proof": dict(proof), "keep": keep_body})


def drop_bodies(tx: Connection, *, days: int) -> int:
    """Forget the bodies that were kept for the merchant to download, after so many days."""
    query = text(
        """
        update privacy_requests set body = null
        where done_at < now() - make_interval(days => :days) and body is not null
        """
    )
    return int(tx.execute(query, {"days": days}).rowcount)


def forget_bodies(tx: Connection, shop_id: int, request_ids: Sequence[int]) -> None:
    """Forget the bodies of these requests: the person they are about was erased."""
    query = text("update privacy_requests set body = null where shop_id = :shop and id = any(:ids)")
    tx.execute(query, {"shop": shop_id, "ids": list(request_ids)})


# --- tombstones


def bury(tx: Connection, shop_id: int, digests: Sequence[bytes]) -> None:
    """These people (as keyed hashes) were erased."""
    query = text(
        """
        insert into tombstones (shop_id, digest, until)
        select :shop, d, now() + make_interval(days => :days) from unnest(cast(:digests as bytea[])) d
        on conflict (shop_id, digest) do update set until = excluded.until
        """
    )
    tx.execute(query, {"shop": shop_id, "digests": list(dict.fromkeys(digests)), "days": TOMBSTONE_DAYS})


def buried(tx: Connection, shop_id: int, digests: Sequence[bytes]) -> frozenset[bytes]:
    """Those of the hashes under which somebody lies."""
    query = text(
        """
        select digest from tombstones
        where shop_id = :shop and digest = any(cast(:digests as bytea[])) and until > now()
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "digests": list(digests)})
    return frozenset(bytes(row[0]) for row in rows)


def sweep_tombstones(tx: Connection) -> None:
    """Forget those whose time is over."""
    tx.execute(text("delete from tombstones where until < now()"))


# --- the person


def subjects(tx: Connection, shop_id: int, *, customer_id: int | None, key: str | None) -> list[Subject]:
    """The shop's people that a customer is. An address that another customer of the shop has now isn't theirs."""
    query = text(
        """
        select id, key, email, customer_id, contact_id, customer_state from people
        where shop_id = :shop and (customer_id = :customer or (key = :key and
            (customer_id is null or cast(:customer as bigint) is null)))
        order by id
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "customer": customer_id, "key": key})
    return [Subject(**row._mapping) for row in rows]


def is_anothers(tx: Connection, shop_id: int, key: str, *, customer_id: int | None) -> bool:
    """Whether this address is that of another customer of the shop by now."""
    query = text("select 1 from people where shop_id = :shop and key = :key and customer_id <> :customer limit 1")
    values = {"shop": shop_id, "key": key, "customer": customer_id}
    return tx.execute(query, values).one_or_none() is not None


def reopen(tx: Connection, shop_id: int) -> None:
    """The app didn't leave, whatever a webhook said: the lanes that it closed are open."""
    query = text(
        """
        update lanes set open_until = null, trouble = null
        where shop_id = :shop and trouble = 'sh_access_revoked'
        """
    )
    tx.execute(query, {"shop": shop_id})


def erase(
    tx: Connection, shop_id: int, *, person_ids: Sequence[int], customer_id: int | None, keys: Sequence[str]
) -> dict[str, int]:
    """Take this person out of every table of the shop. Gives back how many rows of each lost them."""
    values = {
        "shop": shop_id,
        "people": list(person_ids),
        "customer": customer_id,
        "keys": list(keys),
        "gid": f"gid://shopify/Customer/{customer_id}",
        "words": [key for key in keys if "@" in key],
        "contacts": [subscriber_hash(key) for key in keys if "@" in key],
    }
    counts: dict[str, int] = {}
    waited: Counter[event_counts.Outcome] = Counter()
    for name, query in _ERASE.items():
        gone = tx.execute(text(query), values)
        counts[name] = int(gone.rowcount)
        if gone.returns_rows:  # events: each that came in is in the counts, whatever became of it
            waited.update((row.name, Dropped.ERASED.value) for row in gone if row.state in ("waiting", "sending"))
    event_counts.add(tx, shop_id, event_counts.TO_MAILCHIMP, waited)
    return counts


_RUNS = "select id from sync_runs where shop_id = :shop"
_THEM = "(key = any(:keys) or customer_id = :customer)"


# Whose browsers they are: by the link, and by what they said themselves while it waits.
_BROWSERS = f"""
    select visitor from visitors where shop_id = :shop and {_THEM}
    union select visitor from customer_events where shop_id = :shop and visitor is not null
        and (customer_id = :customer or email = any(:words))
"""


def _says(column: str) -> str:
    """Whether a text quotes one of the addresses."""
    return f"exists (select from unnest(cast(:words as text[])) w where position(w in lower({column})) > 0)"


# In this order: what names a person by another row goes before that row.
_ERASE = {
    "run_exceptions": f"""
        update run_exceptions e set detail = '' from plan p
        where p.run_id = e.run_id and p.n = e.n and e.run_id in ({_RUNS})
            and (p.key = any(:keys) or p.customer_id = :customer)
    """,
    "other_exceptions": f"""
        update run_exceptions set detail = '' where run_id in ({_RUNS}) and {_says("detail")}
    """,
    "plan": f"""
        update plan set key = 'erased', email = null, name = '', customer_id = null, contact_id = null,
            contact_action = null, contact_body = null, contact_chunk = null,
            to_contact = null, to_customer = null, customer_chunk = null
        where run_id in ({_RUNS}) and {_THEM}
    """,
    "run_contacts": f"delete from run_contacts where run_id in ({_RUNS}) and key = any(:keys)",
    "run_customers": f"delete from run_customers where run_id in ({_RUNS}) and {_THEM}",
    "commerce_nodes": f"""
        delete from commerce_nodes where run_id in ({_RUNS}) and (
            lower(node ->> 'email') = any(:words) or node #>> '{{customer,id}}' = :gid or gid = :gid)
    """,
    "audit_rows": """
        update audit_rows set key = 'erased'
        where audit_id in (select id from audits where shop_id = :shop) and key = any(:keys)
    """,
    "changes": f"delete from changes where shop_id = :shop and {_THEM}",
    "event_changes": f"""
        delete from changes where shop_id = :shop and kind = 'event' and (
            key in (select 'visitor:' || visitor from ({_BROWSERS}) b)
            or key in (select 'engaged:' || c from unnest(cast(:contacts as text[])) c))
    """,
    "customer_events": f"""
        delete from customer_events where shop_id = :shop and (customer_id = :customer or email = any(:words)
            or visitor in ({_BROWSERS})) returning name, state
    """,
    "visitors": f"delete from visitors where shop_id = :shop and {_THEM}",
    "activity_facts": "delete from activity_facts where shop_id = :shop and contact = any(:contacts)",
    "engagements": """
        delete from engagements where shop_id = :shop and (contact = any(:contacts) or key = any(:words))
    """,
    "other_changes": f"update changes set detail = null where shop_id = :shop and {_says('detail')}",
    "activities": f"""
        update activities set person_id = null, detail = '{{"erased": true}}'::jsonb
        where shop_id = :shop and (person_id = any(:people) or {_says("detail::text")})
    """,
    "sync_runs": f"update sync_runs set trouble = null where shop_id = :shop and {_says('trouble::text')}",
    "chores": f"update chores set trouble = null where shop_id = :shop and {_says('trouble::text')}",
    "people": f"delete from people where shop_id = :shop and (id = any(:people) or {_THEM})",
}


_OF_PEOPLE = "select {} from people where shop_id = :shop and id = any(:people)"


def collected(tx: Connection, shop_id: int, person_ids: Sequence[int]) -> dict[str, Any]:
    """All that is stored of these people, as JSON."""
    values = {"shop": shop_id, "people": list(person_ids)}
    people = text(
        "select to_jsonb(p) - 'shop_id' from people p where shop_id = :shop and id = any(:people) order by id"
    )
    log = text(
        """
        select to_jsonb(a) - 'shop_id' - 'person_id' from activities a
        where shop_id = :shop and person_id = any(:people) order by id
        """
    )
    readings = text(
        f"""
        select to_jsonb(c) from run_customers c where run_id in ({_RUNS})
            and customer_id in (select customer_id from people where shop_id = :shop and id = any(:people))
        union all
        select to_jsonb(c) from run_contacts c where run_id in ({_RUNS})
            and key in (select key from people where shop_id = :shop and id = any(:people))
        """
    )
    bought = text(
        f"""
        select to_jsonb(i) - 'shop_id' - 'digest' - 'seen_run' from commerce_items i where shop_id = :shop
            and (customer_id in ({_OF_PEOPLE.format("customer_id")}) or key in ({_OF_PEOPLE.format("key")}))
        union all
        select to_jsonb(c) - 'shop_id' from checkouts c where shop_id = :shop
            and lower(node ->> 'email') in ({_OF_PEOPLE.format("lower(email)")})
        """
    )
    mine = f"(customer_id in ({_OF_PEOPLE.format('customer_id')}) or {{}} in ({_OF_PEOPLE.format('key')}))"
    browsers = f"select visitor from visitors where shop_id = :shop and {mine.format('key')}"
    seen = text(
        f"""
        select to_jsonb(e) - 'shop_id' from customer_events e where shop_id = :shop
            and ({mine.format("email")} or visitor in ({browsers}))
        union all
        select to_jsonb(v) - 'shop_id' from visitors v where shop_id = :shop and {mine.format("key")}
        """
    )
    contacts = _OF_PEOPLE.format("md5(key)")
    messages = text(
        f"""
        select to_jsonb(g) - 'shop_id' from engagements g where shop_id = :shop and contact in ({contacts})
        union all
        select to_jsonb(f) - 'shop_id' from activity_facts f where shop_id = :shop and contact in ({contacts})
        """
    )
    found = {
        "people": people,
        "activity": log,
        "readings_of_syncs": readings,
        "orders_and_carts": bought,
        "store_events": seen,
        "messages": messages,
    }
    return {name: [row[0] for row in tx.execute(query, values)] for name, query in found.items()}


# --- the shop

_OF_RUNS = ("run_contacts", "run_customers", "plan", "commerce_nodes")
_OF_SHOP = (
    "activities",
    "deliveries",
    "changes",
    "tallies",
    "breakers",
    "sync_times",
    "tombstones",
    "commerce_items",
    "checkouts",
    "customer_events",
    "visitors",
    "event_counts",
    "campaigns",
    "activity_facts",
    "engagements",
)


def wipe_shop(tx: Connection, shop_id: int, *, but_request: int) -> dict[str, int]:
    """Delete everything of a shop but the proof of this request. Gives back how many rows of which table went."""
    gone = {}
    for table in _OF_RUNS:
        query = f"delete from {table} where run_id in (select id from sync_runs where shop_id = :shop)"
        gone[table] = tx.execute(text(query), {"shop": shop_id}).rowcount
    for table in _OF_SHOP:
        gone[table] = tx.execute(text(f"delete from {table} where shop_id = :shop"), {"shop": shop_id}).rowcount
    values = {"shop": shop_id, "request": but_request}
    states = text("delete from oauth_states where shop = (select domain from shops where id = :shop)")
    tx.execute(states, {"shop": shop_id})
    query = "update privacy_requests set body = null, done_at = coalesce(done_at, now()) where shop_id = :shop"
    gone["privacy_requests"] = tx.execute(text(f"{query} and id <> :request"), values).rowcount
    people = text("select count(*) from people where shop_id = :shop")
    gone["people"] = tx.execute(people, {"shop": shop_id}).scalar_one()
    tx.execute(text("delete from shops where id = :shop"), {"shop": shop_id})  # with all that hangs on it
    return {table: int(count) for table, count in gone.items()}
