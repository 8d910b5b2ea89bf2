"""What edits of commerce name and set: a customer, a variant, a checkout, a time, one of several words."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shopchimp.sandbox.shopify import checkout_payloads as told
from shopchimp.sandbox.shopify.checkouts import Checkout
from shopchimp.sandbox.shopify.commerce import Commerce
from shopchimp.sandbox.shopify.consent import seconds
from shopchimp.sandbox.shopify.editing import find
from shopchimp.sandbox.shopify.goods import Variant
from shopchimp.sandbox.shopify.store import Customer

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.shop import Shop

Change = Mapping[str, Any]


def variant_of(commerce: Commerce, given: Any) -> Variant:
    text = str(given).rpartition("/")[2]
    found = commerce.variants.get(int(text)) if text.isdecimal() else None
    if found is None:
        found = next((each for each in commerce.variants.values() if each.sku == given), None)
    if found is None:
        raise LookupError(f"no variant {given}")
    return found


def checkout_of(commerce: Commerce, given: Any) -> Checkout:
    """By token, number or gid."""
    for each in commerce.checkouts:
        if each.token == given:
            return each
    return commerce.checkouts.named(given)


def completed(commerce: Commerce, checkout: Checkout) -> None:
    checkout.completed = commerce.now()
    commerce.checkouts.touch(checkout)
    commerce.tell("checkouts/update", lambda: told.checkout(checkout))


def buyer(shop: "Shop", change: Change) -> Customer | None:
    """By `customer_id`, or whoever has the address; with `"guest": true` nobody has."""
    if change.get("guest"):
        return None
    given = {name: change[name] for name in ("customer_id", "email") if change.get(name)}
    found = find(shop.customers, given)
    if found is None and "customer_id" in given:
        raise LookupError("no such customer")
    return found


def set_values(thing: Any, given: Change, names: Mapping[str, str]) -> None:
    for name, attribute in names.items():
        if name in given:
            setattr(thing, attribute, given[name])


def moment_of(given: Any, default: int) -> int:
    if given is None:
        return default
    return seconds(given) if isinstance(given, str) else int(given)


def one_of(value: str, known: Any) -> str:
    if value not in known:
        raise ValueError(f"{value} must be one of {', '.join(known)}")
    return value
