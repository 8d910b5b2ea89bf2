"""What the demo's store is filled with: a real purchase log and real catalogues, or as much that is invented."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REAL_DATA = Path("..") / "shared" / "data"  # beside a developer's checkout; a clone elsewhere has none
LOG = Path("cdnow") / "purchases.csv.gz"
CATALOGUES = "shopify-products"
INVENTED = 23_570  # as many as the real purchase log has customers
MOST_PRODUCTS = 60  # as many as the real catalogues have together
MOST_ODD = 60


class NoData(Exception):
    """The folder that was named holds no purchase log."""


@dataclass(frozen=True, slots=True)
class Stock:
    """Arguments of the sandbox, and in words what the store has by them."""

    arguments: tuple[str, ...]
    words: str


def stock(people: int, data: Path | None) -> Stock:
    """So many people of the log in `data`, or of the one beside the checkout; 0 are all. Else so many are invented.

    Orders that no log has are always invented: refunds, guests, test orders, other currencies and the like, and with
    them abandoned carts and discounts.
    """
    if data is None and not people and (REAL_DATA / LOG).exists():
        data = REAL_DATA
    if data is None:
        count = people or INVENTED
        products = str(min(MOST_PRODUCTS, max(10, count // 20)))
        invented = ("--people", str(count), "--invented-products", products, *_sales(count))
        return Stock(invented, f"{count:,} invented people and what they bought")
    if not (data / LOG).exists():
        raise NoData(f"{data} has no {LOG}")
    arguments: tuple[str, ...] = ("--data", str(data.resolve()), *(("--people", str(people)) if people else ()))
    words = "the customers and purchases of a real log; names, addresses and consent are invented"
    if (data / CATALOGUES).is_dir():
        arguments += ("--products", str((data / CATALOGUES).resolve()))
        words += "; real product catalogues"
    return Stock((*arguments, *_sales(people or INVENTED)), words)


def _sales(people: int) -> tuple[str, ...]:
    odd = min(MOST_ODD, max(10, people // 20))  # one of each oddity at least
    wanted = {"odd-orders": odd, "checkouts": 2 * odd, "discounts": max(8, odd // 3), "codes": 5}
    return ("--orders", "--read-all-orders", *(word for name, n in wanted.items() for word in (f"--{name}", str(n))))
