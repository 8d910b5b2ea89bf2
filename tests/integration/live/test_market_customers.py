"""Customers without an order, or with another name since: live, after their contact, and not twice (S1, S14, S15)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from market_ground import Market, market, number, shopper

from shopchimp.db import marking, privacy
from shopchimp.jobs import lanes
from shopchimp.services import live, settings
from shopchimp.services.commerce import completeness
from stage import Row


@pytest.fixture(scope="module")
def fair(new_database: Callable[[], str]) -> Iterator[Market]:
    with market(new_database()) as made:
        yield made


ADDRESS = {"address1": "1 Mill Lane", "city": "York", "country": "United Kingdom", "countryCode": "GB", "zip": "YO1"}


def customer(fair: Market, who: str, **values: Any) -> str:
    """Somebody's edit of a customer, and word of it: their number."""
    made = fair.stage.sandbox.edit("shopify", who, set=values)
    fair.stage.mark(who, customer_id=int(number(made["id"])))
    return number(made["id"])


def there(fair: Market, customer_id: str) -> Row | None:
    return fair.ours("ecommerce_customer").get(customer_id)


def buyers_marked(fair: Market) -> list[str]:
    return [row["key"] for row in fair.changes() if row["key"].startswith("buyer:")]


def look_at_contacts(fair: Market) -> None:
    """Only them: who was marked for the store still waits."""
    lanes.drain(fair.stage.runtime, stop=fair.stage.stop, works={marking.LIVE: live.work})


def calls_for_the_store(fair: Market) -> list[str]:
    return [name for name in fair.stage.sandbox.calls()["mailchimp"] if "ecommerce" in str(name)]


def test_a_new_customer_without_an_order_is_there_after_their_contact(fair: Market) -> None:
    """S1: with name, company and address, and no consent by this way; the contact has come by its own."""
    email = shopper("new")
    mine = customer(fair, email, firstName="Ada", lastName="Byron", address={**ADDRESS, "company": "Engines"})
    fair.live()
    found = there(fair, mine)
    assert found is not None
    assert (found["email_address"], found["first_name"], found["last_name"]) == (email, "Ada", "Byron")
    assert (found["company"], found["address"]["city"]) == ("Engines", "York")
    assert found["opt_in_status"] is False
    assert "Shopify" in fair.contacts()[email]["tags"]
    item = fair.item("customer", mine)
    assert item is not None
    assert (item["state"], item["key"], item["customer_id"]) == ("synced", email, int(mine))
    assert [row["detail"]["action"] for row in fair.lines("customer") if row["detail"]["id"] == mine] == ["create"]


def test_another_name_and_address_reach_the_store(fair: Market) -> None:
    """S14."""
    email = shopper("named")
    mine = customer(fair, email, firstName="Ada", address=ADDRESS)
    fair.live()
    customer(fair, email, lastName="Lovelace", address={**ADDRESS, "company": "Looms", "city": "Leeds"})
    fair.live()
    found = there(fair, mine)
    assert found is not None
    assert (found["last_name"], found["company"], found["address"]["city"]) == ("Lovelace", "Looms", "Leeds")


def test_what_says_nothing_new_marks_nobody_and_costs_no_call(fair: Market) -> None:
    """A look at the contact that finds the customer as written marks nothing, whatever made us look."""
    email = shopper("same")
    mine = customer(fair, email, firstName="Ada")
    fair.live()
    customer(fair, email, tags=["vip"])
    look_at_contacts(fair)
    assert not buyers_marked(fair)
    customer(fair, email, firstName="Eve")
    look_at_contacts(fair)
    assert buyers_marked(fair) == [f"buyer:{mine}"]
    customer(fair, email, firstName="Ada")
    fair.live()
    fair.stage.sandbox.control("calls/reset")
    fair.mark(f"buyer:{mine}")
    fair.live()
    assert not calls_for_the_store(fair)


def test_another_email_address_makes_the_customer_anew(fair: Market) -> None:
    """Mailchimp lets nobody change it; name and address are there under the same id (S14)."""
    email, later = shopper("before"), shopper("after")
    mine = customer(fair, email, firstName="Ada", address=ADDRESS)
    fair.live()
    customer(fair, email, email=later)
    fair.live()
    found = there(fair, mine)
    assert found is not None
    assert (found["email_address"], found["address"]["city"]) == (later, "York")
    item = fair.item("customer", mine)
    assert item is not None
    assert item["key"] == later
    assert later in fair.contacts()


def test_a_buyer_brought_by_an_order_is_completed(fair: Market) -> None:
    """An order knows the name alone; the rest of the customer follows, though nothing about them changes."""
    email = shopper()
    mine = customer(fair, email, firstName="Ada", address=ADDRESS)
    fair.live()
    fair.do("delete from commerce_items where kind = 'customer' and id = :id", id=mine)
    client = fair.stage.runtime.gateways.mailchimp(fair.stage.shop_id)
    client.delete(f"/ecommerce/stores/{fair.store_id}/customers/{mine}", "/ecommerce/stores/{store_id}/customers/{id}")
    made = fair.order(email=email)
    fair.live()
    assert fair.of(made) is not None
    found = there(fair, mine)
    assert found is not None
    assert found["address"]["city"] == "York"


def test_a_deleted_customer_goes_unless_an_order_names_them(fair: Market) -> None:
    """Mailchimp's orders need their customer; our books need nobody whom Shopify hasn't."""
    email, with_order = shopper("gone"), shopper("bought")
    mine = customer(fair, email, firstName="Ada")
    theirs = customer(fair, with_order, firstName="Bob")
    made = fair.order(email=with_order)
    fair.live()
    assert there(fair, mine)
    fair.stage.sandbox.edit("shopify", email, delete=True)
    fair.stage.mark(email)
    fair.live()
    assert there(fair, mine) is None
    assert fair.item("customer", mine) is None
    assert email in fair.contacts(), "that is the contact's own affair"
    # merged into another customer: Shopify deletes nobody with orders
    fair.do("update commerce_items set customer_id = null where kind = 'order' and id = :id", id=number(made["id"]))
    fair.stage.sandbox.edit("shopify", with_order, delete=True)
    fair.stage.mark(with_order)
    fair.live()
    assert there(fair, theirs) is not None
    assert fair.item("customer", theirs) is None
    assert fair.of(made) is not None


def test_who_is_to_be_no_contact_comes_when_they_subscribe(fair: Market) -> None:
    """S15: with "subscribed customers only" nobody becomes a contact by being a customer."""
    settings.change(fair.stage.database, fair.stage.shop_id, {"sync_non_subscribed": False}, by="test")
    try:
        email = shopper("silent")
        mine = customer(fair, email, firstName="Ada")
        fair.live()
        assert there(fair, mine) is None
        assert email not in fair.contacts()
        item = fair.item("customer", mine)
        assert item is not None
        assert (item["state"], item["reason"]) == ("skipped", "non_subscribed_off")
        customer(fair, email, tags=["vip"])
        look_at_contacts(fair)
        assert not buyers_marked(fair)
        fair.live()
        customer(fair, email, marketingState="SUBSCRIBED", marketingOptInLevel="SINGLE_OPT_IN")
        fair.live()
        assert fair.contacts()[email]["status"] == "subscribed"
        assert there(fair, mine) is not None
    finally:
        settings.change(fair.stage.database, fair.stage.shop_id, {"sync_non_subscribed": True}, by="test")


def test_a_customer_without_an_address_is_skipped_once(fair: Market) -> None:
    made = fair.stage.sandbox.edit("shopify", shopper("mute"), set={"firstName": "Ada"})
    mine = number(made["id"])
    fair.stage.sandbox.edit("shopify", made["email"], set={"email": None})
    for _ in range(2):
        fair.stage.mark(f"customer:{mine}", customer_id=int(mine))
        fair.live()
        item = fair.item("customer", mine)
        assert item is not None
        assert (item["state"], item["reason"]) == ("skipped", "no_email")


def test_who_was_erased_stays_away(fair: Market) -> None:
    """Invariant 11."""
    email = shopper("erased")
    made = fair.stage.sandbox.edit("shopify", email, set={"firstName": "Ada"})
    with fair.stage.database.transaction() as tx:
        privacy.bury(tx, fair.stage.shop_id, [fair.stage.runtime.gateways.vault.fingerprints(email)[0]])
    fair.mark(f"buyer:{number(made['id'])}")
    fair.live()
    assert there(fair, number(made["id"])) is None
    assert email not in fair.contacts()
    item = fair.item("customer", number(made["id"]))
    assert item is not None
    assert (item["reason"], item["key"]) == ("no_email", None)


def test_a_customer_of_whom_nobody_told_is_missing_until_looked_at(fair: Market) -> None:
    """Invariant 8: Shopify's customers = synced + skipped + failed + waiting."""
    email = shopper("untold")
    made = fair.stage.sandbox.edit("shopify", email, set={"firstName": "Ada"})
    fair.do(
        "insert into commerce_items (shop_id, kind, id, state, seen_at)"
        " select :shop, 'customer', id, 'synced', now() - interval '1 hour' from unnest(array['77', '78']) as id"
    )
    settles = completeness.SETTLES
    completeness.SETTLES = -settles
    try:
        fair.chore("completeness")
    finally:
        completeness.SETTLES = settles
    assert set(buyers_marked(fair)) == {"buyer:77", "buyer:78", f"buyer:{number(made['id'])}"}
    fair.live()
    assert there(fair, number(made["id"])) is not None
    assert "Shopify" in fair.contacts()[email]["tags"]
    assert fair.item("customer", "77") is None
    fair.chore("completeness")
    found = completeness.of_shop(fair.stage.database, fair.stage.shop_id)
    books = next(each for each in found.kinds if each.kind == "customer")
    assert books.closes
    assert books.source == books.read == books.synced + sum(books.skipped.values()) + sum(books.failed.values())


def test_while_the_first_sync_fills_the_store_the_marks_wait(fair: Market) -> None:
    """It read the customers hours before; what changes meanwhile would be lost."""
    email = shopper("between")
    fair.do("update connections set commerce_since = null where shop_id = :shop")
    try:
        mine = customer(fair, email, firstName="Ada")
        fair.work()
        assert buyers_marked(fair) == [f"buyer:{mine}"]
        assert there(fair, mine) is None
    finally:
        fair.do("update connections set commerce_since = now() - interval '1 minute' where shop_id = :shop")
    fair.live()
    assert there(fair, mine) is not None


def test_guests_are_in_no_sum(fair: Market) -> None:
    """S92: they are no customers of Shopify's, so the books of customers don't know them."""
    made = fair.order(email=shopper("guest"), guest=True)
    fair.live()
    found = fair.of(made)
    assert found is not None
    assert fair.item("customer", found["customer"]["id"]) is None
    assert fair.item("guest", found["customer"]["id"]) is not None
