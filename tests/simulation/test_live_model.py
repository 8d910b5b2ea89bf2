"""Model test of live sync (hypothesis): any order of edits, archiving, deletion, webhooks, kills, wipes and sweeps.

The rules are moves of the world; hypothesis picks them and makes a failure small. What must be so is said by `truth`,
a book of dated facts that knows nothing of the engine. A wiped Redis is a time in which nobody drains until a sweep.
`SHOPCHIMP_MODEL_EXAMPLES` asks for more than the 2,000 examples of CI.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import history
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from test_live_histories import DECLARED, OLD_NAME, UNRECORDED, class_of
from two_platforms import ASKED, IN, NOT, OUT, SUB, UNASKED, UNSUB, WAITING, Member, Shopper
from world import World

EXAMPLES = int(os.environ.get("SHOPCHIMP_MODEL_EXAMPLES", "2000"))
STEPS = 50
STARTS = [(SUB, IN), (UNSUB, OUT), (NOT, UNASKED), (NOT, None), (None, IN), (None, None)]


class LiveSync(RuleBasedStateMachine):
    """Two people and merchants at both ends, and we between them."""

    world: World
    kind: str

    @initialize(
        kind=st.sampled_from(["plain", "double", "creating"]), start=st.sampled_from(STARTS), dice=st.integers(0, 999)
    )
    def begin(self, kind: str, start: tuple[Any, Any], dice: int) -> None:
        self.kind, self.awake = kind, True
        self.world = World(Random(dice), history.OPTIONS[kind], tracing=True)
        self.world.nemeses = 0  # only the rules below strike
        history.settle(self.world, history.ANN, *start)

    @property
    def shopper(self) -> Shopper | None:
        return self.world.shop.with_address(history.ANN)

    @property
    def member(self) -> Member | None:
        return self.world.chimp.by_key.get(history.ANN)

    def pass_time(self) -> None:
        self.world.now += 150

    # --- people and merchants

    @rule(state=st.sampled_from([SUB, UNSUB, SUB, UNSUB, ASKED]))
    def choose_in_shopify(self, state: Any) -> None:
        self.pass_time()
        shopper = self.shopper or self.world.shop.add(history.ANN, NOT, None, "Ann", 0)
        self.world.shop.choose(shopper, state, self.world.now)

    @rule()
    def join_in_mailchimp(self) -> None:
        self.pass_time()
        if self.member is not None and self.member.status is WAITING:
            self.world.chimp.confirm(self.member, self.world.now)
        else:
            self.world.chimp.join(history.ANN, self.world.now)

    @precondition(lambda self: self.member is not None and self.member.status is IN)
    @rule(how=st.sampled_from(["self", "admin", "bounce", "complaint"]))
    def leave_mailchimp(self, how: str) -> None:
        self.pass_time()
        assert self.member is not None
        if how in ("self", "admin"):
            self.world.chimp.leave(self.member, self.world.now, by_admin=how == "admin")
        else:
            self.world.chimp.bounce(self.member, self.world.now, complained=how == "complaint")

    @precondition(lambda self: self.member is not None)
    @rule(what=st.sampled_from(["archive", "forget", "rename"]), name=st.sampled_from(["Bo", "Cy"]))
    def keep_house_in_mailchimp(self, what: str, name: str) -> None:
        self.pass_time()
        assert self.member is not None
        if what == "rename":
            self.world.chimp.rename(self.member, name, self.world.now)
        elif what == "archive":
            self.world.chimp.archive(self.member, self.world.now)
        else:
            self.world.chimp.forget(self.member, self.world.now)

    @precondition(lambda self: self.shopper is not None)
    @rule(name=st.sampled_from(["Di", "Ed"]))
    def rename_in_shopify(self, name: str) -> None:
        self.pass_time()
        assert self.shopper is not None
        self.world.shop.rename(self.shopper, name, self.world.now)

    # --- webhooks

    @precondition(lambda self: self.world.shop.mail or self.world.chimp.mail)
    @rule(dice=st.integers(0, 99), how=st.sampled_from(["arrives", "arrives", "twice", "never"]))
    def a_webhook(self, dice: int, how: str) -> None:
        """Any of those on their way, so they overtake each other."""
        self.pass_time()
        shop, chimp = self.world.shop.mail, self.world.chimp.mail
        both = [(shop, each) for each in shop] + [(chimp, each) for each in chimp]
        mail, each = both[dice % len(both)]
        if how != "twice":
            mail.remove(each)  # type: ignore[arg-type]
        if how == "never":
            return
        if mail is shop:
            self.world.tell_shop(each[0])
        else:
            if each[1] is not None:
                self.world.book.told(each[0], each[2])
            self.world.tell_chimp(each[0], each[1])

    # --- we, and what happens to us

    @precondition(lambda self: self.awake)
    @rule(which=st.integers(0, 1), many=st.integers(1, 8))
    def a_worker_goes_on(self, which: int, many: int) -> None:
        for _ in range(many):
            self.pass_time()
            self.world.advance(self.world.workers[which])

    @rule(which=st.integers(0, 1))
    def a_worker_is_killed(self, which: int) -> None:
        self.world.workers[which].drop()

    @rule(seconds=st.sampled_from([1, 4, 12, 25]))
    def time_passes(self, seconds: int) -> None:
        """Longer than a lease: whoever was at work slept through it."""
        self.world.now += seconds * 1000

    @rule()
    def redis_is_wiped(self) -> None:
        """Every wake-up is gone: nobody drains until the sweep finds what is due."""
        self.awake = False

    @rule()
    def a_sweep(self) -> None:
        self.awake = True

    @rule()
    def a_poll(self) -> None:
        self.pass_time()
        self.world.poll()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        verdict = history.end(self.world, self.kind)
        wrong = [each for each in verdict.problems if class_of(each, verdict) not in (DECLARED, UNRECORDED, OLD_NAME)]
        wrong = [each for each in wrong if not each.endswith(" writes")]  # fifty edits may take more than twelve
        if wrong:
            note(history.story(verdict))
        assert not wrong, wrong


@pytest.mark.timeout(900)
def test_any_order_ends_well() -> None:
    """S22 to S26, S60: quiet in the end, equal or explained, and nobody who opted out is mailable."""
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        LiveSync,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
