"""What others do in the shop: a shopper, or the merchant in the admin. Never the app under test."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from shopchimp.sandbox.shopify.consent import seconds
from shopchimp.sandbox.shopify.customer_rules import clean_tags, field_problems, phone_or_none, text_or_none
from shopchimp.sandbox.shopify.customers import TEXTS, address_of, fresh, profile_of, what_changed
from shopchimp.sandbox.shopify.fields import iso_or_none
from shopchimp.sandbox.shopify.store import EMAIL_CONSENT, SMS_CONSENT, Consent, Customer, Customers, Happening

STATES: Final = ("SUBSCRIBED", "UNSUBSCRIBED", "NOT_SUBSCRIBED", "PENDING", "INVALID")
SMS_STATES: Final = ("SUBSCRIBED", "UNSUBSCRIBED", "NOT_SUBSCRIBED", "PENDING", "REDACTED")
# Older words of `set` and what they are called now.
_ALIASES: Final = {"marketingUpdatedAt": "consent_at", "smsMarketingUpdatedAt": "sms_consent_at"}
_KNOWN: Final = frozenset(
    {*TEXTS, "email", "phone", "address", "tags", "tags_add", "tags_remove"}
    | {"marketingState", "marketingOptInLevel", "consent_at"}
    | {"smsMarketingState", "smsMarketingOptInLevel", "sms_consent_at"}
)


def edit(customers: Customers, change: Mapping[str, Any]) -> Mapping[str, Any]:
    """`{"email" | "customer_id", "set": {...}}`; an unknown address becomes a new customer, as does `"create": true`.

    `"delete": true` deletes, `"merge_into": address or id` merges this customer into that one. `set` takes

    - firstName, lastName, note, phone, email, and address (a MailingAddressInput, the new default);
    - marketingState, marketingOptInLevel and consent_at (default now), smsMarketingState, smsMarketingOptInLevel and
      sms_consent_at: whatever was chosen before, this is what is shown afterwards; times are seconds or ISO 8601;
    - tags (all of them), tags_add, tags_remove.

    With `"when": [states]` only a customer who shows one of these does it: nobody leaves a list they are not on.
    """
    values = {_ALIASES.get(name, name): value for name, value in change.get("set", {}).items()}
    if unknown := set(values) - _KNOWN:
        raise ValueError(f"set knows no {', '.join(sorted(unknown))}")
    customer = find(customers, change)
    if customer is None:
        if "customer_id" in change or change.get("delete") or change.get("merge_into"):
            raise LookupError("no such customer")
        return durable(customers, create_customer(customers, {"email": change.get("email"), **values}))
    if "when" in change and (shown := customers.email_consent(customer).state) not in change["when"]:
        raise ValueError(f"is {shown}")
    if change.get("delete"):
        customers.delete(customer)
        return {"deleted": customer.gid}
    if change.get("merge_into"):
        merge(customers, kept=_named(customers, change["merge_into"]), gone=customer)
        return {"deleted": customer.gid}
    if change.get("create"):
        raise ValueError("Email has already been taken")
    change_customer(customers, customer, values)
    return durable(customers, customer)


def find(customers: Customers, change: Mapping[str, Any]) -> Customer | None:
    if "customer_id" in change:
        return customers.by_number.get(int(str(change["customer_id"]).rpartition("/")[2]))
    return customers.with_email(change["email"]) if change.get("email") else None


def create_customer(customers: Customers, values: Mapping[str, Any]) -> Customer:
    _check(customers, values, None)
    customer = fresh(customers)
    customers.place(customer)
    _fill(customers, customer, values)
    customers.created(customer)
    return customer


def change_customer(customers: Customers, customer: Customer, values: Mapping[str, Any]) -> None:
    """All of it as one action; topics fire for what is different afterwards."""
    _check(customers, values, customer)
    profile, tags = profile_of(customer), customer.tags
    chosen = _fill(customers, customer, values)
    if happenings := [*what_changed(customer, profile, tags), *chosen]:
        customers.changed(customer, *happenings)


def merge(customers: Customers, *, kept: Customer, gone: Customer) -> None:
    """The kept customer's own values win; what it lacks it takes over, with the consent that belongs to it."""
    if kept is gone:
        raise ValueError("a customer cannot be merged into itself")
    email, phone = kept.email or gone.email, kept.phone or gone.phone
    customers.rename(gone, email=None, phone=None)
    customers.remove(gone)
    customers.rename(kept, email=email, phone=phone)
    kept.first_name, kept.last_name = kept.first_name or gone.first_name, kept.last_name or gone.last_name
    kept.note, kept.address = kept.note or gone.note, kept.address or gone.address
    kept.tags = clean_tags([*kept.tags, *gone.tags])
    kept.orders, kept.spent = kept.orders + gone.orders, kept.spent + gone.spent
    customers.merged(kept, gone)


def _named(customers: Customers, who: Any) -> Customer:
    found = find(customers, {"email": who} if "@" in str(who) else {"customer_id": who})
    if found is None:
        raise LookupError(f"no customer to merge into: {who}")
    return found


def _check(customers: Customers, values: Mapping[str, Any], customer: Customer | None) -> None:
    """The admin refuses what the API refuses."""
    if problems := field_problems(customers, values, customer):
        raise ValueError("; ".join(message for _, message, _ in problems))
    for name, states in (("marketingState", STATES), ("smsMarketingState", SMS_STATES)):
        if values.get(name) is not None and values[name] not in states:
            raise ValueError(f"{name} must be one of {', '.join(states)}")
    if "marketingState" in values and not values.get("email", customer and customer.email):
        raise ValueError("An email address is required to set the email marketing consent state.")
    if "smsMarketingState" in values and not values.get("phone", customer and customer.phone):
        raise ValueError("A phone number is required to set the SMS marketing consent state.")


def _fill(customers: Customers, customer: Customer, values: Mapping[str, Any]) -> list[Happening]:
    """Write the values down and say which consents were chosen. The address comes first: consent belongs to it."""
    for name, attribute in TEXTS.items():
        if name in values:
            setattr(customer, attribute, text_or_none(values[name]))
    if "email" in values or "phone" in values:
        email = text_or_none(values["email"]) if "email" in values else customer.email
        phone = phone_or_none(values["phone"]) if "phone" in values else customer.phone
        customers.rename(customer, email=email, phone=phone)
    if "address" in values:
        customer.address = address_of(customer, values["address"]) if values["address"] else None
    kept = [*values.get("tags", customer.tags), *values.get("tags_add", ())]
    gone = {tag.lower() for tag in clean_tags(list(values.get("tags_remove", ())))}
    customer.tags = tuple(tag for tag in clean_tags(kept) if tag.lower() not in gone)
    chosen = []
    if "marketingState" in values:
        level = values.get("marketingOptInLevel") or customer.email_level
        customers.set_email_consent(customer, _choice(customers, values["marketingState"], level, values, "consent_at"))
        chosen.append(EMAIL_CONSENT)
    if "smsMarketingState" in values:
        level = values.get("smsMarketingOptInLevel") or customer.sms_level
        consent = _choice(customers, values["smsMarketingState"], level, values, "sms_consent_at")
        customers.set_sms_consent(customer, consent)
        chosen.append(SMS_CONSENT)
    return chosen


def _choice(customers: Customers, state: str, level: str, values: Mapping[str, Any], when: str) -> Consent:
    given = values.get(when)
    if given is None:
        return Consent(state, level, customers.now(), clock_dated=True)
    return Consent(state, level, seconds(given) if isinstance(given, str) else int(given))


def durable(customers: Customers, customer: Customer) -> dict[str, Any]:
    """One customer as two runs of the same work must leave it: without what only our clock decided."""
    email, sms = customers.email_consent(customer), customers.sms_consent(customer)
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
        "marketingState": email.state,
        "marketingOptInLevel": email.level,
        "marketingUpdatedAt": "now" if email.clock_dated else iso_or_none(email.at),
        "smsMarketingState": sms.state,
        "smsMarketingOptInLevel": sms.level,
        "smsMarketingUpdatedAt": "now" if sms.clock_dated else iso_or_none(sms.at),
        **({"metafields": _metafields(customer)} if customer.metafields else {}),
    }


def _metafields(customer: Customer) -> dict[str, str]:
    found = (customer.metafields or {}).values()
    return {f"{each.namespace}.{each.key}": each.value for each in found}


def all_durable(customers: Customers) -> Iterator[dict[str, Any]]:
    everybody = sorted(customers, key=lambda c: (c.email.lower() if c.email else "", c.number))
    return (durable(customers, customer) for customer in everybody)
