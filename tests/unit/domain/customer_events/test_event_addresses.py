"""The address of a page ends where somebody's token would begin."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopchimp.domain.customer_events.addresses import ADDRESS_LIMIT, page_address

SHOP = "https://pinewood.example.com"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/products/mug", "/products/mug"),
        ("/products/mug?variant=1&key=secret#top", "/products/mug?variant=1"),
        ("/?utm_source=mailchimp&utm_medium=sms&utm_campaign=november&mc_cid=cb39&mc_eid=secret",
         "/?utm_source=mailchimp&utm_medium=sms&utm_campaign=november&mc_cid=cb39"),
        ("/search?q=blue", "/search"),
        ("/apps/wishlist/secret", "/apps/wishlist"),
        ("/collections/orders/products/mug", "/collections/orders/products/mug"),
        ("", "/"),
    ],
)  # fmt: skip
def test_what_is_public_stays(path: str, kept: str) -> None:
    page = page_address(SHOP + path)
    assert page
    assert (page.url, page.private) == (SHOP + kept, False)


@pytest.mark.parametrize("prefix", ["", "/en", "/en-CA", "/61234567", "/61234567/fr"])
@pytest.mark.parametrize("named", ["account", "Orders", "checkouts", "cart", "gift_cards", "invoices", "password"])
def test_what_is_somebodys_is_cut(prefix: str, named: str) -> None:
    page = page_address(f"{SHOP}{prefix}/{named}/secret/secret?utm_source=secret&key=secret#secret")
    assert page
    assert (page.url, page.private) == (f"{SHOP}{prefix}/{named}", True)


@pytest.mark.parametrize(
    "none", ["", "x", "/products", "javascript:alert(1)", "https://", "https://a b/", "https://x/\n", "https://[::1/", "https://x:y/",
             'https://a"b/', "data:text/html,x"]
)  # fmt: skip
def test_what_is_no_address(none: str) -> None:
    assert page_address(none) is None


def test_a_password_of_the_address_is_not_kept() -> None:
    page = page_address("https://ana:secret@pinewood.example.com:8443/x")
    assert page
    assert page.url == f"{SHOP}:8443/x"


@given(
    st.text(max_size=80),
    st.text(max_size=40),
    st.sampled_from(["", "utm_source=", "utm_campaign=%41", "mc_cid=x&mc_cid="]),
)
@settings(deadline=None, max_examples=300)
def test_what_was_cut_once_is_cut(path: str, query: str, key: str) -> None:
    page = page_address(f"{SHOP}/{path}?{key}{query}")
    if page is None:
        return
    assert len(page.url) <= ADDRESS_LIMIT
    assert page.url.isascii()
    assert urlsplit(page.url).hostname == "pinewood.example.com"
    assert page_address(page.url) == page
    assert page.query.keys() <= {"utm_source", "utm_medium", "utm_campaign", "mc_cid", "variant"}
