"""Lives of orders: what shoppers and the merchant do with checkouts, orders and products, and the book of it.

Each life is a generator of edits of the sandbox's Shopify; it is given back what the sandbox made of them. The book
keeps what the judge (`order_lives_truth`) needs and no platform tells: which order became which statuses, and when;
which checkouts became orders or were deleted; whose address moved. It knows nothing of the product.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from random import Random
from typing import Any

Row = dict[str, Any]
Play = Generator[Row, Row, None]

BAD_ADDRESSES = ("", "no-address", "h4k3@marketplace.amazon.com")
CARRIERS = ("UPS", "DHL", "Canada Post")
DELETIONS = frozenset({("order", "delete"), ("product", "delete"), ("checkout", "delete")})


class Era(IntEnum):
    """When something was made: before the first sync began, while it ran, or when live sync was on."""

    BEFORE, DURING, LIVE = 0, 1, 2


@dataclass
class OrderBook:
    """One order: when it was made, and which statuses it came to have, by era."""

    life: str
    era: Era
    entered: dict[Era, Counter[str]] = field(default_factory=lambda: {era: Counter() for era in Era})
    status: str = ""
    shipped: str = ""
    always_paid: bool = True
    deleted: bool = False
    was_somebodys: bool = False  # its buyer had an address once
    unreachable_before: bool = False  # no first sync could write it: its buyer had no address

    def saw(self, order: Row, era: Era) -> None:
        """The order is like this now."""
        self.was_somebodys = self.was_somebodys or bool(order["email"])
        if era is not Era.LIVE:
            self.unreachable_before = not order["email"]
        status = "cancelled" if order["cancelled"] else order["financial"].lower().replace("authorized", "pending")
        if status != self.status:
            self.entered[era][status] += 1
            self.status = status
        if order["fulfillment"] != self.shipped:
            self.shipped = order["fulfillment"]
            if self.shipped == "FULFILLED":
                self.entered[era]["shipped"] += 1
        self.always_paid = self.always_paid and status == "paid"

    def times(self, status: str, *, since: Era) -> int:
        return sum(self.entered[era][status] for era in Era if era >= since)


@dataclass
class Story:
    """One life: who, and what happened, in order."""

    name: str
    play: Play
    lines: list[str] = field(default_factory=list)
    wish: Row | None = None
    over: bool = False


class Town:
    """All lives of one shop. `dice` decides everything, so a seed is a history."""

    def __init__(self, seed: int, buyers: Iterable[str], products: Iterable[Row]) -> None:
        self.seed, self.dice = seed, Random(seed)
        self.buyers = sorted(buyers)
        self.variants: dict[str, list[str]] = {row["id"]: [each["id"] for each in row["variants"]] for row in products}
        self.keep = max(len(self.variants) // 2, 1)  # so many products are never deleted
        self.era = Era.BEFORE
        self.stories: list[Story] = []
        self.orders: dict[str, OrderBook] = {}
        self.checkouts: dict[str, str] = {}  # token -> open, ordered or deleted
        self.owner: dict[str, str] = {}  # id or token of anything -> the life it belongs to
        self.moved: set[str] = set()  # addresses that some customer had or got
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._began = time.monotonic()

    # ---------------------------------------------------------------- lives

    def add(self, kind: str, count: int) -> int:
        """So many more lives of a kind begin. Gives back how many."""
        plays = {"shopper": self._shopper, "old": self._old, "merchant": self._merchant, "mover": self._mover}
        for _ in range(count):
            name = f"{kind}-{len(self.stories)}"
            self.stories.append(Story(name, plays[kind]()))
        return count

    @property
    def living(self) -> list[Story]:
        return [story for story in self.stories if not story.over]

    def next(self) -> tuple[Story, Row] | None:
        """Whose turn it is, and what they do; None when all lives are over."""
        while living := self.living:
            story = self.dice.choice(living)
            if story.wish is None:
                story.wish = next(story.play, None)
            if story.wish is not None:
                return story, {"platform": "shopify", **story.wish}
            story.over = True
        return None

    def book(self, story: Story, edit: Row, answer: Row) -> None:
        """This was done, or refused."""
        if edit.keys() != {"platform"}:  # else somebody only waits
            self._note(story, edit, answer)
        try:
            story.wish = story.play.send(answer)
        except StopIteration:
            story.wish, story.over = None, True

    def _note(self, story: Story, edit: Row, answer: Row) -> None:
        what = f"{edit.get('kind', 'customer')} {edit.get('do', 'edit')}"
        self.counts[what] += "error" not in answer
        self.refused[what] += "error" in answer
        at = time.monotonic() - self._began
        told = {name: value for name, value in edit.items() if name not in ("platform", "kind", "do")}
        story.lines.append(f"{at:7.2f} {self.era.name:6} {what} {told} -> {_short(answer)}")
        if "error" not in answer:
            self._remember(story, edit, answer)

    def _remember(self, story: Story, edit: Row, answer: Row) -> None:
        kind, do = edit.get("kind"), edit.get("do")
        if answer.get("kind") == "order":
            book = self.orders.setdefault(_number(answer["id"]), OrderBook(story.name, self.era))
            book.saw(answer, self.era)
            self.owner[_number(answer["id"])] = story.name
            if do == "complete":
                self.checkouts[answer["checkoutToken"]] = "ordered"
        elif (kind, do) == ("order", "delete"):
            self.orders[_number(answer["deleted"])].deleted = True
        elif answer.get("kind") == "checkout":
            self.checkouts.setdefault(answer["token"], "open")
            self.owner[answer["token"]] = story.name
        elif (kind, do) == ("checkout", "delete"):
            self.checkouts[answer["deleted"]] = "deleted"
        elif answer.get("kind") == "product":
            self.variants[answer["id"]] = [each["id"] for each in answer["variants"]]
        elif (kind, do) == ("product", "delete"):
            self.variants.pop(answer["deleted"], None)

    # ---------------------------------------------------------------- what happens in them

    def _goods(self, most: int = 3) -> list[Row]:
        everything = [variant for variants in self.variants.values() for variant in variants]
        chosen = self.dice.sample(everything, min(self.dice.randint(1, most), len(everything)))
        return [{"variant": each, "quantity": self.dice.randint(1, 4)} for each in chosen]

    def _who(self) -> Row:
        """A customer, a guest, or somebody whom nobody could mail."""
        luck, number = self.dice.random(), self.dice.randrange(10**6)
        if luck < 0.6:
            return {"email": self.dice.choice(self.buyers)}
        if luck < 0.93:
            return {"email": f"guest-{number}@example.org", "guest": True}
        return {"email": self.dice.choice(BAD_ADDRESSES), "guest": True}

    def _shopper(self) -> Play:
        """From the checkout to the order, or straight to the order, and what comes after."""
        who = self._who()
        given: Row = {"paid": self.dice.random() < 0.6, "authorized": self.dice.random() < 0.4}
        given |= {"shipping": 499} if self.dice.random() < 0.5 else {}
        given |= {"tax": 120} if self.dice.random() < 0.3 else {}
        given |= {"discount": {"code": "SAVE10", "value": 10}} if self.dice.random() < 0.3 else {}
        given |= {"landing_site": "/?mc_cid=ab12cd34ef&mc_eid=9f8e7d6c5b"} if self.dice.random() < 0.2 else {}
        given |= {"test": True} if self.dice.random() < 0.03 else {}
        given |= {"accepts_marketing": True} if self.dice.random() < 0.3 else {}
        if self.dice.random() < 0.65:
            order = yield from self._checkout(who, given)
        else:
            order = yield {"kind": "order", "do": "create", **who, "lines": self._goods(), **given}
        if order is not None and "error" not in order:
            yield from self._afterwards(order)

    def _checkout(self, who: Row, given: Row) -> Generator[Row, Row, Row | None]:
        knows_us = self.dice.random() < 0.7
        begun = {**who} if knows_us else {"guest": True}
        checkout = yield {"kind": "checkout", "do": "create", **begun, "lines": self._goods()}
        if "error" in checkout:
            return None
        token = checkout["token"]
        if not knows_us:
            yield {"kind": "checkout", "do": "update", "id": token, "email": who["email"]}
        for _ in range(self.dice.choice((0, 0, 1, 1, 2, 4))):
            lines = [] if self.dice.random() < 0.08 else self._goods()
            yield {"kind": "checkout", "do": "update", "id": token, "lines": lines}
        luck = self.dice.random()
        if luck < 0.25:  # left behind
            return None
        if luck < 0.32:
            yield {"kind": "checkout", "do": "delete", "id": token}
            return None
        order = yield {
            "kind": "checkout",
            "do": "complete",
            "id": token,
            **given,
            **({"guest": True} if who.get("guest") else {}),
        }
        if "error" not in order and self.dice.random() < 0.25:  # one more word about a checkout that is none any more
            yield {"kind": "checkout", "do": "update", "id": token, "note": "thank you"}
        return order

    def _afterwards(self, order: Row) -> Play:
        for _ in range(self.dice.choice((0, 1, 1, 2, 3, 4, 6))):
            act = self._act(order)
            answer = yield {"kind": "order", "id": order["id"], **act}
            if act["do"] == "delete" and "error" not in answer:
                return
            if "error" not in answer:
                order = answer

    def _act(self, order: Row) -> Row:
        """What may happen to an order as it stands."""
        left = [(place, line) for place, line in enumerate(order["lines"]) if line["current"] > 0]
        acts: list[Row] = [{"do": "update", "set": {"note": f"note {self.dice.randrange(1000)}"}}]
        if self.dice.random() < 0.06:
            return {"do": "delete"}
        if self.dice.random() < 0.04 and order["customer"] is None:
            return {
                "do": "update",
                "set": {"email": self.dice.choice((None, f"other-{self.dice.randrange(10**6)}@example.org"))},
            }
        if order["cancelled"]:
            return acts[0]
        acts.append({"do": "cancel", "reason": "customer"})
        acts.append({"do": "edit", "add": self._goods(1)})
        if left:
            place, line = self.dice.choice(left)
            pieces = line["current"] if self.dice.random() < 0.6 else self.dice.randint(1, line["current"])
            acts.append({"do": "edit", "remove": [{"line": place, "quantity": pieces}]})
            if order["fulfillment"] == "UNFULFILLED" or order["fulfillment"] == "PARTIALLY_FULFILLED":
                parcel = {"tracking": f"1Z{self.dice.randrange(10**8)}", "company": self.dice.choice(CARRIERS)}
                parcel |= {"url": "https://track.example.com/1"} if self.dice.random() < 0.5 else {}
                part = {"lines": [{"line": place, "quantity": 1}]} if self.dice.random() < 0.3 else {}
                acts += [{"do": "fulfil", **parcel, **part}] * 2
            if order["financial"] in ("PAID", "PARTIALLY_REFUNDED"):
                acts.append({"do": "refund", "lines": [{"line": place, "quantity": pieces}], "restock": True})
                acts.append({"do": "refund"})
                acts.append({"do": "refund", "amount": 100})
        if order["financial"] in ("PENDING", "AUTHORIZED"):
            acts += [{"do": "pay"}] * 3
        return self.dice.choice(acts)

    def _old(self) -> Play:
        """An order from before the first sync, touched again when live sync is on. Some first have no address."""
        who = self._who() if self.dice.random() < 0.75 else {"email": None, "guest": True}
        given: Row = {"paid": self.dice.random() < 0.8, "lines": self._goods(), "shipping": 300}
        if self.dice.random() < 0.5:
            given["created_at"] = int(time.time()) - self.dice.randint(1, 20) * 86_400
        order = yield {"kind": "order", "do": "create", **who, **given}
        while self.era is Era.BEFORE and self.dice.random() < 0.4:
            answer = yield {"kind": "order", "id": order["id"], **self._act(order)}
            if "deleted" in answer:
                return
            order = order if "error" in answer else answer
        while self.era is not Era.LIVE:
            yield {}
        if who["email"] is None:
            late = f"late-{self.dice.randrange(10**6)}@example.org"
            order = yield {"kind": "order", "do": "update", "id": order["id"], "set": {"email": late}}
        yield from self._afterwards(order)

    def _merchant(self) -> Play:
        """Renames, prices, variants that come and go, products that are hidden or deleted."""
        for _ in range(12):
            product = self.dice.choice(sorted(self.variants))
            variants = self.variants[product]
            luck = self.dice.random()
            if luck < 0.15 and len(self.variants) > self.keep:
                yield {"kind": "product", "do": "delete", "id": product}
                continue
            change: Row = {"kind": "product", "do": "update", "id": product}
            if luck < 0.4:
                change["set"] = {"title": f"Title {self.dice.randrange(1000)}"}
            elif luck < 0.55:
                change["variants"] = [{"variant": self.dice.choice(variants), "price": self.dice.randint(100, 9000)}]
            elif luck < 0.7 and len(variants) > 1:
                change["remove_variants"] = [self.dice.choice(variants)]
            elif luck < 0.85:
                change["add_variants"] = [{"options": [f"Size {self.dice.randrange(1000)}"], "price": 1500, "stock": 9}]
            else:
                change["set"] = {"published": self.dice.random() < 0.5}
            yield change

    def _mover(self) -> Play:
        """A customer who takes another address, or another name."""
        email = self.dice.choice(self.buyers)
        yield {"email": email, "set": {"firstName": f"N{self.dice.randrange(1000)}"}}
        number, new = self.dice.randrange(10**6), ""
        new = f"moved-{number}@example.org"
        self.moved |= {email.lower(), new}
        answer = yield {"email": email, "set": {"email": new}}
        if "error" not in answer and email in self.buyers:
            self.buyers.remove(email)
            self.buyers.append(new)


def _number(gid: str) -> str:
    return gid.rpartition("/")[2]


def _short(answer: Mapping[str, Any]) -> str:
    """What is worth reading of an answer."""
    if answer.get("kind") == "order":
        lines = ", ".join(f"{line['current']}/{line['quantity']} of {line['variant']}" for line in answer["lines"])
        state = f"{answer['financial']} {answer['fulfillment']}{' CANCELLED' if answer['cancelled'] else ''}"
        return f"order {_number(answer['id'])} {state} {answer['currentTotal']} of {answer['total']} [{lines}]"
    if answer.get("kind") == "checkout":
        return f"checkout {answer['token']} {'completed' if answer['completed'] else 'open'} {answer['email']!r}"
    return str({name: answer[name] for name in ("error", "deleted", "id", "title", "email") if name in answer})
