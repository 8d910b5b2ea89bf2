"""Code discounts of the four types and their redeem codes, which may be many: they are computed, not kept.

Ids are those of `DiscountCodeNode`, which the list, `discountNode` and the webhooks all use (shopify.md 2.6).
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, overload

FIRST_DISCOUNT: Final = 1_450_000_000_000
FIRST_CODE: Final = 22_000_000_000_000
CODES_A_DISCOUNT: Final = 1_000_000
TYPES: Final = {
    "basic": "DiscountCodeBasic",
    "bxgy": "DiscountCodeBxgy",
    "free_shipping": "DiscountCodeFreeShipping",
    "app": "DiscountCodeApp",
}


class RedeemCode(NamedTuple):
    number: int
    code: str
    used: int

    @property
    def gid(self) -> str:
        return f"gid://shopify/DiscountRedeemCode/{self.number}"


class Codes(Sequence["RedeemCode | None"]):
    """The codes of one discount by position; None where one was removed. `made` of them follow from the prefix."""

    __slots__ = ("added", "first", "made", "prefix", "removed")

    def __init__(self, first: int, prefix: str, made: int) -> None:
        self.first, self.prefix, self.made = first, prefix, made
        self.added: list[str] = []
        self.removed: set[int] = set()

    def __len__(self) -> int:
        return self.made + len(self.added)

    @property
    def left(self) -> int:
        return len(self) - len(self.removed)

    @overload
    def __getitem__(self, position: int) -> RedeemCode | None: ...
    @overload
    def __getitem__(self, position: slice) -> "Sequence[RedeemCode | None]": ...
    def __getitem__(self, position: int | slice) -> "RedeemCode | Sequence[RedeemCode | None] | None":
        if isinstance(position, slice):
            return [self[each] for each in range(*position.indices(len(self)))]
        if position in self.removed:
            return None
        return RedeemCode(self.first + position, self._text(position), position % 7 if position < self.made else 0)

    def __iter__(self) -> Iterator[RedeemCode | None]:
        return (self[position] for position in range(len(self)))

    def there(self) -> Iterator[RedeemCode]:
        return (each for each in self if each is not None)

    def position_of(self, code: str) -> int | None:
        """Codes are not case-sensitive."""
        wanted = code.upper()
        found = None
        head, _, tail = wanted.rpartition("-")
        if wanted == self.prefix and self.made == 1:
            found = 0
        elif head == self.prefix and tail[:6].isdecimal() and int(tail[:6]) < self.made:
            found = int(tail[:6]) if self._text(int(tail[:6])) == wanted else None
        for number, each in enumerate(self.added):
            if each.upper() == wanted:
                found = self.made + number
        return None if found in self.removed else found

    def add(self, code: str) -> RedeemCode:
        self.added.append(code)
        made = self[len(self) - 1]
        assert made is not None  # noqa: S101 - it was just added
        return made

    def _text(self, position: int) -> str:
        if position >= self.made:
            return self.added[position - self.made]
        if self.made == 1:
            return self.prefix
        return f"{self.prefix}-{position:06}{zlib.crc32(f'{self.prefix}{position}'.encode()) % 1000:03}"


@dataclass(slots=True, eq=False)
class Discount:
    number: int
    graphql_type: str
    title: str
    codes: Codes
    created: int
    updated: int
    starts: int
    ends: int | None = None
    percent: float | None = None  # 10 is 10 %
    amount: int | None = None  # cents; neither: what the type says
    each_item: bool = False
    usage_limit: int | None = None
    once: bool = False
    minimum: int | None = None  # cents of a subtotal
    minimum_quantity: int | None = None
    products: list[int] = field(default_factory=list)  # empty: all of them
    now: int = 0  # of the last look: the status follows the time

    @property
    def gid(self) -> str:
        return f"gid://shopify/DiscountCodeNode/{self.number}"

    def status(self, now: int) -> str:
        if now < self.starts:
            return "SCHEDULED"
        return "EXPIRED" if self.ends is not None and now >= self.ends else "ACTIVE"

    @property
    def used(self) -> int:
        return sum(each.used for each in self.codes.there()) if len(self.codes) < 1000 else 3 * len(self.codes)

    @property
    def summary(self) -> str:
        match self.graphql_type:
            case "DiscountCodeFreeShipping":
                return "Free shipping on all products • All countries"
            case "DiscountCodeBxgy":
                return "Buy 2 items, get 1 item at 50% off"
            case _ if self.percent is not None:
                return f"{self.percent:g}% off {'entire order' if not self.products else 'some products'}"
            case _:
                return f"${(self.amount or 0) / 100:.2f} off {'each item' if self.each_item else 'entire order'}"


def codes_of(number: int, prefix: str, made: int) -> Codes:
    return Codes(FIRST_CODE + (number - FIRST_DISCOUNT) * CODES_A_DISCOUNT, prefix.upper(), made)


def invented_discount(number: int, at: int, now: int, made: int) -> Discount:
    """One of a mix: percentages, amounts, free shipping, buy-x-get-y, app; some over, some not begun, some limited."""
    position = number - FIRST_DISCOUNT
    kind = ("basic", "basic", "free_shipping", "basic", "bxgy", "app")[position % 6]
    day = 86_400
    starts, ends = at, None
    if position % 7 == 3:
        ends = now - day
    elif position % 7 == 5:
        starts, ends = now + day, now + 30 * day
    prefix = f"SAVE{position}"
    return Discount(
        number=number,
        graphql_type=TYPES[kind],
        title=prefix if made == 1 else f"Campaign {position}",
        codes=codes_of(number, prefix, made),
        created=at,
        updated=at,
        starts=starts,
        ends=ends,
        percent=float(5 + position % 40) if kind == "basic" and position % 2 else None,
        amount=500 + 100 * (position % 20) if kind == "basic" and not position % 2 else None,
        each_item=position % 4 == 0,
        usage_limit=100 if position % 5 == 0 else None,
        once=position % 3 == 0,
        minimum=5000 if position % 8 == 1 else None,
        minimum_quantity=2 if position % 8 == 2 else None,
    )
