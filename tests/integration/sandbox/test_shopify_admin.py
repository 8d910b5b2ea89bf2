"""The fake admin's pages, asked without a network."""

from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from shopify_port import APP_URL, DOMAIN, KEY, SECRET, Api

from shopchimp.sandbox.shopify import admin
from shopchimp.sandbox.shopify.fields import iso
from shopchimp.sandbox.shopify.wire import Request


@pytest.fixture
def api():
    return Api(120)


def ask(api, method, path, query="", form=None):
    body = urlencode(form or {}).encode()
    status, headers, content = admin.page(
        api.sandbox.shops, api.app, Request(method, path, query.encode(), {}, body, api.clock.at)
    )
    return status, dict(headers), content.decode()


def test_the_first_page_lists_the_shops(api):
    status, _, text = ask(api, "GET", "/")
    assert status == 200
    assert DOMAIN in text
    assert "/store/demo-store/apps/shopchimp" in text


def test_customers_are_searched_and_paged(api):
    gid = api.customer(email="findme@example.com", firstName="<b>Find</b>")
    _, _, text = ask(api, "GET", "/store/demo-store/customers", "query=email:findme*")
    assert "findme@example.com" in text
    assert "&lt;b&gt;Find" in text
    assert "1 customers" in text
    _, _, first = ask(api, "GET", "/store/demo-store/customers")
    more = first.split('href="?')[1].split('"')[0].replace("&amp;", "&")
    _, _, second = ask(api, "GET", "/store/demo-store/customers", more)
    assert second.count("<tr>") == 51
    _, _, third = ask(
        api, "GET", "/store/demo-store/customers", second.split('href="?')[1].split('"')[0].replace("&amp;", "&")
    )
    assert gid.rpartition("/")[2] in third


def test_the_merchant_changes_a_customer(api):
    gid = api.customer(email="ann@example.com", firstName="Ann")
    path = f"/store/demo-store/customers/{gid.rpartition('/')[2]}"
    writes = len(api.writes())
    form = {"firstName": "Anna", "lastName": "", "marketingState": "SUBSCRIBED"}
    status, headers, _ = ask(api, "POST", path, form=form)
    assert (status, headers[b"location"]) == (303, path.encode())
    customer = api.shop.customers.get(gid)
    assert (customer.first_name, customer.email_state, customer.email_at) == ("Anna", "SUBSCRIBED", int(api.clock.at))
    assert len(api.writes()) == writes
    _, _, text = ask(api, "GET", path)
    assert "SUBSCRIBED, SINGLE_OPT_IN" in text
    _, _, refused = ask(api, "POST", path, form={**form, "marketingState": "WILD"})
    assert 'role="alert"' in refused


def test_the_whole_form_changes_what_is_different(api):
    gid = api.customer(email="ann@example.com", phone="+12025550101", firstName="Ann", tags=["a"])
    path = f"/store/demo-store/customers/{gid.rpartition('/')[2]}"
    _, _, text = ask(api, "GET", path)
    for label in (
        "Email address",
        "Phone number",
        "Email marketing",
        "SMS marketing",
        "Tags, with commas between them",
    ):
        assert f"<label>{label}" in text
    form = {
        "firstName": "Ann",
        "lastName": "",
        "email": "anna@example.com",
        "phone": "+12025550101",
        "tags": "a, vip",
        "marketingState": "NOT_SUBSCRIBED",
        "smsMarketingState": "SUBSCRIBED",
    }
    assert ask(api, "POST", path, form=form)[0] == 303
    customer = api.shop.customers.get(gid)
    assert (customer.email, customer.tags) == ("anna@example.com", ("a", "vip"))
    assert (customer.email_state, customer.email_at, customer.sms_state) == ("NOT_SUBSCRIBED", None, "SUBSCRIBED")
    api.customer(email="taken@example.com")
    _, _, refused = ask(api, "POST", path, form={**form, "email": "taken@example.com"})
    assert "Email has already been taken" in refused


def test_what_apps_wrote_is_seen(api):
    """Values on a customer, whom a segment's query finds by them, and campaigns day by day."""
    gid = api.customer(email="ann@example.com", firstName="Ann")
    path = f"/store/demo-store/customers/{gid.rpartition('/')[2]}"
    assert "<p>None.</p>" in ask(api, "GET", path)[2]
    named = {"namespace": "demo", "key": "opened_at"}
    filterable = {"adminFilterable": {"enabled": True}}
    definition = {**named, "name": "Opened", "type": "date_time", "ownerType": "CUSTOMER", "capabilities": filterable}
    assert not api.shop.metafields.define(definition)["userErrors"]
    assert not api.shop.metafields.set([{**named, "ownerId": gid, "value": iso(int(api.clock.at))}])["userErrors"]
    _, _, text = ask(api, "GET", path)
    assert "<code>demo.opened_at</code>" in text
    segments, query = "/store/demo-store/segments", "metafields.demo.opened_at >= -30d"
    _, _, found = ask(api, "GET", segments, urlencode({"query": query}))
    assert '<p id="count">1 customers' in found
    assert "ann@example.com" in found
    assert "<code>metafields.demo.opened_at</code>" in found
    _, _, wrong = ask(api, "GET", segments, "query=nonsense+%3D+1")
    assert 'role="alert"' in wrong
    assert "No app has told of a campaign." in ask(api, "GET", "/store/demo-store/marketing")[2]
    campaign = {
        "remoteId": "c1",
        "title": "News",
        "remoteUrl": "https://mail.example.com/c1",
        "marketingChannelType": "EMAIL",
        "tactic": "NEWSLETTER",
        "status": "ACTIVE",
        "utm": {"campaign": "c1", "source": "mailchimp", "medium": "email"},
    }
    assert not api.shop.marketing.upsert(campaign)["userErrors"]
    figures = {"occurredOn": "2026-11-22", "utcOffset": "+00:00", "sendsCount": 7001, "viewsCount": 3}
    assert not api.shop.marketing.engage({"remoteId": "c1", "marketingEngagement": figures})["userErrors"]
    assert "<td>2026-11-22</td><td>7001</td><td>3</td><td>0</td>" in ask(api, "GET", "/store/demo-store/marketing")[2]


def test_customers_are_created_and_deleted(api):
    assert "Create customer" in ask(api, "GET", "/store/demo-store/customers/new")[2]
    form = {"firstName": "Nia", "lastName": "", "email": "nia@example.com", "phone": "", "tags": "vip"}
    form |= {"marketingState": "SUBSCRIBED", "smsMarketingState": ""}
    status, headers, _ = ask(api, "POST", "/store/demo-store/customers/new", form=form)
    customer = api.shop.customers.with_email("nia@example.com")
    assert (status, customer.email_state, customer.tags) == (303, "SUBSCRIBED", ("vip",))
    path = headers[b"location"].decode()
    _, _, refused = ask(api, "POST", "/store/demo-store/customers/new", form=form)
    assert "Email has already been taken" in refused
    assert 'value="nia@example.com"' in refused
    customer.orders = 1
    assert "associated orders" in ask(api, "POST", f"{path}/delete")[2]
    customer.orders = 0
    assert ask(api, "POST", f"{path}/delete")[0] == 303
    assert api.shop.customers.with_email("nia@example.com") is None
    assert ask(api, "POST", f"{path}/delete")[0] == 404


def test_the_app_is_framed_with_a_signed_first_load(api):
    _, _, text = ask(api, "GET", "/store/demo-store/apps/shopchimp/activity", "filter=failed")
    source = urlsplit(text.split('src="')[1].split('"')[0].replace("&amp;", "&"))
    query = {name: values[0] for name, values in parse_qs(source.query).items()}
    assert f"{source.scheme}://{source.netloc}{source.path}" == f"{APP_URL}/activity"
    assert {"embedded", "shop", "host", "id_token", "hmac", "timestamp", "locale"} <= set(query)
    assert (query["shop"], query["locale"], query["filter"]) == (DOMAIN, "en", "failed")
    claims = jwt.decode(
        query["id_token"],
        SECRET,
        algorithms=["HS256"],
        audience=KEY,
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    assert claims["dest"] == f"https://{DOMAIN}"


def test_the_bridge_is_served_and_nothing_else_is_there(api):
    assert ask(api, "GET", "/app-bridge.js")[1][b"content-type"].startswith(b"text/javascript")
    for path in (
        "/store/unknown/customers",
        "/store/demo-store/customers/1",
        "/store/demo-store/customers/x",
        "/etc/passwd",
    ):
        assert ask(api, "GET", path)[0] == 404


def test_uninstalling_kills_the_tokens(api):
    token = api.exchange()["access_token"]
    assert ask(api, "POST", "/store/demo-store/uninstall")[0] == 303
    assert api.shop.tokens.used(token) is None
