"""The pool of connections: whoever still works when it is closed ends its work, and leaves nothing open."""

from __future__ import annotations

import gc
import threading
import warnings

from sqlalchemy import text

from shopchimp.db.session import Database


def test_a_thread_that_outlives_the_pool_gives_its_connection_back(database_url: str) -> None:
    database, begun, closed = Database(database_url), threading.Event(), threading.Event()
    told: list[int] = []

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
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        del database, thread, work
        gc.collect()
    assert not [each for each in warned if "psycopg" in str(each.message)]
