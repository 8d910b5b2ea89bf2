"""Live sync of the store's things: orders, products, customers, checkouts and discounts that changed, a few at once.

As with people, `work` is given claimed changes of one shop and may be killed anywhere: everything it writes may be
written twice, and nothing is remembered before it was done. A payload is a hint; what is written is read here again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from shopchimp.db import changes, checkouts, marking, shops
from shopchimp.db.changes import Claimed
from shopchimp.domain.commerce.results import Kind
from shopchimp.domain.errors import Unauthorized
from shopchimp.services import settings
from shopchimp.services.commerce import (
    live_carts,
    live_customers,
    live_orders,
    live_products,
    live_recording,
    promo,
    store,
)
from shopchimp.services.commerce.looks import HELD_FOR, Look, Slice
from shopchimp.services.gateways import Gateways
from shopchimp.services.live import Worked
from shopchimp.shopify import commerce

WORKS_FOR = 1.0  # seconds: then it is another lane's turn
AT_ONCE = 10  # looked at together; more where we hold more slots
A_SLOT = 4

# in this order: what an order names is there before it, and its cart is looked at after it
_KINDS: dict[str, tuple[Kind, Callable[[Sequence[Look], Slice], None]]] = {
    "product": (Kind.PRODUCT, live_products.look),
    "buyer": (Kind.CUSTOMER, live_customers.look),
    "order": (Kind.ORDER, live_orders.look),
    "checkout": (Kind.CART, live_carts.look),
}
_SILENT = ("product:", "buyer:")  # what sets off no mail


def work(
    gateways: Gateways,
    shop_id: int,
    claimed: Sequence[Claimed],
    *,
    token: UUID,
    slots: int,
    lost: threading.Event | None = None,
    quiet: bool = False,
) -> Worked:
    """Look at these and record what came of it, but the troubles; what there is no time for is left claimed.

    `quiet`: automations are held for us, and nobody is told of anything.
    """
    worked = Worked()
    claimed = _told_only(gateways, shop_id, claimed, token=token, worked=worked)
    if not claimed:
        return worked
    with ThreadPoolExecutor(max(slots, 1), thread_name_prefix="store") as pool:
        slice_ = _open(gateways, shop_id, token=token, pool=pool, lost=lost or threading.Event(), quiet=quiet)
        if slice_.held:
            claimed = _wait(slice_, claimed, worked)
        for name, (kind, look) in _KINDS.items():
            mine = [each for each in claimed if each.key.partition(":")[0] == name]
            size = max(AT_ONCE, A_SLOT * slots)
            for start in range(0, len(mine), size):
                if slice_.over and (worked.done or worked.troubles):
                    return worked
                _look(mine[start : start + size], kind, look, slice_, worked)
    return worked


def _look(
    part: Sequence[Claimed],
    kind: Kind,
    look: Callable[[Sequence[Look], Slice], None],
    slice_: Slice,
    worked: Worked,
) -> None:
    looks = [Look(each, kind, each.key.partition(":")[2]) for each in part]
    slice_.now = slice_.gateways.clock()
    look(looks, slice_)
    live_recording.record(slice_.gateways.database, slice_.shop_id, looks, slice_.token)
    worked.troubles |= {each.key: each.error for each in looks if each.error is not None}
    worked.done += sum(each.error is None for each in looks)


def _open(
    gateways: Gateways, shop_id: int, *, token: UUID, pool: ThreadPoolExecutor, lost: threading.Event, quiet: bool
) -> Slice:
    with gateways.database.transaction() as tx:
        shop, found = shops.get(tx, shop_id), store.load(tx, shop_id)
        if shop is None or found is None:
            raise Unauthorized("mailchimp", "mc_access_revoked", "no audience is connected")
        chosen = settings.parse(shop.settings)
    return Slice(
        gateways=gateways,
        shop_id=shop_id,
        token=token,
        store_id=found.store_id,
        storefront=found.storefront,
        since=found.since or gateways.clock(),
        now=gateways.clock(),
        only_contacts=not chosen.sync_non_subscribed,
        sees_all_orders=commerce.sees_all_orders(shop.scopes),
        shopify=gateways.shopify(shop_id),
        mailchimp=gateways.mailchimp(shop_id),
        pool=pool,
        lost=lost,
        until=time.monotonic() + WORKS_FOR,
        quiet=quiet,
    )


def _wait(slice_: Slice, claimed: Sequence[Claimed], worked: Worked) -> list[Claimed]:
    """While automations are held for others, orders and carts wait: their mails would be lost."""
    waiting = [each for each in claimed if not each.key.startswith(_SILENT)]
    with slice_.gateways.database.transaction() as tx:
        later = [(each.key, HELD_FOR, live_recording.WAITS, "") for each in waiting]
        changes.later(tx, slice_.shop_id, slice_.token, later, count=False)
    worked.done += len(waiting)
    return [each for each in claimed if each.key.startswith(_SILENT)]


def _told_only(
    gateways: Gateways, shop_id: int, claimed: Sequence[Claimed], *, token: UUID, worked: Worked
) -> list[Claimed]:
    """Without what only points elsewhere: a cart of the storefront to its checkouts, a discount to the promo codes."""
    carts = [each for each in claimed if each.key.startswith("cart:")]
    discounts = [each for each in claimed if each.key.startswith("discount:")]
    known = tuple(f"{name}:" for name in ("cart", "discount", *_KINDS))
    strange = [each for each in claimed if not each.key.startswith(known)]
    pointing = [*carts, *discounts, *strange]
    if not pointing:
        return list(claimed)
    with gateways.database.transaction() as tx:
        found = checkouts.by_cart(tx, shop_id, [each.key.partition(":")[2] for each in carts])
        marking.mark(tx, shop_id, [marking.Mark(f"checkout:{each.token}", "shopify") for each in found])
        if discounts:
            promo.nudge(tx, shop_id, [each.key.partition(":")[2] for each in discounts])
    with gateways.database.transaction() as tx:
        changes.finish(tx, shop_id, token, [(each.key, each.version) for each in pointing])
    worked.done += len(pointing)
    left = {each.key for each in pointing}
    return [each for each in claimed if each.key not in left]
