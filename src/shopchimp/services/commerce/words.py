"""The merchant's words for orders, carts, products and promo codes, the same on pages, in the API and the log."""

from __future__ import annotations

from shopchimp.services.words import RESULT_TONES, RESULTS

KINDS = {
    "product": "Products",
    "customer": "Customers",
    "order": "Orders",
    "cart": "Open carts",
    "promo_rule": "Discounts",
    "promo_code": "Promo codes",
}
DEALS = {"completed": "Completed", "abandoned": "Abandoned"}
MONEY = {
    "pending": "Payment pending",
    "paid": "Paid",
    "partially_paid": "Partly paid",
    "partially_refunded": "Partly refunded",
    "refunded": "Refunded",
    "cancelled": "Cancelled",
    "voided": "Voided",
    "expired": "Expired",
}
GOODS = {
    "": "Not sent yet",
    "shipped": "Sent",
    "fulfilled": "Handed over",
    "partially_shipped": "Partly sent",
    "restocked": "Returned to stock",
    "on_hold": "On hold",
}
UNSUPPORTED = frozenset(
    {"buy_x_get_y", "app_discount", "discount_value", "discount_currency", "unknown_discount", "code_too_long"}
)


def item_word(state: str, reason: str | None) -> tuple[str, str]:
    """An object's result with its tone: what Mailchimp has nothing for is "Not supported", not merely skipped."""
    if state == "skipped" and reason in UNSUPPORTED:
        return "Not supported", "neutral"
    return RESULTS.get(state, state), RESULT_TONES.get(state, "neutral")


_ABOUT = {
    "order": "Order",
    "product": "Product",
    "buyer": "Customer",
    "checkout": "Cart",
    "cart": "Cart",
    "discount": "Discount",
    "visitor": "A visitor of the store",
    "engaged": "A contact's email and SMS activity",
}


def about(key: str) -> str:
    """What a change is about that is no person's: "Order 5600000000401"."""
    kind, _, number = key.partition(":")
    return f"{_ABOUT.get(kind, kind)} {number}".strip()
