"""Bugs planted on purpose, those that reliability.md names: a simulation that stays green with them proves nothing.

Each is a mistake in the engine's surroundings (`world.Bugs`) or in the look itself, and a few thousand histories find it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import history
import pytest
from test_live_histories import DECLARED, UNRECORDED, class_of
from world import SOUND, Bugs

from shopchimp.domain import looking, readings
from shopchimp.domain.consent import NO_CONTACT, NO_CUSTOMER
from shopchimp.domain.steps import Look, MoveContact, WriteContact

MANY = 3_000
KNOWN = {DECLARED, UNRECORDED}


def found(bugs: Bugs = SOUND, *, many: int = MANY, sure: bool = False, more_than: int = 1) -> str:
    """A problem that nobody declared, if there are more of them than a sound engine has; else an empty text."""
    count = 0
    for seed in range(many):
        verdict = history.live(seed, bugs=bugs, sure=sure)
        for problem in verdict.problems:
            if class_of(problem, verdict) not in KNOWN:
                count += 1
                if count > more_than:
                    return f"{seed}: {problem}"
    return ""


@pytest.mark.parametrize("sure", [False, True])
def test_the_sound_engine_passes_where_the_mutants_fail(sure: bool) -> None:
    """As many histories without a bug. `sure`: without polls and audits, by webhooks and the fence alone."""
    assert not found(sure=sure)


@pytest.mark.parametrize("bug", ["keep_on_version", "read_in_claim"])
def test_a_bug_around_the_look_is_found(bug: str) -> None:
    """Reliability 0.4, 3.3: version not checked, read inside the claim; where no sweep mends it."""
    assert found(Bugs(**{bug: True}), sure=True), bug


def test_the_fence_holds_alone_and_is_missed() -> None:
    """Reliability 0.5, 3.3: late writes do no harm with the fence even if nobody checks the lease; without, they do."""
    assert not found(Bugs(no_guard=True), sure=True, many=6_000, more_than=2)
    assert found(Bugs(no_guard=True, no_fence=True), sure=True, many=6_000, more_than=2)


def test_a_forgotten_intent_is_found() -> None:
    """Reliability 0.6: our own write, not remembered, is taken for somebody's edit."""
    assert found(Bugs(forget_intent=True), many=12_000)


def without(kind: type[Any], answer: Any) -> Any:
    """The real look, but one kind of step is answered without being done."""
    real = looking.look_at

    def look_at(*args: Any) -> Iterator[Any]:
        look = real(*args)
        sides: Any = None
        step = next(look)
        while True:
            sent = answer(step, sides) if type(step) is kind else (yield step)
            if type(step).__name__ == "Read":
                sides = sent
            try:
                step = look.send(sent)
            except StopIteration as end:
                return end.value

    return look_at


def unmoved(step: Look, sides: Any) -> Any:
    """What an engine that doesn't look again believes."""
    if step.contact:
        return sides.contact.consent if sides.contact else NO_CONTACT
    return sides.customer.consent if sides.customer else NO_CUSTOMER


def test_not_looking_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reliability 3.6: without the look right before the write, far more choices fall between look and write."""
    sound = sum(history.live(seed).windows for seed in range(2_000))
    monkeypatch.setattr(looking, "look_at", without(Look, unmoved))
    assert sum(history.live(seed).windows for seed in range(2_000)) > 1.5 * sound > 0


def test_a_consent_written_with_the_time_of_now_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reliability 3.6: the time of the write makes our own write look newer than the person's next click."""
    real = looking._contact_write

    def now(*args: Any) -> WriteContact:
        return replace(real(*args), opted_in_at=None)

    monkeypatch.setattr(looking, "_contact_write", now)
    assert found()


def test_a_told_opt_out_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reliability 3.6: an `unsubscribe` delivery is a fact, even if the state was overwritten since."""
    monkeypatch.setattr(
        looking, "consents", lambda _, sides, __: (looking.customer_consent(sides), looking.contact_consent(sides))
    )
    assert found()


def test_our_own_opt_out_taken_for_the_persons_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An echo of ours must not undo an opt-in that was made in Shopify a moment before we wrote."""
    monkeypatch.setattr(readings, "is_ours", lambda *_: False)
    assert found()


def test_a_twin_instead_of_a_move_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """M6: the contact goes along with its person; what is left behind would be a double."""
    from shopchimp.domain.steps import Refused

    sound = sum(len(history.live(seed).ends) for seed in range(17, 8_000, 20))
    monkeypatch.setattr(looking, "look_at", without(MoveContact, lambda *_: Refused("mc_rejected")))
    assert sum(len(history.live(seed).ends) for seed in range(17, 8_000, 20)) > sound + 10
