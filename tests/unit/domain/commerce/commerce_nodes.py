"""Nodes as Shopify's API answers the documents' queries, for the tests of the commerce mapping; all invented."""

from __future__ import annotations

from typing import Any

from shopchimp.domain.commerce.store import Storefront

STORE = Storefront(currency="EUR", url="https://lamps.example.com", domain="pinewood-lamps.myshopify.com")
Node = dict[str, Any]


def money(amount: str | None, currency: str = "EUR", rate: int = 11) -> Node | None:
    """Shop money, and presentment money in another currency that must never be taken."""
    if amount is None:
        return None
    return {
        "shopMoney": {"amount": amount, "currencyCode": currency},
        "presentmentMoney": {"amount": str(float(amount) * rate), "currencyCode": "SEK"},
    }


def address(**changes: Any) -> Node:
    return {
        "firstName": "Rosa",
        "lastName": "Lindqvist",
        "company": "Lindqvist Ljus",
        "address1": "Lampgatan 7",
        "address2": "lgh 1201",
        "city": "Uppsala",
        "province": None,
        "provinceCode": None,
        "country": "Sweden",
        "countryCodeV2": "SE",
        "zip": "753 20",
        "phone": "+46701740605",
        "latitude": 59.8586,
        "longitude": 17.6389,
        **changes,
    }


def customer(**changes: Any) -> Node:
    home = {name: value for name, value in address().items() if name not in ("latitude", "longitude")}
    return {
        "id": "gid://shopify/Customer/7300000000101",
        "firstName": "Rosa",
        "lastName": "Lindqvist",
        "numberOfOrders": "3",
        "amountSpent": {"amount": "280.50", "currencyCode": "EUR"},
        "defaultEmailAddress": {"emailAddress": "rosa@example.com", "marketingState": "SUBSCRIBED"},
        "defaultAddress": home,
        **changes,
    }


def allocation(amount: str, index: int = 0) -> Node:
    return {
        "allocatedAmountSet": money(amount),
        "discountApplication": {"index": index, "targetType": "LINE_ITEM"},
    }


def line(**changes: Any) -> Node:
    quantity = changes.get("quantity", 2)
    return {
        "id": "gid://shopify/LineItem/1410000000501",
        "title": "Brass desk lamp",
        "name": "Brass desk lamp - Large",
        "variantTitle": "Large",
        "sku": "BDL-L",
        "vendor": "Pinewood",
        "quantity": quantity,
        "currentQuantity": quantity,
        "isGiftCard": False,
        "requiresShipping": True,
        "originalUnitPriceSet": money("40.00"),
        "discountedUnitPriceAfterAllDiscountsSet": money("36.00"),
        "originalTotalSet": money("80.00"),
        "totalDiscountSet": money("0.00"),
        "discountAllocations": [allocation("8.00")],
        "product": {
            "id": "gid://shopify/Product/9100000000201",
            "handle": "brass-desk-lamp",
            "title": "Brass desk lamp",
            "onlineStoreUrl": "https://lamps.example.com/products/brass-desk-lamp",
        },
        "variant": {"id": "gid://shopify/ProductVariant/4700000000301", "title": "Large", "sku": "BDL-L"},
        "image": {"url": "https://cdn.example.com/brass-desk-lamp.jpg?v=1", "altText": None},
        **changes,
    }


def connection(*nodes: Node, more: bool = False) -> Node:
    return {"nodes": list(nodes), "pageInfo": {"hasNextPage": more, "endCursor": "end" if more else None}}


def code_application(code: str = "LAMP10", index: int = 0, **changes: Any) -> Node:
    return {
        "__typename": "DiscountCodeApplication",
        "index": index,
        "allocationMethod": "ACROSS",
        "targetSelection": "ALL",
        "targetType": "LINE_ITEM",
        "value": {"__typename": "PricingPercentageValue", "percentage": 10.0},
        "code": code,
        **changes,
    }


def visit(page: str) -> Node:
    return {"landingPage": page, "referrerUrl": None, "utmParameters": None}


CAMPAIGN = "https://lamps.example.com/products/brass-desk-lamp?utm_source=mailchimp&mc_cid=ab12cd34ef&mc_eid=9f8e7d6c5b"


def order(**changes: Any) -> Node:
    """Two lamps of 40.00 less 10 %, shipping 5.00, VAT within: 77.00, paid and not yet sent."""
    lines = changes.pop("lines", None)
    return {
        "id": "gid://shopify/Order/5600000000401",
        "legacyResourceId": "5600000000401",
        "name": "#1042",
        "email": "rosa.at.work@example.com",
        "phone": "+46701740606",
        "test": False,
        "createdAt": "2026-11-03T08:30:00Z",
        "processedAt": "2026-11-03T09:29:58+01:00",
        "updatedAt": "2026-11-03T10:12:13Z",
        "cancelledAt": None,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "currencyCode": "EUR",
        "presentmentCurrencyCode": "SEK",
        "cartToken": "hWN2a5Qp1cart0f3bRt7uYkZ",
        "checkoutToken": "3d1f0b8c5a7e49e2b6c4d8f1a2b3c4d5",
        "discountCodes": ["LAMP10"],
        "statusPageUrl": "https://lamps.example.com/61230000001/orders/0f1e2d3c4b5a/authenticate?key=invented",
        "totalPriceSet": money("77.00"),
        "totalDiscountsSet": money("8.00"),
        "totalTaxSet": money("15.40"),
        "totalShippingPriceSet": money("5.00"),
        "totalRefundedSet": money("0.00"),
        "currentTotalPriceSet": money("77.00"),
        "currentTotalDiscountsSet": money("8.00"),
        "currentTotalTaxSet": money("15.40"),
        "currentShippingPriceSet": money("5.00"),
        "customer": {name: value for name, value in customer().items() if name != "defaultAddress"},
        "billingAddress": address(),
        "shippingAddress": address(),
        "shippingLine": {"title": "Post to the door", "code": "POST", "originalPriceSet": money("5.00")},
        "customerJourneySummary": {
            "ready": True,
            "firstVisit": visit("https://lamps.example.com/"),
            "lastVisit": visit(CAMPAIGN),
        },
        "lineItems": connection(*([line()] if lines is None else lines)),
        "discountApplications": {"nodes": [code_application()]},
        "refunds": [],
        "fulfillments": [],
        **changes,
    }


def parcel(number: str = "1Z999", **changes: Any) -> Node:
    return {
        "id": "gid://shopify/Fulfillment/6200000000901",
        "status": "SUCCESS",
        "displayStatus": "FULFILLED",
        "createdAt": "2026-11-04T08:00:00Z",
        "updatedAt": "2026-11-04T08:00:00Z",
        "trackingInfo": [{"company": "UPS", "number": number, "url": f"https://track.example.com/{number}"}],
        **changes,
    }


def image(number: int = 3800000001610, **changes: Any) -> Node:
    url = f"https://cdn.example.com/{number}.jpg?v=1"
    return {
        "id": f"gid://shopify/MediaImage/{number}",
        "mediaContentType": "IMAGE",
        "alt": "A lamp",
        "preview": {"image": {"url": url}},
        **changes,
    }


def variant(**changes: Any) -> Node:
    return {
        "id": "gid://shopify/ProductVariant/4700000000301",
        "title": "Large",
        "displayName": "Brass desk lamp - Large",
        "sku": "BDL-L",
        "price": "40.00",
        "compareAtPrice": "49.00",
        "position": 1,
        "availableForSale": True,
        "inventoryQuantity": 12,
        "inventoryPolicy": "DENY",
        "selectedOptions": [{"name": "Size", "value": "Large"}],
        "media": {"nodes": []},
        "inventoryItem": {"id": "gid://shopify/InventoryItem/4700000005301", "tracked": True},
        **changes,
    }


def product(*variants: Node, **changes: Any) -> Node:
    featured = image()
    return {
        "id": "gid://shopify/Product/9100000000201",
        "title": "Brass desk lamp",
        "handle": "brass-desk-lamp",
        "descriptionHtml": "<p>A desk lamp of <b>brushed</b> brass.</p><ul><li>2 m cable</li></ul>",
        "productType": "Lamps",
        "vendor": "Pinewood",
        "status": "ACTIVE",
        "publishedAt": "2026-08-21T06:00:00Z",
        "onlineStoreUrl": "https://lamps.example.com/products/brass-desk-lamp",
        "featuredMedia": {name: featured[name] for name in ("id", "alt", "preview")},
        "media": {"nodes": [featured]},
        "variants": connection(*(variants or (variant(),))),
        **changes,
    }


def checkout_line(**changes: Any) -> Node:
    return {
        "id": "gid://shopify/AbandonedCheckoutLineItem/c0ffee0000000000000000000000aa01?checkout_token=3d1f",
        "title": "Brass desk lamp",
        "variantTitle": "Large",
        "sku": "BDL-L",
        "quantity": 2,
        "originalUnitPriceSet": money("40.00"),
        "discountedTotalPriceSet": money("80.00"),
        "image": {"url": "https://cdn.example.com/brass-desk-lamp.jpg?v=1", "altText": None},
        "product": {"id": "gid://shopify/Product/9100000000201", "handle": "brass-desk-lamp"},
        "variant": {"id": "gid://shopify/ProductVariant/4700000000301"},
        **changes,
    }


RECOVERY = (
    "https://pinewood-lamps.myshopify.com/61230000001/checkouts/ac/"
    "3d1f0b8c5a7e49e2b6c4d8f1a2b3c4d5/recover?key=invented&locale=sv-SE"
)


def checkout(**changes: Any) -> Node:
    lines = changes.pop("lines", None)
    return {
        "id": "gid://shopify/AbandonedCheckout/39000000001501",
        "name": "#39000000001501",
        "createdAt": "2026-11-03T08:21:00Z",
        "updatedAt": "2026-11-03T08:26:40Z",
        "completedAt": None,
        "abandonedCheckoutUrl": RECOVERY,
        "discountCodes": [],
        "customer": {
            "id": "gid://shopify/Customer/7300000000101",
            "defaultEmailAddress": {"emailAddress": "rosa@example.com", "marketingState": "SUBSCRIBED"},
            "defaultPhoneNumber": {"phoneNumber": "+46701740605"},
        },
        "billingAddress": address(),
        "shippingAddress": address(),
        "totalDiscountSet": money("0.00"),
        "totalTaxSet": money("16.00"),
        "totalPriceSet": money("80.00"),
        "lineItems": {"nodes": [checkout_line()] if lines is None else lines},
        **changes,
    }


def discount(kind: str = "DiscountCodeBasic", **changes: Any) -> Node:
    number = changes.pop("number", 1450000001801)
    inner = {
        "__typename": kind,
        "title": "LAMP10",
        "status": "ACTIVE",
        "summary": "10% off the entire order",
        "startsAt": "2026-11-01T00:00:00Z",
        "endsAt": "2026-12-31T23:59:59Z",
        "createdAt": "2026-10-25T00:00:00Z",
        "updatedAt": "2026-10-26T00:00:00Z",
        "usageLimit": None,
        "asyncUsageCount": 14,
    }
    if kind == "DiscountCodeBasic":
        inner["customerGets"] = gets({"__typename": "DiscountPercentage", "percentage": 0.1})
    return {"id": f"gid://shopify/DiscountCodeNode/{number}", "discount": {**inner, **changes}}


def gets(value: Node, *products: Node) -> Node:
    items: Node = {"__typename": "AllDiscountItems", "allItems": True}
    if products:
        items = {"__typename": "DiscountProducts", "products": {"nodes": list(products)}}
    return {"appliesOnOneTimePurchase": True, "appliesOnSubscription": False, "value": value, "items": items}


def fixed(amount: str, currency: str = "EUR", *, each: bool = False) -> Node:
    return {
        "__typename": "DiscountAmount",
        "amount": {"amount": amount, "currencyCode": currency},
        "appliesOnEachItem": each,
    }


def code(word: str = "LAMP10", **changes: Any) -> Node:
    return {"id": "gid://shopify/DiscountRedeemCode/2200000001901", "code": word, "asyncUsageCount": 14, **changes}
