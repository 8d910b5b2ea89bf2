"""The consent mutations: every answer of shopify.md section 2.4, and which of two dated choices stays visible.

Shopify keeps consent records and shows the one with the newest `consentUpdatedAt` (consent.md F2): an older date never
overrides a newer one, of two equal dates the later write counts, and a write of the state that is shown already
leaves its date.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from graphql import GraphQLError

from shopchimp.sandbox.shopify.store import Customer, Customers

WRITABLE = ("SUBSCRIBED", "UNSUBSCRIBED", "PENDING")


@dataclass(frozen=True, slots=True)
class Choice:
    state: str
    level: str | None
    at: int | None  # None: the caller gave no date, the time of the call counts


def update_email_consent(customers: Customers, given: Mapping[str, Any]) -> dict[str, Any]:
    customer = customers.get(given["customerId"])
    choice = choice_of(given["emailMarketingConsent"])
    if customer is None:
        return _refused(None, ["input", "customerId"], "Customer not found", "INVALID")
    if problem := problem_with(choice, now=customers.now()):
        field, message, code = problem
        return _refused(customer, ["input", "emailMarketingConsent", *field], message, code)
    if customer.email:
        decide_email(customers, customer, choice)
    return {"customer": customer, "userErrors": []}


def update_sms_consent(customers: Customers, given: Mapping[str, Any]) -> dict[str, Any]:
    customer = customers.get(given["customerId"])
    choice = choice_of(given["smsMarketingConsent"])
    if customer is None:
        return _refused(None, None, "Customer not found", None)
    if problem := problem_with(choice, now=customers.now()):
        field, message, code = problem
        return _refused(None, ["input", "smsMarketingConsent", *field], message, code)
    if not customer.phone:
        message = "A phone number is required to set the SMS consent state."
        return _refused(None, ["input", "smsMarketingConsent"], message, "INVALID")
    decide_sms(customers, customer, choice)
    return {"customer": customer, "userErrors": []}


def decide_email(customers: Customers, customer: Customer, choice: Choice) -> bool:
    """Make the choice the visible one if it is the newest; whether anything changed."""
    at = customers.now() if choice.at is None else choice.at
    if not _becomes_visible(choice.state, at, customer.email_state, customer.email_at):
        return False
    customer.email_state, customer.email_at = choice.state, at
    customer.email_level = choice.level or customer.email_level
    _remember_clock(customers, customer, clock=choice.at is None)
    customers.log.add("consent", customer.gid, {"channel": "email", **_written(choice)})
    customers.changed(customer, "customers_email_marketing_consent/update")
    return True


def decide_sms(customers: Customers, customer: Customer, choice: Choice) -> bool:
    at = customers.now() if choice.at is None else choice.at
    if not _becomes_visible(choice.state, at, customer.sms_state, customer.sms_at):
        return False
    customer.sms_state, customer.sms_at = choice.state, at
    customer.sms_level = choice.level or customer.sms_level
    customers.log.add("consent", customer.gid, {"channel": "sms", **_written(choice)})
    customers.changed(customer, "customers_marketing_consent/update")
    return True


def choice_of(given: Mapping[str, Any]) -> Choice:
    """What the input says; a state that cannot be written at all is an error of the whole call."""
    state = given["marketingState"]
    if state not in WRITABLE:
        message = f"Cannot specify {state} as a marketing state input"
        raise GraphQLError(message, extensions={"code": "INVALID"})
    written = given.get("consentUpdatedAt")
    return Choice(state, given.get("marketingOptInLevel"), None if written is None else seconds(written))


def problem_with(choice: Choice, *, now: int) -> tuple[list[str], str, str] | None:
    if choice.state == "SUBSCRIBED" and choice.level is None:
        return ["marketingOptInLevel"], "Marketing opt in level must exist", "MISSING_ARGUMENT"
    if choice.state == "PENDING" and choice.level != "CONFIRMED_OPT_IN":
        message = "Marketing opt in level must be confirmed opt-in for pending consent state"
        return ["marketingOptInLevel"], message, "INVALID"
    if choice.at is not None and choice.at > now:
        return ["consentUpdatedAt"], "Consent updated at must not be in the future", "INVALID"
    return None


def seconds(written: str) -> int:
    try:
        moment = datetime.fromisoformat(written)
    except (TypeError, ValueError) as error:
        message = f"invalid date: {written!r}"
        raise GraphQLError(message, extensions={"code": "argumentLiteralsIncompatible"}) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _becomes_visible(state: str, at: int, visible: str, visible_at: int | None) -> bool:
    return state != visible and (visible_at is None or at >= visible_at)


def _remember_clock(customers: Customers, customer: Customer, *, clock: bool) -> None:
    """Whose date is our clock's: it must not appear where two runs are compared row by row."""
    if clock:
        customers.clock_dated.add(customer.number)
    else:
        customers.clock_dated.discard(customer.number)


def _written(choice: Choice) -> dict[str, Any]:
    return {"state": choice.state, "optInLevel": choice.level, "consentUpdatedAt": choice.at}


def _refused(customer: Customer | None, field: list[str] | None, message: str, code: str | None) -> dict[str, Any]:
    return {"customer": customer, "userErrors": [{"field": field, "message": message, "code": code}]}
