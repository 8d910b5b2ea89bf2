"""The demo's effect: consent changed by clicking on one side is on the other side, with its reason, in two seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shopchimp.local.house import SHOP, House, Plan
from shopchimp.local.merchant import Merchant
from stage import Sandbox, wait_for

GENEROUS = 30.0  # seconds; the promise is two, and what it took is printed
STORE = SHOP.removesuffix(".myshopify.com")


@pytest.fixture(scope="module")
def live_house(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[House]:
    """Everything runs, and the first sync is complete: webhooks are registered and heard."""
    folder: Path = tmp_path_factory.mktemp("house")
    with House(Plan(folder, sandbox=["--people", "200"], durable=False)) as house:
        merchant = Merchant(app_url=house.app_url, sandbox_url=house.shopify_url, shop=SHOP)
        merchant.connect()
        merchant.choose_audience()
        preview = merchant.preview(timeout=120)
        merchant.start(preview["id"])
        merchant.follow(preview["id"], timeout=120)
        wait_for(lambda: _is_quiet(merchant), seconds=120)
        yield house
        merchant.close()


def _is_quiet(merchant: Merchant) -> bool:
    """Live sync is on, both platforms tell us, and what the first sync left over is done."""
    live = merchant.call("GET", "/live")
    return live["state"] == "up_to_date" and all(beat["hooks"] for beat in live["heartbeats"])


@pytest.fixture(scope="module")
def subscribers(live_house: House) -> list[str]:
    """Addresses that are subscribed on both sides."""
    sandbox = Sandbox(live_house.shopify_url, live_house.mailchimp_url)
    with sandbox.http:
        contacts, customers = sandbox.state("mailchimp"), sandbox.state("shopify")
    both = [
        key
        for key, customer in customers.items()
        if "SUBSCRIBED" in customer.values() and key in contacts and contacts[key]["status"] == "subscribed"
    ]
    assert len(both) >= 2, "the sandbox has too few people who are subscribed on both sides"
    return sorted(both)


def seconds_until(seen: Callable[[], bool], began: float, what: str) -> float:
    """How long it took until this was seen, as somebody sees it who reloads all the time."""
    while not seen():
        assert time.monotonic() - began < GENEROUS, f"{what}: not within {GENEROUS:.0f} s"
    return time.monotonic() - began


def customer_page(page: Any, house: House, email: str) -> None:
    """Go to a customer in the sandbox's Shopify admin, by its search."""
    page.goto(f"{house.shopify_url}/store/{STORE}/customers")
    page.get_by_label("Search").fill(f"email:{email}")
    page.get_by_role("button", name="Search").click()
    page.locator("table a").first.click()
    page.locator("#email").get_by_text(email, exact=False).wait_for()


def contact_page(page: Any, house: House, email: str) -> None:
    """Go to a contact in the sandbox's Mailchimp, by its search."""
    page.goto(house.mailchimp_url)
    page.get_by_role("link", name="Newsletter").click()
    page.get_by_label("Search").fill(email)
    page.get_by_role("button", name="Find").click()
    page.locator("table a").first.click()
    page.get_by_role("heading", name=email).wait_for()


def log_of(page: Any, house: House, email: str) -> None:
    """Go to the person's lines in our activity log, by its search."""
    page.goto(f"{house.app_url}/activity")
    page.get_by_label("Find a customer").fill(email)
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/activity?contact=*")


def reloaded(page: Any, row: str, word: str) -> Callable[[], bool]:
    """Whether a row of the page says a word now."""

    def look() -> bool:
        page.reload()
        found = page.locator(row).all_inner_texts()
        return any(word in text for text in found)

    return look


def test_an_opt_out_in_shopify_is_in_mailchimp_and_in_the_log(
    live_house: House, subscribers: list[str], open_context: Any, shot: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """S23, S27: by webhook, and the log says why and who told us."""
    email, context = subscribers[0], open_context()
    admin, mailchimp, log = context.new_page(), context.new_page(), context.new_page()
    contact_page(mailchimp, live_house, email)
    log_of(log, live_house, email)
    customer_page(admin, live_house, email)
    admin.get_by_label("Email marketing").select_option("UNSUBSCRIBED")
    began = time.monotonic()
    admin.get_by_role("button", name="Save").click()
    there = seconds_until(reloaded(mailchimp, "tr", "Status\tunsubscribed"), began, "Mailchimp")
    logged = seconds_until(reloaded(log, ".list tr", "They opted out in Shopify"), began, "the log")
    shot(log, "live-log")
    shot(mailchimp, "live-mailchimp")
    with capsys.disabled():
        print(f"\nShopify to Mailchimp: on the contact's page after {there:.2f} s, in the log after {logged:.2f} s")
    log.locator(".list a", has=log.locator("time")).first.click()
    log.get_by_text("A webhook from Shopify").wait_for()
    log.get_by_text("Subscribed", exact=True).first.wait_for()
    shot(log, "live-item")


def test_an_opt_out_in_mailchimp_is_in_shopify_and_in_the_log(
    live_house: House, subscribers: list[str], open_context: Any, shot: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """S24, S27: the other way round."""
    email, context = subscribers[1], open_context()
    admin, mailchimp, log = context.new_page(), context.new_page(), context.new_page()
    customer_page(admin, live_house, email)
    log_of(log, live_house, email)
    contact_page(mailchimp, live_house, email)
    began = time.monotonic()
    mailchimp.get_by_role("button", name="Unsubscribe by the link").click()
    there = seconds_until(reloaded(admin, "#consent", "UNSUBSCRIBED"), began, "Shopify")
    logged = seconds_until(reloaded(log, ".list tr", "They opted out in Mailchimp"), began, "the log")
    shot(admin, "live-shopify")
    with capsys.disabled():
        print(f"\nMailchimp to Shopify: on the customer's page after {there:.2f} s, in the log after {logged:.2f} s")
    log.locator(".list a", has=log.locator("time")).first.click()
    log.get_by_text("A webhook from Mailchimp").wait_for()
    log.goto(f"{live_house.app_url}/live")
    log.get_by_text("Mailchimp to Shopify").first.wait_for()
    shot(log, "live-page")


def test_an_audit_by_a_click_explains_every_difference(
    live_house: House, open_context: Any, axe: Any, shot: Any
) -> None:
    """The drift audit's page beside real work: reading, comparing, repairing, done."""
    page = open_context().new_page()
    page.goto(f"{live_house.app_url}/drift")
    page.get_by_role("button", name="Check now").click()
    page.get_by_text("0 unexplained differences").wait_for(timeout=90_000)
    shot(page, "live-drift")
    assert axe(page) == []


def test_the_field_map_shows_a_customers_values(live_house: House, open_context: Any, axe: Any, shot: Any) -> None:
    """S75: with samples of a real customer; and a type that doesn't fit is said at its row."""
    page = open_context().new_page()
    page.goto(f"{live_house.app_url}/settings/fields")
    page.get_by_text("The map is shown as it is saved").wait_for(state="detached")
    samples = page.locator("td[data-label=Sample]").all_inner_texts()
    assert any(sample.strip(" –") for sample in samples), samples
    page.get_by_label("What goes into ADDRESS").select_option("Company")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("ADDRESS has the type address in Mailchimp").wait_for()
    shot(page, "live-fields")
    assert axe(page) == []
    page.get_by_label("What goes into ADDRESS").select_option("Address")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("ADDRESS has the type address in Mailchimp").wait_for(state="detached")


def test_sms_is_counted_switched_on_and_off(live_house: House, open_context: Any, axe: Any, shot: Any) -> None:
    """S28 to S34 by clicks, against the sandbox's approved programme."""
    page = open_context().new_page()
    page.goto(f"{live_house.app_url}/settings/sms")
    page.locator("#start").fill("2020-01-01")
    page.get_by_role("button", name="Count people").click()
    page.get_by_text("Nothing is saved yet").wait_for()
    shot(page, "live-sms")
    assert axe(page) == []
    page.get_by_role("button", name="Activate").click()
    page.get_by_text("On for consent given on or after 1 Jan 2020").wait_for()
    page.get_by_role("button", name="Deactivate").click()
    page.get_by_text("On for consent given on or after").wait_for(state="detached")
