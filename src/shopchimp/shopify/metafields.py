"""Customers' metafields: defined once a shop, written 25 a call, one bad customer stopping nobody.

A call is all or nothing, but it says which of its metafields was the bad one. So its customer is left out, with
Shopify's words, and the rest is sent once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shopchimp.domain.customer_events.metafields import DEFINITIONS, NAMESPACE, inputs, label
from shopchimp.domain.errors import Rejected, Unavailable
from shopchimp.shopify import engagement_documents as documents
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.customers import PAGE, UserError, gid

_THERE = "TAKEN"
_NO_FILTER_LEFT = "OWNER_TYPE_LIMIT_EXCEEDED_FOR_USE_AS_ADMIN_FILTERS"
_OTHER_TYPE, _PASSES = "INVALID_TYPE", "INTERNAL_ERROR"
_GONE = ("owner does not exist", "owner not found", "customer does not exist")


@dataclass(frozen=True, slots=True)
class Tracked:
    """A customer's address as it is now, and whether their opens may be followed."""

    id: int
    email: str | None
    follows_opens: bool


def define(client: ShopifyClient) -> list[str]:
    """Make the definitions that are not there yet: only defined metafields can be asked for in segments.

    Gives back those that can't be had, by key: Shopify refuses them (too many definitions, say), their values are
    written all the same; or there is one of another type, which takes no values of ours.
    """
    data = client.execute(documents.CUSTOMER_DEFINITIONS, "CustomerMetafieldDefinitions", {"namespace": NAMESPACE})
    nodes = (data.get("metafieldDefinitions") or {}).get("nodes") or ()
    there = {node.get("key"): (node.get("type") or {}).get("name") for node in nodes}
    refused = []
    for key, kind in DEFINITIONS.items():
        if key in there:
            refused += [key] if there[key] not in (kind, None) else []
            continue
        definition = {
            "name": label(key),
            "namespace": NAMESPACE,
            "key": key,
            "type": kind,
            "ownerType": "CUSTOMER",
            "capabilities": {"adminFilterable": {"enabled": True}},
        }
        codes = _create(client, definition)
        if _NO_FILTER_LEFT in codes:  # of lists in the admin; segments don't need it
            codes = _create(client, {name: value for name, value in definition.items() if name != "capabilities"})
        if codes - {_THERE}:
            refused.append(key)
    return refused


def _create(client: ShopifyClient, definition: Mapping[str, Any]) -> set[str]:
    made = client.execute(documents.DEFINITION_CREATE, "MetafieldDefinitionCreate", {"definition": definition})
    errors = (made.get("metafieldDefinitionCreate") or {}).get("userErrors") or ()
    return {str(error.get("code") or "") for error in errors}


def tracking(client: ShopifyClient, customer_ids: Sequence[int]) -> dict[int, Tracked]:
    """These customers as they are now; who is gone is missing."""
    found: dict[int, Tracked] = {}
    for start in range(0, len(customer_ids), PAGE):
        ids = customer_ids[start : start + PAGE]
        data = client.execute(documents.CUSTOMERS_TRACKING, "CustomersTracking", {"ids": [gid(each) for each in ids]})
        nodes = data.get("nodes") or []
        if len(nodes) != len(ids):
            raise Unavailable("shopify", "sh_unreachable", f"{len(nodes)} answers for {len(ids)} customers")
        for customer_id, node in zip(ids, nodes, strict=True):
            if isinstance(node, dict) and node.get("id"):
                address = node.get("defaultEmailAddress") or {}
                follows = address.get("openTrackingLevel") != "OPTED_OUT"
                found[customer_id] = Tracked(customer_id, address.get("emailAddress"), follows)
    return found


def write(
    client: ShopifyClient, values: Mapping[int, Mapping[str, str]], unfit: set[str]
) -> dict[int, UserError | None]:
    """Set the metafields of a group of customers; None where Shopify took them, all of one customer's or none.

    Those that somebody else defined with another type are nobody's fault: they are left out, and put into `unfit`.
    """
    outcome: dict[int, UserError | None] = {}
    left = dict(values)
    while left := {customer_id: mine for customer_id, mine in left.items() if mine}:
        owners = [customer_id for customer_id, mine in left.items() for _ in mine]
        rows = [row for customer_id, mine in left.items() for row in inputs(customer_id, mine)]
        data = client.execute(documents.METAFIELDS_SET, "MetafieldsSet", {"metafields": rows})
        if others := _of_other_type(data.get("metafieldsSet"), rows):
            unfit |= others
            left = {owner: {key: mine[key] for key in mine if key not in unfit} for owner, mine in left.items()}
            continue
        bad = _refusals(data.get("metafieldsSet"), owners)
        if not bad:
            break
        outcome |= bad
        left = {customer_id: mine for customer_id, mine in left.items() if customer_id not in bad}
    return dict.fromkeys(values) | outcome


def _of_other_type(payload: Any, rows: Sequence[Mapping[str, str]]) -> set[str]:
    errors = payload.get("userErrors") or () if isinstance(payload, dict) else ()
    places = [_index(error) for error in errors if error.get("code") == _OTHER_TYPE]
    return {rows[place]["key"] for place in places if place is not None and place < len(rows)}


def _refusals(payload: Any, owners: Sequence[int]) -> dict[int, UserError]:
    """Whose metafields were refused. An error that names none is everybody's."""
    if not isinstance(payload, dict):
        raise Unavailable("shopify", "sh_unreachable", "an answer without metafields")
    bad: dict[int, UserError] = {}
    for error in payload.get("userErrors") or ():
        if error.get("code") == _PASSES:
            raise Unavailable("shopify", "sh_unreachable", str(error.get("message") or "")[:200])
        refusal = _user_error(error)
        index = _index(error)
        for owner in (owners[index],) if index is not None and index < len(owners) else set(owners):
            bad.setdefault(owner, refusal)
    return bad


def _index(error: Mapping[str, Any]) -> int | None:
    """Which metafield it was: said outright, or by the path `metafields, 3, value`."""
    index = error.get("elementIndex")
    if isinstance(index, int) and index >= 0:
        return index
    return next((int(part) for part in error.get("field") or () if str(part).isdigit()), None)


def _user_error(error: Mapping[str, Any]) -> UserError:
    words = str(error.get("message") or "")
    gone = any(part in words.lower() for part in _GONE)
    return UserError(
        "sh_customer_gone" if gone else "sh_metafield_refused", f"{error.get('code') or ''} {words}".strip()
    )


def refused(error: UserError) -> Rejected:
    """The same as an exception, for who parks a record with it."""
    return Rejected("shopify", error.code, error.message)
