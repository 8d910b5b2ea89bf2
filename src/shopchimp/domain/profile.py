"""What beside consent has to be carried: field values, some of them both ways, and tags, one way.

Nobody's profile is touched where Mailchimp would bring the contact back by it (archived), or where nobody gets mail
anyway (cleaned).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shopchimp.domain.consent import ContactStatus
from shopchimp.domain.fields import FieldMap, Fields, merge_fields, merge_three
from shopchimp.domain.records import Contact, Person, ProfileIntent, Sides
from shopchimp.domain.tags import TagRules, decide_tags

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
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    agreed: Mapping[str, Any] | None = None
    carried: tuple[str, ...] | None = None
    old_tags: bool = False  # from before live sync: they are no news that a mail should follow
    before: ProfileIntent | None = None

    @property
    def intent(self) -> ProfileIntent:
        """What to store before writing."""
        return ProfileIntent(dict(self.to_contact), dict(self.to_customer), self.add_tags).after(self.before)

    def tags_after(self, contact: Contact | None) -> tuple[str, ...]:
        """The contact's tags when these changes are made."""
        before = contact.tags or () if contact else ()
        kept = [tag for tag in before if tag not in self.remove_tags]
        return (*kept, *(tag for tag in self.add_tags if tag not in kept))


def profile_of(person: Person, sides: Sides, options: ProfileOptions, *, writable: bool) -> Profile:
    """What to carry for this person. `writable`: the contact is being made or brought back by a consent write."""
    customer, contact = sides.customer, sides.contact
    reachable = writable or (contact is not None and contact.consent.status in _WRITABLE)
    if customer is None or not reachable:
        return Profile(agreed=person.fields, carried=person.tags, before=person.intended)
    tries = person.intended.tries if person.intended is not None else ()
    fields = merge_three(
        merge_fields(customer.fields, options.field_map),
        contact.merge_fields if contact else {},
        person.fields,
        options.field_map,
        intended=[Fields(to_contact=each.to_contact, to_customer=each.to_customer) for each in tries],
    )
    tags = decide_tags(
        customer.tags,
        (contact.tags or ()) if contact else (),
        person.tags,
        options.tags,
        intended=[tag for each in tries for tag in each.tags],
        creating=contact is None,
    )
    return Profile(
        fields.to_contact,
        fields.to_customer,
        tags.add,
        tags.remove,
        fields.agreed,
        tags.carried,
        old_tags=person.id is not None and person.tags is None,  # known since the first sync, not looked at since
        before=person.intended,
    )
