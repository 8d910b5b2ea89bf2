"""The bodies of webhooks in the shapes of contracts/shopify/webhooks: REST-like, lower case, times of the shop's zone.

The consent topics name the customer differently: `customer_id` for e-mail, `id` for SMS. Customer payloads carry no
tags, no consent and no totals.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from shopchimp.sandbox.shopify import about
from shopchimp.sandbox.shopify.fields import CURRENCY, iso
from shopchimp.sandbox.shopify.store import Customer, Happening, MailingAddress

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.shop import Shop

ZONE_SECONDS: Final = -5 * 3600
ZONE: Final = "-05:00"
SHOP_NUMBER: Final = 60_000_000_001
Payload = dict[str, Any]


def local(seconds: int) -> str:
    return iso(seconds + ZONE_SECONDS)[:-1] + ZONE


def fine(seconds: float) -> str:
    """UTC with milliseconds."""
    whole = int(seconds)
    return f"{iso(whole)[:-1]}.{int((seconds - whole) * 1000):03}Z"


def customer(each: Customer) -> Payload:
    address = None if each.address is None else _address(each, each.address)
    return {
        "id": each.number,
        "created_at": local(each.created),
        "updated_at": local(each.updated),
        "first_name": each.first_name,
        "last_name": each.last_name,
        "state": each.state.lower(),
        "note": each.note,
        "verified_email": each.verified,
        "multipass_identifier": None,
        "tax_exempt": False,
        "email": each.email,
        "phone": each.phone,
        "currency": CURRENCY,
        "addresses": [address] if address else [],
        "tax_exemptions": [],
        "admin_graphql_api_id": each.gid,
        **({"default_address": address} if address else {}),
    }


def _address(each: Customer, address: MailingAddress) -> Payload:
    place = address.place
    return {
        "id": address.number,
        "customer_id": each.number,
        "first_name": address.first_name,
        "last_name": address.last_name,
        "company": address.company,
        "address1": place.address1,
        "address2": place.address2,
        "city": place.city,
        "province": place.province,
        "country": place.country,
        "zip": place.zip,
        "phone": place.phone,
        "name": " ".join(filter(None, (address.first_name, address.last_name))),
        "province_code": place.province_code,
        "country_code": place.country_code,
        "country_name": place.country,
        "default": True,
    }


def _deleted(each: Customer) -> Payload:
    return {"id": each.number, "tax_exemptions": [], "admin_graphql_api_id": each.gid}


def _email_consent(each: Customer) -> Payload:
    return {
        "customer_id": each.number,
        "email_address": each.email,
        "email_marketing_consent": {
            "state": each.email_state.lower(),
            "opt_in_level": each.email_level.lower(),
            "consent_updated_at": None if each.email_at is None else local(each.email_at),
        },
    }


def _sms_consent(each: Customer) -> Payload:
    return {
        "id": each.number,
        "phone": each.phone,
        "sms_marketing_consent": {
            "state": each.sms_state.lower(),
            "opt_in_level": each.sms_level.lower(),
            "consent_updated_at": None if each.sms_at is None else local(each.sms_at),
            "consent_collected_from": "other",
        },
    }


_OF_CUSTOMERS: Final[Mapping[str, Callable[[Customer], Payload]]] = {
    "customers/create": customer,
    "customers/update": customer,
    "customers/delete": _deleted,
    "customers_email_marketing_consent/update": _email_consent,
    "customers_marketing_consent/update": _sms_consent,
}


def of(happening: Happening, each: Customer, *, at: float) -> Payload:
    make = _OF_CUSTOMERS.get(happening.topic)
    if make is not None:
        return make(each)
    if happening.merged is not None:
        return {
            "admin_graphql_api_customer_kept_id": each.gid,
            "admin_graphql_api_customer_deleted_id": happening.merged.gid,
            "admin_graphql_api_job_id": None,
            "status": "completed",
            "errors": [],
        }
    return {"customerId": each.gid, "tags": list(happening.tags), "occurredAt": fine(at)}


def compliance(shop: "Shop", topic: str, person: Mapping[str, Any], *, number: int) -> Payload:
    """`person` is what Shopify still knows: any of id, email and phone."""
    about_shop = {"shop_id": SHOP_NUMBER, "shop_domain": shop.domain}
    match topic:
        case "customers/data_request":
            return {**about_shop, "customer": person, "orders_requested": [], "data_request": {"id": number}}
        case "customers/redact":
            return {**about_shop, "customer": person, "orders_to_redact": []}
        case _:
            return about_shop


def whole_shop(shop: "Shop") -> Payload:
    known = about.shop(shop)
    address, formats = known["shopAddress"], known["currencyFormats"]
    return {
        "id": SHOP_NUMBER,
        "name": known["name"],
        "email": known["email"],
        "domain": shop.domain,
        "province": address["province"],
        "country": address["countryCodeV2"],
        "address1": address["address1"],
        "zip": address["zip"],
        "city": address["city"],
        "source": None,
        "phone": None,
        "latitude": None,
        "longitude": None,
        "primary_locale": "en",
        "address2": None,
        "created_at": local(shop.created),
        "updated_at": local(shop.created),
        "country_code": address["countryCodeV2"],
        "country_name": address["country"],
        "currency": CURRENCY,
        "customer_email": known["contactEmail"],
        "timezone": "(GMT-05:00) America/New_York",
        "iana_timezone": known["ianaTimezone"],
        "shop_owner": known["shopOwnerName"],
        "money_format": formats["moneyFormat"],
        "money_with_currency_format": formats["moneyWithCurrencyFormat"],
        "weight_unit": "kg",
        "province_code": address["provinceCode"],
        "taxes_included": known["taxesIncluded"],
        "auto_configure_tax_inclusivity": None,
        "tax_shipping": known["taxShipping"],
        "county_taxes": None,
        "plan_display_name": known["plan"]["publicDisplayName"],
        "plan_name": shop.plan,
        "has_discounts": True,
        "has_gift_cards": False,
        "myshopify_domain": shop.domain,
        "google_apps_domain": None,
        "google_apps_login_enabled": None,
        "money_in_emails_format": formats["moneyInEmailsFormat"],
        "money_with_currency_in_emails_format": formats["moneyWithCurrencyInEmailsFormat"],
        "eligible_for_payments": True,
        "requires_extra_payments_agreement": False,
        "password_enabled": False,
        "has_storefront": True,
        "finances": True,
        "primary_location_id": 80_000_001_201,
        "checkout_api_supported": known["checkoutApiSupported"],
        "multi_location_enabled": False,
        "setup_required": known["setupRequired"],
        "pre_launch_enabled": False,
        "enabled_presentment_currencies": known["enabledPresentmentCurrencies"],
        "marketing_sms_consent_enabled_at_checkout": known["marketingSmsConsentEnabledAtCheckout"],
        "transactional_sms_disabled": False,
    }
