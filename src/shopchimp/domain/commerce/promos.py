"""Discount codes as promo rules and promo codes (S64, S65, S76): a rule is a discount, a code one of its codes.

What Mailchimp has no type for is unsupported with a reason, never something near it: a mail would promise it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from urllib.parse import quote

from shopchimp.domain.commerce.money import ZERO, amount, currency_of, number
from shopchimp.domain.commerce.results import Body, CommerceReason, Result, Skip, Unsupported, Write
from shopchimp.domain.commerce.spelling import given, moment, short_id, text
from shopchimp.domain.commerce.store import Node, Storefront

CODE_LIMIT: Final = 50
TITLE_BYTES: Final = 100
DESCRIPTION_LIMIT: Final = 255
LINK_LIMIT: Final = 2_000
NO_END: Final = "2099-12-31T23:59:59+00:00"
"""Sent where a discount had an end and has none now: an update can't take the end off a rule again."""

_NO_TYPE = {
    "DiscountCodeBxgy": CommerceReason.BUY_X_GET_Y,
    "DiscountCodeApp": CommerceReason.APP_DISCOUNT,
}


def promo_rule(discount_node: Node, store: Storefront, *, had_end: bool = False) -> Result:
    """The rule of a code discount. `had_end`: the rule in Mailchimp ends some day."""
    discount: Node = discount_node.get("discount") or {}
    name = discount.get("__typename") or ""
    if name.startswith("DiscountAutomatic") or "/DiscountAutomaticNode/" in str(discount_node["id"]):
        return Skip(CommerceReason.AUTOMATIC_DISCOUNT)
    if reason := _NO_TYPE.get(name):
        return Unsupported(reason)
    if name == "DiscountCodeFreeShipping":
        value: Body | Unsupported = {"amount": 0.0, "type": "fixed", "target": "shipping"}
    elif name == "DiscountCodeBasic":
        value = _value(discount.get("customerGets") or {}, store)
    else:
        return Unsupported(CommerceReason.UNKNOWN_DISCOUNT)
    if isinstance(value, Unsupported):
        return value
    starts, ends = moment(discount.get("startsAt")), moment(discount.get("endsAt"))
    if ends and starts and ends <= starts:
        ends = None  # Mailchimp refuses such a rule; `enabled` says that it is over
    title = text(discount.get("title"), TITLE_BYTES)
    told = discount.get("summary") or discount.get("shortSummary") or discount.get("title")
    return Write(
        {
            "id": short_id(discount_node["id"]),
            "title": title,
            "description": text(told, DESCRIPTION_LIMIT) or "Discount",
            **value,
            "enabled": is_open(discount),
            **given(
                starts_at=starts,
                ends_at=ends or (NO_END if had_end else None),
                created_at_foreign=moment(discount.get("createdAt")),
                updated_at_foreign=moment(discount.get("updatedAt")),
            ),
        }
    )


def promo_code(code: Node, rule: Result, store: Storefront) -> Result:
    """One code of a discount, given what `promo_rule` made of that.

    Nothing of the discount is repeated in it, so that a change of the discount is one call, not one for each code.
    """
    if not isinstance(rule, Write):
        return rule
    word = str(code["code"]).strip()
    address = store.page(f"discount/{quote(word, safe='')}")
    if not word or len(word) > CODE_LIMIT or len(address) > LINK_LIMIT:
        return Unsupported(CommerceReason.CODE_TOO_LONG)
    return Write(
        {
            "id": short_id(code["id"]),
            "code": word,
            "redemption_url": address,
            "usage_count": int(code.get("asyncUsageCount") or 0),
            "enabled": True,
        }
    )


def is_open(discount: Node) -> bool:
    """Whether a code can be used, now or from its start on: a merchant writes mails before a sale begins."""
    limit, used = discount.get("usageLimit"), discount.get("asyncUsageCount") or 0
    return discount.get("status") in ("ACTIVE", "SCHEDULED") and not (limit and used >= limit)


def _value(gets: Node, store: Storefront) -> Body | Unsupported:
    """How much, and off what. The kinds of value that are no percentage or amount belong to buy-x-get-y."""
    value: Node = gets.get("value") or {}
    if "quantity" in value or value.get("__typename") == "DiscountOnQuantity":
        return Unsupported(CommerceReason.BUY_X_GET_Y)
    if "percentage" in value:
        part = Decimal(str(value["percentage"]))
        if not ZERO < part <= 1:
            return Unsupported(CommerceReason.DISCOUNT_VALUE)
        return {"amount": number(part), "type": "percentage", "target": "total" if _off_all(gets) else "per_item"}
    fixed = amount(value.get("amount"))
    if fixed is None or fixed <= 0:
        return Unsupported(CommerceReason.DISCOUNT_VALUE)
    if currency_of(value.get("amount")) not in (None, store.currency):
        return Unsupported(CommerceReason.DISCOUNT_CURRENCY)
    return {
        "amount": number(fixed),
        "type": "fixed",
        "target": "per_item" if value.get("appliesOnEachItem") else "total",
    }


def _off_all(gets: Node) -> bool:
    """Whether it is off the whole order; an export does not ask for what, and most are."""
    items = gets.get("items")
    return not items or bool(items.get("allItems"))
