"""Consent in live sync, both directions, played through the real engine (S18 to S26, S103, consent.md 2.4 and 2.5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from live_ground import Ground, ago, new_email, stamp
from sqlalchemy import text

from shopchimp.mailchimp import webhooks

# ------------------------------------------------------------------ Shopify to Mailchimp


def test_a_new_customer_who_opts_in_is_subscribed(shop: Ground) -> None:
    """S13, S16, S18: the contact appears, subscribed, with the time of the person's own choice."""
    email, at = new_email(), ago(hours=3)
    shop.chosen(email, "SUBSCRIBED", at, firstName="Ana", lastName="Reyes")
    shop.look(email)
    contact = shop.contact_row(email)
    assert contact["status"] == "subscribed"
    assert contact["timestamp_opt"] == at.isoformat()
    assert (contact["merge_fields"]["FNAME"], contact["merge_fields"]["LNAME"]) == ("Ana", "Reyes")
    assert contact["confirmation_mails"] == 0
    line = shop.last(email)
    assert (line["kind"], line["direction"], line["result"]) == ("consent", "to_mailchimp", "synced")
    assert line["rule"] == "ongoing.S18"
    assert line["detail"]["before"], line["detail"]["after"] == ("absent", "subscribed")
    assert shop.quiet(email)


def test_a_new_customer_who_does_not_opt_in_is_non_subscribed(shop: Ground) -> None:
    """S15, S19, S103: a buyer without the tick is a contact all the same, and never `unsubscribed`."""
    email = shop.pair("NOT_SUBSCRIBED")
    assert shop.sides(email) == ("NOT_SUBSCRIBED", "transactional")
    assert shop.last(email)["rule"] == "ongoing.S19"
    assert shop.quiet(email)


def test_a_new_customer_is_known_by_id_alone(shop: Ground) -> None:
    """S15: customers/create names a customer whose address we have never seen."""
    email = new_email()
    made = shop.chosen(email, "SUBSCRIBED")
    number = int(made["id"].rpartition("/")[2])
    shop.look(f"customer:{number}", customer_id=number)
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")
    assert shop.person(email)["customer_id"] == number
    assert shop.change(f"customer:{number}") is None
    assert shop.stage.rows("select 1 from people where key = :key", key=f"customer:{number}") == []


def test_non_subscribed_customers_stay_out_when_switched_off(shop: Ground) -> None:
    """S19, S103 with M2 off: nobody is added who isn't subscribed, and the person's row says why."""
    shop.set(sync_non_subscribed=False)
    email = shop.pair("NOT_SUBSCRIBED")
    assert shop.status(email) is None
    assert shop.person(email)["reason"] == "non_subscribed_off"
    shop.chosen(email, "SUBSCRIBED")
    shop.look(email)
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")


def test_an_order_without_the_tick_changes_nothing(shop: Ground) -> None:
    """S17, S20: subscribed stays subscribed, however often somebody buys without ticking the box."""
    email = shop.pair("SUBSCRIBED")
    shop.customer(email, note="bought again, box not ticked")
    with shop.writes() as written:
        shop.look(email)
    assert written == []
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")


def test_a_subscribed_contact_who_buys_for_the_first_time_without_the_tick(shop: Ground) -> None:
    """S20, S22 (D5): the contact stays subscribed, and Shopify gets the opt-in with its own date (L6)."""
    email, at = new_email(), ago(days=30)
    shop.contact(email, "subscribed", at=stamp(at))
    shop.look(email)
    assert shop.sides(email) == (None, "subscribed")
    shop.customer(email, firstName="Bo")
    shop.look(email)
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")
    assert shop.customer_row(email)["marketingUpdatedAt"] == stamp(at)


def test_an_unsubscribed_contact_who_opts_in_at_checkout(shop: Ground) -> None:
    """S21: starts as unsubscribed (by the API: no compliance state), opts in in Shopify, is subscribed."""
    email = shop.pair("UNSUBSCRIBED")
    assert shop.sides(email) == ("UNSUBSCRIBED", "unsubscribed")
    shop.chosen(email, "SUBSCRIBED")
    shop.look(email)
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")
    assert shop.last(email)["rule"] == "ongoing.S21+S25"
    assert shop.contact_row(email)["confirmation_mails"] == 0


@pytest.mark.parametrize("before", ["SUBSCRIBED", "NOT_SUBSCRIBED"])
def test_marked_unsubscribed_in_shopify(shop: Ground, before: str) -> None:
    """S23: the opt-out is carried, into the strongest state that Mailchimp has (L5)."""
    email = shop.pair(before)
    shop.chosen(email, "UNSUBSCRIBED")
    shop.look(email)
    assert shop.sides(email) == ("UNSUBSCRIBED", "unsubscribed")
    line = shop.last(email)
    assert (line["direction"], line["detail"]["after"]) == ("to_mailchimp", "unsubscribed")
    assert shop.quiet(email)


def test_marked_subscribed_in_shopify(shop: Ground) -> None:
    """S25: somebody who had never been asked is marked as subscribed by the merchant."""
    email = shop.pair("NOT_SUBSCRIBED")
    shop.chosen(email, "SUBSCRIBED")
    shop.look(email)
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")
    assert shop.quiet(email)


def test_a_confirmed_customer(shop: Ground) -> None:
    """S25, L4: pending in Shopify adds a contact who gets no mail; the confirmation subscribes it."""
    email = new_email()
    shop.customer(email, marketingState="PENDING", marketingOptInLevel="CONFIRMED_OPT_IN")
    shop.look(email)
    assert shop.sides(email) == ("PENDING", "transactional")
    shop.customer(email, marketingState="SUBSCRIBED", marketingOptInLevel="CONFIRMED_OPT_IN")
    shop.look(email)
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")
    assert shop.contact_row(email)["confirmation_mails"] == 0


# ------------------------------------------------------------------ Mailchimp to Shopify


@pytest.mark.parametrize("by", ["person", "admin", "api"])
def test_unsubscribed_in_mailchimp(shop: Ground, by: str) -> None:
    """S24, S22: whoever did it, Shopify follows, and the time is not that of our call."""
    email = shop.pair("SUBSCRIBED")
    shop.contact(email, "unsubscribed", by=by)
    shop.look(email, source="mailchimp")
    assert shop.sides(email) == ("UNSUBSCRIBED", "unsubscribed")
    line = shop.last(email)
    assert (line["direction"], line["rule"]) == ("to_shopify", "webhook.S24")
    assert line["detail"]["told_by"] == "mailchimp"
    assert shop.customer_row(email)["marketingUpdatedAt"] != "now"
    assert shop.quiet(email)


def test_subscribed_in_mailchimp(shop: Ground) -> None:
    """S26: somebody signs up on a Mailchimp form, the customer is subscribed since then (L6)."""
    email, at = shop.pair("NOT_SUBSCRIBED"), ago(minutes=5)
    shop.contact(email, "subscribed", at=stamp(at))
    shop.look(email, source="mailchimp")
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")
    assert shop.customer_row(email)["marketingUpdatedAt"] == stamp(at)
    assert shop.last(email)["rule"] == "webhook.S26"
    assert shop.quiet(email)


def test_subscribed_again_in_mailchimp(shop: Ground) -> None:
    """S26: who had opted out comes back through a form of Mailchimp's."""
    email = new_email()
    shop.chosen(email, "UNSUBSCRIBED", ago(days=2))
    shop.look(email)
    shop.contact(email, "subscribed")
    shop.look(email, source="mailchimp")
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")
    assert shop.quiet(email)


def test_an_opt_out_in_mailchimp_of_somebody_never_asked(shop: Ground) -> None:
    """S24, L5: an explicit opt-out is recorded with the customer."""
    email = shop.pair("NOT_SUBSCRIBED")
    shop.contact(email, "unsubscribed")
    shop.look(email, source="mailchimp")
    assert shop.sides(email) == ("UNSUBSCRIBED", "unsubscribed")


def test_both_moved_the_opt_out_stands(shop: Ground) -> None:
    """S22, L1, L3: opted in here and out there within a moment: a tie counts for the opt-out.

    Shopify takes no time of the future, and the opt-out has to be a second past what it has stored (F2).
    """
    email = shop.pair("NOT_SUBSCRIBED")
    shop.contact(email, "unsubscribed")
    shop.chosen(email, "SUBSCRIBED")
    shop.look(email)
    assert shop.sides(email) == ("UNSUBSCRIBED", "unsubscribed")


def test_a_late_opt_out_does_not_undo_a_later_opt_in(shop: Ground) -> None:
    """L10, S21: the webhook of an opt-out comes after the person opted in again in Shopify."""
    email, out = shop.pair("SUBSCRIBED"), ago(minutes=10)
    shop.contact(email, "unsubscribed", by="api", at=stamp(out))
    shop.look(email, source="mailchimp", opted_out_at=out)
    assert shop.sides(email) == ("UNSUBSCRIBED", "unsubscribed")
    shop.chosen(email, "SUBSCRIBED", None)
    shop.look(email)
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")
    shop.look(email, source="mailchimp", opted_out_at=out)  # the same delivery once more
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")


def test_an_opt_out_whose_webhook_was_crossed_by_our_own_write(shop: Ground) -> None:
    """Reliability 3.6: the contact is subscribed again by a write of ours, the delivery tells of the opt-out."""
    email = shop.pair("SUBSCRIBED")
    shop.look(email, source="mailchimp", opted_out_at=ago(seconds=0))
    assert shop.sides(email) == ("UNSUBSCRIBED", "unsubscribed")


def test_an_opt_in_soon_after_an_unsubscribe_of_ours_that_nobody_recorded(shop: Ground) -> None:
    """S26, L3: a worker carried the opt-out over and was killed; the person came back two seconds later.

    Planted: taken for the person's, our own opt-out ties with the opt-in once that stands in Shopify, and undoes it.
    """
    email, out = shop.pair("SUBSCRIBED"), ago(minutes=10)
    shop.chosen(email, "UNSUBSCRIBED", out)
    ours, back = out + timedelta(seconds=8), out + timedelta(seconds=10)
    shop.contact(email, "unsubscribed", by="api", at=stamp(ours))
    shop.contact(email, "subscribed", at=stamp(back))
    for source in ("shopify", "mailchimp"):
        shop.look(email, source=source, opted_out_at=ours)
        assert shop.sides(email) == ("SUBSCRIBED", "subscribed")
    assert shop.customer_row(email)["marketingUpdatedAt"] == stamp(back)
    shop.look(email, source="mailchimp", opted_out_at=back)  # within one of their seconds the opt-out counts
    assert shop.sides(email) == ("UNSUBSCRIBED", "unsubscribed")


def test_an_opt_out_before_our_own_is_what_stays_known(shop: Ground) -> None:
    """L1: both are told before anybody looks; ours is the later one, and answers to nobody's opt-in.

    Planted: the latest is remembered, which a later look takes for our own, and forgets the person's.
    """
    email, theirs, ours = shop.pair("SUBSCRIBED"), ago(minutes=10), ago(minutes=9)
    shop.chosen(email, "UNSUBSCRIBED", ago(minutes=11))
    shop.contact(email, "unsubscribed", by="api", at=stamp(ours))
    with shop.stage.database.transaction() as tx:
        tx.execute(text("update people set our_opt_out_at = :at where key = :key"), {"at": ours, "key": email})
    shop.stage.mark(email, source="mailchimp", opted_out_at=theirs)
    shop.look(email, source="mailchimp", opted_out_at=ours)
    assert shop.person(email)["opted_out_at"] == theirs
    assert shop.quiet(email)


def test_an_echo_writes_nothing(shop: Ground) -> None:
    """D7: every write of ours comes back as a webhook, and ends there."""
    email = shop.pair("SUBSCRIBED")
    shop.contact(email, "unsubscribed")
    shop.look(email, source="mailchimp")
    with shop.writes() as written:
        for source in ("shopify", "mailchimp", "shopify"):
            shop.look(email, source=source)
    assert written == []


def test_a_campaign_is_only_a_nudge(shop: Ground) -> None:
    """S53: activity of campaigns is a later matter; its webhook makes us look and writes nothing."""
    body = b"type=campaign&fired_at=2026-11-22+10:00:00&data[id]=c1&data[status]=sent&data[list_id]=l1"
    notice = webhooks.notice(body, now=ago(seconds=0))
    assert (notice.meaning, notice.addresses) == (webhooks.Meaning.NOTED, ())
    email = shop.pair("SUBSCRIBED")
    with shop.writes() as written:
        shop.look(email, source="mailchimp")
    assert written == []
    assert shop.change(email) is None
