"""How far a run is: phases, rows done of rows planned, a rate, an honest time left, and sums that close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from shopchimp.db import run_reports, sync_runs
from shopchimp.db.run_reports import SideProgress
from shopchimp.db.session import Database
from shopchimp.db.sync_runs import Run
from shopchimp.services import words
from shopchimp.services.commerce import pacing

RATE_WINDOW = timedelta(minutes=2)
ESTIMATE_AFTER = timedelta(seconds=30)
ESTIMATE_FROM = 0.05
READING = ("read_contacts", "read_customers", "plan")
WRITING = {"contacts": ("contact", "contact_writes"), "consent": ("customer", "consent_writes")}  # side, plan's count
CONTACTS_A_PAGE = 1000


@dataclass(frozen=True, slots=True)
class PhaseProgress:
    """One phase: `state` is done, active, waiting or skipped, for the reason in `why` (a cause's code)."""

    name: str
    title: str
    state: str
    done: int | None
    total: int | None
    failed: int = 0
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A run as the merchant watches it. `seconds_left` None means nothing honest can be said yet.

    `done` and `total` count people's writes and the store's objects, `people_left` the former alone.
    """

    run: Run
    phases: tuple[PhaseProgress, ...]
    done: int
    total: int
    rate: float | None
    seconds_left: float | None
    people_left: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    @property
    def percent(self) -> int:
        """Whole percent of the writes; 100 only when nothing is left."""
        if self.run.state == "done":
            return 100
        return min(99, self.done * 100 // self.total) if self.total else 0

    @property
    def seconds(self) -> float:
        """How long the run has been writing, or took."""
        if self.run.started_at is None:
            return 0.0
        end = self.run.finished_at or datetime.now(UTC)
        return max((end - self.run.started_at).total_seconds(), 0.0)

    @property
    def phase(self) -> PhaseProgress | None:
        """The phase that is being worked on."""
        return next((phase for phase in self.phases if phase.state == "active"), None)


@dataclass(frozen=True, slots=True)
class People:
    """Every customer read, once: read = synced + skipped + failed + waiting."""

    read: int
    synced: int
    waiting: int
    skipped: dict[str, int]
    failed: dict[str, int]

    @property
    def closes(self) -> bool:
        """Whether the sums are complete (DESIGN.md section 3, invariant 8)."""
        return self.read == self.synced + self.waiting + sum(self.skipped.values()) + sum(self.failed.values())


def progress(database: Database, shop_id: int, run_id: UUID, *, now: datetime | None = None) -> Progress | None:
    """This shop's run as it stands; None where it isn't one of this shop's."""
    with database.transaction() as tx:
        run = sync_runs.get(tx, shop_id, run_id)
        if run is None:
            return None
        sides = run_reports.sides(tx, shop_id, run_id, lately=RATE_WINDOW)
        exceptions = run_reports.exceptions(tx, shop_id, run_id)
    return measure(run, sides, exceptions, now=now or datetime.now(UTC))


def people(database: Database, shop_id: int, measured: Progress) -> People:
    """What became of everybody. Exact once the run has ended; the sums close at every moment."""
    run = measured.run
    if stored := (run.counts.get("result") or {}).get("people"):  # added up once, when the run ended
        return People(stored["read"], stored["synced"], 0, stored["skipped"], stored["failed"])
    if run.started_at is not None and run.finished_at is not None:
        with database.transaction() as tx:
            return _add_up(run_reports.outcomes(tx, shop_id, run.id))
    return _so_far(measured)


def _so_far(measured: Progress) -> People:
    """From sums that cost nothing: a page may ask every second about a million people.

    Somebody with a write waiting on each side is counted among the waiting twice, so `synced` is at least this many.
    """
    counts = measured.run.counts
    read = int(counts.get("people") or 0)
    skipped = {str(reason): int(n) for reason, n in (counts.get("skip") or {}).items()}
    for reason, n in measured.skipped.items():
        skipped[reason] = skipped.get(reason, 0) + n
    rest = max(read - sum(skipped.values()) - sum(measured.failed.values()), 0)
    started = measured.run.started_at is not None
    waiting = min(rest, measured.people_left) if started else rest
    return People(read, rest - waiting, waiting, skipped, dict(measured.failed))


def _add_up(found: list[run_reports.Outcome]) -> People:
    sums = {"synced": 0, "waiting": 0}
    reasons: dict[str, dict[str, int]] = {"skipped": {}, "failed": {}}
    for outcome in found:
        if outcome.result in reasons:
            reasons[outcome.result][outcome.reason] = outcome.n
        else:
            sums[outcome.result] += outcome.n
    read = sum(outcome.n for outcome in found)
    return People(read, sums["synced"], sums["waiting"], reasons["skipped"], reasons["failed"])


def measure(
    run: Run, sides: Mapping[str, SideProgress], exceptions: list[run_reports.Outcome], *, now: datetime
) -> Progress:
    """The figures from the facts, without a database."""
    done = sum(side.done for side in sides.values())
    total = sum(side.total for side in sides.values())
    recent = sum(side.recent for side in sides.values())
    goods = pacing.goods(run)
    rate = _rate(run, recent, now)
    left = _seconds_left(run, done, total, rate, now) if done < total else 0.0
    of_goods = goods.seconds_left
    return Progress(
        run=run,
        phases=tuple(_phases(run, sides)),
        done=done + goods.done,
        total=total + goods.total,
        rate=rate or goods.rate,
        seconds_left=None if left is None or of_goods is None or run.state != "running" else left + of_goods,
        people_left=total - done,
        skipped={e.reason: e.n for e in exceptions if e.result == "skipped"},
        failed={e.reason: e.n for e in exceptions if e.result == "failed"},
    )


def _rate(run: Run, recent: int, now: datetime) -> float | None:
    """Rows a second over the last two minutes, or over the run's age where it is younger."""
    if run.state != "running" or run.started_at is None or not recent:
        return None
    seconds = min(RATE_WINDOW, now - run.started_at).total_seconds()
    return recent / max(seconds, 1.0)


def _seconds_left(run: Run, done: int, total: int, rate: float | None, now: datetime) -> float | None:
    if rate is None or run.started_at is None or total == 0:
        return None
    if now - run.started_at < ESTIMATE_AFTER and done < total * ESTIMATE_FROM:
        return None
    return (total - done) / rate


def _phases(run: Run, sides: Mapping[str, SideProgress]) -> list[PhaseProgress]:
    order = [*READING, *WRITING]
    found = []
    for name in order:
        done, total = _rows(name, run, sides)
        state = _reading_state(name, run) if name in READING else _writing_state(run, done, total)
        found.append(PhaseProgress(name, words.PHASE_TITLES[name], state, done, total))
    for goods in pacing.phases(run):
        title = words.PHASE_TITLES[goods.name]
        found.append(PhaseProgress(goods.name, title, goods.state, goods.done, goods.total, goods.failed, goods.why))
    state = "done" if run.state == "done" else "active" if run.phase == "live" else "waiting"
    return [*found, PhaseProgress("live", words.PHASE_TITLES["live"], state, None, None)]


def _reading_state(name: str, run: Run) -> str:
    if run.phase not in READING:
        return "done"
    distance = READING.index(name) - READING.index(run.phase)
    return "done" if distance < 0 else "active" if distance == 0 else "waiting"


def _writing_state(run: Run, done: int | None, total: int | None) -> str:
    """Both sides are written at once."""
    if run.state == "done" or (run.started_at is not None and done == total):
        return "done"
    return "active" if run.started_at is not None and run.state in {"running", "paused", "needs_you"} else "waiting"


def _rows(name: str, run: Run, sides: Mapping[str, SideProgress]) -> tuple[int | None, int | None]:
    counts = run.counts
    if name in WRITING:
        side, planned = WRITING[name]
        found = sides.get(side)
        return (found.done, found.total) if found else (0, _number(counts, planned))
    if name == "plan":
        return _number(counts, "people"), _number(counts, "customers_read")
    if name == "read_customers":
        done = counts.get("customers_read", counts.get("customers_found"))
        return (None if done is None else int(done)), _number(counts, "customers_total")
    totals = {
        status: counts.get(key) for status, key in (("", "contacts_total"), ("archived", "contacts_total_archived"))
    }
    pages: Mapping[str, Any] = run.cursor.get("pages") or {}
    if totals[""] is None:
        return _number(counts, "contacts_read"), _number(counts, "contacts_read")
    read = sum(min(len(pages.get(status, ())) * CONTACTS_A_PAGE, int(n or 0)) for status, n in totals.items())
    return read, sum(int(n or 0) for n in totals.values())


def _number(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    return None if value is None else int(value)


def spoken(seconds: float | None) -> str:
    """A rounded word for the time left; a false exactness would only be corrected later."""
    if seconds is None:
        return "Estimating…"
    minutes = seconds / 60
    if minutes < 1:
        return "less than a minute left"
    if minutes < 1.5:
        return "about a minute left"
    if minutes < 20:
        return f"about {round(minutes)} minutes left"
    if minutes < 55:
        return f"about {round(minutes / 5) * 5} minutes left"
    if minutes < 90:
        return "about an hour left"
    if minutes < 60 * 5:
        return f"about {round(minutes / 60)} hours left"
    return "many hours left"


def steadied(seconds: float | None, shown: float | None) -> tuple[float | None, bool]:
    """What to show next to somebody who was shown `shown` before, and whether it rose enough to need a reason.

    A value falls or stays; it may rise only by more than a fifth, and then the page says why.
    """
    if seconds is None or shown is None or seconds <= shown:
        return seconds, False
    if seconds <= shown * 1.2:
        return shown, False
    return seconds, True
