"""The shop's name, checked before anything is built from it. No other module takes a shop domain on trust."""

from __future__ import annotations

import base64
import binascii
import re

_SUFFIX = ".myshopify.com"
_HANDLE = r"[a-z0-9][a-z0-9-]{0,60}"
_SHOP = re.compile(_HANDLE + re.escape(_SUFFIX))
_HOST = re.compile(rf"admin\.shopify\.com/store/{_HANDLE}|{_HANDLE}{re.escape(_SUFFIX)}/admin")
_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_HOST_LIMIT = 300


def shop_domain(text: str) -> str:
    """The shop's domain in lower case, e.g. `demo-store.myshopify.com`; ValueError for anything else.

    `fullmatch`, because `$` lets a trailing newline through; and ASCII before lower-casing, because
    the Kelvin sign (U+212A) becomes an ordinary "k" there.
    """
    lowered = text.lower()
    if not text.isascii() or not _SHOP.fullmatch(lowered):
        raise ValueError("not a shop domain: it has the form name.myshopify.com")
    return lowered


def store_handle(shop: str) -> str:
    """The name part of a shop domain: `demo-store` of `demo-store.myshopify.com`."""
    return shop_domain(shop).removesuffix(_SUFFIX)


def admin_app_url(shop: str, api_key_or_handle: str) -> str:
    """Where this app opens inside the shop's admin. The host is a constant, so no redirect can leave Shopify."""
    if not _APP.fullmatch(api_key_or_handle):
        raise ValueError("not an app's API key or handle")
    return f"https://admin.shopify.com/store/{store_handle(shop)}/apps/{api_key_or_handle}"


def decode_host(param: str) -> str:
    """The `host` parameter of an embedded load, decoded: `admin.shopify.com/store/name` or `name.myshopify.com/admin`.

    It is base64, often without padding. ValueError unless it names a page of Shopify's admin and nothing else.
    """
    refusal = ValueError("not the address of a Shopify admin")
    if len(param) > _HOST_LIMIT or not param.isascii():
        raise refusal
    unpadded = param.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        decoded = base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise refusal from None
    if not _HOST.fullmatch(decoded):
        raise refusal
    return decoded
