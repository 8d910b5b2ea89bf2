"""Where the people of the sandbox come from if they are not all invented.

`from_cdnow` reads a real shop's purchase log (CDNOW, 1997 to 1998): who bought when and for how much stays as it is
in the file; names, addresses and consent are invented from the customer's number. `from_shopify_csv` reads the
customer export of a real shop: nothing is invented, so nobody of it is a contact yet.
"""

import csv
import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from shopchimp.sandbox.people import (
    CONTACTS_ONLY_FROM,
    CUSTOMERS_PER_STRANGER,
    HISTORY_END,
    Address,
    Person,
    Purchases,
    customer,
    stranger,
)
from shopchimp.sandbox.shopify.purchases import Purchase

PURCHASES = "cdnow/purchases.csv.gz"


@dataclass(slots=True)
class _Bought:
    orders: int
    spent: Decimal
    first: datetime
    last: datetime


def from_cdnow(folder: Path, seed: int, count: int | None = None) -> Iterator[Person]:
    """All customers of the log (or the first `count`), and a contact who is none after every twenty."""
    bought = _purchases(folder / PURCHASES)
    for position, (number, each) in enumerate(sorted(bought.items()), start=1):
        if count is not None and position > count:
            return
        yield customer(number, seed, Purchases(each.orders, each.spent, each.first, each.last))
        if position % CUSTOMERS_PER_STRANGER == 0:
            yield stranger(CONTACTS_ONLY_FROM + position // CUSTOMERS_PER_STRANGER, seed)


def purchases_of_cdnow(folder: Path) -> Iterator[Purchase]:
    """Every line of the log: who bought, when, how many pieces and for how much."""
    with gzip.open(folder / PURCHASES, "rt", newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            day = datetime.fromisoformat(row["date"]).replace(hour=12, tzinfo=UTC)
            cents = int(Decimal(row["dollars"]) * 100)
            yield Purchase(int(row["customer_id"]), int(day.timestamp()), int(row["cds"]), cents)


def from_shopify_csv(file: Path) -> Iterator[Person]:
    """Shopify's export "All customers, CSV for Excel, Numbers or other spreadsheet programs"."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        for position, row in enumerate(csv.DictReader(lines), start=1):
            yield _exported(row, position)


def _purchases(file: Path) -> dict[int, _Bought]:
    found: dict[int, _Bought] = {}
    with gzip.open(file, "rt", newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            day = datetime.fromisoformat(row["date"]).replace(hour=12, tzinfo=UTC)
            dollars, number = Decimal(row["dollars"]), int(row["customer_id"])
            each = found.get(number)
            if each is None:
                found[number] = _Bought(1, dollars, day, day)
            else:
                each.orders += 1
                each.spent += dollars
                each.first, each.last = min(each.first, day), max(each.last, day)
    return found


def _exported(row: Mapping[str, str], position: int) -> Person:
    accepts = _value(row, "Accepts Email Marketing", "Accepts Marketing") or "no"
    subscribed = accepts.lower() in ("yes", "true")
    return Person(
        number=position,
        email=_value(row, "Email"),
        first_name=_value(row, "First Name"),
        last_name=_value(row, "Last Name"),
        phone=_value(row, "Phone"),
        company=_value(row, "Default Address Company", "Company"),
        address=_address(row),
        customer=True,
        marketing_state="SUBSCRIBED" if subscribed else "NOT_SUBSCRIBED",
        marketing_opt_in_level="SINGLE_OPT_IN",
        # The export has no consent date: the newest that is still history stands in.
        marketing_updated_at=HISTORY_END if subscribed else None,
        created_at=HISTORY_END,
        updated_at=HISTORY_END,
        tags=[tag for tag in (part.strip() for part in (row.get("Tags") or "").split(",")) if tag],
        orders=int(_number(row, "Total Orders")),
        spent=_number(row, "Total Spent"),
        verified=True,
        contact_status=None,
        contact_opt_at=None,
        contact_signup_at=None,
        contact_changed_at=None,
        contact_merge={},
        contact_tags=[],
    )


def _address(row: Mapping[str, str]) -> Address | None:
    def part(name: str) -> str | None:
        return _value(row, f"Default Address {name}", name)

    country = part("Country Code")
    if not country:
        return None
    return Address(
        address1=part("Address1") or "",
        address2=part("Address2"),
        city=part("City") or "",
        province=part("Province") or part("Province Code"),
        province_code=part("Province Code"),
        country=part("Country") or country,
        country_code=country,
        zip=(part("Zip") or "").lstrip("'"),
        phone=part("Phone"),
    )


def _value(row: Mapping[str, str], *names: str) -> str | None:
    """The first column that is there and filled; Shopify marks numbers as text with a leading apostrophe."""
    for name in names:
        if text := (row.get(name) or "").strip().lstrip("'"):
            return text
    return None


def _number(row: Mapping[str, str], name: str) -> Decimal:
    try:
        return Decimal(_value(row, name) or "0")
    except InvalidOperation:
        return Decimal(0)
