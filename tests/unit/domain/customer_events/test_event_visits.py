"""What is to be done about one visitor's events: whose they are, what is due, what waits and until when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from event_samples import NOW, read

from shopchimp.domain.customer_events.identity import HELD_FOR, ByCustomer, ByEmail, Who
from shopchimp.domain.customer_events.visits import (
    LATEST,
    SOONEST,
    Contact,
    Dropped,
    Event,
    Visit,
    still_counts,
    subject_key,
    visit,
)

ANN, BOB = ByCustomer(101), ByCustomer(102)
ANN_HERE = Contact("ann@example.com", 1, is_contact=True, seen_at=NOW)
BOB_HERE = Contact("bob@example.com", 2, is_contact=True, seen_at=NOW)
ANA = Contact("ana.reyes@example.com", 3, is_contact=True, seen_at=NOW)
PEOPLE: Mapping[Who, Contact] = {ANN: ANN_HERE, BOB: BOB_HERE, ByEmail("ana.reyes@example.com"): ANN_HERE}


def event(name: str, number: int = 1, *, ago: float = 0, received_ago: float | None = None, **more: object) -> Event:
    at = NOW - timedelta(seconds=ago)
    values = {"customerId": None, "timestamp": at.isoformat().replace("+00:00", "Z"), **more}
    beacon = read(name, id=f"event-{number:04d}", **values)
    return Event(beacon, NOW - timedelta(seconds=ago if received_ago is None else received_ago))


def look(
    *events: Event,
    link: Who | None = None,
    sent: Mapping[str, datetime] | None = None,
    people: Mapping[Who, Contact] = PEOPLE,
    proven: tuple[str, ...] = (),
    now: datetime = NOW,
    linked_at: datetime | None = None,
    told: Mapping[str, str] | None = None,
) -> Visit:
    known = {"now": now, "link": link, "linked_at": linked_at, "sent": sent or {}}
    return visit(events, **known, contact_of=people.get, proven=proven, told=told)  # type: ignore[arg-type]


def calls(found: Visit) -> list[tuple[str, list[str]]]:
    return [(call.contact.key, [each.id for each in call.events]) for call in found.calls]


def test_nothing_waits_where_nothing_is() -> None:
    found = look()
    assert (found.calls, found.dropped, found.again, found.link) == ([], [], None, None)


def test_what_came_before_the_first_word_is_theirs_who_say_it() -> None:
    found = look(
        event("page_viewed", 1, ago=60),
        event("product_viewed", 2, ago=50),
        event("search_submitted", 3, customerId="101"),
    )
    assert sorted(calls(found)) == [
        (ANN_HERE.key, ["event-0001"]), (ANN_HERE.key, ["event-0002"]), (ANN_HERE.key, ["event-0003"]),
    ]  # fmt: skip
    assert found.link == ANN


def test_who_is_linked_already_keeps_what_they_did_before_another_says_a_word() -> None:
    found = look(event("page_viewed", 1, ago=60), event("page_viewed", 2, customerId="102"), link=ANN)
    assert sorted(calls(found)) == [(ANN_HERE.key, ["event-0001"]), (BOB_HERE.key, ["event-0002"])]
    assert found.link == BOB


def test_what_still_waits_stays_theirs_when_the_browser_becomes_anothers() -> None:
    waits = event("page_viewed", 1, ago=60)
    about = subject_key(waits.beacon)
    assert about is not None
    found = look(
        waits, event("search_submitted", 2, customerId="102"), link=ANN, sent={about: NOW - timedelta(minutes=5)}
    )
    assert (found.link, found.linked_at, found.found) == (BOB, NOW, [(waits, ANN)])
    kept = Event(waits.beacon, waits.received_at, who=ANN)
    later = look(kept, link=BOB, linked_at=NOW, now=NOW + timedelta(minutes=10))
    assert calls(later) == [(ANN_HERE.key, ["event-0001"])]
    assert (later.link, later.found) == (None, [])


def test_what_somebody_did_before_is_no_word_about_whose_browser_it_is_now() -> None:
    early, late = (event("page_viewed", n, ago=ago, customerId="101") for n, ago in ((1, 60), (2, 0)))
    assert look(early, link=BOB, linked_at=NOW - timedelta(seconds=30)).link is None
    assert look(early, late, link=BOB, linked_at=NOW - timedelta(seconds=30)).link == ANN


def test_a_checkout_of_another_address_is_not_claimed_by_who_logs_in_next() -> None:
    started, viewed = event("checkout_started", 1, ago=60), event("page_viewed", 2, ago=50)
    found = look(started, viewed, event("search_submitted", 3, customerId="102"))
    assert sorted(calls(found)) == [(BOB_HERE.key, ["event-0002"]), (BOB_HERE.key, ["event-0003"])]
    assert found.again == NOW + timedelta(seconds=60)
    found = look(started, event("search_submitted", 3, customerId="101"), people={**PEOPLE, ANN: ANA})
    assert sorted(calls(found)) == [(ANA.key, ["event-0001"]), (ANA.key, ["event-0003"])]


def test_an_address_that_was_mistyped_first_is_theirs_whose_checkout_it_is() -> None:
    typed = {"checkout": {"token": "c1f2a3b4c5d6e7f8", "email": "bbo@example.com"}}
    first, right = event("checkout_started", 1, ago=60, data=typed), {"event-0001": BOB_HERE.key}
    assert calls(look(first, link=BOB, told=right)) == [(BOB_HERE.key, ["event-0001"])]
    assert look(first, link=ANN, told=right).calls == []
    logs_in = event("search_submitted", 2, customerId="102")
    assert (BOB_HERE.key, ["event-0001"]) in calls(look(first, logs_in, told=right))
    assert (BOB_HERE.key, ["event-0001"]) not in calls(look(first, logs_in))


def test_a_link_that_says_nothing_new_is_no_news() -> None:
    assert look(event("page_viewed", customerId="101"), link=ANN).link is None


def test_without_a_word_an_event_waits_a_day_and_no_longer() -> None:
    early, late = event("page_viewed", 1, ago=60), event("page_viewed", 2, ago=90_000)
    found = look(early, late)
    assert [(each.id, why) for each, why in found.dropped] == [("event-0002", Dropped.NO_PERSON)]
    assert found.again == early.received_at + HELD_FOR
    assert found.calls == []


def test_a_checkouts_address_counts_once_it_is_proven() -> None:
    started = event("checkout_started", 1)
    assert look(started).calls == []
    assert look(started).again == NOW + SOONEST  # not only when its webhook says so
    assert calls(look(started, proven=("event-0001",))) == [(ANN_HERE.key, ["event-0001"])]


def test_the_first_view_of_a_window_goes_at_once_and_the_others_at_its_end() -> None:
    first = event("page_viewed", 1, ago=30, customerId="101")
    about = subject_key(first.beacon)
    assert about is not None
    called = NOW - timedelta(minutes=2)
    found = look(event("page_viewed", 2, customerId="101"), sent={about: called})
    assert (found.calls, found.again, found.urgent_again) == ([], called + timedelta(minutes=10), None)
    assert len(look(event("page_viewed", 2, customerId="101"), sent={about: NOW - timedelta(minutes=10)}).calls) == 1


def test_views_of_two_people_are_not_put_together() -> None:
    found = look(event("page_viewed", 1, ago=2, customerId="101"), event("page_viewed", 2, ago=1, customerId="102"))
    assert sorted(calls(found)) == [(ANN_HERE.key, ["event-0001"]), (BOB_HERE.key, ["event-0002"])]


def test_carts_and_checkouts_come_first_and_each_alone() -> None:
    found = look(
        event("page_viewed", 1, ago=9, customerId="101"), event("page_viewed", 2, ago=8, customerId="101"),
        event("product_added_to_cart", 3, ago=7, customerId="101"),
        event("product_added_to_cart", 4, ago=6, customerId="101"),
    )  # fmt: skip
    assert [each for _, each in calls(found)] == [["event-0003"], ["event-0004"], ["event-0001", "event-0002"]]


def test_who_is_no_contact_yet_is_asked_about_once_and_waited_for() -> None:
    before = Contact("ann@example.com", 1, is_contact=False, seen_at=NOW - timedelta(minutes=1))
    events = event("page_viewed", 1, customerId="101"), event("product_viewed", 2, customerId="101")
    found = look(*events, people={ANN: before})
    assert (found.calls, found.asks, found.again) == ([], [ANN], NOW + SOONEST)
    assert look(*events, people={}).asks == [ANN]
    looked = Contact("ann@example.com", 1, is_contact=False, seen_at=NOW)
    assert look(*events, people={ANN: looked}).asks == []


def test_the_longer_somebody_is_no_contact_the_longer_it_is_waited() -> None:
    def again(ago: float) -> timedelta | None:
        found = look(event("page_viewed", customerId="101", ago=0, received_ago=ago), people={})
        return None if found.again is None else found.again - NOW

    assert again(60) == timedelta(seconds=60)
    assert again(20 * 3600) == LATEST
    assert again(24 * 3600 - 60) == timedelta(seconds=60)
    dropped = look(event("page_viewed", customerId="101", received_ago=24 * 3600), people={})
    assert [why for _, why in dropped.dropped] == [Dropped.NOT_A_CONTACT]


def test_a_call_that_was_begun_is_taken_up_with_the_same_events_for_the_same_person() -> None:
    begun = [
        Event(each.beacon, each.received_at, "event-0001", NOW, ANN)
        for each in (event("page_viewed", 1, ago=60), event("page_viewed", 2, ago=50))
    ]
    found = look(*begun, event("page_viewed", 3, ago=40), link=BOB)
    (call,) = [each for each in found.calls if each.doubtful]
    assert (call.id, call.contact, [each.id for each in call.events]) == (
        "event-0001", ANN_HERE, ["event-0001", "event-0002"],
    )  # fmt: skip
    assert [each for each in calls(found) if each[0] == BOB_HERE.key] == [(BOB_HERE.key, ["event-0003"])]


def test_a_call_that_was_begun_for_somebody_who_is_no_longer_known_is_given_up() -> None:
    event_ = event("page_viewed", 1, ago=60)
    found = look(Event(event_.beacon, event_.received_at, "event-0001", NOW, ByCustomer(999)))
    assert [(each.id, why) for each, why in found.dropped] == [("event-0001", Dropped.NO_PERSON)]
    assert found.calls == []


def test_when_to_look_again_is_known_of_carts_apart() -> None:
    found = look(event("product_added_to_cart", 1, customerId="101", ago=30), people={})
    assert found.urgent_again == found.again == NOW + timedelta(seconds=30)


def test_what_was_sent_long_ago_needs_no_remembering() -> None:
    sent = {"a": NOW - timedelta(minutes=11), "b": NOW - timedelta(minutes=9)}
    assert list(still_counts(sent, NOW)) == ["b"]


def test_the_same_search_in_other_letters_is_the_same_subject() -> None:
    one, other = (subject_key(read("search_submitted", data={"query": query})) for query in ("Blue Mug", "blue mug"))
    assert one == other
    assert one is not None
    assert "mug" not in one
    assert subject_key(read("checkout_started")) is None
