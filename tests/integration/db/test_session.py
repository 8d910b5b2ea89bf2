"""The pool of connections: whoever still works when it is closed ends its work, and leaves nothing open."""

from __future__ import annotations

import gc
import threading
import warnings

from sqlalchemy import Connection, text

from shopchimp.db.session import Database


def _outlive(database: Database) -> None:
    """A thread is in a transaction when the pool is closed, and ends it afterwards."""
    begun, closed, told = threading.Event(), threading.Event(), list[int]()

    def work() -> None:
        with database.transaction() as tx:
            begun.set()
            closed.wait(10)
            told.append(tx.execute(text("select 1")).scalar_one())

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(10)
    database.close()
    closed.set()
    thread.join(10)
    assert told == [1]


def test_a_thread_that_outlives_the_pool_gives_its_connection_back(database_url: str) -> None:
    _outlive(Database(database_url))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    assert not [each for each in warned if "psycopg" in str(each.message)]


def test_of_two_who_wait_for_each_other_both_get_done(database_url: str) -> None:
    """Postgres ends one of them, and that one begins anew."""
    database, met = Database(database_url), threading.Barrier(2, timeout=20)
    with database.transaction() as tx:
        tx.execute(text("create table pairs as select n, 0 as times from generate_series(1, 2) as n"))
    tries: list[int] = []

    def raise_both(first: int) -> None:
        def work(tx: Connection) -> None:
            tries.append(first)
            tx.execute(text("update pairs set times = times + 1 where n = :n"), {"n": first})
            if len(tries) <= 2:
                met.wait()  # now each holds what the other wants
            tx.execute(text("update pairs set times = times + 1 where n = :n"), {"n": 3 - first})

        database.settled(work)

    threads = [threading.Thread(target=raise_both, args=(n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with database.transaction() as tx:
        assert tx.execute(text("select array_agg(times) from pairs")).scalar_one() == [2, 2]
    database.close()
    assert len(tries) > 2  # one of them at least was ended, and came again
