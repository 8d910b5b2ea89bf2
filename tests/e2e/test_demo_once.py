"""`shopchimp demo --once`: the whole job from one command, and nothing left behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from stage import wait_for

COMMAND = [sys.executable, "-m", "shopchimp.cli", "demo", "--once", "--json"]
MARK = "TEST_FOLDER"


def of_folder(folder: Path) -> list[str]:
    """Everything that runs with this folder on its command line or in its environment, whoever its parent is now."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            place = process.environ().get(MARK, "")
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE and str(folder) in words + place:
                found.append(f"{process.pid} {words}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SHOPCHIMP_")}
    env[MARK] = str(folder)  # handed down to every process that is given our environment
    argv = [*COMMAND, "--folder", str(folder), *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, env=env, cwd=folder.parent) as process:
        try:
            yield process
        finally:
            process.kill()


def parts(folder: Path) -> list[str]:
    """Which parts of the house run for this folder."""
    words = " ".join(of_folder(folder))
    marks = {
        "postgres": "bin/postgres",
        "redis": "redis-server",
        "worker": "cli worker",
        "sandbox": "shopchimp.sandbox",
    }
    return [name for name, mark in marks.items() if mark in words]


def test_the_whole_job(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder, "--people", "300") as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-2000:]
    result = json.loads(out.splitlines()[-1])
    people = result["people"]
    assert people["read"] == 300
    assert people["read"] == people["synced"] + sum(people["skipped"].values()) + sum(people["failed"].values())
    assert people["failed"] == {}
    assert people["skipped"]["no_email"] > 0
    for kind in ("products", "customers", "orders", "carts", "promo_codes"):
        sums = result[kind]
        assert sums.keys() == people.keys() == {"read", "synced", "skipped", "failed"}
        assert sums["read"] == sums["synced"] + sum(sums["skipped"].values()) + sum(sums["failed"].values())
        assert sums["synced"] > 0
        assert sums["failed"] == {}
    assert result["customers"]["read"] == 300
    assert result["orders"]["read"] > 300
    phases = {"products", "customers", "orders", "carts", "promo_codes"}
    assert {"read_contacts", "read_customers", "plan", "contacts", "all", *phases} <= result["seconds"].keys()
    assert all(n > 0 for n in result["calls"].values())
    assert result["calls"].keys() == {"shopify", "mailchimp"}
    assert of_folder(folder) == []


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_it_is_stopped_halfway(tmp_path: Path, end: signal.Signals) -> None:
    folder = tmp_path / "demo"
    with demo(folder, "--people", "20000") as process:
        wait_for(lambda: "worker" in parts(folder), seconds=60)
        assert set(parts(folder)) == {"postgres", "redis", "worker", "sandbox"}
        process.send_signal(end)
        _, err = process.communicate(timeout=60)
        wait_for(lambda: of_folder(folder) == [], seconds=30)
    if end is signal.SIGINT:
        assert "Traceback" not in err
    if end is signal.SIGKILL:  # and the folder can be used again at once
        with demo(folder, "--people", "50") as again:
            out, err = again.communicate(timeout=120)
        assert again.returncode == 0, err[-2000:]
        assert json.loads(out.splitlines()[-1])["people"]["read"] == 50
        assert of_folder(folder) == []
