"""A wake-up is never worth an error, and never worth waiting for."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from shopchimp.jobs import wake as module
from shopchimp.jobs.app import celery_app


@pytest.fixture
def broker() -> Iterator[None]:
    before = celery_app.conf.broker_url
    yield
    celery_app.pool.force_close_all()
    celery_app.conf.broker_url = before


@pytest.fixture
def black_hole() -> Iterator[int]:
    """Takes connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server.getsockname()[1]


def timed() -> float:
    began = time.monotonic()
    module.wake()
    return time.monotonic() - began


@pytest.mark.usefixtures("broker")
def test_a_broker_that_swallows_everything_costs_a_moment(black_hole: int) -> None:
    celery_app.conf.broker_url = f"redis://127.0.0.1:{black_hole}/0"
    assert timed() < 0.5


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis://:::/0", "nonsense://x"])
def test_a_broker_that_is_not_there_raises_nothing(url: str) -> None:
    celery_app.conf.broker_url = url
    assert timed() < 0.5


def test_a_stuck_broker_takes_no_more_threads_than_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, entered = threading.Event(), []
    before = set(threading.enumerate())

    def send(*_: object, **__: object) -> None:
        entered.append(1)
        stuck.wait(10)

    monkeypatch.setattr(celery_app, "send_task", send)
    monkeypatch.setattr(module, "LIMIT", 0.001)
    monkeypatch.setattr(module, "_publishers", threading.BoundedSemaphore(8))
    for _ in range(30):
        module.wake()
    assert len(entered) == 8
    stuck.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    module.wake()  # they were given back
    assert len(entered) == 9


def test_what_is_sent_names_nobody_and_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[tuple[object, ...], dict[str, object]]] = []
    monkeypatch.setattr(celery_app, "send_task", lambda *args, **named: sent.append((args, named)))
    module.wake()
    assert sent == [(("shopchimp.look",), {"expires": 30, "retry": False})]
