"""Webhook bodies of checkouts and carts, in the shapes of contracts/shopify/webhooks (shopify.md 3.4)."""

from shopchimp.sandbox.shopify.checkouts import Cart, Checkout, CheckoutLine
from shopchimp.sandbox.shopify.common_payloads import address, customer, local_or_none
from shopchimp.sandbox.shopify.fields import CURRENCY
from shopchimp.sandbox.shopify.money import amount
from shopchimp.sandbox.shopify.payloads import Payload, fine, local


def checkout(each: Checkout) -> Payload:
    """Before the buyer says who they are, the keys of the person are left out and the address is empty."""
    known = each.email or each.phone
    person = {
        "billing_address": address(each.address),
        "shipping_address": address(each.address),
        "customer": customer(each.customer),
    }
    return {
        "token": each.token,
        "cart_token": each.cart_token,
        "email": each.email or "",
        "gateway": None,
        "buyer_accepts_marketing": each.accepts_marketing,
        "created_at": local(each.created),
        "updated_at": local(each.updated),
        "landing_site": each.landing,
        "note": each.note or None,
        "note_attributes": [],
        "referring_site": "",
        "shipping_lines": [],
        "taxes_included": False,
        "total_weight": sum(line.quantity * line.variant.grams for line in each.lines),
        "currency": CURRENCY,
        "completed_at": local_or_none(each.completed),
        "closed_at": None,
        "user_id": None,
        "location_id": None,
        "source_identifier": None,
        "source_url": None,
        "device_id": None,
        "phone": each.phone,
        "customer_locale": "en",
        "line_items": [_checkout_line(line) for line in each.lines],
        "name": each.name,
        "source": None,
        "abandoned_checkout_url": each.url,
        "discount_codes": [{"code": each.discount_code, "amount": amount(each.discount), "type": "fixed_amount"}]
        if each.discount_code
        else [],
        "tax_lines": [],
        "source_name": "web",
        **_checkout_sums(each),
        **({name: value for name, value in person.items() if value} if known else {}),
    }


def _checkout_sums(each: Checkout) -> Payload:
    return {
        "presentment_currency": each.currency,
        "buyer_accepts_sms_marketing": each.accepts_sms,
        "sms_marketing_phone": each.sms_phone,
        "total_discounts": amount(each.discount),
        "total_line_items_price": amount(each.gross),
        "total_price": amount(each.total),
        "total_tax": "0.00",
        "subtotal_price": amount(each.total),
        "total_duties": None,
        "reservation_token": None,
    }


def checkout_deleted(each: Checkout) -> Payload:
    """It has an id and no token."""
    return {"id": each.number, "cart_token": each.cart_token, **_checkout_sums(each)}


def _checkout_line(line: CheckoutLine) -> Payload:
    variant = line.variant
    title = None if variant.title == "Default Title" else variant.title
    measured = ("measured_type", "quantity_value", "quantity_unit", "reference_value", "reference_unit")
    return {
        "applied_discounts": [],
        "discount_allocations": [],
        "key": line.key,
        "destination_location_id": None,
        "fulfillment_service": "manual",
        "gift_card": variant.product.gift_card,
        "grams": variant.grams,
        "origin_location_id": None,
        "presentment_title": variant.product.title,
        "presentment_variant_title": title or "",
        "product_id": variant.product.number,
        "properties": None,
        "quantity": line.quantity,
        "requires_shipping": True,
        "sku": variant.sku or "",
        "tax_lines": [],
        "taxable": True,
        "title": variant.product.title,
        "variant_id": variant.number,
        "variant_title": title or "",
        "variant_price": amount(variant.price),
        "vendor": variant.product.vendor,
        "user_id": None,
        "unit_price_measurement": dict.fromkeys(measured),
        "rank": None,
        "compare_at_price": None if variant.compare_at is None else amount(variant.compare_at),
        "line_price": amount(line.total),
        "price": amount(line.price),
    }


def cart(each: Cart) -> Payload:
    return {
        "id": each.token,
        "token": each.token,
        "line_items": [_cart_line(line) for line in each.lines],
        "note": each.note,
        "updated_at": fine(each.updated),
        "created_at": fine(each.created),
    }


def _cart_line(line: CheckoutLine) -> Payload:
    variant = line.variant
    sums = {
        "discounted_price": line.price,
        "line_price": line.total,
        "original_line_price": line.total,
        "price": line.price,
        "total_discount": 0,
    }
    money = {"currency_code": CURRENCY}
    return {
        "id": variant.number,
        "properties": None,
        "quantity": line.quantity,
        "variant_id": variant.number,
        "key": f"{variant.number}:{line.key[:12]}",
        "discounts": [],
        "gift_card": variant.product.gift_card,
        "grams": variant.grams,
        "original_price": amount(line.price),
        "product_id": variant.product.number,
        "sku": variant.sku or "",
        "taxable": True,
        "title": variant.product.title if variant.title == "Default Title" else variant.display_name,
        "vendor": variant.product.vendor,
        **{name: amount(cents) for name, cents in sums.items()},
        **{
            f"{name}_set": {
                "shop_money": {"amount": amount(cents), **money},
                "presentment_money": {"amount": amount(cents), **money},
            }
            for name, cents in sums.items()
        },
        "parent_relationship": None,
    }
