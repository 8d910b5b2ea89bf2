"""A shop in live sync whose contacts get campaigns: short words for what they do, and for what Shopify then has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from shopchimp.db import chores, marking, shops
from shopchimp.jobs import chores as chore_jobs
from shopchimp.jobs import lanes
from shopchimp.runtime import Runtime
from shopchimp.services import settings
from shopchimp.services.customer_events import campaigns, engagement
from stage import Row, Stage, stage

POLL = {campaigns.CHORE: campaigns.poll}
ACTIVITY = {marking.ACTIVITY: engagement.work}
_numbers = count(1)


def ago(**delta: float) -> datetime:
    """A moment in the past, in whole seconds."""
    return (datetime.now(UTC) - timedelta(**delta)).replace(microsecond=0)


def stamp(moment: datetime) -> str:
    """As Shopify's metafields and the sandbox spell a time."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Readers:
    """One shop, its first sync done."""

    stage: Stage

    # --- what others do

    def pair(self, word: str = "reader") -> str:
        """A new customer who is a subscribed contact."""
        email = f"{word}{next(_numbers)}@reads.example.com"
        level = {"marketingOptInLevel": "SINGLE_OPT_IN", "consent_at": stamp(ago(days=40))}
        self.stage.sandbox.edit("shopify", email, set={"marketingState": "SUBSCRIBED", **level})
        self.stage.mark(email)
        self.stage.live()
        return email

    def send(self, *to: str, **values: Any) -> str:
        """The merchant sends a campaign, an hour ago, to these."""
        given = {"at": stamp(ago(hours=1)), **({"to": list(to)} if to else {}), **values}
        made = self.stage.sandbox.control("edit", platform="mailchimp", campaign=given)
        return str(made["id"])

    def text(self, *to: str, **values: Any) -> str:
        """The merchant sends a text message, an hour ago."""
        given = {"at": stamp(ago(hours=1)), "to": list(to), **values}
        return str(self.stage.sandbox.control("edit", platform="mailchimp", sms_campaign=given)["id"])

    def does(self, campaign: str, do: str, *emails: str, **values: Any) -> list[str]:
        """These open, click ...; machines too."""
        given = {"campaign": campaign, "do": do, **({"emails": list(emails)} if emails else {}), **values}
        return list(self.stage.sandbox.control("edit", platform="mailchimp", activity=given)["emails"])

    # --- what the product does

    def poll(self) -> Counter[str]:
        """A whole round, however many parts it has. Gives back Mailchimp's calls by route."""
        before = self.calls()
        self.sql("update chores set due_at = now(), token = null where name = 'poll_campaigns'")
        chore_jobs.drain(self.stage.runtime, POLL, stop=self.stage.stop)
        (row,) = self.stage.rows("select cursor, trouble from chores where name = 'poll_campaigns'")
        assert row["trouble"] is None, row
        return self.calls() - before

    def write(self) -> None:
        """Everything that waits is written."""
        for _ in range(40):
            lanes.drain(self.stage.runtime, stop=self.stage.stop, works=ACTIVITY)
            if not self.waiting():
                return
            self.sql("update changes set due_at = now() where state = 'waiting' and token is null")
            self.sql("update lanes set open_until = null")
        raise AssertionError(self.stage.rows("select * from changes limit 3"))

    def round(self) -> Counter[str]:
        """A poll, and all that comes of it."""
        asked = self.poll()
        self.write()
        return asked

    def set(self, **changed: Any) -> None:
        """Settings, by the merchant."""
        with self.stage.database.transaction() as tx:
            shops.lock(tx, self.stage.shop_id)
            settings.apply(tx, self.stage.shop_id, changed, by="a test")

    def sql(self, query: str, **values: Any) -> None:
        with self.stage.database.transaction() as tx:
            tx.execute(text(query), values)

    def mark(self, *contacts: str) -> None:
        """These contacts are to be looked at once more."""
        with self.stage.database.transaction() as tx:
            marks = [marking.Mark(f"engaged:{contact}", "poll", lane=marking.ACTIVITY) for contact in contacts]
            marking.mark(tx, self.stage.shop_id, marks)

    # --- what can be seen afterwards

    def calls(self) -> Counter[str]:
        """What Mailchimp was asked, by route without ids."""
        return Counter(self.stage.sandbox.calls()["mailchimp"])

    def metafields(self, email: str) -> Row:
        """What the customer has in our namespace, by key."""
        found = self.stage.sandbox.state("shopify")[email].get("metafields") or {}
        return {key.rpartition(".")[2]: value for key, value in found.items()}

    def waiting(self) -> int:
        query = "select count(*) as n from changes where lane = 'activity' and state = 'waiting'"
        return int(self.stage.rows(query)[0]["n"])

    def writes(self) -> int:
        """How many calls have written metafields so far."""
        return int(self.stage.sandbox.calls()["shopify"].get("MetafieldsSet", 0))

    def counted(self, name: str, outcome: str) -> int:
        query = "select coalesce(sum(n), 0) as n from event_counts where name = :name and outcome = :outcome"
        return int(self.stage.rows(query, name=name, outcome=outcome)[0]["n"])

    def found(self, segment: str) -> set[int]:
        """The customers of a segment query, as the merchant's Shopify finds them."""
        document = """query Members($query: String!) {
            customerSegmentMembers(query: $query, first: 250) { edges { node { id } } } }"""
        client = self.stage.runtime.gateways.shopify(self.stage.shop_id)
        data = client.execute(document, "Members", {"query": segment})
        nodes = [edge["node"] for edge in data["customerSegmentMembers"]["edges"]]
        return {int(node["id"].rpartition("/")[2]) for node in nodes}

    def customer_id(self, email: str) -> int:
        return int(self.stage.person(email)["customer_id"])


@contextmanager
def readers(database_url: str, *arguments: str, people: int = 12) -> Iterator[Readers]:
    """A small shop whose first sync is done."""
    with stage(database_url, "--people", str(people), *arguments) as played:
        played.first_sync()
        made = Readers(played)
        made.set(breaker={"on": False})
        yield made


def claimed(runtime: Runtime) -> chores.Chore | None:
    """The chore, as a worker claims it."""
    with runtime.database.transaction() as tx:
        return chores.claim(tx, names=POLL, token=uuid4(), lease=runtime.lease_seconds)


__all__ = ["ACTIVITY", "POLL", "Readers", "ago", "claimed", "readers", "stamp"]
