"""Facts about what contacts did, each counted once, and per contact what they come to and what Shopify has of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

from shopchimp.db.event_counts import RECEIVED
from shopchimp.db.session import dumps
from shopchimp.domain.addresses import normalise, subscriber_hash
from shopchimp.domain.customer_events.activity import ActivityFact
from shopchimp.domain.customer_events.metafields import Totals
from shopchimp.domain.customer_events.names import ContactAction

CUSTOMER = "customer"
"""In `written`, beside the values: which customer has them."""

_GOT = frozenset({ContactAction.EMAIL_RECEIVED, ContactAction.SMS_RECEIVED})


@dataclass(frozen=True, slots=True)
class Engaged:
    """What one contact did so far. `written`: the values their customer has at Shopify, and which customer that is."""

    contact: str
    key: str | None
    totals: Totals
    written: Mapping[str, Any]
    updated_at: datetime


@dataclass(slots=True)
class _Row:
    counts: dict[str, int]
    newest: dict[str, str]
    last_campaign: str | None
    last_campaign_at: datetime | None

    def add(self, fact: ActivityFact) -> None:
        """Count a fact that was not known before."""
        name = fact.action.value
        self.counts[name] = self.counts.get(name, 0) + 1
        moment = _spelled(fact.at)
        self.newest[name] = max(moment, self.newest.get(name, moment))
        later = self.last_campaign_at is None or fact.at >= self.last_campaign_at
        if fact.action in _GOT and fact.title and later:
            self.last_campaign, self.last_campaign_at = fact.title, fact.at


def count(
    tx: Connection, shop_id: int, facts: Iterable[ActivityFact], keys: Mapping[str, str] | None = None
) -> list[ActivityFact]:
    """Count those of these facts that were not known yet, and give them back.

    `keys` has the normalised address of a contact where it is known. Two who count at once wait for each other's rows
    in the same order, so none is lost and nobody waits in a circle.
    """
    named = {fact.key: fact for fact in facts}
    new = _insert(tx, shop_id, named)
    if new:
        _raise(tx, shop_id, new, keys or {})
    return new


def _insert(tx: Connection, shop_id: int, named: Mapping[str, ActivityFact]) -> list[ActivityFact]:
    if not named:
        return []
    query = text(
        """
        insert into activity_facts (shop_id, key, contact, campaign, action, at, url)
        select :shop, r.key, r.contact, r.campaign, r.action, r.at, r.url
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(key text, contact text, campaign text, action text,
            at timestamptz, url text)
        order by r.key collate "C" on conflict do nothing returning key
        """
    )
    rows = [
        {
            "key": key,
            "contact": fact.contact,
            "campaign": fact.campaign,
            "action": fact.action.value,
            "at": fact.at,
            "url": fact.url,
        }
        for key, fact in named.items()
    ]
    return [named[key] for key in tx.execute(query, {"shop": shop_id, "rows": dumps(rows)}).scalars()]


def _raise(tx: Connection, shop_id: int, new: Sequence[ActivityFact], keys: Mapping[str, str]) -> None:
    by_contact: defaultdict[str, list[ActivityFact]] = defaultdict(list)
    for fact in new:
        by_contact[fact.contact].append(fact)
    there = text(
        """
        insert into engagements as e (shop_id, contact, key)
        select :shop, r.contact, r.key from jsonb_to_recordset(cast(:rows as jsonb)) as r(contact text, key text)
        order by r.contact collate "C"
        on conflict (shop_id, contact) do update set key = coalesce(e.key, excluded.key)
        returning contact, counts, newest, last_campaign, last_campaign_at
        """
    )
    names = [{"contact": contact, "key": keys.get(contact)} for contact in by_contact]
    found = tx.execute(there, {"shop": shop_id, "rows": dumps(names)}).all()
    raised = []
    for each in found:
        row = _Row(dict(each.counts), dict(each.newest), each.last_campaign, each.last_campaign_at)
        for fact in by_contact[each.contact]:
            row.add(fact)
        values = {"counts": row.counts, "newest": row.newest, "last_campaign": row.last_campaign}
        raised.append({"contact": each.contact, **values, "last_campaign_at": row.last_campaign_at})
    query = text(
        """
        update engagements e set counts = r.counts, newest = r.newest, last_campaign = r.last_campaign,
            last_campaign_at = r.last_campaign_at, updated_at = now()
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(contact text, counts jsonb, newest jsonb,
            last_campaign text, last_campaign_at timestamptz)
        where e.shop_id = :shop and e.contact = r.contact
        """
    )
    tx.execute(query, {"shop": shop_id, "rows": dumps(raised)})


def get(tx: Connection, shop_id: int, contacts: Sequence[str]) -> dict[str, Engaged]:
    """What these contacts did, by contact."""
    query = text(
        """
        select contact, key, counts, newest, last_campaign, written, updated_at from engagements
        where shop_id = :shop and contact = any(:contacts)
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "contacts": list(contacts)})
    return {
        row.contact: Engaged(
            row.contact, row.key, totals_of(row.counts, row.newest, row.last_campaign), row.written, row.updated_at
        )
        for row in rows
    }


def totals_of(counts: Mapping[str, int], newest: Mapping[str, str], last_campaign: str | None) -> Totals:
    """Stored totals as the domain takes them."""
    return Totals(
        {ContactAction(name): count for name, count in counts.items()},
        {ContactAction(name): datetime.fromisoformat(at) for name, at in newest.items()},
        last_campaign,
    )


def hold(tx: Connection, shop_id: int, contacts: Sequence[str]) -> None:
    """Hold these contacts' rows until the transaction ends, in the order in which everybody does."""
    query = text(
        """
        select 1 from engagements where shop_id = :shop and contact = any(:contacts)
        order by contact for no key update
        """
    )
    tx.execute(query, {"shop": shop_id, "contacts": list(contacts)})


def move(tx: Connection, shop_id: int, old: str, new: str) -> bool:
    """A person has another address: what they did under the old one stays theirs. Gives back whether there was any.

    Facts get the keys that they have under the new one, so what Mailchimp now tells of the new one counts once.
    """
    left, there = subscriber_hash(old), subscriber_hash(new)
    contacts = {"shop": shop_id, "old": left, "new": there}
    gone = text(
        """
        delete from activity_facts where shop_id = :shop and contact = :old returning campaign, action, at, url
        """
    )
    before = [
        ActivityFact(there, row.campaign, ContactAction(row.action), row.at, row.url)
        for row in tx.execute(gone, contacts)
    ]
    fresh = {fact.key for fact in _insert(tx, shop_id, {fact.key: fact for fact in before})}
    twice = Counter(fact.action.value for fact in before if fact.key not in fresh)
    hold(tx, shop_id, [left, there])
    query = text(
        """
        delete from engagements where shop_id = :shop and contact in (:old, :new)
        returning counts, newest, last_campaign, last_campaign_at
        """
    )
    rows = tx.execute(query, contacts).all()
    if not rows:
        return False
    counts = Counter[str]()
    newest: dict[str, str] = {}
    for row in rows:
        counts.update(row.counts)
        newest |= {name: max(at, newest.get(name, at)) for name, at in row.newest.items()}
    last = max((row for row in rows if row.last_campaign_at), key=lambda row: row.last_campaign_at, default=rows[0])
    query = text(
        """
        insert into engagements (shop_id, contact, key, counts, newest, last_campaign, last_campaign_at)
        values (:shop, :new, :key, cast(:counts as jsonb), cast(:newest as jsonb), :last, :last_at)
        """
    )
    values = {"counts": dumps(dict(counts - twice)), "newest": dumps(newest)}
    last_values = {"last": last.last_campaign, "last_at": last.last_campaign_at}
    tx.execute(query, {**contacts, "key": normalise(new), **values, **last_values})
    return True


def doubt(tx: Connection, shop_id: int, contacts: Sequence[str]) -> None:
    """What the customers of these contacts have is not known: whoever looks at them next writes all of it."""
    hold(tx, shop_id, contacts)
    query = text(
        f"""
        update engagements set written = written - '{CUSTOMER}'
        where shop_id = :shop and contact = any(:contacts) and written ? '{CUSTOMER}'
        """
    )
    tx.execute(query, {"shop": shop_id, "contacts": list(contacts)})


def doubt_waiting(tx: Connection, shop_id: int) -> None:
    """The same for all who wait to be written, for they are about to be dropped."""
    query = text("select substr(key, 9) from changes where shop_id = :shop and kind = 'event' and key like 'engaged:%'")
    doubt(tx, shop_id, list(tx.execute(query, {"shop": shop_id}).scalars()))


def wrote(tx: Connection, shop_id: int, written: Mapping[str, Mapping[str, Any]]) -> None:
    """What the customers of these contacts have at Shopify by now."""
    query = text(
        """
        update engagements e set written = r.written
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(contact text, written jsonb)
        where e.shop_id = :shop and e.contact = r.contact
        """
    )
    rows = [{"contact": contact, "written": dict(values)} for contact, values in sorted(written.items())]
    if rows:
        tx.execute(query, {"shop": shop_id, "rows": dumps(rows)})


def unwritten(tx: Connection, shop_id: int, *, after: str, limit: int) -> tuple[list[str], str]:
    """Of so many contacts after this one, those whose customer was not looked at yet: they became one after they had
    acted. Gives back also after whom to go on; nobody when these were the last.
    """
    query = text(
        """
        with part as materialized (
            select contact, key, written from engagements where shop_id = :shop and contact > :after
            order by contact limit :limit
        ), whose as materialized (  -- one look into one index for each, however many people there are
            select e.contact, e.written, (select p.customer_id from people p where p.shop_id = :shop and p.key = e.key)
            from part e
        ), found as (
            select w.contact from whose w
            where w.customer_id is not null and w.customer_id is distinct from (w.written ->> 'customer')::bigint
                and not exists (select 1 from changes c where c.shop_id = :shop and c.kind = 'event'
                    and c.key = 'engaged:' || w.contact)
        )
        select array(select contact from found order by contact) as found,
            (select case when count(*) = :limit then max(contact) end from part) as last
        """
    )
    row = tx.execute(query, {"shop": shop_id, "after": after, "limit": limit}).one()
    return list(row.found), row.last or ""


def received(facts: Iterable[ActivityFact]) -> dict[tuple[str, str], int]:
    """New facts as the day's counts have them."""
    return {(action.value, RECEIVED): n for action, n in Counter(fact.action for fact in facts).items()}


def _spelled(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
