"""How the fields of products and variants are read."""

from operator import attrgetter
from typing import Any, Final

from shopchimp.sandbox.shopify.fields import Getter, Money, iso, iso_or_none
from shopchimp.sandbox.shopify.goods import Picture, Product, Variant
from shopchimp.sandbox.shopify.money import amount, constant, counted


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


def media_of(product: Product) -> list[Any]:
    return [media(each) for each in product.pictures]


def media_of_variant(variant: Variant) -> list[Any]:
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


PRODUCT: Final[dict[str, Getter]] = {
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
    "variantsCount": lambda p: counted(len(p.variants)),
    "mediaCount": lambda p: counted(len(p.pictures)),
    "templateSuffix": constant(None),
    "metafield": constant(None),
}


def _options(variant: Variant) -> list[dict[str, str]]:
    return [{"name": n, "value": v} for n, v in zip(variant.product.option_names, variant.options, strict=False)]


VARIANT: Final[dict[str, Getter]] = {
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
    "taxable": constant(value=True),
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
    "metafield": constant(None),
}
