"""Create New Customers (S60, S61, S62): off by default, for new contacts only, never from an opt-out."""

from __future__ import annotations

import pytest
from live_ground import Ground, ago, new_email, stamp

from shopchimp.services import settings


def test_it_is_off_by_default(shop: Ground) -> None:
    """S60: a contact who is no customer stays one, and the row says why."""
    email = new_email()
    shop.contact(email, "subscribed")
    shop.look(email, source="mailchimp")
    assert shop.sides(email) == (None, "subscribed")
    assert shop.person(email)["reason"] == "no_customer"
    assert shop.quiet(email)


@pytest.fixture
def active(shop: Ground) -> Ground:
    """S61: activated in the settings, an hour ago."""
    settings.change(shop.stage.database, shop.stage.shop_id, {"create_customers": True}, by="a test", now=ago(hours=1))
    return shop


def test_a_new_contact_becomes_a_customer(active: Ground) -> None:
    """S60, S62: subscribed, since the contact's own opt-in (L6), with names; once."""
    email, at = new_email(), ago(minutes=5)
    active.contact(email, "subscribed", at=stamp(at), set={"merge_fields": {"FNAME": " Ana ", "LNAME": "Reyes"}})
    active.look(email, source="mailchimp")
    row = active.customer_row(email)
    assert (row["marketingState"], row["marketingUpdatedAt"]) == ("SUBSCRIBED", stamp(at))
    assert (row["firstName"], row["lastName"]) == ("Ana", "Reyes")
    line = next(line for line in active.lines(email) if line["kind"] == "consent")
    assert (line["direction"], line["rule"], line["detail"]["action"]) == ("to_shopify", "webhook.S60+S62", "create")
    assert active.person(email)["customer_id"] == int(row["id"].rpartition("/")[2])
    assert active.quiet(email)


def test_a_new_contact_without_consent(active: Ground) -> None:
    """S60: made without any consent."""
    email = new_email()
    active.contact(email, "transactional")
    active.look(email, source="mailchimp")
    row = active.customer_row(email)
    assert (row["marketingState"], row["marketingUpdatedAt"]) == ("NOT_SUBSCRIBED", None)
    assert active.quiet(email)


@pytest.mark.parametrize("status", ["unsubscribed", "cleaned", "pending"])
def test_never_from_an_opt_out(active: Ground, status: str) -> None:
    """S60, L5: who opted out, bounced or hasn't confirmed is made no customer."""
    email = new_email()
    active.contact(email, status)
    active.look(email, source="mailchimp")
    assert active.sides(email) == (None, status)
    assert active.quiet(email)


def test_whoever_confirms_is_new_then(active: Ground) -> None:
    """S60, S62: pending is nobody yet; the confirmation makes the customer."""
    email = new_email()
    active.contact(email, "pending")
    active.look(email, source="mailchimp")
    active.contact(email, confirm=True)
    active.look(email, source="mailchimp")
    assert active.sides(email) == ("SUBSCRIBED", "subscribed")


def test_contacts_from_before_stay_contacts(active: Ground) -> None:
    """S62: who was in the audience before the activation, whether we had looked at them or not."""
    email = new_email()
    active.contact(email, "subscribed", at=stamp(ago(hours=2)))
    active.look(email, source="mailchimp")
    assert active.state(email) is None


def test_contacts_of_the_first_sync_stay_contacts(active: Ground) -> None:
    """S62: the strangers of the audience, edited after the activation."""
    customers = active.stage.sandbox.state("shopify")
    strangers = [
        key
        for key, row in active.stage.sandbox.state("mailchimp").items()
        if key not in customers and row["status"] in ("subscribed", "transactional")
    ]
    assert strangers
    for email in strangers:
        active.contact(email, set={"merge_fields": {"FNAME": "Edited"}})
    active.look(*strangers, source="mailchimp")
    assert not [email for email in strangers if active.state(email)]


def test_a_customer_who_was_deleted_is_not_made_again(active: Ground) -> None:
    """S62, S87: their contact isn't new."""
    email = active.pair("SUBSCRIBED")
    active.stage.sandbox.edit("shopify", email, delete=True)
    active.look(email)
    active.look(email, source="mailchimp")
    assert active.sides(email) == (None, "subscribed")


def test_somebody_else_makes_the_customer_first(active: Ground) -> None:
    """S60, S63: a twin is never made, whoever was quicker; nothing fails."""
    email = new_email()
    active.contact(email, "subscribed")
    active.customer(email, firstName="Quick")
    active.look(email, source="mailchimp")
    found = [row for row in active.stage.sandbox.state("shopify").values() if row["email"] == email]
    assert len(found) == 1
    assert active.sides(email) == ("SUBSCRIBED", "subscribed")
    assert found[0]["firstName"] == "Quick"


def test_the_answer_to_the_creation_is_lost(active: Ground) -> None:
    """S60: made, but the answer never came: looked up, not made twice, and not counted as a failure."""
    email = new_email()
    active.contact(email, "subscribed")
    rule = {"platform": "shopify", "route": "CustomerCreate", "kind": "reset_after", "rate": 1, "times": 1}
    active.stage.sandbox.faults(rule)
    active.look(email, source="mailchimp")
    assert active.stage.sandbox.fired() == 1
    assert active.sides(email) == ("SUBSCRIBED", "subscribed")
    assert active.change(email) is None
    assert active.quiet(email)


def test_deactivated_again(active: Ground) -> None:
    """S61: no more customers are made, and activating it later starts anew."""
    settings.change(active.stage.database, active.stage.shop_id, {"create_customers": False}, by="a test")
    email = new_email()
    active.contact(email, "subscribed")
    active.look(email, source="mailchimp")
    assert active.state(email) is None
    settings.change(active.stage.database, active.stage.shop_id, {"create_customers": True}, by="a test")
    active.look(email, source="mailchimp")
    assert active.state(email) is None
