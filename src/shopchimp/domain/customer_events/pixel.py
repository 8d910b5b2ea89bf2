"""What the web pixel of a shop is told (`webPixelCreate`): the fields of shopify.extension.toml."""

from __future__ import annotations


def pixel_settings(account: str, endpoint: str) -> dict[str, str]:
    """The public id under which the shop's events arrive, and where to."""
    return {"accountID": account, "endpoint": endpoint}
