"""What contacts did with our messages: read from every source, counted once, machines left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from event_samples import read
from hypothesis import given
from hypothesis import strategies as st

from shopchimp.domain.customer_events.activity import ActivityFact, Campaign
from shopchimp.domain.customer_events.metafields import (
    CALL_LIMIT,
    DEFINITIONS,
    NAMESPACE,
    calls,
    changed,
    inputs,
    metafields,
    totals,
)
from shopchimp.domain.customer_events.names import ContactAction
from shopchimp.domain.customer_events.reports import (
    from_feed,
    moment_of,
    opened,
    opened_and_clicked,
    received,
    sms_click,
)

ANA = "3731f67f02f9c3daec9a33047d59e268"
SENT = datetime(2026, 11, 18, 15, tzinfo=UTC)
NEWS = Campaign("cb398d21d2", "November news", SENT)
RECEIVED, OPENED, CLICKED, SMS_RECEIVED, SMS_CLICKED = ContactAction


def answer(shared: Callable[[str], Path], name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared(f"contracts/mailchimp/examples/{name}.json").read_text())["response"][
        "body"
    ]
    return found


def test_who_received_a_campaign(shared: Callable[[str], Path]) -> None:
    """S54."""
    rows = answer(shared, "report-sent-to")["sent_to"]
    assert list(received(rows, NEWS)) == [ActivityFact(ANA, "cb398d21d2", RECEIVED, SENT, title="November news")]


@pytest.mark.parametrize("status", ["hard", "soft", None])
def test_who_it_bounced_from_did_not(status: str | None) -> None:
    assert list(received([{"email_id": ANA, "status": status}], NEWS)) == []


def test_before_it_is_sent_nobody_received_it() -> None:
    assert list(received([{"email_id": ANA, "status": "sent"}], replace(NEWS, sent_at=None))) == []


def test_who_opened_and_clicked(shared: Callable[[str], Path]) -> None:
    """S55, S56."""
    rows = answer(shared, "report-email-activity")["emails"]
    assert list(opened_and_clicked(rows, NEWS)) == [
        ActivityFact(ANA, "cb398d21d2", OPENED, datetime(2026, 11, 18, 16, 1, 40, tzinfo=UTC), None, "November news"),
        ActivityFact(
            ANA, "cb398d21d2", CLICKED, datetime(2026, 11, 18, 16, 2, 11, tzinfo=UTC),
            "https://shop.example.com/products/blue-mug", "November news",
        ),
    ]  # fmt: skip


def test_bounces_unknown_actions_and_broken_rows_are_no_activity() -> None:
    at = "2026-11-18T16:01:40+00:00"
    rows: list[dict[str, Any]] = [
        {
            "email_id": ANA,
            "activity": [{"action": "bounce", "type": "hard", "timestamp": at}, {"action": "new", "timestamp": at}],
        },
        {"email_id": ANA, "activity": [{"action": "open"}, {"action": "open", "timestamp": "soon"}]},
        {"email_id": ANA, "activity": []},
        {"email_id": ANA},
        {"activity": [{"action": "open", "timestamp": at}]},
    ]
    assert list(opened_and_clicked(rows, NEWS)) == []


def test_opens_by_a_mail_programs_proxy_do_not_count() -> None:
    """S55: Apple's proxy opens every mail."""
    opens = [
        {"timestamp": "2026-11-18T15:00:09+00:00", "is_proxy_open": True},
        {"timestamp": "2026-11-18T16:01:40+00:00", "is_proxy_open": False},
        {"timestamp": "2026-11-18T17:00:00+00:00"},
    ]
    facts = list(opened([{"email_id": ANA, "opens": opens}], NEWS))
    assert [fact.at.hour for fact in facts] == [16, 17]
    assert {fact.action for fact in facts} == {OPENED}


def test_texts_are_seen_in_the_feed(shared: Callable[[str], Path]) -> None:
    """S57; an open of the feed doesn't say whether a person made it."""
    facts = list(from_feed(answer(shared, "activity-feed-get")))
    assert [fact.action for fact in facts] == [CLICKED, RECEIVED, SMS_RECEIVED]
    assert facts[-1] == ActivityFact(
        ANA, "9f00aa11", SMS_RECEIVED, datetime(2026, 11, 10, 17, tzinfo=UTC), None, "Early access text"
    )


def test_the_same_thing_has_one_key_in_every_source(shared: Callable[[str], Path]) -> None:
    """The feed says the mail was sent five seconds after the campaign began."""
    feed = {fact.action: fact.key for fact in from_feed(answer(shared, "activity-feed-get"))}
    [got] = received(answer(shared, "report-sent-to")["sent_to"], NEWS)
    clicked = list(opened_and_clicked(answer(shared, "report-email-activity")["emails"], NEWS))[1]
    assert (feed[RECEIVED], feed[CLICKED]) == (got.key, clicked.key)


def test_what_is_something_else_has_another_key() -> None:
    fact = ActivityFact(ANA, "c1", CLICKED, SENT, "https://shop.example.com/a", "News")
    others = [
        replace(fact, contact="b"),
        replace(fact, campaign="c2"),
        replace(fact, action=OPENED),
        replace(fact, at=SENT + timedelta(seconds=1)),
        replace(fact, url="https://shop.example.com/b"),
    ]
    assert len({fact.key, *(each.key for each in others)}) == 6
    same = [replace(fact, title="Other"), replace(fact, at=SENT.replace(microsecond=5))]
    assert {each.key for each in same} == {fact.key}


def test_a_text_that_was_clicked_shows_when_the_visitor_arrives() -> None:
    """S58: Mailchimp has no source of it; a link that says utm_medium=sms has."""
    arrived = read(
        "page_viewed", page={"url": "https://pinewood.example.com/?utm_medium=SMS&utm_campaign=early-access"}
    )
    assert sms_click(arrived, ANA) == ActivityFact(
        ANA, "early-access", SMS_CLICKED, arrived.happened_at,
        "https://pinewood.example.com/?utm_medium=SMS&utm_campaign=early-access", "early-access",
    )  # fmt: skip
    for query in ("utm_medium=email&utm_campaign=x", "utm_campaign=x", "utm_medium=sms", ""):
        assert sms_click(read("page_viewed", page={"url": f"https://pinewood.example.com/?{query}"}), ANA) is None
    assert sms_click(read("page_viewed", page=None), ANA) is None
    # Planted: each event on the page it led to taken for another click
    on_it = {"url": "https://pinewood.example.com/?utm_medium=sms&utm_campaign=early-access"}
    for name in ("product_viewed", "product_added_to_cart"):
        assert sms_click(read(name, page=on_it), ANA) is None


def test_times_without_a_zone_are_utc_and_no_time_is_none() -> None:
    assert moment_of("2026-11-18T15:00:00") == SENT
    assert moment_of("2026-11-18T16:00:00+01:00") == SENT
    for none in ("", "soon", None, 5, "0001-01-01T00:00:00+14:00"):
        assert moment_of(none) is None


def fact(action: ContactAction, hours: float, campaign: str = "c1", title: str | None = "News") -> ActivityFact:
    return ActivityFact(ANA, campaign, action, SENT + timedelta(hours=hours), title=title)


def test_the_eleven_metafields() -> None:
    """S59, S79: types that Shopify makes segment filters of, and no others."""
    assert DEFINITIONS == {
        "email_received_count": "number_integer",
        "email_opened_count": "number_integer",
        "email_clicked_count": "number_integer",
        "sms_received_count": "number_integer",
        "sms_clicked_count": "number_integer",
        "email_last_received_at": "date_time",
        "email_last_opened_at": "date_time",
        "email_last_clicked_at": "date_time",
        "sms_last_received_at": "date_time",
        "sms_last_clicked_at": "date_time",
        "last_campaign": "single_line_text_field",
    }
    assert NAMESPACE == "shopchimp"


def test_counts_and_newest_times() -> None:
    """S54 to S59."""
    facts = [
        fact(RECEIVED, 0), fact(RECEIVED, 48, "c2", "December news"), fact(OPENED, 1), fact(OPENED, 3), fact(OPENED, 2),
        fact(CLICKED, 2.5), fact(SMS_RECEIVED, -10, "s1", "Early access"), fact(SMS_CLICKED, -9, "s1"),
    ]  # fmt: skip
    assert metafields(totals(facts)) == {
        "email_received_count": "2",
        "email_opened_count": "3",
        "email_clicked_count": "1",
        "sms_received_count": "1",
        "sms_clicked_count": "1",
        "email_last_received_at": "2026-11-20T15:00:00Z",
        "email_last_opened_at": "2026-11-18T18:00:00Z",
        "email_last_clicked_at": "2026-11-18T17:30:00Z",
        "sms_last_received_at": "2026-11-18T05:00:00Z",
        "sms_last_clicked_at": "2026-11-18T06:00:00Z",
        "last_campaign": "December news",
    }


def test_a_kind_without_data_is_simply_not_sent() -> None:
    """S59."""
    assert metafields(totals([])) == {}
    assert metafields(totals([fact(OPENED, 1, title=None)])) == {
        "email_opened_count": "1",
        "email_last_opened_at": "2026-11-18T16:00:00Z",
    }


def test_opening_an_old_campaign_does_not_make_it_the_last() -> None:
    facts = [fact(RECEIVED, 0, "c1", "Old"), fact(RECEIVED, 24, "c2", "New"), fact(OPENED, 48, "c1", "Old")]
    assert totals(facts).last_campaign == "New"
    assert totals(facts[2:]).last_campaign == "Old"


FACTS = st.lists(
    st.builds(fact, st.sampled_from(list(ContactAction)), st.integers(0, 5), st.sampled_from(["c1", "c2"]), st.sampled_from(["A", "B", None])),
    max_size=20,
)  # fmt: skip


@given(FACTS, st.randoms(use_true_random=False))
def test_read_again_in_any_order_it_is_the_same(facts: list[ActivityFact], chance: Any) -> None:
    again = facts + chance.sample(facts, len(facts) // 2)
    chance.shuffle(again)
    made = metafields(totals(facts))
    assert metafields(totals(again)) == made
    assert made.keys() <= DEFINITIONS.keys()
    assert sum(int(value) for key, value in made.items() if key.endswith("_count")) == len({each.key for each in facts})
    assert changed(made, made) == {}


def test_only_what_changed_is_written() -> None:
    before = metafields(totals([fact(RECEIVED, 0)]))
    after = metafields(totals([fact(RECEIVED, 0), fact(OPENED, 1)]))
    assert changed(before, after) == {"email_opened_count": "1", "email_last_opened_at": "2026-11-18T16:00:00Z"}
    assert changed({}, after) == after


def test_a_call_holds_as_many_customers_as_shopify_takes_and_each_of_them_whole() -> None:
    values = metafields(totals([fact(RECEIVED, 0), fact(OPENED, 1)]))
    assert len(values) == 5
    nearly = {7300000000101 + number: values for number in range(20)} | {1: {}, 7: {"last_campaign": "News"}}
    made = list(calls(nearly))
    assert [len(each) for each in made] == [5, 5, 5, 5, 1]
    assert {customer: mine for each in made for customer, mine in each.items()} == {
        customer: mine for customer, mine in nearly.items() if mine
    }
    assert list(calls({1: {}})) == []
    assert [list(each) for each in calls({number: dict(list(values.items())[:4]) for number in range(7)})] == [
        [0, 1, 2, 3, 4, 5],
        [6],
    ]


def test_a_metafield_as_shopify_takes_it() -> None:
    assert inputs(7300000000101, metafields(totals([fact(RECEIVED, 0)])))[0] == {
        "ownerId": "gid://shopify/Customer/7300000000101",
        "namespace": "shopchimp",
        "key": "email_received_count",
        "type": "number_integer",
        "value": "1",
    }
    assert CALL_LIMIT == 25
