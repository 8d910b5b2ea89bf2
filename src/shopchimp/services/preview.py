"""The preview of a run: counts by direction and rule, rows on demand, and the whole of it as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shopchimp.db import plan_rows, sync_runs
from shopchimp.db.plan_rows import PlanLine
from shopchimp.db.session import Database
from shopchimp.db.sync_runs import Run
from shopchimp.domain.causes import cause
from shopchimp.services import words

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
CSV_COLUMNS = (
    "email", "name", "shopify_customer_id", "what", "direction", "rule", "why",
    "shopify_before", "shopify_after", "shopify_consent_at",
    "mailchimp_before", "mailchimp_after", "mailchimp_opted_in_at", "mailchimp_changed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How many people one rule decides about, and what it would write."""

    rule: str
    text: str
    direction: str
    write: str | None
    n: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do. `consent_changes` are the writes to existing people's consent, the ones to check first."""

    run: Run
    people: int
    contacts_read: int
    contacts_without_customer: int
    by_kind: dict[str, int]
    by_rule: tuple[RuleCount, ...]
    skip: dict[str, int]
    conflicts: int
    contact_writes: int
    consent_writes: int

    @property
    def consent_changes(self) -> int:
        """People whose consent would change on either side."""
        return sum(self.by_kind.get(kind, 0) for kind in words.CONSENT_KINDS)

    def is_expired(self, now: datetime | None = None) -> bool:
        """Whether too long has passed since the preview was made for it to be started."""
        expires_at = self.run.expires_at
        return self.run.state == "expired" or (expires_at is not None and expires_at <= (now or datetime.now(UTC)))


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of rows and where the next one starts, or None at the end."""

    rows: tuple[PlanLine, ...]
    next_cursor: int | None


def preview(database: Database, shop_id: int, run_id: UUID) -> Preview | None:
    """This shop's preview, or None."""
    with database.transaction() as tx:
        run = sync_runs.get(tx, shop_id, run_id)
    return None if run is None else _preview(run)


def _preview(run: Run) -> Preview:
    counts = run.counts
    rules = [
        RuleCount(
            rule=str(entry["rule"]),
            text=words.rule_text(str(entry["rule"])),
            direction=str(entry.get("direction") or "none"),
            write=_write(entry.get("write")),
            n=int(entry.get("n", 0)),
        )
        for entry in counts.get("by_rule") or ()
    ]
    return Preview(
        run=run,
        people=int(counts.get("people") or 0),
        contacts_read=int(counts.get("contacts_read") or 0),
        contacts_without_customer=int(counts.get("contacts_without_customer") or 0),
        by_kind={str(kind): int(n) for kind, n in (counts.get("by_kind") or {}).items()},
        by_rule=tuple(sorted(rules, key=lambda rule: (-rule.n, rule.rule))),
        skip={str(reason): int(n) for reason, n in (counts.get("skip") or {}).items()},
        conflicts=int(counts.get("conflicts") or 0),
        contact_writes=int(counts.get("contact_writes") or 0),
        consent_writes=int(counts.get("consent_writes") or 0),
    )


def _write(value: Any) -> str | None:
    return str(value) if value not in (None, "", "none") else None


def rows(
    database: Database,
    shop_id: int,
    run_id: UUID,
    *,
    kind: str = "",
    rule: str = "",
    conflicts: bool = False,
    cursor: int = -1,
    limit: int = 50,
) -> Rows:
    """A page of the plan: who exactly is behind a count."""
    with database.transaction() as tx:
        found = plan_rows.page(
            tx, shop_id, run_id, kind=kind, rule=rule, conflicts=conflicts, after=cursor, limit=limit + 1
        )
    more = len(found) > limit
    found = found[:limit]
    return Rows(tuple(found), found[-1].n if more else None)


def why(line: PlanLine) -> str:
    """Why this is planned for the person, in one sentence."""
    return cause(line.skip).title if line.skip else words.rule_text(line.rule)


def direction(line: PlanLine) -> str:
    """Which side would be written; "both" where the profile goes one way and consent the other."""
    if line.skip:
        return "none"
    if line.contact_action and line.to_customer:
        return "both"
    return "to_mailchimp" if line.contact_action else "to_shopify" if line.to_customer else "none"


def as_csv(database: Database, shop_id: int, run_id: UUID) -> Iterator[str]:
    """The whole plan as CSV text, in pieces, in flat memory."""
    yield _csv_rows([CSV_COLUMNS])
    block: list[tuple[str, ...]] = []
    for line in plan_rows.stream(database, shop_id, run_id):
        block.append(_cells(line))
        if len(block) == 500:
            yield _csv_rows(block)
            block = []
    yield _csv_rows(block)


def _cells(line: PlanLine) -> tuple[str, ...]:
    cells = (
        line.email,
        line.name,
        line.customer_id,
        words.KINDS.get(line.kind, line.kind),
        words.DIRECTIONS.get(direction(line), direction(line)),
        line.rule,
        why(line),
        line.customer_state,
        line.to_customer or line.customer_state,
        line.customer_at,
        line.contact_status,
        line.to_contact or line.contact_status,
        line.contact_opted_at,
        line.contact_changed_at,
    )
    return tuple(_cell(value) for value in cells)


def _cell(value: Any) -> str:
    """A cell a spreadsheet takes as text: what would start a formula gets a quote before it (OWASP, CSV injection)."""
    if value is None:
        return ""
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _csv_rows(block: list[tuple[str, ...]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(block)
    return buffer.getvalue()
