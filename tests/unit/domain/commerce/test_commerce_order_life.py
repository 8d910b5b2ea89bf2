"""An order's life in any order of edits, refunds, cancellation and parcels: where it stands decides, alone.

A small shop keeps the order's books in cents by itself; a small Mailchimp merges what is written, as an upsert does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from commerce_nodes import STORE, allocation, line, money, order, parcel
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shopchimp.domain.commerce.lines import stale_lines
from shopchimp.domain.commerce.orders import net_total, order_write, order_writes
from shopchimp.domain.commerce.results import Kind, Write
from shopchimp.domain.commerce.totals import order_totals

SHIPPING = 500
Move = tuple[str, int, int]


def euros(cents: int) -> dict[str, Any] | None:
    return money(f"{cents // 100}.{cents % 100:02d}")


@dataclass
class Ordered:
    number: int
    price: int
    quantity: int
    off: int  # cents off each
    current: int = 0

    def __post_init__(self) -> None:
        self.current = self.quantity

    @property
    def each(self) -> int:
        return self.price - self.off


@dataclass
class Shop:
    """One order and its books: what was paid and given back. No more goes back than was paid."""

    lines: list[Ordered] = field(default_factory=lambda: [Ordered(1, 4000, 2, 400), Ordered(2, 2500, 3, 0)])
    paid: int | None = None
    refunded: int = 0
    beside: bool = False
    edited_unpaid: bool = False
    cancelled: bool = False
    parcels: int = 0

    MOVES: ClassVar = ("add", "remove", "return", "goodwill", "pay", "ship", "cancel")

    def move(self, name: str, which: int, how_many: int) -> None:
        if not self.cancelled:
            getattr(self, f"_{name}")(self.lines[which % len(self.lines)], how_many)

    def _add(self, _: Ordered, how_many: int) -> None:
        if self.paid is None:
            self.lines.append(Ordered(len(self.lines) + 1, 1999, how_many, 100))

    def _remove(self, line: Ordered, how_many: int) -> None:
        gone = min(how_many, line.current)
        line.current -= gone
        if self.paid is None:
            self.edited_unpaid |= gone > 0
        else:
            self._give_back(gone * line.each)

    def _return(self, line: Ordered, how_many: int) -> None:
        if self.paid is not None:
            self._remove(line, how_many)

    def _goodwill(self, _: Ordered, how_many: int) -> None:
        if self.paid is not None:
            self.beside = True
            self._give_back(how_many * 150)

    def _pay(self, _line: Ordered, _how_many: int) -> None:
        if self.paid is None:
            self.paid = self.current

    def _ship(self, _line: Ordered, _how_many: int) -> None:
        self.parcels += 1

    def _cancel(self, _line: Ordered, _how_many: int) -> None:
        if self.paid is not None:
            self.beside = True
            self._give_back(self.paid)
        self.cancelled = True

    def _give_back(self, cents: int) -> None:
        assert self.paid is not None
        self.refunded += min(cents, self.paid - self.refunded)

    @property
    def current(self) -> int:
        return sum(line.current * line.each for line in self.lines) + SHIPPING

    @property
    def worth(self) -> int:
        """What the shop has of it, or is owed."""
        return self.current if self.paid is None else self.paid - self.refunded

    def node(self) -> dict[str, Any]:
        total = sum(line.quantity * line.each for line in self.lines) + SHIPPING
        status = "PENDING" if self.paid is None else "PAID"
        if self.refunded:
            status = "PARTIALLY_REFUNDED" if self.worth else "REFUNDED"
        return order(
            lines=[
                line(
                    id=f"gid://shopify/LineItem/{each.number}",
                    quantity=each.quantity,
                    currentQuantity=each.current,
                    originalUnitPriceSet=euros(each.price),
                    discountAllocations=[allocation(f"{each.off * each.quantity / 100:.2f}")] if each.off else [],
                )
                for each in self.lines
            ],
            displayFinancialStatus=status,
            displayFulfillmentStatus="FULFILLED" if self.parcels else "UNFULFILLED",
            cancelledAt="2026-11-09T00:00:00Z" if self.cancelled else None,
            totalPriceSet=euros(total),
            currentTotalPriceSet=euros(self.current),
            totalRefundedSet=euros(self.refunded),
            fulfillments=[parcel(f"P{number}") for number in range(1, self.parcels + 1)],
        )


class Mailchimp:
    """Keeps what is written: fields that are not sent stay, lines stay until they are deleted."""

    def __init__(self) -> None:
        self.order: dict[str, Any] = {}
        self.said: list[str] = []

    def look(self, node: dict[str, Any]) -> None:
        steps = order_writes(node, STORE, live=True, known=bool(self.order))
        assert isinstance(steps, list)
        for step in steps:
            if step.kind is Kind.ORDER:
                self._put(step.body)
        stale = stale_lines([each["id"] for each in self.order["lines"]], steps[-1].body)
        self.order["lines"] = [each for each in self.order["lines"] if each["id"] not in stale]

    def _put(self, body: dict[str, Any]) -> None:
        if self.order.get("financial_status") != body["financial_status"]:
            self.said.append(body["financial_status"])
        lines = {each["id"]: each for each in self.order.get("lines", [])}
        lines |= {each["id"]: each for each in body["lines"]}
        self.order = {**self.order, **body, "lines": list(lines.values())}


MOVES = st.tuples(st.sampled_from(Shop.MOVES), st.integers(0, 5), st.integers(1, 3))
LIVES = st.lists(MOVES, max_size=14)
# Goodwill, and then all goods back: no more goes back than was paid.
MORE_THAN_PAID: list[Move] = [("pay", 0, 1), ("goodwill", 0, 3), ("goodwill", 0, 1), ("return", 0, 2), ("return", 1, 3)]


def lived(moves: Iterable[Move]) -> Shop:
    shop = Shop()
    for move in moves:
        shop.move(*move)
    return shop


def by_line(body: dict[str, Any]) -> dict[str, Any]:
    """Lines are known by their ids: one that was deleted and came back stands last, which means nothing."""
    lines = {each["id"]: each for each in body["lines"]}
    assert len(lines) == len(body["lines"])
    return {**body, "lines": lines}


def mapped(shop: Shop) -> dict[str, Any]:
    result = order_write(shop.node(), STORE)
    assert isinstance(result, Write)
    return result.body


@given(LIVES)
@example(MORE_THAN_PAID)
@settings(max_examples=300, deadline=None)
def test_the_total_is_what_the_books_say(moves: list[Move]) -> None:
    shop = lived(moves)
    total = net_total(shop.node())
    if shop.edited_unpaid and shop.beside:  # goodwill can't be told from what the edit gave back
        assert Decimal(shop.worth) / 100 <= total <= Decimal(shop.current) / 100
    else:
        assert total == Decimal(shop.worth) / 100
    assert order_totals(shop.node()).revenue == (0 if shop.cancelled else total)


@given(LIVES)
@settings(max_examples=300, deadline=None)
def test_the_lines_are_those_that_stand(moves: list[Move]) -> None:
    shop = lived(moves)
    body = mapped(shop)
    standing = {str(each.number): each.current for each in shop.lines if each.current}
    if standing:
        assert {each["id"]: each["quantity"] for each in body["lines"]} == standing
        for each in body["lines"]:
            ordered = shop.lines[int(each["id"]) - 1]
            assert round(each["discount"] * 100) == ordered.off * ordered.current
    assert body["lines"]


@given(LIVES, st.lists(st.booleans(), min_size=15, max_size=15))
@settings(max_examples=300, deadline=None)
def test_s17_whichever_messages_arrive_mailchimp_ends_with_the_mapping_of_the_final_state(
    moves: list[Move], arrived: list[bool]
) -> None:
    shop, mailchimp = Shop(), Mailchimp()
    for move, heard in zip(moves, arrived, strict=False):
        shop.move(*move)
        if heard:
            mailchimp.look(shop.node())
    mailchimp.look(shop.node())
    assert by_line(mailchimp.order) == by_line(mapped(shop))
    assert mailchimp.said.count("pending") <= 1
    assert mailchimp.said.count("paid") <= 1

    again = dict(mailchimp.order)
    mailchimp.look(shop.node())
    assert mailchimp.order == again


APART: list[Move] = [("remove", 0, 1), ("return", 1, 2), ("goodwill", 0, 1), ("ship", 0, 1)]


@given(st.permutations(APART))
@settings(deadline=None)
def test_the_same_end_by_another_way_is_the_same_order(moves: list[Move]) -> None:
    assert mapped(lived([("pay", 0, 1), *moves])) == mapped(lived([("pay", 0, 1), *APART]))


@given(LIVES)
@settings(deadline=None)
def test_a_way_back_is_not_remembered(moves: list[Move]) -> None:
    shop = lived(moves)
    assert mapped(shop) == mapped(shop)
    node = shop.node()
    order_writes(node, STORE, live=True)
    assert node == shop.node()  # the mapping changes nothing it was given
