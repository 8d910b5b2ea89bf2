"""Code discounts as the merchant makes and changes them; the edits are listed in `commerce_editing.py`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shopchimp.sandbox.shopify import product_payloads as told
from shopchimp.sandbox.shopify.commerce_state import durable_discount
from shopchimp.sandbox.shopify.discounts import TYPES, Discount, codes_of
from shopchimp.sandbox.shopify.edit_values import Change, moment_of, set_values

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.shop import Shop


def create_discount(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce, now = shop.commerce, shop.commerce.now()
    kind = change.get("type", "basic")
    if kind not in TYPES:
        raise ValueError(f"type must be one of {', '.join(TYPES)}")
    number = commerce.discounts.next_number()
    codes = change.get("codes", [])
    title = change.get("title") or (codes[0] if codes else change.get("prefix", f"CODE{number}"))
    made = change.get("count", 0 if codes else 1)
    discount = Discount(
        number=number,
        graphql_type=TYPES[kind],
        title=title,
        codes=codes_of(number, change.get("prefix", title), made),
        created=now,
        updated=now,
        starts=now,
    )
    for code in codes:
        discount.codes.add(code)
    _set_discount(discount, change)
    commerce.discounts.add(discount)
    commerce.tell("discounts/create", lambda: told.discount(discount, now=now), first=True)
    return durable_discount(discount)


def update_discount(shop: "Shop", change: Change) -> Mapping[str, Any]:
    discount, now = shop.commerce.discounts.named(change["id"]), shop.commerce.now()
    _set_discount(discount, change.get("set", {}))
    shop.commerce.discounts.touch(discount)
    shop.commerce.tell("discounts/update", lambda: told.discount(discount, now=now), first=True)
    return durable_discount(discount)


def _set_discount(discount: Discount, given: Change) -> None:
    names = ("title", "percent", "amount", "each_item", "usage_limit", "once", "minimum", "minimum_quantity")
    set_values(discount, given, {name: name for name in names})
    if given.get("starts_at"):
        discount.starts = moment_of(given["starts_at"], discount.starts)
    if "ends_at" in given:
        discount.ends = None if given["ends_at"] is None else moment_of(given["ends_at"], 0)


def add_codes(shop: "Shop", change: Change) -> Mapping[str, Any]:
    """That codes move the discount's time of change is UNVERIFIED."""
    commerce = shop.commerce
    discount = commerce.discounts.named(change["id"])
    for number, text in enumerate(change["codes"]):
        if any(each.codes.position_of(text) is not None for each in commerce.discounts):
            raise ValueError(f"Code {text} has already been taken")
        code, at = discount.codes.add(text), commerce.now()
        commerce.tell(
            "discounts/redeemcode_added",
            lambda code=code, at=at: told.redeem_code(discount, code, at=at),  # type: ignore[misc]
            first=number == 0,
        )
    commerce.discounts.touch(discount)
    return durable_discount(discount)


def remove_codes(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce = shop.commerce
    discount = commerce.discounts.named(change["id"])
    for number, text in enumerate(change["codes"]):
        position = discount.codes.position_of(text)
        code = None if position is None else discount.codes[position]
        if position is None or code is None:
            raise LookupError(f"no code {text}")
        discount.codes.removed.add(position)
        at = commerce.now()
        commerce.tell(
            "discounts/redeemcode_removed",
            lambda code=code, at=at: told.redeem_code(discount, code, at=at),  # type: ignore[misc]
            first=number == 0,
        )
    commerce.discounts.touch(discount)
    return durable_discount(discount)


def delete_discount(shop: "Shop", change: Change) -> Mapping[str, Any]:
    discount, at = shop.commerce.discounts.named(change["id"]), shop.commerce.now()
    shop.commerce.discounts.remove(discount)
    shop.commerce.tell("discounts/delete", lambda: told.discount_deleted(discount, at=at), first=True)
    return {"deleted": discount.gid}
