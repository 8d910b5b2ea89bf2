"""One shop's customers: compact records and the indexes that keep every call off a scan of all of them."""

import time
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from shopchimp.sandbox.people import Address, Person
from shopchimp.sandbox.recording import WriteLog

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.metafields import Metafield

FIRST_CUSTOMER: Final = 7_000_000_000_000
OFFSET_BITS: Final = 40
OFFSET_MASK: Final = (1 << OFFSET_BITS) - 1


@dataclass(slots=True, eq=False)
class MailingAddress:
    number: int
    first_name: str | None
    last_name: str | None
    company: str | None
    place: Address


@dataclass(slots=True, eq=False)
class Customer:
    """Times are seconds since 1970 and money is cents: a million of these have to fit into memory."""

    number: int
    email: str | None
    first_name: str | None
    last_name: str | None
    phone: str | None
    address: MailingAddress | None
    note: str | None
    locale: str
    state: str
    tags: tuple[str, ...]
    created: int
    updated: int
    orders: int
    spent: int
    verified: bool
    email_state: str
    email_level: str
    email_at: int | None
    sms_state: str
    sms_level: str
    sms_at: int | None
    metafields: "dict[tuple[str, str], Metafield] | None" = None  # by namespace and key

    @property
    def gid(self) -> str:
        return f"gid://shopify/Customer/{self.number}"


class Happening(NamedTuple):
    """One thing that happened to a customer, under Shopify's name for it."""

    topic: str
    tags: tuple[str, ...] = ()  # those added or removed
    merged: "Customer | None" = None  # who is gone


CREATED: Final = Happening("customers/create")
UPDATED: Final = Happening("customers/update")
DELETED: Final = Happening("customers/delete")
EMAIL_CONSENT: Final = Happening("customers_email_marketing_consent/update")
SMS_CONSENT: Final = Happening("customers_marketing_consent/update")

# Called with what happened to whom, and whether it is the first of its action: the rest shares its event id.
Listener = Callable[[Happening, Customer, bool], None]


class Consent(NamedTuple):
    """What somebody chose for one address or number."""

    state: str = "NOT_SUBSCRIBED"
    level: str = "SINGLE_OPT_IN"
    at: int | None = None
    clock_dated: bool = False


NEVER_ASKED: Final = Consent()


@dataclass(slots=True)
class Customers:
    """The customers of one shop. Times only move forward, so the index by `updated` is appended to, never sorted.

    Consent belongs to the address it was given for, not to the customer: whoever takes an address on finds the choice
    that was last made for it in this shop, and a new address was never asked. Phone numbers are no different.
    """

    by_number: dict[int, Customer] = field(default_factory=dict)
    by_email: dict[str, int] = field(default_factory=dict)
    by_phone: dict[str, int] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    by_update: list[int] = field(default_factory=list)
    tag_sets: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    clock_dated: set[int] = field(default_factory=set)
    sms_clock_dated: set[int] = field(default_factory=set)
    left_emails: dict[str, Consent] = field(default_factory=dict)  # nobody's at the moment
    left_phones: dict[str, Consent] = field(default_factory=dict)
    log: WriteLog = field(default_factory=lambda: WriteLog(enabled=False))
    listeners: list[Listener] = field(default_factory=list)
    clock: Callable[[], float] = time.time

    def seed(self, person: Person) -> None:
        """One of the people the shop opens with; `open` follows the last of them."""
        if person.customer:
            tags = tuple(person.tags)
            self._index(_customer(person, self.tag_sets.setdefault(tags, tags)))

    def open(self) -> None:
        self.by_update = sorted(_update_key(customer) for customer in self.by_number.values())

    def __len__(self) -> int:
        return len(self.by_number)

    def get(self, gid: str) -> Customer | None:
        number = number_of(gid, "Customer")
        return None if number is None else self.by_number.get(number)

    def with_email(self, email: str) -> Customer | None:
        return self.by_number.get(self.by_email.get(email.strip().lower(), 0))

    def with_phone(self, phone: str) -> Customer | None:
        return self.by_number.get(self.by_phone.get(phone, 0))

    def now(self) -> int:
        return int(self.clock())

    def place(self, customer: Customer) -> None:
        """Put a new customer in; nobody is told before `created`."""
        self._index(customer)
        insort(self.by_update, _update_key(customer))

    def created(self, customer: Customer) -> None:
        self._tell(customer, (CREATED,))

    def next_number(self) -> int:
        return self.numbers[-1] + 1 if self.numbers else FIRST_CUSTOMER + 1

    def changed(self, customer: Customer, *happenings: Happening) -> None:
        """Give the customer a new place in the order of changes; the old entry stays behind and is skipped."""
        self._touch(customer)
        self._tell(customer, happenings or (UPDATED,))

    def rename(self, customer: Customer, *, email: str | None, phone: str | None) -> None:
        """Another address or number, and with it the consent that belongs to it."""
        self._unindex_names(customer)
        if (email or "").lower() != (customer.email or "").lower():
            _leave(self.left_emails, customer.email, self.email_consent(customer))
            self.set_email_consent(customer, self.left_emails.pop((email or "").lower(), NEVER_ASKED))
        if phone != customer.phone:
            _leave(self.left_phones, customer.phone, self.sms_consent(customer))
            self.set_sms_consent(customer, self.left_phones.pop(phone or "", NEVER_ASKED))
        customer.email, customer.phone = email, phone
        self._index_names(customer)

    def email_consent(self, customer: Customer) -> Consent:
        by_clock = customer.number in self.clock_dated
        return Consent(customer.email_state, customer.email_level, customer.email_at, by_clock)

    def set_email_consent(self, customer: Customer, consent: Consent) -> None:
        customer.email_state, customer.email_level, customer.email_at, by_clock = consent
        (self.clock_dated.add if by_clock else self.clock_dated.discard)(customer.number)

    def sms_consent(self, customer: Customer) -> Consent:
        by_clock = customer.number in self.sms_clock_dated
        return Consent(customer.sms_state, customer.sms_level, customer.sms_at, by_clock)

    def set_sms_consent(self, customer: Customer, consent: Consent) -> None:
        customer.sms_state, customer.sms_level, customer.sms_at, by_clock = consent
        (self.sms_clock_dated.add if by_clock else self.sms_clock_dated.discard)(customer.number)

    def delete(self, customer: Customer) -> None:
        """Gone with all that was known; only a later customer of the same address starts anew."""
        self.remove(customer)
        self._tell(customer, (DELETED,))

    def remove(self, customer: Customer) -> None:
        self._unindex_names(customer)
        del self.by_number[customer.number]
        self.clock_dated.discard(customer.number)
        self.sms_clock_dated.discard(customer.number)

    def merged(self, kept: Customer, gone: Customer) -> None:
        """Three topics, one action: the merge, the end of one, the change of the other."""
        self._touch(kept)
        self._tell(kept, (Happening("customers/merge", merged=gone),))
        self._tell(gone, (DELETED,), first=False)
        self._tell(kept, (UPDATED,), first=False)

    def in_update_order(self, customer_key: int) -> Customer | None:
        """The customer behind an entry of `by_update`, or None where the entry is stale."""
        customer = self.by_number.get(FIRST_CUSTOMER + (customer_key & OFFSET_MASK))
        if customer is None or customer.updated != customer_key >> OFFSET_BITS:
            return None
        return customer

    def position_of_update(self, seconds: int) -> int:
        return bisect_left(self.by_update, seconds << OFFSET_BITS)

    def __iter__(self) -> Iterator[Customer]:
        return iter(self.by_number.values())

    def _index(self, customer: Customer) -> None:
        self.by_number[customer.number] = customer
        if self.numbers and customer.number <= self.numbers[-1]:
            insort(self.numbers, customer.number)
        else:
            self.numbers.append(customer.number)
        self._index_names(customer)

    def _touch(self, customer: Customer) -> None:
        now = self.now()
        if customer.updated != now:
            customer.updated = now
            insort(self.by_update, _update_key(customer))
        if len(self.by_update) > 2 * len(self.by_number) + 1000:
            self.by_update = sorted(_update_key(each) for each in self.by_number.values())

    def _unindex_names(self, customer: Customer) -> None:
        if customer.email:
            self.by_email.pop(customer.email.lower(), None)
        if customer.phone:
            self.by_phone.pop(customer.phone, None)

    def _index_names(self, customer: Customer) -> None:
        if customer.email:
            self.by_email[customer.email.lower()] = customer.number
        if customer.phone:
            self.by_phone[customer.phone] = customer.number

    def _tell(self, customer: Customer, happenings: tuple[Happening, ...], *, first: bool = True) -> None:
        for listener in self.listeners:
            for number, happening in enumerate(happenings):
                listener(happening, customer, first and number == 0)


def _leave(left: dict[str, Consent], name: str | None, consent: Consent) -> None:
    if name and consent != NEVER_ASKED:
        left[name.lower()] = consent


def number_of(gid: str, kind: str) -> int | None:
    """`gid://shopify/Customer/7` -> 7; None for anything else."""
    head, _, tail = gid.rpartition("/")
    tail = tail.partition("?")[0]
    return int(tail) if head == f"gid://shopify/{kind}" and tail.isdecimal() else None


def _update_key(customer: Customer) -> int:
    return customer.updated << OFFSET_BITS | customer.number - FIRST_CUSTOMER


def _customer(person: Person, tags: tuple[str, ...]) -> Customer:
    number = FIRST_CUSTOMER + person.number
    address = None
    if person.address is not None:
        names = (person.first_name, person.last_name, person.company)
        address = MailingAddress(number, *names, person.address)
    return Customer(
        number=number,
        email=person.email,
        first_name=person.first_name,
        last_name=person.last_name,
        phone=person.phone,
        address=address,
        note=None,
        locale="en",
        state="DISABLED",
        tags=tags,
        created=int(person.created_at.timestamp()),
        updated=int(person.updated_at.timestamp()),
        orders=person.orders,
        spent=int(person.spent * 100),
        verified=person.verified,
        email_state=person.marketing_state,
        email_level=person.marketing_opt_in_level,
        email_at=None if person.marketing_updated_at is None else int(person.marketing_updated_at.timestamp()),
        sms_state="NOT_SUBSCRIBED",
        sms_level="SINGLE_OPT_IN",
        sms_at=None,
    )
