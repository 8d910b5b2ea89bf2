"""A campaign's figures on Shopify's Marketing page, told day by day, where the merchant granted that."""

from __future__ import annotations

from typing import Any

import pytest
from activity_ground import Readers, ago, stamp

from shopchimp.domain.errors import Unauthorized, Unavailable
from shopchimp.services.customer_events import campaign_totals
from shopchimp.shopify import marketing
from shopchimp.shopify.customers import UserError
from stage import Row


def days(shop: Readers, campaign: str) -> dict[str, Row] | None:
    """Each day's figures of a campaign on the Marketing page; None where it isn't there."""
    found = shop.stage.sandbox.commerce("shopify").get("marketing_activity", {}).get(campaign)
    return None if found is None else dict(found["engagements"])


def total(shop: Readers, campaign: str, name: str) -> int:
    return sum(row.get(name) or 0 for row in (days(shop, campaign) or {}).values())


def tellings(shop: Readers) -> int:
    """How many times so far a day's figures were told."""
    return int(shop.stage.sandbox.calls()["shopify"].get("MarketingEngagementCreate", 0))


def later(shop: Readers) -> None:
    """So much time passes that a campaign may be told of again."""
    shop.sql("update campaigns set told = told - 'wait_until'")


def test_a_campaign_is_there_with_its_days_figures(shop: Readers) -> None:
    """S59."""
    ana, bob = shop.pair(), shop.pair()
    news = shop.send(ana, bob, title="November news", utm="november", at=stamp(ago(minutes=3)))
    shop.does(news, "open", ana)
    shop.round()
    (row,) = (r for r in shop.stage.sandbox.writes("shopify") if r["kind"] == "marketing_activity" and r["key"] == news)
    assert row["content"]["title"] == "November news"
    assert row["content"]["utm"] == {"campaign": "november", "source": "mailchimp", "medium": "email"}
    assert (total(shop, news, "sendsCount"), total(shop, news, "uniqueViewsCount")) == (2, 1)
    before = tellings(shop)
    later(shop)
    shop.round()
    assert tellings(shop) == before, "nothing new: nothing is told"
    shop.does(news, "click", ana)
    shop.round()
    assert (total(shop, news, "sendsCount"), total(shop, news, "clicksCount")) == (2, 1)


def test_two_campaigns_whose_links_have_one_name(shop: Readers) -> None:
    ana = shop.pair()
    first, second = shop.send(ana, utm="same"), shop.send(ana, utm="same")
    shop.round()
    assert total(shop, first, "sendsCount") == total(shop, second, "sendsCount") == 1
    # Installed anew, nothing is known of what is there. Planted: refused for ever, since its name can't change.
    shop.sql("update campaigns set told = '{}' where id = any(:both)", both=[first, second])
    before = tellings(shop)
    shop.round()
    assert tellings(shop) == before + 2


def test_without_the_permission_that_part_is_off_and_the_rest_works(
    shop: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = shop.pair()
    shop.sql("update shops set scopes = replace(scopes, 'write_marketing_events', 'write_nothing')")
    try:
        news = shop.send(ana)
        shop.round()
        assert days(shop, news) is None
        assert shop.metafields(ana)["email_received_count"] == "1"
    finally:
        shop.sql("update shops set scopes = replace(scopes, 'write_nothing', 'write_marketing_events')")

    def denied(*_: Any) -> Any:
        raise Unauthorized("shopify", "sh_scope_missing", "Access denied")

    monkeypatch.setattr(marketing, "register", denied)
    shop.round()
    assert shop.stage.rows("select access_token is not null as there from shops") == [{"there": True}]


def test_killed_between_noting_and_telling_it_is_told_then(shop: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: what is unsaid forgotten as soon as it is noted."""
    ana = shop.pair()
    news = shop.send(ana, at=stamp(ago(minutes=3)))

    def dies(*_: Any) -> Any:
        raise Unavailable("shopify", "sh_unreachable", "a test")

    with monkeypatch.context() as patch:
        patch.setattr(marketing, "engage", dies)
        with pytest.raises(AssertionError, match="unreachable"):
            shop.poll()
    assert days(shop, news) == {}
    shop.sql("update chores set trouble = null")
    shop.round()
    assert total(shop, news, "sendsCount") == 1


def test_many_campaigns_are_told_a_part_at_a_time(shop: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    news = shop.send(shop.pair())
    with monkeypatch.context() as patch:
        patch.setattr(campaign_totals, "PART", 0.0)
        shop.round()
    assert days(shop, news) is None
    shop.round()
    assert total(shop, news, "sendsCount") == 1


def test_a_refused_campaign_is_not_asked_for_again_at_once(shop: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.round()
    asked = list[str]()

    def refuses(_client: Any, newsletter: marketing.Newsletter) -> UserError:
        asked.append(newsletter.id)
        return UserError("INVALID", "no")

    monkeypatch.setattr(campaign_totals.marketing, "register", refuses)
    news = shop.send(shop.pair())
    shop.round()
    shop.does(news, "open")
    shop.round()
    assert asked == [news]
