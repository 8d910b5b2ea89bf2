"""The command line as an operator meets it: real processes, and sentences instead of tracebacks."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from shopchimp.cli import app
from shopchimp.local.postgres import Postgres

COMMANDS = ("serve", "worker", "beat", "migrate", "sandbox", "demo", "doctor", "preview", "sync", "why", "promo-codes")
DEAD = "127.0.0.1:1"  # nobody listens there
Run = subprocess.CompletedProcess[str]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Settings with which everything starts, and nothing answers."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "COLUMNS": "120",
        "DATABASE_URL": f"postgresql://canary-user:canary-password@{DEAD}/x",
        "REDIS_URL": f"redis://:canary-password@{DEAD}/0",
        "SHOPCHIMP_APP_URL": "https://app.test",
        "SHOPCHIMP_SHOPIFY_API_KEY": "key",
        "SHOPCHIMP_SHOPIFY_API_SECRET": "canary-secret",
        "SHOPCHIMP_MAILCHIMP_CLIENT_ID": "1",
        "SHOPCHIMP_MAILCHIMP_CLIENT_SECRET": "canary-secret",
        "SHOPCHIMP_ENCRYPTION_KEYS": base64.b64encode(hashlib.sha256(b"tests").digest()).decode(),
        "SHOPCHIMP_SWEEP_SECONDS": "0.2",
    }


@pytest.fixture
def shopchimp(env: dict[str, str], tmp_path: Path) -> Callable[..., Run]:
    def run(*arguments: str, **settings: str) -> Run:
        command = [sys.executable, "-m", "shopchimp.cli", *arguments]
        done = subprocess.run(
            command, env={**env, **settings}, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert "canary" not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def living(database_url: str, env: dict[str, str]) -> str:
    """A database that answers."""
    env["DATABASE_URL"] = database_url
    return database_url


def add_shop(url: str, domain: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("insert into shops (domain) values (%s)", [domain])


def test_help_names_every_command_and_each_explains_itself() -> None:
    everything = CliRunner().invoke(app, ["--help"])
    assert everything.exit_code == 0
    assert all(f" {command} " in everything.output for command in COMMANDS)
    for command in COMMANDS:
        done = CliRunner().invoke(app, [command, "--help"])
        assert (done.exit_code, "Usage:" in done.output) == (0, True), done.output


def test_without_settings_a_command_names_what_is_missing(tmp_path: Path) -> None:
    for command in ("worker", "migrate", "why a@example.com"):
        done = subprocess.run(
            [sys.executable, "-m", "shopchimp.cli", *command.split()],
            env={"PATH": os.environ["PATH"]}, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 78
        assert "DATABASE_URL" in done.stderr
        assert "Traceback" not in done.stderr


def test_doctor_finds_everything_dead_and_says_what_to_do(shopchimp: Callable[..., Run]) -> None:
    done = shopchimp("doctor", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert {name: finding["ok"] for name, finding in found.items()} == {
        "postgres": False,
        "redis": False,
        "workers": False,
    }
    assert "DATABASE_URL" in found["postgres"]["words"]
    assert "REDIS_URL" in found["redis"]["words"]


@pytest.mark.usefixtures("living")
def test_doctor_tells_a_dead_redis_from_a_living_postgres(shopchimp: Callable[..., Run]) -> None:
    done = shopchimp("doctor", "--json")
    found = json.loads(done.stdout)
    assert (found["postgres"]["ok"], found["redis"]["ok"], found["workers"]["ok"]) == (True, False, False)
    assert "work goes on" in found["redis"]["words"]
    assert "shopchimp worker" in found["workers"]["words"]
    assert "FAIL" in shopchimp("doctor").stderr


def test_a_database_without_tables_is_migrated(
    shopchimp: Callable[..., Run], env: dict[str, str], postgres: Postgres
) -> None:
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute("create database bare owner shopchimp")
    env["DATABASE_URL"] = f"{postgres.url.rpartition('/')[0]}/bare"
    assert "shopchimp migrate" in json.loads(shopchimp("doctor", "--json").stdout)["postgres"]["words"]
    done = shopchimp("why", "a@example.com")
    assert (done.returncode, "shopchimp migrate" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    assert shopchimp("migrate").returncode == 0
    assert shopchimp("migrate").returncode == 0, "twice is as good as once"
    assert json.loads(shopchimp("doctor", "--json").stdout)["postgres"]["ok"] is True


@pytest.mark.parametrize("command", ["preview", "migrate", "promo-codes sync"])
def test_a_dead_database_is_a_sentence(shopchimp: Callable[..., Run], command: str) -> None:
    done = shopchimp(*command.split())
    assert done.returncode == 1
    assert "Postgres doesn't answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_why_about_somebody_unknown(shopchimp: Callable[..., Run], living: str) -> None:
    done = shopchimp("why", "nobody@example.com")
    assert (done.returncode, "No shop has the app yet" in done.stderr) == (1, True)
    add_shop(living, "one.myshopify.com")
    for arguments in (("why", "nobody@example.com", "--json"), ("why", "[/red]")):
        done = shopchimp(*arguments)
        assert done.returncode == 1
        assert "Nobody with this address was synced" in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


def test_of_several_shops_one_must_be_named(shopchimp: Callable[..., Run], living: str) -> None:
    add_shop(living, "one.myshopify.com")
    add_shop(living, "two.myshopify.com")
    assert "two.myshopify.com" in shopchimp("preview").stderr
    assert "No such shop" in shopchimp("preview", "--shop", "three.myshopify.com").stderr
    done = shopchimp("preview", "--shop", "one.myshopify.com")
    assert (done.returncode, "choose an audience" in done.stderr) == (1, True)
    done = shopchimp("sync", "--shop", "one.myshopify.com", "--policy", "nonsense")
    assert (done.returncode, "latest_choice_wins" in done.stderr) == (1, True)


def test_a_standalone_shop_is_served_to_this_machine_alone(shopchimp: Callable[..., Run]) -> None:
    here = {"SHOPCHIMP_APP_URL": "http://127.0.0.1:1", "SHOPCHIMP_STANDALONE_SHOP": "one.myshopify.com"}
    done = shopchimp("serve", "--host", "0.0.0.0", **here)
    assert (done.returncode, "127.0.0.1" in done.stderr) == (1, True)


@pytest.fixture
def lonely_worker(living: str, env: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker that never meets a Redis."""
    add_shop(living, "one.myshopify.com")
    with psycopg.connect(living.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            """
            insert into sync_runs (id, shop_id, audience_id, state, phase, due_at)
            select gen_random_uuid(), id, 'aud1', 'preparing', 'read_contacts', now() from shops
            """
        )
    with (tmp_path / "worker.log").open("w") as log:
        command = [sys.executable, "-m", "shopchimp.cli", "worker"]
        process = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=log, stderr=log, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)


def test_a_worker_started_without_redis_works_all_the_same(
    lonely_worker: subprocess.Popen[str], living: str, tmp_path: Path
) -> None:
    state, deadline = "preparing", time.monotonic() + 30
    while state == "preparing" and time.monotonic() < deadline:
        assert lonely_worker.poll() is None
        time.sleep(0.2)
        with psycopg.connect(living.replace("+psycopg", "")) as connection:
            row = connection.execute("select state from sync_runs").fetchone()
            assert row is not None
            state = row[0]
    assert state == "needs_you", "the shop has no token: it asks for the merchant"
    for line in (tmp_path / "worker.log").read_text().splitlines():
        assert "canary" not in line
