"""The first sync as the merchant handles it: preview, start, pause, resume, cancel; and as a worker advances it.

A run's row says everything: which state, which phase, what was reached. `advance` takes one claimed run a bit
further and says when it wants to be looked at again; it can be killed anywhere and called again anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection

from shopchimp.db import connections, notes, results, run_tables, shops, sync_runs
from shopchimp.db.session import Database
from shopchimp.db.sync_runs import Run
from shopchimp.domain.commerce.phases import Phase
from shopchimp.domain.consent import Policy
from shopchimp.domain.fields import FieldMap
from shopchimp.mailchimp import audiences
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services import audience, going_live, planning, reading, settings, watching, writing
from shopchimp.services.commerce import backfill, staging, store
from shopchimp.services.gateways import Gateways
from shopchimp.services.starting import StartRefused as StartRefused  # noqa: PLC0414 - known from here
from shopchimp.shopify.client import ShopifyClient

log = structlog.get_logger()

PREVIEW_LASTS = timedelta(hours=24)
BLOCK = 20_000  # people stored at once who needed no write


class RunState(StrEnum):
    """Where a run stands. PREPARING makes the preview, READY is the preview, RUNNING writes."""

    PREPARING = "preparing"
    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    NEEDS_YOU = "needs_you"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"


PHASES = ("read_contacts", "read_customers", "plan", "contacts", "consent", *(phase.value for phase in Phase), "live")
ENDED = frozenset({RunState.DONE, RunState.CANCELLED, RunState.FAILED, RunState.EXPIRED})


def make_preview(database: Database, shop_id: int) -> UUID:
    """Begin a new run: both sides are read and planned, nothing is written before Start. Gives back its id.

    A run that is being prepared with the same options is given back instead; one that is writing refuses.
    """
    with database.transaction() as tx:
        shop = shops.lock(tx, shop_id)  # so that two clicks make one run, and none begins while the shop leaves
        connection = connections.get(tx, shop_id)
        if shop is None or shop.uninstalled_at is not None:
            raise StartRefused("not_installed", "This shop doesn't have the app any more.")
        if connection is None or connection.audience_id is None:
            raise StartRefused("no_audience", "Connect Mailchimp and choose an audience first.")
        chosen = settings.get(tx, shop_id)
        options = {**chosen.first_sync_json(), **_of_connection(connection)}
        for run in sync_runs.latest(tx, shop_id):
            if run.state == RunState.PREPARING:
                if run.audience_id == connection.audience_id and run.options == options:
                    return run.id
                sync_runs.set_state(tx, shop_id, run.id, RunState.EXPIRED, due=False)
            if run.state in (RunState.RUNNING, RunState.PAUSED) or (run.state == RunState.NEEDS_YOU and run.started_at):
                raise StartRefused("already_running", "A sync is under way. Wait for it to end, or cancel it.")
            if run.state in (RunState.READY, RunState.NEEDS_YOU):
                sync_runs.set_state(tx, shop_id, run.id, RunState.EXPIRED, due=False)
        run_id = uuid4()
        sync_runs.create(
            tx,
            shop_id,
            run_id,
            audience_id=connection.audience_id,
            policy=chosen.conflict_policy or Policy.MAILCHIMP_WINS.value,
            options=options,
        )
    return run_id


def choose_policy(database: Database, shop_id: int, run_id: UUID, policy: Policy) -> None:
    """Answer D1 for this preview: the people in conflict are planned again, the preview shows it."""
    with database.transaction() as tx:
        run = _locked(tx, shop_id, run_id)
        if run.state != RunState.READY:
            raise StartRefused("not_ready", "This preview can't be changed any more.")
        planning.apply_policy(tx, run, policy)


def start(database: Database, shop_id: int, run_id: UUID, *, policy: Policy | None, confirmed: bool) -> None:
    """Start writing what the preview shows. Refused where the preview no longer holds, or an answer is missing.

    All in one transaction that holds the run: what is started is what was asked for, whatever another tab does.
    """
    with database.transaction() as tx:
        run = _locked(tx, shop_id, run_id)
        now = datetime.now(UTC).replace(microsecond=0)
        if run.started_at is not None:
            raise StartRefused("already_running", "This sync was started already.")
        if run.state == RunState.PREPARING:
            raise StartRefused("not_ready", "The preview is still being made.")
        if run.state != RunState.READY or (run.expires_at is not None and run.expires_at <= now):
            raise StartRefused("preview_expired", "This preview is too old. Make a new one.")
        if policy is None and run.counts.get("conflicts") and settings.get(tx, shop_id).conflict_policy is None:
            raise StartRefused("policy_needed", "Choose what happens to people who opted out in Shopify later.")
        if _options_now(tx, run) != run.options:
            raise StartRefused("settings_changed", "Settings changed after this preview. Make a new one.")
        if policy is not None:
            run.counts = planning.apply_policy(tx, run, policy)
        unconfirmed = _changes_consent(run) and not confirmed
        if not unconfirmed:  # else the answer to D1 is kept, so that the page shows the changes to confirm
            sync_runs.set_state(tx, shop_id, run_id, RunState.RUNNING, due=True, phase="contacts", started_at=now)
            detail = {"started": True, "policy": policy.value if policy else run.policy}
            notes.add(tx, shop_id, kind="run", run_id=run_id, detail=detail)
    if unconfirmed:
        raise StartRefused("consent_unconfirmed", "Confirm that you checked the consent changes.")


def _options_now(tx: Connection, run: Run) -> dict[str, Any]:
    """The options a preview made now would have. D1's answer is the run's own and doesn't count."""
    connection = connections.get(tx, run.shop_id)
    if connection is None or connection.audience_id != run.audience_id:
        return {}
    chosen = {**settings.get(tx, run.shop_id).first_sync_json(), **_of_connection(connection)}
    return {**chosen, "conflict_policy": run.options.get("conflict_policy")}


def _of_connection(connection: connections.ConnectionRow) -> dict[str, Any]:
    live = {"live_since": connection.live_since.isoformat()} if connection.live_since is not None else {}
    return {"double_optin": connection.double_optin, **live}


def _changes_consent(run: Run) -> bool:
    kinds = run.counts.get("by_kind") or {}
    return any(n for kind, n in kinds.items() if kind.startswith("consent"))


def pause(database: Database, shop_id: int, run_id: UUID) -> None:
    """Stop after what is in flight. Nothing done is lost."""
    with database.transaction() as tx:
        run = sync_runs.get(tx, shop_id, run_id, lock=True)
        if run is None or run.state != RunState.RUNNING:
            raise StartRefused("not_running", "Only a running sync can be paused.")
        sync_runs.set_state(tx, shop_id, run_id, RunState.PAUSED, due=False)
        notes.add(tx, shop_id, kind="run", run_id=run_id, detail={"paused": True})


def resume(database: Database, shop_id: int, run_id: UUID) -> None:
    """Go on where it was."""
    with database.transaction() as tx:
        run = sync_runs.get(tx, shop_id, run_id, lock=True)
        if run is None or run.state not in (RunState.PAUSED, RunState.NEEDS_YOU):
            raise StartRefused("not_paused", "Only a paused sync can be resumed.")
        _go_on(tx, run)
        notes.add(tx, shop_id, kind="run", run_id=run_id, detail={"resumed": True})


def _go_on(tx: Connection, run: Run) -> None:
    state = RunState.RUNNING if run.started_at else RunState.PREPARING
    sync_runs.set_state(tx, run.shop_id, run.id, state, due=True, trouble=None, attempts=0)


def cancel(database: Database, shop_id: int, run_id: UUID) -> None:
    """Stop for good. What was sent stays where it is."""
    with database.transaction() as tx:
        run = sync_runs.get(tx, shop_id, run_id, lock=True)
        if run is None or run.state in ENDED:
            raise StartRefused("not_running", "This sync has ended already.")
        _end(tx, run, RunState.CANCELLED)


def _audience_size(run: Run) -> int:
    """How many contacts the audience has after this run, about: those read and those made."""
    by_kind = run.counts.get("by_kind") or {}
    return int(run.counts.get("contacts_total") or 0) + int(by_kind.get("create") or 0)


def stop_all(tx: Connection, shop_id: int) -> None:
    """End every run of a shop, in the transaction that disconnects it, removes the app or changes the audience."""
    for run in sync_runs.latest(tx, shop_id, limit=1000):
        if run.state not in ENDED:
            _end(tx, run, RunState.CANCELLED)


def wake_waiting(database: Database, shop_id: int) -> None:
    """The merchant mended the connection: runs that waited for it go on by themselves."""
    with database.transaction() as tx:
        for run in sync_runs.latest(tx, shop_id):
            if run.state == RunState.NEEDS_YOU:
                _go_on(tx, run)


def has_written(tx: Connection, shop_id: int, audience_id: str) -> bool:
    """Whether any run of this shop with this audience was ever started."""
    runs = sync_runs.latest(tx, shop_id, limit=1000)
    return any(run.started_at is not None and run.audience_id == audience_id for run in runs)


def _end(tx: Connection, run: Run, state: RunState) -> None:
    now = datetime.now(UTC)
    sync_runs.set_state(tx, run.shop_id, run.id, state, due=False, finished_at=now)
    store.hurry_quiet(tx, run.shop_id)
    notes.add(tx, run.shop_id, kind="run", run_id=run.id, detail={state.value: True})


def _locked(tx: Connection, shop_id: int, run_id: UUID) -> Run:
    run = sync_runs.get(tx, shop_id, run_id, lock=True)
    if run is None:
        raise StartRefused("not_found", "There is no such sync.")
    return run


# ------------------------------------------------------------------ what a worker does


def advance(gateways: Gateways, run: Run, token: UUID, *, seconds: float, stopped: Callable[[], bool]) -> float | None:
    """Take a claimed run further for about `seconds`. Gives back when to look again, or None: not before it is asked.

    Raises what the platforms raised and LeaseLost; the caller decides about waiting and stores it.
    """
    shopify, mailchimp = gateways.shopify(run.shop_id), gateways.mailchimp(run.shop_id)
    try:
        return _advance(gateways, run, token, shopify, mailchimp, seconds=seconds, stopped=stopped)
    finally:
        made = {"shopify": shopify.calls.total(), "mailchimp": mailchimp.calls.total()}
        with gateways.database.transaction() as tx:
            sync_runs.add_calls(tx, run.id, made)


def _advance(
    gateways: Gateways,
    run: Run,
    token: UUID,
    shopify: ShopifyClient,
    mailchimp: MailchimpClient,
    *,
    seconds: float,
    stopped: Callable[[], bool],
) -> float | None:
    database, until = gateways.database, time.monotonic() + seconds
    if run.state == RunState.PREPARING and run.phase == "read_contacts":
        _begin_phase(run)
        if not run.cursor.get("fields_checked"):
            with database.transaction() as tx:  # earlier previews are outdated by this one, and hold personal data
                run_tables.forget_all(tx, run.shop_id, but=run.id)
            _check_fields(database, run, token, mailchimp)
        reading.start_bulk(database, run, token, shopify)
        reading.read_contacts(database, run, token, mailchimp, threads=gateways.connections)
        backfill.expect(shopify, run, _scopes(database, run.shop_id))
        _next_phase(database, run, token, "read_customers")
        return 0.0  # Mailchimp's connections are others' now
    if run.state == RunState.PREPARING and run.phase == "read_customers":
        reading.start_bulk(database, run, token, shopify)
        wait = reading.read_customers(database, run, token, shopify, allowed_hosts=gateways.download_hosts)
        if wait is not None:
            return wait
        _next_phase(database, run, token, "plan")
    if run.state == RunState.PREPARING:
        planning.make_plan(database, run, token)
        _ready(database, run, token)
        return None
    if run.phase == "contacts":
        if not run.cursor.get("phase_began"):
            _begin_phase(run)
            with database.transaction() as tx:
                sync_runs.save(tx, run.id, token, cursor=run.cursor)
                going_live.prepare(tx, run.shop_id)
        backfill.begin(database, run, token, shopify)
        _add_fields(run, mailchimp)
        writer = writing.open_writer(database, run, token, mailchimp, shopify)
        wait = writing.write(writer, threads=gateways.connections, until=until, stopped=stopped)
        if wait is not None:
            return wait
        _people_are_live(database, run, token)
        return 0.0  # live sync may have some of the connections now
    while run.phase in backfill.PHASES:
        part = backfill.Backfill(gateways, run, token, mailchimp, shopify, until, stopped)
        wait = part.advance()
        if wait is not None:
            return wait
        _next_phase(database, run, token, backfill.next_phase(run))
    _finish(gateways, run, token)
    return None


def _begin_phase(run: Run) -> None:
    run.cursor.setdefault("phase_began", datetime.now(UTC).isoformat())


def _next_phase(database: Database, run: Run, token: UUID, phase: str) -> None:
    """Store how long the phase took, and enter the next one."""
    with database.transaction() as tx:
        _enter(tx, run, token, phase)


def _enter(tx: Connection, run: Run, token: UUID, phase: str) -> None:
    """Enter a phase; the one before took so long by the wall clock, waiting and restarts included."""
    now = datetime.now(UTC)
    began = datetime.fromisoformat(run.cursor.get("phase_began") or now.isoformat())
    run.timings[run.phase] = round((now - began).total_seconds(), 3)
    run.cursor["phase_began"] = now.isoformat()
    run.phase = phase
    sync_runs.save(tx, run.id, token, phase=phase, cursor=run.cursor, counts=run.counts, timings=run.timings)


def _check_fields(database: Database, run: Run, token: UUID, mailchimp: MailchimpClient) -> None:
    """Which merge fields the audience lacks: shown in the preview, added after Start. A misfit is left out."""
    kinds = {tag: field.type for tag, field in audiences.merge_fields(mailchimp, run.audience_id).items()}
    field_map = FieldMap.from_json(run.options["field_map"])
    run.counts["missing_fields"] = [spec.tag for spec in field_map.missing(kinds)]
    run.counts["misfit_fields"] = list(field_map.misfits(kinds))
    run.cursor["unfit"] = [tag for tag, source in field_map.fields if tag in kinds and kinds[tag] not in source.kinds]
    run.cursor["fields_checked"] = True
    with database.transaction() as tx:
        sync_runs.save(tx, run.id, token, cursor=run.cursor, counts=run.counts)


def _add_fields(run: Run, mailchimp: MailchimpClient) -> None:
    """Add the missing merge fields; the run tells which were refused."""
    if not run.counts.get("missing_fields"):
        return
    _, refused = audience.add_missing(mailchimp, run.audience_id, FieldMap.from_json(run.options["field_map"]))
    if refused:
        before = run.counts.get("refused_fields", [])
        run.counts["refused_fields"] = list(dict.fromkeys([*before, *refused]))


def _ready(database: Database, run: Run, token: UUID) -> None:
    _next_phase(database, run, token, "contacts")
    run.cursor.pop("phase_began", None)
    with database.raw() as connection:  # the plan holds all that is needed of the contacts
        run_tables.forget(connection, run.id, "run_contacts")
    with database.transaction() as tx:
        until = datetime.now(UTC) + PREVIEW_LASTS
        sync_runs.save(tx, run.id, token, state=RunState.READY.value, expires_at=until, cursor=run.cursor)


def _people_are_live(database: Database, run: Run, token: UUID) -> None:
    """Contacts and consent are written: store whom nothing was written for, add up, open the contacts' lanes (S12).

    The store's history may take hours; nobody's opt-out waits for it.
    """
    last = int(run.counts.get("planned", 0))
    for first in range(int(run.cursor.get("stored", 0)) + 1, last + 1, BLOCK):
        end = min(first + BLOCK - 1, last)
        run.cursor["stored"] = end
        with database.transaction() as tx:
            seen_at = run.cursor["contacts_since"]
            results.store_untouched(tx, run.shop_id, run.id, first=first, last=end, seen_at=seen_at)
            sync_runs.save(tx, run.id, token, cursor=run.cursor)
    with database.transaction() as tx:
        result = results.totals(tx, run.id)
        people = result["people"]
        missed = sum(people["skipped"].values()) + sum(people["failed"].values())
        if people["read"] != people["synced"] + missed:
            raise AssertionError("the sums of a run don't close")
        run.counts["result"] = result
        _enter(tx, run, token, backfill.first_phase())
        going_live.open_lanes(tx, run.shop_id, contacts=_audience_size(run))
    watching.forget(run.id)


def _finish(gateways: Gateways, run: Run, token: UUID) -> None:
    """Let the store's automations go, end the run and open the lane of orders and products."""
    backfill.close_books(run)
    with gateways.database.transaction() as tx:
        sync_runs.fence_write(tx, run.id, token)
    store.set_syncing(gateways, run.shop_id, on=False)
    people = run.counts["result"]["people"]
    with gateways.database.transaction() as tx:
        _enter(tx, run, token, "done")
        now = datetime.now(UTC)
        sync_runs.save(tx, run.id, token, state=RunState.DONE.value, counts=run.counts, finished_at=now)
        detail = {"done": True, **people, "commerce": run.counts.get("commerce") or {}}
        notes.add(tx, run.shop_id, kind="run", run_id=run.id, detail=detail)
        if store.load(tx, run.shop_id) is not None:
            going_live.open_commerce(tx, run.shop_id)
        store.hurry_quiet(tx, run.shop_id)
    with gateways.database.transaction() as tx:  # the chore that was just hurried does it where this is never reached
        staging.forget_ended(tx, run.shop_id)
    log.info("run_done", run=str(run.id), count=people["read"])


def _scopes(database: Database, shop_id: int) -> str:
    with database.transaction() as tx:
        shop = shops.get(tx, shop_id)
    return shop.scopes if shop is not None else ""
