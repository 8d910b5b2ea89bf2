"""How each field of orders and checkouts is read; registered with those of products and discounts in `fields.py`.

Types that only pass values on (images, journeys, discount rules) are mappings.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

from shopchimp.sandbox.shopify.discount_fields import DISCOUNTS
from shopchimp.sandbox.shopify.fields import CURRENCY, Getter, Money, iso, iso_or_none, register
from shopchimp.sandbox.shopify.money import Bag, amount, bag, constant, plain, presented
from shopchimp.sandbox.shopify.product_fields import PRODUCT, VARIANT, image, media_of, media_of_variant
from shopchimp.sandbox.shopify.sales import Line, Order, RefundLine

# Lines, refund lines and shipping lines are seen with their order, which knows the currency.


class LineOf(NamedTuple):
    order: Order
    line: Line

    @property
    def graphql_type(self) -> str:
        return "LineItem"


class RefundLineOf(NamedTuple):
    order: Order
    part: RefundLine


class Shipping(NamedTuple):
    order: Order

    @property
    def graphql_type(self) -> str:
        return "ShippingLine"


def lines_of(order: Order) -> list[LineOf]:
    return [LineOf(order, line) for line in order.lines]


def _visit(order: Order) -> dict[str, Any] | None:
    if order.landing is None:
        return None
    from_us = "utm_source=mailchimp" in order.landing
    utm = {"source": "mailchimp", "medium": "email", "campaign": None, "content": None, "term": None}
    return {
        "landingPage": f"https://shop.example.com{order.landing}",
        "referrerUrl": order.referrer,
        "utmParameters": utm if from_us else None,
    }


def _journey(order: Order) -> dict[str, Any]:
    return {"ready": True, "firstVisit": _visit(order), "lastVisit": _visit(order)}


def application(order: Order) -> list[dict[str, Any]]:
    """The order's one discount as Shopify lists it; allocations of lines point at its index."""
    given = order.discounted
    if given is None:
        return []
    value: Any = Money(amount(int(given.value)), CURRENCY)
    if given.kind != "fixed_amount":
        value = {"__typename": "PricingPercentageValue", "percentage": given.value}
    named = {"code": given.code} if given.code else {"title": given.title}
    return [
        {
            "__typename": "DiscountCodeApplication" if given.code else "AutomaticDiscountApplication",
            "index": 0,
            "allocationMethod": "EACH" if given.kind == "shipping" else "ACROSS",
            "targetSelection": "ALL",
            "targetType": "SHIPPING_LINE" if given.kind == "shipping" else "LINE_ITEM",
            "value": value,
            **named,
        }
    ]


def _allocations(each: LineOf) -> list[dict[str, Any]]:
    if not each.line.discount:
        return []
    bag = Bag(each.line.discount, each.order.currency)
    return [{"allocatedAmountSet": bag, "discountApplication": application(each.order)[0]}] if bag.cents else []


def _sums() -> dict[str, Getter]:
    sums = {
        "totalPrice": "total",
        "originalTotalPrice": "total",
        "subtotalPrice": "subtotal",
        "totalDiscounts": "discounts",
        "totalTax": "tax",
        "totalShippingPrice": "shipping",
        "totalRefunded": "refunded",
        "currentTotalPrice": "current_total",
        "currentSubtotalPrice": "current_subtotal",
        "currentTotalDiscounts": "current_discounts",
        "currentTotalTax": "current_tax",
        "currentShippingPrice": "current_shipping",
    }
    return {f"{name}Set": bag(attribute) for name, attribute in sums.items()} | {
        name: plain(attribute) for name, attribute in sums.items()
    }


_ORDER: Final[dict[str, Getter]] = {
    "id": attrgetter("gid"),
    "legacyResourceId": lambda o: str(o.number),
    "name": attrgetter("name"),
    "number": attrgetter("position"),
    "confirmationNumber": lambda o: f"C{o.number % 1_000_000_000:09}",
    "email": attrgetter("email"),
    "phone": attrgetter("phone"),
    "test": attrgetter("test"),
    "confirmed": constant(value=True),
    "closed": lambda o: o.closed is not None,
    "edited": attrgetter("edited"),
    "createdAt": lambda o: iso(o.created),
    "processedAt": lambda o: iso(o.created),
    "updatedAt": lambda o: iso(o.updated),
    "cancelledAt": lambda o: iso_or_none(o.cancelled),
    "cancelReason": attrgetter("cancel_reason"),
    "closedAt": lambda o: iso_or_none(o.closed),
    "displayFinancialStatus": attrgetter("financial"),
    "displayFulfillmentStatus": attrgetter("shipped"),
    "returnStatus": constant("NO_RETURN"),
    "currencyCode": constant(CURRENCY),
    "presentmentCurrencyCode": attrgetter("currency"),
    "taxesIncluded": attrgetter("taxes_included"),
    "taxExempt": constant(value=False),
    "customerAcceptsMarketing": attrgetter("accepts_marketing"),
    "customerLocale": constant("en"),
    "cartToken": attrgetter("cart_token"),
    "checkoutToken": attrgetter("checkout_token"),
    "sourceName": constant("web"),
    "sourceIdentifier": constant(None),
    "note": attrgetter("note"),
    "tags": lambda o: list(o.tags),
    "discountCode": lambda o: o.discounted.code if o.discounted else None,
    "discountCodes": lambda o: [o.discounted.code] if o.discounted and o.discounted.code else [],
    "statusPageUrl": lambda o: f"https://shop.example.com/60000000001/orders/{o.number:x}/authenticate?key=invented",
    **_sums(),
    "customer": attrgetter("customer"),
    "billingAddress": attrgetter("address"),
    "shippingAddress": attrgetter("address"),
    "displayAddress": attrgetter("address"),
    "billingAddressMatchesShippingAddress": constant(value=True),
    "shippingLine": lambda o: Shipping(o) if o.shipping_title else None,
    "customerJourneySummary": _journey,
    "landingPageUrl": lambda o: f"https://shop.example.com{o.landing}" if o.landing else None,
    "referrerUrl": attrgetter("referrer"),
    "subtotalLineItemsQuantity": lambda o: sum(line.quantity for line in o.lines),
    "currentSubtotalLineItemsQuantity": lambda o: sum(line.current for line in o.lines),
    "fullyPaid": lambda o: o.financial in ("PAID", "PARTIALLY_REFUNDED", "REFUNDED"),
    "unpaid": lambda o: o.financial == "PENDING",
    "metafield": constant(None),
}

_LINE: Final[dict[str, Getter]] = {
    "id": attrgetter("line.gid"),
    "title": attrgetter("line.title"),
    "name": attrgetter("line.name"),
    "variantTitle": attrgetter("line.variant_title"),
    "sku": attrgetter("line.sku"),
    "vendor": attrgetter("line.vendor"),
    "quantity": attrgetter("line.quantity"),
    "currentQuantity": attrgetter("line.current"),
    "refundableQuantity": attrgetter("line.current"),
    "unfulfilledQuantity": lambda e: max(e.line.current - e.line.shipped, 0),
    "isGiftCard": lambda e: bool(e.line.variant and e.line.variant.product.gift_card),
    "requiresShipping": constant(value=True),
    "taxable": constant(value=True),
    "originalUnitPriceSet": bag("line.price", of="order."),
    "discountedUnitPriceAfterAllDiscountsSet": lambda e: Bag(e.line.worth(1), e.order.currency),
    "discountedUnitPriceSet": bag("line.price", of="order."),
    "originalTotalSet": lambda e: Bag(e.line.quantity * e.line.price, e.order.currency),
    "discountedTotalSet": lambda e: Bag(e.line.quantity * e.line.price, e.order.currency),
    # Discounts of single lines; what the whole order has off is allocated (API reference).
    "totalDiscountSet": lambda e: Bag(0, e.order.currency),
    "discountAllocations": _allocations,
    "product": attrgetter("line.product"),
    "variant": attrgetter("line.live_variant"),
    "image": lambda e: image(e.line.picture),
}

_REFUND_LINE: Final[dict[str, Getter]] = {
    "id": lambda e: f"gid://shopify/RefundLineItem/{e.part.number}",
    "quantity": attrgetter("part.quantity"),
    "restockType": attrgetter("part.restock"),
    "restocked": lambda e: e.part.restock != "NO_RESTOCK",
    "priceSet": bag("part.line.price", of="order."),
    "subtotalSet": bag("part.subtotal", of="order."),
    "totalTaxSet": bag("part.tax", of="order."),
    "lineItem": lambda e: LineOf(e.order, e.part.line),
}

_CHECKOUT: Final[dict[str, Getter]] = {
    "id": attrgetter("gid"),
    "name": attrgetter("name"),
    "createdAt": lambda c: iso(c.created),
    "updatedAt": lambda c: iso(c.updated),
    "completedAt": lambda c: iso_or_none(c.completed),
    "abandonedCheckoutUrl": attrgetter("url"),
    "discountCodes": lambda c: [c.discount_code] if c.discount_code else [],
    "taxesIncluded": constant(value=False),
    "note": attrgetter("note"),
    "customer": attrgetter("customer"),
    "billingAddress": attrgetter("address"),
    "shippingAddress": attrgetter("address"),
    "subtotalPriceSet": bag("total"),
    "totalDiscountSet": bag("discount"),
    "totalTaxSet": lambda c: Bag(0, c.currency),
    "totalDutiesSet": constant(None),
    "totalLineItemsPriceSet": bag("gross"),
    "totalPriceSet": bag("total"),
    "lineItemsQuantity": lambda c: sum(line.quantity for line in c.lines),
}


def _usd(name: str) -> Getter:
    cents = attrgetter(name)
    return lambda each: Bag(cents(each), CURRENCY)


_CHECKOUT_LINE: Final[dict[str, Getter]] = {
    "id": lambda e: f"gid://shopify/AbandonedCheckoutLineItem/{e.key}?checkout_token={e.key[:32]}",
    "title": lambda e: e.variant.product.title,
    "variantTitle": lambda e: None if e.variant.title == "Default Title" else e.variant.title,
    "sku": lambda e: e.variant.sku,
    "quantity": attrgetter("quantity"),
    "originalUnitPriceSet": _usd("price"),
    "discountedUnitPriceSet": _usd("price"),
    "originalTotalPriceSet": _usd("total"),
    "discountedTotalPriceSet": _usd("total"),
    "image": lambda e: image(e.picture),
    "product": attrgetter("product"),
    "variant": lambda e: e.variant if e.product else None,
}


TABLES: Final[Mapping[str, Mapping[str, Getter]]] = {
    "MoneyBag": {
        "shopMoney": lambda b: Money(amount(b.cents)),
        "presentmentMoney": lambda b: Money(presented(b), b.currency),
    },
    "Product": PRODUCT,
    "ProductVariant": VARIANT,
    "Order": _ORDER,
    "LineItem": _LINE,
    "ShippingLine": {
        "id": lambda s: f"gid://shopify/ShippingLine/{s.order.number + 1_000_000_000_000}",
        "title": attrgetter("order.shipping_title"),
        "code": attrgetter("order.shipping_title"),
        "source": constant("shopify"),
        "custom": constant(value=False),
        "isRemoved": constant(value=False),
        "originalPriceSet": bag("order.shipping", of="order."),
        "discountedPriceSet": lambda s: Bag(s.order.shipping - s.order.shipping_discount, s.order.currency),
    },
    "Refund": {
        "id": lambda r: f"gid://shopify/Refund/{r.number}",
        "legacyResourceId": lambda r: str(r.number),
        "createdAt": lambda r: iso(r.created),
        "processedAt": lambda r: iso(r.created),
        "updatedAt": lambda r: iso(r.created),
        "note": attrgetter("note"),
        "order": attrgetter("order"),
        "totalRefundedSet": bag("amount", of="order."),
    },
    "RefundLineItem": _REFUND_LINE,
    "Fulfillment": {
        "id": lambda f: f"gid://shopify/Fulfillment/{f.number}",
        "legacyResourceId": lambda f: str(f.number),
        "name": lambda f: f"{f.order.name}.1",
        "status": constant("SUCCESS"),
        "displayStatus": constant("FULFILLED"),
        "createdAt": lambda f: iso(f.created),
        "updatedAt": lambda f: iso(f.updated),
        "totalQuantity": lambda f: sum(quantity for _, quantity in f.lines),
        "order": attrgetter("order"),
    },
    "AbandonedCheckout": _CHECKOUT,
    "AbandonedCheckoutLineItem": _CHECKOUT_LINE,
    **DISCOUNTS,
}

_CODES: Final[Getter] = attrgetter("codes")


def _first(values: Iterable[Any], args: Mapping[str, Any]) -> list[Any]:
    found = list(values)
    return found if args.get("first") is None else found[: args["first"]]


def _tracking(fulfilment: Any) -> list[dict[str, Any]]:
    if fulfilment.tracking is None:
        return []
    return [{"company": fulfilment.company, "number": fulfilment.tracking, "url": fulfilment.url}]


register(
    TABLES,
    {
        ("Product", "variants"): attrgetter("variants"),
        ("Product", "media"): media_of,
        ("Product", "collections"): lambda _: (),
        ("Product", "metafields"): lambda _: (),
        ("ProductVariant", "media"): media_of_variant,
        ("ProductVariant", "metafields"): lambda _: (),
        ("Order", "lineItems"): lines_of,
        ("Order", "discountApplications"): application,
        ("Order", "shippingLines"): lambda o: [Shipping(o)] if o.shipping_title else [],
        ("Order", "metafields"): lambda _: (),
        ("Refund", "refundLineItems"): lambda r: [RefundLineOf(r.order, part) for part in r.lines],
        ("AbandonedCheckout", "lineItems"): attrgetter("lines"),
        ("DiscountNode", "metafields"): lambda _: (),
        **{(f"DiscountCode{kind}", "codes"): _CODES for kind in ("Basic", "Bxgy", "FreeShipping", "App")},
    },
    {
        ("Order", "refunds"): lambda o, args: _first(o.refunds or (), args),
        ("Order", "fulfillments"): lambda o, args: _first(o.fulfilments or (), args),
        ("Fulfillment", "trackingInfo"): lambda f, args: _first(_tracking(f), args),
    },
)
