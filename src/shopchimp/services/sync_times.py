"""Time to sync: how long it took from an event's own time to the write that its platform confirmed.

Kept as counts in buckets that grow by a tenth each, so a percentile is never too low and at most a tenth too high.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from shopchimp.db import sync_times

GROWTH = 1.1
LONGEST = 260  # 1.1 ** 260 milliseconds are 669 days; what took longer counts as that long


@dataclass(frozen=True, slots=True)
class Percentiles:
    """What one direction and kind took, in milliseconds: half of the changes, 95 and 99 of a hundred took less."""

    direction: str
    kind: str
    count: int
    p50: int
    p95: int
    p99: int


def bucket_of(milliseconds: float) -> int:
    """The first bucket whose bound is above so many milliseconds. Clocks that disagree make no time negative."""
    if milliseconds < 1:
        return 0
    n = int(math.log(min(milliseconds, GROWTH**LONGEST)) / math.log(GROWTH))
    while GROWTH**n <= milliseconds and n < LONGEST:
        n += 1
    return n


def percentile(counts: Mapping[int, int], share: float) -> int:
    """Milliseconds within which this share of the changes was synced: the bound of its bucket."""
    rank = max(math.ceil(share * sum(counts.values())), 1)
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0:
            return math.ceil(GROWTH**bucket)
    return 0


def observe(tx: Connection, shop_id: int, times: Sequence[tuple[str, str, float]]) -> None:
    """Count what a slice of work took: direction, kind and milliseconds of each write. One statement for all."""
    counts = Counter((direction, kind, bucket_of(taken)) for direction, kind, taken in times)
    sync_times.add(tx, shop_id, counts)


def percentiles(tx: Connection, shop_id: int, since: datetime) -> list[Percentiles]:
    """What each direction and kind took since then, by the hour."""
    found = sync_times.since(tx, shop_id, since)
    return [
        Percentiles(direction, kind, sum(counts.values()), *(percentile(counts, share) for share in (0.5, 0.95, 0.99)))
        for (direction, kind), counts in sorted(found.items())
    ]
