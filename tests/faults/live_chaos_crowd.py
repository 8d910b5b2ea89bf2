"""People who change their minds on both sides, the book of what they really did, and what must be so in the end.

The oracle of the live chaos tests. It is written from the rules of consent.md 2.2 and 2.7 and knows nothing of the
product: true times are those of the edits that this driver made, endings are the two sandboxes' own stores.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

Row = dict[str, Any]
SHOP, CHIMP = "shopify", "mailchimp"
SLACK = 3.5
"""Seconds within which two dates prove nothing: whole seconds at both platforms, and two for their clocks (L3)."""
SECOND = 1.3
"""The same of two dates by one clock: a whole second, and what this book's times of both may be wrong by."""

_PLAIN = {("SUBSCRIBED", "subscribed"), ("UNSUBSCRIBED", "unsubscribed"), ("NOT_SUBSCRIBED", "transactional")}
# Nobody joins a list they are on, or leaves one they are not on; who gets a confirmation mail may do either.
NOT_IN, NOT_OUT = ("UNSUBSCRIBED", "NOT_SUBSCRIBED", "PENDING"), ("SUBSCRIBED", "NOT_SUBSCRIBED", "PENDING")
NOT_THERE, THERE = ("unsubscribed", "transactional", "pending"), ("subscribed", "pending")
OPT_IN_LOST = "an opt-in was lost"
POISON = "@fake.example.com"  # the sandbox's Mailchimp refuses such addresses for good


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did on one side, and when: `in`, `out`, `name`, `archive`, `bounce`, `join`."""

    at: float
    key: str
    side: str
    what: str
    value: str = ""


Crossed = Callable[[Act], bool]


@dataclass(frozen=True, slots=True)
class Ending:
    """How both platforms show one address now."""

    customer: Row | None
    contact: Row | None

    @property
    def in_shop(self) -> bool:
        return self.customer is not None and self.customer["marketingState"] == "SUBSCRIBED"

    @property
    def in_chimp(self) -> bool:
        return self.contact is not None and self.contact["status"] == "subscribed"

    def __str__(self) -> str:
        customer = self.customer["marketingState"] if self.customer else "no customer"
        return f"{customer} / {self.contact['status'] if self.contact else 'no contact'}"


@dataclass
class Crowd:
    """Who takes part, and the book of their acts. Everybody has one part, so that each rule can be judged exactly.

    `choosers` opt in and out on both sides, the first of them all the time; `named` change their name; `few` are
    archived by the merchant or bounce, once; strangers join in Shopify, some with an address Mailchimp refuses.
    """

    dice: Random
    choosers: list[str]
    named: list[str]
    few: list[str]
    poison: int = 5
    hot: bool = True
    acts: list[Act] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    before: dict[str, str] = field(default_factory=dict)
    _poisoned: int = 0
    _joined: int = 0
    _opted_in_at_shop: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, customers: Mapping[str, Row], contacts: Mapping[str, Row], *, seed: int, hot: bool = True) -> Crowd:
        """Whoever is plainly the same on both sides after a first sync."""
        dice = Random(seed)
        both = sorted(
            key
            for key in customers.keys() & contacts.keys()
            if (customers[key]["marketingState"], contacts[key]["status"]) in _PLAIN
        )
        dice.shuffle(both)
        before = {key: str(Ending(customers.get(key), contacts.get(key))) for key in customers.keys() | contacts.keys()}
        few, named = len(both) // 25, len(both) // 4
        return cls(
            dice, choosers=both[few + named :], named=both[few : few + named], few=both[:few], hot=hot, before=before
        )

    def edits(self, count: int) -> list[tuple[Act, Row]]:
        """The next acts, nobody twice, each with the sandbox's words for it."""
        made: dict[str, tuple[Act, Row]] = {}
        while len(made) < count:
            act, edit = self._one()
            if act.key not in made:
                made[act.key] = (act, edit)
        return list(made.values())

    def book(self, made: Iterable[tuple[Act, Row]], at: float, failed: set[int]) -> None:
        """These were done at this time, but for those that the sandbox refused."""
        for number, (act, _) in enumerate(made):
            if number not in failed:
                self.acts.append(Act(at, act.key, act.side, act.what, act.value))
                self.counts[f"{act.side} {act.what}"] += 1

    def _one(self) -> tuple[Act, Row]:
        luck = self.dice.random()
        if luck < 0.02:
            return self._join()
        if luck < 0.025 and self.few:
            return self._once(self.few.pop())
        return self._rename() if luck < 0.2 else self._choose()

    def _choose(self) -> tuple[Act, Row]:
        hot = max(len(self.choosers) // 20, 1)
        many = self.choosers[:hot] if self.hot and self.dice.random() < 0.25 else self.choosers
        key, side, opts_in = self.dice.choice(many), self.dice.choice((SHOP, CHIMP)), self.dice.random() < 0.5
        act = Act(0.0, key, side, "in" if opts_in else "out")
        if side == SHOP:
            self._opted_in_at_shop |= {key} if opts_in else set()
            state, when = ("SUBSCRIBED", NOT_IN) if opts_in else ("UNSUBSCRIBED", NOT_OUT)
            return act, self._edit(act, set={"marketingState": state}, when=when)
        # Mailchimp guards an opt-out by the person against the API (F6), but not one by the admin: a write of an
        # earlier opt-in in flight just then, whose webhook is lost, is the window of reliability.md 3.6 that nobody
        # can close. So the admin opts out only those for whom no such write can be on its way.
        by_admin = not opts_in and key not in self._opted_in_at_shop and self.dice.random() < 0.3
        status, when = ("subscribed", NOT_THERE) if opts_in else ("unsubscribed", THERE)
        return act, self._edit(act, set={"status": status}, by="admin" if by_admin else "person", when=when)

    def _rename(self) -> tuple[Act, Row]:
        key, name = self.dice.choice(self.named), f"N{self.dice.randrange(10**9)}"
        side = SHOP if sum(map(ord, key)) % 3 == 0 else CHIMP if sum(map(ord, key)) % 3 == 1 else self._any_side()
        act = Act(0.0, key, side, "name", name)
        return act, self._edit(act, set={"firstName": name} if side == SHOP else {"merge_fields": {"FNAME": name}})

    def _any_side(self) -> str:
        return self.dice.choice((SHOP, CHIMP))

    def _join(self) -> tuple[Act, Row]:
        self._joined += 1
        poisoned = self._poisoned < self.poison
        self._poisoned += poisoned
        key = f"new-{self._joined}{POISON if poisoned else '@example.org'}"
        act = Act(0.0, key, SHOP, "join", "poison" if poisoned else "")
        return act, self._edit(act, create=True, set={"marketingState": "SUBSCRIBED", "firstName": "New"})

    def _once(self, key: str) -> tuple[Act, Row]:
        if self.dice.random() < 0.5:
            act = Act(0.0, key, CHIMP, "archive")
            return act, self._edit(act, archive=True)
        act = Act(0.0, key, CHIMP, "bounce")
        return act, self._edit(act, set={"status": "cleaned"}, reason="hard")

    @staticmethod
    def _edit(act: Act, **words: Any) -> Row:
        return {"platform": act.side, "email": act.key, **words}

    # ---------------------------------------------------------------- the verdict

    def poisoned(self) -> set[str]:
        """Who can't be written to Mailchimp at all."""
        return {act.key for act in self.acts if act.value == "poison"}

    def verdict(
        self, customers: Mapping[str, Row], contacts: Mapping[str, Row], crossed: Crossed | None = None
    ) -> dict[str, list[str]]:
        """What is wrong, by kind; each with the person's story.

        `crossed` says whether a write of the app that unsubscribed a contact, for an earlier opt-out, was on its way
        when somebody opted in again. Neither platform lets a write depend on what it overwrites, and when the writer
        is killed nobody can tell its opt-out from a newer one by the person, which counts (L3; reliability.md 3.6).
        Such an opt-in is no error, but counted in `counts["crossed"]`. For an opt-out there is no excuse.
        """
        stories: defaultdict[str, list[Act]] = defaultdict(list)
        for act in self.acts:
            stories[act.key].append(act)
        found: defaultdict[str, list[str]] = defaultdict(list)
        for key in sorted(stories.keys() | customers.keys() | contacts.keys()):
            story, end = stories.get(key, []), Ending(customers.get(key), contacts.get(key))
            if not story:
                if str(end) != self.before.get(key):
                    found["changed, and nobody did anything"].append(f"{key}: {self.before.get(key)}, now {end}")
                continue
            for wrong in _wrong(story, end):
                if wrong == OPT_IN_LOST and crossed is not None and crossed(story[-1]):
                    self.counts["crossed"] += 1
                    continue
                found[wrong].append(f"{key}: {end}\n{_told(story, end)}")
        return dict(found)

    def story(self, key: str) -> str:
        """What this person did, in its order."""
        return "\n".join(map(str, (act for act in self.acts if act.key == key)))


def _wrong(story: list[Act], end: Ending) -> Iterator[str]:
    if any(act.value == "poison" for act in story):
        return
    if end.in_shop != end.in_chimp and not _explained(story, end):
        yield "unequal and unexplained"
    choices = [act for act in story if act.what in ("in", "out", "join")]
    if choices and choices[-1].what == "out" and (end.in_shop or end.in_chimp):
        yield "an opt-out was lost"
    if choices and choices[-1].what != "out" and not (end.in_shop or end.in_chimp) and _proven(choices):
        yield OPT_IN_LOST
    names = [act for act in story if act.what == "name"]
    if names:
        yield from _misnamed(names, end)


def _proven(choices: list[Act]) -> bool:
    """Whether the last choice is later than every opt-out, beyond what whole seconds and two clocks can hide."""
    return all(choices[-1].at - act.at > SLACK for act in choices if act.what == "out")


def _explained(story: list[Act], end: Ending) -> bool:
    """The differences that 2.7 declares, each only where something happened that may cause it."""
    status = end.contact["status"] if end.contact else ""
    state = end.customer["marketingState"] if end.customer else ""
    if status == "pending":  # the one way back after an opt-out by the person (F6, F7)
        return True
    if status == "archived":
        return any(act.what == "archive" for act in story)
    return not end.customer or state in ("INVALID", "REDACTED", "PENDING")


def _misnamed(names: list[Act], end: Ending) -> Iterator[str]:
    ours = end.customer["firstName"] if end.customer else None
    theirs = end.contact["merge_fields"].get("FNAME") if end.contact else None
    if ours != theirs:
        yield "names differ"
        return
    lasts = {act.side: act.value for act in names}
    if names[-1].side == SHOP or len(lasts) == 1:  # of two changes that meet, Shopify's goes to Mailchimp
        if ours != names[-1].value:
            yield "an old name came back"
    elif ours not in lasts.values():
        yield "an old name came back"


def _told(story: list[Act], end: Ending) -> str:
    now = time.time()
    lines = [f"    {act.at - now:8.2f}  {act.side:9} {act.what} {act.value}" for act in story]
    return "\n".join([*lines, f"    {end.customer}", f"    {end.contact}"])
