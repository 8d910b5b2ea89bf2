"""The JSON API: its description, its answers, its refusals."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
import web_house as house
from openapi_spec_validator import validate


@pytest.fixture
def database(embedded_runtime):
    return embedded_runtime.database


@pytest.fixture
def api(embedded, shop):
    client = embedded()
    client.base_url = "https://app.example.com/api/v1/"
    return client


def test_the_description_is_valid_and_complete(stranger):
    schema = stranger.get("/api/v1/openapi.json").json()
    validate(schema)
    assert schema["components"]["securitySchemes"]["bearer"] == {
        "type": "http",
        "scheme": "bearer",
        "description": schema["components"]["securitySchemes"]["bearer"]["description"],
    }
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids) == 61
    for operation in operations:
        assert re.fullmatch("[a-z][A-Za-z]+", operation["operationId"])
        assert operation["security"] == [{"bearer": []}]
        for status in ("401", "404", "409", "422"):
            assert list(operation["responses"][status]["content"]) == ["application/problem+json"]
        names = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert not names & {"email", "address", "phone"}
    assert all(path.startswith("/api/v1/") for path in schema["paths"])


def test_status_tells_where_the_setup_is(embedded, embedded_runtime, database):
    shop = house.add_shop(database)
    client = embedded()
    said = client.get("/api/v1/status").json()
    assert said["shop"] == {"domain": house.SHOP, "name": "Demo store", "timezone": "America/New_York"}
    assert (said["setup_step"], said["mailchimp"], said["sync_run"]) == ("connect", None, None)
    house.connect(embedded_runtime, shop)
    assert client.get("/api/v1/status").json()["setup_step"] == "options"
    assert client.get("/api/v1/status").json()["mailchimp"]["audience_name"] == "Newsletter"
    assert "token" not in client.get("/api/v1/status").text
    run = house.add_run(database, shop, "running")
    assert client.get("/api/v1/status").json()["sync_run"]["id"] == str(run)


def test_connecting_and_choosing(api):
    assert api.post("mailchimp/connect").json()["authorize_url"].startswith("https://login.mailchimp.com/oauth2/")
    assert [audience["name"] for audience in api.get("audiences").json()["audiences"]] == ["Newsletter", "Wholesale"]
    assert api.put("audience", json={"audience_id": "aud2"}).json()["double_optin"] is True
    refused = api.put("audience", json={"audience_id": "unknown"})
    assert (refused.status_code, refused.json()["code"]) == (409, "mc_audience_gone")


def test_settings_change_only_what_is_given(api):
    before = api.get("settings").json()
    assert api.patch("settings", json={"tag": "New"}).json() == {**before, "tag": "New"}
    assert api.patch("settings", json={}).json() == {**before, "tag": "New"}
    for bad in ({"tag": 5}, {"unknown": 1}, {"conflict_policy": "x"}, {"field_map": {"EMAIL": "city"}}):
        refused = api.patch("settings", json=bad)
        assert refused.status_code == 422
        assert refused.json()["errors"]
    assert api.get("settings").json() == {**before, "tag": "New"}


def test_a_preview_is_made_and_read(api, database, shop):
    made = api.post("previews")
    assert made.status_code == 202
    assert made.json()["state"] == "preparing"
    assert made.headers["location"] == f"/api/v1/previews/{made.json()['id']}"
    ready = api.get(f"previews/{house.add_run(database, shop)}").json()
    assert ready["people"] == sum(ready["by_kind"].values()) == 6
    assert ready["consent_changes"] == 3
    assert ready["by_rule"][0] == {
        "rule": "initial.S9+S10",
        "text": "Subscribed in Mailchimp: on the first sync Shopify is marked as subscribed to match.",
        "direction": "to_shopify",
        "write": "SUBSCRIBED",
        "n": 2,
    }


def test_rows_come_in_pages_and_each_once(api, database, shop):
    run = house.add_run(database, shop)
    seen, cursor = [], -1
    while cursor is not None:
        page = api.get(f"previews/{run}/rows?limit=2&cursor={cursor}").json()
        seen += [row["n"] for row in page["rows"]]
        cursor = page["next_cursor"]
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    kinds = api.get(f"previews/{run}/rows?kind=skip").json()["rows"]
    assert [row["skip"] for row in kinds] == ["no_email", "no_customer"]
    ruled = api.get(f"previews/{run}/rows", params={"rule": "initial.S9+S10"}).json()["rows"]
    assert [row["name"] for row in ruled] == ["Anna Berg", "Ben Ode"]
    assert api.get(f"previews/{run}/rows?limit=0").status_code == 422


def test_the_export_is_csv(api, database, shop):
    answer = api.get(f"previews/{house.add_run(database, shop)}/export")
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(answer.text.splitlines()) == 8


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "policy_needed"),
        ({"policy": "mailchimp_wins"}, "consent_unconfirmed"),
    ],
)
def test_a_start_that_lacks_an_answer_says_which(api, database, shop, asked, code):
    run = house.add_run(database, shop)
    answer = api.post("sync-runs", json={"preview_id": str(run), **asked})
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert api.get(f"previews/{run}").json()["state"] == "ready"


def test_a_run_is_started_paused_resumed_and_cancelled(api, database, shop):
    run = house.add_run(database, shop)
    asked = {"preview_id": str(run), "policy": "mailchimp_wins", "confirm_consent_changes": True}
    started = api.post("sync-runs", json=asked)
    assert (started.status_code, started.json()["state"]) == (202, "running")
    for verb, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert api.post(f"sync-runs/{run}/{verb}").json()["state"] == state
    assert api.post(f"sync-runs/{run}/cancel").status_code == 409
    assert [one["id"] for one in api.get("sync-runs").json()["sync_runs"]] == [str(run)]


@pytest.mark.parametrize("state", ["preparing", "ready", "running", "paused", "done", "cancelled"])
def test_the_sums_of_a_run_close_at_every_moment(api, database, shop, state):
    run = house.add_run(database, shop, state)
    said = api.get(f"sync-runs/{run}").json()
    people = said["people"]
    parts = people["synced"] + people["waiting"] + sum(people["skipped"].values()) + sum(people["failed"].values())
    assert people["read"] == parts
    assert people["read"] == (0 if state == "preparing" else 6)
    assert {phase["name"] for phase in said["phases"]} >= {"read_contacts", "plan", "contacts", "consent", "orders"}


def test_what_became_of_a_stopped_run_is_exact(api, database, shop):
    from sqlalchemy import insert

    from shopchimp.db import models

    run = house.add_run(database, shop, "cancelled")
    missed = {"run_id": run, "n": 4, "side": "contact", "result": "failed", "cause": "mc_email_refused", "detail": ""}
    with database.transaction() as tx:
        tx.execute(insert(models.RunException).values(missed))
    people = api.get(f"sync-runs/{run}").json()["people"]
    # 4 failed, 5 had nothing to do, 6 has no address; 1 to 3 wait for the consent chunk that was never written
    assert people == {
        "read": 6,
        "synced": 1,
        "waiting": 3,
        "skipped": {"no_email": 1},
        "failed": {"mc_email_refused": 1},
    }


def test_activity_has_filters_and_pages(api, database, shop):
    person = house.add_person(database, shop)
    page = api.get("activity?limit=1").json()
    assert page["activities"][0]["kind"] == "consent"
    assert page["activities"][0]["what"] == "Consent: Not subscribed → Subscribed"
    older = api.get(f"activity?limit=1&cursor={page['next_cursor']}").json()
    assert older["activities"][0]["kind"] == "contact"
    assert older["next_cursor"] is None
    assert len(api.get(f"activity?person_id={person}&direction=to_shopify").json()["activities"]) == 1
    assert api.get("activity?since=2020-01-01T00:00:00Z&until=2021-01-01T00:00:00Z").json()["activities"] == []
    assert api.get("activity?kind=nonsense").status_code == 422
    found = api.get(f"activity/{page['activities'][0]['id']}").json()
    assert found == page["activities"][0]


def test_people_are_found_by_address_shown_and_explained(api, database, shop):
    person = house.add_person(database, shop, house.add_run(database, shop, "done"))
    found = api.post("people/search", json={"email": " ANNA.berg@example.com"}).json()["people"]
    assert [one["id"] for one in found] == [person]
    assert api.post("people/search", json={"email": "nobody@example.com"}).json() == {"people": []}
    assert api.get(f"people/{person}").json()["customer_state"] == "SUBSCRIBED"
    why = api.get(f"people/{person}/why").json()
    assert why["verdict"] == "Subscribed on both sides"
    assert why["rule"] == "initial.S9+S10"
    assert why["rule_source"].startswith("S9+S10")
    assert [step["side"] for step in why["steps"]][:3] == ["Shopify", "Mailchimp", "shopchimp"]
    assert why["steps"][1]["at"].startswith("2026-05-03T10:04:00")
    assert len(api.get(f"people/{person}/history").json()["activities"]) == 2


def test_a_refusal_never_repeats_what_was_sent(api):
    answer = api.post("people/search", json={"email": {"anna@example.com": 1}})
    assert answer.status_code == 422
    assert "anna" not in answer.text


def test_disconnect_needs_the_name(api):
    assert api.post("disconnect", json={"confirm_audience_name": "x"}).json()["code"] == "not_confirmed"
    assert api.post("disconnect", json={"confirm_audience_name": "Newsletter"}).json()["removed"]
    assert api.get("audiences").json()["code"] == "not_connected"
    assert api.post("previews").json()["code"] == "no_audience"


def test_unknown_things_are_problems_too(api):
    for path in (f"previews/{uuid4()}", "nothing", f"sync-runs/{uuid4()}", "people/9", "people/abc"):
        answer = api.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "not_found"
