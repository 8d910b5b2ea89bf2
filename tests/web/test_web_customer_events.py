"""Customer events on their page, in Settings, on a person's page and by API (S38 to S59, S78, S79)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import unescape

import events_house as events
import pytest
import web_house as house
from sqlalchemy import text

from shopchimp.services import activity
from shopchimp.services.customer_events import words


@pytest.fixture
def database(embedded_runtime):
    return embedded_runtime.database


@pytest.fixture
def live(database, shop):
    """The first sync is complete, the pixel active."""
    house.add_run(database, shop, "done")
    house.go_live(database, shop)
    events.grant(database, shop)
    events.add_pixel(database, shop)
    return shop


@pytest.fixture
def client(embedded, shop):
    return embedded()


def rows(database, query, **values):
    with database.transaction() as tx:
        return [dict(row._mapping) for row in tx.execute(text(query), values)]


def read(client, path: str) -> str:
    """A page as it is read."""
    return unescape(client.get(path).text)


def card(page: str, title: str) -> str:
    """One card of a page."""
    return page.split(f">{title}</h2>")[1].split("</section>", maxsplit=1)[0]


def test_s40_s41_on_by_default_and_deactivated_in_settings(client, database, live):
    events.add_waiting(database, live, "e1")
    shown = card(read(client, "/settings"), "Customer Event Syncing")
    assert "Active" in shown
    assert "Deactivate</button>" in shown
    assert "What was sent stays: events in Mailchimp, and the values on customers in Shopify." in shown
    assert client.get("/api/v1/settings").json()["customer_events"] is True
    answer = client.post("/settings/customer-events", data={"active": "no"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings?saved=1#events")
    # at once, with no worker anywhere
    assert rows(database, "select state, reason from customer_events") == [{"state": "dropped", "reason": "off"}]
    assert rows(database, "select enabled from pixels") == [{"enabled": False}]
    shown = card(read(client, "/settings"), "Customer Event Syncing")
    assert "Activate</button>" in shown
    assert "What was sent before stays" in shown
    assert "What visitors do while this is off is not recorded." in shown
    assert "Web pixel" not in shown
    assert "Settings changed by 42: Customer Event Syncing" in read(client, "/activity")


def test_s41_activated_again(client, database, live):
    client.post("/settings/customer-events", data={"active": "no"})
    assert client.post("/settings/customer-events", data={"active": "yes"}).status_code == 303
    assert client.get("/api/v1/settings").json()["customer_events"] is True
    assert rows(database, "select enabled from pixels") == [{"enabled": True}]


def test_s41_by_api_the_same(client, database, live):
    events.add_waiting(database, live, "e1")
    changed = client.patch("/api/v1/settings", json={"customer_events": False})
    assert (changed.status_code, changed.json()["customer_events"]) == (200, False)
    assert rows(database, "select state from customer_events") == [{"state": "dropped"}]
    shown = client.get("/api/v1/customer-events").json()
    assert (shown["active"], shown["pixel"]["state"]) == (False, "off")
    assert client.patch("/api/v1/settings", json={"customer_events": "maybe"}).status_code == 422


def test_other_settings_leave_the_switch_alone(client, database, live):
    client.patch("/api/v1/settings", json={"customer_events": False})
    form = {"customers": "all", "share": "2", "least": "50", "breaker": "yes", "promo_hours": "5"}
    assert client.post("/settings", data=form).status_code == 303
    assert client.get("/api/v1/settings").json()["customer_events"] is False


def test_s42_to_s51_every_event_by_its_exact_name_with_what_became_of_it(client, database, live):
    events.a_week(database, live)
    page = read(client, "/customer-events")
    table = card(page, "From your store to Mailchimp")
    for name in words.STORE_EVENTS:
        assert f"<code>{name}</code>" in table
    assert len(words.STORE_EVENTS) == 8
    views = table.split("<code>product_viewed</code>")[1].split("</tr>")[0]
    assert [part.split("<")[0] for part in views.split('class="number">')[1:]] == ["1,830", "1,510", "190", "97", "3"]
    assert "nobody said within a day who it was: 367" in table
    assert "the person didn't become a contact within a day: 7" in table
    said = {each["name"]: each for each in client.get("/api/v1/customer-events").json()["store_events"]}
    assert said["product_viewed"] == {
        "name": "product_viewed",
        "received": 1830,
        "sent": 1510,
        "combined": 190,
        "not_sent": {"no_person": 90, "not_a_contact": 7},
        "waiting": 3,
    }


def test_s53_to_s57_what_contacts_did_and_where_it_is_known_from(client, database, live):
    events.a_week(database, live)
    page = read(client, "/customer-events")
    table = card(page, "From Mailchimp to your store")
    for name, n in (
        ("email_received", "11,902"),
        ("email_opened", "4,210"),
        ("email_clicked", "655"),
        ("sms_received", "310"),
    ):
        assert f"<code>{name}</code>" in table
        assert n in table
    assert "November news" in page
    assert "Back in stock" in page
    shown = client.get("/api/v1/customer-events").json()
    assert shown["contact_actions"]["customers_written"] == 6100
    assert {(each["id"], each["recipients"], each["unique_opens"]) for each in shown["campaigns"]} == {
        ("c1", 11902, 4102),
        ("s1", 310, None),
    }


def test_s58_s59_the_page_says_that_sms_clicks_have_no_source(client, database, live):
    table = card(read(client, "/customer-events"), "From Mailchimp to your store")
    row = table.split("<code>sms_clicked</code>")[1].split("</tr>")[0]
    assert "No source in Mailchimp" in row
    assert "Mailchimp tells no app who tapped a link in a text message." in table
    assert "<code>utm_medium=sms</code>" in table


def test_s79_the_page_says_how_a_segment_asks_for_it(client, database, live):
    assert "metafields.shopchimp.email_last_opened_at >= -30d" in read(client, "/customer-events")


def test_the_period_is_a_part_of_the_address(client, database, live):
    events.count(database, live, "page_viewed", "received", 3)
    events.count(database, live, "page_viewed", "received", 50, days_ago=3)
    events.count(database, live, "page_viewed", "received", 700, days_ago=12)
    for period, total in (("day", "3"), ("week", "53"), ("month", "753"), ("nonsense", "53")):
        table = card(read(client, f"/customer-events?period={period}"), "From your store to Mailchimp")
        row = table.split("<code>page_viewed</code>")[1].split("</tr>")[0]
        assert row.split('class="number">')[1].split("<")[0] == total
    assert client.get("/api/v1/customer-events?days=1").json()["store_events"][0]["received"] == 3
    assert client.get("/api/v1/customer-events?days=0").status_code == 422


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("values", "word", "state"),
    [
        ({}, "Active", "active"),
        ({"last_event_at": None}, "Waiting for first event", "waiting"),
        ({"pixel_id": None, "state": "new"}, "Waiting", "turning_on"),
        (
            {"pixel_id": None, "state": "failed", "trouble": {"code": "pixel_no_extension", "detail": "No extension"}},
            "Needs you",
            "failed",
        ),
        (
            {"pixel_id": None, "state": "failed", "trouble": {"code": "sh_scope_missing", "detail": "write_pixels"}},
            "Needs you",
            "failed",
        ),
        (
            {"activated_at": NOW - timedelta(days=9), "last_event_at": NOW - timedelta(days=2)},
            "Not arriving",
            "inactive",
        ),
    ],
)
def test_each_state_of_the_pixel_has_its_word_and_what_is_red_a_button(client, database, live, values, word, state):
    """Criterion 17."""
    events.add_checkouts(database, live, 7)
    events.add_pixel(database, live, **values)
    page = read(client, "/customer-events")
    assert word in page.split("</h1>")[1].split("</div>")[0]
    assert client.get("/api/v1/customer-events").json()["pixel"]["state"] == state
    assert word in card(read(client, "/"), "Areas")
    if state in {"failed", "inactive"}:
        assert 'action="/customer-events/pixel"' in page
        trouble = client.get("/api/v1/customer-events").json()["pixel"]["trouble"]
        assert trouble["title"] in page
        assert trouble["code"] != "internal"


def test_turn_on_again(client, database, live):
    events.add_checkouts(database, live, 7)
    events.add_pixel(database, live, activated_at=NOW - timedelta(days=9), last_event_at=NOW - timedelta(days=2))
    page = read(client, "/customer-events")
    assert "Store events aren't arriving" in page
    assert "Since the last event 7 checkouts were begun." in page
    assert "Turn on again</button>" in page
    assert client.post("/customer-events/pixel").headers["location"] == "/customer-events?again=1"
    assert rows(database, "select due_at <= now() as due from chores where name = 'pixel'") == [{"due": True}]
    assert rows(database, "select endpoint from pixels") == [{"endpoint": None}]
    assert "The pixel is being looked at" in read(client, "/customer-events?again=1")
    assert client.post("/api/v1/customer-events/pixel/check").json() == {"queued": True}


def test_ask_mailchimp_now(client, database, live):
    """Not in five minutes: the chore is due at once. While it is off nobody is asked, and the page has no button."""
    events.add_pixel(database, live)
    due = "select due_at <= now() as due from chores where name = 'poll_campaigns'"
    with database.transaction() as tx:
        query = "insert into chores (shop_id, name, due_at) values (:shop, 'poll_campaigns', now() + interval '5 min')"
        tx.execute(text(query), {"shop": live})
    assert "Ask Mailchimp now</button>" in read(client, "/customer-events")
    answer = client.post("/customer-events/campaigns")
    assert answer.headers["location"] == "/customer-events?asked=1"
    assert rows(database, due) == [{"due": True}]
    assert "Mailchimp is being asked" in read(client, "/customer-events?asked=1")
    assert client.post("/api/v1/customer-events/campaigns/check").json() == {"queued": True}
    client.post("/settings/customer-events", data={"active": "no"})
    assert "Ask Mailchimp now" not in read(client, "/customer-events")
    refused = client.post("/api/v1/customer-events/campaigns/check")
    assert (refused.status_code, refused.json()["code"]) == (409, "off")


def test_before_live_sync_there_is_nothing_to_turn_on(client, database, shop):
    page = read(client, "/customer-events")
    assert "The pixel is put into your store when the first sync is complete." in page
    assert "Setup incomplete" in page
    assert client.post("/customer-events/pixel").status_code == 409
    refused = client.post("/api/v1/customer-events/pixel/check")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_live")
    assert client.post("/api/v1/customer-events/campaigns/check").json()["code"] == "not_live"
    assert "Ask Mailchimp now" not in page
    assert "No campaign of the last 30 days is known." in page


@pytest.mark.parametrize(
    ("scopes", "missing", "said"),
    [
        (events.SCOPES, [], "Email campaigns are shown on Shopify's Marketing page too"),
        ("write_pixels,write_customers", ["marketing"], "Without the permission <code>write_marketing_events</code>"),
        ("write_marketing_events", ["customers"], "without <code>write_customers</code> nothing can be written"),
    ],
)
def test_a_part_without_its_permission_says_which(client, database, live, scopes, missing, said):
    events.add_campaign(database, live, "c1", "November news", sent=3)
    events.grant(database, live, scopes)
    assert said in read(client, "/customer-events")
    assert client.get("/api/v1/customer-events").json()["missing_permissions"] == missing


def test_a_poll_that_fails_and_definitions_without_room_are_said(client, database, live):
    with database.transaction() as tx:
        query = """
            insert into chores (shop_id, name, trouble, cursor)
            values (:shop, 'poll_campaigns', '{"code": "mc_unreachable"}', '{"undefined": ["sms_clicked_count"]}')
        """
        tx.execute(text(query), {"shop": live})
    page = read(client, "/customer-events")
    assert "Mailchimp isn't answering" in page
    assert "Segments can't ask for sms_clicked_count: Shopify has no room" in page
    actions = client.get("/api/v1/customer-events").json()["contact_actions"]
    assert (actions["trouble"]["code"], actions["undefined"]) == ("mc_unreachable", ["sms_clicked_count"])


class TestPerson:
    """S59: how a customer responds is seen per customer here, too."""

    @pytest.fixture
    def person(self, database, live):
        return house.add_person(database, live)

    def test_what_they_did(self, client, database, live, person):
        written = {"customer": 101, "email_opened_count": "3"}
        events.add_engagement(
            database, live, "anna.berg@example.com", written=written, email_received=5, email_opened=3
        )
        events.link(database, live, "v1", customer_id=101)
        events.link(database, live, "v2", key="anna.berg@example.com")
        events.link(database, live, "v3", key="somebody@example.com")
        for n in (1, 2, 3):
            events.add_waiting(database, live, f"e{n}", visitor=f"v{n}")
        shown = card(read(client, f"/contacts/{person}"), "Emails and texts")
        for said in ("Email received", "<code>email_opened</code>", ">3<", "Last campaign: November news"):
            assert said in shown
        assert "These values are on the customer in Shopify" in shown
        assert "2 store events wait to be sent" in shown
        answer = client.get(f"/api/v1/people/{person}/events").json()
        assert answer["counts"] == {"email_received": 5, "email_opened": 3}
        assert set(answer["newest"]) == {"email_received", "email_opened"}
        assert (answer["written"], answer["waiting"]) == ({"email_opened_count": "3"}, 2)

    def test_nothing_is_known(self, client, database, live, person):
        assert "No email or text to this person is known yet." in read(client, f"/contacts/{person}")
        answer = client.get(f"/api/v1/people/{person}/events").json()
        assert answer == {"counts": {}, "newest": {}, "last_campaign": None, "written": {}, "waiting": 0}
        assert client.get(f"/api/v1/people/{person + 1}/events").status_code == 404

    def test_store_events_and_engagement_are_in_their_stream(self, client, database, live, person):
        sent = {"name": "product_viewed", "at": "2026-11-22T10:00:00+00:00", "times": 3}
        line = house.add_live_line(database, live, person, kind="event", rule=None, detail=sent)
        changed = {"changed": {"email_opened_count": "3", "email_clicked_count": "1", "last_campaign": "News"}}
        house.add_live_line(
            database, live, person, kind="engagement", direction="to_shopify", rule=None, detail=changed
        )
        page = read(client, f"/contacts/{person}")
        assert "Product viewed, 3 times" in page
        assert "Email opened, Email clicked" in page
        assert "Product viewed, 3 times" in read(client, "/activity?kind=event")
        assert "Product viewed" not in read(client, "/activity?kind=engagement")
        assert "product_viewed" in read(client, f"/activity/{line}")
        listed = client.get("/api/v1/activity?kind=event").json()["activities"]
        assert [each["kind"] for each in listed] == ["event"]

    def test_who_is_no_customer_yet_is_told_so(self, client, database, live, person):
        events.add_engagement(database, live, "anna.berg@example.com", email_received=1)
        assert "Not on a customer in Shopify yet" in read(client, f"/contacts/{person}")


def test_what_failed_names_nobody_by_a_browser_or_a_hash(client, database, live):
    """Criterion 22: neither says anything to a merchant, and both could be looked up."""
    for key in ("visitor:3f1a-secret", "engaged:0123456789abcdef"):
        with database.transaction() as tx:
            query = """
                insert into changes (shop_id, kind, key, lane, source, state, cause)
                values (:shop, 'event', :key, 'events', 'shopify', 'parked', 'mc_rejected')
            """
            tx.execute(text(query), {"shop": live, "key": key})
    page = read(client, "/failed/mc_rejected")
    assert "A visitor of the store" in page
    assert "A contact's email and SMS activity" in page
    for found in (page, read(client, "/api/v1/failed-items"), read(client, "/failed")):
        assert "secret" not in found
        assert "0123456789abcdef" not in found


def test_another_shop_sees_none_of_it(embedded, database, live):
    events.a_week(database, live)
    person = house.add_person(database, live)
    house.add_shop(database, house.OTHER_SHOP)
    other = embedded(house.OTHER_SHOP)
    assert "November news" not in read(other, "/customer-events")
    shown = other.get("/api/v1/customer-events").json()
    assert (shown["campaigns"], shown["counts"]) == ([], [])
    assert sum(each["received"] + each["waiting"] for each in shown["store_events"]) == 0
    assert other.get(f"/api/v1/people/{person}/events").status_code == 404
    assert other.post("/settings/customer-events", data={"active": "no"}).status_code == 303
    assert rows(database, "select enabled from pixels") == [{"enabled": True}]


def test_every_reason_and_every_name_has_words():
    from shopchimp.domain.customer_events.names import ContactAction, StoreEvent
    from shopchimp.domain.customer_events.visits import Dropped

    assert set(words.STORE_EVENTS) == set(StoreEvent)
    assert set(words.CONTACT_ACTIONS) == set(words.SOURCES) == set(ContactAction)
    assert {each.value for each in Dropped} <= set(words.NOT_SENT)
    assert {"event", "engagement"} <= set(activity._WHAT)


def test_s40_the_setup_says_that_it_is_on(client, database, shop):
    """On by default, so a merchant hears of it before the start."""
    assert "if they agreed to marketing" in read(client, "/setup/options")
    client.post("/settings/customer-events", data={"active": "no"})
    assert "Customer events stay in Shopify and Mailchimp." in read(client, "/setup/options")
