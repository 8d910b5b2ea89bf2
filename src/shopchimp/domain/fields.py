"""Which of a customer's fields go into which merge fields of the contact, and which come back from there.

The map is the shop's own, kept as plain JSON: `{"FNAME": "first_name", "ADDRESS": "address", ...}`. A customer comes
in as a mapping of first_name, last_name, phone and default_address; the address has Shopify's own words, as the API
(`provinceCode`) or as a CSV export (`province_code`) spells them. Requirements S105 and S106; the shapes of merge field
values are those of mailchimp.md section 4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

from shopchimp.domain.addresses import e164

DEFAULT_TAG = "Shopify"
"""Put on contacts that we make, so that the merchant sees where they come from (S80)."""

TEXT_BYTES = 255  # Mailchimp cuts a longer text there (mailchimp.md section 3)

_MERGE_TAG = re.compile(r"[A-Z0-9_]{1,10}")
# Merge tags that Mailchimp keeps for itself; EMAIL is the contact's address, which is its key.
_RESERVED = frozenset(
    {"EMAIL", "EMAIL_TYPE", "INTERESTS", "UNSUB", "FORWARD", "REWARDS", "ARCHIVE", "USER_URL", "DATE"}
)


class Source(StrEnum):
    """What of a customer can be sent. `label` names it in the settings page and a merge field we have to make."""

    label: str

    FIRST_NAME = "first_name", "First Name"
    LAST_NAME = "last_name", "Last Name"
    FULL_NAME = "full_name", "Full Name"
    PHONE = "phone", "Phone Number"
    ADDRESS = "address", "Address"
    COMPANY = "company", "Company"
    CITY = "city", "City"
    PROVINCE = "province", "Province"
    ZIP = "zip", "Postal Code"
    COUNTRY = "country", "Country"

    def __new__(cls, name: str, label: str) -> Self:
        """Make the member a string that is its name."""
        source = str.__new__(cls, name)
        source._value_ = name
        source.label = label
        return source

    @property
    def comes_back(self) -> bool:
        """Whether a change made in Mailchimp may go to the customer: what one value there means is one value here."""
        return self in _TWO_WAY

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types of merge field that take it; the first is the one we make."""
        return _KINDS.get(self, ("text",))


_SOURCES: dict[str, Source] = {source.value: source for source in Source}
_TWO_WAY = frozenset({Source.FIRST_NAME, Source.LAST_NAME, Source.PHONE})
_KINDS: dict[Source, tuple[str, ...]] = {
    Source.ADDRESS: ("address",),
    Source.PHONE: ("phone", "text"),
    Source.ZIP: ("text", "zip"),
}


class InvalidFieldMap(ValueError):
    """A merchant's map that can't be used; `problems` has a sentence for each thing wrong."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class MergeFieldSpec:
    """A merge field that the audience lacks."""

    tag: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Merge tags and what is sent into each, in the merchant's order.

    `two_way` are the tags whose changes in Mailchimp go to the customer. It is stored beside the map, as a list, so
    that a map stored before there were two ways means what it meant.
    """

    fields: tuple[tuple[str, Source], ...]
    two_way: frozenset[str] = frozenset()

    @classmethod
    def default(cls) -> FieldMap:
        """What a shop starts with: the audience's own four fields, and the company."""
        return _DEFAULT

    @classmethod
    def from_json(cls, value: object) -> FieldMap:
        """A map from its stored form; a field mapped to null is not sent. Raises InvalidFieldMap with all problems."""
        if not isinstance(value, Mapping):
            raise InvalidFieldMap(("A field map is an object of merge tags and customer fields",))
        problems = tuple(problem for tag, source in value.items() if (problem := _problem(tag, source)))
        if problems:
            raise InvalidFieldMap(problems)
        return cls(tuple((tag, _SOURCES[source]) for tag, source in value.items() if source is not None))

    def to_json(self) -> dict[str, str]:
        """As stored and as the API shows it."""
        return {tag: source.value for tag, source in self.fields}

    def with_two_way(self, tags: Iterable[str]) -> FieldMap:
        """The same map with these tags going both ways, as far as they can: mapped, and the first of its source."""
        sources, first = dict(self.fields), dict[Source, str]()
        for tag in tags:
            if (source := sources.get(tag)) is not None and source.comes_back:
                first.setdefault(source, tag)
        return replace(self, two_way=frozenset(first.values()))

    def two_way_problems(self, tags: Iterable[str]) -> tuple[str, ...]:
        """A sentence for each tag that can't go both ways. One that isn't mapped is no problem: it waits."""
        sources = dict(self.fields)
        taken: dict[Source, str] = {}
        problems = []
        for tag in dict.fromkeys(tags):
            source = sources.get(tag)
            if source is None:
                continue
            if not source.comes_back:
                problems.append(f"{tag}: {source.label} goes from Shopify to Mailchimp only")
            elif source in taken:
                problems.append(f"{tag}: {source.label} comes back from {taken[source]} already")
            else:
                taken[source] = tag
        return tuple(problems)

    def without(self, tags: Collection[str]) -> FieldMap:
        """The same map without these tags, for example those whose type doesn't fit."""
        return replace(self, fields=tuple(pair for pair in self.fields if pair[0] not in tags))

    def missing(self, kinds: Mapping[str, str]) -> tuple[MergeFieldSpec, ...]:
        """The merge fields to make in an audience that has those in `kinds` (type by merge tag)."""
        return tuple(
            MergeFieldSpec(tag, source.label, source.kinds[0]) for tag, source in self.fields if tag not in kinds
        )

    def fitting(self, kinds: Mapping[str, str]) -> list[str]:
        """The merge tags that an audience with the fields in `kinds` has, with a type that takes the value."""
        return [tag for tag, source in self.fields if kinds.get(tag) in source.kinds]

    def misfits(self, kinds: Mapping[str, str]) -> tuple[str, ...]:
        """A sentence for each merge field of the audience whose type can't take what the map sends there."""
        return tuple(
            f"{tag} has the type {kinds[tag]} in Mailchimp; {source.label} needs {' or '.join(source.kinds)}"
            for tag, source in self.fields
            if tag in kinds and kinds[tag] not in source.kinds
        )


def _problem(tag: object, source: object) -> str | None:
    if not isinstance(tag, str) or not _MERGE_TAG.fullmatch(tag):
        return f'"{tag}" is no merge tag: up to 10 capital letters, digits and underscores'
    if tag in _RESERVED:
        return f"{tag} belongs to Mailchimp and can't be mapped"
    if source is not None and not (isinstance(source, str) and source in _SOURCES):
        return f'{tag}: "{source}" is no customer field; choose one of {", ".join(Source)}'
    return None


_DEFAULT = FieldMap(
    (
        ("FNAME", Source.FIRST_NAME),
        ("LNAME", Source.LAST_NAME),
        ("PHONE", Source.PHONE),
        ("ADDRESS", Source.ADDRESS),
        ("COMPANY", Source.COMPANY),
    )
)


def merge_fields(customer: Mapping[str, Any], field_map: FieldMap) -> dict[str, Any]:
    """The merge fields to send for a customer. What the customer lacks is left out: empty never overwrites."""
    wanted = {}
    for tag, source in field_map.fields:
        if value := _READERS[source](customer):
            wanted[tag] = value
    return wanted


def differences(wanted: Mapping[str, Any], existing: Mapping[str, Any]) -> dict[str, Any]:
    """What of `wanted` the contact's merge fields do not say yet. Mailchimp answers "" for a field that is empty."""
    return {tag: value for tag, value in wanted.items() if not _says(existing.get(tag), value)}


@dataclass(frozen=True, slots=True)
class Fields:
    """What to write on each side, and what both agree on once that is done: stored as what is known.

    `to_contact` is by merge tag, `to_customer` by the source's name (first_name, last_name, phone).
    """

    to_contact: dict[str, Any] = field(default_factory=dict)
    to_customer: dict[str, str] = field(default_factory=dict)
    agreed: dict[str, Any] = field(default_factory=dict)


_PARTS = ("addr1", "addr2", "city", "state", "zip", "country")


def merge_three(
    mapped: Mapping[str, Any],
    existing: Mapping[str, Any],
    known: Mapping[str, Any] | None,
    field_map: FieldMap,
    *,
    intended: Sequence[Fields] = (),
) -> Fields:
    """A three-way merge of the fields: `mapped` is what the customer has (of `merge_fields`), `existing` the contact.

    A side has moved when it no longer says what both agreed on last (`known`; of `intended`, tries that nobody
    recorded, the newest first, what is seen to have been written counts as agreed). Every write follows from a move,
    so that a value which Mailchimp or Shopify stores in its own spelling is written once, not for ever:

    * Shopify moved, or nothing was agreed on: Mailchimp gets Shopify's value. That goes for both moved, too.
    * Only Mailchimp moved: the customer gets its value if the field is two-way; else the contact keeps what somebody
      entered there, until Shopify's value moves.
    * Empty never overwrites, with one exception: a value that both agreed on, is still there in Mailchimp, and was
      cleared in Shopify is cleared in Mailchimp. (Never an address, which reads as empty when it is incomplete.)
      Cleared in Mailchimp, the customer keeps it. A two-way value that only Mailchimp has goes to the customer.
    """
    merged = Fields()
    for tag, source in field_map.fields:
        ours, theirs = mapped.get(tag, ""), existing.get(tag)
        tries = [(each.to_contact.get(tag), each.to_customer.get(source.value)) for each in intended]
        base = _agreed_on(ours, theirs, known=(known or {}).get(tag), tries=tries)
        agreed: Any = ours
        if _says(theirs, ours):
            pass
        elif ours and (base is None or not _equal(ours, base)):
            merged.to_contact[tag] = ours
        elif not ours and base and isinstance(base, str) and _says(theirs, base):
            merged.to_contact[tag] = ""
        elif tag in field_map.two_way and (value := _for_customer(source, theirs)):
            if value == ours:  # the same phone number, spelt otherwise
                merged.to_contact[tag] = ours
            else:
                merged.to_customer[source.value] = value
                agreed = _text(theirs)
        if agreed:
            merged.agreed[tag] = agreed
    return merged


def _agreed_on(ours: Any, theirs: Any, *, known: Any, tries: Sequence[tuple[Any, str | None]]) -> Any:
    """What both sides had last: the value of a write that was made but not recorded, else what was recorded."""
    for sent, brought in tries:
        if sent is not None and _says(theirs, sent):
            return sent
        if brought is not None and _equal(ours, brought):
            return brought
    return known


def _for_customer(source: Source, theirs: object) -> str | None:
    """The contact's value as Shopify takes it, or None: a phone only as an international number (E.164)."""
    if not source.comes_back or isinstance(theirs, dict):
        return None
    text = _text(theirs)
    return e164(text) if source is Source.PHONE else text or None


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are the same to Mailchimp: an address by its parts, a part that is missing being empty."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_text(one.get(part)) == _text(other.get(part)) for part in _PARTS)
    return not isinstance(one, dict) and not isinstance(other, dict) and _text(one) == _text(other)


def _says(existing: object, wanted: str | dict[str, str]) -> bool:
    if existing == wanted:
        return True
    if isinstance(wanted, str):
        return not isinstance(existing, dict) and _text(existing) == wanted
    # One value of several parts: an empty part is no difference, but a new address replaces the old one whole.
    if not isinstance(existing, dict):
        return False
    return all(not part or _text(existing.get(name)) == part for name, part in wanted.items())


@lru_cache(maxsize=10_000)  # towns, countries and first names come again and again
def _clean(value: str) -> str:
    """A value on one line, without surplus spaces and invisible characters, cut where Mailchimp would cut it."""
    text = value.strip()
    if "  " in text or not text.isprintable():  # a tab, a line break and a no-break space aren't printable either
        text = " ".join("".join(sign for sign in text if sign.isprintable() or sign.isspace()).split())
    if len(text) * 4 <= TEXT_BYTES:  # short enough in any script
        return text
    return text.encode(errors="ignore")[:TEXT_BYTES].decode(errors="ignore").rstrip()


def _text(value: object) -> str:
    """Any value as such a text; none is an empty one."""
    if not value and value != 0:
        return ""
    return _clean(value if isinstance(value, str) else str(value))


def _home(customer: Mapping[str, Any]) -> Mapping[str, Any]:
    address = customer.get("default_address")
    return address if isinstance(address, dict) else {}


def _first(source: Mapping[str, Any], *names: str) -> str:
    for name in names:
        if text := _text(source.get(name)):
            return text
    return ""


def _phone(customer: Mapping[str, Any]) -> str:
    """S106: the customer's own phone, else that of the default address, else none."""
    return _first(customer, "phone") or _first(_home(customer), "phone")


def _address(customer: Mapping[str, Any]) -> dict[str, str]:
    """Mailchimp takes an address only with street, city, state and postal code; an incomplete one is not sent."""
    home = _home(customer)
    street, city, postcode = _text(home.get("address1")), _text(home.get("city")), _text(home.get("zip"))
    if not (street and city and postcode):
        return {}
    state = _first(home, "provinceCode", "province_code", "province")
    if not state:
        return {}
    return {
        "addr1": street,
        "addr2": _text(home.get("address2")),
        "city": city,
        "state": state,
        "zip": postcode,
        "country": _first(home, "countryCodeV2", "country_code", "country"),
    }


_READERS: dict[Source, Callable[[Mapping[str, Any]], str | dict[str, str]]] = {
    Source.FIRST_NAME: lambda customer: _first(customer, "first_name"),
    Source.LAST_NAME: lambda customer: _first(customer, "last_name"),
    Source.FULL_NAME: lambda customer: _text(f"{_first(customer, 'first_name')} {_first(customer, 'last_name')}"),
    Source.PHONE: _phone,
    Source.ADDRESS: _address,
    Source.COMPANY: lambda customer: _first(customer, "company") or _first(_home(customer), "company"),
    Source.CITY: lambda customer: _first(_home(customer), "city"),
    Source.PROVINCE: lambda customer: _first(_home(customer), "province", "provinceCode", "province_code"),
    Source.ZIP: lambda customer: _first(_home(customer), "zip"),
    Source.COUNTRY: lambda customer: _first(_home(customer), "countryCodeV2", "country_code", "country"),
}
