"""Delivers the webhooks of both platforms, outside the request that caused them.

How a platform calls it (`sandbox.courier` is set after construction; while it is None nothing is sent):

    courier.post(
        platform="mailchimp",               # whose time-outs, retries and mischief hold
        topic="unsubscribe",                # for the counts by topic
        url="http://127.0.0.1:8000/webhooks/mailchimp/secret",
        make=lambda: (headers, body),       # bytes; called at once, but not at all if the delivery is lost
        sign=lambda body: headers,          # optional; called before each try, for signatures that hold a time
        on_gone=lambda: None,               # optional; answered 410
        on_failed=lambda: None,             # optional; every retry was in vain
        on_delivered=lambda: None,          # optional; answered 2xx
    )

`make` runs in the caller's thread and so sees the world as it is now; a retry and a double send the same bytes.
Headers are `[(b"name", b"value"), ...]`; Host, Content-Length and User-Agent are added here. The callbacks and `sign`
run in the courier's own thread: each may do one atomic step (set a flag, `dict.pop`) and no more. `post` never waits
and is to be called from one thread.

Both platforms count only 2xx. Shopify waits 5 s and retries 8 times over 4 hours (shopify.md 3.1), Mailchimp waits 10 s
and retries over 75 minutes, and a 410 ends its hook (mailchimp.md 7). The gaps are multiplied by `retry_scale`.
"""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import uvicorn

from shopchimp.sandbox.keepalive import Connection, Host, Target, send, target_of
from shopchimp.sandbox.mischief import Copy, Mischief

Headers = list[tuple[bytes, bytes]]
Make = Callable[[], tuple[Headers, bytes]]
Told = Callable[[], None]

LOOK_AGAIN_SECONDS: Final = (
    0.002  # while deliveries come in; waking the thread for each would cost more than sending it
)
OVERTAKEN_SECONDS: Final = 0.3  # if nothing follows that could overtake it, it goes out all the same
DEFAULT_RETRY_SCALE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Manners:
    """How a platform delivers: how long it waits for an answer, how long until each retry, whether 410 is final."""

    seconds: float
    gaps: tuple[float, ...]
    gone_is_final: bool
    agent: bytes


MANNERS: Final[Mapping[str, Manners]] = {
    "shopify": Manners(
        5.0, (10, 60, 300, 600, 1200, 2400, 3600, 6230), gone_is_final=False, agent=b"Shopify-Captain-Hook"
    ),
    "mailchimp": Manners(10.0, (60, 240, 600, 1200, 2400), gone_is_final=True, agent=b"MailChimp"),
}


@dataclass(frozen=True, slots=True)
class Delivery:
    platform: str
    topic: str
    target: Target
    headers: Headers
    body: bytes
    sign: Callable[[bytes], Headers] | None
    on_gone: Told | None
    on_failed: Told | None
    on_delivered: Told | None

    def request(self) -> bytes:
        signed = self.sign(self.body) if self.sign is not None else []
        lines = b"".join(b"%s: %s\r\n" % each for each in (*self.headers, *signed))
        return b"POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
            self.target.path.encode(),
            self.target.authority.encode(),
            MANNERS[self.platform].agent,
            len(self.body),
            lines,
            self.body,
        )


class Desk:
    """One platform's deliveries: what is decided about them, who is held back, and what became of them."""

    def __init__(self, platform: str) -> None:
        self.mischief = Mischief(platform)
        self.counts: Counter[str] = Counter()  # made, lost, doubled: the caller's thread
        self.results: Counter[str] = Counter()  # delivered, failed, dead, gone: the courier's thread
        self.topics: Counter[str] = Counter()
        self.handed_over = 0  # sendings, doubles included
        self.settled = 0
        self.number = 0
        self.held: list[tuple[int, Delivery]] = []  # (goes out behind this number, what)
        self.paused: list[Delivery] = []

    def report(self) -> dict[str, Any]:
        now = self.mischief.settings
        return {
            **{name: self.counts[name] for name in ("made", "lost", "doubled")},
            **{name: self.results[name] for name in ("delivered", "failed", "dead", "gone")},
            "waiting": self.handed_over - self.settled,
            "topics": dict(self.topics),
            "settings": {
                "lose": now.lose,
                "double": now.double,
                "reorder": now.reorder,
                "delay_ms": list(now.delay_ms),
                "paused": now.paused,
                "seed": now.seed,
            },
        }


class Courier:
    """A thread with an event loop of its own, started by the first delivery; it ends with the process or by `close`."""

    def __init__(self, *, retry_scale: float = DEFAULT_RETRY_SCALE) -> None:
        self.retry_scale = retry_scale
        self._desks = {name: Desk(name) for name in MANNERS}
        self._hosts: dict[tuple[str, int, bool], Host] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._inbox: deque[Callable[[], None]] = deque()
        self._asleep = True
        self._targets: dict[str, Target] = {}

    # The caller's thread

    def post(
        self,
        *,
        platform: str,
        topic: str,
        url: str,
        make: Make,
        sign: Callable[[bytes], Headers] | None = None,
        on_gone: Told | None = None,
        on_failed: Told | None = None,
        on_delivered: Told | None = None,
    ) -> None:
        desk = self._desks[platform]
        desk.counts["made"] += 1
        desk.topics[topic] += 1
        copies = desk.mischief.copies()
        if not copies:
            desk.counts["lost"] += 1
            return
        desk.counts["doubled"] += len(copies) - 1
        headers, body = make()
        target = self._targets.get(url)
        if target is None:
            target = self._targets[url] = target_of(url)
        delivery = Delivery(platform, topic, target, headers, body, sign, on_gone, on_failed, on_delivered)
        desk.handed_over += len(copies)
        self._tell(lambda: self._take(desk, delivery, copies))

    def change(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """`POST /_sandbox/webhooks`: new settings, for one platform or for both."""
        chosen = [given["platform"]] if "platform" in given else list(self._desks)
        for name in chosen:
            self._desks[name].mischief.settings.changed(given)  # nothing is changed if anything is wrong
        for name in chosen:
            desk = self._desks[name]
            desk.mischief.change(given)
            self._tell(lambda desk=desk: self._release(desk))  # type: ignore[misc]
        return self.report()

    def report(self) -> Mapping[str, Any]:
        """`GET /_sandbox/webhooks`.

        Of the deliveries `made`, `lost` never left and `doubled` were sent twice. `delivered` counts 2xx (doubles too),
        `failed` counts tries, `dead` deliveries whose last retry failed, `gone` answers of 410; `waiting` are not
        settled yet.
        """
        return {name: desk.report() for name, desk in self._desks.items()}

    def close(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._loop = self._thread = None

    def _tell(self, step: Callable[[], None]) -> None:
        """Run a step in the courier's thread."""
        self._inbox.append(step)
        if self._loop is None:
            self._start()
        if self._asleep and self._loop is not None:
            self._asleep = False
            self._loop.call_soon_threadsafe(self._empty_inbox)

    def _start(self) -> None:
        config = uvicorn.Config("", loop="auto", log_config=None, access_log=False)  # or else both servers begin to log
        make_loop = config.get_loop_factory() or asyncio.new_event_loop
        self._loop = make_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="courier", daemon=True)
        self._thread.start()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()

    # The courier's thread

    def _empty_inbox(self) -> None:
        """Goes on looking as long as there is something; what comes while it falls asleep is seen all the same."""
        if not self._inbox:
            self._asleep = True
            if not self._inbox:
                return
            self._asleep = False
        while self._inbox:
            self._inbox.popleft()()
        asyncio.get_running_loop().call_later(LOOK_AGAIN_SECONDS, self._empty_inbox)

    def _take(self, desk: Desk, delivery: Delivery, copies: list[Copy]) -> None:
        desk.number += 1
        for copy in copies:
            if copy.seconds:
                asyncio.get_running_loop().call_later(copy.seconds, self._hold_or_queue, desk, delivery, copy.behind)
            else:
                self._hold_or_queue(desk, delivery, copy.behind)
        if desk.held:
            self._let_go(desk, [each for each in desk.held if each[0] <= desk.number])

    def _hold_or_queue(self, desk: Desk, delivery: Delivery, behind: int) -> None:
        if not behind:
            self._queue(desk, delivery)
            return
        entry = (desk.number + behind, delivery)
        desk.held.append(entry)
        asyncio.get_running_loop().call_later(OVERTAKEN_SECONDS, self._let_go, desk, [entry])

    def _let_go(self, desk: Desk, entries: list[tuple[int, Delivery]]) -> None:
        for entry in entries:
            if any(entry is each for each in desk.held):
                desk.held = [each for each in desk.held if each is not entry]
                self._queue(desk, entry[1])

    def _release(self, desk: Desk) -> None:
        if not desk.mischief.settings.paused:
            held, desk.paused = desk.paused, []
            for delivery in held:
                self._queue(desk, delivery)

    def _queue(self, desk: Desk, delivery: Delivery, tries: int = 0) -> None:
        if desk.mischief.settings.paused and not tries:
            desk.paused.append(delivery)
            return
        key = delivery.target[:3]
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = Host(delivery.target)

        async def job(connection: Connection | None) -> Connection | None:
            seconds = MANNERS[delivery.platform].seconds
            status, kept = await send(delivery.target, delivery.request(), connection, seconds=seconds)
            self._answered(desk, delivery, status, tries)
            return kept

        host.add(job)

    def _answered(self, desk: Desk, delivery: Delivery, status: int, tries: int) -> None:
        manners = MANNERS[delivery.platform]
        if 200 <= status < 300:
            self._settle(desk, "delivered", delivery.on_delivered)
            return
        desk.results["failed"] += 1
        if status == 410 and manners.gone_is_final:
            self._settle(desk, "gone", delivery.on_gone)
        elif tries < len(manners.gaps):
            wait = manners.gaps[tries] * self.retry_scale
            asyncio.get_running_loop().call_later(wait, self._queue, desk, delivery, tries + 1)
        else:
            self._settle(desk, "dead", delivery.on_failed)

    def _settle(self, desk: Desk, result: str, told: Told | None) -> None:
        desk.results[result] += 1
        desk.settled += 1
        if told is not None:
            told()
