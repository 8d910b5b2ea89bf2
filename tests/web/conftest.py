from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import web_house as house
from starlette.testclient import TestClient

from shopchimp.main import create_app
from shopchimp.runtime import Runtime


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("postgres")
    with house.postgres(folder) as url:
        yield url


@pytest.fixture(scope="session")
def embedded_runtime(postgres_url: str) -> Iterator[Runtime]:
    made = house.runtime(postgres_url, app_url="https://app.example.com", http=httpx.MockTransport(_mailchimp))
    yield made
    made.close()


@pytest.fixture(scope="session")
def standalone_runtime(postgres_url: str) -> Iterator[Runtime]:
    url = "http://127.0.0.1:8000"
    made = house.runtime(postgres_url, app_url=url, standalone=house.SHOP, http=httpx.MockTransport(_mailchimp))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _empty(embedded_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    house.empty(embedded_runtime.database)
    house.ANSWERS.clear()
    house.ASKED.clear()
    for module in house.WAKERS:
        monkeypatch.setattr(f"shopchimp.web.{module}.wake", lambda: None)


@pytest.fixture
def shop(embedded_runtime: Runtime) -> int:
    shop_id = house.add_shop(embedded_runtime.database)
    house.connect(embedded_runtime, shop_id)
    return shop_id


@pytest.fixture(scope="session")
def apps(embedded_runtime: Runtime, standalone_runtime: Runtime) -> dict[str, object]:
    return {
        "embedded": create_app(runtime=embedded_runtime),
        "standalone": create_app(runtime=standalone_runtime),
    }


@pytest.fixture
def embedded(apps: dict) -> Callable[[str], TestClient]:
    """A client inside the admin of a shop: every request carries a fresh token."""

    def make(domain: str = house.SHOP) -> TestClient:
        headers = {"Authorization": f"Bearer {house.session_token(domain)}"}
        client = TestClient(apps["embedded"], base_url="https://app.example.com", headers=headers)
        client.follow_redirects = False
        return client

    return make


@pytest.fixture
def stranger(apps: dict) -> TestClient:
    """Somebody without any proof."""
    return TestClient(apps["embedded"], base_url="https://app.example.com", follow_redirects=False)


@pytest.fixture
def local(apps: dict) -> Callable[..., TestClient]:
    """A client on this machine, of a standalone process."""

    def make(base_url: str = "http://127.0.0.1:8000", client: tuple[str, int] = ("127.0.0.1", 5000)) -> TestClient:
        return TestClient(apps["standalone"], base_url=base_url, client=client, follow_redirects=False)

    return make


def _mailchimp(request: httpx.Request) -> httpx.Response:
    """What these tests ask of Mailchimp: its audiences, and what a test has an answer for."""
    house.ASKED.append((request.method, request.url.path, request.content))
    if answer := house.ANSWERS.get((request.method, request.url.path)):
        return httpx.Response(answer[0], json=answer[1])
    if request.url.path == "/3.0/lists":
        stats = {"member_count": 11902, "total_contacts": 12480}
        lists = [{"id": "aud1", "name": "Newsletter", "stats": stats, "double_optin": False}]
        lists.append({"id": "aud2", "name": "Wholesale", "stats": {"member_count": 310}, "double_optin": True})
        return httpx.Response(200, json={"lists": lists, "total_items": 2})
    return httpx.Response(503)
