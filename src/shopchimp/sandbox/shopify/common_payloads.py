"""What stands inside several webhook bodies: a customer, an address, a time that may be none.

In the shapes of contracts/shopify/webhooks (shopify.md 3.4).
"""

from typing import Any

from shopchimp.sandbox.shopify import payloads
from shopchimp.sandbox.shopify.payloads import Payload, local
from shopchimp.sandbox.shopify.store import MailingAddress


def customer(each: Any) -> Payload | None:
    """As it stands inside another payload: without the list of addresses."""
    if each is None:
        return None
    whole = payloads.customer(each)
    return {name: value for name, value in whole.items() if name != "addresses"}


def address(given: MailingAddress | None) -> Payload | None:
    if given is None:
        return None
    place = given.place
    return {
        "first_name": given.first_name,
        "address1": place.address1,
        "phone": place.phone,
        "city": place.city,
        "zip": place.zip,
        "province": place.province or "",
        "country": place.country,
        "last_name": given.last_name,
        "address2": place.address2,
        "company": given.company,
        "latitude": None,
        "longitude": None,
        "name": " ".join(filter(None, (given.first_name, given.last_name))),
        "country_code": place.country_code,
        "province_code": place.province_code,
    }


def local_or_none(seconds: int | None) -> str | None:
    return None if seconds is None else local(seconds)
