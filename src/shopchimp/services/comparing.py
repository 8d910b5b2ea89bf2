"""The comparison of an audit: both readings joined by key with what we remember, every pair judged, block by block.

Three sorted lists are merged: customers, contacts, and the people we keep (somebody may be gone from both sides). A
block's findings, the marks that repair them and the place reached are stored in one transaction, so an audit that is
killed goes on behind its last block. People whom live sync is about to look at, or has looked at while we were reading,
are in flight: what was read of them is no evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
import psycopg
from sqlalchemy import Connection

from shopchimp.db import audits, looks, marking, run_tables
from shopchimp.db.audits import Audit, AuditRow, Marked
from shopchimp.db.looks import Remembered
from shopchimp.db.marking import Mark
from shopchimp.db.session import Database
from shopchimp.domain.consent import ContactConsent, CustomerConsent
from shopchimp.domain.drift import Finding, judge
from shopchimp.domain.planning import CONTACT_STATUSES, customer_state
from shopchimp.domain.records import Contact, Customer, Sides
from shopchimp.domain.sms import ContactSms, SmsStatus
from shopchimp.domain.steps import LiveOptions
from shopchimp.services import reading, remembering
from shopchimp.services.planning import Joined, merge
from shopchimp.shopify.customers import sms_consent

BLOCK = 2_000
FEW = 500  # differences that are repaired at once; the others wait in the lane of backfills


@dataclass(slots=True)
class Pair:
    """A key with what both sides say of it. `twins` are further customers of the address."""

    key: str
    customer: Customer | None = None
    contact: Contact | None = None
    twins: list[Customer] = field(default_factory=list)
    unknown_status: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair and what became of it. `in_flight`: live sync has it in hand."""

    pair: Pair
    finding: Finding
    in_flight: bool = False
    vanished: bool = False  # the contact that we remember isn't in the audience any more


def compare(database: Database, audit: Audit, token: UUID, options: LiveOptions, *, now: datetime) -> Iterator[None]:
    """Compare block after block, each stored when it is yielded. Stop anywhere; the next call goes on there."""
    after = str(audit.cursor.get("key") or "")
    with (
        run_tables.customers_by_key(database, audit.id, after=after) as customers,
        run_tables.contacts_by_key(database, audit.id, after=after) as contacts,
    ):
        joined = merge(customers, contacts)
        while True:
            block = list(islice(joined, BLOCK))
            until = block[-1][0] if len(block) == BLOCK else None
            with database.transaction() as tx:
                pairs = _with_the_gone(tx, audit.shop_id, after, until, block)
                _record(tx, audit, judge_all(tx, audit, pairs, options, now=now))
                audit.cursor["key"] = after = until or after
                if until is None:
                    audit.state = "repairing"
                audit.keep(driver(tx), token)
            yield
            if until is None:
                return


def driver(tx: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection of a transaction."""
    found = tx.connection.driver_connection
    assert isinstance(found, psycopg.Connection)  # noqa: S101 - tells the type checker
    return found


def _with_the_gone(
    tx: Connection, shop_id: int, after: str, until: str | None, block: Sequence[Joined]
) -> dict[str, Pair]:
    """The pairs of a block, and the people we keep in the same range of keys who are on neither side."""
    pairs = {key: _pair(key, same_address, contact) for key, same_address, contact in block}
    for key in audits.keys_between(tx, shop_id, after, until):
        if key not in pairs:
            pairs[key] = Pair(key)
    return pairs


def _pair(key: str, same_address: Sequence[tuple[Any, ...]], contact_row: tuple[Any, ...] | None) -> Pair:
    people = [customer_of(row) for row in same_address]
    contact = contact_of(contact_row) if contact_row else None
    return Pair(key, people[0] if people else None, contact, people[1:], contact_row is not None and contact is None)


def customer_of(row: tuple[Any, ...]) -> Customer:
    """A customer from the columns that a whole reading stored."""
    customer_id, key, email, state, level, consent_at, stored = row
    consent = CustomerConsent(customer_state(state), consent_at, level)
    fields = orjson.loads(stored)
    tags, phone = fields.pop(reading.TAGS, ()), fields.pop(reading.TEXTS, None)
    return Customer(customer_id, key, email, consent, fields, tuple(tags), sms_consent(phone))


def contact_of(row: tuple[Any, ...]) -> Contact | None:
    """A contact from the columns that a whole reading stored; None where its status is a word we don't know."""
    key, email, contact_id, status, opted_in_at, changed_at, stored = row
    if status not in CONTACT_STATUSES:
        return None
    fields = orjson.loads(stored)
    tags, texts = fields.pop(reading.TAGS, ()), fields.pop(reading.TEXTS, None)
    consent = ContactConsent(CONTACT_STATUSES[status], opted_in_at, changed_at)
    return Contact(contact_id, key, email, consent, fields, tuple(tags), _texts(texts, status))


def _texts(stored: Sequence[Any] | None, status: str) -> ContactSms | None:
    if stored is None:
        return None
    said, phone, at = stored
    changed_at = datetime.fromisoformat(at) if at else None
    return ContactSms(SmsStatus(said) if said else None, phone, changed_at, status == "archived")


def judge_all(
    tx: Connection, audit: Audit, pairs: Mapping[str, Pair], options: LiveOptions, *, now: datetime
) -> list[Judged]:
    """Judge these pairs by what we remember of them."""
    remembered = looks.load(tx, audit.shop_id, list(pairs))
    marked = audits.marked(tx, audit.shop_id, list(pairs))
    moved = _moved(tx, audit, pairs, remembered)
    ids = [pair.customer.id for pair in pairs.values() if pair.customer is not None]
    owners = looks.owners(tx, audit.shop_id, ids)
    kept = {
        key: _Kept(
            remembered.get(key),
            marked.get(key),
            moved.get(key),
            owners.get(pair.customer.id) if pair.customer is not None else None,
        )
        for key, pair in pairs.items()
    }
    return [judged for key, pair in pairs.items() for judged in _judge(audit, pair, kept[key], options, now)]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What we have of a person: the row, the change, and where the customer is now, or is kept."""

    row: Remembered | None
    mark: Marked | None
    moved: Customer | None
    owner: str | None


def _moved(
    tx: Connection, audit: Audit, pairs: Mapping[str, Pair], remembered: Mapping[str, Remembered]
) -> dict[str, Customer]:
    """Customers we keep under one of these keys who were read under another one, by the key we keep them under."""
    lost = {
        row.customer_id: key
        for key, row in remembered.items()
        if row.customer_id is not None and not _is_here(pairs[key], row.customer_id)
    }
    found = [customer_of(row) for row in audits.customers_read(tx, audit.id, list(lost))] if lost else []
    return {lost[customer.id]: customer for customer in found if customer.key != lost[customer.id]}


def _is_here(pair: Pair, customer_id: int) -> bool:
    here = [pair.customer, *pair.twins] if pair.customer else pair.twins
    return any(customer.id == customer_id for customer in here)


def _judge(audit: Audit, pair: Pair, kept: _Kept, options: LiveOptions, now: datetime) -> Iterator[Judged]:
    row, mark = kept.row, kept.mark
    for twin in pair.twins:
        yield Judged(Pair(f"customer:{twin.id}", twin), Finding(reason="duplicate_email"))
    if pair.unknown_status:
        yield Judged(pair, Finding(reason="unknown_status"))
        return
    if kept.moved is not None and row is not None and row.reason == "duplicate_email":
        return  # a twin, kept by number; it was named beside the first customer of the address
    if pair.customer is None and pair.contact is None and kept.moved is None and _is_forgotten(row):
        return
    person = remembering.person(pair.key, row)
    pair = replace(pair, customer=_without_backfills(pair.customer, row))
    customer = pair.customer
    sides = Sides(pair.key, customer, pair.contact, kept.moved, owner=kept.owner)
    same_choice = row is not None and customer is not None and row.customer_at == customer.consent.updated_at
    finding = judge(person, sides, options, now=now, same_choice=same_choice)
    if mark is not None and mark.state != "waiting" and finding.drift is not None:
        finding = Finding(reason=mark.cause or mark.state)
    in_hand = mark is not None and mark.state == "waiting"
    if row is not None and row.seen_at >= audit.started_at:
        in_hand = in_hand or finding.drift is not None or finding.news
    vanished = pair.contact is None and row is not None and row.contact_status != "absent"
    yield Judged(pair, finding, in_flight=in_hand, vanished=vanished)


def _is_forgotten(row: Remembered | None) -> bool:
    return row is None or (row.customer_state, row.contact_status) == ("absent", "absent")


def _without_backfills(customer: Customer | None, row: Remembered | None) -> Customer | None:
    """Tags and texts that nobody carried yet for this person are the backfills' business, and no drift."""
    if customer is None:
        return None
    tags = customer.tags if row is not None and row.tags is not None else ()
    return replace(customer, tags=tags, sms=customer.sms if row is not None and row.sms is not None else None)


def _record(tx: Connection, audit: Audit, found: Sequence[Judged]) -> None:
    """Count, list the differences, and mark those that are to be mended or remembered."""
    counts, marks, rows = audit.counts, [], []
    number, drifted = int(audit.cursor.get("n", 0)), int(counts.get("found", 0))
    for each in found:
        finding, pair = each.finding, each.pair
        counts["pairs"] = int(counts.get("pairs", 0)) + 1
        if each.in_flight:
            counts["in_flight"] = int(counts.get("in_flight", 0)) + 1
            continue
        if finding.drift is not None or finding.news:
            drifted += finding.drift is not None
            lane = marking.LIVE if finding.drift is not None and drifted < FEW else marking.BACKFILL
            customer_id = pair.customer.id if pair.customer is not None else None
            marks.append(Mark(pair.key, "audit", customer_id=customer_id, lane=lane))
            counts["news"] = int(counts.get("news", 0)) + int(finding.drift is None)
        cause = finding.drift or finding.reason
        if cause is None:
            counts["equal"] = int(counts.get("equal", 0)) + 1
            continue
        kind = "unexplained" if finding.drift is not None else "explained"
        classes = counts.setdefault(kind, {})
        classes[str(cause)] = int(classes.get(str(cause), 0)) + 1
        number += 1
        rows.append(
            AuditRow(
                number,
                pair.key,
                kind,
                str(cause),
                pair.customer.consent.state.value if pair.customer else "absent",
                pair.contact.consent.status.value if pair.contact else "absent",
            )
        )
    audit.cursor["n"], counts["found"] = number, drifted
    audits.add_rows(tx, audit.id, rows)
    gone = {each.pair.key for each in found if each.vanished} & {mark.key for mark in marks}
    audits.forget_agreed(tx, audit.shop_id, sorted(gone))
    marking.mark(tx, audit.shop_id, marks)
