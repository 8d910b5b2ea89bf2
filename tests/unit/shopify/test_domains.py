"""Shop domains: what gets through `shop_domain` ends up in URLs that carry our secrets."""

from __future__ import annotations

import base64
import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopchimp.shopify.domains import admin_app_url, decode_host, shop_domain, store_handle

EVIL = [
    # nothing, or not enough
    "",
    " ",
    ".",
    "myshopify.com",
    ".myshopify.com",
    "..myshopify.com",
    "-.myshopify.com",
    "-shop.myshopify.com",
    "shop",
    "shop.",
    "shop.myshopify",
    "shop.myshopify.",
    "shop.myshopifycom",
    "shopmyshopify.com",
    "shop,myshopify.com",
    # another owner
    "shop.myshopify.com.evil.io",
    "shop.myshopify.com-evil.io",
    "shop.myshopify.comevil",
    "shop.myshopify.co",
    "shop.myshopify.com.",
    "shop.notmyshopify.com",
    "shop.myshopify.com.myshopify.com",
    "evil.io/shop.myshopify.com",
    "evil.io?shop.myshopify.com",
    "evil.io#shop.myshopify.com",
    "evil.io#.myshopify.com",
    "evil.io\\.myshopify.com",
    "evil.io\\@shop.myshopify.com",
    "a.b.myshopify.com",
    "evil.io.myshopify.com",
    # another part of a URL
    "https://shop.myshopify.com",
    "//shop.myshopify.com",
    "/shop.myshopify.com",
    "shop.myshopify.com/",
    "shop.myshopify.com/admin",
    "shop.myshopify.com?a=1",
    "shop.myshopify.com#a",
    "shop.myshopify.com:443",
    "shop.myshopify.com:443@evil.io",
    "shop.myshopify.com@evil.io",
    "user@shop.myshopify.com",
    "user:secret@shop.myshopify.com",
    "127.0.0.1",
    "[::1].myshopify.com",
    "169.254.169.254",
    "localhost",
    # white space and control characters
    "shop.myshopify.com\n",
    "\nshop.myshopify.com",
    "shop.myshopify.com\r\nX-Evil: 1",
    "shop.myshopify.com\x00",
    "sh\x00op.myshopify.com",
    "shop\t.myshopify.com",
    " shop.myshopify.com",
    "shop.myshopify.com ",
    "evil.io\nshop.myshopify.com",
    # encodings
    "shop%2emyshopify.com",
    "shop.myshopify.com%2f",
    "shop.myshopify.com%00",
    "%73hop.myshopify.com",
    "shop.myshopify\uff0ecom",  # full-width full stop
    "shop\u3002myshopify.com",  # ideographic full stop
    "\u200bshop.myshopify.com",
    "shop\u00ad.myshopify.com",
    "\u0455hop.myshopify.com",  # Cyrillic
    "\u212ashop.myshopify.com",  # the Kelvin sign, lower-cased a plain k
    "shop.myshop\u0131fy.com",
    "sh\udc00op.myshopify.com",
    "\u0661shop.myshopify.com",  # an Arabic digit
    # other characters and sizes
    "sh_op.myshopify.com",
    "sh*op.myshopify.com",
    "sh'op.myshopify.com",
    "<script>.myshopify.com",
    "${shop}.myshopify.com",
    "a" * 62 + ".myshopify.com",
    "a" * 100_000 + ".myshopify.com",
]


def test_the_table_is_as_long_as_promised():
    assert len(set(EVIL)) >= 60


@pytest.mark.parametrize("text", EVIL, ids=lambda text: ascii(text)[:50])
def test_refuses(text):
    with pytest.raises(ValueError, match=r"^not a shop domain: it has the form name\.myshopify\.com$"):
        shop_domain(text)


@pytest.mark.parametrize(
    ("text", "shop"),
    [
        ("demo-store.myshopify.com", "demo-store.myshopify.com"),
        ("Demo-Store.MyShopify.com", "demo-store.myshopify.com"),
        ("0.myshopify.com", "0.myshopify.com"),
        ("a--b-.myshopify.com", "a--b-.myshopify.com"),
        ("a" * 61 + ".myshopify.com", "a" * 61 + ".myshopify.com"),
    ],
)
def test_accepts_in_lower_case(text, shop):
    assert shop_domain(text) == shop


@given(st.text() | st.from_regex(r"[ -~]{0,5}\.myshopify\.com[ -~\s]{0,3}"))
def test_whatever_comes_out_is_one_label_of_shopify(text):
    try:
        shop = shop_domain(text)
    except ValueError:
        return
    assert re.fullmatch(r"[a-z0-9-]+\.myshopify\.com", shop, re.ASCII)
    assert shop_domain(shop) == shop


def test_names_in_the_admin():
    assert store_handle("Demo-Store.myshopify.com") == "demo-store"
    assert (
        admin_app_url("demo-store.myshopify.com", "abc123") == "https://admin.shopify.com/store/demo-store/apps/abc123"
    )


@pytest.mark.parametrize("key", ["", "..", "a/../b", "a?b", "a#b", "a\n", "a b", "\u212a", "x" * 101])
def test_an_app_key_cannot_bend_the_path(key):
    with pytest.raises(ValueError, match="API key"):
        admin_app_url("demo-store.myshopify.com", key)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "address", ["admin.shopify.com/store/demo", "admin.shopify.com/store/demo-store", "a.myshopify.com/admin"]
)
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("url_safe", [True, False])
def test_host_is_decoded(address, padded, url_safe):
    param = encoded(address)
    param = param.translate(str.maketrans("+/", "-_")) if url_safe else param
    assert decode_host(param if padded else param.rstrip("=")) == address


@pytest.mark.parametrize(
    "param",
    [
        "",
        "=",
        "A",
        "not base64!",
        "\u00e9",
        "A" * 301,
        encoded("evil.io/shopify.com"),
        encoded("admin.shopify.com.evil.io/store/demo"),
        encoded("admin.shopify.com"),
        encoded("admin.shopify.com/store/demo\n"),
        encoded("admin.shopify.com/store/demo/../../x"),
        encoded("https://admin.shopify.com/store/demo"),
        encoded("demo.myshopify.com@evil.io/admin"),
        encoded("evil.io#demo.myshopify.com/admin"),
        base64.b64encode(b"\xff\xfe").decode(),
    ],
)
def test_a_host_elsewhere_is_refused(param):
    with pytest.raises(ValueError, match="not the address of a Shopify admin"):
        decode_host(param)


@given(st.text())
def test_decoding_a_host_raises_nothing_else(param):
    with contextlib.suppress(ValueError):
        decode_host(param)
