"""What a failure means for who failed and for the whole connection (reliability.md 3.5). Nobody else decides it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import psycopg
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shopchimp.db import changes, connections, lanes, marking, notes, shops, slots
from shopchimp.db.changes import Claimed
from shopchimp.db.session import Database
from shopchimp.domain.errors import (
    Gone,
    PlatformError,
    RateLimited,
    Rejected,
    StoreGone,
    Unauthorized,
    Unavailable,
)
from shopchimp.services.driving import LeaseEnded

log = structlog.get_logger()

DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError)
LONGEST = 900.0  # seconds
DAY_OF_FAILURES = 100  # in a row, with pauses that have grown to their longest
LET_ALONE = 900.0  # seconds, after a refusal that Shopify alone can take back (a frozen shop)
GAVE_UP = frozenset({"ReadTimeout", "WriteTimeout"})  # our time-outs: the call may still run over there
# a new token is had by opening the app: these must be forgotten for it to be asked for
DEAD_TOKEN = frozenset({"sh_access_revoked", "sh_scope_missing", "invalid_grant"})


def backoff(attempts: int) -> float:
    """Seconds to wait after so many tries, with full jitter: who failed together doesn't return together."""
    return random.uniform(0.0, min(LONGEST, 2.0 * 2.0 ** min(attempts, 20)))  # noqa: S311 - jitter


def throttle_wait(error: RateLimited) -> float:
    """What the platform asked for, within reason, and a bit more so that not all return at once."""
    return min(max(error.retry_after, 1.0), 3600.0) * random.uniform(1.0, 1.2)  # noqa: S311 - jitter


def ask_merchant(database: Database, shop_id: int, error: PlatformError) -> None:
    """Only the merchant can mend this: the connection shows why and nobody works for the shop. They are told once."""
    with database.transaction() as tx:
        shop = shops.lock(tx, shop_id)  # several slices may hear it at once
        connection = connections.get(tx, shop_id)
        if shop is None or connection is None:
            return
        if isinstance(error, StoreGone):  # the contacts need none: their lane goes on
            fresh = lanes.close_for(tx, shop_id, LET_ALONE, error.code, lane=marking.COMMERCE)
        elif error.platform == "mailchimp":
            fresh = connection.state == "connected"
            connections.set_state(tx, shop_id, "gone" if isinstance(error, Gone) else "revoked")
        elif error.code in DEAD_TOKEN:
            fresh = shop.access_token is not None
            shops.forget_tokens(tx, shop_id)
        else:
            fresh = lanes.close_for(tx, shop_id, LET_ALONE, error.code)
        if fresh:
            log.warning("needs_merchant", platform=error.platform, code=error.code)
            notes.add(tx, shop_id, kind="connection", cause=error.code, detail={"needs_you": True})


def wait_for_merchant(error: PlatformError) -> float:
    """Seconds until a chore asks again: a frozen shop is let alone, others aren't claimed before they are mended."""
    frozen = error.platform == "shopify" and error.code not in DEAD_TOKEN
    return LET_ALONE if frozen or error.code == lanes.STORE_GONE else backoff(1)


@dataclass(slots=True)
class _Sorted:
    throttled: dict[str, RateLimited] = field(default_factory=dict)
    merchant: dict[str, PlatformError] = field(default_factory=dict)
    unavailable: dict[str, Unavailable] = field(default_factory=dict)
    refused: dict[str, Rejected] = field(default_factory=dict)
    again: dict[str, Exception] = field(default_factory=dict)
    crashed: dict[str, Exception] = field(default_factory=dict)


def _sort(troubles: Mapping[str, Exception]) -> _Sorted:
    kinds = _Sorted()
    for key, error in troubles.items():
        match error:
            case RateLimited():
                kinds.throttled[key] = error
            case Unauthorized() | Gone() | StoreGone():
                kinds.merchant[key] = error
            case Unavailable():
                kinds.unavailable[key] = error
            case Rejected():
                kinds.refused[key] = error
            case LeaseEnded() | OperationalError() | InterfaceError() | PoolTimeout() | psycopg.OperationalError():
                kinds.again[key] = error
            case _:
                kinds.crashed[key] = error
    return kinds


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice of work that has ended: whose, under which token, and who was claimed."""

    turn: lanes.Picked
    token: UUID
    claimed: Sequence[Claimed]


def settle(database: Database, slice_: Slice, *, done: int, troubles: Mapping[str, Exception], slot_count: int) -> None:
    """Give back what was claimed and taken, each with what its trouble means. Who is done is recorded already.

    Everything is one transaction; whatever of it gets lost with a kill falls due again when the leases run out.
    """
    kinds, turn = _sort(troubles), slice_.turn
    for error in {error.code: error for error in kinds.merchant.values()}.values():
        ask_merchant(database, turn.shop_id, error)
    with database.transaction() as tx:
        # all rows at once and in order, before any of them is changed: nobody waits in a circle
        left = changes.still_held(tx, slice_.turn.shop_id, slice_.token, [each.key for each in slice_.claimed])
        _settle_people(tx, slice_, kinds, left - troubles.keys())
        _settle_connection(tx, turn, kinds, done=done, slot_count=slot_count)
        gave_up = sum(error.detail in GAVE_UP and error.platform == "mailchimp" for error in kinds.unavailable.values())
        slots.give_back(tx, turn.login_id, slice_.token, gave_up=gave_up)
        lanes.served(tx, turn.shop_id, turn.lane)


def _settle_people(tx: Connection, slice_: Slice, kinds: _Sorted, left: set[str]) -> None:
    shop_id, token = slice_.turn.shop_id, slice_.token
    claimed = {each.key: each for each in slice_.claimed}
    if left:  # the time was up
        changes.give_back(tx, shop_id, token, sorted(left))
    waiting = [(key, 0.0, error.code, error.detail) for key, error in {**kinds.throttled, **kinds.merchant}.items()]
    waiting += [(key, 0.0, "internal", type(error).__name__) for key, error in kinds.again.items()]
    changes.later(tx, shop_id, token, waiting, count=False)
    failed = [
        (key, backoff(claimed[key].attempts), error.code, error.detail) for key, error in kinds.unavailable.items()
    ]
    if parked := changes.later(tx, shop_id, token, failed, count=True):
        log.warning("parked_after_many_tries", count=len(parked))
    refused = [(key, claimed[key].version, error.code, error.detail) for key, error in kinds.refused.items()]
    changes.park(tx, shop_id, token, refused)
    for error in {id(each): each for each in kinds.crashed.values()}.values():
        keys = [key for key, each in kinds.crashed.items() if each is error]
        reference = uuid4().hex[:8]
        log.error("slice_crashed", reference=reference, count=len(keys), exc_info=error)
        wait = backoff(min(claimed[key].attempts for key in keys))
        changes.crashed(tx, shop_id, token, keys, seconds=wait, detail=f"reference {reference}")


def _settle_connection(tx: Connection, turn: lanes.Picked, kinds: _Sorted, *, done: int, slot_count: int) -> None:
    """The whole connection waits when it was throttled; it is left alone when it fails again and again."""
    if kinds.throttled:
        longest = max(kinds.throttled.values(), key=lambda error: error.retry_after)
        lanes.close_for(tx, turn.shop_id, throttle_wait(longest), longest.code)
        if any(error.platform == "mailchimp" for error in kinds.throttled.values()):
            slots.ease(tx, turn.login_id, count=slot_count)
    elif done or kinds.refused:
        lanes.recovered(tx, turn.shop_id, turn.lane)
    elif kinds.unavailable:
        error = next(iter(kinds.unavailable.values()))
        longest_pause = min(LONGEST, 2.0 * 2.0 ** max(turn.failures + 2 - lanes.FAILURES_OPEN, 0))
        pause = longest_pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        if lanes.failed(tx, turn.shop_id, error.code, pause=pause) == DAY_OF_FAILURES:
            notes.add(tx, turn.shop_id, kind="connection", cause=error.code, detail={"failing": True})
