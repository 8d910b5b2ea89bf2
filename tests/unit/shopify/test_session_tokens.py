"""Session tokens: made here by hand, checked by us and by Shopify's official package."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import traceback
from datetime import UTC, datetime

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_app import verify_app_home_req

from shopchimp.shopify import ShopifyApp
from shopchimp.shopify.session_tokens import InvalidSessionToken, SessionToken, verify

SECRET, OLD, FOREIGN = ("shpss_" + c * 32 for c in "abc")
APP = ShopifyApp(api_key="app-key", secrets=(SECRET, OLD), app_url="https://app.example.com", scopes=())
T = int(time.time())  # Shopify's package reads the clock, hence also the hour until `exp`
HOUR = 3600
NOW = datetime.fromtimestamp(T, UTC)
SHOP = "demo-store.myshopify.com"


def claims(**changes: object) -> dict[str, object]:
    whole = {
        "iss": f"https://{SHOP}/admin",
        "dest": f"https://{SHOP}",
        "aud": "app-key",
        "sub": "42",
        "exp": T + HOUR,
        "nbf": T,
        "iat": T,
        "jti": "f8912129-1af6-4cad-9ca3-76b0f7621087",
        "sid": "aaea182f2732d44c23057c0fea584021a4485b2bd25d3eb7fd349313ad24c685",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(secret: str = SECRET, header: object = None, payload: object = None, **changes: object) -> str:
    """Built without a library, so that a bug of PyJWT cannot hide on both sides."""
    head = part({"alg": "HS256", "typ": "JWT"} if header is None else header)
    signing = f"{head}.{part(claims(**changes) if payload is None else payload)}"
    return f"{signing}.{part(hmac.digest(secret.encode(), signing.encode(), hashlib.sha256))}"


def shopify_accepts(text: str) -> bool:
    request = {
        "method": "GET",
        "url": "https://app.example.com/",
        "headers": {"Authorization": f"Bearer {text}"},
        "body": "",
    }
    config = {"client_id": APP.api_key, "client_secret": SECRET, "old_client_secret": OLD}
    return verify_app_home_req(request, config, "/auth/patch-id-token").ok


def reason(text: str, now: datetime = NOW, app: ShopifyApp = APP) -> str:
    with pytest.raises(InvalidSessionToken) as caught:
        verify(text, app, now)
    printed = "".join(traceback.format_exception(caught.value))
    assert len(text) < 20 or text not in printed
    for piece in text.split("."):
        assert len(piece) < 20 or piece not in printed
    return str(caught.value)


@pytest.mark.parametrize("secret", [SECRET, OLD])
def test_a_genuine_token(secret):
    expected = SessionToken(shop=SHOP, user_id="42", expires_at=datetime.fromtimestamp(T + HOUR, UTC))
    assert verify(token(secret), APP, NOW) == expected
    assert shopify_accepts(token(secret))


def test_jti_and_sid_may_be_absent():
    assert verify(token(jti=None, sid=None), APP, NOW)
    assert shopify_accepts(token(jti=None, sid=None))


def test_the_clock_is_the_callers():
    assert verify(token(exp=1060, nbf=1000, iat=1000), APP, datetime.fromtimestamp(1000, UTC)).shop == SHOP


def test_where_the_platform_lives_does_not_change_the_claims():
    app = ShopifyApp("app-key", (SECRET,), "http://127.0.0.1:1", (), url_template="http://127.0.0.1:9001/{shop}")
    assert verify(token(), app, NOW).shop == SHOP
    assert reason(token(dest=f"http://127.0.0.1:9001/{SHOP}"), app=app) == "iss or dest is not an address"


@pytest.mark.parametrize(
    ("changes", "seconds", "why"),
    [
        ({}, HOUR + 9, None),
        ({}, HOUR + 10, "expired"),
        ({}, HOUR + 11, "expired"),
        ({"nbf": T + 10}, 0, None),
        ({"nbf": T + 11}, 0, "not valid yet"),
        ({"iat": T + 10}, 0, None),
        ({"iat": T + 11}, 0, "not valid yet"),
    ],
)
def test_leeway_of_ten_seconds(changes, seconds, why):
    now = datetime.fromtimestamp(T + seconds, UTC)
    if why is None:
        assert verify(token(**changes), APP, now)
    else:
        assert reason(token(**changes), now) == why


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "iss", "dest", "aud", "sub"])
def test_required_claims(name):
    assert reason(token(**{name: None})) == "MissingRequiredClaimError"
    assert reason(token(payload={**claims(), name: None})) == "MissingRequiredClaimError"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1", "never", 1.5, True, float("nan"), float("inf"), [], {}])
def test_times_are_whole_numbers(name, value):
    assert reason(token(**{name: value})) == f"{name} is not a time"


def test_a_time_beyond_the_calendar():
    assert reason(token(exp=10**18)) == "exp is not a time"
    assert reason(token(exp=10**400)) == "exp is not a time"


@pytest.mark.parametrize(
    "aud", ["other-app", ["app-key"], ["other", "app-key"], "app-key ", "APP-KEY", 1, {"app-key": 1}]
)
def test_another_apps_token(aud):
    assert reason(token(aud=aud)) == "InvalidAudienceError"
    assert not shopify_accepts(token(aud=aud))


@pytest.mark.parametrize("sub", [42, [], "", True])
def test_a_user_is_text(sub):
    assert reason(token(sub=sub)) in {"InvalidSubjectError", "names no user"}


def test_issued_by_one_shop_for_another():
    assert reason(token(dest="https://other.myshopify.com")) == "issued by one shop for another"
    assert reason(token(iss="https://other.myshopify.com/admin")) == "issued by one shop for another"


@pytest.mark.parametrize("name", ["iss", "dest"])
@pytest.mark.parametrize(
    "value",
    [
        f"http://{SHOP}",
        SHOP,
        f"https://{SHOP}.evil.io",
        f"https://{SHOP}@evil.io",
        f"https://evil.io/{SHOP}",
        f"https://evil.io#{SHOP}",
        f"https://user@{SHOP}",
        f"https://{SHOP}:443",
        f"https://{SHOP}\n",
        f"https://{SHOP}/admin\n",
        "https://admin.shopify.com",
        "https://",
        1,
        [f"https://{SHOP}"],
    ],
)
def test_iss_and_dest_are_the_shops_own_address(name, value):
    assert reason(token(**{name: value})).startswith("iss or dest is not a")


def test_signature():
    genuine = token()
    assert reason(token(FOREIGN)) == "signature"
    assert reason(genuine.rpartition(".")[0] + ".") == "signature"
    head, _, mac = genuine.split(".")
    assert reason(f"{head}.{part(claims(sub='1'))}.{mac}") == "signature"
    assert not shopify_accepts(token(FOREIGN))


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_nobody_may_sign(secrets):
    app = ShopifyApp("app-key", secrets, "https://app.example.com", ())
    assert reason(token(""), app=app) == "no secret to check it with"


@pytest.mark.parametrize("alg", ["none", "None", "", "HS384", "HS512", "RS256", "ES256", "hs256", None, 1])
def test_the_algorithm_is_not_the_tokens_to_choose(alg):
    for text in (token(header={"alg": alg}), token(header={"alg": alg}).rpartition(".")[0] + "."):
        assert reason(text) != "signature"
    assert verify(token(header={"alg": "HS256", "x5u": "https://evil.io"}), APP, NOW)


def test_other_hmac_with_the_right_secret():
    assert reason(jwt.encode(claims(), SECRET * 2, algorithm="HS512")) == "InvalidAlgorithmError"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "Bearer " + token(),
        token() + " ",
        token() + "\u00e9",
        "\udc80." + token(),
        token(header=b"[" * 6000),
        token(payload=b"[" * 6000),
        token(header=b"1" * 5000),
        token(payload=b'{"exp":' + b"1" * 5000 + b"}"),
        token(header=[]),
        token(header={}),
        token(header={"alg": "HS256", "crit": ["x"]}),
        token(header={"alg": "HS256", "b64": False, "crit": ["b64"]}),
        token(header={"alg": ["HS256"]}),
        token(header={"alg": "HS256", "kid": 1}),
        token(payload=[]),
        token(payload=b"\xff"),
        token(payload=b'{"exp": NaN'),
    ],
    ids=lambda text: ascii(text)[:40],
)
def test_odd_tokens_are_refused_and_not_an_error(text):
    reason(text)


def test_ten_kilobytes_are_enough():
    assert reason(token(sid="x" * 8000)) == "too long"
    assert verify(token(sid="x" * 6000), APP, NOW)


@given(st.text() | st.lists(st.binary().map(part), min_size=3, max_size=3).map(".".join))
def test_refusal_is_the_only_error(text):
    reason(text)


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=4)  # fmt: skip


@given(name=st.sampled_from(["exp", "nbf", "iat", "iss", "dest", "aud", "sub", "jti", "sid"]), value=json_values)
def test_with_a_good_signature_too_and_shopify_accepts_what_we_accept(name, value):
    text = token(payload={**claims(), name: value})
    try:
        verify(text, APP, NOW)
    except InvalidSessionToken:
        return
    assert shopify_accepts(text)
