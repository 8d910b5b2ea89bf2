"""What changed on either side since it was read: looked at once more right before consent is written (invariant 4).

Both platforms are asked for whatever changed since, so the cost follows the changes and not the people. A look is
shared by the batches in flight: a thread of its own keeps it fresh, and a batch looks for itself only where the last
look is older than a batch takes. Our own writes come back as changes; only people whose consent the plan would write
are remembered, so that a million contacts we make ourselves take no memory.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

import structlog

from shopchimp.db.plan import ConsentWrite, ContactWrite
from shopchimp.domain.addresses import normalise
from shopchimp.mailchimp import members
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.members import Member
from shopchimp.shopify import customers
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.customers import Consent

log = structlog.get_logger()

KEPT = 8  # runs whose watches are kept: as many as a process may work on at once
OVERLAP = timedelta(minutes=2)  # between their clock and ours
FRESH = 1.0  # seconds between the looks of the thread that keeps both watches fresh
STALE = 3.0  # seconds after which a batch looks for itself before it writes
STEP = timedelta(seconds=2)  # their clocks count in seconds: what changed in the last of them is asked for again
PASSES = (None, "archived")  # archived contacts are left out of the plain listing


@dataclass(frozen=True, slots=True)
class ContactNow:
    """What a contact that changed says now, as far as consent goes."""

    status: str
    opted_in_at: datetime | None


Found = TypeVar("Found")


@dataclass(slots=True)
class _Watch(Generic[Found]):
    """What was found so far, and the right to look again, which one thread has at a time."""

    since: datetime
    found: Found
    looked_at: float = float("-inf")
    asked_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def turn(self, no_older: float) -> Iterator[bool]:
        """Whether it is this thread's turn to look, because the last look is older than so many seconds."""
        if no_older >= STALE:
            self.asked_at = time.monotonic()
        if time.monotonic() - self.looked_at <= no_older:
            yield False
            return
        with self.lock:
            began = time.monotonic()
            due = began - self.looked_at > no_older  # unless somebody looked while we waited
            yield due
            if due:
                self.looked_at = began

    @property
    def wanted(self) -> bool:
        """Whether batches asked lately: then it is worth keeping fresh for the next one."""
        return time.monotonic() - self.asked_at < 2 * STALE


@dataclass(frozen=True, slots=True)
class ContactWatch:
    """Contacts that changed since the audience was read, as they are now, by key.

    `statuses` are the listings to ask: a batch that only creates needs to know of archived contacts alone, and our own
    creations are not among those. `planned` says of some keys whose consent the plan would write.
    """

    client: MailchimpClient
    audience_id: str
    watch: _Watch[dict[str, ContactNow]]
    planned: Callable[[list[str]], set[str]]
    statuses: Sequence[str | None]

    def look(self, no_older: float = STALE) -> Mapping[str, ContactNow]:
        """What changed, as of a look that is not older than so many seconds."""
        with self.watch.turn(no_older) as due:
            if due:
                latest = self.watch.since
                since = self.watch.since
                for page in changed_contacts(
                    self.client, self.audience_id, since, statuses=self.statuses, consent_only=True
                ):
                    self._remember({normalise(member.email): member for member in page})
                    latest = max([latest, *(member.changed_at - STEP for member in page if member.changed_at)])
                self.watch.since = latest
        return self.watch.found

    def _remember(self, changed: Mapping[str, Member]) -> None:
        planned = self.planned(list(changed)) if changed else set()
        for key, member in changed.items():
            if key in planned or member.status == "archived":
                self.watch.found[key] = ContactNow(member.status, member.opted_in_at)


@dataclass(frozen=True, slots=True)
class CustomerWatch:
    """Customers that changed since the bulk operation was started, with their consent now, by id."""

    client: ShopifyClient
    watch: _Watch[dict[int, Consent]]

    def look(self, no_older: float = STALE) -> Mapping[int, Consent]:
        """What changed, as of a look that is not older than so many seconds."""
        with self.watch.turn(no_older) as due:
            if due:
                latest = self.watch.since
                for changed in customers.changed_since(self.client, self.watch.since):
                    self.watch.found[changed.id] = changed.consent
                    latest = max(latest, (changed.updated_at or latest) - STEP)
                self.watch.since = latest
        return self.watch.found


_Contacts = _Watch[dict[str, ContactNow]]
_Watches = tuple[_Contacts, _Contacts, _Watch[dict[int, Consent]]]
_kept: OrderedDict[UUID, _Watches] = OrderedDict()
"""The watches of the last few runs, so that the next slice of a run doesn't ask again for all that changed."""
_kept_lock = threading.Lock()


def watch(
    run_id: UUID,
    mailchimp: MailchimpClient,
    audience_id: str,
    shopify: ShopifyClient,
    *,
    since: datetime,
    planned: Callable[[list[str]], set[str]],
) -> tuple[ContactWatch, ContactWatch, CustomerWatch]:
    """Watches over a run's contacts, its archived contacts and its customers, going on where this process was."""
    with _kept_lock:
        fresh = (_Watch[dict[str, ContactNow]](since, {}), _Watch[dict[str, ContactNow]](since, {}))
        contacts, archived, people = _kept.setdefault(run_id, (*fresh, _Watch(since, {})))
        _kept.move_to_end(run_id)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return (
        ContactWatch(mailchimp, audience_id, contacts, planned, PASSES),
        ContactWatch(mailchimp, audience_id, archived, planned, PASSES[1:]),
        CustomerWatch(shopify, people),
    )


@contextmanager
def kept_fresh(*watches: ContactWatch | CustomerWatch) -> Iterator[None]:
    """Keep looking while the body writes, so that no batch has to wait for a look."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(FRESH):
            try:
                for each in watches:
                    if each.watch.wanted and not done.is_set():
                        each.look(FRESH)
            except Exception as error:  # noqa: BLE001 - the process may be closing; a batch that needs it looks itself
                log.info("look_failed", error=type(error).__name__)

    threading.Thread(target=keep, name="watch", daemon=True).start()
    try:
        yield
    finally:
        done.set()  # a look under way ends by itself; nobody needs it any more, so nobody waits for it


def forget(run_id: UUID) -> None:
    """The run has ended."""
    with _kept_lock:
        _kept.pop(run_id, None)


def changed_contacts(
    client: MailchimpClient,
    audience_id: str,
    since: datetime,
    *,
    statuses: Sequence[str | None] = PASSES,
    consent_only: bool = False,
) -> Iterator[list[Member]]:
    """Every contact whose `last_changed` is after `since`, page by page; then the archived among them."""
    for status in statuses:
        yield from members.all_changed_since(client, audience_id, since, status=status, consent_only=consent_only)


def contact_moved(row: ContactWrite, now: ContactNow | None) -> str | None:
    """In words how the contact chose anew since the reading, or None. Our own try that was cut off is no choice."""
    if now is None or row.to_contact is None:
        return None
    if row.contact_status == "absent":  # Mailchimp itself refuses to create over a contact, but for an archived one
        return _moved(row.contact_status, now.status) if now.status == "archived" else None
    if (now.status, now.opted_in_at) == (row.contact_status, row.contact_opted_at):
        return None
    sent = row.opt_in_sent
    if now.status == row.to_contact and (sent is None or now.opted_in_at == datetime.fromisoformat(sent)):
        return None
    return _moved(row.contact_status, now.status)


def contact_of_customer_moved(row: ConsentWrite, now: ContactNow | None) -> str | None:
    """In words how the contact, whose word is about to be written to Shopify, chose anew since the reading, or None."""
    if now is None or (now.status, now.opted_in_at) == (row.contact_status, row.contact_opted_at):
        return None
    return _moved(row.contact_status, now.status)


def customer_moved(row: ContactWrite, now: Consent | None) -> str | None:
    """In words how the customer, whose word is about to be written to Mailchimp, changed since the reading, or None."""
    if now is None or row.to_contact is None:
        return None
    if (now.state, now.updated_at) != (row.customer_state, row.customer_at):
        return _moved(row.customer_state, now.state)
    if now.email is None or normalise(now.email) != row.key:
        return "has another email address now"
    return None


def _moved(before: str, now: str) -> str:
    if before == now:
        return f"chose {now} again since the preview was made"
    return f"was {before} when the preview was made, is {now} now"


def since_reading(began: str) -> datetime:
    """When the reading began, minus what their clock may be behind ours."""
    return datetime.fromisoformat(began).astimezone(UTC) - OVERLAP
