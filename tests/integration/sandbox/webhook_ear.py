"""A small server that hears webhooks and answers what a test wants."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass(frozen=True)
class Heard:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def topic(self) -> str:
        return self.headers.get("x-shopify-topic", "")

    @property
    def content(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Ear:
    url: str = ""
    status: int | Callable[[Heard], int] = 200
    heard: list[Heard] = field(default_factory=list)

    def wait(self, count: int) -> list[Heard]:
        """The first `count` deliveries; fails if they do not come."""
        wait_until(lambda: len(self.heard) >= count, f"{count} deliveries, heard {len(self.heard)}")
        return self.heard


@contextmanager
def ear() -> Iterator[Ear]:
    listening = Ear()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard = Heard(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            listening.heard.append(heard)
            self.send_response(listening.status(heard) if callable(listening.status) else listening.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        listening.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield listening
        server.shutdown()


def wait_until(true: Callable[[], bool], what: str = "it", seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.005)
