"""What contacts do with a message is seen at their customers in Shopify (S53 to S59, S79), against the sandbox."""

from __future__ import annotations

from dataclasses import replace

import pytest
from activity_ground import Readers, ago, stamp

from shopchimp.domain.addresses import subscriber_hash
from shopchimp.domain.errors import PlatformError


def test_who_got_opened_and_clicked_a_campaign(shop: Readers) -> None:
    """S53 to S56, S59: each is a metafield of the customer, with how often and when last."""
    ana, bob, eve = (shop.pair() for _ in range(3))
    sent, opened, again, clicked = ago(hours=5), ago(hours=4), ago(hours=2), ago(hours=1)
    news = shop.send(ana, bob, at=stamp(sent), title="November news")
    shop.does(news, "open", ana, at=stamp(opened))
    shop.does(news, "open", ana, at=stamp(again))
    shop.does(news, "click", ana, at=stamp(clicked))
    shop.round()
    got = {
        "email_received_count": "1",
        "email_last_received_at": stamp(sent),
        "last_campaign": "November news",
    }
    assert shop.metafields(ana) == {
        **got,
        "email_opened_count": "2",
        "email_last_opened_at": stamp(again),
        "email_clicked_count": "1",
        "email_last_clicked_at": stamp(clicked),
    }
    assert shop.metafields(bob) == got
    assert shop.metafields(eve) == {}


def test_machines_open_nothing(shop: Readers) -> None:
    """S55, S56: a bot that follows links and a mail program's proxy are nobody's opens and clicks."""
    ana, bob = shop.pair(), shop.pair()
    news = shop.send(ana, bob)
    shop.does(news, "open", ana, bob, by="proxy")
    shop.does(news, "open", ana, by="bot")
    shop.does(news, "click", ana, by="bot")
    shop.does(news, "open", bob, by="person")
    shop.round()
    assert set(shop.metafields(ana)) == {"email_received_count", "email_last_received_at", "last_campaign"}
    assert shop.metafields(bob)["email_opened_count"] == "1"


def test_whom_it_bounced_from_did_not_get_it(shop: Readers) -> None:
    """S54."""
    ana, bob = shop.pair(), shop.pair()
    news = shop.send(ana, bob)
    shop.does(news, "bounce", bob, kind="soft")
    shop.round()
    assert shop.metafields(ana)["email_received_count"] == "1"
    assert shop.metafields(bob) == {}


def test_what_comes_later_is_added_and_nothing_counts_twice(shop: Readers) -> None:
    """S59, S78: a later round reads some of it again, and adds only what is new."""
    ana = shop.pair()
    news = shop.send(ana)
    shop.does(news, "open", ana, at=stamp(ago(minutes=50)))
    shop.round()
    assert shop.metafields(ana)["email_opened_count"] == "1"
    shop.does(news, "open", ana, at=stamp(ago(minutes=45)))
    shop.does(news, "click", ana, at=stamp(ago(minutes=40)))
    shop.round()
    other = shop.send(ana, title="A second one", at=stamp(ago(minutes=5)))
    shop.does(other, "open", ana, at=stamp(ago(minutes=1)))
    shop.round()
    now = shop.metafields(ana)
    assert (now["email_received_count"], now["email_opened_count"], now["email_clicked_count"]) == ("2", "3", "1")
    assert now["last_campaign"] == "A second one"


def test_what_mailchimp_knows_late_is_counted_too(shop: Readers) -> None:
    """S55. Planted: nothing read but what is newer than the newest of the last time."""
    ana, bob, eve = (shop.pair() for _ in range(3))
    news = shop.send(ana, bob, eve, at=stamp(ago(hours=9)))
    shop.does(news, "open", ana, at=stamp(ago(minutes=30)))
    shop.round()
    shop.does(news, "open", bob, at=stamp(ago(hours=8)))  # nothing is newer than what was read
    shop.round()
    shop.does(news, "open", ana)
    shop.does(news, "open", eve, at=stamp(ago(minutes=80)))
    shop.round()
    assert [shop.metafields(each)["email_opened_count"] for each in (ana, bob, eve)] == ["2", "1", "1"]


def test_only_what_changed_is_written(shop: Readers) -> None:
    ana = shop.pair()
    news = shop.send(ana)
    shop.round()
    before = shop.writes()
    shop.does(news, "open", ana)
    shop.round()
    assert shop.writes() == before + 1
    query = "select detail from activities where kind = 'engagement' order by id desc limit 1"
    (line,) = shop.stage.rows(query)
    assert line["detail"]["changed"].keys() == {"email_opened_count", "email_last_opened_at"}
    shop.mark(subscriber_hash(ana))
    shop.write()
    assert shop.writes() == before + 1


def test_who_has_another_address_keeps_what_they_did(shop: Readers) -> None:
    """S59. Planted: the sums left under the old address (counts fell); facts kept under their old keys (read twice)."""
    ana = shop.pair("moves")
    news = shop.send(ana, title="Campaign", at=stamp(ago(hours=3)))
    shop.does(news, "open", ana, at=stamp(ago(hours=2)))
    shop.does(news, "open", ana, at=stamp(ago(minutes=3)))
    shop.round()
    other = f"new-{ana}"
    shop.stage.sandbox.edit("shopify", ana, set={"email": other})
    shop.stage.mark(ana)
    shop.stage.live()
    assert shop.stage.sandbox.state("mailchimp")[other]["status"] == "subscribed"
    shop.does(news, "open", other)  # Mailchimp's report has the new address by now, of the last open too
    shop.round()
    now = shop.metafields(other)
    assert (now["email_received_count"], now["email_opened_count"], now["last_campaign"]) == ("1", "3", "Campaign")
    assert shop.stage.rows("select 1 from activity_facts where contact = :old", old=subscriber_hash(ana)) == []


def test_who_got_a_text_message(shop: Readers) -> None:
    """S57: there is no list of recipients, so each contact with a phone is asked; only those it reached got it."""
    ana, bob = shop.pair("texts"), shop.pair("texts")
    for number, email in enumerate((ana, bob)):
        text = {"status": "subscribed", "phone": f"+1404555{1000 + number}"}
        shop.stage.sandbox.edit("mailchimp", email, sms=text)
    sent = ago(hours=2)
    shop.text(ana, name="Early access", at=stamp(sent))
    shop.round()
    assert shop.metafields(ana) == {
        "sms_received_count": "1",
        "sms_last_received_at": stamp(sent),
        "last_campaign": "Early access",
    }
    assert shop.metafields(bob) == {}
    calls = shop.round()
    assert not any("activity-feed" in route for route in calls), "nobody is asked twice"


def test_a_segment_finds_who_opened_in_the_last_thirty_days(shop: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    """S79: the merchant's own segment query on the metafields finds these and nobody else."""
    late, early, never, once, machine = (shop.pair("segment") for _ in range(5))
    some = {shop.customer_id(each): each for each in (late, early, never, once, machine)}

    def found(query: str) -> set[str]:
        return {some[each] for each in shop.found(f"metafields.shopchimp.{query}") if each in some}

    with monkeypatch.context() as past:  # ten days ago, when it was news
        runtime = shop.stage.runtime
        then = replace(runtime, gateways=replace(runtime.gateways, clock=lambda: ago(days=10)))
        past.setattr(shop.stage, "runtime", then)
        first = shop.send(once, at=stamp(ago(days=36)))
        shop.does(first, "open", once, at=stamp(ago(days=35)))
        shop.round()
    assert shop.metafields(once)["email_opened_count"] == "1"
    old = shop.send(early, late, at=stamp(ago(days=29, hours=20)))
    new = shop.send(late, never, machine, at=stamp(ago(days=2)))
    shop.does(new, "open", machine, by="proxy")
    shop.does(old, "open", early, late, at=stamp(ago(days=29, hours=19)))
    shop.does(new, "open", late, at=stamp(ago(days=1)))
    shop.round()
    assert found("email_last_opened_at >= -30d") == {late, early}
    assert found("email_last_opened_at < -30d") == {once}
    assert found("email_last_opened_at >= -7d") == {late}
    assert found("email_opened_count >= 2") == {late}
    assert found("email_received_count >= 1") == set(some.values())
    deleting = """mutation Undefine($of: MetafieldDefinitionIdentifierInput!) {
        metafieldDefinitionDelete(identifier: $of) { deletedDefinitionId } }"""
    of = {"ownerType": "CUSTOMER", "namespace": "shopchimp", "key": "email_last_opened_at"}
    shop.stage.runtime.gateways.shopify(shop.stage.shop_id).execute(deleting, "Undefine", {"of": of})
    with pytest.raises(PlatformError):
        found("email_last_opened_at >= -30d")
    shop.sql("update chores set cursor = cursor || '{\"defined_on\": \"2026-01-01\"}' where name = 'poll_campaigns'")
    shop.round()  # the next day: planted, defined once and for all
    assert found("email_last_opened_at >= -30d") == {late, early}


def test_what_happened_before_live_sync_began_is_no_time_to_sync(shop: Readers) -> None:
    """Planted: a month's campaigns, read in the first round, counted as syncing that took a month."""
    observed = "select coalesce(sum(n), 0)::int as n from sync_times where kind = 'engagement'"
    ana = shop.pair()
    news = shop.send(ana, at=stamp(ago(days=20)))
    (before,) = shop.stage.rows(observed)
    shop.round()
    assert shop.metafields(ana)["email_received_count"] == "1"
    assert shop.stage.rows(observed) == [before]
    shop.does(news, "open", ana, at=stamp(ago(minutes=-5)))  # in the end it is now
    shop.round()
    assert shop.stage.rows(observed) == [{"n": before["n"] + 1}]


def test_it_is_in_the_activity_log_and_the_counts(shop: Readers) -> None:
    """S59: one line for each customer written, with what changed; facts are counted."""
    ana = shop.pair()
    before = shop.counted("email_opened", "received"), shop.counted("engagement", "sent")
    news = shop.send(ana)
    shop.does(news, "open", ana)
    shop.round()
    query = """select a.* from activities a join people p on p.id = a.person_id
        where p.key = :key and a.kind = 'engagement'"""
    (line,) = shop.stage.rows(query, key=ana)
    assert (line["direction"], line["result"]) == ("to_shopify", "synced")
    assert line["detail"]["changed"]["email_opened_count"] == "1"
    assert shop.counted("email_opened", "received") == before[0] + 1
    assert shop.counted("engagement", "sent") == before[1] + 1
