"""Customer Event Syncing, on and off: both directions at once, and from this very moment on (S40, S41).

In the transaction of the setting itself the door to the pixel is opened or shut, what waits is dropped and counted,
and the chores are told. Work in hand reads the setting again right before it writes. What was sent stays.
"""

from __future__ import annotations

from sqlalchemy import Connection

from shopchimp.db import changes, chores, customer_events, engagements, event_counts, marking, pixels
from shopchimp.services.customer_events import PIXEL, POLL_CAMPAIGNS

ENGAGEMENT = "engagement"  # as writes of what contacts did are counted


def switched(tx: Connection, shop_id: int, *, on: bool) -> None:
    """The merchant activated or deactivated it."""
    pixels.set_enabled(tx, shop_id, enabled=on)  # where there is none yet, it follows the setting when it is made
    if on:
        chores.hurry(tx, shop_id, POLL_CAMPAIGNS)
    else:
        engagements.doubt_waiting(tx, shop_id)  # switched on again, theirs are written
        contacts = changes.forget_lanes(tx, shop_id, [marking.ACTIVITY])
        changes.forget_lanes(tx, shop_id, [marking.EVENTS, marking.VIEWS])
        event_counts.add(tx, shop_id, event_counts.TO_SHOPIFY, {(ENGAGEMENT, customer_events.OFF): contacts})
    customer_events.drop_all(tx, shop_id, customer_events.OFF)  # switched on: what somebody who died had in hand
    chores.again(tx, shop_id, PIXEL)  # whoever is at it may be making what is to go
