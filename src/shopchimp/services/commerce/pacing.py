"""How far the commerce part of a run is: objects looked at of those there are, per phase, and the time left.

What there is is known exactly when a phase has been read; before that, from what Shopify counted for the preview.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shopchimp.db.sync_runs import Run
from shopchimp.domain.commerce.phases import Phase, is_wanted
from shopchimp.services.commerce.backfill import readable_of
from shopchimp.services.commerce.paces import STEP

WORKING = frozenset({"running", "paused", "needs_you"})


@dataclass(frozen=True, slots=True)
class GoodsPhase:
    """One phase: `state` as in the progress of a run, `why` it was skipped."""

    name: str
    state: str
    done: int | None
    total: int | None
    failed: int = 0
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Goods:
    """All phases together. `seconds_left` None: nothing honest can be said yet."""

    done: int
    total: int
    rate: float | None
    seconds_left: float | None


def phases(run: Run) -> list[GoodsPhase]:
    """The phases of commerce in their order."""
    return [_phase(run, phase) for phase in Phase]


def goods(run: Run) -> Goods:
    """How far all of them are, and how long the rest takes at the pace of the last two minutes."""
    listed = [each for each in phases(run) if each.state != "skipped"]
    done, total = sum(each.done or 0 for each in listed), sum(each.total or 0 for each in listed)
    rate = _rate(run)
    if not _is_to_come(run) or done >= total:
        return Goods(done, max(total, done), rate, 0.0)
    return Goods(done, total, rate, (total - done) / rate if rate else None)


def _is_to_come(run: Run) -> bool:
    """Whether commerce is part of what this run still does: before Start nobody knows, so nothing is said."""
    return run.started_at is not None and run.state in WORKING


def _phase(run: Run, phase: Phase) -> GoodsPhase:
    books: Mapping[str, Any] = run.counts.get("commerce", {})
    if why := run.counts.get("commerce_skipped", {}).get(phase.value):
        return GoodsPhase(phase.value, "skipped", None, None, why=why)
    if _will_be_skipped(run, phase):
        return GoodsPhase(phase.value, "skipped", None, None, why="sh_scope_missing")
    own = [books[kind.value] for kind in phase.kinds if kind.value in books]
    done = sum(int(each["read"]) for each in own) if own else None
    failed = sum(sum(each["failed"].values()) for each in own)
    state = _state(run, phase)
    total = done if state == "done" else _total(run, phase)
    return GoodsPhase(phase.value, state, done, total, failed)


def _will_be_skipped(run: Run, phase: Phase) -> bool:
    if "scopes" not in run.cursor.get("commerce", {}):
        return False
    readable = readable_of(run)
    return not is_wanted(readable) or phase.reads not in readable


def _state(run: Run, phase: Phase) -> str:
    if run.state == "done" or run.phase in ("live", "done"):
        return "done"
    order = [each.value for each in Phase]
    if run.phase not in order:
        return "waiting"
    distance = order.index(phase.value) - order.index(run.phase)
    return "done" if distance < 0 else "active" if distance == 0 else "waiting"


def _total(run: Run, phase: Phase) -> int | None:
    exact = run.counts.get("commerce_totals", {}).get(phase.value)
    if exact is not None:
        return int(exact)
    if phase is Phase.CUSTOMERS:
        found = run.counts.get("customers_read")
    else:
        found = run.counts.get("commerce_found", {}).get(phase.value, {}).get("count")
    return None if found is None else int(found)


def _rate(run: Run) -> float | None:
    """Objects a second, by the points that were noted on the way."""
    points = run.cursor.get("pace") or []
    if run.state != "running" or len(points) < 2:
        return None
    (first_at, first_done), (last_at, last_done) = points[0], points[-1]
    if last_at - first_at < STEP or last_done <= first_done:
        return None
    return float((last_done - first_done) / (last_at - first_at))
