"""The calls of commerce and batches, by route, and their rows of `/_sandbox/state`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from shopchimp.sandbox.mailchimp import batches, buyers, deals, promos, stores, wares
from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.stores import Entries, Store
from shopchimp.sandbox.mailchimp.wire import Call

Handler = Callable[[Account, Call], Mapping[str, Any] | None]

_STORE: Final = "/ecommerce/stores/{store_id}"
_PRODUCT: Final = f"{_STORE}/products/{{product_id}}"
_RULE: Final = f"{_STORE}/promo-rules/{{promo_rule_id}}"
_SITE: Final = "/connected-sites/{connected_site_id}"


def _sale(name: str) -> dict[str, Handler]:
    top = f"{_STORE}/{name}"
    each = f"{top}/{{{name[:-1]}_id}}"
    return {
        f"GET {top}": deals.listing,
        f"POST {top}": deals.post,
        f"GET {each}": deals.one,
        f"PATCH {each}": deals.patch,
        f"DELETE {each}": deals.delete,
        f"GET {each}/lines": deals.lines,
        f"POST {each}/lines": deals.post_line,
        f"GET {each}/lines/{{line_id}}": deals.line,
        f"PATCH {each}/lines/{{line_id}}": deals.patch_line,
        f"DELETE {each}/lines/{{line_id}}": deals.delete_line,
    }


ROUTES: Final[Mapping[str, Handler]] = {
    "GET /ecommerce/stores": stores.listing,
    "POST /ecommerce/stores": stores.post,
    f"GET {_STORE}": stores.one,
    f"PATCH {_STORE}": stores.patch,
    f"DELETE {_STORE}": stores.delete,
    "GET /ecommerce/orders": deals.account_orders,
    f"GET {_STORE}/customers": buyers.listing,
    f"POST {_STORE}/customers": buyers.post,
    f"GET {_STORE}/customers/{{customer_id}}": buyers.one,
    f"PUT {_STORE}/customers/{{customer_id}}": buyers.put,
    f"PATCH {_STORE}/customers/{{customer_id}}": buyers.patch,
    f"DELETE {_STORE}/customers/{{customer_id}}": buyers.delete,
    f"GET {_STORE}/products": wares.listing,
    f"POST {_STORE}/products": wares.post,
    f"GET {_PRODUCT}": wares.one,
    f"PUT {_PRODUCT}": wares.put,
    f"PATCH {_PRODUCT}": wares.patch,
    f"DELETE {_PRODUCT}": wares.delete,
    f"GET {_PRODUCT}/variants": wares.parts,
    f"POST {_PRODUCT}/variants": wares.post_part,
    f"GET {_PRODUCT}/variants/{{variant_id}}": wares.part,
    f"PUT {_PRODUCT}/variants/{{variant_id}}": wares.put_part,
    f"PATCH {_PRODUCT}/variants/{{variant_id}}": wares.put_part,
    f"DELETE {_PRODUCT}/variants/{{variant_id}}": wares.delete_part,
    f"GET {_PRODUCT}/images": wares.parts,
    f"POST {_PRODUCT}/images": wares.post_part,
    f"GET {_PRODUCT}/images/{{image_id}}": wares.part,
    f"PATCH {_PRODUCT}/images/{{image_id}}": wares.put_part,
    f"DELETE {_PRODUCT}/images/{{image_id}}": wares.delete_part,
    **_sale("orders"),
    f"PUT {_STORE}/orders/{{order_id}}": deals.put,
    **_sale("carts"),
    f"GET {_STORE}/promo-rules": promos.rules,
    f"POST {_STORE}/promo-rules": promos.post_rule,
    f"GET {_RULE}": promos.rule,
    f"PATCH {_RULE}": promos.patch_rule,
    f"DELETE {_RULE}": promos.delete_rule,
    f"GET {_RULE}/promo-codes": promos.codes,
    f"POST {_RULE}/promo-codes": promos.post_code,
    f"GET {_RULE}/promo-codes/{{promo_code_id}}": promos.code,
    f"PATCH {_RULE}/promo-codes/{{promo_code_id}}": promos.patch_code,
    f"DELETE {_RULE}/promo-codes/{{promo_code_id}}": promos.delete_code,
    "GET /connected-sites": stores.sites,
    "POST /connected-sites": stores.post_site,
    f"GET {_SITE}": stores.site,
    f"DELETE {_SITE}": stores.delete_site,
    f"POST {_SITE}/actions/enable-pixel": stores.pixel,
    f"POST {_SITE}/actions/disable-pixel": stores.pixel,
    f"POST {_SITE}/actions/verify-script-installation": stores.verified,
    "GET /batches": batches.listing,
    "POST /batches": batches.post,
    "GET /batches/{batch_id}": batches.one,
    "DELETE /batches/{batch_id}": batches.delete,
}


def durable_commerce(account: Account) -> Iterator[dict[str, Any]]:
    """What two runs of the same work must leave alike, each row marked by its `kind`."""
    for store in sorted(account.stores.values(), key=lambda each: each.id):
        yield {"kind": "store", "key": store.id, "store": store.id, "list_id": store.list_id, **store.given}
        for kind, entries in _kinds(store):
            for key, content in _rows(entries):
                yield {"kind": kind, "store": store.id, "key": key, **content}
        for rule_id in sorted(store.promo_codes):
            for key, content in _rows(store.promo_codes[rule_id]):
                yield {"kind": promos.CODE, "store": store.id, "rule": rule_id, "key": key, **content}


def _kinds(store: Store) -> list[tuple[str, Entries]]:
    return [
        (wares.KIND, store.products),
        (buyers.KIND, store.customers),
        ("order", store.orders),
        ("cart", store.carts),
        (promos.RULE, store.promo_rules),
    ]


def _rows(entries: Entries) -> Iterator[tuple[str, dict[str, Any]]]:
    """Safe while others write; lines, variants and images in the order of their ids."""
    for key in sorted(entries):
        entry = entries.get(key)
        if entry is None:
            continue
        content = entry.read()
        for name in ("lines", "variants", "images"):
            if name in content:
                content[name] = sorted(content[name], key=lambda each: str(each["id"]))
        yield key, content
