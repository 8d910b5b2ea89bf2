"""Live sync of a few people at once: load what is remembered, look at both sides, make them agree, record.

`work` is given claimed changes of one shop. It may be killed anywhere: what was about to be written is stored before
it is written, and nothing is recorded before it was done. Nothing here retries; the job decides from `Worked`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from shopchimp.db import changes, connections, looks
from shopchimp.db.changes import Claimed
from shopchimp.db.looks import Remembered
from shopchimp.domain import steps, tags
from shopchimp.domain.consent import NO_CUSTOMER
from shopchimp.domain.errors import Unauthorized
from shopchimp.domain.records import Contact, Customer, Sides
from shopchimp.domain.steps import Hint, LiveOptions
from shopchimp.services import breaker, live_options, privacy, recording, remembering
from shopchimp.services.contact_doors import ContactDoors
from shopchimp.services.customer_doors import CustomerDoors
from shopchimp.services.driving import LeaseEnded, Walk, drive
from shopchimp.services.gateways import Gateways
from shopchimp.services.settings import BreakerSettings

log = structlog.get_logger()


@dataclass(slots=True)
class Worked:
    """What came of a slice. What is done, held or parked is recorded; `troubles` are the keys whose look failed."""

    done: int = 0
    troubles: dict[str, Exception] = field(default_factory=dict)


def work(
    gateways: Gateways,
    shop_id: int,
    claimed: Sequence[Claimed],
    *,
    token: UUID,
    slots: int,
    lost: threading.Event | None = None,
    quiet: bool = False,
) -> Worked:
    """Look at these people and record what came of it, all but the troubles. `quiet`: start no automation by it."""
    claimed = _living(gateways, shop_id, claimed, token=token)
    if not claimed:
        return Worked()
    slice_ = _open(gateways, shop_id, claimed, token=token, slots=slots, lost=lost, quiet=quiet)
    with closing(slice_.contacts):
        drive(slice_.walks, slice_.options, slice_.doings())
    context = recording.Context(
        token,
        {each.key: each for each in claimed},
        slice_.began,
        slice_.limits,
        slice_.audience_size,
        slice_.causes,
    )
    gateways.database.settled(lambda tx: recording.follow(tx, shop_id, slice_.walks, context))
    gateways.database.settled(lambda tx: recording.record(tx, shop_id, slice_.walks, context))
    troubles = {walk.key: walk.error for walk in slice_.walks if walk.error is not None}
    return Worked(len(slice_.walks) - len(troubles), troubles)


def _living(gateways: Gateways, shop_id: int, claimed: Sequence[Claimed], *, token: UUID) -> Sequence[Claimed]:
    """Without who was erased lately: nothing that still speaks of them may bring them back (invariant 11)."""
    with gateways.database.transaction() as tx:
        living = set(privacy.living(tx, gateways.vault, shop_id, [each.key for each in claimed]))
        changes.finish(tx, shop_id, token, [(each.key, each.version) for each in claimed if each.key not in living])
    return [each for each in claimed if each.key in living]


def _open(
    gateways: Gateways,
    shop_id: int,
    claimed: Sequence[Claimed],
    *,
    token: UUID,
    slots: int,
    lost: threading.Event | None,
    quiet: bool,
) -> _Slice:
    now = gateways.clock()
    with gateways.database.transaction() as tx:
        connection = connections.get(tx, shop_id)
        if connection is None or connection.audience_id is None:
            raise Unauthorized("mailchimp", "mc_access_revoked", "no audience is connected")
        options, chosen = live_options.load(tx, shop_id, connection)
        remembered = looks.load(tx, shop_id, [each.key for each in claimed])
    walks = [
        Walk(
            remembering.person(each.key, remembered.get(each.key)),
            Hint(each.event_at or now, tuple(each.opted_outs or ()), each.allowed),
            each.customer_id,
        )
        for each in claimed
    ]
    contacts = ContactDoors(gateways.mailchimp(shop_id), connection.audience_id, slots, quiet)
    return _Slice(
        gateways=gateways,
        shop_id=shop_id,
        token=token,
        walks=walks,
        options=options,
        limits=chosen.breaker,
        audience_size=connection.contacts,
        remembered=remembered,
        contacts=contacts,
        customers=CustomerDoors(gateways.shopify(shop_id)),
        began=now,
        lost=lost,
        doubted=frozenset(each.key for each in claimed if each.source in {"mailchimp", "audit"}),
    )


@dataclass(slots=True)
class _Slice:
    """One slice of one shop's work: the doors, and how each kind of step is done for many."""

    gateways: Gateways
    shop_id: int
    token: UUID
    walks: list[Walk]
    options: LiveOptions
    limits: BreakerSettings
    audience_size: int
    remembered: dict[str, Remembered]
    contacts: ContactDoors
    customers: CustomerDoors
    began: datetime
    lost: threading.Event | None
    doubted: frozenset[str]
    causes: dict[str, str] = field(default_factory=dict)

    def doings(self) -> dict[type[Any], Any]:
        """One function a kind of step."""
        return {
            steps.Read: self._read,
            steps.Permit: self._permit,
            steps.Intend: self._intend,
            steps.Look: self._look,
            steps.WriteContact: self._writing(self.contacts.write),
            steps.WriteConsent: self._writing(self.customers.write),
            steps.UpdateCustomer: self._writing(self.customers.update),
            steps.CreateCustomer: self._writing(self.customers.create),
            steps.MoveContact: self._writing(self.contacts.move),
            steps.WriteSms: self._writing(self._text),
        }

    def _read(self, walks: Sequence[Walk]) -> list[Any]:
        """Both sides of each person, and whether the customer has another address by now."""
        with ThreadPoolExecutor(1, thread_name_prefix="contacts") as beside:
            keys = [walk.key for walk in walks]
            reading = beside.submit(self.contacts.read, keys, self.remembered, doubted=self.doubted)
            by_id, by_email = self._customers(walks)
            contacts = reading.result()
        gone = {
            walk.key: by_id[walk.person.customer_id]
            for walk in walks
            if walk.person.customer_id in by_id and by_id[walk.person.customer_id].key != walk.key
        }
        elsewhere = self.contacts.read([each.key for each in gone.values() if "@" in each.key], {})
        here = {
            walk.key: next(
                (by_id[each] for each in _ids(walk) if each in by_id and by_id[each].key == walk.key),
                by_email.get(walk.key),
            )
            for walk in walks
        }
        contacts |= self.contacts.read([key for key in keys if self._is_unsure(key, contacts.get(key), here[key])], {})
        with self.gateways.database.transaction() as tx:
            owners = looks.owners(tx, self.shop_id, [each.id for each in here.values() if each is not None])
        answers: list[Any] = []
        for walk in walks:
            contact, customer = contacts.get(walk.key), here[walk.key]
            if isinstance(contact, Exception):
                answers.append(contact)
                continue
            gone_to = gone.get(walk.key) or (_not_here(walk, by_id) if customer is None else None)
            there = elsewhere.get(gone_to.key) if gone_to is not None else None
            if isinstance(there, Exception):
                answers.append(there)
                continue
            owner = owners.get(customer.id) if customer is not None else None
            answers.append(Sides(walk.key, customer, contact, gone_to, there is not None, owner))
        return answers

    def _is_unsure(self, key: str, contact: Any, customer: Customer | None) -> bool:
        """Whether a contact that is believed to be as remembered has to be asked for all the same.

        Memory has the tags that we carried, not the contact's own; and of somebody whom live sync never looked at, not
        the phone's consent: a STOP from before the first sync would be overlooked.
        """
        if not isinstance(contact, Contact) or customer is None:
            return False
        texting = self.options.sms.start_date is not None and customer.sms is not None
        if texting and contact.sms is None:
            return True
        carried = row.tags if (row := self.remembered.get(key)) is not None else None
        return contact.tags is None and tags.differ(customer.tags, carried, self.options.profile.tags)

    def _customers(self, walks: Sequence[Walk]) -> tuple[dict[int, Customer], dict[str, Customer | None]]:
        """The customers that these people may be, by number; for the others, who has their address."""
        found = self.customers.read([each for walk in walks for each in _ids(walk)])
        by_id = {each.id: each for each in found.values() if each is not None}
        unknown = [
            walk.key
            for walk in walks
            if "@" in walk.key and not any(each in by_id and by_id[each].key == walk.key for each in _ids(walk))
        ]
        return by_id, self.customers.read_by_email(unknown)

    def _permit(self, walks: Sequence[Walk]) -> list[bool]:
        times = [walk.step.push.consent_at for walk in walks if isinstance(walk.step, steps.Permit)]
        with self.gateways.database.transaction() as tx:
            causes = breaker.permit(tx, self.shop_id, times, limits=self.limits, contacts=self.audience_size)
        self.causes |= {walk.key: cause for walk, cause in zip(walks, causes, strict=True) if cause is not None}
        return [cause is None for cause in causes]

    def _intend(self, walks: Sequence[Walk]) -> list[Any]:
        """Store the intents of those whose lease is still ours; the others stop here."""
        with self.gateways.database.transaction() as tx:
            ours = changes.still_held(tx, self.shop_id, self.token, [walk.key for walk in walks])
            meant = {walk.key: walk.step for walk in walks if walk.key in ours and isinstance(walk.step, steps.Intend)}
            came_back = {key: step.came_back_at for key, step in meant.items() if step.came_back_at is not None}
            intents = {key: remembering.intent_json(step) for key, step in meant.items()}
            looks.intend(tx, self.shop_id, intents, came_back)
        return [None if walk.key in ours else LeaseEnded() for walk in walks]

    def _look(self, walks: Sequence[Walk]) -> list[Any]:
        """The side to be written, once more."""
        answers: dict[str, Any] = {}
        at_contacts = [walk for walk in walks if isinstance(walk.step, steps.Look) and walk.step.contact]
        if at_contacts:
            keys = [walk.key for walk in at_contacts]
            then = {walk.key: walk.sides.contact if walk.sides else None for walk in at_contacts}
            answers |= zip(keys, self.contacts.look(keys, then, self.began), strict=True)
        at_customers = [walk for walk in walks if isinstance(walk.step, steps.Look) and not walk.step.contact]
        if at_customers:
            ids = [walk.sides.customer.id if walk.sides and walk.sides.customer else 0 for walk in at_customers]
            seen = self.customers.read([each for each in ids if each])
            for walk, each in zip(at_customers, ids, strict=True):
                found = seen.get(each)
                still_here = found is not None and found.key == walk.key  # consent belongs to the address (M6)
                answers[walk.key] = found.consent if found is not None and still_here else NO_CUSTOMER
        return [answers[walk.key] for walk in walks]

    def _writing(self, do: Any) -> Any:
        def write(walks: Sequence[Walk]) -> Any:
            if self.lost is not None and self.lost.is_set():
                raise LeaseEnded
            return do([walk.step for walk in walks])

        return write

    def _text(self, writes: Sequence[steps.WriteSms]) -> list[Any]:
        answers: dict[int, Any] = {}
        for to_customer, do in ((True, self.customers.text), (False, self.contacts.text)):
            group = [n for n, each in enumerate(writes) if each.push.to_customer is to_customer]
            if group:
                answers |= zip(group, do([writes[n] for n in group]), strict=True)
        return [answers[n] for n in range(len(writes))]


def _ids(walk: Walk) -> list[int]:
    """The customers this person may be: the one we know, and the one that a delivery named."""
    return [each for each in (walk.person.customer_id, walk.customer_id) if each is not None]


def _not_here(walk: Walk, by_id: dict[int, Any]) -> Any:
    """A customer named by a delivery who has another address: it is looked at there."""
    named = by_id.get(walk.customer_id) if walk.customer_id is not None else None
    return named if named is not None and named.key != walk.key else None
