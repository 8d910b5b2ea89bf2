"""What really happened, and what must be so at the end: the oracle of the simulation, in the words of consent.md.

It knows true times, which no platform shows, and nothing of the engine: no rule, no table, no `reconcile`.
"""

from __future__ import annotations

SLACK = 2_500
"""Milliseconds by which two dates may mislead: clocks up to 1.5 s apart, and seconds cut to whole ones."""


class Choice:
    """Somebody's own word on one side: visible there, with the time at which it was really said.

    `hidden`: that side doesn't show it any more, without a new choice (archived, deleted, another address). `told`: a
    webhook about it reached us.
    """

    __slots__ = ("at", "hidden", "key", "opted_in", "said_at", "side", "told")

    def __init__(self, at: int, key: str, side: str, *, opted_in: bool, said_at: int) -> None:
        self.at, self.key, self.side, self.opted_in, self.said_at = at, key, side, opted_in, said_at
        self.hidden = self.told = False


class Book:
    """Dated facts of one history, and its trace."""

    __slots__ = (
        "archives", "asks", "bounces", "choices", "deletions", "future", "moves", "names", "orphans", "shifts",
        "trace", "tracing", "writes",
    )  # fmt: skip

    def __init__(self, *, tracing: bool = False) -> None:
        self.tracing = tracing
        self.trace: list[str] = []
        self.choices: list[Choice] = []
        self.bounces: list[tuple[int, str]] = []
        self.archives: list[tuple[int, str]] = []
        self.deletions: list[tuple[int, str]] = []
        self.names: list[tuple[int, str, str, str]] = []
        self.moves: list[tuple[int, str, str]] = []
        self.asks: list[tuple[int, str]] = []
        self.writes: list[tuple[int, str, str, str]] = []
        self.future = 0
        self.shifts: list[int] = []
        self.orphans = 0

    def said(self, now: int, text: str) -> None:
        if self.tracing:
            self.trace.append(f"{now / 1000:9.3f}  {text}")

    def chose(self, now: int, key: str, side: str, *, opted_in: bool, carried_from: int | None = None) -> None:
        at = now if carried_from is None else carried_from * 1000
        self.choices.append(Choice(at, key, side, opted_in=opted_in, said_at=now))
        if self.tracing:
            self.said(now, f"{side}: {key} opts {'IN' if opted_in else 'OUT'}")

    def hide(self, key: str, side: str) -> None:
        for each in self.choices:
            if each.key == key and each.side == side:
                each.hidden = True

    def told(self, key: str, since: int) -> None:
        """An opt-out's own webhook arrived."""
        for each in self.choices:
            if each.key == key and each.said_at == since:
                each.told = True

    def bounced(self, now: int, key: str) -> None:
        self.bounces.append((now, key))
        self.said(now, f"chimp: {key} bounces")

    def archived(self, now: int, key: str) -> None:
        self.archives.append((now, key))
        self.said(now, f"chimp: {key} archived")

    def deleted(self, now: int, key: str) -> None:
        self.deletions.append((now, key))
        self.said(now, f"chimp: {key} deleted for good")

    def named(self, now: int, side: str, key: str, name: str) -> None:
        self.names.append((now, side, key, name))
        self.said(now, f"{side}: {key} is called {name}")

    def moved(self, now: int, key: str, new: str) -> None:
        self.moves.append((now, key, new))
        self.writes.append((now, "chimp", new, "moved"))
        self.said(now, f"engine: contact {key} -> {new}")
        for each in [each for each in self.choices if each.key == key]:
            if each.side == "chimp" or each.hidden:  # not those of somebody who has the old address now
                copied = Choice(each.at, new, each.side, opted_in=each.opted_in, said_at=now)
                copied.hidden = each.hidden
                self.choices.append(copied)
        self.hide(key, "chimp")

    def asked(self, now: int, key: str, status: str) -> None:
        self.asks.append((now, key))

    def wrote(self, now: int, side: str, key: str, text: str) -> None:
        self.writes.append((now, side, key, text))
        if self.tracing:
            self.said(now, f"engine: {key} {text} in {'Shopify' if side == 'shop' else 'Mailchimp'}")


class Ending:
    """How one address stands at the end, in plain words."""

    __slots__ = ("contact", "customer", "key")

    def __init__(self, key: str, customer: str, contact: str) -> None:
        self.key, self.customer, self.contact = key, customer, contact

    @property
    def in_shop(self) -> bool:
        return self.customer == "SUBSCRIBED"

    @property
    def in_chimp(self) -> bool:
        return self.contact == "subscribed"


def why_different(book: Book, end: Ending, *, create_customers: bool) -> str | None:
    """The declared difference of consent.md 2.7 that this is; '' for none needed, None for one nobody declared."""
    if end.in_shop == end.in_chimp:
        return ""
    key = end.key
    if end.in_shop:
        if end.contact == "pending":
            return "waiting for confirmation"
        if end.contact == "archived" and any(each[1] == key for each in book.archives):
            return "archived by the merchant"
        if end.contact == "absent" and any(each[1] == key for each in book.deletions):
            return "deleted contact"
        if end.contact == "cleaned" and any(
            each.opted_in and each.at > bounce[0] - SLACK
            for each in book.choices if each.key == key and each.side == "shop"
            for bounce in _departures(book, key)
        ):  # fmt: skip
            return "needs confirmation"
        return None
    if end.customer == "absent":
        return "no customer"
    if end.customer == "PENDING":
        return "waiting for confirmation"
    return "read-only in Shopify" if end.customer in ("INVALID", "REDACTED") else None


def _departures(book: Book, key: str) -> list[tuple[int, str]]:
    complaints = [(each.at, key) for each in book.choices if each.key == key and not each.opted_in]
    return [each for each in book.bounces if each[1] == key] + complaints


def problems(book: Book, end: Ending, *, create_customers: bool = False) -> list[str]:
    """What is wrong with how this address ended; the words are the invariants of reliability.md 7.1, R1."""
    found = []
    own = [each for each in book.choices if each.key == end.key and (each.opted_in or each.told or not each.hidden)]
    mailable = end.in_shop or end.in_chimp
    if why_different(book, end, create_customers=create_customers) is None:
        found.append(f"unequal: {end.customer} and {end.contact}")
    if own:
        last = max(own, key=lambda each: each.at)
        if mailable and not last.opted_in and not _is_untold_tie(last, own):
            found.append("an opt-out was lost")
        sides = {each.side for each in own}
        lasts = [max((c for c in own if c.side == side), key=lambda each: each.at) for side in sides]
        if mailable and not any(each.opted_in for each in lasts):
            found.append("mailable, and nobody's last choice says so")
        if not mailable and all(each.opted_in for each in lasts) and _is_plain(book, end, lasts, own):
            found.append("not mailable, and nobody's last choice says so")
    elif mailable:
        found.append("mailable without any opt-in")
    return found


def _is_untold_tie(out: Choice, own: list[Choice]) -> bool:
    """An opt-out right after the other side's opt-in, by clocks that can't tell which came first, and its webhook lost.

    There the table's default speaks for the opt-in (consent.md 2.6: ongoing opt-in, unsubscribed, unproven).
    """
    return not out.told and any(each.opted_in and each.side != out.side and out.at - each.at < SLACK for each in own)


def _is_plain(book: Book, end: Ending, lasts: list[Choice], own: list[Choice]) -> bool:
    """Nothing but choices speaks here (no bounce, archiving, deletion or waiting), and no opt-out ties with them."""
    if end.customer == "PENDING" or end.contact in ("pending", "cleaned", "archived", "absent"):
        return False
    if any(each[1] == end.key for each in (*book.bounces, *book.archives, *book.deletions)):
        return False
    if any(each.hidden for each in book.choices if each.key == end.key):
        return False
    return not any(abs(out.at - last.at) < 2 * SLACK for out in own if not out.opted_in for last in lasts)
