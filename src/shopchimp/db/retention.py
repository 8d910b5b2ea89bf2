"""Deleting what has had its time, a bounded number of rows a transaction."""

from __future__ import annotations

from sqlalchemy import Connection, text

from shopchimp.db import event_counts
from shopchimp.db.customer_events import TOO_OLD

AT_ONCE = 5_000
EVENT_DAYS = 2  # a double is known for that long; whatever still waits is too old for anybody
VISITOR_DAYS = 30  # since somebody was last seen: whom a browser belongs to is then forgotten
FACT_DAYS = 60  # a campaign is looked at for 30 days after it was sent
COUNT_DAYS = 90


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


def forget_events(tx: Connection, shop_id: int) -> bool:
    """Forget events of the store after two days, and count those that still waited. False when none is left."""
    query = text(
        """
        with gone as (
            delete from customer_events where shop_id = :shop and id in (select id from customer_events
                where shop_id = :shop and received_at < now() - make_interval(days => :days) limit :limit)
            returning name, state
        )
        select name, count(*) as n, count(*) filter (where state in ('waiting', 'sending')) as waited
        from gone group by name
        """
    )
    rows = tx.execute(query, {"shop": shop_id, "days": EVENT_DAYS, "limit": AT_ONCE}).all()
    late = {(row.name, TOO_OLD): int(row.waited) for row in rows}
    event_counts.add(tx, shop_id, event_counts.TO_MAILCHIMP, late)
    return sum(int(row.n) for row in rows) == AT_ONCE


def forget_facts(tx: Connection, shop_id: int) -> bool:
    """Forget what contacts did after sixty days: the sums stay. False when none is left."""
    query = text(
        """
        delete from activity_facts where shop_id = :shop and key in (select key from activity_facts
            where shop_id = :shop and at < now() - make_interval(days => :days) limit :limit)
        """
    )
    return tx.execute(query, {"shop": shop_id, "days": FACT_DAYS, "limit": AT_ONCE}).rowcount == AT_ONCE


def forget_visitors(tx: Connection, shop_id: int) -> None:
    """Forget browsers that were not seen for thirty days, campaigns nobody looks at any more, and old counts."""
    visitors = "delete from visitors where shop_id = :shop and seen_at < now() - make_interval(days => :days)"
    campaigns = "delete from campaigns where shop_id = :shop and sent_at < now() - make_interval(days => :days)"
    counts = "delete from event_counts where shop_id = :shop and day < current_date - cast(:days as integer)"
    for query, days in ((visitors, VISITOR_DAYS), (campaigns, FACT_DAYS), (counts, COUNT_DAYS)):
        tx.execute(text(query), {"shop": shop_id, "days": days})
