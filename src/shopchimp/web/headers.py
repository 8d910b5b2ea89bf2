"""What goes with every answer: who may frame it, what it may load, that nobody keeps it; and what comes in at most."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ADMIN = "https://admin.shopify.com"
PICTURES = "https://cdn.shopify.com"
REST = "base-uri 'none'; object-src 'none'; form-action 'self'"
BODY_LIMIT = 1_000_000
OURS = ("/webhooks/", "/pixel/")  # these count their own bytes, before they look at them


class Headers:
    """Adds the security headers. A route says which shop may frame it by setting `request.state.frame_shop`."""

    def __init__(self, app: ASGIApp, *, app_url: str, app_bridge_url: str) -> None:
        self.app = app
        self.https = app_url.startswith("https://")
        self.bridge = _origin(app_bridge_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a `state` of its own, and the answer back with the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                headers.update(self._headers(state.get("frame_shop", "")))
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _headers(self, frame_shop: str) -> dict[str, str]:
        """Who may frame the answer (this shop's admin, or nobody) and what it may load."""
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",  # the first address of an embedded page holds a token
            "Content-Security-Policy": f"frame-ancestors 'none'; default-src 'self'; {REST}",
        }
        if self.https:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if frame_shop:
            scripts = f"script-src 'self' {self.bridge}"
            headers["Content-Security-Policy"] = f"frame-ancestors https://{frame_shop} {ADMIN}; {REST}; {scripts}"
            # What the real App Bridge needs beside scripts isn't known here (ux.md 1.3): the rest only reports.
            headers["Content-Security-Policy-Report-Only"] = f"default-src 'self'; img-src 'self' {PICTURES}; {scripts}"
            headers["Link"] = f'<{self.bridge}>; rel="preconnect"'
        return headers


class BodyLimit:
    """Refuses bodies over 1 MB before they are read, and multipart, which no route of ours takes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes as they come; a body without a length gets no further than one with a false length."""
        if scope["type"] != "http" or scope["path"].startswith(OURS):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if headers.get(b"content-type", b"").lower().startswith(b"multipart/"):
            await PlainTextResponse("multipart is not accepted", status_code=415)(scope, receive, send)
            return
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > BODY_LIMIT:
            await PlainTextResponse("body over 1 MB", status_code=413)(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return {"type": "http.disconnect"} if taken > BODY_LIMIT else message

        await self.app(scope, counted, send)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
