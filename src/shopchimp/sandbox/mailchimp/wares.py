"""`/ecommerce/stores/{id}/products` with variants and images (mailchimp.md section 8, examples/product-*.json).

Whether a PUT drops variants and images that it does not name is UNVERIFIED. Here it keeps them, which is the harder
case: who wants one gone has to delete it.
"""

from collections.abc import Mapping
from typing import Any, Final

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.described import checked_body
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.stores import Entry, Place, Store, drop_entry, exists, one_page, put_entry, store_of
from shopchimp.sandbox.mailchimp.wire import Call, Problem, not_found, schema_problem

KIND: Final = "product"
_PARTS: Final = {"variants": "variant_id", "images": "image_id"}


def listing(account: Account, call: Call) -> Mapping[str, Any]:
    store = store_of(account, call)
    return one_page(call, "products", store.products, lambda key, each: shown(store, key, each), store)


def one(account: Account, call: Call) -> Mapping[str, Any]:
    store, key = _known(account, call)
    return chosen(call, shown(store, key, store.products[key]))


def post(account: Account, call: Call) -> Mapping[str, Any]:
    store, body = store_of(account, call), checked_body(call)
    if body["id"] in store.products:
        raise exists("product")
    return _write(account, store, body["id"], body)


def put(account: Account, call: Call) -> Mapping[str, Any]:
    store, body = store_of(account, call), checked_body(call)
    if body["id"] != call.path["product_id"]:
        raise schema_problem([("id", "This value should be the id in the path.")])
    return _write(account, store, body["id"], body)


def patch(account: Account, call: Call) -> Mapping[str, Any]:
    store, key = _known(account, call)
    return _write(account, store, key, checked_body(call))


def delete(account: Account, call: Call) -> None:
    """Lines of orders that name it stay as they are."""
    store, key = _known(account, call)
    drop_entry(account, Place(store.products, KIND, store.id), key)


def parts(account: Account, call: Call) -> Mapping[str, Any]:
    """The variants or the images of one product."""
    store, key = _known(account, call)
    name = call.template.rpartition("/")[2]
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    rows = store.products[key].read().get(name, [])
    page = {name: rows[offset : offset + count], "total_items": len(rows), "_links": []}
    return chosen(call, {"store_id": store.id, "product_id": key, **page})


def part(account: Account, call: Call) -> Mapping[str, Any]:
    store, key = _known(account, call)
    name, part_id = _named(call)
    for each in store.products[key].read().get(name, []):
        if each["id"] == part_id:
            return chosen(call, each)
    raise not_found()


def post_part(account: Account, call: Call) -> Mapping[str, Any]:
    store, key = _known(account, call)
    name, body = call.template.rpartition("/")[2], checked_body(call)
    content = store.products[key].read()
    if any(each["id"] == body["id"] for each in content.get(name, [])):
        raise exists("product variant" if name == "variants" else "product image")
    return _lay_part(account, store, key, name, body)


def put_part(account: Account, call: Call) -> Mapping[str, Any]:
    """PUT makes what is not there, PATCH does not."""
    store, key = _known(account, call)
    name, part_id = _named(call)
    body, content = checked_body(call), store.products[key].read()
    if call.method == "PATCH" and all(each["id"] != part_id for each in content.get(name, [])):
        raise not_found()
    return _lay_part(account, store, key, name, {**body, "id": part_id})


def delete_part(account: Account, call: Call) -> None:
    store, key = _known(account, call)
    name, part_id = _named(call)
    content = store.products[key].read()
    kept = [each for each in content.get(name, []) if each["id"] != part_id]
    if len(kept) == len(content.get(name, [])):
        raise not_found()
    if name == "variants" and not kept:
        said = "A product needs at least one variant."  # exact text UNVERIFIED
        raise Problem(400, "Bad Request", said)
    put_entry(account, Place(store.products, KIND, store.id), key, {**content, name: kept})


def has(store: Store, product_id: str, variant_id: str) -> tuple[bool, bool]:
    entry = store.products.get(product_id)
    if entry is None:
        return False, False
    return True, any(each["id"] == variant_id for each in entry.read()["variants"])


def titles(store: Store, product_id: str, variant_id: str) -> dict[str, Any]:
    """What a line of an order shows of its product."""
    entry = store.products.get(product_id)
    if entry is None:
        return {}
    content = entry.read()
    variant: dict[str, Any] = next((each for each in content["variants"] if each["id"] == variant_id), {})
    image = variant.get("image_url") or content.get("image_url")
    shown = {"product_title": content["title"], "product_variant_title": variant.get("title", "")}
    return {**shown, "image_url": image} if image else shown


def shown(store: Store, key: str, entry: Entry) -> dict[str, Any]:
    content = entry.read()
    times = {"created_at": written(entry.created), "updated_at": written(entry.updated)}
    variants = [{**each, **times} for each in content.pop("variants")]
    images = content.pop("images", [])
    currency = store.given["currency_code"]
    return {"id": key, "currency_code": currency, **content, "variants": variants, "images": images, "_links": []}


def _write(account: Account, store: Store, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
    entry = store.products.get(key)
    content = entry.read() if entry is not None else {}
    if "variants" in body and not body["variants"] and not content.get("variants"):
        raise schema_problem([("variants", "This value should not be blank.")])
    for name in _PARTS:
        named = [each.get("id") for each in body.get(name, ())]
        if len(set(named)) < len(named):
            raise schema_problem([(name, "An id appears more than once.")])
    plain = {name: value for name, value in body.items() if name not in ("id", *_PARTS)}
    merged = {**content, **plain}
    for name in _PARTS:
        if name in body:
            merged[name] = _laid(content.get(name, []), body[name])
    _check_images(merged)
    put_entry(account, Place(store.products, KIND, store.id), key, merged)
    return shown(store, key, store.products[key])


def _check_images(content: Mapping[str, Any]) -> None:
    variants = {each["id"] for each in content.get("variants", ())}
    for number, image in enumerate(content.get("images", ())):
        for variant_id in image.get("variant_ids", ()):
            if variant_id not in variants:
                said = "The variant does not exist."  # exact text UNVERIFIED
                raise schema_problem([(f"images.item:{number}.variant_ids", said)])


def _laid(rows: list[dict[str, Any]], given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {each["id"]: each for each in rows}
    for each in given:
        known[each["id"]] = {**known.get(each["id"], {}), **each}
    return list(known.values())


def _lay_part(account: Account, store: Store, key: str, name: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    content = store.products[key].read()
    rows = _laid(content.get(name, []), [dict(given)])
    merged = {**content, name: rows}
    _check_images(merged)
    put_entry(account, Place(store.products, KIND, store.id), key, merged)
    return next(each for each in rows if each["id"] == given["id"])


def _known(account: Account, call: Call) -> tuple[Store, str]:
    store = store_of(account, call)
    if call.path["product_id"] not in store.products:
        raise not_found()
    return store, call.path["product_id"]


def _named(call: Call) -> tuple[str, str]:
    name = call.template.split("/")[-2]
    return name, call.path[_PARTS[name]]
