"""Webhook bodies of products and code discounts, in the shapes of contracts/shopify/webhooks (shopify.md 3.4)."""

from collections.abc import Iterable
from typing import Final

from shopchimp.sandbox.shopify.common_payloads import local_or_none
from shopchimp.sandbox.shopify.discounts import Discount, RedeemCode
from shopchimp.sandbox.shopify.goods import Picture, Product, Variant
from shopchimp.sandbox.shopify.money import amount
from shopchimp.sandbox.shopify.payloads import Payload, fine, local

FULL_VARIANTS: Final = 100  # of more variants only the ids are told


def product(each: Product) -> Payload:
    options = enumerate(each.option_names, start=1)
    pictures = [_picture(each, picture) for picture in each.pictures]
    return {
        "admin_graphql_api_id": each.gid,
        "body_html": each.html,
        "created_at": local(each.created),
        "handle": each.handle,
        "id": each.number,
        "product_type": each.kind,
        "published_at": local_or_none(each.published),
        "template_suffix": None,
        "title": each.title,
        "updated_at": local(each.updated),
        "vendor": each.vendor,
        "status": each.status.lower(),
        "published_scope": "global",
        "tags": ", ".join(each.tags),
        "variants": [_variant(variant) for variant in each.variants[:FULL_VARIANTS]],
        "options": [
            {
                "name": name,
                "id": each.number + 2_000_000_000_000 + position,
                "product_id": each.number,
                "position": position,
                "values": _values(each.variants, position - 1),
            }
            for position, name in options
        ],
        "images": pictures,
        "image": pictures[0] if pictures else None,
        "media": [_medium(each, picture) for picture in each.pictures],
        "variant_gids": [
            {"admin_graphql_api_id": variant.gid, "updated_at": fine(variant.updated)} for variant in each.variants
        ],
        "has_variants_that_requires_components": False,
        "category": None,
    }


def _values(variants: Iterable[Variant], position: int) -> list[str]:
    return list(dict.fromkeys(each.options[position] for each in variants if position < len(each.options)))


def _variant(each: Variant) -> Payload:
    options = [*each.options, None, None, None]
    return {
        "admin_graphql_api_id": each.gid,
        "barcode": each.barcode,
        "compare_at_price": None if each.compare_at is None else amount(each.compare_at),
        "created_at": local(each.created),
        "id": each.number,
        "inventory_policy": each.policy.lower(),
        "position": each.position,
        "price": amount(each.price),
        "product_id": each.product.number,
        "sku": each.sku,
        "taxable": True,
        "title": each.title,
        "updated_at": local(each.updated),
        "option1": options[0],
        "option2": options[1],
        "option3": options[2],
        "image_id": each.picture.number if each.picture else None,
        "inventory_item_id": each.number + 1_000_000_000_000,
        "inventory_quantity": each.stock,
        "old_inventory_quantity": each.stock,
    }


def _picture(each: Product, picture: Picture) -> Payload:
    return {
        "id": picture.number,
        "alt": picture.alt,
        "position": picture.position,
        "product_id": each.number,
        "created_at": local(each.created),
        "updated_at": local(each.created),
        "admin_graphql_api_id": f"gid://shopify/ProductImage/{picture.number}",
        "width": 1600,
        "height": 1200,
        "src": picture.url,
        "variant_ids": [variant.number for variant in each.variants if variant.picture is picture],
    }


def _medium(each: Product, picture: Picture) -> Payload:
    return {
        "id": picture.number,
        "product_id": each.number,
        "position": picture.position,
        "created_at": local(each.created),
        "updated_at": local(each.created),
        "alt": picture.alt,
        "status": "READY",
        "media_content_type": "IMAGE",
        "preview_image": {"width": 1600, "height": 1200, "src": picture.url, "status": "READY"},
        "variant_ids": [variant.number for variant in each.variants if variant.picture is picture],
        "admin_graphql_api_id": f"gid://shopify/MediaImage/{picture.number}",
    }


def discount(each: Discount, *, now: int) -> Payload:
    return {
        "admin_graphql_api_id": each.gid,
        "title": each.title,
        "status": each.status(now),
        "created_at": local(each.created),
        "updated_at": local(each.updated),
    }


def discount_deleted(each: Discount, *, at: int) -> Payload:
    return {"admin_graphql_api_id": each.gid, "deleted_at": local(at)}


def redeem_code(each: Discount, code: RedeemCode, *, at: int) -> Payload:
    return {
        "admin_graphql_api_id": each.gid,
        "redeem_code": {"id": code.gid, "code": code.code},
        "updated_at": fine(at),
    }
