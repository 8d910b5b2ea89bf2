"""Deliveries in a flood, with real processes: both sides converge, and an audit finds nothing that it can't explain.

About 5,000 people, 10 % of the webhooks lost, 10 % doubled and some overtaken, workers killed with SIGKILL in a loop,
Redis flushed in a loop. By default fewer deliveries than the 20,000 of issue 3, which two cores need some minutes for:
`SHOPCHIMP_CHAOS_DELIVERIES=20000` is the full size.
"""

from __future__ import annotations

import os
import time

import pytest
from live_chaos import Live, Nemeses, live
from live_chaos_crowd import Crowd

from stage import Row, wait_for

DELIVERIES = int(os.environ.get("SHOPCHIMP_CHAOS_DELIVERIES", "6000"))
PEOPLE = 6000 if DELIVERIES >= 20_000 else 2500  # five in six of them are plain enough to take part
SEED, BATCH, A_SECOND = 11, 50, 200
HOOKS = {"lose": 0.1, "double": 0.1, "reorder": 0.1, "seed": SEED}
CALM_HOOKS = {"lose": 0, "double": 0, "reorder": 0}
KILLS, FLUSHES = 3, 5
LONGEST = 60 + DELIVERIES / 30  # seconds

pytestmark = pytest.mark.timeout(120 + 3 * LONGEST)


def test_a_flood_of_deliveries_converges_and_an_audit_finds_nothing_unexplained(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    began = time.monotonic()
    sandbox = ("--people", str(PEOPLE), "--seed", str(SEED), "--plan", "unlimited", "--latency-ms", "5")
    with live(tmp_path_factory.mktemp("flood"), *sandbox) as given:
        crowd = Crowd.of(*given.ends(), seed=SEED, hot=False)
        given.sandbox.control("webhooks", **HOOKS)
        nemeses = Nemeses(given)
        nemeses.every(1.5, "flush", nemeses.flush)
        for name in ("worker", "worker-2"):
            nemeses.every(2, "worker", lambda name=name: nemeses.kill_worker(name))
        pushing = time.monotonic()
        try:
            pushed = flood(given, crowd, nemeses)
        finally:
            nemeses.stop()
        told = hooks(given)
        given.sandbox.control("webhooks", **CALM_HOOKS)
        quiet = given.settle(seconds=LONGEST)
        wrong = crowd.verdict(*given.ends(), given.crossed)
        audit = audited(given)
        bad = {row[0] for row in audit["rows"]} | {who.split(":")[0] for each in wrong.values() for who in each}
        stories = [line for key in bad for line in (crowd.story(key), *given.ledger(key), *given.calls_about(key))]
    seconds = {"ready": pushing - began, "flood": pushed, "quiet": quiet, "all": time.monotonic() - began}
    print(nemeses.struck, told, {name: round(each, 1) for name, each in seconds.items()}, audit, *stories, sep="\n")
    assert told["made"] >= DELIVERIES
    assert told["lost"] > 0.05 * told["made"]
    assert told["doubled"] > 0.05 * told["made"]
    assert nemeses.struck["worker"] >= KILLS
    assert nemeses.struck["flush"] >= FLUSHES
    # Our own unsubscribe, written by a worker that was killed before it could say so, counts as the person's: an opt-in
    # made just before it falls to it (docs/chaos.md). Nobody is mailed who opted out, and it is rare.
    crossed = wrong.pop("an opt-in was lost", [])
    assert len(crossed) <= 2 + DELIVERIES / 5000, crossed
    assert not wrong, "\n".join(f"{name} ({len(who)}):\n" + "\n".join(who[:5]) for name, who in wrong.items())
    assert audit["unexplained"] == 0, audit


def flood(given: Live, crowd: Crowd, nemeses: Nemeses) -> float:
    """Changes until so many deliveries were made and workers died often enough. Gives back the seconds it took.

    On a busy machine a killed worker needs many seconds to come back, so kills are counted rather than timed.
    """
    began, pushed = time.monotonic(), 0
    while hooks(given)["made"] < DELIVERIES or nemeses.struck["worker"] < KILLS or nemeses.struck["flush"] < FLUSHES:
        pushed += given.edit(crowd, BATCH)
        time.sleep(max(0.0, began + pushed / A_SECOND - time.monotonic()))
        assert time.monotonic() - began < LONGEST
    return time.monotonic() - began


def hooks(given: Live) -> dict[str, int]:
    reports = given.sandbox.http.get("/_sandbox/webhooks").json().values()
    return {name: sum(report[name] for report in reports) for name in ("made", "lost", "doubled", "delivered", "dead")}


def audited(given: Live) -> Row:
    """A whole audit's figures; `unexplained` are the differences it would have had to mend."""
    given.query("update chores set due_at = now() where name = 'audit'")
    query = "select counts from audits where state = 'done' order by started_at desc limit 1"
    (counts,) = wait_for(lambda: given.query(query), seconds=LONGEST)[0]
    rows = given.query(
        "select r.key, r.cause, r.customer_state, r.contact_status, p.reason, p.fields, p.intent, c.state, c.cause,"
        " p.opted_out_at::text, p.our_opt_out_at::text, p.came_back_at::text, p.contact_opted_at::text, p.customer_at::text"
        " from audit_rows r left join people p on p.key = r.key left join changes c on c.key = r.key"
        " where r.kind = 'unexplained'"
    )
    return {**counts, "rows": rows, "unexplained": len(rows)}
