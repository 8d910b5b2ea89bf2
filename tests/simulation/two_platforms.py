"""A Shopify and a Mailchimp for the simulation: only what consent, names and addresses need, by the rules of consent.md.

Times are milliseconds of true time; each platform has a clock of its own (`skew`) and shows whole seconds. Every edit by
a person or a merchant that changes what a platform shows is written into the book of facts (`truth.Book`): the oracle
reads that, never the engine's words.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from truth import Book

from shopchimp.domain.consent import ContactConsent, ContactStatus, CustomerConsent, CustomerState
from shopchimp.domain.records import Contact, Customer
from shopchimp.domain.steps import Done, Refused

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
_MOMENTS: dict[int, datetime] = {}

SUB, NOT, UNSUB, ASKED = (
    CustomerState.SUBSCRIBED,
    CustomerState.NOT_SUBSCRIBED,
    CustomerState.UNSUBSCRIBED,
    CustomerState.PENDING,
)
IN, OUT, BOUNCED, WAITING, UNASKED, ARCHIVED, ABSENT = (
    ContactStatus.SUBSCRIBED,
    ContactStatus.UNSUBSCRIBED,
    ContactStatus.CLEANED,
    ContactStatus.PENDING,
    ContactStatus.TRANSACTIONAL,
    ContactStatus.ARCHIVED,
    ContactStatus.ABSENT,
)


def moment(second: int) -> datetime:
    found = _MOMENTS.get(second)
    if found is None:
        found = _MOMENTS[second] = NOON + timedelta(seconds=second)
    return found


def to_the_ms(now: int) -> datetime:
    return NOON + timedelta(milliseconds=now)


def second_of(at: datetime) -> int:
    return int((at - NOON).total_seconds())


class Shopper:
    """A customer record. `at` is the visible consent's second by Shopify's clock."""

    __slots__ = ("at", "id", "key", "level", "name", "state", "updated")

    def __init__(self, id_: int, key: str, state: CustomerState, at: int | None, name: str, updated: int) -> None:
        self.id, self.key, self.state, self.at, self.name, self.updated = id_, key, state, at, name, updated
        self.level: str | None = None

    def consent(self) -> CustomerConsent:
        return CustomerConsent(self.state, None if self.at is None else moment(self.at), self.level)

    def read(self) -> Customer:
        email = self.key if "@" in self.key else None
        return Customer(self.id, self.key, email, self.consent(), {"first_name": self.name} if self.name else {})


class Shop:
    """F1 to F4: the newest date is visible, an unchanged state keeps its date, whole seconds."""

    __slots__ = ("book", "by_id", "carries", "mail", "next_id", "skew", "writes")

    def __init__(self, book: Book, skew: int, *, carries: bool) -> None:
        self.book, self.skew, self.carries = book, skew, carries
        self.by_id: dict[int, Shopper] = {}
        self.next_id = 1
        self.mail: list[tuple[int, int]] = []  # (customer, when)
        self.writes = 0

    def clock(self, now: int) -> int:
        return (now + self.skew) // 1000

    def with_address(self, key: str) -> Shopper | None:
        for each in self.by_id.values():
            if each.key == key:
                return each
        return None

    def add(self, key: str, state: CustomerState, at: int | None, name: str, updated: int) -> Shopper:
        made = self.by_id[self.next_id] = Shopper(self.next_id, key, state, at, name, updated)
        self.next_id += 1
        return made

    def touch(self, shopper: Shopper, now: int) -> None:
        shopper.updated = self.clock(now)
        self.mail.append((shopper.id, now))

    # --- what people and merchants do

    def choose(self, shopper: Shopper, state: CustomerState, now: int) -> None:
        if shopper.state is state or shopper.state in (CustomerState.REDACTED, CustomerState.INVALID):
            return self.touch(shopper, now)  # an order: nothing that anybody could see of the choice (F2)
        second = self.clock(now)
        if shopper.at is not None and shopper.at > second:
            return None
        shopper.state, shopper.at, shopper.level = state, second, None
        if state is SUB:
            self.book.chose(now, shopper.key, "shop", opted_in=True)
        elif state is UNSUB:
            self.book.chose(now, shopper.key, "shop", opted_in=False)
        else:  # asking anew hides the choice before it (the table's cell: PENDING, nothing is written)
            self.book.said(now, f"shop: {shopper.key} is {state}")
            self.book.hide(shopper.key, "shop")
        return self.touch(shopper, now)

    def rename(self, shopper: Shopper, name: str, now: int) -> None:
        shopper.name = name
        self.book.named(now, "shop", shopper.key, name)
        self.touch(shopper, now)

    def change_address(self, shopper: Shopper, key: str, now: int) -> None:
        if self.with_address(key) is not None:
            return
        self.book.said(now, f"shop: customer {shopper.id} moves {shopper.key} -> {key}")
        self.book.hide(shopper.key, "shop")
        self.book.shifts.append(now)
        shopper.key = key
        if self.carries:  # the record's consent goes along: it is said of the new address as of now
            if shopper.state in (SUB, UNSUB):
                self.book.chose(now, key, "shop", opted_in=shopper.state is SUB, carried_from=shopper.at)
        else:
            shopper.state, shopper.at = NOT, None
        self.touch(shopper, now)

    def delete(self, shopper: Shopper, now: int) -> None:
        del self.by_id[shopper.id]
        self.book.said(now, f"shop: customer {shopper.id} deleted")
        self.book.hide(shopper.key, "shop")
        self.mail.append((shopper.id, now))

    def merge(self, kept: Shopper, gone: Shopper, now: int) -> None:
        """M8: the surviving record gets the latest choice of both."""
        del self.by_id[gone.id]
        self.book.said(now, f"shop: customer {gone.id} merged into {kept.id}")
        self.book.shifts.append(now)
        self.book.hide(gone.key, "shop")
        self.mail.append((gone.id, now))
        if gone.state in (SUB, UNSUB) and (kept.at is None or (gone.at or 0) > kept.at):
            kept.state, kept.at = gone.state, gone.at
            self.book.chose(now, kept.key, "shop", opted_in=kept.state is SUB, carried_from=kept.at)
        self.touch(kept, now)

    # --- what the API does

    def write_consent(
        self, id_: int, state: CustomerState, at: datetime | None, level: str, now: int
    ) -> Done | Refused | None:
        """None: the date is in the future by our clock; try again."""
        shopper = self.by_id.get(id_)
        if shopper is None:
            return Refused("sh_customer_gone")
        second = self.clock(now) if at is None else second_of(at)
        if second > self.clock(now):
            self.book.future += 1
            return None
        self.writes += 1
        if shopper.state is state or (shopper.at is not None and second < shopper.at):
            self.book.said(now, f"engine: {shopper.key} to {state} at {second} in Shopify: not visible")
            return Done()
        self.book.wrote(now, "shop", shopper.key, f"{state} at {second}")
        shopper.state, shopper.at, shopper.level = state, second, level
        self.touch(shopper, now)
        return Done()

    def write_name(self, id_: int, name: str, seen: str | None, now: int) -> Done | Refused:
        shopper = self.by_id.get(id_)
        if shopper is None:
            return Refused("sh_customer_gone")
        if (shopper.name or None) != seen:
            return Refused("sh_moved")
        self.writes += 1
        self.book.wrote(now, "shop", shopper.key, f"name {name}")
        if shopper.name != name:
            shopper.name = name
            self.touch(shopper, now)
        return Done()

    def create(self, key: str, state: CustomerState, at: datetime | None, name: str, now: int) -> Done | Refused:
        if self.with_address(key) is not None:
            return Refused("sh_taken")
        self.writes += 1
        self.book.wrote(now, "shop", key, f"created {state}")
        made = self.add(key, state, None if at is None else second_of(at), name, self.clock(now))
        self.mail.append((made.id, now))
        return Done(customer_id=made.id)


class Member:
    """A contact. `shut`: it opted out itself or bounced, so the API may not subscribe it (F6)."""

    __slots__ = ("changed", "hidden", "id", "key", "name", "opted", "shut", "status", "wrote_last")

    def __init__(self, id_: str, key: str, status: ContactStatus, opted: int | None, name: str, changed: int) -> None:
        self.id, self.key, self.status, self.opted, self.name, self.changed = id_, key, status, opted, name, changed
        self.shut = False

    def consent(self) -> ContactConsent:
        return ContactConsent(self.status, None if self.opted is None else moment(self.opted), moment(self.changed))

    def read(self) -> Contact:
        return Contact(self.id, self.key, self.key, self.consent(), {"FNAME": self.name}, ())


class Chimp:
    """F6, F7, F9, M4: refusals, forgotten addresses, `last_changed` of every edit, `timestamp_opt`, whole seconds."""

    __slots__ = ("book", "by_key", "double_optin", "forgotten", "mail", "next_id", "skew", "writes")

    def __init__(self, book: Book, skew: int, *, double_optin: bool) -> None:
        self.book, self.skew, self.double_optin = book, skew, double_optin
        self.by_key: dict[str, Member] = {}
        self.forgotten: set[str] = set()
        self.mail: list[tuple[str, int | None, int]] = []  # (key, second of an opt-out, when)
        self.next_id = 1
        self.writes = 0

    def clock(self, now: int) -> int:
        return (now + self.skew) // 1000

    def add(self, key: str, status: ContactStatus, opted: int | None, name: str, changed: int) -> Member:
        made = self.by_key[key] = Member(f"m{self.next_id}", key, status, opted, name, changed)
        self.next_id += 1
        return made

    def touch(self, member: Member, now: int, *, opted_out: bool = False) -> None:
        member.changed = self.clock(now)
        self.mail.append((member.key, member.changed if opted_out else None, now))

    # --- what people and merchants do

    def join(self, key: str, now: int) -> None:
        """The person signs up with a form; where the audience asks, it has to be confirmed."""
        member = self.by_key.get(key)
        if member is not None and member.status is IN:
            return
        self.forgotten.discard(key)
        if member is None:
            member = self.add(key, UNASKED, None, "", self.clock(now))
        if self.double_optin:
            member.status = WAITING
            self.book.said(now, f"chimp: {key} signs up, to be confirmed")
            self.book.hide(key, "chimp")
            self.touch(member, now)
            return
        self._subscribed(member, now)

    def confirm(self, member: Member, now: int) -> None:
        if member.status is WAITING:
            self._subscribed(member, now)

    def _subscribed(self, member: Member, now: int) -> None:
        member.status, member.opted, member.shut = IN, self.clock(now), False
        self.book.chose(now, member.key, "chimp", opted_in=True)
        self.touch(member, now)

    def leave(self, member: Member, now: int, *, by_admin: bool) -> None:
        if member.status is not IN:
            return
        member.status, member.shut = OUT, not by_admin
        self.book.chose(now, member.key, "chimp", opted_in=False)
        self.touch(member, now, opted_out=True)

    def bounce(self, member: Member, now: int, *, complained: bool) -> None:
        if member.status is not IN:
            return
        member.status, member.shut = BOUNCED, True
        if complained:
            self.book.chose(now, member.key, "chimp", opted_in=False)
        else:
            self.book.bounced(now, member.key)
        self.touch(member, now, opted_out=complained)

    def rename(self, member: Member, name: str, now: int) -> None:
        if member.status is ARCHIVED:
            return
        member.name = name
        self.book.named(now, "chimp", member.key, name)
        self.touch(member, now)

    def archive(self, member: Member, now: int) -> None:
        if member.status is ARCHIVED:
            return
        member.status = ARCHIVED
        self.book.hide(member.key, "chimp")
        self.book.archived(now, member.key)
        self.touch(member, now)

    def forget(self, member: Member, now: int) -> None:
        del self.by_key[member.key]
        self.forgotten.add(member.key)
        self.book.deleted(now, member.key)
        self.book.hide(member.key, "chimp")
        self.mail.append((member.key, None, now))

    # --- what the API does

    def write(
        self, key: str, status: ContactStatus | None, opted: datetime | None, name: str | None, now: int
    ) -> Done | Refused:
        member = self.by_key.get(key)
        if member is None:
            if status is None:
                return Refused("mc_not_found")
            if key in self.forgotten:
                self.book.said(now, f"engine: {key} to {status} in Mailchimp: forgotten")
                return Refused("mc_forgotten")
            member = self.add(key, UNASKED, None, "", self.clock(now))
            before = ABSENT
        else:
            before = member.status
            if status is IN and member.shut and before is not IN:
                self.book.said(now, f"engine: {key} to {status} in Mailchimp: compliance state")
                return Refused("mc_compliance_state")
        self.writes += 1
        changed = status is not None and before is not status
        if status is not None and changed:
            member.status = status
            if status is IN:
                member.opted = self.clock(now) if opted is None else second_of(opted)
            self.book.wrote(now, "chimp", key, f"{status} at {member.opted} (was {before})")
            if status in (IN, WAITING):
                self.book.asked(now, key, status)
        elif opted is not None:
            member.opted, changed = second_of(opted), True
        if name is not None and name != member.name:
            member.name, changed = name, True
            self.book.wrote(now, "chimp", key, f"name {name}")
        if changed:
            self.touch(member, now, opted_out=status is OUT and before is not OUT)
        return Done(member.consent(), member.id)

    def move(self, key: str, new: str, now: int) -> Done | Refused:
        member = self.by_key.get(key)
        if member is None:
            return Refused("mc_not_found")
        if new in self.by_key:
            return Refused("mc_contact_exists")
        if new in self.forgotten:
            return Refused("mc_forgotten")
        self.writes += 1
        del self.by_key[key]
        member.key = new
        self.by_key[new] = member
        self.book.moved(now, key, new)
        self.mail.append((key, None, now))
        self.touch(member, now)
        return Done(member.consent(), member.id)
