"""Shops with live sync on a real Postgres, without platforms: what tests of lanes, slots and chores are played on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from shopchimp.db import changes, marking
from shopchimp.db.changes import Claimed
from shopchimp.db.marking import Mark
from shopchimp.db.session import Database

Row = dict[str, Any]


@dataclass
class LaneHouse:
    """Some shops and what waits for them."""

    database: Database
    made: int = 0

    def shop(self, *, login: str = "", live: bool = True, state: str = "connected") -> int:
        """A shop, installed and connected; its own login unless told."""
        self.made += 1
        name = f"shop-{self.made}.myshopify.com"
        shop_id = self.rows("insert into shops (domain, access_token) values (:d, 'x') returning id", d=name)[0]["id"]
        self.do(
            """
            insert into connections (shop_id, account_id, login_id, account_name, role, api_root, access_token, state,
                audience_id, audience_name, live_since)
            values (:shop, 'a', :login, 'A', 'owner', 'http://127.0.0.1:1', 'x', :state, 'list', 'L',
                case when :live then now() end)
            """,
            shop=shop_id, login=login or f"login-{shop_id}", live=live, state=state,
        )  # fmt: skip
        return int(shop_id)

    def mark(self, shop_id: int, *keys: str, lane: str = marking.LIVE, **more: Any) -> None:
        with self.database.transaction() as tx:
            marking.mark(tx, shop_id, [Mark(key, "shopify", lane=lane, **more) for key in keys])

    def claim(
        self,
        shop_id: int,
        token: UUID | None = None,
        *,
        lease: float = 20.0,
        limit: int = 100,
        lane: str = marking.LIVE,
    ) -> list[Claimed]:
        with self.database.transaction() as tx:
            return changes.claim(tx, shop_id, lane, token=token or uuid4(), lease=lease, limit=limit)

    def finish(self, shop_id: int, token: UUID, done: Iterable[Claimed | tuple[str, int]]) -> set[str]:
        pairs = [each if isinstance(each, tuple) else (each.key, each.version) for each in done]
        with self.database.transaction() as tx:
            return changes.finish(tx, shop_id, token, pairs)

    def change(self, shop_id: int, key: str) -> Row | None:
        """The row of one person, with `due_in`: seconds until it is due."""
        query = (
            "select *, extract(epoch from due_at - now())::float8 due_in from changes where shop_id = :s and key = :k"
        )
        found = self.rows(query, s=shop_id, k=key)
        return found[0] if found else None

    def change_count(self) -> int:
        return int(self.rows("select count(*) n from changes")[0]["n"])

    def later(self, shop_id: int, *, seconds: float = 3600) -> None:
        """So much time passes for what waits: leases run out, back-offs end, who is taken over settles."""
        query = """
            update changes set due_at = due_at - make_interval(secs => :by), marked_at = marked_at - make_interval(secs => :by),
                settles_at = settles_at - make_interval(secs => :by) where shop_id = :shop
        """
        self.do(query, shop=shop_id, by=seconds)

    def rows(self, query: str, **values: Any) -> list[Row]:
        with self.database.transaction() as tx:
            return [dict(row._mapping) for row in tx.execute(text(query), values)]

    def do(self, query: str, **values: Any) -> None:
        with self.database.transaction() as tx:
            tx.execute(text(query), values)


@contextmanager
def lane_house(database_url: str) -> Iterator[LaneHouse]:
    """Everything on a database of the test's own."""
    database = Database(database_url, pool_size=20)
    try:
        yield LaneHouse(database)
    finally:
        database.close()
