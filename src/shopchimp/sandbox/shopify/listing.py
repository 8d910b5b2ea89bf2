"""Lists of customers: filters, sort orders, counts and the rows of a bulk operation."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from shopchimp.sandbox.shopify.bulk import Source
from shopchimp.sandbox.shopify.call import Arguments
from shopchimp.sandbox.shopify.paging import DEEPEST_PAGE, Connection, Walk, page
from shopchimp.sandbox.shopify.search import (
    EVERYTHING,
    Filters,
    Query,
    exact_filter,
    number_filter,
    parse,
    tags_filter,
    text_filter,
    time_filter,
)
from shopchimp.sandbox.shopify.store import Customer, Customers

FILTERS: Final[Filters] = {
    "id": number_filter(lambda c: c.number),
    "email": text_filter(lambda c: c.email),
    "phone": text_filter(lambda c: c.phone),
    "first_name": text_filter(lambda c: c.first_name),
    "last_name": text_filter(lambda c: c.last_name),
    "country": text_filter(lambda c: c.address and c.address.place.country),
    "tag": tags_filter(lambda c: c.tags),
    "tag_not": tags_filter(lambda c: c.tags, absent=True),
    "state": exact_filter(lambda c: c.state),
    "orders_count": number_filter(lambda c: c.orders),
    "total_spent": number_filter(lambda c: c.spent / 100),
    "customer_date": time_filter(lambda c: c.created),
    "updated_at": time_filter(lambda c: c.updated),
    "accepts_marketing": exact_filter(lambda c: str(c.email_state == "SUBSCRIBED")),
    "default": text_filter(lambda c: f"{c.first_name} {c.last_name} {c.email} {c.phone}"),
}
_OTHER_ORDERS: Final[dict[str, Callable[[Customer], Any]]] = {
    "CREATED_AT": lambda c: c.created,
    "NAME": lambda c: f"{c.last_name or ''}, {c.first_name or ''}",
    "LOCATION": lambda c: c.address.place.country if c.address else "",
}


def list_customers(customers: Customers, args: Arguments) -> Connection:
    wanted = parse(args.get("query"), FILTERS)
    return page(_walk(customers, args.get("sortKey") or "ID", wanted), args)


def count_customers(customers: Customers, args: Arguments) -> dict[str, Any]:
    """Counting stops at the limit, and at 25,000 in any case (shopify.md section 5)."""
    wanted = parse(args.get("query"), FILTERS)
    limit = args.get("limit")
    most = DEEPEST_PAGE + 1 if limit is None else min(limit, DEEPEST_PAGE + 1)
    total = len(customers) if wanted.matches is EVERYTHING else _count(_matching(customers, wanted), most + 1)
    if total > most:
        return {"count": most, "precision": "AT_LEAST"}
    return {"count": total, "precision": "EXACT"}


def rows_of_customers(customers: Customers, args: Arguments) -> Source:
    """The rows of a bulk operation: whoever is there now and still is when the file is fetched."""
    wanted = parse(args.get("query"), FILTERS)
    last = customers.numbers[-1] if customers.numbers else 0

    def rows() -> Iterator[Customer]:
        return (customer for customer in _matching(customers, wanted) if customer.number <= last)

    def count() -> int:
        return len(customers) if wanted.matches is EVERYTHING else sum(1 for _ in rows())

    return rows, count


def _walk(customers: Customers, order: str, wanted: Query) -> Walk:
    if order == "UPDATED_AT":
        start = 0 if wanted.updated_from is None else customers.position_of_update(wanted.updated_from)
        return Walk(customers.by_update, customers.in_update_order, start, wanted.matches)
    sort_by = _OTHER_ORDERS.get(order)
    if sort_by is None:
        return Walk(customers.numbers, customers.by_number.get, matches=wanted.matches)
    # Rare orders are sorted when asked for; the product uses ID and UPDATED_AT.
    keys = sorted((sort_by(customer), customer.number) for customer in customers)
    return Walk(keys, lambda key: customers.by_number.get(key[1]), matches=wanted.matches)


def _matching(customers: Customers, wanted: Query) -> Iterator[Customer]:
    """In the order of ids; a narrow range of `updated_at` is taken from its index. Safe while customers change."""
    if wanted.updated_from is not None:
        start = customers.position_of_update(wanted.updated_from)
        keys = list(customers.by_update[start:])
        found = (customers.in_update_order(key) for key in keys)
        return (customer for customer in found if customer is not None and wanted.matches(customer))
    numbers = customers.numbers
    found = (customers.by_number.get(numbers[position]) for position in range(len(numbers)))
    return (customer for customer in found if customer is not None and wanted.matches(customer))


def _count(found: Iterator[Any], most: int) -> int:
    total = 0
    for _ in found:
        total += 1
        if total == most:
            break
    return total
