"""Requests as the handlers see them, answers as the server sends them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import orjson

Headers = list[tuple[bytes, bytes]]
Reply = tuple[int, Headers, bytes]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    raw_query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    now: float

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw_query.decode("latin-1"), keep_blank_values=True))

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")


def json_reply(status: int, content: Mapping[str, Any], extra: Headers | None = None) -> Reply:
    headers = [(b"content-type", b"application/json; charset=utf-8"), *(extra or ())]
    return status, headers, orjson.dumps(content)


def html(status: int, text: str, extra: Headers | None = None) -> Reply:
    return status, [(b"content-type", b"text/html; charset=utf-8"), *(extra or ())], text.encode()


def script(text: str) -> Reply:
    return 200, [(b"content-type", b"text/javascript; charset=utf-8"), (b"cache-control", b"no-store")], text.encode()


def redirect(there: str, status: int = 302) -> Reply:
    return status, [(b"location", there.encode())], b""
