"""Automations of the merchant that would have fired, and those kept quiet: only counted, nobody is mailed.

What fires is in mailchimp.md 5, 6 and 8: `is_syncing` of a store pauses those about orders and carts, `is_syncing` of a
tag or event those about it, `data_mode=historical` of a contact the welcome; a member's new `subscribed` starts the
welcome in any case. That an old `processed_at_foreign` does not fire is documented nowhere, so here it does.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ABANDONED_SECONDS: Final = 3600  # the shortest wait the editor offers
KEPT: Final = 1000


@dataclass(slots=True)
class Automations:
    fired: Counter[str] = field(default_factory=Counter)
    quiet: Counter[str] = field(default_factory=Counter)  # "what: why"
    last: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    waiting: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)  # cart -> when it is abandoned, whose
    abandoned_seconds: int = ABANDONED_SECONDS

    def fire(self, what: str, who: str, why: str, *, quiet: str = "") -> None:
        """`quiet` says why it does not fire after all."""
        if quiet:
            self.quiet[f"{what}: {quiet}"] += 1
        else:
            self.fired[what] += 1
            self.last.append({"automation": what, "who": who, "why": why})

    def cart(self, store: str, cart: str, who: str, *, now: int, syncing: bool, complete: bool) -> None:
        """A cart was written. One sent while the store is syncing never triggers (mc-magento#1073)."""
        self.look(now)
        if syncing:
            self.fire("abandoned_cart", who, cart, quiet="is_syncing")
        elif not complete:
            self.fire("abandoned_cart", who, cart, quiet="no checkout_url or no address")
        else:
            self.waiting[store, cart] = (now + self.abandoned_seconds, who)

    def cart_gone(self, store: str, cart: str, *, now: int) -> None:
        self.look(now)
        if self.waiting.pop((store, cart), None) is not None:
            self.quiet["abandoned_cart: gone in time"] += 1

    def look(self, now: int) -> None:
        """Carts that have been left for long enough."""
        for key, (at, who) in list(self.waiting.items()):
            if at <= now:
                del self.waiting[key]
                self.fire("abandoned_cart", who, f"cart {key[1]} was left")

    def report(self, now: int) -> Mapping[str, Any]:
        """`GET /_sandbox/automations`."""
        self.look(now)
        return {
            "fired": dict(self.fired),
            "quiet": dict(self.quiet),
            "waiting": len(self.waiting),
            "last": list(self.last),
        }
