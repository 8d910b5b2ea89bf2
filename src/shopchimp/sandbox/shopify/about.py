"""What the API says about the shop, the app and itself."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from shopchimp.sandbox.shopify.fields import CURRENCY, iso

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.shop import Shop

API_VERSION: Final = "2026-10"
SUPPORTED_VERSIONS: Final = ("2026-01", "2026-04", "2026-07", "2026-10")


def api_versions() -> list[dict[str, Any]]:
    named = [{"handle": each, "displayName": each, "supported": True} for each in SUPPORTED_VERSIONS]
    named[-1]["displayName"] = f"{API_VERSION} (Latest)"
    return [*named, {"handle": "unstable", "displayName": "unstable", "supported": False}]


def served_version(asked: str) -> str:
    """A retired version is served by the oldest supported one (section 1); the sandbox has one schema for all."""
    return asked if asked in (*SUPPORTED_VERSIONS, "unstable") else SUPPORTED_VERSIONS[0]


def shop(shop: "Shop") -> dict[str, Any]:
    url = f"https://{shop.domain}"
    created = iso(shop.created)
    return {
        "__typename": "Shop",
        "id": "gid://shopify/Shop/60000000001",
        "name": shop.name.replace("-", " ").title(),
        "email": "owner@example.com",
        "contactEmail": "hello@example.com",
        "shopOwnerName": "Sandy Merchant",
        "myshopifyDomain": shop.domain,
        "url": url,
        "primaryDomain": {"id": "gid://shopify/Domain/1", "host": shop.domain, "url": url, "sslEnabled": True},
        "description": None,
        "currencyCode": CURRENCY,
        "enabledPresentmentCurrencies": [CURRENCY],
        "ianaTimezone": "America/New_York",
        "timezoneAbbreviation": "EST",
        "timezoneOffset": "-0500",
        "timezoneOffsetMinutes": -300,
        "weightUnit": "KILOGRAMS",
        "unitSystem": "METRIC_SYSTEM",
        "taxesIncluded": False,
        "taxShipping": False,
        "setupRequired": False,
        "checkoutApiSupported": True,
        "currencyFormats": {
            "moneyFormat": "${{amount}}",
            "moneyInEmailsFormat": "${{amount}}",
            "moneyWithCurrencyFormat": "${{amount}} USD",
            "moneyWithCurrencyInEmailsFormat": "${{amount}} USD",
        },
        "marketingSmsConsentEnabledAtCheckout": True,
        "plan": {
            "displayName": shop.plan.title(),
            "publicDisplayName": shop.plan.title(),
            "partnerDevelopment": False,
            "shopifyPlus": shop.plan in ("plus", "enterprise", "unlimited"),
        },
        "shopAddress": {
            "address1": "1 Market Square",
            "address2": None,
            "city": "Springfield",
            "province": "Illinois",
            "provinceCode": "IL",
            "country": "United States",
            "countryCodeV2": "US",
            "zip": "62701",
            "phone": None,
            "company": shop.name,
        },
        "createdAt": created,
        "updatedAt": created,
    }


def app(shop: "Shop") -> dict[str, Any]:
    return {
        "__typename": "App",
        "id": "gid://shopify/App/80000000001",
        "apiKey": shop.app.key,
        "handle": shop.app.handle,
        "title": shop.app.handle,
        "embedded": True,
        "webhookApiVersion": API_VERSION,
        "requestedAccessScopes": _scopes(shop.app.scopes),
        "optionalAccessScopes": [],
    }


def installation(shop: "Shop", scopes: Collection[str]) -> dict[str, Any]:
    return {
        "__typename": "AppInstallation",
        "id": "gid://shopify/AppInstallation/90000000001",
        "launchUrl": f"https://admin.shopify.com/store/{shop.name}/apps/{shop.app.handle}",
        "uninstallUrl": f"https://{shop.domain}/admin/api_permissions/1",
        "accessScopes": _scopes(scopes),
        "app": app(shop),
    }


def _scopes(scopes: Collection[str]) -> list[dict[str, str]]:
    return [{"handle": scope, "description": scope.replace("_", " ").capitalize()} for scope in scopes]
