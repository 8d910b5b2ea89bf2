"""The drift audit: compare both sides completely, name every difference, repair those that nothing explains.

`step` takes the shop's audit a bit further and can be killed anywhere: reading, comparing, repairing, done. Reading is
that of the first sync; comparing is `services.comparing`; repairing is live sync's own work, on people whom the
comparison marked. When it has looked at them, both sides are asked once more, and what is gone counts as repaired.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection

from shopchimp.db import audits, chores, connections, looks, sync_runs
from shopchimp.db.audits import Audit, AuditRow, LeaseLost
from shopchimp.db.chores import Chore
from shopchimp.db.session import Database
from shopchimp.domain.addresses import normalise
from shopchimp.domain.consent import CustomerConsent
from shopchimp.domain.planning import customer_state
from shopchimp.domain.records import Customer
from shopchimp.domain.steps import LiveOptions
from shopchimp.mailchimp import audiences
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services import comparing, live_options, reading, watching
from shopchimp.services.comparing import Pair
from shopchimp.services.gateways import Gateways
from shopchimp.services.sync_runs import StartRefused
from shopchimp.shopify import customers
from shopchimp.shopify.client import ShopifyClient

log = structlog.get_logger()

DAY = 86_400.0
SLICE = 20.0  # seconds of comparing before other chores get their turn
THREADS = 2  # pages of the audience read side by side: the other connections belong to live sync
BUSY = 60.0  # seconds to wait for a first sync
PATIENCE = timedelta(minutes=30)  # for live sync to look at what was marked
BLOCK = 1000
OVERLAP = timedelta(minutes=2)


def start(database: Database, shop_id: int) -> UUID:
    """Begin an audit, at once; one that is under way is given back instead. Refused where there is no live sync."""
    with database.transaction() as tx:
        audit = _start(tx, shop_id)
        if audit is None:
            raise StartRefused("not_live", "An audit is possible when the first sync is complete.")
        chores.ensure(tx, shop_id, audits.CHORE)
        chores.hurry(tx, shop_id, audits.CHORE)
    return audit.id


def latest(tx: Connection, shop_id: int) -> Audit | None:
    """The shop's newest audit, finished or not."""
    return next(iter(audits.latest(tx, shop_id)), None)


def rows(tx: Connection, shop_id: int, audit_id: UUID, **which: Any) -> list[AuditRow]:
    """A page of the differences that an audit found: by kind, by cause, or only those left."""
    return audits.rows(tx, shop_id, audit_id, **which)


def _start(tx: Connection, shop_id: int) -> Audit | None:
    """The audit under way, or a new one; None where there is nothing to audit."""
    connection = connections.get(tx, shop_id)
    if connection is None or connection.audience_id is None or connection.live_since is None:
        return None
    if (audit := audits.unfinished(tx, shop_id)) is None:
        audits.start(tx, shop_id, uuid4(), audience_id=connection.audience_id)
        audit = audits.unfinished(tx, shop_id)
    return audit


def step(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """Take the shop's audit further, or begin the day's. Gives back the seconds until the next step."""
    with gateways.database.transaction() as tx:
        if any(run.state == "running" for run in sync_runs.latest(tx, shop_id)):
            return BUSY  # its writes would all look like drift
        audit = _start(tx, shop_id)
    if audit is None:
        return DAY
    with suppress(LeaseLost):
        return _step(gateways, audit, chore.token)
    return 0.0


def _step(gateways: Gateways, audit: Audit, token: UUID) -> float:
    shopify, mailchimp = gateways.shopify(audit.shop_id), gateways.mailchimp(audit.shop_id)
    if audit.state == "reading" and (wait := _read(gateways, audit, token, shopify, mailchimp)) is not None:
        return wait
    if audit.state == "comparing":
        until = time.monotonic() + SLICE
        options, now = _options(gateways, audit), gateways.clock()
        for _ in comparing.compare(gateways.database, audit, token, options, now=now):
            if time.monotonic() > until:
                return 0.0
    return _look_again(gateways, audit, token, shopify, mailchimp)


# ------------------------------------------------------------------ reading


def _read(
    gateways: Gateways, audit: Audit, token: UUID, shopify: ShopifyClient, mailchimp: MailchimpClient
) -> float | None:
    """Read both sides. Gives back the seconds to wait for Shopify, or None when all is read."""
    database = gateways.database
    if "unfit" not in audit.cursor:
        with database.transaction() as tx:
            audits.forget_readings(tx, audit.shop_id)
            options, _ = live_options.load(tx, audit.shop_id, _connection(tx, audit))
        kinds = {tag: each.type for tag, each in audiences.merge_fields(mailchimp, audit.audience_id).items()}
        field_map = options.profile.field_map
        fitting = field_map.fitting(kinds)
        # values that the audience can't take are nobody's drift
        audit.cursor["unfit"] = [tag for tag, _ in field_map.fields if tag not in fitting]
    reading.start_bulk(database, audit, token, shopify)
    if not audit.cursor.get("contacts_read"):
        reading.read_contacts(database, audit, token, mailchimp, threads=THREADS)
        audit.cursor["contacts_read"] = True
    hosts = gateways.download_hosts
    if (wait := reading.read_customers(database, audit, token, shopify, allowed_hosts=hosts)) is not None:
        return wait
    with database.transaction() as tx:
        audit.counts |= audits.totals_read(tx, audit.id)
        audit.state = "comparing"
        audit.keep(comparing.driver(tx), token)
    return None


def _connection(tx: Connection, audit: Audit) -> connections.ConnectionRow:
    connection = connections.get(tx, audit.shop_id)
    if connection is None or connection.audience_id != audit.audience_id:
        raise LeaseLost  # the merchant chose another audience: this audit was stopped
    return connection


def _options(gateways: Gateways, audit: Audit) -> LiveOptions:
    with gateways.database.transaction() as tx:
        options, _ = live_options.load(tx, audit.shop_id, _connection(tx, audit))
    fitting = options.profile.field_map.without(audit.cursor["unfit"])
    return replace(options, profile=replace(options.profile, field_map=fitting))


# ------------------------------------------------------------------ repairing


def _look_again(
    gateways: Gateways, audit: Audit, token: UUID, shopify: ShopifyClient, mailchimp: MailchimpClient
) -> float:
    """When live sync has looked at what was marked, see what is left of it. Gives back the seconds to wait."""
    database = gateways.database
    if not audit.counts.get("found"):
        return _finish(gateways, audit, token)
    with database.transaction() as tx:
        waiting = audits.waiting(tx, audit.shop_id, audit.id)
    began = datetime.fromisoformat(audit.cursor.setdefault("repairing_since", gateways.clock().isoformat()))
    late = gateways.clock() - began > PATIENCE
    if waiting and not late:
        looks_made = audit.cursor["looks"] = int(audit.cursor.get("looks", 0)) + 1
        with database.transaction() as tx:
            audit.keep(comparing.driver(tx), token)
        return min(2.0 * 1.3**looks_made, 60.0)
    _read_contacts_again(database, audit, token, mailchimp)
    options = _options(gateways, audit)
    for block in _left(database, audit):
        _judge_again(gateways, audit, block, shopify, options)
    return _finish(gateways, audit, token)


def _read_contacts_again(database: Database, audit: Audit, token: UUID, mailchimp: MailchimpClient) -> None:
    """Whatever changed in the audience since it was read, by its own clock."""
    with database.transaction() as tx:
        newest = audits.newest_contact(tx, audit.id)
    since = (newest or datetime.fromtimestamp(0, UTC) + OVERLAP) - OVERLAP
    for page in watching.changed_contacts(mailchimp, audit.audience_id, since):
        reading.store_changed(database, audit, token, page)
    with database.transaction() as tx:
        audits.forget_renamed(tx, audit.id)


def _left(database: Database, audit: Audit) -> Iterator[list[AuditRow]]:
    after = 0
    while True:
        with database.transaction() as tx:
            block = audits.rows(tx, audit.shop_id, audit.id, kind="unexplained", left=True, after=after, limit=BLOCK)
        if not block:
            return
        yield block
        after = block[-1].n


def _judge_again(
    gateways: Gateways, audit: Audit, block: Sequence[AuditRow], shopify: ShopifyClient, options: LiveOptions
) -> None:
    """Ask Shopify for these customers as they are now, and judge the pairs anew."""
    keys = [row.key for row in block]
    with gateways.database.transaction() as tx:
        remembered = looks.load(tx, audit.shop_id, keys)
        contacts = {row[0]: comparing.contact_of(row) for row in audits.contacts_read(tx, audit.id, keys)}
    ids = [row.customer_id for row in remembered.values() if row.customer_id is not None]
    here = {found.key: found for each in customers.by_ids(shopify, ids) if each and (found := _customer(each))}
    pairs = {key: Pair(key, here.get(key), contacts.get(key)) for key in keys}
    with gateways.database.transaction() as tx:
        judged = comparing.judge_all(tx, audit, pairs, options, now=gateways.clock())
        drifting = {each.pair.key for each in judged if each.finding.drift is not None}
        audits.repaired(tx, audit.id, [row.n for row in block if row.key not in drifting])


def _customer(found: customers.Customer) -> Customer:
    said = found.consent
    consent = CustomerConsent(customer_state(said.state), said.updated_at, said.opt_in_level)
    key = normalise(said.email or "") or f"customer:{found.id}"
    return Customer(found.id, key, said.email, consent, found.fields, found.tags, found.sms)


def _finish(gateways: Gateways, audit: Audit, token: UUID) -> float:
    with gateways.database.transaction() as tx:
        left = audits.count_left(tx, audit.id)
        found = int(audit.counts.get("found", 0))
        audit.counts |= {"found": found, "repaired": found - left, "left": left}
        audit.state, audit.finished_at = "done", gateways.clock()
        audit.keep(comparing.driver(tx), token)
        audits.forget_readings(tx, audit.shop_id)
    log.info("audit_done", shop_id=audit.shop_id, count=audit.counts.get("pairs", 0), found=found, left=left)
    return DAY
