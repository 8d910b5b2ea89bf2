"""The embedded Postgres and Redis: real servers, started, crashed and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shopchimp.local.child import Child, Command, LocalError, folder_lock, unprivileged_account
from shopchimp.local.postgres import Postgres
from shopchimp.local.redis import Redis

OWNER = """
    import os, sys, threading, time
    from pathlib import Path
    from shopchimp.local.postgres import Postgres
    from shopchimp.local.redis import Redis

    folder = Path(sys.argv[1])
    pg, cache = Postgres(folder / "pg", fast=True), Redis(folder / "redis")
    starter = threading.Thread(target=lambda: (pg.start(), cache.start()))
    starter.start()
    starter.join()  # the thread that started them is gone, they must live on
    if "fork" in sys.argv and os.fork() == 0:  # holds copies of every descriptor
        time.sleep(30)
        os._exit(0)
    print("ready", flush=True)
    time.sleep(60)
"""


def eventually(what: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def servers_of(folder: Path) -> list[psutil.Process]:
    """Everything that runs for this folder: servers, which live in it, and guardians, whose orders name it."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        words = " ".join(process.info["cmdline"] or [])
        works_here = str(folder) in words or (process.info["cwd"] or "").startswith(str(folder))
        if works_here and "OWNER" not in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


@pytest.fixture(scope="module")
def pg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("pg"), fast=True) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept (name text)")
        yield server


def names(server: Postgres) -> list[str]:
    with psycopg.connect(server.url) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM kept ORDER BY name")]


def test_postgres_is_18_in_utf8_and_utc_and_its_role_is_no_superuser(pg: Postgres) -> None:
    with psycopg.connect(pg.url) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), current_setting('server_encoding'), current_setting('timezone'),"
            " lower('ÄÉЖ'), current_database(), current_setting('is_superuser')"
        ).fetchone()
    assert row is not None
    assert row[0].startswith("18.")
    assert row[1:] == ("UTF8", "UTC", "äéж", "shopchimp", "off")


def test_postgres_wants_the_password(pg: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host="127.0.0.1", port=pg.port, user="postgres", password="wrong", dbname="postgres")


@pytest.mark.parametrize("immediate", [False, True])
def test_what_is_committed_survives_a_restart_on_the_same_address(pg: Postgres, immediate: bool) -> None:
    url, pid, name = pg.url, pg.pid, f"restart {immediate}"
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO kept VALUES (%s)", [name])
    pg.restart(immediate=immediate)
    assert (pg.url, pg.pid == pid) == (url, False)
    assert name in names(pg)


def test_postgres_starts_over_the_remains_of_a_killed_one(pg: Postgres) -> None:
    """Its pid file stays behind, and here it names a living stranger of the same account, as after a reboot."""
    with psycopg.connect(pg.url, autocommit=True) as connection:
        connection.execute("INSERT INTO kept VALUES ('killed')")
        os.kill(pg.pid, signal.SIGKILL)
        eventually(lambda: not psutil.pid_exists(pg.pid))
    remains = pg.data / "postmaster.pid"
    lines = remains.read_text().splitlines()
    account = unprivileged_account(pg.data)
    stranger = Child(Command(argv=("/bin/sleep", "60"), cwd=pg.folder, log=pg.folder / "stranger.log", account=account))
    try:
        remains.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        pg.restart()
    finally:
        stranger.stop()
    assert "killed" in names(pg)


def test_a_folder_in_use_is_refused(pg: Postgres) -> None:
    with pytest.raises(LocalError, match="in use"), folder_lock(pg.folder, patience=0.2):
        pass


def test_a_broken_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    (folder / "pg18").mkdir(parents=True)
    (folder / "pg18" / "PG_VERSION").write_text("18\n")
    (folder / "postgres.password").write_text("x")
    with pytest.raises(LocalError, match=r"postgres\.log"), Postgres(folder):
        pass
    assert servers_of(tmp_path) == []


def test_redis_flushes_and_restarts_empty_on_the_same_address(tmp_path: Path) -> None:
    def holds(server: Redis, *, after_writing: int = 0) -> int:
        with redis.Redis.from_url(server.url) as client:
            for number in range(after_writing):
                client.set(f"key {number}", "1")
            return client.dbsize()

    with Redis(tmp_path / "one") as server:
        assert holds(server, after_writing=2) == 2
        server.flushall()
        assert holds(server) == 0
        for immediate in (False, True):
            url, pid = server.url, server.pid
            assert holds(server, after_writing=2) == 2
            server.restart(immediate=immediate)
            assert (server.url, server.pid == pid) == (url, False)
            assert holds(server) == 0
        with (
            redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
    assert servers_of(tmp_path) == []


def test_several_live_side_by_side(pg: Postgres, tmp_path: Path) -> None:
    with Postgres(tmp_path / "pg", fast=True) as other, Redis(tmp_path / "a") as a, Redis(tmp_path / "b") as b:
        assert len({pg.url, other.url, a.url, b.url}) == 4
        with psycopg.connect(other.url) as connection:
            assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)
        with redis.Redis.from_url(a.url) as client_a, redis.Redis.from_url(b.url) as client_b:
            client_a.set("here", "a")
            assert client_b.get("here") is None
    assert servers_of(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, ["fork"]), (signal.SIGTERM, []), (signal.SIGINT, [])],
    ids=["KILL", "TERM", "INT"],
)
def test_no_server_outlives_its_owner(tmp_path: Path, number: int, words: list[str]) -> None:
    (tmp_path / "owner.py").write_text("# OWNER\n" + textwrap.dedent(OWNER))
    owner = subprocess.Popen(
        [sys.executable, str(tmp_path / "owner.py"), str(tmp_path / "data"), "OWNER", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # SIGINT is ignored where the tests themselves run in the background
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    assert owner.stdout
    try:
        assert owner.stdout.readline() == b"ready\n"
        assert len(servers_of(tmp_path)) >= 4  # two servers, two guardians
        owner.send_signal(number)
        owner.wait(60)
        eventually(lambda: servers_of(tmp_path) == [])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(owner.pid, signal.SIGKILL)
        owner.stdout.close()
        owner.wait(60)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_the_servers_stop_when_their_guardian_is_killed(tmp_path: Path) -> None:
    with Redis(tmp_path / "redis") as server:
        guardian = psutil.Process(server.pid).parent()
        assert guardian is not None
        guardian.kill()
        eventually(lambda: servers_of(tmp_path) == [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root owns folders that others may not enter")
def test_as_root_nothing_of_the_machine_is_opened_to_others(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with Postgres(closed / "pg", fast=True) as server:
        assert psutil.Process(server.pid).uids().effective != 0
        assert (server.data.stat().st_mode & 0o777, closed.stat().st_mode & 0o777) == (0o700, 0o700)
        assert closed.stat().st_uid == 0
