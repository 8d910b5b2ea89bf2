"""Steps 1 and 2 of the first sync, and of an audit: read the audience and the customers, whole, into tables of its own.

Shopify's bulk operation is started first and works while the audience is paged, a few pages in flight. Each page and
each block of lines is stored together with the place reached, so a successor goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

import psycopg
import psycopg.errors

from shopchimp.db import run_tables
from shopchimp.db.session import Database, dumps, without_nul
from shopchimp.domain.addresses import normalise
from shopchimp.domain.errors import Unavailable
from shopchimp.mailchimp import members
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.members import Member
from shopchimp.services import watching
from shopchimp.shopify import bulk, documents
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.customers import parse_time

BLOCK = 5000  # lines of the bulk result stored at once
TAGS, TEXTS = "tags", "texts"  # where a whole reading keeps them, beside the fields
PASSES = ("", "archived")  # archived contacts are left out of the plain listing


class Reading(Protocol):
    """A first sync or an audit, while it reads: whose rows these are, and where the place reached is kept."""

    cursor: dict[str, Any]
    counts: dict[str, Any]

    @property
    def id(self) -> UUID:
        """The `run_id` of what is read."""

    @property
    def audience_id(self) -> str:
        """The audience to read."""

    @property
    def whole(self) -> bool:
        """Whether tags and the consent to text messages are read, too."""

    def keep(self, connection: psycopg.Connection[Any], token: UUID) -> None:
        """Store the place reached, in this transaction, where the lease with this token is still ours."""


def start_bulk(database: Database, run: Reading, token: UUID, client: ShopifyClient) -> None:
    """Ask Shopify for all customers, unless this run has asked already."""
    if run.cursor.get("bulk_id"):
        return
    run.cursor["bulk_id"] = bulk.start(client, documents.CUSTOMERS_IN_BULK)
    run.cursor["lines"] = 0
    with database.raw() as connection:
        run.keep(connection, token)


def read_contacts(database: Database, run: Reading, token: UUID, client: MailchimpClient, *, threads: int) -> None:
    """Page the audience into `run_contacts`, then once more whatever changed while we were reading."""
    run.cursor.setdefault("contacts_since", datetime.now(UTC).isoformat(timespec="seconds"))
    done = {status: set(pages) for status, pages in (run.cursor.get("pages") or {}).items()}
    for status in PASSES:
        _read_pass(database, run, token, client, status=status, done=done.setdefault(status, set()), threads=threads)
    since = watching.since_reading(run.cursor["contacts_since"])
    for page in watching.changed_contacts(client, run.audience_id, since):
        store_changed(database, run, token, page)


def store_changed(database: Database, run: Reading, token: UUID, page: Sequence[Member]) -> None:
    """Store contacts that were read before, or are new, as they are now."""
    rows = [_contact_row(run, member) for member in page]
    with database.raw() as connection:
        run_tables.upsert(connection, "run_contacts", run_tables.CONTACT_COLUMNS, rows)
        run.keep(connection, token)


def _read_pass(
    database: Database,
    run: Reading,
    token: UUID,
    client: MailchimpClient,
    *,
    status: str,
    done: set[int],
    threads: int,
) -> None:
    def fetch(offset: int) -> tuple[int, list[Member], int]:
        page, total = members.page(client, run.audience_id, offset=offset, status=status or None, whole=run.whole)
        return offset, page, total

    def keep(offset: int, page: list[Member], total: int) -> int:
        done.add(offset)
        run.cursor["pages"] = {**(run.cursor.get("pages") or {}), status: sorted(done)}
        run.counts[f"contacts_total{'_' + status if status else ''}"] = total
        _store_page(database, run, token, page)
        return total

    total = (
        keep(*fetch(0)) if 0 not in done else int(run.counts.get(f"contacts_total{'_' + status if status else ''}", 0))
    )
    # A page is asked for only when another one has been stored: no more of them than threads are ever in memory.
    left = iter([offset for offset in range(members.PAGE, total, members.PAGE) if offset not in done])
    with ThreadPoolExecutor(threads) as pool:
        running = {pool.submit(fetch, offset) for offset in islice(left, threads)}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                while finished:
                    total = max(total, keep(*finished.pop().result()))
                    running |= {pool.submit(fetch, offset) for offset in islice(left, 1)}
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    offset = max(done) + members.PAGE
    while offset < total:  # the audience grew while it was read
        total = max(total, keep(*fetch(offset)))
        offset += members.PAGE


def _store_page(database: Database, run: Reading, token: UUID, page: Sequence[Member]) -> None:
    rows = [_contact_row(run, member) for member in page]
    try:
        with database.raw() as connection:
            run_tables.copy_in(connection, "run_contacts", run_tables.CONTACT_COLUMNS, rows)
            run.keep(connection, token)
    except psycopg.errors.UniqueViolation:  # pages shifted while we read: some contact is on two of them
        store_changed(database, run, token, page)


def _contact_row(run: Reading, member: Member) -> tuple[Any, ...]:
    said = member.merge_fields
    if run.whole:  # beside the merge fields, whose tags are in capitals
        texts = members.sms_of(member)
        said = {**said, TAGS: list(member.tags or ()), TEXTS: [texts.status, texts.phone, texts.changed_at]}
    return (
        str(run.id),
        normalise(without_nul(member.email)) or f"contact:{member.contact_id}",  # some have a phone number only
        without_nul(member.email),
        member.contact_id,
        member.status,
        member.opted_in_at,
        member.changed_at,
        dumps(said),
    )


def read_customers(
    database: Database, run: Reading, token: UUID, client: ShopifyClient, *, allowed_hosts: frozenset[str]
) -> float | None:
    """Look at the bulk operation; stream its result when it is ready.

    Gives back how many seconds to wait before looking again, or None when all customers are stored.
    """
    operation = bulk.look(client, run.cursor["bulk_id"])
    if operation is not None and operation.is_running:
        looks = run.cursor["looks"] = int(run.cursor.get("looks", 0)) + 1
        run.counts["customers_found"] = operation.objects
        with database.raw() as connection:
            run.keep(connection, token)
        return bulk.pause(looks)
    if operation is None or operation.status != "COMPLETED":
        _start_over(database, run, token)
        raise Unavailable("shopify", "sh_bulk_failed", bulk.why_not(operation))
    run.counts["customers_total"] = operation.objects
    if operation.url:
        lines = bulk.lines(client, operation.url, allowed_hosts=allowed_hosts)
        _store_lines(database, run, token, islice(lines, int(run.cursor.get("lines", 0)), None))
    if int(run.cursor.get("lines", 0)) < operation.objects:
        raise Unavailable("shopify", "sh_bulk_failed", "the result has fewer lines than objects")
    return None


def _start_over(database: Database, run: Reading, token: UUID) -> None:
    for name in ("bulk_id", "lines", "looks"):
        run.cursor.pop(name, None)
    with database.raw() as connection:
        run_tables.forget(connection, run.id, "run_customers")
        run.keep(connection, token)


def _store_lines(database: Database, run: Reading, token: UUID, lines: Iterator[dict[str, Any]]) -> None:
    reached = int(run.cursor.get("lines", 0))
    while block := list(islice(lines, BLOCK)):
        reached += len(block)
        run.cursor["lines"] = reached
        run.counts["customers_read"] = reached
        rows = [_customer_row(run, line) for line in block if "/Customer/" in str(line.get("id"))]
        try:
            with database.raw() as connection:
                run_tables.copy_in(connection, "run_customers", run_tables.CUSTOMER_COLUMNS, rows)
                run.keep(connection, token)
        except psycopg.errors.UniqueViolation:  # a customer who changed while Shopify exported may be there twice
            with database.raw() as connection:
                run_tables.upsert(connection, "run_customers", run_tables.CUSTOMER_COLUMNS, rows)
                run.keep(connection, token)


def _what_few_have(node: dict[str, Any]) -> dict[str, Any]:
    """A first sync needs tags and the consent to texts too, but not a million times that there are none."""
    found, phone = {}, node.get("defaultPhoneNumber") or {}
    if tags := node.get("tags"):
        found[TAGS] = tags
    if (phone.get("smsMarketingConsent") or {}).get("state") in ("SUBSCRIBED", "UNSUBSCRIBED"):
        found[TEXTS] = phone
    return found


def _customer_row(run: Reading, node: dict[str, Any]) -> tuple[Any, ...]:
    customer_id = int(str(node["id"]).rsplit("/", 1)[-1])
    email = node.get("defaultEmailAddress") or {}
    address = without_nul(email.get("emailAddress")) or None
    fields = {
        "first_name": node.get("firstName"),
        "last_name": node.get("lastName"),
        "phone": (node.get("defaultPhoneNumber") or {}).get("phoneNumber"),
        "default_address": node.get("defaultAddress"),
    }
    if run.whole:
        fields |= {TAGS: node.get("tags") or [], TEXTS: node.get("defaultPhoneNumber")}
    else:
        fields |= _what_few_have(node)
    return (
        str(run.id),
        customer_id,
        (normalise(address) if address else "") or f"customer:{customer_id}",
        address,
        email.get("marketingState") or "NOT_SUBSCRIBED",
        email.get("marketingOptInLevel"),
        parse_time(email.get("marketingUpdatedAt")),
        dumps(fields),
    )
