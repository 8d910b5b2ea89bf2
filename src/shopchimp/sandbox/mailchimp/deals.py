"""`/ecommerce/stores/{id}/orders` and `/carts` with their lines (mailchimp.md section 8, examples/order-*.json).

A line must name a product and a variant that are there; neither PATCH nor PUT drops lines it does not name (of PUT that
is UNVERIFIED). Statuses are free strings, some of which send a notification when an order comes to have them.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from shopchimp.sandbox.mailchimp import buyers, wares
from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.described import check_query, checked_body
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.stores import (
    Entries,
    Entry,
    Place,
    Store,
    check_currency,
    drop_entry,
    exists,
    missing,
    one_page,
    put_entry,
    store_of,
)
from shopchimp.sandbox.mailchimp.wire import Call, Problem, not_found, schema_problem

FINANCIAL: Final = {
    "paid": "order_invoice",
    "pending": "order_confirmation",
    "refunded": "order_refund",
    "cancelled": "order_cancelled",
}
SHIPPED: Final = "shipped"
_URL: Final = re.compile(r"https?://(?:[^/?#@]*@)?[^/?#@:]", re.IGNORECASE)
_NO_CAMPAIGN: Final = (
    "The campaign with the provided ID does not exist."  # a wrong id fails the order (mc-woocommerce#273)
)


def listing(account: Account, call: Call) -> Mapping[str, Any]:
    store = store_of(account, call)
    name = call.template.rpartition("/")[2]
    entries = _entries(store, name)
    if "customer_id" in call.query:
        wanted = call.query["customer_id"]
        entries = {key: each for key, each in entries.items() if each.read()["customer"]["id"] == wanted}
    if call.flag("has_outreach") or call.query.get("campaign_id") or call.query.get("outreach_id"):
        entries = {}
    return one_page(call, name, entries, lambda key, each: shown(store, name, key, each), store)


def account_orders(account: Account, call: Call) -> Mapping[str, Any]:
    """`GET /ecommerce/orders`: those of all stores."""
    check_query(call)
    owners = {
        (store.id, key): (store, entry) for store in account.stores.values() for key, entry in store.orders.items()
    }
    wanted = call.query.get("customer_id")
    rows = [
        shown(store, "orders", key[1], entry)
        for key, (store, entry) in owners.items()
        if wanted is None or entry.read()["customer"]["id"] == wanted
    ]
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    return chosen(call, {"orders": rows[offset : offset + count], "total_items": len(rows), "_links": []})


def one(account: Account, call: Call) -> Mapping[str, Any]:
    store, name, key = _known(account, call)
    return chosen(call, shown(store, name, key, _entries(store, name)[key]))


def post(account: Account, call: Call) -> Mapping[str, Any]:
    store, body = store_of(account, call), checked_body(call)
    name = call.template.rpartition("/")[2]
    if body["id"] in _entries(store, name):
        raise exists(name[:-1])
    return _write(account, store, name, body["id"], body)


def put(account: Account, call: Call) -> Mapping[str, Any]:
    store, body = store_of(account, call), checked_body(call)
    if body["id"] != call.path["order_id"]:
        raise schema_problem([("id", "This value should be the id in the path.")])
    made = _write(account, store, "orders", body["id"], body)
    if account.switches.put_drops_lines:
        entry, named = store.orders[body["id"]], {each["id"] for each in body["lines"]}
        content = entry.read()
        content["lines"] = [each for each in content["lines"] if each["id"] in named]
        put_entry(account, Place(store.orders, "order", store.id), body["id"], content)
        return shown(store, "orders", body["id"], entry)
    return made


def patch(account: Account, call: Call) -> Mapping[str, Any]:
    store, name, key = _known(account, call)
    return _write(account, store, name, key, checked_body(call))


def delete(account: Account, call: Call) -> None:
    store, name, key = _known(account, call)
    entry = _entries(store, name)[key]
    if name == "orders":
        _count(store, entry.read(), -1)
    else:
        account.automations.cart_gone(store.id, key, now=account.now())
    drop_entry(account, Place(_entries(store, name), _kind(name), store.id), key)


def lines(account: Account, call: Call) -> Mapping[str, Any]:
    store, name, key = _known(account, call)
    rows = [_line(store, each) for each in _entries(store, name)[key].read()["lines"]]
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    page = {"lines": rows[offset : offset + count], "total_items": len(rows), "_links": []}
    return chosen(call, {"store_id": store.id, f"{name[:-1]}_id": key, **page})


def line(account: Account, call: Call) -> Mapping[str, Any]:
    store, name, key = _known(account, call)
    for each in _entries(store, name)[key].read()["lines"]:
        if each["id"] == call.path["line_id"]:
            return chosen(call, _line(store, each))
    raise not_found()


def post_line(account: Account, call: Call) -> Mapping[str, Any]:
    store, name, key = _known(account, call)
    body = checked_body(call)
    if any(each["id"] == body["id"] for each in _entries(store, name)[key].read()["lines"]):
        raise exists(f"{name[:-1]} line")
    return _lay_line(account, store, name, key, body)


def patch_line(account: Account, call: Call) -> Mapping[str, Any]:
    store, name, key = _known(account, call)
    if all(each["id"] != call.path["line_id"] for each in _entries(store, name)[key].read()["lines"]):
        raise not_found()
    return _lay_line(account, store, name, key, {**checked_body(call), "id": call.path["line_id"]})


def delete_line(account: Account, call: Call) -> None:
    store, name, key = _known(account, call)
    content = _entries(store, name)[key].read()
    kept = [each for each in content["lines"] if each["id"] != call.path["line_id"]]
    if len(kept) == len(content["lines"]):
        raise not_found()
    if not kept:
        said = f"An {name[:-1]} needs at least one line."  # exact text UNVERIFIED
        raise Problem(400, "Bad Request", said)
    put_entry(account, Place(_entries(store, name), _kind(name), store.id), key, {**content, "lines": kept})


# Writing


def _write(account: Account, store: Store, name: str, key: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Everything is checked before anything is changed; the customer comes last, because it may join the audience."""
    entries = _entries(store, name)
    entry = entries.get(key)
    before = entry.read() if entry is not None else {}
    _check(store, before, body)
    plain = {field: value for field, value in body.items() if field not in ("id", "lines", "customer")}
    content = {**before, **plain, "lines": _laid(before.get("lines", []), body.get("lines", []))}
    if "customer" in body:
        content["customer"] = {"id": buyers.of_sale(account, store, _named(before, body["customer"]))}
    if put_entry(account, Place(entries, _kind(name), store.id), key, content):
        if name == "orders":
            _count(store, before, -1)
            _count(store, content, 1)
            _notify(account, store, key, before, content)
        else:
            _watch(account, store, key, content)
    return shown(store, name, key, entries[key])


def _named(before: Mapping[str, Any], customer: Mapping[str, Any]) -> Mapping[str, Any]:
    """PATCH cannot say who bought (its description has no id): it is who it was."""
    return customer if "id" in customer else {**customer, "id": before["customer"]["id"]}


def _check(store: Store, before: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    check_currency(body)
    if "lines" in body and not body["lines"] and not before.get("lines"):
        raise schema_problem([("lines", "This collection should contain 1 element or more.")])  # empty is 400
    for url in ("order_url", "checkout_url"):
        if body.get(url) and not _is_url(body[url]):
            raise schema_problem([(url, "This value is not a valid URL.")])  # mc-woocommerce#267
    if body.get("campaign_id"):
        raise Problem(400, "Bad Request", _NO_CAMPAIGN, errors=[("campaign_id", _NO_CAMPAIGN)])
    ids = [each.get("id") for each in body.get("lines", ())]
    if None in ids or len(set(ids)) < len(ids):
        raise schema_problem([("lines", "Each line needs an id of its own.")])
    known = {each["id"]: each for each in before.get("lines", ())}
    for number, each in enumerate(body.get("lines", ())):
        merged = {**known.get(each["id"], {}), **each}
        _check_line(store, merged, f"lines.item:{number}.")


def _check_line(store: Store, given: Mapping[str, Any], path: str) -> None:
    """An inline `product` makes a missing one, presumably (3.0.91); here it does not: UNVERIFIED."""
    for name in ("product_id", "product_variant_id", "quantity", "price"):
        if name not in given:
            raise schema_problem([(path + name, "This value should not be blank.")])
    product, variant = wares.has(store, given["product_id"], given["product_variant_id"])
    if not product:
        raise missing("product", f"{path}product_id")
    if not variant:
        raise missing("product variant", f"{path}product_variant_id")
    if given["quantity"] < 0:
        raise schema_problem([(f"{path}quantity", "This value should be a positive number.")])


def _lay_line(account: Account, store: Store, name: str, key: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    entries = _entries(store, name)
    content = entries[key].read()
    rows = _laid(content["lines"], [dict(given)])
    made = next(each for each in rows if each["id"] == given["id"])
    _check_line(store, made, "")
    put_entry(account, Place(entries, _kind(name), store.id), key, {**content, "lines": rows})
    return _line(store, made)


def _laid(rows: list[dict[str, Any]], given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {each["id"]: each for each in rows}
    for each in given:
        kept = {name: value for name, value in each.items() if name != "product"}
        known[each["id"]] = {**known.get(each["id"], {}), **kept}
    return list(known.values())


def _count(store: Store, content: Mapping[str, Any], sign: int) -> None:
    if content:
        store.order_counts[content["customer"]["id"]] += sign
        store.spent[content["customer"]["id"]] += sign * round(content["order_total"] * 100)


# What it sets off


def _notify(account: Account, store: Store, key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    who = _email(store, after)
    quiet = "is_syncing" if store.syncing else ""
    fire = account.automations.fire
    if not before:
        for what in ("first_purchase", "product_follow_up"):
            if what != "first_purchase" or store.order_counts[after["customer"]["id"]] == 1:
                fire(what, who, f"order {key}", quiet=quiet)
    status = after.get("financial_status", "")
    if status != before.get("financial_status", "") and status in FINANCIAL:
        fire(FINANCIAL[status], who, f"order {key} is {status}", quiet=quiet)
    if after.get("cancelled_at_foreign") and not before.get("cancelled_at_foreign") and status != "cancelled":
        fire(FINANCIAL["cancelled"], who, f"order {key} is cancelled", quiet=quiet)
    if after.get("fulfillment_status") == SHIPPED != before.get("fulfillment_status"):
        fire("order_shipped", who, f"order {key} is shipped", quiet=quiet)


def _watch(account: Account, store: Store, key: str, content: Mapping[str, Any]) -> None:
    who = _email(store, content)
    complete = bool(content.get("checkout_url") and who)
    account.automations.cart(store.id, key, who, now=account.now(), syncing=store.syncing, complete=complete)


def _email(store: Store, content: Mapping[str, Any]) -> str:
    entry = store.customers.get(content["customer"]["id"])
    return "" if entry is None else str(entry.read()["email_address"]).lower()


# Showing


def shown(store: Store, name: str, key: str, entry: Entry) -> dict[str, Any]:
    content = entry.read()
    customer = buyers.shown(store, content.pop("customer")["id"])
    rows = [_line(store, each) for each in content.pop("lines")]
    document = {"id": key, "customer": customer, "store_id": store.id, **content, "lines": rows}
    if name == "carts":
        document |= {"created_at": written(entry.created), "updated_at": written(entry.updated)}
    return {**document, "_links": []}


def _line(store: Store, given: Mapping[str, Any]) -> dict[str, Any]:
    return {**given, **wares.titles(store, given["product_id"], given["product_variant_id"]), "_links": []}


def _is_url(text: str) -> bool:
    return _URL.match(text) is not None and " " not in text


def _entries(store: Store, name: str) -> Entries:
    return store.orders if name == "orders" else store.carts


def _kind(name: str) -> str:
    return name[:-1]


def _known(account: Account, call: Call) -> tuple[Store, str, str]:
    store = store_of(account, call)
    name = call.template.split("/")[4]
    key = call.path[f"{name[:-1]}_id"]
    if key not in _entries(store, name):
        raise not_found()
    return store, name, key
