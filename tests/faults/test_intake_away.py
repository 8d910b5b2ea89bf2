"""Postgres away, in every way: the platforms are told to try again before they lose patience (invariant 3)."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from shopchimp.db.intake import Arrival, Away, IntakePool
from shopchimp.local.postgres import Postgres

PATIENCE = 3.0  # Shopify waits 5 s
ARRIVAL = Arrival("demo-store.myshopify.com", b"x" * 32, "app/scopes_update", None)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("away"), fast=True) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create table shops (id bigint, domain text, uninstalled_at timestamptz)")
            columns = "digest bytea primary key, shop_id bigint, source text, topic text, fired_at timestamptz"
            connection.execute(f"create table deliveries ({columns})")
            connection.execute("insert into shops values (1, 'demo-store.myshopify.com')")
        yield server


def _answers(pool: IntakePool, count: int) -> list[tuple[object, float]]:
    """What so many deliveries at once get, and after how many seconds."""

    async def one() -> tuple[object, float]:
        began = time.monotonic()
        try:
            return await pool.noted(ARRIVAL), time.monotonic() - began
        except Away:
            return Away, time.monotonic() - began

    async def all_of_them() -> list[tuple[object, float]]:
        return list(await asyncio.gather(*(one() for _ in range(count))))

    return asyncio.get_event_loop().run_until_complete(all_of_them())


def apart(test: Callable[..., None]) -> Callable[..., None]:
    """In a thread of its own: the browser's tests leave a loop running in this one."""

    @functools.wraps(test)
    def run(loop: asyncio.AbstractEventLoop, **fixtures: object) -> None:
        def inside() -> None:
            asyncio.set_event_loop(loop)
            test(loop, **fixtures)

        with ThreadPoolExecutor(1) as threads:
            threads.submit(inside).result()

    return run


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    loop.close()
    asyncio.set_event_loop(None)


@apart
def test_nobody_listens(loop):
    pool = IntakePool("postgresql://nobody@127.0.0.1:1/none")
    loop.run_until_complete(pool.open())
    try:
        for answer, seconds in _answers(pool, 20):
            assert answer is Away
            assert seconds < PATIENCE
    finally:
        loop.run_until_complete(pool.close())


@apart
def test_a_server_that_hangs_and_comes_back(loop, server):
    pool = IntakePool(server.url)
    loop.run_until_complete(pool.open())
    try:
        assert all(answer is not Away for answer, _ in _answers(pool, 20))
        with psycopg.connect(server.url) as connection:
            found = connection.execute("select pid from pg_stat_activity where application_name = 'shopchimp-intake'")
            backends = [row[0] for row in found.fetchall()]
        for pid in backends:
            os.kill(pid, signal.SIGSTOP)
        try:
            told = _answers(pool, 8)
        finally:
            for pid in backends:
                os.kill(pid, signal.SIGCONT)
        assert any(answer is Away for answer, _ in told)
        assert all(seconds < PATIENCE for _, seconds in told)
        for _ in range(100):
            if all(answer is not Away for answer, _ in _answers(pool, 8)):
                return
        pytest.fail("the pool did not recover")
    finally:
        loop.run_until_complete(pool.close())


@apart
def test_a_restart_costs_nobody_an_answer(loop, server):
    pool = IntakePool(server.url)
    loop.run_until_complete(pool.open())
    try:
        assert all(answer is not Away for answer, _ in _answers(pool, 20))
        server.restart(immediate=True)  # the pool's connections are dead and don't know it
        for _ in range(50):
            told = _answers(pool, 8)
            assert all(seconds < PATIENCE for _, seconds in told)
            if all(answer is not Away for answer, _ in told):
                return
        pytest.fail("the pool did not recover")
    finally:
        loop.run_until_complete(pool.close())
