"""A customer, a contact and the person that joins them, as the domain sees them: read, parsed, nothing decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from shopchimp.domain.consent import ContactConsent, CustomerConsent, Known
from shopchimp.domain.outcomes import Intent
from shopchimp.domain.sms import ContactSms, CustomerSms, KnownSms

TRIES_KEPT = 8  # of a profile's writes in a row that nobody recorded

Choices = tuple[str, str | None, str, str | None]
"""A pair of choices as stored: the customer's state and time, the contact's status and opt-in time."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as read from Shopify; `fields` are first_name, last_name, phone, default_address."""

    id: int
    key: str
    email: str | None
    consent: CustomerConsent
    fields: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    sms: CustomerSms | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as read from Mailchimp; `tags` None means they were not asked for."""

    id: str
    key: str
    email: str
    consent: ContactConsent
    merge_fields: Mapping[str, Any]
    tags: tuple[str, ...] | None = None
    sms: ContactSms | None = None


@dataclass(frozen=True, slots=True)
class ProfileIntent:
    """What of a profile we were about to write when we last heard of ourselves.

    `earlier` are the tries before it, the newest first: what came of them nobody recorded either, so that what either
    side shows may be of any of them.
    """

    to_contact: dict[str, Any] = field(default_factory=dict)
    to_customer: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    earlier: tuple[ProfileIntent, ...] = ()

    @property
    def tries(self) -> tuple[ProfileIntent, ...]:
        """All of them, each by itself."""
        return (replace(self, earlier=()), *self.earlier)

    def after(self, before: ProfileIntent | None) -> ProfileIntent:
        """This one, and before it what was about to be written by those who recorded nothing."""
        tries = before.tries if before is not None else ()
        others = tuple(each for each in tries if each not in (ProfileIntent(), replace(self, earlier=())))
        return replace(self, earlier=others[:TRIES_KEPT])


@dataclass(frozen=True, slots=True)
class Person:
    """What is stored about a person when a look begins; a person never seen has known nothing on either side."""

    key: str
    known: Known
    intent: Intent | None = None
    id: int | None = None
    customer_id: int | None = None
    reason: str | None = None
    fields: Mapping[str, Any] | None = None
    intended: ProfileIntent | None = None
    tags: tuple[str, ...] | None = None
    sms: KnownSms | None = None
    dropped: Choices | None = None
    opted_out_at: datetime | None = None
    our_opt_out_at: datetime | None = None  # when we unsubscribed the contact, by Mailchimp's clock
    came_back_at: datetime | None = None  # the contact's last opt-in that was surely made in Mailchimp, by its clock
    seen_at: datetime | None = None  # when the look that last recorded something began to read, by our clock


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of one address as they are now.

    `customer` is the customer who has this address now. `gone_to` is the customer who had it when we last looked and
    has another one now (or none); `gone_contact` tells whether the audience has a contact with that other address.
    `owner` is another address under which we still keep this customer.
    """

    key: str
    customer: Customer | None = None
    contact: Contact | None = None
    gone_to: Customer | None = None
    gone_contact: bool = False
    owner: str | None = None
