"""Member events: kept as they came, refused where the description refuses them (mailchimp.md section 5)."""

import json
from typing import Any

import httpx
import pytest
from mailchimp_port import Api, opened
from shopify_port import SHARED, shared

EXAMPLE = SHARED / "contracts/mailchimp/examples/member-event-post.json"
EVENT = {
    "name": "product_viewed",
    "properties": {"event_id": "e1", "price": "18.50"},
    "occurred_at": "2026-11-21T20:10:31+00:00",
}


@pytest.fixture
def api() -> Api:
    return Api()


def of(api: Api, email: str = "ana@example.com") -> str:
    return f"{api.list}/members/{api.add(email)['id']}/events"


def test_events_are_kept_newest_first_and_never_merged(api: Api) -> None:
    path = of(api)
    for name in ("page_viewed", "product_viewed", "product_viewed"):
        assert api("POST", path, {**EVENT, "name": name}).status == 204
    shown = api("GET", path).json
    assert shown["events"] == [EVENT, EVENT, {**EVENT, "name": "page_viewed"}]
    assert shown["total_items"] == 3
    assert api("GET", path, count=1, offset=2).json["events"] == [{**EVENT, "name": "page_viewed"}]
    assert api("GET", path, fields="events.properties,total_items").json["events"][0] == {
        "properties": EVENT["properties"]
    }
    assert [name for kind, _, name in api.writes() if kind == "event"] == [
        {"audience": "Newsletter", **EVENT, "name": name, "is_syncing": False}
        for name in ("page_viewed", "product_viewed", "product_viewed")
    ]


def test_an_event_without_a_time_is_of_now(api: Api) -> None:
    path = of(api)
    assert api("POST", path, {"name": "viewed"}).status == 204
    assert api("GET", path).json["events"] == [
        {"occurred_at": "2026-11-18T11:06:40+00:00", "name": "viewed", "properties": {}}
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "x"}, "name: This value is too short"),
        ({"name": "x" * 31}, "name: This value is too long"),
        ({"name": None}, "name: This value should not be blank"),
        ({"properties": {"price": 18.5}}, "properties.price: Schema describes string, number found instead"),
        ({"properties": []}, "properties: Schema describes object, array found instead"),
        ({"is_syncing": "no"}, "is_syncing: Schema describes boolean, string found instead"),
        ({"occurred_at": "yesterday"}, "occurred_at: This value should be a date and time"),
        ({"event": "x"}, "event: This field was not expected"),
    ],
)
def test_what_is_not_as_described_is_refused(api: Api, change: dict[str, Any], said: str) -> None:
    path = of(api)
    refused = api("POST", path, {**EVENT, **change})
    assert refused.status == 400
    assert said in next(f"{each['field']}: {each['message']}" for each in refused.json["errors"])
    assert api("GET", path).json["total_items"] == 0


def test_only_a_known_contact_has_events(api: Api) -> None:
    nobody = "0" * 32
    assert api("POST", f"{api.list}/members/{nobody}/events", EVENT).status == 404
    assert api("GET", f"{api.list}/members/{nobody}/events").status == 404
    path = of(api)
    api("POST", path, EVENT)
    api("POST", f"{path.removesuffix('/events')}/actions/delete-permanent")
    assert api("GET", path).status == 404


def test_automations_hear_what_is_not_history(api: Api) -> None:
    path = of(api)
    for quiet in (True, False):
        api("POST", path, {**EVENT, "name": f"told_{not quiet}".lower(), "is_syncing": quiet})
    report = api.sandbox.automations()
    assert report["fired"]["event"] == 1
    assert report["quiet"] == {"event: is_syncing": 1}
    assert report["last"][-1] == {"automation": "event", "who": "ana@example.com", "why": "told_true"}


def test_the_example_is_understood(api: Api) -> None:
    sent = json.loads(shared(EXAMPLE).read_text())["request"]["body"]
    path = of(api)
    assert api("POST", path, sent).status == 204
    assert api("GET", path).json["events"] == [{name: each for name, each in sent.items() if name != "is_syncing"}]


def test_the_control_route_tells_all_that_arrived() -> None:
    with opened(0) as port:
        for email in ("ana@example.com", "bo@example.com"):
            port.api("POST", of(port.api, email), EVENT)
        lines = [json.loads(each) for each in httpx.get(f"{port.url}/_sandbox/events").text.splitlines()]
    assert [(each["n"], each["email"], each["name"], each["properties"]["event_id"]) for each in lines] == [
        (1, "ana@example.com", "product_viewed", "e1"),
        (2, "bo@example.com", "product_viewed", "e1"),
    ]
