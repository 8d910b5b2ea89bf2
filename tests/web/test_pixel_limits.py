"""Limits of the pixel's door: buckets by public id, visitor and address; slow bodies; Postgres away; bad neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pixel_house as pixel
import pytest
import webhook_house as wh
from starlette.types import Message, Receive, Scope, Send
from webhook_house import Ear

from shopchimp.db.intake import Away, Unstorable
from shopchimp.db.intake_events import Came, Incoming
from shopchimp.web import pixel as door
from shopchimp.web import pixel_inbox
from shopchimp.web.pixel_inbox import Inbox
from shopchimp.web.pixel_limits import Buckets, counted_address

MANY = 10_000


@pytest.fixture
def ear(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    with wh.listening(postgres_url, monkeypatch) as ear:
        pixel.empty(ear)
        yield ear


# ------------------------------------------------------------------ buckets


def test_a_bucket_lets_a_burst_through_and_fills_up_again() -> None:
    buckets = Buckets(rate=2, burst=5, most=10)
    assert [buckets.take("a", 100.0) for _ in range(6)] == [True] * 5 + [False]
    assert buckets.take("b", 100.0)
    assert [buckets.take("a", 101.0) for _ in range(3)] == [True, True, False]
    assert [buckets.take("a", 1_000.0) for _ in range(6)] == [True] * 5 + [False]


def test_buckets_take_no_more_memory_than_they_may() -> None:
    buckets = Buckets(rate=1, burst=1, most=100)
    assert all(buckets.take(n, 0.0) for n in range(1_000))
    assert len(buckets) == 100
    assert not buckets.take(999, 0.0)


@pytest.mark.parametrize(
    ("client", "counted"),
    [
        ("203.0.113.9", None),  # an example's address is nobody's
        ("8.8.4.4", "8.8.4.4"),
        ("::ffff:8.8.4.4", "8.8.4.4"),
        ("2001:4860:1:2:3:4:5:6", "2001:4860:1:2::"),
        ("2001:4860:1:2:ffff::1", "2001:4860:1:2::"),
        ("127.0.0.1", None),
        ("10.0.0.7", None),
        ("::1", None),
        ("testclient", None),
        (None, None),
    ],
)
def test_an_address_counts_where_it_is_the_visitors_own(client: str | None, counted: str | None) -> None:
    assert counted_address(client) == counted


# ------------------------------------------------------------------ at the door


def _limited(ear: Ear, monkeypatch: pytest.MonkeyPatch, **burst: int) -> None:
    """The process has small buckets from now on, and is reached from a public address."""
    layer = ear.client.app.middleware_stack  # type: ignore[attr-defined]
    while not isinstance(layer, door.Door):
        layer = layer.app
    sizes = {"accounts": MANY, "visitors": MANY, "addresses": MANY, **burst}
    layer.limits = door.Limits(**{name: Buckets(rate=0, burst=size, most=100) for name, size in sizes.items()})
    monkeypatch.setattr(ear.client._transport, "client", ("8.8.4.4", 1))


@pytest.mark.parametrize(
    ("limited", "another"),
    [("accounts", {"accountID": "another_account"}), ("visitors", {"clientId": "visitor-00000002"}), ("addresses", {})],
)
def test_whoever_speaks_too_often_is_not_heard(
    ear: Ear, limited: str, another: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = pixel.shop(ear)
    _limited(ear, monkeypatch, **{limited: 3})
    before = pixel.outcomes()
    for _ in range(5):
        pixel.send(ear, pixel.said(account))
    assert ear.count("customer_events") == 3
    assert pixel.since(before) == {"stored": 3, "too_many": 2}
    pixel.send(ear, pixel.said(account, **another))
    assert pixel.since(before)["too_many"] == (3 if limited == "addresses" else 2)


def test_a_refused_event_uses_nobodys_share(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    account = pixel.shop(ear)
    _limited(ear, monkeypatch, accounts=1, visitors=1)
    pixel.send(ear, pixel.said(account, consent={**pixel.AGREED, "marketing": False}))
    pixel.send(ear, b"nonsense")
    pixel.send(ear, pixel.said(account))
    assert ear.count("customer_events") == 1


async def _speak(
    app: Callable[[Scope, Receive, Send], Awaitable[None]], parts: Sequence[Message | None]
) -> list[Message]:
    """A request of which these parts come, None: no more for ever."""
    left, heard = list(parts), list[Message]()

    async def receive() -> Message:
        part = left.pop(0) if left else None
        if part is None:
            await asyncio.Event().wait()
        assert part is not None
        return part

    async def send(message: Message) -> None:
        heard.append(message)

    scope = {"type": "http", "method": "POST", "path": pixel.PATH, "headers": [], "client": ("127.0.0.1", 1)}
    await app({**scope, "app": None}, receive, send)
    return heard


def _body(*parts: bytes, more: bool = False) -> list[Message]:
    ends = [True] * (len(parts) - 1) + [more]
    return [{"type": "http.request", "body": body, "more_body": end} for body, end in zip(parts, ends, strict=True)]


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        ([*_body(b"{", more=True), None], "too_slow"),
        ([*_body(b"{", more=True), {"type": "http.disconnect"}], "cut_short"),
        ([*_body(*[b"x" * 16_384] * 5, more=True), None], "too_large"),
        (_body(b"x" * 16_385), "too_large"),
    ],
)
def test_a_body_that_does_not_end_is_not_waited_for(
    parts: list[Message | None], outcome: str, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "BODY_SECONDS", 0.05)
    before = pixel.outcomes()

    async def nobody(*_: object) -> None:
        raise AssertionError

    async def speak() -> list[Message]:
        app = door.Door(nobody)

        async def with_app(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "app": ear.client.app}, receive, send)

        return await _speak(with_app, parts)

    heard = asyncio.run(asyncio.wait_for(speak(), 5))
    assert heard[0]["status"] == 204
    assert pixel.since(before) == {outcome: 1}


def test_our_own_troubles_are_not_the_browsers(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    account, before = pixel.shop(ear), pixel.outcomes()
    monkeypatch.setattr(door, "taken_apart", lambda _: 1 / 0)
    pixel.send(ear, pixel.said(account))
    assert pixel.since(before) == {"failed": 1}


# ------------------------------------------------------------------ while they wait for Postgres


class Shelf:
    """A store that is away for a while, and can't take some."""

    def __init__(self, *, away: int = 0, bad: Sequence[str] = ()) -> None:
        self.away = away
        self.bad = set(bad)
        self.calls: list[list[str]] = []
        self.told: dict[str, int] = {}

    async def store(self, events: Sequence[Incoming]) -> Came:
        self.calls.append([event.json for event in events])
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise Away
        if self.bad & set(self.calls[-1]):
            raise Unstorable
        return Came(new=len(events), double=0, erased=0, not_ours=0)

    def tell(self, outcome: str, count: int) -> None:
        self.told[outcome] = self.told.get(outcome, 0) + count


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_inbox, "GAP", 0.001)
    monkeypatch.setattr(pixel_inbox, "TRY_AGAIN", 0.001)


def _put(shelf: Shelf, count: int, *, close: bool = False) -> None:
    async def put() -> None:
        inbox = Inbox(shelf.store, shelf.tell)
        waiting = [stored for n in range(count) if (stored := inbox.put(Incoming(f"{n}")))]
        await (inbox.close() if close else asyncio.wait_for(asyncio.gather(*waiting), 5))

    asyncio.run(put())


def test_what_comes_together_is_stored_together() -> None:
    shelf = Shelf()
    _put(shelf, 450)
    assert [len(call) for call in shelf.calls] == [200, 200, 50]
    assert shelf.told == {"stored": 450}


def test_while_postgres_is_away_events_wait() -> None:
    shelf = Shelf(away=3)
    _put(shelf, 250)
    assert shelf.told == {"stored": 250}
    assert [each for call in shelf.calls[3:] for each in call] == [f"{n}" for n in range(250)]


def test_one_that_postgres_refuses_takes_no_other_along() -> None:
    shelf = Shelf(bad=["7", "101"])
    _put(shelf, 250)
    assert shelf.told == {"stored": 248, "unstorable": 2}


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_inbox, "PATIENCE", 0.0)
    shelf = Shelf(away=MANY)
    _put(shelf, 10)
    assert shelf.told == {"away": 10}


def test_there_is_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_inbox, "ROOM", 20)
    shelf = Shelf()
    _put(shelf, 30)
    assert shelf.told == {"stored": 20, "no_room": 10}


def test_what_is_left_at_the_end_is_stored_or_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    _put(shelf, 450, close=True)
    assert shelf.told == {"stored": 450}
    monkeypatch.setattr(pixel_inbox, "LAST_CHANCE", 0.01)
    shelf = Shelf(away=MANY)
    _put(shelf, 5, close=True)
    assert shelf.told == {"away": 5}
