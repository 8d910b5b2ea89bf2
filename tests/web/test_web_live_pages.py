"""Live sync's pages and API: what stopped, what is held, the audit, the signs of life, settings, privacy; for its own
shop alone."""

from __future__ import annotations

import re

import pytest
import web_house as house
from sqlalchemy import text

from shopchimp.db import live_reads, people, stops
from shopchimp.services import settings


@pytest.fixture
def database(embedded_runtime):
    return embedded_runtime.database


@pytest.fixture
def client(embedded, shop):
    return embedded()


@pytest.fixture
def live(embedded_runtime, shop):
    return house.live_everything(embedded_runtime, shop)


@pytest.fixture
def other(embedded, embedded_runtime):
    shop_id = house.add_shop(embedded_runtime.database, house.OTHER_SHOP)
    house.connect(embedded_runtime, shop_id)
    return embedded(house.OTHER_SHOP)


def one(database, query, **values):
    with database.transaction() as tx:
        return tx.execute(text(query), values).scalar_one()


PAGES = (
    "/",
    "/live",
    "/live?period=week",
    "/failed",
    "/failed/mc_field_value",
    "/held",
    "/held/many_changes",
    "/drift",
)
API = ("live", "live/times", "failed-items", "failed-items/people", "held", "audits", "privacy-requests")


def test_every_page_shows_its_own_shop_alone(client, live, other):
    """S75, S80: no name, count or cause of one shop on a page or in an answer of another."""
    paths = [*PAGES, "/privacy", "/settings", *(f"/api/v1/{path}" for path in API)]
    for path in paths:
        assert client.get(path).status_code == 200, path
    for path in (*PAGES, "/privacy", *(f"/api/v1/{path}" for path in API)):
        answer = other.get(path)
        said = answer.text
        for secret in ("Anna", "Held 1", "Please enter a date", "gone@", "g•••@", str(live["audit"])):
            assert secret not in said, (path, secret)
    for path in (f"/drift/{live['audit']}", f"/api/v1/audits/{live['audit']}/differences", f"/activity/{live['line']}"):
        assert client.get(path).status_code == 200, path
        assert other.get(path).status_code == 404, path
    for path in (f"/privacy/{live['data_request']}/download", f"/api/v1/privacy-requests/{live['erasure']}/erase"):
        assert other.post(path).status_code == 404, path
    assert other.get(f"/api/v1/privacy-requests/{live['data_request']}/data").status_code == 404


QUERIES = {
    "groups": stops.groups,
    "items": lambda tx, shop: stops.items(tx, shop, state="parked"),
    "keys": lambda tx, shop: stops.keys_of(tx, shop, [each.item for each in PARKED]),
    "by keys": lambda tx, shop: people.by_keys(tx, shop, ["anna.berg@example.com"]),
    "chore": lambda tx, shop: live_reads.chore(tx, shop, "hooks"),
    "queue": lambda tx, shop: stops.queue(tx, shop).parked,
}
PARKED: list[stops.Item] = []


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_of_live_sync_sees_its_own_shop_alone(database, live, shop, name):
    second = house.add_shop(database, house.OTHER_SHOP)
    with database.transaction() as tx:
        PARKED[:] = stops.items(tx, shop, state="parked")
        assert QUERIES[name](tx, shop)
        assert not QUERIES[name](tx, second)


def test_no_address_is_in_an_address(client, live):
    """Neither keys nor addresses of people in any link or form target."""
    for path in (*PAGES, "/privacy", f"/drift/{live['audit']}"):
        for target in re.findall(r'(?:href|action)="([^"]*)"', client.get(path).text):
            assert "@" not in target, (path, target)


def test_failed_items_are_grouped_with_the_platforms_words_and_tried_again(client, database, live, shop, other):
    page = client.get("/failed").text
    assert "A value doesn&#39;t fit the Mailchimp field" in page
    assert "Please enter a date" in page
    assert "Mailchimp asked us to slow down" in page  # passing: no button
    assert page.index("Passing") < page.index("Mailchimp asked us to slow down")
    groups = client.get("/api/v1/failed-items").json()
    assert {each["cause"]: each["count"] for each in groups["failed"]} == {"mc_field_value": 1, "mc_email_refused": 1}
    assert groups["failed"][0]["words"] in {"Please enter a date", None}
    assert [each["cause"] for each in groups["retrying"]] == ["mc_slow_down"]
    (item,) = client.get("/api/v1/failed-items/people?cause=mc_field_value").json()["items"]
    assert (item["person_id"], item["words"]) == (live["person"], "Please enter a date")
    assert "Customer 77" in client.get("/failed/mc_email_refused").text

    assert other.post("/failed/retry", data={"item": item["id"]}).headers["location"] == "/failed?retried=0"
    answer = client.post("/failed/retry", data={"item": item["id"]})
    assert answer.headers["location"] == "/failed?retried=1"
    again = client.post("/failed/retry", data={"item": item["id"]})
    assert again.headers["location"] == "/failed?retried=0"  # and nobody else is retried in its place
    assert "1 retry queued" in client.get("/failed?retried=1").text
    assert one(database, "select source from changes where key = 'anna.berg@example.com'") == "merchant"
    assert one(database, "select count(*) from changes where state = 'parked'") == 1
    assert client.post("/failed/retry", data={}).status_code == 422
    assert client.post("/api/v1/failed-items/retry", json={}).status_code == 422
    assert client.post("/api/v1/failed-items/retry", json={"all": True, "cause": "x"}).status_code == 422
    assert client.post("/api/v1/failed-items/retry", json={"all": True}).json() == {"count": 1}
    assert one(database, "select count(*) from changes where state = 'held'") == 2  # those are the breaker's


def test_people_come_in_pages_and_each_once(client, database, live, shop):
    for n in range(5):
        house.add_change(database, shop, f"p{n}@example.com")
    seen, cursor = [], ""
    while cursor is not None:
        found = client.get(f"/api/v1/failed-items/people?limit=2&cursor={cursor}").json()
        seen += [each["id"] for each in found["items"]]
        cursor = found["next_cursor"]
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize(("decision", "state"), [("let_go", "waiting"), ("drop", None)])
def test_held_changes_wait_for_one_answer(client, database, live, shop, decision, state):
    """M9: what happened, how many, some of the people, and an answer that counts once."""
    assert "Many people opted in within an hour" in client.get("/").text
    page = client.get("/held").text
    for said in ("2 opt-ins are held", "Held 1", "Let them go", "Drop them", "120 opt-outs", "Understood"):
        assert said in page
    assert client.post("/held/many_changes", data={"decision": "seen"}).status_code == 409
    answer = client.post("/held/many_changes", data={"decision": decision})
    assert answer.headers["location"] == f"/held?decided={decision}&count=2"
    found = one(database, "select max(state) from changes where key like 'held%'")
    assert found == state
    assert client.post("/held/many_changes", data={"decision": decision}).status_code == 409
    again = client.post("/api/v1/held/many_changes/decision", json={"decision": decision})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_held")
    assert "Circuit breaker" in client.get("/activity?kind=breaker").text


def test_many_opt_outs_are_told_and_taken_note_of(client, live):
    """M5: nothing is held, so there is nothing to let go."""
    assert client.post("/held/many_opt_outs", data={"decision": "drop"}).status_code == 409
    assert client.post("/api/v1/held/many_opt_outs/decision", json={"decision": "seen"}).json() == {"count": 0}
    assert [each["cause"] for each in client.get("/api/v1/held").json()["questions"]] == ["many_changes"]


def test_the_audit_says_how_many_differences_nobody_explains(client, database, live, shop):
    page = client.get("/drift").text
    assert "1 unexplained difference</strong>, checked" in page
    assert "3 minutes ago" in page
    assert "Mailchimp lacks the choice made in Shopify" in page
    assert "data-poll" not in page
    rows = client.get(f"/drift/{live['audit']}?kind=unexplained&cause=consent_to_contact").text
    assert "Anna Berg" in rows
    assert "u•••@example.com" in rows
    assert "Not yet" in rows
    found = client.get(f"/api/v1/audits/{live['audit']}/differences?kind=explained").json()
    assert [each["title"] for each in found["rows"]] == ["Archived in Mailchimp"]

    assert client.post("/drift").status_code == 303
    assert 'data-poll="/drift"' in client.get("/drift").text
    assert "Check now" not in client.get("/drift").text
    first = client.get("/api/v1/audits").json()["audits"][0]
    assert first["state"] == "reading"
    assert client.post("/api/v1/audits").json()["id"] == first["id"]  # one at a time
    due = "select due_at <= now() from chores where shop_id = :shop and name = 'audit'"
    assert one(database, due, shop=shop) is True


def test_without_live_sync_nothing_can_be_checked(client, database):
    assert "Live sync begins when the first sync is complete" in client.get("/live").text
    assert client.post("/drift").status_code == 409
    assert client.post("/api/v1/audits").json()["code"] == "not_live"
    assert client.post("/live/webhooks").status_code == 409
    assert client.get("/api/v1/live").json()["state"] == "off"


def test_signs_of_life_and_times_in_both_directions(client, database, live, shop):
    """Time to sync (p50, p95, p99) and a heartbeat per direction."""
    page = client.get("/live").text
    for said in ("Shopify to Mailchimp", "Mailchimp to Shopify", "Half within", "0.8 s", "Healthy", "1 webhook"):
        assert said in page
    times = client.get("/api/v1/live/times?period=week").json()["times"]
    assert [(each["direction"], each["count"]) for each in times] == [("to_mailchimp", 40), ("to_shopify", 40)]
    said = client.get("/api/v1/live").json()
    assert said["state"] == "needs_you"  # something is held
    assert (said["queue"]["parked"], said["queue"]["held"], said["queue"]["retrying"]) == (2, 2, 1)
    assert client.post("/live/webhooks").status_code == 303
    assert client.get("/api/v1/live").json()["checking_hooks"] is True
    with database.transaction() as tx:
        tx.execute(text("update chores set last_ok_at = now() - interval '1 hour' where name = 'poll_contacts'"))
    assert "Look here" in client.get("/live").text


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("delete from changes", "up_to_date"),
        ("update changes set state = 'waiting', cause = null, due_at = now()", "syncing"),
        ("update changes set state = 'waiting', cause = null, due_at = now() - interval '20 minutes'", "delayed"),
        ("update changes set state = 'waiting', due_at = now() + interval '1 minute'", "retrying"),
        ("update connections set state = 'revoked'", "needs_you"),
        (
            """
            insert into lanes (shop_id, lane, open_until, failures, trouble)
            select id, 'contacts', now() + interval '1 minute', 10, 'mc_unreachable' from shops
            """,
            "waiting",
        ),
    ],
)
def test_one_word_for_how_live_sync_stands(client, database, live, change, state):
    with database.transaction() as tx:
        tx.execute(text("delete from breakers"))
        tx.execute(text(change))
    assert client.get("/api/v1/live").json()["state"] == state
    assert client.get("/").status_code == 200
    if state == "waiting":
        assert "Mailchimp isn&#39;t answering" in client.get("/").text


def test_create_new_customers_is_activated_and_deactivated(client):
    """S60 to S62: a switch with the time of its activation."""
    assert "Create New Customers" in client.get("/settings").text
    client.post("/settings/create-customers", data={"active": "yes"})
    said = client.get("/api/v1/settings").json()
    assert said["create_customers"] is True
    assert said["create_customers_since"] is not None
    assert "Deactivate" in client.get("/settings").text
    client.post("/settings/create-customers", data={"active": "no"})
    assert client.get("/api/v1/settings").json()["create_customers"] is False


def test_tags_are_chosen(client):
    """S80 and S102: the app's own tag, and which of a customer's tags go along."""
    form = {"tag": "VIP", "tags": "chosen", "chosen_tags": "gold, silver,"}
    assert client.post("/settings/tags", data=form).headers["location"] == "/settings/tags?saved=1"
    said = client.get("/api/v1/settings").json()
    assert (said["tag"], said["tags"], said["chosen_tags"]) == ("VIP", "chosen", ["gold", "silver"])
    refused = client.post("/settings/tags", data={**form, "tag": "x" * 101})
    assert refused.status_code == 422
    assert client.get("/api/v1/settings").json() == said


def test_the_field_map_is_saved_whole_and_two_ways(client, database, shop, live):
    """S75: without an answer of the platforms the stored map can be changed all the same."""
    page = client.get("/settings/fields").text
    assert 'id="source-FNAME"' in page
    form = {"tag": ["FNAME", "LNAME", "PHONE"], "source": ["first_name", "last_name", ""], "two_way": ["FNAME"]}
    saved = client.post("/settings/fields", data={**form, "new_tag": "city", "new_source": "city"})
    assert saved.status_code == 303
    said = client.get("/api/v1/settings").json()
    assert said["field_map"] == {"FNAME": "first_name", "LNAME": "last_name", "CITY": "city"}
    assert said["two_way"] == ["FNAME"]
    assert one(database, "select count(*) from chores where name = 'tags_backfill'") == 1  # everybody is looked at
    for bad in (
        {"new_tag": "fname", "new_source": "city"},
        {"new_tag": "EMAIL", "new_source": "city"},
        {"new_tag": "X"},
        {"tag": ["CITY"], "source": ["city"], "two_way": ["CITY"]},
    ):
        assert client.post("/settings/fields", data={**form, **bad}).status_code == 422, bad
    assert client.get("/api/v1/settings").json() == said


def test_sms_says_why_it_cannot_be_switched_on(client, database, shop):
    """S28: before the first sync has finished, and nobody is asked at Mailchimp for it."""
    page = client.get("/settings/sms").text
    assert "SMS sync waits for the first sync" in page
    refused = client.put("/api/v1/settings/sms", json={"start_date": "2026-01-01"})
    assert (refused.status_code, refused.json()["code"]) == (409, "sms_first_sync")
    assert client.post("/settings/sms", data={"start": "2026-01-01"}).status_code == 409
    assert client.post("/settings/sms", data={"start": "soon"}).status_code == 422
    assert client.get("/api/v1/settings").json()["sms"]["active"] is False


def test_sms_is_switched_on_with_a_count_before(client, database, shop, live, monkeypatch):
    """S29 to S34: the hint, the number of people before saving, the date, two ways, off."""
    from shopchimp.mailchimp.sms import Approval, Programme

    approved = Programme(Approval.APPROVED)
    monkeypatch.setattr("shopchimp.services.sms.mailchimp_sms.programme", lambda *_: approved)
    page = client.get("/settings/sms?start=2026-01-01").text
    assert "Text only people who engaged lately" in page
    assert "would become SMS" in page
    assert "Nothing is saved yet" in page
    assert client.get("/api/v1/settings").json()["sms"]["active"] is False
    assert client.get("/api/v1/settings/sms/count?start_date=2026-01-01").json()["stopped"] == 1
    assert "Anna Berg" in client.get("/settings/sms/people?start=2026-01-01&group=stopped").text
    client.post("/settings/sms", data={"start": "2026-01-01", "two_way": "yes"})
    said = client.get("/api/v1/settings/sms").json()
    assert (said["active"], said["start_date"], said["two_way"]) == (True, "2026-01-01", True)
    client.post("/settings/sms", data={"active": "no"})
    assert client.get("/api/v1/settings/sms").json()["active"] is False
    approved = Programme(Approval.PENDING, "IN_REVIEW")
    page = client.get("/settings/sms?start=2026-01-01").text
    assert "waits for approval" in page
    assert re.search(r'<button type="submit" class="primary" disabled>', page)


def test_data_is_handed_on_and_a_contact_erased_by_a_click(client, embedded_runtime, database, live, shop, monkeypatch):
    """D6: erased for good only after the merchant's word."""
    page = client.get("/privacy").text
    assert "g•••@example.com" in page
    assert "gone@example.com" not in page
    link = client.post(f"/privacy/{live['data_request']}/download")
    file = client.get(link.headers["location"])
    assert file.headers["content-disposition"].startswith("attachment")
    assert "anna.berg@example.com" in file.text.lower()
    assert client.get(f"/api/v1/privacy-requests/{live['data_request']}/data").json()["customer_id"] == 101
    erased = []
    monkeypatch.setattr("shopchimp.services.erasure.erase_contacts", lambda _g, _s, emails: erased.extend(emails))
    assert client.post(f"/privacy/{live['erasure']}/erase").headers["location"] == "/privacy?erased=1"
    assert erased == ["gone@example.com"]
    assert client.post(f"/privacy/{live['erasure']}/erase").status_code == 409
    assert "Nothing waits for your decision" in client.get("/privacy").text


LINES = {
    "sms": ({"before": "subscribed", "after": "unsubscribed"}, "SMS consent: Subscribed → Unsubscribed"),
    "tags": ({"tags_added": ["VIP"], "tags_removed": ["old"]}, "Tags: +VIP, −old"),
    "identity": ({"action": "move"}, "Contact moved to the new address"),
    "customer": ({"action": "update", "fields": ["phone"]}, "Customer&#39;s fields"),
    "privacy": ({"erased": True, "contact": "stopped"}, "A customer was erased, contact kept in Mailchimp"),
    "breaker": ({"decision": "drop", "people": 3, "by": "42"}, "Circuit breaker: dropped by 42, 3 people"),
}


@pytest.mark.parametrize("kind", LINES)
def test_every_kind_of_line_reads_as_words(client, database, live, shop, kind):
    """S27, S37: each kind can be filtered, by page and by API, and reads as words."""
    detail, said = LINES[kind]
    direction = "to_shopify" if kind == "customer" else "to_mailchimp"
    line = house.add_live_line(database, shop, live["person"], kind=kind, direction=direction, detail=detail, rule=None)
    assert said in client.get(f"/activity?kind={kind}").text
    assert said in client.get(f"/activity/{line}").text
    assert [each["id"] for each in client.get(f"/api/v1/activity?kind={kind}").json()["activities"]] == [line]


def test_a_line_says_before_and_after_who_told_and_when(client, live):
    page = client.get(f"/activity/{live['line']}").text
    for said in (
        "Before",
        "A webhook from Shopify",
        "2026-05-03T10:04:00Z",
        "They opted out in Shopify",
        "ongoing.S23",
    ):
        assert said in page


def test_a_person_shows_texts_tags_and_when_they_were_seen(client, live):
    page = client.get(f"/contacts/{live['person']}").text
    for said in (
        "Last seen",
        "+14155550101",
        "VIP, wholesale",
        "Opted out of SMS in Mailchimp",
        "webhook from Shopify",
    ):
        assert said in page
    said = client.get(f"/api/v1/people/{live['person']}").json()
    assert said["tags"] == ["VIP", "wholesale"]
    assert said["sms"]["held"] == "sms_stopped"


def test_a_person_who_moved_is_found_by_the_new_address_with_the_old_history(client, database, live, shop):
    """M6: the row moves along, and with it what was done."""
    from shopchimp.db import looks

    with database.transaction() as tx:
        looks.move(tx, shop, "anna.berg@example.com", "anna.new@example.com")
    found = client.post("/contacts/search", data={"q": " Anna.New@Example.com "})
    assert found.headers["location"] == f"/contacts/{live['person']}"
    assert (
        client.post("/activity/search", data={"q": "101"}).headers["location"] == f"/activity?contact={live['person']}"
    )
    assert "Consent: Subscribed → Unsubscribed" in client.get(f"/activity?contact={live['person']}").text


def test_every_rule_has_plain_words():
    """What a line of the log says is a sentence for a merchant, not a code."""
    from shopchimp.domain.rules import Rule
    from shopchimp.domain.sms import SmsRule
    from shopchimp.services import words

    for rule in (*Rule, *SmsRule):
        said = words.rule_text(rule.value)
        assert said != rule.value
        assert " " in said


def test_the_merchants_settings_are_the_domains_own():
    """Every setting is in the API, and nothing else."""
    from shopchimp.web.api.models import ChangeSettings, Settings

    known = set(settings.ShopSettings().to_json())
    assert set(Settings.model_fields) == known
    assert set(ChangeSettings.model_fields) == known - {"create_customers_since", "sms"}
