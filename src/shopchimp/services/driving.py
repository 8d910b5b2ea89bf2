"""Many looks side by side: each kind of step is done for everybody who waits for it at once.

`drive` knows neither platform nor database. It is given one function a kind of step, which takes all steps of that kind
and gives back an answer or an error for each. A look that gets an error ends there; what it had intended stays stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from shopchimp.domain import looking, steps
from shopchimp.domain.errors import PlatformError
from shopchimp.domain.records import Person, Sides
from shopchimp.domain.steps import Hint, LiveOptions, Looking, Outcome, Step


class LeaseEnded(Exception):
    """Somebody else may be working on this person by now: nothing more is written for them by us."""


@dataclass(slots=True)
class Walk:
    """One person's look on its way: the step it waits for, or how it ended.

    `written` is what a look had written when an error ended it: it goes to the log, the rest is looked at again.
    """

    person: Person
    hint: Hint
    customer_id: int | None = None
    step: Step | None = None
    outcome: Outcome | None = None
    error: Exception | None = None
    written: Outcome | None = None
    sides: Sides | None = None
    _look: Looking | None = None

    @property
    def key(self) -> str:
        """The person's key."""
        return self.person.key

    def begin(self, options: LiveOptions) -> None:
        """Take the first step."""
        self._look = looking.look_at(self.person, self.hint, options)
        self.step = next(self._look)

    def go_on(self, answer: Any) -> None:
        """Hand in what came of the step; the look takes the next one or ends."""
        assert self._look is not None  # noqa: S101 - tells the type checker
        if isinstance(answer, Exception):
            self.step, self.error = None, answer
            try:
                self._look.throw(steps.Interrupted)
            except StopIteration as end:
                self.written = end.value
            except steps.Interrupted:
                pass
            return
        if isinstance(answer, Sides):
            self.sides = answer
        try:
            self.step = self._look.send(answer)
        except StopIteration as end:
            self.step, self.outcome = None, end.value
        except Exception as error:  # noqa: BLE001 - one person's crash stops nobody else (invariant 7)
            self.step, self.error = None, error


Doing = Callable[[Sequence[Walk]], Sequence[Any]]
"""Does the steps that these walks wait for; an answer or an error for each, in the same order."""

# A later kind waits until nobody needs an earlier one: so that the bulk calls are as full as they can be.
_ORDER: tuple[type[Any], ...] = (
    steps.Read,
    steps.Permit,
    steps.Intend,
    steps.Look,
    steps.MoveContact,
    steps.CreateCustomer,
    steps.WriteConsent,
    steps.WriteContact,
    steps.UpdateCustomer,
    steps.WriteSms,
)


# Writes of one side don't wait for those of the other: they are calls to different houses.
_SIDES: tuple[frozenset[type[Any]], ...] = (
    frozenset({steps.MoveContact, steps.WriteContact}),
    frozenset({steps.CreateCustomer, steps.WriteConsent, steps.UpdateCustomer}),
)


def drive(walks: Sequence[Walk], options: LiveOptions, doings: Mapping[type[Any], Doing]) -> None:
    """Take every look to its end."""
    for walk in walks:
        walk.begin(options)
    with ThreadPoolExecutor(len(_SIDES), thread_name_prefix="side") as sides:
        while waiting := [walk for walk in walks if walk.step is not None]:
            groups = {kind: [walk for walk in waiting if type(walk.step) is kind] for kind in _next(waiting)}
            answers = sides.map(lambda kind: _answers(doings[kind], groups[kind]), groups)  # noqa: B023 - used up below
            for group, found in zip(groups.values(), list(answers), strict=True):
                for walk, answer in zip(group, found, strict=True):
                    walk.go_on(answer)


def _next(waiting: Sequence[Walk]) -> list[type[Any]]:
    """The kind of step that is done next, and where it writes to one side, what waits to be written to the other."""
    kinds = [kind for kind in _ORDER if any(type(walk.step) is kind for walk in waiting)]
    mine = next((side for side in _SIDES if kinds[0] in side), None)
    others = [kind for side in _SIDES if mine is not None and side is not mine for kind in kinds if kind in side]
    return [kinds[0], *others[:1]]


def _answers(doing: Doing, group: Sequence[Walk]) -> Sequence[Any]:
    try:
        return doing(group)
    except (PlatformError, LeaseEnded) as error:  # the whole call failed: for everybody in it
        return [error] * len(group)
