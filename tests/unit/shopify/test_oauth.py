"""Shopify's token requests on the wire, against the reference and against Shopify's official package."""

from __future__ import annotations

import json
import time
import traceback
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
import pytest
from shopify_app import refresh_access_token, token_exchange

from shopchimp.domain.errors import Gone, PlatformError, RateLimited, Rejected, Unauthorized, Unavailable
from shopchimp.shopify import ShopifyApp, oauth

SHOP = "demo-store.myshopify.com"
URL = f"https://{SHOP}/admin/oauth/access_token"
SECRET = "shpss_" + "a" * 32
APP = ShopifyApp(
    api_key="app-key",
    secrets=(SECRET, "shpss_" + "b" * 32),
    app_url="https://app.example.com",
    scopes=("read_customers", "write_customers"),
)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ID_TOKEN, CODE, REFRESH = "canary.id.token", "canary-code", "shprt_canary"
GRANTED = {
    "access_token": "shpat_canary",
    "scope": "read_orders,write_customers",
    "expires_in": 3600,
    "refresh_token": "shprt_canary_next",
    "refresh_token_expires_in": 7776000,
}
SECRETS = (ID_TOKEN, CODE, REFRESH, SECRET, "shpat_canary", "shprt_canary_next")

CALLS = {
    "exchange": lambda http, app=APP: oauth.exchange(http, app, SHOP, ID_TOKEN, now=NOW),
    "redeem_code": lambda http, app=APP: oauth.redeem_code(http, app, SHOP, CODE, now=NOW),
    "refresh": lambda http, app=APP: oauth.refresh(http, app, SHOP, REFRESH, now=NOW),
}


@pytest.fixture
def http():
    # A client that would follow redirects and wait for ever: what is called here must ask for better.
    with httpx.Client(follow_redirects=True, timeout=None, trust_env=False) as client:
        yield client


def failure(call, http) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        call(http)
    printed = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__)
    assert not [secret for secret in SECRETS if secret in printed]
    assert caught.value.__cause__ is None
    assert caught.value.platform == "shopify"
    return caught.value


@pytest.mark.parametrize(
    ("name", "grant"),
    [
        (
            "exchange",
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": ID_TOKEN,
                "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
                "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
                "expiring": 1,
            },
        ),
        ("redeem_code", {"code": CODE, "expiring": "1"}),
        ("refresh", {"grant_type": "refresh_token", "refresh_token": REFRESH}),
    ],
)
def test_what_goes_over_the_wire(respx_mock, http, name, grant):
    route = respx_mock.post(URL).respond(json=GRANTED)
    CALLS[name](http)
    request = route.calls.last.request
    assert json.loads(request.content) == {"client_id": "app-key", "client_secret": SECRET, **grant}
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Accept"] == "application/json"
    assert all(0 < seconds <= 30 for seconds in request.extensions["timeout"].values())


@pytest.mark.parametrize("name", CALLS)
def test_what_was_granted(respx_mock, http, name):
    respx_mock.post(URL).respond(json=GRANTED)
    token = CALLS[name](http)
    assert token == oauth.OfflineToken(
        access_token="shpat_canary",
        scopes=("read_orders", "write_customers"),
        expires_at=NOW + timedelta(hours=1),
        refresh_token="shprt_canary_next",
        refresh_expires_at=NOW + timedelta(days=90),
    )
    assert "canary" not in repr(token)


def test_a_token_that_does_not_expire(respx_mock, http):
    respx_mock.post(URL).respond(json={"access_token": "shpat_canary", "scope": ""})
    token = CALLS["redeem_code"](http)
    assert (token.expires_at, token.refresh_token, token.refresh_expires_at, token.scopes) == (None, None, None, ())


def test_a_simulator_is_asked_where_it_lives(respx_mock, http):
    app = ShopifyApp("app-key", (SECRET,), "http://127.0.0.1:1", (), url_template="http://127.0.0.1:9001/{shop}")
    route = respx_mock.post(f"http://127.0.0.1:9001/{SHOP}/admin/oauth/access_token").respond(json=GRANTED)
    CALLS["exchange"](http, app)
    assert route.called


@pytest.mark.parametrize("shop", ["evil.io", f"{SHOP}.evil.io", f"{SHOP}@evil.io", f"{SHOP}\n", "../x"])
def test_no_address_is_built_from_anything_but_a_shop(respx_mock, http, shop):
    for call in (oauth.exchange, oauth.redeem_code, oauth.refresh):
        with pytest.raises(ValueError, match="not a shop domain"):
            call(http, APP, shop, "x", now=NOW)
    with pytest.raises(ValueError, match="not a shop domain"):
        oauth.authorize_url(APP, shop, "n0nce")


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (httpx.Response(400, json={"error": "invalid_subject_token"}), Unauthorized, "invalid_subject_token"),
        (httpx.Response(401, json={"error": "invalid_grant"}), Unauthorized, "invalid_grant"),
        (httpx.Response(400, json={"error": "invalid_client"}), Unauthorized, "sh_client_secret"),
        (httpx.Response(401, json={"error": "invalid_client"}), Unauthorized, "sh_client_secret"),
        (httpx.Response(400, json={"error": "invalid_request", "error_description": CODE}), Rejected, "sh_rejected"),
        (httpx.Response(402, json={}), Unauthorized, "sh_shop_frozen"),
        (httpx.Response(404, html="Not Found"), Gone, "sh_shop_gone"),
        (httpx.Response(423, json={}), Unauthorized, "sh_shop_locked"),
        (httpx.Response(400, json={"error": f"cannot read {ID_TOKEN}"}), Unavailable, "sh_unreachable"),
        (httpx.Response(400, json={"error": {"a": 1}}), Unavailable, "sh_unreachable"),
        (httpx.Response(400, html="<html>"), Unavailable, "sh_unreachable"),
        (httpx.Response(500, json={"error": "invalid_grant"}), Unavailable, "sh_unreachable"),
        (httpx.Response(502, html="<html>"), Unavailable, "sh_unreachable"),
        (httpx.Response(503), Unavailable, "sh_unreachable"),
        (httpx.Response(200, html="<html>"), Unavailable, "sh_unreachable"),
        (httpx.Response(200, content=b'{"access_token": "shpat_ca'), Unavailable, "sh_unreachable"),
        (httpx.Response(200, content=b"[" * 100_000), Unavailable, "sh_unreachable"),
        (httpx.Response(200, json=[GRANTED]), Unavailable, "sh_unreachable"),
        (httpx.Response(201, json=GRANTED), Unavailable, "sh_unreachable"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", CALLS)
def test_refusals(respx_mock, http, name, answer, kind, code):
    respx_mock.post(URL).mock(return_value=answer)
    error = failure(CALLS[name], http)
    assert (type(error), error.code, error.status) == (kind, code, answer.status_code)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("4.0", 4), ("0", 1), ("-5", 1), ("nan", 1), ("inf", 3600), ("99999", 3600), ("soon", 2), (None, 2)],
)
def test_too_many_requests(respx_mock, http, header, seconds):
    respx_mock.post(URL).respond(429, headers={"Retry-After": header} if header else {})
    error = failure(CALLS["refresh"], http)
    assert isinstance(error, RateLimited)
    assert (error.code, error.retry_after) == ("sh_slow_down", seconds)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError])
def test_no_answer(respx_mock, http, error):
    respx_mock.post(URL).mock(side_effect=error(f"while sending {REFRESH}"))
    caught = failure(CALLS["refresh"], http)
    assert type(caught) is Unavailable
    assert caught.detail == error.__name__


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(respx_mock, http, status):
    respx_mock.post(URL).respond(status, headers={"Location": "https://evil.io/"})
    assert type(failure(CALLS["exchange"], http)) is Unavailable  # respx lets nothing else be called
    assert respx_mock.calls.call_count == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 7},
        {"access_token": "two\r\nlines"},
        {"access_token": "shpät"},
        {"scope": None},
        {"scope": 7},
        {"expires_in": "3600"},
        {"expires_in": -1},
        {"expires_in": 10**15},
        {"refresh_token": ""},
        {"refresh_token": []},
        {"refresh_token_expires_in": 1.5},
    ],
)
def test_an_answer_without_a_usable_token(respx_mock, http, changes):
    respx_mock.post(URL).respond(json={**GRANTED, **changes})
    error = failure(CALLS["exchange"], http)
    assert (type(error), error.code) == (Unavailable, "sh_unreachable")


def test_nothing_secret_is_logged(respx_mock, http, caplog):
    caplog.set_level(0)
    respx_mock.post(URL).respond(json=GRANTED)
    for call in CALLS.values():
        call(http)
    assert caplog.records
    assert not [secret for secret in SECRETS if secret in caplog.text]


def test_authorize_url():
    url = urlsplit(oauth.authorize_url(APP, "Demo-Store.myshopify.com", "n0nce&x=1"))
    assert (url.scheme, url.netloc, url.path) == ("https", SHOP, "/admin/oauth/authorize")
    assert parse_qsl(url.query) == [
        ("client_id", "app-key"),
        ("scope", "read_customers,write_customers"),
        ("redirect_uri", "https://app.example.com/auth/shopify/callback"),
        ("state", "n0nce&x=1"),
    ]


def test_writing_implies_reading():
    asked = ("read_customers", "write_customers", "read_orders", "read_pixels")
    assert oauth.missing_scopes(asked, ("write_customers", "write_pixels")) == ("read_orders",)
    assert oauth.missing_scopes(asked, ("read_customers",)) == ("write_customers", "read_orders", "read_pixels")
    assert oauth.missing_scopes(asked, asked) == ()


class TestAgainstShopifysPackage:
    """Both ask the same (recording) Shopify; the bodies must be the same."""

    @staticmethod
    def recorded(call) -> tuple[str, str, object]:
        seen: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, json=GRANTED)

        with httpx.Client(transport=httpx.MockTransport(answer)) as http:
            call(http)
        (request,) = seen
        return request.method, str(request.url), json.loads(request.content)

    def test_token_exchange(self):
        now = int(time.time())
        claims = {"dest": f"https://{SHOP}", "iss": f"https://{SHOP}/admin", "aud": "app-key", "sub": "42", "exp": now + 60, "nbf": now, "iat": now}  # fmt: skip
        text = jwt.encode(claims, SECRET)
        config = {"client_id": "app-key", "client_secret": SECRET}
        checked = {"exchangeable": True, "token": text, "claims": claims}
        theirs = self.recorded(lambda http: token_exchange("offline", config, checked, {"status": 401, "body": "", "headers": {}}, http_client=http))  # fmt: skip
        ours = self.recorded(lambda http: oauth.exchange(http, APP, SHOP, text, now=NOW))
        assert ours == theirs

    def test_refresh(self):
        config = {"client_id": "app-key", "client_secret": SECRET}
        stored = {
            "access_mode": "offline",
            "shop": "demo-store",
            "token": "shpat_old",
            "scope": "read_customers",
            "expires": "2020-01-01T00:00:00Z",
            "refresh_token": REFRESH,
            "refresh_token_expires": "2099-01-01T00:00:00Z",
            "user": None,
        }
        theirs = self.recorded(lambda http: refresh_access_token(stored, config, http_client=http))
        assert self.recorded(CALLS["refresh"]) == theirs
