"""The sandbox as a process with an app that listens: many edits at once, mischief by the control routes, goodbye."""

import base64
import hashlib
import hmac

import pytest
from shopify_port import DOMAIN, SECRET, Remote, sandbox_process
from webhook_ear import ear, wait_until

SUBSCRIBE = """mutation($t: WebhookSubscriptionTopic!, $w: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $t, webhookSubscription: $w) { userErrors { message } } }"""


@pytest.fixture(scope="module")
def app():
    with ear() as listening:
        yield listening


@pytest.fixture(scope="module")
def running(app):
    arguments = ("--people", "50", "--app-url", app.url, "--webhook-retry-scale", "0.0001")
    with sandbox_process(*arguments) as given:
        yield given


@pytest.fixture
def remote(running, app):
    client = Remote(running["shopify"])
    app.heard.clear()
    made = client.graphql(SUBSCRIBE, t="CUSTOMERS_CREATE", w={"uri": f"{app.url}/hook"}).json()
    assert made["data"]["webhookSubscriptionCreate"]["userErrors"] in (
        [],
        [{"message": "Address for this topic has already been taken"}],
    )
    yield client
    client.control("webhooks", lose=0, double=0, reorder=0, delay_ms=[0, 0], paused=False)
    settled(client)
    client.close()


def report(remote):
    return remote.http.get("/_sandbox/webhooks").json()["shopify"]


def settled(remote):
    wait_until(lambda: report(remote)["waiting"] == 0, "all webhooks to arrive")
    return report(remote)


def new_people(start, count):
    return [{"platform": "shopify", "email": f"n{number}@example.com"} for number in range(start, start + count)]


def test_many_edits_at_once_are_all_heard_and_the_bad_ones_named(remote, app):
    edits = new_people(0, 1000)
    edits[10:10] = [{"platform": "shopify", "email": "no address"}, {"platform": "elsewhere"}]
    answer = remote.control("edits", edits=edits)
    assert answer["done"] == 1000
    assert [each["number"] for each in answer["failed"]] == [10, 11]
    assert "Email is invalid" in answer["failed"][0]["error"]
    settled(remote)
    assert len({each.content["email"] for each in app.heard}) == 1000
    for each in app.heard:
        expected = base64.b64encode(hmac.digest(SECRET.encode(), each.body, hashlib.sha256)).decode()
        assert each.headers["x-shopify-hmac-sha256"] == expected


def test_mischief_is_switched_and_counted_by_the_control_routes(remote, app):
    before = report(remote)
    answer = remote.control("webhooks", platform="shopify", lose=0.1, double=0.1, reorder=0.2, delay_ms=[0, 5], seed=9)
    assert answer["shopify"]["settings"] == {
        "lose": 0.1,
        "double": 0.1,
        "reorder": 0.2,
        "delay_ms": [0.0, 5.0],
        "paused": False,
        "seed": 9,
    }
    assert answer["mailchimp"]["settings"]["lose"] == 0
    remote.control("edits", edits=new_people(2000, 300))
    after = settled(remote)
    made, lost, doubled = (after[name] - before[name] for name in ("made", "lost", "doubled"))
    assert made == 300
    assert 10 < lost < 60
    assert 10 < doubled < 60
    assert len(app.heard) == after["delivered"] - before["delivered"] == made - lost + doubled
    assert len({each.headers["x-shopify-webhook-id"] for each in app.heard}) == made - lost
    assert remote.http.post("/_sandbox/webhooks", json={"lose": 7}).status_code == 400


def test_paused_webhooks_wait(remote, app):
    remote.control("webhooks", paused=True)
    remote.control("edits", edits=new_people(4000, 5))
    assert report(remote)["waiting"] == 5
    assert app.heard == []
    remote.control("webhooks", paused=False)
    app.wait(5)


def test_compliance_and_goodbye_reach_the_app(remote, app):
    refused = remote.http.post("/_sandbox/compliance", json={"topic": "customers/forget"})
    assert refused.status_code == 400
    remote.control("compliance", topic="customers/data_request", email="n0@example.com")
    (asked,) = app.wait(1)
    assert (asked.path, asked.content["customer"]["email"]) == ("/webhooks/shopify/compliance", "n0@example.com")
    assert remote.control("uninstall") == {"uninstalled": DOMAIN}
    heard = app.wait(2)
    assert (heard[1].path, heard[1].topic) == ("/webhooks/shopify", "app/uninstalled")
    assert remote.graphql("{ shop { name } }").status_code == 401
