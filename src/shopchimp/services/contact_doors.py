"""The steps that are done in Mailchimp, for many people at once.

A few contacts are read and written one by one, side by side in the slots we hold. Many are read by asking what changed
since we last saw them (the others are as they were), and written 500 a call: a burst costs a fraction of its people.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shopchimp.db.looks import Remembered
from shopchimp.db.session import dumps
from shopchimp.domain.addresses import normalise, subscriber_hash
from shopchimp.domain.consent import NO_CONTACT, ContactConsent, ContactStatus
from shopchimp.domain.errors import PlatformError, Rejected
from shopchimp.domain.planning import CONTACT_STATUSES
from shopchimp.domain.records import Contact
from shopchimp.domain.sms import ContactSms, KnownSms, SmsStatus
from shopchimp.domain.steps import Done, MoveContact, Refused, WriteContact, WriteSms
from shopchimp.mailchimp import members, sms, tags
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.mailchimp.members import Member
from shopchimp.services import batches, watching

FEW = 3  # times the slots: so many contacts are sooner looked at one by one
OVERLAP = timedelta(minutes=10)  # between our clock and theirs, and what their list may lag behind
STEP = timedelta(seconds=30)  # the same by their clock alone

T = TypeVar("T")
R = TypeVar("R")


class UnknownStatus(Rejected):
    """Mailchimp says something about a contact that we have no rule for."""

    def __init__(self, status: str) -> None:
        super().__init__("mailchimp", "unknown_status", f"the status {status!r}")


@dataclass(slots=True)
class ContactDoors:
    """One slice's way to the audience. `slots` calls may be in flight at once."""

    client: MailchimpClient
    audience_id: str
    slots: int
    quiet: bool = False  # a backfill: starts no automation (invariant 9)
    _pool: ThreadPoolExecutor = field(init=False)
    _read_until: datetime | None = None  # the latest change that the last listing showed

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max(self.slots, 1), thread_name_prefix="mailchimp")

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown()

    # --- reading

    def read(
        self,
        keys: Sequence[str],
        remembered: Mapping[str, Remembered],
        *,
        doubted: Collection[str] = frozenset(),
    ) -> dict[str, Contact | PlatformError | None]:
        """Each contact as it is now, None where the audience has none, or why that can't be said.

        Who isn't in the list of changes is believed to be as remembered, but for those `doubted`: Mailchimp told of
        them, and a contact that was deleted is in no list. Where one that we knew isn't found, the audience itself is
        asked for (Gone): without it every contact would look deleted.
        """
        found = self._found(keys, remembered, doubted)
        known = (key for key, row in remembered.items() if row.contact_status != ContactStatus.ABSENT)
        if any(found.get(key, self) is None for key in known):
            self.client.get(f"/lists/{self.audience_id}", "/lists/{list_id}", {"fields": "id"})
        return found

    def _found(
        self, keys: Sequence[str], remembered: Mapping[str, Remembered], doubted: Collection[str]
    ) -> dict[str, Contact | PlatformError | None]:
        if len(keys) <= FEW * self.slots:
            return self._each(keys)
        trusted = {key: row for key in keys if (row := remembered.get(key)) is not None and row.fields is not None}
        since = min((row.seen_at for row in trusted.values()), default=None)
        changed = self._changed_since(since - OVERLAP, at_most=len(keys)) if since is not None else None
        if changed is None:
            return self._each(keys)
        self._read_until = max((each.changed_at for each in changed.values() if each.changed_at), default=None)
        found: dict[str, Contact | PlatformError | None] = {}
        for key in keys:
            if key in changed:
                found[key] = _parsed_or_why(changed[key])
            elif key in trusted and key not in doubted:
                found[key] = _as_remembered(trusted[key])
        return {**found, **self._each([key for key in keys if key not in found])}

    def look(self, keys: Sequence[str], then: Mapping[str, Contact | None], since: datetime) -> list[Any]:
        """The consent of each contact once more, right before it is written; in the order asked."""
        changed = None
        if len(keys) > FEW * self.slots:
            # by their own clock where we know it: only what changed since we read, so that the write follows at once
            since = self._read_until - STEP if self._read_until is not None else since - OVERLAP
            changed = self._changed_since(since, at_most=len(keys), consent_only=True)
        if changed is None:
            now = self._each(keys)
            return [_consent(now[key]) for key in keys]
        return [_consent(_parsed_or_why(changed[key]) if key in changed else then.get(key)) for key in keys]

    def _each(self, keys: Sequence[str]) -> dict[str, Contact | PlatformError | None]:
        def one(key: str) -> Contact | None:
            if "@" not in key:
                return None
            member = members.get(self.client, self.audience_id, key)
            return _parsed(member) if member is not None else None

        return dict(zip(keys, self._side_by_side(one, keys, reading=True), strict=True))

    def _changed_since(self, since: datetime, *, at_most: int, consent_only: bool = False) -> dict[str, Member] | None:
        """Who changed after this moment, archived ones too; None where single looks are cheaper."""

        def listed(status: str | None) -> dict[str, Member] | None:
            found: dict[str, Member] = {}
            pages = members.all_changed_since(
                self.client, self.audience_id, since, status=status, consent_only=consent_only
            )
            for calls, page in enumerate(pages, start=1):
                found |= {normalise(member.email): member for member in page}
                if calls * FEW * self.slots > at_most:
                    return None
            return found

        found: dict[str, Member] = {}
        for some in self._pool.map(listed, watching.PASSES):
            if some is None:
                return None
            found |= some
        return found

    # --- writing

    def write(self, writes: Sequence[WriteContact]) -> list[Any]:
        """Set contacts' consent and profiles. An answer or an error each, in order."""
        if len(writes) <= self.slots:
            return self._side_by_side(self._write, writes)
        answers: dict[int, Any] = {}
        for creating in (True, False):
            group = [n for n, write in enumerate(writes) if (write.contact_id is None) is creating]
            for start in range(0, len(group), members.BATCH):
                part = group[start : start + members.BATCH]
                answers |= zip(part, self._batch([writes[n] for n in part], creating=creating), strict=True)
        return [answers[n] for n in range(len(writes))]

    def _write(self, write: WriteContact) -> Done | Refused:
        optin = write.opted_in_at
        if write.status is None:
            if write.merge_fields:
                body = {"merge_fields": dict(write.merge_fields)}
                member = members.patch(self.client, self.audience_id, write.email, body)
            else:
                member = None
        elif write.contact_id is None:
            member = members.post(
                self.client,
                self.audience_id,
                write.email,
                status=write.status.value,
                merge_fields=dict(write.merge_fields),
                timestamp_opt=optin,
                tags=write.add_tags,  # with the contact, not after it: whoever finds it made won't tag it as ours
            )
            return _done(member)
        else:
            member = members.put(
                self.client,
                self.audience_id,
                write.email,
                status=write.status.value,
                status_if_new=write.status.value,
                merge_fields=dict(write.merge_fields),
                timestamp_opt=optin,
            )
        self._tag(write)
        return _done(member) if member is not None else Done(contact_id=write.contact_id)

    def _tag(self, write: WriteContact) -> None:
        if write.add_tags or write.remove_tags:
            tags.write(
                self.client,
                self.audience_id,
                write.email,
                add=write.add_tags,
                remove=write.remove_tags,
                quiet=self.quiet or write.old_tags,
            )

    def _batch(self, writes: Sequence[WriteContact], *, creating: bool) -> list[Any]:
        bodies = [(normalise(write.email), _body(write, creating=creating)) for write in writes]
        try:
            result = batches.write_contacts(self.client, self.audience_id, bodies, update_existing=not creating)
        except PlatformError as error:
            return [error] * len(writes)
        refused = {normalise(each.email): Refused(each.cause, each.detail) for each in result.refused}
        taken = {normalise(member.email): member for member in result.members}
        answers: list[Any] = []
        for write in writes:
            key = normalise(write.email)
            if key in taken:
                answers.append(_done(taken[key]))
            else:
                words = "Mailchimp's answer didn't name this contact"
                answers.append(refused.get(key, Refused("mc_rejected", words)))
        if not creating:
            tagged = [n for n, write in enumerate(writes) if write.add_tags or write.remove_tags]
            tagged = [n for n in tagged if isinstance(answers[n], Done)]
            for n, trouble in zip(tagged, self._side_by_side(self._tag, [writes[n] for n in tagged]), strict=True):
                answers[n] = trouble if trouble is not None else answers[n]
        return answers

    def move(self, moves: Sequence[MoveContact]) -> list[Any]:
        """Give contacts another address."""

        def one(move: MoveContact) -> Done | Refused:
            return _done(members.move(self.client, self.audience_id, move.contact.email, move.email))

        return self._side_by_side(one, moves)

    def text(self, writes: Sequence[WriteSms]) -> list[Any]:
        """Set contacts' consent to text messages."""

        def one(write: WriteSms) -> Done | Refused:
            contact_id = write.contact.id if write.contact else None
            sms.write(self.client, self.audience_id, contact_id, write.push, quiet=self.quiet)
            return Done()

        return self._side_by_side(one, writes)

    def _side_by_side(self, do: Callable[[T], R], items: Sequence[T], *, reading: bool = False) -> list[Any]:
        """Each in a slot of its own: what came of it, or the error. A write's refusal is an answer, not an error."""

        def one(item: T) -> Any:
            try:
                return do(item)
            except Rejected as error:
                return error if reading else Refused(error.code, error.detail)
            except PlatformError as error:
                return error

        if len(items) == 1:
            return [one(items[0])]
        return list(self._pool.map(one, items))


def _body(write: WriteContact, *, creating: bool) -> str:
    body: dict[str, Any] = {"email_address": write.email}
    if write.status is not None:
        body["status"] = write.status.value
    if write.opted_in_at is not None:
        body["timestamp_opt"] = write.opted_in_at.isoformat(timespec="seconds")
    if write.merge_fields:
        body["merge_fields"] = dict(write.merge_fields)
    if creating and write.add_tags:
        body["tags"] = list(write.add_tags)
    return dumps(body)


def _done(member: Member) -> Done:
    return Done(contact=_parsed(member).consent, contact_id=member.contact_id)


def _parsed(member: Member) -> Contact:
    status = CONTACT_STATUSES.get(member.status)
    if status is None:
        raise UnknownStatus(member.status)
    return Contact(
        id=member.contact_id or subscriber_hash(member.email),
        key=normalise(member.email),
        email=member.email,
        consent=ContactConsent(status, member.opted_in_at, member.changed_at),
        merge_fields=member.merge_fields,
        tags=member.tags,
        sms=members.sms_of(member),
    )


def _parsed_or_why(member: Member) -> Contact | UnknownStatus:
    try:
        return _parsed(member)
    except UnknownStatus as error:  # one contact's riddle is nobody else's
        return error


def _as_remembered(row: Remembered) -> Contact | None:
    """A contact that did not change since we recorded it. Nobody recorded its tags; its phone only who looked at it."""
    status = ContactStatus(row.contact_status)
    if status is ContactStatus.ABSENT:
        return None
    consent = ContactConsent(status, row.contact_opted_at, row.contact_changed_at)
    known, archived = KnownSms.from_json(row.sms), status is ContactStatus.ARCHIVED
    texts = None
    if known is not None and known.contact:
        texts = ContactSms(SmsStatus(known.contact), known.contact_phone, archived=archived)
    return Contact(row.contact_id or "", row.key, row.key, consent, row.fields or {}, None, texts)


def _consent(found: Any) -> Any:
    if isinstance(found, Exception):
        return found
    return found.consent if found is not None else NO_CONTACT
