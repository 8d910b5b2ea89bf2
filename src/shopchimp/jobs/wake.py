"""The wake-up: an anonymous word to any worker. Losing it costs a few seconds, so it is never worth an error."""

from __future__ import annotations

import threading

import structlog

from shopchimp.jobs.app import celery_app

log = structlog.get_logger()
EXPIRES = 30  # seconds after which a wake-up is stale: the sweep has sent another
LIMIT = 0.25  # seconds a publisher waits for the broker
_publishers = threading.BoundedSemaphore(8)  # a broker that swallows everything must not swallow our threads


def wake() -> None:
    """Tell some worker to look into Postgres. Returns within a quarter of a second whatever the broker does."""
    if not _publishers.acquire(blocking=False):
        log.warning("wake_up_lost", error="the broker keeps others waiting")
        return
    publisher = threading.Thread(target=_publish, name="wake", daemon=True)
    try:
        publisher.start()
    except RuntimeError:  # no more threads
        _publishers.release()
        log.warning("wake_up_lost", error="RuntimeError")
        return
    publisher.join(LIMIT)


def _publish() -> None:
    try:
        celery_app.send_task("shopchimp.look", expires=EXPIRES, retry=False)
    except Exception as error:  # noqa: BLE001 - whatever a dead broker raises, the sweep makes up for it
        log.warning("wake_up_lost", error=type(error).__name__)
    finally:
        _publishers.release()
