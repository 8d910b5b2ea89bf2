"""The database as a thing one holds: an engine and explicit transactions. No commit ever happens unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
import psycopg
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

T = TypeVar("T")
DEADLOCKS = 2  # so many in a row are bad luck


def dumps(value: Any) -> str:
    """JSON as Postgres takes it: jsonb keeps every character but NUL."""
    found = orjson.dumps(value).decode()
    return orjson.dumps(without_nul(value)).decode() if "\\u0000" in found else found


def without_nul(value: Any) -> Any:
    """The same without NUL characters: one person's must not stop everybody's sync."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {without_nul(name): without_nul(part) for name, part in value.items()}
    return [without_nul(part) for part in value] if isinstance(value, (list, tuple)) else value


class Database:
    """One pool of connections to Postgres, made after a fork and closed with the process."""

    def __init__(self, url: str, *, pool_size: int = 10, application: str = "shopchimp") -> None:
        self._closed = False
        self.engine: Engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=5,
            pool_timeout=3,
            pool_pre_ping=True,
            hide_parameters=True,  # an exception that ends in some log holds no addresses
            json_serializer=dumps,
            json_deserializer=orjson.loads,
            connect_args={
                "application_name": application,
                "connect_timeout": 3,
                "options": "-c timezone=UTC -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
                "keepalives_idle": 10,
            },
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A short transaction: commits at the end of the block, rolls back when it raises. Never holds an HTTP call."""
        with self._connection() as connection, connection.begin():
            yield connection

    def settled(self, do: Callable[[Connection], T]) -> T:
        """`do` in a transaction. Where two of us wait for each other, Postgres ends one, who begins anew."""
        for _ in range(DEADLOCKS):
            try:
                with self.transaction() as tx:
                    return do(tx)
            except OperationalError as error:
                if not isinstance(error.orig, psycopg.errors.DeadlockDetected):
                    raise
        with self.transaction() as tx:
            return do(tx)

    @contextmanager
    def raw(self) -> Iterator[psycopg.Connection[Any]]:
        """The psycopg connection itself, in a transaction of its own, for COPY and server-side cursors."""
        with self._connection() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)  # noqa: S101 - tells the type checker
            try:
                yield driver
            except BaseException:
                if driver.closed:
                    connection.invalidate()  # the server is gone and has rolled back; the pool makes a new one
                else:
                    driver.rollback()
                raise
            driver.commit()

    def is_ready(self) -> bool:
        """Whether Postgres answers and the tables are there."""
        with self.transaction() as tx:
            return bool(tx.execute(text("select to_regclass('public.sync_runs') is not null")).scalar_one())

    def close(self) -> None:
        """Give every connection back to the server; those that other threads still use, when they are done."""
        self._closed = True
        self.engine.dispose()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            try:
                yield connection
            finally:
                if self._closed:  # the pool it came from is gone and would keep it open
                    connection.invalidate()
