"""Products and their variants (S2, S76, S83, S105.6 to 8, 12, 13, 15), and stand-ins for those that are gone.

Mailchimp recommends what has an image and a stock above zero. A product that is not on offer in the online store is
therefore hidden with no stock: it stays there for the orders that name it, and no mail proposes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from shopchimp.domain.commerce.money import ZERO, amount, number
from shopchimp.domain.commerce.results import Body, Kind, Step, Write
from shopchimp.domain.commerce.spelling import fingerprint, given, link, moment, plain_text, short_id, text
from shopchimp.domain.commerce.store import Node, nodes_of

NO_LIMIT = 1_000_000
"""The stock of what is sold without being counted; Mailchimp's own plugin for WooCommerce sends the same."""

UNTITLED = "Untitled product"
_ONLY_VARIANT = "Default Title"  # Shopify's name for the variant of a product that has no options


def product_write(product: Node, *, variants: Sequence[Node] | None = None) -> Write:
    """A product with all its variants; `variants` where the caller read them page by page."""
    every = nodes_of(product, "variants") if variants is None else variants
    url = link(product.get("onlineStoreUrl"))
    shown = is_on_offer(product)
    pictures = _pictures(product)
    main = _preview(product.get("featuredMedia")) or (pictures[0][1] if pictures else None)
    title = text(product.get("title")) or UNTITLED
    body: Body = {"id": short_id(product["id"]), "title": title}
    body |= given(url=url, image_url=main, published_at_foreign=moment(product.get("publishedAt")))
    body |= {
        "handle": text(product.get("handle")),
        "description": plain_text(product.get("descriptionHtml")),
        "type": text(product.get("productType")),
        "vendor": text(product.get("vendor")),
        "variants": [variant_body(each, title, url, main, shown=shown) for each in every]
        or [_only_variant(product, title, url, main)],
        "images": _images(pictures, every),
    }
    return Write(body)


def is_on_offer(product: Node) -> bool:
    """Whether mails may propose it: active, and published in the online store (UNLISTED is for who has the link)."""
    if product.get("status", "ACTIVE") != "ACTIVE":
        return False
    published = "onlineStoreUrl" if "onlineStoreUrl" in product else "publishedAt"
    return bool(product.get(published, True))


def variant_body(variant: Node, title: str, url: str | None, image: str | None, *, shown: bool) -> Body:
    """A variant of a product with this title, page and picture."""
    variant_id = short_id(variant["id"])
    own = text(variant.get("title"))
    page = link(f"{url}{'&' if '?' in url else '?'}variant={variant_id}") if url else None
    media = nodes_of(variant, "media")
    body: Body = {"id": variant_id, "title": title if own in ("", _ONLY_VARIANT) else own}
    body |= given(url=page, image_url=(_preview(media[0]) if media else None) or image)
    return body | {
        "sku": text(variant.get("sku")),
        "price": number(amount(variant.get("price")) or ZERO),
        "inventory_quantity": stock_of(variant) if shown else 0,
        "backorders": "1" if variant.get("inventoryPolicy") == "CONTINUE" else "0",
        "visibility": "visible" if shown else "hidden",
    }


def stock_of(variant: Node) -> int:
    """How many can be bought. What is not counted, or sold beyond its stock, has no limit rather than none."""
    if (variant.get("inventoryItem") or {}).get("tracked") is False:
        return NO_LIMIT
    counted = variant.get("inventoryQuantity")
    if counted is not None and counted > 0:
        return int(counted)
    return NO_LIMIT if variant.get("inventoryPolicy") == "CONTINUE" or variant.get("availableForSale") else 0


def retired_product(product_id: str, title: str, variants: Sequence[Body]) -> Write:
    """A product that was deleted in Shopify, given what Mailchimp has of it: kept for its orders, never proposed."""
    hidden = [
        given(id=each["id"], title=each.get("title") or title, sku=each.get("sku"), price=each.get("price"))
        | {"inventory_quantity": 0, "visibility": "hidden"}
        for each in variants
    ]
    only = {"id": product_id, "title": title, "inventory_quantity": 0, "visibility": "hidden"}
    return Write({"id": product_id, "title": title, "variants": hidden or [only]})


def stand_in(line: Node, price: float) -> Step:
    """For a line whose product is gone, or never was one (S101: the order keeps its lines): a hidden product.

    It is recognised by what the line says, so that all orders of the same deleted product name the same one.
    """
    title, variant, sku = text(line.get("title")), text(line.get("variantTitle")), text(line.get("sku"))
    product_id = fingerprint("gone", title.casefold(), variant.casefold(), sku.casefold())
    named = " - ".join(filter(None, (title, variant))) or UNTITLED
    body: Body = {
        "id": product_id,
        "title": named,
        **given(vendor=text(line.get("vendor")), image_url=_picture_of(line)),
    }
    body["variants"] = [_hidden(product_id, named, line, price)]
    return Step(Kind.PRODUCT, body, if_missing=True)


def variant_stand_in(line: Node, product_id: str, price: float) -> Step:
    """For a line whose product is still sold, but not in this variant: a hidden variant of it."""
    variant, sku = text(line.get("variantTitle")), text(line.get("sku"))
    variant_id = fingerprint("gone", product_id, variant.casefold(), sku.casefold())
    title = variant or text(line.get("title")) or UNTITLED
    return Step(Kind.VARIANT, _hidden(variant_id, title, line, price), parent=product_id, if_missing=True)


def _hidden(variant_id: str, title: str, line: Node, price: float) -> Body:
    seen = given(sku=text(line.get("sku")), image_url=_picture_of(line))
    return {"id": variant_id, "title": title, **seen, "price": price, "inventory_quantity": 0, "visibility": "hidden"}


def _picture_of(line: Node) -> str | None:
    return link((line.get("image") or {}).get("url"))


def _only_variant(product: Node, title: str, url: str | None, image: str | None) -> Body:
    """Shopify's products have one at least; Mailchimp demands one, so a product that shows none still has itself."""
    lowest = amount((product.get("priceRangeV2") or {}).get("minVariantPrice")) or ZERO
    seen = given(url=url, image_url=image)
    body = {"id": short_id(product["id"]), "title": title, **seen, "price": number(lowest)}
    return body | {"inventory_quantity": 0, "visibility": "hidden"}


def _preview(media: Node | None) -> str | None:
    image = ((media or {}).get("preview") or {}).get("image") or {}
    return link(image.get("url"))


def _pictures(product: Node) -> list[tuple[str, str]]:
    """Id and address of each picture, the main one first: of videos and models only the preview of the main one."""
    featured = product.get("featuredMedia")
    listed = [each for each in nodes_of(product, "media") if each.get("mediaContentType", "IMAGE") == "IMAGE"]
    found: dict[str, str] = {}
    for media in [featured, *listed] if featured else listed:
        if url := _preview(media):
            found.setdefault(short_id(media["id"]), url)
    return list(found.items())


def _images(pictures: Sequence[tuple[str, str]], variants: Sequence[Node]) -> list[Body]:
    shows: dict[str, list[str]] = {}
    for variant in variants:
        for media in nodes_of(variant, "media"):
            shows.setdefault(short_id(media["id"]), []).append(short_id(variant["id"]))
    return [
        {"id": image_id, "url": url, **({"variant_ids": shows[image_id]} if image_id in shows else {})}
        for image_id, url in pictures
    ]
