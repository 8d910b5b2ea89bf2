"""A campaign to many is read and written while the worker is killed twice: everybody has theirs, once (S53 to S56).

Issue 5: about 50,000 recipients with SHOPCHIMP_CAMPAIGN_FULL=1, about 1,300 otherwise. What customers have is read
from the sandbox; who opened is known from those who did.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from shopchimp.jobs import chores
from shopchimp.services.customer_events import campaigns
from stage import Stage, dying_worker, stage, wait_for

FULL = os.environ.get("SHOPCHIMP_CAMPAIGN_FULL") == "1"
PEOPLE = 102_000 if FULL else 2_600
PATIENCE = 3600 if FULL else 240
SHOPIFY = ["--plan", "unlimited", "--no-write-log"]


def hours_ago(hours: int) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def number(played: Stage, query: str) -> int:
    return int(played.rows(f"select {query} as n")[0]["n"])


def rows_read(played: Stage) -> int:
    """Rows that Postgres read so far of all that grows with people and campaigns."""
    played.database.engine.dispose()  # a connection tells when it ends
    time.sleep(0.5)
    tables = "'activity_facts', 'engagements', 'people', 'campaigns'"
    return number(
        played,
        f"(select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) from pg_stat_user_tables where relname in ({tables}))",
    )


def time_passes(played: Stage) -> None:
    """What the dead one held falls due."""
    with played.database.transaction() as tx:
        tx.execute(text("update chores set due_at = now(), token = null where name = 'poll_campaigns'"))
        tx.execute(text("update changes set due_at = now() where lane = 'activity' and due_at > now()"))
        tx.execute(text("update slots set until = now()"))


def kill(process: subprocess.Popen[str], when: Callable[[], bool]) -> None:
    wait_for(when, seconds=PATIENCE)
    process.send_signal(signal.SIGKILL)
    process.wait(10)


@pytest.mark.timeout(PATIENCE)
def test_s53_killed_twice_everybodys_activity_is_at_their_customer_once(database_url: str) -> None:
    """Planted: the place stored before the page's facts: some got nothing."""
    with stage(database_url, "--people", str(PEOPLE), *SHOPIFY) as played:
        played.first_sync()
        told = played.sandbox.control("edit", platform="mailchimp", campaign={"title": "To all", "at": hours_ago(4)})
        about = {"campaign": told["id"], "spread": 3000, "at": hours_ago(3)}

        def does(do: str, **values: object) -> Counter[str]:
            given = {**about, "do": do, **values}
            done = played.sandbox.control("edit", platform="mailchimp", activity=given)["emails"]
            return Counter(each.lower() for each in done)

        opened = does("open", share=0.3, seed=1) + does("open", share=0.2, seed=2, at=hours_ago(1))
        does("open", share=0.3, by="proxy", seed=3)
        does("click", share=0.1, by="bot", seed=4)
        clicked = does("click", share=0.1, seed=5)
        began = time.monotonic()
        with dying_worker("activity_worker.py", database_url, played.sandbox) as process:
            kill(process, lambda: number(played, "(select count(*) from activity_facts)") > told["recipients"] // 3)
        assert number(played, "(select count(*) from campaigns where state = 'reading')") == 1, "killed too late"
        time_passes(played)
        written = "(select count(*) from engagements where written <> '{}')"
        with dying_worker("activity_worker.py", database_url, played.sandbox) as process:
            kill(process, lambda: number(played, written) > told["recipients"] // 4)
        assert number(played, "(select count(*) from changes where lane = 'activity')") > 0, "killed too late"
        time_passes(played)
        left = "(select count(*) from changes where lane = 'activity')"
        reading = "(select count(*) from campaigns where state <> 'read')"
        with dying_worker("activity_worker.py", database_url, played.sandbox):
            wait_for(lambda: number(played, reading) == 0, seconds=PATIENCE)
            wait_for(lambda: number(played, left) == 0, seconds=PATIENCE)
            took = time.monotonic() - began
        before, read = Counter(played.sandbox.calls()["mailchimp"]), rows_read(played)
        time_passes(played)
        assert chores.drain(played.runtime, {campaigns.CHORE: campaigns.poll}, stop=played.stop) == 1
        read = rows_read(played) - read
        quiet = Counter(played.sandbox.calls()["mailchimp"]) - before
        assert quiet == {"GET /campaigns": 1, "GET /reports": 1, "GET /sms-campaigns": 1}
        assert read <= 2 * campaigns.LOOKED_THROUGH + 10  # each contact, and whose it is

        contacts, customers = played.sandbox.state("mailchimp"), played.sandbox.state("shopify")
        subscribed = {email for email, row in contacts.items() if row["status"] == "subscribed"}
        assert len(subscribed) == told["recipients"]
        found, expected = {}, {}
        for email, row in customers.items():
            fields = row.get("metafields") or {}
            found[email] = tuple(
                int(fields.get(f"shopchimp.email_{what}_count", 0)) for what in ("received", "opened", "clicked")
            )
            expected[email] = (int(email in subscribed), opened[email], clicked[email])
        wrong = {email: (found[email], expected[email]) for email in found if found[email] != expected[email]}
        assert not wrong, f"{len(wrong)} of {len(found)}: {list(wrong.items())[:3]}"
        assert sum(each[0] for each in found.values()) > told["recipients"] // 2
        print(
            f"\n{told['recipients']} recipients, {sum(e[0] for e in found.values())} customers: {took:.1f} s;"
            f" a poll without news reads {read} rows"
        )
