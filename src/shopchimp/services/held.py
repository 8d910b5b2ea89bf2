"""Held changes: what the circuit breaker asks the merchant (M9) or tells them (M5), in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shopchimp.db import connections
from shopchimp.db.breakers import MANY, OUTS, SAME, Opened
from shopchimp.db.session import Database
from shopchimp.services import breaker, settings

SEEN = "seen"  # the answer to many opt-outs, of which nothing is held


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `asks`: opt-ins are held until it is answered; else it is only told."""

    cause: str
    title: str
    text: str
    opened_at: datetime
    seen: int
    held: int
    asks: bool

    @property
    def answers(self) -> tuple[str, ...]:
        """The decisions that may be taken."""
        return (breaker.LET_GO, breaker.DROP) if self.asks else (SEEN,)


def questions(database: Database, shop_id: int) -> list[Question]:
    """What waits for the merchant now, the held ones first."""
    with database.transaction() as tx:
        found = breaker.opened(tx, shop_id)
        limits = settings.get(tx, shop_id).breaker
        connection = connections.get(tx, shop_id)
    limit = breaker.usual(limits, connection.contacts if connection else 0)
    return sorted((_question(each, limit) for each in found), key=lambda each: not each.asks)


def question(database: Database, shop_id: int, cause: str) -> Question | None:
    """This question, if it is asked now."""
    return next((each for each in questions(database, shop_id) if each.cause == cause), None)


def decide(database: Database, shop_id: int, cause: str, decision: str, *, by: str) -> int:
    """The merchant's answer. Gives back for how many people it counts. Raises NothingHeld."""
    asked = question(database, shop_id, cause)
    if asked is None or decision not in asked.answers:
        raise breaker.NothingHeld(cause)
    return breaker.decide(database, shop_id, cause, decision, by=by)


def _question(opened: Opened, limit: int) -> Question:
    title, words = _WORDS.get(opened.cause, ("Changes are held", "shopchimp stopped and asks you."))
    return Question(
        cause=opened.cause,
        title=title,
        text=words.format(limit=f"{limit:,}", seen=f"{opened.seen:,}"),
        opened_at=opened.opened_at,
        seen=opened.seen,
        held=opened.held,
        asks=opened.cause != OUTS,
    )


_WORDS = {
    MANY: (
        "Many people opted in within an hour",
        (
            "More than {limit} changes of consent in an hour is unusual for this audience, so further opt-ins are held."
            " An import or another app may have done this. Opt-outs are never held."
        ),
    ),
    SAME: (
        "Many people opted in at the very same second",
        (
            "That is how an import looks, not people who choose. These opt-ins are held; everybody else is synced."
            " Opt-outs are never held."
        ),
    ),
    OUTS: (
        "Many people opted out within an hour",
        (
            "{seen} opt-outs were carried to the other side, as opt-outs always are. Look for their source: an import,"
            " another app, or a checkout that unsubscribes people."
        ),
    ),
}
