"""The worker process: the runtime is made here, after any fork, and handed to the jobs.

Live sync is served by Celery's threads, woken through Redis; first syncs, backfills and chores by threads beside them
that ask Postgres themselves (see `jobs.backfill`). Either kind may have processes of its own.
"""

from __future__ import annotations

import gc
import signal
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog
from celery import Celery, signals

from shopchimp import config, logs
from shopchimp.db import lanes, marking
from shopchimp.jobs import lanes as live_lanes
from shopchimp.jobs.app import celery_app
from shopchimp.jobs.backfill import Backfill
from shopchimp.jobs.chores import Doing
from shopchimp.jobs.pulse import Pulse
from shopchimp.jobs.sweep import Sweeper
from shopchimp.jobs.wake import wake
from shopchimp.runtime import Runtime
from shopchimp.services import audience, audit, backfills, hooks, live, polls, retention
from shopchimp.services.commerce import completeness, late, promo, store
from shopchimp.services.commerce import live as commerce_live
from shopchimp.services.commerce import polls as commerce_polls
from shopchimp.services.customer_events import campaigns, engagement, pixel, sending

log = structlog.get_logger()

CHORES: dict[str, Doing] = {
    "poll_customers": polls.poll_customers,
    "poll_contacts": polls.poll_contacts,
    "hooks": hooks.chore,
    "audience": audience.describe,
    "audit": audit.step,
    "retention": retention.forget_old,
    "tags_backfill": backfills.tags,
    "sms_backfill": backfills.sms,
    "poll_orders": commerce_polls.poll_orders,
    "poll_products": commerce_polls.poll_products,
    "poll_checkouts": commerce_polls.poll_checkouts,
    completeness.CHORE: completeness.check,
    late.CHORE: late.write,
    promo.CHORE: promo.chore,
    store.QUIET: store.quiet,
    campaigns.CHORE: campaigns.poll,
    pixel.CHORE: pixel.chore,
}
LIVE: live_lanes.Works = {
    marking.LIVE: live.work,
    marking.EVENTS: sending.events,
    marking.VIEWS: sending.views,
    marking.COMMERCE: commerce_live.work,
    marking.ACTIVITY: engagement.work,
}
COLLECT = (100_000, 20, 20)  # orders are many small dicts: looking for cycles took 15 % of a first sync's time
ENDS_IN = 20.0  # seconds that work in hand gets when the process is asked to end


class Serve(StrEnum):
    """What a worker process serves."""

    ALL = "all"
    LIVE = "live"
    BACKFILL = "backfill"


def backfill_threads(threads: int) -> int:
    """How many of a worker's threads serve backfill: one in four."""
    return max(1, threads // 4)


@dataclass(slots=True)
class Process:
    """What this worker process holds once it is up."""

    runtime: Runtime | None = None
    sweeper: Sweeper | None = None
    backfill: Backfill | None = None
    pulse: Pulse = field(default_factory=Pulse)
    stop: threading.Event = field(default_factory=threading.Event)

    def open(self, settings: config.Settings, serve: Serve, threads: int) -> None:
        """Open the pools and start the threads that don't wait for Redis."""
        gc.set_threshold(*COLLECT)
        self.runtime = config.open_runtime(settings)
        if serve is not Serve.LIVE:
            count = threads if serve is Serve.BACKFILL else backfill_threads(threads)
            self.backfill = Backfill(self.runtime, stop=self.stop, work=live.work, registry=CHORES, threads=count)
            self.backfill.start()
        works = None if serve is Serve.BACKFILL else LIVE
        self.sweeper = Sweeper(self.runtime, stop=self.stop, pulse=self.pulse, works=works)
        self.sweeper.start()
        log.info("worker_ready", kind=serve.value)

    def look(self) -> None:
        """A wake-up: work on whatever is due."""
        if self.runtime is None or self.sweeper is None:
            return
        if self.backfill is not None:
            self.backfill.nudge()
        with self.pulse.beat():
            live_lanes.drain(self.runtime, stop=self.stop, works=LIVE)
        with self.runtime.database.transaction() as tx:
            soon = lanes.seconds_until_due(tx, lanes=LIVE)
        if soon is not None:
            self.sweeper.look_in(max(soon, 0.05))


process = Process()


def create_worker(settings: config.Settings | None = None, *, serve: Serve = Serve.ALL, threads: int = 8) -> Celery:
    """The Celery app with its broker and its tasks. The pools are opened when the worker is up."""
    settings = settings or config.load()
    logs.configure(settings.log_level)
    celery_app.conf.broker_url = settings.redis_url.get_secret_value()
    celery_app.conf.beat_schedule = {
        "sweep": {"task": "shopchimp.look", "schedule": settings.sweep_seconds, "options": {"expires": 30}}
    }

    def open_runtime(**_: Any) -> None:
        process.open(settings, serve, threads)
        wake()

    def close_runtime(**_: Any) -> None:
        process.stop.set()

    # not worker_ready, which waits for Redis: work goes on without it, and threads need no fork to be waited for
    signals.worker_init.connect(open_runtime, weak=False)
    signals.worker_shutting_down.connect(close_runtime, weak=False)
    return celery_app


def run_worker(serve: Serve, threads: int) -> None:
    """Run a worker until it is told to end. Who serves backfill alone needs no Celery."""
    if serve is Serve.BACKFILL:
        _run_backfill(threads)
        return
    celery = create_worker(serve=serve, threads=threads)
    woken = threads if serve is Serve.LIVE else max(1, threads - backfill_threads(threads))
    celery.worker_main(["worker", "-P", "threads", "-c", str(woken), "-l", "WARNING", "-Q", "look"])


def _run_backfill(threads: int) -> None:
    settings = config.load()
    logs.configure(settings.log_level)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: process.stop.set())
    process.open(settings, Serve.BACKFILL, threads)
    while not process.stop.wait(1.0):  # a wait without end would hear no signal on some systems
        pass
    if process.backfill is not None:
        process.backfill.join(ENDS_IN)


@celery_app.task(name="shopchimp.look")  # type: ignore[untyped-decorator]  # celery has no types
def look() -> None:
    """A wake-up."""
    process.look()
