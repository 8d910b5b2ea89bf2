"""Customers who changed: read again and written as they are now, after their contact; orders bring their buyers alone.

Who was left out as a contact is no customer at Mailchimp either, for the same reason. One who was deleted in Shopify
(where nobody with orders can be, but customers are merged) stays while orders or carts at Mailchimp name them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shopchimp.db import buyers, commerce_items, people
from shopchimp.db.commerce_items import State
from shopchimp.domain.commerce.results import Kind
from shopchimp.domain.commerce.store import Node
from shopchimp.domain.errors import Rejected
from shopchimp.mailchimp import ecommerce
from shopchimp.services.commerce import needs
from shopchimp.services.commerce.drafts import NO_CONTACT, customer_node, draft_customer
from shopchimp.services.commerce.looks import (
    ABOUT_THE_BUYER,
    Look,
    Slice,
    each,
    item_of,
    leave_out_erased,
    together,
)
from shopchimp.shopify import customers

_DEALS = (Kind.ORDER.value, Kind.CART.value)


def look(looks: Sequence[Look], slice_: Slice) -> None:
    """Look at these customers and make Mailchimp have them as they are."""
    with slice_.gateways.database.transaction() as tx:
        remembered = commerce_items.get(tx, slice_.shop_id, Kind.CUSTOMER, [one.id for one in looks])
    nodes = together(looks, lambda ids: _read(ids, slice_))
    for one in looks:
        one.before, one.node = remembered.get(one.id), nodes.get(one.id)
    each([one for one in looks if one.node is None], lambda one: _gone(one, slice_), slice_)
    there = [one for one in looks if one.open]
    each(there, lambda one: _draft(one, slice_), slice_)
    leave_out_erased(there, slice_)
    for one in there:
        if one.open and one.drafted().reason is not None:
            _leave_out(one, State.SKIPPED, str(one.drafted().reason))
        elif one.open and one.same:
            one.unchanged()
    _after_their_contacts([one for one in there if one.open], slice_)
    each(there, lambda one: _write(one, slice_), slice_)


def _read(ids: Sequence[str], slice_: Slice) -> dict[str, Node]:
    found = customers.by_ids(slice_.shopify, [int(each) for each in ids])
    return {
        str(one.id): customer_node(one.id, one.consent.email, one.fields, one.updated_at)
        for one in found
        if one is not None
    }


def _draft(one: Look, slice_: Slice) -> None:
    assert one.node is not None  # noqa: S101 - tells the type checker
    one.draft = slice_.dated(draft_customer(one.node))


def _after_their_contacts(looks: Sequence[Look], slice_: Slice) -> None:
    """Wait for the contacts that are to come; who is none and will be none is left out."""
    keys = [str(one.drafted().key) for one in looks]
    with slice_.gateways.database.transaction() as tx:
        found, standings = buyers.find(tx, slice_.shop_id, keys), people.standings(tx, slice_.shop_id, keys)
    for one in looks:
        key = str(one.drafted().key)
        person, waits = standings.get(key), key in found.coming and one.change.attempts <= needs.PATIENCE
        if person is not None and person.contact_status == "absent" and not waits:
            state = State.FAILED if person.result == "failed" else State.SKIPPED
            _leave_out(one, state, person.reason or NO_CONTACT)
    needs.ask_for_contacts([one for one in looks if one.open], found, slice_)


def _leave_out(one: Look, state: State, reason: str) -> None:
    """They aren't for Mailchimp, as the log says of their contact. What Mailchimp got before stays there."""
    one.ended = True
    if one.known and one.before is not None:
        one.items.append(replace(one.before, source_updated_at=one.drafted().source_updated_at))
    else:
        one.items.append(item_of(one.drafted(), state, reason=reason, digest=one.drafted().digest))


def _write(one: Look, slice_: Slice) -> None:
    """The one write; another address is a customer made anew, which `ecommerce.perform` sees to."""
    try:
        slice_.write(one.drafted().step)
    except Rejected as error:
        if error.code not in ABOUT_THE_BUYER:
            raise
        one.skip(error.code, error.detail[:500])
        # the digest of what was refused: the same is not tried again
        one.items = [replace(item, digest=one.drafted().digest) for item in one.items]
    else:
        one.wrote(slice_.now)


def _gone(one: Look, slice_: Slice) -> None:
    if _has_deals(one, slice_):
        one.removed(told=False)
        return
    slice_.delete(Kind.CUSTOMER, one.id)
    one.removed(told=one.known)


def _has_deals(one: Look, slice_: Slice) -> bool:
    """Whether anything at Mailchimp names them, as far as we know or as Mailchimp says: orders may be older than us."""
    with slice_.gateways.database.transaction() as tx:
        ours = commerce_items.of_person(tx, slice_.shop_id, None, int(one.id), _DEALS)
    if any(item.written_at is not None for item in ours):
        return True
    return bool(ecommerce.page(slice_.mailchimp, slice_.store_id, Kind.ORDER, count=1, customer_id=one.id)[0])
