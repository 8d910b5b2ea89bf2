"""What the merchant does on the pages, step by step, and what the server refuses."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
import web_house as house
from sqlalchemy import text


def state_of(database, run) -> str:
    with database.transaction() as tx:
        return tx.execute(text("select state from sync_runs where id = :id"), {"id": run}).scalar_one()


@pytest.fixture
def database(embedded_runtime):
    return embedded_runtime.database


@pytest.fixture
def client(embedded, shop):
    return embedded()


@pytest.mark.parametrize(
    ("connection", "run", "step"),
    [
        (None, None, "/setup/connect"),
        ({"audience_id": None, "audience_name": None}, None, "/setup/audience"),
        ({}, None, "/setup/options"),
        ({}, "preparing", "/setup/preview/{run}"),
        ({}, "ready", "/setup/preview/{run}"),
        ({}, "running", None),
        ({"state": "revoked"}, "done", None),
    ],
)
def test_home_leads_to_the_first_unfinished_step(embedded, embedded_runtime, database, connection, run, step):
    shop = house.add_shop(database)
    if connection is not None:
        house.connect(embedded_runtime, shop, **connection)
    run_id = house.add_run(database, shop, run) if run else None
    answer = embedded().get("/")
    if step is None:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.headers["location"]) == (303, step.format(run=run_id))


def test_a_fragment_is_the_page_without_its_frame(client):
    whole, part = client.get("/activity"), client.get("/activity", headers={"X-Fragment": "1"})
    assert whole.text.startswith("<!doctype html>")
    assert part.text.startswith("<title>Activity Logs · shopchimp</title>")
    assert "<nav" not in part.text
    assert part.headers["vary"] == "X-Fragment"


def test_the_way_to_mailchimp_is_a_link_or_for_our_script_an_address(client):
    page = client.post("/setup/mailchimp/start")
    assert page.status_code == 200
    assert 'href="https://login.mailchimp.com/oauth2/authorize?' in page.text
    told = client.post("/setup/mailchimp/start", headers={"X-Fragment": "1"}).json()
    assert told["open"].startswith("https://login.mailchimp.com/oauth2/authorize?")


def test_the_way_back_says_why_it_failed(client):
    assert "You closed or declined the page" in client.get("/setup/connect?refused=declined").text
    assert "Connect as an Admin or Owner" in client.get("/setup/connect?refused=mc_role_too_low").text
    assert "<script>x" not in client.get("/setup/connect?refused=<script>x").text


def test_an_audience_is_chosen_and_another_one_is_refused_after_a_sync(client, database, shop):
    page = client.get("/setup/audience").text
    assert "12,480 contacts · 11,902 subscribed" in page
    assert client.post("/setup/audience", data={}).status_code == 422
    chosen = client.post("/setup/audience", data={"audience_id": "aud2"})
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/setup/options")
    house.add_run(database, shop, "done", audience_id="aud2")
    refused = client.post("/setup/audience", data={"audience_id": "aud1"})
    assert refused.status_code == 409
    assert "Disconnect first" in refused.text


def test_options_are_kept_or_refused_with_the_input(client):
    assert client.post("/setup/options", data={"customers": "subscribed", "tag": " VIP "}).status_code == 303
    assert client.get("/api/v1/settings").json()["tag"] == "VIP"
    assert client.get("/api/v1/settings").json()["sync_non_subscribed"] is False
    refused = client.post("/setup/options", data={"tag": "x" * 101})
    assert refused.status_code == 422
    assert "x" * 101 in refused.text
    assert 'aria-invalid="true"' in refused.text


def test_making_a_preview_begins_a_run_and_writes_nothing(client, database):
    answer = client.post("/setup/preview")
    assert answer.status_code == 303
    run = answer.headers["location"].rsplit("/", 1)[1]
    assert state_of(database, run) == "preparing"
    page = client.get(answer.headers["location"]).text
    assert "Making the preview" in page
    assert f'data-poll="/setup/preview/{run}/progress"' in page
    assert client.post("/setup/preview").headers["location"].endswith(run)


def test_a_finished_preview_ends_the_polling_with_a_visit(client, database, shop):
    run = house.add_run(database, shop, "ready")
    polled = client.get(f"/setup/preview/{run}/progress", headers={"X-Fragment": "1"}).text
    assert f'data-visit="/setup/preview/{run}"' in polled
    assert "data-poll" not in polled


def test_the_preview_shows_consent_first_and_sums_that_agree(client, database, shop):
    run = house.add_run(database, shop)
    page = client.get(f"/setup/preview/{run}").text
    order = ["Consent changes", "1 person chose differently", "Everything", "Start sync"]
    assert [page.index(part) for part in order] == sorted(page.index(part) for part in order)
    plain = re.sub(r"<[^>]+>|\s+", " ", page)
    assert re.search(r"Together +6 +customers", plain)
    assert "No email address" in page
    assert "The audience gets new fields: COMPANY." in plain
    assert "Mailchimp's answer wins" in page.replace("&#39;", "'")


def test_rows_on_demand(client, database, shop):
    run = house.add_run(database, shop)
    base = f"/setup/preview/{run}/rows"
    assert client.get(f"{base}?kind=consent_to_customer_unsubscribe").text.count("<tr>") == 2
    one = client.get(f"{base}?conflicts=true").text
    assert "Ben Ode" in one
    assert "Anna" not in one
    everybody = client.get(base).text
    assert everybody.count("<tr>") == 8
    assert "A•••@example.com" in everybody
    assert "Anna.Berg@" not in everybody
    assert "Not a customer of the store" in everybody


def test_the_csv_comes_by_a_link_for_a_minute_and_starts_no_formula(client, stranger, database, shop, monkeypatch):
    run = house.add_run(database, shop)
    told = client.post(f"/setup/preview/{run}/export", headers={"X-Fragment": "1"}).json()
    answer = stranger.get(told["download"])
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 7
    dora = rows[3]
    assert dora["email"] == "'+dora@example.com"
    assert dora["name"] == "'=HYPERLINK(1)"
    assert rows[0]["shopify_before"] == "NOT_SUBSCRIBED"
    assert rows[0]["shopify_after"] == "SUBSCRIBED"
    assert rows[0]["direction"] == "both"
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert stranger.get(told["download"] + "x").status_code == 404
    late = datetime.now(UTC) - timedelta(seconds=120)
    monkeypatch.setattr("shopchimp.web.downloads.time.time", late.timestamp)
    old = client.post(f"/setup/preview/{run}/export", headers={"X-Fragment": "1"}).json()
    assert stranger.get(old["download"]).status_code == 404


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Choose what happens"),
        ({"policy": "mailchimp_wins"}, "Confirm that you checked"),
        ({"policy": "nonsense", "confirmed": "yes"}, "Choose what happens"),
    ],
)
def test_start_asks_for_the_answers_it_needs(client, database, shop, form, said):
    run = house.add_run(database, shop)
    answer = client.post("/syncs", data={"preview_id": str(run), **form})
    assert answer.status_code == 409
    assert said in answer.text
    assert "Start sync" in answer.text
    assert state_of(database, run) == "ready"


def test_start_with_the_answers_runs(client, database, shop):
    run = house.add_run(database, shop)
    form = {"preview_id": str(run), "policy": "mailchimp_wins", "confirmed": "yes"}
    answer = client.post("/syncs", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/syncs/{run}")
    assert state_of(database, run) == "running"
    assert client.get(f"/setup/preview/{run}").headers["location"] == f"/syncs/{run}"


def test_start_is_refused_when_the_preview_no_longer_holds(client, database, shop):
    form = {"policy": "mailchimp_wins", "confirmed": "yes"}
    changed = house.add_run(database, shop)
    client.patch("/api/v1/settings", json={"tag": "Another"})
    answer = client.post("/syncs", data={"preview_id": str(changed), **form})
    assert answer.status_code == 409
    assert "Settings changed after this preview" in answer.text
    assert "Make a new preview" in answer.text
    old = house.add_run(database, shop, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    answer = client.post("/syncs", data={"preview_id": str(old), **form})
    assert answer.status_code == 409
    assert "too old" in answer.text
    page = client.get(f"/setup/preview/{old}").text
    assert "out of date" in page
    assert "Start sync" not in page


def test_the_preview_under_the_other_answer(client, database, shop):
    run = house.add_run(database, shop)
    assert client.post(f"/setup/preview/{run}/policy", data={}).status_code == 422
    answer = client.post(f"/setup/preview/{run}/policy", data={"policy": "latest_choice_wins"})
    assert answer.status_code == 303
    page = client.get(answer.headers["location"]).text
    assert re.search(r'value="latest_choice_wins" checked', page)
    rows = client.get(f"/setup/preview/{run}/rows?kind=consent_to_contact").text
    assert "Ben Ode" in rows


def test_progress_is_shown_paused_resumed_and_stopped(client, database, shop):
    alone = dict.fromkeys(("products", "customers", "orders", "carts", "promo_codes"), "sh_scope_missing")
    run = house.add_run(database, shop, "running", counts={**house.COUNTS, "commerce_skipped": alone})
    page = client.get(f"/syncs/{run}").text
    assert "<strong>2 of 5</strong>" in page
    assert "skipped: a shopify permission is missing" in page
    assert re.search(rf'data-poll="/syncs/{run}/progress\?left=\d+"', page)
    assert '<noscript><meta http-equiv="refresh"' in page
    for step, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert client.post(f"/syncs/{run}/{step}").status_code == 303
        assert state_of(database, run) == state
    page = client.get(f"/syncs/{run}").text
    assert "data-poll" not in page
    assert "not reached" in page
    assert client.post(f"/syncs/{run}/pause").status_code == 409


def test_a_run_that_needs_the_merchant_says_what_to_do(client, database, shop):
    run = house.add_run(database, shop, "needs_you", trouble={"code": "mc_access_revoked", "detail": "API key revoked"})
    for path in (f"/syncs/{run}", "/"):
        page = client.get(path).text
        assert "Mailchimp access was withdrawn" in page
        assert 'href="/setup/connect"' in page


def test_the_log_is_filtered_in_the_address_and_in_the_shops_days(client, database, shop):
    run = house.add_run(database, shop, "done")
    person = house.add_person(database, shop, run)
    with database.transaction() as tx:  # 23:30 on 2 May in New York is 3 May in UTC
        tx.execute(text("update activities set at = '2026-05-03 03:30+00' where kind = 'consent'"))
    rows = lambda query: client.get(f"/activity?{query}").text.count('data-label="When"')  # noqa: E731
    assert rows("") == 2
    assert rows("kind=consent") == 1
    assert rows("direction=to_mailchimp") == 1
    assert rows("result=failed") == 0
    assert rows(f"contact={person}") == 2
    assert rows(f"run={run}") == 2
    assert rows("first=2026-05-02&last=2026-05-02") == 1
    assert rows("first=2026-05-03&last=2026-05-03") == 0
    assert rows("first=nonsense&kind=nonsense") == 2
    assert "No activity matches these filters" in client.get("/activity?result=failed").text


def test_the_log_has_pages(client, database, shop):
    person = house.add_person(database, shop)
    with database.transaction() as tx:
        tx.execute(
            text(
                "insert into activities (shop_id, person_id, kind, direction, result) "
                "select :shop, :person, 'contact', 'to_mailchimp', 'synced' from generate_series(1, 60)"
            ),
            {"shop": shop, "person": person},
        )
    first = client.get("/activity?kind=contact").text
    assert first.count('data-label="When"') == 50
    older = re.search(r'href="/activity\?(kind=contact&amp;cursor=\d+)"', first)[1].replace("&amp;", "&")
    assert client.get(f"/activity?{older}").text.count('data-label="When"') == 11


@pytest.mark.parametrize("asked", ["anna.berg@example.com", "  ANNA.Berg@EXAMPLE.com ", "101"])
def test_search_turns_an_address_into_a_number(client, database, shop, asked):
    person = house.add_person(database, shop)
    for path, target in (
        ("/activity/search", f"/activity?contact={person}"),
        ("/contacts/search", f"/contacts/{person}"),
    ):
        answer = client.post(path, data={"q": asked})
        assert (answer.status_code, answer.headers["location"]) == (303, target)


@pytest.mark.parametrize("asked", ["", "nobody@example.com", "anna", "%", "9" * 30, "١٢٣"])
def test_search_for_nobody_says_so(client, database, shop, asked):
    house.add_person(database, shop)
    for path in ("/activity/search", "/contacts/search"):
        answer = client.post(path, data={"q": asked})
        assert answer.status_code == 422
        assert "No customer has this email address or number" in answer.text


def test_no_address_is_ever_in_an_address(client, database, shop, caplog, capfd):
    run = house.add_run(database, shop, "done")
    person = house.add_person(database, shop, run)
    for path in ("/", "/activity", "/contacts", f"/contacts/{person}", "/activity/1", f"/setup/preview/{run}/rows"):
        page = client.get(path).text
        assert not re.findall(r'(?:href|action|formaction|data-poll)="[^"]*(?:@|%40)[^"]*"', page)
        assert "@" not in re.search("<title>(.*)</title>", page)[1] if "<title>" in page else True
    client.post("/activity/search", data={"q": "Anna.Berg@example.com"})
    assert "example.com" not in caplog.text + "".join(capfd.readouterr())
    for method in ("get", "post"):
        assert client.request(method, "/api/v1/people?email=anna@example.com").status_code in {404, 405}


def test_lists_mask_addresses_and_one_persons_page_shows_it(client, database, shop):
    person = house.add_person(database, shop)
    for path in ("/contacts", "/activity", f"/activity?contact={person}"):
        page = client.get(path).text
        assert "A•••@example.com" in page
        assert "Anna.Berg@example.com" not in page
    assert "Anna.Berg@example.com" in client.get(f"/contacts/{person}").text


def test_a_persons_page_says_why(client, database, shop):
    run = house.add_run(database, shop, "done")
    person = house.add_person(database, shop, run)
    page = client.get(f"/contacts/{person}").text
    chain = [
        "Why is this person subscribed?",
        "Shopify said: Not subscribed",
        "Mailchimp said: Subscribed",
        "First sync started",
        "Rule initial.S9+S10",
        "Written to Shopify and accepted",
        "History",
    ]
    assert [page.index(part) for part in chain] == sorted(page.index(part) for part in chain)
    assert "<script>" not in page


def test_names_are_text(client, database, shop):
    person = house.add_person(database, shop, name="<script>alert(1)</script>")
    for path in ("/contacts", "/activity", f"/contacts/{person}"):
        assert "<script>alert" not in client.get(path).text


def test_settings_are_saved_as_a_whole_or_not_at_all(client):
    form = {"customers": "all", "conflict_policy": "latest_choice_wins", "breaker": "yes", "share": "5", "least": "20"}
    answer = client.post("/settings", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings?saved=1")
    saved = client.get("/api/v1/settings").json()
    assert saved["conflict_policy"] == "latest_choice_wins"
    assert saved["breaker"] == {"on": True, "share": 0.05, "least": 20}
    assert (saved["cleaned_to_customer"], saved["erase_contacts"]) == (False, False)  # their boxes weren't ticked
    for bad in ({**form, "share": "many"}, {**form, "share": "0"}, {**form, "conflict_policy": "x"}):
        refused = client.post("/settings", data={**bad, "least": "77"})
        assert refused.status_code == 422
        assert 'value="77"' in refused.text
        assert client.get("/api/v1/settings").json() == saved
    assert "Settings changed by 42" in client.get("/activity").text


def test_disconnect_says_what_happens_and_needs_the_name(client, database, shop):
    run = house.add_run(database, shop, "running")
    page = client.get("/settings/disconnect").text
    for said in ("Stops", "Stays", "We delete", "Newsletter", "by hand", "automations"):
        assert said in page
    assert client.post("/settings/disconnect", data={"confirm_name": "newsletter"}).status_code == 422
    assert state_of(database, run) == "running"
    assert client.post("/settings/disconnect", data={"confirm_name": " Newsletter "}).status_code == 200
    assert state_of(database, run) == "cancelled"
    assert client.get("/api/v1/status").json()["mailchimp"] is None
    assert client.get("/settings/disconnect").status_code == 303
    assert client.get("/").status_code in {200, 303}


def test_a_platform_that_is_away_is_said_in_words(embedded, embedded_runtime, database):
    shop = house.add_shop(database)
    house.connect(embedded_runtime, shop, api_root="https://us9.api.mailchimp.com/away")
    page = embedded().get("/setup/audience").text
    assert "Check again" in page
    answer = embedded().get("/api/v1/audiences")
    assert answer.status_code == 503
    assert answer.json()["code"] == "mc_unreachable"
