"""Minds one process for us: whatever becomes of us (Ctrl-C, SIGTERM, SIGKILL), that process is stopped.

Run as a file by `child.py`, never imported, standard library only:

    python -I -S guardian.py ORDER      (ORDER: JSON, see `Order`)

Standard input is the wire to us: each byte is a signal to pass on, its end means stop. Standard output names the pid.
Why a process and not only PR_SET_PDEATHSIG: that signal is tied to the *thread* that started the child, is cleared by
setuid, exists on Linux alone, and can't ask twice. Here it covers the guardian's own death only.
The exit status is the child's; a child ended by signal N gives 128 + N, as in a shell.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
LOOK_SECONDS = 0.5  # how often to look for our starter: a fork of it may keep the wire open


@dataclass(frozen=True)
class Order:
    """What to run and how to end it."""

    argv: list[str]
    cwd: str
    out: str  # files to append to
    err: str
    starter: int  # pid that must stay our parent
    stop: list[tuple[int, float]]  # signals to stop with, each with the seconds it is given
    orphan_signal: int  # what the kernel sends should the guardian itself be killed (Linux)
    uid: int | None = None
    gid: int | None = None


def main() -> int:
    """Start the child, watch it, end it."""
    order = Order(**json.loads(sys.argv[1]))
    told_to_stop, wake = _listen()
    child = _start(order)
    with suppress(BrokenPipeError):  # whoever started us was interrupted meanwhile: the wire's end says so too
        os.write(1, b"%d\n" % child)
    return _watch(child, order, told_to_stop, wake)


def _listen() -> tuple[list[int], int]:
    """Signals that end us or tell of the child's end wake the select below through a pipe."""
    told_to_stop: list[int] = []
    wake, tell = os.pipe()
    os.set_blocking(tell, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda number, _: told_to_stop.append(number))
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    return told_to_stop, wake


def _watch(child: int, order: Order, told_to_stop: list[int], wake: int) -> int:
    wire: list[int] = [0]
    steps: list[tuple[int, float]] | None = None  # None: not stopping
    due = 0.0
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            _signal_group(child, signal.SIGKILL)  # what it left behind in its own group
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if steps is None and (told_to_stop or not wire or os.getppid() != order.starter):
            steps, due = list(order.stop), 0.0
        if steps and time.monotonic() >= due:
            number, seconds = steps.pop(0)
            _signal(child, number)
            due = time.monotonic() + seconds
        ready, _, _ = select.select([*wire, wake], [], [], LOOK_SECONDS if not steps else 0.05)
        if wake in ready:
            os.read(wake, 512)
        if 0 in ready:
            orders = os.read(0, 64)
            for number in orders:
                _signal(child, number)
            if not orders:
                wire.clear()


def _signal(child: int, number: int) -> None:
    """To the child alone, which tells its own; SIGKILL, which it can't hear, to its whole group."""
    if number == signal.SIGKILL:
        _signal_group(child, number)
    else:
        os.kill(child, number)


def _signal_group(child: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody left (macOS says: not permitted)
        os.killpg(child, number)


def _start(order: Order) -> int:
    guardian = os.getpid()
    child = os.fork()
    if child == 0:
        _become(order, guardian)
    with suppress(PermissionError, ProcessLookupError):  # it has done so itself and is already running, or gone
        os.setpgid(child, child)
    return child


def _become(order: Order, guardian: int) -> NoReturn:
    try:
        os.setpgid(0, 0)
        for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, order.out, 0), (2, order.err, 0)):
            opened = os.open(path, flags or os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        if order.uid is not None and order.gid is not None:
            _lower_to(order.uid, order.gid)
        if sys.platform == "linux":  # after setuid, which clears it
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, order.orphan_signal, 0, 0, 0)
        if os.getppid() != guardian:  # it died before the line above
            os._exit(128 + signal.SIGKILL)
        os.chdir(order.cwd)
        os.execve(order.argv[0], order.argv, os.environ)  # noqa: S606 # no shell is what we want
    except OSError as error:
        os.write(2, f"cannot start {order.argv[0]}: {error}\n".encode())
    os._exit(127)


def _lower_to(uid: int, gid: int) -> None:
    """Stop being root, and keep one thing of root's: to open files under folders closed to others.

    PostgreSQL refuses to run as root. The virtual environment and the data often lie under /root, which only root
    may enter. Opening it to everybody, as some wrappers do, changes the user's machine; an ambient capability does not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    linux = sys.platform == "linux"
    if linux:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if linux:
        bit = 1 << CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable; low and high words
        if libc.capset(header, sets) == 0:  # a container may have taken it from root: then what is readable must do
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
