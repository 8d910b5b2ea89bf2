"""Discounts and their codes, page by page: a discount may hold a hundred thousand codes (S64, S65)."""

from __future__ import annotations

from typing import Any

from shopchimp.shopify import commerce_documents as documents
from shopchimp.shopify.client import ShopifyClient
from shopchimp.shopify.commerce_pages import Node, Page

WITH_CODES = "method:code"  # automatic discounts have none


def discounts_page(client: ShopifyClient, after: str | None = None, query: str = WITH_CODES) -> Page:
    """Fifty discounts in the order of their ids, each with its first ten codes (`codes_inside`)."""
    data = client.execute(documents.DISCOUNTS_PAGE, "DiscountsPage", {"query": query, "after": after})
    return _page(data.get("discountNodes"))


def discount_by_id(client: ShopifyClient, discount_id: str) -> Node | None:
    """One discount by its global id, or by its number; None where it is gone."""
    found = client.execute(documents.DISCOUNT_BY_ID, "DiscountById", {"id": gid(discount_id)}).get("discountNode")
    return found if isinstance(found, dict) else None


def codes_inside(node: Node) -> tuple[Node, ...] | None:
    """The codes of a discount if they came with it; None where there are more of them."""
    found = _page((node.get("discount") or {}).get("codes"))
    return found.nodes if found.after is None else None


def codes_page(client: ShopifyClient, discount_id: str, after: str | None = None) -> Page | None:
    """250 codes of a discount; None where the discount is gone."""
    variables = {"id": gid(discount_id), "after": after}
    node = client.execute(documents.CODES_OF_DISCOUNT, "DiscountRedeemCodes", variables).get("discountNode")
    return _page((node.get("discount") or {}).get("codes")) if isinstance(node, dict) else None


def gid(discount_id: str) -> str:
    """The global id of a code discount; it names the node of its codes, not `DiscountNode` (shopify.md 2.6)."""
    return discount_id if discount_id.startswith("gid://") else f"gid://shopify/DiscountCodeNode/{discount_id}"


def _page(connection: Any) -> Page:
    if not isinstance(connection, dict):
        return Page((), None)
    info = connection.get("pageInfo") or {}
    nodes = tuple(node for node in connection.get("nodes") or () if node)
    return Page(nodes, info.get("endCursor") if info.get("hasNextPage") else None)
