"""One shop's customers: compact records and the indexes that keep every call off a scan of all of them."""

import time
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from shopchimp.sandbox.people import Address, Person
from shopchimp.sandbox.recording import WriteLog

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

    @property
    def gid(self) -> str:
        return f"gid://shopify/Customer/{self.number}"


Listener = Callable[[str, Any], None]


@dataclass(slots=True)
class Customers:
    """The customers of one shop. Times only move forward, so the index by `updated` is appended to, never sorted."""

    by_number: dict[int, Customer] = field(default_factory=dict)
    by_email: dict[str, int] = field(default_factory=dict)
    by_phone: dict[str, int] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    by_update: list[int] = field(default_factory=list)
    tag_sets: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    clock_dated: set[int] = field(default_factory=set)
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

    def add(self, customer: Customer) -> None:
        self._index(customer)
        insort(self.by_update, _update_key(customer))
        self._happened("customers/create", customer)

    def next_number(self) -> int:
        return self.numbers[-1] + 1 if self.numbers else FIRST_CUSTOMER + 1

    def changed(self, customer: Customer, topic: str = "customers/update") -> None:
        """Give the customer a new place in the order of changes; the old entry stays behind and is skipped."""
        now = self.now()
        if customer.updated != now:
            customer.updated = now
            insort(self.by_update, _update_key(customer))
        if len(self.by_update) > 2 * len(self.by_number) + 1000:
            self.by_update = sorted(_update_key(each) for each in self.by_number.values())
        self._happened(topic, customer)

    def rename(self, customer: Customer, *, email: str | None, phone: str | None) -> None:
        if customer.email:
            self.by_email.pop(customer.email.lower(), None)
        if customer.phone:
            self.by_phone.pop(customer.phone, None)
        customer.email, customer.phone = email, phone
        self._index_names(customer)

    def delete(self, customer: Customer) -> None:
        self.rename(customer, email=None, phone=None)
        del self.by_number[customer.number]
        self._happened("customers/delete", customer)

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

    def _index_names(self, customer: Customer) -> None:
        if customer.email:
            self.by_email[customer.email.lower()] = customer.number
        if customer.phone:
            self.by_phone[customer.phone] = customer.number

    def _happened(self, topic: str, customer: Customer) -> None:
        """The place where webhooks join: whoever listens is told each change with Shopify's name for it."""
        for listener in self.listeners:
            listener(topic, customer)


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
