"""`/ecommerce/stores` and `/connected-sites` (mailchimp.md section 8, examples/store-*.json)."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import orjson

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.described import check_query, checked_body
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.wire import Call, Problem, not_found, schema_problem
from shopchimp.sandbox.recording import trimmed

CURRENCY: Final = re.compile(r"[A-Z]{3}")


@dataclass(slots=True)
class Entry:
    """One customer, product, order, cart, rule or code: what was sent, as the bytes it is kept in."""

    data: bytes
    created: int
    updated: int

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.data)
        return found


Entries = dict[str, Entry]
KINDS: Final = ("products", "customers", "orders", "carts", "promo_rules")


@dataclass(slots=True)
class Store:
    id: str
    list_id: str
    given: dict[str, Any]
    created: int
    updated: int
    products: Entries = field(default_factory=dict)
    customers: Entries = field(default_factory=dict)
    orders: Entries = field(default_factory=dict)
    carts: Entries = field(default_factory=dict)
    promo_rules: Entries = field(default_factory=dict)
    promo_codes: dict[str, Entries] = field(default_factory=dict)
    order_counts: Counter[str] = field(default_factory=Counter)  # by customer
    spent: Counter[str] = field(default_factory=Counter)  # cents, by customer

    @property
    def syncing(self) -> bool:
        return bool(self.given.get("is_syncing"))


class Place(NamedTuple):
    """Where entries of one kind are kept; `where` is the store, or store and rule, for the log of writes."""

    entries: Entries
    kind: str
    where: str


def put_entry(account: Account, place: Place, key: str, content: Mapping[str, Any]) -> bool:
    """Keep the content; False where it says nothing new. Only what is new is a write."""
    entries, kind, where = place
    data = trimmed(orjson.dumps(content))
    entry = entries.get(key)
    if entry is not None and entry.data == data:
        return False
    now = account.now()
    if entry is None:
        entries[key] = Entry(data, now, now)
    else:
        entry.data, entry.updated = data, now
    account.writes.add(kind, f"{where}/{key}", content)
    return True


def drop_entry(account: Account, place: Place, key: str) -> None:
    entries, kind, where = place
    if key not in entries:
        raise not_found()
    del entries[key]
    account.writes.add(kind, f"{where}/{key}", {"deleted": True})


def exists(what: str) -> Problem:
    """The words Mailchimp's own plugins look for (mailchimp.md 11)."""
    article = "An" if what[0] in "aeiou" else "A"
    said = f"{article} {what} with the provided ID already exists in the account for this list."
    return Problem(400, "Bad Request", said)


def missing(what: str, field_name: str) -> Problem:
    """The beginning is what Mailchimp's plugin matches (W); the rest is UNVERIFIED."""
    article = "An" if what[0] in "aeiou" else "A"
    said = f"{article} {what} with the provided ID does not exist in the account for this store."
    return Problem(400, "Bad Request", said, errors=[(field_name, said)])


def one_page(
    call: Call, name: str, entries: Mapping[str, Entry], show: Callable[[str, Entry], Any], store: Store | None = None
) -> dict[str, Any]:
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    rows = [show(key, entry) for key, entry in islice(entries.items(), offset, offset + count)]
    document = {name: rows, "total_items": len(entries), "_links": []}
    return chosen(call, {"store_id": store.id, **document} if store else document)


def store_of(account: Account, call: Call) -> Store:
    found = account.stores.get(call.path["store_id"])
    if found is None:
        raise not_found()
    check_query(call)
    return found


def check_currency(body: Mapping[str, Any]) -> None:
    if "currency_code" in body and not CURRENCY.fullmatch(body["currency_code"]):
        raise schema_problem([("currency_code", "This value is not a valid currency.")])


# The stores themselves


def listing(account: Account, call: Call) -> Mapping[str, Any]:
    check_query(call)
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    shown = [document(account, each) for each in islice(account.stores.values(), offset, offset + count)]
    return chosen(call, {"stores": shown, "total_items": len(account.stores), "_links": []})


def one(account: Account, call: Call) -> Mapping[str, Any]:
    return chosen(call, document(account, store_of(account, call)))


def post(account: Account, call: Call) -> Mapping[str, Any]:
    """`list_id` is for ever; a domain belongs to one store of the account."""
    check_query(call)
    body = checked_body(call)
    if body["id"] in account.stores:
        raise exists("store")
    if body["list_id"] not in account.audiences:
        said = "The list with the provided ID does not exist."  # exact text UNVERIFIED
        raise Problem(400, "Bad Request", said, errors=[("list_id", said)])
    _check(account, body, None)
    now = account.now()
    given = {name: value for name, value in body.items() if name not in ("id", "list_id")}
    store = account.stores[body["id"]] = Store(body["id"], body["list_id"], {"is_syncing": False, **given}, now, now)
    _log(account, store)
    return document(account, store)


def patch(account: Account, call: Call) -> Mapping[str, Any]:
    store = store_of(account, call)
    body = checked_body(call)
    _check(account, body, store)
    changed = {**store.given, **body}
    if changed != store.given:
        store.given, store.updated = changed, account.now()
        _log(account, store)
    return document(account, store)


def delete(account: Account, call: Call) -> None:
    """Customers, orders, products and carts go with it; the audience's members stay (examples/store-delete.json)."""
    store = store_of(account, call)
    del account.stores[store.id]
    account.connected_sites.pop(store.id, None)
    for cart in store.carts:
        account.automations.cart_gone(store.id, cart, now=account.now())
    account.writes.add("store", store.id, {"deleted": True})


def _check(account: Account, body: Mapping[str, Any], store: Store | None) -> None:
    check_currency(body)
    domain = body.get("domain")
    if domain and any(each is not store and each.given.get("domain") == domain for each in account.stores.values()):
        said = "A store with the provided domain already exists in the account."  # exact text UNVERIFIED
        raise Problem(400, "Bad Request", said, errors=[("domain", said)])


def _log(account: Account, store: Store) -> None:
    account.writes.add("store", store.id, {"list_id": store.list_id, **store.given})


def document(account: Account, store: Store) -> dict[str, Any]:
    supported = {"is_supported": True}
    site = {}
    if store.given.get("domain"):
        url = f"https://chimpstatic.example/mcjs-connected/js/users/{account.id}/{store.id}.js"
        script = {"url": url, "fragment": '<script id="mcjs">/* invented */</script>'}
        site = {"connected_site": {"site_foreign_id": store.id, "site_script": script}}
    return {
        "id": store.id,
        "list_id": store.list_id,
        **store.given,
        **site,
        "automations": {"abandoned_cart": supported, "abandoned_browse": supported},
        "list_is_active": store.list_id in account.audiences,
        "created_at": written(store.created),
        "updated_at": written(store.updated),
        "_links": [],
    }


# Connected sites


def sites(account: Account, call: Call) -> Mapping[str, Any]:
    check_query(call)
    count, offset = call.number("count", 10, 1000), call.number("offset", 0)
    shown = list(islice(account.connected_sites.values(), offset, offset + count))
    return chosen(call, {"sites": shown, "total_items": len(account.connected_sites), "_links": []})


def site(account: Account, call: Call) -> Mapping[str, Any]:
    check_query(call)
    return chosen(call, _site(account, call))


def post_site(account: Account, call: Call) -> Mapping[str, Any]:
    body = checked_body(call)
    if body["foreign_id"] in account.connected_sites:
        raise exists("site")
    if not urlsplit(f"//{body['domain']}").hostname:
        raise schema_problem([("domain", "This value is not a valid domain.")])
    now = written(account.now())
    made = {
        "foreign_id": body["foreign_id"],
        "store_id": body["foreign_id"] if body["foreign_id"] in account.stores else "",
        "platform": "",
        "domain": body["domain"],
        "site_script": {"url": f"https://chimpstatic.example/{body['foreign_id']}.js", "fragment": "<script></script>"},
        "is_pixel_enabled": False,
        "created_at": now,
        "updated_at": now,
    }
    account.connected_sites[body["foreign_id"]] = made
    account.writes.add("connected_site", body["foreign_id"], body)
    return made


def delete_site(account: Account, call: Call) -> None:
    _site(account, call)
    del account.connected_sites[call.path["connected_site_id"]]


def pixel(account: Account, call: Call) -> None:
    _site(account, call)["is_pixel_enabled"] = call.template.endswith("enable-pixel") and "disable" not in call.template


def verified(account: Account, call: Call) -> None:
    _site(account, call)


def _site(account: Account, call: Call) -> dict[str, Any]:
    """A store that has a domain is a connected site by its own id."""
    key = call.path["connected_site_id"]
    if key not in account.connected_sites:
        store = account.stores.get(key)
        if store is None or not store.given.get("domain"):
            raise not_found()
        made = {"foreign_id": key, "store_id": key, "domain": store.given["domain"], "is_pixel_enabled": False}
        account.connected_sites[key] = made
    return account.connected_sites[key]
