"""What others do in the shop: a shopper, or the merchant in the admin. Never the app under test."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from shopchimp.sandbox.shopify.customer_rules import clean_tags
from shopchimp.sandbox.shopify.customers import fresh
from shopchimp.sandbox.shopify.fields import iso_or_none
from shopchimp.sandbox.shopify.store import Customer, Customers

STATES: Final = ("SUBSCRIBED", "UNSUBSCRIBED", "NOT_SUBSCRIBED", "PENDING", "INVALID")
_TEXTS: Final = {"firstName": "first_name", "lastName": "last_name", "note": "note", "phone": "phone"}


def edit(customers: Customers, change: Mapping[str, Any]) -> Mapping[str, Any]:
    """`{"email", "set": {...}, "delete": true}`; an unknown address becomes a new customer.

    `set` takes marketingState (with marketingUpdatedAt in seconds, default now), marketingOptInLevel, firstName,
    lastName, note, phone, email and tags.
    """
    customer = customers.with_email(change["email"])
    if customer is None:
        customer = _sign_up(customers, change["email"])
    if change.get("delete"):
        customers.delete(customer)
        return {"deleted": customer.gid}
    change_customer(customers, customer, change.get("set", {}))
    return durable(customers, customer)


def change_customer(customers: Customers, customer: Customer, values: Mapping[str, Any]) -> None:
    for name, attribute in _TEXTS.items():
        if name in values and name != "phone":
            setattr(customer, attribute, values[name] or None)
    if "email" in values or "phone" in values:
        email, phone = values.get("email", customer.email), values.get("phone", customer.phone)
        customers.rename(customer, email=email or None, phone=phone or None)
    if "tags" in values:
        customer.tags = clean_tags(values["tags"])
    if set(values) - {"marketingState", "marketingOptInLevel", "marketingUpdatedAt"}:
        customers.changed(customer)
    if "marketingState" in values:
        _choose(customers, customer, values)


def _choose(customers: Customers, customer: Customer, values: Mapping[str, Any]) -> None:
    state = values["marketingState"]
    if state not in STATES:
        raise ValueError(f"marketingState must be one of {', '.join(STATES)}")
    given = values.get("marketingUpdatedAt")
    customer.email_state = state
    customer.email_level = values.get("marketingOptInLevel", customer.email_level)
    customer.email_at = customers.now() if given is None else int(given)
    (customers.clock_dated.add if given is None else customers.clock_dated.discard)(customer.number)
    customers.changed(customer, "customers_email_marketing_consent/update")


def _sign_up(customers: Customers, email: str) -> Customer:
    customer = fresh(customers, email=email)
    customers.add(customer)
    return customer


def durable(customers: Customers, customer: Customer) -> dict[str, Any]:
    """One customer as two runs of the same work must leave it: without what only our clock decided."""
    by_our_clock = customer.number in customers.clock_dated
    return {
        "key": customer.email.lower() if customer.email else customer.gid,
        "id": customer.gid,
        "email": customer.email,
        "firstName": customer.first_name,
        "lastName": customer.last_name,
        "phone": customer.phone,
        "note": customer.note,
        "tags": list(customer.tags),
        "numberOfOrders": customer.orders,
        "marketingState": customer.email_state,
        "marketingOptInLevel": customer.email_level,
        "marketingUpdatedAt": "now" if by_our_clock else iso_or_none(customer.email_at),
        "smsMarketingState": customer.sms_state,
    }


def all_durable(customers: Customers) -> Iterator[dict[str, Any]]:
    everybody = sorted(customers, key=lambda c: (c.email.lower() if c.email else "", c.number))
    return (durable(customers, customer) for customer in everybody)
