"""Step 4 of the first sync: write what the plan says, both sides at once, a chunk at a time.

A chunk goes: note the intent and commit, look once more at the side to be written where consent is at stake, write,
store every person's result with the chunk's end in one transaction. A chunk whose end was never stored is written again
with the same content; what the first try had already done is recognised and counted as done.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shopchimp.db import plan, results, sync_runs
from shopchimp.db.plan import ConsentWrite, ContactWrite
from shopchimp.db.results import Missed
from shopchimp.db.session import Database
from shopchimp.db.sync_runs import Run
from shopchimp.domain.addresses import normalise
from shopchimp.domain.errors import RateLimited, Unavailable
from shopchimp.mailchimp import members
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services import batches
from shopchimp.services.watching import (
    OVERLAP,
    ContactWatch,
    CustomerWatch,
    contact_moved,
    contact_of_customer_moved,
    customer_moved,
    kept_fresh,
    since_reading,
    watch,
)
from shopchimp.shopify import customers
from shopchimp.shopify.client import ShopifyClient

SHOPIFY_THREADS = 3  # the query cost is the limit there, not the connections

# Refusals that are nobody's failure: only the person can come back (F6), or Mailchimp's word stands.
LEFT_ALONE = frozenset({"mc_compliance_state", "mc_forgotten", "mc_contact_exists", "mc_ignored", "sh_customer_gone"})


@dataclass(frozen=True, slots=True)
class Writer:
    """One run's writing: where to write, under which lease."""

    database: Database
    run: Run
    token: UUID
    mailchimp: MailchimpClient
    shopify: ShopifyClient
    contact_watch: ContactWatch
    archive_watch: ContactWatch
    customer_watch: CustomerWatch

    def contact_chunk(self, chunk: int, action: str) -> None:
        """Write one batch of contacts and store what became of each."""
        with self.database.transaction() as tx:
            sync_runs.fence_write(tx, self.run.id, self.token)
            attempt, first_try = plan.intend(tx, self.run.id, "contact", chunk)
            rows = plan.contact_writes(tx, self.run.id, chunk)
        missed: list[Missed] = []
        if action != "update":
            rows = self._still_as_planned(rows, missed)
        bodies = [(row.key, row.body) for row in rows]
        result = (
            batches.write_contacts(self.mailchimp, self.run.audience_id, bodies, update_existing=action != "create")
            if rows
            else members.BatchResult({}, [])
        )
        ours = self._made_before(rows, result, first_try) if attempt > 1 else frozenset()
        self._judge(rows, result, missed, ours=ours)
        self._finish("contact", chunk, missed)

    def _still_as_planned(self, rows: list[ContactWrite], missed: list[Missed]) -> list[ContactWrite]:
        """Leave out who chose anew, on either side, since both were read."""
        creating = all(row.contact_status == "absent" for row in rows)
        contacts_now = (self.archive_watch if creating else self.contact_watch).look()
        customers_now = self.customer_watch.look()
        kept = []
        for row in rows:
            if words := contact_moved(row, contacts_now.get(row.key)):
                missed.append(Missed(row.n, "skipped", "changed_in_mailchimp", words))
            elif words := customer_moved(row, customers_now.get(row.customer_id)):
                missed.append(Missed(row.n, "skipped", "changed_in_shopify", words))
            else:
                kept.append(row)
        return kept

    def _judge(
        self, rows: list[ContactWrite], result: members.BatchResult, missed: list[Missed], *, ours: frozenset[str]
    ) -> None:
        """Compare what was asked with what Mailchimp answered, person by person."""
        by_key = {row.key: row for row in rows}
        answered = {normalise(email): status for email, status in result.taken.items()}
        for refusal in result.refused:
            row = by_key.pop(normalise(refusal.email), None)
            if row is None or (refusal.cause == "mc_contact_exists" and row.key in ours):
                continue
            kind = "skipped" if refusal.cause in LEFT_ALONE else "failed"
            cause = "changed_in_mailchimp" if refusal.cause == "mc_contact_exists" else refusal.cause
            missed.append(Missed(row.n, kind, cause, refusal.detail))
        for key, row in by_key.items():
            now = answered.get(key)
            if now is None:
                missed.append(Missed(row.n, "failed", "mc_rejected", "Mailchimp's answer didn't name this contact"))
            elif row.to_contact is not None and now != row.to_contact:
                words = f"asked for {row.to_contact}, Mailchimp kept {now}"
                missed.append(Missed(row.n, "skipped", "mc_ignored", words))

    def _made_before(
        self, rows: list[ContactWrite], result: members.BatchResult, first_try: datetime
    ) -> frozenset[str]:
        """Which contacts that "exist already" our own unremembered try made: changed since, and as we wanted."""
        wanted = {row.key: row.to_contact for row in rows}
        open_ = {normalise(refusal.email) for refusal in result.refused if refusal.cause == "mc_contact_exists"}
        ours, offset, full = set(), 0, True
        while open_ and full:
            since = first_try - OVERLAP
            page = members.changed_since(self.mailchimp, self.run.audience_id, since, offset=offset)
            for member in page:
                key = normalise(member.email)
                if key in open_ and member.status == wanted.get(key):
                    ours.add(key)
                open_.discard(key)
            offset, full = offset + len(page), len(page) == members.PAGE
        return frozenset(ours)

    def consent_chunk(self, chunk: int) -> None:
        """Write the consent of a few customers and store what became of each."""
        with self.database.transaction() as tx:
            sync_runs.fence_write(tx, self.run.id, self.token)
            plan.intend(tx, self.run.id, "customer", chunk)
            rows = plan.consent_writes(tx, self.run.id, chunk)
        missed: list[Missed] = []
        due = self._still_to_write(rows, missed)
        refusals = batches.write_consents(self.shopify, [self._write(row) for row in due]) if due else []
        for row, refused in zip(due, refusals, strict=True):
            if refused is not None:
                kind = "skipped" if refused.code in LEFT_ALONE else "failed"
                missed.append(Missed(row.n, kind, refused.code, refused.message))
        self._finish("customer", chunk, missed)

    def _still_to_write(self, rows: list[ConsentWrite], missed: list[Missed]) -> list[ConsentWrite]:
        """Leave out who chose anew since the reading, and who already is what the plan wants."""
        due = []
        contacts_now = self.contact_watch.look()
        now = customers.consents(self.shopify, [row.customer_id for row in rows])
        for row, consent in zip(rows, now, strict=True):
            if consent is None:
                missed.append(Missed(row.n, "skipped", "sh_customer_gone", ""))
            elif words := contact_of_customer_moved(row, contacts_now.get(row.key)):
                missed.append(Missed(row.n, "skipped", "changed_in_mailchimp", words))
            elif consent.state == row.to_customer and consent.updated_at == self._write(row).updated_at:
                continue  # our own write of a try that was cut off
            elif consent.state != row.customer_state or consent.updated_at != row.customer_at:
                words = f"was {row.customer_state} when the preview was made, is {consent.state} now"
                missed.append(Missed(row.n, "skipped", "changed_in_shopify", words))
            else:
                due.append(row)
        return due

    def _write(self, row: ConsentWrite) -> customers.ConsentWrite:
        at = row.to_customer_at
        if at is None:  # D1: the time of the merchant's decision, always later than what Shopify has stored (F2)
            at = self.run.started_at or self.run.created_at
            if row.customer_at is not None:
                at = max(at, row.customer_at + timedelta(seconds=1))
            at = at.replace(microsecond=0)
        return customers.ConsentWrite(row.customer_id, row.to_customer, row.to_customer_level, at)

    def _finish(self, side: str, chunk: int, missed: list[Missed]) -> None:
        with self.database.transaction() as tx:
            sync_runs.fence(tx, self.run.id, self.token)
            sync_runs.progressed(tx, self.run.id, self.token)
            results.finish_chunk(
                tx,
                self.run.shop_id,
                self.run.id,
                side=side,
                chunk=chunk,
                decided_at=self.run.started_at,
                seen_at=self.run.cursor["contacts_since"],
                missed=missed,
            )


@dataclass(slots=True)
class Side:
    """One side's chunks still to be written, and how many may be in flight."""

    name: str
    pending: deque[tuple[int, str, int]]
    threads: int
    not_before: float = 0.0

    def may_start(self, in_flight: int, now: float) -> bool:
        """Whether another chunk of this side may be started."""
        return bool(self.pending) and in_flight < self.threads and now >= self.not_before


def open_writer(
    database: Database, run: Run, token: UUID, mailchimp: MailchimpClient, shopify: ShopifyClient
) -> Writer:
    """A writer for this run; it watches both sides from when the reading began."""
    since = since_reading(run.cursor["contacts_since"])

    def planned(keys: list[str]) -> set[str]:
        with database.transaction() as tx:
            return plan.with_consent(tx, run.id, keys)

    watches = watch(run.id, mailchimp, run.audience_id, shopify, since=since, planned=planned)
    return Writer(database, run, token, mailchimp, shopify, *watches)


def write(writer: Writer, *, threads: int, until: float, stopped: Callable[[], bool]) -> float | None:
    """Write chunks of both sides until all are done, the time (monotonic) is up, or `stopped` says so.

    Gives back None when everything is written, else how many seconds to wait. When one side is throttled it waits and
    the other goes on. The first error that waiting doesn't mend ends the work; chunks in flight are finished first.
    """
    sides = _sides(writer, threads)
    running: dict[Future[None], tuple[Side, tuple[int, str, int]]] = {}
    trouble: BaseException | None = None
    with (
        ThreadPoolExecutor(threads + SHOPIFY_THREADS) as pool,
        kept_fresh(writer.contact_watch, writer.archive_watch, writer.customer_watch),
    ):
        while running or (trouble is None and any(side.pending for side in sides)):
            now = time.monotonic()
            if trouble is None and now < until and not stopped():
                _start(pool, writer, sides, running, now)
            if not running:
                break  # out of time, stopped, or every side that has work must wait
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                side, chunk = running.pop(future)
                trouble = _settle(future, side, chunk) or trouble
    if trouble is not None:
        raise trouble
    waits = [side.not_before - time.monotonic() for side in sides if side.pending]
    return max(min(waits), 0.0) if waits else None


def _sides(writer: Writer, threads: int) -> list[Side]:
    with writer.database.transaction() as tx:
        return [
            Side("contact", deque(plan.pending_chunks(tx, writer.run.id, "contact")), threads),
            Side("customer", deque(plan.pending_chunks(tx, writer.run.id, "customer")), SHOPIFY_THREADS),
        ]


def _start(
    pool: ThreadPoolExecutor,
    writer: Writer,
    sides: list[Side],
    running: dict[Future[None], tuple[Side, tuple[int, str, int]]],
    now: float,
) -> None:
    for side in sides:
        in_flight = sum(1 for busy, _ in running.values() if busy is side)
        while side.may_start(in_flight, now):
            chunk = side.pending.popleft()
            if side.name == "contact":
                future = pool.submit(writer.contact_chunk, chunk[0], chunk[1])
            else:
                future = pool.submit(writer.consent_chunk, chunk[0])
            running[future] = (side, chunk)
            in_flight += 1


def _settle(future: Future[None], side: Side, chunk: tuple[int, str, int]) -> BaseException | None:
    """What one finished chunk means for the rest: nothing, a pause of its side, or the end of this slice."""
    error = future.exception()
    if error is None:
        return None
    side.pending.appendleft(chunk)
    if isinstance(error, RateLimited):
        side.not_before = time.monotonic() + error.retry_after
        side.threads = max(1, side.threads // 2)
        return None
    if isinstance(error, Unavailable):
        side.not_before = max(side.not_before, time.monotonic() + 1.0)
    return error
