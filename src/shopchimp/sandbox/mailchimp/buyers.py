"""`/ecommerce/stores/{id}/customers` (mailchimp.md section 8, consent.md F8).

A buyer whom the audience does not know joins it: subscribed if `opt_in_status` says so, else transactional. Whoever
it knows already keeps the status they have, whatever is sent here.
"""

from collections.abc import Mapping
from typing import Any

from shopchimp.sandbox.mailchimp.account import Account
from shopchimp.sandbox.mailchimp.audience import digest_of
from shopchimp.sandbox.mailchimp.clock import written
from shopchimp.sandbox.mailchimp.described import checked_body
from shopchimp.sandbox.mailchimp.fields import chosen
from shopchimp.sandbox.mailchimp.stores import Entry, Place, Store, drop_entry, exists, one_page, put_entry, store_of
from shopchimp.sandbox.mailchimp.wire import Call, Problem, not_found, schema_problem
from shopchimp.sandbox.mailchimp.writing import check_address, create

KIND = "ecommerce_customer"


def listing(account: Account, call: Call) -> Mapping[str, Any]:
    store = store_of(account, call)
    email = call.query.get("email_address", "").lower()
    entries = store.customers
    if email:
        entries = {key: each for key, each in entries.items() if each.read()["email_address"].lower() == email}
    return one_page(call, "customers", entries, lambda key, _: shown(store, key), store)


def one(account: Account, call: Call) -> Mapping[str, Any]:
    store = store_of(account, call)
    if call.path["customer_id"] not in store.customers:
        raise not_found()
    return chosen(call, shown(store, call.path["customer_id"]))


def post(account: Account, call: Call) -> Mapping[str, Any]:
    store, body = store_of(account, call), checked_body(call)
    if body["id"] in store.customers:
        raise exists("customer")
    write(account, store, body["id"], body)
    return shown(store, body["id"])


def put(account: Account, call: Call) -> Mapping[str, Any]:
    store, body = store_of(account, call), checked_body(call)
    key = call.path["customer_id"]
    if body["id"] != key:
        raise schema_problem([("id", "This value should be the id in the path.")])
    write(account, store, key, body)
    return shown(store, key)


def patch(account: Account, call: Call) -> Mapping[str, Any]:
    store, body = store_of(account, call), checked_body(call)
    key = call.path["customer_id"]
    if key not in store.customers:
        raise not_found()
    write(account, store, key, body)
    return shown(store, key)


def delete(account: Account, call: Call) -> None:
    store = store_of(account, call)
    drop_entry(account, Place(store.customers, KIND, store.id), call.path["customer_id"])


def write(account: Account, store: Store, key: str, body: Mapping[str, Any]) -> None:
    """Create or lay over; everything is checked before anything is changed."""
    entry = store.customers.get(key)
    before = entry.read() if entry is not None else {}
    email = body.get("email_address", before.get("email_address"))
    if not email:
        raise schema_problem([("customer.email_address", "This value should not be blank.")])
    if entry is None and "opt_in_status" not in body:
        raise schema_problem([("customer.opt_in_status", "This value should not be blank.")])
    if before and email.lower() != before["email_address"].lower():
        # W deletes the customer and adds them again when it reads these words.
        said = "The email address of an existing customer may not be changed."
        raise Problem(400, "Bad Request", said, errors=[("email_address", said)])
    join(account, store, email, opted_in=bool(body.get("opt_in_status", before.get("opt_in_status"))))
    content = {**before, **{name: value for name, value in body.items() if name != "id"}}
    put_entry(account, Place(store.customers, KIND, store.id), key, content)


def join(account: Account, store: Store, email: str, *, opted_in: bool) -> None:
    audience = account.audiences.get(store.list_id)
    if audience is None:
        said = "The list of this store is not active any more."  # exact text UNVERIFIED
        raise Problem(400, "Bad Request", said)
    digest = digest_of(email)
    if audience.by_digest(digest) is not None:
        return
    check_address(audience, email, digest)
    status = "subscribed" if opted_in else "transactional"
    member = create(audience, {"email_address": email}, status, skip_required=True, digest=digest)
    member.source = "API - Ecommerce"
    account.wrote(audience, member, frozenset({"contact", "consent"}), None)


def of_sale(account: Account, store: Store, given: Mapping[str, Any]) -> str:
    """The customer inside an order or a cart: known by id, or made from what is sent with it.

    A known one must still be in the audience: to an order of somebody forgotten since, Mailchimp says "not found in
    audience", and its plugin adds the contact as transactional and tries again (W). Exact text UNVERIFIED, and whether
    somebody archived counts as found: the switch `archived_buyers` says so. Their status stays in any case.
    """
    key: str = given["id"]
    entry = store.customers.get(key)
    if entry is not None:
        audience = account.audiences.get(store.list_id)
        email = entry.read()["email_address"]
        member = audience.by_address(email) if audience else None
        if member is None or (member.status == "archived" and not account.switches.archived_buyers):
            raise Problem(400, "Bad Request", f"{email} was not found in audience.")
    elif not given.get("email_address"):
        said = "A customer with the provided ID does not exist in the account for this store."
        raise Problem(400, "Bad Request", said, errors=[("customer.id", said)])
    write(account, store, key, given)
    return key


def shown(store: Store, key: str) -> dict[str, Any]:
    entry = store.customers.get(key)
    if entry is None:
        return {"id": key}
    return {
        "id": key,
        **_blank(),
        **entry.read(),
        "orders_count": store.order_counts[key],
        "total_spent": store.spent[key] / 100,
        **_times(entry),
        "_links": [],
    }


def _blank() -> dict[str, Any]:
    return {"sms_phone_number": "", "company": "", "first_name": "", "last_name": "", "address": {}}


def _times(entry: Entry) -> dict[str, str]:
    return {"created_at": written(entry.created), "updated_at": written(entry.updated)}
