"""What came of a slice of looks, stored in one transaction: people, log, tallies, times, and the changes' end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shopchimp.db import changes, engagements, looks, marking
from shopchimp.db.changes import Claimed
from shopchimp.db.marking import Mark
from shopchimp.db.session import dumps
from shopchimp.domain.addresses import subscriber_hash
from shopchimp.domain.consent import NO_CONTACT, NO_CUSTOMER
from shopchimp.domain.identity import choices
from shopchimp.domain.outcomes import Reason
from shopchimp.domain.readings import theirs
from shopchimp.domain.records import Person
from shopchimp.domain.steps import Hint, Outcome
from shopchimp.services import breaker, sync_times
from shopchimp.services.commerce import customer_marks
from shopchimp.services.driving import Walk
from shopchimp.services.settings import BreakerSettings

_OUT = frozenset({"UNSUBSCRIBED", "unsubscribed"})
PASSES = {"mc_too_many_signups": 86_400.0}  # refusals that pass: tried again after so many seconds, a few times

AT_ONCE, LONGEST = 4, 60.0  # so many looks follow each other at once; the longest pause between later ones


@dataclass(frozen=True, slots=True)
class Context:
    """What recording needs beside the outcomes. `causes` says why somebody is held, by key."""

    token: UUID
    claimed: Mapping[str, Claimed]
    began: datetime
    limits: BreakerSettings
    audience_size: int
    causes: Mapping[str, str]


def follow(tx: Connection, shop_id: int, ended: Sequence[Walk], context: Context) -> None:
    """Mark the other addresses that these looks point to.

    In a transaction of its own, before `record`: it names rows that we don't hold, and who holds some and waits for
    others may wait in a circle. Marked once too often costs a look.
    """
    found = [
        Mark(key, "identity", customer_id=customer_id, event_at=context.claimed[walk.key].event_at)
        for walk in ended
        if walk.outcome is not None
        for key, customer_id in walk.outcome.follow
    ]
    marking.mark(tx, shop_id, found)


def record(tx: Connection, shop_id: int, walks: Sequence[Walk], context: Context) -> None:
    """Store it all and let go of the changes whose look ended; of the others only what they wrote is logged."""
    ended = [walk for walk in walks if walk.outcome is not None]
    outcomes = {walk.key: walk.outcome for walk in ended if walk.outcome is not None}
    # whoever lost the lease knows an older world than the one who has it now: only the log remembers this look
    ours = changes.still_held(tx, shop_id, context.token, list(outcomes))
    rows = [
        row
        for walk in ended
        if walk.key in ours and (row := _row(walk.person, walk.hint, outcomes[walk.key], context)) is not None
    ]
    # before anything that the looks at the store's things wait for, too
    customer_marks.note(tx, shop_id, [walk for walk in ended if walk.key in ours], context.claimed)
    ids = looks.store(tx, shop_id, rows) if rows else {}
    written = {walk.key: walk.written for walk in walks if walk.written is not None}
    known = {key: row.id for key, row in looks.load(tx, shop_id, list(written)).items()} if written else {}
    _log(tx, shop_id, {**outcomes, **written}, {**ids, **known}, context)
    for walk in ended:
        if (there := outcomes[walk.key].moved_to) is not None and walk.key in ours:
            looks.move(tx, shop_id, walk.key, there)
            if engagements.move(tx, shop_id, walk.key, there):
                marking.mark(tx, shop_id, [Mark(f"{marking.ENGAGED}:{subscriber_hash(there)}", "address")])
    _let_go(tx, shop_id, outcomes, context)


def _row(person: Person, hint: Hint, outcome: Outcome, context: Context) -> dict[str, Any] | None:
    """The person's row; None where there is nobody to remember."""
    known, sides = outcome.known, outcome.sides
    customer, contact = sides.customer, sides.contact
    if person.id is None and customer is None and contact is None and not hint.opted_outs:
        return None
    unread = outcome.known == person.known and (outcome.held or outcome.failed is not None)
    failed = outcome.failed is not None
    reason = (
        outcome.failed.code if outcome.failed else context.causes.get(person.key) if outcome.held else outcome.reason
    )
    our_opt_out_at = outcome.our_opt_out_at or person.our_opt_out_at
    names = (customer.fields.get("first_name"), customer.fields.get("last_name")) if customer else ()
    return {
        "key": person.key,
        "email": contact.email if contact else customer.email if customer else None,
        "name": " ".join(name for name in names if name),
        "customer_id": outcome.customer_id,
        "contact_id": contact.id if contact else None,
        "customer_state": known.customer.value,
        "customer_at": customer.consent.updated_at if customer and not unread else None,
        "contact_status": known.contact.value,
        "contact_opted_at": known.opted_in_at,
        "contact_changed_at": contact.consent.changed_at if contact and not unread else None,
        "rule": outcome.rule,
        "result": "failed" if failed else "skipped" if reason else "synced",
        "reason": reason,
        "seen_at": context.began,
        "deleted": known.deleted,
        "refused_at": known.refused,
        "opted_out_at": max(theirs(person, hint, our_opt_out_at), default=None),
        "our_opt_out_at": our_opt_out_at,
        "dropped": list(person.dropped) if person.dropped and outcome.reason == Reason.DROPPED else None,
        "fields": outcome.fields if outcome.fields is not None else person.fields,
        "tags": list(carried)
        if (carried := outcome.tags if outcome.tags is not None else person.tags) is not None
        else None,
        "sms": stored.to_json() if (stored := outcome.sms or person.sms) else None,
    }


def _log(
    tx: Connection, shop_id: int, outcomes: Mapping[str, Outcome], ids: Mapping[str, int], context: Context
) -> None:
    lines: list[dict[str, Any]] = []
    times: list[tuple[str, str, float]] = []
    made: list[tuple[str, datetime | None]] = []
    now: datetime = tx.execute(text("select clock_timestamp()")).scalar_one()
    for key, outcome in outcomes.items():
        change = context.claimed[key]
        for line in outcome.lines:
            detail = {**line.detail, "told_by": change.source, "event_at": change.event_at}
            shown = {name: value for name, value in detail.items() if value is not None}
            lines.append(
                {
                    "person_id": ids.get(key),
                    "kind": line.kind,
                    "direction": line.direction,
                    "result": line.result,
                    "rule": line.rule,
                    "cause": line.cause,
                    "detail": shown,
                }
            )
            if line.result != "synced":
                continue
            if change.event_at is not None:
                times.append((line.direction, line.kind, max((now - change.event_at).total_seconds() * 1000, 0.0)))
            if line.kind == "consent":
                made.append(("out" if line.detail.get("after") in _OUT else "in", line.detail.get("consent_at")))
    looks.log(tx, shop_id, lines)
    sync_times.observe(tx, shop_id, times)
    breaker.made(tx, shop_id, made, limits=context.limits, contacts=context.audience_size)


def _let_go(tx: Connection, shop_id: int, outcomes: Mapping[str, Outcome], context: Context) -> None:
    """Each change ends as its look did: again, held, parked, or done."""
    token, claimed = context.token, context.claimed
    again = [(key, _pause(claimed[key].attempts), "moved", "") for key, outcome in outcomes.items() if outcome.again]
    held = [
        (key, claimed[key].version, context.causes.get(key, "many_changes"), _choices(outcome))
        for key, outcome in outcomes.items()
        if outcome.held
    ]
    # answered while we looked: nobody would ask about these any more
    asked = breaker.asked(tx, shop_id) if held else frozenset()
    again += [(key, 0.0, cause, "") for key, _, cause, _ in held if cause not in asked]
    held = [each for each in held if each[2] in asked]
    failed = {key: outcome.failed for key, outcome in outcomes.items() if outcome.failed is not None}
    passing = [(key, PASSES[each.code], each.code, each.words) for key, each in failed.items() if each.code in PASSES]
    parked = [
        (key, claimed[key].version, each.code, each.words) for key, each in failed.items() if each.code not in PASSES
    ]
    stopped = {each[0] for each in (*again, *held, *passing, *parked)}
    done = [(key, claimed[key].version) for key in outcomes if key not in stopped]
    if again:
        changes.later(tx, shop_id, token, again, count=True)
    if passing:
        changes.later(tx, shop_id, token, passing, count=True)
    if held:
        changes.hold(tx, shop_id, token, held)
    if parked:
        changes.park(tx, shop_id, token, parked)
    changes.finish(tx, shop_id, token, done)


def _pause(attempts: int) -> float:
    """Seconds until the next look at somebody who moved under our hands: none, unless that goes on and on.

    It can have no end where Mailchimp takes two addresses for one that are two for us: then the change is parked.
    """
    return min(2.0 ** (attempts - AT_ONCE), LONGEST) if attempts > AT_ONCE else 0.0


def _choices(outcome: Outcome) -> str:
    """The pair of choices that is held, as it is remembered when the merchant drops it."""
    customer, contact = outcome.sides.customer, outcome.sides.contact
    found = choices(customer.consent if customer else NO_CUSTOMER, contact.consent if contact else NO_CONTACT)
    return dumps(list(found))
