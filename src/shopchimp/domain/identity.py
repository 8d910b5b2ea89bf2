"""Who is who when addresses change (M6, M8): consent belongs to the address, a contact goes along with its person.

A customer who has another address now takes the contact along, if that address has no contact of its own: then there
is one contact as before, and no twin. Otherwise both addresses stay and each is judged by its own consent. Contacts who
bounced or were archived are left where they are: neither is true of the new address.
"""

from __future__ import annotations

from dataclasses import dataclass

from shopchimp.domain.addresses import is_deliverable_looking
from shopchimp.domain.consent import ContactConsent, ContactStatus, CustomerConsent
from shopchimp.domain.records import Choices, Contact, Person, Sides

RULE = "identity.M6"

_GOES_ALONG = frozenset(
    {ContactStatus.SUBSCRIBED, ContactStatus.UNSUBSCRIBED, ContactStatus.TRANSACTIONAL, ContactStatus.PENDING}
)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """This address is not the customer's any more (or not yet ours): where to look instead."""

    follow: tuple[tuple[str, int | None], ...]
    key: str | None = None
    email: str | None = None
    customer_id: int | None = None
    contact_moves: bool = False


def elsewhere(person: Person, sides: Sides) -> Elsewhere | None:
    """Whether the customer belongs to another address, and what follows. None: this is the right place."""
    gone = sides.gone_to
    if sides.owner is not None and sides.owner != person.key:
        # we know this customer under another address: that one is looked at first, and takes its contact along
        customer_id = sides.customer.id if sides.customer else None
        follow: tuple[tuple[str, int | None], ...] = ((sides.owner, customer_id),)
        if gone is not None and not gone.key.startswith("customer:"):  # who had this address before us, and moved on
            follow = (*follow, (gone.key, gone.id))
        return Elsewhere(follow)
    if gone is None:
        return None
    if gone.key.startswith("customer:"):  # has no address at all now
        return Elsewhere(follow=())
    contact = sides.contact
    moves = (
        contact is not None
        and sides.customer is None
        and person.customer_id == gone.id
        and not sides.gone_contact
        and contact.consent.status in _GOES_ALONG
        and is_deliverable_looking(gone.email or "")
    )
    follow = ((gone.key, gone.id),)
    if sides.customer is not None:  # somebody else has this address now
        follow = (*follow, (person.key, sides.customer.id))
    return Elsewhere(follow, gone.key, (gone.email or "").strip(), gone.id, moves)


def choices(customer: CustomerConsent, contact: ContactConsent) -> Choices:
    """A pair of choices, to recognise it later."""
    return (
        customer.state.value,
        customer.updated_at.isoformat() if customer.updated_at else None,
        contact.status.value,
        contact.opted_in_at.isoformat() if contact.opted_in_at else None,
    )


def names_of(contact: Contact) -> dict[str, str]:
    """A contact's names as those of a customer we make; Mailchimp's own two fields, whatever the map says."""
    names = {"first_name": contact.merge_fields.get("FNAME"), "last_name": contact.merge_fields.get("LNAME")}
    return {name: value.strip() for name, value in names.items() if isinstance(value, str) and value.strip()}
