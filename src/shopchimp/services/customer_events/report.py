"""What the page of customer events shows: both directions by name and by day, what waits, and what is missing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from shopchimp.db import customer_events, event_counts, event_reads, live_reads, marking, people, shops
from shopchimp.db.event_counts import RECEIVED, TO_MAILCHIMP, TO_SHOPIFY, Counted
from shopchimp.db.event_reads import CampaignRow
from shopchimp.db.session import Database
from shopchimp.domain.addresses import normalise
from shopchimp.domain.customer_events.names import ContactAction
from shopchimp.services.customer_events import POLL_CAMPAIGNS, status, words
from shopchimp.services.customer_events.status import PixelStatus
from shopchimp.shopify.oauth import missing_scopes

DAYS = 7
CAMPAIGNS = 10
SENT, COALESCED, FAILED = "sent", "coalesced", "failed"
ENGAGEMENT = "engagement"
NEEDS = {"customers": "write_customers", "marketing": "write_marketing_events"}


@dataclass(slots=True)
class Figures:
    """Events of one name, or of one day. `sent` is the calls, `combined` those that went along with another one's."""

    received: int = 0
    sent: int = 0
    combined: int = 0
    not_sent: Counter[str] = field(default_factory=Counter)
    waiting: int = 0

    @property
    def dropped(self) -> int:
        """Those that will never be sent."""
        return sum(self.not_sent.values())

    def add(self, outcome: str, n: int) -> None:
        """Count so many more that came to this."""
        match outcome:
            case event_counts.RECEIVED:
                self.received += n
            case "sent":
                self.sent += n
            case "coalesced":
                self.combined += n
            case _:
                self.not_sent[outcome] += n


@dataclass(frozen=True, slots=True)
class Written:
    """What contacts did, on its way to their customers' metafields in Shopify."""

    read: Mapping[str, int]
    sent: int
    failed: int
    off: int
    waiting: int
    refused: int
    read_at: datetime | None
    trouble: str | None
    undefined: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything at once, from our own tables alone. `missing`: parts that are off for want of a permission."""

    pixel: PixelStatus
    days: int
    store: dict[str, Figures]
    by_day: dict[date, Figures]
    contacts: Written
    contacts_by_day: dict[date, Mapping[str, int]]
    campaigns: tuple[CampaignRow, ...]
    missing: tuple[str, ...]
    counts: tuple[Counted, ...]

    @property
    def not_sent(self) -> Counter[str]:
        """Why events weren't sent, all names together."""
        return sum((each.not_sent for each in self.store.values()), Counter())


@dataclass(frozen=True, slots=True)
class PersonEvents:
    """One person: what they did with messages, and how many of their store events wait to be sent."""

    counts: Mapping[str, int]
    newest: Mapping[str, datetime]
    last_campaign: str | None
    written: Mapping[str, Any]
    waiting: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not self.counts and not self.waiting


def report(database: Database, shop_id: int, *, days: int = DAYS) -> Report:
    """The last days, today's with them. Days are those of UTC, as the counts are kept."""
    with database.transaction() as tx:
        counts = event_counts.of_last_days(tx, shop_id, days)
        held = customer_events.held(tx, shop_id)
        shop = shops.get(tx, shop_id)
        return Report(
            pixel=status.of(tx, shop_id),
            days=days,
            store=_by_name(counts, held),
            by_day=_by_day(counts),
            contacts=_written(tx, shop_id, counts),
            contacts_by_day=_read_by_day(counts),
            campaigns=tuple(event_reads.latest_campaigns(tx, shop_id, limit=CAMPAIGNS)),
            missing=_missing(shop.scopes if shop else ""),
            counts=tuple(counts),
        )


def of_person(database: Database, shop_id: int, person_id: int) -> PersonEvents | None:
    """What is known of one person, or None where there is no such person in this shop."""
    with database.transaction() as tx:
        person = people.get(tx, shop_id, person_id)
        if person is None:
            return None
        key = normalise(person.email) if person.email else None
        done = event_reads.engagement_of(tx, shop_id, key) if key else None
        waiting = event_reads.held_of(tx, shop_id, key=key, customer_id=person.customer_id)
    if done is None:
        return PersonEvents({}, {}, None, {}, waiting)
    names = [name for name in words.CONTACT_ACTIONS if done.counts.get(name)]
    return PersonEvents(
        counts={name: done.counts[name] for name in names},
        newest={name: datetime.fromisoformat(done.newest[name]) for name in names if name in done.newest},
        last_campaign=done.last_campaign,
        written={key: value for key, value in done.written.items() if key != "customer"},
        waiting=waiting,
    )


def _by_name(counts: Iterable[Counted], held: Mapping[str, int]) -> dict[str, Figures]:
    found = {name: Figures(waiting=held.get(name, 0)) for name in words.STORE_EVENTS}
    for each in counts:
        if each.direction == TO_MAILCHIMP and each.name in found:
            found[each.name].add(each.outcome, each.n)
    return found


def _by_day(counts: Iterable[Counted]) -> dict[date, Figures]:
    found: defaultdict[date, Figures] = defaultdict(Figures)
    for each in counts:
        if each.direction == TO_MAILCHIMP and each.name in words.STORE_EVENTS:
            found[each.day].add(each.outcome, each.n)
    return dict(found)


def _written(tx: Connection, shop_id: int, counts: Iterable[Counted]) -> Written:
    theirs = [each for each in counts if each.direction == TO_SHOPIFY]
    read = Counter(dict.fromkeys(words.CONTACT_ACTIONS, 0))
    outcomes: Counter[str] = Counter()
    for each in theirs:
        if each.outcome == RECEIVED and each.name in read:
            read[each.name] += each.n
        elif each.name == ENGAGEMENT:
            outcomes[each.outcome] += each.n
    waiting, refused = event_reads.waiting(tx, shop_id, [marking.ACTIVITY])
    poll = live_reads.chore(tx, shop_id, POLL_CAMPAIGNS)
    cursor = live_reads.cursor(tx, shop_id, POLL_CAMPAIGNS)
    return Written(
        read=dict(read),
        sent=outcomes[SENT],
        failed=outcomes[FAILED],
        off=outcomes[customer_events.OFF],
        waiting=waiting,
        refused=refused,
        read_at=poll.last_ok_at if poll else None,
        trouble=str(poll.trouble.get("code", "internal")) if poll and poll.trouble else None,
        undefined=tuple(cursor.get("undefined") or ()),
    )


def _read_by_day(counts: Iterable[Counted]) -> dict[date, Mapping[str, int]]:
    found: defaultdict[date, Counter[str]] = defaultdict(Counter)
    for each in counts:
        if each.direction == TO_SHOPIFY and each.outcome == RECEIVED and each.name in set(ContactAction):
            found[each.day][each.name] += each.n
    return dict(found)


def _missing(scopes: str) -> tuple[str, ...]:
    granted = [scope.strip() for scope in scopes.split(",")]
    return tuple(part for part, scope in NEEDS.items() if missing_scopes((scope,), granted))
