"""Contacts with a phone: the rules of `/audiences`, as mailchimp.md section 6 has them (S28 to S35 are played on these)."""

import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from mailchimp_port import Answer, Api

CONTRACTS = Path(__file__).parents[4] / "shared/contracts/mailchimp"
SMS, OTHER = "+14045550142", "+14045550199"
OLD, NEW, NEWER = "2026-11-01T12:00:00Z", "2026-11-02T12:00:00Z", "2026-11-03T12:00:00Z"


class Contacts(Api):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.contacts = f"/audiences/{self.list_id}/contacts"

    def post(self, body: dict[str, Any], **query: Any) -> Answer:
        return self("POST", self.contacts, body, **query)

    def text(self, status: str, at: str | None = None, phone: str = SMS, **more: Any) -> Answer:
        """Write SMS consent of ana@example.com."""
        return self.post({"email_channel": {"email": "ana@example.com"}, **sms(status, at, phone), **UPSERT, **more})

    def patch(self, contact: dict[str, Any], body: dict[str, Any], **query: Any) -> Answer:
        return self("PATCH", f"{self.contacts}/{contact['id']}", body, **query)

    def state(self, email: str = "ana@example.com") -> dict[str, Any]:
        return next(row for row in self.sandbox.state() if row["email"] == email)


UPSERT = {"update_existing": True}


def sms(status: str | None, at: str | None = None, phone: str | None = SMS) -> dict[str, Any]:
    consent = {"status": status, "source": {"name": "shopchimp"}} | ({"captured_at": at} if at else {})
    return {"sms_channel": ({"sms_phone": phone} if phone else {}) | ({"marketing_consent": consent} if status else {})}


def email(address: str, status: str | None = None, at: str | None = None) -> dict[str, Any]:
    consent = {"status": status} | ({"captured_at": at} if at else {})
    return {"email_channel": {"email": address} | ({"marketing_consent": consent} if status else {})}


def choice(answer: Answer, channel: str = "sms_channel") -> tuple[Any, ...]:
    assert answer.status == 200, answer.json
    shown = answer.json[channel]
    consent = shown["marketing_consent"]
    return shown["effective_subscription_status"]["value"], consent["status"], consent.get("captured_at")


def refusal(answer: Answer) -> str:
    assert answer.status == 400, answer.json
    return answer.json["errors"][0]["field"] if "errors" in answer.json else answer.json["title"]


@pytest.fixture
def api() -> Contacts:
    return Contacts()


def test_consent_by_sms_leaves_consent_by_mail_alone(api: Contacts) -> None:
    made = api.text("confirmed", NEW)
    assert choice(made) == ("subscribed", "confirmed", NEW)
    assert choice(made, "email_channel") == ("nonsubscribed", "unknown", None)
    member = api.member("ana@example.com")
    assert (member["status"], member["contact_id"].upper()) == ("transactional", made.json["id"])
    assert (member["sms_phone_number"], member["sms_subscription_status"]) == (SMS, "subscribed")
    assert member["sms_subscription_last_updated"]
    api("PATCH", f"{api.list}/members/ana@example.com", {"status": "subscribed"})
    denied = api.patch(made.json, sms("denied", phone=None))
    assert choice(denied) == ("unsubscribed", "denied", None)
    assert choice(denied, "email_channel")[0] == "subscribed"


def test_a_member_without_a_phone_has_no_sms_fields(api: Contacts) -> None:
    assert not [name for name in api.add("ana@example.com") if name.startswith("sms_")]


def test_captured_at_goes_with_confirmed_only_and_forward_only(api: Contacts) -> None:
    assert refusal(api.text("consented", NEW)) == "sms_channel.marketing_consent.captured_at"
    assert refusal(api.text("confirmed", "yesterday")) == "sms_channel.marketing_consent.captured_at"
    api.text("confirmed", NEW)
    assert choice(api.text("confirmed", OLD)) == ("subscribed", "confirmed", NEW)
    changed_at = api.member("ana@example.com")["last_changed"]
    api.clock.at += 60
    api.text("confirmed", NEW)
    assert api.member("ana@example.com")["last_changed"] == changed_at
    assert choice(api.text("confirmed", NEWER)) == ("subscribed", "confirmed", NEWER)
    assert api.member("ana@example.com")["last_changed"] > changed_at


def test_not_knowing_takes_a_consent_away_but_undoes_no_denial(api: Contacts) -> None:
    made = api.text("confirmed", NEW)
    assert choice(api.text("unknown"))[0] == "nonsubscribed"
    api.patch(made.json, sms("denied"))
    assert choice(api.text("unknown"))[0] == "unsubscribed"
    assert choice(api.text("consented"))[0] == "subscribed"


def test_denying_needs_a_contact(api: Contacts) -> None:
    assert refusal(api.text("denied")) == "sms_channel.marketing_consent.status"


def test_stop_is_answered_by_a_later_consent_only_in_its_date(api: Contacts) -> None:
    api.text("confirmed", OLD)
    api.sandbox.edit({"email": "ana@example.com", "sms": {"status": "unsubscribed"}, "at": NEWER})
    assert api.state()["sms"] == {"phone": SMS, "status": "unsubscribed", "consent": "denied", "captured_at": NEWER.replace("Z", "+00:00")}  # fmt: skip
    # The status counts although the date is ignored: nothing but the caller's own care keeps an old consent back.
    assert choice(api.text("confirmed", NEW)) == ("subscribed", "confirmed", NEWER)


def test_one_phone_one_contact(api: Contacts) -> None:
    made = api.text("confirmed").json
    other = api.post({**email("bea@example.com"), **sms("confirmed")})
    assert refusal(other) == "sms_channel.sms_phone"
    assert api("GET", f"{api.list}/members/bea@example.com").status == 404
    bea = api.post({**email("bea@example.com"), **sms("confirmed", phone=OTHER)}).json
    assert refusal(api.patch(bea, sms("confirmed"))) == "sms_channel.sms_phone"
    assert api.patch(made, sms(None, phone="+14045550111")).status == 200
    assert choice(api.patch(bea, sms(None)))[0] == "subscribed"  # the number is free


@pytest.mark.parametrize("phone", ["4045550142", "+0123456789", "+1 404 555 0142", "+1404555014212345678", ""])
def test_numbers_are_e164(api: Contacts, phone: str) -> None:
    assert refusal(api.text("confirmed", phone=phone)) == "sms_channel.sms_phone"


def test_a_contact_may_have_a_phone_alone(api: Contacts) -> None:
    made = api.post(sms("confirmed", NEW))
    assert "email_channel" not in made.json
    digest = hashlib.sha256(SMS.encode()).hexdigest()
    assert api("GET", f"{api.contacts}/sms:{digest}").json == made.json
    assert made.json["sms_channel"]["hashed_sms_phone"] == digest
    assert api("GET", f"{api.list}/members").json["total_items"] == 0
    assert api("GET", f"{api.list}/members/{made.json['id'].lower()}").status == 404
    named = api.patch(made.json, {**email("ana@example.com", "confirmed", NEW), "merge_fields": {"FNAME": "Ana"}})
    assert choice(named, "email_channel") == ("subscribed", "confirmed", NEW)
    assert api.member("ana@example.com")["sms_phone_number"] == SMS
    assert named.json["id"] == made.json["id"]
    assert refusal(api.post({"merge_fields": {"FNAME": "Nobody"}})) == "email_channel"


def test_a_known_contact_is_changed_only_when_asked(api: Contacts) -> None:
    made = api.text("confirmed").json
    assert refusal(api.post({**email("ana@example.com"), "tags": ["x"]})) == "Member Exists"
    assert refusal(api.post(sms("confirmed"))) == "Member Exists"
    changed = api.post({**email("ana@example.com"), "tags": ["x", "y"], "language": "de", **UPSERT})
    assert (changed.json["id"], changed.json["tags"], changed.json["language"]) == (made["id"], ["x", "y"], "de")
    assert api.patch(made, {"tags": [{"name": "x", "status": "inactive"}, "z"]}).json["tags"] == ["y", "z"]
    assert [kind for kind, _, _ in api.writes()] == ["contact", "consent", "sms", "contact", "tags", "tags"]


def test_consent_by_mail_is_under_the_rules_of_members(api: Contacts) -> None:
    assert choice(api.post(email("ana@example.com", "consented")), "email_channel")[0] == "subscribed"
    api.sandbox.edit({"email": "ana@example.com", "set": {"status": "unsubscribed"}, "by": "person"})
    again = {**email("ana@example.com", "confirmed"), **sms("confirmed"), **UPSERT}
    assert refusal(api.post(again)) == "Member In Compliance State"
    assert api.state()["sms"] is None  # all or nothing
    assert choice(api.post({**email("ana@example.com", "unknown"), **UPSERT}), "email_channel")[0] == "unsubscribed"
    api.sandbox.edit({"settings": {"double_optin": True}})
    assert choice(api.post({**email("bea@example.com", "consented")}), "email_channel")[0] == "pending"
    assert api.state("bea@example.com")["confirmation_mails"] == 1


def test_an_address_has_an_older_date_too(api: Contacts) -> None:
    assert choice(api.post(email("ana@example.com", "confirmed", NEW)), "email_channel")[2] == NEW
    later = {**email("ana@example.com", "confirmed", OLD), **UPSERT}
    assert choice(api.post(later), "email_channel")[2] == NEW


def test_archived_and_forgotten(api: Contacts) -> None:
    made = api.text("confirmed").json
    assert api("POST", f"{api.contacts}/{made['id']}/actions/archive").status == 204
    assert api("GET", f"{api.contacts}/{made['id']}").json["status"] == "archived"
    assert api.member("ana@example.com")["status"] == "archived"
    assert api.text("confirmed").json["status"] == "active"
    assert api("POST", f"{api.contacts}/{made['id']}/actions/forget").status == 204
    assert api("GET", f"{api.contacts}/{made['id']}").status == 404
    assert refusal(api.text("confirmed")) == "Forgotten Email Not Subscribed"
    alone = api.post(sms("confirmed")).json  # the number is free again
    assert api("POST", f"{api.contacts}/{alone['id']}/actions/archive").status == 204
    assert api("GET", f"{api.list}/members", status="archived").json["total_items"] == 0
    assert api.post(sms("confirmed")).json["status"] == "active"
    api("POST", f"{api.contacts}/{alone['id']}/actions/forget")
    assert refusal(api.post(sms("confirmed"))) == "Forgotten Email Not Subscribed"


def test_hashes_are_for_reading(api: Contacts) -> None:
    made = api.text("confirmed").json
    md5 = hashlib.md5(b"ana@example.com").hexdigest()
    assert api("GET", f"{api.contacts}/email:{md5}").json["id"] == made["id"]
    assert api("GET", f"{api.contacts}/{made['id'].lower()}").status == 200
    assert api("GET", f"{api.contacts}/phone:{md5}").status == 404
    assert api("GET", f"{api.contacts}/{md5}").status == 404
    assert api("PATCH", f"{api.contacts}/email:{md5}", {"tags": ["x"]}).status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email_chanel": {}}, "email_chanel"),
        ({"sms_channel": {"phone": SMS}}, "sms_channel.phone"),
        ({"email_channel": "ana@example.com"}, "email_channel"),
        ({"sms_channel": {"sms_phone": 14045550142}}, "sms_channel.sms_phone"),
        ({**sms("subscribed")}, "sms_channel.marketing_consent.status"),
        ({"sms_channel": {"sms_phone": SMS, "marketing_consent": {"status": "confirmed", "source": "shop"}}},
         "sms_channel.marketing_consent.source"),
        ({"tags": [{"name": "x", "status": "gone"}]}, "tags.item:0"),
        ({"update_existing": "yes"}, "update_existing"),
        ({"merge_fields": []}, "merge_fields"),
    ],
)  # fmt: skip
def test_bodies_are_checked(api: Contacts, body: dict[str, Any], field: str) -> None:
    assert refusal(api.post(email("ana@example.com") | body)) == field
    assert api("GET", f"{api.list}/members/ana@example.com").status == 404


def test_required_fields_and_modes(api: Contacts) -> None:
    api("POST", f"{api.list}/merge-fields", {"name": "Size", "type": "text", "tag": "SIZE", "required": True})
    assert refusal(api.post(sms("confirmed"))) == "SIZE"
    assert api.post(sms("confirmed"), merge_field_validation_mode="ignore_required_checks").status == 200
    assert refusal(api.post(sms("confirmed"), data_mode="dead")) == "data_mode"
    assert refusal(api.post(sms("confirmed"), merge_field_validation_mode="no")) == "merge_field_validation_mode"


def test_historical_data_tells_nobody(api: Contacts) -> None:
    told: list[str] = []

    class Courier:
        def post(self, *, topic: str, **_: Any) -> None:
            told.append(topic)

    api.sandbox.courier = Courier()
    events, sources = dict.fromkeys(("sms_subscribe", "sms_unsubscribe", "profile"), True), {"api": True}
    api("POST", f"{api.list}/webhooks", {"url": "http://127.0.0.1:9/", "events": events, "sources": sources})
    made = api.post(sms("confirmed"), data_mode="historical").json
    assert told == []
    api.patch(made, sms("denied"), data_mode="live")
    api.patch(made, sms("confirmed"))
    assert told == ["sms_unsubscribe", "sms_subscribe"]


# Lists


def pages(api: Contacts, **query: Any) -> list[str]:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = api("GET", api.contacts, **query, **cursor).json
        found += [each.get("email_channel", {}).get("email", each["id"]) for each in page["contacts"]]
        assert len(page["contacts"]) <= int(query.get("count", 10))
        if not page["next_cursor"]:
            return found
        cursor = {"cursor": page["next_cursor"]}


def test_contacts_are_read_page_by_page_in_either_order(api: Contacts) -> None:
    names = [f"p{number}@example.com" for number in range(7)]
    for name in names:
        api.clock.at += 1
        api.add(name)
    api.clock.at += 1
    api("DELETE", f"{api.list}/members/{names[3]}")
    assert pages(api, count=2) == names
    assert pages(api, count=7) == names
    assert pages(api, count=3, sort_dir="DESC") == names[::-1]
    moved = [*names[:3], *names[4:], names[3]]
    assert pages(api, count=2, sort_field="updated_at") == moved
    assert pages(api, count=5, sort_field="updated_at", sort_dir="DESC") == moved[::-1]
    assert pages(api, count=0) == []


def test_contacts_since_is_exclusive_and_before_inclusive(api: Contacts) -> None:
    for number in range(4):
        api.clock.at += 10
        api.add(f"p{number}@example.com")
    at = [each["created_at"] for each in api("GET", api.contacts).json["contacts"]]
    for name in ("created", "updated"):
        for order in ({}, {"sort_field": "updated_at"}):
            query = {f"{name}_since": at[0], f"{name}_before": at[2], **order}
            assert pages(api, **query) == ["p1@example.com", "p2@example.com"]


def test_a_cursor_belongs_to_its_order(api: Contacts) -> None:
    for number in range(3):
        api.add(f"p{number}@example.com")
    cursor = api("GET", api.contacts, count=1).json["next_cursor"]
    assert api("GET", api.contacts, count=1, cursor=cursor).status == 200
    assert api("GET", api.contacts, count=1, cursor=cursor, sort_field="updated_at").status == 400
    assert api("GET", api.contacts, cursor="nonsense").status == 400
    assert api("GET", api.contacts, sort_field="name").status == 400
    assert api("GET", api.contacts, count=1001).status == 400


def test_contacts_show_what_is_asked_for(api: Contacts) -> None:
    made = api.add("ana@example.com")
    shown = api("GET", api.contacts, fields="contacts.id,contacts.sms_channel,next_cursor").json
    assert shown == {"contacts": [{"id": made["contact_id"].upper()}], "next_cursor": ""}
    one = f"{api.contacts}/{made['contact_id']}"
    assert api("GET", one, fields="sms_channel,status").json == {"status": "active"}
    assert api("GET", one, fields="nonsense").status == 400
    assert "tags" not in api("GET", one, exclude_fields="tags").json


# The programme


@pytest.mark.parametrize(
    ("state", "channels", "programmes"),
    [("approved", ["email", "sms"], [("REGISTRATION_STATUS_ACTIVE", True)]),
     ("pending", ["email"], [("REGISTRATION_STATUS_PENDING_APPROVAL", False)]),
     ("none", ["email"], []), ("404", ["email", "sms"], None)],
)  # fmt: skip
def test_the_sms_programme_decides_about_the_channel(
    state: str, channels: list[str], programmes: list[tuple[str, bool]] | None
) -> None:
    api = Contacts(sms_programme=state)
    answer = api("GET", f"{api.list}/sms-program")
    if programmes is None:
        assert answer.status == 404
    else:
        assert [(p["registration_status"], p["can_send"]) for p in answer.json["sms_program"]] == programmes
    assert api("GET", f"/audiences/{api.list_id}").json["enabled_channels"] == channels
    assert [each["name"] for each in api("GET", "/audiences").json["audiences"]] == ["Newsletter", "Wholesale"]
    assert api.text("confirmed").status == (200 if "sms" in channels else 400)
    api.sandbox.edit({"sms_programme": "approved"})
    assert api.text("confirmed").status == 200
    with pytest.raises(ValueError, match="sms_programme"):
        api.sandbox.edit({"sms_programme": "maybe"})


# Against the contract


def test_answers_hold_the_contract(api: Contacts) -> None:
    if not CONTRACTS.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{CONTRACTS} is missing")
        pytest.skip("the contracts folder beside the checkout is missing")
    contract = json.loads(gzip.decompress((CONTRACTS / "marketing-3.0.json.gz").read_bytes()))
    both = api.post({**email("ana@example.com", "confirmed"), **sms("confirmed"), "merge_fields": {"FNAME": "Ana"}})
    alone = api.post(sms("unknown", phone=OTHER)).json
    of, one = f"/audiences/{api.list_id}", "/audiences/{audience_id}/contacts/{contact_id}"
    answers = [
        ("post", "/audiences/{audience_id}/contacts", both),
        ("get", "/audiences", api("GET", "/audiences")),
        ("get", "/audiences/{audience_id}", api("GET", of)),
        ("get", "/audiences/{audience_id}/contacts", api("GET", f"{of}/contacts")),
        ("get", one, api("GET", f"{of}/contacts/{alone['id']}")),
        ("patch", one, api.patch(both.json, sms("denied"))),
        ("get", "/lists/{list_id}/members/{subscriber_hash}", api("GET", f"{api.list}/members/ana@example.com")),
    ]
    for method, template, answer in answers:
        assert answer.status == 200, (method, template, answer.json)
        schema = contract["paths"][template][method]["responses"]["200"]["schema"]
        checker = Draft4Validator(_strict({**schema, "definitions": contract["definitions"]}))
        wrong = [f"{list(e.absolute_path)}: {e.message}" for e in checker.iter_errors(answer.json)]
        assert not wrong, (method, template, wrong)


@pytest.mark.parametrize("name", ["audience-contact-create-sms", "audience-contact-create-sms-only"])
def test_the_stored_examples_are_understood(api: Contacts, name: str) -> None:
    file = CONTRACTS / "examples" / f"{name}.json"
    if not file.exists():
        pytest.skip("the contracts folder beside the checkout is missing")
    example = json.loads(file.read_text())
    request, wanted = example["request"], example["response"]["body"]
    answer = api.post(request["body"], **request["query"])
    assert answer.status == 200
    assert answer.json.keys() == wanted.keys()
    assert answer.json["sms_channel"].keys() == wanted["sms_channel"].keys()
    assert answer.json["sms_channel"]["hashed_sms_phone"] == wanted["sms_channel"]["hashed_sms_phone"]
    assert choice(answer)[:2] == ("subscribed", "confirmed")


def _strict(schema: Any) -> Any:
    """The schema with additional properties forbidden wherever properties are named."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _strict(value) for name, value in schema.items()}
    if isinstance(closed.get("properties"), dict) and "additionalProperties" not in closed:
        closed["additionalProperties"] = False
    return closed
