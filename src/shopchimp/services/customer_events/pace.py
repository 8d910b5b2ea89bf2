"""How fast views are told to Mailchimp: they leave room for carts, checkouts, contacts and orders (mailchimp.md 13)."""

from __future__ import annotations

from sqlalchemy import Connection

from shopchimp.db import lanes, marking

VIEWS_PER_SECOND = 20
"""Calls about mere views a second, for all shops of a login together: half of what it has at the very most."""


def spend(tx: Connection, login_id: str, calls: int) -> None:
    """So many calls about views are about to be made: the lane of every shop of the login rests as long as they count.

    Before the calls, so that somebody who dies over them has spent them too.
    """
    if calls:
        lanes.rest(tx, login_id, marking.VIEWS, calls / VIEWS_PER_SECOND)


def turn_of(place: int) -> float:
    """Seconds until a call's turn, of those that are too many for now."""
    return 1.0 + place / VIEWS_PER_SECOND
