"""Doing chores: claim the one that has been due longest, do a part of it, store when it is due again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import structlog

from shopchimp.db import chores
from shopchimp.db.chores import Chore
from shopchimp.domain.errors import Gone, PlatformError, RateLimited, StoreGone, Unauthorized
from shopchimp.jobs import verdicts
from shopchimp.jobs.keeping import keeper
from shopchimp.jobs.verdicts import DATABASE_AWAY
from shopchimp.runtime import Runtime
from shopchimp.services.gateways import Gateways

log = structlog.get_logger()

Doing = Callable[[Gateways, int, Chore], float]
"""Do a part of a shop's chore. Gives back in how many seconds it is due again; 0 when there is more to do at once."""


def drain(runtime: Runtime, registry: Mapping[str, Doing], *, stop: threading.Event, at_most: int | None = None) -> int:
    """Do what is due, or so many parts of it. Gives back how many were done. Who has no entry in the registry waits."""
    parts = 0
    while not stop.is_set() and (at_most is None or parts < at_most):
        with runtime.database.transaction() as tx:
            chore = chores.claim(tx, names=registry, token=uuid4(), lease=runtime.lease_seconds)
        if chore is None:
            break
        parts += 1
        _do(runtime, registry[chore.name], chore)
    return parts


def _do(runtime: Runtime, doing: Doing, chore: Chore) -> None:
    def renew() -> bool:
        with runtime.database.transaction() as tx:
            return chores.renew(tx, chore, lease=runtime.lease_seconds)

    with structlog.contextvars.bound_contextvars(shop_id=chore.shop_id, chore=chore.name):
        try:
            with keeper.keep(renew, lease=runtime.lease_seconds):
                next_in = doing(runtime.gateways, chore.shop_id, chore)
        except DATABASE_AWAY:
            log.warning("database_unavailable")  # the lease ends by itself
            return
        except PlatformError as error:
            _failed(runtime, chore, error)
            return
        except Exception:
            reference = uuid4().hex[:8]
            log.exception("chore_crashed", reference=reference)
            trouble = {"code": "internal", "detail": f"reference {reference}"}
            _again(runtime, chore, verdicts.backoff(chore.attempts), trouble, count=True)
            return
        with runtime.database.transaction() as tx:
            chores.done(tx, chore, next_in)


def _failed(runtime: Runtime, chore: Chore, error: PlatformError) -> None:
    trouble = {"code": error.code, "detail": error.detail[:500]}
    log.warning("chore_failed", platform=error.platform, code=error.code)
    if isinstance(error, RateLimited):
        _again(runtime, chore, verdicts.throttle_wait(error), trouble, count=False)
    elif isinstance(error, (Unauthorized, Gone, StoreGone)):
        verdicts.ask_merchant(runtime.database, chore.shop_id, error)
        _again(runtime, chore, verdicts.wait_for_merchant(error), trouble, count=False)
    else:
        _again(runtime, chore, verdicts.backoff(chore.attempts), trouble, count=True)


def _again(runtime: Runtime, chore: Chore, wait: float, trouble: Mapping[str, Any], *, count: bool) -> None:
    with runtime.database.transaction() as tx:
        chores.failed(tx, chore, wait, trouble, count=count)
