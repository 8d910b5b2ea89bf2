"""Pages in Debian's chromium: standalone on loopback, and framed by a double of the Shopify admin."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
ROOT = Path(__file__).parents[2]
AXE = ROOT / "build/npm/node_modules/axe-core/axe.min.js"
SHOTS = ROOT / "build/shots"


def _missing(what: str) -> None:
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Ended with each file: while it runs, no test of this process can have a loop of its own."""
    path = shutil.which("chromium")
    if path is None:
        _missing("chromium (apt-get install -y --no-install-recommends chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        # the double of the admin is a public address that frames this machine, which chromium asks a person about
        arguments.append("--disable-features=LocalNetworkAccessChecks")
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe_source() -> str:
    if not AXE.exists():
        _missing("axe-core (npm i --no-audit --no-fund --prefix build/npm axe-core@4.14.1)")
    return AXE.read_text()


class Server:
    """The web process in a thread, on a port of its own."""

    def __init__(self, url: str, postgres_url: str, *, standalone: bool) -> None:
        import uvicorn
        import web_house as house

        from shopchimp.main import create_app

        self.url = url
        shop = house.SHOP if standalone else ""
        transport = httpx.MockTransport(mailchimp)
        self.runtime = house.runtime(postgres_url, app_url=url, standalone=shop, http=transport)
        port = urlsplit(url).port
        config = uvicorn.Config(create_app(runtime=self.runtime), port=port, log_level="warning", access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


def mailchimp(request: httpx.Request) -> httpx.Response:
    """As much of Mailchimp as the setup asks."""
    match request.url.path:
        case "/oauth2/token":
            return httpx.Response(200, json={"access_token": "t" * 32, "expires_in": 0, "scope": None})
        case "/oauth2/metadata":
            body = {
                "dc": "us21",
                "role": "owner",
                "accountname": "Acme Ltd",
                "user_id": 1,
                "login": {"login_id": 7, "login_name": "anna", "email": "anna@example.com"},
                "login_url": "https://login.mailchimp.com",
                "api_endpoint": "https://us21.api.mailchimp.com",
            }
            return httpx.Response(200, json=body)
        case "/3.0/" | "/3.0":
            body = {"account_id": "acc", "login_id": "7", "account_name": "Acme Ltd", "role": "owner"}
            return httpx.Response(200, json=body)
        case "/3.0/lists":
            stats = {"member_count": 11902, "total_contacts": 12480}
            lists = [{"id": "aud1", "name": "Newsletter", "stats": stats, "double_optin": False}]
            lists.append({"id": "aud2", "name": "Wholesale", "stats": {"member_count": 310}, "double_optin": True})
            return httpx.Response(200, json={"lists": lists, "total_items": 2})
    return httpx.Response(503)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import web_house as house

    with house.postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def standalone(postgres_url: str) -> Iterator[Server]:
    server = _server(postgres_url, standalone=True)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def embedded(postgres_url: str) -> Iterator[Server]:
    server = _server(postgres_url, standalone=False)
    yield server
    server.stop()


def _server(postgres_url: str, *, standalone: bool) -> Server:
    from shopchimp.local.processes import free_port

    server = Server(f"http://127.0.0.1:{free_port()}", postgres_url, standalone=standalone)
    server.start()
    return server


@pytest.fixture
def database(postgres_url: str) -> Iterator[Any]:
    import web_house as house

    from shopchimp.db.session import Database

    database = Database(postgres_url, pool_size=1)
    house.empty(database)
    yield database
    database.close()


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    import web_house as house

    for module in (*house.WAKERS, "oauth"):
        monkeypatch.setattr(f"shopchimp.web.{module}.wake", lambda: None)


@pytest.fixture
def open_context(chromium: Any) -> Iterator[Callable[..., Any]]:
    """A context that answers foreign hosts from a table alone, and fails the test on console errors and strangers."""
    contexts, problems = [], []

    def make(*, doubles: dict[str, Callable[[Any], None]] | None = None, expect: str = "", **options: Any) -> Any:
        defaults = {
            "viewport": {"width": 1200, "height": 800},
            "locale": "en-US",
            "timezone_id": "America/New_York",
            "reduced_motion": "reduce",
        }
        context = chromium.new_context(**{**defaults, **options})
        context.set_default_timeout(5000)
        contexts.append(context)

        def route(route: Any) -> None:
            url = urlsplit(route.request.url)
            if url.hostname == "127.0.0.1":
                route.continue_()
            elif double := (doubles or {}).get(url.hostname or ""):
                double(route)
            else:
                problems.append(f"foreign host: {route.request.url}")
                route.abort()

        context.route("**/*", route)
        context.on("weberror", lambda error: problems.append(f"page error: {error.error}"))
        context.on("console", lambda message: _note(message, problems, expect))
        return context

    yield make
    for context in contexts:
        assert not context.cookies(), "a cookie was set"
        context.close()
    assert not problems, problems


def _note(message: Any, problems: list[str], expect: str) -> None:
    expected = ["the server responded with a status of 4"]  # a refused form; the test asks for it
    expected += ["Mixed Content"]  # the admin is https and this machine is not; a real app is
    expected += [expect] if expect else []
    if message.type in {"error", "warning"} and not any(part in message.text for part in expected):
        problems.append(f"console: {message.text}")


@pytest.fixture
def axe(axe_source: str) -> Callable[[Any], list[str]]:
    """What axe finds wrong on a page or in a frame, by the rules of WCAG 2.2 AA."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

    def run(frame: Any) -> list[str]:
        frame.evaluate(axe_source)
        result = frame.evaluate("tags => axe.run({runOnly: {type: 'tag', values: tags}})", tags)
        assert result["passes"], "axe looked at nothing"
        return [f"{v['id']}: {[n['target'] for n in v['nodes']]}" for v in result["violations"]]

    return run


@pytest.fixture
def shot() -> Callable[[Any, str], None]:
    """A picture for a person to look at, where SHOTS=1 asks for it."""
    if os.environ.get("SHOTS") != "1":
        return lambda page, name: None
    SHOTS.mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
