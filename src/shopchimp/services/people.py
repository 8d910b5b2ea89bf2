"""One person: found by address, shown as both sides last said, and why their consent is what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shopchimp.db import activities, people, sync_runs
from shopchimp.db.activities import Activity, Filter
from shopchimp.db.people import Person
from shopchimp.db.session import Database
from shopchimp.db.sync_runs import Run
from shopchimp.domain.addresses import normalise
from shopchimp.domain.causes import cause
from shopchimp.services import activity, words


@dataclass(frozen=True, slots=True)
class People:
    """One page of people and where the next one starts, or None at the end."""

    rows: tuple[Person, ...]
    next_cursor: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """One link of the chain of evidence: when, on which side, and what is known. `at` None: the time isn't known."""

    at: datetime | None
    side: str
    title: str
    text: str
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """The answer to "why is this person subscribed?", with every stored fact it rests on, in order."""

    person: Person
    verdict: str
    rule: str
    rule_text: str
    rule_source: str
    steps: tuple[Step, ...]


def search(database: Database, shop_id: int, query: str) -> Person | None:
    """The person with this address, or with this Shopify customer number."""
    asked = query.strip()
    with database.transaction() as tx:
        found = people.by_key(tx, shop_id, normalise(asked)) if asked else None
        if found is None and asked.isascii() and asked.isdigit() and len(asked) < 19:
            found = people.by_customer(tx, shop_id, int(asked))
    return found


def page(database: Database, shop_id: int, *, result: str = "", cursor: int = 0, limit: int = 50) -> People:
    """A page of everybody."""
    with database.transaction() as tx:
        found = people.page(tx, shop_id, result=result, after=cursor, limit=limit + 1)
    more = len(found) > limit
    found = found[:limit]
    return People(tuple(found), found[-1].id if more else None)


def person(database: Database, shop_id: int, person_id: int) -> Person | None:
    """This shop's person, or None."""
    with database.transaction() as tx:
        return people.get(tx, shop_id, person_id)


def why(database: Database, shop_id: int, person_id: int) -> Why | None:
    """The chain of evidence, from stored facts alone: nothing is asked of either platform now."""
    with database.transaction() as tx:
        found = people.get(tx, shop_id, person_id)
        if found is None:
            return None
        lines = activities.page(tx, shop_id, Filter(person_id=person_id), limit=200)
        run_ids = dict.fromkeys(line.run_id for line in lines if line.run_id)
        runs = {run_id: run for run_id in run_ids if (run := sync_runs.get(tx, shop_id, run_id))}
    steps = [*_before(found, lines), *_done(found, list(reversed(lines)), runs), *_now(found)]
    return Why(
        person=found,
        verdict=_verdict(found),
        rule=found.rule,
        rule_text=words.rule_text(found.rule),
        rule_source=words.rule_source(found.rule),
        steps=tuple(steps),
    )


def _verdict(found: Person) -> str:
    shopify, mailchimp = found.customer_state == "SUBSCRIBED", found.contact_status == "subscribed"
    if shopify and mailchimp:
        return "Subscribed on both sides"
    if shopify:
        return "Subscribed in Shopify, not in Mailchimp"
    if mailchimp:
        return "Subscribed in Mailchimp, not in Shopify"
    return "Not subscribed on either side"


def _before(found: Person, lines: list[Activity]) -> Iterator[Step]:
    """What both sides said before anything was written, from the first line that kept it."""
    said = next((line.detail for line in reversed(lines) if "customer_state" in line.detail), None)
    if said is None:
        customer_state, customer_at = found.customer_state, found.customer_at
        contact_status, opted_at, changed_at = found.contact_status, found.contact_opted_at, found.contact_changed_at
    else:
        customer_state, customer_at = str(said["customer_state"]), _time(said.get("customer_at"))
        contact_status, opted_at = str(said.get("contact_status") or "absent"), _time(said.get("contact_opted_at"))
        changed_at = _time(said.get("contact_changed_at"))
    text = "This is when the choice was made." if customer_at else "Shopify keeps no time for this."
    yield Step(customer_at, "Shopify", f"Shopify said: {words.customer_state(customer_state)}", text)
    text = "This is when the person opted in." if opted_at else "Mailchimp keeps no opt-in time."
    yield Step(opted_at, "Mailchimp", f"Mailchimp said: {words.contact_status(contact_status)}", text)
    if changed_at and contact_status in {"unsubscribed", "cleaned", "archived"}:
        yield Step(changed_at, "Mailchimp", "Last change in Mailchimp", "An opt-out there can't be later than this.")


def _done(found: Person, lines: list[Activity], runs: dict[Any, Run]) -> Iterator[Step]:
    """The rule, the run, and what each platform answered, oldest first."""
    named = set()
    for line in lines:
        run = runs.get(line.run_id)
        if run is not None and run.id not in named:
            named.add(run.id)
            yield Step(run.started_at, "shopchimp", "First sync started", _policy(run))
        if line.kind not in {"consent", "contact", "customer", "tags", "sms", "identity"}:
            continue
        if line.kind == "consent" and line.rule:
            yield Step(line.at, "shopchimp", f"Rule {line.rule}", words.rule_text(line.rule), line.rule)
        yield Step(line.at, _side(line), _answer(line), _about(line))
    if not any(line.kind == "consent" for line in lines) and found.rule:
        yield Step(found.synced_at, "shopchimp", f"Rule {found.rule}", words.rule_text(found.rule), found.rule)


def _policy(run: Run) -> str:
    wins = "Mailchimp's answer wins" if run.policy == "mailchimp_wins" else "the later choice wins"
    return f"Started by the merchant. Where Shopify's opt-out was the later choice: {wins}."


def _side(line: Activity) -> str:
    return {"to_mailchimp": "Mailchimp", "to_shopify": "Shopify"}.get(line.direction, "shopchimp")


def _answer(line: Activity) -> str:
    match line.result:
        case "synced":
            return f"Written to {_side(line)} and accepted"
        case "failed":
            return f"{_side(line)} refused the write"
        case "skipped":
            return "Left as it was"
        case "held":
            return "Held until you decide"
        case _:
            return "Noted"


def _about(line: Activity) -> str:
    detail = line.detail
    parts = [f"{activity.what(line)}."] if line.kind != "contact" else []
    if fields := detail.get("fields"):
        parts.append(f"Fields: {', '.join(map(str, fields))}.")
    if consent_at := _time(detail.get("consent_at")):
        parts.append(f"Time sent with the consent: {consent_at:%-d %B %Y, %H:%M} UTC.")
    if told_by := detail.get("told_by"):
        parts.append(f"Told by: {words.told_by(told_by)}.")
    if line.cause:
        parts.append(f"{cause(line.cause).title}. {cause(line.cause).explanation}")
    if said := detail.get("words"):
        parts.append(f"In their words: {said}")
    return " ".join(parts)


def _now(found: Person) -> Iterator[Step]:
    states = (
        f"Shopify: {words.customer_state(found.customer_state)}. "
        f"Mailchimp: {words.contact_status(found.contact_status)}."
    )
    why_not = f" {cause(found.reason).title}: {cause(found.reason).explanation}" if found.reason else ""
    yield Step(found.synced_at or found.seen_at, "shopchimp", _verdict(found), f"{states}{why_not}")


def _time(value: Any) -> datetime | None:
    """A time as JSON keeps it; Mailchimp's own texts and Postgres' are both ISO 8601."""
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None
