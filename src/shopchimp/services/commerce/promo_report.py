"""How the promo codes stand, for pages and API: the runs, each code, and each discount with the reason against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shopchimp.db import commerce_items, promo_items, promo_runs
from shopchimp.db.promo_items import CODE, RULE
from shopchimp.db.promo_runs import PromoRun
from shopchimp.db.session import Database
from shopchimp.services import settings
from shopchimp.services.commerce import promo

PAGE = 50
STATES = ("synced", "skipped", "failed")
COUNTED = ("added", "changed", "removed", "unchanged", "unsupported", "failed")


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run: codes added, changed, removed, unchanged, unsupported and failed so far. `trouble` is a cause."""

    id: UUID
    trigger: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    counts: dict[str, int]
    trouble: str | None

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None

    @property
    def done(self) -> int:
        """The codes it has dealt with."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class PromoStatus:
    """One look. `is_open`: the button works, as the first sync is complete."""

    is_open: bool
    every_hours: int
    running: RunReport | None
    last_run: RunReport | None
    next_run_at: datetime | None


@dataclass(frozen=True, slots=True)
class Discount:
    """A discount as Shopify has it; `result` and `reason` say what became of it at Mailchimp."""

    id: str
    title: str
    summary: str
    status: str
    starts_at: datetime | None
    ends_at: datetime | None
    codes: int
    link: str | None
    result: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Code:
    """A code with its discount."""

    id: str
    code: str
    used: int
    discount: str
    active_from: datetime | None
    active_until: datetime | None
    link: str | None
    result: str
    reason: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of codes or discounts and where the next one starts, or None at the end."""

    rows: tuple[Any, ...]
    next_cursor: str | None


def status(database: Database, shop_id: int) -> PromoStatus:
    """The run under way, the one before it and the next one."""
    with database.transaction() as tx:
        runs = [told(each) for each in promo_runs.latest(tx, shop_id, limit=2)]
        return PromoStatus(
            is_open=promo.is_open(tx, shop_id),
            every_hours=settings.get(tx, shop_id).promo_hours,
            running=next((run for run in runs if run.state == "running"), None),
            last_run=next((run for run in runs if run.state != "running"), None),
            next_run_at=promo.next_at(tx, shop_id),
        )


def runs(database: Database, shop_id: int, *, limit: int = 20) -> list[RunReport]:
    """The runs kept, newest first."""
    with database.transaction() as tx:
        return [told(each) for each in promo_runs.latest(tx, shop_id, limit=limit)]


def run(database: Database, shop_id: int, run_id: UUID) -> RunReport | None:
    """One run of this shop."""
    with database.transaction() as tx:
        found = promo_runs.get(tx, shop_id, run_id)
    return told(found) if found is not None else None


def codes(
    database: Database, shop_id: int, *, result: str = "", search: str = "", cursor: str = "", limit: int = PAGE
) -> Listed:
    """A page of the codes: with one result, or those that begin like `search`."""
    with database.transaction() as tx:
        found = promo_items.listed(tx, shop_id, state=result, search=search, after=cursor, limit=limit + 1)
    rows = tuple(_code(each) for each in found[:limit])
    return Listed(rows, rows[-1].id if len(found) > limit else None)


def discounts(database: Database, shop_id: int, *, result: str = "", cursor: str = "", limit: int = PAGE) -> Listed:
    """A page of the discounts, those that Mailchimp has nothing for included (criterion 24)."""
    with database.transaction() as tx:
        found = commerce_items.page(tx, shop_id, RULE, state=result or None, after=cursor, limit=limit + 1)
    rows = tuple(_discount(each) for each in found[:limit])
    return Listed(rows, rows[-1].id if len(found) > limit else None)


def counts(database: Database, shop_id: int) -> dict[str, int]:
    """How many codes there are with each result."""
    with database.transaction() as tx:
        return promo_items.results(tx, shop_id, CODE)


def told(run: PromoRun) -> RunReport:
    """A run as pages and API show it."""
    said = {name: int(run.counts.get(name) or 0) for name in COUNTED}
    trouble = str(run.trouble["code"]) if run.trouble else None
    return RunReport(run.id, run.trigger, run.state, run.started_at, run.finished_at, said, trouble)


def _code(found: promo_items.ListedCode) -> Code:
    discount = found.discount
    return Code(
        id=found.id,
        code=str(found.shown.get("code") or ""),
        used=int(found.shown.get("used") or 0),
        discount=str(discount.get("summary") or discount.get("title") or ""),
        active_from=_time(discount, "starts"),
        active_until=_time(discount, "ends"),
        link=discount.get("link"),
        result=found.state,
        reason=found.reason,
        detail=found.detail,
    )


def _discount(item: commerce_items.Item) -> Discount:
    shown = item.shown or {}
    return Discount(
        id=item.id,
        title=str(shown.get("title") or ""),
        summary=str(shown.get("summary") or ""),
        status=str(shown.get("status") or ""),
        starts_at=_time(shown, "starts"),
        ends_at=_time(shown, "ends"),
        codes=int(shown.get("codes") or 0),
        link=shown.get("link"),
        result=item.state,
        reason=item.reason,
    )


def _time(shown: Mapping[str, Any], name: str) -> datetime | None:
    value = shown.get(name)
    return datetime.fromisoformat(value) if isinstance(value, str) and value else None
