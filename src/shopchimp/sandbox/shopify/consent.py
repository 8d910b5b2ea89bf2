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

from shopchimp.sandbox.shopify.store import EMAIL_CONSENT, SMS_CONSENT, Consent, Customer, Customers

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


def decide_email(customers: Customers, customer: Customer, choice: Choice, *, tell: bool = True) -> bool:
    """Make the choice the visible one if it is the newest; whether anything changed."""
    shown = customers.email_consent(customer)
    chosen = _chosen(choice, shown, now=customers.now())
    if chosen is None:
        return False
    customers.set_email_consent(customer, chosen)
    customers.log.add("consent", customer.gid, {"channel": "email", **_written(choice)})
    if tell:
        customers.changed(customer, EMAIL_CONSENT)
    return True


def decide_sms(customers: Customers, customer: Customer, choice: Choice, *, tell: bool = True) -> bool:
    shown = customers.sms_consent(customer)
    chosen = _chosen(choice, shown, now=customers.now())
    if chosen is None:
        return False
    customers.set_sms_consent(customer, chosen)
    customers.log.add("consent", customer.gid, {"channel": "sms", **_written(choice)})
    if tell:
        customers.changed(customer, SMS_CONSENT)
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


def _chosen(choice: Choice, shown: Consent, *, now: int) -> Consent | None:
    """What is shown from now on; None if what is shown stays. A date by our clock must not be compared between runs."""
    at = now if choice.at is None else choice.at
    if choice.state == shown.state or (shown.at is not None and at < shown.at):
        return None
    return Consent(choice.state, choice.level or shown.level, at, clock_dated=choice.at is None)


def _written(choice: Choice) -> dict[str, Any]:
    return {"state": choice.state, "optInLevel": choice.level, "consentUpdatedAt": choice.at}


def _refused(customer: Customer | None, field: list[str] | None, message: str, code: str | None) -> dict[str, Any]:
    return {"customer": customer, "userErrors": [{"field": field, "message": message, "code": code}]}
