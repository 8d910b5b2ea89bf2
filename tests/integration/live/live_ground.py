"""A shop in live sync, and short words for what others do there: what the tests of this folder are played on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import text

from shopchimp.db import shops
from shopchimp.services import installation, settings
from stage import Row, Stage, stage

_numbers = count(1)
QUIET = {"on": False}  # the tests of one shop make more opt-ins than usual


def ago(**delta: float) -> datetime:
    """A moment in the past, in whole seconds."""
    return (datetime.now(UTC) - timedelta(**delta)).replace(microsecond=0)


def stamp(moment: datetime) -> str:
    """As both sandboxes take a time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def new_email(word: str = "p") -> str:
    """An address nobody had before."""
    return f"{word}{next(_numbers)}@live.example.com"


@dataclass
class Ground:
    """One shop, its first sync done."""

    stage: Stage

    # --- what others do

    def customer(self, email: str, **values: Any) -> Row:
        """Somebody's edit of a customer; a new address is a new customer."""
        return self.stage.sandbox.edit("shopify", email, set=values)

    def contact(self, email: str, status: str | None = None, **change: Any) -> Row:
        """Somebody's edit of a contact; a new address is a new contact."""
        values = {**change.pop("set", {}), **({"status": status} if status else {})}
        return self.stage.sandbox.edit("mailchimp", email, set=values, **change)

    def chosen(self, email: str, state: str, at: datetime | None = None, **values: Any) -> Row:
        """The customer's e-mail consent is this, since then (now)."""
        when = {"consent_at": stamp(at)} if at else {}
        level = {"marketingOptInLevel": "SINGLE_OPT_IN"}
        return self.customer(email, marketingState=state, **level, **when, **values)

    # --- what the product does

    def look(self, *keys: str, **about: Any) -> None:
        """Deliveries about these people arrived and were worked on."""
        self.stage.mark(*keys, **about)
        self.stage.live()

    def pair(self, state: str = "SUBSCRIBED", email: str | None = None, **values: Any) -> str:
        """A customer with this consent since yesterday, and live sync has carried it over."""
        email = email or new_email()
        if state == "NOT_SUBSCRIBED":
            self.customer(email, **values)
        else:
            self.chosen(email, state, ago(days=1), **values)
        self.look(email)
        return email

    def set(self, **changes: Any) -> None:
        """Settings, without the checks of their own doors."""
        with self.stage.database.transaction() as tx:
            shops.lock(tx, self.stage.shop_id)
            settings.apply(tx, self.stage.shop_id, changes, by="a test")

    # --- what can be seen afterwards

    def state(self, email: str) -> str | None:
        row = self.stage.sandbox.state("shopify").get(email.lower())
        return row["marketingState"] if row else None

    def customer_row(self, email: str) -> Row:
        return self.stage.sandbox.state("shopify")[email.lower()]

    def status(self, email: str) -> str | None:
        row = self.stage.sandbox.state("mailchimp").get(email.lower())
        return row["status"] if row else None

    def contact_row(self, email: str) -> Row:
        return self.stage.sandbox.state("mailchimp")[email.lower()]

    def sides(self, email: str) -> tuple[str | None, str | None]:
        """The consent in Shopify and in Mailchimp."""
        return self.state(email), self.status(email)

    def person(self, email: str) -> Row:
        return self.stage.person(email)

    def lines(self, email: str) -> list[Row]:
        """The activity log of one person (S27), oldest first."""
        query = (
            "select a.kind, a.direction, a.result, a.rule, a.cause, a.detail from activities a"
            " join people p on p.id = a.person_id where p.shop_id = :shop and p.key = :key order by a.id"
        )
        return self.stage.rows(query, shop=self.stage.shop_id, key=email)

    def last(self, email: str) -> Row:
        return self.lines(email)[-1]

    def change(self, email: str) -> Row | None:
        """What of this person still waits, is parked or held."""
        found = self.stage.rows(
            "select * from changes where shop_id = :shop and key = :key", shop=self.stage.shop_id, key=email
        )
        return found[0] if found else None

    @contextmanager
    def writes(self) -> Iterator[list[Row]]:
        """The app's effective writes while the block runs."""
        before = len(self.stage.sandbox.writes())
        found: list[Row] = []
        yield found
        found += self.stage.sandbox.writes()[before:]

    def quiet(self, *keys: str) -> bool:
        """Whether another look at them writes nothing and leaves nothing over."""
        with self.writes() as found:
            self.look(*keys)
        return not found and all(self.change(key) is None for key in keys)

    def clear(self) -> None:
        """Nothing of an earlier test is left to work on."""
        with self.stage.database.transaction() as tx:
            tx.execute(text("delete from changes"))
            tx.execute(text("delete from breakers"))
            tx.execute(text("delete from tallies"))
            tx.execute(text("update lanes set open_until = null, failures = 0"))
        self.stage.sandbox.faults()
        self.reconnect()

    def reconnect(self) -> None:
        """The merchant did what the page asked for."""
        with self.stage.database.transaction() as tx:
            tx.execute(text("update connections set state = 'connected'"))
            tx.execute(text("update lanes set open_until = null, failures = 0"))
            dead = tx.execute(text("select access_token is null from shops")).scalar_one()
        if dead:
            installation.from_session_token(self.stage.runtime.gateways, self.stage.sandbox.id_token())


@contextmanager
def ground(database_url: str, *arguments: str, people: int = 20) -> Iterator[Ground]:
    """A small shop whose first sync is done; the breaker is off."""
    with stage(database_url, "--people", str(people), *arguments) as played:
        played.first_sync()
        made = Ground(played)
        made.set(breaker=QUIET)
        yield made
