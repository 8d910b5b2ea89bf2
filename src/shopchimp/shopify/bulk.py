"""Bulk operations: start, look, stream the result line by line, and put together again what belongs together.

The whole file is never in memory.

https://shopify.dev/docs/api/usage/bulk-operations/queries
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from shopchimp.domain.errors import RateLimited, Rejected, Unavailable
from shopchimp.shopify import documents
from shopchimp.shopify.client import PLATFORM, ShopifyClient

RUNNING = frozenset({"CREATED", "RUNNING", "CANCELING"})


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """Where a bulk operation stands. `objects` counts what was found so far."""

    id: str
    status: str
    error_code: str | None
    objects: int
    url: str | None

    @property
    def is_running(self) -> bool:
        """Whether it is worth looking again later."""
        return self.status in RUNNING


def pause(looks: int) -> float:
    """Seconds until the next look at an operation that was running in the last so many: more and more, to ten."""
    return float(min(0.1 * 1.5 ** min(looks, 15), 10.0))


def why_not(operation: BulkOperation | None) -> str:
    """What Shopify says of an operation that did not complete, for the log."""
    return "no longer known" if operation is None else f"{operation.status} {operation.error_code or ''}"


def start(client: ShopifyClient, query: str, *, grouped: bool = False) -> str:
    """Start a bulk query and give back its id; RateLimited when five are already running for this shop.

    `grouped`: what is inside an object follows right after it, as `assemble` needs it. Shopify takes longer for that.
    """
    variables = {"query": query, "groupObjects": grouped}
    payload = client.execute(documents.BULK_RUN_QUERY, "BulkOperationRunQuery", variables)
    result = payload.get("bulkOperationRunQuery") or {}
    for error in result.get("userErrors") or ():
        if error.get("code") in {"OPERATION_IN_PROGRESS", "LIMIT_REACHED"}:
            raise RateLimited(PLATFORM, "sh_bulk_busy", str(error.get("message") or ""), retry_after=10.0)
        raise Rejected(PLATFORM, "sh_bulk_refused", str(error.get("message") or ""))
    operation = result.get("bulkOperation") or {}
    if not operation.get("id"):
        raise Unavailable(PLATFORM, "sh_unreachable", "a bulk operation without an id")
    return str(operation["id"])


def look(client: ShopifyClient, operation_id: str) -> BulkOperation | None:
    """How the operation stands; None when Shopify no longer knows it."""
    data = client.execute(documents.BULK_BY_ID, "BulkOperationById", {"id": operation_id})
    found = data.get("bulkOperation")
    if not isinstance(found, dict):
        return None
    return BulkOperation(
        id=operation_id,
        status=str(found.get("status") or ""),
        error_code=found.get("errorCode"),
        objects=int(found.get("objectCount") or 0),
        url=found.get("url") or None,
    )


def _object(line: bytes) -> dict[str, Any]:
    """The object of a line; anything else that JSON allows there says nothing about a customer."""
    parsed = orjson.loads(line)
    return parsed if isinstance(parsed, dict) else {}


def lines(client: ShopifyClient, url: str, *, allowed_hosts: frozenset[str]) -> Iterator[dict[str, Any]]:
    """The objects of a finished operation, one a line, in file order. Unavailable when the stream breaks."""
    answer = client.download(url, allowed_hosts=allowed_hosts)
    rest = b""
    try:
        for block in answer.iter_bytes(1 << 18):
            *whole, rest = (rest + block).split(b"\n")
            yield from (_object(line) for line in whole if line.strip())
        if rest.strip():
            yield _object(rest)
    except (httpx.HTTPError, orjson.JSONDecodeError) as error:
        raise Unavailable(PLATFORM, "sh_unreachable", f"a bulk result broke off: {type(error).__name__}") from error
    finally:
        answer.close()


class Ungrouped(ValueError):
    """What is inside an object came when that object was over: better none of it than a part that looks whole."""


# what a list is called in its parent, by the kind of the things in it; those without an id are an order's discounts
_LISTS = {"LineItem": "lineItems", "ProductVariant": "variants", None: "discountApplications"}
_OTHERS = "media"  # pictures, videos and models, each a kind of its own
_HAS = {"Order": ("lineItems", "discountApplications"), "Product": ("media", "variants"), "ProductVariant": ("media",)}


def assemble(found: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Whole objects out of the lines of a grouped result: what is inside each, in lists called as in the query.

    Raises Ungrouped where something belongs to an object that is over.
    """
    root: dict[str, Any] | None = None
    inside: dict[str, dict[str, Any]] = {}
    for line in found:
        parent_id = line.pop("__parentId", None)
        kind = _kind(line)
        for name in _HAS.get(kind or "", ()):
            line[name] = []
        if parent_id is None:
            if root is not None:
                yield root
            root, inside = line, {str(line.get("id")): line}
            continue
        parent = inside.get(str(parent_id))
        if parent is None:
            raise Ungrouped(f"{kind} of {parent_id}, which is over")
        parent.setdefault(_LISTS.get(kind, _OTHERS), []).append(line)
        if kind in _HAS:
            inside[str(line["id"])] = line
    if root is not None:
        yield root


def _kind(line: dict[str, Any]) -> str | None:
    """The type in a global id: `gid://shopify/LineItem/7`."""
    parts = str(line.get("id") or "").split("/")
    return parts[3] if len(parts) > 4 else None
