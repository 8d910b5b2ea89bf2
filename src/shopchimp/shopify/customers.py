"""Customers and their e-mail marketing consent: read again and written forty at a time, by aliases in one document.

There is no bulk form of `customerEmailMarketingConsentUpdate` (ADR 0006); aliases save the round trips, the query cost
is paid per customer all the same (11 points a write, 4 a read).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from shopchimp.shopify import documents
from shopchimp.shopify.client import ShopifyClient

ALIASES = 40  # 40 writes cost 440 points of the 1,000 that one query may ask for


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Consent:
    """A customer's e-mail consent as Shopify says it now. `updated_at` is when the person chose, as far as known."""

    state: str
    opt_in_level: str | None
    updated_at: datetime | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A customer that changed, with the consent now."""

    id: int
    consent: Consent
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class ConsentWrite:
    """A consent to set, with its own time (never a time in the future, never "now" for history)."""

    customer_id: int
    state: str
    opt_in_level: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class UserError:
    """Shopify's refusal of one write, in its own words."""

    code: str
    message: str


def gid(customer_id: int) -> str:
    """The global id of a customer."""
    return f"gid://shopify/Customer/{customer_id}"


def consents(client: ShopifyClient, customer_ids: Sequence[int]) -> list[Consent | None]:
    """What each customer's consent is now, in the order asked; None where the customer is gone."""
    found: list[Consent | None] = []
    for part in _parts(customer_ids):
        variables = {f"i{n}": gid(customer_id) for n, customer_id in enumerate(part)}
        data = client.execute(documents.read_consents(len(part)), "CustomerConsents", variables)
        found += [_consent(data.get(f"c{n}")) for n in range(len(part))]
    return found


def changed_since(client: ShopifyClient, since: datetime) -> Iterator[Changed]:
    """Every customer who was changed at or after `since`, their consent included. The deleted are not among them."""
    moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    variables: dict[str, Any] = {"query": f"updated_at:>='{moment}'", "after": None}
    while True:
        page = client.execute(documents.CUSTOMERS_CHANGED, "CustomersChanged", variables).get("customers") or {}
        for node in page.get("nodes") or ():
            consent = _consent(node)
            if consent is not None:
                yield Changed(int(str(node["id"]).rsplit("/", 1)[-1]), consent, parse_time(node.get("updatedAt")))
        place = page.get("pageInfo") or {}
        if not place.get("hasNextPage"):
            return
        variables["after"] = place.get("endCursor")


def set_consents(client: ShopifyClient, writes: Sequence[ConsentWrite]) -> list[UserError | None]:
    """Set each consent, in order; None where Shopify took it."""
    outcome: list[UserError | None] = []
    for part in _parts(writes):
        variables = {f"i{n}": _input(write) for n, write in enumerate(part)}
        name = "CustomerEmailMarketingConsentUpdates"
        data = client.execute(documents.write_consents(len(part)), name, variables)
        outcome += [_refusal(data.get(f"c{n}")) for n in range(len(part))]
    return outcome


def _parts(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[start : start + ALIASES] for start in range(0, len(items), ALIASES)]


def _input(write: ConsentWrite) -> dict[str, Any]:
    return {
        "customerId": gid(write.customer_id),
        "emailMarketingConsent": {
            "marketingState": write.state,
            "marketingOptInLevel": write.opt_in_level,
            "consentUpdatedAt": write.updated_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }


def _consent(node: Any) -> Consent | None:
    if not isinstance(node, dict):
        return None
    address = node.get("defaultEmailAddress")
    if not isinstance(address, dict):
        return Consent("NOT_SUBSCRIBED", None, None, None)
    return Consent(
        state=str(address.get("marketingState") or "NOT_SUBSCRIBED"),
        opt_in_level=address.get("marketingOptInLevel"),
        updated_at=parse_time(address.get("marketingUpdatedAt")),
        email=address.get("emailAddress"),
    )


def _refusal(payload: Any) -> UserError | None:
    if not isinstance(payload, dict):
        return UserError("sh_rejected", "no answer for this customer")
    errors = payload.get("userErrors") or []
    if not errors:
        return None
    first = errors[0]
    code = "sh_customer_gone" if "not found" in str(first.get("message", "")).lower() else "sh_rejected"
    return UserError(code, str(first.get("message") or ""))


def parse_time(value: object) -> datetime | None:
    """An ISO 8601 time of Shopify's, or None; an unreadable one counts as unknown."""
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
