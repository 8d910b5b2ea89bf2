"""One audience in memory: members by address, in order of creation and in order of their last change.

A million members must fit in about a gigabyte and no call may walk them all. So a member holds its merge
values as the bytes that are sent anyway, rare attributes share one dict, ids are computed and not stored,
and each status has two sorted sets of numbers: one of members, one of change numbers, which follow time.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING, Any, Final

from shopchimp.sandbox.mailchimp.hooks import Hook
from shopchimp.sandbox.mailchimp.ordered import OrderedNumbers
from shopchimp.sandbox.mailchimp.sms import Sms, phone_digest

if TYPE_CHECKING:
    from shopchimp.sandbox.mailchimp.member_events import MemberEvent

STATUSES: Final = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")
MERGE_FIELD_LIMIT: Final = 30
# Contacts with a phone and no address. `/lists/.../members` does not show them, which is UNVERIFIED.
SMS_ONLY: Final = "sms_only"
SMS_ARCHIVED: Final = "sms_archived"
WITHOUT_ADDRESS: Final = frozenset({SMS_ONLY, SMS_ARCHIVED})
_UNLISTED: Final = WITHOUT_ADDRESS | {"archived"}
_ORDERS: Final = (*STATUSES, *sorted(WITHOUT_ADDRESS), "")

# Bits of Member.flags
VIP: Final = 1
COMPLIANCE: Final = 2  # opted out or bounced by themselves: no API call can subscribe them (consent.md F6)
OPT_GIVEN: Final = 4  # the caller gave timestamp_opt, so it is not this server's clock
SIGNUP_GIVEN: Final = 8

# A permutation of 128-bit numbers: contact ids look random, and lead back to the member without an index.
_ID_SPACE: Final = 1 << 128
_ID_FACTOR: Final = 0x9E3779B97F4A7C15F39CC0605CEDC835
_ID_OFFSET: Final = 0x5F0E8C1D9B7A4362A1D0C9E8F7B6A594
_ID_INVERSE: Final = pow(_ID_FACTOR, -1, _ID_SPACE)


@dataclass(slots=True, eq=False)
class Member:
    number: int
    email: str
    digest: bytes  # MD5 of the lower-cased address: the id
    status: str
    merge: bytes = b"{}"  # JSON of the values that are not empty
    tags: tuple[tuple[int, int], ...] = ()  # (tag id, added at)
    signup_at: int = 0  # 0: empty, as the API shows it
    opt_at: int = 0
    changed_at: int = 0
    created_at: int = 0
    change: int = 0
    flags: int = 0
    source: str = "API - Generic"
    sms: Sms | None = None
    extra: dict[str, Any] | None = None  # language, ips, location, interests, unsubscribe_reason ...

    @property
    def contact_id(self) -> str:
        return f"{(self.number * _ID_FACTOR + _ID_OFFSET) % _ID_SPACE:032x}"

    def get(self, name: str, default: Any = "") -> Any:
        return default if self.extra is None else self.extra.get(name, default)

    def put(self, name: str, value: Any) -> None:
        self.extra = {**(self.extra or {}), name: value}


@dataclass(slots=True)
class MergeField:
    merge_id: int
    tag: str
    name: str
    type: str
    required: bool = False
    default_value: str = ""
    public: bool = False
    display_order: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    help_text: str = ""


def digest_of(email: str) -> bytes:
    return md5(email.strip().lower().encode(), usedforsecurity=False).digest()


def digest_of_phone(phone: str) -> bytes:
    """What stands in for the address of a contact that has none."""
    return md5(f"sms:{phone}".encode(), usedforsecurity=False).digest()


class Audience:
    """Members, merge fields, tags and webhooks of one list. `now` is the account's clock in whole seconds."""

    def __init__(self, *, id: str, web_id: int, name: str, created_at: int, now: Callable[[], int]) -> None:  # noqa: A002
        self.id, self.web_id, self.name, self.created_at, self.now = id, web_id, name, created_at, now
        self.double_optin = False
        self.merge_fields: dict[int, MergeField] = {}
        self.blank_merge: dict[str, Any] = {}
        self.required_tags: list[str] = []
        self.by_tag: dict[str, MergeField] = {}
        self.tag_ids: dict[str, int] = {}
        self.tag_names: dict[int, str] = {}
        self.webhooks: dict[str, Hook] = {}
        self.events: dict[int, list[MemberEvent]] = {}
        self.forgotten: set[bytes] = set()
        self.last_subscribed_at = self.last_unsubscribed_at = 0
        self._members: list[Member | None] = []
        self._by_digest: dict[bytes, Member] = {}
        self._by_phone: dict[str, Member] = {}  # by the SHA-256 that the API's paths take
        self._created = {status: OrderedNumbers() for status in _ORDERS}
        self._changed = {status: OrderedNumbers() for status in _ORDERS}
        self._change_member = array("I", (0,))
        self._change_time = array("q", (0,))
        self._sorted: dict[tuple[str, str], tuple[tuple[int, int], list[Member]]] = {}
        self._tag_sets: dict[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]] = {}

    # Looking up

    def by_address(self, email: str) -> Member | None:
        return self._by_digest.get(digest_of(email))

    def by_digest(self, digest: bytes) -> Member | None:
        return self._by_digest.get(digest)

    def by_phone(self, phone: str) -> Member | None:
        return self._by_phone.get(phone_digest(phone))

    def by_phone_digest(self, digest: str) -> Member | None:
        return self._by_phone.get(digest)

    def by_contact_id(self, key: str) -> Member | None:
        """Upper and lower case both occur in the contract's examples."""
        try:
            number = int(key, 16) if len(key) == 32 else -1
        except ValueError:
            return None
        return self.by_number((number - _ID_OFFSET) * _ID_INVERSE % _ID_SPACE) if number >= 0 else None

    def by_number(self, number: int) -> Member | None:
        return self._members[number] if 0 <= number < len(self._members) else None

    def by_key(self, key: str, *, hash_only: bool = False) -> Member | None:
        """By MD5; most routes also take the plain address or the contact id (mailchimp.md section 5)."""
        if "@" in key:
            return None if hash_only else self.by_address(key)
        try:
            number = int(key, 16) if len(key) == 32 else -1
        except ValueError:
            return None
        if number < 0:
            return None
        found = self._by_digest.get(number.to_bytes(16, "big"))
        if found or hash_only:
            return found
        return self.by_number((number - _ID_OFFSET) * _ID_INVERSE % _ID_SPACE)

    def __iter__(self) -> Iterator[Member]:
        return (member for member in self._members if member is not None)

    def __len__(self) -> int:
        return len(self._by_digest)

    def count(self, status: str = "") -> int:
        """How many have the status; without one, all that are not archived."""
        return len(self._created[status])

    def created(self, status: str, start: int, stop: int) -> list[Member]:
        """By position in order of creation."""
        return [self._known(number) for number in self._created[status].cut(start, stop)]

    def changed_between(self, status: str, since: int | None, before: int | None) -> tuple[int, int]:
        """Positions in order of last change: changed after `since` and before `before`, both exclusive."""
        first = 0 if since is None else bisect_right(self._change_time, since)
        last = len(self._change_time) if before is None else bisect_left(self._change_time, before)
        order = self._changed[status]
        return order.rank(first), order.rank(last)

    def changed(self, status: str, start: int, stop: int) -> list[Member]:
        """By position in order of last change."""
        owner = self._change_member
        return [self._known(owner[change]) for change in self._changed[status].cut(start, stop)]

    def walk(self, start: int | None, *, by_change: bool, backwards: bool) -> Iterator[tuple[int, Member]]:
        """Everybody from a place on, archived ones and those without an address too, each with their place.

        By number, or by last change: there, what was changed again since is found at its newest place only.
        """
        last = (len(self._change_time) if by_change else len(self._members)) - 1
        if backwards:
            places = range(last if start is None else min(start, last), -1, -1)
        else:
            places = range(start or 0, last + 1)
        for place in places:
            member = self.by_number(self._change_member[place] if by_change else place)
            if member is not None and (not by_change or member.change == place):
                yield place, member

    def place_after(self, changed_at: int) -> int:
        """The first place in the order of changes that is later than a time."""
        return bisect_right(self._change_time, changed_at)

    def sorted_by(self, status: str, name: str, key: Callable[[Member], int]) -> list[Member]:
        """Those of this status by another time of theirs. Sorted once, as long as nobody changes: a reader pages it."""
        version = (len(self._change_time), len(self._by_digest))
        cached = self._sorted.get((status, name))
        if cached is None or cached[0] != version:
            cached = (version, sorted(self.created(status, 0, self.count(status)), key=key))
            self._sorted[status, name] = cached
        return cached[1]

    def _known(self, number: int) -> Member:
        member = self._members[number]
        if member is None:
            raise LookupError(f"member {number} is in an index although it was forgotten")
        return member

    # Changing

    def add(self, email: str, status: str, digest: bytes) -> Member:
        """A new member, not yet part of the order of changes: `touch` it when it is complete."""
        member = Member(number=len(self._members), email=email, digest=digest, status=status, created_at=self.now())
        self._members.append(member)
        self._by_digest[digest] = member
        self._enter(self._created, status, member.number)
        return member

    def touch(self, member: Member, at: int | None = None) -> None:
        """The member changed: last in the order of changes, with the present time."""
        if member.change:
            self._leave(self._changed, member.status, member.change)
        member.changed_at = max(self.now() if at is None else at, self._change_time[-1])
        member.change = len(self._change_time)
        self._change_time.append(member.changed_at)
        self._change_member.append(member.number)
        self._enter(self._changed, member.status, member.change)

    def set_status(self, member: Member, status: str) -> None:
        if status == member.status:
            return
        for order, number in ((self._created, member.number), (self._changed, member.change)):
            if number or order is self._created:
                self._leave(order, member.status, number)
                self._enter(order, status, number)
        member.status = status

    def set_address(self, member: Member, email: str, digest: bytes) -> None:
        if digest != member.digest:
            del self._by_digest[member.digest]
            self._by_digest[digest] = member
        member.email, member.digest = email, digest

    def set_sms(self, member: Member, sms: Sms | None) -> None:
        if member.sms is not None:
            self._by_phone.pop(phone_digest(member.sms.phone), None)
        if sms is not None:
            self._by_phone[phone_digest(sms.phone)] = member
        member.sms = sms

    def forget(self, member: Member) -> None:
        """delete-permanent: gone, and never to be added by API again."""
        self.forgotten.add(member.digest)
        self._leave(self._created, member.status, member.number)
        self._leave(self._changed, member.status, member.change)
        del self._by_digest[member.digest]
        if member.sms is not None:
            self._by_phone.pop(phone_digest(member.sms.phone), None)
        self._members[member.number] = None
        self.events.pop(member.number, None)

    def _enter(self, order: dict[str, OrderedNumbers], status: str, number: int) -> None:
        order[status].add(number)
        if status not in _UNLISTED:
            order[""].add(number)

    def _leave(self, order: dict[str, OrderedNumbers], status: str, number: int) -> None:
        order[status].remove(number)
        if status not in _UNLISTED:
            order[""].remove(number)

    # Tags and merge fields

    def tag_id(self, name: str) -> int:
        """Tags come into being when first used."""
        found = self.tag_ids.get(name)
        if found is None:
            found = self.tag_ids[name] = 4410 + len(self.tag_ids)
            self.tag_names[found] = name
        return found

    def with_tags(
        self, member: Member, add: Iterable[str], remove: Iterable[str] = (), *, at: int | None = None
    ) -> tuple[tuple[int, int], ...]:
        """The member's tags after a change, one shared tuple for everybody with the same."""
        kept = member.tags
        if kept and remove:
            gone = {self.tag_ids.get(name) for name in remove}
            kept = tuple(pair for pair in kept if pair[0] not in gone)
        has = {tag for tag, _ in kept}
        wanted = dict.fromkeys(map(self.tag_id, add))
        added_at = self.now() if at is None else at
        fresh = tuple((tag, added_at) for tag in wanted if tag not in has)
        return self._tag_sets.setdefault(kept + fresh, kept + fresh)

    def tags_of(self, member: Member) -> list[str]:
        return [self.tag_names[tag] for tag, _ in member.tags]

    def set_merge_field(self, changed: MergeField) -> None:
        self.merge_fields[changed.merge_id] = changed
        self._merge_fields_changed()

    def drop_merge_field(self, merge_id: int) -> None:
        del self.merge_fields[merge_id]
        self._merge_fields_changed()

    def _merge_fields_changed(self) -> None:
        self.blank_merge = {each.tag: "" for each in self.merge_fields.values()}
        self.required_tags = [each.tag for each in self.merge_fields.values() if each.required]
        self.by_tag = {each.tag: each for each in self.merge_fields.values()}
