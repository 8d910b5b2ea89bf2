"""Contacts as Mailchimp says them, whole or odd, and what came of a batch person by person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
import respx

from shopchimp.mailchimp import members
from shopchimp.mailchimp.client import MailchimpClient

ROOT = "https://us6.api.mailchimp.com"
LIST = f"{ROOT}/3.0/lists/aud1"


@pytest.fixture
def client() -> Iterator[MailchimpClient]:
    with httpx.Client(trust_env=False) as http:
        yield MailchimpClient(http, api_root=ROOT, token="t")


WHOLE: dict[str, Any] = {
    "email_address": "Ana@Example.com",
    "contact_id": "c1",
    "id": "md5",
    "status": "subscribed",
    "timestamp_signup": "2020-01-01T00:00:00+00:00",
    "timestamp_opt": "2021-02-03T04:05:06+02:00",
    "last_changed": "2022-01-01T00:00:00Z",
    "merge_fields": {"FNAME": "Ana"},
}


def test_a_whole_member() -> None:
    found = members.parse(WHOLE)
    assert (found.email, found.contact_id, found.status) == ("Ana@Example.com", "c1", "subscribed")
    assert found.opted_in_at == datetime(2021, 2, 3, 2, 5, 6, tzinfo=UTC)
    assert found.changed_at == datetime(2022, 1, 1, tzinfo=UTC)
    assert found.merge_fields == {"FNAME": "Ana"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"merge_fields": None}, {"merge_fields": {}}),
        ({"merge_fields": []}, {"merge_fields": {}}),
        ({"merge_fields": "x"}, {"merge_fields": {}}),
        ({"contact_id": None}, {"contact_id": "md5"}),
        ({"contact_id": 17}, {"contact_id": "17"}),
        ({"status": "paused"}, {"status": "paused"}),
        ({"status": None}, {"status": ""}),
        ({"email_address": None}, {"email": ""}),
        ({"timestamp_opt": ""}, {"opted_in_at": datetime(2020, 1, 1, tzinfo=UTC)}),
        ({"timestamp_opt": None, "timestamp_signup": "0000-00-00 00:00:00"}, {"opted_in_at": None}),
        ({"timestamp_opt": 17, "timestamp_signup": None}, {"opted_in_at": None}),
        ({"last_changed": "2022-01-01T00:00:00"}, {"changed_at": datetime(2022, 1, 1, tzinfo=UTC)}),
        ({"tags": ["Shopify", {"id": 1, "name": "x"}]}, {}),
    ],
)
def test_an_odd_member_does_not_crash_us(change: dict[str, Any], expected: dict[str, Any]) -> None:
    found = members.parse({**WHOLE, **change})
    assert {name: getattr(found, name) for name in expected} == expected


@respx.mock
def test_a_page_skips_what_is_no_member_and_takes_the_total_as_text(client: MailchimpClient) -> None:
    route = respx.get(f"{LIST}/members").respond(json={"members": [WHOLE, None, "x"], "total_items": "2001"})
    found, total = members.page(client, "aud1", offset=1000, status="archived")
    assert [each.email for each in found] == ["Ana@Example.com"]
    assert total == 2001
    query = dict(route.calls.last.request.url.params)
    assert (query["count"], query["offset"], query["status"]) == ("1000", "1000", "archived")
    respx.get(f"{LIST}/members").respond(json={"members": None})
    assert members.page(client, "aud1", offset=0) == ([], 0)


@respx.mock
def test_what_changed_is_asked_for_by_the_second_in_utc(client: MailchimpClient) -> None:
    route = respx.get(f"{LIST}/members").respond(json={"members": []})
    since = datetime.fromisoformat("2026-01-01T02:00:00.9+02:00")
    assert members.changed_since(client, "aud1", since, offset=3) == []
    query = route.calls.last.request.url.params
    assert query["since_last_changed"] == "2026-01-01T00:00:00+00:00"
    assert "status" not in query


@respx.mock
def test_a_batch_is_sent_as_given_and_answered_person_by_person(client: MailchimpClient) -> None:
    answer = {
        "new_members": [WHOLE],
        "updated_members": [{"email_address": "b@example.com", "status": "unsubscribed"}, None],
        "errors": [
            {"email_address": "c@example.com", "error": "c@example.com exists", "error_code": "ERROR_CONTACT_EXISTS"},
            {"email_address": "d@example.com", "error": "d@example.com is in a compliance state", "error_code": None},
            {},
            "odd",
        ],
    }
    route = respx.post(LIST).respond(json=answer)
    bodies = ['{"email_address":"ana@example.com","status":"subscribed"}', '{"email_address":"b@example.com"}']
    result = members.batch(client, "aud1", bodies, update_existing=False)
    assert result.taken == {"Ana@Example.com": "subscribed", "b@example.com": "unsubscribed"}
    causes = {refusal.email: refusal.cause for refusal in result.refused}
    assert causes == {"c@example.com": "mc_contact_exists", "d@example.com": "mc_compliance_state", "": "mc_rejected"}
    sent = orjson.loads(route.calls.last.request.content)
    assert sent == {"members": [orjson.loads(each) for each in bodies], "update_existing": False, "sync_tags": False}
    assert dict(route.calls.last.request.url.params) == {
        "skip_merge_validation": "true",
        "skip_duplicate_check": "true",
    }


@respx.mock
def test_an_answer_without_lists_took_nobody(client: MailchimpClient) -> None:
    respx.post(LIST).respond(json={"new_members": None, "errors": None})
    assert members.batch(client, "aud1", ["{}"], update_existing=True) == members.BatchResult({}, [])
