"""The Shopify of the sandbox as one ASGI application: OAuth, the Admin API, result files, fake admin, storefront.

It is the inner part: `shopchimp.sandbox.faults.Traffic` goes around it. Every call is answered without waiting, so one
process needs no locks; only result files are streamed. Paths carry the shop first (`/{shop}/admin/...`); where a client
cannot, the shop may be the host (`Host: demo-store.myshopify.com`).
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from itertools import chain
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from starlette.types import Receive, Scope, Send

from shopchimp.sandbox.courier import Courier
from shopchimp.sandbox.extension import Extension
from shopchimp.sandbox.faults import read_body
from shopchimp.sandbox.people import Person
from shopchimp.sandbox.recording import WriteLog
from shopchimp.sandbox.shopify import admin, graphql_api, storefront
from shopchimp.sandbox.shopify.authorize import authorize, form_or_json, session_token_answer
from shopchimp.sandbox.shopify.commerce_editing import edit_commerce
from shopchimp.sandbox.shopify.commerce_state import all_durable_commerce
from shopchimp.sandbox.shopify.editing import all_durable, edit
from shopchimp.sandbox.shopify.oauth import AppIdentity, OAuthError
from shopchimp.sandbox.shopify.shop import Shop, open_shop
from shopchimp.sandbox.shopify.wire import Reply, Request, html, json_reply, redirect

GRAPHQL: Final = re.compile(r"/(?P<shop>[^/]+)/admin/api/(?P<version>[^/]+)/graphql\.json")
OAUTH: Final = re.compile(r"/(?P<shop>[^/]+)/admin/oauth/(?P<step>authorize|access_token)")
STORAGE: Final = re.compile(r"/storage/(?P<key>[\w-]+)\.jsonl")
OPERATION: Final = re.compile(
    rb'"operationName"\s*:\s*"(?P<named>\w+)"|"query"\s*:\s*"(?:[^"\\]|\\.)*?\b(?:query|mutation)\s+(?P<first>\w+)'
)
# Control routes of Shopify's port alone; the shared ones are in sandbox/control.py.
OWN_CONTROL: Final = frozenset(
    f"/_sandbox/{name}" for name in ("session-token", "expire-tokens", "compliance", "uninstall")
)


class ShopifySandbox:
    """Fill it with `add(person)` for everybody, then `finish()`."""

    name = "shopify"
    connection_limit: int | None = None
    unlimited_routes: frozenset[str] = frozenset()
    batch_routes: frozenset[str] = frozenset()

    def __init__(
        self,
        *,
        app: AppIdentity,
        domains: Iterable[str],
        plan: str = "plus",
        seed: int = 1,
        writes: WriteLog | None = None,
        clock: Callable[[], float] = time.time,
        extension: Extension | None = None,
    ) -> None:
        self.app = app
        self.clock = clock
        self.log = writes or WriteLog()
        self.shops: dict[str, Shop] = {
            domain: open_shop(domain, app, clock=clock, plan=plan, seed=seed, log=self.log, extension=extension)
            for domain in domains
        }
        self.main = next(iter(self.shops.values()))
        self.base_url = ""  # set when the port is known: where result files are fetched

    @property
    def courier(self) -> Courier | None:
        """Set later; without one nobody is told of changes."""
        return self.main.announcer.courier

    @courier.setter
    def courier(self, courier: Courier | None) -> None:
        for shop in self.shops.values():
            shop.announcer.courier = courier

    def add(self, person: Person, domain: str | None = None) -> None:
        (self.shops[domain] if domain else self.main).customers.seed(person)

    def finish(self) -> None:
        for shop in self.shops.values():
            shop.customers.open()
            shop.commerce.open()

    # What the traffic layer and the control routes ask

    def route(self, method: str, path: str, body: bytes) -> str | None:
        if path.endswith("/graphql.json"):
            found = OPERATION.search(body)
            return (found["named"] or found["first"]).decode() if found else f"{method} graphql.json"
        if path.endswith(("/admin/oauth/access_token", "/admin/oauth/authorize")):
            return f"{method} /admin/oauth/{path.rpartition('/')[2]}"
        return f"{method} /storage/{{file}}" if STORAGE.fullmatch(path) else None

    def refusal(self, status: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
        headers = [(b"content-type", b"application/json")]
        if status == 429:
            said = "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."
            return [*headers, (b"retry-after", b"2.0")], orjson.dumps({"errors": said})
        return headers, orjson.dumps({"errors": "Internal Server Error" if status == 500 else "Service Unavailable"})

    def state(self) -> Iterator[Mapping[str, Any]]:
        """The customers, then, marked by their `kind`, what the shop sells and has sold."""
        customers = all_durable(self.main.customers)
        return chain(customers, all_durable_commerce(self.main.commerce), self.main.marketing.state())

    def writes(self) -> Iterable[Mapping[str, Any]]:
        return self.log

    def login_of(self, _: Scope) -> str:
        """Shopify counts cost, not calls at once."""
        return ""

    def edit(self, change: Mapping[str, Any]) -> Mapping[str, Any]:
        shop = self.shops[change["shop"]] if "shop" in change else self.main
        return edit_commerce(shop, change) if "kind" in change else edit(shop.customers, change)

    def revoke(self) -> None:
        for shop in self.shops.values():
            shop.tokens.revoke()

    # The application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await read_body(receive) or b""
        path = self._with_shop(scope)
        if found := STORAGE.fullmatch(path):
            await self._file(found["key"], send)
            return
        request = Request(scope["method"], path, scope["query_string"], dict(scope["headers"]), body, self.clock())
        status, headers, content = self._respond(request)
        length = (b"content-length", b"%d" % len(content))
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    def _respond(self, request: Request) -> Reply:
        if found := GRAPHQL.fullmatch(request.path):
            return self._graphql(request, found["shop"], found["version"])
        if found := OAUTH.fullmatch(request.path):
            return self._oauth(request, found["shop"], found["step"])
        if request.path == "/_sandbox/session-token":
            return session_token_answer(self.shops, self.app, request)
        if request.path == "/_sandbox/expire-tokens" and request.method == "POST":
            for shop in self.shops.values():
                shop.tokens.expire_access()
            return json_reply(200, {"expired": True})
        if request.path in OWN_CONTROL and request.method == "POST":
            return self._own_control(request)
        if visited := self.shops.get(request.path.split("/", 2)[1]):
            return storefront.page(visited, request)
        return admin.page(self.shops, self.app, request)

    def _own_control(self, request: Request) -> Reply:
        """`compliance` sends one of the toml's topics, `uninstall` is the merchant's: `{"shop"?, ...}`."""
        given = orjson.loads(request.body or b"{}")
        shop = self.shops.get(given.get("shop", self.main.domain))
        if shop is None:
            return json_reply(400, {"error": "no such shop"})
        if request.path.endswith("/uninstall"):
            shop.uninstall()
            return json_reply(200, {"uninstalled": shop.domain})
        try:
            return json_reply(200, shop.announcer.compliance(given))
        except ValueError as error:
            return json_reply(400, {"error": str(error)})

    def _graphql(self, request: Request, domain: str, version: str) -> Reply:
        shop = self.shops.get(domain)
        if shop is None or request.method != "POST":
            return json_reply(404, {"errors": "Not Found"})
        token = request.header(b"x-shopify-access-token")
        status, extra, content = graphql_api.answer(shop, version, token, request.body, self.base_url)
        return json_reply(status, content, extra)

    def _oauth(self, request: Request, domain: str, step: str) -> Reply:
        shop = self.shops.get(domain)
        if shop is None:
            return json_reply(404, {"errors": "Not Found"})
        try:
            if step == "access_token" and request.method == "POST":
                return json_reply(200, shop.tokens.grant(form_or_json(request)))
            if step == "authorize" and request.method == "GET":
                return redirect(authorize(shop, request.query, now=request.now))
        except OAuthError as error:
            if step == "authorize":
                return html(400, escape(f"Oauth error {error.code}: {error.description}"))
            return json_reply(400, {"error": error.code, "error_description": error.description})
        return json_reply(404, {"errors": "Not Found"})

    async def _file(self, key: str, send: Send) -> None:
        operation = next((found for shop in self.shops.values() if (found := shop.bulk.by_key.get(key))), None)
        status = 404 if operation is None or operation.status != "COMPLETED" else 200
        headers = [(b"content-type", b"application/jsonl")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if operation is not None and status == 200:
            for piece in operation.lines():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                await asyncio.sleep(0)  # others are served between the pieces
        await send({"type": "http.response.body", "body": b""})

    def _with_shop(self, scope: Scope) -> str:
        path: str = scope["path"]
        if not path.startswith("/admin/"):
            return path
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        return f"/{urlsplit(f'//{host}').hostname}{path}"
