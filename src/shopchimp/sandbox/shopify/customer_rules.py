"""What Shopify refuses about a customer's fields (shopify.md section 2.5), and how it tidies them first."""

import re
from collections.abc import Mapping
from typing import Any, Final

from shopchimp.sandbox.shopify.consent import choice_of, problem_with
from shopchimp.sandbox.shopify.store import Customer, Customers

Given = Mapping[str, Any]
Problem = tuple[list[str] | None, str, str]  # field, message, the code that customerSet adds

LONGEST_NAME: Final = 255
LONGEST_NOTE: Final = 5000
LONGEST_TAG: Final = 255
MOST_TAGS: Final = 250
EMAIL: Final = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]+")
PHONE: Final = re.compile(r"\+[1-9]\d{6,14}")
LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Z][A-Za-z]{1,3})?")


def field_problems(customers: Customers, given: Given, customer: Customer | None) -> list[Problem]:
    found: list[Problem] = []
    if email := text_or_none(given.get("email")):
        if not EMAIL.fullmatch(email):
            found.append((["email"], "Email is invalid", "INVALID"))
        elif (other := customers.with_email(email)) is not None and other is not customer:
            found.append((["email"], "Email has already been taken", "TAKEN"))
    if given.get("phone"):
        phone = phone_or_none(given["phone"]) or ""
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
    if problem := tags_problem(clean_tags(given.get("tags") or [])):
        found.append((["tags"], problem, "INVALID"))
    if not found and not _remains_somebody(given, customer):
        found.append((None, "A name, phone number, or email address must be present", "BLANK"))
    return found


def consent_problems(customers: Customers, given: Given) -> list[Problem]:
    found: list[Problem] = []
    for name, kind, other in (
        ("emailMarketingConsent", "email", "email address"),
        ("smsMarketingConsent", "SMS", "phone number"),
    ):
        if given.get(name) is None:
            continue
        if not text_or_none(given.get("email" if kind == "email" else "phone")):
            article = "An" if kind == "email" else "A"
            message = f"{article} {other} is required to set the {kind} marketing consent state."
            found.append(([name], message, "INVALID"))
        elif problem := problem_with(choice_of(given[name]), now=customers.now()):
            found.append(([name, *problem[0]], problem[1], "INVALID"))
    return found


def tags_problem(tags: tuple[str, ...]) -> str | None:
    if len(tags) > MOST_TAGS:
        return f"Tags cannot exceed {MOST_TAGS} tags"
    if any(len(tag) > LONGEST_TAG for tag in tags):
        return f"Tags is too long (maximum is {LONGEST_TAG} characters)"
    return None


def clean_tags(tags: list[str]) -> tuple[str, ...]:
    """Split at commas, trimmed, each once whatever its case, sorted."""
    found: dict[str, str] = {}
    for tag in (part.strip() for text in tags for part in text.split(",")):
        if tag:
            found.setdefault(tag.lower(), tag)
    return tuple(found[key] for key in sorted(found))


def text_or_none(value: str | None) -> str | None:
    return (value or "").strip() or None


def phone_or_none(value: str | None) -> str | None:
    return re.sub(r"[\s().-]", "", value or "") or None


def _remains_somebody(given: Given, customer: Customer | None) -> bool:
    kept = {
        "email": customer and customer.email,
        "phone": customer and customer.phone,
        "firstName": customer and customer.first_name,
        "lastName": customer and customer.last_name,
    }
    return any(text_or_none(given[name]) if name in given else value for name, value in kept.items())
