"""One writer at a time: who may work on a run, and what becomes of the work of somebody who no longer may."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from shopchimp.db import plan
from shopchimp.db import sync_runs as runs
from shopchimp.db.sync_runs import LeaseLost
from shopchimp.jobs import runs as engine
from shopchimp.jobs.backfill import Backfill
from shopchimp.local.postgres import Postgres
from shopchimp.mailchimp import members
from shopchimp.services import live, planning, sync_runs, writing
from stage import Stage, closes, stage, wait_for


class Gate:
    """Stops a call after it was carried out, as a process is stopped: until it is opened, nothing comes back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: object, name: str, *, after: int = 1) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self._call: Callable[..., object] = getattr(module, name)
        self._left = after
        self._lock = threading.Lock()
        monkeypatch.setattr(module, name, self)

    def __call__(self, *args: object, **named: object) -> object:
        answer = self._call(*args, **named)
        with self._lock:
            self._left -= 1
            held = self._left == 0
        if held:
            self.reached.set()
            assert self.opened.wait(60)
        return answer


def claim(played: Stage, lease: float) -> tuple[runs.Run, UUID] | None:
    token = uuid4()
    with played.database.transaction() as tx:
        run = runs.claim(tx, token=token, lease=lease)
    return (run, token) if run else None


def open_writer(played: Stage, run: runs.Run, token: UUID) -> writing.Writer:
    gateways = played.runtime.gateways
    clients = gateways.mailchimp(run.shop_id), gateways.shopify(run.shop_id)
    return writing.open_writer(played.database, run, token, *clients)


def assert_each_write_has_one_line(played: Stage, run_id: UUID) -> None:
    """Per person and side one line in the log, no more and no fewer than the plan has writes."""
    query = """
        select side, count(*) n, count(distinct person_id) people from (
            select case direction when 'to_mailchimp' then 'contact' else 'customer' end as side, person_id
            from activities where run_id = :run and person_id is not null) lines group by side order by side
    """
    found = {row["side"]: (row["n"], row["people"]) for row in played.rows(query, run=run_id)}
    planned = {
        side: sum(row[f"{side}_chunk"] is not None for row in played.plan(run_id)) for side in ("contact", "customer")
    }
    assert found == {side: (n, n) for side, n in planned.items() if n}


def test_of_two_workers_one_gets_the_run(database_url: str) -> None:
    with stage(database_url, "--people", "20") as played, ThreadPoolExecutor(2) as pool:
        for _ in range(25):
            run_id = sync_runs.make_preview(played.database, played.shop_id)
            barrier = threading.Barrier(2)

            def race(barrier: threading.Barrier = barrier) -> object:
                barrier.wait(5)
                return claim(played, 30)

            winners = [each.result() for each in (pool.submit(race), pool.submit(race)) if each.result()]
            assert len(winners) == 1
            sync_runs.cancel(played.database, played.shop_id, run_id)


def test_a_lease_that_ran_out_is_taken_over_and_the_first_worker_stores_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage(database_url, "--people", "200") as played, ThreadPoolExecutor(1) as pool:
        run_id = played.preview()
        played.start(run_id)
        run, token = claim(played, 0.3)
        gate = Gate(monkeypatch, members, "batch")
        chunk = next(number for number, action, _ in chunks(played, run_id, "contact") if action == "create")
        first = pool.submit(open_writer(played, run, token).contact_chunk, chunk, "create")
        assert gate.reached.wait(10)

        wait_for(played.drain, seconds=10)
        assert played.run(run_id).state == "done"
        gate.opened.set()
        with pytest.raises(LeaseLost):
            first.result(10)
        assert_each_write_has_one_line(played, run_id)
        assert closes(played.run(run_id))
        assert played.reasons(run_id) == {}  # the successor saw that the contacts were ours, not somebody else's


def test_the_first_worker_may_not_store_while_its_successor_writes_the_same_chunk(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have the chunk in hand; only the token tells them apart."""
    with stage(database_url, "--people", "200") as played, ThreadPoolExecutor(1) as pool:
        run_id = played.preview()
        played.start(run_id)
        number, action, _ = chunks(played, run_id, "contact")[0]
        run, token = claim(played, 0.2)
        gate = Gate(monkeypatch, members, "batch")
        first = pool.submit(open_writer(played, run, token).contact_chunk, number, action)
        assert gate.reached.wait(10)
        second_run, second_token = wait_for(lambda: claim(played, 30))
        second = open_writer(played, second_run, second_token)
        gate.opened.set()
        with pytest.raises(LeaseLost):
            first.result(10)
        assert (number, action) in [each[:2] for each in chunks(played, run_id, "contact")]
        second.contact_chunk(number, action)
        assert (number, action) not in [each[:2] for each in chunks(played, run_id, "contact")]


def chunks(played: Stage, run_id: UUID, side: str) -> list[tuple[int, str, int]]:
    with played.database.transaction() as tx:
        return plan.pending_chunks(tx, run_id, side)


def test_work_that_nobody_was_woken_for_is_found(database_url: str) -> None:
    """All of Redis is lost, each wake-up too: who serves first syncs asks Postgres."""
    with stage(database_url, "--people", "100") as played:
        served = Backfill(played.runtime, stop=played.stop, work=live.work, registry={}, threads=2)
        served.start()
        run_id = sync_runs.make_preview(played.database, played.shop_id)
        wait_for(lambda: played.run(run_id).state == "ready")
        played.start(run_id)
        wait_for(lambda: played.run(run_id).state == "done")
        played.stop.set()
        served.join(10)  # it may be asking Postgres just now


def test_a_slow_worker_keeps_its_lease(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than a lease in one call: nobody else gets the run meanwhile."""
    with stage(database_url, "--people", "100", lease=1.0) as played, ThreadPoolExecutor(1) as pool:
        run_id = played.preview()
        played.start(run_id)
        gate = Gate(monkeypatch, members, "batch")
        working = pool.submit(played.drain)
        assert gate.reached.wait(10)
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            assert claim(played, 30) is None
            time.sleep(0.05)
        gate.opened.set()
        working.result(30)
        assert played.run(run_id).state == "done"


def test_pause_keeps_what_was_in_flight(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "BATCH", 4)  # so many that some are left however slowly we pause
    with stage(database_url, "--people", "400", lease=1.0) as played, ThreadPoolExecutor(1) as pool:
        run_id = played.preview()
        played.start(run_id)
        before = len(chunks(played, run_id, "contact"))
        gate = Gate(monkeypatch, members, "batch", after=5)
        working = pool.submit(played.drain)
        assert gate.reached.wait(10)
        sync_runs.pause(played.database, played.shop_id, run_id)
        time.sleep(0.6)  # the lease is renewed every quarter of a second: the worker has heard of it
        gate.opened.set()
        working.result(20)

        left = len(chunks(played, run_id, "contact"))
        assert played.run(run_id).state == "paused"
        assert 0 < left < before
        sent = played.sandbox.calls()["mailchimp"]["POST /lists/{list_id}"]
        assert sent == before - left  # each batch that was sent is stored: nothing in flight was thrown away
        assert played.drain() == 0
        sync_runs.resume(played.database, played.shop_id, run_id)
        played.drain()
        assert played.run(run_id).state == "done"
        assert played.sandbox.calls()["mailchimp"]["POST /lists/{list_id}"] == before
        assert_each_write_has_one_line(played, run_id)


@pytest.mark.parametrize("phase", ["preparing", "running"])
def test_a_cancelled_run_stays_cancelled(database_url: str, monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    """Also when the worker is just about to finish it."""
    with stage(database_url, "--people", "100") as played, ThreadPoolExecutor(1) as pool:
        if phase == "running":
            run_id = played.preview()
            played.start(run_id)
            gate = Gate(monkeypatch, writing, "write")
        else:
            run_id = sync_runs.make_preview(played.database, played.shop_id)
            gate = Gate(monkeypatch, planning, "count")
        working = pool.submit(played.drain)
        assert gate.reached.wait(20)
        sync_runs.cancel(played.database, played.shop_id, run_id)
        gate.opened.set()
        working.result(20)
        assert played.run(run_id).state == "cancelled"


def test_a_sync_of_many_slices_is_no_failure(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice claims the run anew; as long as chunks get done, none of that counts as a try without progress."""
    monkeypatch.setattr(planning, "BATCH", 20)
    monkeypatch.setattr(engine, "SLICE", 0.004)
    monkeypatch.setattr(engine, "MAX_ATTEMPTS", 4)
    with stage(database_url, "--people", "200") as played:
        run_id = played.preview()
        played.start(run_id)
        todo = len(chunks(played, run_id, "contact"))
        object.__setattr__(played.runtime.gateways, "connections", 1)
        slices = played.drain()
        run = played.run(run_id)
        assert slices > engine.MAX_ATTEMPTS, f"only {slices} slices for {todo} chunks"
        assert (run.state, run.trouble) == ("done", None)


def test_a_worker_that_is_killed_after_each_chunk_still_ends_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them gives the run back; what was done between the kills is progress all the same."""
    monkeypatch.setattr(planning, "BATCH", 20)
    monkeypatch.setattr(engine, "MAX_ATTEMPTS", 4)
    with stage(database_url, "--people", "200") as played:
        run_id = played.preview()
        played.start(run_id)
        todo = chunks(played, run_id, "contact")
        assert len(todo) > 6
        for number, action, _ in todo[:6]:
            run, token = wait_for(lambda: claim(played, 0.1))
            open_writer(played, run, token).contact_chunk(number, action)
        wait_for(played.drain)
        assert played.run(run_id).state == "done"


def test_postgres_away_for_some_seconds_while_writing(
    database_url: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "BATCH", 25)
    with stage(database_url, "--people", "600", lease=2.0) as played:
        run_id = played.preview()
        played.start(run_id)
        played.sandbox.control("latency", ms=150)
        worker = threading.Thread(target=work_until_done, args=(played, run_id))
        worker.start()
        wait_for(lambda: played.sandbox.calls()["mailchimp"].get("POST /lists/{list_id}", 0) > 4)
        postgres.stop()
        time.sleep(3)
        postgres.start()
        played.sandbox.control("latency", ms=0)
        worker.join(60)
        assert not worker.is_alive()
        run = played.run(run_id)
        assert (run.state, run.counts["result"]["people"]["failed"]) == ("done", {})
        assert closes(run)
        assert played.reasons(run_id) == {}
        assert_each_write_has_one_line(played, run_id)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # cursors of a server that is gone
@pytest.mark.parametrize("phase", ["read_contacts", "read_customers", "plan"])
def test_postgres_restarts_while_the_preview_is_made(
    database_url: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    from shopchimp.db import run_tables

    table = {"read_contacts": "run_contacts", "read_customers": "run_customers", "plan": "plan"}[phase]
    copy_in, crashed = run_tables.copy_in, []

    def crash_once(connection: object, name: str, columns: object, rows: object) -> None:
        if name == table and not crashed:
            crashed.append(phase)
            postgres.restart(immediate=True)
        copy_in(connection, name, columns, rows)

    monkeypatch.setattr(run_tables, "copy_in", crash_once)
    with stage(database_url, "--people", "300", lease=1.0) as played:
        run_id = sync_runs.make_preview(played.database, played.shop_id)
        work_until(played, run_id, "ready")
        run = played.run(run_id)
        assert crashed == [phase]
        assert run.counts["people"] == 300
        assert len(played.plan(run_id)) == run.counts["people"] + run.counts["contacts_without_customer"]
        assert run.counts["contacts_read"] == len(played.sandbox.state("mailchimp"))
        gc.collect()


def work_until_done(played: Stage, run_id: UUID) -> None:
    work_until(played, run_id, "done")


def work_until(played: Stage, run_id: UUID, state: str, *, seconds: float = 60) -> None:
    """What a worker and its sweeper do: drain, whatever happened the last time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            played.drain()
            if played.run(run_id).state == state:
                return
        except Exception as error:  # noqa: BLE001 - the engine may not end the loop
            print("a drain ended with", type(error).__name__)
        time.sleep(0.2)
    raise AssertionError(f"the run is {played.run(run_id).state}, {played.run(run_id).trouble}")
