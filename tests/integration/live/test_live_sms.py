"""Consent to text messages in live sync (S28 to S35, consent.md 2.8, D8)."""

from __future__ import annotations

from datetime import date, datetime
from itertools import count

import pytest
from live_ground import Ground, ago, new_email, stamp
from sqlalchemy import text

from shopchimp.db import stops
from shopchimp.jobs import chores
from shopchimp.services import backfills
from shopchimp.services import sms as switch

_phones = count(100)


def new_phone() -> str:
    return f"+1202555{next(_phones):04d}"


@pytest.fixture
def texting(shop: Ground) -> Ground:
    """S28, S29, S31: active since a month ago."""
    shop.set(sms={"active": True, "start_date": ago(days=30).date().isoformat(), "two_way": False})
    return shop


def texted(shop: Ground, state: str, at: datetime | None = None, *, email: str = "", phone: str = "") -> str:
    """A customer who chose this about text messages; e-mail was never asked."""
    email = email or new_email("sms")
    when = {"sms_consent_at": stamp(at)} if at else {}
    phones = {"phone": phone} if phone else {}
    shop.customer(email, smsMarketingState=state, smsMarketingOptInLevel="SINGLE_OPT_IN", **phones, **when)
    shop.look(email)
    return email


def sms(shop: Ground, email: str) -> tuple[str, str] | None:
    found = shop.contact_row(email)["sms"]
    return (found["phone"], found["status"]) if found else None


def test_off_until_it_is_switched_on(shop: Ground) -> None:
    """S28, S30: nothing is synced, and the person's row says why."""
    email = texted(shop, "SUBSCRIBED", ago(days=1), phone=new_phone())
    assert sms(shop, email) is None
    assert shop.person(email)["sms"]["held"] == "sms_off"


def test_not_before_the_first_sync(texting: Ground) -> None:
    """S28: the gate looks at the first sync, whatever the settings say."""
    with texting.stage.database.transaction() as tx:
        since = tx.execute(text("select live_since from connections")).scalar_one()
    assert since is not None  # without it no lane of the shop is served at all
    with texting.stage.database.transaction() as tx:
        tx.execute(text("update connections set live_since = null"))
    try:
        email = new_email("sms")
        texting.customer(email, phone=new_phone(), smsMarketingState="SUBSCRIBED")
        texting.stage.mark(email)
        with pytest.raises(AssertionError, match="changes are left"):
            texting.stage.live(rounds=2)
        assert texting.status(email) is None
    finally:
        with texting.stage.database.transaction() as tx:
            tx.execute(text("update connections set live_since = :since"), {"since": since})
    texting.stage.live()
    assert sms(texting, email) is not None


def test_subscribed_after_the_start_date(texting: Ground) -> None:
    """S30, S32: with the person's own time and number; e-mail consent is not implied."""
    phone, at = new_phone(), ago(days=3)
    email = texted(texting, "SUBSCRIBED", at, phone=phone)
    found = texting.contact_row(email)["sms"]
    assert (found["phone"], found["status"], found["captured_at"]) == (phone, "subscribed", at.isoformat())
    assert texting.status(email) == "transactional"
    line = texting.last(email)
    assert (line["kind"], line["direction"], line["rule"]) == ("sms", "to_mailchimp", "sms.S32")
    assert texting.quiet(email)


def test_subscribed_before_the_start_date(texting: Ground) -> None:
    """S31, S33: not synced, counted with a reason; an earlier date takes them in (the backfill looks at them again)."""
    email = texted(texting, "SUBSCRIBED", ago(days=60), phone=new_phone())
    assert sms(texting, email) is None
    assert texting.person(email)["sms"]["held"] == "sms_before_start"
    texting.set(sms={"active": True, "start_date": ago(days=90).date().isoformat(), "two_way": False})
    texting.look(email, lane="backfill", source="backfill")
    found = sms(texting, email)
    assert found is not None
    assert found[1] == "subscribed"


def test_switched_on_with_a_date_in_the_past(shop: Ground) -> None:
    """S28, S29, S31, S33, S34: refused without a programme; the count before saving is what the backfill then does."""
    gateways, shop_id = shop.stage.runtime.gateways, shop.stage.shop_id
    early, late = (texted(shop, "SUBSCRIBED", ago(days=days), phone=new_phone()) for days in (60, 3))
    left = texted(shop, "UNSUBSCRIBED", ago(days=3), phone=new_phone())
    start = ago(days=30).date()
    shop.stage.sandbox.control("edit", platform="mailchimp", sms_programme="none")
    with pytest.raises(switch.SmsRefused) as refused:
        switch.activate(gateways, shop_id, start_date=start, by="a test")
    assert refused.value.code == "sms_no_programme"
    shop.stage.sandbox.control("edit", platform="mailchimp", sms_programme="approved")
    assert switch.status(gateways, shop_id).available
    assert "engaged" in switch.status(gateways, shop_id).hint

    def taken_in(day: date) -> int:
        with shop.stage.database.transaction() as tx:
            return switch.count(tx, shop_id, day).taken_in

    expected = taken_in(start)
    assert taken_in(ago(days=90).date()) > expected
    before = texting_contacts(shop)
    switch.activate(gateways, shop_id, start_date=start, by="a test")
    chores.drain(shop.stage.runtime, {"sms_backfill": backfills.sms}, stop=shop.stage.stop)
    shop.stage.live()
    assert texting_contacts(shop) - before == expected
    assert (sms(shop, late) or ("", ""))[1] == "subscribed"
    assert sms(shop, early) is None
    assert sms(shop, left) is None
    assert taken_in(start) == 0


def texting_contacts(shop: Ground) -> int:
    contacts = shop.stage.sandbox.state("mailchimp").values()
    return sum(1 for row in contacts if row["sms"] and row["sms"]["status"] == "subscribed")


def test_whoever_never_chose(texting: Ground) -> None:
    """S32: e-mail consent is no consent to texts; there is nothing to explain either."""
    email = texting.pair("SUBSCRIBED")
    assert (texting.person(email)["sms"] or {}).get("held") is None  # never asked: no reason at all
    assert sms(texting, email) is None


def test_an_opt_out_goes_at_once(texting: Ground) -> None:
    """S30, L5: whatever the start date is by now."""
    phone = new_phone()
    email = texted(texting, "SUBSCRIBED", ago(days=3), phone=phone)
    texting.set(sms={"active": True, "start_date": ago(days=0).date().isoformat(), "two_way": False})
    texted(texting, "UNSUBSCRIBED", ago(days=2), email=email)
    assert sms(texting, email) == (phone, "unsubscribed")
    assert texting.last(email)["rule"] == "sms.L5"
    assert texting.quiet(email)


def test_an_opt_out_that_mailchimp_refuses_is_not_lost(texting: Ground) -> None:
    """L5: parked with words that say what to do by hand, and carried as soon as Mailchimp takes it."""
    phone = new_phone()
    email = texted(texting, "SUBSCRIBED", ago(days=3), phone=phone)
    texting.stage.sandbox.control("edit", platform="mailchimp", sms_programme="none")
    try:
        texted(texting, "UNSUBSCRIBED", ago(days=1), email=email)
    finally:
        texting.stage.sandbox.control("edit", platform="mailchimp", sms_programme="approved")
    change = texting.change(email)
    assert change is not None
    assert (change["state"], change["cause"]) == ("parked", "sms_opt_out_refused")
    assert (texting.last(email)["result"], texting.last(email)["cause"]) == ("failed", "sms_opt_out_refused")
    with texting.stage.database.transaction() as tx:
        stops.retry(tx, texting.stage.shop_id, keys=[email])
    texting.stage.live()
    assert sms(texting, email) == (phone, "unsubscribed")
    assert texting.change(email) is None


def test_a_stop_stands(texting: Ground) -> None:
    """S30, L1: one-way: Shopify keeps its state, the contact isn't subscribed again by any later look or edit."""
    phone = new_phone()
    email = texted(texting, "SUBSCRIBED", ago(days=3), phone=phone)
    texting.contact(email, sms={"status": "unsubscribed"})
    texting.look(email, source="mailchimp")
    assert sms(texting, email) == (phone, "unsubscribed")
    assert texting.customer_row(email)["smsMarketingState"] == "SUBSCRIBED"
    assert texting.person(email)["sms"]["held"] == "sms_stopped"
    texting.customer(email, firstName="Edited")
    texting.look(email)
    texted(texting, "SUBSCRIBED", ago(days=2), email=email)  # a consent record from before the STOP
    assert sms(texting, email) == (phone, "unsubscribed")


def test_a_stop_is_remembered_when_the_contact_goes(texting: Ground) -> None:
    """L1: deleted for good or without its number, the STOP is still known."""
    phone = new_phone()
    email = texted(texting, "SUBSCRIBED", ago(days=3), phone=phone)
    texting.contact(email, sms={"status": "unsubscribed"})
    texting.look(email, source="mailchimp")
    texting.contact(email, forget=True)
    texting.look(email, source="mailchimp")
    texting.chosen(email, "SUBSCRIBED")
    texting.look(email)
    contact = texting.stage.sandbox.state("mailchimp").get(email)
    assert contact is None or contact["sms"] is None or contact["sms"]["status"] != "subscribed"


def test_a_stop_goes_to_shopify_when_so_chosen(texting: Ground) -> None:
    """D8: two-way SMS carries the STOP."""
    texting.set(sms={"active": True, "start_date": ago(days=30).date().isoformat(), "two_way": True})
    phone = new_phone()
    email = texted(texting, "SUBSCRIBED", ago(days=3), phone=phone)
    texting.contact(email, sms={"status": "unsubscribed"})
    texting.look(email, source="mailchimp")
    assert texting.customer_row(email)["smsMarketingState"] == "UNSUBSCRIBED"
    assert texting.last(email)["rule"] == "sms.D8"
    assert texting.state(email) == "NOT_SUBSCRIBED"  # no word about e-mail
    assert texting.quiet(email)


def test_a_stop_right_after_the_opt_in_goes_to_shopify(texting: Ground) -> None:
    """D8: Shopify takes no time of the future; a STOP within the second of the opt-in is carried all the same."""
    texting.set(sms={"active": True, "start_date": ago(days=30).date().isoformat(), "two_way": True})
    email = texted(texting, "SUBSCRIBED", phone=new_phone())
    texting.contact(email, sms={"status": "unsubscribed"})
    texting.look(email, source="mailchimp")
    assert texting.customer_row(email)["smsMarketingState"] == "UNSUBSCRIBED"


def test_email_and_text_messages_are_two_choices(texting: Ground) -> None:
    """S32, 2.8: an e-mail opt-out leaves texts alone, and the other way round."""
    phone = new_phone()
    email = texted(texting, "SUBSCRIBED", ago(days=3), phone=phone)
    texting.chosen(email, "SUBSCRIBED")
    texting.look(email)
    texting.chosen(email, "UNSUBSCRIBED")
    texting.look(email)
    assert texting.sides(email) == ("UNSUBSCRIBED", "unsubscribed")
    assert sms(texting, email) == (phone, "subscribed")
    texted(texting, "UNSUBSCRIBED", email=email)
    assert sms(texting, email) == (phone, "unsubscribed")


def test_two_customers_share_a_phone(texting: Ground) -> None:
    """M6, S32: Shopify allows a number once, Mailchimp has it with another contact: no double, a reason instead."""
    phone = new_phone()
    other = new_email("other")
    texting.contact(other, "subscribed", sms={"status": "subscribed", "phone": phone})
    before = len(texting.stage.sandbox.state("mailchimp"))
    email = texted(texting, "SUBSCRIBED", ago(days=3), phone=phone)
    assert sms(texting, other) == (phone, "subscribed")
    assert sms(texting, email) is None
    assert len(texting.stage.sandbox.state("mailchimp")) == before + 1
    assert texting.last(email)["cause"] == "sms_phone_taken"
    assert texting.change(email) is None
    assert texting.quiet(email)


def test_the_number_changes(texting: Ground) -> None:
    """S32, S106: the subscription moves along with the customer's number."""
    first, second = new_phone(), new_phone()
    email = texted(texting, "SUBSCRIBED", ago(days=3), phone=first)
    assert sms(texting, email) == (first, "subscribed")
    texted(texting, "SUBSCRIBED", ago(days=1), email=email, phone=second)
    assert sms(texting, email) == (second, "subscribed")
    assert texting.quiet(email)


def test_the_programme_is_refused_later(texting: Ground) -> None:
    """S29: Mailchimp doesn't take it any more: the person's row says so, nothing is hammered, e-mail goes on."""
    texting.stage.sandbox.control("edit", platform="mailchimp", sms_programme="none")
    try:
        email = texted(texting, "SUBSCRIBED", ago(days=3), phone=new_phone())
        assert texting.status(email) == "transactional"
        held = texting.person(email)["sms"]
        assert held.get("refused_why") or held.get("held")
        assert texting.quiet(email)
    finally:
        texting.stage.sandbox.control("edit", platform="mailchimp", sms_programme="approved")
