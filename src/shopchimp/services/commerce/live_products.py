"""Products that changed: read again and written whole. One that was deleted is kept for its orders, never proposed."""

from __future__ import annotations

from collections.abc import Sequence

from shopchimp.db import commerce_items
from shopchimp.domain.commerce.products import retired_product
from shopchimp.domain.commerce.results import Kind, Step
from shopchimp.mailchimp import ecommerce
from shopchimp.services.commerce.drafts import draft_product
from shopchimp.services.commerce.looks import Look, Slice, each, together
from shopchimp.shopify import commerce


def look(looks: Sequence[Look], slice_: Slice) -> None:
    """Look at these products and make Mailchimp have them as they are."""
    with slice_.gateways.database.transaction() as tx:
        remembered = commerce_items.get(tx, slice_.shop_id, Kind.PRODUCT, [each.id for each in looks])
    nodes = together(looks, lambda ids: commerce.products_by_ids(slice_.shopify, ids))
    for one in looks:
        one.before, one.node = remembered.get(one.id), nodes.get(one.id)
    each(looks, lambda one: _look(one, slice_), slice_)


def _look(one: Look, slice_: Slice) -> None:
    if one.node is None:
        _retire(one, slice_)
        return
    one.draft = slice_.dated(draft_product(one.node, slice_.storefront))
    if one.same:
        one.unchanged()
        return
    slice_.write(one.draft.step)
    one.wrote(slice_.now)


def _retire(one: Look, slice_: Slice) -> None:
    there = ecommerce.get(slice_.mailchimp, slice_.store_id, Kind.PRODUCT, one.id)
    if there is not None:
        retired = retired_product(one.id, str(there.get("title") or one.id), there.get("variants") or ())
        slice_.write(Step(Kind.PRODUCT, retired.body))
    one.removed(told=there is not None)
