"""Orders, carts and promo codes in a real browser: accessible, by keyboard, without script, inside the admin."""

from __future__ import annotations

import base64
from typing import Any

import commerce_house as goods
import pytest
import web_house as house
from sqlalchemy import text
from test_browser_flows import ADMIN, BRIDGE_DOUBLE, press

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture
def shop(standalone: Any, database: Any) -> int:
    """A shop with Anna's purchases and discounts, live, whose sums don't close."""
    return fill(standalone, database)


def fill(server: Any, database: Any) -> int:
    shop = house.add_shop(database, scopes="read_customers,read_orders,read_products,read_discounts")
    house.connect(server.runtime, shop)
    house.add_run(database, shop, "done")
    house.add_person(database, shop)
    goods.open_commerce(database, shop)
    goods.add_purchases(database, shop)
    refused = {"state": "failed", "reason": "mc_rejected", "detail": "order_url: not a valid URL"}
    goods.add_order(database, shop, goods.order_node(1051, "6.00", "2026-11-22T11:00:00Z"), **refused)
    goods.add_discount(database, shop, 1, codes=70)
    goods.add_discount(database, shop, 2, codes=1, state="skipped", reason="buy_x_get_y")
    return shop


PAGES = {
    "overview-commerce": "/",
    "person-commerce": "/contacts/1",
    "person-abandoned": "/contacts/1?state=abandoned",
    "person-nothing": "/contacts/1?store=other.myshopify.com",
    "promo": "/promo-codes",
    "promo-none": "/promo-codes?q=nothing",
    "promo-unsupported": "/promo-codes?result=skipped",
    "discounts": "/promo-codes/discounts",
    "commerce": "/commerce",
    "commerce-failed": "/commerce/order?result=failed",
    "order": "/activity?order=6042",
    "options-history": "/setup/options",
    "disconnect-store": "/settings/disconnect",
}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 320)])
def test_every_page_of_commerce_is_accessible(
    standalone: Any,
    database: Any,
    shop: int,
    scheme: str,
    width: int,
    open_context: Any,
    axe: Any,
    shot: Any,
) -> None:
    """Criteria 6 and 8; S94 to S101 with every order's details open."""
    alarmed(database, shop)
    page = open_context(color_scheme=scheme, viewport={"width": width, "height": 800}).new_page()
    found: dict[str, Any] = {}
    for name, path in PAGES.items():
        page.goto(standalone.url + path)
        page.evaluate("document.querySelectorAll('.deals details').forEach((each, n) => { each.open = n < 3; })")
        shot(page, f"{name}-{width}-{scheme}")
        if problems := axe(page):
            found[name] = problems
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            found[f"{name} scrolls sideways"] = [f"{wide} px"]
    assert not found, found


def alarmed(database: Any, shop: int) -> None:
    cursor = (
        '{"kinds": {"order": {"source": 9, "missing": 3, "extra": 0}, "product": {"source": 1, "missing": 0,'
        ' "extra": 0}}, "checked_at": "2026-11-22T10:00:00+00:00", "open_since": "2026-11-22T09:00:00+00:00"}'
    )
    query = "insert into chores (shop_id, name, cursor) values (:shop, 'completeness', cast(:cursor as jsonb))"
    with database.transaction() as tx:
        tx.execute(text(query), {"shop": shop, "cursor": cursor})


@pytest.mark.parametrize("path", ["/promo-codes", "/commerce", "/contacts/1"])
def test_before_anything_is_known_the_pages_are_accessible_too(
    standalone: Any, database: Any, open_context: Any, axe: Any, path: str
) -> None:
    shop = house.add_shop(database)
    house.connect(standalone.runtime, shop)
    house.add_run(database, shop, "running")
    house.add_person(database, shop)
    page = open_context().new_page()
    page.goto(standalone.url + path)
    assert axe(page) == []


def test_the_promo_button_by_keyboard_starts_one_run_and_the_page_sees_its_end(
    standalone: Any, database: Any, shop: int, open_context: Any, axe: Any, shot: Any
) -> None:
    """S65, criteria 15 and 24: the button moves along to the run under way, and polling ends with it."""
    page = open_context().new_page()
    page.clock.install()
    page.goto(f"{standalone.url}/promo-codes")
    press(page, page.get_by_role("button", name="Sync promo codes"))
    page.get_by_text("Syncing promo codes.").wait_for()
    shot(page, "promo-running")
    assert axe(page) == []
    with page.expect_response("**/promo-codes/sync"):  # else the run would be over before it is asked for again
        press(page, page.get_by_role("button", name="Sync promo codes"))
    page.get_by_text("It begins in a moment.").wait_for()
    assert database_count(database, "select count(*) from promo_runs") == 1
    done = """
        update promo_runs set state = 'done', finished_at = now(), counts = '{"added": 36, "changed": 2, "removed": 1}'
    """
    with database.transaction() as tx:
        tx.execute(text(done))
    with page.expect_response("**/promo-codes"):
        page.clock.run_for(2100)
    page.get_by_text("36 added · 2 changed · 1 removed · 0 failed").wait_for()
    assert page.locator("[data-poll]").count() == 0


def test_a_persons_orders_are_read_and_filtered_without_script(
    standalone: Any, database: Any, shop: int, open_context: Any
) -> None:
    """S96, S100."""
    page = open_context(java_script_enabled=False).new_page()
    page.goto(f"{standalone.url}/contacts/1")
    page.locator("summary", has_text="Products of Order #1042").click()
    page.get_by_role("link", name="#1042 in Shopify").wait_for()
    row = page.get_by_role("table", name="Products of Order #1042")
    for said in ("Brass desk lamp - Large", "Lamps", "BDL-L", "€27.00"):
        assert row.get_by_text(said, exact=True).is_visible()
    page.get_by_label("Activity", exact=True).select_option("Abandoned")
    page.get_by_role("button", name="Filter").click()
    page.get_by_text("Cart #C77").first.wait_for()
    assert "state=abandoned" in page.url
    assert page.get_by_text("Order #1042").count() == 0


def test_the_panel_by_keyboard(standalone: Any, database: Any, shop: int, open_context: Any) -> None:
    """Criterion 7: an order's products are opened by its own control."""
    page = open_context().new_page()
    page.goto(f"{standalone.url}/contacts/1")
    press(page, page.locator("summary", has_text="Products of Order #1042"))
    page.get_by_role("link", name="#1042 in Shopify").wait_for()


def test_inside_the_admin_pictures_are_shown(
    embedded: Any, database: Any, open_context: Any, axe: Any, shot: Any
) -> None:
    """S100: the picture of a product, from Shopify's own address, with our policy in force."""
    fill(embedded, database)
    src = f"{embedded.url}/contacts/1?shop={house.SHOP}&host=aG9zdA&id_token={house.session_token()}"
    frame = f'<!doctype html><title>Admin</title><iframe title="app" name="app" src="{src}" width="1000" height="900"></iframe>'

    def cdn(route: Any) -> None:
        if route.request.url.endswith(".js"):
            route.fulfill(body=BRIDGE_DOUBLE, content_type="text/javascript")
        else:
            route.fulfill(body=DOT, content_type="image/png")

    doubles = {"admin.shopify.com": lambda route: route.fulfill(body=frame, content_type="text/html")}
    context = open_context(doubles={**doubles, "cdn.shopify.com": cdn})
    context.expose_function("sessionToken", house.session_token)
    page = context.new_page()
    page.goto(ADMIN)
    app = page.frame(name="app")
    app.locator("summary", has_text="Products of Order #1042").click()
    picture = app.locator("img.picture").first
    picture.scroll_into_view_if_needed()
    app.wait_for_function("document.querySelector('img.picture').naturalWidth > 0")
    assert axe(app) == []
    shot(page, "embedded-person")


def database_count(database: Any, query: str) -> int:
    with database.transaction() as tx:
        return int(tx.execute(text(query)).scalar_one())
