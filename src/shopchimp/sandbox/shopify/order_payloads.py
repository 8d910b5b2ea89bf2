"""Webhook bodies of orders and refunds: money as decimal strings of the shop's currency,
in the shapes of contracts/shopify/webhooks (shopify.md 3.4)."""

from collections.abc import Mapping
from typing import Final

from shopchimp.sandbox.shopify.common_payloads import address, customer, local_or_none
from shopchimp.sandbox.shopify.fields import CURRENCY
from shopchimp.sandbox.shopify.money import Bag, amount, presented
from shopchimp.sandbox.shopify.payloads import Payload, local
from shopchimp.sandbox.shopify.sales import FIRST_NAME, Fulfilment, Line, Order, Refund, RefundLine

_FULFILMENT: Final = {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial"}
_NOT_IN_PARTS: Final = ("sales_line_item_group_id", "attributed_staffs", "current_quantity")
_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64) ExampleBrowser/1.0"


def order(each: Order) -> Payload:
    return {
        "id": each.number,
        "admin_graphql_api_id": each.gid,
        "app_id": 580111,
        "browser_ip": "192.0.2.44",
        "buyer_accepts_marketing": each.accepts_marketing,
        "cancel_reason": each.cancel_reason.lower() if each.cancel_reason else None,
        "cancelled_at": local_or_none(each.cancelled),
        "cart_token": each.cart_token,
        "checkout_token": each.checkout_token,
        "client_details": {
            "accept_language": "en-US",
            "browser_height": None,
            "browser_ip": "192.0.2.44",
            "browser_width": None,
            "session_hash": None,
            "user_agent": _AGENT,
        },
        "closed_at": local_or_none(each.closed),
        "confirmation_number": f"C{each.number % 1_000_000_000:09}",
        "confirmed": True,
        "contact_email": each.email,
        "created_at": local(each.created),
        "currency": CURRENCY,
        "customer_locale": "en",
        "device_id": None,
        "discount_codes": _codes(each),
        "duties_included": False,
        "email": each.email or "",
        "estimated_taxes": False,
        "financial_status": each.financial.lower(),
        "fulfillment_status": _FULFILMENT.get(each.shipped),
        "landing_site": each.landing,
        "landing_site_ref": None,
        "location_id": None,
        "merchant_business_entity_id": "NjAwMDAwMDAwMDE",
        "merchant_of_record_app_id": None,
        "name": each.name,
        "note": each.note,
        "note_attributes": [],
        "number": each.position,
        "order_number": FIRST_NAME + each.position,
        "order_status_url": f"https://shop.example.com/60000000001/orders/{each.number:x}/authenticate?key=invented",
        "payment_gateway_names": ["bogus"],
        "phone": each.phone,
        "po_number": None,
        "presentment_currency": each.currency,
        "processed_at": local(each.created),
        "reference": None,
        "referring_site": each.referrer,
        "source_identifier": None,
        "source_name": "web",
        "source_url": None,
        "tags": ", ".join(each.tags),
        "tax_exempt": False,
        "tax_lines": _tax_lines(each, each.tax),
        "taxes_included": each.taxes_included,
        "test": each.test,
        "token": f"{each.number:x}",
        "total_outstanding": amount(each.total if each.financial == "PENDING" else 0),
        "total_tip_received": "0.00",
        "total_weight": sum(line.quantity * line.variant.grams for line in each.lines if line.variant),
        "updated_at": local(each.updated),
        "user_id": None,
        **_sums(each),
        "billing_address": address(each.address),
        "customer": customer(each.customer),
        "discount_applications": _applications(each),
        "fulfillments": [_fulfilment(part) for part in each.fulfilments or ()],
        "line_items": [_line(each, line) for line in each.lines],
        "line_item_groups": [],
        "payment_terms": None,
        "refunds": [refund(part) for part in each.refunds or ()],
        "returns": [],
        "shipping_address": address(each.address),
        "shipping_lines": _shipping_lines(each),
    }


def _sums(each: Order) -> Payload:
    plain = {
        "current_subtotal_price": each.current_subtotal,
        "current_total_discounts": each.current_discounts,
        "current_total_price": each.current_total,
        "current_total_tax": each.current_tax,
        "subtotal_price": each.subtotal,
        "total_discounts": each.discounts,
        "total_line_items_price": each.gross,
        "total_price": each.total,
        "total_tax": each.tax,
    }
    sets = {
        **plain,
        "current_shipping_price": each.current_shipping,
        "total_shipping_price": each.shipping,
        "total_cash_rounding_payment_adjustment": 0,
        "total_cash_rounding_refund_adjustment": 0,
    }
    nothing = (
        "current_total_additional_fees_set",
        "current_total_duties_set",
        "original_total_additional_fees_set",
        "original_total_duties_set",
    )
    return {
        **{name: amount(cents) for name, cents in plain.items()},
        **{f"{name}_set": _bag(each, cents) for name, cents in sets.items()},
        **dict.fromkeys(nothing),
    }


def _bag(each: Order, cents: int) -> Payload:
    return {
        "shop_money": {"amount": amount(cents), "currency_code": CURRENCY},
        "presentment_money": {"amount": presented(Bag(cents, each.currency)), "currency_code": each.currency},
    }


def _codes(each: Order) -> list[Payload]:
    given = each.discounted
    if given is None or given.code is None:
        return []
    return [{"code": given.code, "amount": amount(each.discounts), "type": given.kind}]


def _applications(each: Order) -> list[Payload]:
    given = each.discounted
    if given is None:
        return []
    shipping = given.kind == "shipping"
    fixed = given.kind == "fixed_amount"
    named = {"code": given.code} if given.code else {"title": given.title, "description": given.title}
    return [
        {
            "target_type": "shipping_line" if shipping else "line_item",
            "type": "discount_code" if given.code else "automatic",
            "value": amount(int(given.value)) if fixed else f"{given.value:.1f}",
            "value_type": "fixed_amount" if fixed else "percentage",
            "allocation_method": "each" if shipping else "across",
            "target_selection": "all",
            **named,
        }
    ]


def _tax_lines(each: Order, cents: int) -> list[Payload]:
    if not cents:
        return []
    price = {"price": amount(cents), "price_set": _bag(each, cents)}
    return [{"channel_liable": False, **price, "rate": 0.06, "title": "Sales tax"}]


def _line(each: Order, line: Line) -> Payload:
    product, variant = line.product, line.variant
    none = _bag(each, 0)
    return {
        "id": line.number,
        "admin_graphql_api_id": line.gid,
        "attributed_staffs": [],
        "current_quantity": line.current,
        "fulfillable_quantity": max(line.current - line.shipped, 0),
        "fulfillment_service": "manual",
        "fulfillment_status": "fulfilled" if line.shipped and line.shipped >= line.current else None,
        "gift_card": bool(variant and variant.product.gift_card),
        "grams": variant.grams if variant else 0,
        "name": line.name,
        "price": amount(line.price),
        "price_set": _bag(each, line.price),
        "product_exists": product is not None,
        "product_id": product.number if product else None,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": True,
        "sales_line_item_group_id": None,
        "sku": line.sku or "",
        "taxable": True,
        "title": line.title,
        "total_discount": "0.00",
        "total_discount_set": none,
        "variant_id": line.live_variant.number if line.live_variant else None,
        "variant_inventory_management": "shopify" if variant and variant.tracked else None,
        "variant_title": line.variant_title,
        "vendor": line.vendor,
        "tax_lines": _tax_lines(each, each.tax_of(line.total)),
        "duties": [],
        "discount_allocations": [
            {
                "amount": amount(line.discount),
                "amount_set": _bag(each, line.discount),
                "discount_application_index": 0,
            }
        ]
        if line.discount
        else [],
    }


def _part(each: Order, line: Line) -> Payload:
    """As it stands in a refund or a fulfilment."""
    return {name: value for name, value in _line(each, line).items() if name not in _NOT_IN_PARTS}


def _shipping_lines(each: Order) -> list[Payload]:
    if each.shipping_title is None:
        return []
    paid = each.shipping - each.shipping_discount
    return [
        {
            "id": each.number + 1_000_000_000_000,
            "carrier_identifier": None,
            "code": each.shipping_title,
            "current_discounted_price_set": _bag(each, each.current_shipping),
            "discounted_price": amount(paid),
            "discounted_price_set": _bag(each, paid),
            "is_removed": False,
            "phone": None,
            "price": amount(each.shipping),
            "price_set": _bag(each, each.shipping),
            "requested_fulfillment_service_id": None,
            "source": "shopify",
            "title": each.shipping_title,
            "tax_lines": [],
            "discount_allocations": [],
        }
    ]


def _fulfilment(each: Fulfilment) -> Payload:
    return {
        "id": each.number,
        "admin_graphql_api_id": f"gid://shopify/Fulfillment/{each.number}",
        "created_at": local(each.created),
        "location_id": 80_000_001_201,
        "name": f"{each.order.name}.1",
        "order_id": each.order.number,
        "origin_address": {},
        "receipt": {},
        "service": "manual",
        "shipment_status": None,
        "status": "success",
        "tracking_company": each.company,
        "tracking_number": each.tracking,
        "tracking_numbers": [each.tracking] if each.tracking else [],
        "tracking_url": each.url,
        "tracking_urls": [each.url] if each.url else [],
        "updated_at": local(each.updated),
        "line_items": [_part(each.order, line) for line, _ in each.lines],
    }


def refund(each: Refund) -> Payload:
    return {
        "id": each.number,
        "order_id": each.order.number,
        "created_at": local(each.created),
        "note": each.note,
        "user_id": None,
        "processed_at": local(each.created),
        "duties": [],
        "total_duties_set": _bag(each.order, 0),
        "return": None,
        "refund_shipping_lines": [],
        "restock": any(part.restock != "NO_RESTOCK" for part in each.lines),
        "admin_graphql_api_id": f"gid://shopify/Refund/{each.number}",
        "order_adjustments": [],
        "refund_line_items": [_refund_line(each, part) for part in each.lines],
        "transactions": [_transaction(each)] if each.amount else [],
    }


def _refund_line(each: Refund, part: RefundLine) -> Payload:
    return {
        "id": part.number,
        "quantity": part.quantity,
        "line_item_id": part.line.number,
        "location_id": None,
        "restock_type": part.restock.lower(),
        "subtotal": part.subtotal / 100,
        "total_tax": part.tax / 100,
        "subtotal_set": _bag(each.order, part.subtotal),
        "total_tax_set": _bag(each.order, part.tax),
        "line_item": _part(each.order, part.line),
    }


def _transaction(each: Refund) -> Payload:
    number = each.number + 1_000_000_000_000
    nothing = {
        "presentment_money": {"amount": "0.0", "currency": each.order.currency},
        "shop_money": {"amount": "0.0", "currency": CURRENCY},
    }
    return {
        "id": number,
        "order_id": each.order.number,
        "kind": "refund",
        "gateway": "bogus",
        "status": "success",
        "message": "invented refund",
        "created_at": local(each.created),
        "test": each.order.test,
        "authorization": None,
        "location_id": None,
        "user_id": None,
        "parent_id": None,
        "processed_at": local(each.created),
        "device_id": None,
        "error_code": None,
        "source_name": "web",
        "receipt": {},
        "amount": amount(each.amount),
        "currency": CURRENCY,
        "payment_id": f"{each.order.name}.1",
        "total_unsettled_set": nothing,
        "manual_payment_gateway": False,
        "amount_rounding": None,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{number}",
    }


def order_edited(each: Order, *, number: int, at: int, added: Mapping[int, int], removed: Mapping[int, int]) -> Payload:
    nothing: Payload = {"additions": [], "removals": []}
    return {
        "order_edit": {
            "id": number,
            "app_id": 580111,
            "created_at": local(at),
            "committed_at": local(at),
            "notify_customer": False,
            "order_id": each.number,
            "staff_note": "",
            "user_id": None,
            "line_items": {
                "additions": [{"id": line, "delta": delta} for line, delta in added.items()],
                "removals": [{"id": line, "delta": delta} for line, delta in removed.items()],
            },
            "discounts": {"line_item": nothing},
            "shipping_lines": nothing,
        }
    }
