"""Whatever comes to the pixel's door, the answer is 204 and no bad body leaves anything behind (issue 5, R9)."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pixel_house as pixel
import pytest
import web_house as house
from fastapi import FastAPI
from starlette.types import Message
from webhook_house import Ear

from shopchimp.domain.customer_events.beacon import BEACON_BYTES
from shopchimp.domain.customer_events.names import StoreEvent
from shopchimp.main import create_app
from shopchimp.web import pixel as door
from shopchimp.web.pixel_limits import Buckets

SEED = 20261122
BAD, MANGLED, AT_ONCE = 10_000, 2_000, 50
KINDS = ["text/plain", "application/json", "multipart/form-data", "", "text/plain;charset=utf-16"]

PRODUCT = {
    "id": "8123456789",
    "title": "Blue mug",
    "url": "https://shop.example.com/products/mug?variant=4",
    "variantId": "gid://shopify/ProductVariant/44",
    "variantTitle": "Blue",
    "price": 18.5,
    "currency": "USD",
}
CHECKOUT = {
    "token": "c1f2a3b4c5d6e7f8",
    "email": "Ana@example.com",
    "total": 42,
    "currency": "USD",
    "itemCount": 2,
    "items": [{"id": "8123456789", "title": "Blue mug", "quantity": 2}],
    "orderId": "6100000000001",
}
DATA: dict[str, dict[str, Any]] = {
    "page_viewed": {},
    "product_viewed": {"product": PRODUCT},
    "collection_viewed": {"collection": {"id": "5500000001", "title": "Mugs"}},
    "search_submitted": {"query": "blue mug"},
    "product_added_to_cart": {"product": PRODUCT, "quantity": 2, "total": 37},
    "checkout_started": {"checkout": CHECKOUT},
    "payment_info_submitted": {"checkout": CHECKOUT},
    "checkout_completed": {"checkout": CHECKOUT},
}
MUST = ["version", "accountID", "id", "name", "timestamp", "clientId", "consent"]
ANSWERS = ["analytics", "marketing", "preferences", "saleOfData"]
WORDS = {"title", "variantTitle", "query", "email"}  # may say anything, as long as it is a text
AMOUNTS = {"price", "total"}
NO_TEXT: list[Any] = [0, 1.5, True, [], {}, ["x"], {"x": 1}, -1]
NO_ID = [*NO_TEXT, "", "abc", "-1", "0", "9" * 20, "1e3", "gid://shopify/Product/", " 1", "\u0661", "1\n"]
NO_AMOUNT: list[Any] = ["18.5", -0.01, True, [], {}, 1e12, 10**400, "NaN"]
NO_COUNT: list[Any] = ["2", -1, True, 1.5, [], {}, 10**7, 10**400]
NO_TOKEN: list[Any] = [
    *NO_TEXT,
    "",
    "x" * 129,
    "with space",
    "nul\0nul-nul",
    "\ud800\ud800\ud800\ud800xx",
    "a\nb\nc\nd\n",
]
NO_PLACE: list[Any] = [
    *NO_TEXT,
    "nowhere",
    "javascript:alert(1)",
    "https://",
    "https://a b/",
    "file:///etc/passwd",
    "//x",
]
NO_TIME: list[Any] = [
    *NO_TEXT,
    "",
    "yesterday",
    "2026-13-01T00:00:00Z",
    "2026-11-22",
    "2026-11-22T10:00:00",
    "0000-00-00T00:00:00Z",
]
NO_NAME: list[Any] = [*NO_TEXT, "", "Page_Viewed", "cart_viewed", "email_opened", "page_viewed ", "x" * 5_000]
NO_CURRENCY: list[Any] = [*NO_TEXT, "", "usd", "US", "USDX", "U$D"]
NO_LIST: list[Any] = ["x", {}, 1, True, [1], [[]], [{}] * 11, [{"surprise": 1}]]
NO_JSON = [
    b"",
    b"null",
    b"[]",
    b"1",
    b'"x"',
    b"true",
    b"{",
    b"[" * 20_000 + b"]" * 20_000,
    b"{}",
    b"\xff\xfe{\x00",
    b"{}{}",
    b"NaN",
]


@pytest.fixture
def ear(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    runtime = house.runtime(postgres_url, app_url="https://app.example.com")
    monkeypatch.setattr("shopchimp.main.wake", lambda: None)
    ear = Ear(client=None, runtime=runtime)  # type: ignore[arg-type] # nobody speaks to it but in one loop, below
    pixel.empty(ear)
    yield ear
    runtime.close()


def _good(account: str, dice: random.Random) -> dict[str, Any]:
    name = dice.choice(list(DATA))
    who = {"customerId": "7300000000101", "clientId": f"visitor-{dice.randrange(50):08}"}
    return copy.deepcopy(pixel.said(account, name, data=DATA[name], **who))


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values that are no objects."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, (*path, name))
    else:
        yield path
        if isinstance(value, list):
            for n, part in enumerate(value):
                yield from _leaves(part, (*path, n))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)


def _wrong(path: tuple[Any, ...]) -> list[Any]:
    """What may surely not stand at this place."""
    last = path[-1]
    if path[0] == "consent":
        return [None, 1, "true", [], {}]
    if last in WORDS:
        return NO_TEXT
    if last in AMOUNTS:
        return NO_AMOUNT
    if last in ("quantity", "itemCount"):
        return NO_COUNT
    named = {
        "version": [None, 0, 2, "1", 1.5, []],
        "accountID": [*NO_TEXT, None, "", "x" * 65, "a b", "another_account"],
        "clientId": [*NO_TOKEN, None],
        "id": [*NO_TOKEN, None] if len(path) == 1 else NO_ID,
        "token": NO_TOKEN,
        "name": [*NO_NAME, None],
        "timestamp": [*NO_TIME, None],
        "url": NO_PLACE,
        "currency": NO_CURRENCY,
        "items": NO_LIST,
    }
    return named.get(last, NO_ID)


def _replaced(said: dict[str, Any], dice: random.Random) -> None:
    path = dice.choice([each for each in _leaves(said) if not isinstance(each[-1], int)])
    inside: Any = said
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = dice.choice(_wrong(path))


def _left_out(said: dict[str, Any], dice: random.Random) -> None:
    missing = dice.choice([*MUST, *ANSWERS])
    (said["consent"] if missing in ANSWERS else said).pop(missing)


def _added(said: dict[str, Any], dice: random.Random) -> None:
    dice.choice(list(_objects(said)))[dice.choice(["surprise", "Id", "__proto__", "", "\0", "phone"])] = dice.choice(
        [1, None, "x", {}]
    )


def _refused(said: dict[str, Any], dice: random.Random) -> None:
    said["consent"][dice.choice(["marketing", "saleOfData"])] = False


def _of_another_event(said: dict[str, Any], dice: random.Random) -> None:
    others = [data for data in DATA.values() if set(data) - set(DATA[said["name"]])]
    said["data"] = copy.deepcopy(dice.choice(others))


def _at_another_time(said: dict[str, Any], dice: random.Random) -> None:
    off = timedelta(hours=dice.choice([-1, 1]) * dice.choice([25, 48, 10_000, 200_000]))
    said["timestamp"] = (datetime.now(UTC) + off).isoformat()


def _large(said: dict[str, Any], dice: random.Random) -> None:
    said["page"]["title"] = "x" * dice.choice([BEACON_BYTES, 3 * BEACON_BYTES, 20 * BEACON_BYTES])


CHANGES: list[Callable[[dict[str, Any], random.Random], None]] = [
    *[_replaced] * 8, _left_out, _added, _added, _refused, _of_another_event, _at_another_time, _large,
]  # fmt: skip


def _bad(account: str, dice: random.Random) -> bytes:
    """A body that is surely none of the pixel's, or of nobody who agreed."""
    said = _good(account, dice)
    what = dice.randrange(20)
    if what == 0:
        return dice.choice(NO_JSON)
    if what == 1:
        return dice.randbytes(dice.randrange(200))
    body = json.dumps(said).encode()
    if what == 2:
        return body[: dice.randrange(len(body))]
    if what == 3:
        return body.replace(
            b'"version": 1', dice.choice([b'"version": NaN', b'"version": Infinity', b'"version": 1' + b"0" * 5_000])
        )
    if what == 4:
        return body.replace(
            b"visitor-", dice.choice([b"visitor\xff", b"visitor\\ud800", b"visitor\x00", b"visitor\\u0000"])
        )
    dice.choice(CHANGES)(said, dice)
    return json.dumps(said).encode()


def _mangled(account: str, dice: random.Random) -> bytes:
    """A body that was an event, and may still be one: cut, doubled or overwritten anywhere."""
    body = json.dumps(_good(account, dice)).encode()
    at, end = sorted((dice.randrange(len(body)), dice.randrange(len(body))))
    return dice.choice(
        [
            body[:at] + dice.randbytes(2) + body[at:],
            body[:at] + body[end:],
            body[:at] + bytes([dice.choice(b'{}[]",:0aA-\\')]) + body[at + 1 :],
            body[:at] + b"\\u0000" + body[at:],
        ]
    )


async def _one(app: FastAPI, body: bytes, kind: str) -> int:
    """One request, as the server hands it to the app; gives back the answer's status."""
    headers = [(b"host", b"app.example.com"), (b"content-type", kind.encode())]
    if len(body) % 2:  # or chunked, which says nothing about its length
        headers.append((b"content-length", str(len(body)).encode()))
    answered: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        answered.append(message)

    scope = {"type": "http", "method": "POST", "path": pixel.PATH, "headers": headers, "client": ("127.0.0.1", 1)}
    asgi = {"asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "https", "query_string": b"", "root_path": ""}
    await app({**scope, **asgi, "server": ("app.example.com", 443)}, receive, send)
    assert not b"".join(message.get("body", b"") for message in answered)
    return int(answered[0]["status"])


def _send(app: FastAPI, bodies: list[bytes], dice: random.Random) -> Counter[int]:
    """All of them to the process, some at once; gives back the answers' statuses."""
    answers: Counter[int] = Counter()

    async def send() -> None:
        async with app.router.lifespan_context(app):
            for start in range(0, len(bodies), AT_ONCE):
                some = bodies[start : start + AT_ONCE]
                answers.update(await asyncio.gather(*(_one(app, body, dice.choice(KINDS)) for body in some)))

    asyncio.run(send())
    return answers


@pytest.fixture
def app(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    open_wide = door.Limits(*(Buckets(rate=0, burst=1e9, most=10) for _ in range(3)))
    monkeypatch.setattr(door.Limits, "usual", lambda: open_wide)
    return create_app(runtime=ear.runtime)


def test_no_bad_body_is_stored_nor_an_error(ear: Ear, app: FastAPI) -> None:
    """10,000 of them: every answer 204, and not a row anywhere."""
    dice, account, before = random.Random(SEED), pixel.shop(ear), pixel.outcomes()
    bodies = [_bad(account, dice) for _ in range(BAD)]
    assert _send(app, bodies, dice) == {204: BAD}
    came = pixel.since(before)
    assert pixel.stored(ear) == 0, came
    assert sum(came.values()) == BAD
    assert came.keys() == {
        "too_large", "not_json", "malformed", "unknown_event", "no_consent", "too_old", "future", "not_ours",
    }  # fmt: skip
    assert ear.rows("select last_event_at from pixels") == [{"last_event_at": None}]


def test_what_survives_is_an_event_still(ear: Ear, app: FastAPI) -> None:
    """Nothing that was mangled is an error for Postgres or for us, and what is stored is what it should be."""
    dice, account, before = random.Random(SEED), pixel.shop(ear), pixel.outcomes()
    bodies = [_mangled(account, dice) for _ in range(MANGLED)]
    assert _send(app, bodies, dice) == {204: MANGLED}
    came = pixel.since(before)
    assert came["stored"] == ear.count("customer_events") > 50
    assert not {"failed", "unstorable", "away", "no_room"} & came.keys()
    names = {row["name"] for row in ear.rows("select distinct name from customer_events")}
    assert names <= set(StoreEvent)


def test_good_ones_are_stored_by_the_same_way(ear: Ear, app: FastAPI) -> None:
    """The test above could pass for another reason: what it spoils is stored when it isn't spoiled."""
    dice, account = random.Random(SEED), pixel.shop(ear)
    bodies = [json.dumps(_good(account, dice)).encode() for _ in range(500)]
    assert _send(app, bodies, dice) == {204: 500}
    assert ear.count("customer_events") == 500
    assert ear.rows("select sum(n) as n from event_counts") == [{"n": 500}]
    assert ear.rows("select count(*) as n from changes where kind = 'event'") == [{"n": 50}]
