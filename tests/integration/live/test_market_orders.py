"""An order's life, live: the notifications of a new one, edits, refunds, cancellations, parcels, deletion (S1, S2, S17)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from market_ground import Market, market, number, shopper

from shopchimp.db import privacy
from shopchimp.services import settings

CONFIRMED, INVOICE = "order_confirmation", "order_invoice"


@pytest.fixture(scope="module")
def fair(new_database: Callable[[], str]) -> Iterator[Market]:
    with market(new_database()) as made:
        yield made


def test_a_new_paid_order_is_written_with_its_buyer_and_tells_them_once(fair: Market) -> None:
    """S1, S2: confirmation and invoice, each once, though it is looked at again and again."""
    made = fair.order(pieces=2)
    fair.live()
    there = fair.of(made)
    assert there is not None
    assert there["financial_status"] == "paid"
    assert there["lines"][0]["quantity"] == 2
    assert fair.mails(made["email"]) == [CONFIRMED, INVOICE]
    customer = fair.ours("ecommerce_customer")[there["customer"]["id"]]
    assert customer["email_address"] == made["email"]
    assert customer["opt_in_status"] is False
    assert fair.contacts()[made["email"]]["status"] == "transactional"
    item = fair.item("order", number(made["id"]))
    assert item is not None
    assert (item["state"], item["key"]) == ("synced", made["email"])
    for source in ("shopify", "audit"):
        fair.mark(f"order:{number(made['id'])}", source=source)
        fair.live()
    assert fair.mails(made["email"]) == [CONFIRMED, INVOICE]


def test_what_has_not_changed_costs_no_call(fair: Market) -> None:
    made = fair.order()
    fair.live()
    before = len(fair.stage.sandbox.writes("mailchimp"))
    fair.stage.sandbox.control("calls/reset")
    fair.told(made)
    fair.live()
    calls = fair.stage.sandbox.calls()["mailchimp"]
    assert not [name for name in calls if "ecommerce" in str(name)]
    assert len(fair.stage.sandbox.writes("mailchimp")) == before


def test_an_order_waits_for_the_money_and_tells_when_it_came(fair: Market) -> None:
    made = fair.order(paid=False)
    fair.live()
    assert fair.mails(made["email"]) == [CONFIRMED]
    fair.change(made, "pay")
    fair.live()
    assert fair.mails(made["email"]) == [CONFIRMED, INVOICE]


def test_edits_and_refunds_leave_no_stale_line(fair: Market) -> None:
    """S76: what was edited away is no longer in Mailchimp's order, which PUT alone would leave there."""
    made = fair.order(lines=[{"variant": fair.variants[0], "quantity": 2}, {"variant": fair.variants[1]}])
    fair.live()
    there = fair.of(made)
    assert there is not None
    assert len(there["lines"]) == 2
    fair.change(made, "edit", remove=[{"line": made["lines"][1]["id"].rpartition("/")[2]}])
    fair.live()
    there = fair.of(made)
    assert there is not None
    assert [line["id"] for line in there["lines"]] == [number(made["lines"][0]["id"])]
    fair.change(made, "refund", lines=[{"line": number(made["lines"][0]["id"]), "quantity": 1}])
    fair.live()
    there = fair.of(made)
    assert there is not None
    assert there["financial_status"] == "partially_refunded"
    assert there["lines"][0]["quantity"] == 1
    assert fair.mails(made["email"]) == [CONFIRMED, INVOICE]


def test_a_parcel_is_told_with_its_tracking(fair: Market) -> None:
    """S105.11: the shipping mail has the tracking number, since it is written with the status."""
    made = fair.order(shipping=500)
    fair.live()
    fair.change(made, "fulfil", company="Post", tracking="T1", url="https://post.example.com/T1")
    fair.live()
    there = fair.of(made)
    assert there is not None
    assert there["tracking_number"] == "T1"
    mails = fair.mails(made["email"])
    assert mails[:2] == [CONFIRMED, INVOICE]
    assert mails[2:] == (["order_shipped"] if there["fulfillment_status"] == "shipped" else [])


def test_the_link_of_one_parcel_does_not_stay_with_the_next(fair: Market) -> None:
    """S105.11. Planted: left out of the body, Mailchimp keeps it, and the buyer follows the wrong parcel."""
    made = fair.order(shipping=500, pieces=2)
    fair.live()
    one = {"company": "Post", "lines": [{"line": 0, "quantity": 1}]}
    fair.change(made, "fulfil", tracking="T1", url="https://post.example.com/T1", **one)
    fair.live()
    fair.change(made, "fulfil", tracking="T2", **one)
    fair.live()
    there = fair.of(made)
    assert there is not None
    assert (there["tracking_number"], there["tracking_url"]) == ("T2", "")


def test_a_cancelled_order_tells_that_once(fair: Market) -> None:
    made = fair.order()
    fair.live()
    fair.change(made, "cancel", reason="CUSTOMER")
    fair.live()
    there = fair.of(made)
    assert there is not None
    assert there["financial_status"] == "cancelled"
    assert there["lines"]
    assert fair.mails(made["email"]) == [CONFIRMED, INVOICE, "order_cancelled"]


def test_an_order_of_the_very_second_in_which_the_lane_opens_is_told(fair: Market) -> None:
    """S76. Shopify's times have seconds only. Planted: compared as it stands, its buyer is told nothing, ever."""
    second = int(time.time()) - 5
    since = datetime.fromtimestamp(second + 0.4, UTC)
    fair.do("update connections set commerce_since = :at where shop_id = :shop", at=since)
    made, before = fair.order(created_at=second), fair.order(created_at=second - 1)
    try:
        fair.live()
    finally:
        fair.do("update connections set commerce_since = now() - interval '1 minute' where shop_id = :shop")
    assert fair.mails(made["email"]) == [CONFIRMED, INVOICE]
    assert fair.mails(before["email"]) == []


def test_an_order_that_was_over_before_we_saw_it_tells_only_its_end(fair: Market) -> None:
    made = fair.order(told=False)
    fair.change(made, "cancel", reason="CUSTOMER")
    fair.live()
    assert fair.mails(made["email"]) == ["order_cancelled"]


def test_a_deleted_order_goes(fair: Market) -> None:
    made = fair.order()
    fair.live()
    fair.change(made, "cancel", reason="OTHER")
    fair.change(made, "delete")
    fair.live()
    assert fair.of(made) is None
    assert fair.item("order", number(made["id"])) is None
    assert fair.lines("order")[-1]["detail"]["action"] == "delete"


def test_an_order_too_old_to_be_seen_stays(fair: Market) -> None:
    """Without read_all_orders an order of 60 days ago reads as if it were gone (shopify.md 2.6)."""
    made = fair.order()
    fair.live()
    fair.change(made, "cancel", reason="OTHER")
    fair.live()
    fair.do("update commerce_items set occurred_at = now() - interval '61 days' where id = :id", id=number(made["id"]))
    fair.change(made, "delete")
    fair.live()
    assert fair.of(made) is not None
    fair.mark(f"order:{number(made['id'])}", source="shopify_deleted")  # but that was said by Shopify itself
    fair.live()
    assert fair.of(made) is None


def test_an_order_of_a_while_ago_is_written_with_the_automations_held(fair: Market) -> None:
    """Invariant 9: whoever hears of it so late is neither told of it nor greeted for a first purchase."""
    fired = fair.fired()
    made = fair.order(created_at=1794300000)
    fair.work()
    assert fair.of(made) is None
    assert [row["lane"] for row in fair.changes()] == ["late"]
    fair.chore("late_orders")  # asks the others to wait
    news = fair.order()
    fair.work()
    fair.work()
    assert fair.of(news) is None, "its mails would be lost"
    assert fair.of(made) is None
    fair.graced()
    fair.chore("late_orders")
    there = fair.of(made)
    assert there is not None
    assert there["financial_status"] == "paid"
    assert fair.fired() == fired
    fair.live()
    assert fair.of(news) is not None
    assert fair.mails(news["email"]) == [CONFIRMED, INVOICE]
    assert not fair.changes()
    assert fair.stage.rows("select store_syncing from connections")[0]["store_syncing"] is False


def test_a_guest_is_one_person_over_all_orders(fair: Market) -> None:
    """S92: a guest has no customer in Shopify, and one of their own in Mailchimp."""
    email = shopper("guest")
    first, second = (fair.order(email=email, guest=True) for _ in range(2))
    fair.live()
    ids = {row["customer"]["id"] for made in (first, second) if (row := fair.of(made))}
    assert len(ids) == 1
    assert next(iter(ids)).startswith("guest-")


def test_a_test_order_is_skipped_with_its_reason(fair: Market) -> None:
    made = fair.order(test=True)
    fair.live()
    assert fair.of(made) is None
    item = fair.item("order", number(made["id"]))
    assert item is not None
    assert (item["state"], item["reason"]) == ("skipped", "test_order")
    assert fair.lines("order")[-1]["cause"] == "test_order"


def test_a_product_that_mailchimp_lost_is_brought_and_the_order_tried_again(fair: Market) -> None:
    """mailchimp.md 11.1: push the missing products and retry once; the same for the customer."""
    client = fair.stage.runtime.gateways.mailchimp(fair.stage.shop_id)
    product = str(fair.product_of(fair.variants[2]))
    client.delete(f"/ecommerce/stores/{fair.store_id}/products/{product}", "/ecommerce/stores/{store_id}/products/{id}")
    made = fair.order(lines=[{"variant": fair.variants[2]}])
    fair.live()
    assert fair.of(made) is not None
    assert product in fair.ours("product")
    there = fair.of(made)
    assert there is not None
    buyer = there["customer"]["id"]
    client.delete(f"/ecommerce/stores/{fair.store_id}/customers/{buyer}", "/ecommerce/stores/{store_id}/customers/{id}")
    fair.change(made, "refund", amount=100)
    fair.live()
    assert buyer in fair.ours("ecommerce_customer")
    assert not fair.changes()


def test_an_order_of_a_product_never_heard_of_brings_it(fair: Market) -> None:
    product = fair.edit("product", "create", title="New lamp", variants=[{"title": "One", "price": 1000, "sku": "L-1"}])
    made = fair.order(lines=[{"variant": product["variants"][0]["id"]}])
    fair.live()
    assert fair.of(made) is not None
    assert fair.ours("product")[number(product["id"])]["title"] == product["title"]


def test_a_deleted_product_is_hidden_and_its_orders_keep_their_lines(fair: Market) -> None:
    """S101: what is no longer sold is still in the orders."""
    product = fair.edit("product", "create", title="Old lamp", variants=[{"title": "One", "price": 900, "sku": "L-2"}])
    made = fair.order(lines=[{"variant": product["variants"][0]["id"]}])
    fair.live()
    fair.edit("product", "delete", id=product["id"])
    fair.mark(f"product:{number(product['id'])}")
    fair.live()
    there = fair.ours("product")[number(product["id"])]
    assert all(each["visibility"] == "hidden" and not each["inventory_quantity"] for each in there["variants"])
    assert fair.item("product", number(product["id"])) is None
    fair.change(made, "refund", amount=100)
    fair.live()
    order = fair.of(made)
    assert order is not None
    assert len(order["lines"]) == 1
    assert order["lines"][0]["product_id"] in fair.ours("product")


def test_a_buyer_with_another_address_comes_anew(fair: Market) -> None:
    """Mailchimp lets nobody change a customer's address; their orders go on under the same id."""
    email, later = shopper(), shopper()
    fair.stage.sandbox.edit("shopify", email, set={"firstName": "Ada"})
    made = fair.order(email=email)
    fair.live()
    fair.stage.sandbox.edit("shopify", email, set={"email": later})
    fair.stage.mark(later)
    second = fair.order(email=later)
    fair.live()
    first, again = fair.of(made), fair.of(second)
    assert first is not None
    assert again is not None
    assert first["customer"]["id"] == again["customer"]["id"]
    assert fair.ours("ecommerce_customer")[again["customer"]["id"]]["email_address"] == later


def test_the_contact_comes_first_with_consent_and_tag(fair: Market) -> None:
    """Member before customer before order: the customer alone would be a contact without either."""
    email = shopper()
    fair.stage.sandbox.edit(
        "shopify", email, set={"marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"}
    )
    made = fair.order(email=email)
    fair.live()
    assert fair.of(made) is not None
    contact = fair.contacts()[email]
    assert contact["status"] == "subscribed"
    assert "Shopify" in contact["tags"]


def test_who_is_to_be_no_contact_is_skipped_until_they_are_one(fair: Market) -> None:
    """S15: with "subscribed customers only" no order makes anybody a contact."""
    with fair.stage.database.transaction() as tx:
        before = settings.get(tx, fair.stage.shop_id).to_json()
    settings.change(fair.stage.database, fair.stage.shop_id, {"sync_non_subscribed": False}, by="test")
    try:
        made = fair.order()
        fair.live()
        assert fair.of(made) is None
        item = fair.item("order", number(made["id"]))
        assert item is not None
        assert (item["state"], item["reason"]) == ("skipped", "no_contact")
        assert made["email"] not in fair.contacts()
        fair.stage.sandbox.edit("mailchimp", made["email"], set={"status": "subscribed"})
        fair.stage.mark(made["email"], source="mailchimp")
        fair.live()
        fair.chore("poll_orders")
        fair.live()
        assert fair.of(made) is not None
    finally:
        settings.change(
            fair.stage.database, fair.stage.shop_id, {"sync_non_subscribed": before["sync_non_subscribed"]}, by="test"
        )


def test_an_address_that_mailchimp_refuses_skips_the_order_with_its_words(fair: Market) -> None:
    email = shopper()
    fair.stage.sandbox.edit("mailchimp", email, set={"status": "subscribed"})
    fair.stage.sandbox.edit("mailchimp", email, delete=True)
    made = fair.order(email=email, guest=True)
    fair.live()
    item = fair.item("order", number(made["id"]))
    assert item is not None
    if fair.of(made) is None:
        assert item["state"] == "skipped"
        assert item["detail"]
    assert not [row for row in fair.changes() if row["state"] == "parked"]


def test_who_was_erased_does_not_come_back_with_a_late_order(fair: Market) -> None:
    """Invariant 11, S89: a webhook about the order of somebody erased makes no contact of them again."""
    email = shopper("erased")
    made = fair.order(email=email, guest=True)
    with fair.stage.database.transaction() as tx:
        privacy.bury(tx, fair.stage.shop_id, [fair.stage.runtime.gateways.vault.fingerprints(email)[0]])
    fair.live()
    assert fair.of(made) is None
    assert email not in fair.contacts()
    item = fair.item("order", number(made["id"]))
    assert item is not None
    assert (item["state"], item["reason"], item["key"]) == ("skipped", "no_email", None)
