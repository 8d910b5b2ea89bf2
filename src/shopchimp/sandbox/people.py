"""The people both halves of the sandbox are filled with.

Everything here is invented: names, addresses, phone numbers (555-01xx), tags and consent. No line describes
a real person; every e-mail address ends in example.com, example.net or example.org. A person follows from
the seed and their number alone, so the same command always builds the same shop and the same audience.

The mix covers every cell of the first sync's truth table: each consent state of Shopify meets each status
of Mailchimp, about 55 % of the customers are also contacts, about 6 % of all people need their consent in
Shopify corrected, some opt-outs are provably newer than the opt-in they face and some are not, some
customers have no address, some write theirs in capitals, and for every twenty customers there is one
contact who never bought anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TypeVar

T = TypeVar("T")

HISTORY_START = datetime(2023, 1, 1, tzinfo=UTC)
HISTORY_END = datetime(2026, 10, 1, tzinfo=UTC)
CONTACTS_ONLY_FROM = 900_000_000
CUSTOMERS_PER_STRANGER = 20


@dataclass(slots=True)
class Address:
    address1: str
    address2: str | None
    city: str
    province: str | None
    province_code: str | None
    country: str
    country_code: str
    zip: str
    phone: str | None


@dataclass(slots=True)
class Person:
    number: int
    email: str | None
    first_name: str | None
    last_name: str | None
    phone: str | None
    company: str | None
    address: Address | None
    customer: bool
    marketing_state: str
    marketing_opt_in_level: str
    marketing_updated_at: datetime | None
    created_at: datetime
    updated_at: datetime
    tags: list[str]
    orders: int
    spent: Decimal
    verified: bool
    contact_status: str | None
    contact_opt_at: datetime | None
    contact_signup_at: datetime | None
    contact_changed_at: datetime | None
    contact_merge: dict[str, str]
    contact_tags: list[str]


@dataclass(frozen=True, slots=True)
class Purchases:
    """What a real purchase log says about one customer; names and consent are still invented."""

    orders: int
    spent: Decimal
    first: datetime
    last: datetime


def generate(count: int, seed: int) -> Iterator[Person]:
    """`count` invented customers and, after every twenty, one contact who is no customer."""
    for number in range(1, count + 1):
        yield customer(number, seed)
        if number % CUSTOMERS_PER_STRANGER == 0:
            yield stranger(CONTACTS_ONLY_FROM + number // CUSTOMERS_PER_STRANGER, seed)


def customer(number: int, seed: int, purchases: Purchases | None = None) -> Person:
    dice = _dice(number, seed)
    person = _somebody(number, dice, _invented_purchases(dice) if purchases is None else purchases)
    person.marketing_state = _pick(dice, _STATES)
    if dice.random() < 0.015:
        person.email, person.marketing_state = None, "NOT_SUBSCRIBED"
    _decide_at_shopify(person, dice)
    status = _pick(dice, _STATUSES[person.marketing_state])
    if status and person.email:
        _become_contact(person, status, dice)
    return person


def stranger(number: int, seed: int) -> Person:
    """A contact of the audience who never became a customer."""
    dice = _dice(number, seed)
    seen = _moment(dice, HISTORY_START, HISTORY_END)
    person = _somebody(number, dice, Purchases(0, Decimal("0.00"), seen, seen))
    person.customer = False
    _become_contact(person, _pick(dice, _STRANGERS), dice)
    return person


def _somebody(number: int, dice: Random, purchases: Purchases) -> Person:
    first, last = _one(dice, _FIRST_NAMES), _one(dice, _LAST_NAMES)
    return Person(
        number=number,
        email=_email(number, first, last, dice),
        first_name=first if dice.random() > 0.02 else None,
        last_name=last if dice.random() > 0.02 else None,
        phone=_phone(number) if number % 3 == 0 else None,
        company=f"{last} & Co." if dice.random() < 0.05 else None,
        address=_address(dice) if dice.random() < 0.8 else None,
        customer=True,
        marketing_state="NOT_SUBSCRIBED",
        marketing_opt_in_level="SINGLE_OPT_IN",
        marketing_updated_at=None,
        created_at=purchases.first,
        updated_at=max(purchases.first, purchases.last),
        tags=list(_one(dice, _TAG_SETS)),
        orders=purchases.orders,
        spent=purchases.spent,
        verified=dice.random() < 0.9,
        contact_status=None,
        contact_opt_at=None,
        contact_signup_at=None,
        contact_changed_at=None,
        contact_merge={},
        contact_tags=[],
    )


def _decide_at_shopify(person: Person, dice: Random) -> None:
    match person.marketing_state:
        case "SUBSCRIBED" | "UNSUBSCRIBED":
            person.marketing_opt_in_level = _one(dice, ("SINGLE_OPT_IN", "SINGLE_OPT_IN", "CONFIRMED_OPT_IN"))
            person.marketing_updated_at = _moment(dice, person.created_at, HISTORY_END)
        case "PENDING":
            person.marketing_opt_in_level = "CONFIRMED_OPT_IN"
            person.marketing_updated_at = _moment(dice, HISTORY_END - timedelta(days=30), HISTORY_END)
        case _:
            return
    person.updated_at = max(person.updated_at, person.marketing_updated_at)


def _become_contact(person: Person, status: str, dice: Random) -> None:
    """Mailchimp's side of the person; for opposite choices the dice say which one is provably the newer."""
    signup = _moment(dice, HISTORY_START, HISTORY_END - timedelta(days=100))
    if person.marketing_updated_at and {person.marketing_state, status} in _OPPOSITES:
        theirs_is_newer = dice.random() < 0.5
        days = -40 if theirs_is_newer else 1
        signup = person.marketing_updated_at + timedelta(days=days, minutes=_below(dice, 1000))
        signup = min(signup, HISTORY_END)
    person.contact_status = status
    person.contact_signup_at = signup
    if status not in ("pending", "transactional") and dice.random() < 0.97:
        person.contact_opt_at = signup + timedelta(minutes=1 + _below(dice, 599))
    person.contact_changed_at = signup + timedelta(days=1 + _below(dice, 29), minutes=_below(dice, 1000))
    if dice.random() < 0.85:
        person.contact_merge = {"FNAME": person.first_name or "", "LNAME": person.last_name or ""}
    elif dice.random() < 0.5:
        person.contact_merge = {"FNAME": _one(dice, _FIRST_NAMES), "LNAME": person.last_name or ""}
    person.contact_tags = list(_one(dice, _TAG_SETS))


def _dice(number: int, seed: int) -> Random:
    return Random(seed << 40 | number)  # noqa: S311 - invented people, nothing secret


def _one(dice: Random, values: Sequence[T]) -> T:
    return values[int(dice.random() * len(values))]  # four times as fast as choice()


def _below(dice: Random, limit: int) -> int:
    return int(dice.random() * limit)


def _pick(dice: Random, weighted: tuple[tuple[T, float], ...]) -> T:
    rest = dice.random() * 100
    for value, weight in weighted:
        rest -= weight
        if rest < 0:
            return value
    return weighted[-1][0]


def _moment(dice: Random, first: datetime, last: datetime) -> datetime:
    seconds = int((last - first).total_seconds())
    return first + timedelta(seconds=_below(dice, max(seconds, 1)))


def _invented_purchases(dice: Random) -> Purchases:
    created = _moment(dice, HISTORY_START, HISTORY_END)
    orders = int(dice.expovariate(0.5))
    spent = Decimal(sum(900 + _below(dice, 11_100) for _ in range(orders))).scaleb(-2)
    return Purchases(orders, spent, created, _moment(dice, created, HISTORY_END) if orders else created)


def _email(number: int, first: str, last: str, dice: Random) -> str:
    email = f"{first}.{last}.{number}@{_one(dice, _DOMAINS)}".replace("é", "e")
    return email if dice.random() < 0.03 else email.lower()


def _phone(number: int) -> str | None:
    """A number kept free for fiction, for one person only; past 240,000 people they are used up."""
    area, line = divmod(number // 3, 100)
    return f"+1{200 + area}55501{line:02d}" if area < 800 else None


def _address(dice: Random) -> Address:
    city, province, province_code, country, country_code, zipcode = _one(dice, _PLACES)
    return Address(
        address1=f"{1 + _below(dice, 399)} {_one(dice, _STREETS)}",
        address2=f"Apt {1 + _below(dice, 59)}" if dice.random() < 0.15 else None,
        city=city,
        province=province,
        province_code=province_code,
        country=country,
        country_code=country_code,
        zip=zipcode,
        phone=f"+120255501{_below(dice, 100):02d}" if dice.random() < 0.2 else None,
    )


# Shares in percent; together the two tables make about 6 % of the people need a write to Shopify.
_STATES = (
    ("SUBSCRIBED", 45.0),
    ("NOT_SUBSCRIBED", 38.0),
    ("UNSUBSCRIBED", 12.0),
    ("PENDING", 3.0),
    ("INVALID", 2.0),
)
_STATUSES: dict[str, tuple[tuple[str | None, float], ...]] = {
    "SUBSCRIBED": (
        (None, 45.0),
        ("subscribed", 46.0),
        ("unsubscribed", 1.6),
        ("cleaned", 1.4),
        ("pending", 1.0),
        ("transactional", 3.0),
        ("archived", 2.0),
    ),
    "NOT_SUBSCRIBED": (
        (None, 45.0),
        ("transactional", 44.0),
        ("subscribed", 4.0),
        ("unsubscribed", 2.0),
        ("cleaned", 2.0),
        ("pending", 1.0),
        ("archived", 2.0),
    ),
    "UNSUBSCRIBED": (
        (None, 45.0),
        ("unsubscribed", 30.0),
        ("subscribed", 12.0),
        ("transactional", 5.0),
        ("cleaned", 4.0),
        ("archived", 3.0),
        ("pending", 1.0),
    ),
    "PENDING": (
        (None, 45.0),
        ("subscribed", 20.0),
        ("pending", 15.0),
        ("transactional", 8.0),
        ("unsubscribed", 5.0),
        ("cleaned", 4.0),
        ("archived", 3.0),
    ),
    "INVALID": (
        (None, 45.0),
        ("cleaned", 30.0),
        ("subscribed", 8.0),
        ("unsubscribed", 6.0),
        ("transactional", 5.0),
        ("archived", 4.0),
        ("pending", 2.0),
    ),
}
_STRANGERS = (
    ("subscribed", 68.0),
    ("unsubscribed", 15.0),
    ("transactional", 6.0),
    ("cleaned", 5.0),
    ("archived", 4.0),
    ("pending", 2.0),
)
_OPPOSITES = (
    {"SUBSCRIBED", "unsubscribed"},
    {"SUBSCRIBED", "cleaned"},
    {"SUBSCRIBED", "archived"},
    {"UNSUBSCRIBED", "subscribed"},
)
_OPT_IN_LEVELS = ("SINGLE_OPT_IN", "SINGLE_OPT_IN", "CONFIRMED_OPT_IN")
_DOMAINS = ("example.com", "example.net", "example.org")
_TAG_SETS: tuple[tuple[str, ...], ...] = (
    *((),) * 6,
    ("early-access",),
    ("gift-buyer",),
    ("newsletter-popup",),
    ("vip",),
    ("wholesale",),
    ("returning", "vip"),
)
_STREETS = (
    "Oak Street",
    "Mill Lane",
    "Harbour Road",
    "Kirchweg",
    "Rue des Lilas",
    "Maple Avenue",
    "Station Road",
)
_PLACES: tuple[tuple[str, str | None, str | None, str, str, str], ...] = (
    ("Springfield", "Illinois", "IL", "United States", "US", "62701"),
    ("Portland", "Oregon", "OR", "United States", "US", "97201"),
    ("Austin", "Texas", "TX", "United States", "US", "73301"),
    ("Ottawa", "Ontario", "ON", "Canada", "CA", "K1A 0B1"),
    ("Leeds", "England", "ENG", "United Kingdom", "GB", "LS1 1UR"),
    ("Hamburg", None, None, "Germany", "DE", "20095"),
    ("Lyon", None, None, "France", "FR", "69001"),
    ("Göteborg", None, None, "Sweden", "SE", "411 01"),
)
# fmt: off
_FIRST_NAMES = (
    "Ada", "Aisha", "Anna", "Ben", "Carla", "Chidi", "Clara", "Dmitri", "Elif", "Emma", "Farid", "Grace",
    "Hana", "Ivan", "Jonas", "José", "Karin", "Liam", "Lena", "Mateo", "Mei", "Milan", "Nadia", "Noah",
    "Olga", "Omar", "Paula", "Priya", "Quentin", "Rosa", "Sam", "Sofia", "Tariq", "Thea", "Uma", "Viktor",
    "Wanda", "Yusuf", "Zoe", "Zuri",
)
_LAST_NAMES = (
    "Adeyemi", "Andersson", "Baker", "Bianchi", "Castro", "Chen", "Dubois", "Eriksen", "Fischer",
    "Garcia", "Haddad", "Ito", "Jensen", "Kaya", "Kowalski", "Larsen", "Meyer", "Murphy", "Nakamura",
    "Novak", "Okafor", "Patel", "Quist", "Rossi", "Santos", "Singh", "Tanaka", "Ueda", "Vogel", "Wagner",
    "Weber", "Young", "Zhang",
)
# fmt: on
