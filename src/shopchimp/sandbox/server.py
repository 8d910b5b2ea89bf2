"""Both platforms in one process on two ports, until told to stop or until the process that started them is gone."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Final

import orjson
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from shopchimp.sandbox.control import Control, with_control
from shopchimp.sandbox.courier import Courier
from shopchimp.sandbox.faults import Traffic
from shopchimp.sandbox.shopify.app import OWN_CONTROL, ShopifySandbox

PARENT_CHECK_SECONDS: Final = 0.5
GRACE_SECONDS: Final = 1


class _Server(uvicorn.Server):
    """Signals are for both servers, so neither may take them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(
    shopify: Traffic,
    mailchimp: Traffic,
    shop: ShopifySandbox,
    courier: Courier,
    *,
    host: str,
    shopify_port: int,
    mailchimp_port: int,
    parent: int,
) -> None:
    """Listen, say so in one JSON line on stdout, and serve as long as the process `parent` lives."""
    control = Control([shopify, mailchimp], courier)
    sockets = _listen(host, shopify_port), _listen(host, mailchimp_port)
    urls = [f"http://{host}:{each.getsockname()[1]}" for each in sockets]
    shop.base_url = urls[0]
    ports = with_control(shopify, control), with_control(mailchimp, control)
    servers = [_server(_with_own_control(ports[0], shop)), _server(ports[1])]
    ready = {"shopify": urls[0], "mailchimp": urls[1], "shop": shop.main.domain, "pid": os.getpid()}
    with contextlib.suppress(KeyboardInterrupt):
        _run(servers, sockets, ready, parent)


def _run(servers: list[_Server], sockets: tuple[socket.socket, ...], ready: dict[str, object], parent: int) -> None:
    loop = servers[0].config.get_loop_factory()
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(_serve(servers, sockets, ready, parent))


async def _serve(
    servers: list[_Server], sockets: tuple[socket.socket, ...], ready: dict[str, object], parent: int
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    serving = [asyncio.create_task(server.serve(sockets=[each])) for server, each in zip(servers, sockets, strict=True)]
    while not all(server.started for server in servers):  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    sys.stdout.write(orjson.dumps(ready).decode() + "\n")
    sys.stdout.flush()
    orphaned = asyncio.create_task(_orphaned(parent))
    await asyncio.wait([orphaned, asyncio.create_task(stop.wait()), *serving], return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*serving)


async def _orphaned(parent: int) -> None:
    """A killed parent cannot stop its children; they notice that they have been handed to another."""
    while os.getppid() == parent:  # noqa: ASYNC110 - nor has a parent
        await asyncio.sleep(PARENT_CHECK_SECONDS)


def _with_own_control(port: ASGIApp, shop: ShopifySandbox) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        own = scope["type"] == "http" and scope["path"] in OWN_CONTROL
        await (shop if own else port)(scope, receive, send)

    return app


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=2048)
    listening.setblocking(False)
    return listening


def _server(app: ASGIApp) -> _Server:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return _Server(config)
