"""The rules of one member's write, as mailchimp.md section 5 and errors.json have them."""

import hashlib
from datetime import UTC, datetime

import pytest
from mailchimp_port import Api


@pytest.fixture
def api() -> Api:
    return Api()


def md5(email: str) -> str:
    return hashlib.md5(email.lower().encode()).hexdigest()


def edit(api: Api, email: str, **change: object) -> None:
    api.sandbox.edit({"email": email, **change})


def test_a_member_is_found_by_hash_by_address_and_by_contact_id(api: Api) -> None:
    made = api.add("Ana.Reyes@example.com", merge_fields={"FNAME": "Ana", "LNAME": "Reyes"})
    assert made["id"] == md5("ana.reyes@example.com")
    for key in (made["id"], "ANA.reyes@example.com", made["contact_id"]):
        assert api("GET", f"{api.list}/members/{key}").json["contact_id"] == made["contact_id"]
    assert made["full_name"] == "Ana Reyes"
    assert made["merge_fields"] == {"FNAME": "Ana", "LNAME": "Reyes", "ADDRESS": "", "PHONE": "", "BIRTHDAY": ""}


def test_tags_and_delete_permanent_take_the_hash_only(api: Api) -> None:
    made = api.add("ana@example.com")
    body = {"tags": [{"name": "vip", "status": "active"}]}
    assert api("POST", f"{api.list}/members/ana@example.com/tags", body).status == 404
    assert api("POST", f"{api.list}/members/{made['contact_id']}/actions/delete-permanent").status == 404
    assert api("POST", f"{api.list}/members/{made['id']}/tags", body).status == 204


def test_post_of_a_known_member_is_refused_but_not_of_an_archived_one(api: Api) -> None:
    made = api.add("ana@example.com")
    again = api("POST", f"{api.list}/members", {"email_address": "ANA@example.com", "status": "subscribed"})
    assert (again.status, again.json["title"]) == (400, "Member Exists")
    assert "is already a list member" in again.json["detail"]
    assert api("DELETE", f"{api.list}/members/{made['id']}").status == 204
    assert api.member("ana@example.com")["status"] == "archived"
    assert api.add("ana@example.com")["status"] == "subscribed"


def test_put_uses_status_if_new_once_and_status_always(api: Api) -> None:
    path = f"{api.list}/members/{md5('ana@example.com')}"
    body = {"email_address": "ana@example.com", "status_if_new": "transactional"}
    assert api("PUT", path, body).json["status"] == "transactional"
    # The trap: a contact that an order made transactional is not subscribed by status_if_new.
    assert api("PUT", path, {**body, "status_if_new": "subscribed"}).json["status"] == "transactional"
    assert api("PUT", path, {**body, "status": "subscribed"}).json["status"] == "subscribed"
    assert api("PUT", f"{api.list}/members/{md5('x@example.com')}", {"email_address": "x@example.com"}).status == 400
    assert (
        api("PUT", f"{api.list}/members/{md5('other@example.com')}", body | {"email_address": "y@example.com"}).status
        == 404
    )


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [("POST", "archived", 400), ("PUT", "archived", 400), ("PATCH", "archived", 400), ("PATCH", "transactional", 400),
     ("PUT", "transactional", 200), ("POST", "transactional", 200), ("PATCH", "cleaned", 200), ("PUT", "Subscribed", 400)],
)  # fmt: skip
def test_each_verb_has_its_statuses(api: Api, method: str, status: str, expected: int) -> None:
    email = "ana@example.com" if method != "POST" else "new@example.com"
    api.add("ana@example.com", "pending")
    path = f"{api.list}/members" if method == "POST" else f"{api.list}/members/{md5(email)}"
    answer = api(method, path, {"email_address": email, "status": status})
    assert answer.status == expected
    if expected == 400:
        assert answer.json["errors"][0]["field"] == "status"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("opt_out", ["unsubscribed", "cleaned"])
def test_who_opted_out_or_bounced_can_only_be_asked(api: Api, method: str, opt_out: str) -> None:
    api.add("ana@example.com")
    edit(api, "ana@example.com", set={"status": opt_out})
    path = f"{api.list}/members" if method == "POST" else f"{api.list}/members/{md5('ana@example.com')}"
    refused = api(method, path, {"email_address": "ana@example.com", "status": "subscribed"})
    assert (refused.status, refused.json["title"]) == (400, "Member In Compliance State")
    assert "type" not in refused.json  # as the live API answers, mailchimp-for-wordpress#798
    assert api.member("ana@example.com")["status"] == opt_out
    path = f"{api.list}/members/{md5('ana@example.com')}"
    assert api("PATCH", path, {"status": "pending"}).json["status"] == "pending"
    assert api("PATCH", path, {"status": "subscribed"}).status == 400  # asking is not an answer
    edit(api, "ana@example.com", set={"status": "subscribed"})  # the click on the confirmation
    assert api.member("ana@example.com")["status"] == "subscribed"


def test_neither_archiving_nor_transactional_launders_an_opt_out(api: Api) -> None:
    api.add("ana@example.com")
    edit(api, "ana@example.com", set={"status": "unsubscribed"})
    path = f"{api.list}/members/{md5('ana@example.com')}"
    api("DELETE", path)
    assert api("PATCH", path, {"status": "subscribed"}).status == 400
    body = {"email_address": "ana@example.com", "status": "transactional"}
    assert api("PUT", path, body).status == 200
    assert api("PUT", path, {**body, "status": "subscribed"}).status == 400


def test_an_unsubscribe_by_api_or_admin_may_be_undone(api: Api) -> None:
    api.add("ana@example.com")
    path = f"{api.list}/members/{md5('ana@example.com')}"
    gone = api("PATCH", path, {"status": "unsubscribed"}).json
    assert gone["unsubscribe_reason"] == "N/A (Unsubscribed by admin)"
    assert api("PATCH", path, {"status": "subscribed"}).status == 200
    edit(api, "ana@example.com", set={"status": "unsubscribed"}, by="admin")
    assert api("PATCH", path, {"status": "subscribed"}).status == 200


def test_the_forgotten_stay_forgotten(api: Api) -> None:
    made = api.add("ana@example.com")
    assert api("POST", f"{api.list}/members/{made['id']}/actions/delete-permanent").status == 204
    assert api("GET", f"{api.list}/members/{made['id']}").status == 404
    for status in ("subscribed", "pending", "transactional"):
        refused = api("POST", f"{api.list}/members", {"email_address": "Ana@example.com", "status": status})
        assert (refused.status, refused.json["title"]) == (400, "Forgotten Email Not Subscribed")
    edit(api, "ana@example.com", set={"status": "subscribed"})  # in person they may come back
    assert api.member("ana@example.com")["contact_id"] != made["contact_id"]


@pytest.mark.parametrize(
    ("email", "words"),
    [("ana@mail.invalid", "looks fake or invalid"), ("ana@fake.example.com", "looks fake or invalid"),
     ("ana@busy.example.com", "has signed up to a lot of lists very recently"), ("not an address", "valid email")],
)  # fmt: skip
def test_some_addresses_are_refused(api: Api, email: str, words: str) -> None:
    refused = api("POST", f"{api.list}/members", {"email_address": email, "status": "subscribed"})
    assert (refused.status, refused.json["title"]) == (400, "Invalid Resource")
    assert words in refused.json["detail"]


def test_given_times_are_kept_and_others_are_the_clocks(api: Api) -> None:
    given = api.add("a@example.com", timestamp_opt="2024-02-03T04:05:06+02:00", timestamp_signup="2024-02-03 00:00:00")
    assert given["timestamp_opt"] == "2024-02-03T02:05:06+00:00"
    assert given["timestamp_signup"] == "2024-02-03T00:00:00+00:00"
    clock = api.add("b@example.com")
    assert clock["timestamp_opt"] == clock["last_changed"] == datetime.fromtimestamp(api.clock.at, UTC).isoformat()
    assert clock["timestamp_signup"] == ""
    bad = api(
        "POST",
        f"{api.list}/members",
        {"email_address": "c@example.com", "status": "subscribed", "timestamp_opt": "soon"},
    )
    assert bad.json["errors"][0]["field"] == "timestamp_opt"
    assert api("GET", f"{api.list}/members/c@example.com").status == 404


def test_last_changed_moves_only_on_a_change(api: Api) -> None:
    body = {"email_address": "ana@example.com", "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ana"}}
    path = f"{api.list}/members/{md5('ana@example.com')}"
    first = api("PUT", path, body).json
    api.clock.at += 60
    assert api("PUT", path, body).json == first
    api.batch({"email_address": "ana@example.com", "merge_fields": {"FNAME": "Ana"}}, update_existing=True)
    assert api.member("ana@example.com") == first
    changed = api("PUT", path, {**body, "merge_fields": {"LNAME": "Reyes"}}).json
    assert changed["last_changed"] > first["last_changed"]
    assert changed["merge_fields"]["FNAME"] == "Ana"
    assert [kind for kind, _, _ in api.writes()] == ["contact", "consent", "contact"]


def test_tags_come_and_go(api: Api) -> None:
    made = api.add("ana@example.com", tags=["shopify", "old"])
    path = f"{api.list}/members/{made['id']}/tags"
    body = {"tags": [{"name": "old", "status": "inactive"}, {"name": "vip", "status": "active"}]}
    assert api("POST", path, {**body, "is_syncing": True}).status == 204
    assert [tag["name"] for tag in api("GET", path).json["tags"]] == ["shopify", "vip"]
    assert api.member("ana@example.com")["tags_count"] == 2
    assert api("POST", path, {"tags": [{"name": "x", "status": "on"}]}).status == 400
    api("PUT", f"{api.list}/members/{made['id']}", {"email_address": "ana@example.com", "tags": ["ignored"]})
    assert api.member("ana@example.com")["tags_count"] == 2


def test_a_new_address_moves_the_contact(api: Api) -> None:
    made = api.add("old@example.com")
    api.add("taken@example.com")
    path = f"{api.list}/members/{made['id']}"
    assert api("PATCH", path, {"email_address": "taken@example.com"}).json["title"] == "Member Exists"
    moved = api("PATCH", path, {"email_address": "new@example.com"}).json
    assert (moved["id"], moved["contact_id"]) == (md5("new@example.com"), made["contact_id"])
    assert api("GET", path).status == 404


def test_merge_values_are_checked_by_type(api: Api) -> None:
    def sent(**values: object) -> object:
        body = {"email_address": "ana@example.com", "status_if_new": "subscribed", "merge_fields": values}
        answer = api("PUT", f"{api.list}/members/{md5('ana@example.com')}", body)
        return answer.json["merge_fields"] if answer.status == 200 else answer.json["errors"]

    whole = {"addr1": "1 Test St", "addr2": "", "city": "Atlanta", "state": "GA", "zip": "30308", "country": "US"}
    assert sent(ADDRESS=whole)["ADDRESS"] == whole
    assert sent(ADDRESS={"addr1": "1 Test St"}) == [{"field": "ADDRESS", "message": "Please enter a complete address"}]
    assert sent(BIRTHDAY="7/4")["BIRTHDAY"] == "07/04"
    assert sent(BIRTHDAY="13/40")[0]["field"] == "BIRTHDAY"
    assert sent(FNAME="é" * 200)["FNAME"] == "é" * 127  # 255 bytes, no half character
    assert sent(FNAME=None)[0]["message"] == "Schema describes string, NULL found instead"
    assert "NOSUCH" not in sent(NOSUCH="x")
    assert sent(ADDRESS="", FNAME="")["ADDRESS"] == ""


def test_a_required_merge_field_stops_writes_unless_skipped(api: Api) -> None:
    field = {"name": "Size", "type": "dropdown", "tag": "SIZE", "required": True, "options": {"choices": ["S", "L"]}}
    assert api("POST", f"{api.list}/merge-fields", field).status == 200
    body = {"email_address": "ana@example.com", "status": "subscribed"}
    refused = api("POST", f"{api.list}/members", body)
    assert refused.json["detail"] == "Your merge fields were invalid."
    assert refused.json["errors"] == [{"field": "SIZE", "message": "Please enter a value"}]
    row = api.batch(body)["errors"][0]
    assert (row["field"], row["field_message"], row["error_code"]) == ("SIZE", "Please enter a value", "ERROR_GENERIC")
    assert api("POST", f"{api.list}/members", body, skip_merge_validation="true").status == 200
    assert api.batch({**body, "merge_fields": {"SIZE": "M"}}, update_existing=True)["error_count"] == 1


def test_ips_are_checked(api: Api) -> None:
    body = {"email_address": "ana@example.com", "status": "subscribed", "ip_signup": "203.0.113.999"}
    assert api("POST", f"{api.list}/members", body).json["errors"][0]["field"] == "ip_signup"
    assert api("POST", f"{api.list}/members", {**body, "ip_signup": "203.0.113.10"}).json["ip_signup"] == "203.0.113.10"
