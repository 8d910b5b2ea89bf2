"""S2, S17, S76, S83, S92: orders as they stand, field by field, and the way of a new one through its mails."""

from __future__ import annotations

from typing import Any

import pytest
from commerce_nodes import (
    CAMPAIGN,
    STORE,
    address,
    allocation,
    code_application,
    connection,
    line,
    money,
    order,
    parcel,
    visit,
)

from shopchimp.domain.commerce.lines import stale_lines
from shopchimp.domain.commerce.orders import order_write, order_writes, shipping_method
from shopchimp.domain.commerce.results import CommerceReason, IncompleteNode, Kind, Skip, Step, Write
from shopchimp.domain.commerce.spelling import delivery


def written(**changes: Any) -> Write:
    result = order_write(order(**changes), STORE)
    assert isinstance(result, Write)
    return result


def body(**changes: Any) -> dict[str, Any]:
    return written(**changes).body


def steps(*, live: bool, known: bool = False, **changes: Any) -> list[Step]:
    result = order_writes(order(**changes), STORE, live=live, known=known)
    assert isinstance(result, list)
    return result


def ways(*, live: bool, known: bool = False, **changes: Any) -> list[tuple[str, str]]:
    return [
        (step.body["financial_status"], step.body["fulfillment_status"])
        for step in steps(live=live, known=known, **changes)
        if step.kind is Kind.ORDER
    ]


SMALL = {
    "id": "gid://shopify/LineItem/1410000000502",
    "variantTitle": "Small",
    "sku": "BDL-S",
    "quantity": 1,
    "originalUnitPriceSet": money("25.00"),
    "discountAllocations": [allocation("2.50")],
    "variant": {"id": "gid://shopify/ProductVariant/4700000000302"},
}


def test_s17_an_order_whole() -> None:
    assert body() == {
        "id": "5600000000401",
        "customer": {"id": "7300000000101"},
        "financial_status": "paid",
        "fulfillment_status": "",
        "currency_code": "EUR",
        "order_total": 77.0,
        "discount_total": 8.0,
        "tax_total": 15.4,
        "shipping_total": 5.0,
        "order_url": "https://lamps.example.com/61230000001/orders/0f1e2d3c4b5a/authenticate?key=invented",
        "landing_site": CAMPAIGN,
        "processed_at_foreign": "2026-11-03T08:29:58+00:00",
        "updated_at_foreign": "2026-11-03T10:12:13+00:00",
        "shipping_address": delivery(address()),
        "billing_address": delivery(address()),
        "promos": [{"code": "LAMP10", "amount_discounted": 8.0, "type": "percentage"}],
        "lines": [
            {
                "id": "1410000000501",
                "product_id": "9100000000201",
                "product_variant_id": "4700000000301",
                "quantity": 2,
                "price": 40.0,
                "discount": 8.0,
            }
        ],
        "tracking_number": "",
        "tracking_carrier": "Post to the door",
    }


def test_the_buyer_is_written_before_the_order_that_names_them() -> None:
    [step] = written().needs
    assert (step.kind, step.if_missing) == (Kind.CUSTOMER, True)
    assert step.body["id"] == body()["customer"]["id"]
    assert step.body["opt_in_status"] is False


def test_s92_an_order_of_a_guest() -> None:
    made = written(customer=None, email="guest@example.com")
    assert made.needs[-1].body["email_address"] == "guest@example.com"
    assert made.body["customer"] == {"id": made.needs[-1].body["id"]}


def test_test_orders_are_skipped_with_their_reason() -> None:
    assert order_write(order(test=True), STORE) == Skip(CommerceReason.TEST_ORDER)
    assert order_writes(order(test=True), STORE, live=True) == Skip(CommerceReason.TEST_ORDER)


def test_orders_without_an_email_are_skipped_with_their_reason() -> None:
    assert order_write(order(customer=None, email=None), STORE) == Skip(CommerceReason.NO_EMAIL)


# ------------------------------------------------------------------ money


def test_of_several_currencies_the_shops_is_taken_everywhere() -> None:
    made = body(presentmentCurrencyCode="SEK", fulfillments=None)
    assert made["currency_code"] == "EUR"
    assert (made["order_total"], made["tax_total"], made["lines"][0]["price"]) == (77.0, 15.4, 40.0)


def test_an_order_from_before_the_shop_changed_its_currency_keeps_its_own() -> None:
    old = {"currentTotalPriceSet": money("80.00", "DEM"), "totalPriceSet": money("80.00", "DEM")}
    assert body(**old)["currency_code"] == "DEM"


def test_an_export_without_current_sums() -> None:
    node = order(totalRefundedSet=money("7.00"))
    for name in [name for name in node if name.startswith("current")]:
        del node[name]
    result = order_write(node, STORE)
    assert isinstance(result, Write)
    assert result.body["order_total"] == 70.0
    assert (result.body["discount_total"], result.body["shipping_total"]) == (8.0, 5.0)


@pytest.mark.parametrize(
    ("total", "current", "refunded", "net"),
    [
        ("77.00", "77.00", "0.00", 77.0),
        ("77.00", "41.00", "36.00", 41.0),  # one lamp back
        ("77.00", "77.00", "10.00", 67.0),  # money back without goods
        ("77.00", "41.00", "46.00", 31.0),  # both
        ("77.00", "0.00", "77.00", 0.0),  # all of it
        ("77.00", "77.00", "77.00", 0.0),
        ("77.00", "41.00", "0.00", 41.0),  # edited away before it was paid
        ("97.00", "97.00", "0.00", 97.0),  # something added
        ("77.00", "97.00", "0.00", 97.0),  # the same, where the first total stays
        ("77.00", "97.00", "5.00", 92.0),
        ("77.00", "0.00", "80.00", 0.0),  # more back than was paid
    ],
)
def test_refunds_and_edits_lower_the_total(total: str, current: str, refunded: str, net: float) -> None:
    sums = {
        "totalPriceSet": money(total),
        "currentTotalPriceSet": money(current),
        "totalRefundedSet": money(refunded),
    }
    assert body(**sums)["order_total"] == net


def test_taxes_shipping_and_discounts_are_those_that_stand() -> None:
    sums = {
        "currentTotalDiscountsSet": money("4.00"),
        "currentTotalTaxSet": money("8.20"),
        "currentShippingPriceSet": money("0.00"),
    }
    made = body(**sums)
    assert (made["discount_total"], made["tax_total"], made["shipping_total"]) == (4.0, 8.2, 0.0)


# ------------------------------------------------------------------ lines


def test_lines_one_by_one() -> None:
    made = body(lines=[line(), line(**SMALL)])["lines"]
    assert [(each["id"], each["quantity"], each["price"], each["discount"]) for each in made] == [
        ("1410000000501", 2, 40.0, 8.0),
        ("1410000000502", 1, 25.0, 2.5),
    ]


def test_a_partial_refund_leaves_the_rest_with_its_part_of_the_discount() -> None:
    [made] = body(lines=[line(quantity=3, currentQuantity=2, discountAllocations=[allocation("10.00")])])["lines"]
    assert (made["quantity"], made["discount"]) == (2, 6.67)


def test_a_line_that_was_edited_away_is_no_more_and_is_stale_in_mailchimp() -> None:
    made = body(lines=[line(currentQuantity=0), line(**SMALL)])
    assert [each["id"] for each in made["lines"]] == ["1410000000502"]
    assert stale_lines(["1410000000501", "1410000000502"], made) == ("1410000000501",)


def test_an_export_without_allocations_reckons_by_the_reduced_price() -> None:
    exported = line()
    del exported["discountAllocations"]
    assert body(lines=[exported])["lines"][0]["discount"] == 8.0
    del exported["discountedUnitPriceAfterAllDiscountsSet"]
    exported["totalDiscountSet"] = money("3.00")
    assert body(lines=[exported])["lines"][0]["discount"] == 3.0


def test_a_deleted_product_gets_a_stand_in_once() -> None:
    gone = {"product": None, "variant": None}
    made = written(lines=[line(**gone), line(**gone, id="gid://shopify/LineItem/2")])
    stand_in, customer = made.needs
    assert (stand_in.kind, customer.kind) == (Kind.PRODUCT, Kind.CUSTOMER)
    assert {each["product_id"] for each in made.body["lines"]} == {stand_in.body["id"]}
    assert {each["product_variant_id"] for each in made.body["lines"]} == {stand_in.body["variants"][0]["id"]}


def test_a_deleted_variant_of_a_living_product_gets_a_stand_in_there() -> None:
    made = written(lines=[line(variant=None)])
    step = made.needs[0]
    assert (step.kind, step.parent) == (Kind.VARIANT, "9100000000201")
    [each] = made.body["lines"]
    assert (each["product_id"], each["product_variant_id"]) == ("9100000000201", step.body["id"])


def test_an_order_without_lines_gets_one_that_costs_nothing() -> None:
    made = written(lines=[])
    assert made.body["lines"] == [
        {
            "id": "no-lines",
            "product_id": "no-lines",
            "product_variant_id": "no-lines",
            "quantity": 1,
            "price": 0.0,
            "discount": 0.0,
        }
    ]
    assert made.needs[0].body["variants"][0]["visibility"] == "hidden"
    assert made.body["order_total"] == 77.0


def test_an_order_that_was_edited_empty_has_no_lines_either() -> None:
    assert body(lines=[line(currentQuantity=0)])["lines"][0]["id"] == "no-lines"


@pytest.mark.parametrize("change", [{"displayFinancialStatus": "REFUNDED"}, {"cancelledAt": "2026-11-05T00:00:00Z"}])
def test_what_was_undone_as_a_whole_still_says_what_had_been_bought(change: dict[str, Any]) -> None:
    [made] = body(lines=[line(currentQuantity=0)], currentTotalPriceSet=money("0.00"), **change)["lines"]
    assert (made["id"], made["quantity"]) == ("1410000000501", 2)


def test_a_first_page_of_lines_is_never_taken_for_all() -> None:
    with pytest.raises(IncompleteNode):
        order_write({**order(), "lineItems": connection(line(), more=True)}, STORE)


def test_lines_of_an_export_come_as_edges() -> None:
    assert len(body(lineItems={"edges": [{"node": line()}, {"node": line(**SMALL)}]})["lines"]) == 2


# ------------------------------------------------------------------ promos


def test_each_code_takes_off_its_own_part() -> None:
    fixed = code_application("FIVE", 1, value={"__typename": "MoneyV2", "amount": "5.00", "currencyCode": "EUR"})
    automatic = {"__typename": "AutomaticDiscountApplication", "index": 2, "title": "Autumn", "value": {}}
    lines = [line(discountAllocations=[allocation("8.00"), allocation("5.00", 1), allocation("1.00", 2)])]
    made = body(lines=lines, discountApplications={"nodes": [code_application(), fixed, automatic]})
    assert made["promos"] == [
        {"code": "LAMP10", "amount_discounted": 8.0, "type": "percentage"},
        {"code": "FIVE", "amount_discounted": 5.0, "type": "fixed"},
    ]
    assert made["lines"][0]["discount"] == 14.0


def test_free_shipping_takes_nothing_off_the_goods() -> None:
    free = code_application("SHIP", 1, targetType="SHIPPING_LINE", value={"percentage": 100.0})
    made = body(discountApplications={"nodes": [code_application(), free]})
    assert made["promos"][1] == {"code": "SHIP", "amount_discounted": 0.0, "type": "percentage"}


def test_an_export_has_the_codes_alone() -> None:
    made = body(discountApplications=None, discountCodes=["LAMP10", "FIVE", "LAMP10"])
    assert made["promos"] == [
        {"code": "LAMP10", "amount_discounted": 8.0, "type": "fixed"},
        {"code": "FIVE", "amount_discounted": 0.0, "type": "fixed"},
    ]


def test_without_a_code_there_is_no_promo_and_an_earlier_one_goes() -> None:
    assert body(discountApplications={"nodes": []}, discountCodes=[])["promos"] == []


# ------------------------------------------------------------------ attribution


@pytest.mark.parametrize(
    ("first", "last", "page"),
    [
        ("https://lamps.example.com/?mc_cid=a", "https://lamps.example.com/x", "https://lamps.example.com/?mc_cid=a"),
        ("https://lamps.example.com/?mc_cid=a", CAMPAIGN, CAMPAIGN),
        ("https://lamps.example.com/", "https://lamps.example.com/x", "https://lamps.example.com/x"),
        ("/products/lamp?mc_cid=a&mc_eid=b", None, "https://lamps.example.com/products/lamp?mc_cid=a&mc_eid=b"),
        (None, None, None),
    ],
)
def test_s83_the_landing_site_is_the_visit_that_came_from_a_campaign(
    first: str | None, last: str | None, page: str | None
) -> None:
    journey = {"ready": True, "firstVisit": visit(first) if first else None, "lastVisit": visit(last) if last else None}
    assert body(customerJourneySummary=journey).get("landing_site") == page


def test_s83_a_journey_that_is_not_ready_says_nothing_and_campaigns_are_never_claimed() -> None:
    made = body(customerJourneySummary=None)
    assert "landing_site" not in made
    assert not made.keys() & {"campaign_id", "outreach", "tracking_code", "cart_id"}


# ------------------------------------------------------------------ statuses


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("AUTHORIZED", "pending"),
        ("PENDING", "pending"),
        ("PARTIALLY_PAID", "partially_paid"),
        ("PAID", "paid"),
        ("PARTIALLY_REFUNDED", "partially_refunded"),
        ("REFUNDED", "refunded"),
        ("VOIDED", "voided"),
        ("EXPIRED", "expired"),
        ("SOMETHING_NEW", "something_new"),
        (None, ""),
    ],
)
def test_what_became_of_the_money(status: str | None, word: str) -> None:
    assert body(displayFinancialStatus=status)["financial_status"] == word


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("UNFULFILLED", ""),
        ("OPEN", ""),
        ("FULFILLED", "shipped"),
        ("PARTIALLY_FULFILLED", "partially_shipped"),
        ("IN_PROGRESS", "in_progress"),
        ("ON_HOLD", "on_hold"),
        ("SCHEDULED", "scheduled"),
        ("PENDING_FULFILLMENT", "pending_fulfillment"),
        ("REQUEST_DECLINED", "request_declined"),
        ("RESTOCKED", "restocked"),
        ("FULFILLMENT_NOT_REQUIRED", "fulfillment_not_required"),
    ],
)
def test_what_became_of_the_goods(status: str, word: str) -> None:
    assert body(displayFulfillmentStatus=status)["fulfillment_status"] == word


def test_what_was_not_sent_is_fulfilled_but_not_shipped() -> None:
    done = {"displayFulfillmentStatus": "FULFILLED"}
    assert body(**done, lines=[line(requiresShipping=False)])["fulfillment_status"] == "fulfilled"  # a gift card
    assert body(**done, shippingAddress=None)["fulfillment_status"] == "fulfilled"  # over the counter
    assert body(**done, lines=[line(requiresShipping=False), line(**SMALL)])["fulfillment_status"] == "shipped"


def test_a_cancelled_order_is_that_whatever_was_paid_back() -> None:
    made = body(cancelledAt="2026-11-05T10:00:00Z", displayFinancialStatus="REFUNDED")
    assert made["financial_status"] == "cancelled"
    assert made["cancelled_at_foreign"] == "2026-11-05T10:00:00+00:00"
    assert "cancelled_at_foreign" not in body()


# ------------------------------------------------------------------ parcels


def test_the_newest_parcel_that_was_sent() -> None:
    lost = parcel("1Z111", status="CANCELLED")
    made = body(fulfillments=[parcel("1Z998"), parcel("1Z999"), lost])
    assert (made["tracking_number"], made["tracking_carrier"], made["tracking_url"]) == (
        "1Z999",
        "UPS",
        "https://track.example.com/1Z999",
    )


def test_a_parcel_without_a_link_or_with_a_bad_one() -> None:
    bare = parcel(trackingInfo=[{"company": None, "number": "A1", "url": "track me"}])
    made = body(fulfillments=[bare])
    assert (made["tracking_number"], made["tracking_carrier"]) == ("A1", "Post to the door")
    assert made["tracking_url"] == ""  # Mailchimp would keep that of another parcel
    assert "tracking_url" not in body(fulfillments=[])


def test_a_query_that_did_not_ask_for_parcels_says_nothing_about_them() -> None:
    node = order(shippingLine=None)
    del node["fulfillments"]
    result = order_write(node, STORE)
    assert isinstance(result, Write)
    assert not [name for name in result.body if name.startswith("tracking_")]


def test_the_shipping_method_by_either_name() -> None:
    assert shipping_method(order()) == "Post to the door"
    assert shipping_method({"shippingLines": {"nodes": [{"title": None, "code": "POST"}]}}) == "POST"
    assert shipping_method({"shippingLine": None}) == ""


def test_a_bad_order_page_is_left_out_since_mailchimp_would_refuse_the_order() -> None:
    assert "order_url" not in body(statusPageUrl="not a link")


def test_addresses_that_are_not_there_are_not_made_up() -> None:
    made = body(shippingAddress=None, billingAddress=None)
    assert not made.keys() & {"shipping_address", "billing_address"}


# ------------------------------------------------------------------ live and quiet


def test_s76_a_new_paid_order_confirms_first_and_then_is_paid() -> None:
    assert ways(live=True) == [("pending", ""), ("paid", "")]
    assert ways(live=True, displayFulfillmentStatus="FULFILLED") == [("pending", ""), ("paid", "shipped")]
    assert ways(live=True, displayFinancialStatus="PARTIALLY_PAID") == [("pending", ""), ("partially_paid", "")]


def test_s76_history_is_written_once_as_it_stands() -> None:
    assert ways(live=False) == [("paid", "")]
    assert ways(live=False, displayFulfillmentStatus="FULFILLED") == [("paid", "shipped")]


def test_s76_an_order_mailchimp_has_is_never_confirmed_again() -> None:
    assert ways(live=True, known=True) == [("paid", "")]


@pytest.mark.parametrize("status", ["PENDING", "AUTHORIZED", "REFUNDED", "PARTIALLY_REFUNDED", "VOIDED", "EXPIRED"])
def test_s76_every_other_new_order_is_written_once(status: str) -> None:
    assert len(ways(live=True, displayFinancialStatus=status)) == 1
    assert ways(live=True, cancelledAt="2026-11-05T10:00:00Z") == [("cancelled", "")]


def test_the_first_writing_names_no_parcel_and_the_last_is_the_mapping() -> None:
    sent = {"fulfillments": [parcel()], "displayFulfillmentStatus": "FULFILLED"}
    *_, first, last = steps(live=True, **sent)
    assert not [name for name in first.body if name.startswith("tracking_")]
    assert last.body == body(**sent)
    assert {**last.body, **first.body} == {
        **last.body,
        "financial_status": "pending",
        "fulfillment_status": "",
    }


def test_what_an_order_needs_comes_before_it() -> None:
    kinds = [step.kind for step in steps(live=True, lines=[line(product=None, variant=None)])]
    assert kinds == [Kind.PRODUCT, Kind.CUSTOMER, Kind.ORDER, Kind.ORDER]
