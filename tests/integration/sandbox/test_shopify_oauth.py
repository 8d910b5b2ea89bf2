"""Tokens of Shopify's half: shopify.md sections 4.2 to 4.4."""

from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from shopify_port import APP_URL, DOMAIN, KEY, SECRET, Api

from shopchimp.sandbox.shopify.authorize import authorize
from shopchimp.sandbox.shopify.oauth import (
    OFFLINE,
    ONLINE,
    SCOPES,
    OAuthError,
    session_token,
    signed_query,
)


@pytest.fixture
def api():
    return Api()


def refused(api, **changes):
    with pytest.raises(OAuthError) as raised:
        api.exchange(**changes)
    return raised.value.code


def refresh(api, token):
    body = {"client_id": KEY, "client_secret": SECRET, "grant_type": "refresh_token", "refresh_token": token}
    return api.shop.tokens.grant(body)


def test_token_exchange_gives_an_expiring_pair(api):
    answer = api.exchange()
    assert answer["access_token"].startswith("shpat_")
    assert answer["refresh_token"].startswith("shprt_")
    assert (answer["expires_in"], answer["refresh_token_expires_in"], answer["scope"]) == (3600, 7_776_000, SCOPES)
    api.clock.at += 3599
    assert api.shop.tokens.used(answer["access_token"]) is not None
    api.clock.at += 1
    assert api.shop.tokens.used(answer["access_token"]) is None


def test_without_expiring_a_token_lives_on_and_can_be_migrated(api):
    old = api.exchange(expiring=0)
    assert set(old) == {"access_token", "scope"}
    api.clock.at += 1_000_000
    new = api.exchange(subject_token=old["access_token"], subject_token_type=OFFLINE)
    assert new["expires_in"] == 3600
    assert api.shop.tokens.used(old["access_token"]) is None


def test_an_online_token_names_its_user(api):
    answer = api.exchange(requested_token_type=ONLINE)
    assert answer["associated_user"]["account_owner"] is True
    assert "refresh_token" not in answer


@pytest.mark.parametrize("changes", [{"client_id": "other"}, {"client_secret": "wrong"}, {"client_secret": "ü"}])
def test_wrong_credentials(api, changes):
    assert refused(api, **changes) == "invalid_client"


def test_session_tokens_that_are_not_ours(api):
    now = api.clock.at
    good = jwt.decode(session_token(api.app, DOMAIN, now=now), options={"verify_signature": False})

    def signed(secret=SECRET, algorithm="HS256", **claims):
        return jwt.encode({**good, **claims}, secret, algorithm=algorithm)

    assert refused(api, subject_token="nonsense") == "invalid_subject_token"
    assert refused(api, subject_token=signed(aud="another-app")) == "invalid_subject_token"
    assert refused(api, subject_token=signed(dest="https://other.myshopify.com")) == "invalid_subject_token"
    other = {"dest": "https://other.myshopify.com", "iss": "https://other.myshopify.com/admin"}
    assert refused(api, subject_token=signed(**other)) == "invalid_subject_token"
    assert refused(api, subject_token=signed(exp=int(now) - 11)) == "invalid_subject_token"
    assert refused(api, subject_token=signed(nbf=int(now) + 11)) == "invalid_subject_token"
    assert refused(api, subject_token=signed(iss="https://other.myshopify.com/admin")) == "invalid_subject_token"
    assert api.exchange(subject_token=signed(exp=int(now) - 9))["access_token"]
    assert refused(api, subject_token=signed("x" * 40)) == "invalid_subject_token"
    assert refused(api, subject_token=signed("y" * 64, "HS512")) == "invalid_subject_token"
    assert refused(api, subject_token=jwt.encode(good, None, algorithm="none")) == "invalid_subject_token"


def test_the_old_refresh_token_works_until_the_new_access_token_is_used(api):
    first = api.exchange()
    lost = refresh(api, first["refresh_token"])  # the answer never arrived
    second = refresh(api, first["refresh_token"])
    assert second["access_token"] != lost["access_token"]
    assert api.shop.tokens.used(second["access_token"]) is not None
    with pytest.raises(OAuthError, match="used or expired"):
        refresh(api, first["refresh_token"])
    assert refresh(api, second["refresh_token"])["access_token"]


def test_refresh_tokens_die_of_age(api):
    first = api.exchange()
    refresh(api, first["refresh_token"])
    api.clock.at += 30 * 86_400
    with pytest.raises(OAuthError):
        refresh(api, first["refresh_token"])
    other = api.exchange(subject_token=session_token(api.app, DOMAIN, now=api.clock.at))
    api.clock.at += 90 * 86_400
    with pytest.raises(OAuthError):
        refresh(api, other["refresh_token"])


def test_an_uninstall_kills_everything(api):
    pair = api.exchange()
    api("mutation { appUninstall { app { id } userErrors { message } } }")
    assert api.shop.tokens.used(pair["access_token"]) is None
    with pytest.raises(OAuthError):
        refresh(api, pair["refresh_token"])


def grant_screen(api, **query):
    asked = {
        "client_id": KEY,
        "scope": "read_customers",
        "redirect_uri": f"{APP_URL}/auth/shopify/callback",
        "state": "s1",
    }
    there = urlsplit(authorize(api.shop, {**asked, **query}, now=api.clock.at))
    return {name: values[0] for name, values in parse_qs(there.query).items()}


def test_the_grant_screen_comes_back_signed_with_a_code(api):
    query = grant_screen(api)
    assert (query["shop"], query["state"]) == (DOMAIN, "s1")
    unsigned = {name: value for name, value in query.items() if name != "hmac"}
    assert parse_qs(signed_query(api.app, unsigned))["hmac"] == [query["hmac"]]
    body = {"client_id": KEY, "client_secret": SECRET, "code": query["code"], "expiring": "1"}
    answer = api.shop.tokens.grant(body)
    assert (answer["scope"], answer["expires_in"]) == ("read_customers", 3600)
    with pytest.raises(OAuthError, match="already used"):
        api.shop.tokens.grant(body)


def test_the_merchant_may_say_no(api):
    query = grant_screen(api, deny="1")
    assert query["error"] == "access_denied"
    assert "code" not in query


@pytest.mark.parametrize("query", [{"client_id": "other"}, {"redirect_uri": "https://evil.example.com/"}])
def test_strangers_get_no_grant(api, query):
    with pytest.raises(OAuthError):
        grant_screen(api, **query)


def test_the_official_python_library_of_old_accepts_our_signature(api):
    """ShopifyAPI's form: decoded values, `key=value` joined by `&`; for what Shopify sends it equals the form encoding."""
    query = {"shop": DOMAIN, "timestamp": "1795000000", "state": "abc"}
    assert signed_query(api.app, query).startswith(urlencode(query))


def test_scopes_guard_fields():
    api = Api(3, scopes=("read_orders",))
    answer = api.run("{ customers(first: 1) { nodes { id } } shop { name } }")
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert error["message"] == "Access denied for customers field. Required access: `read_customers` access scope."
    writer = Api(3, scopes=("write_customers",))
    assert len(writer("{ customers(first: 5) { nodes { id } } }")["nodes"]) == 3
