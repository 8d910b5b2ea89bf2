"""Customer segments: saved queries, the filters there are, and who is in (shopify.md sections 2.2 and 7.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from graphql import GraphQLError

from shopchimp.sandbox.shopify.fields import display_name, iso
from shopchimp.sandbox.shopify.metafields import FILTERABLE, Metafields
from shopchimp.sandbox.shopify.paging import Connection, Walk, page, page_of
from shopchimp.sandbox.shopify.segment_query import (
    BOOLEAN,
    DATE,
    LIST,
    NUMBER,
    TEXT,
    Filter,
    SegmentQueryError,
    parse_segment,
    seconds_of,
)
from shopchimp.sandbox.shopify.store import Customer, Customers, number_of

ZONE: Final = "America/New_York"  # the shop's, as about.py tells it
FIRST_SEGMENT: Final = 500_000_000_000
MOST_MEMBERS: Final = 1000  # a page of members may be longer than other pages

OWN_FILTERS: Final[Mapping[str, Filter]] = {
    "amount_spent": Filter(NUMBER, lambda c: Decimal(c.spent) / 100),
    "customer_added_date": Filter(DATE, lambda c: c.created),
    "customer_tags": Filter(LIST, lambda c: c.tags),
    "email_subscription_status": Filter(TEXT, lambda c: c.email_state.lower()),
    "number_of_orders": Filter(NUMBER, lambda c: Decimal(c.orders)),
    "sms_subscription_status": Filter(TEXT, lambda c: c.sms_state.lower()),
}
KINDS: Final = {
    "boolean": BOOLEAN,
    "date": DATE,
    "date_time": DATE,
    "number_decimal": NUMBER,
    "number_integer": NUMBER,
    "single_line_text_field": TEXT,
}
SHOWN_AS: Final = {
    BOOLEAN: "SegmentBooleanFilter",
    DATE: "SegmentDateFilter",
    LIST: "SegmentStringFilter",
    NUMBER: "SegmentFloatFilter",
    TEXT: "SegmentStringFilter",
}
_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    BOOLEAN: lambda value: value == "true",
    DATE: seconds_of,
    NUMBER: Decimal,
    TEXT: str.lower,
}


@dataclass(slots=True)
class Segments:
    customers: Customers
    metafields: Metafields
    saved: dict[int, dict[str, Any]] = field(default_factory=dict)

    def create(self, name: str, query: str) -> dict[str, Any]:
        errors = [] if name.strip() else [{"field": ["name"], "message": "Name can't be blank"}]
        if any(each["name"] == name for each in self.saved.values()):
            errors.append({"field": ["name"], "message": "Name has already been taken"})
        try:
            self._matcher(query, ZONE)
        except SegmentQueryError as error:
            errors.append({"field": ["query"], "message": f"Query {error}"})
        if errors:
            return {"segment": None, "userErrors": errors}
        number = FIRST_SEGMENT + len(self.saved) + 1
        now = iso(self.customers.now())
        self.saved[number] = {
            "__typename": "Segment",
            "id": f"gid://shopify/Segment/{number}",
            "name": name,
            "query": query,
            "creationDate": now,
            "lastEditDate": now,
        }
        return {"segment": self.saved[number], "userErrors": []}

    def get(self, gid: str) -> dict[str, Any] | None:
        return self.saved.get(number_of(gid, "Segment") or 0)

    def members(self, args: Mapping[str, Any]) -> Connection:
        try:
            matches = self._matcher(self._query(args), args.get("timezone") or ZONE)
        except (SegmentQueryError, ZoneInfoNotFoundError) as error:
            raise GraphQLError(str(error), extensions={"code": "BAD_REQUEST"}) from error
        walk = Walk(self.customers.numbers, self.customers.by_number.get, matches=matches)
        found = page(walk, args, longest=MOST_MEMBERS)
        found.extra["totalCount"] = sum(1 for each in self.customers if matches(each))
        return found

    def filters(self, args: Mapping[str, Any]) -> Connection:
        shown = [
            {
                "__typename": SHOWN_AS[each.kind],
                "queryName": name,
                "localizedName": name.rpartition(".")[2].replace("_", " ").capitalize(),
                "multiValue": each.kind == LIST,
            }
            for name, each in self._filters().items()
        ]
        return page_of(shown, args)

    def _query(self, args: Mapping[str, Any]) -> str:
        if args.get("segmentId") is None:
            return args.get("query") or ""
        segment = self.get(args["segmentId"])
        if segment is None:
            raise GraphQLError("Segment not found", extensions={"code": "NOT_FOUND"})
        return str(segment["query"])

    def _matcher(self, query: str, zone: str) -> Callable[[Customer], bool]:
        return parse_segment(query, self._filters(), now=self.customers.clock(), zone=ZoneInfo(zone))

    def _filters(self) -> dict[str, Filter]:
        """A metafield is a filter when it has a definition of a type that can be one."""
        found = dict(OWN_FILTERS)
        for (namespace, key), definition in self.metafields.definitions.items():
            if definition.type in FILTERABLE:
                found[f"metafields.{namespace}.{key}"] = _of_metafield(namespace, key, KINDS[definition.type])
        return found


def _of_metafield(namespace: str, key: str, kind: str) -> Filter:
    read, name = _READ[kind], (namespace, key)

    def value(customer: Customer) -> Any:
        found = customer.metafields.get(name) if customer.metafields else None
        return None if found is None else read(found.value)

    return Filter(kind, value)


def _default(name: str) -> Callable[[Customer], Any]:
    return lambda customer: customer if getattr(customer, name) else None


# A member is the customer, seen as somebody of a segment.
MEMBER: Final[Mapping[str, Callable[[Customer], Any]]] = {
    "id": lambda c: f"gid://shopify/CustomerSegmentMember/{c.number}",
    "displayName": display_name,
    "firstName": lambda c: c.first_name,
    "lastName": lambda c: c.last_name,
    "note": lambda c: c.note,
    "numberOfOrders": lambda c: str(c.orders),
    "defaultEmailAddress": _default("email"),
    "defaultPhoneNumber": _default("phone"),
    "defaultAddress": lambda c: c.address,
    "lastOrderId": lambda _: None,
}
