"""A shop whose store is live, and short words for what shoppers and the merchant do there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sqlalchemy import text

from shopchimp.db import marking
from shopchimp.db.session import dumps
from shopchimp.domain.commerce.carts import checkout_node
from shopchimp.jobs import chores, lanes
from shopchimp.services import going_live
from shopchimp.services import live as contacts
from shopchimp.services.commerce import completeness, late, live, polls, store
from stage import AUDIENCE, Row, Stage, stage, wait_for

_numbers = count(1)
WORKS = {marking.LIVE: contacts.work, marking.COMMERCE: live.work}
CHORES = {
    "poll_orders": polls.poll_orders,
    "poll_products": polls.poll_products,
    "poll_checkouts": polls.poll_checkouts,
    completeness.CHORE: completeness.check,
    late.CHORE: late.write,
}


def shopper(word: str = "buyer") -> str:
    """An address nobody had before."""
    return f"{word}{next(_numbers)}@market.example.com"


def number(gid: str) -> str:
    """The number of a gid."""
    return gid.rpartition("/")[2]


@dataclass
class Market:
    """One shop with products, contacts and commerce live."""

    stage: Stage
    store_id: str
    variants: list[str] = field(default_factory=list)

    # --- what others do

    def edit(self, kind: str, do: str, **change: Any) -> Row:
        return self.stage.sandbox.control("edit", platform="shopify", kind=kind, do=do, **change)

    def order(self, *, pieces: int = 1, told: bool = True, **values: Any) -> Row:
        """An order of somebody new, unless told whose."""
        values.setdefault("email", shopper())
        values.setdefault("lines", [{"variant": self.variants[0], "quantity": pieces}])
        made = self.edit("order", "create", **values)
        if told:
            self.told(made)
        return made

    def change(self, order: Row, do: str, **values: Any) -> Row:
        """Somebody changes an order, and we hear of it."""
        done = self.edit("order", do, id=order["id"], **values)
        self.told(order)
        return done

    def told(self, order: Row) -> None:
        self.mark(f"order:{number(order['id'])}")

    def checkout(self, **values: Any) -> Row:
        """A checkout is left, and we hear of it as a webhook tells it."""
        values.setdefault("email", shopper())
        values.setdefault("lines", [{"variant": self.variants[0]}])
        made = self.edit("checkout", "create", **values)
        self.tell_checkout(made)
        return made

    def tell_checkout(self, made: Row, *, after: int = 0, **said: Any) -> None:
        """What intake stores of a checkout's webhook."""
        payload = {
            "token": made["token"],
            "cart_token": made["cartToken"],
            "email": made["email"],
            "currency": "USD",
            "total_price": made["total"],
            "abandoned_checkout_url": made["url"],
            "completed_at": None,
            "line_items": [
                {"key": str(n), "title": "A thing", "quantity": line["quantity"], "price": line["price"],
                    "product_id": self.product_of(line["variant"]), "variant_id": int(number(line["variant"]))}
                for n, line in enumerate(made["lines"])
            ],
            **said,
        }  # fmt: skip
        query = """
            insert into checkouts (shop_id, token, cart_token, updated_at, node)
            values (:shop, :token, :cart, now() + make_interval(secs => :after), cast(:node as jsonb))
            on conflict (shop_id, token) do update set node = excluded.node, updated_at = excluded.updated_at
        """
        self.do(query, token=made["token"], cart=made["cartToken"], after=after, node=dumps(checkout_node(payload)))
        self.mark(f"checkout:{made['token']}")

    def product_of(self, variant: str) -> int:
        rows = self.state("shopify", "product")
        return next(int(number(row["id"])) for row in rows.values() if any(v["id"] == variant for v in row["variants"]))

    def mark(self, *keys: str, source: str = "shopify") -> None:
        with self.stage.database.transaction() as tx:
            at = self.stage.runtime.gateways.clock()
            marking.mark(tx, self.stage.shop_id, [marking.Mark(key, source, event_at=at) for key in keys])

    # --- what the product does

    def live(self, *, rounds: int = 40) -> None:
        """Work on what waits until nothing does."""
        for _ in range(rounds):
            self.work()
            if self.stage.rows("select 1 from changes where lane = 'late'"):
                self.graced()
                self.chore(late.CHORE)
            if not self.stage.rows("select 1 from changes where state = 'waiting'"):
                return
        raise AssertionError(self.stage.rows("select * from changes where state = 'waiting' limit 5"))

    def work(self) -> None:
        """Work on what is due, once."""
        lanes.drain(self.stage.runtime, stop=self.stage.stop, works=WORKS)
        self.soon()

    def graced(self) -> None:
        """The others had time to hear that they are to wait."""
        query = """
            update chores set cursor = jsonb_set(cursor, '{since}', to_jsonb((now() - interval '1 hour')::text))
            where name = 'late_orders' and cursor ? 'since'
        """
        self.do(query)

    def soon(self) -> None:
        """Time passes: whatever waits is due, late writes have come."""
        self.do(
            """
            update changes set due_at = now(), settles_at = least(settles_at, now())
            where state = 'waiting' and token is null
            """
        )
        self.do("update lanes set open_until = null where shop_id = :shop")

    def chore(self, name: str) -> None:
        self.do("update chores set due_at = now() where shop_id = :shop and name = :name", name=name)
        assert chores.drain(self.stage.runtime, {name: CHORES[name]}, stop=self.stage.stop, at_most=1) == 1

    def settled(self, poll: str) -> None:
        """The poll marks nothing any more, once what it saw is more than a few seconds old, and writes nothing on the way."""
        before = len(self.stage.sandbox.writes("mailchimp"))

        def quiet() -> bool:
            self.chore(poll)
            found = bool(self.changes())
            self.live()
            return not found

        wait_for(quiet)
        assert len(self.stage.sandbox.writes("mailchimp")) == before

    def do(self, query: str, **values: Any) -> None:
        with self.stage.database.transaction() as tx:
            tx.execute(text(query), {"shop": self.stage.shop_id, **values})

    # --- what there is

    def state(self, platform: str, kind: str) -> dict[str, Row]:
        rows = self.stage.sandbox._lines("state", platform)
        return {row["key"]: row for row in rows if row.get("kind") == kind}

    def ours(self, kind: str) -> dict[str, Row]:
        """What Mailchimp has in our store, by id."""
        return {key: row for key, row in self.state("mailchimp", kind).items() if row.get("store") == self.store_id}

    def of(self, order: Row) -> Row | None:
        """An order as Mailchimp has it."""
        return self.ours("order").get(number(order["id"]))

    def item(self, kind: str, item_id: str) -> Row | None:
        query = "select * from commerce_items where shop_id = :shop and kind = :kind and id = :id"
        found = self.stage.rows(query, shop=self.stage.shop_id, kind=kind, id=item_id)
        return found[0] if found else None

    def contacts(self) -> dict[str, Row]:
        rows = self.stage.sandbox._lines("state", "mailchimp")
        return {row["email"].lower(): row for row in rows if row.get("audience") == AUDIENCE and "email" in row}

    def mails(self, email: str) -> list[str]:
        """What Mailchimp would have sent somebody about their orders, in order."""
        said = self.stage.sandbox.http.get("/_sandbox/automations").json()["last"]
        return [each["automation"] for each in said if each["who"] == email and each["automation"].startswith("order_")]

    def fired(self) -> dict[str, int]:
        """How many automations would have begun."""
        return dict(self.stage.sandbox.http.get("/_sandbox/automations").json()["fired"])

    def changes(self) -> list[Row]:
        return self.stage.rows("select * from changes where shop_id = :shop", shop=self.stage.shop_id)

    def lines(self, kind: str) -> list[Row]:
        query = "select * from activities where shop_id = :shop and kind = :kind order by id"
        return self.stage.rows(query, shop=self.stage.shop_id, kind=kind)


def open_store(played: Stage) -> Market:
    """The store is at Mailchimp and live, as after a first sync of a shop that had sold nothing."""
    made = store.ensure(played.runtime.gateways, played.shop_id)
    store.set_syncing(played.runtime.gateways, played.shop_id, on=False)
    with played.database.transaction() as tx:
        going_live.open_commerce(tx, played.shop_id)
    market = Market(played, made.store_id)
    market.do("update connections set commerce_since = now() - interval '1 minute' where shop_id = :shop")
    found = market.state("shopify", "product")
    market.variants = [variant["id"] for row in found.values() for variant in row["variants"]]
    market.mark(*[f"product:{number(key)}" for key in found])
    market.live()
    return market


@contextmanager
def market(database_url: str, *arguments: str) -> Iterator[Market]:
    """A shop with a few products, live with both; its first sync found nobody."""
    with stage(database_url, "--people", "0", "--invented-products", "6", *arguments) as played:
        with played.database.transaction() as tx:
            going_live.open_lanes(tx, played.shop_id, contacts=0)
        yield open_store(played)
