"""A shop whose store is at Mailchimp and whose promo codes are synced by the chore, as a worker would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from shopchimp.db import chores, connections, promo_runs
from shopchimp.db.promo_runs import PromoRun
from shopchimp.domain.commerce.results import Kind
from shopchimp.jobs import chores as chore_jobs
from shopchimp.mailchimp import ecommerce
from shopchimp.services.commerce import promo, store
from stage import Row, Stage, stage

REGISTRY = {promo.CHORE: promo.chore}


@dataclass
class PromoHouse:
    """The stage, and what there is of promo codes on both sides."""

    stage: Stage
    store_id: str

    @property
    def shop_id(self) -> int:
        return self.stage.shop_id

    def request(self) -> PromoRun:
        return promo.request(self.stage.database, self.shop_id)

    def work(self, *, parts: int = 200) -> int:
        """As a worker does; what is to wait for a while waits no longer. Gives back the parts it took."""
        done = 0
        while done < parts and chore_jobs.drain(self.stage.runtime, REGISTRY, stop=self.stage.stop, at_most=1):
            done += 1
            if self.running() is None:
                break
            if done < parts:
                self.hurry()
        return done

    def sync(self) -> PromoRun:
        """The button, and all the work it makes. Gives back the run as it ended."""
        run = self.request()
        self.work()
        return self.run(run)

    def run(self, run: PromoRun) -> PromoRun:
        with self.stage.database.transaction() as tx:
            found = promo_runs.get(tx, self.shop_id, run.id)
        assert found is not None
        return found

    def running(self) -> PromoRun | None:
        with self.stage.database.transaction() as tx:
            return promo_runs.running(tx, self.shop_id)

    def runs(self) -> list[PromoRun]:
        with self.stage.database.transaction() as tx:
            return promo_runs.latest(tx, self.shop_id, limit=100)

    def hurry(self) -> None:
        with self.stage.database.transaction() as tx:
            tx.execute(text("update chores set due_at = now() where token is null"))
            tx.execute(text("update promo_runs set held_until = now() where token is null"))

    def later(self, hours: float) -> None:
        """So much time passes for what runs by the clock."""
        with self.stage.database.transaction() as tx:
            tx.execute(
                text("update promo_runs set started_at = started_at - make_interval(secs => :s)"), {"s": hours * 3600}
            )
        self.hurry()

    def discount(self, do: str, **change: Any) -> Row:
        """Somebody in Shopify makes, changes or deletes a discount or its codes."""
        return self.stage.sandbox.control("edit", platform="shopify", kind="discount", do=do, **change)

    def rules(self) -> dict[str, Row]:
        """Mailchimp's promo rules by title."""
        return {row["title"]: row for row in self._all(Kind.PROMO_RULE, "id,title,type,target,amount,enabled,ends_at")}

    def codes(self) -> dict[str, dict[str, Row]]:
        """Mailchimp's promo codes by title of their rule and by code."""
        fields = "id,code,redemption_url,usage_count,enabled"
        return {
            title: {row["code"]: row for row in self._all(Kind.PROMO_CODE, fields, parent=rule["id"])}
            for title, rule in self.rules().items()
        }

    def texts(self) -> set[str]:
        """All codes that Mailchimp has."""
        return {code for codes in self.codes().values() for code in codes}

    def items(self, kind: str, **where: Any) -> dict[str, Row]:
        """What we remember, by code or title."""
        query = "select * from commerce_items where shop_id = :shop and kind = :kind"
        rows = self.stage.rows(query, shop=self.shop_id, kind=kind)
        name = "code" if kind == "promo_code" else "title"
        return {row["shown"][name]: row for row in rows if all(row[key] == value for key, value in where.items())}

    def count(self, kind: str, state: str) -> int:
        query = "select count(*) as n from commerce_items where shop_id = :shop and kind = :kind and state = :state"
        return int(self.stage.rows(query, shop=self.shop_id, kind=kind, state=state)[0]["n"])

    def calls(self) -> dict[str, int]:
        """How many readings of discounts Shopify has had, and how many writes of rules and codes Mailchimp."""
        seen = self.stage.sandbox.calls()
        reads = ("DiscountsPage", "DiscountRedeemCodes", "DiscountById")
        writes = (n for name, n in seen["mailchimp"].items() if "/promo-" in name and not name.startswith("GET"))
        return {"shopify": sum(seen["shopify"].get(name, 0) for name in reads), "mailchimp": sum(writes)}

    def _all(self, kind: Kind, fields: str, *, parent: str | None = None) -> list[Row]:
        client, found = self.stage.runtime.gateways.mailchimp(self.shop_id), list[Row]()
        while True:
            page, total = ecommerce.page(
                client, self.store_id, kind, offset=len(found), parent=parent, fields=fields.split(",")
            )
            found += page
            if len(found) >= total or not page:
                return found


def opened(stage_: Stage) -> PromoHouse:
    """What a first sync would have opened."""
    made = store.ensure(stage_.runtime.gateways, stage_.shop_id)
    with stage_.database.transaction() as tx:
        connections.go_live(tx, stage_.shop_id, contacts=0)
        connections.open_commerce(tx, stage_.shop_id)
        chores.ensure(tx, stage_.shop_id, promo.CHORE, due_in=3600)
    return PromoHouse(stage_, made.store_id)


@contextmanager
def promo_house(database_url: str, *arguments: str, lease: float = 20.0) -> Iterator[PromoHouse]:
    with stage(database_url, "--people", "1", *arguments, lease=lease) as played:
        yield opened(played)
