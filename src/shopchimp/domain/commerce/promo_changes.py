"""What a promo run has to do for a rule or a code, from its mapping and from what Mailchimp has by our memory.

A digest is of the body that Mailchimp took last; none means that Mailchimp doesn't have it. So what was cut off or
refused is tried again by the next run, and what is equal costs no call.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Any

from shopchimp.domain.commerce.results import Body, Result, Skip, Unsupported, Write
from shopchimp.domain.commerce.store import Node, Storefront

PAGE_END = 25_000
"""Shopify lists no more than this many objects by paging: a longer list is not known to be complete."""


class Act(StrEnum):
    """What is to be done at Mailchimp. There is no upsert for rules and codes: which of the two goes first is known."""

    ADD = "added"
    CHANGE = "changed"
    REMOVE = "removed"
    NONE = "unchanged"


def digest(body: Body) -> bytes:
    """The same for the same content, whatever its order."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).digest()


def act(result: Result, known: bytes | None) -> Act:
    """What a mapping asks for, given the digest of what Mailchimp has."""
    if not isinstance(result, Write):
        return Act.NONE if known is None else Act.REMOVE
    if known is None:
        return Act.ADD
    return Act.NONE if known == digest(result.body) else Act.CHANGE


def reading(discount_node: Node, result: Result, store: Storefront) -> str:
    """A fingerprint of all that makes a discount's codes worth reading again: equal, and none of them has changed.

    Their addresses are the storefront's, and what becomes of them depends on the rule's kind, so both are in it.
    Whether the discount is open is not: no code says it.
    """
    discount: Node = discount_node.get("discount") or {}
    reason = result.reason.value if isinstance(result, (Skip, Unsupported)) else None
    facts: list[Any] = [
        discount.get("updatedAt"),
        codes_count(discount_node),
        discount.get("asyncUsageCount"),
        reason,
        store.url,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def codes_count(discount_node: Node) -> int | None:
    """How many codes the discount has, by its own word."""
    counted = (discount_node.get("discount") or {}).get("codesCount") or {}
    return counted.get("count")


def is_complete(read: int, expected: int | None) -> bool:
    """Whether a walk that came to its end has seen all codes: only then is what it did not see gone."""
    return read < PAGE_END or (expected is not None and read >= expected)
