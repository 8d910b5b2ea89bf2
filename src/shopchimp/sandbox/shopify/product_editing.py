"""Products as the merchant makes and changes them; the edits are listed in `commerce_editing.py`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shopchimp.sandbox.shopify import product_payloads as told
from shopchimp.sandbox.shopify.commerce import Commerce
from shopchimp.sandbox.shopify.commerce_state import durable_product
from shopchimp.sandbox.shopify.edit_values import Change, one_of, set_values, variant_of
from shopchimp.sandbox.shopify.goods import STATUSES, Product
from shopchimp.sandbox.shopify.purchases import remove_product

if TYPE_CHECKING:
    from shopchimp.sandbox.shopify.shop import Shop


def create_product(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce, given = shop.commerce, change.get("set", {})
    now = commerce.now()
    title = given.get("title", "New product")
    product = commerce.builder.product(
        handle=given.get("handle", title.lower().replace(" ", "-")),
        title=title,
        created=now,
        updated=now,
        published=now,
    )
    _set_product(commerce, product, {name: value for name, value in given.items() if name != "handle"})
    _add_variants(commerce, product, change.get("variants") or [{"options": ["Default Title"], "price": 1000}])
    commerce.products.add(product)
    commerce.tell("products/create", lambda: told.product(product), first=True)
    return durable_product(product)


def update_product(shop: "Shop", change: Change) -> Mapping[str, Any]:
    commerce = shop.commerce
    product = commerce.products.named(change["id"])
    _set_product(commerce, product, change.get("set", {}))
    for each in change.get("variants", ()):
        variant = variant_of(commerce, each["variant"])
        set_values(variant, each, {"price": "price", "stock": "stock", "sku": "sku", "compare_at": "compare_at"})
        set_values(variant, each, {"tracked": "tracked", "policy": "policy", "title": "title"})
        variant.updated = commerce.now()
    for each in change.get("remove_variants", ()):
        gone = variant_of(commerce, each)
        product.variants.remove(gone)
        del commerce.variants[gone.number]
    _add_variants(commerce, product, change.get("add_variants", []))
    commerce.products.touch(product)
    commerce.tell("products/update", lambda: told.product(product), first=True)
    return durable_product(product)


def delete_product(shop: "Shop", change: Change) -> Mapping[str, Any]:
    product = shop.commerce.products.named(change["id"])
    remove_product(shop.commerce, product)
    shop.commerce.tell("products/delete", lambda: {"id": product.number}, first=True)
    return {"deleted": product.gid}


def _set_product(commerce: Commerce, product: Product, given: Change) -> None:
    names = {"title": "title", "html": "html", "vendor": "vendor", "type": "kind", "handle": "handle"}
    if unknown := set(given) - {*names, "tags", "status", "published", "images"}:
        raise ValueError(f"set knows no {', '.join(sorted(unknown))} of a product")
    set_values(product, given, names)
    if "tags" in given:
        product.tags = tuple(given["tags"])
    if "status" in given:
        product.status = one_of(given["status"].upper(), STATUSES)
    if "published" in given:
        product.published = commerce.now() if given["published"] else None
    if "images" in given:
        product.pictures = []
        for url in given["images"]:
            commerce.builder.picture(product, url, None)


def _add_variants(commerce: Commerce, product: Product, given: list[Change]) -> None:
    for each in given:
        more = {name: each[name] for name in ("sku", "stock", "tracked", "policy", "compare_at") if name in each}
        options = tuple(each.get("options", ("Default Title",)))
        variant = commerce.builder.variant(product, options=options, price=each["price"], **more)
        variant.created = variant.updated = commerce.now()
        commerce.variants[variant.number] = variant
