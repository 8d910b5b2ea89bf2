"""Customers and their e-mail marketing consent: read 250 a query, consent written forty at a time in one document.

There is no bulk form of `customerEmailMarketingConsentUpdate` (ADR 0006); aliases save the round trips, the query cost
is paid per customer all the same (11 points a write, 4 a read).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from shopchimp.domain.errors import Unavailable
from shopchimp.domain.sms import CustomerSms, SmsState
from shopchimp.shopify import documents
from shopchimp.shopify.client import ShopifyClient

PAGE = 250  # ids in one query
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
class Customer:
    """A customer as Shopify says it now: all that live sync carries.

    `fields` are first_name, last_name, phone and default_address, in the shape that `domain.fields` takes.
    """

    id: int
    consent: Consent
    updated_at: datetime | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    sms: CustomerSms | None = None


Changed = Customer  # a customer among those that changed since a moment


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


def by_ids(client: ShopifyClient, customer_ids: Sequence[int]) -> list[Customer | None]:
    """Each customer as they are now, in the order asked; None where they are gone."""
    found: list[Customer | None] = []
    for start in range(0, len(customer_ids), PAGE):
        ids = [gid(each) for each in customer_ids[start : start + PAGE]]
        data = client.execute(documents.CUSTOMERS_BY_ID, "CustomersById", {"ids": ids})
        nodes = data.get("nodes") or []
        if len(nodes) != len(ids):
            raise Unavailable("shopify", "sh_unreachable", f"{len(nodes)} answers for {len(ids)} customers")
        found += map(customer, nodes)
    return found


def by_emails(client: ShopifyClient, emails: Sequence[str]) -> list[Customer | None]:
    """Who has each of these addresses now, in the order asked; never by search, whose index lags behind writes."""
    found: list[Customer | None] = []
    for part in _parts(emails):
        variables = {f"e{n}": email for n, email in enumerate(part)}
        data = client.execute(documents.find_by_email(len(part)), "CustomersByEmail", variables)
        found += [customer(data.get(f"c{n}")) for n in range(len(part))]
    return found


def sample(client: ShopifyClient) -> list[Customer]:
    """A few customers who changed lately, to show what the settings would send."""
    nodes = (client.execute(documents.SAMPLE_CUSTOMER, "SampleCustomer").get("customers") or {}).get("nodes") or ()
    return [each for each in map(customer, nodes) if each is not None]


def changed_since(client: ShopifyClient, since: datetime) -> Iterator[Customer]:
    """Every customer who was changed at or after `since`, as they are now. The deleted are not among them."""
    moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    variables: dict[str, Any] = {"query": f"updated_at:>='{moment}'", "after": None}
    while True:
        page = client.execute(documents.CUSTOMERS_CHANGED, "CustomersChanged", variables).get("customers") or {}
        for node in page.get("nodes") or ():
            if (changed := customer(node)) is not None:
                yield changed
        place = page.get("pageInfo") or {}
        if not place.get("hasNextPage"):
            return
        variables["after"] = place.get("endCursor")


def update(client: ShopifyClient, customer_id: int, fields: Mapping[str, str]) -> UserError | None:
    """Set first_name, last_name or phone; what is not named stays. None where Shopify took it."""
    data = client.execute(documents.CUSTOMER_UPDATE, "CustomerUpdate", {"input": _update_input(customer_id, fields)})
    return _profile_refusal(data.get("customerUpdate"))


def update_all(client: ShopifyClient, writes: Sequence[tuple[int, Mapping[str, str]]]) -> list[UserError | None]:
    """The same for many (id, fields), in order: as many a call as fit in one document."""
    outcome: list[UserError | None] = []
    for part in _parts(writes):
        variables = {f"i{n}": _update_input(*write) for n, write in enumerate(part)}
        data = client.execute(documents.update_customers(len(part)), "CustomerUpdates", variables)
        outcome += [_profile_refusal(data.get(f"c{n}")) for n in range(len(part))]
    return outcome


def _update_input(customer_id: int, fields: Mapping[str, str]) -> dict[str, Any]:
    return {"id": gid(customer_id), **_input_fields(fields)}


def create(
    client: ShopifyClient,
    *,
    email: str,
    fields: Mapping[str, str],
    state: str = "",
    level: str = "",
    consent_at: datetime | None = None,
) -> int | UserError:
    """Make a customer and give back its id, or why not: `sh_taken` where somebody has this address already.

    With consent only where `state` is SUBSCRIBED; its time is the person's own, never "now" for history.
    """
    given: dict[str, Any] = {"email": email, **_input_fields(fields)}
    if state == "SUBSCRIBED":
        given["emailMarketingConsent"] = {"marketingState": state, "marketingOptInLevel": level or "SINGLE_OPT_IN"}
        if consent_at is not None:
            given["emailMarketingConsent"]["consentUpdatedAt"] = _seconds(consent_at)
    payload = client.execute(documents.CUSTOMER_CREATE, "CustomerCreate", {"input": given}).get("customerCreate")
    if (refusal := _profile_refusal(payload)) is not None:
        return refusal
    made = (payload or {}).get("customer")
    return _number(made["id"]) if made else UserError("sh_rejected", "Shopify's answer has no customer")


def set_sms_consent(
    client: ShopifyClient, customer_id: int, *, subscribe: bool, level: str | None, at: datetime | None
) -> UserError | None:
    """Set the consent to text messages of the customer's phone (D8). None where Shopify took it."""
    consent = {
        "marketingState": "SUBSCRIBED" if subscribe else "UNSUBSCRIBED",
        "marketingOptInLevel": level if level in _LEVELS else "SINGLE_OPT_IN",
    }
    if at is not None:
        consent["consentUpdatedAt"] = _seconds(at)
    variables = {"input": {"customerId": gid(customer_id), "smsMarketingConsent": consent}}
    data = client.execute(documents.CUSTOMER_SMS_CONSENT, "CustomerSmsMarketingConsentUpdate", variables)
    return _refusal(data.get("customerSmsMarketingConsentUpdate"))


_LEVELS = frozenset({"SINGLE_OPT_IN", "CONFIRMED_OPT_IN"})
_INPUT = {"first_name": "firstName", "last_name": "lastName", "phone": "phone"}


def _input_fields(fields: Mapping[str, str]) -> dict[str, str]:
    return {_INPUT[name]: value for name, value in fields.items() if name in _INPUT}


def _profile_refusal(payload: Any) -> UserError | None:
    """`customerUpdate` and `customerCreate` give no code with their errors: field and sentence decide."""
    refusal = _refusal(payload)
    if refusal is None or not isinstance(payload, dict) or refusal.code == "sh_customer_gone":
        return refusal
    first = (payload.get("userErrors") or [{}])[0]
    about, words = (first.get("field") or [""])[-1], refusal.message.lower()
    if "taken" in words:
        return UserError("sh_phone_taken" if about == "phone" else "sh_taken", refusal.message)
    if "does not exist" in words:
        return UserError("sh_customer_gone", refusal.message)
    return UserError("sh_field_value" if about in {"email", *_INPUT.values()} else refusal.code, refusal.message)


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
            "consentUpdatedAt": _seconds(write.updated_at),
        },
    }


def _seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(global_id: object) -> int:
    return int(str(global_id).rsplit("/", 1)[-1])


def customer(node: Any) -> Customer | None:
    """A customer object of any answer or line of an export, or None."""
    consent = _consent(node) if node else None
    if consent is None:
        return None
    tags = node.get("tags")
    return Customer(
        id=_number(node["id"]),
        consent=consent,
        updated_at=parse_time(node.get("updatedAt")),
        fields={
            "first_name": node.get("firstName"),
            "last_name": node.get("lastName"),
            "phone": (node.get("defaultPhoneNumber") or {}).get("phoneNumber"),
            "default_address": node.get("defaultAddress"),
        },
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        sms=sms_consent(node.get("defaultPhoneNumber")),
    )


_SMS_STATES = {state.value: state for state in SmsState}


def sms_consent(phone: Any) -> CustomerSms | None:
    """The consent to text messages that belongs to a customer's default phone; None without a phone."""
    if not isinstance(phone, dict):
        return None
    consent = phone.get("smsMarketingConsent") or {}
    state = consent.get("state")
    return CustomerSms(
        state=SmsState.NEVER_SUBSCRIBED if state is None else _SMS_STATES.get(str(state)),
        phone=phone.get("phoneNumber"),
        updated_at=parse_time(consent.get("updatedAt")),
        level=consent.get("optInLevel"),
    )


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
    words = str(errors[0].get("message") or "")
    code = next((code for part, code in _SENTENCES if part in words.lower()), "sh_rejected")
    return UserError(code, words)


_SENTENCES = (("not found", "sh_customer_gone"), ("must not be in the future", "sh_too_early"))


def parse_time(value: object) -> datetime | None:
    """An ISO 8601 time of Shopify's, or None; an unreadable one counts as unknown."""
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
