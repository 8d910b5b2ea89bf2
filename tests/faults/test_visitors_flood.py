"""A crowd in the store: all that may be told is told, carts and checkouts first, and views within their share of calls.

The engine in this process with several workers, against the sandbox. FLOOD=200000 FLOOD_SECONDS=600 plays ten minutes
of 5,000 visitors in real time (40 events each); without them a small one goes as fast as it can. Nothing goes by the
clock but the budget, which is calls a second.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

import pytest
from sqlalchemy import text

from shopchimp.db import intake_events, marking, pixels
from shopchimp.domain.customer_events.beacon import Beacon, read_beacon
from shopchimp.domain.customer_events.keeping import taken_apart
from shopchimp.domain.customer_events.names import Priority, StoreEvent, priority
from shopchimp.jobs import lanes
from shopchimp.services import live, sync_times
from shopchimp.services.customer_events import pace, sending
from stage import Row, Stage, stage, wait_for

EVENTS = int(os.environ.get("FLOOD", "2400"))
SECONDS = float(os.environ.get("FLOOD_SECONDS", "0"))
EACH = 40  # events of one visitor
VISITORS = EVENTS // EACH
AT_ONCE = 100  # events of one statement of intake
WORKERS = 3
WORKS = {marking.LIVE: live.work, marking.EVENTS: sending.events, marking.VIEWS: sending.views}
URGENT = {name.value for name in StoreEvent if priority(name) <= Priority.CART}
SITE = "https://pinewood.example.com"
_numbers = count(1)


@dataclass
class Visitor:
    """Somebody in the store. `says` is the event from which on they are known: as a customer, or by their checkout."""

    client: str
    dice: Random
    email: str | None = None
    customer: int | None = None
    says: int | None = None
    by_checkout: bool = False
    made: Counter[str] = field(default_factory=Counter)

    @property
    def token(self) -> str:
        return f"checkout{self.client[-8:]}"

    def event(self, number: int, account: str) -> bytes:
        name = "page_viewed" if number % 2 else self._name(number)
        self.made[name] += 1
        known = self.says is not None and number >= self.says and not self.by_checkout
        said = {
            "version": 1, "accountID": account, "id": f"flood-{next(_numbers):09d}", "name": name,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "clientId": self.client, **({"customerId": str(self.customer)} if known else {}),
            "consent": {"analytics": True, "marketing": True, "preferences": True, "saleOfData": True},
            "page": {"url": f"{SITE}/pages/{self.dice.randrange(30)}", "title": "A page"}, "data": self._data(name),
        }  # fmt: skip
        return json.dumps({key: value for key, value in said.items() if value is not None}).encode()

    def _name(self, number: int) -> str:
        last = {32: "product_added_to_cart", 34: "product_added_to_cart", 36: "checkout_started",
                38: "checkout_completed"}  # fmt: skip
        seen = ("product_viewed", "product_viewed", "collection_viewed", "search_submitted")
        return last.get(number) or seen[number // 2 % 4]

    def _data(self, name: str) -> Row | None:
        match name:
            case "product_viewed" | "product_added_to_cart":
                return {
                    "product": {"id": str(self.dice.randrange(1, 5)), "title": "A mug", "price": 9, "currency": "EUR"}
                }
            case "collection_viewed":
                return {"collection": {"id": str(self.dice.randrange(1, 3)), "title": "Mugs"}}
            case "search_submitted":
                return {"query": self.dice.choice(["mug", "cup"])}
            case "page_viewed":
                return None
        return {"checkout": {"token": self.token, "total": 9, "currency": "EUR",
                             **({"email": self.email} if self.email and self.by_checkout else {})}}  # fmt: skip


@dataclass
class Crowd:
    """The shop, its visitors, and what came of it."""

    stage: Stage
    account: str
    visitors: list[Visitor]

    def comes(self) -> None:
        """All events, in the order of a visit, spread over the time."""
        began, stored = time.monotonic(), 0
        for number in range(EACH):
            for start in range(0, len(self.visitors), AT_ONCE):
                part = self.visitors[start : start + AT_ONCE]
                self.store([each.event(number, self.account) for each in part])
                if number == 37:
                    self.tells_checkouts([each for each in part if each.by_checkout])
                stored += len(part)
                if (ahead := began + SECONDS * stored / EVENTS - time.monotonic()) > 0:
                    time.sleep(ahead)

    def store(self, bodies: list[bytes]) -> None:
        beacons = [read_beacon(body) for body in bodies]
        rows = [
            intake_events.incoming(each.account, taken_apart(each), ()) for each in beacons if isinstance(each, Beacon)
        ]
        assert len(rows) == len(bodies), beacons
        with self.stage.database.raw() as connection:
            connection.execute(intake_events._STORE, {"events": f"[{','.join(row.json for row in rows)}]"})

    def tells_checkouts(self, of: list[Visitor]) -> None:
        """Signed webhooks, heard by the lane of the store."""
        query = text(
            """
            insert into checkouts (shop_id, token, updated_at, node)
            select :shop, token, now(), jsonb_build_object('email', email)
            from unnest(cast(:tokens as text[]), cast(:emails as text[])) as c (token, email)
            """
        )
        values = {"tokens": [each.token for each in of], "emails": [each.email for each in of]}
        with self.stage.database.transaction() as tx:
            tx.execute(query, {"shop": self.stage.shop_id, **values})

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Some workers that look for work as long as the block runs."""
        stop, troubles = threading.Event(), list[BaseException]()

        def work() -> None:
            try:
                while not stop.is_set():
                    lanes.drain(self.stage.runtime, stop=stop, works=WORKS)
                    stop.wait(0.05)
            except BaseException as error:  # noqa: BLE001 - told below
                troubles.append(error)

        threads = [threading.Thread(target=work) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not troubles, troubles

    def heard(self) -> list[Row]:
        return self.stage.sandbox._lines("events", "mailchimp")

    def counts(self) -> Counter[str]:
        query = "select outcome, sum(n)::int as n from event_counts where direction = 'to_mailchimp' group by 1"
        return Counter({row["outcome"]: row["n"] for row in self.stage.rows(query)})

    def waits(self, where: str = "true") -> int:
        query = f"select count(*) n from customer_events where state in ('waiting', 'sending') and {where}"
        return int(self.stage.rows(query)[0]["n"])

    def passes(self, **delta: float) -> None:
        """So much time passes for what waits."""
        gone = timedelta(**delta)
        with self.stage.database.transaction() as tx:
            tx.execute(text("update customer_events set happened_at = happened_at - :gone, received_at = received_at"
                            " - :gone where state = 'waiting'"), {"gone": gone})  # fmt: skip
            tx.execute(text("update changes set due_at = due_at - :gone"), {"gone": gone})
            tx.execute(text("update visitors set sent = '{}'"))
            tx.execute(text("update lanes set open_until = null"))


@dataclass
class Seen:
    """What was seen of the crowd."""

    crowd: Crowd
    seconds: float  # until all carts and checkouts were told
    views: int  # calls about views until then
    views_waiting: int  # then
    most_connections: int


@pytest.fixture(scope="module")
def seen(new_database: Callable[[], str]) -> Iterator[Seen]:
    with stage(new_database(), "--people", str(max(VISITORS + VISITORS // 2, 60))) as played:
        played.first_sync()
        with played.database.transaction() as tx:
            crowd = Crowd(played, pixels.ensure(tx, played.shop_id), _visitors(played))
        began = time.monotonic()
        with crowd.workers():
            crowd.comes()
            known = ", ".join(f"'{each.client}'" for each in crowd.visitors if each.says is not None)
            urgent = ", ".join(f"'{name}'" for name in sorted(URGENT))
            wait_for(lambda: not crowd.waits(f"name in ({urgent}) and visitor in ({known})"), seconds=240)
            seconds, views_waiting = time.monotonic() - began, crowd.waits(f"visitor in ({known})")
            views = sum(row["name"] not in URGENT for row in crowd.heard())
        print(f"{EVENTS} events in {seconds:.0f} s: {crowd.counts()}, {views} calls about views, {views_waiting} wait")
        with played.database.transaction() as tx:
            print(sync_times.percentiles(tx, played.shop_id, datetime.now(UTC) - timedelta(hours=1)))
        crowd.passes(minutes=11)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(pace, "VIEWS_PER_SECOND", 1000)  # what is left is many calls: their pace was seen by now
            with crowd.workers():
                wait_for(lambda: not crowd.waits(f"visitor in ({known})"), seconds=1800)
        yield Seen(crowd, seconds, views, views_waiting, played.sandbox.calls()["max_connections"])


def _visitors(played: Stage) -> list[Visitor]:
    """Of ten: five log in, three from the first event on; two are known by their checkout; three never say."""
    query = """
        select key, customer_id from people where customer_id is not null and contact_status = 'subscribed'
        order by id limit :some
    """
    people = played.rows(query, some=VISITORS)
    made = []
    for number in range(VISITORS):
        visitor = Visitor(f"client-{number:08d}", Random(number))
        kind = number % 10
        if kind < 7:
            assert people, "more people are needed"
            person = people.pop()
            visitor.email, visitor.customer = person["key"], int(person["customer_id"])
            visitor.says = 0 if kind < 3 else 20
            visitor.by_checkout = kind >= 5
        made.append(visitor)
    return made


def test_all_that_may_be_told_is_told_once(seen: Seen) -> None:
    """Every event of everybody who said who they are is in exactly one call; carts and checkouts have one each."""
    told: dict[str, Counter[str]] = {}
    calls: dict[str, Counter[str]] = {}
    for row in seen.crowd.heard():
        told.setdefault(row["email"], Counter())[row["name"]] += int(row["properties"].get("times", "1"))
        calls.setdefault(row["email"], Counter())[row["name"]] += 1
    known = {each.email: each.made for each in seen.crowd.visitors if each.email is not None}
    assert told == known
    for email, made in known.items():
        assert {name: calls[email or ""][name] for name in URGENT} == {name: made[name] for name in URGENT}


def test_who_never_said_who_they_are_is_told_of_to_nobody(seen: Seen) -> None:
    counts, unknown = seen.crowd.counts(), sum(each.says is None for each in seen.crowd.visitors)
    assert seen.crowd.waits() == unknown * EACH
    assert counts["received"] == EVENTS
    assert counts["sent"] + counts["coalesced"] + seen.crowd.waits() == EVENTS
    assert set(counts) == {"received", "sent", "coalesced"}


def test_carts_and_checkouts_do_not_wait_for_views(seen: Seen) -> None:
    assert seen.views_waiting > 0


def test_views_keep_to_their_share_of_the_calls(seen: Seen) -> None:
    allowed = pace.VIEWS_PER_SECOND * (seen.seconds + WORKERS)  # each worker may have begun once more
    assert seen.views <= allowed
    assert seen.most_connections <= 8


def test_views_are_put_together(seen: Seen) -> None:
    """S112: a visitor's twenty pages are no twenty calls."""
    pages = [row for row in seen.crowd.heard() if row["name"] == "page_viewed"]
    known = sum(each.email is not None for each in seen.crowd.visitors)
    assert len(pages) <= 4 * known
