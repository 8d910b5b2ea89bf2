"""The drift audit as the merchant reads it: how many differences, of which classes, who, repaired or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shopchimp.db import audits, people
from shopchimp.db.audits import Audit, AuditRow
from shopchimp.db.people import Person
from shopchimp.db.session import Database
from shopchimp.domain.causes import cause
from shopchimp.domain.drift import Drift

KINDS = ("unexplained", "explained")


@dataclass(frozen=True, slots=True)
class Class:
    """One class of differences. `kind`: explained ones are meant to stay, unexplained ones are repaired."""

    kind: str
    cause: str
    title: str
    count: int


@dataclass(frozen=True, slots=True)
class Report:
    """One audit. `found`, `repaired` and `left` are of unexplained differences; while it runs nothing is final."""

    id: UUID
    state: str
    started_at: datetime
    finished_at: datetime | None
    pairs: int
    equal: int
    in_flight: int
    found: int
    repaired: int
    left: int
    classes: tuple[Class, ...]

    @property
    def running(self) -> bool:
        """Whether it is still under way."""
        return self.finished_at is None


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference and the person it is about, if we keep them."""

    row: AuditRow
    title: str
    person: Person | None


@dataclass(frozen=True, slots=True)
class Differences:
    """One page of differences and where the next one starts, or None at the end."""

    rows: tuple[Difference, ...]
    next_cursor: int | None


def reports(database: Database, shop_id: int, *, limit: int = 10) -> list[Report]:
    """The shop's audits, newest first."""
    with database.transaction() as tx:
        return [_report(each) for each in audits.latest(tx, shop_id, limit=limit)]


def report(database: Database, shop_id: int, audit_id: UUID) -> Report | None:
    """This shop's audit, or None."""
    return next((each for each in reports(database, shop_id, limit=1000) if each.id == audit_id), None)


def differences(
    database: Database,
    shop_id: int,
    audit_id: UUID,
    *,
    kind: str = "",
    cause: str = "",
    after: int = 0,
    limit: int = 50,
) -> Differences:
    """Who is behind a number."""
    with database.transaction() as tx:
        found = audits.rows(tx, shop_id, audit_id, kind=kind, cause=cause, after=after, limit=limit + 1)
        who = people.by_keys(tx, shop_id, [row.key for row in found])
    more = len(found) > limit
    found = found[:limit]
    rows = tuple(Difference(row, title(row.kind, row.cause), who.get(row.key)) for row in found)
    return Differences(rows, found[-1].n if more else None)


def title(kind: str, code: str) -> str:
    """What a class of differences is, in words."""
    if kind == "explained":
        return cause(code).title
    return next((drift.sentence for drift in Drift if drift.value == code), code)


def _report(audit: Audit) -> Report:
    counts: dict[str, Any] = audit.counts
    classes = tuple(
        Class(kind, code, title(kind, code), int(n))
        for kind in KINDS
        for code, n in sorted(dict(counts.get(kind, {})).items(), key=lambda pair: (-int(pair[1]), pair[0]))
    )
    found = int(counts.get("found", 0))
    repaired = int(counts.get("repaired", 0))
    return Report(
        id=audit.id,
        state=audit.state,
        started_at=audit.started_at,
        finished_at=audit.finished_at,
        pairs=int(counts.get("pairs", 0)),
        equal=int(counts.get("equal", 0)),
        in_flight=int(counts.get("in_flight", 0)),
        found=found,
        repaired=repaired,
        left=int(counts.get("left", found - repaired)),
        classes=classes,
    )
