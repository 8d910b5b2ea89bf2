"""The sandbox on a real port: the official client, the contract, the connection limit, and every kind of fault."""

import gzip
import hashlib
import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft4Validator
from mailchimp_port import Port, opened

from shopchimp.sandbox.faults import KINDS
from shopchimp.sandbox.recording import Recorder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the client's own old regular expressions
    import mailchimp_marketing
    from mailchimp_marketing.api_client import ApiClientError

CONTRACT = Path(__file__).parents[4] / "shared/contracts/mailchimp/marketing-3.0.json.gz"
ANA = hashlib.md5(b"ana@example.com").hexdigest()


@pytest.fixture
def port() -> Iterator[Port]:
    with opened() as running:
        yield running


@pytest.fixture
def client(port: Port) -> Any:
    """mailchimp.md section 12: an empty `server`, and another host put in its place."""
    client = mailchimp_marketing.Client({"access_token": port.api.token, "server": ""})
    client.api_client.host = f"{port.url}/3.0"
    return client


def test_the_official_client_works(port: Port, client: Any) -> None:
    list_id = port.api.list_id
    assert client.ping.get()["health_status"] == "Everything's Chimpy!"
    assert client.root.get_root()["account_name"] == "Acme Ltd"
    assert [each["name"] for each in client.lists.get_all_lists(count=10)["lists"]] == ["Newsletter", "Wholesale"]
    rows = [{"email_address": f"p{n}@example.com", "status": "subscribed"} for n in range(3)]
    batch = client.lists.batch_list_members(
        list_id,
        {"members": [*rows, {"email_address": "x@mail.invalid", "status": "subscribed"}]},
        skip_merge_validation=True,
    )
    assert (batch["total_created"], batch["error_count"]) == (3, 1)
    body = {"email_address": "ana@example.com", "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ana"}}
    assert client.lists.set_list_member(list_id, ANA, body)["status"] == "subscribed"
    assert client.lists.get_list_member(list_id, ANA)["full_name"] == "Ana"
    assert client.lists.update_list_member(list_id, ANA, {"status": "unsubscribed"})["status"] == "unsubscribed"
    found = client.lists.get_list_members_info(
        list_id, count=1000, status="unsubscribed", fields=["members.email_address"]
    )
    assert {"email_address": "ana@example.com"} in found["members"]
    client.lists.update_list_member_tags(list_id, ANA, {"tags": [{"name": "vip", "status": "active"}]})
    assert client.lists.get_list_member_tags(list_id, ANA)["tags"][0]["name"] == "vip"
    client.lists.create_list_member_event(list_id, ANA, {"name": "page_viewed"})
    assert (
        client.lists.add_list_merge_field(list_id, {"name": "Shop id", "type": "text", "tag": "SHOPID"})["merge_id"]
        == 6
    )
    assert client.lists.delete_list_member(list_id, ANA).status_code == 204


def test_the_official_client_reads_campaigns_and_tells_events(port: Port, client: Any) -> None:
    """As somebody else's program would, but for the address."""
    list_id, api = port.api.list_id, port.api
    api.add("ana@example.com")
    sent = port.control(
        "edit", platform="mailchimp", campaign={"to": ["ana@example.com"], "at": "2026-11-18T10:00:00Z"}
    )
    for by in ("person", "bot"):
        deed = {"campaign": sent["id"], "do": "click", "by": by, "email": "ana@example.com", "url": "https://a.example"}
        port.control("edit", platform="mailchimp", activity=deed)
    event = {"name": "product_viewed", "properties": {"price": "18.50"}, "occurred_at": "2026-11-18T10:05:00+00:00"}
    client.lists.create_list_member_event(list_id, ANA, event)
    assert client.lists.get_list_member_events(list_id, ANA)["events"] == [event]
    (campaign,) = client.campaigns.list(status="sent", list_id=list_id, since_send_time="2026-11-01T00:00:00Z")[
        "campaigns"
    ]
    assert campaign["id"] == sent["id"]
    reports = client.reports
    assert reports.get_campaign_report(sent["id"])["clicks"]["clicks_total"] == 2
    assert [each["email_id"] for each in reports.get_campaign_recipients(sent["id"])["sent_to"]] == [ANA]
    assert len(reports.get_email_activity_for_campaign(sent["id"])["emails"][0]["activity"]) == 2
    (link,) = [each for each in reports.get_campaign_click_details(sent["id"])["urls_clicked"] if each["total_clicks"]]
    assert reports.get_subscribers_info(sent["id"], link["id"])["members"][0]["clicks"] == 2
    assert reports.get_campaign_open_details(sent["id"])["members"] == []
    assert [each["action"] for each in client.lists.get_list_member_activity(list_id, ANA)["activity"]] == [
        "click",
        "click",
        "sent",
    ]


def test_the_official_client_reads_our_problem_documents(port: Port, client: Any) -> None:
    with pytest.raises(ApiClientError) as unknown:
        client.lists.get_list_member(port.api.list_id, ANA)
    assert unknown.value.status_code == 404
    assert json.loads(unknown.value.text)["title"] == "Resource Not Found"
    port.control("revoke", platform="mailchimp")
    with pytest.raises(ApiClientError) as revoked:
        client.ping.get()
    assert json.loads(revoked.value.text)["title"] == "API Key Invalid"


# Against the contract


def test_answers_hold_the_contract(port: Port) -> None:
    if not CONTRACT.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{CONTRACT} is missing")
        pytest.skip("the contracts folder beside the checkout is missing")
    contract = json.loads(gzip.decompress(CONTRACT.read_bytes()))
    with httpx.Client(base_url=f"{port.url}/3.0", headers=port.auth) as http:
        for method, template, body in _calls():
            path = template.format(list_id=port.api.list_id, subscriber_hash=ANA, merge_id=1, webhook_id=_webhook(port))
            answer = http.request(method, path, json=body)
            assert answer.status_code in (200, 204), (method, path, answer.text)
            declared = contract["paths"][template][method.lower()]["responses"]
            assert str(answer.status_code) in declared, (method, template)
            if answer.status_code == 200:
                schema = _strict({**declared["200"]["schema"], "definitions": contract["definitions"]})
                wrong = [
                    f"{list(e.absolute_path)}: {e.message}" for e in Draft4Validator(schema).iter_errors(answer.json())
                ]
                assert not wrong, (method, template, wrong)


def _webhook(port: Port) -> str:
    return next(iter(port.api.sandbox.account.named("Newsletter").webhooks), "none")


def _calls() -> list[tuple[str, str, Any]]:
    member = "/lists/{list_id}/members/{subscriber_hash}"
    ana = {"email_address": "ana@example.com", "status": "subscribed", "tags": ["a"], "ip_signup": "203.0.113.10",
           "location": {"latitude": 1.5, "longitude": 2}, "merge_fields": {"FNAME": "Ana"}, "language": "en", "vip": True}  # fmt: skip
    return [
        ("GET", "/", None),
        ("GET", "/ping", None),
        ("GET", "/lists", None),
        ("GET", "/lists/{list_id}", None),
        ("POST", "/lists/{list_id}", {"members": [ana, {"email_address": "x@mail.invalid", "status": "subscribed"}]}),
        ("GET", "/lists/{list_id}/members", None),
        ("POST", "/lists/{list_id}/members", {**ana, "email_address": "bo@example.com"}),
        ("GET", member, None),
        ("PUT", member, {"email_address": "ana@example.com", "status_if_new": "subscribed", "status": "unsubscribed"}),
        ("PATCH", member, {"status": "pending"}),
        ("GET", f"{member}/tags", None),
        ("POST", f"{member}/tags", {"tags": [{"name": "vip", "status": "active"}]}),
        ("POST", f"{member}/events", {"name": "page_viewed"}),
        ("GET", f"{member}/events", None),
        ("GET", "/lists/{list_id}/tag-search", None),
        ("GET", "/lists/{list_id}/merge-fields", None),
        ("POST", "/lists/{list_id}/merge-fields", {"name": "Shop id", "type": "text"}),
        ("GET", "/lists/{list_id}/merge-fields/{merge_id}", None),
        ("PATCH", "/lists/{list_id}/merge-fields/{merge_id}", {"name": "Given name"}),
        ("POST", "/lists/{list_id}/webhooks", {"url": "https://app.example.com/hook"}),
        ("GET", "/lists/{list_id}/webhooks", None),
        ("GET", "/lists/{list_id}/webhooks/{webhook_id}", None),
        ("PATCH", "/lists/{list_id}/webhooks/{webhook_id}", {"events": {"cleaned": True}}),
        ("DELETE", "/lists/{list_id}/webhooks/{webhook_id}", None),
        ("DELETE", "/lists/{list_id}/merge-fields/{merge_id}", None),
        ("DELETE", member, None),
        ("POST", f"{member}/actions/delete-permanent", None),
    ]


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


# Limits, faults, counts


def test_the_eleventh_connection_is_refused(port: Port) -> None:
    port.control("latency", ms=300)
    with (
        httpx.Client(limits=httpx.Limits(max_connections=20), headers=port.auth) as http,
        ThreadPoolExecutor(14) as pool,
    ):
        answers = list(pool.map(lambda _: http.get(f"{port.url}/3.0/ping"), range(14)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] * 10 + [429] * 4
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["detail"] == "You have exceeded the limit of 10 simultaneous connections."
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert "retry-after" not in refused.headers
    counted = port.calls()
    assert 11 <= counted["max_connections"] <= 14  # a refused call is gone at once
    assert counted["connections"]["mailchimp"]["refused"] == 4
    assert counted["connections"]["mailchimp"]["current"] == 0
    port.control("calls/reset")
    assert port.calls()["max_connections"] == 0


def test_batches_have_a_latency_of_their_own(port: Port) -> None:
    port.control("latency", ms=0, batch_ms=200)
    before = time.monotonic()
    httpx.get(f"{port.url}/3.0/ping", headers=port.auth)
    between = time.monotonic()
    httpx.post(port.list_url, headers=port.auth, json={"members": []})
    assert between - before < 0.2 <= time.monotonic() - between


STATUS = {"429": 429, "500": 500, "503": 503, "502html": 502, "403bare": 403, "html200": 200}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_fault_happens_once_and_only_on_its_route(port: Port, kind: str) -> None:
    rule = {"platform": "mailchimp", "route": "POST /lists/{list_id}/members", "kind": kind, "times": 1, "seconds": 0.1}
    port.control("faults", rules=[rule])
    body = {"email_address": "ana@example.com", "status": "subscribed"}
    with httpx.Client(headers=port.auth, timeout=3) as http:
        assert http.get(f"{port.url}/3.0/ping").json()["health_status"]
        if kind in STATUS:
            answer = http.post(f"{port.list_url}/members", json=body)
            assert answer.status_code == STATUS[kind]
            problem = kind in ("429", "500", "503")
            assert answer.headers["content-type"].startswith("application/problem+json" if problem else "text/html")
        elif kind == "slow":
            assert http.post(f"{port.list_url}/members", json=body).elapsed.total_seconds() >= 0.1
        else:
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                http.post(f"{port.list_url}/members", json=body)
        carried_out = http.get(f"{port.list_url}/members/{ANA}").status_code == 200
        assert carried_out == (kind in ("reset_after", "timeout_after", "truncated", "slow"))
        again = http.put(
            f"{port.list_url}/members/{ANA}", json={"email_address": "ana@example.com", "status_if_new": "subscribed"}
        )
        assert again.status_code == 200
    assert httpx.get(f"{port.url}/_sandbox/faults").json()["rules"][0]["fired"] == 1
    assert port.control("faults", rules=[])["rules"] == []


def test_a_reset_is_a_reset_on_the_wire(port: Port) -> None:
    port.control("faults", rules=[{"kind": "reset"}])
    host, number = port.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(number)), timeout=3) as connection:
        connection.sendall(b"GET /3.0/ping HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(100)


def test_a_call_that_hangs_keeps_its_slot_after_the_caller_left(port: Port) -> None:
    port.control("faults", rules=[{"platform": "mailchimp", "kind": "timeout", "times": 1, "seconds": 0.6}])
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{port.url}/3.0/ping", headers=port.auth, timeout=0.1)
    assert port.calls()["connections"]["mailchimp"]["current"] == 1
    time.sleep(0.7)
    assert port.calls()["connections"]["mailchimp"]["current"] == 0


def test_edit_writes_and_state_are_told_apart(port: Port) -> None:
    http = httpx.Client(headers=port.auth)
    http.post(port.list_url, json={"members": [{"email_address": "new@example.com", "status": "subscribed"}]})
    port.control(
        "edit", platform="mailchimp", email="new@example.com", set={"merge_fields": {"FNAME": "Nina"}}, archive=True
    )
    writes = [json.loads(line) for line in http.get(f"{port.url}/_sandbox/writes").text.splitlines()]
    assert [(each["kind"], each["key"]) for each in writes] == [
        ("contact", "new@example.com"),
        ("consent", "new@example.com"),
    ]
    assert writes[1]["content"]["status"] == "subscribed"
    assert writes[0]["digest"] != writes[1]["digest"]
    state = [json.loads(line) for line in http.get(f"{port.url}/_sandbox/state?platform=mailchimp").text.splitlines()]
    mine = next(each for each in state if each["email"] == "new@example.com")
    assert (mine["status"], mine["merge_fields"], mine["timestamp_opt"]) == ("archived", {"FNAME": "Nina"}, None)
    newsletter = [each["email"].lower() for each in state if each["audience"] == "Newsletter"]
    assert newsletter == sorted(newsletter)
    assert (
        httpx.post(
            f"{port.url}/_sandbox/edit",
            json={"platform": "mailchimp", "email": "a@example.com", "set": {"status": "no"}},
        ).status_code
        == 400
    )
    http.close()


def test_traffic_is_recorded_without_secrets(tmp_path: Path) -> None:
    file = tmp_path / "traffic.jsonl"
    recorder = Recorder(file)
    with opened(recorder=recorder) as port:
        httpx.get(f"{port.list_url}/members", params={"count": 2}, headers=port.auth)
        httpx.post(f"{port.url}/oauth2/token", data={"client_secret": "hush"})
        httpx.get(f"{port.url}/")
    recorder.close()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["route"] for line in lines] == ["GET /lists/{list_id}/members", "POST /oauth2/token"]
    assert lines[0]["query"] == {"count": "2"}
    assert len(lines[0]["response"]["members"]) == 2
    assert "hush" not in file.read_text()
    assert port.api.token not in file.read_text()
