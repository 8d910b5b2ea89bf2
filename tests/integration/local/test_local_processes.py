"""The demo's processes: ready before we go on, started again when killed, stopped in reverse, never left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from shopchimp.local.child import LocalError
from shopchimp.local.processes import Supervisor, default_data_dir, free_port

SERVE = """
import http.server, sys, time
time.sleep(0.3)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
LINGER = """
import os, signal, sys, time
def goodbye(*_):
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, goodbye)
print("noise")
print('{"name": "' + sys.argv[2] + '"}')
time.sleep(60)
"""


def python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-c", code, *words]


def eventually(what: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "logs") as supervisor:
        yield supervisor


def test_start_waits_for_the_address(running: Supervisor) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    began = time.monotonic()
    running.start("web", python(SERVE, url.rsplit(":", 1)[1][:-1]), ready_url=url, timeout=20)
    assert time.monotonic() - began > 0.3


def test_start_answers_the_line_and_stops_in_reverse(tmp_path: Path) -> None:
    order = tmp_path / "order"
    with Supervisor(tmp_path / "logs") as running:
        for name in ("sandbox", "web", "worker"):
            line = running.start(name, python(LINGER, str(order), name), ready_line="{", timeout=20)
            assert line == f'{{"name": "{name}"}}'
        pids = [running.pid(name) for name in ("sandbox", "web", "worker")]
    assert order.read_text().split() == ["worker", "web", "sandbox"]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_second_run_does_not_take_the_first_ones_line(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with Supervisor(tmp_path) as running:
            line = running.start("same", python(LINGER, str(tmp_path / "order"), name), ready_line="{", timeout=20)
        assert name in line


def test_a_killed_process_comes_back_and_so_does_one_that_asks_for_it(running: Supervisor, tmp_path: Path) -> None:
    running.start("worker", python(LINGER, str(tmp_path / "order"), "worker"), ready_line="{", timeout=20)
    pid = running.pid("worker")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: running.restarts("worker") == 1 and running.pid("worker") != pid)
    running.start("deaf", python("import sys; sys.exit(75)"))
    eventually(lambda: running.restarts("deaf") >= 2)
    running.check()


def test_wrong_settings_are_told_not_tried_again(running: Supervisor) -> None:
    running.start("web", python("import sys; sys.exit('DATABASE_URL: missing')"))
    with pytest.raises(LocalError, match="DATABASE_URL: missing"):
        eventually(running.check)
    assert running.restarts("web") == 0


def test_start_tells_at_once_of_a_process_that_ends_before_it_is_ready(running: Supervisor) -> None:
    began = time.monotonic()
    with pytest.raises(LocalError, match="ended with 1"):
        running.start("web", python("raise SystemExit(1)"), ready_url=f"http://127.0.0.1:{free_port()}/", timeout=60)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("parent_listens", [False, True])
def test_what_does_not_listen_to_sigterm_is_killed(tmp_path: Path, parent_listens: bool) -> None:
    """Its children too, also those that a parent leaves behind."""
    stubborn = f"""
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    if {parent_listens}:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    print("child", child)
time.sleep(60)
"""
    with Supervisor(tmp_path) as running:
        child = int(running.start("stubborn", python(stubborn), ready_line="child", timeout=20, grace=0.2).split()[1])
        pid = running.pid("stubborn")
    eventually(lambda: not psutil.pid_exists(pid))
    eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_the_data_folder_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", "/home/ana")
    assert default_data_dir({}) == Path("/home/ana/.local/share/shopchimp")
    assert default_data_dir({"XDG_DATA_HOME": "relative"}) == Path("/home/ana/.local/share/shopchimp")
    assert default_data_dir({"XDG_DATA_HOME": "/big"}) == Path("/big/shopchimp")
    assert default_data_dir({"XDG_DATA_HOME": "/big", "SHOPCHIMP_DATA_DIR": "~/x"}) == Path("/home/ana/x")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_data_dir({}) == Path("/home/ana/Library/Application Support/shopchimp")
