"""The worker dies anywhere between noting a call and recording it, or its answer is lost: Mailchimp hears it once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from visits_ground import EVENTS, Visits

from shopchimp.jobs import lanes
from shopchimp.mailchimp import events as member_events
from shopchimp.services.customer_events import recording, sending

NAMES = ("product_added_to_cart", "checkout_started", "page_viewed", "product_viewed")


class Killed(BaseException):
    """Nothing of ours catches it, as nothing runs after SIGKILL."""


def _takes_over(shop: Visits) -> None:
    """The leases of the dead run out, and whatever they might have sent has arrived."""
    for _ in range(12):
        shop.passes(seconds=40)
        shop.sql("update slots set until = '-infinity', closed_until = '-infinity'")
        lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works=EVENTS)
        if not shop.stage.rows("select 1 from customer_events where state in ('waiting', 'sending')"):
            return
    raise AssertionError(shop.stage.rows("select * from customer_events where state in ('waiting', 'sending')"))


def _work(shop: Visits) -> None:
    while lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works=EVENTS):
        shop.rested()


def _heard(shop: Visits, *emails: str) -> Counter[str]:
    return Counter(row["properties"]["event_id"] for row in shop.all_heard() if row["email"] in emails)


def _dying(do: Callable[..., Any], at: int, *, after: bool) -> Callable[..., Any]:
    """The same, but the process ends at the n-th time, before it or after."""
    times = 0

    def dies(*args: Any, **kwargs: Any) -> Any:
        nonlocal times
        here = times == at
        times += 1
        if here and not after:
            raise Killed
        answer = do(*args, **kwargs)
        if here:
            raise Killed
        return answer

    return dies


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("where", "what", "at"),
    [
        (member_events, "post", 0),
        (member_events, "post", 2),
        (recording, "record", 0),
        (recording, "record", 1),
        (recording, "close", 0),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)).rpartition(".")[2],
)
def test_each_event_is_heard_once_wherever_the_worker_dies(
    shop: Visits, monkeypatch: pytest.MonkeyPatch, where: Any, what: str, at: int, *, after: bool
) -> None:
    people = [shop.customer() for _ in range(3)]
    events = {
        shop.does(name, visitor, customerId=str(customer))
        for _, customer in people
        for visitor in [shop.visitor()]
        for name in NAMES
    }
    with monkeypatch.context() as patched:
        patched.setattr(sending, "A_SLOT", 1)
        patched.setattr(where, what, _dying(getattr(where, what), at, after=after))
        with pytest.raises(Killed):
            _work(shop)
    _takes_over(shop)
    assert _heard(shop, *(email for email, _ in people)) == Counter(events)
    assert shop.counts() == {"received": 12, "sent": 12}


def test_whose_browser_it_is_outlives_the_worker(shop: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only event that said so was told when the worker died."""
    email, customer = shop.customer()
    visitor = shop.visitor()
    shop.does("search_submitted", visitor, customerId=str(customer))
    with monkeypatch.context() as patched:
        patched.setattr(recording, "record", _dying(recording.record, 0, after=False))
        with pytest.raises(Killed):
            lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works=EVENTS)
    _takes_over(shop)
    shop.does("product_added_to_cart", visitor)
    shop.work()
    assert shop.names(email) == ["search_submitted", "product_added_to_cart"]


def test_a_call_that_is_made_again_says_nothing_new(shop: Visits) -> None:
    """Mailchimp doesn't know Ann any more, and Bob logs in before it is asked again."""
    (ann, ann_id), (bob, bob_id) = shop.customer(), shop.customer()
    visitor = shop.visitor()
    shop.does("search_submitted", visitor, customerId=str(ann_id))
    shop.work()
    shop.stage.sandbox.edit("mailchimp", ann, forget=True)
    shop.does("product_added_to_cart", visitor)
    shop.work()
    shop.does("checkout_started", visitor, customerId=str(bob_id))
    shop.work()
    shop.passes(minutes=1)
    shop.work()
    shop.does("product_added_to_cart", visitor)
    shop.work()
    assert shop.names(bob) == ["checkout_started", "product_added_to_cart"]


@pytest.mark.parametrize("kind", ["reset", "reset_after", "500", "502html", "429"])
def test_an_answer_that_is_lost_is_asked_for(shop: Visits, kind: str) -> None:
    email, customer = shop.customer()
    shop.stage.sandbox.faults({"route": "*", "kind": kind, "times": 1})
    event_id = shop.does("product_added_to_cart", shop.visitor(), customerId=str(customer))
    shop.work()
    assert shop.stage.sandbox.fired() == 1
    _takes_over(shop)
    assert _heard(shop, email) == Counter([event_id])


def test_a_worker_that_slept_makes_no_call_after_others(shop: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was stopped for long enough that somebody else may have asked whether its call was heard."""
    email, customer = shop.customer()
    event_id = shop.does("product_added_to_cart", shop.visitor(), customerId=str(customer))
    with monkeypatch.context() as patched:
        patched.setattr(sending, "STARTS_WITHIN", -1.0)
        lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works=EVENTS, at_most=1)
    assert (shop.heard(email), shop.event(event_id)["state"]) == ([], "sending")
    _takes_over(shop)
    assert _heard(shop, email) == Counter([event_id])


def test_what_a_gateway_gave_up_on_may_still_come(shop: Visits) -> None:
    """mailchimp.md 3: after its 502 the call may go on for a while, so it isn't asked for at once."""
    email, customer = shop.customer()
    shop.stage.sandbox.faults({"route": "*", "kind": "502html", "times": 1})
    event_id = shop.does("product_added_to_cart", shop.visitor(), customerId=str(customer))
    shop.work()
    shop.passes(seconds=10)
    shop.work()
    assert (shop.heard(email), shop.event(event_id)["state"]) == ([], "sending")
    shop.passes(seconds=30)
    shop.work()
    assert _heard(shop, email) == Counter([event_id])


def test_a_call_that_may_still_be_under_way_is_waited_for(shop: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers for it, so it is neither made again nor taken for lost before it must have come."""
    email, customer = shop.customer()
    event_id = shop.does("product_added_to_cart", shop.visitor(), customerId=str(customer))
    with monkeypatch.context() as patched:
        patched.setattr(member_events, "post", _dying(member_events.post, 0, after=False))
        with pytest.raises(Killed):
            lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works=EVENTS)
    shop.sql("update changes set due_at = now()")
    shop.sql("update slots set until = '-infinity'")
    shop.work()
    assert shop.heard(email) == []
    assert shop.event(event_id)["state"] == "sending"
    _takes_over(shop)
    assert _heard(shop, email) == Counter([event_id])


@pytest.mark.parametrize("known_by", ["customer", "address"])
def test_a_call_that_died_stays_with_whom_it_was_for(
    shop: Visits, monkeypatch: pytest.MonkeyPatch, known_by: str
) -> None:
    """Somebody else logs in in the same browser meanwhile."""
    (ann, ann_id), (bob, bob_id) = shop.customer(), shop.customer()
    visitor = shop.visitor()
    shop.does("search_submitted", visitor, customerId=str(ann_id))
    shop.work()
    if known_by == "address":  # of a checkout
        shop.sql("update visitors set customer_id = null, key = :key", key=ann)
    event_id = shop.does("product_added_to_cart", visitor)
    with monkeypatch.context() as patched:
        patched.setattr(recording, "record", _dying(recording.record, 0, after=False))
        with pytest.raises(Killed):
            lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works=EVENTS)
    shop.sql("update visitors set customer_id = :id, key = null", id=bob_id)
    _takes_over(shop)
    assert event_id in _heard(shop, ann)
    assert _heard(shop, bob) == Counter()
