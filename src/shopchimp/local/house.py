"""The whole house on one machine: Postgres, Redis, sandbox, web, worker and beat, started and stopped together."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from shopchimp.local.child import LocalError
from shopchimp.local.postgres import Postgres
from shopchimp.local.processes import Supervisor, free_port
from shopchimp.local.redis import Redis

SHOP = "demo-store.myshopify.com"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start. `sandbox` are further arguments of the sandbox, `settings` further settings of the product."""

    folder: Path
    port: int = 0
    sandbox: Sequence[str] = ()
    settings: dict[str, str] = field(default_factory=dict)
    durable: bool = True
    beat: bool = True
    worker: bool = True
    standalone: bool = True


class House:
    """`with House(Plan(folder)) as house:` and everything runs; at the end, or when we die, nothing is left running."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._stack = ExitStack()
        self.env: dict[str, str] = {}
        self.app_url = ""
        self.shopify_url = ""
        self.mailchimp_url = ""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            plan = self.plan
            plan.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.postgres = stack.enter_context(Postgres(plan.folder / "postgres", fast=not plan.durable))
            self.redis = stack.enter_context(Redis(plan.folder / "redis"))
            self.processes = stack.enter_context(Supervisor(plan.folder / "logs"))
            self.app_url = f"http://127.0.0.1:{plan.port or free_port()}"
            self._make_env()
            self._start_sandbox()
            self.command("migrate", wait=True)
            self.command("web", "serve", "--port", self.app_url.rsplit(":", 1)[1], ready_url=f"{self.app_url}/healthz")
            if plan.worker:
                self.start_worker()
            if plan.beat:
                self.command("beat", "beat")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _make_env(self) -> None:
        self.env = {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "SHOPCHIMP_APP_URL": self.app_url,
            "SHOPCHIMP_SHOPIFY_API_KEY": secrets.token_hex(16),
            "SHOPCHIMP_SHOPIFY_API_SECRET": f"shpss_{secrets.token_hex(16)}",
            "SHOPCHIMP_MAILCHIMP_CLIENT_ID": str(secrets.randbelow(10**12)),
            "SHOPCHIMP_MAILCHIMP_CLIENT_SECRET": secrets.token_hex(25),
            "SHOPCHIMP_ENCRYPTION_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(),
            "SHOPCHIMP_DATA_DIR": str(self.plan.folder),
            "SHOPCHIMP_STANDALONE_SHOP": SHOP if self.plan.standalone else "",
            **self.plan.settings,
        }

    def _start_sandbox(self) -> None:
        env = self.env
        arguments = [
            "--shop", SHOP,
            "--app-url", self.app_url,
            "--api-key", env["SHOPCHIMP_SHOPIFY_API_KEY"],
            "--api-secret", env["SHOPCHIMP_SHOPIFY_API_SECRET"],
            "--mailchimp-client-id", env["SHOPCHIMP_MAILCHIMP_CLIENT_ID"],
            "--mailchimp-client-secret", env["SHOPCHIMP_MAILCHIMP_CLIENT_SECRET"],
            *self.plan.sandbox,
        ]  # fmt: skip
        argv = [sys.executable, "-m", "shopchimp.sandbox", *arguments]
        ready = json.loads(self.processes.start("sandbox", argv, ready_line="{", timeout=900, restart=False))
        self.shopify_url, self.mailchimp_url = ready["shopify"], ready["mailchimp"]
        env.setdefault("SHOPCHIMP_SHOPIFY_URL", f"{self.shopify_url}/{{shop}}")
        env.setdefault("SHOPCHIMP_MAILCHIMP_LOGIN_URL", self.mailchimp_url)
        if self.plan.standalone is False:
            env.setdefault("SHOPCHIMP_APP_BRIDGE_URL", f"{self.shopify_url}/app-bridge.js")

    def start_worker(self) -> None:
        """Start the worker; the supervisor starts it anew whenever it dies."""
        self.command("worker", "worker")

    def command(self, name: str, *arguments: str, wait: bool = False, ready_url: str | None = None) -> None:
        """Run one of our own commands as a process with the house's settings; with `wait`, to its end."""
        argv = [sys.executable, "-m", "shopchimp.cli", *(arguments or (name,))]
        if wait:
            done = subprocess.run(argv, env={**os.environ, **self.env}, capture_output=True, check=False)  # noqa: S603
            if done.returncode:
                words = done.stderr.decode(errors="replace")[-2000:]
                raise LocalError(f"{name} ended with {done.returncode}:\n{words}")
        else:
            self.processes.start(name, argv, env=self.env, ready_url=ready_url)
