"""The sandbox as it is really run: one process, two ports, and Shopify's own client package against it."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from shopify_app import ShopifyApp
from shopify_port import APP_URL, DOMAIN, KEY, SECRET, Remote, sandbox_process

IDS = "{ customers { edges { node { id email } } } }"


@pytest.fixture(scope="module")
def running():
    arguments = (
        "--people",
        "300",
        "--plan",
        "standard",
        "--app-url",
        APP_URL,
        "--shop",
        DOMAIN,
        "--shop",
        "second.myshopify.com",
    )
    with sandbox_process(*arguments) as ready:
        yield ready


@pytest.fixture
def remote(running):
    remote = Remote(running["shopify"])
    yield remote
    remote.control("faults", rules=[])
    remote.close()


def test_the_ready_line(running):
    assert set(running) - {"process"} == {"shopify", "mailchimp", "shop", "pid"}
    assert (running["shop"], running["pid"]) == (DOMAIN, running["process"].pid)


def test_a_graphql_call_with_its_headers(remote):
    answer = remote.graphql("query Hello { shop { myshopifyDomain } }")
    assert answer.headers["x-shopify-api-version"] == "2026-10"
    assert answer.json()["data"] == {"shop": {"myshopifyDomain": DOMAIN}}
    assert answer.json()["extensions"]["cost"]["throttleStatus"]["maximumAvailable"] == 2000.0
    assert remote.http.get("/_sandbox/calls").json()["shopify"]["Hello"] == 1


def test_retired_versions_fall_forward_and_strange_ones_are_not_found(remote):
    path = f"/{DOMAIN}/admin/api/{{}}/graphql.json"
    assert (
        remote.http.post(path.format("2019-04"), json={"query": "{ shop { id } }"}).headers["x-shopify-api-version"]
        == "2026-01"
    )
    assert remote.http.post(path.format("latest"), json={"query": "{ shop { id } }"}).status_code == 404


def test_bad_tokens_and_bad_bodies(remote):
    path = f"/{DOMAIN}/admin/api/2026-10/graphql.json"
    assert (
        remote.http.post(path, json={"query": "{ shop { id } }"}, headers={"X-Shopify-Access-Token": "no"}).status_code
        == 401
    )
    assert remote.http.post(path, content=b"{").status_code == 400
    assert remote.http.post(path, json={"variables": {}}).status_code == 400
    assert remote.http.post("/unknown.myshopify.com/admin/api/2026-10/graphql.json", json={}).status_code == 404


def test_shops_are_apart(remote):
    answer = remote.http.post("/second.myshopify.com/admin/api/2026-10/graphql.json", json={"query": "{ shop { id } }"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("text", "variables", "code"),
    [
        ("{ nope }", {}, "undefinedField"),
        ("{ customer { id } }", {}, "missingRequiredArguments"),
        ("{ customers(first: 1, sortKey: SIZE) { nodes { id } } }", {}, "argumentLiteralsIncompatible"),
        ("query($id: ID!) { customer(id: $id) { id } }", {}, "INVALID_VARIABLE"),
        ("{ customers { nodes { id } } }", {}, "BAD_REQUEST"),
    ],
)
def test_errors_have_shopifys_codes(remote, text, variables, code):
    answer = remote.graphql(text, **variables)
    assert answer.status_code == 200
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == [code]


def test_throttling_is_a_200_and_passes(remote):
    text = (
        "{ "
        + " ".join(f"c{n}: customers(first: 250) {{ nodes {{ id lastOrder {{ id }} }} }}" for n in range(30))
        + " }"
    )
    for _ in range(10):
        answer = remote.graphql(text)
        if "errors" in answer.json():
            break
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (200, "THROTTLED")
    cost = answer.json()["extensions"]["cost"]
    assert cost["actualQueryCost"] is None
    assert cost["throttleStatus"]["currentlyAvailable"] < cost["requestedQueryCost"]
    time.sleep(0.5)
    assert remote.graphql("{ shop { id } }").json()["data"]["shop"]


def test_a_query_that_costs_too_much(remote):
    text = (
        "{ "
        + " ".join(f"c{n}: customers(first: 250) {{ nodes {{ id lastOrder {{ id }} }} }}" for n in range(60))
        + " }"
    )
    (error,) = remote.graphql(text).json()["errors"]
    assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"


def test_a_bulk_file_needs_no_token_and_comes_in_pieces(remote):
    run = (
        "mutation Run($q: String!) { bulkOperationRunQuery(query: $q) { bulkOperation { id } userErrors { message } } }"
    )
    gid = remote.graphql(run, q=IDS).json()["data"]["bulkOperationRunQuery"]["bulkOperation"]["id"]
    url = None
    while url is None:
        look = "query Look($id: ID!) { bulkOperation(id: $id) { url } }"
        url = remote.graphql(look, id=gid).json()["data"]["bulkOperation"]["url"]
        time.sleep(0.02)
    assert url.startswith(remote.url)
    with httpx.stream("GET", url) as answer:
        rows = [json.loads(line) for line in answer.iter_lines()]
    assert len(rows) >= 300
    assert set(rows[0]) == {"id", "email"}
    assert httpx.get(f"{remote.url}/storage/bulk-unknown.jsonl").status_code == 404
    remote.control(
        "faults", rules=[{"platform": "shopify", "route": "GET /storage/{file}", "kind": "truncated", "times": 1}]
    )
    with pytest.raises(httpx.TransportError):
        httpx.get(url)
    assert len(httpx.get(url).text.splitlines()) == len(rows)


def test_faults_meet_operations_by_name(remote):
    remote.control("faults", rules=[{"platform": "shopify", "route": "Shop", "kind": "429", "times": 1}])
    answer = remote.graphql("query Shop { shop { id } }")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2.0")
    assert remote.graphql("query Shop { shop { id } }").status_code == 200


def test_somebody_elses_edit_shows_in_the_state_but_not_in_the_writes(remote):
    remote.control(
        "edit",
        platform="shopify",
        email="new-one@example.com",
        set={"marketingState": "UNSUBSCRIBED", "firstName": "New"},
    )
    state = [json.loads(line) for line in remote.http.get("/_sandbox/state?platform=shopify").text.splitlines()]
    (row,) = [row for row in state if row["email"] == "new-one@example.com"]
    assert (row["marketingState"], row["marketingUpdatedAt"], row["firstName"]) == ("UNSUBSCRIBED", "now", "New")
    assert [row["key"] for row in state if row["email"]] == sorted(row["key"] for row in state if row["email"])
    assert "new-one" not in remote.http.get("/_sandbox/writes?platform=shopify").text
    remote.control("edit", platform="shopify", email="new-one@example.com", delete=True)


def test_expired_and_revoked_tokens_answer_401(remote):
    remote.control("expire-tokens")
    assert remote.graphql("{ shop { id } }").status_code == 401
    fresh = remote.token()
    remote.control("revoke", platform="shopify")
    remote.http.headers["X-Shopify-Access-Token"] = fresh["access_token"]
    assert remote.graphql("{ shop { id } }").status_code == 401


def test_only_the_app_may_read_session_tokens_from_another_origin(remote):
    path = "/_sandbox/session-token"
    assert remote.http.get(path, headers={"Origin": APP_URL}).headers["access-control-allow-origin"] == APP_URL
    assert (
        "access-control-allow-origin"
        not in remote.http.get(path, headers={"Origin": "https://evil.example.com"}).headers
    )


class ToSandbox(httpx.HTTPTransport):
    """Sends what is meant for {shop}.myshopify.com to the sandbox, with the Host header as it was."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.there = httpx.URL(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host=self.there.host, port=self.there.port)
        return super().handle_request(request)


def test_shopifys_own_package_works_unchanged_but_for_the_address(remote):
    app = ShopifyApp(client_id=KEY, client_secret=SECRET)
    source = (
        remote.http.get("/store/demo-store/apps/shopchimp").text.split('src="')[1].split('"')[0].replace("&amp;", "&")
    )
    request = {"method": "GET", "headers": {}, "url": source, "body": ""}
    verified = app.verify_app_home_req(request, app_home_patch_id_token_path="/auth/patch-id-token")
    assert (verified.ok, verified.shop) == (True, "demo-store")
    with httpx.Client(transport=ToSandbox(remote.url)) as http:
        exchanged = app.exchange_using_token_exchange(
            access_mode="offline",
            id_token=verified.id_token,
            invalid_token_response=verified.invalid_token_response,
            http_client=http,
        )
        assert exchanged.ok, exchanged.log
        assert exchanged.access_token.scope.startswith("read_customers,write_customers")
        stale = dataclasses.replace(exchanged.access_token, expires="2026-01-01T00:00:00Z")
        refreshed = app.refresh_token_exchanged_access_token(stale, http_client=http)
        assert refreshed.ok, refreshed.log
        assert refreshed.access_token.token != exchanged.access_token.token
        answered = app.admin_graphql_request(
            "query($first: Int!) { customers(first: $first) { nodes { id } } }",
            shop="demo-store",
            access_token=refreshed.access_token.token,
            api_version="2026-10",
            variables={"first": 2},
            http_client=http,
        )
        assert answered.ok, answered.log
        assert len(answered.data["customers"]["nodes"]) == 2
        again = app.refresh_token_exchanged_access_token(stale, http_client=http)
        assert (again.ok, again.log.code) == (False, "invalid_grant")
        remote.control("revoke", platform="shopify")
        dead = app.admin_graphql_request(
            "{ shop { id } }",
            shop="demo-store",
            access_token=refreshed.access_token.token,
            api_version="2026-10",
            http_client=http,
        )
        assert not dead.ok


def test_sigterm_ends_it_at_once():
    with sandbox_process("--people", "20") as ready:
        started = time.monotonic()
        ready["process"].send_signal(signal.SIGTERM)
        assert ready["process"].wait(10) == 0
        assert time.monotonic() - started < 3


def test_it_does_not_outlive_the_process_that_started_it():
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'shopchimp.sandbox', '--people', '20'], stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline(), end='', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        child = json.loads(process.stdout.readline())["pid"]
        process.kill()
    deadline = time.monotonic() + 60
    while _lives(child):
        assert time.monotonic() < deadline, "the sandbox outlived its parent"
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
