"""Connecting Mailchimp: the token, the account, and above all which host the token is sent to."""

from __future__ import annotations

import json
import os
import traceback
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest

from shopchimp.domain.errors import PlatformError, RateLimited, Rejected, Unauthorized, Unavailable
from shopchimp.mailchimp import MailchimpApp, oauth

TOKEN, CODE, SECRET = "canary0de8b7461295ab77cd0e4f6a21", "canary-code", "canary-secret"
LOGIN = "https://login.mailchimp.com"
METADATA = f"{LOGIN}/oauth2/metadata"
EXAMPLES = Path(__file__).parents[4] / "shared" / "contracts" / "mailchimp" / "examples"

ROOT_ANSWER = {
    "account_id": "8d3a3db4d97663a9074efcc16",
    "login_id": "135791113",
    "account_name": "Ana Reyes Goods",
    "email": "ana@example.com",
    "role": "owner",
    "account_timezone": "America/New_York",
    "pricing_plan_type": "monthly",
    "total_subscribers": 4821,
}


def app(**changes: str) -> MailchimpApp:
    redirect_uri = "https://app.example.com/auth/mailchimp/callback"
    return MailchimpApp(
        **{"client_id": "123456789012", "client_secret": SECRET, "redirect_uri": redirect_uri, **changes}
    )


SIMULATED = app(login_url="http://127.0.0.1:9002")


@pytest.fixture
def http():
    # A client that would follow redirects and wait for ever: what is called here must ask for better.
    with httpx.Client(follow_redirects=True, timeout=None, trust_env=False) as client:
        yield client


def example(name: str) -> dict:
    path = EXAMPLES / name
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the contract example {name} is missing in CI")
        pytest.skip("the folder `shared` is not beside this checkout")
    return json.loads(path.read_text())


def failure(call, *arguments: object) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        call(*arguments)
    printed = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__)
    assert "canary" not in printed
    assert caught.value.__cause__ is None
    assert caught.value.platform == "mailchimp"
    return caught.value


class TestAuthorize:
    def test_url(self):
        url = urlsplit(oauth.authorize_url(app(), "n0nce&x=1"))
        assert f"{url.scheme}://{url.netloc}{url.path}" == f"{LOGIN}/oauth2/authorize"
        assert parse_qsl(url.query) == [
            ("response_type", "code"),
            ("client_id", "123456789012"),
            ("redirect_uri", "https://app.example.com/auth/mailchimp/callback"),
            ("state", "n0nce&x=1"),
        ]

    def test_like_the_contract(self):
        request = example("oauth-01-authorize-redirect.json")["request"]
        ours = urlsplit(
            oauth.authorize_url(app(redirect_uri=request["query"]["redirect_uri"]), request["query"]["state"])
        )
        assert f"{ours.scheme}://{ours.netloc}{ours.path}" == request["url"]
        assert dict(parse_qsl(ours.query)) == request["query"]


class TestRedeem:
    URL = f"{LOGIN}/oauth2/token"

    def test_like_the_contract(self, respx_mock, http):
        contract = example("oauth-02-token.json")
        form = contract["request"]["form"]
        route = respx_mock.post(contract["request"]["url"]).respond(json=contract["response"]["body"])
        connected = app(redirect_uri=form["redirect_uri"], client_secret=form["client_secret"])
        assert oauth.redeem_code(http, connected, form["code"]) == contract["response"]["body"]["access_token"]
        assert dict(parse_qsl(route.calls.last.request.content.decode())) == form

    def test_form_and_timeout(self, respx_mock, http):
        route = respx_mock.post(self.URL).respond(json={"access_token": TOKEN})
        assert oauth.redeem_code(http, app(), CODE) == TOKEN
        request = route.calls.last.request
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert parse_qs(request.content.decode()) == {
            "grant_type": ["authorization_code"],
            "client_id": ["123456789012"],
            "client_secret": [SECRET],
            "redirect_uri": ["https://app.example.com/auth/mailchimp/callback"],
            "code": [CODE],
        }
        assert all(0 < seconds <= 30 for seconds in request.extensions["timeout"].values())

    @pytest.mark.parametrize(
        ("answer", "kind", "code"),
        [
            (httpx.Response(400, json={"error": "invalid_grant", "error_description": CODE}), Unauthorized, "invalid_grant"),
            (httpx.Response(200, json={"error": "invalid_grant"}), Unauthorized, "invalid_grant"),
            (httpx.Response(401, json={"error": "invalid_client"}), Unauthorized, "mc_client_secret"),
            (httpx.Response(400, json={"error": "invalid_request"}), Rejected, "mc_rejected"),
            (httpx.Response(400, json={"error": CODE}), Rejected, "mc_rejected"),
            (httpx.Response(400, html="<html>"), Unavailable, "mc_unreachable"),
            (httpx.Response(429), RateLimited, "mc_slow_down"),
            (httpx.Response(403, html="<html>"), RateLimited, "mc_slow_down"),
            (httpx.Response(500, json={"error": "invalid_grant"}), Unavailable, "mc_unreachable"),
            (httpx.Response(502, html="<html>"), Unavailable, "mc_unreachable"),
            (httpx.Response(302, headers={"Location": "https://evil.io"}), Unavailable, "mc_unreachable"),
            (httpx.Response(200, html="<html>"), Unavailable, "mc_unreachable"),
            (httpx.Response(200, json={"expires_in": 0}), Unavailable, "mc_unreachable"),
            (httpx.Response(200, json={"access_token": 5}), Unavailable, "mc_unreachable"),
            (httpx.Response(200, json={"access_token": f"{TOKEN}\r\nX: 1"}), Unavailable, "mc_unreachable"),
        ],
    )  # fmt: skip
    def test_refusals(self, respx_mock, http, answer, kind, code):
        respx_mock.post(self.URL).mock(return_value=answer)
        error = failure(oauth.redeem_code, http, app(), CODE)
        assert (type(error), error.code) == (kind, code)
        assert respx_mock.calls.call_count == 1  # a code counts once

    def test_no_answer(self, respx_mock, http):
        respx_mock.post(self.URL).mock(side_effect=httpx.ReadTimeout(f"reading {CODE}"))
        error = failure(oauth.redeem_code, http, app(), CODE)
        assert (type(error), error.detail) == (Unavailable, "ReadTimeout")
        assert respx_mock.calls.call_count == 1


class TestIdentify:
    def test_like_the_contract(self, respx_mock, http):
        metadata, root = example("oauth-03-metadata.json"), example("root-get.json")
        asked = respx_mock.get(metadata["request"]["url"], headers={"Authorization": f"OAuth {TOKEN}"})
        asked.respond(json=metadata["response"]["body"])
        respx_mock.get("https://us21.api.mailchimp.com/3.0/").respond(json=root["response"]["body"])
        account = oauth.identify(http, app(), TOKEN)
        assert (account.account_id, account.login_id) == ("8d3a3db4d97663a9074efcc16", "135791113")
        assert account.api_root == metadata["response"]["body"]["api_endpoint"]

    def test_a_dead_token_like_the_contract(self, respx_mock, http):
        respx_mock.get(METADATA).respond(json=example("oauth-03-metadata.json")["response_bad_token"]["body"])
        error = failure(oauth.identify, http, app(), TOKEN)
        assert (type(error), error.code) == (Unauthorized, "mc_access_revoked")

    def test_account(self, respx_mock, http):
        respx_mock.get(METADATA).respond(json={"dc": "us6"})
        route = respx_mock.get("https://us6.api.mailchimp.com/3.0/").respond(json=ROOT_ANSWER)
        assert oauth.identify(http, app(), TOKEN) == oauth.Account(
            account_id="8d3a3db4d97663a9074efcc16",
            login_id="135791113",
            name="Ana Reyes Goods",
            email="ana@example.com",
            role="owner",
            api_root="https://us6.api.mailchimp.com",
            plan="monthly",
            total_subscribers=4821,
            timezone="America/New_York",
        )
        request = route.calls.last.request
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert all(0 < seconds <= 30 for seconds in request.extensions["timeout"].values())

    def test_sparse_account(self, respx_mock, http):
        respx_mock.get("http://mc.test/3.0/").respond(
            json={"account_id": "a", "login_id": 7, "total_subscribers": None}
        )
        account = oauth.identify(http, app(api_url="http://mc.test"), TOKEN)
        assert (account.login_id, account.name, account.total_subscribers) == ("7", "", 0)

    @pytest.mark.parametrize(
        "url",
        ["http://127.0.0.1:9002", "http://127.0.0.1:9002/", "http://127.0.0.1:9002/3.0", "http://127.0.0.1:9002/3.0/"],
    )
    def test_settings_come_first_and_no_metadata_is_asked(self, respx_mock, http, url):
        respx_mock.get("http://127.0.0.1:9002/3.0/").respond(json=ROOT_ANSWER)
        assert oauth.identify(http, app(api_url=url), TOKEN).api_root == "http://127.0.0.1:9002"

    @pytest.mark.parametrize(
        "dc",
        [
            None, "", "us", "us1234", "us1\n", "US1", " us1", "us\u0661", "eu1", "us1.evil.io", "us1@evil.io", "us1/..", "us1#", "us-1", 1, ["us1"],
            "evil.io/us1",
        ],
    )  # fmt: skip
    def test_a_token_never_goes_to_a_spelled_out_host(self, respx_mock, http, dc):
        respx_mock.get(METADATA).respond(json={"dc": dc, "api_endpoint": "https://us1.api.mailchimp.com"})
        error = failure(oauth.identify, http, app(), TOKEN)
        assert (type(error), error.code) == (Rejected, "mc_unknown_host")
        assert respx_mock.calls.call_count == 1

    def test_mailchimps_own_endpoint_is_built_and_not_taken(self, respx_mock, http):
        respx_mock.get(METADATA).respond(json={"dc": "us1", "api_endpoint": "https://evil.io"})
        respx_mock.get("https://us1.api.mailchimp.com/3.0/").respond(json=ROOT_ANSWER)
        assert oauth.identify(http, app(), TOKEN).api_root == "https://us1.api.mailchimp.com"

    @pytest.mark.parametrize(
        ("endpoint", "root"),
        [
            ("http://127.0.0.1:9002", "http://127.0.0.1:9002"),
            ("http://127.0.0.1:9002/3.0/", "http://127.0.0.1:9002"),
            ("http://127.0.0.1:9003", "http://127.0.0.1:9003"),
            ("http://127.0.0.1:9002/mailchimp", "http://127.0.0.1:9002/mailchimp"),
        ],
    )
    def test_a_simulator_names_its_own_address(self, respx_mock, http, endpoint, root):
        respx_mock.get("http://127.0.0.1:9002/oauth2/metadata").respond(json={"dc": "us1", "api_endpoint": endpoint})
        respx_mock.get(f"{root}/3.0/").respond(json=ROOT_ANSWER)
        assert oauth.identify(http, SIMULATED, TOKEN).api_root == root

    @pytest.mark.parametrize(
        "endpoint",
        [
            None, "", "127.0.0.1:9002", "//127.0.0.1:9002", "https://us1.api.mailchimp.com", "http://evil.io", "http://127.0.0.1@evil.io",
            "http://user@127.0.0.1:9002", "http://user:x@127.0.0.1:9002", "http://127.0.0.1.evil.io", "http://127.0.0.1:9002?x", "http://127.0.0.1#x",
            "http://169.254.169.254", "http://[::1", "http://127.0.0.1:port", "http://127.0.0.1:99999", "file://127.0.0.1/etc", "https://127.0.0.1:9002", ["http://127.0.0.1:9002"],
        ],
    )  # fmt: skip
    def test_a_simulator_cannot_name_another_machine(self, respx_mock, http, endpoint):
        respx_mock.get("http://127.0.0.1:9002/oauth2/metadata").respond(json={"dc": "us1", "api_endpoint": endpoint})
        error = failure(oauth.identify, http, SIMULATED, TOKEN)
        assert (type(error), error.code) == (Rejected, "mc_unknown_host")
        assert respx_mock.calls.call_count == 1

    @pytest.mark.parametrize(
        "login",
        [
            "https://login.mailchimp.com.evil.io",
            "https://evil.io/login.mailchimp.com",
            "https://login.mailchimp.com@evil.io",
        ],
    )
    def test_only_mailchimps_own_login_leads_to_mailchimps_own_api(self, respx_mock, http, login):
        respx_mock.get(url__startswith="https://").respond(404)
        assert type(failure(oauth.identify, http, app(login_url=login), TOKEN)) is Unavailable
        assert "mailchimp.com" not in {call.request.url.host for call in respx_mock.calls}
        assert respx_mock.calls.call_count == 1

    @pytest.mark.parametrize(
        ("answers", "asked"),
        [
            ([httpx.Response(404)], 1),
            ([httpx.Response(410, json={"error": "gone"})], 1),
            ([httpx.Response(500), httpx.Response(502, html="<html>")], 2),
            ([httpx.Response(503), httpx.ReadTimeout("")], 2),
            ([httpx.ConnectError(""), httpx.Response(404)], 2),
        ],
    )
    def test_without_metadata_the_common_host_is_asked(self, respx_mock, http, answers, asked):
        metadata = respx_mock.get(METADATA).mock(side_effect=answers)
        respx_mock.get("https://api.mailchimp.com/3.0/").respond(json=ROOT_ANSWER)
        assert oauth.identify(http, app(), TOKEN).api_root == "https://api.mailchimp.com"
        assert metadata.call_count == asked

    def test_one_bad_moment_of_metadata_is_asked_again(self, respx_mock, http):
        respx_mock.get(METADATA).mock(side_effect=[httpx.Response(503), httpx.Response(200, json={"dc": "us21"})])
        respx_mock.get("https://us21.api.mailchimp.com/3.0/").respond(json=ROOT_ANSWER)
        assert oauth.identify(http, app(), TOKEN).api_root == "https://us21.api.mailchimp.com"

    def test_a_simulator_without_metadata_leads_nowhere(self, respx_mock, http):
        respx_mock.get("http://127.0.0.1:9002/oauth2/metadata").respond(404)
        error = failure(oauth.identify, http, SIMULATED, TOKEN)
        assert type(error) is Unavailable
        assert "SHOPCHIMP_MAILCHIMP_API_URL" in error.detail

    @pytest.mark.parametrize(
        ("answer", "kind", "code"),
        [
            (httpx.Response(401, json={"error": "invalid_token"}), Unauthorized, "mc_access_revoked"),
            (httpx.Response(401), Unauthorized, "mc_access_revoked"),
            (httpx.Response(400, json={"error": "invalid_token"}), Unauthorized, "mc_access_revoked"),
            (httpx.Response(429, json={"error": "slow_down"}), RateLimited, "mc_slow_down"),
            (httpx.Response(429), RateLimited, "mc_slow_down"),
            (httpx.Response(302, headers={"Location": "http://169.254.169.254/"}), Unavailable, "mc_unreachable"),
            (httpx.Response(200, html="<html>"), Unavailable, "mc_unreachable"),
        ],
    )
    def test_metadata_that_says_no(self, respx_mock, http, answer, kind, code):
        respx_mock.get(METADATA).mock(return_value=answer)
        error = failure(oauth.identify, http, app(), TOKEN)
        assert (type(error), error.code) == (kind, code)
        assert respx_mock.calls.call_count == 1

    @pytest.mark.parametrize(
        ("answer", "kind", "code"),
        [
            (httpx.Response(401, json={"title": "API Key Invalid", "detail": TOKEN}), Unauthorized, "mc_access_revoked"),
            (httpx.Response(403, json={"title": "User Disabled"}), Unauthorized, "mc_role_too_low"),
            (httpx.Response(403, html="<html>"), RateLimited, "mc_slow_down"),
            (httpx.Response(429, json={"title": "Too Many Requests"}), RateLimited, "mc_slow_down"),
            (httpx.Response(404, json={"title": "Resource Not Found"}), Rejected, "mc_rejected"),
            (httpx.Response(404), Unavailable, "mc_unreachable"),
            (httpx.Response(500, json={"title": "Internal Server Error"}), Unavailable, "mc_unreachable"),
            (httpx.Response(502, html="<html>"), Unavailable, "mc_unreachable"),
            (httpx.Response(307, headers={"Location": "http://169.254.169.254/"}), Unavailable, "mc_unreachable"),
            (httpx.Response(200, json={"health_status": "fine"}), Unavailable, "mc_unreachable"),
            (httpx.Response(200, content=b'{"account_id": "8d3'), Unavailable, "mc_unreachable"),
        ],
    )  # fmt: skip
    def test_an_account_call_that_fails(self, respx_mock, http, answer, kind, code):
        respx_mock.get("http://mc.test/3.0/").mock(return_value=answer)
        error = failure(oauth.identify, http, app(api_url="http://mc.test"), TOKEN)
        assert (type(error), error.code) == (kind, code)

    def test_nothing_secret_is_logged(self, respx_mock, http, caplog):
        caplog.set_level(0)
        respx_mock.post(f"{LOGIN}/oauth2/token").respond(json={"access_token": TOKEN})
        respx_mock.get(METADATA).respond(json={"dc": "us6"})
        respx_mock.get("https://us6.api.mailchimp.com/3.0/").respond(json=ROOT_ANSWER)
        oauth.identify(http, app(), oauth.redeem_code(http, app(), CODE))
        assert caplog.records
        assert "canary" not in caplog.text
