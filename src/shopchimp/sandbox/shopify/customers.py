"""Creating, changing and deleting customers, with the refusals of shopify.md section 2.5."""

import re
from collections.abc import Mapping
from typing import Any, Final

from shopchimp.sandbox.people import Address
from shopchimp.sandbox.shopify.consent import choice_of, decide_email, decide_sms, problem_with
from shopchimp.sandbox.shopify.store import Customer, Customers, MailingAddress

Given = Mapping[str, Any]
Problem = tuple[list[str] | None, str, str]  # field, message, the code that customerSet adds

LONGEST_NAME: Final = 255
LONGEST_NOTE: Final = 5000
LONGEST_TAG: Final = 255
MOST_TAGS: Final = 250
EMAIL: Final = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]+")
PHONE: Final = re.compile(r"\+[1-9]\d{6,14}")
LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Z][A-Za-z]{1,3})?")
COUNTRIES: Final = {
    "US": "United States",
    "CA": "Canada",
    "GB": "United Kingdom",
    "DE": "Germany",
    "FR": "France",
    "SE": "Sweden",
}
_TEXTS: Final = {"firstName": "first_name", "lastName": "last_name", "note": "note"}


def create(customers: Customers, given: Given) -> dict[str, Any]:
    if problems := [*_problems(customers, given, None), *_consent_problems(customers, given)]:
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
    if problems := [*problems, *_problems(customers, given, customer)]:
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
    if problems := _problems(customers, given, customer):
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
    if problem := _tags_problem(merged):
        return {"node": None, "userErrors": [_error(["tags"], problem)]}
    _set_tags(customers, customer, merged, "customer.tags_added")
    return {"node": customer, "userErrors": []}


def remove_tags(customers: Customers, gid: str, tags: list[str]) -> dict[str, Any]:
    customer = customers.get(gid)
    if customer is None:
        return _unknown_node()
    gone = {tag.lower() for tag in clean_tags(tags)}
    left = tuple(tag for tag in customer.tags if tag.lower() not in gone)
    _set_tags(customers, customer, left, "customer.tags_removed")
    return {"node": customer, "userErrors": []}


def add_address(customers: Customers, gid: str, given: Given, *, default: bool) -> dict[str, Any]:
    customer = customers.get(gid)
    if customer is None:
        return {"address": None, "userErrors": [_error(["customerId"], "Customer does not exist")]}
    address = _address(customer, given)
    if default or customer.address is None:
        customer.address = address
        customers.log.add("address", gid, dict(given))
        customers.changed(customer)
    return {"address": address, "userErrors": []}


def clean_tags(tags: list[str]) -> tuple[str, ...]:
    """Split at commas, trimmed, each once whatever its case, sorted."""
    found: dict[str, str] = {}
    for tag in (part.strip() for text in tags for part in text.split(",")):
        if tag:
            found.setdefault(tag.lower(), tag)
    return tuple(found[key] for key in sorted(found))


def fresh(customers: Customers, *, email: str | None) -> Customer:
    """A customer as Shopify makes one: never asked, account not enabled."""
    now = customers.now()
    return Customer(
        number=customers.next_number(),
        email=email,
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
    customer = fresh(customers, email=_text(given.get("email")))
    customer.phone = _phone(given.get("phone"))
    customers.add(customer)
    _fill(customers, customer, given)
    customers.log.add("customer", customer.gid, dict(given))
    if given.get("emailMarketingConsent"):
        decide_email(customers, customer, choice_of(given["emailMarketingConsent"]))
    if given.get("smsMarketingConsent"):
        decide_sms(customers, customer, choice_of(given["smsMarketingConsent"]))
    return customer


def _change(customers: Customers, customer: Customer, given: Given) -> None:
    _fill(customers, customer, given)
    customers.log.add("customer", customer.gid, dict(given))
    customers.changed(customer)


def _fill(customers: Customers, customer: Customer, given: Given) -> None:
    """Only what the input names is touched."""
    for name, attribute in _TEXTS.items():
        if name in given:
            setattr(customer, attribute, _text(given[name]))
    if given.get("locale"):
        customer.locale = given["locale"]
    if "tags" in given:
        customer.tags = clean_tags(given["tags"] or [])
    if "email" in given or "phone" in given:
        email = _text(given["email"]) if "email" in given else customer.email
        phone = _phone(given["phone"]) if "phone" in given else customer.phone
        customers.rename(customer, email=email, phone=phone)
    if given.get("addresses"):
        customer.address = _address(customer, given["addresses"][0])


def _problems(customers: Customers, given: Given, customer: Customer | None) -> list[Problem]:
    found: list[Problem] = []
    if email := _text(given.get("email")):
        if not EMAIL.fullmatch(email):
            found.append((["email"], "Email is invalid", "INVALID"))
        elif (other := customers.with_email(email)) is not None and other is not customer:
            found.append((["email"], "Email has already been taken", "TAKEN"))
    if given.get("phone"):
        phone = _phone(given["phone"]) or ""
        if not PHONE.fullmatch(phone):
            found.append((["phone"], "Phone is invalid", "INVALID"))
        elif (other := customers.with_phone(phone)) is not None and other is not customer:
            found.append((["phone"], "Phone has already been taken", "TAKEN"))
    if given.get("locale") and not LOCALE.fullmatch(given["locale"]):
        found.append((["locale"], "Locale is invalid", "INVALID"))
    for name, label, longest in (
        ("firstName", "First name", LONGEST_NAME),
        ("lastName", "Last name", LONGEST_NAME),
        ("note", "Note", LONGEST_NOTE),
    ):
        if len(given.get(name) or "") > longest:
            found.append(([name], f"{label} is too long (maximum is {longest} characters)", "TOO_LONG"))
    if problem := _tags_problem(clean_tags(given.get("tags") or [])):
        found.append((["tags"], problem, "INVALID"))
    if not found and not _remains_somebody(given, customer):
        found.append((None, "A name, phone number, or email address must be present", "BLANK"))
    return found


def _remains_somebody(given: Given, customer: Customer | None) -> bool:
    kept = {
        "email": customer and customer.email,
        "phone": customer and customer.phone,
        "firstName": customer and customer.first_name,
        "lastName": customer and customer.last_name,
    }
    return any(_text(given[name]) if name in given else value for name, value in kept.items())


def _consent_problems(customers: Customers, given: Given) -> list[Problem]:
    found: list[Problem] = []
    for name, kind, other in (
        ("emailMarketingConsent", "email", "email address"),
        ("smsMarketingConsent", "SMS", "phone number"),
    ):
        if given.get(name) is None:
            continue
        if not _text(given.get("email" if kind == "email" else "phone")):
            article = "An" if kind == "email" else "A"
            message = f"{article} {other} is required to set the {kind} marketing consent state."
            found.append(([name], message, "INVALID"))
        elif problem := problem_with(choice_of(given[name]), now=customers.now()):
            found.append(([name, *problem[0]], problem[1], "INVALID"))
    return found


def _tags_problem(tags: tuple[str, ...]) -> str | None:
    if len(tags) > MOST_TAGS:
        return f"Tags cannot exceed {MOST_TAGS} tags"
    if any(len(tag) > LONGEST_TAG for tag in tags):
        return f"Tags is too long (maximum is {LONGEST_TAG} characters)"
    return None


def _set_tags(customers: Customers, customer: Customer, tags: tuple[str, ...], topic: str) -> None:
    if tags != customer.tags:
        customer.tags = tags
        customers.log.add("tags", customer.gid, {"tags": list(tags)})
        customers.changed(customer, topic)


def _address(customer: Customer, given: Given) -> MailingAddress:
    country = given.get("countryCode")
    place = Address(
        address1=given.get("address1") or "",
        address2=_text(given.get("address2")),
        city=given.get("city") or "",
        province=_text(given.get("province") or given.get("provinceCode")),
        province_code=_text(given.get("provinceCode")),
        country=given.get("country") or COUNTRIES.get(country or "", country or ""),
        country_code=country or "",
        zip=given.get("zip") or "",
        phone=_text(given.get("phone")),
    )
    first, last = _text(given.get("firstName")), _text(given.get("lastName"))
    names = (first or customer.first_name, last or customer.last_name, _text(given.get("company")))
    return MailingAddress(customer.number, *names, place)


def _text(value: str | None) -> str | None:
    return (value or "").strip() or None


def _phone(value: str | None) -> str | None:
    return re.sub(r"[\s().-]", "", value or "") or None


def _error(field: list[str] | None, message: str) -> dict[str, Any]:
    return {"field": field, "message": message}


def _unknown_node() -> dict[str, Any]:
    return {"node": None, "userErrors": [_error(["id"], "Customer does not exist")]}


def _refused(problems: list[Problem], *, coded: bool = False) -> dict[str, Any]:
    errors = [{"field": f, "message": m, **({"code": code} if coded else {})} for f, m, code in problems]
    return {"customer": None, "userErrors": errors}
