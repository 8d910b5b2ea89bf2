"""`/ecommerce/stores/{id}/promo-rules` and their `/promo-codes` (mailchimp.md section 8, examples/promo-*.json)."""

from collections.abc import Mapping
from typing import Any, Final

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.clock import parsed
from shopchimp.sandbox.mailchimp.described import checked_body
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.stores import (
    Entries,
    Entry,
    Place,
    Store,
    drop_entry,
    exists,
    one_page,
    put_entry,
    store_of,
)
from shopchimp.sandbox.mailchimp.wire import Call, not_found, schema_problem

RULE, CODE = "promo_rule", "promo_code"
_RULE_DEFAULTS: Final = {"title": "", "enabled": True}
_CODE_DEFAULTS: Final = {"usage_count": 0, "enabled": True}


def rules(account: Account, call: Call) -> Mapping[str, Any]:
    store = store_of(account, call)
    return one_page(call, "promo_rules", store.promo_rules, _rule, store)


def rule(account: Account, call: Call) -> Mapping[str, Any]:
    store, key = _known_rule(account, call)
    return chosen(call, _rule(key, store.promo_rules[key]))


def post_rule(account: Account, call: Call) -> Mapping[str, Any]:
    store, body = store_of(account, call), checked_body(call)
    if body["id"] in store.promo_rules:
        raise exists("promo rule")
    return _write_rule(account, store, body["id"], body)


def patch_rule(account: Account, call: Call) -> Mapping[str, Any]:
    store, key = _known_rule(account, call)
    return _write_rule(account, store, key, checked_body(call))


def delete_rule(account: Account, call: Call) -> None:
    """Its codes go with it."""
    store, key = _known_rule(account, call)
    store.promo_codes.pop(key, None)
    drop_entry(account, Place(store.promo_rules, RULE, store.id), key)


def codes(account: Account, call: Call) -> Mapping[str, Any]:
    store, key = _known_rule(account, call)
    return one_page(call, "promo_codes", _codes(store, key), _code, store)


def code(account: Account, call: Call) -> Mapping[str, Any]:
    entries, key = _known_code(account, call)
    return chosen(call, _code(key, entries[key]))


def post_code(account: Account, call: Call) -> Mapping[str, Any]:
    store, rule_id = _known_rule(account, call)
    body, entries = checked_body(call), _codes(store, rule_id)
    if body["id"] in entries:
        raise exists("promo code")
    return _write_code(account, store, rule_id, body["id"], body)


def patch_code(account: Account, call: Call) -> Mapping[str, Any]:
    _, key = _known_code(account, call)
    store, rule_id = _known_rule(account, call)
    return _write_code(account, store, rule_id, key, checked_body(call))


def delete_code(account: Account, call: Call) -> None:
    entries, key = _known_code(account, call)
    where = f"{call.path['store_id']}/{call.path['promo_rule_id']}"
    drop_entry(account, Place(entries, CODE, where), key)


def _write_rule(account: Account, store: Store, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
    entry = store.promo_rules.get(key)
    before = entry.read() if entry is not None else _RULE_DEFAULTS
    content = {**before, **{name: value for name, value in body.items() if name != "id"}}
    if content["type"] == "percentage" and not 0 <= content["amount"] <= 1:
        said = "A percentage should be a number between 0.0 and 1.0."  # exact text UNVERIFIED
        raise schema_problem([("amount", said)])
    if content["amount"] < 0:
        raise schema_problem([("amount", "This value should be a positive number.")])
    if content.get("starts_at") and content.get("ends_at"):
        starts, ends = parsed(content["starts_at"]), parsed(content["ends_at"])
        if starts is not None and ends is not None and ends <= starts:
            raise schema_problem([("ends_at", "This value should be after starts_at.")])
    put_entry(account, Place(store.promo_rules, RULE, store.id), key, content)
    return _rule(key, store.promo_rules[key])


def _write_code(account: Account, store: Store, rule_id: str, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
    entries = _codes(store, rule_id)
    entry = entries.get(key)
    before = entry.read() if entry is not None else _CODE_DEFAULTS
    content = {**before, **{name: value for name, value in body.items() if name != "id"}}
    put_entry(account, Place(entries, CODE, f"{store.id}/{rule_id}"), key, content)
    return _code(key, entries[key])


def _rule(key: str, entry: Entry) -> dict[str, Any]:
    return {"id": key, **entry.read(), "_links": []}


def _code(key: str, entry: Entry) -> dict[str, Any]:
    return {"id": key, **entry.read(), "_links": []}


def _codes(store: Store, rule_id: str) -> Entries:
    return store.promo_codes.setdefault(rule_id, {})


def _known_rule(account: Account, call: Call) -> tuple[Store, str]:
    store = store_of(account, call)
    if call.path["promo_rule_id"] not in store.promo_rules:
        raise not_found()
    return store, call.path["promo_rule_id"]


def _known_code(account: Account, call: Call) -> tuple[Entries, str]:
    store, rule_id = _known_rule(account, call)
    entries = _codes(store, rule_id)
    if call.path["promo_code_id"] not in entries:
        raise not_found()
    return entries, call.path["promo_code_id"]
