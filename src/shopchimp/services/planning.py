"""Step 3 of the first sync: join both readings by address and write one plan row a person.

Two sorted streams are merged; the plan leaves by COPY in blocks, each stored with the place reached. Nothing larger
than a block is ever in memory, so a million people take no more of it than ten thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from shopchimp.db import plan, run_tables, sync_runs
from shopchimp.db.session import Database
from shopchimp.db.sync_runs import Run
from shopchimp.domain.consent import NO_CONTACT, NO_CUSTOMER, ContactConsent, CustomerConsent, Policy
from shopchimp.domain.fields import FieldMap
from shopchimp.domain.planning import (
    CONTACT_STATUSES,
    Action,
    Options,
    Planned,
    customer_state,
    plan_person,
    skipped,
)
from shopchimp.domain.records import Contact, Customer
from shopchimp.domain.tags import TagChoice
from shopchimp.mailchimp.members import BATCH
from shopchimp.services.reading import TAGS, TEXTS
from shopchimp.shopify.customers import ALIASES, sms_consent

BLOCK = 5_000  # people planned in one transaction

Joined = tuple[str, list[tuple[Any, ...]], tuple[Any, ...] | None]


def options_of(run: Run) -> Options:
    """The options the run was made with, frozen at that moment."""
    stored = run.options
    return Options(
        policy=Policy(run.policy),
        sync_non_subscribed=bool(stored["sync_non_subscribed"]),
        double_optin=bool(stored["double_optin"]),
        tag=str(stored["tag"]),
        tags=TagChoice(stored.get("tags", TagChoice.ALL)),
        chosen_tags=tuple(stored.get("chosen_tags") or ()),
        field_map=FieldMap.from_json({**stored["field_map"], **dict.fromkeys(run.cursor.get("unfit") or ())}),
        live_since=datetime.fromisoformat(stored["live_since"]) if "live_since" in stored else None,
    )


@dataclass(slots=True)
class Chunks:
    """Deals people out into chunks: one open chunk an action, numbered in the order they were opened."""

    last: int = 0
    open: dict[str, list[int]] | None = None

    def add(self, action: str, size: int) -> int:
        """The number of the chunk that this person's write belongs to."""
        self.open = self.open if self.open is not None else {}
        current = self.open.get(action)
        if current is None or current[1] >= size:
            self.last += 1
            current = self.open[action] = [self.last, 0]
        current[1] += 1
        return current[0]


def make_plan(database: Database, run: Run, token: UUID) -> None:
    """Plan everybody, going on from the last block that was stored. Then count what the preview shows."""
    options = options_of(run)
    place = run.cursor.get("plan") or {"key": "", "n": 0, "contact": [0, {}], "customer": [0, {}]}
    run_id, chunks = str(run.id), (Chunks(*place["contact"]), Chunks(*place["customer"]))
    n, after = int(place["n"]), str(place["key"])
    with (
        run_tables.customers_by_key(database, run.id, after=after) as customers,
        run_tables.contacts_by_key(database, run.id, after=after) as contacts,
        ThreadPoolExecutor(1) as storing,
    ):
        stored: Future[None] | None = None
        people = merge(customers, contacts)
        while block := list(islice(people, BLOCK)):
            rows = []
            for _key, same_address, contact in block:
                for person in _plan_address(same_address, contact, options):
                    n += 1
                    rows.append(_row(run_id, n, person, chunks))
            if stored is not None:
                stored.result()
            run.cursor["plan"] = {
                "key": block[-1][0],
                "n": n,
                "contact": [chunks[0].last, deepcopy(chunks[0].open)],
                "customer": [chunks[1].last, deepcopy(chunks[1].open)],
            }
            run.counts["planned"] = n
            # Postgres takes this block while the next one is decided; never more than one is on its way
            stored = storing.submit(_store, database, run, token, rows)
        if stored is not None:
            stored.result()
    count(database, run, token)


def _store(database: Database, run: Run, token: UUID, rows: list[tuple[Any, ...]]) -> None:
    with database.raw() as connection:
        run_tables.copy_in(connection, "plan", run_tables.PLAN_COLUMNS, rows)
        sync_runs.save_raw(connection, run, token)


def count(database: Database, run: Run, token: UUID) -> None:
    """List the chunks and add up the preview's numbers from the plan itself."""
    with database.transaction() as tx:
        sync_runs.fence(tx, run.id, token)
        plan.leave_to_live(tx, run.id, run.shop_id)
        plan.make_chunks(tx, run.id)
        run.counts.update(plan.totals(tx, run.id))
        if run.counts["people"] != plan.customers_read(tx, run.id):
            raise AssertionError("a customer was read but not planned")
        sync_runs.save(tx, run.id, token, counts=run.counts)


def apply_policy(tx: Connection, run: Run, policy: Policy) -> dict[str, Any]:
    """The merchant answered D1: plan the conflicting people again under this policy and count anew.

    The run is ready, not started, and its row locked by this transaction. Gives back the new counts.
    """
    if run.policy == policy.value:
        return run.counts
    options = Options(policy=policy, double_optin=bool(run.options["double_optin"]))
    chunks = Chunks(plan.last_chunk(tx, run.id, "contact")), Chunks(plan.last_chunk(tx, run.id, "customer"))
    after = 0
    while rows := plan.conflicts(tx, run.id, after=after, limit=BLOCK):
        after = rows[-1].n
        plan.decide_again(tx, run.id, [_decided(row, options, *chunks) for row in rows])
    plan.make_chunks(tx, run.id)
    counts = {**run.counts, **plan.totals(tx, run.id)}
    sync_runs.set_policy(tx, run.id, policy.value, counts=counts)
    return counts


def _decided(row: plan.Conflict, options: Options, contact_chunks: Chunks, customer_chunks: Chunks) -> plan.Redecided:
    """A conflict under another policy. The profile part stays as planned: only the consent is decided anew."""
    planned = plan_person(_customer(row.customer), _contact(row.contact), options)
    body = {**(planned.body or {}), **(row.body or {})}
    for name in ("status", "timestamp_opt"):
        body.pop(name, None)
        if planned.body and name in planned.body:
            body[name] = planned.body[name]
    action = Action.CONSENT if planned.to_contact else Action.UPDATE if "merge_fields" in body else None
    return plan.Redecided(
        n=row.n,
        planned=planned,
        body=body,
        action=action.value if action else None,
        contact_chunk=contact_chunks.add(action.value, BATCH) if action else None,
        customer_chunk=customer_chunks.add("consent", ALIASES) if planned.to_customer else None,
    )


def merge(customers: Iterator[Any], contacts: Iterator[Any]) -> Iterator[Joined]:
    """Join two streams sorted by key: all customers of an address with its contact, either side may be empty."""
    customer: Any = next(customers, None)
    contact: Any = next(contacts, None)
    while customer is not None or contact is not None:
        if contact is not None and (customer is None or contact[0] < customer[1]):
            yield contact[0], [], contact
            contact = next(contacts, None)
            continue
        key, same = customer[1], []
        while customer is not None and customer[1] == key:
            same.append(customer)
            customer = next(customers, None)
        if contact is not None and contact[0] == key:
            yield key, same, contact
            contact = next(contacts, None)
        else:
            yield key, same, None


def _plan_address(
    same_address: list[tuple[Any, ...]], contact_row: tuple[Any, ...] | None, options: Options
) -> Iterator[tuple[Customer | None, Contact | None, Planned]]:
    """Everybody of one address with what is planned for them. The contact belongs to the first customer."""
    people = [_customer(row) for row in same_address]
    contact = _contact(contact_row) if contact_row else None
    first = people[0] if people else None
    if contact_row and contact_row[3] not in CONTACT_STATUSES:
        yield first, contact, skipped("unknown_status")
    else:
        yield first, contact, plan_person(first, contact, options)
    for another in people[1:]:
        yield replace(another, key=f"customer:{another.id}"), None, skipped("duplicate_email")


def _customer(row: tuple[Any, ...]) -> Customer:
    customer_id, key, email, state, level, consent_at, fields = row
    consent = CustomerConsent(customer_state(state), consent_at, level)
    held = orjson.loads(fields)
    tags, texts = tuple(held.get(TAGS) or ()), sms_consent(held.get(TEXTS))
    return Customer(customer_id, key, email, consent, held, tags, texts)


def _contact(row: tuple[Any, ...]) -> Contact:
    """A contact as read. One whose status we don't know says nothing about consent."""
    key, email, contact_id, status, opted_in_at, changed_at, merge_fields = row
    known = CONTACT_STATUSES.get(status)
    consent = ContactConsent(known, opted_in_at, changed_at) if known else NO_CONTACT
    return Contact(contact_id, key, email, consent, orjson.loads(merge_fields))


def _row(
    run_id: str,
    n: int,
    person: tuple[Customer | None, Contact | None, Planned],
    chunks: tuple[Chunks, Chunks],
) -> tuple[Any, ...]:
    """One row of the plan, in the order of its columns."""
    customer, contact, planned = person
    either = customer or contact
    said, seen = (customer or _NO_CUSTOMER).consent, (contact or _NO_CONTACT).consent
    action = str(planned.action) if planned.action else None
    return (
        run_id,
        n,
        either.key if either else "",
        either.email if either else None,
        _name(customer, contact),
        customer.id if customer else None,
        contact.id if contact else None,
        str(said.state),
        said.updated_at,
        str(seen.status),
        seen.opted_in_at,
        seen.changed_at,
        str(planned.kind),
        planned.rule,
        planned.skip,
        planned.conflict,
        action,
        planned.to_contact,
        _body(contact, planned),
        chunks[0].add(action, BATCH) if action else None,
        planned.to_customer,
        planned.to_customer_at,
        planned.to_customer_level,
        chunks[1].add("consent", ALIASES) if planned.to_customer else None,
        orjson.dumps(planned.remember).decode() if planned.remember else None,
    )


def _body(contact: Contact | None, planned: Planned) -> str | None:
    """What to send. A conflict keeps the contact's own spelling of the address, for the merchant's other answer."""
    body = planned.body or ({"email_address": contact.email} if contact and planned.conflict else None)
    return orjson.dumps(body).decode() if body else None


def _name(customer: Customer | None, contact: Contact | None) -> str:
    fields, tags = (customer.fields, ("first_name", "last_name")) if customer else ({}, ())
    if customer is None and contact is not None:
        fields, tags = contact.merge_fields, ("FNAME", "LNAME")
    return " ".join(str(part) for tag in tags if (part := fields.get(tag)))


_NO_CUSTOMER = Customer(0, "", None, NO_CUSTOMER, {})
_NO_CONTACT = Contact("", "", "", NO_CONTACT, {})
