"""Batch subscribe: 200 even when members fail, and what each failure says."""

import json

import pytest
from mailchimp_port import Api


@pytest.fixture
def api() -> Api:
    return Api()


def row(email: str, status: str | None = "subscribed", **more: object) -> dict[str, object]:
    return {"email_address": email, **({"status": status} if status else {}), **more}


def test_the_example_of_the_contract(api: Api) -> None:
    """examples/batch-subscribe-partial-errors.json."""
    api.sandbox.edit({"email": "left@example.com", "set": {"status": "unsubscribed"}})
    api.add("here@example.com")
    answer = api.batch(
        row("ana.reyes@example.com", merge_fields={"FNAME": "Ana"}, tags=["shopify"]),
        row("left@example.com"),
        row("here@example.com", "transactional"),
        update_existing=False,
    )
    assert (answer["total_created"], answer["total_updated"], answer["error_count"]) == (1, 0, 2)
    made = answer["new_members"][0]
    assert (made["status"], made["merge_fields"]["FNAME"]) == ("subscribed", "Ana")
    assert made["tags"][0]["name"] == "shopify"
    left, here = answer["errors"]
    assert (left["email_address"], left["error_code"]) == ("left@example.com", "ERROR_GENERIC")
    assert "compliance state" in left["error"]
    assert here["error_code"] == "ERROR_CONTACT_EXISTS"
    assert "please provide update_existing:true" in here["error"]
    assert api.member("here@example.com")["status"] == "subscribed"


def test_update_existing_lays_over_and_without_a_status_keeps_it(api: Api) -> None:
    api.add("ana@example.com", "transactional", merge_fields={"FNAME": "Ana", "LNAME": "Reyes"})
    answer = api.batch(row("ANA@example.com", None, merge_fields={"FNAME": "Anna"}), update_existing=True)
    updated = answer["updated_members"][0]
    assert updated["status"] == "transactional"
    assert (updated["merge_fields"]["FNAME"], updated["merge_fields"]["LNAME"]) == ("Anna", "Reyes")


def test_sync_tags_replaces_only_with_update_existing(api: Api) -> None:
    api.add("ana@example.com", tags=["old"])
    api.batch(row("ana@example.com", tags=["new"]), update_existing=True)
    assert {tag["name"] for tag in api.member("ana@example.com")["tags"]} == {"old", "new"}
    api.batch(row("ana@example.com", tags=["new"]), update_existing=True, sync_tags=True)
    assert [tag["name"] for tag in api.member("ana@example.com")["tags"]] == ["new"]
    before = api.member("ana@example.com")
    api.clock.at += 60
    api.batch(row("ana@example.com", tags=["new"]), update_existing=True, sync_tags=True)
    assert api.member("ana@example.com") == before


def test_of_duplicates_the_first_wins_or_the_second_fails(api: Api) -> None:
    doubled = (
        row("a@example.com", merge_fields={"FNAME": "First"}),
        row("A@example.com", merge_fields={"FNAME": "Second"}),
    )
    quiet = api.batch(*doubled, q_skip_duplicate_check="true")
    assert (quiet["total_created"], quiet["error_count"]) == (1, 0)
    assert api.member("a@example.com")["merge_fields"]["FNAME"] == "First"
    loud = api.batch(*doubled, update_existing=True)
    assert (loud["total_updated"], loud["error_count"]) == (1, 1)


def test_each_bad_row_fails_alone(api: Api) -> None:
    gone = api.add("gone@example.com")
    api("POST", f"{api.list}/members/{gone['id']}/actions/delete-permanent")
    answer = api.batch(
        row("gone@example.com"), row("x@mail.invalid"), row(""), row("new@example.com", None), row("ok@example.com")
    )
    assert answer["total_created"] == 1
    said = [each["error"] for each in answer["errors"]]
    assert "permanently deleted" in said[0]
    assert "looks fake or invalid" in said[1]
    assert len(said) == 4


def test_a_wrong_type_fails_the_request_and_changes_nothing(api: Api) -> None:
    body = {"members": [row("ok@example.com"), row("bad@example.com", "archived")]}
    answer = api("POST", api.list, body)
    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "members.item:1.status")
    assert api("GET", f"{api.list}/members/ok@example.com").status == 404


def test_at_most_500(api: Api) -> None:
    rows = [row(f"p{number}@example.com") for number in range(501)]
    assert api("POST", api.list, {"members": rows}).status == 400
    assert api.batch(*rows[:500])["total_created"] == 500


def test_the_same_batch_twice_writes_once(api: Api) -> None:
    rows = [row("a@example.com", tags=["x"]), row("b@example.com", timestamp_opt="2024-01-01T00:00:00Z")]
    api.batch(*rows, update_existing=True)
    once = api.writes()
    api.clock.at += 60
    api.batch(*rows, update_existing=True)
    assert api.writes() == once
    assert (
        "consent",
        "b@example.com",
        {
            "audience": "Newsletter",
            "status": "subscribed",
            "timestamp_opt": "2024-01-01T00:00:00+00:00",
            "timestamp_signup": None,
        },
    ) in once


def test_bodies_that_are_no_json(api: Api) -> None:
    assert api("POST", api.list, b"{members").json["title"] == "JSON Parse Exception"
    latin = json.dumps({"members": [row("josé@example.com")]}, ensure_ascii=False).encode("latin-1")
    assert api("POST", api.list, latin).json["errors"][0]["message"] == "Schema describes object, NULL found instead"
    assert api("POST", api.list, b"[]").json["errors"][0]["message"] == "Schema describes object, array found instead"
