"""What a bulk read may believe: of people whom live sync never looked at, the phone and the tags are unknown."""

from __future__ import annotations

from collections.abc import Callable

from live_ground import QUIET, Ground, ago, stamp
from sqlalchemy import text

from stage import Row, stage

CROWD = 40  # more than are looked at one by one


def synced_long_ago(shop: Ground, edits: list[Row]) -> None:
    """Both sides had these people before us; the first sync was so long ago that the audience lists no change."""
    answer = shop.stage.sandbox.control("edits", edits=edits)
    assert not answer.get("failed"), answer
    shop.stage.first_sync()
    shop.set(breaker=QUIET)
    with shop.stage.database.transaction() as tx:
        tx.execute(text("delete from changes"))
        tx.execute(text("update people set seen_at = now() + interval '1 hour'"))


def test_a_stop_from_before_the_first_sync_stands(new_database: Callable[[], str]) -> None:
    """S30, L1: the backfill of texts subscribes nobody who had opted out of them in Mailchimp before we came."""
    with stage(new_database(), "--people", "0") as made:
        shop = Ground(made)
        emails, edits = [f"stop{n}@live.example.com" for n in range(CROWD)], []
        for n, email in enumerate(emails):
            phone = f"+1202556{n:04d}"
            texts = {"smsMarketingState": "SUBSCRIBED", "smsMarketingOptInLevel": "SINGLE_OPT_IN", "phone": phone}
            edits.append(
                {"platform": "shopify", "email": email, "set": {**texts, "sms_consent_at": stamp(ago(days=9))}}
            )
            edits.append({"platform": "mailchimp", "email": email, "set": {"status": "transactional"}})
            stopped = {"status": "unsubscribed", "phone": phone}
            edits.append({"platform": "mailchimp", "email": email, "sms": stopped})
        synced_long_ago(shop, edits)
        shop.set(sms={"active": True, "start_date": ago(days=30).date().isoformat(), "two_way": False})
        shop.look(*emails, source="backfill", lane="backfill")
        contacts = made.sandbox.state("mailchimp")
        assert {contacts[email]["sms"]["status"] for email in emails} == {"unsubscribed"}


def test_tags_that_were_there_before_us_are_not_taken_for_ours(new_database: Callable[[], str]) -> None:
    """S102: the backfill of tags sees which of them the contact had; those stay when the customer loses them."""
    with stage(new_database(), "--people", "0") as made:
        shop = Ground(made)
        emails, edits = [f"tagged{n}@live.example.com" for n in range(CROWD)], []
        for email in emails:
            edits.append({"platform": "shopify", "email": email, "set": {"tags": ["vip"]}})
            edits.append({"platform": "mailchimp", "email": email, "set": {"status": "transactional", "tags": ["vip"]}})
        synced_long_ago(shop, edits)
        shop.look(*emails, source="backfill", lane="backfill")
        lost: list[Row] = [{"platform": "shopify", "email": email, "set": {"tags": []}} for email in emails]
        shop.stage.sandbox.control("edits", edits=lost)
        shop.look(*emails)
        contacts = made.sandbox.state("mailchimp")
        assert {tuple(contacts[email]["tags"]) for email in emails} == {("vip",)}
