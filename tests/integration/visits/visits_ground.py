"""A shop in live sync whose store has visitors: short words for what they do, and for what Mailchimp then hears."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import text

from shopchimp.db import intake_events, marking, pixels, shops
from shopchimp.domain.customer_events.admission import admit
from shopchimp.domain.customer_events.beacon import Beacon, read_beacon
from shopchimp.domain.customer_events.keeping import taken_apart
from shopchimp.jobs import lanes
from shopchimp.services import going_live, live, settings
from shopchimp.services.commerce import live as commerce
from shopchimp.services.commerce import store
from shopchimp.services.customer_events import sending
from stage import Row, Stage, stage, wait_for

__all__ = ["EVENTS", "Visits", "ago", "visits", "wait_for"]

EVENTS = {marking.EVENTS: sending.events, marking.VIEWS: sending.views}
ALL = {marking.LIVE: live.work, marking.COMMERCE: commerce.work, **EVENTS}
SITE = "https://pinewood.example.com"
PRODUCT = {
    "id": "8123456789", "title": "Blue mug", "url": f"{SITE}/products/blue-mug", "variantId": "44100000000301",
    "variantTitle": "Blue", "price": 18.5, "currency": "USD",
}  # fmt: skip
CHECKOUT = {
    "token": "c1f2a3b4c5d6e7f8", "total": 42, "currency": "USD", "itemCount": 2,
    "items": [{"id": "8123456789", "title": "Blue mug", "quantity": 2}],
}  # fmt: skip
DATA: dict[str, Row | None] = {
    "page_viewed": None,
    "product_viewed": {"product": PRODUCT},
    "collection_viewed": {"collection": {"id": "5500000001", "title": "Mugs"}},
    "search_submitted": {"query": "blue mug"},
    "product_added_to_cart": {"product": PRODUCT, "quantity": 2, "total": 37},
    "checkout_started": {"checkout": CHECKOUT},
    "payment_info_submitted": {"checkout": CHECKOUT},
    "checkout_completed": {"checkout": {**CHECKOUT, "orderId": "6100000000001"}},
}
_numbers = count(1)


def ago(**delta: float) -> datetime:
    """A moment in the past, in whole seconds."""
    return (datetime.now(UTC) - timedelta(**delta)).replace(microsecond=0)


def stamp(moment: datetime) -> str:
    """As the pixel and the sandboxes spell a time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Visits:
    """One shop, live, without people; every test has visitors of its own."""

    stage: Stage
    account: str

    # --- what others do

    def visitor(self) -> str:
        """A browser nobody had before."""
        return f"visitor-{next(_numbers):08d}"

    def customer(self, *, contact: bool = True, **values: Any) -> tuple[str, int]:
        """A new customer (address, number); live sync has made the contact, unless told otherwise."""
        email = f"shopper{next(_numbers)}@visits.example.com"
        row = self.stage.sandbox.edit("shopify", email, set=values)
        if contact:
            self.stage.mark(email)
            self.stage.live()
            return email, int(self.stage.person(email)["customer_id"])
        return email, int(str(row["id"]).rpartition("/")[2])

    def does(self, name: str, visitor: str, *, at: datetime | None = None, data: Row | None = None, **more: Any) -> str:
        """A visitor does something in the store, and intake stores it as it comes. Gives back the event's id."""
        event_id = f"event-{next(_numbers):08d}"
        said = {
            "version": 1,
            "accountID": self.account,
            "id": event_id,
            "name": name,
            "timestamp": stamp(at or datetime.now(UTC)),
            "clientId": visitor,
            "consent": {"analytics": True, "marketing": True, "preferences": True, "saleOfData": True},
            "page": {"url": f"{SITE}/products/blue-mug", "title": "Blue mug"},
            "data": DATA[name] if data is None else data,
            **more,
        }
        beacon = read_beacon(json.dumps({key: value for key, value in said.items() if value is not None}).encode())
        assert isinstance(beacon, Beacon), beacon
        admitted = admit(beacon, datetime.now(UTC))
        assert isinstance(admitted, Beacon), admitted
        self.store([admitted])
        return event_id

    def store(self, beacons: list[Beacon]) -> None:
        """Intake's own statement."""
        rows = [intake_events.incoming(each.account, taken_apart(each), ()) for each in beacons]
        with self.stage.database.raw() as connection:
            connection.execute(intake_events._STORE, {"events": f"[{','.join(row.json for row in rows)}]"})

    def tells_checkout(self, token: str, email: str) -> None:
        """A signed webhook of a checkout: stored, and marked for the lane of the store."""
        query = """
            insert into checkouts (shop_id, token, updated_at, node)
            values (:shop, :token, now(), jsonb_build_object('email', cast(:email as text), 'lineItems', '[]'::jsonb))
        """
        self.sql(query, token=token, email=email)
        self.mark(f"checkout:{token}")

    def mark(self, *keys: str) -> None:
        with self.stage.database.transaction() as tx:
            marking.mark(tx, self.stage.shop_id, [marking.Mark(key, "shopify") for key in keys])

    def set(self, **changed: Any) -> None:
        with self.stage.database.transaction() as tx:
            shops.lock(tx, self.stage.shop_id)
            settings.apply(tx, self.stage.shop_id, changed, by="a test")

    # --- what the product does

    def work(self) -> None:
        """Work on what is due, in all lanes, however long they rest."""
        while lanes.drain(self.stage.runtime, stop=self.stage.stop, works=ALL):
            self.rested()

    def passes(self, **delta: float) -> None:
        """So much time passes for what waits, and the lanes have rested."""
        moved = {
            "changes": ("due_at", "settles_at"),
            "customer_events": ("happened_at", "received_at", "sent_at"),
            "people": ("seen_at",),
        }
        for table, columns in moved.items():
            earlier = ", ".join(f"{column} = {column} - :gone" for column in columns)
            self.sql(f"update {table} set {earlier}", gone=timedelta(**delta))
        query = """
            update visitors set linked_at = linked_at - cast(:gone as interval), sent = coalesce((select jsonb_object_agg(key, (value #>> '{}')::timestamptz
                - cast(:gone as interval)) from jsonb_each(sent)), '{}')
        """
        self.sql(query, gone=timedelta(**delta))
        self.rested()

    def rested(self) -> None:
        """The lanes may be worked in again."""
        self.sql("update lanes set open_until = null")

    def sql(self, query: str, **values: Any) -> None:
        with self.stage.database.transaction() as tx:
            tx.execute(text(query), {"shop": self.stage.shop_id, **values} if ":shop" in query else values)

    def open_store(self) -> None:
        """The lane of the store is served, too."""
        gateways, shop_id = self.stage.runtime.gateways, self.stage.shop_id
        store.ensure(gateways, shop_id)
        store.set_syncing(gateways, shop_id, on=False)
        with self.stage.database.transaction() as tx:
            going_live.open_commerce(tx, shop_id)

    # --- what there is

    def heard(self, email: str) -> list[Row]:
        """The events of a contact that Mailchimp has, in the order in which they came."""
        return [row for row in self.stage.sandbox._lines("events", "mailchimp") if row["email"] == email]

    def names(self, email: str) -> list[str]:
        return [row["name"] for row in self.heard(email)]

    def all_heard(self) -> list[Row]:
        return self.stage.sandbox._lines("events", "mailchimp")

    def event(self, event_id: str) -> Row:
        (row,) = self.stage.rows("select * from customer_events where id = :id", id=event_id)
        return row

    def change(self, visitor: str) -> Row | None:
        found = self.stage.rows("select * from changes where key = :key", key=f"visitor:{visitor}")
        return found[0] if found else None

    def counts(self) -> dict[str, int]:
        """How many events came to what so far, of all names."""
        query = "select outcome, sum(n)::int as n from event_counts where direction = 'to_mailchimp' group by 1"
        return {row["outcome"]: row["n"] for row in self.stage.rows(query)}

    def closes(self) -> bool:
        """Every event that came in is accounted for."""
        counts = self.counts()
        came = counts.pop("received", 0)
        waiting = self.stage.rows("select count(*) n from customer_events where state in ('waiting', 'sending')")[0][
            "n"
        ]
        return came == sum(counts.values()) + waiting

    def posts(self) -> int:
        """How many calls told of events so far."""
        calls: dict[str, int] = self.stage.sandbox.calls()["mailchimp"]
        return sum(n for route, n in calls.items() if route.startswith("POST") and route.endswith("/events"))


@contextmanager
def visits(database_url: str, *arguments: str, lease: float = 20.0) -> Iterator[Visits]:
    """A shop whose first sync found nobody."""
    with stage(database_url, "--people", "0", *arguments, lease=lease) as played:
        with played.database.transaction() as tx:
            going_live.open_lanes(tx, played.shop_id, contacts=0)
            account = pixels.ensure(tx, played.shop_id)
        made = Visits(played, account)
        made.set(breaker={"on": False})
        yield made
