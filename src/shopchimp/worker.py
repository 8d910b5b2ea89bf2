"""The Celery process: the runtime is made here, after any fork, and handed to the jobs."""

from __future__ import annotations

import threading
from typing import Any

import structlog
from celery import Celery, signals

from shopchimp import config, logs
from shopchimp.jobs import runs
from shopchimp.jobs.app import celery_app
from shopchimp.jobs.sweep import Sweeper
from shopchimp.jobs.wake import wake
from shopchimp.runtime import Runtime

log = structlog.get_logger()


class _Process:
    """What this worker process holds."""

    runtime: Runtime | None = None
    stop = threading.Event()


def create_worker(settings: config.Settings | None = None) -> Celery:
    """The Celery app with its broker and its tasks. The pools are opened when the worker is up."""
    settings = settings or config.load()
    logs.configure(settings.log_level)
    celery_app.conf.broker_url = settings.redis_url.get_secret_value()
    celery_app.conf.beat_schedule = {
        "sweep": {"task": "shopchimp.look", "schedule": settings.sweep_seconds, "options": {"expires": 30}}
    }

    def open_runtime(**_: Any) -> None:
        _Process.runtime = config.open_runtime(settings)
        Sweeper(_Process.runtime, stop=_Process.stop).start()
        wake()
        log.info("worker_ready")

    def close_runtime(**_: Any) -> None:
        _Process.stop.set()

    # not worker_ready, which waits for Redis: work goes on without it, and threads need no fork to be waited for
    signals.worker_init.connect(open_runtime, weak=False)
    signals.worker_shutting_down.connect(close_runtime, weak=False)
    return celery_app


@celery_app.task(name="shopchimp.look")  # type: ignore[untyped-decorator]  # celery has no types
def look() -> None:
    """A wake-up: work on whatever is due."""
    if _Process.runtime is not None:
        runs.drain(_Process.runtime, stop=_Process.stop)
