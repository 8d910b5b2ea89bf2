"""Another complete sync of a shop that is live: who opted out since isn't asked about in D1 again."""

from __future__ import annotations

from collections.abc import Callable

from live_ground import QUIET, Ground, ago

from stage import stage


def test_an_opt_out_that_still_waits_is_not_undone(new_database: Callable[[], str]) -> None:
    """L1, D1: the first sync's "Mailchimp wins" is about differences of before; this opt-out came afterwards."""
    with stage(new_database(), "--people", "5") as made:
        made.first_sync()
        shop = Ground(made)
        shop.set(breaker=QUIET)
        with made.database.transaction() as tx:  # live for longer than the opt-out is old
            tx.exec_driver_sql("update connections set live_since = now() - interval '1 hour'")
        old, new = shop.pair("SUBSCRIBED"), shop.pair("SUBSCRIBED")
        shop.chosen(new, "UNSUBSCRIBED", ago(minutes=2))  # the delivery waits, or was lost
        shop.contact(old, "unsubscribed")
        shop.chosen(old, "UNSUBSCRIBED", ago(hours=3))
        shop.contact(old, "subscribed")
        made.first_sync()
        made.live()
        assert shop.sides(new) == ("UNSUBSCRIBED", "unsubscribed")
        assert shop.sides(old) == ("SUBSCRIBED", "subscribed")  # a later opt-in
