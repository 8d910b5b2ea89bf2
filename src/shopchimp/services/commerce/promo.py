"""Promo codes: every few hours, by button and after a discount's webhook, Mailchimp gets what Shopify has (S64, S65).

A run is a row that is begun by whoever wants one, and taken further in parts by the chore `promo_codes`; the first
sync takes its own along (`first`). It goes page by page through all discounts, pages the codes of those that have
changed, takes away what is gone, and can be killed anywhere: the place reached is stored with each slice's results.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection

from shopchimp.db import chores, connections, notes, promo_items, promo_runs, shops, slots
from shopchimp.db.chores import Chore
from shopchimp.db.promo_runs import PromoRun, RunLost
from shopchimp.db.session import Database
from shopchimp.domain.errors import PlatformError, RateLimited, Rejected, StoreGone, Unauthorized
from shopchimp.services import settings
from shopchimp.services.commerce import promo_codes, promo_rules, roads, store
from shopchimp.services.commerce.promo_work import PromoWork, trouble_of
from shopchimp.services.gateways import Gateways
from shopchimp.services.starting import StartRefused
from shopchimp.shopify import commerce

log = structlog.get_logger()

CHORE = "promo_codes"
PART = 15.0  # seconds of a run before other chores get their turn
LOOK = 300.0  # seconds between looks whether a run is due, so that none waits for a wake-up that was lost
COLLECT = 30.0  # seconds after a discount's webhook, in which more of them come
LEFT_TO_LIVE = 2  # of the login's slots
NO_SLOT = 0.5
HOUR = 3600.0
JITTER = 0.1  # of the hours: shops that were set up together do not all come at once
PATIENCE = 5  # parts in a row that a platform did not carry out, before what it won't do counts as failed
NO_SCOPE = "sh_scope_missing"


# ------------------------------------------------------------------ beginning


def request(database: Database, shop_id: int, trigger: str = "manual") -> PromoRun:
    """Begin a run now. One that is under way is given back instead, and one that waits to begin begins.

    Raises StartRefused before the first sync has brought the store to Mailchimp.
    """
    while True:
        with database.transaction() as tx:
            opened = is_open(tx, shop_id)
            run = promo_runs.begin(tx, shop_id, trigger) if opened else None
            run = run or promo_runs.running(tx, shop_id)
            if run is not None and opened:
                promo_runs.hurry(tx, run.id)
                chores.ensure(tx, shop_id, CHORE)
                chores.hurry(tx, shop_id, CHORE)
        if run is not None:
            return run
        if not opened:
            raise StartRefused("not_live", "Promo codes can be synced when the first sync is complete.")


def nudge(tx: Connection, shop_id: int, discount_ids: list[str]) -> None:
    """A webhook named these discounts (by number): their codes are read again, half a minute from now.

    A run under way may have passed them already, so they are read once more after it.
    """
    run = promo_runs.running(tx, shop_id, lock=True)
    if run is not None and run.cursor:
        promo_runs.nudge(tx, run.id, discount_ids)
        return
    promo_items.void(tx, shop_id, discount_ids)
    if run is None:
        promo_runs.begin(tx, shop_id, "webhook", delay=COLLECT)
    chores.hurry(tx, shop_id, CHORE)


def is_open(tx: Connection, shop_id: int) -> bool:
    """Whether runs of their own are possible: the first sync is over, and nothing has closed what it opened."""
    connection = connections.get(tx, shop_id)
    return connection is not None and connection.commerce_since is not None and connection.store_id is not None


def next_at(tx: Connection, shop_id: int, now: datetime | None = None) -> datetime | None:
    """When the next run begins by itself; None where there is none to come."""
    if not is_open(tx, shop_id):
        return None
    hours = timedelta(hours=settings.get(tx, shop_id).promo_hours)
    last = next(iter(promo_runs.latest(tx, shop_id)), None)
    if last is None:
        return now or datetime.now(UTC)
    share = JITTER * (last.id.int % 1000) / 1000  # the same each time it is asked for
    return last.started_at + hours * (1 + share)


# ------------------------------------------------------------------ the chore


def chore(gateways: Gateways, shop_id: int, chore: Chore) -> float:
    """Take the shop's run further, or begin the one that is due. Gives back the seconds until the next look."""
    with gateways.database.transaction() as tx:
        if not is_open(tx, shop_id):
            return LOOK
        run = promo_runs.running(tx, shop_id)
        if run is None and (wait := _until_due(tx, shop_id, gateways.clock())) > 0:
            return min(wait, LOOK)
        run = run or promo_runs.begin(tx, shop_id, "schedule")
        if run is None:
            return 1.0  # somebody else has begun one this very moment
        if wait := promo_runs.take(tx, run.id, chore.token):
            return wait
    with _slots(gateways, shop_id, chore.token) as taken:
        if not taken:
            with gateways.database.transaction() as tx:
                promo_runs.let_go(tx, run.id, chore.token)
            return NO_SLOT
        own = replace(gateways, connections=taken)
        patient = chore.attempts <= PATIENCE
        done = _part(own, run.id, chore.token, shop_id=shop_id, seconds=PART, patient=patient)
    if not done:
        return 0.0
    with gateways.database.transaction() as tx:
        return 0.0 if promo_runs.running(tx, shop_id) else LOOK


@contextmanager
def _slots(gateways: Gateways, shop_id: int, token: UUID) -> Iterator[int]:
    """Connections of the login for a part, without those that live sync needs; none where all are busy."""
    database, count = gateways.database, gateways.connections
    with database.transaction() as tx:
        connection = connections.get(tx, shop_id)
        login = connection.login_id if connection else ""
        at_most = max(1, count - LEFT_TO_LIVE) if connection else 0  # disconnected this very moment
        taken = slots.take(tx, login, at_most, token=token, lease=promo_runs.HOLD, count=count) if at_most else []
    try:
        yield len(taken)
    except RateLimited as error:
        if error.platform == "mailchimp":
            with database.transaction() as tx:
                slots.ease(tx, login, count=count)
        raise
    finally:
        with database.transaction() as tx:
            slots.give_back(tx, login, token)


def _until_due(tx: Connection, shop_id: int, now: datetime) -> float:
    due = next_at(tx, shop_id, now)
    return (due - now).total_seconds() if due else LOOK


# ------------------------------------------------------------------ the first sync


def first(
    gateways: Gateways,
    shop_id: int,
    *,
    since: datetime,
    seconds: float = PART,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Take the promo codes of a first sync that began at `since` a part further, and say whether they are done.

    The connections are the caller's, who has taken their slots. What hinders is raised as in every phase; without the
    right to read discounts there is nothing to do, and the run's trouble says so.
    """
    token = uuid4()
    with gateways.database.transaction() as tx:
        run = promo_runs.running(tx, shop_id)
        if run is None:
            last = next(iter(promo_runs.latest(tx, shop_id)), None)
            if last is not None and last.started_at >= since:
                return True
            run = promo_runs.begin(tx, shop_id, "first_sync")
        wait = promo_runs.take(tx, run.id, token) if run is not None else 1.0
    if run is None or wait:
        time.sleep(min(wait, 1.0))  # the chore is at it, or somebody who died had it
        return False
    ended = _part(gateways, run.id, token, shop_id=shop_id, seconds=seconds, stopped=stopped)
    return ended and run.started_at >= since


# ------------------------------------------------------------------ one part


def _part(
    gateways: Gateways,
    run_id: UUID,
    token: UUID,
    *,
    shop_id: int,
    seconds: float,
    patient: bool = True,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Work on a run that is held until it ends, the time is up or something hinders; whether it has ended."""
    with gateways.database.transaction() as tx:
        run = promo_runs.get(tx, shop_id, run_id)
        there, shop = store.load(tx, shop_id), shops.get(tx, shop_id)
    assert run is not None  # noqa: S101 - it is held
    if there is None or shop is None:
        return _fail(gateways, run, token, StoreGone("mailchimp", "mc_store_gone", "the shop has no store"))
    if "promo_codes" not in commerce.readable(shop.scopes):
        return _fail(gateways, run, token, Unauthorized("shopify", NO_SCOPE, "read_discounts"))
    until = time.monotonic() + seconds
    work = PromoWork(
        database=gateways.database,
        run=run,
        token=token,
        shopify=gateways.shopify(shop_id),
        road=roads.Direct(gateways.mailchimp(shop_id), gateways.connections),
        store_id=there.store_id,
        storefront=there.storefront,
        now=gateways.clock,
        hosts=gateways.download_hosts,
        over=lambda: time.monotonic() > until or stopped(),
        patient=patient,
    )
    try:
        while not work.over():
            ended, hindrance = _step(work)
            if hindrance is not None:
                raise hindrance
            if ended:
                return _finish(work)
    except RunLost:
        return False
    except PlatformError as error:
        if _is_final(error):
            return _fail(gateways, run, token, error)
        with gateways.database.transaction() as tx:
            promo_runs.hindered(tx, run, token, trouble_of(error))
        raise
    with gateways.database.transaction() as tx:
        promo_runs.let_go(tx, run.id, token)
    return False


def _step(work: PromoWork) -> tuple[bool, PlatformError | None]:
    """One slice: the codes that wait, the next page of discounts, or what is gone. Whether that was all."""
    cursor = work.run.cursor
    if cursor.get("todo"):
        return False, promo_codes.step(work)
    if not cursor.get("listed"):
        return False, promo_rules.page(work)
    return promo_rules.gone(work)


def _is_final(error: PlatformError) -> bool:
    """Waiting does not mend it, nor does anything but the run end by it."""
    return isinstance(error, Rejected) or error.code == NO_SCOPE


def _finish(work: PromoWork) -> bool:
    run = work.run
    with work.database.transaction() as tx:
        _over(tx, run, promo_runs.finish(tx, run, work.token))
        if _is_news(run):
            notes.add(tx, run.shop_id, kind="promo", detail=_told(run))
    return True


def _fail(gateways: Gateways, run: PromoRun, token: UUID, error: PlatformError) -> bool:
    log.warning("promo_run_failed", platform=error.platform, code=error.code)
    with suppress(RunLost), gateways.database.transaction() as tx:
        nudged = promo_runs.finish(tx, run, token, state="failed", trouble=trouble_of(error))
        _over(tx, run, nudged)
        notes.add(tx, run.shop_id, kind="promo", cause=error.code, detail=_told(run))
    return True


def _over(tx: Connection, run: PromoRun, nudged: list[str]) -> None:
    """What a webhook named while the run was under way is read once more."""
    if nudged:
        promo_items.void(tx, run.shop_id, nudged)
        promo_runs.begin(tx, run.shop_id, "webhook", delay=COLLECT)


def _is_news(run: PromoRun) -> bool:
    counts = (run.counts, run.counts.get("discounts", {}))
    changed = any(each.get(what) for each in counts for what in ("added", "changed", "removed", "failed"))
    return changed or run.trigger == "manual"


def _told(run: PromoRun) -> dict[str, Any]:
    return {"promo_run": str(run.id), "trigger": run.trigger, "counts": run.counts}
