"""The sandbox's Shopify for a test: called in place for its rules, or as the process that the product is pointed at."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from shopchimp.sandbox.extension import find_extension
from shopchimp.sandbox.people import generate
from shopchimp.sandbox.recording import WriteLog
from shopchimp.sandbox.shopify.app import ShopifySandbox
from shopchimp.sandbox.shopify.call import Call
from shopchimp.sandbox.shopify.graphql_api import execute
from shopchimp.sandbox.shopify.oauth import EXCHANGE, ID_TOKEN, OFFLINE, AppIdentity, session_token

KEY, SECRET = "test-key", "a-secret-of-the-tests-and-of-nobody-else"
DOMAIN = "demo-store.myshopify.com"
APP_URL = "http://127.0.0.1:8000"
SHARED = Path(__file__).parents[4] / "shared"
SHOPIFY = SHARED / "contracts/shopify"


class Clock:
    def __init__(self, at: float = 1_795_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Api:
    """One shop without a network, with a clock that moves when told to."""

    def __init__(self, people: int = 0, *, plan: str = "unlimited", scopes: tuple[str, ...] | None = None) -> None:
        self.clock = Clock()
        self.app = AppIdentity(KEY, SECRET, APP_URL)
        self.sandbox = ShopifySandbox(
            app=self.app,
            domains=[DOMAIN],
            plan=plan,
            writes=WriteLog(),
            clock=self.clock,
            extension=find_extension(),
        )
        for person in generate(people, 1):
            self.sandbox.add(person)
        self.sandbox.finish()
        self.shop = self.sandbox.main
        self.call = Call(self.shop, self.app.scopes if scopes is None else scopes, "http://sandbox.test")

    def run(self, text: str, operation: str | None = None, **variables: Any) -> dict[str, Any]:
        """The whole answer."""
        return execute(self.call, text, variables, operation)

    def __call__(self, text: str, **variables: Any) -> Any:
        """The one root field of an answer that has no errors."""
        answer = self.run(text, **variables)
        assert "errors" not in answer, answer["errors"]
        (value,) = answer["data"].values()
        return value

    def customer(self, **given: Any) -> str:
        made = self(
            "mutation($i: CustomerInput!) { customerCreate(input: $i) { customer { id } userErrors { message } } }",
            i=given,
        )
        assert made["userErrors"] == []
        return made["customer"]["id"]

    def writes(self) -> list[tuple[str, str, dict[str, Any]]]:
        lines = [orjson.loads(orjson.dumps(each)) for each in self.sandbox.writes()]
        return [(each["kind"], each["key"], each["content"]) for each in lines]

    def exchange(self, **changes: Any) -> dict[str, Any]:
        body = {
            "client_id": KEY,
            "client_secret": SECRET,
            "grant_type": EXCHANGE,
            "subject_token": session_token(self.app, DOMAIN, now=self.clock.at),
            "subject_token_type": ID_TOKEN,
            "requested_token_type": OFFLINE,
            "expiring": 1,
        }
        return self.shop.tokens.grant({**body, **changes})


def shared(path: Path) -> Path:
    """A file of the folder beside the checkout: its tests skip where it is not, but never in CI."""
    if not path.exists():
        assert os.environ.get("CI") != "true", f"{path.name} is missing from the folder beside the checkout"
        pytest.skip(f"{path.name} is not here: it lies in the folder shared/ beside the checkout")
    return path


@contextmanager
def sandbox_process(*arguments: str) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "shopchimp.sandbox", "--api-key", KEY, "--api-secret", SECRET, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            yield {**ready, "process": process}
        finally:
            process.terminate()
            process.wait(10)


class Remote:
    """The running sandbox as an installed app sees it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url)
        self.http.headers["X-Shopify-Access-Token"] = self.token()["access_token"]

    def id_token(self) -> str:
        return self.http.get("/_sandbox/session-token", params={"shop": DOMAIN}).json()["id_token"]

    def token(self) -> dict[str, Any]:
        body = {
            "client_id": KEY,
            "client_secret": SECRET,
            "grant_type": EXCHANGE,
            "subject_token": self.id_token(),
            "subject_token_type": ID_TOKEN,
            "requested_token_type": OFFLINE,
            "expiring": 1,
        }
        return self.http.post(f"/{DOMAIN}/admin/oauth/access_token", json=body).raise_for_status().json()

    def graphql(self, text: str, **variables: Any) -> httpx.Response:
        body = {"query": text, "variables": variables}
        return self.http.post(f"/{DOMAIN}/admin/api/2026-10/graphql.json", json=body)

    def control(self, name: str, **body: Any) -> Any:
        return self.http.post(f"/_sandbox/{name}", json=body).raise_for_status().json()

    def close(self) -> None:
        self.http.close()
