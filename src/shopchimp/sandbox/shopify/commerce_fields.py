"""How each field of products, orders, checkouts and discounts is read; registered beside those of `fields.py`.

Types that only pass values on (images, journeys, discount rules) are mappings.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

from shopchimp.sandbox.shopify.fields import CURRENCY, Getter, Money, iso, iso_or_none, register
from shopchimp.sandbox.shopify.goods import Picture, Product, Variant
from shopchimp.sandbox.shopify.sales import RATES, Line, Order, RefundLine


class Bag(NamedTuple):
    """Cents of the shop and the currency the buyer pays in."""

    cents: int
    currency: str


def amount(cents: int) -> str:
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{cents // 100}.{cents % 100:02}"


def presented(bag: Bag) -> str:
    return amount(round(bag.cents * RATES[bag.currency]))


def _constant(value: Any) -> Getter:
    return lambda _: value


def _bag(name: str, *, of: str = "") -> Getter:
    """A sum of an order, or of a line whose order says the currency."""
    cents = attrgetter(name)
    currency = attrgetter(f"{of}currency")
    return lambda each: Bag(cents(each), currency(each))


def _plain(name: str) -> Getter:
    cents = attrgetter(name)
    return lambda each: amount(cents(each))


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


def image(picture: Picture | None) -> dict[str, Any] | None:
    if picture is None:
        return None
    return {
        "id": f"gid://shopify/ImageSource/{picture.number}",
        "url": picture.url,
        "src": picture.url,
        "originalSrc": picture.url,
        "altText": picture.alt,
        "width": 1600,
        "height": 1200,
        "thumbhash": None,
    }


def media(picture: Picture | None) -> dict[str, Any] | None:
    if picture is None:
        return None
    return {
        "__typename": "MediaImage",
        "id": f"gid://shopify/MediaImage/{picture.number}",
        "alt": picture.alt,
        "mediaContentType": "IMAGE",
        "status": "READY",
        "preview": {"image": image(picture), "status": "READY"},
    }


def _media_of(product: Product) -> list[Any]:
    return [media(each) for each in product.pictures]


def _media_of_variant(variant: Variant) -> list[Any]:
    return [media(variant.picture)] if variant.picture else []


def _price(cents: int) -> Money:
    return Money(amount(cents))


def _price_range(product: Product) -> dict[str, Any]:
    prices = [each.price for each in product.variants] or [0]
    return {"minVariantPrice": _price(min(prices)), "maxVariantPrice": _price(max(prices))}


def store_url(product: Product) -> str | None:
    """Only what is published has an address in the shop."""
    shown = product.published is not None and product.status in ("ACTIVE", "UNLISTED")
    return f"https://shop.example.com/products/{product.handle}" if shown else None


def _count(number: int) -> dict[str, Any]:
    return {"count": number, "precision": "EXACT"}


_PRODUCT: Final[dict[str, Getter]] = {
    "id": attrgetter("gid"),
    "legacyResourceId": lambda p: str(p.number),
    "title": attrgetter("title"),
    "handle": attrgetter("handle"),
    "description": attrgetter("html"),
    "descriptionHtml": attrgetter("html"),
    "bodyHtml": attrgetter("html"),
    "productType": attrgetter("kind"),
    "vendor": attrgetter("vendor"),
    "status": attrgetter("status"),
    "tags": lambda p: list(p.tags),
    "createdAt": lambda p: iso(p.created),
    "updatedAt": lambda p: iso(p.updated),
    "publishedAt": lambda p: iso_or_none(p.published),
    "onlineStoreUrl": store_url,
    "onlineStorePreviewUrl": lambda p: f"https://shop.example.com/products_preview?id={p.number}",
    "isGiftCard": attrgetter("gift_card"),
    "totalInventory": attrgetter("stock"),
    "totalVariants": lambda p: len(p.variants),
    "tracksInventory": lambda p: any(each.tracked for each in p.variants),
    "hasOnlyDefaultVariant": lambda p: len(p.variants) == 1 and p.variants[0].title == "Default Title",
    "hasOutOfStockVariants": lambda p: any(not each.for_sale for each in p.variants),
    "featuredMedia": lambda p: media(p.pictures[0]) if p.pictures else None,
    "featuredImage": lambda p: image(p.pictures[0]) if p.pictures else None,
    "priceRangeV2": _price_range,
    "variantsCount": lambda p: _count(len(p.variants)),
    "mediaCount": lambda p: _count(len(p.pictures)),
    "templateSuffix": _constant(None),
    "metafield": _constant(None),
}


def _options(variant: Variant) -> list[dict[str, str]]:
    return [{"name": n, "value": v} for n, v in zip(variant.product.option_names, variant.options, strict=False)]


_VARIANT: Final[dict[str, Getter]] = {
    "id": attrgetter("gid"),
    "legacyResourceId": lambda v: str(v.number),
    "title": attrgetter("title"),
    "displayName": attrgetter("display_name"),
    "sku": attrgetter("sku"),
    "barcode": attrgetter("barcode"),
    "price": lambda v: amount(v.price),
    "compareAtPrice": lambda v: None if v.compare_at is None else amount(v.compare_at),
    "position": attrgetter("position"),
    "availableForSale": attrgetter("for_sale"),
    "inventoryQuantity": attrgetter("stock"),
    "sellableOnlineQuantity": attrgetter("stock"),
    "inventoryPolicy": attrgetter("policy"),
    "createdAt": lambda v: iso(v.created),
    "updatedAt": lambda v: iso(v.updated),
    "selectedOptions": _options,
    "taxable": _constant(value=True),
    "image": lambda v: image(v.picture),
    "product": attrgetter("product"),
    "inventoryItem": lambda v: {
        "__typename": "InventoryItem",
        "id": f"gid://shopify/InventoryItem/{v.number + 1_000_000_000_000}",
        "legacyResourceId": str(v.number + 1_000_000_000_000),
        "sku": v.sku,
        "tracked": v.tracked,
        "requiresShipping": True,
    },
    "metafield": _constant(None),
}


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
    return {f"{name}Set": _bag(attribute) for name, attribute in sums.items()} | {
        name: _plain(attribute) for name, attribute in sums.items()
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
    "confirmed": _constant(value=True),
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
    "returnStatus": _constant("NO_RETURN"),
    "currencyCode": _constant(CURRENCY),
    "presentmentCurrencyCode": attrgetter("currency"),
    "taxesIncluded": attrgetter("taxes_included"),
    "taxExempt": _constant(value=False),
    "customerAcceptsMarketing": attrgetter("accepts_marketing"),
    "customerLocale": _constant("en"),
    "cartToken": attrgetter("cart_token"),
    "checkoutToken": attrgetter("checkout_token"),
    "sourceName": _constant("web"),
    "sourceIdentifier": _constant(None),
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
    "billingAddressMatchesShippingAddress": _constant(value=True),
    "shippingLine": lambda o: Shipping(o) if o.shipping_title else None,
    "customerJourneySummary": _journey,
    "landingPageUrl": lambda o: f"https://shop.example.com{o.landing}" if o.landing else None,
    "referrerUrl": attrgetter("referrer"),
    "subtotalLineItemsQuantity": lambda o: sum(line.quantity for line in o.lines),
    "currentSubtotalLineItemsQuantity": lambda o: sum(line.current for line in o.lines),
    "fullyPaid": lambda o: o.financial in ("PAID", "PARTIALLY_REFUNDED", "REFUNDED"),
    "unpaid": lambda o: o.financial == "PENDING",
    "metafield": _constant(None),
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
    "requiresShipping": _constant(value=True),
    "taxable": _constant(value=True),
    "originalUnitPriceSet": _bag("line.price", of="order."),
    "discountedUnitPriceAfterAllDiscountsSet": lambda e: Bag(e.line.worth(1), e.order.currency),
    "discountedUnitPriceSet": _bag("line.price", of="order."),
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
    "priceSet": _bag("part.line.price", of="order."),
    "subtotalSet": _bag("part.subtotal", of="order."),
    "totalTaxSet": _bag("part.tax", of="order."),
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
    "taxesIncluded": _constant(value=False),
    "note": attrgetter("note"),
    "customer": attrgetter("customer"),
    "billingAddress": attrgetter("address"),
    "shippingAddress": attrgetter("address"),
    "subtotalPriceSet": _bag("total"),
    "totalDiscountSet": _bag("discount"),
    "totalTaxSet": lambda c: Bag(0, c.currency),
    "totalDutiesSet": _constant(None),
    "totalLineItemsPriceSet": _bag("gross"),
    "totalPriceSet": _bag("total"),
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


def _gets(d: Any) -> dict[str, Any]:
    value: dict[str, Any] = {"__typename": "DiscountAmount", "amount": None, "appliesOnEachItem": d.each_item}
    if d.graphql_type == "DiscountCodeBxgy":
        half = {"__typename": "DiscountPercentage", "percentage": 0.5}
        value = {"__typename": "DiscountOnQuantity", "quantity": {"quantity": "1"}, "effect": half}
    elif d.percent is not None:
        value = {"__typename": "DiscountPercentage", "percentage": d.percent / 100}
    else:
        value["amount"] = Money(amount(d.amount or 0))
    items: Any = {"__typename": "AllDiscountItems", "allItems": True}
    return {"appliesOnOneTimePurchase": True, "appliesOnSubscription": False, "value": value, "items": items}


def _minimum(d: Any) -> dict[str, Any] | None:
    if d.minimum is not None:
        return {"__typename": "DiscountMinimumSubtotal", "greaterThanOrEqualToSubtotal": Money(amount(d.minimum))}
    if d.minimum_quantity is not None:
        return {"__typename": "DiscountMinimumQuantity", "greaterThanOrEqualToQuantity": str(d.minimum_quantity)}
    return None


def _share(d: Any) -> list[dict[str, Any]]:
    first = next(d.codes.there(), None)
    return [{"targetType": "HOME", "url": f"https://shop.example.com/discount/{first.code}"}] if first else []


_ANY_DISCOUNT: Final[dict[str, Getter]] = {
    "title": attrgetter("title"),
    "status": lambda d: d.status(d.now),
    "startsAt": lambda d: iso(d.starts),
    "endsAt": lambda d: iso_or_none(d.ends),
    "createdAt": lambda d: iso(d.created),
    "updatedAt": lambda d: iso(d.updated),
    "usageLimit": attrgetter("usage_limit"),
    "asyncUsageCount": attrgetter("used"),
    "appliesOncePerCustomer": attrgetter("once"),
    "combinesWith": _constant({"orderDiscounts": False, "productDiscounts": False, "shippingDiscounts": False}),
    "codesCount": lambda d: _count(d.codes.left),
    "shareableUrls": _share,
    "hasTimelineComment": _constant(value=False),
    "tags": _constant([]),
}
_SUMMED: Final[dict[str, Getter]] = {
    **_ANY_DISCOUNT,
    "summary": attrgetter("summary"),
    "shortSummary": attrgetter("summary"),
    "minimumRequirement": _minimum,
}

TABLES: Final[Mapping[str, Mapping[str, Getter]]] = {
    "MoneyBag": {
        "shopMoney": lambda b: Money(amount(b.cents)),
        "presentmentMoney": lambda b: Money(presented(b), b.currency),
    },
    "Product": _PRODUCT,
    "ProductVariant": _VARIANT,
    "Order": _ORDER,
    "LineItem": _LINE,
    "ShippingLine": {
        "id": lambda s: f"gid://shopify/ShippingLine/{s.order.number + 1_000_000_000_000}",
        "title": attrgetter("order.shipping_title"),
        "code": attrgetter("order.shipping_title"),
        "source": _constant("shopify"),
        "custom": _constant(value=False),
        "isRemoved": _constant(value=False),
        "originalPriceSet": _bag("order.shipping", of="order."),
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
        "totalRefundedSet": _bag("amount", of="order."),
    },
    "RefundLineItem": _REFUND_LINE,
    "Fulfillment": {
        "id": lambda f: f"gid://shopify/Fulfillment/{f.number}",
        "legacyResourceId": lambda f: str(f.number),
        "name": lambda f: f"{f.order.name}.1",
        "status": _constant("SUCCESS"),
        "displayStatus": _constant("FULFILLED"),
        "createdAt": lambda f: iso(f.created),
        "updatedAt": lambda f: iso(f.updated),
        "totalQuantity": lambda f: sum(quantity for _, quantity in f.lines),
        "order": attrgetter("order"),
    },
    "AbandonedCheckout": _CHECKOUT,
    "AbandonedCheckoutLineItem": _CHECKOUT_LINE,
    "DiscountNode": {"id": attrgetter("gid"), "discount": lambda d: d, "metafield": _constant(None)},
    "DiscountCodeNode": {"id": attrgetter("gid"), "codeDiscount": lambda d: d, "metafield": _constant(None)},
    "DiscountCodeBasic": {**_SUMMED, "discountClasses": _constant(["ORDER"]), "customerGets": _gets},
    "DiscountCodeBxgy": {
        **_SUMMED,
        "discountClasses": _constant(["PRODUCT"]),
        "customerGets": _gets,
        "usesPerOrderLimit": _constant(None),
    },
    "DiscountCodeFreeShipping": {
        **_SUMMED,
        "discountClasses": _constant(["SHIPPING"]),
        "maximumShippingPrice": _constant(None),
        "appliesOnOneTimePurchase": _constant(value=True),
        "appliesOnSubscription": _constant(value=False),
    },
    "DiscountCodeApp": {**_ANY_DISCOUNT, "discountClasses": _constant(["PRODUCT"]), "discountId": attrgetter("gid")},
    "DiscountRedeemCode": {
        "id": attrgetter("gid"),
        "code": attrgetter("code"),
        "asyncUsageCount": attrgetter("used"),
    },
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
        ("Product", "media"): _media_of,
        ("Product", "collections"): lambda _: (),
        ("Product", "metafields"): lambda _: (),
        ("ProductVariant", "media"): _media_of_variant,
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
