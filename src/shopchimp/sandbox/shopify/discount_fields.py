"""How the fields of code discounts are read; each of the four types has those it shares and some of its own."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

from shopchimp.sandbox.shopify.fields import Getter, Money, iso, iso_or_none
from shopchimp.sandbox.shopify.money import amount, constant, counted


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
    "combinesWith": constant({"orderDiscounts": False, "productDiscounts": False, "shippingDiscounts": False}),
    "codesCount": lambda d: counted(d.codes.left),
    "shareableUrls": _share,
    "hasTimelineComment": constant(value=False),
    "tags": constant([]),
}
_SUMMED: Final[dict[str, Getter]] = {
    **_ANY_DISCOUNT,
    "summary": attrgetter("summary"),
    "shortSummary": attrgetter("summary"),
    "minimumRequirement": _minimum,
}

DISCOUNTS: Final[Mapping[str, Mapping[str, Getter]]] = {
    "DiscountNode": {"id": attrgetter("gid"), "discount": lambda d: d, "metafield": constant(None)},
    "DiscountCodeNode": {"id": attrgetter("gid"), "codeDiscount": lambda d: d, "metafield": constant(None)},
    "DiscountCodeBasic": {**_SUMMED, "discountClasses": constant(["ORDER"]), "customerGets": _gets},
    "DiscountCodeBxgy": {
        **_SUMMED,
        "discountClasses": constant(["PRODUCT"]),
        "customerGets": _gets,
        "usesPerOrderLimit": constant(None),
    },
    "DiscountCodeFreeShipping": {
        **_SUMMED,
        "discountClasses": constant(["SHIPPING"]),
        "maximumShippingPrice": constant(None),
        "appliesOnOneTimePurchase": constant(value=True),
        "appliesOnSubscription": constant(value=False),
    },
    "DiscountCodeApp": {**_ANY_DISCOUNT, "discountClasses": constant(["PRODUCT"]), "discountId": attrgetter("gid")},
    "DiscountRedeemCode": {
        "id": attrgetter("gid"),
        "code": attrgetter("code"),
        "asyncUsageCount": attrgetter("used"),
    },
}
