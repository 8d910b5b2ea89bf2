"""What is forgotten after a while: deliveries that can come twice no more, counts and times that nobody asks for."""

from __future__ import annotations

from shopchimp.db import checkouts, retention
from shopchimp.db.chores import Chore
from shopchimp.services import privacy
from shopchimp.services.gateways import Gateways

DAY = 86_400.0
CHECKOUT_DAYS = 90  # without a word: Shopify itself keeps an abandoned checkout no longer


def forget_old(gateways: Gateways, shop_id: int, _chore: Chore) -> float:
    """The chore `retention`. Activities stay."""
    for forget in (retention.forget_deliveries, retention.forget_events, retention.forget_facts):
        more = True
        while more:
            with gateways.database.transaction() as tx:
                more = forget(tx, shop_id)
    with gateways.database.transaction() as tx:
        retention.forget_figures(tx, shop_id)
        retention.forget_visitors(tx, shop_id)
        checkouts.forget_older(tx, shop_id, CHECKOUT_DAYS)
    privacy.tidy(gateways)
    return DAY
