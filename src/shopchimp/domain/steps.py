"""The steps of one look at one person: what it may need done, what it is given and what it comes to.

`domain.looking.look_at` yields steps and returns an `Outcome`. Whoever drives it does the steps: live sync hundreds
side by side and each kind in bulk (`services.driving`), the simulation one at a time with kills in between.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shopchimp.domain.consent import ContactConsent, ContactStatus, CustomerConsent, Known, Policy, Push
from shopchimp.domain.outcomes import Intent
from shopchimp.domain.profile import ProfileOptions
from shopchimp.domain.records import Contact, Customer, ProfileIntent, Sides
from shopchimp.domain.sms import Gate, KnownSms, PushSms

# What a look may need done


@dataclass(frozen=True, slots=True)
class Read:
    """Both sides as they are now. Sent back: `Sides`."""


@dataclass(frozen=True, slots=True)
class Permit:
    """May this opt-in be written now (circuit breaker, M9)? Sent back: bool."""

    push: Push


@dataclass(frozen=True, slots=True)
class Intend:
    """Store what is about to be written, and commit. Sent back: None.

    `came_back_at`: the contact's opt-in, where it is surely Mailchimp's own; the write makes that unrecognisable.
    """

    intent: Intent
    profile: ProfileIntent | None = None
    came_back_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Look once more at the side that is about to be written. Sent back: its consent now."""

    contact: bool


@dataclass(frozen=True, slots=True)
class WriteContact:
    """Set a contact's consent (`status`) or profile, make it where it is new. Sent back: `Done` or `Refused`."""

    email: str
    contact_id: str | None
    status: ContactStatus | None
    opted_in_at: datetime | None
    merge_fields: Mapping[str, Any]
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    old_tags: bool = False  # nothing may be mailed because of them


@dataclass(frozen=True, slots=True)
class WriteConsent:
    """Set a customer's e-mail consent. Sent back: `Done` or `Refused`."""

    customer_id: int
    push: Push


@dataclass(frozen=True, slots=True)
class UpdateCustomer:
    """Set fields of a customer. Sent back: `Done` or `Refused`.

    `seen` is what these fields said when that was decided: where one says something else by now, the answer is
    `sh_moved`, and the customer's newer word stays.
    """

    customer_id: int
    fields: Mapping[str, str]
    seen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreateCustomer:
    """Make a customer of a contact (S60). Sent back: `Done` with the id, or `Refused`; `sh_taken` means look again."""

    email: str
    push: Push
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WriteSms:
    """Set the consent to text messages, on the side that the push names. Sent back: `Done` or `Refused`."""

    contact: Contact | None
    customer: Customer | None
    push: PushSms


@dataclass(frozen=True, slots=True)
class MoveContact:
    """Give a contact its person's new address. Sent back: `Done` or `Refused`."""

    contact: Contact
    email: str


Step = (
    Read
    | Permit
    | Intend
    | Look
    | WriteContact
    | WriteConsent
    | UpdateCustomer
    | CreateCustomer
    | WriteSms
    | MoveContact
)


@dataclass(frozen=True, slots=True)
class Done:
    """A write was taken; what the platform says now, as far as its answer tells."""

    contact: ContactConsent | None = None
    contact_id: str | None = None
    customer_id: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A write was refused for this one person: a code of the catalogue and the platform's own words."""

    code: str
    words: str = ""


Answer = Sides | bool | None | ContactConsent | CustomerConsent | Done | Refused

# What a look is given, and what it comes to


_NO_SMS = Gate(first_sync_done=True, approved=False, start_date=None)


@dataclass(frozen=True, slots=True)
class Hint:
    """Why we look: when the change was noticed, and the times of opt-outs that deliveries told (facts).

    `allowed`: the merchant let this person's opt-in go past the circuit breaker.
    """

    noticed_at: datetime
    opted_outs: tuple[datetime, ...] = ()
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """The shop's settings, as far as a look depends on them."""

    policy: Policy = Policy.MAILCHIMP_WINS
    sync_non_subscribed: bool = True
    double_optin: bool = False
    create_customers: bool = False
    create_since: datetime | None = None
    cleaned_to_customer: bool = True
    sms: Gate = _NO_SMS
    profile: ProfileOptions = field(default_factory=ProfileOptions)


@dataclass(frozen=True, slots=True)
class Line:
    """One line for the activity log: something was written, refused, held back or left alone with a reason."""

    kind: str  # consent, contact, customer, tags, sms, identity
    direction: str  # to_mailchimp, to_shopify, none
    result: str  # synced, skipped, failed, held
    rule: str | None = None
    cause: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to store when a look has ended, whatever came of it.

    `again`: a side moved under our hands; look once more. `held`: the circuit breaker holds an opt-in back. `failed`:
    the API refused it, the change is parked with this cause. `follow`: other keys to look at, with the customer they
    are said to belong to. `moved_to`: the person's row has a new address. `our_opt_out_at`: when we unsubscribed the
    contact, by Mailchimp's clock, if that is news.
    """

    known: Known
    sides: Sides
    rule: str
    reason: str | None = None
    lines: tuple[Line, ...] = ()
    fields: Mapping[str, Any] | None = None
    tags: tuple[str, ...] | None = None
    sms: KnownSms | None = None
    customer_id: int | None = None
    again: bool = False
    held: bool = False
    failed: Refused | None = None
    follow: tuple[tuple[str, int | None], ...] = ()
    moved_to: str | None = None
    our_opt_out_at: datetime | None = None

    @property
    def wrote(self) -> bool:
        """Whether anything was written anywhere."""
        return any(line.result == "synced" for line in self.lines)


class Interrupted(Exception):
    """Thrown into a look whose step could not be done: it ends with what it had written by then, if anything."""


Looking = Generator[Step, Any, Outcome]
