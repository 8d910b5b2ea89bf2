"""One contact: read, put, moved, tagged and texted; and whether the audience may text at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
import respx

from shopchimp.domain.addresses import subscriber_hash
from shopchimp.domain.errors import Rejected
from shopchimp.domain.sms import ContactSms, PushSms, SmsRule, SmsStatus
from shopchimp.mailchimp import members, sms, tags
from shopchimp.mailchimp.client import MailchimpClient

ROOT = "https://us6.api.mailchimp.com/3.0"
ANA = f"{ROOT}/lists/aud1/members/{subscriber_hash('ana@example.com')}"
CONTACTS = f"{ROOT}/audiences/aud1/contacts"
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
OPT_IN = PushSms(True, "+14045550142", SmsRule.OPTED_IN, at=AT, level="SINGLE_OPT_IN")
OPT_OUT = PushSms(False, "+14045550142", SmsRule.OPTED_OUT)


@pytest.fixture
def client() -> Iterator[MailchimpClient]:
    with httpx.Client(trust_env=False) as http:
        yield MailchimpClient(http, api_root=ROOT.removesuffix("/3.0"), token="t")


def sent(route: respx.Route) -> Any:
    return orjson.loads(route.calls.last.request.content)


def problem(status: int, title: str, detail: str) -> httpx.Response:
    return httpx.Response(status, json={"title": title, "status": status, "detail": detail})


@respx.mock
def test_a_contact_with_tags_and_a_phone_and_none(client: MailchimpClient) -> None:
    said = {
        "email_address": "ana@example.com", "status": "archived", "tags": [{"id": 1, "name": "VIP"}],
        "sms_phone_number": "+14045550142", "sms_subscription_status": "unsubscribed",
        "sms_subscription_last_updated": "2026-11-01T12:00:00+00:00",
    }  # fmt: skip
    respx.get(ANA).respond(json=said)
    found = members.get(client, "aud1", "Ana@Example.com")
    assert found is not None
    assert found.tags == ("VIP",)
    assert members.sms_of(found) == ContactSms(SmsStatus.UNSUBSCRIBED, "+14045550142", AT, archived=True)
    respx.get(ANA).respond(404, json={"title": "Resource Not Found"})
    assert members.get(client, "aud1", "ana@example.com") is None
    assert members.sms_of(members.parse({"sms_subscription_status": ""})).status is SmsStatus.NONSUBSCRIBED
    assert members.sms_of(members.parse({"sms_subscription_status": "snoozed"})).status is None


@respx.mock
def test_put_patch_and_move_send_only_what_is_meant(client: MailchimpClient) -> None:
    route = respx.put(ANA).respond(json={"status": "subscribed"})
    members.put(
        client, "aud1", "ana@example.com", status=None, status_if_new="transactional", merge_fields={}, timestamp_opt=AT
    )
    assert sent(route) == {
        "email_address": "ana@example.com",
        "status_if_new": "transactional",
        "timestamp_opt": "2026-11-01T12:00:00+00:00",
    }
    assert route.calls.last.request.url.params["skip_merge_validation"] == "true"
    route = respx.patch(ANA).respond(json={"email_address": "new@example.com", "status": "unsubscribed"})
    assert members.move(client, "aud1", "ana@example.com", "new@example.com").email == "new@example.com"
    assert sent(route) == {"email_address": "new@example.com"}


@respx.mock
def test_delete_permanently_asks_for_just_that(client: MailchimpClient) -> None:
    route = respx.post(f"{ANA}/actions/delete-permanent").respond(204)
    members.delete_permanently(client, "aud1", "ana@example.com")
    assert route.call_count == 1


@respx.mock
def test_s102_tags_in_one_call_and_none_for_nothing(client: MailchimpClient) -> None:
    route = respx.post(f"{ANA}/tags").respond(204)
    tags.write(client, "aud1", "ana@example.com")
    assert not route.called
    tags.write(client, "aud1", "ana@example.com", add=["VIP"], remove=["old"], quiet=True)
    changes = [{"name": "VIP", "status": "active"}, {"name": "old", "status": "inactive"}]
    assert sent(route) == {"tags": changes, "is_syncing": True}


def answer(status: str) -> dict[str, Any]:
    return {"id": "c1", "sms_channel": {"sms_phone": "+1", "effective_subscription_status": {"value": status}}}


@respx.mock
def test_s32_an_opt_in_goes_with_shopifys_time(client: MailchimpClient) -> None:
    route = respx.patch(f"{CONTACTS}/c1").respond(json=answer("subscribed"))
    assert sms.write(client, "aud1", "c1", OPT_IN).status == "subscribed"
    assert sent(route)["sms_channel"] == {
        "sms_phone": "+14045550142",
        "marketing_consent": {
            "status": "confirmed", "captured_at": "2026-11-01T12:00:00Z", "source": {"name": "shopchimp"},
        },
    }  # fmt: skip
    assert "email_channel" not in sent(route), "nothing is said of email consent"
    made = respx.post(CONTACTS).respond(json=answer("subscribed"))
    sms.write(client, "aud1", None, OPT_IN, email="ana@example.com", quiet=True)
    assert sent(made)["email_channel"] == {"email": "ana@example.com"}
    assert sent(made)["update_existing"] is True
    assert made.calls.last.request.url.params["data_mode"] == "historical"


@respx.mock
@pytest.mark.parametrize(
    ("push", "said", "code"),
    [
        (OPT_OUT, problem(400, "Invalid Resource", "denied is not accepted"), "sms_opt_out_refused"),
        (OPT_OUT, httpx.Response(200, json=answer("subscribed")), "sms_opt_out_refused"),
        (OPT_IN, httpx.Response(200, json=answer("unsubscribed")), "mc_ignored"),
        (OPT_IN, problem(400, "Invalid Resource", "+1 already belongs to another contact"), "sms_phone_taken"),
        (OPT_IN, problem(400, "Invalid Resource", "SMS is not enabled for this audience."), "sms_no_programme"),
        (OPT_IN, problem(404, "Resource Not Found", ""), "mc_not_found"),
    ],
)
def test_refusals_of_texts_by_what_they_mean(
    client: MailchimpClient, push: PushSms, said: httpx.Response, code: str
) -> None:
    respx.patch(f"{CONTACTS}/c1").mock(return_value=said)
    with pytest.raises(Rejected) as caught:
        sms.write(client, "aud1", "c1", push)
    assert caught.value.code == code


@respx.mock
def test_an_opt_out_is_written_without_a_time(client: MailchimpClient) -> None:
    route = respx.patch(f"{CONTACTS}/c1").respond(json=answer("unsubscribed"))
    sms.write(client, "aud1", "c1", OPT_OUT)
    assert sent(route)["sms_channel"]["marketing_consent"] == {"status": "denied", "source": {"name": "shopchimp"}}


def programme(state: str, *, sends: bool) -> httpx.Response:
    return httpx.Response(200, json={"sms_program": [{"registration_status": state, "can_send": sends}]})


@respx.mock
@pytest.mark.parametrize(
    ("channels", "answered", "approval"),
    [
        (["email", "sms"], programme("REGISTRATION_STATUS_ACTIVE", sends=True), "approved"),
        (["email", "sms"], httpx.Response(404, json={"title": "Resource Not Found"}), "approved"),
        (["email"], httpx.Response(404, json={"title": "Resource Not Found"}), "sms_no_programme"),
        (["email"], httpx.Response(200, json={"sms_program": []}), "sms_no_programme"),
        (["email"], programme("REGISTRATION_STATUS_PENDING_APPROVAL", sends=False), "sms_programme_pending"),
        (["email", "sms"], programme("REGISTRATION_STATUS_ACTIVE", sends=False), "sms_programme_paused"),
        (None, httpx.Response(200, json={}), "sms_no_programme"),
    ],
)
def test_s29_whether_the_audience_may_text_and_why_not(
    client: MailchimpClient, channels: Any, answered: httpx.Response, approval: str
) -> None:
    respx.get(f"{ROOT}/audiences/aud1").respond(json={"id": "aud1", "enabled_channels": channels})
    respx.get(f"{ROOT}/lists/aud1/sms-program").mock(return_value=answered)
    assert sms.programme(client, "aud1").approval == approval
