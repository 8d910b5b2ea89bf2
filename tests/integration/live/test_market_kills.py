"""Workers that die or sleep anywhere in a look at an order: nobody is told twice, nothing old stays (S17)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from market_ground import WORKS, Market, market, number

from shopchimp.db import changes, marking, stops
from shopchimp.domain.errors import Unavailable
from shopchimp.jobs import lanes
from shopchimp.services.commerce import late, live, live_orders, live_recording
from shopchimp.services.commerce.looks import Slice

TOLD = ["order_confirmation", "order_invoice"]


class Killed(BaseException):
    """Nothing of ours catches it, as nothing runs after SIGKILL."""


class Reaper:
    """Ends the worker at the n-th step, before or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int | None, *, after: bool) -> None:
        self.at, self.after, self.steps = at, after, list[str]()
        self.around(monkeypatch, Slice, "write")
        self.around(monkeypatch, live_orders, "_remember_early")
        self.around(monkeypatch, live_recording, "record")

    def around(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        do = getattr(owner, name)

        def step(*given: Any, **named: Any) -> Any:
            here = len(self.steps) == self.at
            self.steps.append(name)
            if here and not self.after:
                raise Killed
            answer = do(*given, **named)
            if here:
                raise Killed
            return answer

        monkeypatch.setattr(owner, name, step)


@pytest.fixture(scope="module")
def fair(new_database: Callable[[], str]) -> Iterator[Market]:
    with market(new_database()) as made:
        yield made


def drain(fair: Market) -> None:
    lanes.drain(fair.stage.runtime, stop=fair.stage.stop, works=WORKS)


def leases_end(fair: Market) -> None:
    fair.do("update changes set due_at = now(), settles_at = now() where shop_id = :shop")
    fair.do("update slots set until = now(), closed_until = now()")


def live_after_a_death(fair: Market) -> None:
    for _ in range(3):
        leases_end(fair)
        fair.live()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(5))
def test_whoever_is_told_of_a_new_order_is_told_once(
    fair: Market, monkeypatch: pytest.MonkeyPatch, at: int, after: bool
) -> None:
    """The steps of a new order: buyer, pending, noted, paid, recorded."""
    made = fair.order()
    with monkeypatch.context() as patched:
        reaper = Reaper(patched, at, after=after)
        with pytest.raises(Killed):
            drain(fair)
    assert len(reaper.steps) == at + 1
    live_after_a_death(fair)
    there = fair.of(made)
    assert there is not None
    assert there["financial_status"] == "paid"
    assert fair.mails(made["email"]) == TOLD
    assert not fair.changes()


def test_an_old_state_written_late_does_not_stay(fair: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker sleeps before its write, another takes over and ends; then the first one writes what was true before."""
    made = fair.order()
    fair.live()
    fair.change(made, "refund", amount=100)
    asleep, awake = threading.Event(), threading.Event()
    write, first = Slice.write, list[bool]()

    def slow(self: Slice, step: Any, *, known: bool = False) -> None:
        if not first:
            first.append(True)
            asleep.set()
            assert awake.wait(30)
        write(self, step, known=known)

    monkeypatch.setattr(Slice, "write", slow)
    runtime, stop = fair.stage.runtime, fair.stage.stop
    sleeper = threading.Thread(target=lambda: lanes.drain(runtime, stop=stop, works=WORKS, at_most=1))
    sleeper.start()
    assert asleep.wait(30)
    fair.edit("order", "refund", id=made["id"], amount=200)
    leases_end(fair)
    drain(fair)  # the thief: reads and writes the newer state
    there = fair.of(made)
    assert there is not None
    newest = there["order_total"]
    awake.set()
    sleeper.join(30)
    there = fair.of(made)
    assert there is not None
    assert there["order_total"] != newest, "the late write came"
    live_after_a_death(fair)
    there = fair.of(made)
    assert there is not None
    assert there["order_total"] == newest
    assert not fair.changes()


def test_an_unclear_answer_is_written_again_even_if_the_order_is_as_before(
    fair: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write may have come although no answer did: then what we remember is not what Mailchimp has."""
    made = fair.order()
    fair.live()
    write, torn = Slice.write, list[bool]()

    def unclear(self: Slice, step: Any, *, known: bool = False) -> None:
        if not torn:
            torn.append(True)
            body = {**step.body, "order_total": 1.0}
            write(self, type(step)(step.kind, body), known=known)
            raise Unavailable("mailchimp", "mc_unreachable", "ReadTimeout")
        write(self, step, known=known)

    monkeypatch.setattr(Slice, "write", unclear)
    fair.mark(f"order:{number(made['id'])}", source="audit")
    drain(fair)
    there = fair.of(made)
    assert there is not None
    assert there["order_total"] == 1.0
    fair.live()
    there = fair.of(made)
    assert there is not None
    assert there["order_total"] != 1.0


def test_a_slice_gives_back_what_it_has_no_time_for(fair: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flash sales don't hold a thread: a second, then the lane takes its turn again (P7)."""
    monkeypatch.setattr(live, "WORKS_FOR", 0.0)
    monkeypatch.setattr(live, "AT_ONCE", 2)
    monkeypatch.setattr(live, "A_SLOT", 0)
    orders = [fair.order() for _ in range(5)]
    drained = lanes.drain(fair.stage.runtime, stop=fair.stage.stop, works=WORKS, at_most=1)
    assert drained == 1
    left = fair.stage.rows("select token, attempts from changes where key like 'order:%'")
    assert len(left) == 3
    assert all(row["token"] is None and row["attempts"] == 0 for row in left)
    fair.live()
    assert all(fair.of(each) is not None for each in orders)


def test_one_order_that_crashes_us_stops_no_other(fair: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 7."""
    good, bad = fair.order(), fair.order()
    draft = live_orders.draft_order

    def crash(node: Any, store: Any) -> Any:
        if node["id"] == bad["id"]:
            raise ZeroDivisionError
        return draft(node, store)

    with monkeypatch.context() as patched:
        patched.setattr(live_orders, "draft_order", crash)
        for _ in range(12):
            drain(fair)
            fair.soon()
    assert fair.of(good) is not None
    parked = [row for row in fair.changes() if row["state"] == "parked"]
    assert [row["key"] for row in parked] == [f"order:{number(bad['id'])}"]
    with fair.stage.database.transaction() as tx:
        assert stops.retry(tx, fair.stage.shop_id) == 1
    fair.live()
    assert fair.of(bad) is not None


def test_a_lost_lease_records_nothing(fair: Market) -> None:
    made = fair.order()
    token = uuid4()
    with fair.stage.database.transaction() as tx:
        claimed = changes.claim(tx, fair.stage.shop_id, marking.COMMERCE, token=token, lease=20.0, limit=10)
    leases_end(fair)
    fair.live()
    before = fair.item("order", number(made["id"]))
    live.work(fair.stage.runtime.gateways, fair.stage.shop_id, claimed, token=token, slots=2)
    after = fair.item("order", number(made["id"]))
    assert before is not None
    assert after is not None
    assert after["digest"] is None, "the next look writes, whatever it finds"
    assert {**before, "digest": None} == after
    assert fair.changes(), "and there is a next look"
    live_after_a_death(fair)
    assert fair.mails(made["email"]) == TOLD


@pytest.mark.parametrize("step", ["set_syncing", "_work", "_settle"])
def test_automations_are_let_go_whoever_died_while_they_were_held(
    fair: Market, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """An order that comes late is written once, quietly, and the next live one tells its buyer again."""
    fired = fair.fired()
    made = fair.order(created_at=1794300000)
    drain(fair)
    fair.chore(late.CHORE)
    fair.graced()
    owner = late.store if step == "set_syncing" else late
    do, deaths = getattr(owner, step), list[bool]()

    def die(*given: Any, **named: Any) -> Any:
        answer = do(*given, **named)
        if not deaths:
            deaths.append(True)
            raise Killed
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(owner, step, die)
        with pytest.raises(Killed):
            fair.chore(late.CHORE)
    leases_end(fair)
    fair.chore(late.CHORE)
    live_after_a_death(fair)
    assert fair.of(made) is not None
    assert fair.fired() == fired
    assert fair.stage.rows("select store_syncing from connections")[0]["store_syncing"] is False
    news = fair.order()
    fair.live()
    assert fair.mails(news["email"]) == TOLD


def test_the_books_close_after_all_of_it(fair: Market) -> None:
    fair.chore("completeness")
    assert not fair.stage.rows("select 1 from activities where kind = 'completeness'")
