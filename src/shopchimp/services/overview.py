"""How a shop stands: what is set up, what the first sync did, what happened lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shopchimp.db import activities, people, shops, sync_runs
from shopchimp.db.activities import Activity, Filter
from shopchimp.db.session import Database
from shopchimp.db.sync_runs import Run
from shopchimp.services import connection
from shopchimp.services.connection import ConnectionStatus

DAY = timedelta(days=1)
STEPS = ("connect", "audience", "options", "preview", "done")


@dataclass(frozen=True, slots=True)
class Overview:
    """One look at a shop. `step` is the first unfinished step of the setup, "done" after the first start."""

    domain: str
    name: str
    timezone: str
    connection: ConnectionStatus | None
    preview: Run | None
    run: Run | None
    people: dict[str, int]
    day: dict[str, int]
    recent: tuple[Activity, ...]

    @property
    def step(self) -> str:
        """Where the setup goes on."""
        if self.connection is None or self.connection.state == "revoked":
            return "connect" if self.run is None else "done"
        if self.connection.audience_id is None:
            return "audience"
        if self.run is not None:
            return "done"
        return "preview" if self.preview else "options"

    @property
    def needs_reconnect(self) -> bool:
        """Whether the Mailchimp account has to be connected again before anything goes on."""
        return self.connection is None or self.connection.state != "connected"


def overview(database: Database, shop_id: int) -> Overview:
    """Everything the first page shows, from our own tables alone."""
    status = connection.status(database, shop_id)
    with database.transaction() as tx:
        shop = shops.get(tx, shop_id)
        runs = sync_runs.latest(tx, shop_id)
        counts = people.counts(tx, shop_id)
        day = activities.results_since(tx, shop_id, DAY)
        recent = activities.page(tx, shop_id, Filter(), limit=5)
    started = [run for run in runs if run.started_at is not None]
    open_previews = [run for run in runs if run.started_at is None and run.state in {"preparing", "ready"}]
    return Overview(
        domain=shop.domain if shop else "",
        name=shop.name if shop else "",
        timezone=shop.timezone if shop else "UTC",
        connection=status,
        preview=open_previews[0] if open_previews else None,
        run=started[0] if started else None,
        people=counts,
        day=day,
        recent=tuple(recent),
    )


def started_runs(database: Database, shop_id: int, *, limit: int = 50) -> list[Run]:
    """Runs that were started, newest first."""
    with database.transaction() as tx:
        runs = sync_runs.latest(tx, shop_id, limit=limit)
    return [run for run in runs if run.started_at is not None]
