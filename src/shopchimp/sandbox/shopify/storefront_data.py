"""What a storefront tells pixels of: products, carts, collections and checkouts in the shapes of web pixels 2.18.0."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from shopchimp.sandbox.shopify.checkouts import Cart, Checkout, CheckoutLine
from shopchimp.sandbox.shopify.fields import CURRENCY
from shopchimp.sandbox.shopify.goods import Product, Variant
from shopchimp.sandbox.shopify.sales import Order
from shopchimp.sandbox.shopify.store import Customer

Data = dict[str, Any]
SHOWN_IN_LISTS: Final = 24


def money(cents: int, currency: str = CURRENCY) -> Data:
    """Amounts are numbers here, unlike in the Admin API."""
    return {"amount": cents / 100, "currencyCode": currency}


def variant_data(variant: Variant) -> Data:
    product = variant.product
    picture = product.picture_of(variant)
    return {
        "id": str(variant.number),
        "title": variant.title,
        "untranslatedTitle": variant.title,
        "sku": variant.sku,
        "image": {"src": picture.url} if picture else None,
        "price": money(variant.price),
        "product": {
            "id": str(product.number),
            "title": product.title,
            "untranslatedTitle": product.title,
            "type": product.kind,
            "vendor": product.vendor,
            "url": f"/products/{product.handle}?variant={variant.number}",
        },
    }


def listed(products: Iterable[Product]) -> list[Data]:
    return [variant_data(each.variants[0]) for each in products if each.variants]


def line_data(line: CheckoutLine) -> Data:
    return {
        "merchandise": variant_data(line.variant),
        "quantity": line.quantity,
        "cost": {"totalAmount": money(line.total)},
    }


def cart_data(cart: Cart) -> Data:
    return {
        "id": f"gid://shopify/Cart/{cart.token}",
        "token": cart.token,  # ours: the page keeps it
        "attributes": [],
        "cost": {"totalAmount": money(sum(line.total for line in cart.lines))},
        "lines": [line_data(line) for line in cart.lines],
        "totalQuantity": sum(line.quantity for line in cart.lines),
    }


def customer_data(customer: Customer) -> Data:
    return {
        "id": str(customer.number),
        "email": customer.email,
        "firstName": customer.first_name,
        "lastName": customer.last_name,
        "phone": customer.phone,
        "ordersCount": customer.orders,
    }


def checkout_data(checkout: Checkout, order: Order | None = None) -> Data:
    address = _address(checkout)
    return {
        "token": checkout.token,
        "email": checkout.email,
        "phone": checkout.phone,
        "currencyCode": checkout.currency,
        "buyerAcceptsEmailMarketing": checkout.accepts_marketing,
        "buyerAcceptsSmsMarketing": checkout.accepts_sms,
        "smsMarketingPhone": checkout.sms_phone,
        "attributes": [],
        "billingAddress": address,
        "shippingAddress": address,
        "delivery": {"selectedDeliveryOptions": []},
        "discountApplications": [],
        "discountsAmount": money(checkout.discount, checkout.currency),
        "lineItems": [_checkout_line(line) for line in checkout.lines],
        "localization": {},
        "order": _order(order),
        "shippingLine": None,
        "subtotalPrice": money(checkout.total, checkout.currency),
        "totalPrice": money(checkout.total, checkout.currency),
        "totalTax": money(0, checkout.currency),
        "transactions": [],
    }


def _checkout_line(line: CheckoutLine) -> Data:
    return {
        "id": line.key,
        "title": line.variant.product.title,
        "quantity": line.quantity,
        "variant": variant_data(line.variant),
        "finalLinePrice": money(line.total),
        "discountAllocations": [],
        "properties": [],
        "sellingPlanAllocation": None,
    }


def _order(order: Order | None) -> Data | None:
    if order is None:
        return None
    customer = order.customer
    who = {"id": str(customer.number), "isFirstOrder": customer.orders <= 1} if customer else None
    return {"id": str(order.number), "customer": who}


def _address(checkout: Checkout) -> Mapping[str, Any] | None:
    address = checkout.address
    if address is None:
        return None
    return {
        "firstName": address.first_name,
        "lastName": address.last_name,
        "address1": address.place.address1,
        "city": address.place.city,
        "zip": address.place.zip,
        "country": address.place.country,
        "phone": address.place.phone,
    }
