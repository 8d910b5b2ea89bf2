"""The processes of the demo, started in order, kept running, stopped in reverse order."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from shopchimp.local.child import Child, Command, LocalError, last_lines

EXIT_START_ME_AGAIN = 75  # sysexits.h EX_TEMPFAIL: a worker that found itself deaf
CALM_SECONDS = 60.0  # who ran this long starts again at once
LONGEST_PAUSE = 30.0
PORTS = range(
    20_000, 30_000
)  # below what systems hand out for outgoing connections: nobody takes ours during a restart


@dataclass(slots=True)
class _Process:
    name: str
    command: Command
    restart: bool
    child: Child
    started: float
    restarts: int = 0
    crashes_in_a_row: int = 0
    again_at: float | None = None  # ended; to be started again then
    failed: int | None = None  # ended for good, with this code


class Supervisor:
    """`with Supervisor(folder) as running: running.start("web", [...], ready_url=...)`. Logs: NAME.log and NAME.out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[str, _Process] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        ready_url: str | None = None,
        ready_line: str | None = None,
        timeout: float = 60.0,
        restart: bool = True,
        grace: float = 10.0,
    ) -> str:
        """Start it and wait until `ready_url` answers 2xx, or a line that begins with `ready_line` was printed.

        Answers that line. `env` is added to ours; `grace` is how long it may take to stop.
        """
        out = (self.folder / f"{name}.out").resolve()
        command = Command(
            argv=argv,
            cwd=Path.cwd(),
            log=(self.folder / f"{name}.log").resolve(),
            out=out,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            stop=((15, grace), (9, 5.0)),
        )
        said_before = out.stat().st_size if out.exists() else 0
        process = _Process(name, command, restart, Child(command), time.monotonic())
        with self._lock:
            self._processes[name] = process
        if ready_url is not None:
            self._wait(process, lambda: _answers(ready_url), timeout)
        if ready_line is None:
            return ""
        return self._wait(process, lambda: _line(out, ready_line, said_before), timeout)

    def stop(self) -> None:
        """Stop all, the last one started first."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for name in reversed(list(self._processes)):
            self._processes.pop(name).child.stop()

    def pid(self, name: str) -> int:
        """The process that now has this name."""
        return self._processes[name].child.pid

    def restarts(self, name: str) -> int:
        """How often it was started again."""
        return self._processes[name].restarts

    def check(self) -> None:
        """Raise LocalError with the end of its log when one has ended for good."""
        for process in list(self._processes.values()):
            if process.failed is not None:
                raise LocalError(
                    f"{process.name} ended with {process.failed}. "
                    f"The end of {process.command.log}:\n{last_lines(process.command.log)}"
                )

    def _wait(self, process: _Process, look: Callable[[], str | None], timeout: float) -> str:
        deadline = time.monotonic() + timeout
        while (found := look()) is None:
            if process.child.code is not None and not _may_restart(process, process.child.code):
                process.failed = process.child.code
            self.check()
            if time.monotonic() > deadline:
                raise LocalError(
                    f"{process.name} was not ready after {timeout:.0f} s. "
                    f"The end of {process.command.log}:\n{last_lines(process.command.log)}"
                )
            time.sleep(0.05)
        return found

    def _watch(self) -> None:
        while not self._stopping.wait(0.1):
            with self._lock:
                processes = list(self._processes.values())
            for process in processes:
                _keep_running(process, time.monotonic())


def _keep_running(process: _Process, now: float) -> None:
    if process.failed is not None or (process.again_at is None and process.child.code is None):
        return
    if process.again_at is None:
        code = process.child.stop()  # ended: this only clears up
        if not _may_restart(process, code):
            process.failed = code
            return
        calm = now - process.started > CALM_SECONDS
        process.crashes_in_a_row = 0 if calm else process.crashes_in_a_row + 1
        process.again_at = now + min(LONGEST_PAUSE, 0.25 * 2**process.crashes_in_a_row)
    elif now >= process.again_at:
        process.child, process.started, process.again_at = Child(process.command), now, None
        process.restarts += 1


def _may_restart(process: _Process, code: int) -> bool:
    """Killed, or asking for it. Whoever says "wrong settings" or "I'm done" would only say so again."""
    return process.restart and (code == EXIT_START_ME_AGAIN or code > 128)


def _answers(url: str) -> str | None:
    try:
        with httpx.Client(trust_env=False, timeout=2.0) as client:
            return "" if client.get(url).is_success else None
    except httpx.HTTPError:
        return None


def _line(out: Path, beginning: str, skip: int) -> str | None:
    if not out.exists():
        return None
    with out.open("rb") as file:
        file.seek(skip)
        for line in file:
            text = line.decode(errors="replace")
            if text.startswith(beginning) and text.endswith("\n"):
                return text.rstrip("\n")
    return None


def free_port() -> int:
    """A port of this machine that nobody uses now. Another may take it first: then try with a new one."""
    for _ in range(200):
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise LocalError(f"no free port between {PORTS.start} and {PORTS.stop}")


def default_data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the demo keeps its data: SHOPCHIMP_DATA_DIR, or this user's place for such things on this system.

    Read here and not from Settings, which can't be complete before there is a database.
    """
    if chosen := environ.get("SHOPCHIMP_DATA_DIR"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "shopchimp"
    base = environ.get("XDG_DATA_HOME", "")
    # The XDG base directory specification: a path that isn't absolute is to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "shopchimp"
