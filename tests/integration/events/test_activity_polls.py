"""What a round costs, what it leaves out, and what switching off means (S40, S41, S53)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from activity_ground import ACTIVITY, POLL, Readers, ago, claimed, readers, stamp

from shopchimp.db import campaigns as campaign_rows
from shopchimp.db import privacy
from shopchimp.domain.addresses import subscriber_hash
from shopchimp.domain.errors import Rejected, Unavailable
from shopchimp.jobs import chores as chore_jobs
from shopchimp.jobs import lanes
from shopchimp.mailchimp import members, reports
from shopchimp.services.customer_events import campaign_pages, campaigns, engagement, text_messages
from shopchimp.services.customer_events.polling import SwitchedOff
from shopchimp.shopify import metafields

THREE = {"GET /campaigns": 1, "GET /reports": 1, "GET /sms-campaigns": 1}
FACTS = "select count(*) as n from activity_facts"


def facts(shop: Readers) -> int:
    return int(shop.stage.rows(FACTS)[0]["n"])


def test_a_round_without_news_costs_the_same_with_one_campaign_and_with_forty(new_database: Callable[[], str]) -> None:
    """S53. Planted: figures asked for campaign by campaign; a digest without its end (all were read every time)."""
    with readers(new_database()) as shop:
        ana = shop.pair()
        shop.does(shop.send(ana), "open", ana)
        shop.round()
        shopify = shop.stage.sandbox.calls()["shopify"]
        assert shop.round() == THREE
        for _ in range(39):
            shop.does(shop.send(ana), "click", ana)
        read = shop.round()
        assert read["GET /reports/{campaign_id}/sent-to"] == 39
        again = {name: n for name, n in shop.stage.sandbox.calls()["shopify"].items() if n != shopify.get(name)}
        assert shop.round() == THREE
        assert {name: shop.stage.sandbox.calls()["shopify"][name] for name in again} == again
        assert shop.metafields(ana)["email_clicked_count"] == "39"


def test_only_a_campaign_with_news_is_read_and_its_recipients_only_once(shop: Readers) -> None:
    ana = shop.pair()
    news, other = shop.send(ana), shop.send(ana)
    shop.round()
    shop.does(news, "open", ana)
    asked = shop.round()
    assert asked == {**THREE, "GET /reports/{campaign_id}/email-activity": 1}
    assert other != news
    shop.send(shop.pair(), id=news)  # it goes to somebody more
    assert shop.round()["GET /reports/{campaign_id}/sent-to"] == 1


def test_a_big_campaign_is_read_less_often_as_it_gets_older(shop: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "SMALL", 0)
    ana = shop.pair()
    news = shop.send(ana, at=stamp(ago(days=2)))
    shop.round()
    shop.does(news, "open", ana)
    assert shop.round() == THREE
    shop.sql("update campaigns set next_at = now() where id = :id", id=news)
    shop.round()
    assert shop.metafields(ana)["email_opened_count"] == "1"


def test_a_campaign_of_more_than_thirty_days_ago_is_left_alone(shop: Readers) -> None:
    ana = shop.pair()
    shop.send(ana, at=stamp(ago(days=31)))
    assert shop.round() == THREE
    assert shop.metafields(ana) == {}


def test_switched_off_nothing_is_asked_nor_written(shop: Readers) -> None:
    """S41: both halves stop at once; what was written stays."""
    ana = shop.pair()
    news = shop.send(ana)
    shop.round()
    shop.does(news, "open", ana)
    shop.set(customer_events=False)
    assert shop.round() == {}
    assert "email_opened_count" not in shop.metafields(ana)
    assert shop.metafields(ana)["email_received_count"] == "1"
    shop.set(customer_events=True)
    shop.round()
    assert shop.metafields(ana)["email_opened_count"] == "1"


def test_what_was_dropped_while_off_is_written_when_it_is_on_again(
    shop: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S41, S78. Planted: what the customer had before taken for all there is to write."""
    ana, bob = shop.pair(), shop.pair()
    news = shop.send(ana, bob)
    shop.round()
    shop.does(news, "open", ana)
    shop.poll()
    shop.set(customer_events=False)  # ana's opens wait
    shop.set(customer_events=True)
    shop.does(news, "open", bob)
    shop.poll()
    still_on = iter([False])
    monkeypatch.setattr(engagement, "_still_on", lambda *_: next(still_on, True))  # off while bob's are about to go
    shop.write()
    shop.round()
    assert shop.metafields(ana)["email_opened_count"] == shop.metafields(bob)["email_opened_count"] == "1"


def test_switched_off_while_a_page_is_read_nothing_of_it_is_kept(
    shop: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S41. Planted: the setting read only as the round begins."""
    shop.send(shop.pair())
    before = facts(shop)
    ask = reports.sent_to

    def off(*given: Any, **named: Any) -> Any:
        shop.set(customer_events=False)
        return ask(*given, **named)

    monkeypatch.setattr(campaign_pages.reports, "sent_to", off)
    shop.round()
    assert facts(shop) == before
    assert shop.waiting() == 0


def test_switched_off_right_before_a_write_it_is_not_written(shop: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    """S41. Planted: the setting not read again after the customers were."""
    ana = shop.pair()
    shop.send(ana)
    shop.poll()
    look = metafields.tracking

    def off(*given: Any) -> Any:
        shop.sql("update shops set settings = settings || '{\"customer_events\": false}'")
        return look(*given)

    monkeypatch.setattr(engagement.shopify, "tracking", off)
    dropped = shop.counted("engagement", "off")
    shop.write()
    assert shop.metafields(ana) == {}
    assert shop.counted("engagement", "off") == dropped + 1


def test_a_round_that_fails_halfway_goes_on_where_it_was(shop: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [shop.pair() for _ in range(5)]
    shop.round()  # nothing is left of other tests' campaigns, and this one is the newest
    monkeypatch.setattr(reports, "PAGE", 2)
    news = shop.send(*people, at=stamp(ago(minutes=30)))
    shop.does(news, "open", *people)
    ask, asked = reports.email_activity, list[int]()

    def fails(client: Any, campaign_id: str, *, since: Any, offset: int = 0) -> Any:
        asked.append(offset)
        if asked == [0, 2]:
            raise Unavailable("mailchimp", "mc_unreachable", "a test")
        return ask(client, campaign_id, since=since, offset=offset)

    monkeypatch.setattr(campaign_pages.reports, "email_activity", fails)
    shop.sql("update chores set due_at = now(), token = null where name = 'poll_campaigns'")
    chore_jobs.drain(shop.stage.runtime, POLL, stop=shop.stage.stop)
    shop.round()
    assert asked == [0, 2, 2, 4]
    for each in people:
        assert (shop.metafields(each)["email_received_count"], shop.metafields(each)["email_opened_count"]) == (
            "1",
            "1",
        )


def test_a_campaign_that_mailchimp_refuses_stops_no_other(shop: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    """S53. Planted: only one that was deleted passed over."""
    ana = shop.pair()
    gone, bad, good = (shop.send(ana, at=stamp(ago(minutes=minutes))) for minutes in (20, 30, 40))
    look, ask = campaigns.reports.reports_since, reports.sent_to

    def deleted_then(*given: Any) -> Any:
        found = look(*given)
        shop.send(id=gone, delete=True)
        return found

    def refused(client: Any, campaign_id: str, **named: Any) -> Any:
        if campaign_id == bad:
            raise Rejected("mailchimp", "mc_rejected", "no report of this kind of campaign")
        return ask(client, campaign_id, **named)

    with monkeypatch.context() as patch:
        patch.setattr(campaigns.reports, "reports_since", deleted_then)
        patch.setattr(campaign_pages.reports, "sent_to", refused)
        shop.round()
    assert shop.metafields(ana)["email_received_count"] == "1"
    assert shop.round() == THREE
    assert len(shop.stage.rows("select 1 from activity_facts where campaign = :id", id=good)) == 1


def test_the_campaigns_of_an_audience_that_was_left_are_read_no_more(
    shop: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: campaigns half read, and never begun, kept as they were; text messages asked for once and for all."""
    ana = shop.pair("leaves")
    shop.stage.sandbox.edit("mailchimp", ana, sms={"status": "subscribed", "phone": "+14045551999"})
    shop.text(ana)
    shop.round()
    half, never = shop.send(ana, shop.pair()), shop.send(ana)
    with monkeypatch.context() as patch:
        patch.setattr(campaign_pages, "_page", lambda *_: (_ for _ in ()).throw(SwitchedOff))
        shop.poll()
    shop.sql("update campaigns set state = 'new', pages = '{}' where id = :id", id=never)
    with shop.stage.database.transaction() as tx:
        campaign_rows.leave(tx, shop.stage.shop_id)  # as `close_lanes` does, which forgets the chore's place too
    shop.sql("update chores set cursor = '{}' where name = 'poll_campaigns'")
    listed = reports.reports_since
    monkeypatch.setattr(
        campaigns.reports, "reports_since", lambda *a: [r for r in listed(*a) if r.id not in (half, never)]
    )
    asked = shop.round()
    assert not any("/reports/" in route for route in asked)
    assert asked["GET /lists/{list_id}/members/{subscriber_hash}/activity-feed"] > 0
    monkeypatch.undo()
    assert shop.round()["GET /reports/{campaign_id}/sent-to"] == 2  # the same audience again


def test_who_lost_the_lease_stores_nothing(shop: Readers) -> None:
    shop.round()
    shop.send(shop.pair())
    shop.sql("update chores set due_at = now(), token = null where name = 'poll_campaigns'")
    chore = claimed(shop.stage.runtime)
    assert chore is not None
    shop.sql("update chores set token = null where name = 'poll_campaigns'")
    before = facts(shop)
    campaigns.poll(shop.stage.runtime.gateways, shop.stage.shop_id, chore)
    assert facts(shop) == before
    shop.round()
    assert facts(shop) == before + 1


def test_who_does_not_want_opens_followed_has_none_written(shop: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = shop.pair()
    news = shop.send(ana)
    shop.does(news, "open", ana)
    shop.does(news, "click", ana)
    look = metafields.tracking

    def opted_out(*given: Any) -> Any:
        return {key: metafields.Tracked(key, each.email, follows_opens=False) for key, each in look(*given).items()}

    monkeypatch.setattr(engagement.shopify, "tracking", opted_out)
    shop.round()
    assert shop.metafields(ana)["email_clicked_count"] == "1"
    assert "email_opened_count" not in shop.metafields(ana)


def test_somebody_elses_customer_gets_nothing(shop: Readers) -> None:
    """The customer has another address by now, of which we have not heard yet."""
    ana = shop.pair()
    shop.send(ana)
    shop.poll()
    shop.stage.sandbox.edit("shopify", ana, set={"email": f"new-{ana}"})
    shop.write()
    assert shop.metafields(f"new-{ana}") == {}
    shop.poll()
    assert shop.stage.rows("select key from changes where lane = 'activity'") == []  # looked at once, not each time


def test_who_becomes_a_customer_later_gets_it_then(shop: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    email = "later@reads.example.com"
    shop.stage.sandbox.edit("mailchimp", email, set={"status": "subscribed"})
    shop.stage.mark(email, source="mailchimp")
    shop.stage.live()
    shop.send(email)
    shop.round()
    assert email not in shop.stage.sandbox.state("shopify")
    shop.stage.sandbox.edit("shopify", email, set={"firstName": "Lou"})
    shop.stage.mark(email)
    shop.stage.live()
    monkeypatch.setattr(campaigns, "LOOKED_THROUGH", 2)  # they aren't among the first two
    for _ in range(3 + len(shop.stage.rows("select contact from engagements")) // 2):
        shop.round()
    assert shop.metafields(email)["email_received_count"] == "1"


def test_one_customer_whom_shopify_refuses_stops_nobody(shop: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [shop.pair() for _ in range(6)]
    shop.send(*people, title="For all")
    bad = shop.customer_id(people[2])
    real = metafields.inputs

    def spoilt(customer_id: int, values: Any) -> list[dict[str, str]]:
        rows = real(customer_id, values)
        return (
            [{**row, "value": "none"} if row["key"].endswith("_count") else row for row in rows]
            if (customer_id == bad)
            else rows
        )

    monkeypatch.setattr(metafields, "inputs", spoilt)
    shop.poll()
    lanes.drain(shop.stage.runtime, stop=shop.stage.stop, works=ACTIVITY)
    got = [bool(shop.metafields(each)) for each in people]
    assert got == [True, True, False, True, True, True]
    (parked,) = shop.stage.rows("select key, cause from changes where state = 'parked'")
    assert (parked["key"], parked["cause"]) == (f"engaged:{subscriber_hash(people[2])}", "sh_metafield_refused")


def test_the_parts_of_a_campaign_are_not_counted_beside_it(shop: Readers) -> None:
    """S54, S55: a test's variants are one message, a feed's sendings are one each. Planted: each campaign read."""
    ana, bob = shop.pair(), shop.pair()
    test = shop.send(ana, bob, type="variate")
    variants = [shop.send(each, type="variate", parent=test) for each in (ana, bob)]
    for campaign in (test, variants[0]):
        shop.does(campaign, "open", ana)
    feed = shop.send(ana, type="rss")
    for _ in range(2):
        shop.send(ana, type="rss", parent=feed)
    shop.round()
    got = shop.metafields(ana)
    assert (got["email_received_count"], got["email_opened_count"]) == ("3", "1")
    assert shop.metafields(bob)["email_received_count"] == "1"
    told = shop.stage.sandbox.commerce("shopify").get("marketing_activity", {})
    assert (test in told, feed in told, variants[0] in told) == (True, False, False)
    assert shop.round() == THREE


def test_nobody_is_passed_over_when_somebody_is_deleted_while_all_are_asked_for_a_text(
    shop: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S57. Planted: the next page asked for at its old place."""
    (chosen,) = shop.stage.rows("select audience_id from connections")
    client = shop.stage.runtime.gateways.mailchimp(shop.stage.shop_id)
    first, second, third, *_ = members.page(client, chosen["audience_id"], offset=0)[0]
    for number, each in enumerate((second, third)):
        phone = {"status": "subscribed", "phone": f"+1404555188{number}"}
        shop.stage.sandbox.edit("mailchimp", each.email, sms=phone)
    text = shop.text(second.email, third.email)
    monkeypatch.setattr(members, "PAGE", 2)
    ask = text_messages._feeds

    def deleted_then(*given: Any) -> Any:
        if first.email in shop.stage.sandbox.state("mailchimp"):
            members.delete_permanently(client, chosen["audience_id"], first.email)
        return ask(*given)

    monkeypatch.setattr(text_messages, "_feeds", deleted_then)
    shop.round()
    got = shop.stage.rows("select contact from activity_facts where campaign = :id", id=text)
    assert {row["contact"] for row in got} == {subscriber_hash(each.email) for each in (second, third)}


def test_a_text_message_that_goes_on_is_asked_for_once_more(shop: Readers) -> None:
    """S57. Planted: who was asked half an hour after it was sent is never asked again."""
    ana, bob = shop.pair(), shop.pair()
    for number, email in enumerate((ana, bob)):
        phone = {"status": "subscribed", "phone": f"+1404555177{number}"}
        shop.stage.sandbox.edit("mailchimp", email, sms=phone)
    text = shop.text(ana)
    shop.round()
    shop.text(bob, id=text)
    assert shop.round() == THREE, "it rests for a part of its age"
    shop.sql("update campaigns set next_at = now() where id = :id", id=text)
    shop.round()
    assert shop.metafields(bob)["sms_received_count"] == "1"
    assert shop.round() == THREE


def test_nothing_is_kept_of_who_was_erased_though_reports_name_them(shop: Readers) -> None:
    """Planted: tombstones not asked."""
    ana, bob = shop.pair(), shop.pair()
    vault = shop.stage.runtime.gateways.vault
    with shop.stage.database.transaction() as tx:
        privacy.bury(tx, shop.stage.shop_id, [vault.fingerprints(ana)[0]])
    shop.does(shop.send(ana, bob), "open", ana, bob)
    shop.round()
    rows = "select contact from engagements where contact = any(:them)"
    them = [subscriber_hash(each) for each in (ana, bob)]
    assert [row["contact"] for row in shop.stage.rows(rows, them=them)] == them[1:]
    assert shop.metafields(ana) == {}


def test_nothing_is_kept_of_who_was_deleted_for_good_under_the_stand_in_that_reports_show(shop: Readers) -> None:
    """Planted: the stand-in taken for an address: who was erased is counted again, under it."""
    ana, bob = shop.pair(), shop.pair()
    news = shop.send(ana, bob)
    (chosen,) = shop.stage.rows("select audience_id from connections")
    client = shop.stage.runtime.gateways.mailchimp(shop.stage.shop_id)
    members.delete_permanently(client, chosen["audience_id"], ana)
    shop.does(news, "open", bob)
    shop.round()
    rows = "select contact from engagements where contact = any(:them)"
    them = [subscriber_hash(each) for each in (ana, bob)]
    assert [row["contact"] for row in shop.stage.rows(rows, them=them)] == them[1:]
