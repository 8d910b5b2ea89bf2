"""The sandbox's Mailchimp for a test: called in place for its rules, or on a real port for real clients."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import uvicorn

from shopchimp.sandbox.control import Control, with_control
from shopchimp.sandbox.faults import Traffic
from shopchimp.sandbox.mailchimp import MailchimpSandbox
from shopchimp.sandbox.people import generate

CLIENT_ID, CLIENT_SECRET = "shopchimp-sandbox", "not-a-secret"


class Clock:
    """A clock of the test's own: it moves when told to."""

    def __init__(self, at: float = 1_795_000_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Api:
    """The sandbox without a network: one call, one answer."""

    def __init__(self, people: int = 0, **options: Any) -> None:
        self.clock = Clock()
        options.setdefault("hook_validation", False)
        self.sandbox = MailchimpSandbox(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, clock=self.clock, **options)
        for person in generate(people, 1):
            self.sandbox.add(person)
        self.sandbox.finish()
        self.token = self.sandbox.account.new_token()
        self.list_id = self.sandbox.account.named("Newsletter").id
        self.list = f"/lists/{self.list_id}"

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        root: str = "/3.0",
        **query: Any,
    ) -> Answer:
        sent = {"authorization": f"Bearer {self.token}", "host": "sandbox.test", **(headers or {})}
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        full = path if path.startswith(("/oauth2", "/contacts")) else f"{root}{path}"
        scope = {
            "type": "http",
            "method": method,
            "path": full,
            "query_string": urlencode(query).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }
        status, answered, content = self.sandbox.respond(scope, raw)
        return Answer(status, {name.decode(): value.decode() for name, value in answered}, content)

    def add(self, email: str, status: str = "subscribed", **more: Any) -> dict[str, Any]:
        answer = self("POST", f"{self.list}/members", {"email_address": email, "status": status, **more})
        assert answer.status == 200, answer.json
        return answer.json

    def member(self, email: str) -> dict[str, Any]:
        answer = self("GET", f"{self.list}/members/{email}")
        assert answer.status == 200, answer.json
        return answer.json

    def batch(self, *rows: dict[str, Any], **options: Any) -> dict[str, Any]:
        """A batch subscribe; options beginning with `q_` go into the query."""
        query = {name[2:]: value for name, value in options.items() if name.startswith("q_")}
        body = {"members": list(rows), **{k: v for k, v in options.items() if not k.startswith("q_")}}
        answer = self("POST", self.list, body, **query)
        assert answer.status == 200, answer.json
        return answer.json

    def writes(self) -> list[tuple[str, str, dict[str, Any]]]:
        lines = [json.loads(orjson.dumps(each)) for each in self.sandbox.writes()]
        return [(each["kind"], each["key"], each["content"]) for each in lines]


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The application on a free port of this machine."""
    config = uvicorn.Config(
        app, port=0, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@dataclass
class Port:
    """A sandbox on a real port, with the traffic layer and the control routes as in the product."""

    url: str
    api: Api
    traffic: Traffic

    @property
    def list_url(self) -> str:
        return f"{self.url}/3.0/lists/{self.api.list_id}"

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api.token}"}

    def control(self, name: str, **body: Any) -> Any:
        answer = httpx.post(f"{self.url}/_sandbox/{name}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def calls(self) -> Any:
        return httpx.get(f"{self.url}/_sandbox/calls").json()


@contextmanager
def opened(people: int = 50, *, account: dict[str, Any] | None = None, **traffic_options: Any) -> Iterator[Port]:
    api = Api(people, **(account or {}))
    traffic = Traffic(api.sandbox, **traffic_options)
    with serving(with_control(traffic, Control([traffic]))) as url:
        yield Port(url, api, traffic)
