"""The words of consent: what Shopify and Mailchimp call a person's state, and the few words between them.

There is no third vocabulary: every other module speaks of consent in these two enums (consent.md F1, mailchimp.md 5).
"""

from __future__ import annotations

from enum import StrEnum


class CustomerState(StrEnum):
    """Shopify's `CustomerEmailMarketingState`, and ABSENT where there is no such customer."""

    SUBSCRIBED = "SUBSCRIBED"
    NOT_SUBSCRIBED = "NOT_SUBSCRIBED"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    PENDING = "PENDING"
    REDACTED = "REDACTED"
    INVALID = "INVALID"
    ABSENT = "absent"


class ContactStatus(StrEnum):
    """Mailchimp's status of a contact, and ABSENT where the audience has none."""

    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    CLEANED = "cleaned"
    PENDING = "pending"
    TRANSACTIONAL = "transactional"
    ARCHIVED = "archived"
    ABSENT = "absent"


class CustomerWrite(StrEnum):
    """What may be written to Shopify. The last two make a customer, if the merchant switched that on (S60)."""

    SUBSCRIBED = "SUBSCRIBED"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    CREATE_SUBSCRIBED = "CREATE_IF_ENABLED:SUBSCRIBED"
    CREATE_NOT_SUBSCRIBED = "CREATE_IF_ENABLED:NOT_SUBSCRIBED"


class Policy(StrEnum):
    """The merchant's answer to D1: who wins where Shopify's opt-out is provably later than Mailchimp's opt-in."""

    MAILCHIMP_WINS = "mailchimp_wins"
    LATEST_CHOICE_WINS = "latest_choice_wins"


class Phase(StrEnum):
    """Which part of the truth table speaks."""

    INITIAL = "initial"
    ONGOING = "ongoing"
    WEBHOOK = "webhook-from-mailchimp"


class Newer(StrEnum):
    """Which side's choice is provably the later one."""

    UNPROVEN = "unproven"
    SHOPIFY = "shopify_newer"
    MAILCHIMP = "mailchimp_newer"


class OptInLevel(StrEnum):
    """Shopify's `marketingOptInLevel`, as far as we write it."""

    SINGLE = "SINGLE_OPT_IN"
    CONFIRMED = "CONFIRMED_OPT_IN"


def mailable(customer: CustomerState, contact: ContactStatus) -> tuple[bool, bool]:
    """Whether marketing mail may go out from Shopify, and from Mailchimp."""
    return customer is CustomerState.SUBSCRIBED, contact is ContactStatus.SUBSCRIBED
