"""The pixel's door: what is taken of a browser's events, and that nothing else is ever kept (S44 to S52, S112)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pixel_house as pixel
import pytest
import web_house as house
import webhook_house as wh
from webhook_house import Ear

from shopchimp.db import pixels
from shopchimp.domain.customer_events.names import StoreEvent

URGENT = {"checkout_started", "payment_info_submitted", "checkout_completed", "product_added_to_cart"}


@pytest.fixture
def ear(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    with wh.listening(postgres_url, monkeypatch) as ear:
        pixel.empty(ear)
        yield ear


@pytest.fixture
def account(ear: Ear) -> str:
    return pixel.shop(ear)


@pytest.mark.parametrize("name", StoreEvent)
def test_each_event_is_kept_and_marks_its_visitor(ear: Ear, account: str, name: StoreEvent) -> None:
    """S44 to S51: by its own name and time, and whatever belongs to a cart or a checkout in the lane that goes first."""
    at = datetime.now(UTC) - timedelta(minutes=5)
    pixel.send(ear, pixel.said(account, name, timestamp=at.isoformat().replace("+00:00", "Z"), customerId="101"))
    [row] = ear.rows("select * from customer_events")
    assert (row["shop_id"], row["name"], row["visitor"], row["customer_id"]) == (
        ear.shop,
        name,
        "visitor-00000001",
        101,
    )
    assert row["happened_at"] == at.replace(microsecond=0)
    assert row["consent"] == {"analytics": True, "marketing": True, "preferences": True, "sale_of_data": True}
    assert (row["state"], row["body"]["page"]["url"]) == ("waiting", "https://shop.example.com/products/mug")
    change = ear.changes()["visitor:visitor-00000001"]
    assert (change["kind"], change["lane"]) == ("event", "events" if name in URGENT else "views")
    assert change["event_at"] == at.replace(microsecond=0)
    assert ear.rows("select lane from lanes where ready_at is not null") == [{"lane": change["lane"]}]
    counted = ear.rows("select direction, name, outcome, n from event_counts")
    assert counted == [{"direction": "to_mailchimp", "name": name, "outcome": "received", "n": 1}]
    assert ear.rows("select last_event_at is not null as seen from pixels") == [{"seen": True}]
    assert ear.woken


def test_the_checkouts_address_is_kept_in_a_column_of_its_own(ear: Ear, account: str) -> None:
    checkout = {"token": "c1f2a3b4c5d6", "email": " Ana@Example.com".strip(), "total": 42, "currency": "USD"}
    pixel.send(ear, pixel.said(account, "checkout_started", data={"checkout": checkout}))
    [row] = ear.rows("select email, checkout, body from customer_events")
    assert (row["email"], row["checkout"]) == ("ana@example.com", "c1f2a3b4c5d6")
    assert "example.com" not in str(row["body"]["details"])


def test_a_double_changes_nothing(ear: Ear, account: str) -> None:
    """The browser or the network may say it twice: in one batch, or an hour apart."""
    event, before = pixel.said(account), pixel.outcomes()
    for _ in range(3):
        pixel.send(ear, event)
    pixel.send(ear, {**event, "name": "search_submitted", "data": {"query": "mug"}})
    assert ear.count("customer_events") == 1
    assert ear.changes()["visitor:visitor-00000001"]["version"] == 1
    assert ear.rows("select name, n from event_counts") == [{"name": "page_viewed", "n": 1}]
    assert pixel.since(before) == {"stored": 1, "double": 3}


def test_the_same_id_in_another_shop_is_another_event(ear: Ear, account: str) -> None:
    other = pixel.shop(ear, house.OTHER_SHOP)
    event = pixel.said(account)
    pixel.send(ear, event)
    pixel.send(ear, {**event, "accountID": other})
    assert len({row["shop_id"] for row in ear.rows("select shop_id from customer_events")}) == 2


def test_a_view_never_takes_a_visitor_out_of_the_lane_that_goes_first(ear: Ear, account: str) -> None:
    for name, lane in (("page_viewed", "views"), ("product_added_to_cart", "events"), ("page_viewed", "events")):
        pixel.send(ear, pixel.said(account, name))
        assert ear.changes()["visitor:visitor-00000001"]["lane"] == lane


@pytest.mark.parametrize(
    "answers", [{"marketing": False}, {"saleOfData": False}, {"marketing": None}, {"marketing": 1}]
)
def test_without_consent_nothing_is_stored(ear: Ear, account: str, answers: dict[str, object]) -> None:
    """S52: not the event, not its visitor, not even a count; only an anonymous figure of this process."""
    consent = {name: value for name, value in {**pixel.AGREED, **answers}.items() if value is not None}
    before = pixel.outcomes()
    pixel.send(ear, pixel.said(account, "checkout_completed", consent=consent, customerId="101"))
    assert pixel.stored(ear) == 0
    assert ear.rows("select last_event_at from pixels") == [{"last_event_at": None}]
    assert sum(pixel.since(before).values()) == 1


def test_without_a_word_about_consent_nothing_is_stored(ear: Ear, account: str) -> None:
    """S52."""
    pixel.send(ear, pixel.said(account, consent=None))
    assert pixel.stored(ear) == 0


NOT_TAKEN = {
    "another account": "update pixels set account_id = 'another'",
    "customer events off": "update pixels set enabled = false",
    "uninstalled": "update shops set uninstalled_at = now()",
    "not live": "update connections set live_since = null",
    "not connected": "delete from connections",
}


@pytest.mark.parametrize("why", NOT_TAKEN)
def test_of_a_shop_that_takes_none_nothing_is_stored(ear: Ear, account: str, why: str) -> None:
    """S40: off means that nothing is kept, from this moment on; nobody else has a public id. S78: nor has anybody after
    the store was disconnected.
    """
    ear.run(NOT_TAKEN[why])
    before = pixel.outcomes()
    pixel.send(ear, pixel.said(account))
    assert pixel.stored(ear) == 0
    assert pixel.since(before) == {"not_ours": 1}


def test_on_again_is_taken_again(ear: Ear, account: str) -> None:
    """S40."""
    for enabled in (False, True):
        with ear.runtime.database.transaction() as tx:
            pixels.set_enabled(tx, ear.shop, enabled=enabled)
        pixel.send(ear, pixel.said(account))
        assert ear.count("customer_events") == int(enabled)


def test_the_public_id_stays_and_follows_the_setting(ear: Ear, account: str) -> None:
    with ear.runtime.database.transaction() as tx:
        assert pixels.ensure(tx, ear.shop) == account
    other = house.add_shop(ear.runtime.database, house.OTHER_SHOP, settings={"customer_events": False})
    with ear.runtime.database.transaction() as tx:
        assert pixels.ensure(tx, other) != account
    assert ear.rows("select enabled from pixels where shop_id = :shop", shop=other) == [{"enabled": False}]


@pytest.mark.parametrize(("hours", "outcome"), [(-25, "too_old"), (25, "future")])
def test_a_clock_that_is_off_by_a_day_is_not_believed(ear: Ear, account: str, hours: int, outcome: str) -> None:
    before = pixel.outcomes()
    at = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    pixel.send(ear, pixel.said(account, timestamp=at))
    assert pixel.stored(ear) == 0
    assert pixel.since(before) == {outcome: 1}


@pytest.mark.parametrize("who", ["customer:101", "ana@example.com"])
def test_of_somebody_who_was_erased_nothing_is_stored(ear: Ear, account: str, who: str) -> None:
    """A late event doesn't bring back whom the shop had erased; others of the same batch are stored."""
    pixel.bury(ear, ear.shop, who)
    before = pixel.outcomes()
    checkout = {"checkout": {"token": "c1f2a3b4c5d6", "email": "Ana@example.com"}}
    pixel.send(ear, pixel.said(account, "checkout_started", customerId="101", data=checkout))
    assert pixel.stored(ear) == 0
    pixel.send(ear, pixel.said(account, customerId="102"))
    assert ear.count("customer_events") == 1
    assert pixel.since(before) == {"erased": 1, "stored": 1}


def test_a_preflight_is_answered_for_every_origin(ear: Ear) -> None:
    headers = {"Origin": "null", "Access-Control-Request-Method": "POST"}
    answer = ear.client.options(pixel.PATH, headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert "access-control-allow-credentials" not in answer.headers


def test_other_methods_and_paths_are_no_door(ear: Ear, account: str) -> None:
    assert ear.client.get(pixel.PATH).status_code in (404, 405)
    assert ear.client.post("/pixel/v1/event", json=pixel.said(account)).status_code == 404
    assert pixel.stored(ear) == 0


def test_a_body_over_16_kb_is_not_read(ear: Ear, account: str) -> None:
    before = pixel.outcomes()
    large = pixel.said(account, page={"url": "https://shop.example.com/", "title": "x" * 16_384})
    pixel.send(ear, large)
    pixel.send(ear, b" " * 1_000_000)
    pixel.send(ear, pixel.said(account), **{"Content-Length": "nonsense"})
    assert pixel.stored(ear) == 0
    assert pixel.since(before) == {"too_large": 3}


def test_whatever_it_calls_itself_it_is_read_as_json(ear: Ear, account: str) -> None:
    for kind in ("text/plain;charset=UTF-8", "application/json", "multipart/form-data", ""):
        pixel.send(ear, pixel.said(account), **{"Content-Type": kind})
    assert ear.count("customer_events") == 4


def test_an_answer_says_nothing_about_what_came_of_it(ear: Ear, account: str) -> None:
    def told(body: dict[str, object]) -> dict[str, str]:
        return dict(ear.client.post(pixel.PATH, json=body).headers)

    refused = {**pixel.AGREED, "marketing": False}
    assert told(pixel.said(account)) == told(pixel.said("nobody")) == told(pixel.said(account, consent=refused))
