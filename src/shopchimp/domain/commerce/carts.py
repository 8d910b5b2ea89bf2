"""Carts from abandoned checkouts, read from the API or told by a webhook (S76, S92, S96, S111).

A `Skip` says that Mailchimp should have no cart: delete it if it is there. Carts never expire by themselves and never
become orders (mailchimp.md 8), so a cart goes when its order exists, and does not come back after it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shopchimp.domain.commerce.customers import buyer
from shopchimp.domain.commerce.lines import cart_lines
from shopchimp.domain.commerce.money import ZERO, amount, currency_of, number
from shopchimp.domain.commerce.results import Body, CommerceReason, Kind, Skip, Step, Write, once
from shopchimp.domain.commerce.spelling import given, link, short_id
from shopchimp.domain.commerce.store import Node, Storefront, nodes_of

_NUMBERED = re.compile(r"#([0-9]{9,19})")
_RECOVERY = re.compile(r"/checkouts/(?:[a-z]{2}/)?(?P<token>[^/?#]+)/recover(?:[/?#]|$)")


def cart_write(checkout: Node, store: Storefront, *, ordered: bool = False) -> Write | Skip:
    """The cart of a checkout; `ordered`: we know its order, whatever an older message about the checkout says."""
    if ordered or checkout.get("completedAt"):
        return Skip(CommerceReason.CART_COMPLETED)
    lines, stand_ins = cart_lines(nodes_of(checkout, "lineItems"))
    if not lines:
        return Skip(CommerceReason.CART_EMPTY)
    who = buyer(checkout)
    if isinstance(who, Skip):
        return who
    total = checkout.get("totalPriceSet")
    body: Body = {
        "id": cart_id(checkout),
        "customer": {"id": who.body["id"]},
        **given(checkout_url=link(checkout.get("abandonedCheckoutUrl"))),
        "currency_code": currency_of(total) or store.currency,
        "order_total": number(amount(total) or ZERO),
        "tax_total": number(amount(checkout.get("totalTaxSet")) or ZERO),
        "lines": lines,
    }
    return Write(body, once((*stand_ins, Step(Kind.CUSTOMER, who.body, if_missing=True))))


def cart_id(checkout: Node) -> str:
    """The cart's id: the checkout's token, which its order names too. The API shows it in the recovery URL alone."""
    found = _RECOVERY.search(checkout.get("abandonedCheckoutUrl") or "")
    token = checkout.get("token") or (found["token"] if found else None)
    return short_id(token) if token else f"checkout-{short_id(checkout['id'])}"


def cart_of(order: Node) -> str | None:
    """The cart that became this order."""
    token = order.get("checkoutToken")
    return short_id(token) if token else None


def checkout_node(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A checkouts/create or checkouts/update webhook in the words of the API, so that both make the same cart.

    Its amounts are in the shop's currency. Before the buyer gave an address, it is missing, null or empty.
    """
    currency = payload.get("currency")

    def money(value: Any) -> dict[str, Any]:
        return {"shopMoney": {"amount": value, "currencyCode": currency}}

    customer = payload.get("customer") or {}
    numbered = _NUMBERED.fullmatch(str(payload.get("name") or ""))  # its number is nowhere else
    return {
        "token": payload.get("token"),
        **({"id": f"gid://shopify/AbandonedCheckout/{numbered[1]}"} if numbered else {}),
        "name": payload.get("name"),
        "email": payload.get("email"),
        "createdAt": payload.get("created_at"),
        "updatedAt": payload.get("updated_at"),
        "discountCodes": [each["code"] for each in payload.get("discount_codes") or () if each.get("code")],
        "totalDiscountSet": money(payload.get("total_discounts")),
        "completedAt": payload.get("completed_at"),
        "abandonedCheckoutUrl": payload.get("abandoned_checkout_url"),
        "totalPriceSet": money(payload.get("total_price")),
        "totalTaxSet": money(payload.get("total_tax")),
        "billingAddress": _address(payload.get("billing_address")),
        "shippingAddress": _address(payload.get("shipping_address")),
        "customer": {
            "id": customer["id"],
            "firstName": customer.get("first_name"),
            "lastName": customer.get("last_name"),
            "defaultEmailAddress": {"emailAddress": customer.get("email")},
        }
        if customer.get("id")
        else None,
        "lineItems": [
            {
                "id": line.get("key"),
                "title": line.get("title"),
                "variantTitle": line.get("variant_title"),
                "sku": line.get("sku"),
                "vendor": line.get("vendor"),
                "quantity": line.get("quantity"),
                "originalUnitPriceSet": money(line.get("price")),
                "product": {"id": line["product_id"]} if line.get("product_id") else None,
                "variant": {"id": line["variant_id"]} if line.get("variant_id") else None,
            }
            for line in payload.get("line_items") or ()
        ],
    }


def _address(address: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not address:
        return None
    return {
        "firstName": address.get("first_name"),
        "lastName": address.get("last_name"),
        "company": address.get("company"),
        "address1": address.get("address1"),
        "address2": address.get("address2"),
        "city": address.get("city"),
        "province": address.get("province"),
        "provinceCode": address.get("province_code"),
        "country": address.get("country"),
        "countryCodeV2": address.get("country_code"),
        "zip": address.get("zip"),
        "phone": address.get("phone"),
    }
