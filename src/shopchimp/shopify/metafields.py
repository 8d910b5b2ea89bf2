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

_THERE = frozenset({"TAKEN", "UNSTRUCTURED_ALREADY_EXISTS"})
_GONE = ("owner does not exist", "owner not found", "customer does not exist")


@dataclass(frozen=True, slots=True)
class Tracked:
    """A customer's address as it is now, and whether their opens may be followed."""

    id: int
    email: str | None
    follows_opens: bool


def define(client: ShopifyClient) -> list[str]:
    """Make the definitions that are not there yet: only defined metafields can be asked for in segments.

    Gives back those that Shopify refuses, by key (too many definitions, say): their values are written all the same.
    """
    data = client.execute(documents.CUSTOMER_DEFINITIONS, "CustomerMetafieldDefinitions", {"namespace": NAMESPACE})
    nodes = (data.get("metafieldDefinitions") or {}).get("nodes") or ()
    there = {node.get("key") for node in nodes}
    refused = []
    for key in DEFINITIONS:
        if key in there:
            continue
        definition = {
            "name": label(key),
            "namespace": NAMESPACE,
            "key": key,
            "type": DEFINITIONS[key],
            "ownerType": "CUSTOMER",
            "capabilities": {"adminFilterable": {"enabled": True}},
        }
        made = client.execute(documents.DEFINITION_CREATE, "MetafieldDefinitionCreate", {"definition": definition})
        errors = (made.get("metafieldDefinitionCreate") or {}).get("userErrors") or ()
        if any(error.get("code") not in _THERE for error in errors):
            refused.append(key)
    return refused


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


def write(client: ShopifyClient, values: Mapping[int, Mapping[str, str]]) -> dict[int, UserError | None]:
    """Set the metafields of a group of customers; None where Shopify took them, all of one customer's or none."""
    outcome: dict[int, UserError | None] = {}
    left = dict(values)
    while left:
        owners = [customer_id for customer_id, mine in left.items() for _ in mine]
        rows = [row for customer_id, mine in left.items() for row in inputs(customer_id, mine)]
        data = client.execute(documents.METAFIELDS_SET, "MetafieldsSet", {"metafields": rows})
        bad = _refusals(data.get("metafieldsSet"), owners)
        if not bad:
            return outcome | dict.fromkeys(left)
        outcome |= bad
        left = {customer_id: mine for customer_id, mine in left.items() if customer_id not in bad}
    return outcome


def _refusals(payload: Any, owners: Sequence[int]) -> dict[int, UserError]:
    """Whose metafields were refused. An error that names none is everybody's."""
    if not isinstance(payload, dict):
        raise Unavailable("shopify", "sh_unreachable", "an answer without metafields")
    bad: dict[int, UserError] = {}
    for error in payload.get("userErrors") or ():
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
