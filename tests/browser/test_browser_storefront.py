"""A visitor walks through the store in a real browser, with the real pixel: what they do is at Mailchimp as they agreed.

Everything runs: web, worker, Postgres, Redis and both sandboxes. The storefront loads extensions/shopchimp-pixel/src in
a web worker, as Shopify does, once the app has made its pixel and the visitor has agreed to what the pixel asks for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from shopchimp.db.session import Database
from shopchimp.local.house import SHOP, House, Plan
from shopchimp.local.merchant import Merchant
from stage import Sandbox, wait_for

EIGHT = {
    "page_viewed",
    "product_viewed",
    "collection_viewed",
    "search_submitted",
    "product_added_to_cart",
    "checkout_started",
    "payment_info_submitted",
    "checkout_completed",
}  # S44 to S51
GENEROUS = 30.0  # seconds
BEACON = "/pixel/v1/events"

Row = dict[str, Any]


class Store:
    """The house behind the storefront: what it keeps, and what Mailchimp was told."""

    def __init__(self, house: House, sandbox: Sandbox, database: Database) -> None:
        self.url = f"{house.shopify_url}/{SHOP}/"
        self.sandbox, self._database = sandbox, database
        customers, contacts = sandbox.state("shopify"), sandbox.state("mailchimp")
        both = (key for key in sorted(customers) if contacts.get(key, {}).get("status") == "subscribed")
        self._subscribers = iter([key for key in both if customers[key]["marketingState"] == "SUBSCRIBED"])

    def subscriber(self) -> str:
        """Somebody who gets the newsletter, and was in no test before."""
        return next(self._subscribers)

    def rows(self, query: str, **values: Any) -> list[Row]:
        with self._database.transaction() as tx:
            return [dict(row._mapping) for row in tx.execute(text(query), values)]

    def told(self, email: str) -> list[Row]:
        """The events of a contact at Mailchimp."""
        return [event for event in self.sandbox.events() if event["email"] == email.lower()]

    def pixel_is_there(self) -> bool:
        return '"pixels": [{' in self.sandbox.http.get(f"/{SHOP}/").text


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[Store]:
    """The first sync is complete, webhooks are heard, and the pixel is made."""
    folder: Path = tmp_path_factory.mktemp("house")
    goods = ["--people", "60", "--invented-products", "20"]
    with House(Plan(folder, sandbox=goods, durable=False)) as house:
        merchant = Merchant(app_url=house.app_url, sandbox_url=house.shopify_url, shop=SHOP)
        merchant.connect()
        merchant.choose_audience()
        preview = merchant.preview(timeout=120)
        merchant.start(preview["id"])
        merchant.follow(preview["id"], timeout=120)
        wait_for(lambda: _is_quiet(merchant), seconds=120)
        sandbox, database = Sandbox(house.shopify_url, house.mailchimp_url), Database(house.postgres.url, pool_size=1)
        with sandbox.http:
            opened = Store(house, sandbox, database)
            wait_for(opened.pixel_is_there, seconds=60)
            yield opened
        database.close()
        merchant.close()


def _is_quiet(merchant: Merchant) -> bool:
    live = merchant.call("GET", "/live")
    return live["state"] == "up_to_date" and all(beat["hooks"] for beat in live["heartbeats"])


class Visitor:
    """Somebody at the browser, in a tab of their own."""

    def __init__(self, store: Store, context: Any) -> None:
        self.store = store
        self.page = context.new_page()
        self.beacons: list[str] = []
        context.on("request", lambda request: self.beacons.append(request.url) if BEACON in request.url else None)
        self.page.goto(store.url)
        self.ready()

    def ready(self) -> None:
        """The page is there, and what the pixel heard in it is stored: a page that is left at once takes it along."""
        self.page.locator("body[data-ready]").wait_for()
        assert all_are_stored(self, self.published())

    def published(self) -> list[Row]:
        """All that the store published in this tab, heard by the pixel or not."""
        return json.loads(self.page.evaluate("sessionStorage.getItem('published')") or "[]")

    def answers(self, button: str, **choices: bool) -> None:
        """The visitor's answer to the banner; `choices` tick its boxes first."""
        if not self.page.locator("#privacy").is_visible():
            self.page.get_by_role("button", name="Privacy choices").click()
        for label, wanted in choices.items():
            self.page.get_by_label(label.replace("_", " "), exact=True).set_checked(wanted)
        self.page.get_by_role("button", name=button).click()
        self.page.locator("#privacy").wait_for(state="hidden")

    def listened_to(self) -> None:
        self.page.locator("[data-pixel]", has_text="is listening").wait_for()

    def goes(self, name: str) -> None:
        """By a link of the store's menu."""
        before = self.page.url
        self.page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
        self.page.wait_for_url(lambda url: url != before)
        self.ready()

    def looks_at_a_product(self) -> None:
        self.page.locator(".goods a").first.click()
        self.page.wait_for_url("**/products/*")
        self.ready()

    def searches(self, words: str) -> None:
        self.page.get_by_label("Search").fill(words)
        self.page.get_by_role("button", name="Search").click()
        self.page.wait_for_url("**/search?*")
        self.ready()

    def adds_to_the_cart(self) -> None:
        self.page.get_by_role("button", name="Add to cart").click()
        self.page.get_by_text("is in your cart").wait_for()
        self.ready()

    def buys(self, email: str) -> None:
        """From the cart to the order."""
        self.goes("Cart")
        self.page.get_by_role("button", name="Check out").click()
        self.page.wait_for_url("**/information")
        self.ready()
        self.page.get_by_label("Email", exact=True).fill(email)
        self.page.get_by_role("button", name="Continue to payment").click()
        self.page.wait_for_url("**/payment")
        self.ready()
        self.page.get_by_role("button", name="Pay now").click()
        self.page.wait_for_url("**/thank-you")
        self.ready()

    def walks(self, email: str) -> None:
        """All that there is to do in a store."""
        self.goes("Products")
        self.looks_at_a_product()
        self.adds_to_the_cart()
        self.searches("mug")
        self.buys(email)


def arrives_rightly(events: list[Row], published: list[Row]) -> None:
    """Each is one that happened, under its name, at its time; and starts automations."""
    happened = {line["id"]: line for line in published}
    assert len({event["properties"]["event_id"] for event in events}) == len(events), "one was told twice"
    for event in events:
        line = happened[event["properties"]["event_id"]]
        at = datetime.fromisoformat(line["timestamp"]).astimezone(UTC).replace(microsecond=0)
        assert (event["name"], datetime.fromisoformat(event["occurred_at"])) == (line["name"], at)
        assert event["is_syncing"] is False


def eventually(page: Any, condition: Callable[[], Any]) -> bool:
    """Wait while the browser goes on: its requests pass through this thread."""
    deadline = time.monotonic() + GENEROUS
    while not (found := condition()) and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    return bool(found)


def all_arrive(visitor: Visitor, email: str, names: set[str]) -> None:
    """Wait until exactly these names are at Mailchimp; or say how far the events came."""
    store = visitor.store
    if not eventually(visitor.page, lambda: {event["name"] for event in store.told(email)} == names):
        told = sorted(event["name"] for event in store.told(email))
        events = store.rows("select name, state, reason, email, checkout, customer_id from customer_events")
        changes = store.rows(
            "select key, lane, state, attempts, token, cause, detail, due_at - now() as due from changes"
        )
        raise AssertionError(f"{email} has {told}, we have {events}, to do: {changes}")


def heard(published: list[Row]) -> set[str]:
    """The ids of those that the pixel heard and tells."""
    return {line["id"] for line in published if line["pixels"] and line["name"] in EIGHT}


def traces(store: Store, published: list[Row]) -> list[Row]:
    """What there is of these events or of their visitors."""
    ids, visitors = [line["id"] for line in published], sorted({line["visitor"] for line in published})
    keys = [f"visitor:{each}" for each in visitors]
    found = store.rows("select * from customer_events where id = any(:ids) or visitor = any(:v)", ids=ids, v=visitors)
    found += store.rows("select * from visitors where visitor = any(:visitors)", visitors=visitors)
    return found + store.rows("select * from changes where key = any(:keys)", keys=keys)


def all_are_stored(visitor: Visitor, published: list[Row]) -> bool:
    """All that the pixel heard is here, so that what comes later is somebody else's."""
    ids = sorted(heard(published))
    query = "select count(*) as n from customer_events where id = any(:ids)"
    return eventually(visitor.page, lambda: visitor.store.rows(query, ids=ids)[0]["n"] == len(ids))


def received(store: Store) -> int:
    """How many events were ever counted; whatever is counted is counted as received too."""
    query = (
        "select coalesce(sum(n), 0) as n from event_counts where direction = 'to_mailchimp' and outcome = 'received'"
    )
    return int(store.rows(query)[0]["n"])


def somebody_else_is_followed(store: Store, context: Any) -> list[Row]:
    """The store is alive: what another visitor does, who is logged in and agrees, is at Mailchimp."""
    other, email = Visitor(store, context), store.subscriber()
    other.answers("Accept all")
    other.goes("Log in")
    other.page.get_by_label("Email of a customer").fill(email)
    other.page.get_by_role("main").get_by_role("button", name="Log in").click()
    other.page.locator("[data-customer]", has_text=email).wait_for()
    other.ready()
    other.looks_at_a_product()
    all_arrive(other, email, {"page_viewed", "product_viewed"})
    published = other.published()
    arrives_rightly(store.told(email), published)
    assert all_are_stored(other, published)
    return published


def test_who_agrees_is_followed_from_the_first_view_to_the_payment(
    store: Store, open_context: Any, axe: Any, shot: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """S42 to S51, S112: eight events under exact names with right times, though only the checkout says who it was."""
    visitor, email = Visitor(store, open_context()), store.subscriber()
    shot(visitor.page, "store-banner")
    assert axe(visitor.page) == []
    visitor.answers("Accept all")
    visitor.listened_to()
    visitor.walks(email)
    began = time.monotonic()
    all_arrive(visitor, email, EIGHT)
    took = time.monotonic() - began
    shot(visitor.page, "store-thanks")
    published, told = visitor.published(), store.told(email)
    arrives_rightly(told, published)
    for name in EIGHT - {"page_viewed"}:
        assert [event["name"] for event in told].count(name) == 1, name
    (paid,) = (event for event in told if event["name"] == "checkout_completed")
    assert paid["properties"]["order_id"].isdecimal()
    sent = "select visitor, email, checkout, body from customer_events where id = :id and state = 'sent'"
    id_ = paid["properties"]["event_id"]
    assert eventually(visitor.page, lambda: store.rows(sent, id=id_)), "it is there, and then noted as sent"
    assert [*store.rows(sent, id=id_)[0].values()] == [None] * 4, "what was sent is forgotten"
    assert all_are_stored(visitor, published)
    with capsys.disabled():
        print(f"\nAll eight events were at Mailchimp {took:.2f} s after the payment")


def test_who_refuses_leaves_no_trace(store: Store, open_context: Any) -> None:
    """S52: the order is an order; of the visit there is nothing, neither here nor at Mailchimp."""
    before = received(store)
    visitor, email = Visitor(store, open_context()), store.subscriber()
    visitor.answers("Decline all")
    visitor.walks(email)
    published = visitor.published()
    assert {line["name"] for line in published} >= EIGHT, "the walk was not whole"
    bought = "select 1 from checkouts where ordered and node ->> 'email' = :email"
    assert eventually(visitor.page, lambda: store.rows(bought, email=email)), "the order went its way"
    others = somebody_else_is_followed(store, open_context())
    assert visitor.beacons == [], "the browser sent something"
    assert heard(published) == set()
    assert traces(store, published) == []
    assert store.told(email) == []
    assert received(store) == before + len(heard(others))


def test_who_agrees_halfway_is_followed_from_there_to_where_they_take_it_back(store: Store, open_context: Any) -> None:
    """S52: analytics alone is no consent to marketing; nor is marketing while opted out of the sale of data."""
    visitor, email = Visitor(store, open_context()), store.subscriber()
    visitor.answers("Save my choices", Analytics=True, Marketing=False)
    visitor.goes("Products")
    visitor.answers("Save my choices", Analytics=True, Marketing=True, Sale_of_my_data=False)
    visitor.looks_at_a_product()
    unheard = visitor.published()
    assert visitor.beacons == []
    visitor.answers("Save my choices", Analytics=False, Preferences=False, Marketing=True, Sale_of_my_data=True)
    visitor.listened_to()
    visitor.adds_to_the_cart()
    visitor.searches("mug")
    visitor.buys(email)
    visitor.answers("Decline all")
    agreed = visitor.published()
    visitor.goes("Products")
    visitor.looks_at_a_product()
    expected = EIGHT - {"product_viewed", "collection_viewed"}
    all_arrive(visitor, email, expected)
    others = somebody_else_is_followed(store, open_context())
    published = visitor.published()
    told = store.told(email)
    arrives_rightly(told, agreed[len(unheard) :])
    assert {line["name"] for line in published[len(agreed) :]} == {"page_viewed", "collection_viewed", "product_viewed"}
    silent = [*unheard, *published[len(agreed) :]]
    ids = [line["id"] for line in silent]
    assert store.rows("select * from customer_events where id = any(:ids)", ids=ids) == []
    assert others
    consents = store.rows("select consent from customer_events where id = any(:ids)", ids=sorted(heard(agreed)))
    assert {json.dumps(row["consent"], sort_keys=True) for row in consents} == {
        '{"analytics": false, "marketing": true, "preferences": false, "sale_of_data": true}'
    }
