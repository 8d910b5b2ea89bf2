"""What visitors do in the store arrives at Mailchimp as events of the contacts they are (S39, S42 to S51, S112)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from visits_ground import CHECKOUT, DATA, EVENTS, SITE, Visits, ago

from shopchimp.db import customer_events, marking
from shopchimp.domain.customer_events.coalescing import Group
from shopchimp.domain.customer_events.member_events import member_event
from shopchimp.jobs import lanes
from shopchimp.mailchimp import events as member_events
from shopchimp.services.customer_events import sending, visitors

LEARNED = [("S44", "page_viewed"), ("S45", "product_viewed"), ("S46", "search_submitted"),
           ("S47", "product_added_to_cart"), ("S48", "payment_info_submitted"), ("S49", "checkout_started"),
           ("S50", "checkout_completed"), ("S51", "collection_viewed")]  # fmt: skip


@pytest.mark.parametrize(("number", "name"), LEARNED)
def test_each_event_arrives_under_its_name_with_its_time(shop: Visits, number: str, name: str) -> None:
    """S42, S44 to S51, S79: on the contact, with what there is to segment by; S43: an automation that waits begins."""
    email, customer = shop.customer()
    at = ago(minutes=3)
    event_id = shop.does(name, shop.visitor(), at=at, customerId=str(customer))
    shop.work()
    (event,) = shop.heard(email)
    assert (event["name"], event["is_syncing"]) == (name, False), number
    assert datetime.fromisoformat(event["occurred_at"]).astimezone(UTC) == at
    assert event["properties"]["event_id"] == event_id
    assert event["properties"]["page_url"] == f"{SITE}/products/blue-mug"
    assert {"automation": "event", "who": email, "why": name} in shop.stage.sandbox.automations()["last"]
    assert shop.event(event_id)["state"] == "sent"
    assert shop.closes()


def test_what_was_sent_is_forgotten_but_for_its_name_and_times(shop: Visits) -> None:
    email, customer = shop.customer()
    event_id = shop.does("product_viewed", shop.visitor(), customerId=str(customer))
    shop.work()
    row = shop.event(event_id)
    assert {row[each] for each in ("visitor", "customer_id", "email", "checkout", "body")} == {None}
    assert (row["name"], row["state"], row["sent_at"] is None) == ("product_viewed", "sent", False)
    person = shop.stage.person(email)["id"]
    query = "select kind, direction, result, detail from activities where person_id = :id and kind = 'event'"
    (line,) = shop.stage.rows(query, id=person)
    assert (line["direction"], line["result"]) == ("to_mailchimp", "synced")
    assert (line["detail"]["name"], line["detail"]["times"]) == ("product_viewed", 1)


def test_old_events_start_no_automation(shop: Visits) -> None:
    email, customer = shop.customer()
    shop.does("product_added_to_cart", shop.visitor(), at=ago(hours=3), customerId=str(customer))
    shop.work()
    (event,) = shop.heard(email)
    assert event["is_syncing"] is True
    assert email not in {
        each["who"] for each in shop.stage.sandbox.automations()["last"] if each["automation"] == "event"
    }


def test_pages_of_a_window_become_one_event_and_the_first_goes_at_once(shop: Visits) -> None:
    """S112: which pages a contact visited, for few calls."""
    email, customer = shop.customer()
    visitor = shop.visitor()
    shop.does("page_viewed", visitor, customerId=str(customer), page={"url": f"{SITE}/", "title": "Home"})
    shop.work()
    assert shop.names(email) == ["page_viewed"]
    for path in ("/collections/mugs", "/products/blue-mug", "/pages/about"):
        shop.does("page_viewed", visitor, customerId=str(customer), page={"url": f"{SITE}{path}"})
        shop.work()
    assert shop.names(email) == ["page_viewed"]
    shop.passes(minutes=11)
    shop.work()
    _, second = shop.heard(email)
    assert second["properties"]["times"] == "3"
    assert second["properties"]["pages"] == "/collections/mugs /products/blue-mug /pages/about"
    assert shop.counts() == {"received": 4, "sent": 2, "coalesced": 2}
    assert shop.change(visitor) is None


def test_a_cart_is_told_at_once_though_views_wait(shop: Visits) -> None:
    email, customer = shop.customer()
    visitor = shop.visitor()
    for _ in range(2):
        shop.does("product_viewed", visitor, customerId=str(customer))
        shop.work()
    shop.does("product_added_to_cart", visitor, customerId=str(customer))
    shop.work()
    assert shop.names(email) == ["product_viewed", "product_added_to_cart"]
    row = shop.change(visitor)
    assert row is not None
    assert row["lane"] == "views"
    shop.passes(minutes=11)
    shop.work()
    assert shop.names(email) == ["product_viewed", "product_added_to_cart", "product_viewed"]


def test_a_cart_that_waited_for_its_person_goes_before_views(shop: Visits) -> None:
    """Though what they looked at before has waited for longer, and they log in by looking at a page."""
    email, customer = shop.customer()
    visitor = shop.visitor()
    for name in ("page_viewed", "product_added_to_cart"):
        shop.does(name, visitor)
        shop.work()
    shop.does("page_viewed", visitor, customerId=str(customer))
    carts = {marking.EVENTS: sending.events}
    lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works=carts)
    assert shop.names(email) == ["product_added_to_cart"]
    shop.work()
    assert sorted(shop.names(email)) == ["page_viewed", "product_added_to_cart"]
    assert shop.counts() == {"received": 3, "sent": 2, "coalesced": 1}


def test_events_before_the_visitor_said_who_they_are_wait_for_it(shop: Visits) -> None:
    email, customer = shop.customer()
    visitor = shop.visitor()
    for name in ("page_viewed", "product_viewed", "product_added_to_cart"):
        shop.does(name, visitor, at=ago(minutes=5))
    shop.work()
    assert shop.heard(email) == []
    shop.does("checkout_started", visitor, customerId=str(customer))
    shop.work()
    assert sorted(shop.names(email)) == ["checkout_started", "page_viewed", "product_added_to_cart", "product_viewed"]
    shop.does("search_submitted", visitor)  # logged out, in the same browser
    shop.work()
    assert shop.names(email)[-1] == "search_submitted"


def test_events_nobody_was_found_for_are_dropped_after_a_day_and_counted(shop: Visits) -> None:
    visitor, before = shop.visitor(), len(shop.all_heard())
    events = [shop.does(name, visitor) for name in DATA]
    shop.work()
    row = shop.change(visitor)
    assert row is not None
    assert {shop.event(each)["state"] for each in events} == {"waiting"}
    shop.passes(hours=25)
    shop.work()
    assert len(shop.all_heard()) == before
    assert {(shop.event(each)["state"], shop.event(each)["visitor"]) for each in events} == {("dropped", None)}
    assert shop.counts() == {"received": len(DATA), "no_person": len(DATA)}
    assert shop.change(visitor) is None


def test_a_checkout_speaks_for_its_address_once_shopify_said_so(shop: Visits) -> None:
    """Anybody can send a beacon with anybody's address: it counts only once a signed webhook has it too."""
    shop.open_store()
    email, _ = shop.customer()
    visitor = shop.visitor()
    token = f"token{visitor[-8:]}"
    told = {"checkout": {**CHECKOUT, "token": token, "email": email.upper()}}
    shop.does("product_viewed", visitor)
    shop.does("checkout_started", visitor, data=told)
    shop.work()
    assert shop.heard(email) == []
    shop.tells_checkout(token, email)
    shop.work()
    assert sorted(shop.names(email)) == ["checkout_started", "product_viewed"]


def test_a_checkout_that_began_before_its_address_was_typed_is_theirs_whom_shopify_names(shop: Visits) -> None:
    """S49: who leaves it then is known by Shopify's webhook alone; the token is nobody else's."""
    shop.open_store()
    email, _ = shop.customer()
    visitor = shop.visitor()
    token = f"token{visitor[-8:]}"
    shop.does("product_added_to_cart", visitor)
    shop.does("checkout_started", visitor, data={"checkout": {**CHECKOUT, "token": token}})
    shop.work()
    assert shop.heard(email) == []
    shop.tells_checkout(token, email.upper())
    shop.work()
    assert sorted(shop.names(email)) == ["checkout_started", "product_added_to_cart"]


def test_a_checkout_of_somebody_else_speaks_for_nobody(shop: Visits) -> None:
    email, _ = shop.customer()
    visitor = shop.visitor()
    token = f"token{visitor[-8:]}"
    shop.tells_checkout(token, "somebody.else@visits.example.com")
    shop.does("checkout_started", visitor, data={"checkout": {**CHECKOUT, "token": token, "email": email}})
    shop.work()
    shop.passes(hours=25)
    shop.work()
    assert shop.heard(email) == []
    assert shop.counts() == {"received": 1, "no_person": 1}


def test_a_customer_who_is_no_contact_yet_becomes_one_first(shop: Visits) -> None:
    """The beacon makes nobody a contact: live sync does, as the settings say."""
    email, customer = shop.customer(contact=False)
    shop.does("product_added_to_cart", shop.visitor(), customerId=str(customer))
    shop.work()
    assert shop.heard(email) == []
    assert shop.stage.sandbox.state("mailchimp")[email]["status"] == "transactional"
    shop.passes(seconds=6)
    shop.work()
    assert shop.names(email) == ["product_added_to_cart"]


def test_a_customer_who_may_not_become_a_contact_is_told_of_to_nobody(shop: Visits) -> None:
    shop.set(sync_non_subscribed=False)
    email, customer = shop.customer(contact=False)
    event_id = shop.does("product_added_to_cart", shop.visitor(), customerId=str(customer))
    shop.work()
    for hours in (1, 12, 12):
        shop.passes(hours=hours)
        shop.work()
    assert email not in shop.stage.sandbox.state("mailchimp")
    assert (shop.event(event_id)["state"], shop.event(event_id)["reason"]) == ("dropped", "not_a_contact")
    assert shop.closes()


def test_a_contact_who_was_deleted_meanwhile_is_no_trouble(shop: Visits) -> None:
    """Mailchimp's 404 is asked about like any doubt; the event waits until the contact is there again, or is dropped."""
    email, customer = shop.customer()
    shop.stage.sandbox.edit("mailchimp", email, forget=True)
    event_id = shop.does("product_viewed", shop.visitor(), customerId=str(customer))
    shop.work()
    assert shop.event(event_id)["state"] == "waiting"
    for hours in (1, 12, 12):
        shop.passes(hours=hours)
        shop.work()
    assert (shop.event(event_id)["state"], shop.event(event_id)["reason"]) == ("dropped", "not_a_contact")
    assert shop.closes()


def test_switched_off_nothing_of_what_waited_is_sent(shop: Visits) -> None:
    """S41: at once, in both lanes, and for what is held."""
    email, customer = shop.customer()
    shop.does("product_added_to_cart", shop.visitor(), customerId=str(customer))
    shop.does("page_viewed", shop.visitor())
    shop.sql("update shops set settings = settings || '{\"customer_events\": false}'")  # a slice is under way just now
    shop.work()
    assert shop.heard(email) == []
    assert shop.counts()["off"] == 1
    shop.set(customer_events=True)
    shop.set(customer_events=False)
    shop.work()
    assert shop.counts() == {"received": 2, "off": 2}


@pytest.mark.parametrize("kind", ["500", "429"])
def test_what_mailchimp_did_not_take_is_not_sent_once_it_is_switched_on_again(shop: Visits, kind: str) -> None:
    """S41: whether its call is over when the switch is used, or fails just then."""
    email, customer = shop.customer()
    over, just_then = (shop.visitor(), shop.visitor())
    shop.stage.sandbox.faults({"route": "*", "kind": kind, "times": 1})
    shop.does("product_added_to_cart", over, customerId=str(customer))
    lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works=EVENTS, at_most=1)
    shop.set(customer_events=False)
    shop.set(customer_events=True)
    shop.does("checkout_started", just_then, customerId=str(customer))
    shop.stage.sandbox.faults({"route": "*", "kind": kind, "times": 1})
    shop.rested()
    with switched_off_meanwhile(shop):
        lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works=EVENTS)
    shop.set(customer_events=True)
    for visitor in (over, just_then):
        shop.does("product_viewed", visitor, customerId=str(customer))
    shop.passes(minutes=1)
    shop.work()
    assert shop.names(email) == ["product_viewed", "product_viewed"]
    assert shop.counts() == {"received": 4, "sent": 2, "off": 2}


@contextmanager
def switched_off_meanwhile(shop: Visits) -> Iterator[None]:
    """The merchant switches it off while the call is under way."""
    with pytest.MonkeyPatch.context() as patched:

        def post(*args: Any) -> None:
            shop.set(customer_events=False)
            member_events_post(*args)

        member_events_post = member_events.post
        patched.setattr(member_events, "post", post)
        yield


def test_a_visit_by_a_link_of_a_text_message_is_a_click(shop: Visits) -> None:
    """S58: Mailchimp has no public source; a campaign whose links say utm_medium=sms shows it."""
    email, customer = shop.customer()
    page = {"url": f"{SITE}/products/blue-mug?utm_medium=sms&utm_campaign=friday"}
    shop.does("page_viewed", shop.visitor(), customerId=str(customer), page=page)
    shop.work()
    (fact,) = shop.stage.rows("select * from activity_facts where action = 'sms_clicked'")
    assert fact["campaign"] == "friday"
    (row,) = shop.stage.rows("select * from engagements where key = :key", key=email)
    assert row["counts"] == {"sms_clicked": 1}
    assert shop.stage.rows("select * from changes where key = :key", key=f"engaged:{fact['contact']}")


def test_two_people_at_one_computer_get_what_each_did(shop: Visits) -> None:
    (ann, ann_id), (bob, bob_id) = shop.customer(), shop.customer()
    visitor = shop.visitor()
    shop.does("product_viewed", visitor, at=ago(minutes=9), customerId=str(ann_id))
    shop.does("collection_viewed", visitor, at=ago(minutes=8))
    shop.does("search_submitted", visitor, at=ago(minutes=7), customerId=str(bob_id))
    shop.does("product_added_to_cart", visitor, at=ago(minutes=6))
    shop.work()
    assert sorted(shop.names(ann)) == ["collection_viewed", "product_viewed"]
    assert sorted(shop.names(bob)) == ["product_added_to_cart", "search_submitted"]


@pytest.mark.parametrize("logged_in", [False, True], ids=["by the link", "by their own word"])
def test_views_that_wait_stay_theirs_though_somebody_else_logs_in_meanwhile(shop: Visits, *, logged_in: bool) -> None:
    (ann, ann_id), (bob, bob_id) = shop.customer(), shop.customer()
    visitor = shop.visitor()
    shop.does("product_viewed", visitor, customerId=str(ann_id))
    shop.work()
    shop.does("product_viewed", visitor, customerId=str(ann_id) if logged_in else None)
    shop.work()
    shop.does("search_submitted", visitor, customerId=str(bob_id))
    shop.work()
    shop.passes(minutes=11)
    shop.work()
    assert (shop.names(ann), shop.names(bob)) == (["product_viewed"] * 2, ["search_submitted"])
    shop.does("product_added_to_cart", visitor)
    shop.work()
    assert shop.names(bob) == ["search_submitted", "product_added_to_cart"]


def test_what_a_guest_buys_is_not_theirs_who_had_the_browser_before(shop: Visits) -> None:
    """S49, S50: whoever has the checkout's address; and Shopify says who that is."""
    shop.open_store()
    (ann, ann_id), (bob, _) = shop.customer(), shop.customer()
    visitor = shop.visitor()
    shop.does("product_viewed", visitor, customerId=str(ann_id))
    token = f"token{visitor[-8:]}"
    shop.does("checkout_started", visitor, data={"checkout": {**CHECKOUT, "token": token, "email": bob}})
    shop.work()
    assert (shop.names(ann), shop.names(bob)) == (["product_viewed"], [])
    shop.tells_checkout(token, bob)
    shop.work()
    assert (shop.names(ann), shop.names(bob)) == (["product_viewed"], ["checkout_started"])
    shop.does("checkout_started", visitor, data={"checkout": {**CHECKOUT, "token": f"{token}-2", "email": bob}})
    shop.work()
    assert shop.names(bob) == ["checkout_started"] * 2  # the browser is Bob's by now


def test_who_looks_at_more_than_is_loaded_at_once_is_found_and_told_of(
    shop: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views of a long visit neither keep a worker busy for nothing nor hide who it was, or the cart behind them."""
    monkeypatch.setattr(customer_events, "A_VISITOR", 3)
    monkeypatch.setattr(visitors, "A_VISITOR", 3)
    email, customer = shop.customer()
    visitor = shop.visitor()
    for minutes in range(9, 3, -1):
        shop.does("page_viewed", visitor, at=ago(minutes=minutes))
    assert lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works=EVENTS, at_most=5) <= 2
    shop.does("product_added_to_cart", visitor)
    shop.does("search_submitted", visitor, customerId=str(customer))
    shop.work()
    assert set(shop.names(email)) == {"page_viewed", "product_added_to_cart", "search_submitted"}
    shop.passes(minutes=11)
    shop.work()
    shop.passes(minutes=11)
    shop.work()
    assert shop.closes()
    assert shop.counts()["sent"] + shop.counts()["coalesced"] == 8
    assert shop.change(visitor) is None


def test_a_cart_behind_more_views_than_are_loaded_at_once_goes_first(
    shop: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_events, "A_VISITOR", 3)
    monkeypatch.setattr(visitors, "A_VISITOR", 3)
    email, customer = shop.customer()
    visitor = shop.visitor()
    for _ in range(6):
        shop.does("page_viewed", visitor, customerId=str(customer))
        shop.work()
    shop.does("product_added_to_cart", visitor, customerId=str(customer))
    shop.work()
    assert shop.names(email) == ["page_viewed", "product_added_to_cart"]


def test_what_mailchimp_refuses_is_counted_and_stops_nobody(shop: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    (ann, ann_id), (bob, bob_id) = shop.customer(), shop.customer()

    def too_long(group: Group, now: datetime) -> dict[str, Any]:
        made = member_event(group, now)
        return {**made, "name": "x" * 31} if group.first.customer_id == ann_id else made

    monkeypatch.setattr(sending, "member_event", too_long)
    for customer in (ann_id, bob_id):
        shop.does("checkout_started", shop.visitor(), customerId=str(customer))
    shop.work()
    assert (shop.names(ann), shop.names(bob)) == ([], ["checkout_started"])
    assert shop.counts() == {"received": 2, "refused": 1, "sent": 1}
    (line,) = shop.stage.rows("select cause, result from activities where kind = 'event' and result = 'failed'")
    assert line["cause"] == "mc_rejected"


def test_the_time_to_sync_is_kept(shop: Visits) -> None:
    _, customer = shop.customer()
    shop.does("checkout_completed", shop.visitor(), customerId=str(customer))
    shop.work()
    (row,) = shop.stage.rows("select sum(n)::int n from sync_times where kind = 'event' and direction = 'to_mailchimp'")
    assert row["n"] >= 1
