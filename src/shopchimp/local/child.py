"""One process of ours, minded by a guardian (see guardian.py), and the lock that says a folder is in use."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, cast

GUARDIAN = Path(__file__).with_name("guardian.py")

StopSteps = Sequence[tuple[int, float]]
POLITELY: StopSteps = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))


class LocalError(Exception):
    """Something of the embedded default could not be started; the text says what and where to look."""


class Account(NamedTuple):
    """Whom to run as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run, where its words go, and how it is stopped."""

    argv: Sequence[str]
    cwd: Path
    log: Path
    out: Path | None = None  # standard output, where it isn't for the log
    env: Mapping[str, str] | None = None  # None: ours
    stop: StopSteps = POLITELY
    orphan_signal: int = signal.SIGKILL
    account: Account | None = None


class Child:
    """A running process. `code` is None while it runs; a process ended by signal N has the code 128 + N."""

    def __init__(self, command: Command, *, lock: int | None = None) -> None:
        order = {
            "argv": list(command.argv),
            "cwd": str(command.cwd),
            "out": str(command.out or command.log),
            "err": str(command.log),
            "starter": os.getpid(),
            "stop": [(int(number), seconds) for number, seconds in command.stop],
            "orphan_signal": int(command.orphan_signal),
            "uid": command.account.uid if command.account else None,
            "gid": command.account.gid if command.account else None,
        }
        self._patience = sum(seconds for _, seconds in command.stop) + 5
        self._guardian = subprocess.Popen(  # noqa: S603 # our own interpreter and file
            [sys.executable, "-I", "-S", str(GUARDIAN), json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=command.env,
            pass_fds=() if lock is None else (lock,),
            start_new_session=True,  # Ctrl-C is for us alone: we stop the others in order
            bufsize=0,
        )
        self._wire = cast("IO[bytes]", self._guardian.stdin)
        self.pid = self._read_pid(command)

    def _read_pid(self, command: Command) -> int:
        with cast("IO[bytes]", self._guardian.stdout) as stdout:
            line = stdout.readline()
        if not line:
            self.stop()
            raise LocalError(f"the guardian of {command.argv[0]} did not start")
        return int(line)

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._guardian.poll()

    def send(self, number: int) -> None:
        """Send a signal. The guardian passes it on, so it can never reach a stranger who got the pid later."""
        with suppress(BrokenPipeError, ValueError):  # ended already
            self._wire.write(bytes([number]))

    def wait(self, timeout: float) -> int:
        """How it ended; TimeoutError when it has not."""
        try:
            code = self._guardian.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} still runs after {timeout:.0f} s") from None
        self._hang_up()
        return code

    def stop(self) -> int:
        """Stop it as its command says, wait for the end, and say how it ended."""
        self._hang_up()
        try:
            return self.wait(self._patience)
        except TimeoutError:  # a guardian that hangs; the kernel tells its child
            self._guardian.kill()
            return self._guardian.wait()

    def _hang_up(self) -> None:
        if not self._wire.closed:
            self._wire.close()


@contextmanager
def folder_lock(folder: Path, *, patience: float = 30.0) -> Iterator[int]:
    """Hold a folder for the process that is started meanwhile.

    It is passed the descriptor and then is the holder, with all that it forks.

    A predecessor that was killed is waited for until the last of its processes is gone, so who gets the lock may take
    every pid file in the folder for stale, whoever has that pid today.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LocalError(
                        f"{folder} is in use by another shopchimp: stop it or take another folder"
                    ) from None
                time.sleep(0.05)
        yield descriptor
    finally:
        os.close(descriptor)


def unprivileged_account(folder: Path) -> Account | None:
    """For servers that refuse to run as root: the owner of the data if there is one, else an account of the system."""
    if os.geteuid() != 0:
        return None
    if folder.exists() and (owner := folder.stat()).st_uid:
        return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise LocalError("PostgreSQL does not run as root, and this machine has neither an account `postgres` nor `nobody`")


def last_lines(log: Path, count: int = 8) -> str:
    """The end of a log, for an error message."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-count:])
