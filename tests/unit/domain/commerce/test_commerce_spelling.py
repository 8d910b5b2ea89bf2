"""Ids, texts, moments, links and addresses within Mailchimp's limits."""

from __future__ import annotations

import pytest
from commerce_nodes import address
from hypothesis import given, settings
from hypothesis import strategies as st

from shopchimp.domain.commerce.spelling import (
    DESCRIPTION_BYTES,
    ID_LIMIT,
    TEXT_BYTES,
    delivery,
    fingerprint,
    link,
    moment,
    plain_text,
    postal,
    short_id,
    text,
)


def test_an_id_is_the_number_of_its_gid() -> None:
    assert short_id("gid://shopify/Product/9100000000201") == "9100000000201"
    assert short_id(9100000000201) == "9100000000201"
    assert short_id("gid://shopify/AbandonedCheckoutLineItem/c0ffee?checkout_token=1") == "c0ffee"
    assert short_id("a" * 50) == "a" * 50


@given(st.text(min_size=1, max_size=200))
@settings(deadline=None)
def test_every_id_fits_and_survives_a_path(value: str) -> None:
    made = short_id(value)
    assert 0 < len(made) <= ID_LIMIT
    assert len(made.encode()) <= ID_LIMIT
    assert not set(made) & set("/?# %")
    assert made == short_id(value)


def test_two_long_tokens_stay_two() -> None:
    token = "Z2NwLXVzLWNlbnRyYWwxOjAxSE5YWkQ3SzZFMFFBWVNGM1ZQOEJYWUFB"
    assert short_id(token) != short_id(f"{token}A")
    assert fingerprint("gone", "a", "b") != fingerprint("gone", "a|b") != fingerprint("gone", "ab", "")


@given(st.text(max_size=600))
@settings(max_examples=200, deadline=None)
def test_a_text_is_one_line_and_fits_in_bytes(value: str) -> None:
    made = text(value)
    assert len(made.encode()) <= TEXT_BYTES
    assert made == made.strip()
    assert "\n" not in made
    assert text(made) == made


def test_a_text_is_cut_between_letters() -> None:
    assert text("ö" * 200) == "ö" * 127
    assert text(None) == ""
    assert text(" a\u200b\n\t b\x00 ") == "a b"


def test_a_description_loses_its_markup() -> None:
    html = "<style>p{}</style><h2>Lamp</h2><p>Br&auml;ss &amp; <em>oak</em>,<br>2&nbsp;m</p><script>alert('x')</script>"
    assert plain_text(html) == "Lamp Bräss & oak, 2 m"
    assert plain_text(None) == ""
    assert plain_text("5 < 6, no tag") == "5 < 6, no tag"
    assert plain_text("Plain, as CSV files have it. ") == "Plain, as CSV files have it."


def test_a_long_description_is_cut_at_a_word() -> None:
    made = plain_text(f"<p>{'Brass lamp ' * 500}</p>")
    assert made.endswith(("lamp…", "Brass…"))
    assert DESCRIPTION_BYTES - 20 < len(made.encode()) <= DESCRIPTION_BYTES
    assert len(plain_text("灯" * 5000).encode()) <= DESCRIPTION_BYTES


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=4000))
@settings(max_examples=100, deadline=None)
def test_no_description_is_too_long_or_fails(html: str) -> None:
    assert len(plain_text(html).encode()) <= DESCRIPTION_BYTES


def test_a_moment_is_the_same_from_every_time_zone() -> None:
    assert moment("2026-11-03T09:29:58+01:00") == moment("2026-11-03T08:29:58.250Z") == "2026-11-03T08:29:58+00:00"
    assert moment("2026-11-03") == "2026-11-03T00:00:00+00:00"
    assert moment(None) is None
    assert moment("soon") is None


@pytest.mark.parametrize(
    "bad", [None, "", "lamps.example.com/x", "ftp://example.com", "https://", "https://a b.example", "https://[x", 5]
)
def test_what_is_no_link_is_left_out(bad: object) -> None:
    assert link(bad) is None


def test_a_link_stays_as_it_is() -> None:
    assert link(" https://lamps.example.com/a?b=ü ") == "https://lamps.example.com/a?b=ü"


def test_an_address_has_all_its_parts_even_the_empty_ones() -> None:
    assert postal(address()) == {
        "address1": "Lampgatan 7",
        "address2": "lgh 1201",
        "city": "Uppsala",
        "province": "",
        "province_code": "",
        "postal_code": "753 20",
        "country": "Sweden",
        "country_code": "SE",
    }
    assert delivery(address(latitude=None), "+46701740606") == {
        "name": "Rosa Lindqvist",
        **postal(address()),
        "phone": "+46701740605",
        "company": "Lindqvist Ljus",
        "longitude": 17.6389,
    }
    assert delivery(address(phone=None), "+46701740606")["phone"] == "+46701740606"
