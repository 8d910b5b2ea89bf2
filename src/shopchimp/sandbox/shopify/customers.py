"""Creating, changing and deleting customers, with the refusals of shopify.md section 2.5."""

from typing import Any, Final

from shopchimp.sandbox.people import Address
from shopchimp.sandbox.shopify.consent import choice_of, decide_email, decide_sms
from shopchimp.sandbox.shopify.customer_rules import (
    Given,
    Problem,
    clean_tags,
    consent_problems,
    field_problems,
    phone_or_none,
    tags_problem,
    text_or_none,
)
from shopchimp.sandbox.shopify.store import UPDATED, Customer, Customers, Happening, MailingAddress

COUNTRIES: Final = {
    "US": "United States",
    "CA": "Canada",
    "GB": "United Kingdom",
    "DE": "Germany",
    "FR": "France",
    "SE": "Sweden",
}
TEXTS: Final = {"firstName": "first_name", "lastName": "last_name", "note": "note"}


def create(customers: Customers, given: Given) -> dict[str, Any]:
    if problems := [*field_problems(customers, given, None), *consent_problems(customers, given)]:
        return _refused(problems)
    customer = _new(customers, given)
    return {"customer": customer, "userErrors": []}


def update(customers: Customers, given: Given) -> dict[str, Any]:
    customer = customers.get(given.get("id") or "")
    if customer is None:
        return _refused([(["id"], "Customer does not exist", "NOT_FOUND")])
    problems: list[Problem] = [
        ([name], f"To update {name}, please use the {mutation} Mutation instead", "INVALID")
        for name, mutation in (
            ("emailMarketingConsent", "customerEmailMarketingConsentUpdate"),
            ("smsMarketingConsent", "customerSmsMarketingConsentUpdate"),
        )
        if given.get(name) is not None
    ]
    if problems := [*problems, *field_problems(customers, given, customer)]:
        return _refused(problems)
    _change(customers, customer, given)
    return {"customer": customer, "userErrors": []}


def upsert(customers: Customers, identifier: Given | None, given: Given) -> dict[str, Any]:
    """customerSet: its errors carry codes and its fields stand below `input`."""
    identifier = identifier or ({"id": given["id"]} if given.get("id") else {})
    if "email" in identifier and (given.get("email") or "").lower() != identifier["email"].lower():
        problem = (["input", "email"], "The email in the input must match the identifier", "INPUT_MISMATCH")
        return _refused([problem], coded=True)
    customer = by_identifier(customers, identifier)
    if customer is None and "id" in identifier:
        return _refused([(["identifier", "id"], "Customer does not exist", "NOT_FOUND")], coded=True)
    if problems := field_problems(customers, given, customer):
        return _refused([(f and ["input", *f], message, code) for f, message, code in problems], coded=True)
    if customer is None:
        customer = _new(customers, given)
    else:
        _change(customers, customer, given)
    return {"customer": customer, "userErrors": []}


def delete(customers: Customers, gid: str) -> dict[str, Any]:
    customer = customers.get(gid)
    if customer is None:
        return {"deletedCustomerId": None, "userErrors": [_error(["id"], "Customer can't be found")]}
    if customer.orders:
        message = "Customer can’t be deleted because they have associated orders"
        return {"deletedCustomerId": None, "userErrors": [_error(["id"], message)]}
    customers.delete(customer)
    customers.log.add("customer", gid, {"deleted": True})
    return {"deletedCustomerId": gid, "userErrors": []}


def by_identifier(customers: Customers, identifier: Given) -> Customer | None:
    match identifier:
        case {"id": gid}:
            return customers.get(gid)
        case {"emailAddress": email} | {"email": email}:
            return customers.with_email(email)
        case {"phoneNumber": phone} | {"phone": phone}:
            return customers.with_phone(phone)
        case _:
            return None


def add_tags(customers: Customers, gid: str, tags: list[str]) -> dict[str, Any]:
    customer = customers.get(gid)
    if customer is None:
        return _unknown_node()
    merged = clean_tags([*customer.tags, *tags])
    if problem := tags_problem(merged):
        return {"node": None, "userErrors": [_error(["tags"], problem)]}
    _set_tags(customers, customer, merged)
    return {"node": customer, "userErrors": []}


def remove_tags(customers: Customers, gid: str, tags: list[str]) -> dict[str, Any]:
    customer = customers.get(gid)
    if customer is None:
        return _unknown_node()
    gone = {tag.lower() for tag in clean_tags(tags)}
    left = tuple(tag for tag in customer.tags if tag.lower() not in gone)
    _set_tags(customers, customer, left)
    return {"node": customer, "userErrors": []}


def add_address(customers: Customers, gid: str, given: Given, *, default: bool) -> dict[str, Any]:
    customer = customers.get(gid)
    if customer is None:
        return {"address": None, "userErrors": [_error(["customerId"], "Customer does not exist")]}
    address = address_of(customer, given)
    if default or customer.address is None:
        customer.address = address
        customers.log.add("address", gid, dict(given))
        customers.changed(customer)
    return {"address": address, "userErrors": []}


def fresh(customers: Customers) -> Customer:
    """A customer as Shopify makes one: nobody yet, never asked, account not enabled."""
    now = customers.now()
    return Customer(
        number=customers.next_number(),
        email=None,
        first_name=None,
        last_name=None,
        phone=None,
        address=None,
        note=None,
        locale="en",
        state="DISABLED",
        tags=(),
        created=now,
        updated=now,
        orders=0,
        spent=0,
        verified=True,
        email_state="NOT_SUBSCRIBED",
        email_level="SINGLE_OPT_IN",
        email_at=None,
        sms_state="NOT_SUBSCRIBED",
        sms_level="SINGLE_OPT_IN",
        sms_at=None,
    )


def _new(customers: Customers, given: Given) -> Customer:
    """Whether the consent topics fire as well is not known (shopify.md 3.4): they do not, which is the harder case."""
    customer = fresh(customers)
    customers.place(customer)
    _fill(customers, customer, given)
    customers.log.add("customer", customer.gid, dict(given))
    if given.get("emailMarketingConsent"):
        decide_email(customers, customer, choice_of(given["emailMarketingConsent"]), tell=False)
    if given.get("smsMarketingConsent"):
        decide_sms(customers, customer, choice_of(given["smsMarketingConsent"]), tell=False)
    customers.created(customer)
    return customer


def _change(customers: Customers, customer: Customer, given: Given) -> None:
    profile, tags = profile_of(customer), customer.tags
    _fill(customers, customer, given)
    if happenings := what_changed(customer, profile, tags):
        customers.log.add("customer", customer.gid, dict(given))
        customers.changed(customer, *happenings)


def profile_of(customer: Customer) -> tuple[Any, ...]:
    """What customers/update is about; consent and tags have topics of their own since 2025-01."""
    names = (customer.first_name, customer.last_name, customer.note, customer.locale)
    address = customer.address
    where = address and (address.first_name, address.last_name, address.company, address.place)
    return (*names, customer.email, customer.phone, where)


def what_changed(customer: Customer, profile: tuple[Any, ...], tags: tuple[str, ...]) -> list[Happening]:
    """The topics of a change, from what was there before: a save that changes nothing tells nobody."""
    found = [UPDATED] if profile_of(customer) != profile else []
    if added := tuple(tag for tag in customer.tags if tag not in tags):
        found.append(Happening("customer.tags_added", added))
    if removed := tuple(tag for tag in tags if tag not in customer.tags):
        found.append(Happening("customer.tags_removed", removed))
    return found


def _fill(customers: Customers, customer: Customer, given: Given) -> None:
    """Only what the input names is touched."""
    for name, attribute in TEXTS.items():
        if name in given:
            setattr(customer, attribute, text_or_none(given[name]))
    if given.get("locale"):
        customer.locale = given["locale"]
    if "tags" in given:
        customer.tags = clean_tags(given["tags"] or [])
    if "email" in given or "phone" in given:
        email = text_or_none(given["email"]) if "email" in given else customer.email
        phone = phone_or_none(given["phone"]) if "phone" in given else customer.phone
        customers.rename(customer, email=email, phone=phone)
    if given.get("addresses"):
        customer.address = address_of(customer, given["addresses"][0])


def _set_tags(customers: Customers, customer: Customer, tags: tuple[str, ...]) -> None:
    before, customer.tags = customer.tags, tags
    if happenings := what_changed(customer, profile_of(customer), before):
        customers.log.add("tags", customer.gid, {"tags": list(tags)})
        customers.changed(customer, *happenings)


def address_of(customer: Customer, given: Given) -> MailingAddress:
    country = given.get("countryCode")
    place = Address(
        address1=given.get("address1") or "",
        address2=text_or_none(given.get("address2")),
        city=given.get("city") or "",
        province=text_or_none(given.get("province") or given.get("provinceCode")),
        province_code=text_or_none(given.get("provinceCode")),
        country=given.get("country") or COUNTRIES.get(country or "", country or ""),
        country_code=country or "",
        zip=given.get("zip") or "",
        phone=text_or_none(given.get("phone")),
    )
    first, last = text_or_none(given.get("firstName")), text_or_none(given.get("lastName"))
    names = (first or customer.first_name, last or customer.last_name, text_or_none(given.get("company")))
    return MailingAddress(customer.number, *names, place)


def _error(field: list[str] | None, message: str) -> dict[str, Any]:
    return {"field": field, "message": message}


def _unknown_node() -> dict[str, Any]:
    return {"node": None, "userErrors": [_error(["id"], "Customer does not exist")]}


def _refused(problems: list[Problem], *, coded: bool = False) -> dict[str, Any]:
    errors = [{"field": f, "message": m, **({"code": code} if coded else {})} for f, m, code in problems]
    return {"customer": None, "userErrors": errors}
