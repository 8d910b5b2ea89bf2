"""How each field of the plain types is read: object in, ready JSON value out.

The one table serves graphql-core and the compiled projections alike. A sub-object may be the same record seen as
another type: the default e-mail address of a customer is the customer. Types without a table are mappings.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

from shopchimp.sandbox.shopify.paging import Connection, page_of
from shopchimp.sandbox.shopify.store import Customer, MailingAddress

CURRENCY: Final = "USD"
Getter = Callable[[Any], Any]


class Money(NamedTuple):
    amount: str
    currency: str = CURRENCY

    @property
    def graphql_type(self) -> str:
        return "MoneyV2"


@lru_cache(maxsize=20_000)
def _day(days: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(days * 86_400))


def iso(seconds: int) -> str:
    """Three of these stand in every row of a bulk file, so the days are remembered."""
    days, rest = divmod(seconds, 86_400)
    return f"{_day(days)}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


def iso_or_none(seconds: int | None) -> str | None:
    return None if seconds is None else iso(seconds)


def display_name(customer: Customer) -> str:
    if customer.first_name and customer.last_name:
        return f"{customer.first_name} {customer.last_name}"
    return customer.first_name or customer.last_name or customer.email or customer.phone or ""


def _itself(each: Any) -> Any:
    return each


def _constant(value: Any) -> Getter:
    return lambda _: value


_PLACE_FIELDS: Final = ("address1", "address2", "city", "province", "country", "zip", "phone")

FIELDS: Final[dict[str, Mapping[str, Getter]]] = {
    "Customer": {
        "id": lambda c: f"gid://shopify/Customer/{c.number}",
        "legacyResourceId": lambda c: str(c.number),
        "firstName": attrgetter("first_name"),
        "lastName": attrgetter("last_name"),
        "displayName": display_name,
        "locale": attrgetter("locale"),
        "state": attrgetter("state"),
        "note": attrgetter("note"),
        "tags": lambda c: list(c.tags),
        "verifiedEmail": attrgetter("verified"),
        "validEmailAddress": lambda c: c.email_state != "INVALID",
        "taxExempt": _constant(value=False),
        "taxExemptions": _constant([]),
        "dataSaleOptOut": _constant(value=False),
        "canDelete": lambda c: c.orders == 0,
        "createdAt": lambda c: iso(c.created),
        "updatedAt": lambda c: iso(c.updated),
        "numberOfOrders": lambda c: str(c.orders),
        "amountSpent": lambda c: Money(f"{c.spent // 100}.{c.spent % 100:02}"),
        "lastOrder": _constant(None),
        "email": attrgetter("email"),
        "phone": attrgetter("phone"),
        "defaultEmailAddress": lambda c: c if c.email else None,
        "defaultPhoneNumber": lambda c: c if c.phone else None,
        "defaultAddress": attrgetter("address"),
        "emailMarketingConsent": lambda c: c if c.email else None,
        "smsMarketingConsent": lambda c: c if c.phone else None,
        "unsubscribeUrl": _constant("https://example.com/unsubscribe"),
        "multipassIdentifier": _constant(None),
        "hasTimelineComment": _constant(value=False),
    },
    "CustomerEmailAddress": {
        "emailAddress": attrgetter("email"),
        "validFormat": lambda c: c.email_state != "INVALID",
        "marketingState": attrgetter("email_state"),
        "marketingOptInLevel": attrgetter("email_level"),
        "marketingUpdatedAt": lambda c: None if c.email_at is None else iso(c.email_at),
        "openTrackingLevel": _constant("UNKNOWN"),
        "openTrackingUrl": _constant("https://example.com/open-tracking"),
        "marketingUnsubscribeUrl": _constant("https://example.com/unsubscribe"),
    },
    "CustomerEmailMarketingConsentState": {
        "marketingState": attrgetter("email_state"),
        "marketingOptInLevel": attrgetter("email_level"),
        "consentUpdatedAt": lambda c: iso_or_none(c.email_at),
    },
    "CustomerPhoneNumber": {
        "phoneNumber": attrgetter("phone"),
        "smsMarketingConsent": _itself,
        "marketingState": attrgetter("sms_state"),
        "marketingOptInLevel": attrgetter("sms_level"),
        "marketingUpdatedAt": lambda c: iso_or_none(c.sms_at),
        "marketingCollectedFrom": lambda c: None if c.sms_at is None else "OTHER",
    },
    "CustomerSmsMarketingConsent": {
        "state": lambda c: "NEVER_SUBSCRIBED" if c.sms_state == "NOT_SUBSCRIBED" else c.sms_state,
        "optInLevel": attrgetter("sms_level"),
        "updatedAt": lambda c: iso_or_none(c.sms_at),
        "collectedFrom": lambda c: None if c.sms_at is None else "OTHER",
    },
    "CustomerSmsMarketingConsentState": {
        "marketingState": attrgetter("sms_state"),
        "marketingOptInLevel": attrgetter("sms_level"),
        "consentUpdatedAt": lambda c: iso_or_none(c.sms_at),
        "consentCollectedFrom": lambda c: None if c.sms_at is None else "OTHER",
    },
    "MailingAddress": {
        "id": lambda a: f"gid://shopify/MailingAddress/{a.number}?model_name=CustomerAddress",
        "firstName": attrgetter("first_name"),
        "lastName": attrgetter("last_name"),
        "name": lambda a: " ".join(filter(None, (a.first_name, a.last_name))) or None,
        "company": attrgetter("company"),
        **{name: attrgetter(f"place.{name}") for name in _PLACE_FIELDS},
        "provinceCode": attrgetter("place.province_code"),
        "countryCodeV2": attrgetter("place.country_code"),
        "countryCode": attrgetter("place.country_code"),
        "latitude": _constant(None),
        "longitude": _constant(None),
        "timeZone": _constant(None),
        "coordinatesValidated": _constant(value=False),
    },
    "MoneyV2": {"amount": attrgetter("amount"), "currencyCode": attrgetter("currency")},
}

# Every connection type is read alike.
CONNECTION: Final[Mapping[str, Getter]] = {
    "nodes": attrgetter("nodes"),
    "edges": attrgetter("edges"),
    "pageInfo": attrgetter("page_info"),
}

# Connections inside an object, as the list of all that stands in them.
CHILDREN: Final[dict[tuple[str, str], Callable[[Any], Sequence[Any]]]] = {
    ("Customer", "addressesV2"): lambda c: [c.address] if c.address else [],
}


def _page_of_children(children: Callable[[Any], Sequence[Any]]) -> Callable[[Any, Mapping[str, Any]], Any]:
    return lambda each, args: page_of(children(each), args)


# Fields of objects that take arguments: (object, arguments) -> value.
WITH_ARGUMENTS: Final[dict[tuple[str, str], Callable[[Any, Mapping[str, Any]], Any]]] = {
    **{name: _page_of_children(children) for name, children in CHILDREN.items()},
    ("Customer", "addresses"): lambda c, _: [c.address] if c.address else [],
}


def register(
    tables: Mapping[str, Mapping[str, Getter]],
    children: Mapping[tuple[str, str], Callable[[Any], Sequence[Any]]],
    with_arguments: Mapping[tuple[str, str], Callable[[Any, Mapping[str, Any]], Any]],
) -> None:
    """More types, from a module beside this one."""
    FIELDS.update(tables)
    CHILDREN.update(children)
    WITH_ARGUMENTS.update({name: _page_of_children(each) for name, each in children.items()})
    WITH_ARGUMENTS.update(with_arguments)


def table_of(type_name: str) -> Mapping[str, Getter] | None:
    """The getters of a type; None for types whose objects are mappings."""
    return FIELDS.get(type_name, CONNECTION if type_name.endswith("Connection") else None)


def type_of(each: Any) -> str:
    """The GraphQL type of an object that is reached through an interface or union."""
    match each:
        case Customer():
            return "Customer"
        case MailingAddress():
            return "MailingAddress"
        case Connection():
            raise TypeError("a connection has no type of its own")
        case {"__typename": name}:
            return str(name)
        case _:
            return str(each.graphql_type)
