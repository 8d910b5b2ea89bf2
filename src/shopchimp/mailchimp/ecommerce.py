"""The store at Mailchimp: itself, and its products, customers, orders, carts, promo rules and promo codes.

A `Step` of the mapping becomes an `Operation`, which goes out as a call of its own (`perform`) or as one of many in
`/batches` (`mailchimp.operations`). Every operation may be carried out twice: what exists is changed, what is gone
stays gone. Where one call can't say that (a cart has no PUT, an address can't be changed), `perform` goes a second way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from shopchimp.domain.commerce.lines import stale_lines
from shopchimp.domain.commerce.results import Body, Kind, Step
from shopchimp.domain.errors import Rejected, StoreGone
from shopchimp.mailchimp.client import MailchimpClient

PAGE = 1000
STORE_ROUTE = "/ecommerce/stores/{store_id}"
# the names of a kind in paths, and the name of its id in their templates; a variant and a code lie within a parent
_PLACES: Mapping[Kind, tuple[str, str]] = {
    Kind.PRODUCT: ("products", "product_id"),
    Kind.VARIANT: ("variants", "variant_id"),
    Kind.CUSTOMER: ("customers", "customer_id"),
    Kind.ORDER: ("orders", "order_id"),
    Kind.CART: ("carts", "cart_id"),
    Kind.PROMO_RULE: ("promo-rules", "promo_rule_id"),
    Kind.PROMO_CODE: ("promo-codes", "promo_code_id"),
}
_WITHIN: Mapping[Kind, Kind] = {Kind.VARIANT: Kind.PRODUCT, Kind.PROMO_CODE: Kind.PROMO_RULE}
_NO_PUT = frozenset({Kind.CART, Kind.PROMO_RULE, Kind.PROMO_CODE})
EXISTS, NOT_FOUND, EMAIL_FIXED = "mc_exists", "mc_not_found", "mc_email_fixed"
_ALL = {"exclude_fields": "_links"}  # a field that one object lacks may not be asked for by name
_STAND_IN = "gone-"  # variants that hold the place of a deleted one are named by no product's body


@dataclass(frozen=True, slots=True)
class MailchimpStore:
    """A store as Mailchimp says it. `is_syncing`: its automations are held."""

    id: str
    list_id: str
    name: str
    currency_code: str
    is_syncing: bool
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `id` names it among those sent together, `fine` are refusals that mean it is done already.

    `step` is what it writes, for the second way and for what its answer shows to be stale.
    """

    method: str
    path: str
    route: str
    body: Body | None = None
    id: str = ""
    fine: frozenset[str] = frozenset()
    step: Step | None = None
    store_id: str = ""

    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else orjson.dumps(self.body)

    def has_second_way(self, error: Rejected) -> bool:
        """Whether this refusal only means that another call says the same."""
        kind = self.step.kind if self.step else None
        if error.code == EMAIL_FIXED:
            return kind is Kind.CUSTOMER
        return kind in _NO_PUT and error.code in (EXISTS, NOT_FOUND)


# ------------------------------------------------------------------ the store itself


def get_store(client: MailchimpClient, store_id: str) -> MailchimpStore | None:
    """The store as it is now; None where there is none (any more)."""
    path = f"/ecommerce/stores/{quote(store_id, safe='')}"
    try:
        return _store(client.get(path, STORE_ROUTE, _ALL))
    except StoreGone:
        return None


def make_store(
    client: MailchimpClient, store_id: str, list_id: str, *, name: str, currency_code: str, **more: Any
) -> MailchimpStore:
    """Make the store for an audience (for ever), its automations held until `change_store(is_syncing=False)`.

    `more`: domain, platform, email_address, primary_locale, timezone, money_format, phone, address. Raises Rejected
    with `mc_exists` where there is one of this id, `mc_store_domain_taken` where another has the domain.
    """
    body = {"id": store_id, "list_id": list_id, "name": name, "currency_code": currency_code, "is_syncing": True}
    return _store(client.send("POST", "/ecommerce/stores", "/ecommerce/stores", body={**body, **more}))


def change_store(client: MailchimpClient, store_id: str, **changes: Any) -> MailchimpStore:
    """Change what is named (name, is_syncing, currency_code, domain ...). Raises StoreGone where there is none."""
    return _store(client.send("PATCH", f"/ecommerce/stores/{quote(store_id, safe='')}", STORE_ROUTE, body=changes))


def delete_store(client: MailchimpClient, store_id: str) -> bool:
    """Delete the store with all its orders, carts, products and customers; contacts stay. False where it was gone."""
    try:
        client.delete(f"/ecommerce/stores/{quote(store_id, safe='')}", STORE_ROUTE)
    except StoreGone:
        return False
    return True


def _store(item: Mapping[str, Any]) -> MailchimpStore:
    return MailchimpStore(
        id=str(item.get("id") or ""),
        list_id=str(item.get("list_id") or ""),
        name=str(item.get("name") or ""),
        currency_code=str(item.get("currency_code") or ""),
        is_syncing=bool(item.get("is_syncing")),
        domain=str(item.get("domain") or ""),
    )


# ------------------------------------------------------------------ operations


def operation_id(kind: Kind, object_id: str, parent: str | None = None) -> str:
    """How an operation on this object is named among those sent together: no two in one sending may be about one."""
    return ":".join(filter(None, (kind.value, parent, object_id)))


def operation_of(store_id: str, step: Step, *, known: bool = False) -> Operation:
    """The call that writes a step. `known`: Mailchimp has it already, as far as we know; only carts and promos ask.

    A step of `if_missing` makes what isn't there and leaves what is.
    """
    object_id = step.body["id"]
    base, route, name = _place(store_id, step.kind, step.parent)
    named: dict[str, Any] = {
        "id": operation_id(step.kind, object_id, step.parent),
        "step": step,
        "store_id": store_id,
    }
    one, one_route = f"{base}/{quote(object_id, safe='')}", f"{route}/{{{name}}}"
    if step.if_missing:
        return Operation("POST", base, route, step.body, fine=frozenset({EXISTS}), **named)
    if step.kind not in _NO_PUT:
        return Operation("PUT", one, one_route, step.body, **named)
    if known and step.kind is not Kind.CART:
        body = {field: value for field, value in step.body.items() if field != "id"}
        return Operation("PATCH", one, one_route, body, **named)
    return Operation("POST", base, route, step.body, **named)


def deletion_of(store_id: str, kind: Kind, object_id: str, *, parent: str | None = None) -> Operation:
    """The call that deletes an order, a cart, a product, a variant, a promo rule or code; one that is gone is fine."""
    base, route, name = _place(store_id, kind, parent)
    return Operation(
        "DELETE",
        f"{base}/{quote(object_id, safe='')}",
        f"{route}/{{{name}}}",
        id=operation_id(kind, object_id, parent),
        fine=frozenset({NOT_FOUND}),
        store_id=store_id,
    )


def line_deletion_of(store_id: str, kind: Kind, object_id: str, line_id: str) -> Operation:
    """The call that takes one line out of an order or a cart."""
    base, route, name = _place(store_id, kind, None)
    return Operation(
        "DELETE",
        f"{base}/{quote(object_id, safe='')}/lines/{quote(line_id, safe='')}",
        f"{route}/{{{name}}}/lines/{{line_id}}",
        id=f"{operation_id(kind, object_id)}:line:{line_id}",
        fine=frozenset({NOT_FOUND}),
        store_id=store_id,
    )


def _place(store_id: str, kind: Kind, parent: str | None) -> tuple[str, str, str]:
    """The path of a kind's collection, its template, and the name of the id in it."""
    base, route = f"/ecommerce/stores/{quote(store_id, safe='')}", STORE_ROUTE
    if kind in _WITHIN:
        outer, outer_id = _PLACES[_WITHIN[kind]]
        if not parent:
            raise ValueError(f"a {kind} without its parent")
        base, route = f"{base}/{outer}/{quote(parent, safe='')}", f"{route}/{outer}/{{{outer_id}}}"
    name, name_id = _PLACES[kind]
    return f"{base}/{name}", f"{route}/{name}", name_id


# ------------------------------------------------------------------ carried out one by one


def write(client: MailchimpClient, store_id: str, step: Step, *, known: bool = False) -> None:
    """Write a step now, and remove what the answer shows to be stale. See `operation_of` and `perform`."""
    perform(client, operation_of(store_id, step, known=known))


def delete(client: MailchimpClient, store_id: str, kind: Kind, object_id: str, *, parent: str | None = None) -> None:
    """Delete something now; one that is gone is fine."""
    perform(client, deletion_of(store_id, kind, object_id, parent=parent))


def perform(client: MailchimpClient, operation: Operation) -> None:
    """Carry an operation out, with its second way where it needs one and with what follows from its answer.

    Raises Rejected where Mailchimp refuses it: `mc_product_missing`, `mc_customer_missing`, `mc_rule_missing` and
    `mc_not_in_audience` say what has to be written first, StoreGone that the whole store is no longer there.
    """
    try:
        answer = _call(client, operation)
    except Rejected as error:
        if error.code in operation.fine:
            return
        if not operation.has_second_way(error):
            raise
        second_way(client, operation)
        return
    for each in aftermath(operation, answer):
        perform(client, each)


def second_way(client: MailchimpClient, operation: Operation) -> None:
    """Write the operation's step by other calls: for an `Operation.has_second_way`."""
    step, store_id = operation.step, operation.store_id
    if step is None:
        raise ValueError("an operation without a step has no second way")
    if step.kind is Kind.CART:
        _write_cart(client, store_id, step)
    elif step.kind is Kind.CUSTOMER:  # their address may not be changed, but they may come anew with another
        delete(client, store_id, Kind.CUSTOMER, step.body["id"])
        _call(client, operation_of(store_id, step))
    else:
        _call(client, operation_of(store_id, step, known=operation.method == "POST"))


def aftermath(operation: Operation, answer: Mapping[str, Any]) -> list[Operation]:
    """What is to be done after an operation's answer: a PUT takes away nothing that it doesn't name.

    Lines that an order no longer has are deleted, and so are a product's images; its variants are hidden, since orders
    name them.
    """
    step, store_id = operation.step, operation.store_id
    if step is None or operation.method != "PUT":
        return []
    if step.kind is Kind.ORDER:
        order_id = step.body["id"]
        there = _ids(answer.get("lines"))
        return [line_deletion_of(store_id, Kind.ORDER, order_id, each) for each in stale_lines(there, step.body)]
    if step.kind is Kind.PRODUCT:
        return [*_hidden_variants(store_id, step.body, answer), *_gone_images(store_id, step.body, answer)]
    return []


def _hidden_variants(store_id: str, body: Body, answer: Mapping[str, Any]) -> list[Operation]:
    current = {each["id"] for each in body["variants"]}
    stale = [
        each
        for each in _objects(answer.get("variants"))
        if each["id"] not in current and not str(each["id"]).startswith(_STAND_IN)
    ]
    return [
        operation_of(
            store_id,
            Step(
                Kind.VARIANT,
                {
                    "id": each["id"],
                    "title": each.get("title") or body["title"],
                    "inventory_quantity": 0,
                    "visibility": "hidden",
                },
                parent=body["id"],
            ),
        )
        for each in stale
        if each.get("inventory_quantity") or each.get("visibility") != "hidden"
    ]


def _gone_images(store_id: str, body: Body, answer: Mapping[str, Any]) -> list[Operation]:
    if "images" not in body:
        return []
    base, route, name = _place(store_id, Kind.PRODUCT, None)
    current = {each["id"] for each in body["images"]}
    return [
        Operation(
            "DELETE",
            f"{base}/{quote(body['id'], safe='')}/images/{quote(image_id, safe='')}",
            f"{route}/{{{name}}}/images/{{image_id}}",
            id=f"{operation_id(Kind.PRODUCT, body['id'])}:image:{image_id}",
            fine=frozenset({NOT_FOUND}),
            store_id=store_id,
        )
        for image_id in _ids(answer.get("images"))
        if image_id not in current
    ]


def _call(client: MailchimpClient, operation: Operation) -> dict[str, Any]:
    if operation.method == "DELETE":
        client.delete(operation.path, operation.route)
        return {}
    content = operation.content()
    if content is None:
        return client.get(operation.path, operation.route)
    return client.send(operation.method, operation.path, operation.route, body=content)


# ------------------------------------------------------------------ carts


_HEAD = ("checkout_url", "currency_code", "order_total", "tax_total")
_LINE = ("product_id", "product_variant_id", "quantity", "price")


def _write_cart(client: MailchimpClient, store_id: str, step: Step) -> None:
    """Change a cart that is there: it keeps its age, so that its mail goes out once and in time.

    A cart of somebody else by now is made anew, since its buyer can't be changed.
    """
    body = step.body
    base, route, name = _place(store_id, Kind.CART, None)
    path, one_route = f"{base}/{quote(body['id'], safe='')}", f"{route}/{{{name}}}"
    there = get(client, store_id, Kind.CART, body["id"])
    if there is not None and (there.get("customer") or {}).get("id") != body["customer"]["id"]:
        delete(client, store_id, Kind.CART, body["id"])
        there = None
    if there is None:
        client.send("POST", base, route, body=body)
        return
    lines = {each["id"]: each for each in _objects(there.get("lines"))}
    for line in body["lines"]:
        before = lines.get(line["id"])
        if before is None:
            client.send("POST", f"{path}/lines", f"{one_route}/lines", body=line)
        elif changed := {field: line[field] for field in _LINE if before.get(field) != line[field]}:
            line_path = f"{path}/lines/{quote(line['id'], safe='')}"
            client.send("PATCH", line_path, f"{one_route}/lines/{{line_id}}", body=changed)
    for line_id in stale_lines(list(lines), body):  # last: a cart must not be without lines
        perform(client, line_deletion_of(store_id, Kind.CART, body["id"], line_id))
    if head := {field: body[field] for field in _HEAD if field in body and there.get(field) != body[field]}:
        client.send("PATCH", path, one_route, body=head)


# ------------------------------------------------------------------ reading


def get(
    client: MailchimpClient,
    store_id: str,
    kind: Kind,
    object_id: str,
    *,
    parent: str | None = None,
    fields: str = "",
) -> dict[str, Any] | None:
    """An object as Mailchimp has it; None where it has none (of the whole store being gone `get_store` tells)."""
    base, route, name = _place(store_id, kind, parent)
    params = {"fields": fields} if fields else _ALL
    try:
        return client.get(f"{base}/{quote(object_id, safe='')}", f"{route}/{{{name}}}", params)
    except Rejected as error:
        if error.code == NOT_FOUND:
            return None
        raise


def page(
    client: MailchimpClient,
    store_id: str,
    kind: Kind,
    *,
    offset: int = 0,
    count: int = PAGE,
    parent: str | None = None,
    fields: Sequence[str] = ("id",),
    **wanted_of: str,
) -> tuple[list[dict[str, Any]], int]:
    """A page of a kind's objects with these fields, and how many there are in all. Raises StoreGone.

    `wanted_of` narrows it: the `customer_id` of orders, the `email_address` of customers.
    """
    base, route, _ = _place(store_id, kind, parent)
    name = _PLACES[kind][0].replace("-", "_")
    wanted = ",".join([*(f"{name}.{field}" for field in fields), "total_items"])
    body = client.get(base, route, {"count": count, "offset": offset, "fields": wanted, **wanted_of})
    return _objects(body.get(name)), int(body.get("total_items") or 0)


def _objects(items: Any) -> list[dict[str, Any]]:
    return [each for each in items or () if isinstance(each, dict) and each.get("id")]


def _ids(items: Any) -> list[str]:
    return [str(each["id"]) for each in _objects(items)]
