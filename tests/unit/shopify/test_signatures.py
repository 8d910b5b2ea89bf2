"""Signatures over webhooks and queries, cross-checked with Shopify's official package `shopifyapp`."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_app import verify_webhook_req

from shopchimp.shopify.signatures import genuine_query, webhook_is_genuine

SECRET, OLD = "shpss_" + "a1" * 16, "shpss_" + "b2" * 16
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))


def header_for(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def shopify_accepts(body: str, header: str) -> bool:
    request = {"method": "POST", "headers": {"X-Shopify-Hmac-SHA256": header}, "body": body, "url": "/"}
    config = {"client_id": "id", "client_secret": SECRET, "old_client_secret": OLD}
    return verify_webhook_req(request, config).ok


class TestWebhooks:
    BODY = '{"id": 1, "name": "Zoë"}'.encode()

    @pytest.mark.parametrize("secret", [SECRET, OLD])
    def test_each_secret_is_tried(self, secret):
        assert webhook_is_genuine(self.BODY, header_for(self.BODY, secret), (SECRET, OLD))

    def test_one_known_value(self):
        # printf '{}' | openssl dgst -sha256 -hmac secret -binary | base64
        assert webhook_is_genuine(b"{}", "dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM=", ("secret",))

    def test_raw_bytes_count(self):
        header = header_for(self.BODY)
        assert not webhook_is_genuine(self.BODY.replace(b" ", b""), header, (SECRET,))
        assert not webhook_is_genuine(self.BODY + b"\n", header, (SECRET,))

    @pytest.mark.parametrize(
        "header",
        [None, "", " ", "=", "é", "\udc80", "not base64", "Bearer x", "0" * 44, "A" * 100_000, header_for(b"x", "other"), header_for(b"x").rstrip("=")],
    )  # fmt: skip
    def test_a_bad_header_is_no_and_not_an_error(self, header):
        assert webhook_is_genuine(b"x", header, (SECRET, OLD)) is False

    def test_two_headers_joined_are_no(self):
        assert not webhook_is_genuine(b"x", f"{header_for(b'x')}, {header_for(b'x')}", (SECRET,))

    @pytest.mark.parametrize("secrets", [(), ("",)])
    def test_without_a_secret_nobody_may_sign(self, secrets):
        assert not webhook_is_genuine(b"x", header_for(b"x", ""), secrets)

    @given(body=st.binary(), header=st.none() | st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
    def test_never_raises(self, body, header):
        assert webhook_is_genuine(body, header, (SECRET,)) is False

    @given(body=st.text(), secret=st.sampled_from([SECRET, OLD]))
    def test_shopify_accepts_what_we_accept(self, body, secret):
        header = header_for(body.encode(), secret)
        assert webhook_is_genuine(body.encode(), header, (SECRET, OLD))
        assert shopify_accepts(body, header)

    @given(body=st.text(), place=st.integers(0, 43), character=st.sampled_from("ABab01+/="))
    def test_shopify_and_we_agree_on_a_changed_header(self, body, place, character):
        header = header_for(body.encode())
        changed = header[:place] + character + header[place + 1 :]
        assert webhook_is_genuine(body.encode(), changed, (SECRET,)) == shopify_accepts(body, changed)


PARAMS = {
    "code": "0907a61c0c8d55e99db179b68161bc00",
    "host": "YWRtaW4uc2hvcGlmeS5jb20vc3RvcmUvZGVtbw==",
    "shop": "demo-store.myshopify.com",
    "state": "n0nce",
    "timestamp": STAMP,
}


def as_python(params: dict[str, str]) -> str:
    """Decoded values, only the separators escaped (ShopifyAPI)."""
    return "&".join(
        f"{key.replace('%', '%25').replace('=', '%3D')}={value.replace('%', '%25')}".replace("&", "%26")
        for key, value in sorted(params.items())
    )


def as_form(params: dict[str, str]) -> str:
    """Values encoded again as a form (Shopify's libraries for JavaScript and Ruby)."""
    return urlencode(sorted(params.items()))


def signed(params: dict[str, str], form=as_python, secret: str = SECRET) -> str:
    mac = hmac.new(secret.encode(), form(params).encode(), hashlib.sha256).hexdigest()
    return urlencode({**params, "hmac": mac})


class TestQueries:
    @pytest.mark.parametrize("form", [as_python, as_form])
    @pytest.mark.parametrize("secret", [SECRET, OLD])
    def test_both_forms_and_each_secret(self, form, secret):
        assert as_python(PARAMS) != as_form(PARAMS)
        params = genuine_query(signed(PARAMS, form, secret), (SECRET, OLD), now=NOW)
        assert params is not None
        assert {key: params[key] for key in PARAMS} == PARAMS

    def test_one_known_value(self):
        # printf 'shop=a.myshopify.com&timestamp=1700000000' | openssl dgst -sha256 -hmac secret
        mac = "7881ce87eda45a32589c9687f30cda409418577c3d5b3f7755a5ec8e2a76ed9b"
        query = f"hmac={mac}&shop=a.myshopify.com&timestamp=1700000000"
        assert genuine_query(query, ("secret",), now=datetime.fromtimestamp(1_700_000_000, UTC))

    def test_the_order_and_encoding_of_the_request_do_not_matter(self):
        query = signed(PARAMS)
        shuffled = "&".join(reversed(query.split("&"))).replace("==", "%3D%3D").replace("-", quote("-", safe=""))
        assert genuine_query(shuffled.replace("demo-store", "demo%2Dstore"), (SECRET,), now=NOW)

    def test_legacy_signature_is_left_out_of_the_message(self):
        assert genuine_query(signed(PARAMS) + "&signature=abc", (SECRET,), now=NOW)

    @pytest.mark.parametrize("key", PARAMS)
    def test_every_parameter_counts(self, key):
        query = signed(PARAMS)
        assert genuine_query(query.replace(f"{key}=", f"{key}=1", 1), (SECRET,), now=NOW) is None
        assert genuine_query(query.replace(f"{key}=", f"{key}x=", 1), (SECRET,), now=NOW) is None

    def test_an_added_parameter_is_refused(self):
        assert genuine_query(signed(PARAMS) + "&admin=1", (SECRET,), now=NOW) is None
        assert genuine_query(signed(PARAMS) + "&admin", (SECRET,), now=NOW) is None

    def test_parameters_cannot_be_melted_together(self):
        melted = {"a": "1&b=2", "timestamp": STAMP}
        apart = {"a": "1", "b": "2", "timestamp": STAMP}
        for form in (as_python, as_form):
            mac = signed(apart, form).rpartition("=")[2]
            assert genuine_query(urlencode({**melted, "hmac": mac}), (SECRET,), now=NOW) is None

    @pytest.mark.parametrize("key", [*PARAMS, "hmac"])
    def test_repeated_keys_are_refused(self, key):
        query = signed(PARAMS)
        again = next(part for part in query.split("&") if part.startswith(f"{key}="))
        assert genuine_query(f"{query}&{again}", (SECRET,), now=NOW) is None
        assert genuine_query(f"{again}&{query}", (SECRET,), now=NOW) is None

    @pytest.mark.parametrize(("seconds", "fresh"), [(-91, False), (-90, True), (0, True), (90, True), (91, False)])
    def test_window(self, seconds, fresh):
        found = genuine_query(signed(PARAMS), (SECRET,), now=NOW + timedelta(seconds=seconds))
        assert (found is not None) is fresh

    def test_the_window_can_be_chosen(self):
        later = NOW + timedelta(seconds=299)
        assert genuine_query(signed(PARAMS), (SECRET,), now=later, fresh=timedelta(seconds=300))

    @pytest.mark.parametrize(
        "stamp", ["", "-1", "now", "1e9", " 1", "\u0661", "9" * 400, "NaN", "1_0", STAMP + ".0", STAMP + "\n"]
    )
    def test_a_timestamp_is_digits(self, stamp):
        assert genuine_query(signed({**PARAMS, "timestamp": stamp}), (SECRET,), now=NOW) is None

    def test_hmac_or_timestamp_missing(self):
        assert genuine_query(urlencode(PARAMS), (SECRET,), now=NOW) is None
        assert genuine_query(signed({"shop": "a.myshopify.com"}), (SECRET,), now=NOW) is None
        assert genuine_query("", (SECRET,), now=NOW) is None

    def test_bytes_that_are_no_text_do_not_pass_for_the_replacement_character(self):
        query = signed({**PARAMS, "state": "\ufffd"})
        assert genuine_query(query, (SECRET,), now=NOW)
        assert genuine_query(query.replace("%EF%BF%BD", "%FF"), (SECRET,), now=NOW) is None

    @pytest.mark.parametrize("secrets", [(), ("",)])
    def test_without_a_secret_nobody_may_sign(self, secrets):
        assert genuine_query(signed(PARAMS, secret=""), secrets, now=NOW) is None

    @pytest.mark.parametrize(
        "query", ["a=%ff&hmac=1", "hmac=%C3%A9", "&".join(f"k{n}=1" for n in range(5000)), "hmac=\udc80", "\udc80=1"]
    )
    def test_odd_queries_are_no_and_not_an_error(self, query):
        assert genuine_query(f"{query}&timestamp={STAMP}", (SECRET,), now=NOW) is None

    @given(st.text() | st.text(alphabet="hmacts=&%+0123456789abcdef;"))
    def test_never_raises(self, query):
        assert genuine_query(query, (SECRET,), now=NOW) is None
        assert genuine_query(f"{query}&timestamp={STAMP}", (SECRET,), now=NOW) is None

    texts = st.text(st.characters(exclude_categories=["Cs"]))

    @given(params=st.dictionaries(texts.filter(lambda key: key not in {"hmac", "signature", "timestamp"}), texts, max_size=8), form=st.sampled_from([as_python, as_form]))  # fmt: skip
    def test_what_is_signed_comes_back_as_it_was(self, params, form):
        params = {**params, "timestamp": STAMP}
        found = genuine_query(signed(params, form), (SECRET,), now=NOW)
        assert found is not None
        assert {**found, "hmac": ""} == {**params, "hmac": ""}
