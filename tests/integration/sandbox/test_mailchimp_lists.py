"""Audiences, the list of members, merge fields, webhooks, OAuth and the conventions of mailchimp.md sections 2 to 4 and 7."""

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from mailchimp_port import CLIENT_ID, CLIENT_SECRET, Api


@pytest.fixture(scope="module")
def crowd() -> Api:
    """Only read by the tests."""
    return Api(people=400)


@pytest.fixture
def api() -> Api:
    return Api()


def page(api: Api, **query: object) -> dict:
    answer = api("GET", f"{api.list}/members", **query)
    assert answer.status == 200, answer.json
    return answer.json


def emails(answer: dict) -> list[str]:
    return [member["email_address"] for member in answer["members"]]


def test_pages_add_up_without_the_archived(crowd: Api) -> None:
    seen = []
    for offset in range(0, 1000, 70):
        seen += emails(page(crowd, count=70, offset=offset, fields="members.email_address"))
    total = page(crowd, count=0)["total_items"]
    assert len(seen) == len(set(seen)) == total
    archived = page(crowd, count=1000, status="archived")
    assert archived["total_items"] > 0
    assert not set(emails(archived)) & set(seen)
    stats = crowd("GET", crowd.list, include_total_contacts="true").json["stats"]
    assert stats["total_contacts"] == total + archived["total_items"]
    assert stats["member_count"] == page(crowd, status="subscribed")["total_items"]


def test_the_default_page_is_ten_and_the_largest_a_thousand(crowd: Api) -> None:
    assert len(page(crowd)["members"]) == 10
    assert crowd("GET", f"{crowd.list}/members", count=1001).status == 400
    assert crowd("GET", f"{crowd.list}/members", count="many").status == 400


def test_last_changed_windows_are_exclusive_and_ordered(crowd: Api) -> None:
    everything = page(crowd, count=1000, sort_field="last_changed")["members"]
    times = [member["last_changed"] for member in everything]
    assert times == sorted(times)
    since, before = times[50], times[100]
    window = page(crowd, count=1000, since_last_changed=since, before_last_changed=before)
    expected = [m["email_address"] for m in everything if since < m["last_changed"] < before]
    assert emails(window) == expected
    assert window["total_items"] == len(expected)
    backwards = page(crowd, count=7, offset=3, since_last_changed=since, before_last_changed=before, sort_dir="DESC")
    assert emails(backwards) == expected[::-1][3:10]
    subscribed = page(crowd, count=1000, since_last_changed=since, status="subscribed")
    assert emails(subscribed) == [
        m["email_address"] for m in everything if m["last_changed"] > since and m["status"] == "subscribed"
    ]


def test_a_change_moves_to_the_end_of_the_changes_and_no_page_of_the_plain_list(api: Api) -> None:
    for name in "abc":
        api.add(f"{name}@example.com")
        api.clock.at += 1
    since = api.member("c@example.com")["last_changed"]
    api.clock.at += 1
    api("PATCH", f"{api.list}/members/a@example.com", {"status": "unsubscribed"})
    assert emails(page(api, since_last_changed=since)) == ["a@example.com"]
    assert emails(page(api, sort_field="last_changed")) == ["b@example.com", "c@example.com", "a@example.com"]
    assert emails(page(api)) == ["a@example.com", "b@example.com", "c@example.com"]
    assert emails(page(api, status="unsubscribed", unsubscribed_since=since)) == ["a@example.com"]
    assert api("GET", f"{api.list}/members", unsubscribed_since=since).status == 400


def test_filters_without_an_index(crowd: Api) -> None:
    everything = page(crowd, count=1000, sort_field="last_changed")["members"]
    since = sorted(m["timestamp_opt"] for m in everything if m["timestamp_opt"])[-40]
    found = page(crowd, count=1000, since_timestamp_opt=since)
    assert sorted(emails(found)) == sorted(m["email_address"] for m in everything if m["timestamp_opt"] > since)
    one = everything[5]
    assert emails(page(crowd, unique_email_id=one["unique_email_id"])) == [one["email_address"]]


def test_fields_and_exclude_fields(crowd: Api) -> None:
    slim = page(crowd, count=2, fields="members.id,members.merge_fields.FNAME,total_items")
    assert set(slim) == {"members", "total_items"}
    assert set(slim["members"][0]) == {"id", "merge_fields"}
    assert set(slim["members"][0]["merge_fields"]) == {"FNAME"}
    full = page(crowd, count=2, exclude_fields="members._links,_links")
    assert "_links" not in full
    assert "_links" not in full["members"][0]
    assert {"full_name", "contact_id", "source"} <= set(full["members"][0])
    assert crowd("GET", f"{crowd.list}/members", fields="members.nonsense").status == 400
    assert crowd("GET", f"{crowd.list}/members", fields="members", exclude_fields="_links").status == 400
    assert crowd("GET", "/lists", fields="lists.id,lists.stats.member_count").json["lists"][0].keys() == {"id", "stats"}
    email = slim["members"][0]["id"]
    assert crowd("GET", f"{crowd.list}/members/{email}", fields="status").json.keys() == {"status"}


def test_the_account_has_two_audiences(crowd: Api) -> None:
    found = crowd("GET", "/lists", count=1000).json
    assert [each["name"] for each in found["lists"]] == ["Newsletter", "Wholesale"]
    assert found["total_items"] == 2
    root = crowd("GET", "/").json
    assert (root["account_name"], root["role"]) == ("Acme Ltd", "owner")
    assert root["total_subscribers"] == sum(each["stats"]["member_count"] for each in found["lists"])
    assert crowd("GET", "/ping").json == {"health_status": "Everything's Chimpy!"}
    some = page(crowd, count=1)["members"][0]["email_address"]
    assert [each["name"] for each in crowd("GET", "/lists", email=some).json["lists"]] == ["Newsletter"]


def test_some_of_the_unsubscribed_left_by_themselves_and_some_were_removed(crowd: Api) -> None:
    reasons = {m["unsubscribe_reason"] for m in page(crowd, count=1000, status="unsubscribed")["members"]}
    assert len(reasons) == 2


def test_merge_fields_live_and_die(api: Api) -> None:
    path = f"{api.list}/merge-fields"
    standing = api("GET", path).json
    assert [field["tag"] for field in standing["merge_fields"]] == ["FNAME", "LNAME", "ADDRESS", "PHONE", "BIRTHDAY"]
    assert standing["merge_field_limit"] == 30
    made = api("POST", path, {"tag": "SHOPID", "name": "Shopify customer id", "type": "text", "public": False}).json
    assert (made["merge_id"], made["total_items"], made["merge_field_limit"]) == (6, 6, 30)
    assert api.add("ana@example.com", merge_fields={"SHOPID": "123"})["merge_fields"]["SHOPID"] == "123"
    assert api("POST", path, {"tag": "SHOPID", "name": "Again", "type": "text"}).status == 400
    assert api("POST", path, {"name": "No type"}).status == 400
    assert api("POST", path, {"name": "Bad", "type": "colour"}).status == 400
    assert api("PATCH", f"{path}/6", {"name": "Shop id"}).json["name"] == "Shop id"
    assert api("DELETE", f"{path}/6").status == 204
    assert "SHOPID" not in api.member("ana@example.com")["merge_fields"]
    for number in range(25):
        assert api("POST", path, {"name": f"Field {number}", "type": "text"}).status == 200
    assert api("POST", path, {"name": "One too many", "type": "text"}).status == 400


def test_webhooks_are_kept_and_their_secret_shown_once(api: Api) -> None:
    path = f"{api.list}/webhooks"
    body = {
        "url": "https://app.example.com/hook",
        "events": {"subscribe": True},
        "sources": {"user": True, "api": False},
    }
    made = api("POST", path, body).json
    assert made["signing_enabled"]
    assert made["signing_secret"]
    assert made["events"]["subscribe"]
    assert not made["events"]["cleaned"]
    shown = api("GET", f"{path}/{made['id']}").json
    assert "signing_secret" not in shown
    assert api("POST", path, body).status == 400
    assert api("PATCH", f"{path}/{made['id']}", {"events": {"cleaned": True}}).json["events"]["cleaned"]
    assert api("GET", path).json["total_items"] == 1
    assert api("DELETE", f"{path}/{made['id']}").status == 204
    assert api("GET", path).json["total_items"] == 0


@pytest.mark.parametrize("kind", ["Bearer", "OAuth", "Basic"])
def test_all_three_forms_of_authorization(api: Api, kind: str) -> None:
    def header(token: str) -> dict[str, str]:
        secret = base64.b64encode(f"anybody:{token}".encode()).decode() if kind == "Basic" else token
        return {"authorization": f"{kind} {secret}"}

    assert api("GET", "/ping", headers=header(api.token)).status == 200
    refused = api("GET", "/ping", headers=header("0" * 32))
    assert (refused.status, refused.json["title"]) == (401, "API Key Invalid")
    api.sandbox.revoke()
    assert api("GET", "/ping", headers=header(api.token)).status == 401


def test_conventions_of_paths_and_methods(api: Api) -> None:
    assert api("GET", "/nothing/here").status == 404
    wrong = api("PUT", api.list, {})
    assert wrong.status == 405
    assert wrong.headers["allow"] == "GET, POST"
    assert api("GET", "/lists/a/b/c/d/e/f/g/h").status == 414
    assert api("GET", "/ping", headers={"x-http-method-override": "PATCH"}).status == 422
    made = api.add("ana@example.com")
    override = {"x-http-method-override": "PATCH"}
    patched = api("POST", f"{api.list}/members/{made['id']}", {"status": "unsubscribed"}, headers=override)
    assert patched.json["status"] == "unsubscribed"
    assert api("GET", "/ping", headers={"x-trigger-error": "too_many_requests"}).status == 429
    assert api("GET", "/ping", headers={"x-trigger-error": "UserDisabled"}).json["title"] == "User Disabled"
    assert wrong.headers["content-type"].startswith("application/problem+json")


def test_a_disabled_account_a_viewer_and_a_deleted_audience(api: Api) -> None:
    api.sandbox.edit({"settings": {"role": "viewer"}})
    assert api("GET", "/lists").status == 200
    assert api("POST", api.list, {"members": []}).json["title"] == "Forbidden"
    api.sandbox.edit({"settings": {"disabled": True}})
    assert api("GET", "/lists").json["title"] == "User Disabled"
    api.sandbox.edit({"settings": {"disabled": False, "delete_audience": "Newsletter", "double_optin": True}})
    assert api("GET", f"{api.list}/members").status == 404
    assert [each["double_optin"] for each in api("GET", "/lists").json["lists"]] == [True]


REDIRECT = "http://127.0.0.1:1/auth/mailchimp/callback"


def authorize(api: Api, **more: str) -> object:
    query = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": REDIRECT, "state": "s t", **more}
    return api("GET", "/oauth2/authorize", **query)


def token(api: Api, code: str, **more: str) -> object:
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uri": REDIRECT,
        "code": code,
        **more,
    }
    return api(
        "POST", "/oauth2/token", urlencode(form).encode(), headers={"content-type": "application/x-www-form-urlencoded"}
    )


def sent_back(answer: object) -> dict[str, str]:
    assert answer.status == 302
    location = urlsplit(answer.headers["location"])
    assert location._replace(query="").geturl() == REDIRECT
    return {name: values[0] for name, values in parse_qs(location.query).items()}


def test_oauth_gives_a_token_for_a_code_once(api: Api) -> None:
    back = sent_back(authorize(api))
    assert back["state"] == "s t"
    given = token(api, back["code"]).json
    assert (given["expires_in"], given["scope"]) == (0, None)
    auth = {"authorization": f"OAuth {given['access_token']}"}
    metadata = api("GET", "/oauth2/metadata", headers=auth).json
    assert metadata["api_endpoint"] == "http://sandbox.test"
    assert (metadata["role"], metadata["accountname"]) == ("owner", "Acme Ltd")
    assert api("GET", "/ping", headers=auth).status == 200
    assert token(api, back["code"]).json["error"] == "invalid_grant"
    bad = api("GET", "/oauth2/metadata", headers={"authorization": "OAuth nonsense"})
    assert (bad.status, bad.json) == (200, {"error": "invalid_token"})


def test_oauth_checks_secret_address_and_age(api: Api) -> None:
    assert token(api, sent_back(authorize(api))["code"], client_secret="wrong").status == 401
    assert token(api, sent_back(authorize(api))["code"], redirect_uri=REDIRECT + "/").json["error"] == "invalid_grant"
    old = sent_back(authorize(api))["code"]
    api.clock.at += 3600
    assert token(api, old).json["error"] == "invalid_grant"
    assert authorize(api, client_id="somebody").status == 400
    strict = Api(app_url="http://127.0.0.1:1")
    assert authorize(strict).status == 302
    assert authorize(strict, redirect_uri="http://127.0.0.1:2/auth/mailchimp/callback").status == 400


def test_oauth_can_ask_and_be_denied(api: Api) -> None:
    api.sandbox.edit({"settings": {"consent": "ask"}})
    asked = authorize(api)
    assert asked.status == 200
    assert b'name="approve" value="1"' in asked.content
    assert "code" in sent_back(authorize(api, approve="1"))
    assert sent_back(authorize(api, approve="0"))["error"] == "access_denied"
    api.sandbox.edit({"settings": {"consent": "deny"}})
    assert sent_back(authorize(api))["error"] == "access_denied"


def test_pages_show_find_and_change_a_contact(api: Api) -> None:
    api.add("ana@example.com", merge_fields={"FNAME": "<Ana>"})
    listed = api("GET", f"/contacts/{api.list_id}", q="ana")
    assert b"ana@example.com" in listed.content
    path = f"/contacts/{api.list_id}/{hashlib.md5(b'ana@example.com').hexdigest()}"
    shown = api("GET", path)
    assert b"&lt;Ana&gt;" in shown.content
    assert b"<Ana>" not in shown.content
    assert api("POST", path, b"status=unsubscribed&by=user").status == 303
    assert api.member("ana@example.com")["status"] == "unsubscribed"
    assert not [kind for kind, key, content in api.writes() if content.get("status") == "unsubscribed"]
    assert api("POST", path, b"status=nonsense").status == 400
    assert api("GET", f"/contacts/{api.list_id}/nobody@example.com").status == 404
