"""What happens to webhooks on their way, on demand: lost, doubled, late, overtaken. The same again from a seed."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

FURTHEST_BACK: Final = 8  # an overtaken delivery goes out after at most so many later ones


class BadMischiefError(ValueError):
    """Shares outside 0..1, a delay that ends before it begins, or a word nobody knows."""


class Copy(NamedTuple):
    """One sending of a delivery: after `seconds`, and behind the next `behind` deliveries."""

    seconds: float
    behind: int


@dataclass(frozen=True, slots=True)
class Settings:
    lose: float = 0.0
    double: float = 0.0
    reorder: float = 0.0
    delay_ms: tuple[float, float] = (0.0, 0.0)
    paused: bool = False
    seed: int = 1

    def changed(self, given: Mapping[str, Any]) -> Self:
        """These settings with what is given in its place; what is not given stays."""
        known = {name: given[name] for name in ("lose", "double", "reorder", "paused", "seed") if name in given}
        if "delay_ms" in given:
            first, last = given["delay_ms"]
            known["delay_ms"] = (float(first), float(last))
        if unknown := set(given) - set(known) - {"platform"}:
            raise BadMischiefError(f"unknown: {', '.join(sorted(unknown))}")
        after = replace(self, **known)
        if not all(0 <= share <= 1 for share in (after.lose, after.double, after.reorder)):
            raise BadMischiefError("lose, double and reorder are shares between 0 and 1")
        if not 0 <= after.delay_ms[0] <= after.delay_ms[1]:
            raise BadMischiefError("delay_ms is [shortest, longest]")
        return after


class Mischief:
    """Decides for one delivery after the other; the same seed decides the same again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.settings = Settings()
        self._dice = self._new_dice()

    def change(self, given: Mapping[str, Any]) -> None:
        self.settings = self.settings.changed(given)
        if "seed" in given:
            self._dice = self._new_dice()

    def copies(self) -> list[Copy]:
        """How often the next delivery is sent and when: none if it is lost, two if it is doubled."""
        now = self.settings
        if not (now.lose or now.double or now.reorder or now.delay_ms[1]):
            return [_AT_ONCE]
        # Always as many dice, so that one share can be changed without changing what the others decide.
        lost, doubled = self._dice.random() < now.lose, self._dice.random() < now.double
        both = [self._copy(), self._copy()]
        return [] if lost else both if doubled else both[:1]

    def _copy(self) -> Copy:
        overtaken, wait, back = self._dice.random(), self._dice.random(), self._dice.random()
        shortest, longest = self.settings.delay_ms
        seconds = (shortest + wait * (longest - shortest)) / 1000
        return Copy(seconds, 1 + int(back * FURTHEST_BACK) if overtaken < self.settings.reorder else 0)

    def _new_dice(self) -> random.Random:
        return random.Random(f"{self.settings.seed}:{self._name}")  # noqa: S311 - nothing secret


_AT_ONCE: Final = Copy(0.0, 0)
