"""A person with a keyboard goes through the setup, watches the sync, searches, saves; with and without the admin around."""

from __future__ import annotations

import re
from typing import Any

import pytest
import web_house as house
from sqlalchemy import text

ADMIN = "https://admin.shopify.com/store/demo-store/apps/web-test-key"

# What App Bridge is documented to do, in ten lines: it puts a fresh session token on each fetch to our own origin,
# retries once where the server asks for it, and on the bounce page goes to `shopify-reload` with a token.
BRIDGE_DOUBLE = """
(() => {
  const plain = window.fetch;
  const ask = async (input, init = {}) => plain(input, {...init, headers: {...init.headers,
    Authorization: "Bearer " + await window.sessionToken()}});
  window.fetch = async (input, init) => {
    if (new URL(input, location.href).origin !== location.origin) return plain(input, init);
    const answer = await ask(input, init);
    return answer.status === 401 && answer.headers.get("X-Shopify-Retry-Invalid-Session-Request") ? ask(input, init) : answer;
  };
  window.shopify = { toast: { show: (text) => { window.toasted = text; } } };
  const reload = new URLSearchParams(location.search).get("shopify-reload");
  if (reload) window.sessionToken().then((token) => {
    const url = new URL(reload); url.searchParams.set("id_token", token); location.replace(url); });
})();
"""


def tab_to(page: Any, what: Any) -> None:
    """Press Tab until this has the focus: a control nobody can reach by keyboard fails."""
    for _ in range(60):
        if what.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"not reachable by keyboard: {what}")


def press(page: Any, what: Any, key: str = "Enter") -> None:
    tab_to(page, what)
    visible = what.evaluate("node => getComputedStyle(node).outlineStyle !== 'none'")
    assert visible, "the focus can't be seen"
    page.keyboard.press(key)


def update_run(database: Any, run: str, **values: Any) -> None:
    with database.transaction() as tx:
        pairs = ", ".join(f"{name} = :{name}" for name in values)
        tx.execute(text(f"update sync_runs set {pairs} where id = :id"), {"id": run, **values})


def test_the_whole_setup_by_keyboard(standalone: Any, database: Any, open_context: Any, shot: Any) -> None:
    """From an installed shop to a finished sync, without a mouse. Mailchimp's login is a link back to us."""
    house.add_shop(database)

    def login(route: Any) -> None:
        state = re.search(r"state=([^&]+)", route.request.url)[1]
        back = f"{standalone.url}/auth/mailchimp/callback?code=c&state={state}"
        body = f'<!doctype html><title>Log in</title><a id="allow" href="{back}">Allow</a>'
        route.fulfill(body=body, content_type="text/html")

    context = open_context(doubles={"login.mailchimp.com": login})
    page = context.new_page()
    page.goto(standalone.url)
    page.wait_for_url("**/setup/connect")
    press(page, page.get_by_role("button", name="Connect Mailchimp"))
    page.wait_for_url("https://login.mailchimp.com/**")
    page.locator("#allow").click()

    page.wait_for_url("**/setup/audience")
    tab_to(page, page.get_by_role("radio", name="Newsletter"))
    page.keyboard.press("Space")
    press(page, page.get_by_role("button", name="Continue"))
    page.wait_for_url("**/setup/options")
    assert page.evaluate("document.activeElement.tagName") == "H1"
    press(page, page.get_by_role("button", name="Continue"))
    page.wait_for_url("**/setup/preview")
    press(page, page.get_by_role("button", name="Make a preview"))
    page.get_by_role("heading", name="Making the preview").wait_for()
    run = page.url.rsplit("/", 1)[1]

    finish_preview(database, run)
    page.get_by_role("heading", name="Preview", exact=True).wait_for()  # by polling alone
    press(page, page.get_by_role("button", name="Start sync"))
    assert page.url.endswith(run), "the browser asks for the two answers first"
    tab_to(page, page.get_by_role("radio", name="Mark them as subscribed"))
    page.keyboard.press("Space")
    press(page, page.get_by_role("checkbox"), "Space")
    shot(page, "flow-before-start")
    press(page, page.get_by_role("button", name="Start sync"))
    page.wait_for_url(f"**/syncs/{run}")

    press(page, page.get_by_role("button", name="Pause"))
    page.get_by_text("Paused. What was done is kept.").wait_for()
    press(page, page.get_by_role("button", name="Resume"))
    page.get_by_role("button", name="Pause").wait_for()
    with database.transaction() as tx:
        tx.execute(text("update run_chunks set finished_at = now()"))
    update_run(database, run, state="done", phase="done", finished_at="now()")
    page.get_by_role("heading", name="Result").wait_for()
    assert "6 customers read = 5 synced + 1 skipped + 0 failed" in page.inner_text("main")
    shot(page, "flow-done")
    press(page, page.get_by_role("link", name="Go to the overview"))
    page.get_by_role("heading", name="Overview").wait_for()


def finish_preview(database: Any, run: str) -> None:
    """What the worker does."""
    with database.transaction() as tx:
        shop = tx.execute(text("select shop_id from sync_runs where id = :id"), {"id": run}).scalar_one()
        options = tx.execute(text("select options from sync_runs where id = :id"), {"id": run}).scalar_one()
    made = house.add_run(database, shop, "ready", options=options)
    with database.transaction() as tx:
        for table in ("plan", "run_chunks"):
            tx.execute(text(f"update {table} set run_id = :id where run_id = :made"), {"id": run, "made": made})
        tx.execute(
            text(
                "update sync_runs r set counts = m.counts, phase = m.phase, expires_at = m.expires_at, state = 'ready' "
                "from sync_runs m where r.id = :id and m.id = :made"
            ),
            {"id": run, "made": made},
        )
        tx.execute(text("delete from sync_runs where id = :made"), {"made": made})


def test_polling_keeps_the_focus_speaks_rarely_and_ends(standalone: Any, database: Any, open_context: Any) -> None:
    shop = house.add_shop(database)
    house.connect(standalone.runtime, shop)
    run = house.add_run(database, shop, "running")
    page = open_context().new_page()
    page.clock.install()
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if "/progress" in request.url else None)
    page.goto(f"{standalone.url}/syncs/{run}")
    page.evaluate(
        """() => { window.said = []; const node = document.querySelector("[role=status]");
        new MutationObserver(() => window.said.push(node.textContent)).observe(node, {childList: true, subtree: true}); }"""
    )
    page.get_by_role("button", name="Pause").focus()
    for _ in range(3):
        with page.expect_response("**/progress**"):
            page.clock.run_for(2100)
    assert page.evaluate("document.activeElement.textContent") == "Pause"
    assert page.evaluate("window.said") == [], "nothing changed, so nothing is said"
    with database.transaction() as tx:
        tx.execute(text("update run_chunks set finished_at = now()"))
    update_run(database, str(run), state="done", phase="done", finished_at="now()")
    with page.expect_response("**/progress**"):
        page.clock.run_for(2100)
    page.get_by_role("heading", name="Result").wait_for()
    assert page.evaluate("window.said") == ["Done"]
    before = len(polls)
    page.clock.run_for(10_000)
    page.wait_for_timeout(200)
    assert len(polls) == before
    assert page.locator("[data-poll]").count() == 0


def test_a_customer_is_found_without_an_address_in_the_address(
    standalone: Any, database: Any, open_context: Any
) -> None:
    shop = house.add_shop(database)
    house.connect(standalone.runtime, shop)
    person = house.add_person(database, shop, house.add_run(database, shop, "done"))
    page = open_context().new_page()
    page.goto(f"{standalone.url}/activity")
    page.get_by_label("Find a customer").fill("nobody@example.com")
    page.keyboard.press("Enter")
    page.get_by_text("No customer has this email address or number").wait_for()
    assert page.evaluate("document.activeElement.id") == "q"
    assert page.url == f"{standalone.url}/activity"
    page.get_by_label("Find a customer").fill("ANNA.berg@example.com")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/activity?contact={person}")
    page.get_by_role("link", name="Anna Berg").first.click()
    page.wait_for_url(f"**/contacts/{person}")
    page.get_by_role("heading", name="Why is this person subscribed?").wait_for()
    assert page.title() == "Contact · shopchimp"
    assert page.get_by_role("navigation").get_by_role("link", name="Contacts").get_attribute("aria-current") == "page"
    page.go_back()
    page.wait_for_url("**/activity?contact=*")
    page.get_by_role("heading", name="Activity Logs").wait_for()


def test_settings_ask_before_they_are_lost_and_keep_a_refused_input(
    standalone: Any, database: Any, open_context: Any
) -> None:
    shop = house.add_shop(database)
    house.connect(standalone.runtime, shop)
    page = open_context().new_page()
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.goto(f"{standalone.url}/settings/tags")
    page.get_by_label("Tag for contacts we create").fill("x" * 101)
    page.get_by_role("link", name="Contacts").click()
    assert asked == ["Leave without saving your changes?"]
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Settings weren't saved").wait_for()
    assert page.evaluate("document.activeElement.id") == "tag"
    assert page.get_by_label("Tag for contacts we create").input_value() == "x" * 101
    page.get_by_label("Tag for contacts we create").fill("VIP")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Settings saved").wait_for()
    assert page.get_by_label("Tag for contacts we create").input_value() == "VIP"


def test_the_csv_is_a_download(standalone: Any, database: Any, open_context: Any) -> None:
    shop = house.add_shop(database)
    house.connect(standalone.runtime, shop)
    run = house.add_run(database, shop)
    page = open_context().new_page()
    page.goto(f"{standalone.url}/setup/preview/{run}")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    assert download.value.suggested_filename == f"shopchimp-preview-{run}.csv"
    assert page.get_by_role("button", name="Download as CSV").get_attribute("aria-busy") is None


def test_without_script_everything_still_works(standalone: Any, database: Any, open_context: Any) -> None:
    shop = house.add_shop(database)
    house.connect(standalone.runtime, shop)
    run = house.add_run(database, shop)
    page = open_context(java_script_enabled=False).new_page()
    page.goto(f"{standalone.url}/setup/preview/{run}")
    page.get_by_role("radio", name="Mark them as subscribed").check()
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Start sync").click()
    page.wait_for_url(f"**/syncs/{run}")
    update_run(database, str(run), state="paused")
    page.get_by_role("button", name="Resume").wait_for(timeout=8000)  # the page reloads itself
    page.goto(f"{standalone.url}/activity")
    page.get_by_label("Find a customer").fill("nobody@example.com")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("No customer has this email address or number").wait_for()


@pytest.fixture
def admin(embedded: Any, open_context: Any) -> Any:
    """A page of the Shopify admin that frames the app, with our double of App Bridge."""

    def make(src: str, *, tokens: list[str] | None = None, origin: str = ADMIN, expect: str = "") -> Any:
        frame = f'<!doctype html><title>Admin</title><iframe title="app" name="app" src="{src}" width="1000" height="700"></iframe>'
        doubles = {
            "admin.shopify.com": lambda route: route.fulfill(body=frame, content_type="text/html"),
            "evil.example.com": lambda route: route.fulfill(body=frame, content_type="text/html"),
            "cdn.shopify.com": lambda route: route.fulfill(body=BRIDGE_DOUBLE, content_type="text/javascript"),
        }
        context = open_context(doubles=doubles, expect=expect)
        context.expose_function("sessionToken", lambda: (tokens or [house.session_token()]).pop(0))
        page = context.new_page()
        page.goto(origin)
        return page

    return make


def test_inside_the_admin_by_token_alone(embedded: Any, database: Any, admin: Any, axe: Any, shot: Any) -> None:
    """First load with a token in the address, then links, forms and polling with one on each fetch. No cookie."""
    shop = house.add_shop(database)
    house.connect(embedded.runtime, shop)
    run = house.add_run(database, shop, "running")
    page = admin(f"{embedded.url}/?shop={house.SHOP}&host=aG9zdA&id_token={house.session_token()}")
    frame = page.frame(name="app")
    frame.get_by_role("heading", name="Overview").wait_for()
    assert frame.evaluate("document.querySelector('script').src") == house.BRIDGE
    frame.get_by_role("link", name="Activity Logs").click()
    frame.get_by_role("heading", name="Activity Logs").wait_for()
    assert axe(frame) == []
    frame.evaluate(
        "document.querySelector('s-link[href=\"/settings\"]').dispatchEvent(new CustomEvent('shopify:navigate', {bubbles: true}))"
    )
    frame.get_by_role("link", name="Edit tags").click()
    frame.get_by_label("Tag for contacts we create").fill("Admin")
    frame.get_by_role("button", name="Save").click()
    frame.get_by_text("Settings saved").wait_for()
    assert frame.evaluate("window.toasted") == "Settings saved"
    frame.evaluate(f"history.pushState(null, '', '/syncs/{run}'); dispatchEvent(new PopStateEvent('popstate'))")
    frame.get_by_role("button", name="Pause").click()
    frame.get_by_text("Paused. What was done is kept.").wait_for()
    shot(page, "embedded")


def test_a_load_without_a_token_comes_back_by_the_bounce_page(embedded: Any, database: Any, admin: Any) -> None:
    shop = house.add_shop(database)
    house.connect(embedded.runtime, shop)
    page = admin(f"{embedded.url}/activity?shop={house.SHOP}&host=aG9zdA&result=failed")
    frame = page.frame(name="app")
    frame.get_by_text("No activity matches these filters").wait_for()
    assert "/activity?" in frame.url


def test_a_stale_token_is_renewed_without_the_merchant_noticing(embedded: Any, database: Any, admin: Any) -> None:
    shop = house.add_shop(database)
    house.connect(embedded.runtime, shop)
    tokens = [house.session_token(exp=1), house.session_token(), house.session_token()]
    page = admin(f"{embedded.url}/activity?id_token={house.session_token()}", tokens=tokens)
    frame = page.frame(name="app")
    frame.get_by_role("link", name="Contacts").click()
    frame.get_by_role("heading", name="Contacts").wait_for()
    assert len(tokens) == 1, "one stale token, one fresh one"


def test_no_other_page_can_frame_the_app(embedded: Any, database: Any, admin: Any) -> None:
    shop = house.add_shop(database)
    house.connect(embedded.runtime, shop)
    src = f"{embedded.url}/activity?id_token={house.session_token()}"
    page = admin(src, origin="https://evil.example.com/", expect="frame-ancestors")
    # the refused frame is Chromium's error page, which may have lost its name by now
    assert not any("Activity Logs" in frame.content() for frame in page.frames)


def test_what_is_held_and_what_failed_is_decided_by_keyboard(standalone: Any, database: Any, open_context: Any) -> None:
    """M9 and failed items: from the overview's banner to the answer, without a mouse."""
    shop = house.add_shop(database)
    house.connect(standalone.runtime, shop)
    house.live_everything(standalone.runtime, shop)
    page = open_context().new_page()
    page.goto(standalone.url)
    press(page, page.get_by_role("link", name="Decide"))
    page.get_by_role("heading", name="Held changes").wait_for()
    press(page, page.get_by_role("button", name="Let them go"))
    page.get_by_text("2 opt-ins are on the way").wait_for()
    press(page, page.get_by_role("button", name="Understood"))
    page.get_by_text("Nothing is held.").first.wait_for()
    page.goto(f"{standalone.url}/failed")
    press(page, page.get_by_role("link", name=re.compile("^See which.*A value doesn")))
    press(page, page.get_by_role("button", name="Retry Anna Berg"))
    page.get_by_text("1 retry queued").wait_for()
    press(page, page.get_by_role("button", name="Retry 1 failed"))
    page.get_by_text("Nothing failed.").wait_for()


def test_the_audit_is_watched_to_its_end(standalone: Any, database: Any, open_context: Any) -> None:
    """By polling, and without script by a page that reloads itself."""
    shop = house.add_shop(database)
    house.connect(standalone.runtime, shop)
    house.go_live(database, shop)
    for script in (True, False):
        page = open_context(java_script_enabled=script).new_page()
        page.goto(f"{standalone.url}/drift")
        page.get_by_role("button", name="Check now").click()
        page.get_by_text("Reading both sides").wait_for()
        with database.transaction() as tx:
            tx.execute(text("update audits set state = 'done', finished_at = now() where finished_at is null"))
        page.get_by_text("0 unexplained differences").wait_for(timeout=9000)
        page.get_by_role("button", name="Check now").wait_for()


def test_settings_of_live_sync_without_script(standalone: Any, database: Any, open_context: Any) -> None:
    """S60, S61, S31, S34 and S75 by plain forms."""
    shop = house.add_shop(database)
    house.connect(standalone.runtime, shop)
    house.live_everything(standalone.runtime, shop)
    page = open_context(java_script_enabled=False).new_page()
    page.goto(f"{standalone.url}/settings")
    create = page.get_by_role("region", name="Create New Customers")
    create.get_by_role("button", name="Activate", exact=True).click()
    create.get_by_role("button", name="Deactivate").click()
    create.get_by_role("button", name="Activate", exact=True).wait_for()
    others = page.get_by_role("region", name="Customer Event Syncing")
    assert others.get_by_role("button", name="Deactivate").is_visible()  # each has its own
    page.get_by_role("link", name="Set up SMS").click()
    page.locator("#start").fill("2026-01-01")
    page.get_by_role("button", name="Count people").click()
    page.get_by_text("Nothing is saved yet").wait_for()
    assert page.get_by_role("button", name="Activate").is_disabled()  # no programme answers here
    page.goto(f"{standalone.url}/settings/fields")
    page.get_by_label("What goes into PHONE").select_option("Nothing")
    page.get_by_label("Merge tag").fill("CITY")
    page.get_by_label("Customer field", exact=True).select_option("City")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Settings saved").wait_for()
    page.get_by_label("What goes into CITY").wait_for()
    page.goto(f"{standalone.url}/privacy")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download request").click()
    assert download.value.suggested_filename.startswith("shopchimp-data-request-")
