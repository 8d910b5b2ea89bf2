"""What refines the tables in live sync: double opt-in, compliance, bounces, archiving, deletion (M1, M4, F6, F7, D2)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_ground import Ground, ago, new_email
from sqlalchemy import text


@pytest.fixture
def double(shop: Ground) -> Iterator[Ground]:
    """The audience asks everybody to confirm."""

    def switch(*, on: bool) -> None:
        shop.stage.sandbox.control("edit", platform="mailchimp", settings={"double_optin": on})
        with shop.stage.database.transaction() as tx:
            tx.execute(text("update connections set double_optin = :on"), {"on": on})

    switch(on=True)
    yield shop
    switch(on=False)


# ------------------------------------------------------------------ M1, D3: double opt-in


def test_a_fresh_opt_in_is_asked_to_confirm(double: Ground) -> None:
    """S18 with M1, D3: pending, one confirmation mail, and the pair waits for the person."""
    email = double.pair("SUBSCRIBED")
    assert double.sides(email) == ("SUBSCRIBED", "pending")
    assert double.contact_row(email)["confirmation_mails"] == 1
    assert double.person(email)["rule"] == "setting.M1"
    for _ in range(3):
        assert double.quiet(email)
    assert double.contact_row(email)["confirmation_mails"] == 1
    double.contact(email, confirm=True)
    double.look(email, source="mailchimp")
    assert double.sides(email) == ("SUBSCRIBED", "subscribed")
    assert double.person(email)["reason"] is None


def test_who_confirmed_in_shopify_is_not_asked_twice(double: Ground) -> None:
    """M1, L4: CONFIRMED_OPT_IN is taken as it is."""
    email = new_email()
    double.customer(email, marketingState="SUBSCRIBED", marketingOptInLevel="CONFIRMED_OPT_IN")
    double.look(email)
    assert double.status(email) == "subscribed"
    assert double.contact_row(email)["confirmation_mails"] == 0


def test_whoever_does_not_opt_in_gets_no_mail(double: Ground) -> None:
    """S19 with M1: a buyer without the tick is non-subscribed and never asked."""
    email = double.pair("NOT_SUBSCRIBED")
    assert double.status(email) == "transactional"
    assert double.contact_row(email)["confirmation_mails"] == 0


def test_an_opt_out_cancels_the_open_request(double: Ground) -> None:
    """S23, L5: opted out before confirming."""
    email = double.pair("SUBSCRIBED")
    double.chosen(email, "UNSUBSCRIBED")
    double.look(email)
    assert double.sides(email) == ("UNSUBSCRIBED", "unsubscribed")


def test_an_edit_of_the_name_asks_nobody(double: Ground) -> None:
    """L4: looking at somebody who is pending never writes pending again."""
    email = double.pair("SUBSCRIBED")
    double.customer(email, firstName="Else")
    double.look(email)
    row = double.contact_row(email)
    assert (row["status"], row["confirmation_mails"]) == ("pending", 1)


# ------------------------------------------------------------------ F6, F7: compliance


def test_a_refused_opt_in_becomes_one_request(shop: Ground) -> None:
    """S21, S25, F6, F7: they unsubscribed themselves and opt in in Shopify: asked once, Shopify keeps SUBSCRIBED."""
    email = shop.pair("SUBSCRIBED")
    out = ago(minutes=30)
    shop.contact(email, "unsubscribed", by="person")
    shop.look(email, source="mailchimp", opted_out_at=out)
    assert shop.state(email) == "UNSUBSCRIBED"
    shop.chosen(email, "SUBSCRIBED")
    shop.look(email)
    row = shop.contact_row(email)
    assert (shop.state(email), row["status"], row["confirmation_mails"]) == ("SUBSCRIBED", "pending", 1)
    for _ in range(3):
        assert shop.quiet(email)
    assert shop.contact_row(email)["confirmation_mails"] == 1
    assert shop.person(email)["reason"] == "awaiting_confirmation"
    shop.contact(email, confirm=True)
    shop.look(email, source="mailchimp")
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")


def test_whoever_never_answers_is_asked_once_an_opt_in(shop: Ground) -> None:
    """F7, F16: nothing asks again for the same opt-in, whatever else is edited."""
    email = shop.pair("UNSUBSCRIBED")
    shop.contact(email, set={"compliance": True})
    shop.look(email, source="mailchimp")
    shop.chosen(email, "SUBSCRIBED")
    shop.look(email)
    assert shop.contact_row(email)["confirmation_mails"] == 1
    shop.customer(email, firstName="New", tags=["one"])
    shop.look(email)
    shop.look(email, source="mailchimp")
    assert shop.contact_row(email)["confirmation_mails"] == 1


# ------------------------------------------------------------------ D2: cleaned


@pytest.mark.parametrize("reason", ["hard", "abuse"])
def test_a_bounce_is_carried(shop: Ground, reason: str) -> None:
    """L8, D2 on: undeliverable, so not mailable in Shopify either; a spam complaint all the more."""
    email = shop.pair("SUBSCRIBED")
    shop.contact(email, "cleaned", reason=reason)
    shop.look(email, source="mailchimp")
    assert shop.sides(email) == ("UNSUBSCRIBED", "cleaned")
    assert shop.quiet(email)


def test_a_bounce_is_left_in_mailchimp_when_so_chosen(shop: Ground) -> None:
    """D2 off: Shopify is untouched, and the difference has a reason."""
    shop.set(cleaned_to_customer=False)
    email = shop.pair("SUBSCRIBED")
    shop.contact(email, "cleaned", reason="hard")
    shop.look(email, source="mailchimp")
    assert shop.sides(email) == ("SUBSCRIBED", "cleaned")
    assert shop.person(email)["reason"] == "bounced"
    assert shop.quiet(email)
    assert len([line for line in shop.lines(email) if line["cause"] == "bounced"]) == 1


def test_an_opt_in_on_a_bounced_address_is_confirmed(shop: Ground) -> None:
    """L8, F6, F7: `subscribed` is refused for it, so the person is asked."""
    email = shop.pair("NOT_SUBSCRIBED")
    shop.contact(email, "cleaned", reason="hard")
    shop.look(email, source="mailchimp")
    shop.chosen(email, "SUBSCRIBED")
    shop.look(email)
    row = shop.contact_row(email)
    assert (shop.state(email), row["status"], row["confirmation_mails"]) == ("SUBSCRIBED", "pending", 1)


# ------------------------------------------------------------------ L9: archived


def test_archiving_is_no_opt_out(shop: Ground) -> None:
    """L9: Shopify stays, the contact isn't brought back by an edit, and the row says why they differ."""
    email = shop.pair("SUBSCRIBED")
    shop.contact(email, archive=True)
    shop.look(email, source="mailchimp")
    assert shop.sides(email) == ("SUBSCRIBED", "archived")
    assert shop.person(email)["reason"] == "archived"
    shop.customer(email, firstName="Somebody", tags=["vip"])
    assert shop.quiet(email)
    assert shop.sides(email) == ("SUBSCRIBED", "archived")


def test_a_new_opt_in_brings_an_archived_contact_back(shop: Ground) -> None:
    """S25, L9: who was never asked, was archived and opts in now."""
    email = shop.pair("NOT_SUBSCRIBED")
    shop.contact(email, archive=True)
    shop.look(email, source="mailchimp")
    shop.chosen(email, "SUBSCRIBED")
    shop.look(email)
    assert shop.sides(email) == ("SUBSCRIBED", "subscribed")


def test_an_opt_out_while_archived_waits(shop: Ground) -> None:
    """L9, L5: un-archived later as subscribed, the newer opt-out of Shopify isn't lost sight of."""
    email = shop.pair("SUBSCRIBED")
    shop.contact(email, archive=True)
    shop.look(email, source="mailchimp")
    shop.chosen(email, "UNSUBSCRIBED")
    with shop.writes() as written:
        shop.look(email)
    assert [line for line in written if line["platform"] == "mailchimp"] == []
    assert shop.sides(email) == ("UNSUBSCRIBED", "archived")


# ------------------------------------------------------------------ M4: deleted for good


def test_a_deleted_contact_is_not_made_again(shop: Ground) -> None:
    """M4: an order or an edit doesn't bring back whom the merchant deleted for good."""
    email = shop.pair("SUBSCRIBED")
    shop.contact(email, forget=True)
    shop.look(email, source="mailchimp")
    assert shop.status(email) is None
    assert (shop.person(email)["deleted"], shop.person(email)["reason"]) == (True, "deleted")
    shop.customer(email, firstName="Again")
    assert shop.quiet(email)
    assert shop.status(email) is None
    assert shop.state(email) == "SUBSCRIBED"


def test_a_forgotten_address_is_refused_once_and_explained(shop: Ground) -> None:
    """M4, F6: a new opt-in is tried, refused for good, stored, and not tried again."""
    email = shop.pair("NOT_SUBSCRIBED")
    shop.contact(email, forget=True)
    shop.look(email, source="mailchimp")
    shop.chosen(email, "SUBSCRIBED")
    shop.look(email)
    assert shop.sides(email) == ("SUBSCRIBED", None)
    assert shop.last(email)["cause"] == "mc_forgotten"
    assert shop.last(email)["result"] == "skipped"
    assert shop.change(email) is None
    shop.stage.sandbox.control("calls/reset")
    assert shop.quiet(email)
    calls = shop.stage.sandbox.calls()["mailchimp"]
    assert not [route for route in calls if route.startswith(("PUT", "POST"))]


def test_an_address_that_was_forgotten_before_we_knew_it(shop: Ground) -> None:
    """M4: a new customer with an address which the audience has forgotten."""
    email = new_email()
    shop.contact(email, "subscribed")
    shop.contact(email, forget=True)
    shop.chosen(email, "SUBSCRIBED")
    shop.look(email)
    assert shop.status(email) is None
    assert shop.last(email)["cause"] == "mc_forgotten"
    assert shop.quiet(email)
