"""What beside consent has to be carried: field values both ways, tags one way. A three-way merge like consent's.

Values are compared with what both sides agreed on last. Nobody's profile is touched where Mailchimp would bring the
contact back by it (archived), or where nobody may be written to anyway (cleaned).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shopchimp.domain.consent import ContactStatus
from shopchimp.domain.fields import FieldMap, merge_three
from shopchimp.domain.records import Contact, Person, Sides
from shopchimp.domain.tags import TagRules, tag_changes

_WRITABLE = frozenset(
    {ContactStatus.SUBSCRIBED, ContactStatus.UNSUBSCRIBED, ContactStatus.TRANSACTIONAL, ContactStatus.PENDING}
)


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """The shop's field map and its rules for tags."""

    field_map: FieldMap = field(default_factory=FieldMap.default)
    tags: TagRules = field(default_factory=TagRules)


@dataclass(frozen=True, slots=True)
class Profile:
    """What to write where, and what to remember when it is written."""

    to_contact: Mapping[str, Any] = field(default_factory=dict)
    to_customer: Mapping[str, str] = field(default_factory=dict)
    agreed: Mapping[str, Any] | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    carried: tuple[str, ...] | None = None

    def tags_after(self, contact: Contact | None) -> tuple[str, ...]:
        """The contact's tags when these changes are made."""
        before = contact.tags or () if contact else ()
        kept = [tag for tag in before if tag not in self.remove_tags]
        return (*kept, *(tag for tag in self.add_tags if tag not in kept))


def profile_of(person: Person, sides: Sides, options: ProfileOptions, *, writable: bool) -> Profile:
    """What to carry for this person. `writable`: the contact is being made or brought back by a consent write."""
    customer, contact = sides.customer, sides.contact
    if customer is None:
        return Profile(agreed=person.fields, carried=person.tags)
    if not writable and (contact is None or contact.consent.status not in _WRITABLE):
        return Profile(agreed=person.fields, carried=person.tags)
    known = {**(person.fields or {}), **(person.intended or {})} if person.fields or person.intended else None
    fields = merge_three(customer.fields, contact.merge_fields if contact else {}, known, options.field_map)
    tags = tag_changes(
        customer.tags, person.tags, contact.tags if contact else (), options.tags, is_new=contact is None
    )
    return Profile(
        to_contact=fields.to_contact,
        to_customer=fields.to_customer if contact is not None else {},
        agreed=fields.agreed,
        add_tags=tags.add,
        remove_tags=tags.remove,
        carried=tags.carried,
    )
