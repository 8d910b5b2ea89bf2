"""Shopify: signatures, OAuth, the Admin GraphQL client, its documents and payloads."""

from __future__ import annotations

from dataclasses import dataclass

API_VERSION = "2026-10"


@dataclass(frozen=True, slots=True)
class ShopifyApp:
    """The app's own credentials at Shopify and where the platform lives.

    `secrets` are tried in order when a signature is checked (several while rotating); the first one is sent.
    `url_template` has one placeholder, `{shop}`, for the shop's domain: `https://{shop}` in production.
    """

    api_key: str
    secrets: tuple[str, ...]
    app_url: str
    scopes: tuple[str, ...]
    url_template: str = "https://{shop}"

    def shop_url(self, shop: str) -> str:
        """Where the shop with this domain is reached, without a trailing slash."""
        return self.url_template.replace("{shop}", shop).rstrip("/")
