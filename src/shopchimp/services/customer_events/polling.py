"""One round of asking Mailchimp what became of its campaigns: what belongs to it, and storing what was found.

Facts, totals, marks and the place reached are one transaction. Whoever lost the lease, or finds customer event syncing
switched off, stores nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from shopchimp.db import chores, engagements, event_counts, marking
from shopchimp.db.chores import Chore
from shopchimp.db.marking import Mark
from shopchimp.db.session import Database
from shopchimp.domain.customer_events.activity import ActivityFact
from shopchimp.mailchimp.client import MailchimpClient
from shopchimp.services import privacy, settings
from shopchimp.services.customer_events import POLL_CAMPAIGNS
from shopchimp.services.gateways import Gateways
from shopchimp.services.polls import IMPOSSIBLE, LeaseLost
from shopchimp.services.starting import StartRefused

CHORE = POLL_CAMPAIGNS
PART = 10.0  # seconds of reading: then it is another shop's turn
OLDEST = timedelta(days=45)  # older facts may have been forgotten, and would count again


class SwitchedOff(Exception):
    """The merchant deactivated customer event syncing meanwhile."""


def ask_now(database: Database, shop_id: int) -> None:
    """The merchant doesn't want to wait for the next round. Raises StartRefused before live sync, and while off."""
    with database.transaction() as tx:
        if not settings.get(tx, shop_id).customer_events:
            raise StartRefused("off", "Customer Event Syncing is off. Activate it in Settings first.")
        if not chores.hurry(tx, shop_id, CHORE):
            raise StartRefused("not_live", "Campaigns are read when the first sync is complete.")


@dataclass(slots=True)
class Round:
    """What a part of the chore needs."""

    gateways: Gateways
    shop_id: int
    chore: Chore
    audience_id: str
    login_id: str
    scopes: str
    timezone: str
    client: MailchimpClient
    now: datetime
    live_since: datetime
    until: float = field(default_factory=lambda: time.monotonic() + PART)

    @property
    def over(self) -> bool:
        """Whether it is another shop's turn."""
        return time.monotonic() >= self.until

    @contextmanager
    def storing(self) -> Iterator[Connection]:
        """A transaction that ends with the chore's place in it."""
        with self.gateways.database.transaction() as tx:
            if not settings.get(tx, self.shop_id).customer_events:
                raise SwitchedOff
            yield tx
            if not chores.save(tx, self.chore):
                raise LeaseLost

    def count(self, tx: Connection, facts: Iterable[ActivityFact], keys: Mapping[str, str]) -> int:
        """Count the facts that are new, and have their contacts looked at. Gives back how many were new.

        `keys` has each contact's normalised address. Of whom it isn't known, and of who was erased lately, nothing is
        kept: Mailchimp's reports go on naming them.
        """
        oldest, latest = self.now - OLDEST, self.now + IMPOSSIBLE
        known = [each for each in facts if oldest <= each.at <= latest and each.contact in keys]
        asked = sorted({keys[each.contact] for each in known})
        living = set(privacy.living(tx, self.gateways.vault, self.shop_id, asked))
        new = engagements.count(tx, self.shop_id, [each for each in known if keys[each.contact] in living], keys)
        newest: dict[str, datetime] = {}
        for fact in new:
            newest[fact.contact] = max(fact.at, newest.get(fact.contact, fact.at))
        # what happened before live sync began says nothing of how long syncing takes
        times = {contact: at if at >= self.live_since else None for contact, at in newest.items()}
        marking.mark(tx, self.shop_id, [engaged(contact, at) for contact, at in times.items()])
        event_counts.add(tx, self.shop_id, event_counts.TO_SHOPIFY, engagements.received(new))
        return len(new)


def engaged(contact: str, at: datetime | None = None) -> Mark:
    """The mark of a contact whose customer is to get other metafields."""
    return Mark(f"{marking.ENGAGED}:{contact}", "poll", event_at=at, lane=marking.ACTIVITY)
