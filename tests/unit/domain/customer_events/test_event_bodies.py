"""Member events as Mailchimp describes them: names, properties within their room, times, and what is history."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from event_samples import DATA, NOW, PAGE, body, read, view
from hypothesis import given, settings
from hypothesis import strategies as st

from shopchimp.domain.customer_events.beacon import Beacon, read_beacon
from shopchimp.domain.customer_events.coalescing import Group, grouped
from shopchimp.domain.customer_events.member_events import PROPERTIES_BYTES, QUIET_AFTER, member_event

Check = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def check(shared: Callable[[str], Path]) -> Check:
    """Holds a body against Mailchimp's own description, with nothing allowed that it doesn't describe."""
    with gzip.open(shared("contracts/mailchimp/marketing-3.0.json.gz"), "rt") as file:
        post = json.load(file)["paths"]["/lists/{list_id}/members/{subscriber_hash}/events"]["post"]
    [schema] = [each["schema"] for each in post["parameters"] if each["in"] == "body"]
    checker = jsonschema.Draft4Validator({**schema, "additionalProperties": False})

    def checked(made: dict[str, Any]) -> None:
        assert [error.message for error in checker.iter_errors(json.loads(json.dumps(made)))] == []
        assert made.keys() == {"name", "properties", "is_syncing", "occurred_at"}

    return checked


def event(name: str, **changes: Any) -> dict[str, Any]:
    return member_event(Group((replace(read(name, **changes), happened_at=NOW),)), NOW)


@pytest.mark.parametrize("name", DATA)
def test_every_event_is_as_described(name: str, check: Check) -> None:
    """S43 to S51: exact names, which automations are built on."""
    made = event(name)
    check(made)
    assert made["name"] == name
    assert made["occurred_at"] == "2026-11-22T14:00:00+00:00"
    assert made["is_syncing"] is False
    assert made["properties"]["event_id"] == "sh-00000001-0000-4000-8000-000000000000"


def test_the_example_of_the_contract_is_what_we_send(shared: Callable[[str], Path]) -> None:
    example = json.loads(shared("contracts/mailchimp/examples/member-event-post.json").read_text())["request"]["body"]
    made = event("product_viewed")
    assert made.keys() == example.keys()
    assert made["name"] == example["name"]
    assert {name: made["properties"].get(name) for name in example["properties"]} == {
        **example["properties"],
        "product_id": "8123456789",
    }


def test_a_product_in_properties() -> None:
    """S45."""
    assert event("product_viewed")["properties"] == {
        "event_id": "sh-00000001-0000-4000-8000-000000000000",
        "product_id": "8123456789",
        "product_title": "Blue mug",
        "price": "18.50",
        "currency": "USD",
        "variant_id": "44100000000301",
        "product_url": f"{PAGE}?variant=44100000000301",
        "variant_title": "Blue",
        "page_url": PAGE,
        "page_title": "Blue mug",
    }


def test_a_cart_in_properties() -> None:
    """S47."""
    properties = event("product_added_to_cart")["properties"]
    assert (properties["product_id"], properties["quantity"], properties["total"]) == ("8123456789", "2", "37.00")


def test_a_checkout_in_properties() -> None:
    """S48 to S50: its cart has the same id in Mailchimp; the address it went to is the contact's own."""
    assert event("checkout_completed", page=None)["properties"] == {
        "event_id": "sh-00000001-0000-4000-8000-000000000000",
        "order_id": "6100000000001",
        "cart_id": "c1f2a3b4c5d6e7f8",
        "total": "42.00",
        "currency": "USD",
        "item_count": "2",
        "product_ids": "8123456789",
        "product_titles": "Blue mug",
    }
    for name in ("checkout_started", "payment_info_submitted"):
        assert "order_id" not in event(name)["properties"]


def test_a_search_and_a_collection_in_properties() -> None:
    """S46, S51."""
    assert event("search_submitted")["properties"]["search_query"] == "blue mug"
    assert event("collection_viewed")["properties"]["collection_id"] == "5500000001"
    assert event("collection_viewed")["properties"]["collection_title"] == "Mugs"


def test_pages_seen_together_are_named_in_their_order() -> None:
    """S44, S112."""
    paths = ["/", "/pages/about", "/", "/collections/mugs"]
    [group] = grouped([view(number, number, path=path) for number, path in enumerate(paths)])
    made = member_event(group, NOW)
    assert made["properties"]["times"] == "4"
    assert made["properties"]["pages"] == "/ /pages/about /collections/mugs"
    assert made["properties"]["page_url"] == "https://pinewood.example.com/"
    assert made["occurred_at"] == "2026-11-22T14:00:00+00:00"


def test_a_product_seen_again_has_a_count() -> None:
    [group] = grouped([view(number, number, name="product_viewed") for number in range(3)])
    properties = member_event(group, NOW)["properties"]
    assert properties["times"] == "3"
    assert "pages" not in properties


@pytest.mark.parametrize(
    ("price", "spelt"),
    [(18.5, "18.50"), (0, "0.00"), (-0.0, "0.00"), (1800, "1800.00"), (1.235, "1.235"), (0.1 + 0.2, "0.30"), (999999999999.0, "999999999999.00")],
)  # fmt: skip
def test_how_amounts_are_spelt(price: float, spelt: str) -> None:
    assert event("product_viewed", data={"product": {"price": price}})["properties"]["price"] == spelt


def test_what_is_old_starts_no_automation() -> None:
    group = Group((replace(read(), happened_at=NOW),))
    assert member_event(group, NOW + QUIET_AFTER)["is_syncing"] is False
    late = member_event(group, NOW + QUIET_AFTER + timedelta(seconds=1))
    assert late["is_syncing"] is True
    assert late["occurred_at"] == "2026-11-22T14:00:00+00:00"


def test_half_an_address_is_left_out_and_what_matters_stays(check: Check) -> None:
    long = "https://pinewood.example.com/products/" + "x" * 420
    product = {"id": "1", "title": "ö" * 200, "variantTitle": "ß" * 200, "url": f"{long}?variant=1"}
    made = event("product_viewed", data={"product": product}, page={"url": long, "title": "ü" * 200})
    check(made)
    assert made["properties"]["product_id"] == "1"
    assert made["properties"]["product_url"] == f"{long}?variant=1"
    assert made["properties"].keys() == {"event_id", "product_id", "product_title", "product_url"}
    assert size(made) <= PROPERTIES_BYTES


def size(made: dict[str, Any]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in made["properties"].items())


TEXTS = st.text(max_size=300)


@given(st.sampled_from(sorted(DATA)), TEXTS, TEXTS, st.integers(1, 12))
@settings(deadline=None, max_examples=200)
def test_properties_never_outgrow_their_room(name: str, title: str, more: str, count: int) -> None:
    data: dict[str, Any] = {
        "product_viewed": {"product": {"id": "1", "title": title, "variantTitle": more}},
        "product_added_to_cart": {"product": {"id": "1", "title": title, "variantTitle": more}, "quantity": count},
        "collection_viewed": {"collection": {"id": "1", "title": title}},
        "search_submitted": {"query": more},
        "page_viewed": {},
    }.get(name, {"checkout": {"token": "c1f2a3b4", "items": [{"id": "1", "title": title}] * min(count, 10)}})
    beacon = read_beacon(body(name, data=data, page={"url": f"{PAGE}/{more.encode().hex()}", "title": title}))
    assert isinstance(beacon, Beacon)
    made = member_event(Group((beacon,) * count), NOW)
    properties = made["properties"]
    assert all(isinstance(value, str) and value for value in properties.values())
    assert size(made) <= PROPERTIES_BYTES
    assert properties["event_id"] == beacon.event_id
    assert 2 <= len(made["name"]) <= 30
