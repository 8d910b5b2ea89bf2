"""Orders that changed: read again, compared with what Mailchimp has, written as they stand now.

An order that has just been placed passes through the statuses that send mails, each once: that the first of them was
written is remembered before the next is. What was placed before the lane opened, or is a day old, or was known, is
written in its last state alone; if Mailchimp hasn't got it, while automations are held (`commerce.late`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from shopchimp.db import changes, checkouts, commerce_items
from shopchimp.db.commerce_items import State
from shopchimp.db.intake_commerce import DELETED
from shopchimp.domain.commerce.orders import order_writes
from shopchimp.domain.commerce.results import Kind, Skip, Step
from shopchimp.domain.commerce.spelling import short_id
from shopchimp.domain.errors import Rejected
from shopchimp.mailchimp import ecommerce
from shopchimp.services.commerce import needs
from shopchimp.services.commerce.drafts import digest_of, draft_order
from shopchimp.services.commerce.looks import ABOUT_THE_BUYER, Look, Slice, each, item_of, leave_out_erased, together
from shopchimp.services.driving import LeaseEnded
from shopchimp.shopify import commerce
from shopchimp.shopify.customers import parse_time

NEWS = timedelta(hours=24)  # so long an order is news to its buyer
A_SECOND = timedelta(seconds=1)
VISIBLE = timedelta(days=59)  # an older order can't be seen without read_all_orders: that it isn't found says nothing


def look(looks: Sequence[Look], slice_: Slice) -> None:
    """Look at these orders and make Mailchimp have them as they are."""
    with slice_.gateways.database.transaction() as tx:
        remembered = commerce_items.get(tx, slice_.shop_id, Kind.ORDER, [each.id for each in looks])
    nodes = together(looks, lambda ids: commerce.orders_by_ids(slice_.shopify, ids))
    for one in looks:
        one.before, one.node = remembered.get(one.id), nodes.get(one.id)
    there = [one for one in looks if one.open and one.node is not None]
    each([one for one in looks if one.node is None], lambda one: _gone(one, slice_), slice_)
    each(there, lambda one: _draft(one, slice_), slice_)
    leave_out_erased(there, slice_)
    _end_carts(there, slice_)
    for one in there:
        if one.open and one.drafted().reason is not None:
            one.skip(str(one.drafted().reason))
        elif one.open and one.same:
            one.unchanged()
        elif one.open and not slice_.quiet and not one.known and not is_news(one, slice_):
            one.late = True
    needs.bring(there, slice_)
    _write(there, slice_)


def _draft(one: Look, slice_: Slice) -> None:
    assert one.node is not None  # noqa: S101 - tells the type checker
    one.draft = slice_.dated(draft_order(one.node, slice_.storefront))


def _gone(one: Look, slice_: Slice) -> None:
    """Deleted in Shopify, or only too old to be seen: then it stays as it is."""
    at: datetime | None = None
    if one.before is not None:
        at = one.before.occurred_at
    else:  # perhaps written by somebody who died before it was remembered
        there = ecommerce.get(slice_.mailchimp, slice_.store_id, Kind.ORDER, one.id, fields="id,processed_at_foreign")
        at = parse_time(there.get("processed_at_foreign")) if there is not None else None
    if at is None and one.before is None:
        one.ended = True
    elif one.change.source == DELETED or slice_.sees_all_orders or (at is not None and slice_.now - at < VISIBLE):
        slice_.delete(Kind.ORDER, one.id)
        one.removed()
    else:
        one.ended = True


# ------------------------------------------------------------------ carts


def _end_carts(looks: Sequence[Look], slice_: Slice) -> None:
    """No cart outlives its order. That it is ordered is noted first: who is just writing the cart looks for that."""
    tokens = {str(one.node["checkoutToken"]) for one in looks if one.node and one.node.get("checkoutToken")}
    tokenless = {
        str(one.node["cartToken"])
        for one in looks
        if one.node and one.node.get("cartToken") and not one.node.get("checkoutToken")
    }
    if not tokens and not tokenless:
        return
    with slice_.gateways.database.transaction() as tx:
        if tokenless:
            tokens |= {each.token for each in checkouts.by_cart(tx, slice_.shop_id, tokenless)}
        checkouts.mark_ordered(tx, slice_.shop_id, tokens)
    with slice_.gateways.database.transaction() as tx:
        carts = commerce_items.get(tx, slice_.shop_id, Kind.CART, [short_id(token) for token in tokens])
    answers = slice_.side_by_side(lambda cart: slice_.delete(Kind.CART, cart), carts)
    failed = {cart: error for cart, error in zip(carts, answers, strict=True) if isinstance(error, Exception)}
    with slice_.gateways.database.transaction() as tx:
        commerce_items.forget(tx, slice_.shop_id, Kind.CART, [cart for cart in carts if cart not in failed])
    for one in looks:
        if one.open and one.draft is not None and one.draft.cart in failed:
            one.fail(failed[one.draft.cart])


# ------------------------------------------------------------------ writing


def is_news(one: Look, slice_: Slice) -> bool:
    """Whether the buyer is to be told: the order is new to Mailchimp, and placed just now."""
    if one.known or one.node is None or slice_.quiet:
        return False
    placed = [parse_time(one.node.get(name)) for name in ("createdAt", "processedAt")]
    return all(at is None or _is_recent(at, slice_) for at in placed)


def _is_recent(at: datetime, slice_: Slice) -> bool:
    """Placed since the lane opened, or within that very second: their times say no more, and nobody is left untold."""
    return at > slice_.since - A_SECOND and slice_.now - at < NEWS


def _write(looks: Sequence[Look], slice_: Slice) -> None:
    """Write these orders: those that are news with each status on their way, all a step at a time."""
    ways = {one.key: _way(one, slice_) for one in looks if one.open}
    while early := [one for one in looks if one.open and len(ways[one.key]) > 1]:
        each(early, lambda one: _put(one, ways[one.key][0], slice_), slice_)
        _remember_early([one for one in early if one.open], ways, slice_)
        for one in early:
            ways[one.key].pop(0)
    each(looks, lambda one: _end(one, ways[one.key][0], slice_), slice_)


def _way(one: Look, slice_: Slice) -> list[Step]:
    assert one.node is not None  # noqa: S101 - tells the type checker
    steps = order_writes(one.node, slice_.storefront, live=is_news(one, slice_), known=one.known)
    assert not isinstance(steps, Skip)  # noqa: S101 - the skipped ones have ended
    return [step for step in steps if step.kind is Kind.ORDER]


def _end(one: Look, step: Step, slice_: Slice) -> None:
    _put(one, step, slice_)
    if one.open:
        one.wrote(slice_.now)


def _put(one: Look, step: Step, slice_: Slice) -> None:
    try:
        needs.write(one, step, slice_)
    except Rejected as error:
        if error.code not in ABOUT_THE_BUYER:
            raise
        one.skip(error.code, error.detail[:500])


def _remember_early(looks: Sequence[Look], ways: Mapping[str, Sequence[Step]], slice_: Slice) -> None:
    """Mailchimp has told these buyers so much: whoever goes on from here doesn't begin anew."""
    with slice_.gateways.database.transaction() as tx:
        ours = changes.still_held(tx, slice_.shop_id, slice_.token, [one.key for one in looks])
        items = [
            item_of(one.drafted(), State.SYNCED, digest=digest_of(ways[one.key][0].body), written_at=slice_.now)
            for one in looks
            if one.key in ours
        ]
        commerce_items.put(tx, slice_.shop_id, items)
    for one in looks:
        if one.key not in ours:
            one.fail(LeaseEnded())
