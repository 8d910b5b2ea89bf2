"""A beacon is read strictly: every field as described, everything else refused, and nothing ever raised."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from event_samples import DATA, PAGE, VISITOR, body, read, said
from hypothesis import given, settings
from hypothesis import strategies as st

from shopchimp.domain.customer_events.beacon import BEACON_BYTES, Beacon, BeaconReason, Refused, read_beacon
from shopchimp.domain.customer_events.details import CheckoutItem
from shopchimp.domain.customer_events.names import ContactAction, Priority, StoreEvent, priority

MALFORMED = BeaconReason.MALFORMED


def test_the_names_are_exact() -> None:
    """S44 to S51 and S54 to S58; C6."""
    assert set(StoreEvent) == set(DATA)
    assert list(ContactAction) == ["email_received", "email_opened", "email_clicked", "sms_received", "sms_clicked"]


def test_checkouts_and_carts_go_first() -> None:
    order = sorted(StoreEvent, key=priority)
    assert set(order[:3]) == {"checkout_completed", "payment_info_submitted", "checkout_started"}
    assert order[3] == "product_added_to_cart"
    assert order[-1] == "page_viewed"
    assert all(isinstance(priority(name), Priority) for name in StoreEvent)


def test_an_event_is_read_field_by_field() -> None:
    beacon = read()
    assert beacon.account == "acc_5f3a9c1e"
    assert beacon.event_id == "sh-00000001-0000-4000-8000-000000000000"
    assert beacon.name is StoreEvent.PRODUCT_VIEWED
    assert beacon.happened_at == datetime(2026, 11, 22, 13, 59, 58, 123000, UTC)
    assert beacon.visitor == VISITOR
    assert beacon.customer_id == 7300000000101
    assert beacon.consent.allows
    assert beacon.page
    assert (beacon.page.url, beacon.title) == (PAGE, "Blue mug")
    product = beacon.details.product
    assert product
    assert (product.id, product.variant_id) == (8123456789, 44100000000301)
    assert (product.title, product.variant_title) == ("Blue mug", "Blue")
    assert (product.price, product.currency) == (18.5, "USD")
    assert product.url == f"{PAGE}?variant=44100000000301"


def test_each_name_has_its_own_details() -> None:
    assert read("page_viewed").details == type(read().details)()
    assert read("search_submitted").details.query == "blue mug"
    collection = read("collection_viewed").details
    assert (collection.collection_id, collection.collection_title) == (5500000001, "Mugs")
    added = read("product_added_to_cart").details
    assert (added.quantity, added.total) == (2, 37)
    checkout = read("checkout_completed").details.checkout
    assert checkout
    assert (checkout.token, checkout.email) == ("c1f2a3b4c5d6e7f8", "Ana.Reyes@example.com")
    assert (checkout.total, checkout.currency, checkout.item_count) == (42, "USD", 2)
    assert checkout.items == (CheckoutItem(8123456789, "Blue mug", 2),)
    assert checkout.order_id == 6100000000001


@pytest.mark.parametrize("name", DATA)
def test_details_of_another_event_are_refused(name: str) -> None:
    for other, data in DATA.items():
        if data and set(data) - set(DATA[name] or ()):
            assert read_beacon(body(name, data=data)) == Refused(MALFORMED, "data: unknown field"), other


def test_an_event_needs_little() -> None:
    beacon = read("page_viewed", customerId=None, page=None)
    assert (beacon.customer_id, beacon.page, beacon.title) == (None, None, None)
    assert read("product_viewed", data=None).details.product


@pytest.mark.parametrize("field", ["accountID", "id", "name", "timestamp", "clientId", "consent", "version"])
def test_what_it_needs_must_be_there(field: str) -> None:
    assert read_beacon(body(**{field: None})) == Refused(MALFORMED, field)


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("version", 2, "version"),
        ("version", "1", "version"),
        ("version", True, "version"),
        ("accountID", "a b", "accountID"),
        ("accountID", "a" * 65, "accountID"),
        ("id", "", "id"),
        ("id", "x" * 129, "id"),
        ("id", "with\nnewline", "id"),
        ("id", "sh-000000001\n", "id"),
        ("id", 123456789, "id"),
        ("name", "Page viewed", "name"),
        ("timestamp", "2026-11-22", "timestamp"),
        ("timestamp", "2026-11-22T13:59:58", "timestamp"),
        ("timestamp", "2026-13-22T13:59:58Z", "timestamp"),
        ("timestamp", "0001-01-01T00:00:00+14:00", "timestamp"),
        ("timestamp", 1795320000, "timestamp"),
        ("clientId", "<script>alert</script>", "clientId"),
        ("customerId", "ana@example.com", "customerId"),
        ("customerId", 7300000000101, "customerId"),
        ("customerId", "0", "customerId"),
        ("customerId", str(2**63), "customerId"),
        ("customerId", "٧٣٠", "customerId"),
        ("page", [], "page"),
        ("page", {"url": "javascript:alert(1)"}, "page.url"),
        ("page", {"url": 1}, "page.url"),
        ("page", {"url": PAGE, "referrer": "x"}, "page: unknown field"),
        ("extra", "x", "body: unknown field"),
        ("consent", {"marketing": True}, "consent.analytics"),
        ("consent", "yes", "consent"),
        ("data", "x", "data"),
        ("data", {"product": {"price": -1}}, "data.product.price"),
        ("data", {"product": {"price": True}}, "data.product.price"),
        ("data", {"product": {"price": "18.50"}}, "data.product.price"),
        ("data", {"product": {"price": 1e15}}, "data.product.price"),
        ("data", {"product": {"currency": "usd"}}, "data.product.currency"),
        ("data", {"product": {"url": "ftp://x"}}, "data.product.url"),
        ("data", {"product": {"email": "ana@example.com"}}, "data.product: unknown field"),
    ],
)
def test_what_is_not_as_described_is_refused(field: str, value: Any, where: str) -> None:
    assert read_beacon(body(**{field: value})) == Refused(MALFORMED, where)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"phone": "+15550142"}, "data.checkout: unknown field"),
        ({"shippingAddress": {}}, "data.checkout: unknown field"),
        ({"items": [{}] * 11}, "data.checkout.items"),
        ({"items": [{"properties": "typed"}]}, "data.checkout.items: unknown field"),
        ({"items": ["x"]}, "data.checkout.items"),
        ({"itemCount": 1.5}, "data.checkout.itemCount"),
        ({"token": "../../secret"}, "data.checkout.token"),
    ],
)
def test_of_a_checkout_nothing_more_is_taken(change: dict[str, Any], where: str) -> None:
    assert read_beacon(body("checkout_started", data={"checkout": change})) == Refused(MALFORMED, where)


def test_how_long_an_id_is_and_how_it_is_made_is_shopifys_affair() -> None:
    beacon = read("checkout_started", id="e1", clientId="v1", data={"checkout": {"token": "Z2NwLX.VzOjAx+Sg=="}})
    assert (beacon.event_id, beacon.visitor) == ("e1", "v1")
    assert beacon.details.checkout
    assert beacon.details.checkout.token == "Z2NwLX.VzOjAx+Sg=="


def test_an_event_we_do_not_sync_is_refused() -> None:
    for name in ("cart_viewed", "input_changed", "form_submitted", "page_viewed_"):
        assert read_beacon(body(name)) == Refused(BeaconReason.UNKNOWN_EVENT)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe{}", b"[" * 16_000, b'{"a":' * 3_000, b'{"version": NaN}', b"1" * 16_000,
        b'{"version": -Infinity}', "\ufeff{}".encode(), b"\x00", b'{"consent":"\\ud800"}', b"9" * 5_000, b'{"version":1e999}',
    ],
)  # fmt: skip
def test_what_is_no_beacon_at_all(raw: bytes) -> None:
    assert isinstance(read_beacon(raw), Refused)


def test_a_large_body_is_not_even_parsed() -> None:
    assert read_beacon(b" " * (BEACON_BYTES + 1)) == Refused(BeaconReason.TOO_LARGE)
    assert read_beacon(b" " * BEACON_BYTES) == Refused(BeaconReason.NOT_JSON)


@pytest.mark.parametrize("field", ["marketing", "saleOfData"])
def test_without_consent_nothing_of_it_is_looked_at(field: str) -> None:
    """S52: the answer is the same whatever else the beacon says."""
    consent = {"analytics": True, "marketing": True, "preferences": True, "saleOfData": True, field: False}
    assert read_beacon(body(consent=consent)) == Refused(BeaconReason.NO_CONSENT)
    assert read_beacon(body(consent=consent, id="?", name="?", data="?")) == Refused(BeaconReason.NO_CONSENT)


def test_analytics_and_preferences_are_not_asked_for() -> None:
    consent = {"analytics": False, "marketing": True, "preferences": False, "saleOfData": True}
    assert read(consent=consent).consent.allows


@pytest.mark.parametrize("answer", [1, "true", None, []])
def test_an_answer_that_is_no_answer_is_no_consent(answer: Any) -> None:
    consent = {"analytics": True, "marketing": answer, "preferences": True, "saleOfData": True}
    assert read_beacon(body(consent=consent)) == Refused(MALFORMED, "consent.marketing")


def test_texts_are_clean_lines() -> None:
    """A NUL or half a character can't be stored; half a line would break a log."""
    beacon = read("search_submitted", data={"query": " blue\u0000\n\ud800 mug\u202e "})
    assert beacon.details.query == "blue mug"
    assert len(read("search_submitted", data={"query": "ö" * 1_000}).details.query.encode()) <= 255  # type: ignore[union-attr]
    assert read("search_submitted", data={"query": "\u0000"}).details.query is None


def test_an_address_that_can_not_be_one_is_no_email() -> None:
    checkout = read(
        "checkout_started", data={"checkout": {"token": "c1f2a3b4", "email": "ana@@example"}}
    ).details.checkout
    assert checkout
    assert checkout.email is None


def test_the_title_of_a_private_page_is_not_kept() -> None:
    beacon = read("page_viewed", page={"url": "https://pinewood.example.com/account/orders/x", "title": "Ana's order"})
    assert beacon.page
    assert (beacon.page.url, beacon.title) == ("https://pinewood.example.com/account", None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_answered(raw: bytes) -> None:
    assert isinstance(read_beacon(raw), Refused)


@given(st.sampled_from([*said(), "extra"]), JSON, st.sampled_from(sorted(DATA)))
@settings(deadline=None, max_examples=300)
def test_any_value_anywhere_is_answered(field: str, value: Any, name: str) -> None:
    read_beacon(json.dumps({**said(name), field: value}).encode())


def test_ten_thousand_damaged_beacons_are_answered() -> None:
    """What is still read says nothing that could not be stored."""
    chance = random.Random(5)
    whole = [body(name) for name in DATA]
    kept = 0
    for _ in range(10_000):
        raw = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(raw))
            match chance.randrange(4):
                case 0:
                    raw[at] = chance.randrange(256)
                case 1:
                    del raw[at : at + chance.randint(1, 20)]
                case 2:
                    raw[at:at] = raw[chance.randrange(len(raw)) :][:20]
                case _:
                    raw[at:at] = chance.choice([b"null", b'"', b"{", b"]", b"\\u0000", b"\\ud800", b"-1", b"1e999"])
        answer = read_beacon(bytes(raw))
        if isinstance(answer, Beacon):
            kept += 1
            repr(answer).encode()
            assert "\\x00" not in repr(answer)
            assert answer.consent.allows
    assert 0 < kept < 3_000
