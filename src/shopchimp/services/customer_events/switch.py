"""Customer Event Syncing, on and off: both directions at once, and from this very moment on (S40, S41).

In the transaction of the setting itself the door to the pixel is opened or shut, what waits is dropped and counted,
and the chores are told. Work in hand reads the setting again right before it writes. What was sent stays.
"""

from __future__ import annotations

from sqlalchemy import Connection

from shopchimp.db import changes, chores, customer_events, pixels
from shopchimp.services.going_live import PIXEL

POLL = "poll_campaigns"


def switched(tx: Connection, shop_id: int, *, on: bool) -> None:
    """The merchant activated or deactivated it."""
    pixels.set_enabled(tx, shop_id, enabled=on)  # where there is none yet, it follows the setting when it is made
    if on:
        chores.hurry(tx, shop_id, POLL)
    else:
        changes.forget_lanes(tx, shop_id, changes.OF_CUSTOMER_EVENTS)
        customer_events.drop_all(tx, shop_id, customer_events.OFF)
    chores.again(tx, shop_id, PIXEL)  # whoever is at it may be making what is to go
