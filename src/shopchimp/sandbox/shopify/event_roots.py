"""The root fields around customer events: the web pixel, metafields, segments and marketing activities."""

from collections.abc import Mapping
from typing import Any, Final

from shopchimp.sandbox.shopify.call import Arguments, Call
from shopchimp.sandbox.shopify.fields import CONNECTION, CURRENCY, Money, register
from shopchimp.sandbox.shopify.metafields import (
    METAFIELD,
    Definition,
    metafield_of,
    metafields_of,
    shown_of_definition,
    stored_namespace,
)
from shopchimp.sandbox.shopify.paging import Connection, page_of
from shopchimp.sandbox.shopify.segments import MEMBER

register(
    {
        "Metafield": METAFIELD,
        "CustomerSegmentMember": {
            **MEMBER,
            "amountSpent": lambda c: Money(f"{c.spent // 100}.{c.spent % 100:02}", CURRENCY),
        },
        "CustomerSegmentMemberConnection": {**CONNECTION, "totalCount": lambda found: found.extra["totalCount"]},
    },
    {("Customer", "metafields"): lambda customer: metafields_of(customer, {})},
    {
        ("Customer", "metafields"): lambda customer, args: page_of(metafields_of(customer, args), args),
        ("Customer", "metafield"): metafield_of,
        ("CustomerSegmentMember", "metafields"): lambda customer, args: page_of(metafields_of(customer, args), args),
        ("CustomerSegmentMember", "metafield"): metafield_of,
    },
)


def web_pixel(call: Call, args: Arguments) -> Any:
    return call.shop.pixels.get(args.get("id"))


def create_pixel(call: Call, args: Arguments) -> Any:
    call.require("webPixelCreate", "read_customer_events")
    return call.shop.pixels.create(args["webPixel"]["settings"])


def update_pixel(call: Call, args: Arguments) -> Any:
    call.require("webPixelUpdate", "read_customer_events")
    return call.shop.pixels.update(args["id"], args["webPixel"]["settings"])


def delete_pixel(call: Call, args: Arguments) -> Any:
    return call.shop.pixels.delete(args["id"])


def definitions(call: Call, args: Arguments) -> Connection:
    metafields = call.shop.metafields
    namespace = None if args.get("namespace") is None else stored_namespace(args["namespace"])

    def wanted(each: Definition) -> bool:
        return (
            args["ownerType"] == "CUSTOMER"
            and namespace in (None, each.namespace)
            and args.get("key") in (None, each.key)
        )

    found = [each for each in metafields.definitions.values() if wanted(each)]
    return page_of([shown_of_definition(each, metafields) for each in found], args)


def define(call: Call, args: Arguments) -> Any:
    made = call.shop.metafields.define(args["definition"])
    created = made["createdDefinition"]
    shown = created and shown_of_definition(created, call.shop.metafields)
    return {**made, "createdDefinition": shown}


def undefine(call: Call, args: Arguments) -> Any:
    return call.shop.metafields.undefine(args)


def set_metafields(call: Call, args: Arguments) -> Any:
    return call.shop.metafields.set(args["metafields"])


def delete_metafields(call: Call, args: Arguments) -> Any:
    return call.shop.metafields.delete(args["metafields"])


def members(call: Call, args: Arguments) -> Connection:
    return call.shop.segments.members(args)


def segment_filters(call: Call, args: Arguments) -> Connection:
    return call.shop.segments.filters(args)


def segment(call: Call, args: Arguments) -> Any:
    return call.shop.segments.get(args["id"])


def create_segment(call: Call, args: Arguments) -> Any:
    return call.shop.segments.create(args["name"], args["query"])


def activities(call: Call, args: Arguments) -> Connection:
    return call.shop.marketing.page(args)


def activity(call: Call, args: Arguments) -> Any:
    return call.shop.marketing.get(args["id"])


def upsert_activity(call: Call, args: Arguments) -> Any:
    return call.shop.marketing.upsert(args["input"])


def delete_activity(call: Call, args: Arguments) -> Any:
    return call.shop.marketing.delete(args)


def engage(call: Call, args: Arguments) -> Any:
    return call.shop.marketing.engage(args)


# root field -> (what it needs, how it is answered)
QUERIES: Final[Mapping[str, tuple[str, Any]]] = {
    "webPixel": ("read_pixels", web_pixel),
    "metafieldDefinitions": ("read_customers", definitions),
    "customerSegmentMembers": ("read_customers", members),
    "segmentFilters": ("read_customers", segment_filters),
    "segment": ("read_customers", segment),
    "marketingActivities": ("read_marketing_events", activities),
    "marketingActivity": ("read_marketing_events", activity),
}
MUTATIONS: Final[Mapping[str, tuple[str, Any]]] = {
    "webPixelCreate": ("write_pixels", create_pixel),
    "webPixelUpdate": ("write_pixels", update_pixel),
    "webPixelDelete": ("write_pixels", delete_pixel),
    "metafieldDefinitionCreate": ("write_customers", define),
    "metafieldDefinitionDelete": ("write_customers", undefine),
    "metafieldsSet": ("write_customers", set_metafields),
    "metafieldsDelete": ("write_customers", delete_metafields),
    "segmentCreate": ("write_customers", create_segment),
    "marketingActivityUpsertExternal": ("write_marketing_events", upsert_activity),
    "marketingActivityDeleteExternal": ("write_marketing_events", delete_activity),
    "marketingEngagementCreate": ("write_marketing_events", engage),
}
