"""Which road is the faster one, and how much to send at once: measured on the first slices, and on every one since."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from shopchimp.db.sync_runs import Run
from shopchimp.domain.commerce.phases import Phase

DIRECT, BATCHES = "direct", "batches"
FIRST = {DIRECT: 120, BATCHES: 500}  # objects in a road's first slice
LEAST, MOST = {DIRECT: 30, BATCHES: 500}, {DIRECT: 1000, BATCHES: 1000}
SECONDS = {DIRECT: 2.0, BATCHES: 10.0}  # of work in a slice: so long it may take until a pause is heeded
MEASURABLE = 50  # operations; fewer say nothing about a road
NEWEST = 0.4  # how much the last slice counts
WINDOW, STEP = 120.0, 5.0  # seconds of the pace that is shown, and between its points


@dataclass(slots=True)
class Paces:
    """Operations a second on each road, as the run remembers them."""

    rates: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run) -> Paces:
        """What the run has learned so far; it learns on in there."""
        stored = run.counts.setdefault("road", {}).setdefault("rates", {})
        return cls(stored)

    @property
    def settled(self) -> bool:
        """Whether both roads were tried."""
        return len(self.rates) == len(FIRST)

    @property
    def worth_a_batch(self) -> int:
        """How many operations a batch should have at least."""
        return 1 if self.settled else MEASURABLE

    def road(self, *, single: bool = False) -> str:
        """The road for the next slice. `single`: calls of their own in any case."""
        if single or DIRECT not in self.rates:
            return DIRECT
        if BATCHES not in self.rates:
            return BATCHES
        return max(self.rates, key=lambda road: self.rates[road])

    def size(self, road: str) -> int:
        """How many objects the next slice should have."""
        if road not in self.rates:
            return FIRST[road]
        return int(min(max(self.rates[road] * SECONDS[road], LEAST[road]), MOST[road]))

    def learn(self, road: str, operations: int, seconds: float) -> None:
        """A slice of so many operations took so long."""
        if operations < MEASURABLE:
            return
        rate = round(operations / max(seconds, 0.001), 2)
        before = self.rates.get(road)
        self.rates[road] = rate if before is None else round(before + NEWEST * (rate - before), 2)

    def tick(self, run: Run) -> None:
        """Note how far the run is by now, for the time left; and the road it has settled on."""
        if self.settled:
            run.counts["road"]["chosen"] = self.road()
        now, done = time.time(), looked_at(run)
        points: list[list[float]] = run.cursor.setdefault("pace", [])
        if not points or now - points[-1][0] >= STEP:
            points.append([round(now, 1), done])
        run.cursor["pace"] = [point for point in points if now - point[0] <= WINDOW] or points[-1:]


def looked_at(run: Run) -> int:
    """How many objects of the store the run has looked at."""
    books = run.counts.get("commerce", {})
    return sum(int(books.get(kind.value, {}).get("read", 0)) for phase in Phase for kind in phase.kinds)
