"""What others do in Mailchimp, by control edit and on the pages, and what the API may do afterwards (section 5)."""

import hashlib
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from mailchimp_port import Answer, Api

SMS = "+14045550142"
MD5 = hashlib.md5(b"ana@example.com").hexdigest()


@pytest.fixture
def api() -> Api:
    return Api()


def edit(api: Api, email: str = "ana@example.com", **change: Any) -> Any:
    return api.sandbox.edit({"email": email, **change})


def subscribe(api: Api) -> Answer:
    return api("PATCH", f"{api.list}/members/{MD5}", {"status": "subscribed"})


@pytest.mark.parametrize("by", ["admin", "api"])
def test_who_was_unsubscribed_by_others_may_be_subscribed_again(api: Api, by: str) -> None:
    api.add("ana@example.com")
    edit(api, set={"status": "unsubscribed"}, by=by)
    assert subscribe(api).json["status"] == "subscribed"


@pytest.mark.parametrize(
    "change",
    [
        {"set": {"status": "unsubscribed"}, "by": "person"},
        {"set": {"status": "unsubscribed"}, "by": "admin", "reason": "abuse"},
        {"set": {"status": "cleaned"}, "reason": "hard"},
    ],
)
def test_who_left_or_bounced_is_asked_and_has_to_confirm(api: Api, change: dict[str, Any]) -> None:
    api.add("ana@example.com")
    edit(api, **change)
    assert subscribe(api).json["title"] == "Member In Compliance State"
    edit(api, set={"status": "unsubscribed"}, by="admin")  # that somebody else says so too changes nothing
    edit(api, archive=True)
    assert subscribe(api).status == 400
    assert api("PATCH", f"{api.list}/members/{MD5}", {"status": "pending"}).json["status"] == "pending"
    assert subscribe(api).status == 400  # not yet
    api.clock.at += 3600
    edit(api, confirm=True)
    assert api.member("ana@example.com")["status"] == "subscribed"
    assert subscribe(api).status == 200
    with pytest.raises(ValueError, match="pending"):
        edit(api, confirm=True)


def test_mails_that_ask_for_confirmation_are_counted(api: Api) -> None:
    def mails() -> int:
        return next(iter(api.sandbox.state()))["confirmation_mails"]

    edit(api, set={"status": "pending"}, by="person")
    api.clock.at += 1
    path, body = f"{api.list}/members/{MD5}", {"email_address": "ana@example.com", "status": "pending"}
    assert mails() == 0  # their own wish
    for _ in range(2):
        assert api("PUT", path, body).status == 200
        assert api("PATCH", path, {"status": "pending", "merge_fields": {"FNAME": "Ana"}}).status == 200
        when = {"status": "pending", "timestamp_opt": "2026-01-02T03:04:05Z"}
        assert api("PATCH", path, when).status == 200
    assert mails() == 0  # asked already
    api("PATCH", path, {"status": "unsubscribed"})
    api.batch(body, update_existing=True)
    api.batch(body, update_existing=True)
    assert mails() == 1


def test_an_edit_may_have_been_a_while_ago_but_not_to_come(api: Api) -> None:
    edit(api, set={"status": "subscribed"}, at="2026-01-02T03:04:05Z")
    assert api.member("ana@example.com")["timestamp_opt"] == "2026-01-02T03:04:05+00:00"
    assert api.member("ana@example.com")["last_changed"] > "2026-01-03"
    edit(api, set={"status": "subscribed"}, at="2099-01-01T00:00:00Z")
    assert api.member("ana@example.com")["timestamp_opt"] < "2099"
    with pytest.raises(ValueError, match="validated"):
        edit(api, set={"status": "subscribed"}, at="yesterday")


def test_everything_else_that_others_change(api: Api) -> None:
    api.add("ana@example.com", tags=["old", "kept"])
    edit(api, set={"tags": ["new"], "merge_fields": {"FNAME": "Ana"}}, remove_tags=["old"], by="admin")
    member = api.member("ana@example.com")
    assert [tag["name"] for tag in member["tags"]] == ["kept", "new"]
    assert member["full_name"] == "Ana"
    moved = edit(api, set={"email_address": "ana@example.net"}, by="person")
    assert moved["email"] == "ana@example.net"
    made = edit(api, "new@example.com", set={"status": "transactional"}, by="admin")
    assert made["status"] == "transactional"
    texted = api.sandbox.edit({"phone": SMS, "sms": {"status": "subscribed"}})
    assert (texted["email"], texted["sms"]["status"], texted["sms"]["phone"]) == ("", "subscribed", SMS)
    assert api.sandbox.edit({"phone": SMS, "sms": {"status": "unsubscribed"}})["sms"]["status"] == "unsubscribed"
    with pytest.raises(ValueError, match="another contact"):
        edit(api, "new@example.com", sms={"phone": SMS})
    assert edit(api, "new@example.com", forget=True) == {"forgotten": "new@example.com"}
    again = api("POST", f"{api.list}/members", {"email_address": "new@example.com", "status": "subscribed"})
    assert again.json["title"] == "Forgotten Email Not Subscribed"
    assert edit(api, "new@example.com", set={"status": "subscribed"}, by="person")["status"] == "subscribed"


@pytest.mark.parametrize(
    "change",
    [
        {"set": {"status": "gone"}},
        {"by": "nobody"},
        {"set": {"status": "cleaned"}, "reason": "manual"},
        {"sms": {"status": "subscribed"}},
        {"sms": {"status": "gone", "phone": SMS}},
        {"sms": {"status": "subscribed", "phone": "404"}},
    ],
)
def test_nonsense_is_refused(api: Api, change: dict[str, Any]) -> None:
    api.add("ana@example.com")
    with pytest.raises((ValueError, LookupError)):
        edit(api, **change)
    with pytest.raises(ValueError, match="valid email"):
        edit(api, "nobody", set={"status": "subscribed"})


def test_a_batch_can_replace_tags(api: Api) -> None:
    api.add("ana@example.com", tags=["a", "b"])
    row = {"email_address": "ana@example.com", "tags": ["b", "c"]}
    api.batch(row, update_existing=True)
    assert [tag["name"] for tag in api.member("ana@example.com")["tags"]] == ["a", "b", "c"]
    api.batch(row, update_existing=True, sync_tags=True)
    assert [tag["name"] for tag in api.member("ana@example.com")["tags"]] == ["b", "c"]


def test_is_syncing_is_a_boolean(api: Api) -> None:
    api.add("ana@example.com")
    body = {"tags": [{"name": "vip", "status": "active"}], "is_syncing": "yes"}
    assert api("POST", f"{api.list}/members/{MD5}/tags", body).json["errors"][0]["field"] == "is_syncing"


# Pages


class Page:
    """The page of ana@example.com, and its buttons by their labels."""

    def __init__(self, api: Api) -> None:
        self.api, self.here = api, f"/contacts/{api.list_id}/{MD5}"
        self.told: list[str] = []
        api.sandbox.courier = self
        events = dict.fromkeys(("subscribe", "unsubscribe", "profile", "upemail", "cleaned", "sms_subscribe", "sms_unsubscribe"), True)  # fmt: skip
        sources = {"user": True, "admin": True, "api": False}
        api("POST", f"{api.list}/webhooks", {"url": "http://127.0.0.1:9/", "events": events, "sources": sources})

    def post(self, *, topic: str, **_: Any) -> None:
        self.told.append(topic)

    def press(self, label: str, **fields: str) -> Answer:
        html = unescape(self.api("GET", self.here).content.decode())
        (do,) = re.findall(rf'<button name="do" value="(\w+)">{re.escape(label)}</button>', html)
        answer = self.api("POST", self.here, urlencode({**fields, "do": do}).encode())
        if answer.status == 303:
            self.here = answer.headers["location"]
        return answer


def test_every_button_does_what_it_says_and_is_told(api: Api) -> None:
    api.add("ana@example.com", "pending")
    page = Page(api)
    status = []
    for label in ("Confirm the subscription", "Unsubscribe by the link", "Subscribe on the form", "Report as spam",
                  "Subscribe as merchant", "Unsubscribe as merchant", "Subscribe on the form", "Bounce", "Archive"):  # fmt: skip
        assert page.press(label).status == 303
        status.append(api.member("ana@example.com")["status"])
    assert status == ["subscribed", "unsubscribed", "subscribed", "unsubscribed", "subscribed", "unsubscribed",
                      "subscribed", "cleaned", "archived"]  # fmt: skip
    assert page.told == ["subscribe", "unsubscribe", "subscribe", "unsubscribe", "subscribe", "unsubscribe",
                         "subscribe", "cleaned", "unsubscribe"]  # fmt: skip
    assert page.press("Confirm the subscription").status == 400
    assert page.press("Delete permanently").headers["location"] == f"/contacts/{api.list_id}"
    assert api("GET", f"{api.list}/members/{MD5}").status == 404


def test_profile_and_sms_on_the_page(api: Api) -> None:
    api.add("ana@example.com", tags=["old"])
    page = Page(api)
    page.press("Save as contact", email="ana@example.com", first_name="Ana", last_name="", tags="vip, new")
    member = api.member("ana@example.com")
    assert member["merge_fields"]["FNAME"] == "Ana"
    assert [tag["name"] for tag in member["tags"]] == ["vip", "new"]
    page.press("Subscribe to SMS", phone=SMS)
    assert api.member("ana@example.com")["sms_subscription_status"] == "subscribed"
    page.press("Reply STOP", phone=SMS)
    page.press("Save as merchant", email="ana@example.net", first_name="Ana", last_name="", tags="vip, new")
    assert api.member("ana@example.net")["sms_subscription_status"] == "unsubscribed"
    assert b"ana@example.net" in api("GET", page.here).content
    assert page.told == ["profile", "sms_subscribe", "sms_unsubscribe", "upemail", "profile"]


def test_a_contact_with_a_phone_alone_is_found_by_it(api: Api) -> None:
    api.sandbox.edit({"phone": SMS, "sms": {"status": "subscribed"}})
    listed = api("GET", f"/contacts/{api.list_id}", q=SMS).content.decode()
    (path,) = re.findall(r'href="(/contacts/\w+/\w+)"', listed)
    assert api("POST", path, urlencode({"do": "sms_stop"}).encode()).status == 303
    assert [row["sms"]["status"] for row in api.sandbox.state() if row["sms"]] == ["unsubscribed"]


def test_new_contacts_on_the_page_of_an_audience(api: Api) -> None:
    page = Page(api)
    for label, status in {
        "Sign up on the form": "subscribed",
        "Sign up, to be confirmed": "pending",
        "Merchant adds as subscribed": "subscribed",
        "Merchant adds without consent": "transactional",
    }.items():
        page.here = f"/contacts/{api.list_id}"
        email = f"{status}.{len(label)}@example.com"
        page.press(label, email=email, first_name="Ana", last_name="Reyes")
        member = api.member(email)
        assert (member["status"], member["full_name"]) == (status, "Ana Reyes")
    page.here = f"/contacts/{api.list_id}"
    assert page.press("Sign up on the form", email="nobody").status == 400
    assert page.told == ["subscribe", "subscribe"]
