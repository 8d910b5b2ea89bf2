"""Which change tells which webhook what, as mailchimp.md section 7 and examples/webhook-*.txt have it."""

import hashlib
import hmac
import http.server
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from mailchimp_port import Api, opened

from shopchimp.sandbox.courier import Courier
from shopchimp.sandbox.mailchimp.hooks import EVENTS

EXAMPLES = Path(__file__).parents[4] / "shared/contracts/mailchimp/examples"
EVERYTHING = {"events": dict.fromkeys(EVENTS, True), "sources": {"user": True, "admin": True, "api": True}}
URL = "http://127.0.0.1:9/hooks/mailchimp/secret"
SMS = "+14045550142"


class Letters:
    """A courier that keeps what it was given."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, dict[str, str]]] = []
        self.raw: list[tuple[bytes, list[tuple[bytes, bytes]]]] = []
        self.on_gone: Callable[[], None] | None = None

    def post(self, *, platform: str, topic: str, url: str, make: Any, sign: Any = None, on_gone: Any = None) -> None:
        headers, body = make()
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        assert (platform, topic) == ("mailchimp", fields["type"])
        assert (b"Content-Type", b"application/x-www-form-urlencoded") in headers
        self.kept.append((url, fields))
        self.raw.append((body, sign(body) if sign else []))
        self.on_gone = on_gone

    def take(self) -> list[dict[str, str]]:
        taken, self.kept = [fields for _, fields in self.kept], []
        return taken


class Told(Api):
    """The API with one webhook that hears everything."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.letters = Letters()
        self.sandbox.courier = self.letters
        self.hook = self("POST", f"{self.list}/webhooks", {"url": URL, **EVERYTHING}).json

    def edit(self, email: str = "ana@example.com", **change: Any) -> Any:
        return self.sandbox.edit({"email": email, **change})

    def heard(self) -> list[tuple[str, ...]]:
        """What the hook heard since it was last asked: the type, and how somebody left."""
        names = ("type", "data[action]", "data[reason]")
        return [tuple(letter[name] for name in names if letter.get(name)) for letter in self.letters.take()]


@pytest.fixture
def told() -> Told:
    return Told()


def test_calls_of_the_api_are_told_where_the_hook_wants_them(told: Told) -> None:
    path = f"{told.list}/members/{told.add('ana@example.com')['id']}"
    assert told.heard() == [("subscribe",)]
    told("PATCH", path, {"merge_fields": {"FNAME": "Ana"}})
    assert told.heard() == [("profile",)]
    told("PATCH", path, {"merge_fields": {"FNAME": "Ana"}})
    told("PATCH", path, {"status": "subscribed"})
    assert told.heard() == []  # nothing changed
    told("POST", f"{path}/tags", {"tags": [{"name": "vip", "status": "active"}]})
    assert told.heard() == []  # there is no webhook for tags
    told("PATCH", path, {"status": "unsubscribed"})
    assert told.heard() == [("unsubscribe", "unsub", "manual")]
    told("PATCH", path, {"status": "pending"})
    assert told.heard() == []
    told.batch({"email_address": "ana@example.com", "status": "subscribed"}, update_existing=True)
    assert told.heard() == [("subscribe",)]
    told("PUT", path, {"email_address": "bea@example.com"})
    assert told.heard() == [("upemail",), ("profile",)]
    told("DELETE", f"{told.list}/members/bea@example.com")
    assert told.heard() == [("unsubscribe", "delete", "manual")]
    bea = hashlib.md5(b"bea@example.com").hexdigest()
    told("POST", f"{told.list}/members/{bea}/actions/delete-permanent")
    assert told.heard() == [("unsubscribe", "delete", "manual")]


@pytest.mark.parametrize(
    ("change", "heard"),
    [
        ({"set": {"status": "unsubscribed"}, "by": "person"}, [("unsubscribe", "unsub", "manual")]),
        ({"set": {"status": "unsubscribed"}, "reason": "abuse"}, [("unsubscribe", "unsub", "abuse")]),
        ({"set": {"status": "cleaned"}, "reason": "hard"}, [("cleaned", "hard")]),
        ({"set": {"status": "cleaned"}, "reason": "abuse"}, [("cleaned", "abuse")]),
        ({"set": {"merge_fields": {"LNAME": "Reyes"}}}, [("profile",)]),
        ({"set": {"email_address": "new@example.com"}}, [("upemail",), ("profile",)]),
        ({"set": {"tags": ["vip"]}}, []),
        ({"sms": {"status": "subscribed", "phone": SMS}}, [("sms_subscribe",)]),
        ({"archive": True}, [("unsubscribe", "delete", "manual")]),
        ({"forget": True}, [("unsubscribe", "delete", "manual")]),
    ],
)
def test_edits_of_others_are_told(told: Told, change: dict[str, Any], heard: list[tuple[str, ...]]) -> None:
    told.add("ana@example.com")
    told.letters.take()
    told.edit(**change)
    assert told.heard() == heard
    assert len(told.writes()) == 2  # what others do is no write of the app


def test_each_source_and_each_event_can_be_left_out(told: Told) -> None:
    hook = f"{told.list}/webhooks/{told.hook['id']}"
    told.add("ana@example.com")
    for by, source in (("person", "user"), ("admin", "admin"), ("api", "api")):
        told("PATCH", hook, {"sources": {"user": True, "admin": True, "api": True, source: False}})
        told.edit(set={"status": "subscribed"}, by="person")
        told.letters.take()
        told.edit(set={"status": "unsubscribed"}, by=by)
        assert told.heard() == [], by
    told("PATCH", hook, {**EVERYTHING, "events": {"unsubscribe": False}})
    told.edit(set={"status": "subscribed"}, by="person")
    told.edit(set={"status": "unsubscribed"}, by="person")
    assert told.heard() == [("subscribe",)]


def test_another_app_is_bound_by_the_rules_of_the_api(told: Told) -> None:
    told.edit(set={"status": "unsubscribed"}, by="person")
    with pytest.raises(ValueError, match="compliance state"):
        told.edit(set={"status": "subscribed"}, by="api")
    told.edit(set={"status": "pending"}, by="api")
    assert told.edit()["confirmation_mails"] == 0  # only the app's own calls are counted


def test_every_audience_has_hooks_of_its_own(told: Told) -> None:
    told.edit("buyer@example.com", audience="Wholesale", set={"status": "subscribed"})
    assert told.heard() == []


@pytest.mark.parametrize(
    ("example", "change"),
    [
        ("subscribe", {"set": {"status": "subscribed"}}),
        ("unsubscribe-manual", {"set": {"status": "unsubscribed"}}),
        ("unsubscribe-abuse", {"set": {"status": "unsubscribed"}, "reason": "abuse"}),
        ("unsubscribe-delete", {"archive": True}),
        ("profile", {"set": {"merge_fields": {"FNAME": "Anna"}}}),
        ("upemail", {"set": {"email_address": "ana.r@example.net"}}),
        ("cleaned-hard", {"set": {"status": "cleaned"}}),
        ("sms-subscribe", {"sms": {"status": "subscribed"}}),
        ("sms-unsubscribe", {"sms": {"status": "unsubscribed"}}),
        ("upsms", {"sms": {"phone": "+14045550199"}}),
    ],
)
def test_what_is_told_has_the_fields_of_the_stored_examples(told: Told, example: str, change: dict[str, Any]) -> None:
    if not EXAMPLES.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{EXAMPLES} is missing")
        pytest.skip("the contracts folder beside the checkout is missing")
    told.add("ana@example.com", "transactional", merge_fields={"FNAME": "Ana", "LNAME": "Reyes"})
    told.edit(sms={"status": "pending", "phone": SMS})
    told.letters.take()
    told.edit(**change)
    letter = told.letters.take()[0]
    name = f"webhook-{example}.txt"
    index = json.loads((EXAMPLES / "webhooks-index.json").read_text())
    (described,) = [each["fields"] for each in index["files"] if each["file"] == name]
    wanted = {field for field in described if "GROUPINGS" not in field}  # this account has no interest groups
    assert wanted <= letter.keys()
    # The other way round only what a merge field or an empty value explains.
    more = {field for field in letter.keys() - wanted if not field.startswith("data[merges]") and letter[field]}
    assert more <= {"data[web_id]"}
    sent = dict(parse_qsl((EXAMPLES / name).read_text().split("\n\n", 1)[1], keep_blank_values=True))
    assert letter["type"] == sent["type"]
    if "data[id]" in letter:
        assert len(letter["data[id]"]) == len(sent["data[id]"]) == 10


def test_a_campaign_is_told_as_in_the_example(told: Told) -> None:
    """Once, when it is sent; by the sources flags of no hook kept away (the SMS one is, by the merchant's)."""
    told.add("ana@example.com")
    told.edit(sms={"status": "subscribed", "phone": SMS})
    told("PATCH", f"{told.list}/webhooks/{told.hook['id']}", {"sources": {"admin": False}})
    told.letters.take()
    draft = told.sandbox.edit({"campaign": {"title": "November news", "draft": True}})["id"]
    assert told.heard() == []
    for _ in range(2):  # the second time to some more
        told.sandbox.edit({"campaign": {"id": draft}})
    told.sandbox.edit({"campaign": {"silent": True}})
    told.sandbox.edit({"sms_campaign": {}})
    (letter,) = told.letters.take()
    assert letter.pop("fired_at")
    assert letter == {
        "type": "campaign",
        "data[id]": draft,
        "data[subject]": "November news",
        "data[status]": "sent",
        "data[reason]": "",
        "data[list_id]": told.list_id,
    }
    told("PATCH", f"{told.list}/webhooks/{told.hook['id']}", {"sources": {"admin": True}})
    told.sandbox.edit({"sms_campaign": {}})
    assert [letter["type"] for letter in told.letters.take()] == ["sms_campaign"]


def test_who_leaves_by_a_mail_leaves_with_its_name(told: Told) -> None:
    told.add("ana@example.com")
    told.add("bo@example.com")
    sent = told.sandbox.edit({"campaign": {}})["id"]
    told.letters.take()
    for name, do in (("ana", "unsubscribe"), ("bo", "bounce")):
        told.sandbox.edit({"activity": {"do": do, "email": f"{name}@example.com"}})
    letters = told.letters.take()
    assert [(each["type"], each["data[campaign_id]"]) for each in letters] == [("unsubscribe", sent), ("cleaned", sent)]


def test_the_contents_are_those_of_the_contact(told: Told) -> None:
    told.clock.at = 1_795_293_657.4  # 2026-11-21 20:40:57
    home = {"addr1": "1 Test St", "addr2": "", "city": "Atlanta", "state": "GA", "zip": "30308", "country": "US"}
    made = told.add("Ana.Reyes@example.com", merge_fields={"FNAME": "Ana", "ADDRESS": home}, ip_signup="203.0.113.10")
    (letter,) = told.letters.take()
    assert letter["fired_at"] == "2026-11-21 20:40:57"
    assert letter["data[id]"] == made["unique_email_id"]
    assert letter["data[id]"] != made["id"]
    assert (letter["data[email]"], letter["data[ip_signup]"]) == ("Ana.Reyes@example.com", "203.0.113.10")
    assert (letter["data[merges][FNAME]"], letter["data[merges][LNAME]"]) == ("Ana", "")
    assert letter["data[merges][ADDRESS][city]"] == "Atlanta"
    assert letter["data[list_id]"] == told.list_id
    told.edit("ana.reyes@example.com", set={"email_address": "ana@example.net"})
    letter = told.letters.take()[0]
    moved = told.member("ana@example.net")
    assert letter["data[old_email]"] == "Ana.Reyes@example.com"
    assert (letter["data[new_email]"], letter["data[new_id]"]) == ("ana@example.net", moved["unique_email_id"])


def test_letters_are_signed_with_the_secret_of_their_hook(told: Told) -> None:
    told.add("ana@example.com")
    body, headers = told.letters.raw[0]
    ((name, value),) = headers
    assert name == b"X-Mailchimp-Signature"
    parts = dict(part.split("=") for part in value.decode().split(","))
    assert parts["t"] == str(int(told.clock.at))
    wanted = hmac.new(told.hook["signing_secret"].encode(), f"{parts['t']}.".encode() + body, hashlib.sha256)
    assert parts["v1"] == wanted.hexdigest()


def test_older_hooks_are_unsigned(told: Told) -> None:
    told.sandbox.edit({"settings": {"sign_hooks": False}})
    told("DELETE", f"{told.list}/webhooks/{told.hook['id']}")
    made = told("POST", f"{told.list}/webhooks", {"url": URL, **EVERYTHING}).json
    assert made["signing_enabled"] is False
    assert "signing_secret" not in made
    told.add("ana@example.com")
    assert told.letters.raw[0][1] == []


def test_410_switches_a_hook_off_for_good(told: Told) -> None:
    told.add("ana@example.com")
    told.letters.take()
    assert told.letters.on_gone is not None
    told.letters.on_gone()
    hook = f"{told.list}/webhooks/{told.hook['id']}"
    assert not any(told("GET", hook).json["events"].values())
    assert not any(told("PATCH", hook, EVERYTHING).json["events"].values())
    told.edit(set={"status": "unsubscribed"})
    assert told.heard() == []
    assert told("POST", f"{told.list}/webhooks", {"url": URL, **EVERYTHING}).status == 400  # it still has the URL


# With a web server at the other end


class Listener(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.headers["User-Agent"])  # type: ignore[attr-defined]
        self._say(200 if self.path == "/hook" else 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((dict(self.headers), body))  # type: ignore[attr-defined]
        self._say(200)

    def _say(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.asked, server.heard = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


def test_a_url_must_answer_before_it_is_taken(listener: Any) -> None:
    with opened(0) as port, httpx.Client(base_url=port.list_url, headers=port.auth) as http_client:
        port.control("edit", platform="mailchimp", settings={"hook_validation": True})
        elsewhere = (
            f"http://0.0.0.0:{listener.server_port}/hook"  # would answer, but is no address of this machine alone
        )
        for url in (f"{listener.url}/elsewhere", "http://127.0.0.1:9/hook", "https://app.example.com/hook", elsewhere):
            refused = http_client.post("/webhooks", json={"url": url, **EVERYTHING})
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "url")
        assert http_client.get("/webhooks").json()["total_items"] == 0
        made = http_client.post("/webhooks", json={"url": f"{listener.url}/hook", **EVERYTHING})
        assert made.status_code == 200
        assert listener.asked[-1] == "MailChimp.com WebHook Validator"
        hook = f"/webhooks/{made.json()['id']}"
        assert http_client.patch(hook, json={"url": f"{listener.url}/elsewhere"}).status_code == 400
        assert http_client.get(hook).json()["url"] == f"{listener.url}/hook"
        asked = len(listener.asked)
        assert http_client.patch(hook, json={"events": {"profile": False}}).status_code == 200
        assert len(listener.asked) == asked  # the URL is the same


def test_the_courier_brings_them(listener: Any) -> None:
    with opened(0) as port, httpx.Client(base_url=port.list_url, headers=port.auth) as http_client:
        courier = Courier()
        port.api.sandbox.courier = courier
        secret = http_client.post("/webhooks", json={"url": f"{listener.url}/hook", **EVERYTHING}).json()[
            "signing_secret"
        ]
        port.control("edit", platform="mailchimp", email="ana@example.com", set={"status": "subscribed"})
        deadline = time.monotonic() + 20
        while not listener.heard and time.monotonic() < deadline:
            time.sleep(0.01)
        courier.close()
        ((headers, body),) = listener.heard
        at, proof = (part.split("=")[1] for part in headers["X-Mailchimp-Signature"].split(","))
        assert proof == hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        assert body.startswith(b"type=subscribe&fired_at=")
