"""S105.1 to S105.15 and S100, one test each: which of a purchase's fields arrive where. S95 to S101 for the panel."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from commerce_nodes import STORE, address, checkout, customer, line, money, order, parcel, product, variant

from shopchimp.domain.commerce.customers import buyer, customer_write
from shopchimp.domain.commerce.details import Activity, Details, cart_details, order_details
from shopchimp.domain.commerce.orders import order_write
from shopchimp.domain.commerce.products import product_write
from shopchimp.domain.commerce.results import Write
from shopchimp.domain.fields import FieldMap, merge_fields


def order_body(**changes: Any) -> dict[str, Any]:
    written = order_write(order(**changes), STORE)
    assert isinstance(written, Write)
    return written.body


def customer_body(**changes: Any) -> dict[str, Any]:
    written = customer_write(customer(**changes))
    assert isinstance(written, Write)
    return written.body


def guest_body() -> dict[str, Any]:
    written = buyer(order(customer=None, email="guest@example.com"))
    assert isinstance(written, Write)
    return written.body


def test_s105_1_first_name() -> None:
    assert customer_body(firstName="Ana")["first_name"] == "Ana"
    assert guest_body()["first_name"] == "Rosa"


def test_s105_2_last_name() -> None:
    assert customer_body(lastName="Reyes")["last_name"] == "Reyes"
    assert guest_body()["last_name"] == "Lindqvist"


def test_s105_3_email() -> None:
    email = {"emailAddress": "ana@example.com"}
    assert customer_body(defaultEmailAddress=email)["email_address"] == "ana@example.com"
    assert guest_body()["email_address"] == "guest@example.com"


def test_s105_4_company() -> None:
    assert customer_body(defaultAddress=address(company="Reyes Ltd"))["company"] == "Reyes Ltd"
    assert guest_body()["company"] == "Lindqvist Ljus"
    assert order_body()["billing_address"]["company"] == "Lindqvist Ljus"


def test_s105_5_phone() -> None:
    assert order_body()["shipping_address"]["phone"] == "+46701740605"
    assert order_body(billingAddress=address(phone=None))["billing_address"]["phone"] == "+46701740606"


def test_s106_the_customers_own_phone_else_that_of_the_address_else_none() -> None:
    """The contact's phone is of the field map; an e-commerce customer carries none, since it could mean consent."""
    fields = {"phone": "+46700000001", "default_address": address()}
    assert merge_fields(fields, FieldMap.default())["PHONE"] == "+46700000001"
    assert merge_fields({**fields, "phone": None}, FieldMap.default())["PHONE"] == "+46701740605"
    assert "PHONE" not in merge_fields({"phone": None, "default_address": None}, FieldMap.default())
    assert "sms_phone_number" not in customer_body()


def test_s105_6_product_title() -> None:
    assert product_write(product(title="Oak lamp")).body["title"] == "Oak lamp"


def test_s105_7_product_type() -> None:
    assert product_write(product(productType="Lamps")).body["type"] == "Lamps"


def test_s105_8_product_id() -> None:
    assert product_write(product()).body["id"] == order_body()["lines"][0]["product_id"] == "9100000000201"
    assert product_write(product()).body["variants"][0]["id"] == order_body()["lines"][0]["product_variant_id"]


def test_s105_9_order_total() -> None:
    assert order_body()["order_total"] == 77.0


def test_s105_10_shipping_method() -> None:
    """Mailchimp has no field of that name: it stands for the carrier until there is a parcel."""
    assert order_body()["tracking_carrier"] == "Post to the door"
    assert order_body(fulfillments=[parcel()])["tracking_carrier"] == "UPS"
    assert order_details(order(fulfillments=[parcel()]), STORE).shipping_method == "Post to the door"


def test_s105_11_order_date() -> None:
    assert order_body()["processed_at_foreign"] == "2026-11-03T08:29:58+00:00"
    assert order_body(processedAt=None)["processed_at_foreign"] == "2026-11-03T08:30:00+00:00"


def test_s105_12_product_price() -> None:
    assert product_write(product(variant(price="19.90"))).body["variants"][0]["price"] == 19.9
    assert order_body(lines=[line(originalUnitPriceSet=money("19.90"))])["lines"][0]["price"] == 19.9


def test_s105_13_product_description() -> None:
    assert product_write(product(descriptionHtml="<p>Of <i>brass</i>.</p>")).body["description"] == "Of brass."


def test_s105_14_product_quantity() -> None:
    assert order_body(lines=[line(quantity=7)])["lines"][0]["quantity"] == 7


def test_s105_15_product_image() -> None:
    body = product_write(product()).body
    assert body["image_url"] == body["images"][0]["url"] == "https://cdn.example.com/3800000001610.jpg?v=1"


# ------------------------------------------------------------------ the panel of a person (S95 to S101)


def shown(**changes: Any) -> Details:
    return order_details(order(**changes), STORE, {"9100000000201": "Lamps"})


def test_s96_an_order_is_completed_and_a_cart_abandoned() -> None:
    assert shown().activity is Activity.COMPLETED
    assert cart_details(checkout(), STORE).activity is Activity.ABANDONED


def test_s99_the_row_of_an_order() -> None:
    row = shown()
    assert (row.number, row.total, row.currency, row.at) == (
        "#1042",
        Decimal("77.00"),
        "EUR",
        "2026-11-03T08:29:58+00:00",
    )
    assert not row.cancelled
    assert shown(cancelledAt="2026-11-05T00:00:00Z").cancelled


def test_s99_the_row_agrees_with_mailchimp_after_a_refund() -> None:
    refunded = {"totalRefundedSet": money("7.05")}
    assert float(shown(**refunded).total) == order_body(**refunded)["order_total"] == 69.95


def test_s100_the_number_links_to_the_order_in_shopify() -> None:
    assert shown().link == "https://admin.shopify.com/store/pinewood-lamps/orders/5600000000401"
    assert cart_details(checkout(), STORE).link.endswith("/store/pinewood-lamps/checkouts/39000000001501")


def test_s100_discount_code_and_amount() -> None:
    assert (shown().discount_codes, shown().discount) == (("LAMP10",), Decimal("8.00"))
    assert shown(discountCodes=[]).discount_codes == ()


def test_s100_product_image() -> None:
    assert shown().products[0].image == "https://cdn.example.com/brass-desk-lamp.jpg?v=1"
    assert shown(lines=[line(image=None)]).products[0].image is None


def test_s100_product_name() -> None:
    assert shown().products[0].name == "Brass desk lamp - Large"
    assert shown(lines=[line(variantTitle=None)]).products[0].name == "Brass desk lamp"


def test_s100_product_category() -> None:
    assert shown().products[0].category == "Lamps"
    assert shown(lines=[line(product=None)]).products[0].category == ""
    told = {"id": "gid://shopify/Product/9100000000201", "productType": "Desk lamps"}
    assert shown(lines=[line(product=told)]).products[0].category == "Desk lamps"


def test_s100_product_sku_quantity_and_price() -> None:
    [bought] = shown(lines=[line(quantity=3, currentQuantity=2)]).products
    assert (bought.sku, bought.quantity, bought.price) == ("BDL-L", 2, Decimal("40.00"))


def test_s100_an_abandoned_cart_with_its_products() -> None:
    row = cart_details(checkout(discountCodes=["LAMP10"]), STORE, {"9100000000201": "Lamps"})
    assert (row.number, row.total, row.currency, row.at) == (
        "#39000000001501",
        Decimal("80.00"),
        "EUR",
        "2026-11-03T08:26:40+00:00",
    )
    assert (row.discount_codes, row.discount) == (("LAMP10",), Decimal("0.00"))
    [left] = row.products
    assert (left.name, left.category, left.sku, left.quantity, left.price) == (
        "Brass desk lamp - Large",
        "Lamps",
        "BDL-L",
        2,
        Decimal("40.00"),
    )
