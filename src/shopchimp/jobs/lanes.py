"""Live sync, driven: whose turn is it, take slots, claim, commit, work, settle, and ask again.

A wake-up names nobody. One slice is a batch of people of one shop, so that the next shop gets its turn soon; a drain
ends after 20 s, so that a wake-up never becomes a thread that belongs to somebody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection

from shopchimp.db import changes, lanes, marking, slots
from shopchimp.db.changes import Claimed
from shopchimp.jobs import verdicts
from shopchimp.jobs.keeping import keeper
from shopchimp.jobs.verdicts import DATABASE_AWAY, Slice
from shopchimp.jobs.wake import wake
from shopchimp.runtime import Runtime
from shopchimp.services.gateways import Gateways

log = structlog.get_logger()

LIFE = 20.0  # seconds until a drain ends, whatever is left: the thread goes back to the wake-ups
BATCH = 100
MANY, BULK = 300, 500  # above so many waiting, batches are larger: pages of Mailchimp are read instead of people
TRY_AGAIN = 10  # people a connection is tried with after it failed again and again
LEFT_TO_RUNS = 2


class Picks:
    """When this process last picked a lane (monotonic), as its sign of life tells."""

    last: float | None = None


picks = Picks()


class Worked(Protocol):
    """What came of a slice: how many are done and recorded, and the trouble of each who isn't."""

    @property
    def done(self) -> int: ...

    @property
    def troubles(self) -> Mapping[str, Exception]: ...


class Work(Protocol):
    """`services.live.work` and its like: look at these people (or orders ...), make both sides agree, record it."""

    def __call__(
        self,
        gateways: Gateways,
        shop_id: int,
        claimed: Sequence[Claimed],
        *,
        token: UUID,
        slots: int,
        lost: threading.Event,
        quiet: bool,
    ) -> Worked: ...


Works = Mapping[str, Work]
"""Who works in which lane."""


def drain(runtime: Runtime, *, stop: threading.Event, works: Works, at_most: int | None = None) -> int:
    """Work in these lanes until nothing is due, for 20 s at most, or for so many slices.

    The lanes take turns with each other as those of several shops do. Gives back how many slices were worked.
    """
    until, slices = time.monotonic() + LIFE, 0
    while not stop.is_set() and time.monotonic() < until and (at_most is None or slices < at_most):
        begun = _begin(runtime, works)
        if begun is None:
            return slices
        slice_, taken = begun
        if slice_.claimed:
            if slices == 1 and slice_.turn.lane != marking.BACKFILL:
                wake()  # more than one slice: somebody may help
            _work(runtime, slice_, taken, works[slice_.turn.lane])
            slices += 1
        else:  # somebody was quicker, or holds the rows for a moment
            _release(runtime, slice_)
            stop.wait(0.01)
    return slices


def _begin(runtime: Runtime, works: Works) -> tuple[Slice, int] | None:
    """Whose turn it is, with slots and claimed people, all committed; None when nothing is due."""
    token, count = uuid4(), runtime.gateways.connections
    with runtime.database.transaction() as tx:
        turn = lanes.pick(tx, lanes=works)
        if turn is None:
            return None
        picks.last = time.monotonic()
        at_most = 1 if turn.half_open else _fair_share(tx, turn, count)
        taken = slots.take(tx, turn.login_id, at_most, token=token, lease=runtime.lease_seconds, count=count)
        claimed: list[Claimed] = []
        if taken:
            limit = TRY_AGAIN if turn.half_open else _batch(tx, turn)
            claimed = changes.claim(tx, turn.shop_id, turn.lane, token=token, lease=runtime.lease_seconds, limit=limit)
    return Slice(turn, token, claimed), len(taken)


def _batch(tx: Connection, turn: lanes.Picked) -> int:
    """Many people are read by the page; orders, products and events go one by one: a slice of them stays small."""
    if turn.lane in (marking.COMMERCE, marking.EVENTS):
        return BATCH
    return BULK if changes.waiting(tx, turn.shop_id, turn.lane, at_most=MANY + 1) > MANY else BATCH


def _fair_share(tx: Connection, turn: lanes.Picked, count: int) -> int:
    """Half of the slots, so that who changes while a slice is worked on needn't wait for its end.

    While another shop's run needs the same login two slots are left to it: it takes as many as it can get.
    """
    left = count - LEFT_TO_RUNS if lanes.login_has_run(tx, turn.login_id) else count
    return max(1, left // 2)


def _release(runtime: Runtime, slice_: Slice) -> None:
    with runtime.database.transaction() as tx:
        slots.give_back(tx, slice_.turn.login_id, slice_.token)


def _work(runtime: Runtime, slice_: Slice, taken: int, work: Work) -> None:
    turn, keys = slice_.turn, [each.key for each in slice_.claimed]
    done, troubles = 0, dict[str, Exception]()

    def renew() -> bool:
        with runtime.database.transaction() as tx:
            slots.renew(tx, turn.login_id, slice_.token, lease=runtime.lease_seconds)
            return bool(changes.renew(tx, turn.shop_id, slice_.token, keys, lease=runtime.lease_seconds))

    with structlog.contextvars.bound_contextvars(shop_id=turn.shop_id, lane=turn.lane):
        try:
            with keeper.keep(renew, lease=runtime.lease_seconds) as lost:
                worked = work(
                    runtime.gateways,
                    turn.shop_id,
                    slice_.claimed,
                    token=slice_.token,
                    slots=taken,
                    lost=lost,
                    quiet=turn.lane == marking.BACKFILL,
                )
            done, troubles = worked.done, dict(worked.troubles)
        except DATABASE_AWAY:
            log.warning("database_unavailable")
            time.sleep(0.5)
        except Exception as error:  # noqa: BLE001 - whatever it is, who it happened to is looked at again
            troubles = dict.fromkeys(keys, error)
        try:
            verdicts.settle(
                runtime.database, slice_, done=done, troubles=troubles, slot_count=runtime.gateways.connections
            )
        except DATABASE_AWAY:  # the leases end by themselves
            log.warning("database_unavailable")
