"""The circuit breaker (M9): when far more people than usual would opt in, stop and ask the merchant.

Opt-ins are held, opt-outs never: whoever opted out is not mailed while we wait for an answer (L5, ADR 009). Many
opt-outs at once are counted and shown (M5). What is held waits in `changes` until the merchant lets it go or drops it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from shopchimp.db import breakers, looks, notes
from shopchimp.db.breakers import MANY, OUTS, SAME, Opened
from shopchimp.db.session import Database
from shopchimp.services.settings import BreakerSettings

LET_GO, DROP = "let_go", "drop"


class NothingHeld(Exception):
    """The merchant answered a question that is not asked (any more)."""


def usual(limits: BreakerSettings, contacts: int) -> int:
    """How many consent changes an hour are usual for an audience of this size."""
    return max(limits.least, int(limits.share * contacts))


def permit(
    tx: Connection, shop_id: int, opt_ins: Sequence[datetime | None], *, limits: BreakerSettings, contacts: int
) -> list[str | None]:
    """For each opt-in (by the time it carries) None if it may be written, else the cause it is held for."""
    if not limits.on:
        return [None] * len(opt_ins)
    limit = usual(limits, contacts)
    made = sum(breakers.last_hour(tx, shop_id).values())
    asked = breakers.asked(tx, shop_id)
    seconds = [_second(at) for at in opt_ins if at is not None]
    alike = breakers.same_second(tx, shop_id, seconds)
    free = breakers.let_go_since(tx, shop_id, SAME)
    answers: list[str | None] = []
    for at in opt_ins:
        second = _second(at) if at is not None else None
        cause = None
        if MANY in asked or made >= limit:
            cause = MANY
        elif second is not None and alike.get(second, 0) >= limits.least and (free is None or second > free):
            cause = SAME
        else:
            made += 1
            if second is not None:
                alike[second] = alike.get(second, 0) + 1
        answers.append(cause)
    for cause, held in sorted(Counter(cause for cause in answers if cause).items()):
        _ask(tx, shop_id, cause, held)
    return answers


def made(
    tx: Connection,
    shop_id: int,
    changes: Sequence[tuple[str, datetime | None]],
    *,
    limits: BreakerSettings,
    contacts: int,
) -> None:
    """Count consent changes that were written: (`in` or `out`, the time they carry). Many opt-outs are an anomaly."""
    if not changes:
        return
    now = tx.exec_driver_sql("select date_trunc('minute', now())").scalar_one()
    counts: Counter[tuple[str, datetime]] = Counter()
    for kind, at in changes:
        counts[kind, now] += 1
        if kind == "in" and at is not None:
            counts["same", _second(at)] += 1
    breakers.count(tx, shop_id, counts)
    outs = breakers.last_hour(tx, shop_id).get("out", 0) if any(kind == "out" for kind, _ in changes) else 0
    if limits.on and outs > usual(limits, contacts):
        _ask(tx, shop_id, OUTS, outs)


def asked(tx: Connection, shop_id: int) -> frozenset[str]:
    """The causes that the merchant is asked about, and stays asked about until this transaction ends."""
    return breakers.asked(tx, shop_id, hold=True)


def opened(tx: Connection, shop_id: int) -> list[Opened]:
    """What the merchant is asked now."""
    return breakers.opened(tx, shop_id)


def decide(database: Database, shop_id: int, cause: str, decision: str, *, by: str) -> int:
    """The merchant's answer: let the held opt-ins go, or drop them. Gives back how many. Raises NothingHeld."""
    with database.transaction() as tx:
        if not breakers.decided(tx, shop_id, cause, decision):
            raise NothingHeld(cause)
        if decision == LET_GO:
            people = breakers.let_go(tx, shop_id, cause)
        else:
            dropped = breakers.drop(tx, shop_id, cause)
            lines: list[dict[str, Any]] = [
                {
                    "person_id": row["id"],
                    "kind": "consent",
                    "direction": "none",
                    "result": "skipped",
                    "rule": None,
                    "cause": "dropped",
                    "detail": {"by": by},
                }
                for row in dropped
            ]
            looks.log(tx, shop_id, lines)
            people = len(dropped)
        notes.add(tx, shop_id, kind="breaker", cause=cause, detail={"decision": decision, "people": people, "by": by})
    return people


def _ask(tx: Connection, shop_id: int, cause: str, seen: int) -> None:
    if breakers.open_(tx, shop_id, cause, seen):
        notes.add(tx, shop_id, kind="breaker", cause=cause, detail={"needs_you": True})


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)
