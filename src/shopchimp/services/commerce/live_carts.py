"""Checkouts that changed, as carts: there while they are abandoned, gone once they are empty or ordered.

A checkout can't be read by its token, so the newest word on it that we heard is all there is.
"""

from __future__ import annotations

from collections.abc import Sequence

from shopchimp.db import checkouts, commerce_items, customer_events
from shopchimp.db.checkouts import Checkout
from shopchimp.db.commerce_items import State
from shopchimp.domain.commerce.results import CommerceReason, Kind
from shopchimp.domain.commerce.spelling import short_id
from shopchimp.domain.errors import Rejected
from shopchimp.services.commerce import needs
from shopchimp.services.commerce.drafts import draft_cart
from shopchimp.services.commerce.looks import ABOUT_THE_BUYER, Look, Slice, each, item_of, leave_out_erased

_OVER = frozenset({CommerceReason.CART_COMPLETED.value, CommerceReason.CART_EMPTY.value})


def look(looks: Sequence[Look], slice_: Slice) -> None:
    """Look at these checkouts and make Mailchimp have their carts, or none. `id` of a look is the checkout's token."""
    with slice_.gateways.database.transaction() as tx:
        told = checkouts.get(tx, slice_.shop_id, [one.id for one in looks])
        customer_events.checkout_was_told(tx, slice_.shop_id, sorted(told))  # whose visitors have a person by that
    each(looks, lambda one: _draft(one, told.get(one.id), slice_), slice_)
    leave_out_erased(looks, slice_)
    drafted = [one for one in looks if one.open]
    with slice_.gateways.database.transaction() as tx:
        remembered = commerce_items.get(tx, slice_.shop_id, Kind.CART, [one.drafted().id for one in drafted])
    for one in drafted:
        one.id = one.drafted().id
        one.before = remembered.get(one.id)
    each(drafted, lambda one: _sort(one, slice_), slice_)
    needs.bring(drafted, slice_)
    _announce(drafted, slice_)
    each(drafted, lambda one: _write(one, slice_), slice_)
    _look_for_orders(looks, told, slice_)


def _draft(one: Look, told: Checkout | None, slice_: Slice) -> None:
    """What is known of the checkout; nothing of one that was forgotten, or never told of.

    One that was deleted, or erased with its buyer, is kept without its contents: that is an empty one.
    """
    if told is None:
        one.id, one.ended = short_id(one.id), True
        return
    one.node = {**told.node, "token": told.token}
    one.draft = draft_cart(one.node, slice_.storefront, ordered=told.ordered)


def _sort(one: Look, slice_: Slice) -> None:
    reason = one.drafted().reason
    if reason is None:
        if one.same:
            one.unchanged()
    elif reason in _OVER:
        _end(one, slice_)
    else:
        if one.before is not None and one.before.state == State.SYNCED:  # its buyer took their address back
            slice_.delete(Kind.CART, one.id)
            one.before = None
        one.skip(reason)


def _end(one: Look, slice_: Slice) -> None:
    if one.before is not None and one.before.state != State.SKIPPED:
        slice_.delete(Kind.CART, one.id)
    one.removed(told=one.known)


def _announce(looks: Sequence[Look], slice_: Slice) -> None:
    """That these carts may be at Mailchimp is remembered before they are: their orders look there to end them."""
    new = [item_of(one.drafted(), State.SYNCED) for one in looks if one.open and not one.known]
    if new:
        with slice_.gateways.database.transaction() as tx:
            commerce_items.put(tx, slice_.shop_id, new)


def _write(one: Look, slice_: Slice) -> None:
    step = one.drafted().step
    try:
        needs.write(one, step, slice_)
    except Rejected as error:
        if error.code not in ABOUT_THE_BUYER:
            raise
        one.skip(error.code, error.detail[:500])
    else:
        one.wrote(slice_.now)


def _look_for_orders(looks: Sequence[Look], told: dict[str, Checkout], slice_: Slice) -> None:
    """An order that came while we wrote its cart has found no cart to end, so we end it."""
    tokens = {one.key.partition(":")[2]: one for one in looks if one.items and one.error is None}
    with slice_.gateways.database.transaction() as tx:
        now = checkouts.get(tx, slice_.shop_id, [token for token in tokens if not told[token].ordered])
    late = [tokens[token] for token, checkout in now.items() if checkout.ordered]
    for one, answer in zip(late, slice_.side_by_side(lambda one: slice_.delete(Kind.CART, one.id), late), strict=True):
        one.items.clear()
        one.lines.clear()
        if isinstance(answer, Exception):
            one.fail(answer)
        else:
            one.removed(told=False)
