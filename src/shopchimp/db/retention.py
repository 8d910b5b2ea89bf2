"""Deleting what has had its time, a bounded number of rows a transaction."""

from __future__ import annotations

from sqlalchemy import Connection, text

AT_ONCE = 5_000


def forget_deliveries(tx: Connection, shop_id: int) -> bool:
    """Forget deliveries older than a week: longer than either platform repeats one. False when none is left."""
    query = text(
        """
        delete from deliveries where digest in (select digest from deliveries
            where shop_id = :shop and received_at < now() - interval '7 days' limit :limit)
        """
    )
    return tx.execute(query, {"shop": shop_id, "limit": AT_ONCE}).rowcount == AT_ONCE


def forget_figures(tx: Connection, shop_id: int) -> None:
    """Forget the circuit breaker's counts after a day, times to sync after thirty."""
    tallies = text("delete from tallies where shop_id = :shop and bucket < now() - interval '1 day'")
    times = text("delete from sync_times where shop_id = :shop and hour < now() - interval '30 days'")
    for query in (tallies, times):
        tx.execute(query, {"shop": shop_id})
