"""S2, S76, S83: products and variants, field by field; what is not on offer is hidden and never proposed."""

from __future__ import annotations

from typing import Any

import pytest
from commerce_nodes import connection, image, line, product, variant

from shopchimp.domain.commerce.products import (
    NO_LIMIT,
    product_write,
    retired_product,
    stand_in,
    variant_stand_in,
)
from shopchimp.domain.commerce.results import IncompleteNode, Kind

PAGE = "https://lamps.example.com/products/brass-desk-lamp"
PICTURE = "https://cdn.example.com/3800000001610.jpg?v=1"


def only_variant(**changes: Any) -> dict[str, Any]:
    [made] = product_write(product(variant(**changes))).body["variants"]
    return made


def test_s2_a_product_whole() -> None:
    written = product_write(product())
    assert written.needs == ()
    assert written.body == {
        "id": "9100000000201",
        "title": "Brass desk lamp",
        "handle": "brass-desk-lamp",
        "url": PAGE,
        "description": "A desk lamp of brushed brass. 2 m cable",
        "type": "Lamps",
        "vendor": "Pinewood",
        "image_url": PICTURE,
        "published_at_foreign": "2026-08-21T06:00:00+00:00",
        "variants": [
            {
                "id": "4700000000301",
                "title": "Large",
                "url": f"{PAGE}?variant=4700000000301",
                "sku": "BDL-L",
                "price": 40.0,
                "inventory_quantity": 12,
                "image_url": PICTURE,
                "backorders": "0",
                "visibility": "visible",
            }
        ],
        "images": [{"id": "3800000001610", "url": PICTURE}],
    }


@pytest.mark.parametrize("status", ["ARCHIVED", "DRAFT", "UNLISTED"])
def test_s76_what_is_not_active_is_hidden_without_stock(status: str) -> None:
    [made] = product_write(product(status=status)).body["variants"]
    assert (made["visibility"], made["inventory_quantity"]) == ("hidden", 0)


def test_what_is_active_but_not_in_the_online_store_is_hidden_and_has_no_page() -> None:
    body = product_write(product(onlineStoreUrl=None)).body
    assert body["variants"][0]["visibility"] == "hidden"
    assert "url" not in body
    assert "url" not in body["variants"][0]


def test_an_export_without_the_page_goes_by_the_date() -> None:
    node = product()
    del node["onlineStoreUrl"]
    assert product_write(node).body["variants"][0]["visibility"] == "visible"
    assert product_write({**node, "publishedAt": None}).body["variants"][0]["visibility"] == "hidden"


@pytest.mark.parametrize(
    ("changes", "stock"),
    [
        ({}, 12),
        ({"inventoryQuantity": 0, "availableForSale": False}, 0),
        ({"inventoryQuantity": -3, "availableForSale": False}, 0),
        ({"inventoryItem": {"tracked": False}, "inventoryQuantity": 0}, NO_LIMIT),
        ({"inventoryPolicy": "CONTINUE", "inventoryQuantity": -3}, NO_LIMIT),
        ({"inventoryPolicy": "CONTINUE", "inventoryQuantity": 4}, 4),
        ({"inventoryItem": None, "inventoryQuantity": 0, "availableForSale": True}, NO_LIMIT),  # as exported
        ({"inventoryItem": None, "inventoryQuantity": None, "availableForSale": False}, 0),
    ],
)
def test_stock_is_what_can_be_bought(changes: dict[str, Any], stock: int) -> None:
    assert only_variant(**changes)["inventory_quantity"] == stock


def test_backorders_say_that_it_is_sold_beyond_its_stock() -> None:
    assert only_variant(inventoryPolicy="CONTINUE")["backorders"] == "1"
    assert only_variant(inventoryPolicy="DENY")["backorders"] == "0"


def test_prices_are_exact() -> None:
    assert only_variant(price="19.90")["price"] == 19.9
    assert only_variant(price="0.1")["price"] == 0.1
    assert only_variant(price=None)["price"] == 0.0


def test_the_variant_of_a_product_without_options_has_its_title() -> None:
    assert only_variant(title="Default Title")["title"] == "Brass desk lamp"
    assert only_variant(title=None)["title"] == "Brass desk lamp"


def test_an_empty_sku_and_an_empty_type_are_empty_texts() -> None:
    assert only_variant(sku=None)["sku"] == ""
    assert product_write(product(productType=None)).body["type"] == ""


def test_pictures_the_main_one_first_each_with_its_variants() -> None:
    second = image(3800000001611)
    video = image(3800000001612, mediaContentType="VIDEO")
    large = variant(media={"nodes": [second]})
    small = variant(id="gid://shopify/ProductVariant/4700000000302", title="Small")
    body = product_write(product(large, small, media={"nodes": [second, video, image()]})).body
    assert body["images"] == [
        {"id": "3800000001610", "url": PICTURE},
        {
            "id": "3800000001611",
            "url": "https://cdn.example.com/3800000001611.jpg?v=1",
            "variant_ids": ["4700000000301"],
        },
    ]
    assert [each["image_url"] for each in body["variants"]] == [
        "https://cdn.example.com/3800000001611.jpg?v=1",
        PICTURE,
    ]


def test_an_export_has_the_main_picture_alone() -> None:
    node = product()
    del node["media"]
    body = product_write(node).body
    assert [each["url"] for each in body["images"]] == [body["image_url"]] == [PICTURE]


def test_a_product_without_a_picture_names_none() -> None:
    body = product_write(product(featuredMedia=None, media={"nodes": []})).body
    assert body["images"] == []
    assert "image_url" not in body
    assert "image_url" not in body["variants"][0]


def test_many_variants_all_arrive_and_a_first_page_is_never_taken_for_all() -> None:
    many = [variant(id=f"gid://shopify/ProductVariant/{number}", sku=f"S{number}") for number in range(1, 2049)]
    node = product(variants=connection(*many[:100], more=True))
    with pytest.raises(IncompleteNode):
        product_write(node)
    body = product_write(node, variants=many).body
    assert [each["id"] for each in body["variants"]] == [str(number) for number in range(1, 2049)]


def test_a_product_that_shows_no_variant_still_has_one_that_nobody_can_buy() -> None:
    lowest = {"minVariantPrice": {"amount": "12.50", "currencyCode": "EUR"}}
    [made] = product_write(product(variants=connection(), priceRangeV2=lowest)).body["variants"]
    assert made["id"] == "9100000000201"
    assert (made["price"], made["inventory_quantity"], made["visibility"]) == (12.5, 0, "hidden")


def test_a_deleted_product_stays_for_its_orders_and_is_never_proposed() -> None:
    body = product_write(product()).body
    retired = retired_product(body["id"], body["title"], body["variants"]).body
    assert retired["id"] == body["id"]
    [made] = retired["variants"]
    assert made["id"] == "4700000000301"
    assert (made["inventory_quantity"], made["visibility"], made["price"]) == (0, "hidden", 40.0)
    assert retired_product("9", "Gone", []).body["variants"][0]["id"] == "9"


def test_the_stand_in_of_a_deleted_product_is_the_same_for_all_its_orders() -> None:
    gone = line(product=None, variant=None)
    first, later = stand_in(gone, 40.0), stand_in(line(product=None, variant=None, id="gid://shopify/LineItem/9"), 25.0)
    assert first.body["id"] == later.body["id"]
    assert first.body["id"] != stand_in({**gone, "variantTitle": "Small"}, 40.0).body["id"]
    assert (first.kind, first.if_missing) == (Kind.PRODUCT, True)
    assert first.body["title"] == "Brass desk lamp - Large"
    [made] = first.body["variants"]
    assert (made["sku"], made["price"], made["inventory_quantity"], made["visibility"]) == ("BDL-L", 40.0, 0, "hidden")
    assert len(first.body["id"]) <= 50


def test_the_stand_in_of_a_deleted_variant_belongs_to_its_product() -> None:
    step = variant_stand_in(line(variant=None), "9100000000201", 40.0)
    assert (step.kind, step.parent, step.if_missing) == (Kind.VARIANT, "9100000000201", True)
    assert (step.body["title"], step.body["visibility"]) == ("Large", "hidden")
    assert step.body["id"] != variant_stand_in(line(variant=None), "9100000000202", 40.0).body["id"]
