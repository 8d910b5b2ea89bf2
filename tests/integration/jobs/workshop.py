"""The jobs on a real Postgres with a `work` that does what a test tells it to."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from lane_house import LaneHouse
from shopchimp.db import changes, marking
from shopchimp.db.changes import Claimed
from shopchimp.jobs import lanes
from shopchimp.runtime import Runtime
from shopchimp.services.gateways import Gateways
from stage import Sandbox, open_runtime


@dataclass
class Worked:
    done: int = 0
    troubles: dict[str, Exception] = field(default_factory=dict)


@dataclass
class Workshop:
    """`troubles` says who fails with what; `before` is called with the slice before anybody is finished."""

    house: LaneHouse
    runtime: Runtime
    stop: threading.Event = field(default_factory=threading.Event)
    troubles: Callable[[Claimed], Exception | None] = lambda claimed: None
    before: Callable[[int, Sequence[Claimed], int], None] = lambda shop_id, claimed, slots: None
    slices: list[tuple[int, int, int]] = field(default_factory=list)  # shop, people, slots
    done: Counter[str] = field(default_factory=Counter)

    def work(
        self,
        gateways: Gateways,
        shop_id: int,
        claimed: Sequence[Claimed],
        *,
        token: UUID,
        slots: int,
        lost: threading.Event,
        quiet: bool = False,
    ) -> Worked:
        self.slices.append((shop_id, len(claimed), slots))
        self.before(shop_id, claimed, slots)
        found = {each.key: self.troubles(each) for each in claimed}
        troubles = {key: error for key, error in found.items() if error is not None}
        fine = [(each.key, each.version) for each in claimed if each.key not in troubles]
        with gateways.database.transaction() as tx:
            gone = changes.finish(tx, shop_id, token, fine)
        self.done.update(gone)
        return Worked(len(fine), troubles)

    def drain(self, *, lane: str = marking.LIVE, at_most: int | None = None) -> int:
        return lanes.drain(self.runtime, stop=self.stop, works={lane: self.work}, at_most=at_most)


@contextmanager
def workshop(house: LaneHouse, *, lease: float = 20.0) -> Iterator[Workshop]:
    url = house.database.engine.url.render_as_string(hide_password=False)
    nowhere = cast("Sandbox", SimpleNamespace(shopify="http://127.0.0.1:1", mailchimp="http://127.0.0.1:1"))
    runtime = open_runtime(url, nowhere, lease=lease)
    try:
        yield Workshop(house, runtime)
    finally:
        runtime.close()


__all__: list[Any] = ["Worked", "Workshop", "workshop"]
