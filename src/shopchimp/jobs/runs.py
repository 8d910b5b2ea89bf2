"""Working on sync runs: claim one, take it a bit further, store when it wants to be looked at again.

The only place that decides about waiting and trying again. A wake-up names nobody: Postgres says whose turn it is.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import structlog

from shopchimp.db import connections, lanes, notes, shops, slots, sync_runs
from shopchimp.db.sync_runs import LeaseLost, Run
from shopchimp.domain.errors import Gone, PlatformError, RateLimited, Rejected, Unauthorized, Unavailable
from shopchimp.jobs.verdicts import DATABASE_AWAY, DEAD_TOKEN
from shopchimp.runtime import Runtime
from shopchimp.services.commerce import backfill, store
from shopchimp.services.sync_runs import RunState, advance

log = structlog.get_logger()

SLICE = 20.0  # seconds one run is worked on before others get their turn
PATIENCE = 3.0  # seconds a worker waits for a run that falls due soon, rather than going to sleep
THROTTLED = frozenset({"mc_slow_down", "sh_slow_down", "sh_bulk_busy"})  # waiting as asked is no attempt
MERCHANT_MENDS = frozenset({"mc_plan_limit"})  # refusals of a whole batch after which the merchant can go on
AT_MAILCHIMP = frozenset({"read_contacts", "contacts", *backfill.PHASES})  # phases that need Mailchimp's connections
NO_SLOT = 0.5  # seconds until the next look, while others have all of them
LEFT_TO_LIVE = 2  # slots, for other shops of the same login that are live, and for this one's own contacts
MAX_ATTEMPTS = 30  # claims that failed or were never given back, without any progress between them: then we give up


def drain(runtime: Runtime, *, stop: threading.Event, at_most: int | None = None) -> int:
    """Work until nothing is due, or for so many slices. Gives back how many were worked."""
    slices = 0
    while not stop.is_set() and (at_most is None or slices < at_most):
        token = uuid4()
        with runtime.database.transaction() as tx:
            run = sync_runs.claim(tx, token=token, lease=runtime.lease_seconds)
            soon = None if run else sync_runs.seconds_until_due(tx)
        if run is not None:
            slices += 1
            _work(runtime, run, token, stop)
        elif soon is None or soon > PATIENCE:
            return slices
        else:
            stop.wait(min(soon + 0.01, 0.5))
    return slices


def _work(runtime: Runtime, run: Run, token: UUID, stop: threading.Event) -> None:
    with structlog.contextvars.bound_contextvars(run=str(run.id), phase=run.phase, attempt=run.attempts):
        login, taken = _take_slots(runtime, run, token)
        if login is not None and not taken:
            with runtime.database.transaction() as tx:
                sync_runs.release(tx, run.id, token, wait=NO_SLOT, trouble=run.trouble, counted=False)
            return
        with _lease_kept(runtime, run, token, login) as lost:
            wait, trouble = _advance(runtime, run, token, taken, stop=stop, lost=lost)
        with runtime.database.transaction() as tx:
            counted = trouble is not None and trouble["code"] not in THROTTLED
            sync_runs.release(tx, run.id, token, wait=wait, trouble=trouble, counted=counted)
            if login is not None:
                slots.give_back(tx, login, token)


def _take_slots(runtime: Runtime, run: Run, token: UUID) -> tuple[str | None, int]:
    """The connections this slice may use at Mailchimp: of which login and how many. No login: it needs none."""
    if run.phase not in AT_MAILCHIMP:
        return None, 0
    count = runtime.gateways.connections
    with runtime.database.transaction() as tx:
        connection = connections.get(tx, run.shop_id)
        if connection is None:
            return None, 0  # the work itself finds out and says so
        live = lanes.shares_login(tx, run.shop_id) or (run.phase in backfill.PHASES and connection.live_since)
        at_most = max(1, count - LEFT_TO_LIVE) if live else count
        taken = slots.take(tx, connection.login_id, at_most, token=token, lease=runtime.lease_seconds, count=count)
    return connection.login_id, len(taken)


def _advance(
    runtime: Runtime, run: Run, token: UUID, taken: int, *, stop: threading.Event, lost: threading.Event
) -> tuple[float | None, dict[str, Any] | None]:
    """One slice of work. Gives back how long to wait and what stands in the way, if anything."""
    if run.attempts > MAX_ATTEMPTS:
        return _give_up(runtime, run, token, "internal", "no progress after many tries")
    gateways = replace(runtime.gateways, connections=taken or runtime.gateways.connections)
    try:
        wait = advance(gateways, run, token, seconds=SLICE, stopped=lambda: stop.is_set() or lost.is_set())
    except LeaseLost:
        return 0.0, None
    except RateLimited as error:
        return error.retry_after + random.uniform(0, 0.2), _trouble(error)  # noqa: S311 - jitter
    except Unavailable as error:
        log.warning("platform_unavailable", platform=error.platform, code=error.code)
        return random.uniform(0.5, min(900.0, 2.0 * 2**run.attempts)), _trouble(error)  # noqa: S311 - jitter
    except (Unauthorized, Gone) as error:
        return _ask_merchant(runtime, run, token, error)
    except Rejected as error:
        if error.code in MERCHANT_MENDS:
            return _ask_merchant(runtime, run, token, error)
        return _give_up(runtime, run, token, error.code, error.detail)
    except DATABASE_AWAY:
        log.warning("database_unavailable")
        time.sleep(0.5)  # the release below would fail as well; the lease ends by itself
        return 1.0, None
    except Exception:
        reference = uuid4().hex[:8]
        log.exception("run_crashed", reference=reference)
        if run.attempts >= 5:
            return _give_up(runtime, run, token, "internal", f"reference {reference}")
        return 2.0 * run.attempts, {"code": "internal", "detail": f"reference {reference}"}
    return wait, None


def _trouble(error: PlatformError) -> dict[str, Any]:
    return {"code": error.code, "detail": error.detail[:500]}


def _ask_merchant(runtime: Runtime, run: Run, token: UUID, error: PlatformError) -> tuple[None, dict[str, Any]]:
    """Only the merchant can mend this: the run keeps its place and waits, the connection shows why."""
    log.warning("needs_merchant", platform=error.platform, code=error.code)
    with suppress(LeaseLost), runtime.database.transaction() as tx:
        sync_runs.save(tx, run.id, token, state=RunState.NEEDS_YOU.value)
        if error.platform == "mailchimp" and isinstance(error, (Unauthorized, Gone)):
            connections.set_state(tx, run.shop_id, "gone" if isinstance(error, Gone) else "revoked")
        elif error.code in DEAD_TOKEN:
            shops.forget_tokens(tx, run.shop_id)
        notes.add(tx, run.shop_id, kind="run", run_id=run.id, cause=error.code, detail={"needs_you": True})
    return None, _trouble(error)


def _give_up(runtime: Runtime, run: Run, token: UUID, code: str, detail: str) -> tuple[None, dict[str, Any]]:
    log.error("run_failed", code=code)
    with suppress(LeaseLost), runtime.database.transaction() as tx:
        sync_runs.save(tx, run.id, token, state=RunState.FAILED.value, finished_at=datetime.now(UTC))
        store.hurry_quiet(tx, run.shop_id)
        notes.add(tx, run.shop_id, kind="run", run_id=run.id, cause=code, detail={"failed": True})
    return None, {"code": code, "detail": detail[:500]}


@contextmanager
def _lease_kept(runtime: Runtime, run: Run, token: UUID, login: str | None) -> Iterator[threading.Event]:
    """Renew the lease from a thread of its own while the body works; the event is set when the lease is lost."""
    lost, done = threading.Event(), threading.Event()

    def renew() -> None:
        while not done.wait(runtime.lease_seconds / 4):
            try:
                with runtime.database.transaction() as tx:
                    sync_runs.renew(tx, run.id, token, lease=runtime.lease_seconds)
                    if login is not None:
                        slots.renew(tx, login, token, lease=runtime.lease_seconds)
            except LeaseLost:
                lost.set()
                return
            except Exception as error:  # noqa: BLE001 - Postgres may be away for a moment; the fence keeps us safe
                log.warning("lease_not_renewed", error=type(error).__name__)

    keeper = threading.Thread(target=renew, name="lease", daemon=True)
    keeper.start()
    try:
        yield lost
    finally:
        done.set()
        keeper.join(timeout=5)
